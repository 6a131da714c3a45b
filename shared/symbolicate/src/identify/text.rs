//! Mappings that are text: Unity's line map, and ProGuard's.

use symbolic_common::DebugId;
use uuid::Uuid;

use super::{DebugFile, FileNote, Format, bounded, file_name};
use crate::managed;

/// Lines of a mapping that are looked at.
const LINES: usize = 100;
/// Bytes of a text that are looked at to tell what it is.
const START: usize = 64 << 10;

pub(crate) fn identify(bytes: &[u8], name: &str) -> Option<DebugFile> {
    if bytes.first() == Some(&b'{') {
        let id = managed::for_each_file(bytes, |_, _| Ok(())).ok()?;
        return Some(file(Format::Il2cpp, id, bytes, name));
    }
    is_mapping(bytes).then(|| mapping(bytes, name))
}

fn file(format: Format, id: Option<DebugId>, bytes: &[u8], name: &str) -> DebugFile {
    DebugFile {
        format,
        debug_id: id.map(|id| id.breakpad().to_string()),
        code_id: None,
        arch: None,
        name: bounded(file_name(name)),
        has_unwind: false,
        has_lines: true,
        has_functions: format == Format::Proguard,
        has_sources: false,
        size: bytes.len() as u64,
        notes: if id.is_none() { vec![FileNote::NoDebugId] } else { Vec::new() },
    }
}

/// Whether one of the first lines names a class and what it was called before: `com.game.Main -> a.b:`.
fn is_mapping(bytes: &[u8]) -> bool {
    let start = bytes.get(..START).unwrap_or(bytes);
    let is_class = |line: &[u8]| {
        let Some(text) = std::str::from_utf8(line).ok().map(str::trim_end) else { return false };
        let Some((before, after)) = text.split_once(" -> ") else { return false };
        let is_name = |name: &str| {
            let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '$' | '-');
            !name.is_empty() && name.chars().all(plain)
        };
        is_name(before) && after.strip_suffix(':').is_some_and(is_name)
    };
    start.split(|byte| *byte == b'\n').take(LINES).any(is_class)
}

/// A mapping has no id of its own: tools agreed on a UUID of its content.
fn mapping(bytes: &[u8], name: &str) -> DebugFile {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"guardsquare.com");
    let id = DebugId::from_uuid(Uuid::new_v5(&namespace, bytes));
    file(Format::Proguard, Some(id), bytes, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_map_is_known_by_its_shape_and_by_the_id_that_tools_put_into_it() {
        let map = br#"{"/il2cpp/Main.cpp":{"Assets/Main.cs":{"5":17}},"__debug-id__":{"9c77fbc8-2c8f-3c2a-9a5a-1c2d3e4f5a6b":{}}}"#;
        let file = identify(map, "x/LineNumberMappings.json").unwrap();
        assert_eq!((file.format, file.name.as_str()), (Format::Il2cpp, "LineNumberMappings.json"));
        assert_eq!(file.debug_id.as_deref(), Some("9C77FBC82C8F3C2A9A5A1C2D3E4F5A6B0"));
        let unnamed = identify(br#"{"a.cpp":{}}"#, "m.json").unwrap();
        assert_eq!((unnamed.debug_id, unnamed.notes), (None, vec![FileNote::NoDebugId]));
        for other in ["{}", r#"{"version":3}"#, r#"{"a":{"b":[]}}"#, r#"{"a":{"b":{"#, "[]"] {
            assert_eq!(identify(other.as_bytes(), "m.json"), None, "{other}");
        }
    }

    #[test]
    fn a_mapping_of_proguard_has_the_id_that_its_content_gives() {
        let text = b"# compiler: R8\ncom.game.Main -> a.b:\n    1:1:void start():7:7 -> a\n";
        let file = identify(text, "mapping.txt").unwrap();
        assert_eq!(file.format, Format::Proguard);
        // uuid5(uuid5(NAMESPACE_DNS, "guardsquare.com"), content)
        assert_eq!(file.debug_id.as_deref(), Some("EF0599CD82885B0783D061C9856C87720"));
        assert_eq!(identify(b"Dear diary,\na -> b\n", "x"), None);
    }
}
