//! The address that the outside world knows this installation by.

/// Reads `http(s)://host[:port]`, without a path, user, query or fragment; gives it without a trailing slash.
pub(super) fn parse(text: &str) -> Option<String> {
    let url: http::Uri = text.parse().ok()?;
    let scheme = url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = url.authority()?;
    let plain = !authority.host().is_empty()
        && !authority.as_str().contains('@')
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && !text.contains('#');
    // `Uri` takes a port that is no number, or too large a one, for no port at all.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let port_is_good = port.is_empty()
        || port.strip_prefix(':').and_then(super::reader::number::<u16>).is_some_and(|port| port > 0);
    (plain && port_is_good).then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_public_url_is_scheme_host_and_port() {
        for (text, url) in [
            ("https://crash.example.com", "https://crash.example.com"),
            ("https://crash.example.com/", "https://crash.example.com"),
            ("http://10.0.0.7:8080", "http://10.0.0.7:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(url));
        }
    }

    #[test]
    fn anything_more_or_less_is_refused() {
        for text in [
            "crash.example.com",
            "ftp://crash.example.com",
            "https://",
            "https://host/path",
            "https://host/?q",
            "https://host/#part",
            "https://user:pass@host",
            "https://host:",
            "https://host:0",
            "https://host:99999",
            "https://two hosts",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
