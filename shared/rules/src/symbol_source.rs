//! Other symbol servers that a project's debug files are asked of.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::glob;

const LONGEST_URL: usize = 500;
const MOST_PATTERNS: usize = 100;
const LONGEST_PATTERN: usize = 200;

/// Another symbol server, and what it may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolSource {
    /// Where its files begin; `http` is for hosts only that `EPITAPH_SYMBOL_HOSTS` names.
    pub url: String,
    /// Where each file is.
    pub layout: SymbolLayout,
    /// Patterns of the names of debug files that it is asked for; of others it hears nothing.
    pub files: Vec<String>,
}

/// How a symbol server is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SymbolLayout {
    /// `{name}/{id}/{name}`.
    Microsoft,
    /// `{name}/{id}/{name}.sym`, the last without `.pdb`.
    Breakpad,
}

impl SymbolSource {
    /// Whether it may be asked for a debug file of this name.
    pub fn may_be_asked_for(&self, name: &str) -> bool {
        self.files.iter().any(|pattern| glob::matches(pattern, name))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let url = Url::parse(&self.url).ok().filter(|_| self.url.len() <= LONGEST_URL);
        let is_plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        if !url.as_ref().is_some_and(is_plain) {
            return Err(format!(
                "the url is wrong; expected https://HOST/PATH without a user, a query or a fragment, of at most \
                 {LONGEST_URL} bytes"
            ));
        }
        if self.files.is_empty() || self.files.len() > MOST_PATTERNS {
            let count = self.files.len();
            return Err(format!("there are {count} patterns of files; expected 1 to {MOST_PATTERNS}"));
        }
        let is_short = |pattern: &String| (1..=LONGEST_PATTERN).contains(&pattern.len());
        if !self.files.iter().all(is_short) {
            return Err(format!("a pattern of files is wrong; expected 1 to {LONGEST_PATTERN} bytes"));
        }
        Ok(())
    }
}
