//! What the sections of an ELF file say about its debug information.

use object::{
    ObjectSection as _,
    read::elf::{ElfFile32, ElfFile64},
};

use super::{FileNote, bounded};
use crate::SymbolError;

/// The fewest bytes that a compressed section may unpack to, however small the file is.
const SMALL_SECTION: u64 = 64 << 20;
/// How many times larger than the whole file an honest section may be when it is unpacked. Debug information shrinks to a
/// third or a fifth.
const RATIO: u64 = 32;

/// What the sections say.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    /// Compressed ones: their names, and what they claim to hold.
    compressed: Vec<(String, u64)>,
    debug_link: Option<String>,
    shared: Option<String>,
    has_dwo: bool,
    has_skeleton: bool,
}

impl Sections {
    /// Whether its units lie elsewhere, or are those that lie elsewhere for others.
    pub(crate) fn is_split(&self) -> bool {
        self.has_dwo || self.has_skeleton
    }

    pub(crate) fn notes(&self) -> Vec<FileNote> {
        let mut notes = Vec::new();
        if let Some(file) = &self.debug_link {
            notes.push(FileNote::DebugLink { file: file.clone() });
        }
        if self.has_dwo {
            notes.push(FileNote::SplitUnits);
        } else if self.has_skeleton {
            notes.push(FileNote::SplitDwarf);
        }
        if let Some(file) = &self.shared {
            notes.push(FileNote::SharedDwarf { file: file.clone() });
        }
        if !self.compressed.is_empty() {
            notes.push(FileNote::Compressed);
        }
        notes
    }

    /// What one section of a file of `size` bytes may unpack to.
    ///
    /// # Errors
    /// [`SymbolError::Bomb`] when one claims more.
    pub(crate) fn unpacking_limit(&self, size: u64, limit: u64) -> Result<u64, SymbolError> {
        let limit = limit.min(size.saturating_mul(RATIO).max(SMALL_SECTION));
        match self.compressed.iter().find(|(_, claimed)| *claimed > limit) {
            Some((section, claimed)) => {
                Err(SymbolError::Bomb { section: section.clone(), claimed: *claimed, limit })
            }
            None => Ok(limit),
        }
    }
}

/// Looks at the names and headers of sections.
pub(crate) fn sections(bytes: &[u8]) -> Sections {
    if let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) {
        read(&file)
    } else if let Ok(file) = ElfFile32::<object::Endianness>::parse(bytes) {
        read(&file)
    } else {
        Sections::default()
    }
}

fn read<'data>(file: &impl object::Object<'data>) -> Sections {
    let mut found = Sections::default();
    for section in file.sections() {
        let Ok(name) = section.name() else { continue };
        found.has_dwo |= name.ends_with(".dwo") || name == ".debug_cu_index";
        if let Ok(range) = section.compressed_file_range()
            && range.format != object::CompressionFormat::None
        {
            found.compressed.push((bounded(name), range.uncompressed_size));
        }
    }
    found.has_skeleton = has_skeleton(file);
    found.debug_link = file.gnu_debuglink().ok().flatten().map(|(name, _)| text(name));
    found.shared = file.gnu_debugaltlink().ok().flatten().map(|(name, _)| text(name));
    found
}

fn text(name: &[u8]) -> String {
    bounded(&String::from_utf8_lossy(name))
}

/// Whether the first unit says that its rest lies elsewhere. Of a compressed section nobody knows before it is unpacked.
fn has_skeleton<'data>(file: &impl object::Object<'data>) -> bool {
    const SKELETON: u8 = 4;
    let Some(section) = file.section_by_name(".debug_info") else { return false };
    let Ok(range) = section.compressed_file_range() else { return false };
    let Ok(bytes) = section.data() else { return false };
    if range.format != object::CompressionFormat::None {
        return false;
    }
    // 4 bytes of length (0xffffffff: 8 more), 2 of version, and from version 5 on one of the unit's type.
    let at = if bytes.starts_with(&[0xff; 4]) { 12 } else { 4 };
    let version = match bytes.get(at..at + 2) {
        Some(&[low, high]) if file.is_little_endian() => u16::from_le_bytes([low, high]),
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => return false,
    };
    match version {
        // The addresses of whole units are among the unit's own attributes.
        2..=4 => file.section_by_name(".debug_addr").is_some(),
        _ => bytes.get(at + 2) == Some(&SKELETON),
    }
}
