//! Native frames of events, as Sentry's SDKs send them, get the lines of debug files that a build machine uploaded.
//!
//! What is expected is what LLVM's symbolizer reads from the same files.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::path::Path;

use epitaph_test_services::{Target, Workshop};
use serde_json::{Value, json};
use support::{House, Server, answer, until};

const SYMBOLIZER: &[&str] =
    &["llvm-symbolizer", "llvm-symbolizer-14", "llvm-symbolizer-16", "llvm-symbolizer-19"];
const NM: &[&str] = &["llvm-nm", "llvm-nm-14", "llvm-nm-16", "llvm-nm-19"];
const DWARFDUMP: &[&str] = &["llvm-dwarfdump", "llvm-dwarfdump-14", "llvm-dwarfdump-16", "llvm-dwarfdump-19"];
const READELF: &[&str] = &["llvm-readelf", "llvm-readelf-14", "llvm-readelf-16", "llvm-readelf-19"];
/// Where the program lies in the memory of the game.
const BASE: u64 = 0x7000_0010_0000;
/// The bytes of an instruction, at least: addresses are asked for at this distance.
const X86: u64 = 1;
const ARM64: u64 = 4;
/// Of one function.
const MOST: u64 = 60;

/// A function, the last part of its file's name, and the line.
type Place = (String, String, u64);

/// Places of an address in a file, the innermost first.
fn places(workshop: &Workshop, file: &str, address: u64) -> Vec<Place> {
    let text = workshop
        .run(SYMBOLIZER, &format!("--output-style=JSON --inlines --obj={file} 0x{address:x}"))
        .unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let told = told.get(0).unwrap_or(&told)["Symbol"].as_array().unwrap().clone();
    told.iter().map(|place| named(&place["FunctionName"], &place["FileName"], &place["Line"])).collect()
}

fn named(function: &Value, file: &Value, line: &Value) -> Place {
    let file = file.as_str().unwrap_or_default();
    let file = file.rsplit('/').next().unwrap_or_default();
    (function.as_str().unwrap_or_default().to_owned(), file.to_owned(), line.as_u64().unwrap_or_default())
}

/// Where a function begins.
fn start(workshop: &Workshop, file: &str, function: &str) -> u64 {
    let names = workshop.run(NM, file).unwrap();
    let line = names
        .lines()
        .find(|line| line.rsplit(' ').next().is_some_and(|name| name.trim_start_matches('_') == function));
    u64::from_str_radix(line.unwrap().split(' ').next().unwrap(), 16).unwrap()
}

/// All addresses of a function at a distance from each other, and their places. What fills the gap behind it has no line.
fn all_of(workshop: &Workshop, file: &str, function: &str, distance: u64) -> Vec<(u64, Vec<Place>)> {
    let start = start(workshop, file, function);
    let addresses = (0..MOST).map(|number| start + number * distance);
    let addresses = addresses.map(|address| (address, places(workshop, file, address)));
    let within = |places: &[Place]| places.last().is_some_and(|place| place.0 == function && place.2 > 0);
    addresses.take_while(|(_, places)| within(places)).collect()
}

async fn event(server: &Server, event: &Value) -> Value {
    let item = event.to_string();
    let body = format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{item}\n", item.len());
    let url = format!("{}/api/1/envelope/?sentry_key={}", server.url, server.key);
    let posted = answer(server.client.post(url).body(body)).await.unwrap();
    assert_eq!(posted.status, 200, "{}", posted.text);
    let id = until("the event is a crash", async || {
        let (_, listed) = server.api("/crashes?period=24h").await;
        listed["crashes"][0]["id"].as_str().map(str::to_owned)
    });
    server.crash(&id.await).await
}

/// An event whose frames are at these addresses of an image, the first one innermost.
fn crash_at(addresses: &[u64], distance: u64, image: &Value) -> Value {
    // Frames but the innermost name the instruction to which they will return, which lies behind the call.
    let call = |(index, address): (usize, &u64)| BASE + address + if index == 0 { 0 } else { distance };
    let mut frames: Vec<Value> = addresses
        .iter()
        .enumerate()
        .map(|frame| json!({"instruction_addr": format!("0x{:x}", call(frame))}))
        .collect();
    frames.reverse();
    json!({
        "platform": "native",
        "exception": {"values": [{"type": "SIGSEGV", "value": "Segfault", "stacktrace": {"frames": frames}}]},
        "debug_meta": {"images": [image]},
    })
}

/// Uploads what is at `upload`, posts an event with frames all over `file`, and compares what is told of each.
async fn are_the_same(workshop: &Workshop, distance: u64, file: &str, upload: &Path, image: Value) {
    let (house, mut places) = (House::new(), all_of(workshop, file, "crash_here", distance));
    assert!(places.len() > 2 && places.iter().any(|(_, places)| places.len() == 3), "{places:?}");
    places.extend(all_of(workshop, file, "caller", distance));
    let server = house.serve();
    let arguments = ["symbols", "upload", "--project", "1", "--server", &server.url];
    let mut command = house.command(&arguments);
    let uploaded = command.arg(upload).env("EPITAPH_TOKEN", &server.token).output().unwrap();
    assert!(uploaded.status.success(), "{}", String::from_utf8_lossy(&uploaded.stderr));

    let addresses: Vec<u64> = places.iter().map(|(address, _)| *address).collect();
    let crash = event(&server, &crash_at(&addresses, distance, &image)).await;
    let frames = crash["threads"][0]["frames"].as_array().unwrap();
    let told: Vec<Place> =
        frames.iter().map(|frame| named(&frame["function"], &frame["file"], &frame["line"])).collect();
    let expected: Vec<Place> = places.into_iter().flat_map(|(_, places)| places).collect();
    assert_eq!(told, expected);
}

/// A UUID as text, of 32 hexadecimal digits.
fn uuid(digits: &str) -> String {
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]].join("-")
}

/// The digits with the bytes of the first three fields the other way round: a build id is no UUID, but read as one of
/// Microsoft's.
fn swapped(digits: &str) -> String {
    let field = |range: std::ops::Range<usize>| {
        let bytes: Vec<&str> = range.step_by(2).rev().map(|at| &digits[at..at + 2]).collect();
        bytes.concat()
    };
    [field(0..8), field(8..12), field(12..16), digits[16..32].to_owned()].concat()
}

fn build_id(workshop: &Workshop, file: &str) -> String {
    let notes = workshop.run(READELF, &format!("-n {file}")).unwrap();
    let (_, id) = notes.split_once("Build ID: ").unwrap();
    id.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn an_events_frames_in_a_linux_program_have_its_lines() {
    let workshop = Workshop::new();
    if workshop.build(Target::LinuxGcc).is_none() || workshop.run(SYMBOLIZER, "--version").is_none() {
        return;
    }
    let debug_id = uuid(&swapped(&build_id(&workshop, "game")));
    let image = json!({"type": "elf", "debug_id": debug_id, "code_file": "/opt/game/game",
        "image_addr": format!("0x{BASE:x}"), "image_size": 65536});
    are_the_same(&workshop, X86, "game", &workshop.path("game"), image).await;
}

#[tokio::test]
async fn an_events_frames_in_an_android_library_have_its_lines() {
    let workshop = Workshop::new();
    if workshop.build(Target::LinuxArm64).is_none() || workshop.run(SYMBOLIZER, "--version").is_none() {
        return;
    }
    // With the build id alone, as some SDKs send it.
    let image = json!({"type": "elf", "code_id": build_id(&workshop, "libgame.so"),
        "code_file": "/data/app/com.example.game/lib/arm64/libgame.so",
        "image_addr": format!("0x{BASE:x}"), "image_size": 262_144});
    are_the_same(&workshop, ARM64, "libgame.so", &workshop.path("libgame.so"), image).await;
}

#[tokio::test]
async fn an_events_frames_in_a_mac_library_have_the_lines_of_its_dsym() {
    for (target, distance) in [(Target::MacArm64, ARM64), (Target::MacX64, X86)] {
        let workshop = Workshop::new();
        if workshop.build(target).is_none() || workshop.run(SYMBOLIZER, "--version").is_none() {
            return;
        }
        let file = "game.dSYM/Contents/Resources/DWARF/game.dylib";
        let told = workshop.run(DWARFDUMP, &format!("--uuid {file}")).unwrap();
        let debug_id = told.split_whitespace().nth(1).unwrap();
        let image = json!({"type": "macho", "debug_id": debug_id, "code_file": "/private/var/Game.app/game.dylib",
            "image_addr": format!("0x{BASE:x}"), "image_vmaddr": "0x0", "image_size": 65536});
        are_the_same(&workshop, distance, file, &workshop.path("game.dSYM"), image).await;
    }
}
