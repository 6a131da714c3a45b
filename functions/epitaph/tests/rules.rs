//! Rules and keys that are changed while it runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{fs, time::Duration};

use epitaph_test_dumps::linux;
use support::{Answer, House, Server, load::unlike_others};

fn run(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn set_rules(house: &House, rules: &str) {
    let file = house.data().join("rules-of-the-test.json");
    fs::write(&file, format!(r#"{{"version":1,"projects":{{"1":{{"rules":{rules}}}}}}}"#)).unwrap();
    run(house, &["rules", "set", file.to_str().unwrap()]);
}

fn key(house: &House, arguments: &[&str]) -> String {
    let text = run(house, &[&["key", "1"], arguments].concat());
    text.split_whitespace().last().unwrap().to_owned()
}

/// In the words of Socorro, which tell of rules.
async fn submit(server: &Server, key: &str, release: &str) -> Answer {
    let url = format!("{}/submit?project=1&sentry_key={key}", server.url);
    let file = reqwest::multipart::Part::bytes(unlike_others(linux())).file_name("crash.dmp");
    let form =
        reqwest::multipart::Form::new().text("ver", release.to_owned()).part("upload_file_minidump", file);
    let answer = server.client.post(url).multipart(form).send().await.unwrap();
    Answer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
}

/// Posts until an answer is as expected: rules are looked for while requests are served.
async fn until_answered(
    server: &Server,
    key: &str,
    release: &str,
    expected: impl Fn(&Answer) -> bool,
) -> Answer {
    let begun = std::time::Instant::now();
    loop {
        let answer = submit(server, key, release).await;
        if expected(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_rule_that_is_changed_takes_effect_without_a_restart() {
    let house = House::with(&[("EPITAPH_RULES_SECONDS", "1")]);
    let server = house.serve();
    let kept = submit(&server, &server.key, "0.9").await;
    assert!(kept.text.starts_with("CrashID=bp-"), "{kept:?}");
    set_rules(&house, r#"[{"name":"old-builds","match":{"release":"0.*"},"action":"drop"}]"#);
    let dropped =
        until_answered(&server, &server.key, "0.9", |answer| answer.text == "Discarded=rule_old-builds\n")
            .await;
    assert_eq!(dropped.status, 200);
    let newer = submit(&server, &server.key, "1.0").await;
    assert!(newer.text.starts_with("CrashID=bp-"), "{newer:?}");
    set_rules(&house, "[]");
    until_answered(&server, &server.key, "0.9", |answer| answer.text.starts_with("CrashID=bp-")).await;
    assert!(run(&house, &["rules", "show"]).contains(r#""revision": 2"#));
}

#[tokio::test]
async fn a_new_key_works_beside_the_old_one_until_that_is_revoked() {
    let house = House::with(&[("EPITAPH_RULES_SECONDS", "1")]);
    let server = house.serve();
    let old = key(&house, &[]);
    assert_eq!(old, server.key);
    let new = key(&house, &["--new"]);
    assert_ne!(new, old);
    assert_eq!(key(&house, &[]), new, "the newest is printed");
    until_answered(&server, &new, "1", |answer| answer.status == 200).await;
    assert_eq!(submit(&server, &old, "1").await.status, 200);
    // Whoever writes rules only leaves the keys as they are.
    set_rules(&house, "[]");
    run(&house, &["key", "1", "--revoke", "0"]);
    until_answered(&server, &old, "1", |answer| answer.status == 403).await;
    assert_eq!(submit(&server, &new, "1").await.status, 200);
}

#[tokio::test]
async fn what_a_project_wants_to_see_is_no_longer_taken_out_of_its_crashes() {
    let house = House::new();
    let server = house.serve();
    let post = async || {
        let url = format!("{}/api/1/report/?sentry_key={}", server.url, server.key);
        let report = serde_json::json!({
            "version": 1, "message": "ann@example.com lost 203.0.113.7", "user": {"id": "player-7"},
        });
        let answer = support::answer(server.client.post(url).body(report.to_string())).await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        server.crash(answer["id"].as_str().unwrap()).await
    };
    let before = post().await;
    assert_eq!((before["message"].as_str(), before["user"].as_object()), (Some("[email] lost [ip]"), None));
    let file = house.data().join("scrub.json");
    fs::write(&file, r#"{"version":1,"projects":{"1":{"scrub":{"email":false,"user":false}}}}"#).unwrap();
    run(&house, &["rules", "set", file.to_str().unwrap()]);
    let after = post().await;
    assert_eq!(after["message"], "ann@example.com lost [ip]");
    assert_eq!((&after["user"]["id"], &after["user_hash"]), (&"player-7".into(), &before["user_hash"]));
}

#[tokio::test]
async fn what_is_shown_after_a_start_or_for_a_new_project_is_a_key_that_works() {
    let house = House::new();
    let first = house.serve().key.clone();
    let new = key(&house, &["--new"]);
    run(&house, &["key", "1", "--revoke", "0"]);
    let server = house.serve();
    assert!(server.key == new && new != first, "{} instead of {new}", server.key);
    assert!(submit(&server, &server.key, "1").await.text.starts_with("CrashID=bp-"));
    let file = house.data().join("second.json");
    fs::write(&file, r#"{"version":1,"projects":{"2":{"key_generations":[1,3]}}}"#).unwrap();
    run(&house, &["rules", "set", file.to_str().unwrap()]);
    let added = run(&house, &["project", "add", "Second", "--id", "2"]);
    assert!(
        added.contains(&format!("://{}@", run(&house, &["key", "2"]).split_whitespace().last().unwrap())),
        "{added}"
    );
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_refused_with_what_was_expected() {
    let house = House::new();
    fs::create_dir_all(house.data()).unwrap();
    let file = house.data().join("rules.json");
    fs::write(&file, r#"{"version":1,"projects":{"1":{"rules":[{"name":"a b","action":"keep"}]}}}"#).unwrap();
    let misspelt = house.data().join("misspelt.json");
    fs::write(&misspelt, r#"{"version":1,"projects":{"1":{"scrub":{"mail":false}}}}"#).unwrap();
    let output = house.command(&["rules", "set", misspelt.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("`mail`") && said.contains("`email`"), "{said}");
    for command in ["check", "set"] {
        let output = house.command(&["rules", command, file.to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("project 1") && said.contains("A-Z"), "{said}");
    }
}
