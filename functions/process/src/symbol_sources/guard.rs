//! Where a request to a source may lead, at its first address and after each redirect.

use std::{fmt, net::SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use super::address::is_public;

/// Where one source may lead. It resolves names for the client itself, so that the address that was checked is the one that
/// is connected to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The source's own host and port, which an administrator named.
    own: (String, Option<u16>),
    /// Hosts that may be private: none, unless the source itself is one of them. Otherwise any source could lead to them.
    private: Vec<String>,
}

/// Where nothing may lead.
#[derive(Debug)]
pub(super) struct Forbidden(String);

impl fmt::Display for Forbidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Forbidden {}

impl Guard {
    /// For a source, and the hosts that may be private.
    pub(super) fn new(source: &Url, private: &[String]) -> Self {
        let host = source.host_str().unwrap_or_default().to_owned();
        let private = if private.contains(&host) { private.to_vec() } else { Vec::new() };
        Self { own: (host, source.port_or_known_default()), private }
    }

    fn may_be_private(&self, host: &str) -> bool {
        self.private.iter().any(|named| named == host)
    }

    /// Whether an address may be asked, as far as can be said before its name is resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        let host = url.host_str().unwrap_or_default();
        let named = self.may_be_private(host);
        let is_secure = url.scheme() == "https";
        if !(is_secure || url.scheme() == "http" && named) {
            return Err(Forbidden(format!(
                "{host} is not asked without TLS, unless EPITAPH_SYMBOL_HOSTS names it and the source"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden("it leads to an address with a user in it".to_owned()));
        }
        let port = url.port_or_known_default();
        let is_own = self.own.0 == host && self.own.1 == port;
        if !is_own && !matches!(port, Some(80 | 443)) {
            return Err(Forbidden(format!("it leads to another port of {host} than 80 and 443")));
        }
        // A literal address is never resolved.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if literal.is_ok_and(|address| !is_public(address)) && !named {
            return Err(private(host));
        }
        Ok(())
    }
}

fn private(host: &str) -> Forbidden {
    Forbidden(format!(
        "{host} is not public: EPITAPH_SYMBOL_HOSTS names sources that may be at private addresses"
    ))
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let named = self.may_be_private(&host);
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = found.filter(|address| named || is_public(address.ip()));
            let allowed: Vec<SocketAddr> = allowed.collect();
            if allowed.is_empty() {
                return Err(private(&host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn guard(source: &str, private: &[&str]) -> Guard {
        let private: Vec<String> = private.iter().map(|&host| host.to_owned()).collect();
        Guard::new(&Url::parse(source).unwrap(), &private)
    }

    fn may_ask(guard: &Guard, url: &str) -> bool {
        guard.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn a_public_source_leads_to_public_places_alone() {
        let guard = guard("https://symbols.example.com:8443/a", &["symbols.studio.internal"]);
        for url in [
            "https://symbols.example.com:8443/a/b",
            "https://blobs.example.net/x?signature=1",
            "https://8.8.8.8/",
            "https://[2600::1]/",
        ] {
            assert!(may_ask(&guard, url), "{url}");
        }
        for url in [
            "http://symbols.example.com/a",
            "https://symbols.example.com:8444/a",
            "https://blobs.example.net:22/",
            "https://me:secret@blobs.example.net/",
            "https://me@blobs.example.net/",
            "https://127.0.0.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://127.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "http://symbols.studio.internal/",
            "file:///etc/passwd",
            "ftp://blobs.example.net/",
        ] {
            assert!(!may_ask(&guard, url), "{url}");
        }
    }

    #[test]
    fn a_source_that_is_named_may_be_private_and_lead_to_others_that_are_named() {
        let guard = guard("http://symbols.studio.internal:8080/", &["symbols.studio.internal", "10.0.0.7"]);
        for url in
            ["http://symbols.studio.internal:8080/a", "http://10.0.0.7/a", "https://blobs.example.net/a"]
        {
            assert!(may_ask(&guard, url), "{url}");
        }
        for url in [
            "http://10.0.0.8/a",
            "https://10.0.0.8/a",
            "http://10.0.0.7:8080/a",
            "http://blobs.example.net/a",
        ] {
            assert!(!may_ask(&guard, url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_private_addresses_is_not_resolved_unless_it_may_be() {
        let name = || Name::from_str("localhost").unwrap();
        let refused = guard("https://symbols.example.com", &["localhost"]).resolve(name()).await;
        let Err(error) = refused else { panic!("localhost was resolved") };
        assert!(error.is::<Forbidden>(), "{error}");
        assert!(guard("https://localhost", &["localhost"]).resolve(name()).await.is_ok());
    }
}
