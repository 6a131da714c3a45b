//! Which annotations name what rules ask about. `process` and the collectors must agree on it.

use std::collections::BTreeMap;

/// The annotations that name a release, best first. Electron sends its own version as `ver` and the game's as
/// `_version`; `Version` is Mozilla's.
const RELEASE_NAMES: [&str; 7] =
    ["sentry[release]", "release", "_version", "version", "ver", "Version", "app_version"];

/// The annotations that name an environment, best first. `ReleaseChannel` is Mozilla's.
const ENVIRONMENT_NAMES: [&str; 6] =
    ["sentry[environment]", "environment", "env", "ReleaseChannel", "release_channel", "channel"];

/// The annotations that name the user, or else the installation, best first. `guid` is Crashpad's name for the
/// installation, `client_id` Chromium's.
const USER_NAMES: [&str; 4] = ["user.id", "user_id", "guid", "client_id"];

/// The longest release or environment, in characters: they are labels, and every fact holds them.
const LONGEST_LABEL: usize = 200;

/// The release that annotations name.
pub fn release(annotations: &BTreeMap<String, String>) -> Option<String> {
    first(annotations, &RELEASE_NAMES).map(label)
}

/// The environment that annotations name.
pub fn environment(annotations: &BTreeMap<String, String>) -> Option<String> {
    first(annotations, &ENVIRONMENT_NAMES).map(label)
}

/// The user that annotations name.
pub fn user(annotations: &BTreeMap<String, String>) -> Option<&str> {
    first(annotations, &USER_NAMES)
}

fn label(value: &str) -> String {
    value.chars().filter(|next| !next.is_control()).take(LONGEST_LABEL).collect()
}

/// The first of these annotations that says something.
fn first<'a>(annotations: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    let values = names.iter().filter_map(|name| annotations.get(*name));
    values.map(|value| value.trim()).find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_label_gives_way_to_the_next_and_a_long_one_is_cut() {
        let annotations = |release: &str| {
            let pairs = [("release", release), ("ver", "7"), ("env", " qa\n"), ("guid", " g ")];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        assert_eq!(release(&annotations(" ")).as_deref(), Some("7"));
        assert_eq!(release(&annotations(&"v".repeat(1_000))).map(|label| label.len()), Some(LONGEST_LABEL));
        assert_eq!(environment(&annotations("1")).as_deref(), Some("qa"));
        assert_eq!(user(&annotations("1")), Some("g"));
        assert_eq!(release(&BTreeMap::new()), None);
    }
}
