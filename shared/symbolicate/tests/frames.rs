//! Frames of events and of stored crashes.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use epitaph_crash_model::{Address, Frame, Trust};
use epitaph_symbolicate::{DebugId, Provider, debug_ids, symbolicate_frames};
use epitaph_test_services::Workshop;
use workshop::Reading as _;

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";
/// `inner` is inlined into `crash`, from 14 to 18; `caller` ends with a call that does not return.
const RECORDS: &str = "\
FILE 0 game.c
INLINE_ORIGIN 0 inner
FUNC 10 10 0 crash
INLINE 0 7 0 0 14 4
10 4 6 0
14 4 2 0
18 8 8 0
FUNC 20 10 0 caller
20 8 11 0
28 8 12 0
FUNC 30 10 0 unrelated
30 10 99 0
";

fn provider(workshop: &Workshop) -> Provider {
    workshop.provider(&workshop.write("game.sym", format!("MODULE Linux x86_64 {ID} game\n{RECORDS}")))
}

fn frame(offset: u64, trust: Trust) -> Frame {
    Frame {
        module: Some("game".to_owned()),
        debug_id: Some(ID.to_owned()),
        address: Address(0x7000 + offset),
        offset: Some(Address(offset)),
        trust,
        ..Frame::default()
    }
}

fn told(frames: &[Frame]) -> Vec<(&str, Option<u32>, bool)> {
    let name = |frame: &Frame| frame.function.is_some();
    assert!(frames.iter().all(name), "{frames:?}");
    frames.iter().map(|frame| (frame.function.as_deref().unwrap(), frame.line, frame.inline)).collect()
}

#[test]
fn inlined_functions_come_before_the_one_that_they_are_in() {
    let workshop = Workshop::new();
    let mut frames = vec![frame(0x15, Trust::Context), frame(0x27, Trust::Cfi)];
    assert_eq!(debug_ids(&frames), [DebugId::from_breakpad(ID).unwrap()].into());
    assert_eq!(symbolicate_frames(&provider(&workshop), &mut frames), 2);
    assert_eq!(
        told(&frames),
        [("inner", Some(2), true), ("crash", Some(7), false), ("caller", Some(11), false)]
    );
    assert!(frames.iter().all(|frame| frame.file.as_deref() == Some("game.c")));
    assert_eq!(frames[0].address, frames[1].address);
}

#[test]
fn a_return_address_of_a_client_is_looked_up_in_the_call_before_it() {
    let workshop = Workshop::new();
    let mut frames = vec![frame(0x30, Trust::Given), frame(0x30, Trust::Given)];
    symbolicate_frames(&provider(&workshop), &mut frames);
    assert_eq!(told(&frames), [("unrelated", Some(99), false), ("caller", Some(12), false)]);
}

#[test]
fn symbolicating_again_changes_nothing() {
    let workshop = Workshop::new();
    let provider = provider(&workshop);
    for trust in [Trust::Given, Trust::Cfi] {
        let mut frames = vec![frame(0x15, trust), frame(0x16, trust), frame(0x28, trust)];
        symbolicate_frames(&provider, &mut frames);
        let once = frames.clone();
        symbolicate_frames(&provider, &mut frames);
        assert_eq!(frames, once);
        assert_eq!(frames.len(), 5);
    }
}

#[test]
fn what_nobody_knows_stays_as_it_was() {
    let workshop = Workshop::new();
    let elsewhere = Frame {
        debug_id: Some("6A9832E5287241C1838ED98914E9B7FF1".to_owned()),
        function: Some("given by the client".to_owned()),
        line: Some(3),
        ..frame(0x15, Trust::Given)
    };
    let inlined = Frame { inline: true, ..elsewhere.clone() };
    let managed = Frame { function: Some("Player.Hurt".to_owned()), ..Frame::default() };
    let gap = frame(0x5000, Trust::Given);
    let before = vec![inlined, elsewhere, managed, gap];
    let mut frames = before.clone();
    assert_eq!(symbolicate_frames(&provider(&workshop), &mut frames), 0);
    assert_eq!(frames, before);
}

#[test]
fn a_frame_shows_the_cs_line_behind_the_line_of_cpp() {
    let workshop = Workshop::new();
    let map = format!(
        r#"{{"game.c":{{"Assets/Player.cs":{{"5":17,"90":20}}}},"__debug-id__":{{"{}":{{}}}}}}"#,
        DebugId::from_breakpad(ID).unwrap()
    );
    let lines = workshop.write("game.sym", format!("MODULE Linux x86_64 {ID} game\n{RECORDS}"));
    let map = workshop.write("game.json", map);
    workshop.convert(&lines);
    workshop.convert(&map);
    let caches = workshop.path("caches-of-game.sym");
    std::fs::copy(
        workshop.path("caches-of-game.json").join(format!("{ID}.managed")),
        caches.join(format!("{ID}.managed")),
    )
    .unwrap();
    let provider = Provider::open(&caches).unwrap();
    let mut frames = vec![frame(0x10, Trust::Context), frame(0x27, Trust::Cfi), frame(0x31, Trust::Cfi)];
    symbolicate_frames(&provider, &mut frames);
    let files: Vec<_> = frames.iter().map(|frame| (frame.file.as_deref().unwrap(), frame.line)).collect();
    let managed = "Assets/Player.cs";
    assert_eq!(files, [(managed, Some(17)), (managed, Some(17)), (managed, Some(20))]);
    let mut frames = vec![frame(0x15, Trust::Context)];
    symbolicate_frames(&provider, &mut frames);
    assert_eq!(
        frames.iter().map(|frame| (frame.file.as_deref().unwrap(), frame.line)).collect::<Vec<_>>(),
        [("game.c", Some(2)), (managed, Some(17))],
        "what is before the first line that is mapped has none"
    );
}
