//! The three engines: where the queue, the bucket and the catalog are.

use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::reader::Reader;

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
}

/// The engines' addresses, as set or as they follow from the data directory.
#[derive(Debug)]
pub(super) struct Engines {
    pub(super) queue: QueueUrl,
    pub(super) bucket: String,
    pub(super) catalog: String,
}

impl Engines {
    pub(super) fn read<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>, data: &Path) -> Self {
        Self {
            queue: queue(reader),
            bucket: located(reader, "EPITAPH_BUCKET", &["file", "s3", "gs", "az"])
                .unwrap_or_else(|| format!("file://{}", url_path(&data.join("bucket")))),
            catalog: located(reader, "EPITAPH_CATALOG", &["sqlite"])
                .unwrap_or_else(|| format!("sqlite://{}", url_path(&data.join("catalog.db")))),
        }
    }
}

fn url_path(path: &Path) -> String {
    // Settings are UTF-8, so only a working directory that is not could lose anything here.
    utf8_percent_encode(&path.to_string_lossy(), NOT_IN_PATH).to_string()
}

fn queue<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>) -> QueueUrl {
    match reader.text("EPITAPH_QUEUE").as_deref() {
        Some("embedded") => {}
        Some(_) => {
            reader.problem("EPITAPH_QUEUE names a queue that this build does not have, expected embedded".into());
        }
        // A broker that is bound to this function says where its reports are expected to go: putting them into
        // an embedded queue instead would hide them from whoever listens there.
        None if reader.is_set("K_SINK") => reader.problem(
            "K_SINK names a broker, which this build cannot send to, expected EPITAPH_QUEUE=embedded or no K_SINK"
                .into(),
        ),
        None => {}
    }
    QueueUrl::Embedded
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
