//! Why a request was refused, and how the client is told.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A refused request: a status, a word for the metrics, and what to tell the client.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What sort of refusal it is.
    pub cause: Cause,
    /// What was wrong, what was expected, what to do; shown to the client.
    pub detail: Cow<'static, str>,
}

/// The sorts of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No key, several that differ, or none that could be one.
    Unauthorized,
    /// A key, but not this project's.
    Forbidden,
    /// The request is not what it claims to be.
    Malformed,
    /// What was sent is not a minidump, where one must be.
    NotAMinidump,
    /// Something is larger than it may be.
    TooLarge,
    /// The content type or encoding is none that is taken.
    Unsupported,
    /// The client sent too slowly.
    TooSlow,
    /// The connection ended inside the request.
    BrokeOff,
    /// Too much is being received at this moment.
    Busy,
    /// Neither the queue nor the bucket took it.
    Unavailable,
}

impl Cause {
    /// The word in metrics, and in Socorro's `Discarded=malformed_...`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Unauthorized => "unauthorized",
            Cause::Forbidden => "forbidden",
            Cause::Malformed => "malformed",
            Cause::NotAMinidump => "not_a_minidump",
            Cause::TooLarge => "too_large",
            Cause::Unsupported => "unsupported",
            Cause::TooSlow => "too_slow",
            Cause::BrokeOff => "broke_off",
            Cause::Busy => "busy",
            Cause::Unavailable => "unavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Cause::Unauthorized => StatusCode::UNAUTHORIZED,
            Cause::Forbidden => StatusCode::FORBIDDEN,
            Cause::Malformed | Cause::NotAMinidump | Cause::BrokeOff => StatusCode::BAD_REQUEST,
            Cause::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Cause::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Cause::Busy | Cause::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether it is our fault rather than the client's.
    pub const fn is_ours(self) -> bool {
        matches!(self, Cause::Busy | Cause::Unavailable)
    }
}

/// When a client that was refused for our fault may come again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

impl Refusal {
    /// A refusal with its text.
    pub fn new(cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "detail": self.detail, "causes": [self.cause.as_str()] }).to_string();
        let mut response = (self.cause.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.cause.is_ours() {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if self.cause == Cause::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Sentry"));
        }
        response
    }
}
