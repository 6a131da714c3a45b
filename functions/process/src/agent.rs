//! What a browser tells of itself in its `User-Agent`: the system that it runs on, and which browser it is.

/// Which browser on which system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) os: Option<&'static str>,
    pub(crate) os_version: Option<String>,
    /// Such as `Firefox 140`.
    pub(crate) browser: Option<String>,
}

/// Browsers by their mark, those first that also carry another's.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Electron/", "Electron"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// What browsers have said of macOS ever since: it is no longer its version.
const FROZEN: [&str; 2] = ["10.15.7", "10.15"];

/// Reads a `User-Agent`; `None` if it is no browser's.
pub(crate) fn read(agent: &str) -> Option<Agent> {
    let system = agent.strip_prefix("Mozilla/5.0 (")?;
    let (system, products) = system.split_once(')').unwrap_or((system, ""));
    let (os, os_version) = of_system(system);
    let browser = BROWSERS.iter().find_map(|(mark, name)| {
        let (_, version) = products.split_once(mark)?;
        let major: String = version.chars().take_while(char::is_ascii_digit).take(8).collect();
        Some(if major.is_empty() { (*name).to_owned() } else { format!("{name} {major}") })
    });
    Some(Agent { os, os_version, browser })
}

fn of_system(system: &str) -> (Option<&'static str>, Option<String>) {
    // iPhones say "like Mac OS X", and Android says "Linux".
    const SYSTEMS: [(&str, &str); 8] = [
        ("Windows NT", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Android", "Android"),
        ("iPhone OS", "iOS"),
        ("CPU OS", "iOS"),
        ("Mac OS X", "macOS"),
        ("PlayStation", "PlayStation"),
        ("Linux", "Linux"),
    ];
    let found = SYSTEMS.iter().find_map(|(mark, name)| Some((*name, system.split_once(mark)?.1)));
    let Some((name, rest)) = found else { return (None, None) };
    let rest = rest.split(';').next().unwrap_or_default().trim();
    let version = rest.split(' ').find(|word| word.starts_with(|next: char| next.is_ascii_digit()));
    let version = version.map(|version| version.chars().take(30).collect::<String>().replace('_', "."));
    let version = version.filter(|version| !(name == "macOS" && FROZEN.contains(&version.as_str())));
    (Some(name), version.filter(|_| name != "Linux"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_tell_their_system_and_themselves() {
        for (agent, os, version, browser) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
                "Windows",
                Some("10.0"),
                "Edge 120",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
                "macOS",
                None,
                "Safari 17",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/123.0 Mobile/15E148 Safari/604.1",
                "iOS",
                Some("17.4.1"),
                "Chrome 123",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
                "iOS",
                Some("16.6"),
                "Safari 16",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Mobile Safari/537.36",
                "Android",
                Some("14"),
                "Chrome 122",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Linux",
                None,
                "Firefox 140",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
                "Linux",
                None,
                "Chrome 131",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36",
                "ChromeOS",
                Some("14541.0.0"),
                "Chrome 119",
            ),
        ] {
            let found = read(agent).unwrap();
            assert_eq!(
                (found.os, found.os_version.as_deref(), found.browser.as_deref()),
                (Some(os), version, Some(browser)),
                "{agent}"
            );
        }
        assert_eq!(read("sentry.python/2.20.0"), None);
        assert_eq!(read("Mozilla/5.0 (").unwrap(), Agent::default());
    }
}
