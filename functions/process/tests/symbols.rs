//! Crashes whose symbols are there when they arrive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::{
    debug_files::{message, uploaded},
    house::{House, payload, report},
    script,
};
use epitaph_crash_model::{Address, Crash, Frame, ProjectId, Protocol, Report, Role, Timestamp, Trust};
use epitaph_queue::Outcome;
use epitaph_test_dumps::windows;

/// The debug id of the game in the dump.
const ID: &str = "443322116655887799AABBCCDDEEFF002";

/// The functions that the dump's frames lie in; into the first another one is inlined.
fn sym() -> String {
    format!(
        "MODULE windows x86_64 {ID} Game.pdb\nFILE 0 render.cpp\nFILE 1 main.cpp\nINLINE_ORIGIN 0 read_vertex\n\
         FUNC 1000 20 0 draw_mesh\nINLINE 0 41 0 0 1000 10\n1000 10 7 0\n1010 10 42 0\n\
         FUNC 2000 20 0 run_frame\n2000 20 11 1\nFUNC 3000 20 0 main\n3000 20 12 1\n"
    )
}

async fn upload(house: &House, content: &str) {
    let uploaded = uploaded(house, content.as_bytes()).await;
    assert_eq!(house.processor.handle(&message(house, &uploaded), 1).await, Outcome::Done);
}

async fn handled(house: &House, report: &Report) -> Crash {
    assert_eq!(house.handle(report).await, Outcome::Done);
    house.crash(report).await
}

fn functions(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.function.as_deref().unwrap_or("?")).collect()
}

fn places(frames: &[Frame]) -> Vec<(Option<&str>, Option<Address>)> {
    frames.iter().map(|frame| (frame.debug_id.as_deref(), frame.offset)).collect()
}

#[tokio::test]
async fn a_minidump_is_unwound_and_named_with_the_symbols_that_are_there() {
    let house = House::new().await;
    upload(&house, &sym()).await;
    let crash = handled(&house, &report(&windows())).await;
    let frames = &crash.threads[0].frames;
    assert_eq!(functions(frames)[..4], ["read_vertex", "draw_mesh", "run_frame", "main"]);
    assert_eq!((frames[0].inline, frames[0].line, frames[1].line), (true, Some(7), Some(41)));
    assert_eq!(frames[2].file.as_deref(), Some("main.cpp"));
    assert_eq!(crash.signature.text, "read_vertex | draw_mesh | run_frame");
    // The place stays, so that better symbols may name it anew.
    assert_eq!(places(frames)[1], (Some(ID), Some(Address(0x1000))));
}

#[tokio::test]
async fn symbols_are_seen_by_the_first_crash_after_them_though_the_one_before_missed_them() {
    let house = House::new().await;
    let before = report(&[windows(), b"another".to_vec()].concat());
    let before = handled(&house, &before).await;
    let unnamed = &before.threads[0].frames;
    assert!(functions(unnamed).iter().all(|name| *name == "?"), "{unnamed:?}");
    assert_eq!(
        places(unnamed)[..3],
        [0x1000, 0x2000, 0x3000].map(|offset| (Some(ID), Some(Address(offset))))
    );
    upload(&house, &sym()).await;
    let after = handled(&house, &report(&windows())).await;
    assert_eq!(functions(&after.threads[0].frames)[1], "draw_mesh");
}

#[tokio::test]
async fn another_projects_symbols_are_not_used() {
    let house = House::new().await;
    upload(&house, &sym()).await;
    let other = house.catalog.add_project(None, "Other").await.unwrap().id;
    let crash = handled(&house, &Report { project: other, ..report(&windows()) }).await;
    assert!(functions(&crash.threads[0].frames).iter().all(|name| *name == "?"));
}

#[tokio::test]
async fn native_frames_of_an_event_are_named_where_the_calls_were() {
    let house = House::new().await;
    upload(&house, &sym()).await;
    let event = r#"{"platform":"native","exception":{"values":[{"type":"SIGSEGV","stacktrace":{"frames":[
        {"instruction_addr":"0x403001"},{"instruction_addr":"0x402020"},{"instruction_addr":"0x401000"}]}}]},
        "debug_meta":{"images":[{"type":"pe","code_file":"Game.exe","image_addr":"0x400000","image_size":1048576,
        "debug_id":"44332211-6655-8877-99aa-bbccddeeff00-2"}]}}"#;
    let payloads = vec![payload(Role::Event, "item", event.as_bytes())];
    let report = Report { protocol: Protocol::Envelope, payloads, ..report(b"") };
    let crash = handled(&house, &report).await;
    for frames in [&crash.exceptions[0].frames, &crash.threads[0].frames] {
        // The second frame's address is where its call returns to, the first byte behind the function.
        assert_eq!(functions(frames), ["read_vertex", "draw_mesh", "run_frame", "main"]);
        assert_eq!(places(frames)[2], (Some(ID), Some(Address(0x2020))));
        assert_eq!(frames[2].trust, Trust::Given);
    }
    assert_eq!(crash.signature.text, "SIGSEGV | read_vertex | draw_mesh | run_frame");
}

#[tokio::test]
async fn symbols_that_end_their_reader_cost_a_crash_its_lines_and_nothing_else() {
    let real = env!("CARGO_BIN_EXE_process");
    let text = format!("case \"$*\" in *--symbols*) kill -KILL $$;; esac; exec {real} parse-minidump \"$@\"");
    let house = House::with(|settings| {
        settings.parser = script(&text, std::path::Path::new("parser"));
        settings.symbols.converter = epitaph_process::ConverterSettings::of(real);
    })
    .await;
    upload(&house, &sym()).await;
    let crash = handled(&house, &report(&windows())).await;
    assert_eq!(crash.unreadable, None);
    assert_eq!(places(&crash.threads[0].frames)[0], (Some(ID), Some(Address(0x1000))));
    assert!(functions(&crash.threads[0].frames).iter().all(|name| *name == "?"));
}

#[tokio::test]
async fn symbols_that_this_machine_has_no_room_for_are_done_without() {
    let small = House::with(|settings| settings.symbols.cache = 1).await;
    upload(&small, &sym()).await;
    let crash = handled(&small, &report(&windows())).await;
    assert!(functions(&crash.threads[0].frames).iter().all(|name| *name == "?"));
}

#[tokio::test]
async fn symbols_that_are_used_are_noted_as_used() {
    let house = House::new().await;
    upload(&house, &sym()).await;
    let project = ProjectId::FIRST;
    let row = house.catalog.debug_files_of(project, ID).await.unwrap().remove(0);
    let long_ago = Timestamp::now().plus_millis(-10 * 24 * 60 * 60 * 1000);
    let old = epitaph_catalog::DebugFileRow { last_used_at: long_ago, ..row };
    house.catalog.add_debug_file(&old).await.unwrap();
    handled(&house, &report(&windows())).await;
    let row = house.catalog.debug_files_of(project, ID).await.unwrap().remove(0);
    assert!(row.last_used_at > long_ago);
}
