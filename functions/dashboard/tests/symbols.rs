//! Crashes that came before their symbols, and the page of debug files.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod server;

use epitaph_catalog::{DebugFileRow, Lacking, MissingModule, NewCrash};
use epitaph_crash_model::{Crash, Module, ProjectId, Timestamp};
use epitaph_symbolicate::{DiskCache, Limits, Store, convert};
use server::{Server, crash, sign_again};

const PROJECT: ProjectId = ProjectId::FIRST;
const ID: &str = "5A1C0E2F9B7D4E6C8F3A21B04D9E77C11";

/// Two functions, and one that is inlined into the first.
fn sym() -> String {
    format!(
        "MODULE windows x86_64 {ID} game.pdb\nFILE 0 render.cpp\nFILE 1 main.cpp\nINLINE_ORIGIN 0 read_vertex\n\
         FUNC 10 10 0 draw_mesh\nINLINE 0 41 0 0 10 8\n10 8 7 0\n18 8 42 0\nFUNC 20 10 0 real_main\n20 10 11 1\n"
    )
}

/// A crash of which only places are known.
fn unnamed() -> Crash {
    let mut crash = crash("to be forgotten");
    crash.exceptions.clear();
    for frame in crash.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
        (frame.function, frame.file, frame.line) = (None, None, None);
    }
    crash.modules[0].debug_id = Some(ID.to_owned());
    crash.modules.push(Module {
        name: "ntdll.dll".to_owned(),
        debug_id: Some("00000000000000000000000000000AAA1".to_owned()),
        ..Module::default()
    });
    sign_again(&mut crash);
    crash
}

/// Publishes a debug file as `process` does.
async fn publish(server: &Server, content: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("game.sym");
    std::fs::write(&path, content).unwrap();
    let caches = folder.path().join("caches");
    std::fs::create_dir(&caches).unwrap();
    let converted = convert(&path, "game.sym", &caches, Limits::default()).unwrap().remove(0);
    let disk = DiskCache::open(folder.path().join("disk"), 1 << 30).unwrap();
    let store = Store::new(server.bucket.clone(), disk);
    let stored = store.keep_file(PROJECT, &path).await.unwrap();
    store.publish(PROJECT, &stored, "game.sym", &converted).await.unwrap().unwrap();
    let now = Timestamp::now();
    let row = DebugFileRow {
        project: PROJECT,
        debug_id: converted.file.debug_id.clone().unwrap(),
        sha256: stored.sha256,
        code_id: None,
        name: converted.file.name.clone(),
        uploaded_as: "game.sym".to_owned(),
        format: "Breakpad".to_owned(),
        arch: Some("x86_64".to_owned()),
        size: stored.size,
        lines: Some("full".to_owned()),
        unwind: None,
        release: Some("1.2.3".to_owned()),
        pinned: false,
        uploaded_at: now,
        last_used_at: now,
    };
    server.catalog.add_debug_file(&row).await.unwrap();
}

#[tokio::test]
async fn a_crash_shows_its_lines_once_its_symbols_are_there() {
    let server = Server::start().await;
    let crash = unnamed();
    server.record(&crash).await;
    let page = format!("/projects/1/crashes/{}", crash.id);
    let before = server.get(&page).await.text();
    assert!(before.contains("No symbols for game.exe."), "{before}");
    assert!(!before.contains("draw_mesh"));

    publish(&server, &sym()).await;
    let after = server.get(&page).await.text();
    assert!(!after.contains("No symbols for"), "{after}");
    for text in ["read_vertex", "draw_mesh", "real_main", "render.cpp:7", "render.cpp:41", "main.cpp:11"] {
        assert!(after.contains(text), "{text}: {after}");
    }
    let json = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await.json();
    let frames = json["threads"][1]["frames"].as_array().unwrap();
    let functions: Vec<_> = frames.iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert_eq!(functions, ["read_vertex", "draw_mesh", "real_main"]);
    // What the signature was made of before is still what is marked.
    let used = json["signature_steps"].as_array().unwrap();
    let used: Vec<_> =
        used.iter().filter(|step| step["decision"] == "used").map(|step| &step["frame"]).collect();
    assert_eq!(used, [1, 2]);
}

#[tokio::test]
async fn modules_say_whether_they_have_symbols() {
    let server = Server::start().await;
    let crash = unnamed();
    server.record(&crash).await;
    publish(&server, &sym()).await;
    let page = server.get(&format!("/projects/1/crashes/{}", crash.id)).await.text();
    let row = |name: &str| {
        page.lines().find(|row| row.contains("<th scope=\"row\">") && row.contains(name)).unwrap()
    };
    assert!(row("game.exe").contains("<td>here</td>"), "{}", row("game.exe"));
    assert!(row("ntdll.dll").contains("missing"), "{}", row("ntdll.dll"));
}

#[tokio::test]
async fn symbols_that_are_gone_from_the_bucket_cost_lines_and_not_the_page() {
    let server = Server::start().await;
    let crash = unnamed();
    server.record(&crash).await;
    publish(&server, &sym()).await;
    let prefix = epitaph_bucket::Key::symbols_of(PROJECT, ID);
    let listed: Vec<_> = futures_util::TryStreamExt::try_collect(server.bucket.list(&prefix)).await.unwrap();
    for found in listed as Vec<epitaph_bucket::Listed> {
        server.bucket.delete(&found.key).await.unwrap();
    }
    let answer = server.get(&format!("/projects/1/crashes/{}", crash.id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("draw_mesh"));
}

#[tokio::test]
async fn the_page_of_symbols_lists_modules_without_them_by_how_many_crashes_wait() {
    let server = Server::start().await;
    let none = server.get("/projects/1/symbols").await.text();
    assert!(none.contains("No crash waits for symbols."), "{none}");
    let game = MissingModule { debug_id: ID.to_owned(), name: "game.pdb".to_owned() };
    let engine = MissingModule { debug_id: "AA1".to_owned(), name: "engine.pdb".to_owned() };
    for (index, modules) in [vec![engine.clone()], vec![engine, game.clone()], vec![game.clone()], vec![game]]
        .into_iter()
        .enumerate()
    {
        let lacking = Some(Lacking { modules, known: 0 });
        server.add(NewCrash { lacking, ..server.ready(&crash(&format!("stack {index}"))) }).await;
    }
    let page = server.get("/projects/1/symbols").await.text();
    let row = |name| page.lines().position(|line| line.contains(name)).unwrap();
    assert!(row("game.pdb") < row("engine.pdb"), "{page}");
    let of = |name| page.lines().nth(row(name)).unwrap();
    assert!(of("game.pdb").contains("<td class=\"num\">3</td>") && of("game.pdb").contains(ID), "{page}");
    assert!(of("engine.pdb").contains("<td class=\"num\">2</td>"), "{page}");

    publish(&server, &sym()).await;
    let after = server.get("/projects/1/symbols").await.text();
    let missing = after.split("id=\"files\"").next().unwrap();
    assert!(!missing.contains("game.pdb") && missing.contains("engine.pdb"), "{after}");
}

#[tokio::test]
async fn the_page_of_symbols_lists_what_arrived_and_says_how_to_upload() {
    let server = Server::start().await;
    let empty = server.get("/projects/1/symbols").await.text();
    assert!(
        empty.contains("No debug file has arrived yet.") && empty.contains("epitaph symbols upload"),
        "{empty}"
    );
    publish(&server, &sym()).await;
    let page = server.get("/projects/1/symbols").await.text();
    for text in ["game.pdb", ID, "1.2.3", "Breakpad", "<td>yes</td>"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert_eq!(server.get("/projects/2/symbols").await.status, 404);
    assert!(!server.get("/projects/1/symbols?after=nonsense").await.text().contains("No debug file"));
}
