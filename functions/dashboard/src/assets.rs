//! The files beside the pages: a style sheet, a script, a mark. They tell nothing, and need no session.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    routing::get,
};

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/page.js");
const MARK: &str = include_str!("../assets/mark.svg");

/// The address changes with the content, so that a browser may keep what it has for good.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// The addresses of the files.
pub(crate) struct Assets {
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) mark: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let address = |name: &str, content: &str| format!("/assets/{name}?v={:016x}", fingerprint(content));
        Self {
            style: address("style.css", STYLE),
            script: address("page.js", SCRIPT),
            mark: address("mark.svg", MARK),
        }
    }
}

/// FNV-1a: it need not withstand anybody, only change when the content does.
fn fingerprint(content: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    content.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// `GET /assets/{file}`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |kind: &'static str, content: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind), (CACHE_CONTROL, FOREVER)], content) })
    };
    Router::new()
        .route("/assets/style.css", file("text/css; charset=utf-8", STYLE))
        .route("/assets/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/assets/mark.svg", file("image/svg+xml", MARK))
}
