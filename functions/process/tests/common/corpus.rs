//! Crashes of unrelated bugs that share asserts, aborts and the like, and the symbols that tell them apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use epitaph_catalog::{IssueQuery, UploadState};
use epitaph_crash_model::{CrashId, ProjectId, Protocol, Report, Role};
use epitaph_queue::Outcome;

use super::{
    debug_files::{message, uploaded},
    house::{House, payload, report},
};

pub(crate) const PROJECT: ProjectId = ProjectId::FIRST;
/// Of the engine: what unrelated bugs share.
pub(crate) const ENGINE: &str = "5A9832E5287241C1838ED98914E9B7FF1";
/// Of the game: the bugs.
pub(crate) const GAME: &str = "443322116655887799AABBCCDDEEFF002";
pub(crate) const ENGINE_BASE: u64 = 0x10_0000;
pub(crate) const GAME_BASE: u64 = 0x80_0000;

/// What is shared, each with room for 256 offsets.
const SHARED: [&str; 5] = ["__assert_fail", "abort", "memcpy", "Assert::fail", "Log::flush"];
/// Bytes of a function.
pub(crate) const SIZE: u64 = 0x1000;

pub(crate) fn size(name: &str, usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "the size of a test is no setting")]
    let size = std::env::var(name);
    size.ok().and_then(|size| size.parse().ok()).unwrap_or(usual)
}

pub(crate) fn sym(id: &str, functions: impl Iterator<Item = String>) -> String {
    let mut text = format!("MODULE Linux x86_64 {id} {id}.so\nFILE 0 a.cpp\n");
    let mut end = SIZE;
    for (index, name) in (1..).zip(functions) {
        text += &format!("FUNC {end:x} {SIZE:x} 0 {name}\n{end:x} {SIZE:x} {index} 0\n");
        end += SIZE;
    }
    text + &format!("STACK CFI INIT {SIZE:x} {:x} .cfa: $rsp 8 + .ra: .cfa -8 + ^\n", end - SIZE)
}

pub(crate) fn engine_sym() -> String {
    sym(ENGINE, SHARED.iter().map(|name| (*name).to_owned()))
}

pub(crate) fn game_sym(callers: u64) -> String {
    sym(
        GAME,
        ["main".to_owned()].into_iter().chain((0..callers).map(|caller| format!("Bug::number_{caller}_"))),
    )
}

/// Offsets of a crash's frames in engine and game, from the innermost outwards: an offset in something shared, one of
/// its callers, and main. Every fifth lies below three frames that are alike in all, so that only what is deeper tells.
pub(crate) fn stack(offset: u64, caller: u64) -> Vec<(&'static str, u64)> {
    let shared = offset % SHARED.len() as u64;
    let place = |function: u64, at: u64| (function + 1) * SIZE + 8 + at * 8;
    let mut frames = Vec::new();
    if shared == 4 {
        frames.extend([(ENGINE, place(4, 1)), (ENGINE, place(4, 2)), (ENGINE, place(4, 3))]);
        frames.push((ENGINE, place(offset / 5 % 2, 9)));
    } else {
        frames.push((ENGINE, place(shared, offset)));
    }
    frames.extend([(GAME, place(caller + 1, offset)), (GAME, place(0, 1))]);
    frames
}

pub(crate) fn event(frames: &[(&str, u64)]) -> Report {
    let base = |module: &str| if module == ENGINE { ENGINE_BASE } else { GAME_BASE };
    let frames: Vec<String> = frames
        .iter()
        .rev()
        .map(|(module, offset)| format!(r#"{{"instruction_addr":"{:#x}"}}"#, base(module) + offset))
        .collect();
    let image = |id: &str, name: &str| {
        let at = |from: usize, to: usize| &id[from..to];
        let uuid = [at(0, 8), at(8, 12), at(12, 16), at(16, 20), at(20, 32)].join("-");
        let age = &id[32..];
        format!(
            r#"{{"type":"elf","code_file":"/{name}","image_addr":"{:#x}","image_size":4194304,"debug_id":"{uuid}-{age}"}}"#,
            base(id)
        )
    };
    let event = format!(
        r#"{{"platform":"native","exception":{{"values":[{{"type":"SIGABRT","mechanism":{{"type":"signalhandler"}},
        "stacktrace":{{"frames":[{}]}}}}]}},"debug_meta":{{"images":[{},{}]}}}}"#,
        frames.join(","),
        image(ENGINE, "libengine.so"),
        image(GAME, "game"),
    );
    let payloads = vec![payload(Role::Event, "item", event.as_bytes())];
    Report { protocol: Protocol::Envelope, payloads, annotations: BTreeMap::new(), ..report(b"") }
}

pub(crate) async fn upload(house: &House, content: &str) {
    let uploaded = uploaded(house, content.as_bytes()).await;
    assert_eq!(house.processor.handle(&message(house, &uploaded), 1).await, Outcome::Done);
    let noted = house.catalog.symbol_upload(PROJECT, &uploaded.digest).await.unwrap().unwrap();
    assert_eq!((noted.state, noted.reason), (UploadState::Done, None));
}

/// The issue of each crash, by what it is called.
pub(crate) async fn issues(house: &House, reports: &[Report]) -> Vec<(i64, String)> {
    let all =
        house.catalog.issues(PROJECT, &IssueQuery { limit: 10_000, ..IssueQuery::default() }).await.unwrap();
    let titles: HashMap<_, _> = all.into_iter().map(|issue| (issue.id, issue.title)).collect();
    let mut issues = Vec::new();
    for report in reports {
        let issue = house.row(report).await.unwrap().issue;
        issues.push((issue.0, titles[&issue].clone()));
    }
    issues
}

/// The same reports as other crashes.
pub(crate) fn again(reports: &[Report]) -> Vec<Report> {
    reports
        .iter()
        .map(|report| {
            let id = CrashId::new();
            Report { id, received_at: id.accepted_at(), ..report.clone() }
        })
        .collect()
}

pub(crate) fn same_partition(one: &[(i64, String)], other: &[(i64, String)]) {
    assert_eq!(one.len(), other.len());
    let pairs: BTreeSet<_> = one.iter().zip(other).map(|(one, other)| (one.0, other.0)).collect();
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
    assert!(pairs.len() == left.len() && pairs.len() == right.len(), "{pairs:?}\n{one:?}\n{other:?}");
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one.1, other.1);
    }
}
