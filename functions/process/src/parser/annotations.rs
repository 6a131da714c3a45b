//! The names and values inside a dump.

use std::collections::BTreeMap;

use minidump::{Minidump, MinidumpAnnotation, MinidumpCrashpadInfo};

use super::bounds;

/// Crashpad's annotations, of the process and of each module, under their own names. The process's win; between
/// modules the first one's. Also `guid`, the installation, under the name that Crashpad's uploader sends it by.
pub(super) fn of<'a, T>(dump: &Minidump<'a, T>) -> BTreeMap<String, String>
where
    T: std::ops::Deref<Target = [u8]> + 'a,
{
    let Ok(info) = dump.get_stream::<MinidumpCrashpadInfo>() else { return BTreeMap::new() };
    let mut kept = Kept::default();
    for (name, value) in &info.simple_annotations {
        kept.add(name, value);
    }
    for module in &info.module_list {
        for (name, value) in &module.simple_annotations {
            kept.add(name, value);
        }
        for (name, value) in &module.annotation_objects {
            // Other types hold bytes that only their writer understands.
            if let MinidumpAnnotation::String(value) = value {
                kept.add(name, value);
            }
        }
    }
    let lists: Vec<&str> =
        info.module_list.iter().flat_map(|module| &module.list_annotations).map(String::as_str).collect();
    if !lists.is_empty() {
        kept.add("list_annotations", &lists.join("\n"));
    }
    let client = info.raw.client_id;
    if client.data1 != 0 || client.data2 != 0 || client.data3 != 0 || client.data4 != [0; 8] {
        kept.add("guid", &client.to_string());
    }
    kept.annotations
}

/// Annotations within their bounds.
#[derive(Default)]
struct Kept {
    annotations: BTreeMap<String, String>,
    bytes: usize,
}

impl Kept {
    /// Keeps a value, unless the name is taken or the bounds are reached.
    fn add(&mut self, name: &str, value: &str) {
        let value = value.trim_end_matches('\0');
        let bytes = self.bytes + name.len() + value.len();
        let fits = self.annotations.len() < bounds::ANNOTATIONS && bytes <= bounds::ANNOTATION_BYTES;
        if fits && !name.is_empty() && !self.annotations.contains_key(name) {
            self.annotations.insert(name.to_owned(), value.to_owned());
            self.bytes = bytes;
        }
    }
}
