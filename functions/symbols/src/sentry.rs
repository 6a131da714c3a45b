//! What `sentry-cli debug-files upload` asks for: a file is cut into chunks that are named by their SHA-1, those that the
//! server lacks are sent, and then the server is asked again and again what becomes of the whole.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
};
use epitaph_bucket::{Key, Upload};
use epitaph_catalog::{SymbolUpload, UploadState};
use epitaph_crash_model::{ProjectId, Timestamp, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_ingest::{
    Cause, Refusal,
    body::linger,
    multipart::{Event, Parser, boundary_of},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::{
    Fault, MOST_PARTS, Symbols,
    announce::{plain_name, read},
    part::{Receiver, read_form},
    unavailable,
};

const CHUNKS: &str = "chunks";
/// Bytes of a chunk. Files of more than `MOST_PARTS` of them are refused.
const CHUNK: u64 = 8 << 20;
/// Chunks, and bytes, of one request.
const MOST_CHUNKS: u64 = 64;
const LARGEST_REQUEST: u64 = 32 << 20;
/// What a form has besides.
const AROUND: u64 = 1 << 20;
/// Files of one question.
const MOST_FILES: usize = 1000;
/// A file that was refused may come again after this time; until then it is told why.
const TOLD_MILLIS: i64 = 30 * 1000;
/// One that has waited for so long is handed over again: whoever noted it may have died before. Twice is fine.
const LOST_MILLIS: i64 = 5 * 60 * 1000;

/// How files are to be cut and sent.
pub(crate) async fn options(
    State(symbols): State<Symbols>,
    Path(organization): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Fault> {
    symbols.uploader(&uri, &headers)?;
    let request = LARGEST_REQUEST.min(symbols.shared.part_bytes);
    Ok(Json(json!({
        "url": format!("/api/0/organizations/{organization}/chunk-upload/"),
        "chunkSize": CHUNK.min(symbols.shared.part_bytes),
        "chunksPerRequest": MOST_CHUNKS,
        "maxFileSize": symbols.shared.largest.min(CHUNK * MOST_PARTS),
        "maxRequestSize": request,
        "concurrency": 4,
        "hashAlgorithm": "sha1",
        "compression": [],
        "accept": ["debug_files", "pdbs", "portablepdbs", "sources", "il2cpp", "proguard"],
    })))
}

/// Chunks, each a file whose name is its SHA-1.
pub(crate) async fn chunks(
    State(symbols): State<Symbols>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Fault> {
    let project = match symbols.uploader(&uri, &headers) {
        Ok(project) => project,
        Err(refusal) => {
            linger(body).await;
            return Err(refusal.into());
        }
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(mut parser) =
        content_type.and_then(boundary_of).and_then(|boundary| Parser::new(&boundary).ok())
    else {
        return Err(Refusal::new(Cause::Unsupported, "expected multipart/form-data with chunks").into());
    };
    let mut reader = symbols.reader_of(&headers, body, LARGEST_REQUEST + AROUND).await?;
    let mut form = Chunks { symbols: &symbols, project, open: None };
    match read_form(&mut parser, &mut reader, &mut form).await {
        Ok(()) => Ok(StatusCode::OK),
        Err(refusal) => {
            let abort = async {
                if let Some(open) = form.open {
                    open.upload.abort().await;
                }
            };
            reader.linger_during(abort).await;
            Err(refusal.into())
        }
    }
}

fn chunk_key(project: ProjectId, sha1: &str) -> Key {
    Key::symbol_part(project, CHUNKS, sha1)
}

fn is_sha1(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

struct Chunks<'a> {
    symbols: &'a Symbols,
    project: ProjectId,
    open: Option<Open>,
}

/// The chunk that is being received.
struct Open {
    sha1: String,
    hasher: Sha1,
    upload: Upload,
}

impl Receiver for Chunks<'_> {
    async fn event(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Part(head) => {
                let sha1 = head.file_name.filter(|name| is_sha1(name)).ok_or_else(|| {
                    Refusal::new(Cause::Malformed, "expected chunks whose file names are their SHA-1")
                })?;
                if head.name != "file" {
                    return Err(Refusal::new(Cause::Unsupported, "expected chunks that are not packed"));
                }
                let upload = self.symbols.bucket().upload(&chunk_key(self.project, &sha1));
                self.open = Some(Open { sha1, hasher: Sha1::new(), upload });
            }
            Event::Data(data) => {
                if let Some(open) = &mut self.open {
                    open.hasher.update(&data);
                    open.upload.write(data).await.map_err(|error| unavailable(&error))?;
                }
            }
            Event::PartEnd => {
                if let Some(Open { sha1, hasher, upload }) = self.open.take() {
                    let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                    if found != sha1 {
                        upload.abort().await;
                        return Err(Refusal::new(
                            Cause::Malformed,
                            format!("a chunk is not {sha1}: send it again"),
                        ));
                    }
                    upload.finish().await.map_err(|error| unavailable(&error))?;
                }
            }
        }
        Ok(())
    }
}

/// A file, as it was cut.
#[derive(Debug, Deserialize)]
pub(crate) struct Cut {
    name: String,
    #[serde(default)]
    debug_id: Option<String>,
    chunks: Vec<String>,
}

/// What becomes of a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assembled {
    /// `not_found`, `assembling`, `ok` or `error`.
    state: &'static str,
    missing_chunks: Vec<String>,
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dif: Option<Value>,
}

impl Assembled {
    fn new(state: &'static str) -> Self {
        Self { state, missing_chunks: Vec::new(), detail: None, dif: None }
    }
}

pub(crate) async fn assemble(
    State(symbols): State<Symbols>,
    Path((_, named)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<BTreeMap<String, Cut>>, JsonRejection>,
) -> Result<Json<BTreeMap<String, Assembled>>, Fault> {
    let project = symbols.uploader(&uri, &headers)?;
    if named != project.to_string() {
        let detail = format!("the token is of project {project}: expected --project {project}");
        return Err(Refusal::new(Cause::Forbidden, detail).into());
    }
    let files = read(body)?;
    if files.len() > MOST_FILES {
        return Err(Refusal::new(Cause::TooLarge, format!("expected at most {MOST_FILES} files")).into());
    }
    let there = symbols.parts(project, CHUNKS).await?;
    let mut answers = BTreeMap::new();
    for (sha1, cut) in files {
        let answer = symbols.assembled(project, &sha1, cut, &there).await?;
        answers.insert(sha1, answer);
    }
    Ok(Json(answers))
}

impl Symbols {
    /// What becomes of a file; if nothing yet and all its chunks are there, it begins now.
    async fn assembled(
        &self,
        project: ProjectId,
        sha1: &str,
        cut: Cut,
        there: &HashMap<Key, u64>,
    ) -> Result<Assembled, Fault> {
        let ago = |millis: i64| Timestamp::now().plus_millis(-millis);
        let digest = format!("sha1:{sha1}");
        let known = self.catalog().symbol_upload(project, &digest).await?;
        match known {
            Some(known) if known.state == UploadState::Done => {
                return Ok(Assembled {
                    dif: Some(dif(sha1, &known, cut.debug_id.as_deref())),
                    ..Assembled::new("ok")
                });
            }
            Some(known) if known.state == UploadState::Waiting && known.changed_at >= ago(LOST_MILLIS) => {
                return Ok(Assembled::new("assembling"));
            }
            Some(known) if known.state == UploadState::Refused && known.changed_at >= ago(TOLD_MILLIS) => {
                return Ok(Assembled { detail: known.reason, ..Assembled::new("error") });
            }
            _ => {}
        }
        if !is_sha1(sha1) || !cut.chunks.iter().all(|chunk| is_sha1(chunk)) || cut.chunks.is_empty() {
            let detail = Some("expected SHA-1s of 40 hexadecimal digits in lower case".to_owned());
            return Ok(Assembled { detail, ..Assembled::new("error") });
        }
        if cut.chunks.len() as u64 > MOST_PARTS {
            let detail = Some(format!("it has more than {MOST_PARTS} chunks"));
            return Ok(Assembled { detail, ..Assembled::new("error") });
        }
        let keys: Vec<Key> = cut.chunks.iter().map(|chunk| chunk_key(project, chunk)).collect();
        let missing = cut.chunks.iter().zip(&keys).filter(|(_, key)| !there.contains_key(key));
        let missing_chunks: Vec<String> = missing.map(|(chunk, _)| chunk.clone()).collect();
        if !missing_chunks.is_empty() {
            return Ok(Assembled { missing_chunks, ..Assembled::new("not_found") });
        }
        let note = SymbolUpload {
            digest: digest.clone(),
            name: plain_name(&cut.name),
            size: keys.iter().filter_map(|key| there.get(key)).sum(),
            release: None,
            state: UploadState::Waiting,
            reason: None,
            changed_at: Timestamp::now(),
        };
        if let Err(refusal) = self.check_size(note.size) {
            return Ok(Assembled { detail: Some(refusal.detail.into_owned()), ..Assembled::new("error") });
        }
        let uploaded = UploadedFile {
            version: UPLOADED_FILE_VERSION,
            project,
            digest,
            name: note.name.clone(),
            size: note.size,
            release: None,
            parts: keys.iter().map(ToString::to_string).collect(),
        };
        self.begin(&uploaded, &note).await?;
        Ok(Assembled::new("assembling"))
    }
}

/// What the client shows of a file that is here.
fn dif(sha1: &str, upload: &SymbolUpload, debug_id: Option<&str>) -> Value {
    json!({
        "sha1": sha1,
        "debugId": debug_id,
        "objectName": upload.name,
        "cpuName": "any",
        "data": { "features": [] },
    })
}
