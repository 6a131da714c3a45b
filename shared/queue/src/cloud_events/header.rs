//! Attributes as HTTP headers (CloudEvents HTTP binding 1.0.2, 3.1.3.2).

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

/// What stands before an attribute's name.
pub(super) const PREFIX: &str = "ce-";

/// Everything outside ASCII is encoded in any case.
const NOT_IN_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// A value as a header carries it.
pub(super) fn encode(value: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(utf8_percent_encode(value, NOT_IN_HEADER).to_string()).ok()
}

/// The value that a header carries. `None` if it is no text.
pub(super) fn decode(header: &HeaderValue) -> Option<String> {
    let bytes = header.as_bytes();
    let unquoted = match bytes {
        [b'"', inner @ .., b'"'] => unescape(inner),
        _ => bytes.to_vec(),
    };
    percent_decode(&unquoted).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// What stands in a quoted string.
fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        let meant = if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte };
        text.push(meant);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_reads_as_the_binding_says() {
        let encoded = encode("Euro € \u{1F600} \"100%\"").unwrap();
        assert_eq!(encoded, "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22100%25%22");
        for (header, value) in
            [(r#""a \"b\" c""#, r#"a "b" c"#), (r#""%41""#, "A"), ("a%zz", "a%zz"), (r#"""#, r#"""#)]
        {
            assert_eq!(decode(&HeaderValue::from_static(header)).as_deref(), Some(value), "{header}");
        }
        assert_eq!(decode(&HeaderValue::from_static("%FF")), None);
    }

    proptest! {
        #[test]
        fn a_value_reads_back_from_its_header(value in ".*") {
            let header = encode(&value).unwrap();
            prop_assert_eq!(decode(&header), Some(value));
        }

        #[test]
        fn no_header_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(header) = HeaderValue::from_bytes(&bytes) {
                decode(&header);
            }
        }
    }
}
