//! What the collector holds while something large passes through it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::fs;

use epitaph_crash_model::{Content, Role};
use support::{EVENT, House, envelope, event_item, head, read};
use tokio::io::AsyncWriteExt as _;

const ATTACHMENT: u64 = 200 << 20;
/// What this process may hold more than before. It is the client, too.
const MOST: u64 = 8 << 20;

/// The most memory that this process ever held, in bytes.
fn high_water_mark() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn an_attachment_of_200_mb_passes_through_and_is_not_held() {
    let mut house = House::new();
    // The first report takes what every later one uses too.
    let answer = house.send_envelope(&envelope(&[event_item()])).await;
    house.report_of(&answer).await;
    let before = high_water_mark();

    let item = format!("{{\"type\":\"attachment\",\"filename\":\"core\",\"length\":{ATTACHMENT}}}\n");
    let begin = [envelope(&[event_item()]), item.into_bytes()].concat();
    let length = format!("Content-Length: {}", begin.len() as u64 + ATTACHMENT);
    let mut stream = house.connect().await;
    stream.write_all(&head("POST", &house.path("envelope"), &[&length])).await.unwrap();
    stream.write_all(&begin).await.unwrap();
    let piece = vec![7; 64 << 10];
    for _ in 0..ATTACHMENT / piece.len() as u64 {
        stream.write_all(&piece).await.unwrap();
    }
    let answer = read(&mut stream).await;
    let held = high_water_mark() - before;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, 0).await, EVENT);
    let core = &report.payloads[1];
    assert_eq!((core.role, core.size), (Role::Attachment, ATTACHMENT));
    assert!(matches!(core.content, Content::Stored { .. }));
    assert_eq!(report.notes, []);
    assert!(held < MOST, "{held} bytes more were held");
}
