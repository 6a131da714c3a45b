//! The container that Unreal's CrashReportClient posts, before it is packed.

/// How many bytes CrashReportClient gives a name.
const NAME: usize = 260;

/// Where the header stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Behind `CR1`, at the beginning.
    HeaderFirst,
    /// At the end; the one at the beginning knows nothing yet.
    HeaderLast,
}

/// A container as CrashReportClient writes it: all names padded with zeros to 260 bytes.
pub fn container(layout: Layout, files: &[(&str, &[u8])]) -> Vec<u8> {
    let directory = "UECC-Windows-0123456789ABCDEF0123456789ABCDEF_0000";
    container_named(layout, &padded(directory), &padded(&format!("{directory}.uecrash")), padded, files)
}

/// A container with whatever names.
pub fn container_named(
    layout: Layout,
    directory: &[u8],
    file: &[u8],
    name_of: impl Fn(&str) -> Vec<u8>,
    files: &[(&str, &[u8])],
) -> Vec<u8> {
    let header = |size: usize, count: usize| {
        let sizes = [number(size), number(count)].concat();
        [text(directory), text(file), sizes].concat()
    };
    let packed = files.iter().enumerate().map(|(index, (name, bytes))| {
        [&number(index)[..], &text(&name_of(name)), &number(bytes.len()), bytes].concat()
    });
    let packed: Vec<u8> = packed.flatten().collect();
    match layout {
        Layout::HeaderFirst => [b"CR1".to_vec(), header(packed.len(), files.len()), packed].concat(),
        // What the header says before anything is known is whatever lay in memory.
        Layout::HeaderLast => [header(174, 0), packed.clone(), header(packed.len(), files.len())].concat(),
    }
}

/// A name as CrashReportClient pads it.
pub fn padded(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(NAME.max(bytes.len()), 0);
    bytes
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&number(bytes.len())[..], bytes].concat()
}

fn number(number: usize) -> [u8; 4] {
    i32::try_from(number).unwrap().to_le_bytes()
}
