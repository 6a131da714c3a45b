//! Reading a request's body, within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{Event, EventError};

/// A broker is near: its events are here in no time, or it is gone.
const LONGEST_BODY: Duration = Duration::from_secs(30);

/// Reads the event that a request carries, of at most `largest` bytes.
///
/// # Errors
/// [`EventError`].
pub async fn receive<B>(request: Request<B>, largest: usize) -> Result<Event, EventError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, largest);
    let mut body = std::pin::pin!(body);
    let collected = tokio::time::timeout(LONGEST_BODY, (&mut body).collect()).await;
    let body = collected.map_err(|_| EventError::Unfinished)?.map_err(|error| {
        if error.is::<LengthLimitError>() { EventError::TooLarge(largest) } else { EventError::Unfinished }
    })?;
    Event::read(&parts.headers, body.to_bytes())
}
