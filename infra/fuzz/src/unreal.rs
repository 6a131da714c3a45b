//! The container that CrashReportClient posts.

use epitaph_test_dumps::unreal::{Layout, container_named};
use epitaph_unreal::container::{ContainerError, Event, Parser};

use crate::pieces::Pieces;

/// A file: its name, its bytes, and whether its end was seen.
type File = (String, Vec<u8>, bool);

/// A container is the same files however it arrives, and no more than it holds; written again, in either layout, it has
/// them again.
///
/// The first byte cuts the input into pieces.
pub fn unreal(data: &[u8]) {
    let (pieces, body) = Pieces::of(data);
    let (files, end) = parse([body].into_iter());
    assert_eq!((files.clone(), end), parse(pieces.cut(body)), "in pieces");
    let bytes: usize = files.iter().map(|(_, bytes, _)| bytes.len()).sum();
    assert!(bytes <= body.len(), "{bytes} of {}", body.len());
    if end.is_err() {
        return;
    }
    assert!(files.iter().all(|(.., whole)| *whole), "a container that ended has no open file");
    let named: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes, _)| (name.as_str(), &bytes[..])).collect();
    // What was not UTF-8 is longer when it is.
    if named.iter().any(|(name, _)| name.len() > 4096) {
        return;
    }
    // Of a header at the end, a file without a name cannot be told apart.
    let has_names = named.iter().all(|(name, _)| !name.is_empty());
    for layout in [Some(Layout::HeaderFirst), has_names.then_some(Layout::HeaderLast)].into_iter().flatten() {
        let name = |name: &str| name.as_bytes().to_vec();
        let body = container_named(layout, b"a directory", b"a.uecrash", name, &named);
        assert_eq!(parse([&body[..]].into_iter()), (files.clone(), Ok(())), "written again, {layout:?}");
    }
}

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<File>, Result<(), ContainerError>) {
    let mut parser = Parser::default();
    let mut files: Vec<File> = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_event() {
                Ok(None) => break,
                Ok(Some(Event::File { name, .. })) => {
                    assert!(files.last().is_none_or(|(.., whole)| *whole), "a file begins inside another");
                    files.push((name, Vec::new(), false));
                }
                Ok(Some(event)) => {
                    let file = files.last_mut().filter(|(.., whole)| !whole).expect("bytes belong to a file");
                    match event {
                        Event::Data(data) => file.1.extend_from_slice(&data),
                        Event::FileEnd | Event::File { .. } => file.2 = true,
                    }
                }
                Err(error) => return (files, Err(error)),
            }
        }
    }
    let end = parser.finish();
    (files, end)
}
