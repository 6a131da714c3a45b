use proptest::prelude::*;

use super::*;

/// An item as a test sees it: its header, its bytes, and whether its end was seen.
type Item = (ItemHead, Vec<u8>, bool);

/// What envelopes consist of, and a little else.
const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"{}",
    b"{\"type\":\"x\"}",
    b"{\"type\":\"x\",\"length\":3}",
    b"{\"type\"",
    b"abc",
    b" ",
    b"x",
    b"\xff",
    b"\0",
];

/// Parses a body that arrives in steps. Also asserts that the parser never holds more than a step and a header.
fn parse(body: &[u8], step: usize) -> (Option<EnvelopeHead>, Vec<Item>, Result<(), EnvelopeError>) {
    let mut parser = Parser::default();
    let (mut head, mut items) = (None, Vec::new());
    let mut pieces = body.chunks(step.max(1));
    loop {
        match parser.next_event() {
            Ok(Some(Event::Head(found))) => assert_eq!(head.replace(found), None, "there is one header"),
            Ok(Some(Event::Item(found))) => items.push((found, Vec::new(), false)),
            Ok(Some(Event::Data(data))) => {
                assert!(!data.is_empty());
                items.last_mut().unwrap().1.extend_from_slice(&data);
            }
            Ok(Some(Event::ItemEnd)) => items.last_mut().unwrap().2 = true,
            Ok(None) if parser.is_closed() => return (head, items, Ok(())),
            Ok(None) => match pieces.next() {
                Some(piece) => parser.feed(piece),
                None => parser.close(),
            },
            Err(error) => return (head, items, Err(error)),
        }
        assert!(parser.buffer.len() <= LONGEST_HEAD + step + 1, "held {}", parser.buffer.len());
    }
}

fn head(kind: &str, length: Option<u64>) -> ItemHead {
    ItemHead { kind: kind.into(), length, ..ItemHead::default() }
}

/// The items of a body that must be an envelope in whatever steps it arrives.
fn items(body: &[u8]) -> Vec<Item> {
    let (_, whole, end) = parse(body, body.len());
    assert_eq!(end, Ok(()), "{}", String::from_utf8_lossy(body));
    for step in [1, 2, 3, 7] {
        assert_eq!(parse(body, step).1, whole, "in steps of {step}");
    }
    whole
}

#[test]
fn an_envelope_with_lengths_and_without_is_read() {
    let body = b"{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"dsn\":\"https://k@h/1\",\"sdk\":{\"name\":\"x\"}}\n\
        {\"type\":\"attachment\",\"length\":10,\"content_type\":\"text/plain\",\"filename\":\"C:\\\\logs\\\\hello.txt\"}\n\
        \xef\xbb\xbfHello\r\n\n\
        {\"type\":\"event\",\"length\":41,\"content_type\":\"application/json\",\"filename\":\"application.log\"}\n\
        {\"message\":\"hello world\",\"level\":\"error\"}\n\
        {\"type\":\"user_report\"}\n{\"comments\":\"oh\"}";
    let expected = |kind, length, content_type: Option<&str>, filename: Option<&str>| ItemHead {
        content_type: content_type.map(Into::into),
        filename: filename.map(Into::into),
        ..head(kind, length)
    };
    let event = br#"{"message":"hello world","level":"error"}"#;
    assert_eq!(
        items(body),
        [
            (
                expected("attachment", Some(10), Some("text/plain"), Some("hello.txt")),
                b"\xef\xbb\xbfHello\r\n".to_vec(),
                true
            ),
            (
                expected("event", Some(41), Some("application/json"), Some("application.log")),
                event.to_vec(),
                true
            ),
            (head("user_report", None), br#"{"comments":"oh"}"#.to_vec(), true),
        ]
    );
    let (found, _, _) = parse(body, 5);
    assert_eq!(found.as_ref().unwrap().event_id.as_deref(), Some("9ec79c33ec9942ab8353589fcb2e04dc"));
    assert_eq!(found.unwrap().dsn.as_deref(), Some("https://k@h/1"));
}

#[test]
fn payloads_may_be_empty_and_the_last_line_break_may_be_missing() {
    let empty = |length| (head("x", length), Vec::new(), true);
    assert_eq!(items(b"{}"), []);
    assert_eq!(items(b"{}\n"), []);
    assert_eq!(items(b"{}\n\n \r\n\n"), []);
    assert_eq!(items(b"{}\n{\"type\":\"x\"}"), [empty(None)]);
    assert_eq!(items(b"{}\n{\"type\":\"x\"}\n"), [empty(None)]);
    assert_eq!(items(b"{}\n{\"type\":\"x\",\"length\":0}"), [empty(Some(0))]);
    assert_eq!(
        items(
            b"{}\n{\"type\":\"x\",\"length\":0}\n\n{\"type\":\"x\"}\n\n{\"type\":\"x\",\"length\":null}\n\n"
        ),
        [empty(Some(0)), empty(None), empty(None)]
    );
}

#[test]
fn lines_may_end_as_windows_ends_them() {
    let body = b"{\"event_id\":\"a\"}\r\n{\"type\":\"x\",\"length\":2}\r\nab\r\n{\"type\":\"y\"}\r\n{}\n\r\n";
    let expected = [(head("x", Some(2)), b"ab".to_vec(), true), (head("y", None), b"{}".to_vec(), true)];
    assert_eq!(items(body), expected);
    // What ends with its line keeps the carriage return: only the reader of the payload knows whether it is one.
    assert_eq!(items(b"{}\r\n{\"type\":\"y\"}\r\n{}\r\n")[0].1, b"{}\r");
}

#[test]
fn a_field_of_a_wrong_type_counts_as_missing_where_the_rest_can_be_read() {
    let body = b"{\"event_id\":7,\"dsn\":[]}\n{\"type\":\"x\",\"filename\":{},\"content_type\":1,\"attachment_type\":null}\n";
    assert_eq!(items(body), [(head("x", None), Vec::new(), true)]);
    assert_eq!(parse(body, 9).0, Some(EnvelopeHead::default()));
    let name = b"{}\n{\"type\":\"x\",\"filename\":\"/gr\xfc\xdfe.log\"}\n";
    assert_eq!(items(name)[0].0.filename.as_deref(), Some("gr\u{fffd}\u{fffd}e.log"));
}

#[test]
fn what_is_not_an_envelope_is_told_apart() {
    for (body, error) in [
        (&b""[..], EnvelopeError::Empty),
        (b"\n{}", EnvelopeError::NoHead),
        (b"MDMP", EnvelopeError::NoHead),
        (b"[]\n", EnvelopeError::NoHead),
        (b"{\n}", EnvelopeError::NoHead),
        (b"{}\nx\n", EnvelopeError::NoItemHead),
        (b"{}\n{}\n", EnvelopeError::NoItemHead),
        (b"{}\n[\"event\"]\n", EnvelopeError::NoItemHead),
        (b"{}\n{\"type\":\"x\",\"length\":-1}\n", EnvelopeError::NoItemHead),
        (b"{}\n{\"type\":\"x\",\"length\":\"1\"}\n", EnvelopeError::NoItemHead),
        (b"{}\n{\"type\":\"x\",\"length\":2}\nabc", EnvelopeError::NoLineBreak),
        (b"{}\n{\"type\":\"x\",\"length\":2}\nab\r", EnvelopeError::NoLineBreak),
        (b"{}\n{\"type\":\"x\",\"length\":3}\nab", EnvelopeError::Unfinished),
        (b"{}\n{\"type\":\"x\",\"length\":18446744073709551615}\nab", EnvelopeError::Unfinished),
    ] {
        for step in [1, 100] {
            assert_eq!(parse(body, step).2, Err(error), "{}", String::from_utf8_lossy(body));
        }
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_HEAD));
    assert_eq!(parse(long.as_bytes(), 1000).2, Err(EnvelopeError::HeadTooLong));
    assert_eq!(parse(format!("{{}}\n{long}\n").as_bytes(), 100_000).2, Err(EnvelopeError::HeadTooLong));
    let deep = format!("{{\"a\":{}", "[".repeat(LONGEST_HEAD / 2));
    assert_eq!(parse(deep.as_bytes(), 100).2, Err(EnvelopeError::NoHead));
}

proptest! {
    #[test]
    fn every_item_comes_out_as_it_went_in(
        given in prop::collection::vec(
            ("[a-z_.]{1,20}", any::<bool>(), prop::collection::vec(any::<u8>(), 0..300), any::<bool>()),
            0..6,
        ),
        step in 1_usize..200,
    ) {
        let mut body = b"{}\n".to_vec();
        let mut expected: Vec<Item> = Vec::new();
        for (kind, has_length, mut data, windows) in given {
            if !has_length {
                data.retain(|&byte| byte != b'\n');
            }
            let length = has_length.then_some(data.len() as u64);
            let end = if windows { "\r\n" } else { "\n" };
            let head_line = match length {
                Some(length) => format!("{{\"type\":\"{kind}\",\"length\":{length}}}{end}"),
                None => format!("{{\"type\":\"{kind}\"}}{end}"),
            };
            body.extend(head_line.bytes());
            body.extend(&data);
            body.extend(if has_length { end } else { "\n" }.bytes());
            expected.push((head(&kind, length), data, true));
        }
        let (_, parsed, end) = parse(&body, step);
        prop_assert_eq!(parsed, expected);
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn an_item_that_was_whole_before_the_body_broke_off_is_whole(cut in 0_usize..100, step in 1_usize..9) {
        let body = b"{}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}\n{\"type\":\"attachment\",\"length\":5}\nhello\n";
        let (_, items, _) = parse(&body[..cut.min(body.len())], step);
        for (_, data, whole) in items {
            let is_one = [&b"{\"a\":1}"[..], b"hello"].contains(&&data[..]);
            prop_assert!(!whole || is_one, "{:?}", data);
        }
    }

    #[test]
    fn garbage_ends_in_an_error_or_in_items_however_it_arrives(
        bytes in prop::collection::vec(
            prop::sample::select(WORDS),
            0..60,
        ),
        step in 1_usize..20,
    ) {
        let bytes = bytes.concat();
        prop_assert_eq!(parse(&bytes, step), parse(&bytes, bytes.len()));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(bytes: Vec<u8>, step in 1_usize..20) {
        let _ = parse(&bytes, step);
    }
}
