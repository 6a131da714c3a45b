//! Texts among a report's files, such as logs, and what SDKs write: what is private in them is taken out before they are
//! kept.
//!
//! A minidump, a picture and whatever else is no text are kept as they came.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Payload, Role};
use epitaph_scrub::{LineScrubber, ScrubRules};

use crate::{
    payloads::{self, FetchError, ZSTD_LEVEL, off_runtime},
    private::Form,
};

/// The largest text that is looked through: as large as a collector takes a file to be. It is streamed, not held.
const LARGEST: u64 = 200 << 20;

/// How a text's name ends.
const ENDINGS: [&str; 14] = [
    ".log",
    ".txt",
    ".json",
    ".xml",
    ".runtime-xml",
    ".ini",
    ".cfg",
    ".conf",
    ".csv",
    ".yml",
    ".yaml",
    ".toml",
    ".md",
    ".html",
];

/// Bytes that are moved at once.
const PIECE: usize = 128 << 10;

/// Whether a file is a text of lines, by what it is for, and by what the client calls it.
fn is_text(payload: &Payload) -> bool {
    match payload.role {
        Role::Event | Role::Report | Role::UnrealContext | Role::Feedback => true,
        Role::Minidump | Role::EventMsgpack | Role::BreadcrumbsMsgpack => false,
        Role::Attachment => {
            let claimed = payload.content_type.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
            let name = payload.name.to_ascii_lowercase();
            claimed.starts_with("text/")
                || ["application/json", "application/xml"].iter().any(|text| claimed.starts_with(text))
                || ENDINGS.iter().any(|ending| name.ends_with(ending))
        }
    }
}

/// Writes what is left of a file to `key`, packed with zstd, and gives its size unpacked. `None` if there is nothing
/// private in it, or if it is none of those that are looked through, or cannot be read: then nothing is written. What an
/// SDK wrote is looked through value by value, up to `largest` bytes of it, and else, if it is a text, line by line.
pub(crate) async fn rewrite(
    bucket: &Bucket,
    payload: &Payload,
    key: &Key,
    rules: ScrubRules,
    scratch: &Path,
    largest: u64,
) -> Result<Option<u64>, FetchError> {
    if let Some(form) = Form::of(payload) {
        match rewrite_values(bucket, payload, key, rules, form, largest).await? {
            Ok(size) => return Ok(size),
            Err(why) => {
                tracing::debug!(name = payload.name, why, "values are not looked through by their names");
            }
        }
    }
    if is_text(payload) { rewrite_lines(bucket, payload, key, rules, scratch).await } else { Ok(None) }
}

/// The inner error says why the values cannot be read.
async fn rewrite_values(
    bucket: &Bucket,
    payload: &Payload,
    key: &Key,
    rules: ScrubRules,
    form: Form,
    largest: u64,
) -> Result<Result<Option<u64>, String>, FetchError> {
    let bytes = match payloads::whole(bucket, payload, largest).await {
        Ok(bytes) => bytes,
        Err(FetchError::Unreadable(unreadable)) => return Ok(Err(unreadable.message)),
        Err(error) => return Err(error),
    };
    let kept = match off_runtime(move || Ok(form.scrub(&bytes, &rules))).await? {
        Ok(Some(kept)) => kept,
        Ok(None) => return Ok(Ok(None)),
        Err(why) => return Ok(Err(why)),
    };
    let size = kept.len() as u64;
    bucket.put(key, payloads::pack(kept).await?).await?;
    Ok(Ok(Some(size)))
}

async fn rewrite_lines(
    bucket: &Bucket,
    payload: &Payload,
    key: &Key,
    rules: ScrubRules,
    scratch: &Path,
) -> Result<Option<u64>, FetchError> {
    let file = match payloads::fetch(bucket, payload, LARGEST, scratch).await {
        Ok(file) => file,
        Err(FetchError::Unreadable(unreadable)) => {
            tracing::warn!(name = payload.name, why = unreadable.message, "a text is kept as it is");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let directory = scratch.to_path_buf();
    let Some((packed, size)) = off_runtime(move || pack(&file, rules, &directory)).await? else {
        return Ok(None);
    };
    let mut upload = bucket.upload(key);
    let packed = Arc::new(packed);
    loop {
        let file = Arc::clone(&packed);
        let piece = off_runtime(move || {
            let mut piece = vec![0; PIECE];
            let length = (&*file).read(&mut piece)?;
            piece.truncate(length);
            Ok(Bytes::from(piece))
        });
        let piece = piece.await?;
        if piece.is_empty() {
            break;
        }
        upload.write(piece).await?;
    }
    upload.finish().await?;
    Ok(Some(size))
}

/// Scrubs a file into another, packed. `None` if it stays as it is.
fn pack(mut file: &File, rules: ScrubRules, scratch: &Path) -> io::Result<Option<(File, u64)>> {
    file.rewind()?;
    let packer = zstd::Encoder::new(tempfile::tempfile_in(scratch)?, ZSTD_LEVEL)?;
    let mut scrubber = LineScrubber::new(rules, Counting { out: packer, bytes: 0 });
    let mut piece = vec![0; PIECE];
    let mut units = None;
    let mut first = true;
    loop {
        let length = file.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        if first {
            units = Units::announced(read);
            first = false;
        }
        match &mut units {
            Some(units) => scrubber.push(units.decode(read).as_bytes())?,
            None => scrubber.push(read)?,
        }
    }
    if let Some(units) = units {
        scrubber.push(units.rest().as_bytes())?;
    }
    let (out, changed) = scrubber.finish()?;
    if !changed {
        return Ok(None);
    }
    let mut packed = out.out.finish()?;
    packed.rewind()?;
    Ok(Some((packed, out.bytes)))
}

struct Counting<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A text of 16-bit units, as Windows and Unreal write logs. It is kept as UTF-8.
struct Units {
    from_bytes: fn([u8; 2]) -> u16,
    /// The first byte of a unit, or the first unit of a pair, that ended what was read.
    odd: Option<u8>,
    half: Option<u16>,
}

impl Units {
    /// As the mark at the beginning of a file announces it.
    fn announced(beginning: &[u8]) -> Option<Self> {
        let from_bytes = match beginning {
            [0xff, 0xfe, ..] => u16::from_le_bytes,
            [0xfe, 0xff, ..] => u16::from_be_bytes,
            _ => return None,
        };
        Some(Self { from_bytes, odd: None, half: None })
    }

    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut bytes = self.odd.take().into_iter().chain(bytes.iter().copied());
        let mut units: Vec<u16> = self.half.take().into_iter().collect();
        while let Some(first) = bytes.next() {
            match bytes.next() {
                Some(second) => units.push((self.from_bytes)([first, second])),
                None => self.odd = Some(first),
            }
        }
        self.half = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        String::from_utf16_lossy(&units).replace('\u{feff}', "")
    }

    fn rest(self) -> &'static str {
        if self.odd.is_some() || self.half.is_some() { "\u{fffd}" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::Content;

    use super::*;

    fn payload(role: Role, name: &str, content_type: Option<&str>) -> Payload {
        let content_type = content_type.map(str::to_owned);
        Payload { role, name: name.to_owned(), content_type, size: 0, content: Content::Inline(Vec::new()) }
    }

    fn scrubbed(bytes: &[u8]) -> Option<String> {
        let place = tempfile::tempdir().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (packed, size) = pack(&file, ScrubRules::default(), place.path()).unwrap()?;
        let text = zstd::decode_all(packed).unwrap();
        assert_eq!(text.len() as u64, size);
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_text_is_told_by_what_it_is_for_and_by_its_name() {
        for (name, content_type) in
            [("Game.LOG", None), ("config.ini", None), ("x", Some("text/plain; charset=utf-8"))]
        {
            assert!(is_text(&payload(Role::Attachment, name, content_type)), "{name}");
        }
        assert!(is_text(&payload(Role::UnrealContext, "CrashContext.runtime-xml", None)));
        assert!(!is_text(&payload(Role::Attachment, "screenshot.png", Some("image/png"))));
        assert!(!is_text(&payload(Role::Minidump, "dump.txt", Some("text/plain"))));
    }

    #[test]
    fn a_log_is_rewritten_only_where_something_is_private() {
        assert_eq!(scrubbed(b"a\nb@c.de\n").as_deref(), Some("a\n[email]\n"));
        assert_eq!(scrubbed(b"a\r\nversion 1.2.3.4\n"), None);
        assert_eq!(scrubbed(b""), None);
    }

    #[test]
    fn a_log_of_16_bit_units_is_read_and_becomes_utf_8() {
        let text = format!("{}\nmail b@c.de 가😀\n", "x".repeat(PIECE / 2 - 3));
        let expected = text.replace("b@c.de", "[email]");
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect();
            assert_eq!(scrubbed(&bytes).as_deref(), Some(expected.as_str()));
        }
    }
}
