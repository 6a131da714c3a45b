use proptest::prelude::*;

use super::*;

/// A part as a test sees it: its header, its bytes, and whether its end was seen.
type Part = (PartHead, Vec<u8>, bool);

/// Parses a body that arrives in steps. Also asserts that the parser never holds more than a step and a header.
fn parse(boundary: &str, body: &[u8], step: usize) -> (Vec<Part>, Result<(), MultipartError>) {
    let mut parser = Parser::new(boundary).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    for piece in body.chunks(step.max(1)) {
        parser.feed(piece);
        loop {
            match parser.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Part(head))) => parts.push((head, Vec::new(), false)),
                Ok(Some(Event::Data(data))) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                Ok(Some(Event::PartEnd)) => parts.last_mut().unwrap().2 = true,
                Err(error) => return (parts, Err(error)),
            }
        }
        assert!(parser.buffer.len() <= LONGEST_HEAD + step + 100, "held {}", parser.buffer.len());
    }
    (parts, parser.finish())
}

fn head(name: &str, file_name: Option<&str>, content_type: Option<&str>) -> PartHead {
    PartHead {
        name: name.into(),
        file_name: file_name.map(Into::into),
        content_type: content_type.map(Into::into),
    }
}

/// The bytes that Crashpad's `HTTPMultipartBuilder` writes for one annotation and one dump.
fn crashpad_body(boundary: &str, dump: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"quote%22percent%25line%0D%0A\"\r\n\r\nvalue\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
             filename=\"dump.dmp\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(dump);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

#[test]
fn crashpads_own_bytes_parse() {
    let boundary = "---MultipartBoundary-7qY0RFt8mXvPzLwKc3JnB2sGd9HaEe1U---";
    let body = crashpad_body(boundary, b"MDMP\r\n--\x00\xff");
    for step in [1, 2, 3, 7, 4096] {
        let (parts, end) = parse(boundary, &body, step);
        assert_eq!(end, Ok(()));
        assert_eq!(
            parts,
            [
                (head("quote\"percent%line\r\n", None, None), b"value".to_vec(), true),
                (
                    head("upload_file_minidump", Some("dump.dmp"), Some("application/octet-stream")),
                    b"MDMP\r\n--\x00\xff".to_vec(),
                    true
                ),
            ],
            "in steps of {step}"
        );
    }
}

#[test]
fn a_boundary_that_is_part_of_a_longer_word_is_data() {
    let body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--bc\r\n--b- -\r\n--b--";
    for step in [1, 100] {
        let (parts, end) = parse("b", body, step);
        assert_eq!(parts, [(head("a", None, None), b"x\r\n--bc\r\n--b- -".to_vec(), true)]);
        assert_eq!(end, Ok(()));
    }
}

#[test]
fn preamble_padding_empty_parts_and_epilogue_are_taken() {
    let body = b"hello\r\n--b \t\r\ncontent-disposition: FORM-DATA; NAME=\"a\"\r\n\r\n\r\n--b\r\n\
                 Content-Disposition: form-data; name=\"c\"; filename=\"C:\\dir\\x \\\"y\\\".dmp\"\r\n\r\nz\r\n--b--\r\nbye";
    for step in [1, 100] {
        let (parts, end) = parse("b", body, step);
        let expected = [
            (head("a", None, None), b"".to_vec(), true),
            (head("c", Some("x \"y\".dmp"), None), b"z".to_vec(), true),
        ];
        assert_eq!((parts.as_slice(), end), (expected.as_slice(), Ok(())), "in steps of {step}");
    }
}

/// Some write the boundary right behind the empty line, so that one line break ends the header and begins the boundary.
#[test]
fn a_boundary_right_behind_a_header_ends_an_empty_part_however_it_arrives() {
    let header = "Content-Disposition: form-data; name=a\r\n\r\n";
    for (data, expected) in [("--b--", ""), ("--bc\r\n--b--", "--bc"), ("\r\n--b--", ""), ("-\r\n--b--", "-")]
    {
        let body = format!("--b\r\n{header}{data}");
        for step in 1..body.len() + 1 {
            let (parts, end) = parse("b", body.as_bytes(), step);
            let part = (head("a", None, None), expected.as_bytes().to_vec(), true);
            assert_eq!((parts, end), (vec![part], Ok(())), "{data:?} in steps of {step}");
        }
    }
}

#[test]
fn a_header_of_the_greatest_length_is_taken_however_it_arrives() {
    let name = "Content-Disposition: form-data; name=a\r\nX: ";
    for (longer, expected) in [(0, Ok(())), (1, Err(MultipartError::HeadTooLong))] {
        let filling = "y".repeat(LONGEST_HEAD - name.len() + longer);
        let body = format!("--b\r\n{name}{filling}\r\n\r\nz\r\n--b--");
        for step in [1, 2, 3, 4096, 100_000] {
            assert_eq!(parse("b", body.as_bytes(), step).1, expected, "in steps of {step}");
        }
    }
}

#[test]
fn what_is_not_multipart_is_told_apart() {
    let long = format!("--b\r\nX: {}", "y".repeat(20_000));
    assert_eq!(parse("b", long.as_bytes(), 100).1, Err(MultipartError::HeadTooLong));
    assert_eq!(parse("b", b"--b\r\nX: y\r\n\r\n", 100).1, Err(MultipartError::NoName));
    assert_eq!(parse("b", b"--b\r\n\r\ndata", 100).1, Err(MultipartError::NoName));
    assert_eq!(parse("b", b"MDMP", 100).1, Err(MultipartError::Unfinished));
    assert!(Parser::new("").is_err() && Parser::new(&"b".repeat(71)).is_err());
}

#[test]
fn the_boundary_is_found_in_a_content_type() {
    for (content_type, boundary) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data;charset=utf-8; Boundary=\"a b;c\"", Some("a b;c")),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=abc", None),
        ("text/plain; boundary=abc", None),
    ] {
        assert_eq!(boundary_of(content_type).as_deref(), boundary, "{content_type}");
    }
}

proptest! {
    #[test]
    fn every_part_comes_out_as_it_went_in(
        parts in prop::collection::vec(("[a-z]{1,9}", prop::collection::vec(any::<u8>(), 0..300)), 0..5),
        step in 1_usize..200,
    ) {
        let boundary = "x-boundary-that-no-random-bytes-contain";
        let mut body = Vec::new();
        for (name, data) in &parts {
            body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
            body.extend(data);
            body.extend(b"\r\n");
        }
        body.extend(format!("--{boundary}--\r\n").bytes());
        let (parsed, end) = parse(boundary, &body, step);
        let expected: Vec<Part> = parts.into_iter().map(|(name, data)| (head(&name, None, None), data, true)).collect();
        prop_assert_eq!(parsed, expected);
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_dump_that_was_whole_before_the_body_broke_off_is_whole(cut in 0_usize..400) {
        let body = crashpad_body("b", b"MDMP and more");
        let cut = cut.min(body.len());
        let (parts, end) = parse("b", &body[..cut], 50);
        let dump = parts.iter().find(|part| part.0.name == "upload_file_minidump");
        if let Some((_, data, true)) = dump {
            prop_assert_eq!(data.as_slice(), &b"MDMP and more"[..]);
        }
        // The end is certain as soon as the two hyphens are there; the line break behind them is not needed.
        prop_assert_eq!(end.is_ok(), cut + 2 >= body.len());
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(
        bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'b'), Just(b':'), any::<u8>()], 0..400),
        step in 1_usize..20,
    ) {
        let _ = parse("b", &bytes, step);
    }
}
