//! A Knative broker: where a SinkBinding says that events go.

use std::collections::BTreeMap;

use super::reader::Reader;

/// The longest name of an extension (CloudEvents 1.0.2, 3.1).
const LONGEST_NAME: usize = 20;
/// Extensions travel with every message, as headers.
const LARGEST_EXTENSIONS: usize = 4 << 10;
/// What every message says itself.
const OWN: [&str; 9] =
    ["specversion", "id", "source", "type", "time", "datacontenttype", "data", "database64", "epitaphmac"];

/// A broker that takes messages as CloudEvents over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Where messages are posted (`K_SINK`). A function that sends none need not know.
    pub sink: Option<String>,
    /// Extension attributes of every message (`K_CE_OVERRIDES`).
    pub extensions: BTreeMap<String, String>,
    /// Certificates in PEM that are trusted beside this machine's own (`K_CA_CERTS`).
    pub ca_certs: Option<String>,
    /// The largest message that it takes, in bytes, attributes included (`EPITAPH_LIMIT_MESSAGE`).
    pub largest_message: usize,
}

impl Broker {
    /// What a broker holds by default, attributes included.
    pub const LARGEST_MESSAGE: usize = 1 << 20;

    pub(super) fn read<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>) -> Self {
        let overrides = "JSON such as {\"extensions\": {\"name\": \"value\"}}, names of 1 to 20 small letters and \
                         digits that no message has itself, 4 KiB in all";
        let largest =
            reader.bytes("EPITAPH_LIMIT_MESSAGE", Self::LARGEST_MESSAGE as u64, 256 << 10..=64 << 20);
        Self {
            sink: reader.parsed("K_SINK", "http://HOST/PATH or https://HOST/PATH", sink),
            extensions: reader.parsed("K_CE_OVERRIDES", overrides, extensions).unwrap_or_default(),
            ca_certs: reader.parsed("K_CA_CERTS", "certificates in PEM", |text| {
                text.contains("-----BEGIN CERTIFICATE-----").then(|| text.to_owned())
            }),
            largest_message: usize::try_from(largest).unwrap_or(usize::MAX),
        }
    }
}

fn sink(text: &str) -> Option<String> {
    let url: http::Uri = text.parse().ok()?;
    let known = matches!(url.scheme_str(), Some("http" | "https"));
    (known && url.host().is_some_and(|host| !host.is_empty())).then(|| text.to_owned())
}

fn extensions(text: &str) -> Option<BTreeMap<String, String>> {
    let overrides: serde_json::Value = serde_json::from_str(text).ok()?;
    let extensions = match overrides.as_object()?.get("extensions") {
        None => BTreeMap::new(),
        Some(extensions) => {
            let texts = extensions.as_object()?.iter();
            let texts = texts.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            texts.collect::<Option<BTreeMap<_, _>>>()?
        }
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = extensions.iter().all(|(name, value)| {
        (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(plain)
            && !OWN.contains(&name.as_str())
            && !value.contains(|letter: char| letter.is_control())
    });
    // A byte that fits no header takes three.
    let bytes: usize = extensions.iter().map(|(name, value)| name.len() + 3 * value.len()).sum();
    (good && bytes <= LARGEST_EXTENSIONS).then_some(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_extensions_that_no_message_has_itself() {
        let read = extensions(r#"{"extensions": {"cluster": "seoul 1"}, "more": []}"#).unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("cluster".to_owned(), "seoul 1".to_owned())]);
        assert_eq!(extensions("{}"), Some(BTreeMap::new()));
        let long = format!(r#"{{"extensions": {{"a": "{}"}}}}"#, "x".repeat(LARGEST_EXTENSIONS));
        for wrong in [
            "",
            "[]",
            r#"{"extensions": {"id": "x"}}"#,
            r#"{"extensions": {"epitaphmac": "x"}}"#,
            r#"{"extensions": {"Cluster": "x"}}"#,
            r#"{"extensions": {"": "x"}}"#,
            r#"{"extensions": {"a": 1}}"#,
            r#"{"extensions": {"a": "b\n"}}"#,
            &long,
        ] {
            assert_eq!(extensions(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_sink_is_an_address_that_can_be_posted_to() {
        for good in
            ["http://broker-ingress.knative-eventing.svc.cluster.local/ns/default", "https://[::1]:8443/a?b"]
        {
            assert_eq!(sink(good).as_deref(), Some(good));
        }
        for wrong in ["broker", "/path", "ftp://host/", "http://", "http:///path"] {
            assert_eq!(sink(wrong), None, "{wrong}");
        }
    }
}
