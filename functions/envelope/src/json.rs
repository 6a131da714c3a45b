//! Whether bytes are a JSON object (RFC 8259), as they arrive, and one text of it.
//!
//! An event may have a megabyte, and thousands may come at once; so it is not held to be looked at. The scan holds a
//! few hundred bytes, whatever comes. It is stricter than a parser about nothing, and more lenient about what clients
//! do get wrong inside texts: bytes that are not UTF-8, and halves of surrogate pairs.

/// How deep objects and arrays may lie in each other: as deep as `serde_json` reads them.
pub const DEEPEST: u32 = 127;
/// The longest name and text that is looked at, in bytes.
const LONGEST_TEXT: usize = 64;

/// The bytes are not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is something else.
    #[error("it is not a JSON object: see byte {at}")]
    NotJson {
        /// Where it became something else.
        at: u64,
    },
    /// Objects and arrays lie too deep in each other.
    #[error("its objects and arrays lie more than {DEEPEST} deep in each other")]
    TooDeep,
    /// It ends too early.
    #[error("it ends before its last brace")]
    Unfinished,
}

/// Scans one JSON object.
#[derive(Debug)]
pub struct ObjectScan {
    wanted: &'static str,
    state: State,
    /// A bit for each container that is open, the innermost lowest; set for objects.
    open: u128,
    depth: u32,
    /// The text that is being read, as far as it matters.
    text: Vec<u8>,
    /// Whether the text that is being read could matter: it lies at the top, is short, and has no escapes.
    matters: bool,
    /// The name before the value that comes is the wanted one.
    wanted_next: bool,
    found: Option<String>,
    read: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Value,
    /// Behind `[`.
    ValueOrEnd,
    /// Behind `{`.
    NameOrEnd,
    /// Behind a comma.
    Name,
    Colon,
    /// Behind a value.
    CommaOrEnd,
    Text {
        is_name: bool,
    },
    Escape {
        is_name: bool,
    },
    Hex {
        is_name: bool,
        left: u8,
    },
    /// The letters that must follow.
    Word(&'static [u8]),
    Number(Number),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl ObjectScan {
    /// A scan that looks for a text by its name at the top of the object.
    pub fn new(wanted: &'static str) -> Self {
        Self {
            wanted,
            state: State::Begin,
            open: 0,
            depth: 0,
            text: Vec::new(),
            matters: false,
            wanted_next: false,
            found: None,
            read: 0,
        }
    }

    /// Reads what came.
    ///
    /// # Errors
    /// [`JsonError::NotJson`] and [`JsonError::TooDeep`], after which nothing more may be fed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            self.step(*byte)?;
            self.read += 1;
            rest = after;
            // Most of an event is text that does not matter.
            if matches!(self.state, State::Text { .. }) && !self.matters {
                let plain = plain_text(rest);
                self.read += plain as u64;
                rest = rest.get(plain..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// To be called at the end: the text that was looked for.
    ///
    /// # Errors
    /// [`JsonError::Unfinished`].
    pub fn finish(self) -> Result<Option<String>, JsonError> {
        if self.state == State::End { Ok(self.found) } else { Err(JsonError::Unfinished) }
    }

    fn step(&mut self, byte: u8) -> Result<(), JsonError> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.state = match (self.state, byte) {
            (State::Text { is_name }, b'"') => self.text_ended(is_name),
            (State::Text { is_name }, b'\\') => {
                self.matters = false;
                State::Escape { is_name }
            }
            (state @ State::Text { .. }, 0x20..) => {
                if self.matters {
                    self.text.push(byte);
                    self.matters = self.text.len() <= LONGEST_TEXT;
                }
                state
            }
            (State::Escape { is_name }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                State::Text { is_name }
            }
            (State::Escape { is_name }, b'u') => State::Hex { is_name, left: 4 },
            (State::Hex { is_name, left: 1 }, digit) if digit.is_ascii_hexdigit() => State::Text { is_name },
            (State::Hex { is_name, left }, digit) if digit.is_ascii_hexdigit() => {
                State::Hex { is_name, left: left - 1 }
            }
            (State::Word([expected]), letter) if letter == *expected => State::CommaOrEnd,
            (State::Word([expected, rest @ ..]), letter) if letter == *expected => State::Word(rest),
            (State::Number(number), byte) => match number.next(byte) {
                Some(next) => State::Number(next),
                // A number has no end of its own.
                None if number.may_end() => {
                    self.state = State::CommaOrEnd;
                    return self.step(byte);
                }
                None => return Err(self.not_json()),
            },
            (State::Escape { .. } | State::Hex { .. } | State::Text { .. } | State::Word(_), _) => {
                return Err(self.not_json());
            }
            (state, _) if is_space => state,
            (State::Begin, b'{') => self.opened(true)?,
            (State::Value | State::ValueOrEnd, byte)
                if !(byte == b']' && self.state == State::ValueOrEnd) =>
            {
                self.value(byte)?
            }
            (State::ValueOrEnd, _) => self.closed(),
            (State::NameOrEnd, b'}') => self.closed(),
            (State::NameOrEnd | State::Name, b'"') => self.text_begun(true),
            (State::Colon, b':') => State::Value,
            (State::CommaOrEnd, b',') => {
                self.wanted_next = false;
                if self.in_object() { State::Name } else { State::Value }
            }
            (State::CommaOrEnd, b'}') if self.in_object() => self.closed(),
            (State::CommaOrEnd, b']') if !self.in_object() => self.closed(),
            _ => return Err(self.not_json()),
        };
        Ok(())
    }

    fn value(&mut self, first: u8) -> Result<State, JsonError> {
        Ok(match first {
            b'"' => self.text_begun(false),
            b'{' => self.opened(true)?,
            b'[' => self.opened(false)?,
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            _ => return Err(self.not_json()),
        })
    }

    fn opened(&mut self, is_object: bool) -> Result<State, JsonError> {
        if self.depth == DEEPEST {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.open = self.open << 1 | u128::from(is_object);
        Ok(if is_object { State::NameOrEnd } else { State::ValueOrEnd })
    }

    fn closed(&mut self) -> State {
        self.depth -= 1;
        self.open >>= 1;
        if self.depth == 0 { State::End } else { State::CommaOrEnd }
    }

    fn in_object(&self) -> bool {
        self.open & 1 == 1
    }

    fn text_begun(&mut self, is_name: bool) -> State {
        self.text.clear();
        self.matters = self.depth == 1 && self.found.is_none() && (is_name || self.wanted_next);
        State::Text { is_name }
    }

    fn text_ended(&mut self, is_name: bool) -> State {
        if is_name {
            self.wanted_next = self.matters && self.text == self.wanted.as_bytes();
            return State::Colon;
        }
        if self.matters {
            self.found = String::from_utf8(std::mem::take(&mut self.text)).ok();
        }
        State::CommaOrEnd
    }

    fn not_json(&self) -> JsonError {
        JsonError::NotJson { at: self.read }
    }
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Exponent)
    }
}

/// How many of the bytes continue a text, without escapes.
fn plain_text(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or_default();
    // Looked at all at once, which is much faster than up to the first one.
    let has_control = text.iter().fold(false, |found, byte| found | (*byte < 0x20));
    if has_control { text.iter().position(|byte| *byte < 0x20).unwrap_or(end) } else { end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn scan(json: &[u8], step: usize) -> Result<Option<String>, JsonError> {
        let mut scan = ObjectScan::new("event_id");
        for piece in json.chunks(step.max(1)) {
            scan.feed(piece)?;
            assert!(scan.text.capacity() <= 4 * LONGEST_TEXT);
        }
        scan.finish()
    }

    fn found(json: &str) -> Option<String> {
        scan(json.as_bytes(), 3).unwrap()
    }

    #[test]
    fn the_text_is_found_at_the_top_and_nowhere_else() {
        assert_eq!(found(r#" {"a":[1,-0.5e+3,{}],"event_id" : "abc","b":null} "#).as_deref(), Some("abc"));
        assert_eq!(found(r#"{"event_id":"first","event_id":"second"}"#).as_deref(), Some("first"));
        assert_eq!(found(r#"{"b":true,"event_id":"\u0061"}"#), None);
        assert_eq!(found(r#"{"tags":{"event_id":"abc"},"list":[{"event_id":"abc"}]}"#), None);
        assert_eq!(found(r#"{"event_id":["abc"],"x":"y"}"#), None);
        assert_eq!(found(r#"{"event_id":{"event_id":"abc"},"x":"y"}"#), None);
        assert_eq!(found(r#"{"event_id":7,"x":"event_id","y":"z"}"#), None);
        assert_eq!(found(&format!(r#"{{"event_id":"{}"}}"#, "x".repeat(1000))), None);
    }

    #[test]
    fn what_is_no_json_object_is_told_apart() {
        for json in [
            "[]",
            "1",
            "x",
            "{]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":[1,]}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":nul}",
            "{\"a\":NaN}",
            "{'a':1}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\n\"}",
            "{}{}",
            "{} x",
        ] {
            assert!(matches!(scan(json.as_bytes(), 100), Err(JsonError::NotJson { .. })), "{json}");
        }
        for json in ["", " ", "{", "{\"a", "{\"a\":1", "{\"a\":[{}"] {
            assert_eq!(scan(json.as_bytes(), 100), Err(JsonError::Unfinished), "{json}");
        }
        assert_eq!(scan(b"{\"a\": x}", 1), Err(JsonError::NotJson { at: 6 }));
    }

    #[test]
    fn texts_that_clients_cut_inside_a_letter_are_let_through() {
        assert_eq!(
            scan(b"{\"event_id\":\"abc\",\"a\":\"\xff\",\"b\":\"\\ud800\"}", 9),
            Ok(Some("abc".into()))
        );
    }

    #[test]
    fn depth_is_bounded_as_deep_as_a_parser_reads() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let deepest = nested(DEEPEST as usize - 1);
        assert_eq!(scan(deepest.as_bytes(), 100), Ok(None));
        assert!(serde_json::from_str::<serde_json::Value>(&deepest).is_ok());
        let deeper = nested(DEEPEST as usize);
        assert_eq!(scan(deeper.as_bytes(), 100), Err(JsonError::TooDeep));
        assert!(serde_json::from_str::<serde_json::Value>(&deeper).is_err());
    }

    /// What JSON consists of, and a little else.
    const WORDS: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"a\"",
        b"\"",
        b"\"event_id\":",
        b"1",
        b"-0",
        b".",
        b"e",
        b"true",
        b"null",
        b" ",
        b"\\",
        b"\\u00e4",
        b"\xc3\xa4",
        b"{\"b\":",
        b"\n",
    ];

    fn json_like() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(WORDS), 0..40).prop_map(|words| words.concat())
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_takes_what_a_parser_takes(json in json_like(), step in 1_usize..50) {
            let is_object = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
            let parses = is_object && serde_json::from_slice::<IgnoredAny>(&json).is_ok();
            prop_assert_eq!(scan(&json, step).is_ok(), parses, "{}", String::from_utf8_lossy(&json));
        }

        #[test]
        fn it_takes_every_object_and_finds_what_it_looks_for(
            value in value(),
            id in "[a-f0-9]{32}",
            pretty: bool,
            step in 1_usize..50,
        ) {
            let object = serde_json::json!({ "a": value.clone(), "event_id": id, "z": value });
            let json = if pretty { serde_json::to_vec_pretty(&object)? } else { serde_json::to_vec(&object)? };
            prop_assert_eq!(scan(&json, step), Ok(Some(id)));
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes: Vec<u8>, step in 1_usize..20) {
            let _ = scan(&bytes, step);
        }
    }
}
