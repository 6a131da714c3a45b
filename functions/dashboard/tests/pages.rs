//! What people see.

mod server;

use epitaph_crash_model::{Breadcrumb, Encoding, Frame, Note, NoteReason, User};
use server::{Server, crash, sign_again};

#[tokio::test]
async fn a_project_without_crashes_shows_how_to_send_one() {
    let server =
        Server::start_with(|settings| settings.public_url = Some("https://crashes.example.com".into())).await;
    // Computed apart from this code: the key of project 1 under the root secret of the tests.
    let key = "e3eef2ea1f10b74f04097ef23258097a";
    for path in ["/projects/1", "/projects/1/connect"] {
        let page = server.get(path).await.text();
        assert!(page.contains(&format!("https://{key}@crashes.example.com/1<")), "{path}");
        assert!(
            page.contains(&format!("https://crashes.example.com/api/1/minidump/?sentry_key={key}")),
            "{path}"
        );
        assert!(page.contains("curl -F upload_file_minidump=@"), "{path}");
        assert!(page.contains(&format!("https://crashes.example.com/api/1/unreal/{key}/")), "{path}");
        assert!(
            page.contains(&format!("https://crashes.example.com/api/1/report/?sentry_key={key}")),
            "{path}"
        );
    }
    server.record(&crash("Renderer::draw")).await;
    assert!(!server.get("/projects/1").await.text().contains(key));
}

#[tokio::test]
async fn the_key_that_is_shown_is_the_newest_that_is_accepted() {
    let server = Server::start().await;
    // Computed apart from this code: the key of generation 2.
    let key = "ca4581b9b1441464d86c7389062ddf8b";
    let set = async |revision, generations: &str| {
        let rules = format!(r#"{{"version":1,"projects":{{"1":{{"key_generations":{generations}}}}}}}"#);
        server.catalog.set_rules(&rules, revision).await.unwrap().unwrap();
    };
    let first = server.get("/projects/1/connect").await.text();
    set(0, "[2,1]").await;
    let second = server.get("/projects/1/connect").await.text();
    assert!(second.contains(key) && !first.contains(key), "{second}");
    assert_eq!(first.matches("e3eef2ea1f10b74f04097ef23258097a").count(), 5);
    assert!(!second.contains("e3eef2ea1f10b74f04097ef23258097a"));
    set(1, "[]").await;
    let none = server.get("/projects/1/connect").await.text();
    assert!(none.contains("epitaph key 1 --new") && none.contains("://KEY@"), "{none}");
}

#[tokio::test]
async fn a_crash_that_is_only_counted_says_by_which_rule_and_leads_to_those_that_were_kept() {
    let server = Server::start().await;
    let (kept, counted) = (crash("Renderer::draw"), crash("Renderer::draw"));
    let signature = kept.signature.id;
    assert!(server.catalog.is_among_first(kept.project, signature, kept.id, 1).await.unwrap());
    let issue = server.record(&kept).await;
    assert_eq!(server.count(&counted, Some("handled-errors")).await, issue);
    let page = server.get(&format!("/projects/1/crashes/{}", counted.id)).await.text();
    let same_hour =
        kept.id.accepted_at().as_millis() / 3_600_000 == counted.id.accepted_at().as_millis() / 3_600_000;
    assert!(page.contains("only counted, by the rule handled-errors"), "{page}");
    assert!(page.contains(&format!("/projects/1/issues/{issue}")));
    assert_eq!(page.contains(&format!("/projects/1/crashes/{}\"", kept.id)), same_hour);
    assert!(server.get(&format!("/projects/1/issues/{issue}")).await.text().contains("only counted"));
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", counted.id)).await.json();
    assert_eq!(answer["counted_by"], "handled-errors");
    assert_eq!(
        answer["incomplete"],
        "a rule of the project only counts this crash; see the kept ones of its issue"
    );
    let answer = server.get(&format!("/api/v1/projects/1/issues/{issue}/crashes")).await.json();
    let by: Vec<_> = answer["crashes"].as_array().unwrap().iter().map(|crash| &crash["counted_by"]).collect();
    assert!(by.contains(&&"handled-errors".into()) && by.contains(&&serde_json::Value::Null), "{by:?}");
}

#[tokio::test]
async fn a_crash_leads_from_the_overview_to_its_frames() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    crash.notes.push(Note { name: Some("big.log".to_owned()), reason: NoteReason::FileTooLarge });
    server.keep(&mut crash, b"MDMP", Encoding::Identity, "upload_file_minidump").await;
    let issue = server.record(&crash).await;
    let first = server.get("/").await;
    assert_eq!((first.status, first.header("location")), (303, "/projects/1"));
    let crash_page = format!("/projects/1/crashes/{}", crash.id);
    let issue_page = format!("/projects/1/issues/{issue}");
    let overview = server.get("/projects/1?period=24h").await.text();
    assert!(overview.contains(&crash_page) && overview.contains(&issue_page));
    assert!(server.get("/projects/1/issues").await.text().contains(&issue_page));
    assert!(server.get(&issue_page).await.text().contains(&crash_page));

    let page = server.get(&crash_page).await.text();
    for expected in [
        "Renderer::<wbr>draw",
        "SIGSEGV / SEGV_MAPERR",
        "render.cpp:42",
        "+0x10",
        "Thread 1: RenderThread (11)",
        "Thread 0: AudioMixer (10)",
        "no frames",
        "0x0000000014000010",
        "Ashfen",
        "big.log",
        "the file was larger than one file may be",
        "1.2.3",
        "1 min 15 s",
        "8 cores",
        "/payloads/0\" download",
        "How it came about",
        "NullReferenceException",
        "Object reference not set",
        "not handled",
        "var armor = target.Armor;",
        "opened the door",
        "level-warning",
        "Ann · player-17",
        "steam",
        "editor_version",
        "it froze in the lift",
        "the last words",
        "5120",
        "doors",
    ] {
        assert!(page.contains(expected), "no {expected:?}");
    }
    assert!(page.contains("<tr class=\"used\""), "frames of the signature are marked");
}

#[tokio::test]
async fn frames_that_are_not_the_games_own_are_folded() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    let frame = |function: &str, in_app| Frame {
        function: Some(function.to_owned()),
        in_app: Some(in_app),
        ..Frame::default()
    };
    let foreign = (0..7).map(|index| frame(&format!("Engine.Loop{index}"), false));
    crash.exceptions[0].frames = [frame("Weapon.Fire", true)].into_iter().chain(foreign).collect();
    server.record(&crash).await;
    let page = server.get(&format!("/projects/1/crashes/{}", crash.id)).await.text();
    assert!(page.contains("7 frames of the engine, of libraries or of the system"));
    assert!(page.contains("<tr class=\"own\"") && page.contains("Engine.Loop6"));
}

#[tokio::test]
async fn a_page_shows_the_newest_breadcrumbs_and_says_how_many_it_leaves_out() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    let crumb = |index| Breadcrumb { message: Some(format!("step {index};")), ..Breadcrumb::default() };
    crash.breadcrumbs = (0..250).map(crumb).collect();
    server.record(&crash).await;
    let page = server.get(&format!("/projects/1/crashes/{}", crash.id)).await.text();
    assert!(page.contains("150 older ones are left out here"));
    assert!(page.contains("step 249;") && page.contains("step 150;") && !page.contains("step 149;"));
}

#[tokio::test]
async fn pages_speak_english_and_korean() {
    let server = Server::start().await;
    let crash = crash("Renderer::draw");
    let issue = server.record(&crash).await;
    let paths = [
        "/projects/1".to_owned(),
        "/projects/1/issues".to_owned(),
        format!("/projects/1/issues/{issue}"),
        format!("/projects/1/crashes/{}", crash.id),
        "/projects/1/connect".to_owned(),
        "/nowhere".to_owned(),
        "/login".to_owned(),
    ];
    for path in paths {
        let english = server.get_in("en-US,ko;q=0.5", &path).await.text();
        let korean = server.get_in("ko-KR,en;q=0.5", &path).await.text();
        assert!(english.contains("<html lang=\"en\"") && english.contains("Skip to the content"), "{path}");
        assert!(korean.contains("<html lang=\"ko\"") && korean.contains("본문으로 건너뛰기"), "{path}");
    }
    let asked = server.get_in("en", "/projects/1?lang=ko&theme=dark").await;
    assert!(asked.text().contains("<html lang=\"ko\" data-theme=\"dark\""));
    assert_eq!(asked.headers.iter().filter(|header| header.0 == "set-cookie").count(), 2);
}

#[tokio::test]
async fn what_a_stranger_sends_is_text_on_every_page() {
    let server = Server::start().await;
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'\u{202e}txt\0\u{200b}";
    let mut crash = crash(attack);
    crash.release = Some(attack.to_owned());
    crash.environment = Some(attack.to_owned());
    crash.reason = Some(attack.to_owned());
    crash.client = Some(attack.to_owned());
    crash.assertion = Some(attack.to_owned());
    crash.unreadable = Some(attack.to_owned());
    crash.system.os = Some(attack.to_owned());
    crash.system.cpu = Some(attack.to_owned());
    crash.annotations = [(attack.to_owned(), attack.to_owned())].into();
    crash.tags = crash.annotations.clone();
    crash.contexts = [(attack.to_owned(), crash.annotations.clone())].into();
    crash.message = Some(attack.to_owned());
    crash.comment = Some(attack.to_owned());
    crash.build = Some(attack.to_owned());
    crash.fingerprint = vec![attack.to_owned()];
    crash.user = Some(User { id: Some(attack.to_owned()), name: Some(attack.to_owned()) });
    for exception in &mut crash.exceptions {
        exception.kind = Some(attack.to_owned());
        exception.message = Some(format!("another {attack}"));
        exception.mechanism = Some(attack.to_owned());
        exception.frames[0].source = Some(attack.to_owned());
    }
    for crumb in &mut crash.breadcrumbs {
        crumb.category = Some(attack.to_owned());
        crumb.level = Some(attack.to_owned());
        crumb.message = Some(attack.to_owned());
        crumb.data = crash.annotations.clone();
    }
    crash.notes.push(Note { name: Some(attack.to_owned()), reason: NoteReason::FileTooLarge });
    crash.modules[0].name = attack.to_owned();
    crash.modules[0].code_file = attack.to_owned();
    crash.threads[0].name = Some(attack.to_owned());
    crash.threads[0].incomplete = Some(attack.to_owned());
    crash.threads[1].frames[0].file = Some(attack.to_owned());
    crash.threads[1].frames[0].module = Some(attack.to_owned());
    crash.threads[1].registers = [(attack.to_owned(), Default::default())].into();
    crash.signature.text = attack.to_owned();
    server.keep(&mut crash, b"MDMP", Encoding::Identity, attack).await;
    let issue = server.record(&crash).await;
    for path in [
        "/projects/1".to_owned(),
        "/projects/1/issues".to_owned(),
        format!("/projects/1/issues/{issue}"),
        format!("/projects/1/crashes/{}", crash.id),
    ] {
        let page = server.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        assert!(!text.contains("<script>") && !text.contains("<img"), "{path} has markup of a stranger");
        assert!(!text.contains(['\u{202e}', '\0', '\u{200b}']), "{path} has characters that deceive");
        assert!(text.contains("alert(1)") && text.contains("\\u{202e}"), "{path} does not show it as text");
    }
    let page =
        server.send("GET", "/projects/1/issues?period=%22%3E%3Cscript%3E&lang=%3Cscript%3E", &[], "").await;
    assert!(!page.text().contains("<script>"));
}

#[tokio::test]
async fn a_stack_of_ten_thousand_frames_and_a_thousand_threads_make_a_page_of_bounded_size() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    let frame = crash.threads[1].frames[0].clone();
    crash.threads[1].frames = vec![frame; 10_000];
    let mut other = crash.threads[1].clone();
    other.frames.truncate(60);
    crash.threads.extend(vec![other; 1_000]);
    crash.annotations = (0..1_000).map(|index| (format!("name {index}"), "v".repeat(5_000))).collect();
    sign_again(&mut crash);
    server.record(&crash).await;
    let page = server.get(&format!("/projects/1/crashes/{}", crash.id)).await;
    assert_eq!(page.status, 200);
    assert!(page.body.len() < 8 << 20, "{} bytes", page.body.len());
    assert!(
        page.text().contains("9760 frames are left out here"),
        "the crashing thread is cut in its middle"
    );
    assert!(page.text().contains("more threads are left out here"));
    assert!(page.text().contains(">9999<"), "its outermost frame is shown");
    let whole = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await.json();
    assert_eq!(whole["threads"][1]["frames"].as_array().map(Vec::len), Some(10_000));
}

#[tokio::test]
async fn the_search_box_leads_to_a_crash_or_an_issue() {
    let server = Server::start().await;
    let crash = crash("Renderer::draw");
    let issue = server.record(&crash).await;
    let crash_page = format!("/projects/1/crashes/{}", crash.id);
    for form in [crash.id.to_string(), crash.id.simple().to_uppercase(), format!("CrashID%3Dbp-{}", crash.id)]
    {
        let answer = server.get(&format!("/search?q=+{form}+")).await;
        assert_eq!((answer.status, answer.header("location")), (303, crash_page.as_str()), "{form}");
    }
    let answer = server.get(&format!("/search?q=%23{issue}&project=1")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, format!("/projects/1/issues/{issue}").as_str())
    );
    let unknown = server.get("/search?q=019a9d5c-8a00-7000-8000-000000000001").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("There is no crash with this id"));
    assert!(server.get("/search?q=nonsense").await.text().contains("This is not a crash id"));
}

#[tokio::test]
async fn older_crashes_of_an_issue_are_a_link_away() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        let crash = crash("Renderer::draw");
        ids.push(crash.id.to_string());
        server.record(&crash).await;
    }
    let page = server.get("/projects/1/issues/1").await.text();
    let older =
        page.split("href=\"").find(|part| part.contains("after=")).unwrap().split('"').next().unwrap();
    // A browser keeps the fragment to itself, and reads `&#38;` as `&`.
    let older = older.replace("&#38;", "&");
    let second = server.get(older.split('#').next().unwrap()).await.text();
    for id in ids {
        let address = format!("/crashes/{id}");
        assert!(page.contains(&address) != second.contains(&address), "{id} is on exactly one page");
    }
    assert!(!second.contains("rel=\"next\""));
}
