//! What is told of a debug file that was uploaded, and of one that is wanted.

use serde::{Deserialize, Serialize};

use crate::ProjectId;

/// The version of [`UploadedFile`]'s JSON that this code writes.
pub const UPLOADED_FILE_VERSION: u32 = 1;

/// A debug file whose parts are all in the bucket. It is the data of a message of kind `debug-file`, whose id is
/// `digest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedFile {
    /// [`UPLOADED_FILE_VERSION`] of the writer.
    pub version: u32,
    /// Whose it is.
    pub project: ProjectId,
    /// What its content is said to be: `sha256:` or `sha1:`, and hexadecimal digits in lower case.
    pub digest: String,
    /// The name that it was uploaded by.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The release that it was uploaded for, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The keys of its parts, in order.
    pub parts: Vec<String>,
}

/// The version of [`WantedSymbols`]'s JSON that this code writes.
pub const WANTED_SYMBOLS_VERSION: u32 = 1;

/// A module without symbols, whose debug file another symbol server may have. It is the data of a message of kind
/// `wanted-symbols`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedSymbols {
    /// [`WANTED_SYMBOLS_VERSION`] of the writer.
    pub version: u32,
    /// Whose crash it is.
    pub project: ProjectId,
    /// The debug id, as Breakpad writes it.
    pub debug_id: String,
    /// The name of the debug file, without folders.
    pub name: String,
}
