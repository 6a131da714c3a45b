//! Answers in the words of Sentry's SDKs.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use epitaph_ingest::Refusal;
use serde_json::json;

const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const ERROR: HeaderName = HeaderName::from_static("x-sentry-error");

/// For how long a browser need not ask again, in seconds.
const PREFLIGHT_HOLDS: HeaderValue = HeaderValue::from_static("3600");

/// 200, and the id that finds the crash, if there is one; and what the client is asked not to send.
pub(crate) fn accepted(id: Option<&str>, rate_limits: Option<String>) -> Response {
    let body = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    let mut response = (StatusCode::OK, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(limits) = rate_limits.and_then(|limits| HeaderValue::try_from(limits).ok()) {
        headers.insert(RATE_LIMITS, limits);
    }
    response
}

/// A refusal, its words also where SDKs look for them to log them.
pub(crate) fn refused(refusal: Refusal) -> Response {
    let letters = refusal.detail.chars();
    let detail: String =
        letters.map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' }).collect();
    let mut response = refusal.into_response();
    if let Ok(detail) = HeaderValue::try_from(detail) {
        response.headers_mut().insert(ERROR, detail);
    }
    response
}

/// What a browser asks before it lets a page post. [`for_any_origin`] says the rest.
pub(crate) async fn preflight() -> Response {
    text(StatusCode::OK, "")
}

pub(crate) async fn method_not_allowed() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "this address takes events: expected POST\n")
}

fn text(status: StatusCode, body: &'static str) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, plain)], body).into_response()
}

/// Lets a page of any origin post and read the answer. The key is public, and there are no cookies.
pub(crate) async fn for_any_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "X-Sentry-Auth, Content-Type, Content-Encoding, Authorization",
        ),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "X-Sentry-Rate-Limits, Retry-After, X-Sentry-Error"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_HOLDS);
    response
}
