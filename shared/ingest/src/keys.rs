//! Who a request says it is for, and whether its key says so too.
//!
//! The key may come in the query (`sentry_key`), in `X-Sentry-Auth`, or in `Authorization` (`Sentry ...`, or `Basic` with
//! the key as the user). Sources that disagree are refused: a proxy that adds a header must not be able to move a crash
//! to another project.

use axum::http::{HeaderMap, HeaderValue, header, request::Parts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_crash_model::ProjectId;
use epitaph_secrets::Secret;
use percent_encoding::percent_decode_str;

use crate::{Cause, Refusal};

/// A key has 32 hexadecimal digits.
const KEY_LENGTH: usize = 32;

/// Checks the key of a request against its project and the accepted generations.
///
/// # Errors
/// [`Cause::Unauthorized`] where there is no key, or several that differ, or one that cannot be a key;
/// [`Cause::Forbidden`] for a key that is not this project's.
pub fn authenticate(
    parts: &Parts,
    project: ProjectId,
    secret: &Secret,
    generations: &[u32],
) -> Result<(), Refusal> {
    let key = find_key(parts.uri.query().unwrap_or_default(), &parts.headers)?;
    check_key(&key, project, secret, generations)
}

/// Checks a key against a project and the accepted generations.
///
/// # Errors
/// [`Cause::Forbidden`] for a key that is not this project's.
pub fn check_key(key: &str, project: ProjectId, secret: &Secret, generations: &[u32]) -> Result<(), Refusal> {
    if secret.is_project_key(project, generations, key) {
        return Ok(());
    }
    let detail = format!(
        "this key is not project {project}'s: check that the DSN's key and project belong together (`epitaph key {project}` prints it)"
    );
    Err(Refusal::new(Cause::Forbidden, detail))
}

/// The one key of a request.
///
/// # Errors
/// [`Cause::Unauthorized`].
pub fn find_key(query: &str, headers: &HeaderMap) -> Result<String, Refusal> {
    given_key(query, headers)?.ok_or_else(no_key)
}

/// The one key that a request's query and headers give, if they give any: it may also come in the body.
///
/// # Errors
/// [`Cause::Unauthorized`] where they give several that differ, or one that cannot be a key.
pub fn given_key(query: &str, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let unauthorized = |detail| Err(Refusal::new(Cause::Unauthorized, detail));
    let mut found: Option<String> = None;
    let sources = from_query(query)
        .chain(headers.get_all("x-sentry-auth").iter().map(from_sentry_header))
        .chain(headers.get_all(header::AUTHORIZATION).iter().map(from_authorization));
    for source in sources {
        match (source, &found) {
            (Source::Absent, _) => {}
            (Source::Malformed, _) => {
                return unauthorized("the key is malformed: expected 32 hexadecimal digits, as in the DSN");
            }
            (Source::Key(key), Some(before)) if key != *before => {
                return unauthorized("the request carries several keys that differ: send one");
            }
            (Source::Key(key), _) => found = Some(key),
        }
    }
    Ok(found)
}

/// The one key of a request whose path has one, as Unreal's has. It must agree with whatever else the request gives.
///
/// # Errors
/// [`Cause::Unauthorized`].
pub fn key_in_path(segment: &str, query: &str, headers: &HeaderMap) -> Result<String, Refusal> {
    let unauthorized = |detail| Err(Refusal::new(Cause::Unauthorized, detail));
    let Source::Key(key) = Source::of(segment) else {
        return unauthorized(
            "the key in the path is malformed: expected 32 hexadecimal digits, as in the DSN",
        );
    };
    match given_key(query, headers)? {
        Some(other) if other != key => unauthorized("the request carries several keys that differ: send one"),
        _ => Ok(key),
    }
}

/// The refusal of a request that gives no key.
pub fn no_key() -> Refusal {
    Refusal::new(
        Cause::Unauthorized,
        "the request carries no key: add ?sentry_key=..., an X-Sentry-Auth header, or basic authorization with the key as the user",
    )
}

/// The key in a DSN, `http(s)://KEY@HOST/PROJECT`, which must be for this project. An old DSN has a second key behind a
/// colon; a server may live below a path.
///
/// # Errors
/// [`Cause::Unauthorized`].
pub fn key_of_dsn(dsn: &str, project: ProjectId) -> Result<String, Refusal> {
    let unauthorized = |detail| Err(Refusal::new(Cause::Unauthorized, detail));
    let parts = dsn.trim().split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    let Some((user, address)) = parts else {
        return unauthorized("the DSN is malformed: expected http(s)://KEY@HOST/PROJECT");
    };
    let Source::Key(key) = Source::of(user.split(':').next().unwrap_or_default()) else {
        return unauthorized("the key in the DSN is malformed: expected 32 hexadecimal digits");
    };
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let named = path.trim_end_matches('/').rsplit_once('/').and_then(|(_, last)| last.parse().ok());
    if named != Some(project) {
        return unauthorized("the DSN names another project than the address that was posted to");
    }
    Ok(key)
}

/// The values of a name in a query string, decoded.
pub fn query_values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    query_pairs(query).filter(move |(found, _)| found == name).map(|(_, value)| value)
}

/// The names and values of a query string, decoded.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

enum Source {
    Absent,
    Malformed,
    Key(String),
}

impl Source {
    fn of(key: &str) -> Self {
        let key = key.trim();
        if key.len() == KEY_LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Self::Key(key.to_ascii_lowercase())
        } else {
            Self::Malformed
        }
    }
}

fn from_query(query: &str) -> impl Iterator<Item = Source> + '_ {
    query_values(query, "sentry_key").map(|key| Source::of(&key))
}

fn from_sentry_header(value: &HeaderValue) -> Source {
    let value = value.to_str().ok().and_then(|value| value.trim().strip_prefix_ignoring_case("sentry"));
    value.map_or(Source::Malformed, sentry_key)
}

fn from_authorization(value: &HeaderValue) -> Source {
    let Ok(value) = value.to_str() else { return Source::Malformed };
    if let Some(fields) = value.trim().strip_prefix_ignoring_case("sentry") {
        return sentry_key(fields);
    }
    let Some(credentials) = value.trim().strip_prefix_ignoring_case("basic") else {
        // Another scheme is another system's: a gateway's bearer token, say.
        return Source::Absent;
    };
    let decoded = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map_or(Source::Malformed, |pair| Source::of(pair.split(':').next().unwrap_or_default()))
}

/// `sentry_version=7, sentry_key=..., sentry_client=...`
fn sentry_key(fields: &str) -> Source {
    let mut keys = fields.split(',').filter_map(|field| {
        let (name, value) = field.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("sentry_key")).then(|| value.trim().trim_matches('"'))
    });
    match (keys.next(), keys.next()) {
        (Some(key), None) => Source::of(key),
        _ => Source::Malformed,
    }
}

trait StripPrefixIgnoringCase {
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str>;
}

impl StripPrefixIgnoringCase for str {
    /// The rest after a scheme and the space behind it.
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str> {
        let (scheme, rest) = self.split_once(' ')?;
        scheme.eq_ignore_ascii_case(prefix).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "ffffffffffffffffffffffffffffffff";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn basic(user: &str) -> String {
        format!("Basic {}", STANDARD.encode(user))
    }

    #[test]
    fn the_key_is_found_wherever_clients_put_it() {
        let sentry = format!("Sentry sentry_version=7, sentry_key={KEY}, sentry_client=test/1.0");
        for (query, headers) in [
            (format!("a=1&sentry_key={KEY}"), headers(&[])),
            (format!("sentry_key={}", KEY.to_uppercase()), headers(&[])),
            (String::new(), headers(&[("x-sentry-auth", &sentry)])),
            (String::new(), headers(&[("authorization", &sentry)])),
            (String::new(), headers(&[("authorization", &basic(&format!("{KEY}:")))])),
            (String::new(), headers(&[("authorization", &basic(KEY))])),
            (format!("sentry_key={KEY}"), headers(&[("authorization", "Bearer of-a-gateway")])),
            (format!("sentry_key={KEY}"), headers(&[("x-sentry-auth", &sentry)])),
        ] {
            assert_eq!(find_key(&query, &headers).unwrap(), KEY, "{query} {headers:?}");
        }
    }

    #[test]
    fn a_key_in_the_path_agrees_with_all_others_or_is_unauthorized() {
        let (same, other) = (format!("sentry_key={KEY}"), format!("sentry_key={OTHER}"));
        assert_eq!(key_in_path(&KEY.to_uppercase(), "", &headers(&[])).unwrap(), KEY);
        assert_eq!(key_in_path(KEY, &same, &headers(&[("authorization", &basic(KEY))])).unwrap(), KEY);
        for (segment, query, authorization) in
            [("abc", "", basic(KEY)), (KEY, other.as_str(), basic(KEY)), (KEY, "", basic(OTHER))]
        {
            let refused = key_in_path(segment, query, &headers(&[("authorization", &authorization)]));
            assert_eq!(refused.unwrap_err().cause, Cause::Unauthorized, "{segment} {query} {authorization}");
        }
    }

    #[test]
    fn a_missing_malformed_or_second_key_is_unauthorized() {
        let other = format!("Sentry sentry_key={OTHER}");
        for (query, headers) in [
            (String::new(), headers(&[])),
            ("sentry_key=".into(), headers(&[])),
            ("sentry_key=abc".into(), headers(&[])),
            (format!("sentry_key={KEY}&sentry_key={OTHER}"), headers(&[])),
            (format!("sentry_key={KEY}"), headers(&[("x-sentry-auth", &other)])),
            (format!("sentry_key={KEY}"), headers(&[("authorization", &basic(OTHER))])),
            (String::new(), headers(&[("x-sentry-auth", "Sentry sentry_version=7")])),
            (String::new(), headers(&[("authorization", "Basic ???")])),
        ] {
            assert_eq!(
                find_key(&query, &headers).unwrap_err().cause,
                Cause::Unauthorized,
                "{query} {headers:?}"
            );
        }
    }

    #[test]
    fn a_key_may_be_missing_where_the_body_may_have_one() {
        assert_eq!(given_key("", &headers(&[])).unwrap(), None);
        assert_eq!(given_key(&format!("sentry_key={KEY}"), &headers(&[])).unwrap().as_deref(), Some(KEY));
        assert!(given_key("sentry_key=x", &headers(&[])).is_err());
    }

    #[test]
    fn a_dsn_gives_its_key_for_its_own_project_only() {
        let project = ProjectId::FIRST;
        for dsn in [
            format!("https://{KEY}@crashes.example.com/1"),
            format!("http://{}:secret@127.0.0.1:8080/below/a/path/1", KEY.to_uppercase()),
            format!("https://{KEY}@[::1]:8080/1/?x=/2"),
        ] {
            assert_eq!(key_of_dsn(&dsn, project).unwrap(), KEY, "{dsn}");
        }
        for dsn in [
            String::new(),
            format!("{KEY}@crashes.example.com/1"),
            "https://crashes.example.com/1".to_owned(),
            "https://abc@crashes.example.com/1".to_owned(),
            format!("https://{KEY}@crashes.example.com/2"),
            format!("https://{KEY}@crashes.example.com"),
            format!("https://{KEY}@1"),
        ] {
            assert_eq!(key_of_dsn(&dsn, project).unwrap_err().cause, Cause::Unauthorized, "{dsn}");
        }
    }

    proptest! {
        #[test]
        fn no_dsn_panics(dsn: String) {
            let _ = key_of_dsn(&dsn, ProjectId::FIRST);
        }

        #[test]
        fn no_header_or_query_panics(query: String, header in "[ -~]{0,80}") {
            let _ = find_key(&query, &headers(&[("authorization", &header), ("x-sentry-auth", &header)]));
        }
    }
}
