//! One part of an upload, from the request into the bucket.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
};
use epitaph_bucket::Key;
use epitaph_crash_model::ProjectId;
use epitaph_host::Limits;
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    multipart::{Event, MultipartError, Parser},
};
use serde_json::{Value, json};

use crate::{
    Fault, Symbols,
    announce::{Parts, check_digest},
    unavailable,
};

/// How long a part may be put into the bucket directly.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What takes the parts of a form.
pub(crate) trait Receiver {
    async fn event(&mut self, event: Event) -> Result<(), Refusal>;
}

/// Reads a form to its end.
pub(crate) async fn read_form(
    parser: &mut Parser,
    reader: &mut BodyReader,
    receiver: &mut impl Receiver,
) -> Result<(), Refusal> {
    let malformed = |error: MultipartError| Refusal::new(Cause::Malformed, error.to_string());
    while let Some(bytes) = reader.next().await? {
        parser.feed(&bytes);
        while let Some(event) = parser.next_event().map_err(malformed)? {
            receiver.event(event).await?;
        }
    }
    parser.finish().map_err(malformed)
}

/// `?size=` is that of the whole file, of which follows how large this part is.
pub(crate) async fn receive(
    State(symbols): State<Symbols>,
    Path((project, upload, part)): Path<(String, String, u64)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let refused = match symbols.expected(&project, &upload, part, &uri, &headers) {
        Ok((project, parts, expected)) => {
            symbols.store_part(&parts.key(project, part), expected, &headers, body).await?;
            return Ok((StatusCode::OK, Json(json!({ "part": part, "size": expected }))));
        }
        Err(refusal) => refusal,
    };
    epitaph_ingest::body::linger(body).await;
    Err(refused.into())
}

/// `url`: where a client that can reach the bucket may `PUT` the part, without any header of ours; `null` where there is
/// no such place. `?size=` as above. What is put there is checked when the file is put together.
pub(crate) async fn place(
    State(symbols): State<Symbols>,
    Path((project, upload, part)): Path<(String, String, u64)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Fault> {
    let (project, parts, _) = symbols.expected(&project, &upload, part, &uri, &headers)?;
    let url = symbols.bucket().presigned_put(&parts.key(project, part), LIFETIME).await?;
    Ok(Json(json!({ "url": url })))
}

impl Symbols {
    fn expected(
        &self,
        project: &str,
        upload: &str,
        part: u64,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(ProjectId, Parts, u64), Refusal> {
        let (project, _) = self.authenticate(project, uri, headers)?;
        check_digest(upload)?;
        let query = uri.query().unwrap_or_default();
        let size = query.split('&').find_map(|pair| pair.strip_prefix("size=")?.parse().ok());
        let size = size.ok_or_else(|| {
            Refusal::new(Cause::Malformed, "expected ?size=BYTES, which is that of the whole file")
        })?;
        self.check_size(size)?;
        let parts = Parts::of(upload, size, self.shared.part_bytes);
        let expected = parts.size_of(part).ok_or_else(|| {
            Refusal::new(Cause::Malformed, format!("a file of {size} bytes has no part {part}"))
        })?;
        Ok((project, parts, expected))
    }

    /// Stores a part of exactly so many bytes.
    async fn store_part(
        &self,
        key: &Key,
        expected: u64,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), Refusal> {
        let mut reader = self.reader_of(headers, body, expected).await?;
        let mut upload = self.bucket().upload(key);
        let stored = async {
            let mut size = 0;
            while let Some(piece) = reader.next().await? {
                size += piece.len() as u64;
                upload.write(piece).await.map_err(|error| unavailable(&error))?;
            }
            if size == expected {
                return Ok(());
            }
            let detail = format!("the part has {size} bytes: expected {expected}");
            Err(Refusal::new(Cause::Malformed, detail))
        };
        match stored.await {
            Ok(()) => upload.finish().await.map(drop).map_err(|error| unavailable(&error)),
            Err(refusal) => {
                reader.linger_during(upload.abort()).await;
                Err(refusal)
            }
        }
    }

    /// A reader of a body of at most so many bytes.
    pub(crate) async fn reader_of(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: u64,
    ) -> Result<BodyReader, Refusal> {
        let limits = Limits { request: most, ..self.shared.limits.clone() };
        match BodyReader::open(headers, body, &limits, &self.shared.engines.budget) {
            Ok(reader) => Ok(reader),
            Err(unread) => Err(unread.linger().await),
        }
    }
}
