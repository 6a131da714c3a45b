//! What every request passes: the host check, the session, the origin check, and on the way out the form of faults and
//! the headers that keep a browser strict.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE,
            ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
        },
        uri::Uri,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use epitaph_crash_model::Timestamp;

use crate::{
    Dashboard,
    fault::Fault,
    pages,
    visitor::{Visitor, header},
};

/// Nothing but this server's own files, and nobody may frame it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The middleware around all routes.
pub(crate) async fn pass(State(dashboard): State<Dashboard>, mut request: Request, next: Next) -> Response {
    let mut response = match dashboard.hosts().check(request.uri(), request.headers()) {
        Err(named) => misdirected(&named, request.uri()),
        Ok(host) => {
            let who = identify(&dashboard, request.headers());
            let visitor = Visitor::new(request.uri(), request.headers(), host, who != Who::Nobody);
            let response = if is_forged(&request, who, &visitor.host) {
                Fault::ForeignOrigin.into_response()
            } else {
                request.extensions_mut().insert(visitor.clone());
                next.run(request).await
            };
            let mut response = told(&dashboard, &visitor, response);
            for choice in visitor.choices() {
                if let Ok(value) = HeaderValue::from_str(choice) {
                    response.headers_mut().append(SET_COOKIE, value);
                }
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: under it, browsers send `Origin: null` with this server's own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The middleware around what needs a token or a session.
pub(crate) async fn require_session(request: Request, next: Next) -> Response {
    match request.extensions().get::<Visitor>() {
        Some(visitor) if visitor.signed_in => next.run(request).await,
        _ => Fault::SignIn.into_response(),
    }
}

/// Goes with a response that says itself what is wrong with the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HasForm;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    /// A program that sent the token itself; a browser never does so by itself.
    Program,
    /// A browser with a session.
    Browser,
}

fn identify(dashboard: &Dashboard, headers: &HeaderMap) -> Who {
    let scheme_and_token = header(headers, &AUTHORIZATION).split_once(' ');
    let bearer = scheme_and_token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = bearer {
        return if dashboard.sessions().is_token(token.trim()) { Who::Program } else { Who::Nobody };
    }
    // HTTP/2 may send each cookie in a header of its own.
    let now = Timestamp::now();
    let mut cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    if cookies.any(|cookies| dashboard.sessions().is_open(cookies, now)) { Who::Browser } else { Who::Nobody }
}

/// Whether a request that may change something was made by a page of another site. Browsers say where a request comes
/// from in `Sec-Fetch-Site`, older ones in `Origin`; what says neither is no browser, and carries nobody's cookies.
fn is_forged(request: &Request, who: Who, host: &str) -> bool {
    if who == Who::Program || matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let headers = request.headers();
    if headers.contains_key(FETCH_SITE) {
        return !matches!(header(headers, &FETCH_SITE), "same-origin" | "none");
    }
    let same =
        |origin: Uri| origin.authority().is_some_and(|origin| origin.as_str().eq_ignore_ascii_case(host));
    headers.contains_key(ORIGIN) && !header(headers, &ORIGIN).parse().is_ok_and(same)
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// A fault as the page or the JSON that the address calls for.
fn told(dashboard: &Dashboard, visitor: &Visitor, response: Response) -> Response {
    let status = response.status();
    let fault = match response.extensions().get::<Fault>() {
        Some(fault) => fault.clone(),
        None if response.extensions().get::<HasForm>().is_some() => return response,
        // What the router and the extractors refuse has no form of ours yet.
        None if status.is_client_error() || status.is_server_error() => Fault::Refused(status),
        None => return response,
    };
    fault.log(visitor.uri.path());
    let mut told =
        if is_api(&visitor.uri) { fault.json() } else { pages::fault_page(dashboard, visitor, &fault) };
    for (name, value) in response.headers() {
        if ![CONTENT_TYPE, CONTENT_LENGTH].contains(name) {
            told.headers_mut().append(name, value.clone());
        }
    }
    fault.dress(&mut told);
    told
}

fn misdirected(named: &str, uri: &Uri) -> Response {
    let status = StatusCode::MISDIRECTED_REQUEST;
    let detail = format!(
        "this server does not answer as {named:?}: set EPITAPH_PUBLIC_URL to the URL that people open it with, \
         such as http://{}",
        if named.is_empty() { "crashes.example.com" } else { named }
    );
    if is_api(uri) {
        return (status, axum::Json(serde_json::json!({ "detail": detail, "causes": [] }))).into_response();
    }
    (status, detail + "\n").into_response()
}
