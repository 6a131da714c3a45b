//! `epitaph query`: a running server is asked from the command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_test_dumps::linux;
use support::House;

/// What a command printed on standard output and on standard error, and whether it succeeded.
fn run(house: &House, arguments: &[&str]) -> (String, String, bool) {
    let output = house.command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[tokio::test]
async fn a_server_is_asked_for_issues_breakdowns_and_crashes() {
    let house = House::new();
    let server = house.serve();
    let dump = server.post_dump(linux()).await.unwrap();
    server.crash(&dump.text).await;
    let ask = |arguments: &[&str]| {
        let asked: Vec<&str> =
            ["query", "--server", &server.url].into_iter().chain(arguments.iter().copied()).collect();
        run(&house, &asked)
    };

    let (issues, errors, _) = ask(&["os:linux -has:nothing"]);
    let issues: serde_json::Value = serde_json::from_str(&issues).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(issues["issues"][0]["count"].as_u64(), Some(1));
    let (rows, _, _) = ask(&["--by", "os", "--csv", "--since", "1h"]);
    let rows: Vec<&str> = rows.lines().collect();
    assert!(rows[0].starts_with("PLATFORM,CRASHES,USERS") && rows[1].starts_with("Linux,1,"), "{rows:?}");
    let (steps, _, _) = ask(&["--by", "time:1d", "--csv"]);
    assert_eq!(steps.lines().count(), 2, "{steps}");
    let (crashes, _, whole) = ask(&["--csv"]);
    assert!(whole && crashes.starts_with("crash_id,") && crashes.lines().count() == 2, "{crashes}");

    let (_, errors, whole) = ask(&["os:linux relaese:1"]);
    assert!(!whole && errors.contains("  os:linux relaese:1\n           ^^^^^^^\n"), "{errors}");
    let (_, errors, whole) = ask(&["--project", "9"]);
    assert!(!whole && errors.contains("no such project"), "{errors}");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let house = House::new();
    let (_, errors, whole) = run(&house, &["query", "--server", "http://127.0.0.1:9"]);
    assert!(!whole && errors.contains("is `epitaph serve` running there?"), "{errors}");
}
