//! From a request to a draft: the frame around what each protocol reads.

use axum::{body::Body, http::HeaderMap};
use epitaph_crash_model::ProjectId;

use crate::{
    Cause, Collector, Refusal,
    body::{self, BodyReader},
    draft::Draft,
};

/// The project that an address names.
///
/// # Errors
/// [`Cause::Unauthorized`]: of a project that cannot be, nobody has the key.
pub fn project(named: &str) -> Result<ProjectId, Refusal> {
    named.parse().map_err(|error| {
        Refusal::new(Cause::Unauthorized, format!("the project in the address is wrong: {error}"))
    })
}

/// Whether a body is a form.
pub fn is_form(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| {
        content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
    })
}

impl Collector {
    /// Reads a body with `read` into the draft that `begin` begins. `begin` is to check the key first.
    ///
    /// A refusal is given back when the client has had a moment to come to read it; what the draft had stored by then
    /// is deleted at the same time: the bucket that failed may take as long to delete, and the client waits.
    ///
    /// # Errors
    /// Those of `begin` and of `read`, and [`Collector::read`]'s.
    pub async fn receive(
        &self,
        headers: &HeaderMap,
        body: Body,
        begin: impl FnOnce() -> Result<Draft, Refusal>,
        read: impl AsyncFnOnce(&mut Draft, &mut BodyReader) -> Result<(), Refusal>,
    ) -> Result<Draft, Refusal> {
        let mut draft = match begin() {
            Ok(draft) => draft,
            Err(refusal) => {
                body::linger(body).await;
                return Err(refusal);
            }
        };
        let mut reader = match self.read(headers, body) {
            Ok(reader) => reader,
            Err(unread) => return Err(unread.linger().await),
        };
        match read(&mut draft, &mut reader).await {
            Ok(()) => Ok(draft),
            Err(refusal) => {
                reader.linger_during(draft.discard()).await;
                Err(refusal)
            }
        }
    }
}
