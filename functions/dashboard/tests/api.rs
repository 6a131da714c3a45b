//! What programs read.

mod server;

use std::collections::BTreeSet;

use epitaph_bucket::Key;
use epitaph_catalog::{Feedback, Lacking, Renamed};
use epitaph_crash_model::{CrashId, Encoding, Note, NoteReason, ProjectId};
use server::{Server, crash};

#[tokio::test]
async fn an_issue_is_listed_with_its_counts() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.record(&crash("Renderer::draw")).await;
    }
    server.record(&crash("Audio::mix")).await;
    let answer = server.get("/api/v1/projects/1/issues?period=24h").await;
    assert_eq!(answer.status, 200);
    let issues = answer.json()["issues"].clone();
    assert_eq!(issues.as_array().unwrap().len(), 2);
    let first = &issues[0];
    assert_eq!((first["count"].as_u64(), first["users"].as_u64()), (Some(3), Some(1)));
    assert_eq!(
        (first["first_release"].as_str(), first["last_release"].as_str()),
        (Some("1.2.3"), Some("1.2.3"))
    );
    assert_eq!((first["status"].as_str(), first["kind"].as_str()), (Some("open"), Some("crash")));
    assert!(first["title"].as_str().unwrap().starts_with("Renderer::draw"), "{first}");
    assert!(first["first_seen"].as_str().unwrap().ends_with('Z') && first["last_seen"].is_string());

    let one = server.get(&format!("/api/v1/projects/1/issues/{}", first["id"])).await;
    let one = one.json();
    for (name, value) in one.as_object().unwrap() {
        assert_eq!(value, &first[name], "{name}");
    }
}

#[tokio::test]
async fn an_issue_whose_crashes_have_moved_leads_to_the_one_that_has_them() {
    let server = Server::start().await;
    let issue = server.record(&crash("Renderer::draw")).await;
    let other = server.record(&crash("Audio::mix")).await;
    let moved = crash("Audio::mix").signature;
    let named = crash("Renderer::draw").signature;
    let renamed = Renamed { signature: moved.id, named, lacking: Lacking::default() };
    server.catalog.name_again(ProjectId::FIRST, &renamed).await.unwrap();
    for path in ["", "/crashes"] {
        let old = server.get(&format!("/api/v1/projects/1/issues/{other}{path}")).await;
        let new = server.get(&format!("/api/v1/projects/1/issues/{issue}{path}")).await;
        assert_eq!((old.status, old.text()), (200, new.text()));
    }
    let listed = server.get("/api/v1/projects/1/issues?period=24h").await.json();
    let [one] = listed["issues"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((one["id"].as_i64(), one["count"].as_u64()), (Some(issue.0), Some(2)));
    let page = server.get(&format!("/projects/1/issues/{other}")).await;
    assert_eq!((page.status, page.header("location")), (303, &*format!("/projects/1/issues/{issue}")));
}

#[tokio::test]
async fn the_crashes_of_an_issue_are_read_page_by_page() {
    let server = Server::start().await;
    let mut sent = BTreeSet::new();
    let mut issue = None;
    for _ in 0..5 {
        let crash = crash("Renderer::draw");
        sent.insert(crash.id.to_string());
        issue = Some(server.record(&crash).await);
    }
    let address = format!("/api/v1/projects/1/issues/{}/crashes?limit=2", issue.unwrap());
    let (mut seen, mut pages, mut next) = (BTreeSet::new(), 0, address.clone());
    loop {
        let page = server.get(&next).await.json();
        for crash in page["crashes"].as_array().unwrap() {
            for field in
                ["project", "kind", "reason", "release", "environment", "signature", "issue", "received_at"]
            {
                assert!(!crash[field].is_null(), "{field}: {crash}");
            }
            assert_eq!(
                (crash["platform"].as_str(), crash["os_version"].as_str()),
                (Some("Windows"), Some("10.0.19045"))
            );
            assert!(seen.insert(crash["id"].as_str().unwrap().to_owned()), "twice: {crash}");
        }
        pages += 1;
        match page["next"].as_str() {
            Some(cursor) => next = format!("{address}&before={cursor}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (sent, 3));
}

#[tokio::test]
async fn a_crash_is_answered_with_all_that_its_document_says() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    crash.assertion = Some("a < b".to_owned());
    crash.notes.push(Note { name: Some("log".to_owned()), reason: NoteReason::FileTooLarge });
    server.keep(&mut crash, b"MDMP...", Encoding::Identity, "upload_file_minidump").await;
    let issue = server.record(&crash).await;
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id.simple())).await.json();

    assert_eq!(answer["signature"].as_str(), Some(crash.signature.text.as_str()));
    assert_eq!(answer["issue"].as_i64(), Some(issue.0));
    assert_eq!(answer["crashing_thread"].as_u64(), Some(1));
    let frame = &answer["threads"][1]["frames"][0];
    assert_eq!(frame["module"].as_str(), Some("game.exe"));
    assert_eq!(frame["function"].as_str(), Some("Renderer::draw"));
    assert_eq!((frame["file"].as_str(), frame["line"].as_u64()), (Some("src/render.cpp"), Some(42)));
    assert_eq!(frame["address"].as_str(), Some("0x14000010"));
    assert_eq!(answer["annotations"]["map"].as_str(), Some("Ashfen"));
    assert_eq!(answer["modules"][0]["name"].as_str(), Some("game.exe"));
    let payload = &answer["payloads"][0];
    assert!(payload.get("key").is_none(), "where it lies in the bucket is nobody's business");
    assert_eq!(server.get(payload["url"].as_str().unwrap()).await.body, b"MDMP...");
    assert!(answer.get("unreadable").is_none() && answer.get("incomplete").is_none());

    let document = serde_json::to_value(&crash).unwrap();
    for (field, value) in document.as_object().unwrap() {
        assert!(answer.get(field).is_some(), "the answer leaves out {field}");
        if !["signature", "payloads"].contains(&field.as_str()) {
            assert_eq!(&answer[field], value, "{field}");
        }
    }
}

#[tokio::test]
async fn a_crash_is_answered_with_what_players_wrote_about_it() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    crash.client_id = Some("0123456789abcdef0123456789abcdef".to_owned());
    server.record(&crash).await;
    let feedback = Feedback {
        project: ProjectId::FIRST,
        report: CrashId::new(),
        number: 0,
        client_id: crash.client_id.clone(),
        crash_id: None,
        received_at: crash.received_at,
        name: Some("Ann".to_owned()),
        comments: "It froze in the lift.".to_owned(),
    };
    server.catalog.add_feedback(&feedback).await.unwrap();
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await.json();
    assert_eq!(answer["feedback"][0]["comments"].as_str(), Some("It froze in the lift."));
    assert_eq!(answer["feedback"][0]["name"].as_str(), Some("Ann"));
    assert!(answer["feedback"][1].is_null());
}

#[tokio::test]
async fn an_unreadable_crash_says_why() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    crash.unreadable = Some("not a minidump".to_owned());
    crash.threads.clear();
    crash.crashing_thread = None;
    server.record(&crash).await;
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await;
    assert_eq!((answer.status, answer.json()["unreadable"].as_str()), (200, Some("not a minidump")));
}

#[tokio::test]
async fn a_crash_whose_document_is_gone_says_what_is_left() {
    let server = Server::start().await;
    let crash = crash("Renderer::draw");
    server.record(&crash).await;
    server.bucket.delete(&Key::document(ProjectId::FIRST, crash.id, "1")).await.unwrap();
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await;
    assert_eq!((answer.status, answer.json()["release"].as_str()), (200, Some("1.2.3")));
    assert!(answer.json()["incomplete"].is_string());
    let page = server.get(&format!("/projects/1/crashes/{}", crash.id)).await;
    assert!(page.text().contains("no longer in the bucket"));
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_a_fault_of_the_server() {
    let server = Server::start().await;
    let crash = crash("Renderer::draw");
    server.record(&crash).await;
    let key = Key::document(ProjectId::FIRST, crash.id, "1");
    server.bucket.put(&key, b"garbage".as_slice().into()).await.unwrap();
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}", crash.id)).await;
    assert_eq!(answer.status, 500);
    assert!(answer.json()["causes"][0].as_str().unwrap().contains("cannot be unpacked"));
}

#[tokio::test]
async fn a_file_is_downloaded_as_the_client_sent_it() {
    let server = Server::start().await;
    let mut crash = crash("Renderer::draw");
    let log = b"<script>alert(1)</script>".repeat(100_000);
    server.keep(&mut crash, b"MDMP", Encoding::Identity, "upload_file_minidump").await;
    server.keep(&mut crash, &log, Encoding::Zstd, "../logs/\"game\r\n.html").await;
    server.record(&crash).await;
    let address = format!("/api/v1/projects/1/crashes/{}/payloads", crash.id);

    let dump = server.get(&format!("{address}/0")).await;
    assert_eq!((dump.status, dump.body.as_slice()), (200, b"MDMP".as_slice()));
    assert_eq!(dump.header("content-disposition"), format!("attachment; filename=\"{}.dmp\"", crash.id));
    let text = server.get(&format!("{address}/1")).await;
    assert_eq!((text.status, text.body == log), (200, true));
    assert_eq!(text.header("content-disposition"), "attachment; filename=\"_game__.html\"");
    assert_eq!(text.header("content-type"), "application/octet-stream");
    assert_eq!(text.header("x-content-type-options"), "nosniff");
    for index in ["2", "-1", "x"] {
        assert_eq!(server.get(&format!("{address}/{index}")).await.status, 404, "{index}");
    }
}

#[tokio::test]
async fn a_document_cannot_name_the_file_of_another_crash() {
    let server = Server::start().await;
    let (mut own, mut foreign) = (crash("Renderer::draw"), crash("Audio::mix"));
    server.keep(&mut own, b"secret", Encoding::Identity, "dump").await;
    foreign.payloads = own.payloads.clone();
    server.record(&foreign).await;
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}/payloads/0", foreign.id)).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_understood_is_400() {
    let server = Server::start().await;
    let crash = crash("Renderer::draw");
    server.record(&crash).await;
    server.catalog.add_project(None, "another game").await.unwrap();
    for path in [
        "/projects/9/issues".to_owned(),
        "/projects/0/issues".to_owned(),
        "/projects/1/issues/99".to_owned(),
        "/projects/1/issues/99/crashes".to_owned(),
        "/projects/1/issues/x".to_owned(),
        format!("/projects/1/crashes/{}", CrashId::new()),
        "/projects/1/crashes/nonsense".to_owned(),
        format!("/projects/2/crashes/{}", crash.id),
    ] {
        let answer = server.get(&format!("/api/v1{path}")).await;
        assert_eq!((answer.status, answer.json()["detail"].is_string()), (404, true), "{path}");
    }
    for query in ["period=yesterday", "order=up", "limit=0", "limit=100000", "limit=x"] {
        let answer = server.get(&format!("/api/v1/projects/1/issues?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("expected"), "{query}");
    }
    let answer = server.get("/api/v1/projects/1/issues/1/crashes?before=x").await;
    assert_eq!(answer.status, 400);
    for period in ["1h", "24h", "7d", "30d", "90d", "all"] {
        let answer = server.get(&format!("/api/v1/projects/1/issues?period={period}&order=last_seen")).await;
        assert_eq!(answer.json()["issues"].as_array().map(Vec::len), Some(1), "{period}");
    }
    assert_eq!(
        server.get("/api/v1/projects").await.json()["projects"][1]["name"].as_str(),
        Some("another game")
    );
}
