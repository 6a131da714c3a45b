//! `GET /login?token=...` and `POST /login` open a session, `POST /logout` closes it.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{Method, StatusCode, header::LOCATION, header::SET_COOKIE, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use epitaph_crash_model::Timestamp;
use serde::Deserialize;

use super::{Page, html};
use crate::{Dashboard, fault::Fault, visitor::Visitor};

/// The longest address that is returned to after signing in, in bytes.
const LONGEST_NEXT: usize = 2000;

#[derive(Deserialize)]
pub(crate) struct Entry {
    token: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginView<'a> {
    page: Page<'a>,
    wrong: bool,
    next: String,
}

/// The form, whatever page it stands in for; that page is returned to.
pub(super) fn form(page: Page<'_>, wrong: bool, visitor: &Visitor) -> Result<Response, Fault> {
    let asked =
        visitor.uri.path_and_query().map(PathAndQuery::as_str).filter(|_| visitor.uri.path() != "/login");
    html(&LoginView { page, wrong, next: safe(asked).to_owned() })
}

/// Opens a session with the token in the address, and leads away so that the token does not stay there. Without a
/// token: the form.
pub(crate) async fn enter(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    method: Method,
    Query(entry): Query<Entry>,
) -> Result<Response, Fault> {
    if method == Method::HEAD || entry.token.is_none() {
        let page = Page::bare(&dashboard, &visitor);
        return html(&LoginView { page, wrong: false, next: safe(entry.next.as_deref()).to_owned() });
    }
    open(&dashboard, &entry)
}

/// Opens a session with the token from the form.
pub(crate) async fn submit(
    State(dashboard): State<Dashboard>,
    Form(entry): Form<Entry>,
) -> Result<Response, Fault> {
    open(&dashboard, &entry)
}

fn open(dashboard: &Dashboard, entry: &Entry) -> Result<Response, Fault> {
    let token = entry.token.as_deref().unwrap_or_default().trim();
    if !dashboard.sessions().is_token(token) {
        return Err(Fault::WrongToken);
    }
    let cookie = dashboard.sessions().open(Timestamp::now());
    Ok(see_other(safe(entry.next.as_deref()), cookie))
}

/// Closes the session of this browser.
pub(crate) async fn leave(State(dashboard): State<Dashboard>) -> Response {
    see_other("/login", dashboard.sessions().close())
}

fn see_other(address: &str, cookie: String) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, address.to_owned()), (SET_COOKIE, cookie)]).into_response()
}

/// An address on this server; the first page for any other. `//host` and `/\host` are other servers to a browser.
fn safe(next: Option<&str>) -> &str {
    let is_here = |next: &&str| {
        next.len() <= LONGEST_NEXT
            && next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && next.parse::<PathAndQuery>().is_ok()
    };
    next.filter(is_here).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn only_an_address_on_this_server_is_returned_to() {
        assert_eq!(safe(Some("/projects/1/issues?period=24h")), "/projects/1/issues?period=24h");
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "/a\r\nSet-Cookie: a=b",
            "javascript:1",
        ] {
            assert_eq!(safe(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(safe(None), "/");
        assert_eq!(safe(Some(&format!("/{}", "a".repeat(5000)))), "/");
    }
}
