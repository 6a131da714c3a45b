//! Answers in the words of Sentry's SDKs.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use epitaph_ingest::Refusal;
use serde_json::json;

const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const ERROR: HeaderName = HeaderName::from_static("x-sentry-error");

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

pub(crate) async fn method_not_allowed() -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let expected = "this address takes events: expected POST\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::CONTENT_TYPE, plain)], expected).into_response()
}
