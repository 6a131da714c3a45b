//! The form that Breakpad's `sym_upload` posts: the file as `symbol_file`, and fields that say what it is, which the file
//! itself says better.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Uri, header::CONTENT_TYPE},
};
use epitaph_bucket::{Key, Upload};
use epitaph_catalog::{SymbolUpload, UploadState};
use epitaph_crash_model::{ProjectId, Timestamp, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_ingest::{
    Cause, Refusal,
    body::linger,
    multipart::{Event, Parser, boundary_of},
};
use sha2::{Digest as _, Sha256};

use crate::{
    Fault, Symbols,
    announce::plain_name,
    part::{Receiver, read_form},
    unavailable,
};

const FILE: &str = "symbol_file";
/// The longest value of another field that is read.
const FIELD: usize = 512;

pub(crate) async fn receive(
    State(symbols): State<Symbols>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SymbolUpload>, Fault> {
    let project = match symbols.authenticate(&project, &uri, &headers) {
        Ok((project, _)) => project,
        Err(refusal) => {
            linger(body).await;
            return Err(refusal.into());
        }
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(boundary_of);
    let Some(mut parser) = boundary.and_then(|boundary| Parser::new(&boundary).ok()) else {
        let detail = "expected multipart/form-data with the debug file as symbol_file";
        return Err(Refusal::new(Cause::Unsupported, detail).into());
    };
    let mut reader = symbols.reader_of(&headers, body, symbols.shared.largest).await?;
    let key = Key::symbol_part(project, &uuid::Uuid::now_v7().simple().to_string(), "0");
    let mut form = Form { symbols: &symbols, key, open: Open::Nothing, file: None, release: None };
    let read = read_form(&mut parser, &mut reader, &mut form).await;
    match read.and_then(|()| form.taken()) {
        Ok(received) => symbols.keep(project, received).await,
        Err(refusal) => {
            reader.linger_during(form.drop_all()).await;
            Err(refusal.into())
        }
    }
}

impl Symbols {
    async fn keep(&self, project: ProjectId, received: Received) -> Result<Json<SymbolUpload>, Fault> {
        let Received { key, name, size, sha256, release } = received;
        if self.catalog().project(project).await?.is_none() {
            let detail = format!("project {project} does not exist; add it with `epitaph project add`");
            return Err(Refusal::new(Cause::Malformed, detail).into());
        }
        let digest = format!("sha256:{sha256}");
        let known = self.catalog().symbol_upload(project, &digest).await?;
        if let Some(known) = known.filter(|known| known.state == UploadState::Done) {
            self.bucket().delete(&key).await?;
            return Ok(Json(known));
        }
        let note = SymbolUpload {
            digest: digest.clone(),
            name: name.clone(),
            size,
            release: release.clone(),
            state: UploadState::Waiting,
            reason: None,
            changed_at: Timestamp::now(),
        };
        let parts = vec![key.to_string()];
        let uploaded =
            UploadedFile { version: UPLOADED_FILE_VERSION, project, digest, name, size, release, parts };
        self.begin(&uploaded, &note).await?;
        Ok(Json(note))
    }
}

/// The file of a form, in the bucket.
struct Received {
    key: Key,
    name: String,
    size: u64,
    sha256: String,
    release: Option<String>,
}

/// A form that is being received.
struct Form<'a> {
    symbols: &'a Symbols,
    key: Key,
    open: Open,
    file: Option<Received>,
    release: Option<String>,
}

/// The part that is open.
enum Open {
    Nothing,
    File {
        name: String,
        size: u64,
        hasher: Sha256,
        upload: Box<Upload>,
    },
    /// `version`, which is a release.
    Version(Vec<u8>),
}

impl Receiver for Form<'_> {
    async fn event(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Part(head) if head.name == FILE && self.file.is_none() => {
                let name = plain_name(head.file_name.as_deref().unwrap_or("unnamed.sym"));
                let upload = Box::new(self.symbols.bucket().upload(&self.key));
                self.open = Open::File { name, size: 0, hasher: Sha256::new(), upload };
            }
            Event::Part(head) if head.name == "version" => self.open = Open::Version(Vec::new()),
            Event::Part(_) => self.open = Open::Nothing,
            Event::Data(data) => match &mut self.open {
                Open::File { size, hasher, upload, .. } => {
                    *size += data.len() as u64;
                    hasher.update(&data);
                    upload.write(data).await.map_err(|error| unavailable(&error))?;
                }
                Open::Version(version) if version.len() < FIELD => version.extend_from_slice(&data),
                Open::Version(_) | Open::Nothing => {}
            },
            Event::PartEnd => match std::mem::replace(&mut self.open, Open::Nothing) {
                Open::File { name, size, hasher, upload } => {
                    upload.finish().await.map_err(|error| unavailable(&error))?;
                    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                    self.file = Some(Received { key: self.key.clone(), name, size, sha256, release: None });
                }
                Open::Version(version) => {
                    let version: String = String::from_utf8_lossy(&version).chars().take(200).collect();
                    self.release = Some(version).filter(|version| !version.is_empty());
                }
                Open::Nothing => {}
            },
        }
        Ok(())
    }
}

impl Form<'_> {
    fn taken(&mut self) -> Result<Received, Refusal> {
        match self.file.take().filter(|file| file.size > 0) {
            Some(file) => Ok(Received { release: self.release.take(), ..file }),
            None => Err(Refusal::new(Cause::Malformed, "the form has no file in the field symbol_file")),
        }
    }

    /// Removes what was stored of a form that is refused.
    async fn drop_all(self) {
        if let Open::File { upload, .. } = self.open {
            upload.abort().await;
        }
        if let Err(error) = self.symbols.bucket().delete(&self.key).await {
            tracing::warn!(%error, "a part cannot be deleted now");
        }
    }
}
