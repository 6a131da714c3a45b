//! MessagePack, as far as JSON can say the same: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use serde_json::{Map, Number, Value};

/// How deep values may be nested.
const DEEPEST: usize = 64;
/// How many values one file may hold. The shortest take one byte each, and thirty times that in memory.
const MOST: usize = 200_000;

/// Why bytes are not MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// They end within a value.
    #[error("the file ends within a value")]
    End,
    /// There is a byte that begins no value.
    #[error("byte {0:#04x} begins no value")]
    Marker(u8),
    /// Nested too deep.
    #[error("values are nested deeper than {DEEPEST}")]
    Depth,
    /// Too many.
    #[error("there are more than {MOST} values")]
    Size,
}

/// The one value of a file.
///
/// # Errors
/// [`Fault`]. What follows the value is not looked at.
pub(super) fn one(bytes: &[u8]) -> Result<Value, Fault> {
    Reader { rest: bytes, left: MOST }.value(DEEPEST)
}

/// The values of a file, one after the other, as far as they are whole: a client that ends while it writes leaves a
/// part of the last one.
///
/// # Errors
/// [`Fault`] when not even the first is whole.
pub(crate) fn all(bytes: &[u8]) -> Result<Vec<Value>, Fault> {
    let mut reader = Reader { rest: bytes, left: MOST };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        match reader.value(DEEPEST) {
            Ok(value) => values.push(value),
            Err(fault) if values.is_empty() => return Err(fault),
            Err(_) => break,
        }
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many more values are taken.
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::Size)?;
        let [marker] = self.array::<1>()?;
        Ok(match marker {
            0x00..=0x7f => Value::from(marker),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), depth)?,
            0x90..=0x9f => self.list(usize::from(marker & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f))?,
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4 | 0xd9 => self.length::<1>().and_then(|length| self.text(length))?,
            0xc5 | 0xda => self.length::<2>().and_then(|length| self.text(length))?,
            0xc6 | 0xdb => self.length::<4>().and_then(|length| self.text(length))?,
            0xca => float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::from(u8::from_be_bytes(self.array()?)),
            0xcd => Value::from(u16::from_be_bytes(self.array()?)),
            0xce => Value::from(u32::from_be_bytes(self.array()?)),
            0xcf => Value::from(u64::from_be_bytes(self.array()?)),
            0xd0 => Value::from(i8::from_be_bytes(self.array()?)),
            0xd1 => Value::from(i16::from_be_bytes(self.array()?)),
            0xd2 => Value::from(i32::from_be_bytes(self.array()?)),
            0xd3 => Value::from(i64::from_be_bytes(self.array()?)),
            // Extensions: a type, and bytes that only their writer understands.
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xc7 => self.length::<1>().and_then(|length| self.extension(length))?,
            0xc8 => self.length::<2>().and_then(|length| self.extension(length))?,
            0xc9 => self.length::<4>().and_then(|length| self.extension(length))?,
            0xdc => self.length::<2>().and_then(|length| self.list(length, depth))?,
            0xdd => self.length::<4>().and_then(|length| self.list(length, depth))?,
            0xde => self.length::<2>().and_then(|length| self.map(length, depth))?,
            0xdf => self.length::<4>().and_then(|length| self.map(length, depth))?,
            0xe0..=0xff => Value::from(i8::from_be_bytes([marker])),
            0xc1 => return Err(Fault::Marker(marker)),
        })
    }

    /// Nothing is reserved for what a length only claims.
    fn list(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(depth)?);
        }
        Ok(Value::Array(values))
    }

    /// What has a map or a list as its key, which JSON has no word for, is passed over.
    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
        let mut fields = Map::new();
        for _ in 0..length {
            let key = match self.value(depth)? {
                Value::String(key) => Some(key),
                // Written as text, a map whose key is a map whose key is a map grows twofold with each.
                Value::Array(_) | Value::Object(_) => None,
                key => Some(key.to_string()),
            };
            let value = self.value(depth)?;
            if let Some(key) = key {
                fields.insert(key, value);
            }
        }
        Ok(Value::Object(fields))
    }

    /// Bytes are taken for text too: older writers knew no difference.
    fn text(&mut self, length: usize) -> Result<Value, Fault> {
        Ok(Value::String(String::from_utf8_lossy(self.bytes(length)?).into_owned()))
    }

    fn extension(&mut self, length: usize) -> Result<Value, Fault> {
        self.bytes(length.saturating_add(1))?;
        Ok(Value::Null)
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Fault> {
        let bytes = self.array::<N>()?;
        Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Fault::End)?;
        self.rest = rest;
        Ok(*array)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Fault::End)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// Writes a value as it reads again: texts as texts, and each number in its widest form.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Number(number) => {
            let (marker, bytes) = if let Some(number) = number.as_u64() {
                (0xcf, number.to_be_bytes())
            } else if let Some(number) = number.as_i64() {
                (0xd3, number.to_be_bytes())
            } else {
                (0xcb, number.as_f64().unwrap_or_default().to_be_bytes())
            };
            out.push(marker);
            out.extend(bytes);
        }
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push(0xdd);
            out.extend(length(values.len()));
            values.iter().for_each(|value| write(value, out));
        }
        Value::Object(fields) => {
            out.push(0xdf);
            out.extend(length(fields.len()));
            for (key, value) in fields {
                write_text(key, out);
                write(value, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(0xdb);
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

/// JSON has no word for infinities and what is not a number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON, a few levels deep.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(float),
            ".{0,40}".prop_map(Value::from),
            Just(Value::from("x".repeat(70_000))),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                prop::collection::vec(("[a-z]{0,6}", inner), 0..20)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_reads_as_it_was(value in json()) {
            let bytes = rmp_serde::to_vec(&value)?;
            prop_assert_eq!(one(&bytes)?, value);
        }

        #[test]
        fn what_is_written_reads_as_it_was_here_and_elsewhere(value in json()) {
            let mut bytes = Vec::new();
            write(&value, &mut bytes);
            prop_assert_eq!(&one(&bytes)?, &value);
            prop_assert_eq!(rmp_serde::from_slice::<Value>(&bytes)?, value);
        }

        #[test]
        fn any_bytes_are_values_or_a_fault(bytes: Vec<u8>) {
            let _ = (one(&bytes), all(&bytes));
        }

        #[test]
        fn a_file_that_breaks_off_keeps_what_was_whole(values in prop::collection::vec(json(), 2..4), cut in 1_usize..8) {
            let mut bytes = Vec::new();
            for value in &values {
                bytes.extend(rmp_serde::to_vec(value)?);
            }
            let last = rmp_serde::to_vec(&values[values.len() - 1])?.len();
            bytes.truncate(bytes.len() - cut.min(last));
            let whole = all(&bytes)?;
            prop_assert_eq!(&whole[..], &values[..values.len() - 1]);
        }
    }

    #[test]
    fn maps_as_keys_of_maps_as_keys_do_not_grow() {
        let maps = [&[0x81; DEEPEST][..], b"\xa1a", &[0xc0; DEEPEST]].concat();
        assert_eq!(one(&maps), Ok(json!({})));
        assert_eq!(one(b"\x83\x07\x01\xc0\x02\x90\x03"), Ok(json!({"7": 1, "null": 2})));
    }

    #[test]
    fn lengths_that_are_only_claimed_reserve_nothing() {
        assert_eq!(one(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(Fault::End));
        assert_eq!(one(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(Fault::End));
        assert_eq!(one(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a']), Err(Fault::End));
        assert_eq!(one(&[0xc9, 0xff, 0xff, 0xff, 0xff, 1]), Err(Fault::End));
        assert_eq!(one(&[0x91; 1 << 16]), Err(Fault::Depth));
        assert_eq!(one(&[&[0xdd, 0, 0xff, 0xff, 0xff][..], &[0xc0; 1 << 20]].concat()), Err(Fault::Size));
        assert_eq!(one(&[]), Err(Fault::End));
        assert_eq!(one(&[0xc1]), Err(Fault::Marker(0xc1)));
        assert_eq!(one(&[0x92, 0xd4, 1, 2, 0xc3]), Ok(json!([null, true])));
    }
}
