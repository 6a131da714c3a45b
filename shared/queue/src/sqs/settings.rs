//! Which queue, and how it is reached.

use aws_sdk_sqs::config::Credentials;

/// Which queue, and what the environment says about how to reach it. It holds a secret and has no `Debug`.
#[derive(Clone)]
pub struct SqsSettings {
    /// The queue's URL.
    pub(super) url: String,
    /// Where requests go.
    pub(super) endpoint: String,
    /// The region that they are signed for; `None` is looked up.
    pub(super) region: Option<String>,
    /// What they are signed with; `None` is looked up.
    pub(super) credentials: Option<Credentials>,
    /// Who vouches for the endpoint; `None` leaves it to the system.
    pub(super) roots: Option<&'static str>,
}

impl SqsSettings {
    /// For the queue of that URL, with the process's own environment.
    #[expect(clippy::disallowed_methods, reason = "AWS's own names, which its other clients read too")]
    pub fn from_environment(url: &str) -> Self {
        Self::read(url, |name| std::env::var(name).ok())
    }

    /// For the queue of that URL, with the variables that `get` gives: `AWS_REGION` (or `AWS_DEFAULT_REGION`),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and `AWS_ENDPOINT_URL_SQS` (or
    /// `AWS_ENDPOINT_URL`) for another place than the URL's own host.
    pub fn read(url: &str, get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let endpoint = get("AWS_ENDPOINT_URL_SQS").or_else(|| get("AWS_ENDPOINT_URL"));
        // The URL's own region, as the queue may be in another than this process.
        let region = region_of(url).map(str::to_owned);
        let region = region.or_else(|| get("AWS_REGION")).or_else(|| get("AWS_DEFAULT_REGION"));
        let credentials = match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                Some(Credentials::new(id, secret, get("AWS_SESSION_TOKEN"), None, "environment"))
            }
            _ => None,
        };
        let endpoint = endpoint.unwrap_or_else(|| origin(url));
        let roots = epitaph_tls::amazons_roots(&endpoint, get);
        Self { url: url.to_owned(), endpoint, region, credentials, roots }
    }
}

/// The scheme and the host of a URL.
fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// The region that the host of a queue's URL names: `sqs.REGION.amazonaws.com`, also behind a name of an endpoint in a
/// VPC, and the older `REGION.queue.amazonaws.com`.
fn region_of(url: &str) -> Option<&str> {
    let host = url.split('/').nth(2)?;
    let host = host.split(':').next()?;
    if !host.ends_with(".amazonaws.com")
        && !host.ends_with(".amazonaws.com.cn")
        && !host.ends_with(".api.aws")
    {
        return None;
    }
    let labels: Vec<_> = host.split('.').collect();
    match labels.iter().position(|label| matches!(*label, "sqs" | "sqs-fips" | "queue"))? {
        0 => labels.get(1).copied(),
        at if labels[at] == "queue" => Some(labels[at - 1]),
        at => labels.get(at + 1).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, variables: &[(&str, &str)]) -> SqsSettings {
        SqsSettings::read(url, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_queues_region_is_the_one_in_its_url() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/reports", Some("eu-west-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/reports", Some("cn-north-1")),
            ("https://sqs.eu-west-1.api.aws/123456789012/reports", Some("eu-west-1")),
            ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/reports", Some("us-gov-west-1")),
            ("https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/reports", Some("eu-west-1")),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/reports", Some("eu-west-1")),
            ("https://queue.example.com/123456789012/reports", None),
            ("http://127.0.0.1:4566/000000000000/reports", None),
        ] {
            assert_eq!(region_of(url), region, "{url}");
        }
        let elsewhere = [("AWS_REGION", "us-east-1")];
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/reports";
        assert_eq!(read(url, &elsewhere).region.as_deref(), Some("eu-west-1"));
        assert_eq!(read("http://127.0.0.1:4566/0/reports", &elsewhere).region.as_deref(), Some("us-east-1"));
    }

    #[test]
    fn requests_go_to_the_urls_own_host_unless_the_environment_names_another() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/reports";
        assert_eq!(read(url, &[]).endpoint, "https://sqs.eu-west-1.amazonaws.com");
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        assert_eq!(read(url, &[all]).endpoint, "http://127.0.0.1:1");
        let own = ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:2");
        assert_eq!(read(url, &[all, own]).endpoint, "http://127.0.0.1:2");
        assert_eq!(read(url, &[all, ("AWS_ENDPOINT_URL_SQS", "")]).endpoint, "http://127.0.0.1:1");
    }

    #[test]
    fn only_both_halves_of_a_key_are_credentials() {
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"));
        for (variables, complete) in [(&[id, secret][..], true), (&[id], false), (&[secret], false)] {
            assert_eq!(read("http://127.0.0.1:1/0/reports", variables).credentials.is_some(), complete);
        }
    }
}
