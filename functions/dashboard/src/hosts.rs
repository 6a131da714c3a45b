//! The names that this server answers to.
//!
//! A page of a stranger can point its own host name at 127.0.0.1 and then read answers as its own ("DNS rebinding").
//! A server that answers to its own names only gives such a page nothing.

use axum::http::{HeaderMap, Uri, header::HOST, uri::Authority};

/// The host names that are answered.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// `public_url`: its host is answered; `others`: so are these. Ports do not matter.
    pub(crate) fn new(public_url: Option<&str>, others: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let public = public_url.and_then(|url| url.parse::<Uri>().ok());
        names.extend(public.as_ref().and_then(Uri::host).map(plain));
        names.extend(
            others.iter().filter_map(|name| name.parse::<Authority>().ok()).map(|name| plain(name.host())),
        );
        Self(names)
    }

    /// The host and port that a request names, if it is answered; otherwise what it named.
    ///
    /// # Errors
    /// The name that is not this server's, as far as it can be shown.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, String> {
        // HTTP/2 names it in the URI, HTTP/1.1 in the header.
        let header = headers.get(HOST).and_then(|host| host.to_str().ok());
        let named = uri.authority().map(Authority::as_str).or(header).unwrap_or_default();
        let known = named
            .parse::<Authority>()
            .is_ok_and(|authority| !named.contains('@') && self.0.contains(&plain(authority.host())));
        if known { Ok(named.to_owned()) } else { Err(named.chars().take(253).collect()) }
    }
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str) -> bool {
        let hosts = Hosts::new(Some("https://crashes.example.com"), &["10.0.0.5:8080".to_owned()]);
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        hosts.check(&Uri::from_static("/"), &headers).is_ok()
    }

    #[test]
    fn a_server_answers_to_its_own_names_on_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "crashes.example.com",
            "crashes.example.com.:443",
            "10.0.0.5",
        ] {
            assert!(check(host), "{host}");
        }
    }

    #[test]
    fn a_server_does_not_answer_to_other_names() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "crashes.example.com.evil.example",
            "evil@localhost",
            "127.0.0.2",
            "0.0.0.0",
            "a b",
        ] {
            assert!(!check(host), "{host}");
        }
    }
}
