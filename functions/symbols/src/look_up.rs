//! A symbol server: what Breakpad's tools and Microsoft's debuggers ask for.
//!
//! Breakpad's tools ask for `game.pdb/{debug id}/game.sym`. Debuggers ask for the file itself: `game.pdb/{debug id}/game.pdb`
//! and `game.exe/{code id}/game.exe`.

use std::{io, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
    },
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use epitaph_bucket::{BucketError, Key};
use epitaph_crash_model::{ProjectId, Timestamp};
use epitaph_ingest::{Cause, Refusal};
use epitaph_symbolicate::{DebugId, Description, Format, Freshness, SymFile, write_sym};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{Fault, Symbols, unavailable};

/// How long a redirection to the bucket may be followed.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// That a file was used is noted once in this time.
const NOTED_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Where texts lie that were made for a look-up, among the parts of uploads.
const MADE: &str = "made";
/// Bytes that are written at once, and pieces that wait for the client.
const PIECE: usize = 64 << 10;
const WAITING: usize = 8;

pub(crate) async fn look_up(
    State(symbols): State<Symbols>,
    Path((token, _name, id, file)): Path<(String, String, String, String)>,
) -> Result<Response, Fault> {
    let Some(project) = symbols.reader(&token) else {
        let detail = "this token reads no symbols: `epitaph key PROJECT --symbols` prints the one that does";
        return Err(Refusal::new(Cause::Forbidden, detail).into());
    };
    let debug_id = DebugId::from_breakpad(&id).ok();
    let (found, id) = if let (true, Some(id)) = (has_ending(&file, "sym"), debug_id) {
        (symbols.breakpad_file(project, id).await?, id)
    } else {
        let (key, id) = symbols.file(project, debug_id, &id, &file).await?.ok_or(Fault::NotFound)?;
        (symbols.whole(&key, &file).await?, id)
    };
    symbols.note_use(project, id).await;
    Ok(found)
}

impl Symbols {
    async fn breakpad_file(&self, project: ProjectId, id: DebugId) -> Result<Response, Fault> {
        let sym = self.store().await?.sym(project, id, Freshness::Remembered).await?;
        match sym.ok_or(Fault::NotFound)? {
            SymFile::Uploaded(key) => self.whole(&key, "game.sym").await,
            SymFile::Of(made) => {
                let (sender, pieces) = mpsc::channel(WAITING);
                spawn_blocking(move || {
                    let failed = sender.clone();
                    let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender));
                    let written = write_sym(made.lines.as_ref(), made.unwind.as_ref(), &mut out);
                    if let Err(error) = written.and_then(|()| io::Write::flush(&mut out)) {
                        // The client must not take it for whole.
                        let _ = failed.blocking_send(Err(error));
                    }
                });
                if self.shared.answers_briefly {
                    let key = Key::symbol_part(project, MADE, &breakpad(id));
                    self.keep_made(&key, pieces).await?;
                    return self.whole(&key, "game.sym").await;
                }
                let pieces = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
                Ok(of_type(Body::from_stream(pieces), "text/plain; charset=utf-8"))
            }
        }
    }

    /// Puts what is made into the bucket, which gives out what is too long for an answer. It goes like the parts of
    /// uploads do, by its age.
    async fn keep_made(
        &self,
        key: &Key,
        mut pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), Refusal> {
        let mut upload = self.bucket().upload(key);
        let stored = async {
            while let Some(piece) = pieces.recv().await {
                let piece = piece.map_err(|error| unavailable(&error))?;
                upload.write(piece).await.map_err(|error| unavailable(&error))?;
            }
            Ok(())
        };
        match stored.await {
            Ok(()) => upload.finish().await.map(drop).map_err(|error| unavailable(&error)),
            Err(refusal) => {
                upload.abort().await;
                Err(refusal)
            }
        }
    }

    /// The key of a file as it was uploaded, and the debug id that it has.
    async fn file(
        &self,
        project: ProjectId,
        debug_id: Option<DebugId>,
        id: &str,
        file: &str,
    ) -> Result<Option<(Key, DebugId)>, Fault> {
        // Debuggers ask for packed ones and for pointers first.
        if has_ending(file, "pd_")
            || has_ending(file, "ex_")
            || has_ending(file, "dl_")
            || has_ending(file, "ptr")
        {
            return Ok(None);
        }
        let mut ids: Vec<DebugId> = debug_id.into_iter().collect();
        if ids.is_empty() || self.catalog().debug_files_of(project, &breakpad(ids[0])).await?.is_empty() {
            let of_code = self.catalog().debug_files_of_code(project, &id.to_lowercase()).await?;
            ids = of_code.iter().filter_map(|row| DebugId::from_breakpad(&row.debug_id).ok()).collect();
            ids.dedup();
        }
        for id in ids {
            let descriptions = self.store().await?.descriptions(project, id).await?;
            let best = descriptions.iter().filter_map(|known| Some((rank(known, file)?, known)));
            if let Some((_, known)) = best.max_by_key(|(rank, _)| *rank)
                && let Ok(key) = known.key.parse()
            {
                return Ok(Some((key, id)));
            }
        }
        Ok(None)
    }

    /// A file as it was uploaded: from the bucket itself where it can be asked, and through here where not.
    async fn whole(&self, key: &Key, name: &str) -> Result<Response, Fault> {
        if let Some(url) = self.bucket().presigned(key, LIFETIME, name).await?
            && let Ok(url) = HeaderValue::from_str(&url)
        {
            let headers = [(LOCATION, url), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            return Ok((StatusCode::FOUND, headers).into_response());
        }
        let (_, pieces) = self.bucket().stream(key).await?;
        let pieces = pieces.map_err(|error: BucketError| io::Error::other(error)).boxed();
        Ok(of_type(Body::from_stream(pieces), "application/octet-stream"))
    }

    /// That a file is used keeps it from being deleted. It is no reason to answer later or not at all.
    async fn note_use(&self, project: ProjectId, id: DebugId) {
        let now = Timestamp::now();
        let noted = self
            .catalog()
            .use_debug_files(project, &[breakpad(id)], now, now.plus_millis(-NOTED_MILLIS))
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, "that symbols were used cannot be noted");
        }
    }
}

fn breakpad(id: DebugId) -> String {
    id.breakpad().to_string()
}

fn has_ending(file: &str, ending: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(ending))
}

/// How well a file is what was asked for; `None` if it is not.
fn rank(known: &Description, file: &str) -> Option<(bool, bool)> {
    let format = known.file.format;
    let fits = if has_ending(file, "pdb") {
        matches!(format, Format::Pdb | Format::PortablePdb)
    } else if has_ending(file, "exe") || has_ending(file, "dll") || has_ending(file, "sys") {
        format == Format::Pe
    } else {
        format != Format::Breakpad
    };
    fits.then_some((known.uploaded_as.eq_ignore_ascii_case(file), known.file.has_lines))
}

fn of_type(body: Body, content_type: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

/// Sends what is written.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
