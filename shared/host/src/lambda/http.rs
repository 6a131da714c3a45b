//! HTTP requests as Lambda has them: events of a function URL or of an HTTP API, in their format 2.0.

use std::{convert::Infallible, error::Error, future::ready, pin::Pin, sync::Arc};

use axum::Router;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lambda_http::{Body, IntoResponse, RequestExt as _, request::RequestContext, run_concurrent, service_fn};

use super::show;
use crate::{http::Host, metrics::Metrics};

/// The longest body of an answer, in bytes: what Lambda passes on is at most 6 MB of JSON, in which what is not text is
/// in base64.
const LARGEST_ANSWER: usize = 4_500_000;
/// The stage that is no part of a path.
const DEFAULT_STAGE: &str = "$default";

pub(super) async fn serve(
    name: &'static str,
    router: Router,
    metrics: Metrics,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let host = Arc::new(Host::new(router, name, metrics.clone()));
    let handler = move |request: lambda_http::Request| {
        let (host, metrics) = (Arc::clone(&host), metrics.clone());
        async move {
            let answer = match plain(request) {
                Ok(request) => Answer::of(host.answer(request).await).await,
                Err(problem) => Answer::text(StatusCode::BAD_REQUEST, problem),
            };
            show(&metrics);
            Ok::<_, Infallible>(answer)
        }
    };
    run_concurrent(service_fn(handler)).await
}

/// The request as a client sent it: with its path to the letter, and without a stage's name before it.
fn plain(request: lambda_http::Request) -> Result<Request<axum::body::Body>, &'static str> {
    let stage = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.clone(),
        _ => None,
    };
    let path = without_stage(request.raw_http_path(), stage.as_deref());
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let uri: Uri = target.parse().map_err(|_| "the address is not one of HTTP\n")?;
    let (mut parts, body) = request.into_parts();
    parts.uri = uri;
    // What Lambda tells of the event holds more than a function should see, the client's address for one.
    parts.extensions.clear();
    let body = match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(Request::from_parts(parts, axum::body::Body::from(body)))
}

/// The path that a client meant: an HTTP API with a stage of its own puts the stage's name first.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let behind = stage
        .filter(|stage| *stage != DEFAULT_STAGE)
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match behind {
        Some("") => "/",
        Some(behind) if behind.starts_with('/') => behind,
        _ => path,
    }
}

/// An answer that is whole, as Lambda needs it.
struct Answer(Response<Bytes>);

impl Answer {
    async fn of(answer: Response<axum::body::Body>) -> Self {
        let (parts, body) = answer.into_parts();
        match Limited::new(body, LARGEST_ANSWER).collect().await {
            Ok(body) => Self(Response::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                tracing::error!(limit = LARGEST_ANSWER, "an answer is larger than Lambda passes on");
                let problem = "the answer is larger than AWS Lambda passes on (4.5 MB)\n";
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, problem)
            }
            Err(error) => {
                tracing::error!(%error, "an answer broke off");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, "the answer broke off\n")
            }
        }
    }

    fn text(status: StatusCode, text: &'static str) -> Self {
        let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
        *answer.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, plain);
        Self(answer)
    }
}

impl IntoResponse for Answer {
    /// To the letter, whatever its type says: as text only what is UTF-8, and everything else in base64. By its type
    /// alone, a log in another encoding would lose letters.
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        let (parts, bytes) = self.0.into_parts();
        let body = match Vec::from(bytes) {
            bytes if parts.headers.contains_key(CONTENT_ENCODING) => Body::Binary(bytes),
            bytes => {
                String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
            }
        };
        let answer: BoxFuture<'static, _> = Box::pin(ready(Response::from_parts(parts, body)));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_no_part_of_the_path() {
        for (path, stage, expected) in [
            ("/api/1/minidump/", Some("$default"), "/api/1/minidump/"),
            ("/api/1/minidump/", None, "/api/1/minidump/"),
            ("/live/api/1/minidump/", Some("live"), "/api/1/minidump/"),
            ("/live", Some("live"), "/"),
            ("/livestream", Some("live"), "/livestream"),
            ("/api/1/minidump/", Some("live"), "/api/1/minidump/"),
        ] {
            assert_eq!(without_stage(path, stage), expected, "{path} in {stage:?}");
        }
    }

    fn event(path: &str, query: &str, rest: &str) -> lambda_http::Request {
        let event = format!(
            r#"{{"version":"2.0","routeKey":"$default","rawPath":"{path}","rawQueryString":"{query}",
                "headers":{{"host":"a.lambda-url.eu-west-1.on.aws","content-type":"application/octet-stream"}},
                "requestContext":{{"accountId":"anonymous","apiId":"a","stage":"$default","requestId":"r",
                    "routeKey":"$default","timeEpoch":1,"http":{{"method":"POST","path":"{path}",
                    "protocol":"HTTP/1.1","userAgent":"test"}}}}{rest}}}"#
        );
        lambda_http::request::from_str(&event).unwrap()
    }

    #[tokio::test]
    async fn a_body_in_base64_arrives_as_the_bytes_that_were_sent() {
        let rest = r#","body":"TURNUP8A","isBase64Encoded":true"#;
        let request = plain(event("/api/1/minidump/", "sentry_key=a&b=%20c", rest)).unwrap();
        assert_eq!(request.uri(), "/api/1/minidump/?sentry_key=a&b=%20c");
        assert_eq!(request.headers()[CONTENT_LENGTH], "6");
        assert!(request.extensions().is_empty());
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), &b"MDMP\xff\0"[..]);
    }

    #[test]
    fn a_path_arrives_to_the_letter() {
        for path in ["/api/1/unreal/%2e%2e/", "/a//b", "/api/../1", "/%F0%9F%92%80"] {
            let request = plain(event(path, "", r#","isBase64Encoded":false"#)).unwrap();
            assert_eq!(request.uri().path(), path);
            assert_eq!(request.headers()[CONTENT_LENGTH], "0");
        }
    }

    async fn answered(content_type: &'static str, body: &'static [u8]) -> Body {
        let mut answer = Response::new(axum::body::Body::from(body));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Answer::of(answer).await.into_response().await.into_body()
    }

    #[tokio::test]
    async fn an_answer_is_text_only_if_no_letter_is_lost() {
        assert!(matches!(answered("text/plain", b"id").await, Body::Text(text) if text == "id"));
        let latin = answered("text/plain; charset=utf-8", b"caf\xe9").await;
        assert!(matches!(latin, Body::Binary(bytes) if bytes == b"caf\xe9"));
        let dump = answered("application/octet-stream", b"MDMP\x93\xa7").await;
        assert!(matches!(dump, Body::Binary(bytes) if bytes == b"MDMP\x93\xa7"));
    }

    #[tokio::test]
    async fn an_answer_that_lambda_would_not_pass_on_is_told_to_be_too_large() {
        let whole = Answer::of(Response::new(vec![0; LARGEST_ANSWER].into())).await;
        assert_eq!(whole.0.status(), StatusCode::OK);
        let larger = Answer::of(Response::new(vec![0; LARGEST_ANSWER + 1].into())).await;
        assert_eq!(larger.0.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(larger.0.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
