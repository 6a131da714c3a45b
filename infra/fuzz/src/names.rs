//! Ids, keys, and names and values in one line or one field.

use std::{fmt::Display, str::FromStr};

use epitaph_bucket::Key;
use epitaph_crash_model::{Address, CrashId, IssueNumber, ProjectId, SignatureId, Timestamp};
use epitaph_ingest::keys;
use http::{HeaderMap, HeaderValue, header};

/// Every id, number, time and key that can be read is written as something that reads as the same; every id of a crash is
/// one that the search takes; no header and no query makes a key out of nothing.
///
/// The data is lines: ids, and then a query, `X-Sentry-Auth`, `Authorization`, a DSN.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        if let Some(id) = reads_back::<CrashId>(line) {
            assert_eq!(id.simple().parse(), Ok(id));
            assert!(epitaph_catalog::is_crash_name(line), "the search takes every id: {line}");
        }
        reads_back::<ProjectId>(line);
        reads_back::<IssueNumber>(line);
        reads_back::<SignatureId>(line);
        reads_back::<Address>(line);
        reads_back::<Key>(line);
        if let Ok(time) = line.parse::<Timestamp>() {
            assert_eq!(time.to_string().parse(), Ok(time), "{line}");
        }
        let _ = epitaph_catalog::is_crash_name(line);
        let mut bytes = 0;
        for (name, value) in keys::query_pairs(line) {
            bytes += name.len() + value.len();
        }
        // What is no UTF-8 becomes replacement characters of three bytes.
        assert!(bytes <= 3 * line.len(), "{bytes} of {}", line.len());
    }
    let lines: Vec<&str> = text.lines().collect();
    let [query, sentry, authorization, dsn, ..] = lines[..] else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-sentry-auth", sentry), (header::AUTHORIZATION.as_str(), authorization)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(http::HeaderName::from_static(name), value);
        }
    }
    if let Ok(Some(key)) = keys::given_key(query, &headers) {
        is_key(&key);
        assert_eq!(keys::find_key(query, &headers).ok().as_ref(), Some(&key));
        assert_eq!(keys::key_in_path(&key, query, &headers).ok(), Some(key));
    }
    if let Ok(key) = keys::key_of_dsn(dsn, ProjectId::FIRST) {
        is_key(&key);
    }
}

fn reads_back<T: FromStr + Display + PartialEq>(line: &str) -> Option<T> {
    let read: T = line.parse().ok()?;
    let written = read.to_string();
    assert!(written.parse().is_ok_and(|again: T| again == read), "{line} is written as {written}");
    Some(read)
}

fn is_key(key: &str) {
    assert!(key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()), "{key}");
}

/// Socorro's `extra`: an object of annotations, the same as any reader of JSON finds in it.
pub fn extra(data: &[u8]) {
    let mut told = Vec::new();
    let read = epitaph_minidump::extra::read(data, |name, value| told.push((name, value)));
    let bytes: usize = told.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes <= data.len(), "{bytes} of {}", data.len());
    if read.is_err() {
        return;
    }
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(data) {
        for (name, value) in &fields {
            let told = told.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
            let told = told.expect("every name is told");
            match value {
                serde_json::Value::String(text) => assert_eq!(told, text),
                other => {
                    assert!(serde_json::from_str::<serde_json::Value>(told).is_ok_and(|told| told == *other));
                }
            }
        }
    }
}
