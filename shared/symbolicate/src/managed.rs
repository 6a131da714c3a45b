//! The C# lines behind C++ ones: what Unity's IL2CPP writes beside the code that it made.
//!
//! ```text
//! "MAN1", then u32: files, lines, texts
//! files  text of the path, first line, count of lines   u32 each, sorted by path
//! lines  C++ line, text of the C# path, C# line         u32 each, those of a file together and sorted
//! texts  where each ends (u32), then one after the other
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::{self, Write},
    path::Path,
};

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use symbolic_common::{ByteView, DebugId};

use crate::{
    Format, Limits, Quality, Subject, SymbolError, Worth,
    cache::{Cache, CacheKind},
    limits::Count,
    lines::table::number,
};

const MAGIC: &[u8; 4] = b"MAN1";
const HEADER: usize = 16;
/// The name under which Sentry's tools put the debug id among the C++ files.
const DEBUG_ID: &str = "__debug-id__";
const ROW: usize = 12;
/// How far before a C++ line the one may be that is mapped. Mappings name the first line of each statement.
const NEAR: u32 = 50;

/// A cache of the C# lines behind C++ ones. It is mapped. Cheap to clone.
#[derive(Clone)]
pub struct Managed {
    cache: Cache,
}

impl Managed {
    /// Opens a cache.
    ///
    /// # Errors
    /// [`SymbolError::File`], [`SymbolError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, SymbolError> {
        Self::of(Cache::open(path, CacheKind::Managed)?)
            .ok_or_else(|| SymbolError::Damaged(path.display().to_string()))
    }

    /// A cache from its bytes, whatever they are; `None` if they are none.
    #[doc(hidden)]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::of(Cache::of(ByteView::from_vec(bytes), CacheKind::Managed)?)
    }

    fn of(cache: Cache) -> Option<Self> {
        let managed = Self { cache };
        managed.rows().is_some().then_some(managed)
    }

    /// What the cache is about.
    pub fn subject(&self) -> &Subject {
        &self.cache.subject
    }

    /// The C# file and line behind a line of C++.
    pub fn lookup(&self, file: &str, line: u32) -> Option<(&str, u32)> {
        let rows = self.rows()?;
        let (mut low, mut high) = (0, rows.files.len() / ROW);
        while low < high {
            let middle = low + (high - low) / 2;
            if rows.text(rows.file(middle)?[0])? < file {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let [path, first, count] = rows.file(low)?;
        if rows.text(path)? != file {
            return None;
        }
        let (first, count) = (usize::try_from(first).ok()?, usize::try_from(count).ok()?);
        let (mut low, mut high) = (first, first.checked_add(count)?);
        while low < high {
            let middle = low + (high - low) / 2;
            if rows.line(middle)?[0] <= line {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let [cpp, path, managed] = rows.line(low.checked_sub(1).filter(|index| *index >= first)?)?;
        (line - cpp <= NEAR).then_some((rows.text(path)?, managed))
    }

    fn rows(&self) -> Option<Rows<'_>> {
        Rows::parse(self.cache.payload())
    }
}

struct Rows<'a> {
    files: &'a [u8],
    lines: &'a [u8],
    ends: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Rows<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let mut rest = bytes.get(HEADER..)?;
        let mut section = |at: usize, size: usize| {
            let length = usize::try_from(number(header, at)?).ok()?.checked_mul(size)?;
            let (section, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(section)
        };
        Some(Self { files: section(4, ROW)?, lines: section(8, ROW)?, ends: section(12, 4)?, texts: rest })
    }

    fn file(&self, index: usize) -> Option<[u32; 3]> {
        row(self.files, index)
    }

    fn line(&self, index: usize) -> Option<[u32; 3]> {
        row(self.lines, index)
    }

    fn text(&self, text: u32) -> Option<&'a str> {
        let text = usize::try_from(text).ok()?;
        let end = |index: usize| usize::try_from(number(self.ends, index.checked_mul(4)?)?).ok();
        let start = text.checked_sub(1).map_or(Some(0), end)?;
        std::str::from_utf8(self.texts.get(start..end(text)?)?).ok()
    }
}

fn row(rows: &[u8], index: usize) -> Option<[u32; 3]> {
    let at = index.checked_mul(ROW)?;
    Some([number(rows, at)?, number(rows, at.checked_add(4)?)?, number(rows, at.checked_add(8)?)?])
}

/// The lines of one C++ file: by C# file, the C# line of each C++ line.
type FileMap = BTreeMap<String, BTreeMap<u32, u32>>;

/// A line map that was read.
pub(crate) struct ManagedBuilder {
    files: BTreeMap<String, Vec<[u32; 3]>>,
    paths: HashMap<String, u32>,
    lines: Count,
    bytes: Count,
}

impl ManagedBuilder {
    /// Reads a line map.
    pub(crate) fn of(json: &[u8], limits: Limits) -> Result<Self, SymbolError> {
        let mut builder = Self {
            files: BTreeMap::new(),
            paths: HashMap::new(),
            lines: Count::new("lines in a line map", limits.ranges),
            bytes: Count::new("bytes of names", limits.name_bytes.min(u64::from(u32::MAX))),
        };
        for_each_file(json, |file, map| builder.add(file, map))?;
        Ok(builder)
    }

    fn add(&mut self, file: String, map: FileMap) -> Result<(), SymbolError> {
        let mut rows = Vec::new();
        for (path, lines) in map {
            self.lines.add(lines.len())?;
            let path = self.path(path)?;
            rows.extend(lines.into_iter().map(|(cpp, managed)| [cpp, path, managed]));
        }
        rows.sort_unstable();
        self.bytes.add(file.len() + 64)?;
        self.files.insert(file, rows);
        Ok(())
    }

    fn path(&mut self, path: String) -> Result<u32, SymbolError> {
        if let Some(number) = self.paths.get(&path) {
            return Ok(*number);
        }
        self.bytes.add(path.len() + 64)?;
        let number = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        self.paths.insert(path, number);
        Ok(number)
    }

    pub(crate) fn quality(&self) -> Option<Quality> {
        let lines = u32::try_from(self.lines.get()).unwrap_or(u32::MAX);
        (lines > 0).then_some(Quality { worth: Worth::Full, ranges: lines })
    }

    pub(crate) fn write(self, out: &mut impl Write) -> io::Result<()> {
        let count = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let mut texts: Vec<(u32, String)> =
            self.paths.into_iter().map(|(path, number)| (number, path)).collect();
        texts.sort_unstable();
        let mut texts: Vec<&str> = texts.iter().map(|(_, path)| path.as_str()).collect();
        let mut files = Vec::new();
        let mut lines = 0;
        for (path, rows) in &self.files {
            files.push([count(texts.len())?, count(lines)?, count(rows.len())?]);
            texts.push(path);
            lines += rows.len();
        }
        out.write_all(MAGIC)?;
        for length in [files.len(), lines, texts.len()] {
            out.write_all(&count(length)?.to_le_bytes())?;
        }
        for number in files.iter().chain(self.files.values().flatten()).flatten() {
            out.write_all(&number.to_le_bytes())?;
        }
        let mut end = 0;
        for text in &texts {
            end += text.len();
            out.write_all(&count(end)?.to_le_bytes())?;
        }
        texts.iter().try_for_each(|text| out.write_all(text.as_bytes()))
    }
}

/// Reads a line map, one C++ file at a time. Gives the debug id, where Sentry's tools put one in.
pub(crate) fn for_each_file(
    json: &[u8],
    mut job: impl FnMut(String, FileMap) -> Result<(), SymbolError>,
) -> Result<Option<DebugId>, SymbolError> {
    let mut failed = None;
    let files = Files { job: &mut job, failed: &mut failed };
    let read = serde_json::Deserializer::from_slice(json).deserialize_map(files);
    read.map_err(|error| {
        let malformed = || SymbolError::Malformed { format: Format::Il2cpp.name(), what: error.to_string() };
        failed.unwrap_or_else(malformed)
    })
}

/// The object of all C++ files, which is read without keeping it.
struct Files<'a, J> {
    job: &'a mut J,
    failed: &'a mut Option<SymbolError>,
}

impl<'de, J: FnMut(String, FileMap) -> Result<(), SymbolError>> Visitor<'de> for Files<'_, J> {
    type Value = Option<DebugId>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of C++ files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut files: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        let mut is_empty = true;
        while let Some((file, map)) = files.next_entry::<String, FileMap>()? {
            is_empty = false;
            if file == DEBUG_ID {
                id = map.keys().next().and_then(|id| id.parse().ok()).filter(|id: &DebugId| !id.is_nil());
            } else if let Err(error) = (self.job)(file, map) {
                *self.failed = Some(error);
                return Err(A::Error::custom("more than is read"));
            }
        }
        if is_empty { Err(A::Error::custom("no file is mapped")) } else { Ok(id) }
    }
}
