//! Where things are in the bucket: the only place that knows the layout.
//!
//! ```text
//! payloads/{project}/{day}/{crash id}/{index}                 a file of a report, as the collector streamed it
//! payloads/{project}/{day}/{crash id}/{attempt}-{index}.zst   a file that travelled inside the message
//! crashes/{project}/{day}/{crash id}/{attempt}.json.zst       the crash document
//! {any of these}.aside-{number}                              a piece of an upload that waits for its rest
//! parked/{project}/{id}.json                                  a message that the queue did not take
//! segments/{project}/{name}.parquet                           sealed facts; a name is never used twice
//! symbol-files/{project}/{id}                                 a debug file, as it was uploaded
//! symbol-parts/{project}/{upload}/{name}                      a part of a debug file that is being uploaded
//! symbols/{project}/{debug id}/{kind}/{name}                  what is known of a debug id: caches, and what files it has
//! config/rules.json                                           the rules that people change while it runs
//! dead/{id}-{burial}.json                                     a message that the pipeline could not handle
//! ```
//!
//! Days are of acceptance (UTC), so that retention walks whole prefixes.

use std::{fmt, str::FromStr};

use epitaph_crash_model::{CrashId, Day, ProjectId};
use object_store::path::Path;

/// A text that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a key of the bucket: expected parts of letters, digits, '-', '_' and '.', joined by '/'"
)]
pub struct ParseKeyError(String);

/// The key of an object, or the prefix of several. Always relative, without empty parts or parts of dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Path);

impl Key {
    /// A file of a report, written by a collector.
    pub fn payload(project: ProjectId, crash: CrashId, index: usize) -> Self {
        Self(Path::from(format!("payloads/{project}/{}/{crash}/{index}", crash.day())))
    }

    /// A file of a report that travelled inside the message, written zstd-packed by one attempt of `process`.
    pub fn inline_payload(project: ProjectId, crash: CrashId, attempt: &str, index: usize) -> Self {
        let attempt = plain(attempt);
        Self(Path::from(format!("payloads/{project}/{}/{crash}/{attempt}-{index}.zst", crash.day())))
    }

    /// All files of one report.
    pub fn payloads_of(project: ProjectId, crash: CrashId) -> Self {
        Self(Path::from(format!("payloads/{project}/{}/{crash}", crash.day())))
    }

    /// The crash document that one attempt of `process` wrote.
    pub fn document(project: ProjectId, crash: CrashId, attempt: &str) -> Self {
        let attempt = plain(attempt);
        Self(Path::from(format!("crashes/{project}/{}/{crash}/{attempt}.json.zst", crash.day())))
    }

    /// All documents of one crash.
    pub fn documents_of(project: ProjectId, crash: CrashId) -> Self {
        Self(Path::from(format!("crashes/{project}/{}/{crash}", crash.day())))
    }

    /// The two trees that hold objects of crashes.
    pub fn crash_trees() -> [Self; 2] {
        [Self::payloads(), Self(Path::from("crashes"))]
    }

    /// The tree that holds the files of reports.
    pub fn payloads() -> Self {
        Self(Path::from("payloads"))
    }

    /// One day of one project in a tree of [`Key::crash_trees`].
    pub fn day_of(tree: &Self, project: ProjectId, day: Day) -> Self {
        Self(Path::from(format!("{tree}/{project}/{day}")))
    }

    /// One project in a tree of [`Key::crash_trees`].
    pub fn project_of(tree: &Self, project: ProjectId) -> Self {
        Self(Path::from(format!("{tree}/{project}")))
    }

    /// A message that the queue did not take.
    pub fn parked(project: ProjectId, id: &str) -> Self {
        Self(Path::from(format!("parked/{project}/{}.json", plain(id))))
    }

    /// All parked messages.
    pub fn all_parked() -> Self {
        Self(Path::from("parked"))
    }

    /// One burial of a message.
    pub fn dead(message: &str, burial: &str) -> Self {
        Self::dead_letter(&format!("{}-{}", plain(message), plain(burial)))
    }

    /// The dead letter of this name ([`Key::name`]).
    pub fn dead_letter(name: &str) -> Self {
        Self(Path::from(format!("dead/{}.json", plain(name))))
    }

    /// The crash whose message is parked or buried here.
    pub fn crash_of_message(&self) -> Option<CrashId> {
        let name = self.name();
        name.get(..36)?.parse().ok()
    }

    /// All dead letters.
    pub fn all_dead() -> Self {
        Self(Path::from("dead"))
    }

    /// A segment of a project's facts.
    pub fn segment(project: ProjectId, name: &str) -> Self {
        Self(Path::from(format!("segments/{project}/{}.parquet", plain(name))))
    }

    /// All segments.
    pub fn all_segments() -> Self {
        Self(Path::from("segments"))
    }

    /// Whose segment this is.
    pub fn project_of_segment(&self) -> Option<ProjectId> {
        let parts: Vec<_> = self.0.parts().collect();
        let [tree, project, _] = parts.as_slice() else { return None };
        (tree.as_ref() == "segments").then(|| project.as_ref().parse().ok()).flatten()
    }

    /// A debug file, as it was uploaded. The id is of the upload, or of its content.
    pub fn symbol_file(project: ProjectId, id: &str) -> Self {
        Self(Path::from(format!("symbol-files/{project}/{}", plain(id))))
    }

    /// All debug files of a project.
    pub fn symbol_files_of(project: ProjectId) -> Self {
        Self(Path::from(format!("symbol-files/{project}")))
    }

    /// A part of a debug file that is being uploaded.
    pub fn symbol_part(project: ProjectId, upload: &str, name: &str) -> Self {
        Self(Path::from(format!("symbol-parts/{project}/{}/{}", plain(upload), plain(name))))
    }

    /// All parts of an upload.
    pub fn symbol_parts(project: ProjectId, upload: &str) -> Self {
        Self(Path::from(format!("symbol-parts/{project}/{}", plain(upload))))
    }

    /// All parts of all uploads.
    pub fn all_symbol_parts() -> Self {
        Self(Path::from("symbol-parts"))
    }

    /// Whether it is a part of a debug file of this project.
    pub fn is_symbol_part_of(&self, project: ProjectId) -> bool {
        let parts: Vec<_> = self.0.parts().collect();
        let [tree, owner, _, _] = parts.as_slice() else { return false };
        tree.as_ref() == "symbol-parts" && owner.as_ref() == project.to_string()
    }

    /// Something that is known of a debug id.
    pub fn symbols(project: ProjectId, debug_id: &str, kind: &str, name: &str) -> Self {
        let (debug_id, kind, name) = (plain(debug_id), plain(kind), plain(name));
        Self(Path::from(format!("symbols/{project}/{debug_id}/{kind}/{name}")))
    }

    /// All that is known of a debug id.
    pub fn symbols_of(project: ProjectId, debug_id: &str) -> Self {
        Self(Path::from(format!("symbols/{project}/{}", plain(debug_id))))
    }

    /// Whether a key of [`Key::symbols_of`] is of what was made of this file: its name ends with the first half of the file's
    /// SHA-256.
    pub fn is_of_symbol_file(&self, sha256: &str) -> bool {
        let (name, half) = (self.name(), sha256.get(..32).unwrap_or(sha256));
        !half.is_empty() && name.rsplit('-').next() == Some(half)
    }

    /// The debug ids of a project of which something is known, for [`crate::Bucket::list_names`].
    pub fn all_symbols_of(project: ProjectId) -> Self {
        Self(Path::from(format!("symbols/{project}")))
    }

    /// The kind and the name of a key of [`Key::symbols`].
    pub fn kind_and_name(&self) -> Option<(String, String)> {
        let parts: Vec<_> = self.0.parts().collect();
        let [_, _, _, kind, name] = parts.as_slice() else { return None };
        Some((kind.as_ref().to_owned(), name.as_ref().to_owned()))
    }

    /// The rules that people change while it runs, as collectors read them.
    pub fn rules() -> Self {
        Self(Path::from("config/rules.json"))
    }

    /// The last part, without what follows its last dot.
    pub fn name(&self) -> String {
        let name = self.0.filename().unwrap_or_default();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
    }

    /// Whether this is a payload of that crash: a message may name no other.
    pub fn is_payload_of(&self, project: ProjectId, crash: CrashId) -> bool {
        let prefix = Self::payloads_of(project, crash);
        self.0.prefix_matches(&prefix.0) && self.0 != prefix.0
    }

    /// The crash that an object in one of [`Key::crash_trees`] belongs to.
    pub fn crash(&self) -> Option<(ProjectId, CrashId)> {
        let parts: Vec<_> = self.0.parts().collect();
        let [_, project, _, crash, _] = parts.as_slice() else { return None };
        Some((project.as_ref().parse().ok()?, crash.as_ref().parse().ok()?))
    }

    /// A piece of this object while it is being uploaded.
    pub(crate) fn aside(&self, number: u32) -> Self {
        Self(Path::from(format!("{self}.aside-{number}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn from_path(path: Path) -> Self {
        Self(path)
    }
}

/// Ids become parts of keys; whatever else they contain must not.
fn plain(id: &str) -> String {
    id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(100).collect()
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_ref())
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let is_part = |part: &str| {
            !part.is_empty() && part.chars().all(is_plain) && part.chars().any(|letter| letter != '.')
        };
        if text.len() > 512 || !text.split('/').all(is_part) {
            return Err(ParseKeyError(text.chars().take(100).collect()));
        }
        Path::parse(text).map(Self).map_err(|_| ParseKeyError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text() {
        let crash = CrashId::new();
        for key in [
            Key::payload(ProjectId::FIRST, crash, 3),
            Key::document(ProjectId::FIRST, crash, "attempt"),
            Key::parked(ProjectId::FIRST, &crash.to_string()),
            Key::dead("../../etc/passwd", "1"),
            Key::segment(ProjectId::FIRST, "../0198c5a0"),
            Key::symbol_file(ProjectId::FIRST, "../1"),
            Key::symbols(ProjectId::FIRST, "5A9832E5287241C1838ED98914E9B7FF1", "lines-1", "3-7"),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert_eq!(Key::segment(ProjectId::FIRST, "a").project_of_segment(), Some(ProjectId::FIRST));
        assert_eq!(Key::parked(ProjectId::FIRST, "a").project_of_segment(), None);
    }

    #[test]
    fn a_key_of_symbols_tells_its_kind_and_name() {
        let key = Key::symbols(ProjectId::FIRST, "5A98", "lines-1", "3-7");
        assert_eq!(key.kind_and_name(), Some(("lines-1".to_owned(), "3-7".to_owned())));
        assert_eq!(Key::symbols_of(ProjectId::FIRST, "5A98").kind_and_name(), None);
        let (sha256, other) = ("0a".repeat(32), "0b".repeat(32));
        for name in ["", "3-7-100-"] {
            let key = Key::symbols(ProjectId::FIRST, "5A98", "files", &format!("{name}{}", "0a".repeat(16)));
            assert!(key.is_of_symbol_file(&sha256) && !key.is_of_symbol_file(&other), "{key}");
        }
    }

    #[test]
    fn a_part_belongs_to_its_project_only() {
        let part = Key::symbol_part(ProjectId::FIRST, "../x", "0");
        assert!(part.is_symbol_part_of(ProjectId::FIRST));
        assert!(!part.is_symbol_part_of(ProjectId::try_from(11_u64).unwrap()));
        assert!(!Key::symbol_file(ProjectId::FIRST, "x").is_symbol_part_of(ProjectId::FIRST));
    }

    #[test]
    fn a_payload_key_belongs_to_its_own_crash_only() {
        let (crash, other) = (CrashId::new(), CrashId::new());
        let key = Key::payload(ProjectId::FIRST, crash, 0);
        assert!(key.is_payload_of(ProjectId::FIRST, crash));
        assert!(!key.is_payload_of(ProjectId::FIRST, other));
        assert!(!Key::document(ProjectId::FIRST, crash, "0").is_payload_of(ProjectId::FIRST, crash));
        assert!(!Key::payloads_of(ProjectId::FIRST, crash).is_payload_of(ProjectId::FIRST, crash));
        assert_eq!(key.crash(), Some((ProjectId::FIRST, crash)));
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_key_that_leaves_the_bucket(text in "[./a\\\\%\\-]{0,12}") {
            if let Ok(key) = text.parse::<Key>() {
                let key = key.to_string();
                prop_assert!(!key.starts_with('/') && !key.split('/').any(|part| part.is_empty() || part == ".."));
            }
        }
    }
}
