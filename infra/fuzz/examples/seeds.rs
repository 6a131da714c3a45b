//! Writes inputs that a fuzzer begins with: `cargo run -p epitaph-fuzz --example seeds -- FOLDER` makes a folder for each
//! target, and a file for each input.
#![expect(clippy::unwrap_used, reason = "a generator that cannot write ends")]

#[path = "seeds/json.rs"]
mod json;
#[path = "seeds/packed.rs"]
mod packed;
#[path = "seeds/requests.rs"]
mod requests;
#[path = "seeds/symbols.rs"]
mod symbols;
#[path = "seeds/text.rs"]
mod text;

use std::{fs, path::Path};

use epitaph_test_dumps::unreal::{Layout, container, container_named};

/// The target, the file's name, and its bytes.
type Seed = (&'static str, String, Vec<u8>);

/// Bytes before an input that say how it is cut: whole, byte by byte, in sevens, by chance.
const CUTS: [u8; 4] = [0, 1, 7, 200];

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| {
        eprintln!("expected a folder to write to");
        std::process::exit(64)
    });
    let mut seeds = multipart();
    seeds.extend(envelopes());
    seeds.extend(unreal());
    seeds.extend(json::seeds());
    seeds.extend(packed::seeds());
    seeds.extend(requests::seeds());
    seeds.extend(symbols::seeds());
    seeds.extend(text::seeds());
    for (target, name, bytes) in seeds {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// An input, cut in each of the ways.
fn cut(target: &'static str, name: &str, input: &[u8]) -> Vec<Seed> {
    let seed = |cut: u8| (target, format!("{name}-cut-{cut}"), [&[cut], input].concat());
    CUTS.into_iter().map(seed).collect()
}

fn multipart() -> Vec<Seed> {
    let part =
        |head: &str, body: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let crashpad = [
        part("name=\"guid\"", "0"),
        part("name=\"a%22%0D%0A%25\"", "quoted"),
        part(
            "name=\"upload_file_minidump\"; filename=\"C:\\\\x\\\\a.dmp\"\r\nContent-Type: application/x-dmp",
            "MDMP\r\n--bc",
        ),
    ];
    let forms = [
        ("annotations-and-a-dump", format!("b\n{}--b--\r\n", crashpad.concat())),
        ("content-type", format!("multipart/form-data; boundary=\"b\"\n{}--b--", part("name=a", "1"))),
        ("preamble", format!("b\nbefore\r\n--bx\r\n{}--b--after", part("name=a", ""))),
        ("empty-part", "b\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--".to_owned()),
        (
            "empty-part-and-a-longer-word",
            "b\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--bc\r\n--b--".to_owned(),
        ),
        (
            "padding",
            format!(
                "b\n--b  \t\r\nContent-Disposition: x; name=\"\\\"\"\r\n\r\nv\r\n--b{}--b--",
                " ".repeat(70)
            ),
        ),
        (
            "nested",
            "b\n--b\r\nContent-Disposition: form-data; name=n\r\nContent-Type: multipart/form-data; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--"
                .to_owned(),
        ),
        ("no-head", "b\n--b\r\n\r\n".to_owned()),
    ];
    forms.iter().flat_map(|(name, form)| cut("multipart", name, form.as_bytes())).collect()
}

fn envelopes() -> Vec<Seed> {
    let id = "9ec79c33ec9942ab8353589fcb2e04dc";
    let event = format!("{{\"event_id\":\"{id}\",\"message\":\"x\"}}");
    let envelopes = [
        ("event", format!("{{\"event_id\":\"{id}\",\"dsn\":\"https://k@h/1\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len())),
        ("without-length", format!("{{}}\r\n{{\"type\":\"event\"}}\n{event}\n\n{{\"type\":\"session\"}}\n{{}}")),
        ("attachment", "{}\n{\"type\":\"attachment\",\"length\":4,\"filename\":\"C:\\\\a\\\\b.dmp\",\"attachment_type\":\"event.minidump\",\"content_type\":\"application/x-dmp\"}\nMDMP\r\n{\"type\":\"user_report\",\"length\":0}\n\n".to_owned()),
        ("other-types", "{\"event_id\":7}\n{\"type\":\"x\",\"length\":null,\"filename\":[1]}\npayload".to_owned()),
        ("numbers", "{}\n{\"type\":\"event\"}\n{\"a\":[1e999,-0,0.1e-7,18446744073709551616],\"b\":\"\\ud800\\u0041\"}".to_owned()),
    ];
    let mut seeds: Vec<Seed> =
        envelopes.iter().flat_map(|(name, text)| cut("envelope", name, text.as_bytes())).collect();
    for (name, text) in [
        ("json", event.clone()),
        ("base64", "eyJtZXNzYWdlIjoieCJ9".to_owned()),
        ("base64-in-lines", "eyJt\r\nZXNzYWdl\r\nIjoieCJ9\r\n".to_owned()),
        ("base64-of-zlib", "eJyrVspNLS5OTE9VslKqUKoFADDmBW0=".to_owned()),
        ("surrogates", r#" {"a":"\ud83d\ude00\ud83d","event_id":"\u0039"} "#.to_owned()),
        ("deep", format!("{{\"a\":{}1{}}}", "[".repeat(126), "]".repeat(126))),
    ] {
        seeds.extend(cut("store", name, text.as_bytes()));
    }
    seeds
}

fn unreal() -> Vec<Seed> {
    let files: [(&str, &[u8]); 3] = [
        ("CrashContext.runtime-xml", b"<FGenericCrashContext/>"),
        ("UEMinidump.dmp", b"MDMP"),
        ("Game.log", b""),
    ];
    let bare = |name: &str| name.as_bytes().to_vec();
    let mut seeds = Vec::new();
    for (name, layout) in [("header-first", Layout::HeaderFirst), ("header-last", Layout::HeaderLast)] {
        seeds.extend(cut("unreal", name, &container(layout, &files[..2])));
        seeds.extend(cut(
            "unreal",
            &format!("{name}-bare"),
            &container_named(layout, b"dir", b"a.ue", bare, &files),
        ));
        seeds.extend(cut("unreal", &format!("{name}-empty"), &container_named(layout, b"", b"", bare, &[])));
    }
    seeds
}
