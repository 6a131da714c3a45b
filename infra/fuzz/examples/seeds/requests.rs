//! Whole requests, to every route.

use epitaph_test_dumps::unreal::{Layout, container_named};

use crate::Seed;

pub(crate) fn seeds() -> Vec<Seed> {
    let part =
        |head: &str, body: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let dump = part("name=\"upload_file_minidump\"; filename=\"a.dmp\"", "MDMP and more");
    let nested = part(
        "name=\"upload_file_minidump\"; filename=\"a.dmp\"",
        "--c\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; filename=\"a.dmp\"\r\n\r\nMDMP\r\n--c--",
    );
    let event = [
        part("name=\"sentry[user][id]\"", "7"),
        part("name=\"sentry__1\"", "{\"release\":"),
        part("name=\"sentry__2\"", "\"1\"}"),
        part("name=\"sentry___initialScope\"", "{\"tags\":{\"a\":\"1\"}}"),
        part("name=\"a\"; filename=\"__sentry-breadcrumb1\"", "\u{1}"),
    ]
    .concat();
    let extra =
        part("name=\"extra\"\r\nContent-Type: application/json", "{\"ProductName\":\"Game\",\"n\":1}");
    let packed: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xf3u\xf1\r\0\0\0\0";
    let envelope = "{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\"}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n\
        {\"type\":\"attachment\",\"attachment_type\":\"event.minidump\",\"length\":8,\"filename\":\"a.dmp\"}\nMDMPMDMP\n\
        {\"type\":\"session\"}\n{}\n{\"type\":\"user_report\"}\n{\"comments\":\"x\"}\n{\"type\":\"attachment\",\"length\":1,\"attachment_type\":\"unreal.context\",\"filename\":\"x\"}\n<\n";
    let bare = |name: &str| name.as_bytes().to_vec();
    let files: [(&str, &[u8]); 4] =
        [("CrashContext.runtime-xml", b"<a/>"), ("UEMinidump.dmp", b"MDMP"), ("a.log", b"x"), ("b", b"PMDM")];
    let unreal = container_named(Layout::HeaderLast, b"dir", b"a", bare, &files);
    let report = "{\"version\":1,\"message\":\"x\",\"id\":\"9ec79c33ec9942ab8353589fcb2e04dc\"}";
    let bodies: [(&str, u8, Vec<u8>); 11] = [
        ("dump", 0, format!("{dump}--b--").into_bytes()),
        ("nested", 0, format!("{nested}--b--").into_bytes()),
        ("event-in-fields", 0, format!("{event}{dump}--b--").into_bytes()),
        (
            "broken-off",
            0,
            format!("{dump}--b\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\nrest")
                .into_bytes(),
        ),
        ("raw", 1, b"PMDM and the rest".to_vec()),
        ("raw-packed", 1, packed.to_vec()),
        ("socorro", 2, format!("{extra}{dump}--b--").into_bytes()),
        ("envelope", 3, envelope.as_bytes().to_vec()),
        ("store", 4, b"{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\"}".to_vec()),
        ("unreal", 5, unreal),
        ("report", 6, report.as_bytes().to_vec()),
    ];
    let form = [part("name=report", report), part("name=shot; filename=\"s.png\"", "PNG")].concat();
    let form = ("report-in-a-form", 7, format!("{form}--b--").into_bytes());
    let requests = bodies.into_iter().chain([form]);
    let seed = |(name, route, body): (&str, u8, Vec<u8>)| {
        [1, 100].map(|cut| ("requests", format!("{name}-cut-{cut}"), [&[cut, route, 0], &body[..]].concat()))
    };
    requests.flat_map(seed).collect()
}
