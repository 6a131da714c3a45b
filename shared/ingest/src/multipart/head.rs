//! The header of a part, and the boundary in a content type.

/// What the header of a part says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name, unescaped.
    pub name: String,
    /// The file's name without its directories, unescaped; `None` if the part is not a file.
    pub file_name: Option<String>,
    /// The content type, if the part has one.
    pub content_type: Option<String>,
}

/// Names longer than this say nothing that a person would read.
const LONGEST_NAME: usize = 512;

impl PartHead {
    /// Reads header lines; `None` if they name no field.
    pub(super) fn parse(lines: &[u8]) -> Option<Self> {
        let lines = String::from_utf8_lossy(lines);
        let mut head = Self::default();
        let mut named = false;
        for line in lines.split("\r\n") {
            let Some((header, value)) = line.split_once(':') else { continue };
            if header.trim().eq_ignore_ascii_case("content-disposition") {
                for (name, value) in parameters(value) {
                    match name.to_ascii_lowercase().as_str() {
                        "name" => {
                            head.name = shortened(unescape(&value));
                            named = true;
                        }
                        "filename" => head.file_name = Some(shortened(base_name(&unescape(&value)))),
                        _ => {}
                    }
                }
            } else if header.trim().eq_ignore_ascii_case("content-type") {
                head.content_type = Some(shortened(value.trim().to_owned()).trim_end().to_owned());
            }
        }
        named.then_some(head)
    }
}

/// The boundary that a `Content-Type` names; `None` if it is not `multipart/form-data` or names none.
pub fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, _) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters(content_type).find(|(name, _)| name.eq_ignore_ascii_case("boundary")).map(|(_, value)| value)
}

/// The `; name=value` pairs behind a header's first word. Values may be quoted; inside quotes a backslash escapes a
/// quote or a backslash, and otherwise is one (Internet Explorer sent whole paths).
fn parameters(value: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        rest = behind.split_once(';').map_or("", |(_, rest)| rest);
        Some((name.trim().to_owned(), value))
    })
}

/// The text up to the closing quote, and what stands behind it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => text.push(escaped),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    (text, "")
}

/// Crashpad and browsers write `"`, CR and LF as percent escapes, Crashpad also `%`. Nothing else is one: a name may
/// contain `%41`, and then means that.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let escaped = match rest.get(at + 1..at + 3) {
            Some("22") => Some('"'),
            Some("25") => Some('%'),
            Some("0D" | "0d") => Some('\r'),
            Some("0A" | "0a") => Some('\n'),
            _ => None,
        };
        plain.push(escaped.unwrap_or('%'));
        rest = &rest[at + if escaped.is_some() { 3 } else { 1 }..];
    }
    plain.push_str(rest);
    plain
}

fn base_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

fn shortened(mut text: String) -> String {
    while text.len() > LONGEST_NAME {
        text.pop();
    }
    text
}
