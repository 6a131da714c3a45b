use epitaph_test_collector::{Packing, pack};
use epitaph_test_dumps::unreal::{Layout, container, container_named, padded};
use proptest::prelude::*;
use symbolic_unreal::Unreal4Crash;

use super::*;

/// A file as a test sees it: its name, its bytes, and whether its end was seen.
type File = (String, Vec<u8>, bool);

/// Parses a container that arrives in steps. Also asserts that the parser never holds more than a step and a header.
fn parse(body: &[u8], step: usize) -> (Vec<File>, Result<(), ContainerError>) {
    let mut parser = Parser::default();
    let mut files: Vec<File> = Vec::new();
    for piece in body.chunks(step.max(1)) {
        parser.feed(piece);
        loop {
            match parser.next_event() {
                Ok(None) => break,
                Ok(Some(Event::File { name, .. })) => files.push((name, Vec::new(), false)),
                Ok(Some(Event::Data(data))) => files.last_mut().unwrap().1.extend_from_slice(&data),
                Ok(Some(Event::FileEnd)) => files.last_mut().unwrap().2 = true,
                Err(error) => return (files, Err(error)),
            }
        }
        assert!(
            parser.buffer.len() <= 2 * (LONGEST_NAME as usize + 100) + step,
            "held {}",
            parser.buffer.len()
        );
    }
    (files, parser.finish())
}

/// What the reference makes of it.
fn reference(body: &[u8]) -> Option<Vec<File>> {
    let crash = Unreal4Crash::parse_with_limit(&pack(Packing::Zlib, body), 10 << 20).ok()?;
    Some(crash.files().map(|file| (file.name().to_owned(), file.data().to_vec(), true)).collect())
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::HeaderFirst), Just(Layout::HeaderLast)]
}

const FILES: [(&str, &[u8]); 4] = [
    ("CrashContext.runtime-xml", b"<?xml version=\"1.0\"?><FGenericCrashContext/>"),
    ("empty.txt", b""),
    ("UEMinidump.dmp", b"MDMP\0\0\0\0 and more"),
    ("Game.log", b"CR1\x04\x01\0\0"),
];

#[test]
fn both_layouts_parse_however_they_arrive() {
    for layout in [Layout::HeaderFirst, Layout::HeaderLast] {
        let body = container(layout, &FILES);
        let expected: Vec<File> =
            FILES.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec(), true)).collect();
        for step in [1, 2, 3, 7, 261, 100_000] {
            assert_eq!(parse(&body, step), (expected.clone(), Ok(())), "{layout:?} in steps of {step}");
        }
        assert_eq!(reference(&body), Some(expected));
    }
}

#[test]
fn a_container_of_300_files_does_not_take_the_260th_for_its_end() {
    let names: Vec<String> = (0..300).map(|index| format!("{index}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let body = container(Layout::HeaderLast, &files);
    let (parsed, end) = parse(&body, 1000);
    assert_eq!((parsed.len(), end), (300, Ok(())));
    assert_eq!(reference(&body).map(|files| files.len()), Some(300));
}

#[test]
fn a_container_without_files_ends_at_once() {
    for layout in [Layout::HeaderFirst, Layout::HeaderLast] {
        assert_eq!(parse(&container(layout, &[]), 10), (Vec::new(), Ok(())));
    }
}

#[test]
fn a_directory_without_a_name_is_one() {
    // CrashReportClient on Apple's systems leaves the first header's names empty.
    let body = container_named(Layout::HeaderLast, &padded(""), &padded(".ue4crash"), padded, &FILES);
    let (files, end) = parse(&body, 100);
    assert_eq!((files.len(), end), (4, Ok(())));
}

#[test]
fn what_is_no_container_is_told_apart() {
    let first = container(Layout::HeaderFirst, &FILES);
    let last = container(Layout::HeaderLast, &FILES);
    let with = |body: &[u8], at: usize, number: i32| {
        let mut body = body.to_vec();
        body[at..at + 4].copy_from_slice(&number.to_le_bytes());
        body
    };
    let count = 3 + 2 * 264 + 4;
    let size_of_first = 3 + 2 * 264 + 8 + 4 + 264;
    for (body, error) in [
        (b"MDMP and no container at all".to_vec(), ContainerError::NameTooLong),
        (with(&first, count, -1), ContainerError::Negative),
        (with(&first, count, 5), ContainerError::Unfinished),
        (with(&first, count, 3), ContainerError::Trailing),
        (with(&first, size_of_first, -1), ContainerError::Negative),
        (with(&last, last.len() - 4, 5), ContainerError::WrongCount),
        ([&last[..], b"x"].concat(), ContainerError::Trailing),
        (last[..last.len() - 1].to_vec(), ContainerError::Unfinished),
        (Vec::new(), ContainerError::Unfinished),
    ] {
        assert_eq!(parse(&body, 100).1, Err(error));
        assert_eq!(reference(&body), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_file_comes_out_as_it_went_in_and_as_the_reference_says(
        layout in layout(),
        files in prop::collection::vec(("[A-Za-z0-9._ -]{1,40}", prop::collection::vec(any::<u8>(), 0..300)), 0..6),
        directory in "[A-Za-z0-9-]{4,60}",
        pad: bool,
        step in 1_usize..900,
    ) {
        let named: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        let text = |name: &str| if pad { padded(name) } else { name.as_bytes().to_vec() };
        let body = container_named(layout, &text(&directory), &text("a.uecrash"), text, &named);
        let expected: Vec<File> = files.into_iter().map(|(name, bytes)| (name, bytes, true)).collect();
        prop_assert_eq!(parse(&body, step), (expected.clone(), Ok(())));
        prop_assert_eq!(reference(&body), Some(expected));
    }

    #[test]
    fn what_is_cut_short_is_a_beginning_of_the_whole_and_not_finished(layout in layout(), cut in 0.0..1.0_f64, step in 1_usize..900) {
        let body = container(layout, &FILES);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of the length")]
        let kept = (body.len() as f64 * cut) as usize;
        let (files, end) = parse(&body[..kept], step);
        for ((name, bytes, whole), (expected_name, expected)) in files.iter().zip(FILES) {
            prop_assert_eq!(name, expected_name);
            let so_far = if *whole { expected } else { &expected[..bytes.len().min(expected.len())] };
            prop_assert_eq!(bytes.as_slice(), so_far);
        }
        prop_assert_eq!(end, Err(ContainerError::Unfinished));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(
        magic: bool,
        bytes in prop::collection::vec(prop_oneof![4 => Just(0_u8), 1 => 0_u8..6, 1 => any::<u8>()], 0..400),
        step in 1_usize..50,
    ) {
        let body = if magic { [&MAGIC[..], &bytes[..]].concat() } else { bytes };
        let ours = parse(&body, step);
        // Whatever the reference takes we take, unless its names are no names at all.
        if let Some(theirs) = reference(&body) && theirs.iter().all(|(name, ..)| !name.is_empty()) && magic {
            prop_assert_eq!(ours, (theirs, Ok(())));
        }
    }
}
