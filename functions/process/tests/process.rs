//! Message in, crash out: with a real bucket, a real catalog and the real parser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{path::PathBuf, time::Duration};

use common::house::{House, report, settings, stored};
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::Catalog;
use epitaph_crash_model::{Content, CrashId, Encoding, Kind, ProjectId, Report, Timestamp};
use epitaph_process::{ParserSettings, Processor, ProcessorSettings};
use epitaph_queue::Outcome;
use epitaph_secrets::Purpose;
use epitaph_test_dumps::{linux, windows};

#[tokio::test]
async fn a_report_becomes_a_crash_with_all_that_is_known_of_it() {
    let house = House::new().await;
    let report = report(&linux());
    assert_eq!(house.handle(&report).await, Outcome::Done);

    let crash = house.crash(&report).await;
    assert_eq!((crash.id, crash.kind, crash.unreadable.as_deref()), (report.id, Kind::Crash, None));
    assert_eq!(crash.reason.as_deref(), Some("SIGSEGV / SEGV_MAPERR"));
    assert_eq!((crash.release.as_deref(), crash.environment.as_deref()), (Some("1.2.4"), Some("beta")));
    assert_eq!(crash.annotations.get("map").map(String::as_str), Some("e1m1"), "the dump's fill in");
    assert_eq!(crash.signature.text, "game+0x1000 | game+0x2000 | game+0x3000");
    assert!(!crash.signature.steps.is_empty());

    let row = house.row(&report).await.unwrap();
    assert_eq!(row.signature_text, crash.signature.text);
    assert_eq!(row.fact.release.as_deref(), Some("1.2.4"));
    let issue = house.catalog.issue(report.project, row.issue, None).await.unwrap().unwrap();
    assert_eq!((issue.title.as_str(), issue.count), (crash.signature.text.as_str(), 1));

    for (kept, sent) in crash.payloads.iter().zip([b"the last line".to_vec(), linux()]) {
        let key: Key = kept.key.parse().unwrap();
        assert!(key.is_payload_of(report.project, report.id));
        assert_eq!((kept.encoding, kept.size), (Encoding::Zstd, sent.len() as u64));
        let packed = house.bucket.get(&key, 1 << 20).await.unwrap();
        assert_eq!(zstd::decode_all(&packed[..]).unwrap(), sent);
    }
}

#[tokio::test]
async fn a_message_that_comes_again_changes_nothing() {
    let house = House::new().await;
    let report = report(&windows());
    assert_eq!(house.handle(&report).await, Outcome::Done);
    let first = house.row(&report).await.unwrap();
    assert_eq!(house.handle(&report).await, Outcome::Done);
    assert_eq!(house.row(&report).await.unwrap().attempt, first.attempt);
}

#[tokio::test]
async fn a_message_that_comes_twice_at_once_is_counted_once() {
    let house = House::new().await;
    let report = report(&windows());
    let message = house.signed(&report);
    let outcomes = futures_util::future::join_all((0..4).map(|_| house.processor.handle(&message, 1))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    let row = house.row(&report).await.unwrap();
    let issue = house.catalog.issue(report.project, row.issue, None).await.unwrap().unwrap();
    assert_eq!(issue.count, 1);
    assert_eq!(house.crash(&report).await.id, report.id, "the document that the row names is there");
}

#[tokio::test]
async fn the_same_crash_at_two_players_is_one_issue() {
    let house = House::new().await;
    // Two dumps of one crash are never the same bytes; those that are would be one crash that was sent twice.
    let (one, other) = (report(&linux()), report(&[linux(), vec![0]].concat()));
    assert_eq!(house.handle(&one).await, Outcome::Done);
    assert_eq!(house.handle(&other).await, Outcome::Done);
    assert_eq!(house.row(&one).await.unwrap().issue, house.row(&other).await.unwrap().issue);
}

#[tokio::test]
async fn a_large_dump_is_read_from_the_bucket_however_it_is_packed() {
    let house = House::new().await;
    for (encoding, dump) in [(Encoding::Identity, windows()), (Encoding::Zstd, [windows(), vec![0]].concat())]
    {
        let report = stored(&house, report(&dump), encoding).await;
        assert_eq!(house.handle(&report).await, Outcome::Done);
        let crash = house.crash(&report).await;
        assert_eq!(crash.threads.len(), 2, "{encoding:?}: {:?}", crash.unreadable);
        assert_eq!(crash.payloads[1].encoding, encoding, "it stays where it was");
    }
}

#[tokio::test]
async fn a_report_whose_dump_cannot_be_read_is_an_unreadable_crash_that_says_why() {
    let house = House::with(|settings| settings.largest_dump = 1 << 20).await;
    let lost = {
        let stored = stored(&house, report(&windows()), Encoding::Identity).await;
        house.bucket.delete(&Key::payload(stored.project, stored.id, 1)).await.unwrap();
        stored
    };
    let damaged = {
        let stored = stored(&house, report(&windows()), Encoding::Identity).await;
        let mut damaged = stored.clone();
        let key = Key::payload(stored.project, stored.id, 1).to_string();
        damaged.payloads[1].content = Content::Stored { key, encoding: Encoding::Zstd };
        damaged
    };
    let none = {
        let mut report = report(b"");
        report.payloads.pop();
        report
    };
    for (report, why, signature) in [
        (report(b"garbage, from a proxy"), "begins with garb;", "unreadable: not a minidump"),
        (lost, "no longer in the bucket", "unreadable: payload lost"),
        (damaged, "cannot be unpacked", "unreadable: payload damaged"),
        (
            stored(&house, report(&vec![0; 2 << 20]), Encoding::Identity).await,
            "larger than the parser takes (1 MiB)",
            "unreadable: minidump too large",
        ),
        (
            stored(&house, report(&vec![0; 2 << 20]), Encoding::Zstd).await,
            "larger than the parser takes (1 MiB)",
            "unreadable: minidump too large",
        ),
        (none, "holds no minidump", "unreadable: no minidump"),
    ] {
        assert_eq!(house.handle(&report).await, Outcome::Done);
        let crash = house.crash(&report).await;
        assert!(crash.unreadable.as_deref().is_some_and(|said| said.contains(why)), "{:?}", crash.unreadable);
        assert_eq!(crash.signature.text, signature);
        assert_eq!(crash.release.as_deref(), Some("1.2.4"));
        assert_eq!(crash.payloads.len(), report.payloads.len(), "what was sent is kept");
        assert!(house.row(&report).await.unwrap().fact.unreadable);
    }
}

#[tokio::test]
async fn a_message_that_can_never_be_handled_is_dead_and_says_why() {
    let house = House::new().await;
    let good = report(&windows());

    let mut unsigned = house.signed(&good);
    unsigned.epitaphmac = "0".repeat(64);
    house.is_dead(&unsigned, "signature").await;

    let mut old = good.clone();
    old.received_at = Timestamp::now().plus_millis(-21 * 24 * 60 * 60 * 1000);
    house.is_dead(&house.signed(&old), "the last 20 days").await;

    let mut elsewhere = good.clone();
    elsewhere.project = ProjectId::try_from(2_u64).unwrap();
    house.is_dead(&house.signed(&elsewhere), "project 2 does not exist").await;

    let mut renamed = house.signed(&good);
    renamed.source = "/projects/2".to_owned();
    house.secret.derive(Purpose::Message).sign_message(&mut renamed);
    house.is_dead(&renamed, "the report in it about").await;

    for key in [
        Key::payload(ProjectId::try_from(2_u64).unwrap(), good.id, 1).to_string(),
        Key::payload(good.project, CrashId::new(), 1).to_string(),
        format!("{}/../../x", Key::payload(good.project, good.id, 1)),
        "config/rules.json".to_owned(),
    ] {
        let mut foreign = good.clone();
        foreign.payloads[0].content = Content::Stored { key, encoding: Encoding::Identity };
        house.is_dead(&house.signed(&foreign), "not its own").await;
    }

    let data = [
        (r#"{"version":2,"new":"fields"}"#, "has version 2"),
        (r#"{"version":1}"#, "holds no report"),
        ("[]", "holds no report"),
    ];
    for (data, why) in data {
        let mut message = house.signed(&good);
        message.data = serde_json::value::RawValue::from_string(data.to_owned()).unwrap();
        house.secret.derive(Purpose::Message).sign_message(&mut message);
        house.is_dead(&message, why).await;
    }
    assert_eq!(house.row(&good).await.map(|row| row.fact), None, "none of them was recorded");
}

/// A place that no engine can use: below a file that is no directory.
fn blocked() -> (tempfile::NamedTempFile, PathBuf) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("below");
    (file, path)
}

#[tokio::test]
async fn a_message_waits_while_an_engine_or_the_parser_cannot_work() {
    let house = House::new().await;
    let report = report(&windows());
    let message = house.signed(&report);
    let (_file, blocked) = blocked();
    let settings = |change: fn(&mut ProcessorSettings)| settings(&house.secret, change);

    let bucket = Bucket::open(&format!("file://{}", blocked.display()), 0).unwrap();
    let without_bucket = Processor::new(settings(|_| {}), bucket, house.catalog.clone());
    let catalog = Catalog::open(&format!("sqlite://{}", blocked.display())).unwrap();
    let without_catalog = Processor::new(settings(|_| {}), house.bucket.clone(), catalog);
    let no_parser = settings(|settings| settings.parser = ParserSettings::of("/no/such/program"));
    let without_parser = Processor::new(no_parser, house.bucket.clone(), house.catalog.clone());

    for (name, processor) in
        [("bucket", without_bucket), ("catalog", without_catalog), ("parser", without_parser)]
    {
        let outcome = processor.handle(&message, 1).await;
        assert!(matches!(&outcome, Outcome::Later(why) if !why.is_empty()), "without {name}: {outcome:?}");
    }
    assert_eq!(house.processor.handle(&message, 4).await, Outcome::Done, "once all work, it is handled");
    assert_eq!(house.crash(&report).await.threads.len(), 2);
}

#[tokio::test]
async fn no_more_parsers_run_than_are_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("taken");
    // Making a directory is atomic: a second parser at the same time finds it taken and says so.
    let parser = common::script(
        r#"/bin/mkdir "$0" || exit 1; /bin/sleep 0.05; /bin/rmdir "$0"; echo '{"unreadable":{"class":"a","message":"alone"}}'; exit 65"#,
        &place,
    );
    let parser = ParserSettings { attempts: 1, wall: Duration::from_secs(60), ..parser };
    let house = House::with(|settings| {
        settings.parser = parser;
        settings.concurrency = 1;
    })
    .await;
    let reports: Vec<Report> = (0..4).map(|number| report(&[number])).collect();
    futures_util::future::join_all(reports.iter().map(|report| house.handle(report))).await;
    for report in &reports {
        assert_eq!(house.crash(report).await.unreadable.as_deref(), Some("alone"));
    }
}
