//! `GET /api/v1/projects/{project}/crashes/{crash}/payloads/{index}`: a file of a report, as the client sent it.

use std::time::Duration;

use async_compression::tokio::bufread::ZstdDecoder;
use axum::{
    body::Body,
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
    },
    response::{IntoResponse, Response},
};
use epitaph_bucket::{BucketError, Key};
use epitaph_crash_model::{CrashId, Encoding, Role, StoredPayload};
use futures_util::TryStreamExt;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::{Dashboard, fault::Fault};

/// How long a browser has to begin a download from the bucket.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The longest file name that is suggested, in bytes.
const LONGEST_NAME: usize = 80;

/// Streams the file, unpacked, or sends the client to the bucket for one that is too large to get through. It is a
/// stranger's: always an attachment, and never of a type that a browser shows.
pub(super) async fn download(
    State(dashboard): State<Dashboard>,
    Path((project, crash, index)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let project = dashboard.project(&project).await?.id;
    let found = dashboard.find(project, &crash).await?;
    let crash = found.row.fact.crash_id;
    let document = found.document.ok_or(Fault::NoSuchFile)?;
    let payload = index
        .parse::<usize>()
        .ok()
        .and_then(|index| document.payloads.get(index))
        .ok_or(Fault::NoSuchFile)?;
    // The document may come from a message: it must not name what belongs to another crash.
    let key = payload.key.parse().ok().filter(|key: &Key| key.is_payload_of(project, crash));
    let key = key.ok_or(Fault::NoSuchFile)?;
    if !dashboard.may_answer(payload.size)
        && let Some(elsewhere) = presigned(&dashboard, &key, crash, payload).await?
    {
        return Ok((StatusCode::FOUND, [(LOCATION, elsewhere)]).into_response());
    }
    let (size, pieces) = match dashboard.bucket().stream(&key).await {
        Err(BucketError::NotFound(_)) => return Err(Fault::NoSuchFile),
        answer => answer?,
    };
    let mut response = match payload.encoding {
        Encoding::Identity => {
            let mut response = Body::from_stream(pieces).into_response();
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
            response
        }
        Encoding::Zstd => {
            let packed = StreamReader::new(pieces.map_err(std::io::Error::other));
            // What unpacks to more than it had is broken, and is not followed without end.
            let unpacked = ZstdDecoder::new(packed).take(payload.size);
            Body::from_stream(ReaderStream::with_capacity(unpacked, 64 * 1024)).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let disposition = format!("attachment; filename=\"{}\"", file_name(crash, payload));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Fault::broken)?);
    Ok(response)
}

/// Where the file can be had from the bucket itself: packed, if it is kept so. `None` if the bucket has no such way.
async fn presigned(
    dashboard: &Dashboard,
    key: &Key,
    crash: CrashId,
    payload: &StoredPayload,
) -> Result<Option<String>, Fault> {
    let mut name = file_name(crash, payload);
    if payload.encoding == Encoding::Zstd {
        name.push_str(".zst");
    }
    let url = dashboard.bucket().presigned(key, LIFETIME, &name).await?;
    if url.is_some() && !dashboard.bucket().exists(key).await? {
        return Err(Fault::NoSuchFile);
    }
    Ok(url)
}

/// A name that no system trips over: letters, digits, `-`, `_` and inner dots. A minidump is named after its crash,
/// since clients give all of them one name.
fn file_name(crash: CrashId, payload: &StoredPayload) -> String {
    if payload.role == Role::Minidump {
        return format!("{crash}.dmp");
    }
    let last = payload.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = last.chars().map(plain).collect();
    let name = name.trim_matches('.');
    // The end tells the type.
    let name = &name[name.len().saturating_sub(LONGEST_NAME)..];
    if name.is_empty() { format!("{crash}.bin") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_safe_on_every_system() {
        let crash = CrashId::new();
        let name = |name: &str, role| {
            file_name(
                crash,
                &StoredPayload {
                    role,
                    name: name.to_owned(),
                    content_type: None,
                    size: 0,
                    key: String::new(),
                    encoding: Encoding::Identity,
                },
            )
        };
        assert_eq!(name("upload_file_minidump", Role::Minidump), format!("{crash}.dmp"));
        assert_eq!(name("..\\..\\game.log", Role::Attachment), "game.log");
        assert_eq!(name("a\"b\r\nSet-Cookie: x", Role::Attachment), "a_b__Set-Cookie__x");
        assert_eq!(name("게임.log", Role::Attachment), "__.log");
        assert_eq!(name("/etc/..", Role::Attachment), format!("{crash}.bin"));
        assert_eq!(name(&"x".repeat(500), Role::Attachment).len(), LONGEST_NAME);
    }
}
