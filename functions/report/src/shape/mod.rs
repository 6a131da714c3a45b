//! The shape of the JSON: which fields there are, and of which type each is. `README.md` says what they mean.
//!
//! The check reads the JSON once, keeps nothing of it but the client's own id, and recurses as deep as the shape does.
//! Fields that it does not know are passed over, so that a client of a later version is understood as far as may be.
//! `null` is the same as no field.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The version of the JSON that is taken.
pub const VERSION: u64 = 1;

/// Of which type a field is.
enum Shape {
    /// A text; a number or a truth value is taken as its text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number from 0, also as a text.
    Number,
    /// A moment: RFC 3339, or seconds since 1970.
    Time,
    Truth,
    /// A UUID or its 32 digits.
    Id,
    /// [`VERSION`].
    Version,
    /// An object of texts, by whatever names.
    Texts,
    List(&'static Shape),
    /// Whatever it is, no deeper than JSON is read.
    Any,
    Fields(&'static [(&'static str, Shape)]),
}

static ANYTHING: Shape = Shape::Any;

const KINDS: Shape = Shape::Word(&["crash", "hang", "oom", "assert", "ensure", "error"]);

const FORMATS: Shape =
    Shape::Word(&["auto", "unity", "csharp", "gdscript", "godot", "javascript", "java", "kotlin", "python"]);

const FRAME: Shape = Shape::Fields(&[
    ("function", Shape::Text),
    ("module", Shape::Text),
    ("file", Shape::Text),
    ("line", Shape::Number),
    ("column", Shape::Number),
    ("source", Shape::Text),
    ("in_app", Shape::Truth),
]);

const FRAMES: Shape = Shape::List(&FRAME);

const EXCEPTION: Shape = Shape::Fields(&[
    ("type", Shape::Text),
    ("message", Shape::Text),
    ("mechanism", Shape::Text),
    ("handled", Shape::Truth),
    ("stack", Shape::Text),
    ("frames", FRAMES),
]);

const THREAD: Shape = Shape::Fields(&[
    ("id", Shape::Number),
    ("name", Shape::Text),
    ("crashed", Shape::Truth),
    ("stack", Shape::Text),
    ("frames", FRAMES),
]);

const BREADCRUMB: Shape = Shape::Fields(&[
    ("time", Shape::Time),
    ("category", Shape::Text),
    ("level", Shape::Text),
    ("message", Shape::Text),
    ("data", Shape::Texts),
]);

const REPORT: Shape = Shape::Fields(&[
    ("version", Shape::Version),
    ("id", Shape::Id),
    ("kind", KINDS),
    ("type", Shape::Text),
    ("message", Shape::Text),
    ("handled", Shape::Truth),
    ("stack", Shape::Text),
    ("stack_format", FORMATS),
    ("frames", FRAMES),
    ("exceptions", Shape::List(&EXCEPTION)),
    ("threads", Shape::List(&THREAD)),
    ("release", Shape::Text),
    ("build", Shape::Text),
    ("environment", Shape::Text),
    ("platform", Shape::Text),
    ("os_version", Shape::Text),
    ("arch", Shape::Text),
    ("device", Shape::Text),
    ("gpu", Shape::Text),
    ("engine", Shape::Text),
    ("map", Shape::Text),
    ("user", Shape::Fields(&[("id", Shape::Text), ("name", Shape::Text)])),
    ("session", Shape::Text),
    ("uptime_seconds", Shape::Number),
    ("occurred_at", Shape::Time),
    ("foreground", Shape::Truth),
    ("tags", Shape::Texts),
    ("annotations", Shape::Texts),
    ("breadcrumbs", Shape::List(&BREADCRUMB)),
]);

/// Of these, a report has at least one: without any it would say nothing.
const TELLING: [&str; 6] = ["type", "message", "stack", "frames", "exceptions", "threads"];

/// What is wrong with a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not JSON; where it ceases to be.
    NotJson(String),
    /// A field is not as it should be.
    Field {
        /// Where it is, such as `exceptions[0].frames[2].line`; empty for the whole.
        path: String,
        /// What was expected, and what was found.
        detail: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotJson(detail) => write!(formatter, "it is not JSON: {detail}"),
            Fault::Field { path, detail } if path.is_empty() => formatter.write_str(detail),
            Fault::Field { path, detail } => write!(formatter, "`{path}`: {detail}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Checks a report's JSON, and gives the client's own id, if it has one.
///
/// # Errors
/// The first fault that is met.
pub fn check(json: &[u8]) -> Result<Option<String>, Fault> {
    let mut state = State::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Check { shape: &REPORT, state: &mut state }.deserialize(&mut deserializer);
    let read = read.and_then(|()| deserializer.end());
    if let Err(error) = read {
        return Err(match state.detail {
            Some(detail) => Fault::Field { path: path(&state.path), detail },
            None => Fault::NotJson(error.to_string()),
        });
    }
    let field = |path: &str, detail: &str| Fault::Field { path: path.to_owned(), detail: detail.to_owned() };
    if !state.has_version {
        return Err(field("version", "it is missing; expected 1"));
    }
    if !state.tells {
        return Err(field(
            "",
            "it says nothing; expected at least one of type, message, stack, frames, exceptions, threads",
        ));
    }
    Ok(state.id)
}

#[derive(Default)]
struct State {
    /// Where the check is, or ended.
    path: Vec<Step>,
    /// What is wrong there.
    detail: Option<String>,
    id: Option<String>,
    has_version: bool,
    tells: bool,
    /// The last value was `null`.
    was_null: bool,
}

enum Step {
    Field(&'static str),
    Index(usize),
    /// In an object of texts; shortened, as the client chose it.
    Name(String),
}

fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Field(name) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(name);
            }
            Step::Name(name) => path.push_str(&format!(".{name}")),
        }
    }
    path
}

/// Checks one value.
struct Check<'a> {
    shape: &'static Shape,
    state: &'a mut State,
}

impl Check<'_> {
    /// Says that something else was expected.
    fn wrong<E: de::Error>(self, found: &str) -> E {
        self.state.detail = Some(format!("expected {self}, found {found}"));
        E::custom("another shape")
    }
}

/// What a field should be.
impl fmt::Display for Check<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Text => formatter.write_str("a text"),
            Shape::Word(words) => write!(formatter, "one of {}", words.join(", ")),
            Shape::Number => formatter.write_str("a number from 0"),
            Shape::Time => formatter.write_str("a time as in 2026-01-31T23:59:59Z, or in seconds since 1970"),
            Shape::Truth => formatter.write_str("true or false"),
            Shape::Id => formatter.write_str("32 hexadecimal digits, or a UUID"),
            Shape::Version => write!(formatter, "the number {VERSION}"),
            Shape::Texts => formatter.write_str("an object of texts"),
            Shape::Any => formatter.write_str("anything"),
            Shape::List(_) => formatter.write_str("a list"),
            Shape::Fields(_) => formatter.write_str("an object"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        // The whole report is one value that may not be missing.
        if self.state.path.is_empty() && matches!(self.shape, Shape::Fields(_)) {
            return Err(self.wrong("null"));
        }
        self.state.was_null = true;
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        match self.shape {
            Shape::Truth | Shape::Text | Shape::Any => Ok(()),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        match self.shape {
            Shape::Version if number == VERSION => {
                self.state.has_version = true;
                Ok(())
            }
            Shape::Text | Shape::Number | Shape::Time | Shape::Any => Ok(()),
            _ => Err(self.wrong(&format!("the number {number}"))),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        match self.shape {
            Shape::Text | Shape::Time | Shape::Any => Ok(()),
            _ => Err(self.wrong(&format!("the number {number}"))),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        match self.shape {
            // Engines that know only one type of number write 1.0.
            Shape::Version if number == 1.0 => {
                self.state.has_version = true;
                Ok(())
            }
            Shape::Text | Shape::Time | Shape::Any => Ok(()),
            Shape::Number if number >= 0.0 => Ok(()),
            _ => Err(self.wrong(&format!("the number {number}"))),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let is_number = || text.trim().parse::<f64>().is_ok_and(|number| number >= 0.0);
        let fits = match self.shape {
            Shape::Text | Shape::Time | Shape::Any => true,
            Shape::Word(words) => words.contains(&text),
            Shape::Number => is_number(),
            Shape::Version => {
                self.state.has_version = text.trim() == "1";
                self.state.has_version
            }
            Shape::Id => {
                let fits = is_id(text);
                self.state.id = fits.then(|| text.to_owned());
                fits
            }
            Shape::Truth | Shape::Texts | Shape::List(_) | Shape::Fields(_) => false,
        };
        if fits { Ok(()) } else { Err(self.wrong(&format!("the text {:?}", shortened(text)))) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let shape = match self.shape {
            Shape::List(shape) => shape,
            Shape::Any => &ANYTHING,
            _ => return Err(self.wrong("a list")),
        };
        for index in 0.. {
            self.state.path.push(Step::Index(index));
            if list.next_element_seed(Check { shape, state: self.state })?.is_none() {
                self.state.path.pop();
                break;
            }
            self.state.path.pop();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Fields(fields) => {
                while let Some(name) = map.next_key::<Name>()? {
                    let Some((name, shape)) = fields.iter().find(|(known, _)| *known == name.0) else {
                        map.next_value_seed(Check { shape: &ANYTHING, state: self.state })?;
                        continue;
                    };
                    self.state.path.push(Step::Field(name));
                    self.state.was_null = false;
                    map.next_value_seed(Check { shape, state: self.state })?;
                    self.state.path.pop();
                    let is_told = self.state.path.is_empty() && !self.state.was_null;
                    self.state.tells |= is_told && TELLING.contains(name);
                }
                Ok(())
            }
            Shape::Texts => {
                while let Some(name) = map.next_key::<Name>()? {
                    self.state.path.push(Step::Name(name.0));
                    map.next_value_seed(Check { shape: &Shape::Text, state: self.state })?;
                    self.state.path.pop();
                }
                Ok(())
            }
            Shape::Any => {
                while map.next_key::<Name>()?.is_some() {
                    map.next_value_seed(Check { shape: &ANYTHING, state: self.state })?;
                }
                Ok(())
            }
            _ => Err(self.wrong("an object")),
        }
    }
}

/// The beginning of a name: longer ones are none that is known.
struct Name(String);

impl<'de> de::Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfName;
        impl Visitor<'_> for OfName {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(shortened(name)))
            }
        }
        deserializer.deserialize_str(OfName)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn is_id(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = text.bytes().filter(|byte| *byte == b'-').count();
    let at_places = [8, 13, 18, 23].iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
    digits == 32 && text.len() == 32 + hyphens && (hyphens == 0 || (hyphens == 4 && at_places))
}

#[cfg(test)]
mod tests;
