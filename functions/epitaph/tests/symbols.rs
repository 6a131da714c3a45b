//! Debug files from a build machine to the server, and symbols back out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::mpsc,
    thread,
};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Answer, House, Server, answer, until};

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";

fn sym(id: &str, function: &str) -> String {
    format!("MODULE Linux x86_64 {id} game\nFILE 0 main.c\nFUNC 10 20 0 {function}\n10 20 7 0\n")
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A program with lines, as a compiler makes it; `None` where there is no compiler.
fn program(folder: &Path) -> Option<PathBuf> {
    let gcc = epitaph_test_services::program(&["gcc"])?;
    let (source, program) = (folder.join("game.c"), folder.join("game"));
    fs::write(
        &source,
        "int hurt(int by) { return 100 / by; }\nint main(int by, char **_) { return hurt(by - 1); }\n",
    )
    .unwrap();
    let mut command = Command::new(gcc);
    command.args(["-g", "-O0", "-Wl,--build-id", "-o"]).arg(&program).arg(source);
    epitaph_test_services::succeed(&mut command);
    Some(program)
}

/// The upload token, and the address of the symbol server.
struct Tokens {
    upload: String,
    server: String,
}

impl Tokens {
    fn of(house: &House, server: &Server, project: &str) -> Self {
        let last = |option: &str| {
            let output = house.command(&["key", project, option]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.trim().rsplit(' ').next().unwrap().to_owned()
        };
        let (upload, address) = (last("--upload"), last("--symbols"));
        let (_, path) = address.split_once("/symbols/").unwrap();
        Self { upload, server: format!("{}/symbols/{path}", server.url) }
    }
}

fn upload(house: &House, server: &Server, token: &str, arguments: &[&str]) -> Output {
    let arguments = [&["symbols", "upload", "--project", "1", "--server", &server.url], arguments].concat();
    house.command(&arguments).env("EPITAPH_UPLOAD_TOKEN", token).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn get(server: &Server, url: &str) -> (u16, Vec<u8>) {
    let answer = server.client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

async fn files(server: &Server, token: &str) -> Vec<Value> {
    let url = format!("{}/api/1/symbols/", server.url);
    let answer = answer(server.client.get(url).bearer_auth(token)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let listed: Value = serde_json::from_str(&answer.text).unwrap();
    listed["files"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_build_machine_uploads_what_is_useful_once_and_tools_find_it() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let Some(program) = program(folder.path()) else { return };
    fs::write(folder.path().join("notes.txt"), "no debug file").unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/game.sym"), sym(ID, "from_a_sym")).unwrap();
    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    let path = folder.path().to_str().unwrap();
    let first = upload(&house, &server, &tokens.upload, &[path, "--release", "1.0"]);
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("2 uploaded, 0 there before, 0 refused"), "{}", said(&first));
    let second = upload(&house, &server, &tokens.upload, &[path]);
    assert!(
        second.status.success() && said(&second).contains("0 uploaded, 2 there before"),
        "{}",
        said(&second)
    );

    let (status, text) = get(&server, &format!("{}game/{ID}/game.sym", tokens.server)).await;
    assert_eq!((status, String::from_utf8(text).unwrap()), (200, sym(ID, "from_a_sym")), "as it came");
    let listed = files(&server, &tokens.upload).await;
    let elf = listed.iter().find(|file| file["format"] == "ELF").unwrap();
    assert_eq!(
        (&elf["lines"], &elf["unwind"], &elf["release"]),
        (&json!("full"), &json!("full"), &json!("1.0"))
    );
    let id = elf["debug_id"].as_str().unwrap();
    let (status, text) = get(&server, &format!("{}game/{id}/game.sym", tokens.server)).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    assert!(text.starts_with(&format!("MODULE Linux x86_64 {id} game\n")), "{text}");
    assert!(text.contains(" hurt\n") && text.contains("STACK CFI INIT "), "{text}");
    let (status, whole) = get(&server, &format!("{}game/{id}/game", tokens.server)).await;
    assert!(status == 200 && whole == fs::read(program).unwrap(), "the file itself");
    let (status, _) = get(&server, &format!("{}game/{}/game.sym", tokens.server, id.replace('0', "1"))).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn strangers_and_other_projects_read_and_write_no_symbols() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("game.sym"), sym(ID, "main")).unwrap();
    let server = house.serve();
    assert!(house.command(&["project", "add", "Other"]).output().unwrap().status.success());
    let (own, other) = (Tokens::of(&house, &server, "1"), Tokens::of(&house, &server, "2"));
    let path = folder.path().to_str().unwrap();
    let read_token = own.server.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    for token in ["1-00000000000000000000000000000000", other.upload.as_str(), &read_token, &server.key] {
        let refused = upload(&house, &server, token, &[path]);
        assert!(!refused.status.success() && said(&refused).contains("403"), "{}", said(&refused));
    }
    assert!(upload(&house, &server, &own.upload, &[path]).status.success());
    let at = |place: &str| format!("{place}game/{ID}/game.sym");
    assert_eq!(get(&server, &at(&own.server)).await.0, 200);
    assert_eq!(get(&server, &at(&other.server)).await.0, 404);
    for token in [&own.upload, &server.token, &server.key, &read_token.replacen('1', "2", 1)] {
        assert_eq!(get(&server, &at(&format!("{}/symbols/{token}/", server.url))).await.0, 403);
    }
    let api =
        |token: &str| answer(server.client.get(format!("{}/api/1/symbols/", server.url)).bearer_auth(token));
    assert_eq!(api(&other.upload).await.unwrap().status, 403);
    assert_eq!(api(&server.token).await.unwrap().status, 200, "the administrator may");
    let anonymous = answer(server.client.get(format!("{}/api/1/symbols/", server.url))).await.unwrap();
    assert_eq!(anonymous.status, 401);
}

/// Announces, and gives the plan.
async fn announce(server: &Server, token: &str, content: &[u8]) -> Value {
    let about = json!({ "name": "game.sym", "size": content.len(), "sha256": sha256(content) });
    let url = format!("{}/api/1/symbols/", server.url);
    let answer = answer(server.client.post(url).bearer_auth(token).json(&about)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap()
}

async fn put(server: &Server, token: &str, content: &[u8], part: usize, bytes: &[u8]) -> Answer {
    let url = format!("{}/api/1/symbols/{}/{part}?size={}", server.url, sha256(content), content.len());
    answer(server.client.put(url).bearer_auth(token).body(bytes.to_vec())).await.unwrap()
}

#[tokio::test]
async fn an_upload_goes_on_after_the_server_was_killed() {
    let house = House::new();
    // Of three parts.
    let mut content = sym(ID, "main").into_bytes();
    content.resize(70 << 20, b'\n');
    let server = house.serve();
    let token = Tokens::of(&house, &server, "1").upload;
    let plan = announce(&server, &token, &content).await;
    assert_eq!(plan["missing"], json!([0, 1, 2]));
    let part_bytes = usize::try_from(plan["part_bytes"].as_u64().unwrap()).unwrap();
    let parts: Vec<&[u8]> = content.chunks(part_bytes).collect();
    let taken = put(&server, &token, &content, 1, parts[1]).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    for (part, bytes) in [(0, &parts[0][1..]), (2, parts[0]), (3, parts[2])] {
        let refused = put(&server, &token, &content, part, bytes).await;
        assert!([400, 413].contains(&refused.status), "{}", refused.text);
    }
    server.kill();

    let server = house.serve();
    assert_eq!(announce(&server, &token, &content).await["missing"], json!([0, 2]));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("game.sym"), &content).unwrap();
    let output = upload(&house, &server, &token, &[folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(files(&server, &token).await.len(), 1);
    assert_eq!(announce(&server, &token, &content).await["state"], "done");
    let left = house.data().join("bucket/symbol-parts/1");
    let left = fs::read_dir(left.join(sha256(&content))).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 0, "parts that were put together");
}

#[tokio::test]
async fn parts_go_into_a_remote_bucket_without_passing_the_server() {
    let Some(aws) = tokio::task::spawn_blocking(epitaph_test_services::Aws::ministack).await.unwrap() else {
        return;
    };
    aws.bucket("crashes");
    let mut house = House::with(&[("EPITAPH_BUCKET", "s3://crashes")]);
    for (name, value) in aws.environment() {
        house.set(name, &value);
    }
    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    let content = sym(ID, "main").into_bytes();
    announce(&server, &tokens.upload, &content).await;
    let place = format!("{}/api/1/symbols/{}/0?size={}", server.url, sha256(&content), content.len());
    let place = answer(server.client.get(place).bearer_auth(&tokens.upload)).await.unwrap();
    let place: Value = serde_json::from_str(&place.text).unwrap();
    let put = server.client.put(place["url"].as_str().unwrap()).body(content.clone());
    assert!(put.send().await.unwrap().status().is_success());
    assert_eq!(announce(&server, &tokens.upload, &content).await["missing"], json!([]));

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("game.sym"), &content).unwrap();
    fs::write(folder.path().join("other.sym"), sym(&ID.replace('1', "0"), "other")).unwrap();
    let output = upload(&house, &server, &tokens.upload, &[folder.path().to_str().unwrap()]);
    assert!(output.status.success() && said(&output).contains("2 uploaded"), "{}", said(&output));
    // Given out by the bucket as well.
    let (status, text) = get(&server, &format!("{}game/{ID}/game.sym", tokens.server)).await;
    assert!(status == 200 && text == content);
}

#[tokio::test]
async fn a_file_that_is_acknowledged_is_converted_although_the_server_dies() {
    let house = House::new();
    let content = sym(ID, "main").into_bytes();
    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    announce(&server, &tokens.upload, &content).await;
    assert_eq!(put(&server, &tokens.upload, &content, 0, &content).await.status, 200);
    let about = json!({ "name": "game.sym", "size": content.len(), "sha256": sha256(&content) });
    let url = format!("{}/api/1/symbols/{}/finish", server.url, sha256(&content));
    let finished = answer(server.client.post(url).bearer_auth(&tokens.upload).json(&about)).await.unwrap();
    assert_eq!(finished.status, 200, "{}", finished.text);
    server.kill();

    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    until("it is converted", async || {
        let (status, _) = get(&server, &format!("{}game/{ID}/game.sym", tokens.server)).await;
        (status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told_and_fails_the_build() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let server = house.serve();
    let token = Tokens::of(&house, &server, "1").upload;
    let path = folder.path().to_str().unwrap();
    let nothing = upload(&house, &server, &token, &[path]);
    assert!(!nothing.status.success() && said(&nothing).contains("no debug file"), "{}", said(&nothing));
    fs::write(folder.path().join("broken"), b"\x7fELF\x02\x01\x01 and nothing more").unwrap();
    let broken = upload(&house, &server, &token, &[path]);
    assert!(!broken.status.success() && said(&broken).contains("damaged: "), "{}", said(&broken));

    // Not what it seems: the announcement is of other bytes.
    let (content, other) = (sym(ID, "main").into_bytes(), sym(ID, "evil").into_bytes());
    announce(&server, &token, &content).await;
    assert_eq!(put(&server, &token, &content, 0, &other).await.status, 200);
    let about = json!({ "name": "game.sym", "size": content.len(), "sha256": sha256(&content) });
    let url = format!("{}/api/1/symbols/{}", server.url, sha256(&content));
    let finish = server.client.post(format!("{url}/finish")).bearer_auth(&token).json(&about);
    assert_eq!(answer(finish).await.unwrap().status, 200);
    let refused = until("it is refused", async || {
        let told = answer(server.client.get(&url).bearer_auth(&token)).await.unwrap();
        let told: Value = serde_json::from_str(&told.text).unwrap();
        (told["state"] != "waiting").then_some(told)
    })
    .await;
    assert_eq!(refused["state"], "refused");
    assert!(refused["reason"].as_str().unwrap().contains("broke on its way"), "{refused}");
    assert_eq!(files(&server, &token).await, Vec::<Value>::new());
}

#[tokio::test]
async fn breakpads_own_form_uploads_and_the_administrator_deletes() {
    let house = House::new();
    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    let url = format!("{}/api/1/symbols/upload?token={}", server.url, tokens.upload);
    let part = || Part::bytes(sym(ID, "main").into_bytes()).file_name("game.sym");
    let form = Form::new().text("os", "Linux").text("version", "1.0").part("symbol_file", part());
    let taken = answer(server.client.post(&url).multipart(form)).await.unwrap();
    assert_eq!(taken.status, 200, "{}", taken.text);
    until("it is converted", async || (files(&server, &tokens.upload).await.len() == 1).then_some(())).await;
    let empty = answer(server.client.post(&url).multipart(Form::new().text("os", "Linux"))).await.unwrap();
    assert!(empty.status == 400 && empty.text.contains("symbol_file"), "{}", empty.text);

    let file = files(&server, &tokens.upload).await.remove(0);
    assert_eq!(file["release"], "1.0");
    let url = format!("{}/api/1/symbols/{ID}/{}", server.url, file["sha256"].as_str().unwrap());
    let delete = |token: &str| answer(server.client.delete(&url).bearer_auth(token));
    assert_eq!(delete(&tokens.upload).await.unwrap().status, 403, "a build machine may not");
    assert_eq!(delete(&server.token).await.unwrap().status, 204);
    assert_eq!(delete(&server.token).await.unwrap().status, 404);
    assert_eq!(files(&server, &tokens.upload).await, Vec::<Value>::new());
    assert_eq!(announce(&server, &tokens.upload, sym(ID, "main").as_bytes()).await["state"], "upload");
}

#[tokio::test]
async fn a_build_whose_modules_lack_symbols_fails_its_check() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    if epitaph_test_services::program(&["gcc"]).is_none() {
        return;
    }
    let program = folder.path().join("crashing-game");
    epitaph_test_dumps::crash::compile_what_crashes(&["-g", "-Wl,--build-id"], &program);
    let dump = folder.path().join("crash.dmp");
    fs::write(&dump, epitaph_test_dumps::crash::dump_of(&program)).unwrap();
    let server = house.serve();
    let token = Tokens::of(&house, &server, "1").upload;
    let check = || {
        let dump = dump.to_str().unwrap();
        let arguments = ["symbols", "check", dump, "--project", "1", "--server", &server.url];
        house.command(&arguments).env("EPITAPH_UPLOAD_TOKEN", &token).output().unwrap()
    };
    let before = check();
    assert!(!before.status.success() && said(&before).contains("nothing"), "{}", said(&before));
    assert!(upload(&house, &server, &token, &[program.to_str().unwrap()]).status.success());
    let after = check();
    let told = said(&after);
    let own = told.lines().find(|line| line.ends_with("crashing-game")).unwrap();
    assert!(after.status.success() && own.contains("lines, unwind information"), "{told}");
}

#[tokio::test]
async fn a_release_whose_files_lack_lines_fails_its_check() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let server = house.serve();
    let token = Tokens::of(&house, &server, "1").upload;
    let check = |release: &str| {
        let arguments = ["symbols", "check", release, "--project", "1", "--server", &server.url];
        house.command(&arguments).env("EPITAPH_UPLOAD_TOKEN", &token).output().unwrap()
    };
    let upload = |name: &str, content: &str, release: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let uploaded = upload(&house, &server, &token, &["--release", release, path.to_str().unwrap()]);
        assert!(uploaded.status.success(), "{}", said(&uploaded));
    };
    upload("game.sym", &sym(ID, "main"), "2.0");
    let exports =
        "MODULE Linux x86_64 5A9832E5287241C1838ED98914E9B7FF1 engine.so\nPUBLIC 1000 0 engine_start\n";
    upload("engine.sym", exports, "2.1");
    let (good, poor, unknown) = (check("2.0"), check("2.1"), check("2.2"));
    assert!(good.status.success() && said(&good).contains(ID), "{}", said(&good));
    assert!(!poor.status.success() && said(&poor).contains("engine.so"), "{}", said(&poor));
    assert!(
        !unknown.status.success() && said(&unknown).contains("nothing was uploaded"),
        "{}",
        said(&unknown)
    );
}

#[tokio::test]
async fn sentry_cli_uploads_as_it_is() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    let Some(node) = support::clients::node("sentry-cli") else { return };
    let program = node.get_current_dir().unwrap().join("node_modules/@sentry/cli-linux-x64/bin/sentry-cli");
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let server = house.serve();
    let tokens = Tokens::of(&house, &server, "1");
    // Of three chunks.
    let mut content = sym(ID, "main").into_bytes();
    content.resize(20 << 20, b'\n');
    fs::write(folder.path().join("game.sym"), &content).unwrap();
    let run = |token: &str| {
        let mut command = Command::new(&program);
        command.args(["--url", &server.url, "--auth-token", token, "debug-files", "upload", "--org", "any"]);
        command.args(["--project", "1", "--wait"]).arg(folder.path());
        command.env_clear().env("HOME", folder.path()).env("SENTRY_DISABLE_UPDATE_CHECK", "1");
        command.env("NO_PROXY", "127.0.0.1").output().unwrap()
    };
    let refused = run("1-00000000000000000000000000000000");
    assert!(!refused.status.success() && said(&refused).contains("401"), "{}", said(&refused));
    let first = run(&tokens.upload);
    assert!(first.status.success() && said(&first).contains("OK"), "{}", said(&first));
    let (status, text) = get(&server, &format!("{}game/{ID}/game.sym", tokens.server)).await;
    assert!(status == 200 && text == content);
    let again = run(&tokens.upload);
    assert!(again.status.success() && said(&again).contains("Nothing to upload"), "{}", said(&again));

    let damaged = format!("MODULE Linux x86_64 {ID} game\nFUNC 10 20 0 other\n");
    fs::write(folder.path().join("game.sym"), damaged.replace(ID, &ID.replace('1', "0"))).unwrap();
    assert!(run(&tokens.upload).status.success(), "another id, another file");
}

/// A symbol server that has one file wherever it is asked for it, and says what it was asked.
fn symbol_server(body: String) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (asked, requests)) = (listener.local_addr().unwrap().port(), mpsc::channel());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap();
            assert!(lines.any(|line| line.is_empty()));
            let header =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            connection.write_all(format!("{header}{body}").as_bytes()).unwrap();
            if asked.send(request).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

#[tokio::test]
async fn symbols_that_nobody_uploaded_come_from_the_servers_that_a_project_names() {
    const GAME: &str = "443322116655887799AABBCCDDEEFF002";
    let body = format!("MODULE windows x86_64 {GAME} Game.pdb\nFUNC 1000 20 0 draw_mesh\n1000 20 7 0\n");
    let (port, requests) = symbol_server(body);
    let house = House::with(&[("EPITAPH_SYMBOL_HOSTS", "127.0.0.1")]);
    let server = house.serve();
    let rules = house.data().join("rules-of-the-test.json");
    let source = json!({"url": format!("http://127.0.0.1:{port}/symbols"), "layout": "microsoft", "files": ["game.*"]});
    let document = json!({"version": 1, "projects": {"1": {"symbol_sources": [source]}}});
    fs::write(&rules, document.to_string()).unwrap();
    let set = house.command(&["rules", "set", rules.to_str().unwrap()]).output().unwrap();
    assert!(set.status.success(), "{}", said(&set));
    let dump = Part::bytes(epitaph_test_dumps::windows()).file_name("crash.dmp");
    let form = Form::new().part("upload_file_minidump", dump);
    let url = format!("{}/api/1/minidump/?sentry_key={}", server.url, server.key);
    assert_eq!(answer(server.client.post(url).multipart(form)).await.unwrap().status, 200);
    let token = Tokens::of(&house, &server, "1").upload;
    let file = until("it has come", async || files(&server, &token).await.pop()).await;
    assert_eq!((file["debug_id"].as_str(), file["name"].as_str()), (Some(GAME), Some("Game.pdb")));
    let asked: Vec<String> = requests.try_iter().collect();
    assert_eq!(asked, [format!("GET /symbols/Game.pdb/{GAME}/Game.pdb HTTP/1.1")]);
}
