//! `multipart/form-data`, and the boundary in a content type.

use epitaph_ingest::multipart::{Event, MultipartError, Parser, PartHead, boundary_of};

use crate::pieces::Pieces;

/// A part: its header, its bytes, and whether its end was seen.
type Part = (PartHead, Vec<u8>, bool);

/// A form is the same parts however it arrives, and no more than it holds; and a form that is written of these parts has
/// the same ones again.
///
/// The first byte cuts the input into pieces. A line follows; a content type with a boundary if it is one, and otherwise
/// the boundary. The rest is the body.
pub fn multipart(data: &[u8]) {
    let (pieces, rest) = Pieces::of(data);
    let (line, body) = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or((&b"b"[..], rest), |end| (&rest[..end], &rest[end + 1..]));
    let line = String::from_utf8_lossy(line);
    let boundary = boundary_of(&line).unwrap_or_else(|| line.into_owned());
    let Some((parts, end)) = parse(&boundary, [body].into_iter()) else { return };
    assert_eq!(Some((parts.clone(), end)), parse(&boundary, pieces.cut(body)), "in pieces");

    let bytes: usize = parts.iter().map(|(_, bytes, _)| bytes.len()).sum();
    assert!(bytes <= body.len(), "{bytes} of {}", body.len());
    for (head, ..) in &parts {
        let names = [Some(&head.name), head.file_name.as_ref(), head.content_type.as_ref()];
        assert!(names.into_iter().flatten().all(|name| name.len() <= 512), "{head:?}");
    }
    if end.is_ok() {
        assert!(parts.iter().all(|(.., whole)| *whole), "a form that ended has no open part");
        written_again(&parts);
    }
}

fn parse<'a>(
    boundary: &str,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<(Vec<Part>, Result<(), MultipartError>)> {
    let mut parser = Parser::new(boundary).ok()?;
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Part(head))) => {
                    assert!(parts.last().is_none_or(|(.., whole)| *whole), "a part begins inside another");
                    parts.push((head, Vec::new(), false));
                }
                Ok(Some(event)) => {
                    let part = parts.last_mut().filter(|(.., whole)| !whole).expect("bytes belong to a part");
                    match event {
                        Event::Data(data) => part.1.extend_from_slice(&data),
                        Event::PartEnd | Event::Part(_) => part.2 = true,
                    }
                }
                Err(error) => return Some((parts, Err(error))),
            }
        }
    }
    let end = parser.finish();
    Some((parts, end))
}

fn written_again(parts: &[Part]) {
    let holds = |boundary: &str| {
        let delimiter = format!("--{boundary}");
        let delimiter = delimiter.as_bytes();
        parts.iter().any(|(_, bytes, _)| bytes.windows(delimiter.len()).any(|window| window == delimiter))
    };
    let boundary = (0..).map(|number| format!("fuzz-{number}-")).find(|boundary| !holds(boundary));
    let boundary = boundary.expect("some number is in no part");
    let mut body = Vec::new();
    for (head, bytes, _) in parts {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data").as_bytes());
        let pairs = [("name", Some(&head.name)), ("filename", head.file_name.as_ref())];
        for (name, value) in pairs {
            if let Some(value) = value {
                body.extend_from_slice(format!("; {name}=\"{}\"", escaped(value)).as_bytes());
            }
        }
        if let Some(content_type) = &head.content_type {
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--").as_bytes());
    let again = parse(&boundary, [&body[..]].into_iter());
    assert_eq!(again, Some((parts.to_vec(), Ok(()))), "written again");
}

fn escaped(name: &str) -> String {
    let name = name.replace('%', "%25").replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    name.replace('\\', "\\\\")
}
