//! The three engines: where the queue, the bucket and the catalog are.

use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Platform, Role, broker::Broker, reader::Reader};

/// What would mean something else in a URL's path, or nothing at all.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where accepted reports wait for `process`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// The durable queue in the data directory.
    Embedded,
    /// The SQS queue of this URL.
    Sqs(String),
    /// A Knative broker, which takes messages and posts them to `process`.
    Broker(Broker),
}

/// The engines' addresses, as set or as they follow from the data directory.
#[derive(Debug)]
pub(super) struct Engines {
    pub(super) queue: QueueUrl,
    pub(super) bucket: String,
    pub(super) catalog: String,
}

impl Engines {
    pub(super) fn read<G: Fn(&str) -> Option<String>>(
        reader: &mut Reader<G>,
        role: Role,
        platform: Platform,
        data: &Path,
    ) -> Self {
        Self {
            queue: queue(reader, role, platform),
            bucket: located(reader, "EPITAPH_BUCKET", &["file", "s3", "gs", "az"])
                .unwrap_or_else(|| format!("file://{}", url_path(&data.join("bucket")))),
            catalog: located(reader, "EPITAPH_CATALOG", &["sqlite", "postgres", "postgresql"])
                .unwrap_or_else(|| format!("sqlite://{}", url_path(&data.join("catalog.db")))),
        }
    }
}

fn url_path(path: &Path) -> String {
    // Settings are UTF-8, so only a working directory that is not could lose anything here.
    utf8_percent_encode(&path.to_string_lossy(), NOT_IN_PATH).to_string()
}

fn queue<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>, role: Role, platform: Platform) -> QueueUrl {
    let chosen = reader.text("EPITAPH_QUEUE");
    let broker = Broker::read(reader);
    // A broker that is bound to this function says where its reports are expected to go: putting them into an embedded
    // queue instead would hide them from whoever listens there.
    let bound = broker.sink.is_some() || platform == Platform::Knative;
    match chosen.as_deref() {
        Some("broker") => {}
        None if bound => {}
        None | Some("embedded") => return QueueUrl::Embedded,
        Some(url) if url.contains("://") => {
            if let Err(problem) = check_sqs(url) {
                reader.problem(format!("EPITAPH_QUEUE {problem}"));
            }
            return QueueUrl::Sqs(url.to_owned());
        }
        Some(_) => {
            reader.problem(
                "EPITAPH_QUEUE names no queue that there is, expected embedded, broker or the URL of an SQS queue"
                    .into(),
            );
            return QueueUrl::Embedded;
        }
    }
    if broker.sink.is_none() && !reader.is_set("K_SINK") && role.sends_messages() {
        reader.problem(
            "K_SINK is not set, expected the URL of a broker, as a SinkBinding sets it, or EPITAPH_QUEUE"
                .into(),
        );
    }
    QueueUrl::Broker(broker)
}

/// Whether a URL can be that of an SQS queue: its host, the account, and the name. The problem shows nothing of it.
fn check_sqs(url: &str) -> Result<(), &'static str> {
    let place = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let mut parts = place.ok_or("has an unknown scheme, expected https://")?.split('/');
    let (host, name) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
    let account = parts.next().unwrap_or_default();
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.ends_with(".fifo") {
        return Err("names a FIFO queue, expected a standard one");
    }
    let is_host = !host.is_empty() && !host.contains(['@', '?', '#']);
    if is_host && is_name(account) && is_name(name) && parts.next().is_none() {
        Ok(())
    } else {
        Err("is not the URL of an SQS queue, expected https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
    }
}

/// A URL of one of the schemes. Its problem shows the scheme at most, since the rest may hold a password.
fn located<G: Fn(&str) -> Option<String>>(
    reader: &mut Reader<G>,
    name: &str,
    schemes: &[&str],
) -> Option<String> {
    let url = reader.text(name)?;
    let (scheme, place) = url.split_once("://").unwrap_or(("", ""));
    let expected = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ");
    let local = matches!(scheme, "file" | "sqlite");
    if !schemes.contains(&scheme) {
        let found = if scheme.is_empty() {
            "is no URL".to_owned()
        } else {
            format!("has the scheme {:?}", scheme.chars().take(20).collect::<String>())
        };
        reader.problem(format!("{name} {found}, expected one that begins with {expected}"));
    } else if local && !place.starts_with('/') {
        reader.problem(format!("{name} names no absolute path, expected {scheme}:///path"));
    } else if place.trim_matches('/').is_empty() {
        reader.problem(format!("{name} names no place, expected something after {scheme}://"));
    }
    Some(url)
}
