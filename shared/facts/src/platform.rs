//! What clients call an operating system, and what a studio calls it.

/// How names of systems begin, in any case, and the one name for each. The longer ones come first.
const SYSTEMS: [(&str, &str); 22] = [
    ("microsoft windows", "Windows"),
    ("windows", "Windows"),
    ("win32", "Windows"),
    ("win64", "Windows"),
    ("mac os x", "macOS"),
    ("mac os", "macOS"),
    ("macos", "macOS"),
    ("osx", "macOS"),
    ("darwin", "macOS"),
    ("mac", "macOS"),
    ("iphone os", "iOS"),
    ("ipados", "iOS"),
    ("ios", "iOS"),
    ("tvos", "tvOS"),
    ("visionos", "visionOS"),
    ("android os", "Android"),
    ("android", "Android"),
    ("chrome os", "ChromeOS"),
    ("chromeos", "ChromeOS"),
    ("cros", "ChromeOS"),
    ("gnu/linux", "Linux"),
    ("linux", "Linux"),
];

/// Distributions that do not say that they are Linux.
const DISTRIBUTIONS: [&str; 18] = [
    "debian",
    "ubuntu",
    "fedora",
    "steamos",
    "pop!_os",
    "manjaro",
    "centos",
    "red hat",
    "rhel",
    "opensuse",
    "suse",
    "nixos",
    "gentoo",
    "raspbian",
    "endeavouros",
    "bazzite",
    "zorin os",
    "elementary os",
];

/// The system's own name and its version. A distribution is a version of Linux: `Debian 12`. Where the name holds the
/// version, as Unity's do (`Windows 11  (10.0.22631) 64bit`), and nothing else tells it, it is taken from there.
pub(crate) fn of(told: &str, version: Option<String>) -> (String, Option<String>) {
    if let Some((name, rest)) = known(told) {
        return (name.to_owned(), version.or_else(|| version_in(rest)));
    }
    let lower = told.to_lowercase();
    if lower.contains("linux") || DISTRIBUTIONS.iter().any(|name| lower.starts_with(name)) {
        let version = version.map_or_else(|| told.to_owned(), |version| format!("{told} {version}"));
        return ("Linux".to_owned(), Some(version));
    }
    (told.to_owned(), version)
}

/// The name of a system, and what follows it.
fn known(told: &str) -> Option<(&'static str, &str)> {
    SYSTEMS.iter().find_map(|(start, name)| {
        let (found, rest) = told.split_at_checked(start.len())?;
        let ends = !rest.starts_with(|next: char| next.is_alphanumeric());
        (found.eq_ignore_ascii_case(start) && ends).then_some((*name, rest))
    })
}

/// The build in brackets, else what there is, without the width of a word.
fn version_in(rest: &str) -> Option<String> {
    let bracketed = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    let is_build = |text: &&str| text.starts_with(|next: char| next.is_ascii_digit()) && text.contains('.');
    let version = bracketed.filter(is_build).unwrap_or_else(|| {
        let rest = rest.split(" / ").next().unwrap_or_default().trim();
        rest.strip_suffix("64bit").or_else(|| rest.strip_suffix("32bit")).unwrap_or(rest).trim()
    });
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_system_has_one_name_whoever_tells_of_it() {
        for (told, version, expected, expected_version) in [
            ("Windows", Some("10.0.22631"), "Windows", Some("10.0.22631")),
            ("win32", None, "Windows", None),
            ("Windows 11  (10.0.22631) 64bit", None, "Windows", Some("10.0.22631")),
            ("Microsoft Windows 10.0.19045", None, "Windows", Some("10.0.19045")),
            ("Mac OS X", Some("14.1"), "macOS", Some("14.1")),
            ("macOS 14.1.0", None, "macOS", Some("14.1.0")),
            ("darwin", None, "macOS", None),
            ("iPhone OS", Some("17.4"), "iOS", Some("17.4")),
            ("Android OS 13 / API-33 (TP1A.220624.014)", None, "Android", Some("13")),
            ("Debian", Some("12"), "Linux", Some("Debian 12")),
            ("Arch Linux", None, "Linux", Some("Arch Linux")),
            ("SteamOS Holo", Some("3.6"), "Linux", Some("SteamOS Holo 3.6")),
            ("linux", Some("6.1.0"), "Linux", Some("6.1.0")),
            ("Linux 5.15 Ubuntu 22.04 64bit", None, "Linux", Some("5.15 Ubuntu 22.04")),
            ("PlayStation 5", None, "PlayStation 5", None),
            ("Windscribe", None, "Windscribe", None),
            ("게임기", Some("1"), "게임기", Some("1")),
        ] {
            let found = of(told, version.map(str::to_owned));
            assert_eq!((found.0.as_str(), found.1.as_deref()), (expected, expected_version), "{told}");
        }
    }
}
