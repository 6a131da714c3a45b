//! The context's XML, as names and texts.
//!
//! Nothing is expanded but the five entities of XML, characters by number, and the `&nl;` that Unreal writes. Depth,
//! texts and elements are bounded; where the XML is broken, what came before the fault counts.

use std::{borrow::Cow, collections::BTreeMap};

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, Event},
};

/// The longest text, in bytes: a stack of a thousand calls is a hundred kilobytes.
const LONGEST_TEXT: usize = 256 << 10;
/// The longest name of an element, in bytes.
const LONGEST_NAME: usize = 200;
/// How many texts are kept of one section.
const MOST_TEXTS: usize = 2_000;
/// How many threads are kept.
const MOST_THREADS: usize = 1_000;
/// How deep elements lie that are looked at: root, section, threads, thread, text.
const DEEPEST: usize = 5;

/// Names and texts.
pub(super) type Texts = BTreeMap<String, String>;

/// The parts of a context.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// `RuntimeProperties`: what every game says.
    pub(super) runtime: Texts,
    /// `PlatformProperties`: what this platform says besides.
    pub(super) platform: Texts,
    /// `EngineData`: what parts of the engine say, mostly of graphics.
    pub(super) engine: Texts,
    /// `GameData`: what the game says itself.
    pub(super) game: Texts,
    /// `Threads`, each with its texts.
    pub(super) threads: Vec<Texts>,
}

impl Context {
    /// Reads a context as far as it can be read.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = decode(bytes);
        let mut reader = Reader::from_str(&text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        let mut walk = Walk::default();
        while let Ok(event) = reader.read_event() {
            if matches!(event, Event::Eof) {
                break;
            }
            walk.take(&event);
        }
        walk.context
    }

    pub(super) fn is_empty(&self) -> bool {
        let texts = [&self.runtime, &self.platform, &self.engine, &self.game];
        texts.iter().all(|texts| texts.is_empty()) && self.threads.is_empty()
    }

    /// A text of `RuntimeProperties`, without blanks around it, unless it is blank.
    pub(super) fn runtime(&self, name: &str) -> Option<&str> {
        said(&self.runtime, name)
    }

    /// A text of `EngineData`, likewise.
    pub(super) fn engine(&self, name: &str) -> Option<&str> {
        said(&self.engine, name)
    }

    /// Whether a text of `RuntimeProperties` says yes; `None` if there is none.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.runtime(name).map(is_true)
    }
}

/// Whether a text says yes: Unreal writes `true` or `1`.
pub(super) fn is_true(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

/// The text of a name, without blanks around it, unless it is blank.
pub(super) fn said<'a>(texts: &'a Texts, name: &str) -> Option<&'a str> {
    texts.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// What was read so far, and where we are.
#[derive(Default)]
struct Walk {
    context: Context,
    /// The names of the elements that we are in, from the root; no more than [`DEEPEST`].
    path: Vec<String>,
    /// How many elements we are in.
    depth: usize,
    text: String,
    thread: Texts,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(start) => {
                self.depth += 1;
                if self.depth <= DEEPEST {
                    let name = start.name();
                    let name = &name.as_ref()[..name.as_ref().len().min(LONGEST_NAME)];
                    self.path.push(String::from_utf8_lossy(name).into_owned());
                }
                self.text.clear();
            }
            Event::End(_) if self.depth > 0 => {
                self.end();
                self.path.truncate(self.depth - 1);
                self.depth -= 1;
                self.text.clear();
            }
            // Where nothing looks, nothing is collected.
            _ if self.depth > DEEPEST => {}
            Event::Text(text) => self.push(&text.xml10_content().unwrap_or_default()),
            Event::CData(text) => self.push(&text.xml10_content().unwrap_or_default()),
            Event::GeneralRef(reference) => self.push(&resolve(reference)),
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        let room = LONGEST_TEXT.saturating_sub(self.text.len());
        let end = text.floor_char_boundary(room.min(text.len()));
        self.text.push_str(&text[..end]);
    }

    /// An element ends.
    fn end(&mut self) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let inside = path.get(1..).filter(|_| self.depth == path.len()).unwrap_or_default();
        let (texts, name) = match *inside {
            [.., "Threads", "Thread", name] => (&mut self.thread, name),
            [.., "Threads", "Thread"] => {
                let thread = std::mem::take(&mut self.thread);
                if self.context.threads.len() < MOST_THREADS && !thread.is_empty() {
                    self.context.threads.push(thread);
                }
                return;
            }
            ["RuntimeProperties", name] => (&mut self.context.runtime, name),
            ["PlatformProperties", name] => (&mut self.context.platform, name),
            ["EngineData", name] => (&mut self.context.engine, name),
            ["GameData", name] => (&mut self.context.game, name),
            _ => return,
        };
        if texts.len() < MOST_TEXTS && !texts.contains_key(name) && !self.text.trim().is_empty() {
            texts.insert(name.to_owned(), std::mem::take(&mut self.text));
        }
    }
}

/// The character that a reference stands for; one that is not known stands for itself.
fn resolve(reference: &BytesRef<'_>) -> Cow<'static, str> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string().into();
    }
    match reference.xml10_content() {
        Ok(name) if name == "nl" => "\n".into(),
        Ok(name) => resolve_xml_entity(&name).map_or_else(|| format!("&{name};").into(), Cow::Borrowed),
        Err(_) => Cow::Borrowed(""),
    }
}

/// The text, whatever its encoding: Unreal writes UTF-8 or, where a text needs it, UTF-16. What the XML says of its
/// encoding it says in either.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text),
        [0xff, 0xfe, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => utf16(text, u16::from_be_bytes),
        [b'<', 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, b'<', ..] => utf16(bytes, u16::from_be_bytes),
        text => String::from_utf8_lossy(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let units = bytes.as_chunks().0.iter().map(|&pair| unit(pair));
    char::decode_utf16(units).map(|next| next.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
