//! Sentry's envelopes and single events.

use bytes::Bytes;
use epitaph_crash_model::Role;
use epitaph_envelope::{
    json::{JsonError, ObjectScan},
    parser::{EnvelopeError, EnvelopeHead, Event, ItemHead, LONGEST_HEAD, Parser},
    unpack::{UnpackError, Unpacker},
};
use serde_json::{Map, Value, json};

use crate::{crash, pieces::Pieces};

/// An item: its header, its payload, and whether its end was seen.
type Item = (ItemHead, Vec<u8>, bool);
/// What came of an envelope.
type Envelope = (Option<EnvelopeHead>, Vec<Item>, Result<(), EnvelopeError>);

/// More than this is not unpacked of one input.
const LARGEST: usize = 4 << 20;

/// An envelope is the same items however it arrives, and no more than it holds; written again, it has them again. Of
/// its events, `process` reads every one that the collector takes.
///
/// The first byte cuts the input into pieces.
pub fn envelope(data: &[u8]) {
    let (pieces, body) = Pieces::of(data);
    let whole = parse([body].into_iter());
    assert_eq!(whole, parse(pieces.cut(body)), "in pieces");
    let (head, items, end) = whole;
    let bytes: usize = items.iter().map(|(_, bytes, _)| bytes.len()).sum();
    assert!(bytes <= body.len(), "{bytes} of {}", body.len());
    for (_, payload, _) in items.iter().filter(|(head, _, whole)| head.kind == "event" && *whole) {
        event_is_read(payload, pieces);
    }
    if end.is_ok()
        && let Some(head) = head
    {
        assert!(items.iter().all(|(.., whole)| *whole), "an envelope that ended has no open item");
        written_again(&head, &items);
    }
}

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Envelope {
    let mut parser = Parser::default();
    let (mut head, mut items) = (None, Vec::new());
    for piece in pieces {
        parser.feed(piece);
        if let Err(error) = take(&mut parser, &mut head, &mut items) {
            return (head, items, Err(error));
        }
    }
    parser.close();
    let end = take(&mut parser, &mut head, &mut items);
    (head, items, end)
}

fn take(
    parser: &mut Parser,
    envelope: &mut Option<EnvelopeHead>,
    items: &mut Vec<Item>,
) -> Result<(), EnvelopeError> {
    while let Some(event) = parser.next_event()? {
        match event {
            Event::Head(head) => assert!(envelope.replace(head).is_none(), "an envelope has one header"),
            Event::Item(head) => {
                assert!(items.last().is_none_or(|(.., whole)| *whole), "an item begins inside another");
                items.push((head, Vec::new(), false));
            }
            event => {
                let item = items.last_mut().filter(|(.., whole)| !whole).expect("bytes belong to an item");
                match event {
                    Event::Data(data) => item.1.extend_from_slice(&data),
                    Event::ItemEnd | Event::Head(_) | Event::Item(_) => item.2 = true,
                }
            }
        }
    }
    if let Some((head, bytes, true)) = items.last() {
        assert!(head.length.is_none_or(|length| length == bytes.len() as u64), "as long as it says");
    }
    Ok(())
}

fn written_again(head: &EnvelopeHead, items: &[Item]) {
    let line = |pairs: &[(&str, Option<Value>)]| {
        let told = pairs.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
        Value::Object(told.collect::<Map<_, _>>()).to_string()
    };
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let mut lines = vec![line(&[("event_id", text(&head.event_id)), ("dsn", text(&head.dsn))]).into_bytes()];
    let mut expected = Vec::new();
    for (head, bytes, _) in items {
        let length = bytes.len() as u64;
        let written = line(&[
            ("type", Some(head.kind.as_str().into())),
            ("length", Some(length.into())),
            ("filename", text(&head.filename)),
            ("content_type", text(&head.content_type)),
            ("attachment_type", text(&head.attachment_type)),
        ]);
        lines.extend([written.into_bytes(), bytes.clone()]);
        expected.push((ItemHead { length: Some(length), ..head.clone() }, bytes.clone(), true));
    }
    // A name that was not UTF-8 is longer when it is.
    if lines.iter().step_by(2).chain(lines.first()).any(|line| line.len() > LONGEST_HEAD)
        || lines.iter().skip(1).step_by(2).any(|line| line.len() > LONGEST_HEAD)
    {
        return;
    }
    let again = parse([&lines.join(&b'\n')[..]].into_iter());
    assert_eq!(again, (Some(head.clone()), expected, Ok(())), "written again");
}

/// An event that `store` takes is the same JSON however it arrives, and `process` can read it.
///
/// The first byte cuts the input into pieces.
pub fn store(data: &[u8]) {
    let (pieces, body) = Pieces::of(data);
    let whole = unpack([body].into_iter());
    let cut = unpack(pieces.cut(body));
    // White space before the JSON may be left out.
    let json = |unpacked: &Result<Vec<u8>, UnpackError>| {
        unpacked.as_ref().ok().map(|json| json.trim_ascii_start().to_vec())
    };
    assert_eq!(json(&whole), json(&cut), "in pieces");
    if let Ok(json) = whole {
        event_is_read(&json, pieces);
    }
}

fn unpack<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, UnpackError> {
    let mut unpacker = Unpacker::default();
    let mut json = Vec::new();
    let mut pull = |unpacker: &mut Unpacker| {
        while let Some(piece) = unpacker.pull()? {
            json.extend_from_slice(&piece);
            if json.len() > LARGEST {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for piece in pieces {
        unpacker.push(Bytes::copy_from_slice(piece))?;
        if !pull(&mut unpacker)? {
            return Ok(Vec::new());
        }
    }
    unpacker.close()?;
    let fits = pull(&mut unpacker)?;
    Ok(if fits { json } else { Vec::new() })
}

/// What the collector takes for an event is one for `process`, and has the id that the collector answered.
fn event_is_read(json: &[u8], pieces: Pieces) {
    let scanned = scan([json].into_iter());
    assert_eq!(scanned, scan(pieces.cut(json)), "in pieces");
    let Ok(id) = scanned else { return };
    let mut crash = crash::empty();
    let read = epitaph_process::sources::add(&mut crash, Role::Event, json);
    assert_eq!(read, Ok(()), "the collector took it: {}", String::from_utf8_lossy(json));
    if let Some(id) = id.filter(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())) {
        let told = json!(crash.client_id);
        // JSON may have a name twice; then the collector takes the first, and `process` the last.
        let twice = json.windows(10).filter(|window| window == b"\"event_id\"").count() > 1;
        assert!(twice || told == json!(id.to_lowercase()), "{told} {id}");
    }
}

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<String>, JsonError> {
    let mut scan = ObjectScan::new("event_id");
    for piece in pieces {
        scan.feed(piece)?;
    }
    scan.finish()
}
