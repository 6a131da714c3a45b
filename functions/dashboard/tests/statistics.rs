//! What programs ask of many crashes.

mod server;

use std::collections::BTreeSet;

use epitaph_crash_model::{CrashId, Timestamp};
use serde_json::{Value, json};
use server::{Server, crash, sign_again};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Crashes of two issues: `Renderer::draw` on one graphics processor and in two releases, `Audio::mix` elsewhere.
async fn house() -> Server {
    let server = Server::start().await;
    for number in 0..40 {
        let is_draw = number % 2 == 0;
        let mut crash = crash(if is_draw { "Renderer::draw" } else { "Audio::mix" });
        crash.release = Some(if number < 20 { "1.9" } else { "1.10" }.to_owned());
        let gpu = if is_draw { "RTX 4090" } else { "Adreno 740" };
        crash.contexts.insert("gpu".to_owned(), [("name".to_owned(), gpu.to_owned())].into());
        crash.tags.insert("shard".to_owned(), if number % 4 == 0 { "eu" } else { "us" }.to_owned());
        sign_again(&mut crash);
        server.record(&crash).await;
    }
    server
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = server.get(&format!("/api/v1/projects/1/{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn issues_are_counted_of_a_search_with_their_trends() {
    let server = house().await;
    let all = get(&server, "issues?period=24h").await;
    assert_eq!((all["totals"]["count"].as_u64(), all["before"].as_u64()), (Some(40), Some(0)));
    assert_eq!(all["step"].as_str(), Some("1h"));
    let found = get(&server, "issues?search=gpu%3Artx*%20release%3A%3E%3D1.10&order=last_seen").await;
    let issues = found["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 1);
    assert!(issues[0]["title"].as_str().unwrap().starts_with("Renderer::draw"));
    assert_eq!((issues[0]["count"].as_u64(), issues[0]["share"].as_f64()), (Some(10), Some(1.0)));
    assert_eq!((issues[0]["new"].as_bool(), issues[0]["regressed"].as_bool()), (Some(true), Some(false)));
    assert_eq!(
        issues[0]["trend"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["count"].as_u64().unwrap())
            .sum::<u64>(),
        10
    );
}

#[tokio::test]
async fn an_issue_that_was_silent_and_is_back_is_told() {
    let server = Server::start().await;
    for days in [5, 0] {
        let mut crash = crash("Renderer::draw");
        let then = Timestamp::now().plus_millis(-days * DAY).as_millis().to_be_bytes();
        let mut id = *crash.id.as_bytes();
        id[..6].copy_from_slice(&then[2..]);
        crash.id = CrashId::from_bytes(id).unwrap();
        crash.received_at = crash.id.accepted_at();
        crash.release = Some(format!("1.{days}"));
        server.record(&crash).await;
    }
    let back = |answer: Value| answer["issues"][0]["regressed"].as_bool();
    assert_eq!(back(get(&server, "issues?period=24h").await), Some(true));
    assert_eq!(back(get(&server, "issues?period=3d").await), Some(false));
    // It was not silent, though only the last crash passes the search.
    assert_eq!(back(get(&server, "issues?period=3d&search=release:1.0").await), Some(false));
    assert_eq!(back(get(&server, "issues?period=all").await), Some(false));
}

#[tokio::test]
async fn a_breakdown_tells_what_is_over_represented() {
    let server = house().await;
    let found = get(&server, "breakdown?by=gpu&search=Renderer%3A%3Adraw").await;
    assert_eq!(found["by"].as_str(), Some("gpu"));
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "only what these crashes have is a row");
    assert_eq!((rows[0]["value"].as_str(), rows[0]["share"].as_f64()), (Some("RTX 4090"), Some(1.0)));
    assert_eq!(rows[0]["beside"]["share"].as_f64(), Some(0.5));
    assert_eq!(rows[0]["beside"]["verdict"].as_str(), Some("more"));
    let by_tag = get(&server, "breakdown?by=shard&order=value").await;
    let values: Vec<_> = by_tag["rows"].as_array().unwrap().iter().map(|row| row["value"].clone()).collect();
    assert_eq!((by_tag["by"].as_str(), values), (Some("tag.shard"), vec![json!("eu"), json!("us")]));
    let by_issue = get(&server, "breakdown?by=issue&limit=1").await;
    let number = by_issue["rows"][0]["value"].as_str().unwrap();
    assert!(by_issue["issues"][number]["title"].is_string(), "{by_issue}");
}

#[tokio::test]
async fn a_trend_is_told_for_each_value_of_a_dimension() {
    let server = house().await;
    let trend = get(&server, "trend?by=release&step=1w&period=24h").await;
    let sum = |points: &Value| {
        points.as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((trend["step"].as_str(), sum(&trend["points"])), (Some("1w"), 40));
    let series = trend["series"].as_array().unwrap();
    assert_eq!(series.iter().map(|series| sum(&series["points"])).collect::<Vec<_>>(), [20, 20]);
}

#[tokio::test]
async fn two_releases_are_compared() {
    let server = house().await;
    let mut only = crash("Ui::open");
    only.release = Some("1.10".to_owned());
    server.record(&only).await;
    let compared = get(&server, "compare?base=1.9&release=1.10&order=count").await;
    let rows = compared["rows"].as_array().unwrap();
    assert_eq!((rows.len(), compared["totals"]["count"].as_u64()), (3, Some(21)));
    let new = rows.iter().find(|row| row["beside"]["count"] == 0).unwrap();
    let title = &compared["issues"][new["value"].as_str().unwrap()]["title"];
    assert!(title.as_str().unwrap().starts_with("Ui::open"), "{title}");
    let answer = server.get("/api/v1/projects/1/compare?base=1.9").await;
    assert_eq!((answer.status, answer.text().contains("`release`")), (400, true));
}

#[tokio::test]
async fn crashes_of_a_search_are_read_page_by_page() {
    let server = house().await;
    let (mut seen, mut next) = (BTreeSet::new(), String::new());
    loop {
        let page = get(&server, &format!("crashes?search=tag.shard%3Aus&limit=7{next}")).await;
        for crash in page["crashes"].as_array().unwrap() {
            assert!(crash["gpu"].is_string() && seen.insert(crash["id"].to_string()), "{crash}");
        }
        match page["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 30);
    let answer = server.get("/api/v1/projects/1/crashes?after=x").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_export_has_a_line_for_each_crash_and_no_formula() {
    let server = house().await;
    let mut evil = crash("Ui::open");
    evil.reason = Some("=cmd|' /C calc'!A0".to_owned());
    evil.environment = Some("a \"quoted\",\nword".to_owned());
    server.record(&evil).await;
    let answer = server.get("/api/v1/projects/1/crashes.csv").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(answer.header("epitaph-crashes"), "41");
    let text = answer.text();
    assert_eq!(text.matches("\r\n").count(), 42);
    assert!(text.starts_with("crash_id,received_at,") && text.contains(&evil.id.to_string()));
    assert!(text.contains("\"'=cmd|' /C calc'!A0\"") && text.contains("\"a \"\"quoted\"\",\nword\""));
    let found = server.get("/api/v1/projects/1/crashes.csv?search=release:1.9").await;
    assert_eq!((found.header("epitaph-crashes"), found.text().matches("\r\n").count()), ("20", 21));
}

#[tokio::test]
async fn a_search_that_is_not_understood_is_told_with_its_place() {
    let server = Server::start().await;
    for path in ["issues?", "trend?", "breakdown?by=gpu&", "crashes?", "crashes.csv?"] {
        let answer = server.get(&format!("/api/v1/projects/1/{path}search=os%3Aa%20relaese%3A1")).await;
        let told = &answer.json()["search"];
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!((told["from"].as_u64(), told["to"].as_u64()), (Some(5), Some(12)), "{path}");
        assert_eq!(told["suggestion"].as_str(), Some("release"), "{path}");
    }
    for wrong in
        ["by=relaese", "by=has", "by=gpu&order=up", "by=gpu&since=x", "by=gpu&period=7d&since=1d", ""]
    {
        let answer = server.get(&format!("/api/v1/projects/1/breakdown?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
}
