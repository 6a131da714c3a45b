//! What lets a page in a browser post to another origin, and read the answer.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// For how long a browser need not ask again, in seconds.
const PREFLIGHT_HOLDS: HeaderValue = HeaderValue::from_static("3600");

/// What a browser asks before it lets a page post. [`for_any_origin`] says the rest.
pub async fn preflight() -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (StatusCode::OK, [(header::CONTENT_TYPE, plain)], "").into_response()
}

/// Lets a page of any origin post and read the answer. The key is public, and there are no cookies.
pub async fn for_any_origin(mut response: Response) -> Response {
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
