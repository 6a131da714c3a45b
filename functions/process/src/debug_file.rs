//! From an uploaded debug file to symbols that can be looked up.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_catalog::{Catalog, CatalogError, DebugFileRow, SymbolUpload, UploadState};
use epitaph_crash_model::{Message, ProjectId, Timestamp, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_symbolicate::{CacheKind, Converted, DebugId, Store, StoredFile, SymbolError, Work, Worth};
use futures_util::TryStreamExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    converter::{self, Conversion, ConverterSettings},
    processor::{Refusal, in_full},
    steps::{Step, Steps},
    symbol_sources::SymbolSourceSettings,
    symbols::Shelf,
};

/// Debug files that are converted at once. One may take gigabytes.
const AT_ONCE: usize = 1;
/// Bytes that are hashed at once.
const PIECE: usize = 256 << 10;

/// How debug files are converted.
#[derive(Debug, Clone)]
pub struct SymbolSettings {
    /// The converter.
    pub converter: ConverterSettings,
    /// Where files lie while they are converted, and symbols that are used.
    pub folder: PathBuf,
    /// Bytes of symbols that are kept there.
    pub cache: u64,
    /// How other symbol servers are asked.
    pub sources: SymbolSourceSettings,
}

/// A file that another symbol server gave.
pub(crate) struct Fetched {
    /// Whom it is for.
    pub(crate) project: ProjectId,
    /// The debug id that it was asked for by.
    pub(crate) id: DebugId,
    /// What it is called.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

/// Converts debug files. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DebugFiles {
    settings: Arc<SymbolSettings>,
    bucket: Bucket,
    catalog: Catalog,
    turns: Arc<Semaphore>,
    shelf: Shelf,
    steps: Steps,
}

/// What may have come with a message.
pub(crate) struct Arrived {
    pub(crate) project: ProjectId,
    /// The debug ids that are listed now; `None` where they were listed before, by whoever did not answer.
    pub(crate) debug_ids: Option<Vec<String>>,
}

impl Arrived {
    fn nothing(project: ProjectId) -> Self {
        Self { project, debug_ids: Some(Vec::new()) }
    }
}

/// A file that cannot be put together as it was announced.
enum Unlike {
    /// What was uploaded is not what was announced.
    Wrong(String),
    /// The bucket or this machine failed.
    Failed(Refusal),
}

impl DebugFiles {
    pub(crate) fn new(settings: Arc<SymbolSettings>, bucket: Bucket, catalog: Catalog, shelf: Shelf) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { settings, bucket, catalog, turns, shelf, steps: Steps::default() }
    }

    pub(crate) fn telling(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }

    /// Converts the file that a message tells of, and publishes what comes of it. What comes again, also at the same time,
    /// changes nothing. Some crashes may have lacked what it gives.
    pub(crate) async fn handle(&self, message: &Message) -> Result<Arrived, Refusal> {
        let uploaded = read(message)?;
        let project = uploaded.project;
        if self.catalog.project(project).await?.is_none() {
            return Err(CatalogError::UnknownProject(project).into());
        }
        let noted = self.catalog.symbol_upload(project, &uploaded.digest).await?;
        if noted.is_some_and(|noted| noted.state == UploadState::Done) {
            self.forget_parts(&uploaded).await?;
            return Ok(Arrived { project, debug_ids: None });
        }
        let _turn = self.turn()?;
        let (disk, store) = self.shelf.store().await?;
        let work = disk.work()?;
        let path = work.path().join("file");
        match self.assemble(&uploaded, &path).await {
            Ok(()) => {}
            Err(Unlike::Wrong(why)) => {
                self.refuse(&uploaded, why).await?;
                return Ok(Arrived::nothing(project));
            }
            Err(Unlike::Failed(refusal)) => return Err(refusal),
        }
        let conversion = self.convert(&uploaded, &path, &work).await?;
        self.steps.at(Step::Converted).await;
        match conversion {
            Conversion::Refused(why) => {
                self.refuse(&uploaded, why).await?;
                Ok(Arrived::nothing(project))
            }
            Conversion::Converted(all) => {
                let listed = self.publish(&uploaded, store, &path, &all).await?;
                Ok(Arrived { project, debug_ids: Some(listed) })
            }
        }
    }

    /// The turn to convert a file, if it is free. Who waited for it would hold a place that reports need.
    pub(crate) fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.turns.try_acquire().map_err(|_| Refusal::Busy)
    }

    /// Converts a file that another symbol server gave, and publishes what is of the debug id that it was asked for. Says why,
    /// if there is nothing.
    pub(crate) async fn take_in(&self, fetched: Fetched, work: &Work) -> Result<Result<(), String>, Refusal> {
        let Fetched { project, id, name, path } = fetched;
        let (size, digest) = measured(path.clone()).await?;
        let version = UPLOADED_FILE_VERSION;
        let file = UploadedFile { version, project, digest, name, size, release: None, parts: Vec::new() };
        let mut all = match self.convert(&file, &path, work).await? {
            Conversion::Refused(why) => return Ok(Err(why)),
            Conversion::Converted(all) => all,
        };
        all.retain(|converted| converted.file.id() == Some(id));
        if all.is_empty() {
            return Ok(Err(format!("it is not of the debug id {}", id.breakpad())));
        }
        let (_, store) = self.shelf.store().await?;
        self.publish(&file, store, &path, &all).await.map(|_| Ok(()))
    }

    /// Puts the parts together, and sees that they are what was announced.
    async fn assemble(&self, uploaded: &UploadedFile, path: &Path) -> Result<(), Unlike> {
        let mut file = tokio::fs::File::create(path).await.map_err(|error| Unlike::disk(&error))?;
        let mut size = 0_u64;
        for key in &uploaded.parts {
            let key: Key = key.parse().map_err(|_| Unlike::Wrong(format!("{key:?} is no key")))?;
            let found = match self.bucket.stream(&key).await {
                Err(BucketError::NotFound(_)) => {
                    return Err(Unlike::Wrong("a part of it is no longer there; upload it again".to_owned()));
                }
                found => found,
            };
            let (_, mut pieces) = found.map_err(|error| Unlike::bucket(&error))?;
            while let Some(piece) = pieces.try_next().await.map_err(|error| Unlike::bucket(&error))? {
                size += piece.len() as u64;
                if size > uploaded.size {
                    return Err(Unlike::Wrong(format!(
                        "it has more than the {} bytes that were announced",
                        uploaded.size
                    )));
                }
                tokio::io::AsyncWriteExt::write_all(&mut file, &piece)
                    .await
                    .map_err(|error| Unlike::disk(&error))?;
            }
        }
        tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(|error| Unlike::disk(&error))?;
        if size != uploaded.size {
            return Err(Unlike::Wrong(format!("it has {size} bytes; {} were announced", uploaded.size)));
        }
        let (path, digest) = (path.to_owned(), uploaded.digest.clone());
        let is_it = tokio::task::spawn_blocking(move || is_of_digest(&path, &digest)).await;
        match is_it
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| Unlike::disk(&error))?
        {
            true => Ok(()),
            false => {
                Err(Unlike::Wrong(format!("its content is not {}; it broke on its way", uploaded.digest)))
            }
        }
    }

    async fn convert(
        &self,
        uploaded: &UploadedFile,
        path: &Path,
        work: &Work,
    ) -> Result<Conversion, Refusal> {
        let into = work.path().join("caches");
        let failed = |error: io::Error| Refusal::Later(format!("{} cannot be used: {error}", into.display()));
        std::fs::create_dir(&into).map_err(failed)?;
        let file = File::open(path).map_err(failed)?;
        let conversion = converter::convert(&self.settings.converter, &file, &uploaded.name, &into).await?;
        // The child may have been taken over: it says what is in the one folder that it could write to, and nothing else.
        if let Conversion::Converted(all) = &conversion
            && !all.iter().flat_map(|converted| &converted.caches).all(|made| is_plain_in(&made.path, &into))
        {
            return Ok(Conversion::Refused("its reader speaks of files that it did not make".to_owned()));
        }
        Ok(conversion)
    }

    async fn publish(
        &self,
        uploaded: &UploadedFile,
        store: &Store,
        path: &Path,
        all: &[Converted],
    ) -> Result<Vec<String>, Refusal> {
        if all.iter().all(|converted| converted.file.id().is_none()) {
            let why = "no crash can name it: it has no debug id (of an ELF: link it with --build-id)";
            self.refuse(uploaded, why.to_owned()).await?;
            return Ok(Vec::new());
        }
        let mut listed = Vec::new();
        let stored = store.keep_file(uploaded.project, path).await?;
        for converted in all {
            let published = store.publish(uploaded.project, &stored, &uploaded.name, converted).await?;
            if published.is_some()
                && let Some(row) = row(uploaded, &stored, converted)
            {
                self.catalog.add_debug_file(&row).await?;
                listed.push(row.debug_id);
            }
        }
        let faults: Vec<String> = all.iter().flat_map(|converted| converted.faults.clone()).collect();
        let reason = (!faults.is_empty()).then(|| faults.join("; "));
        // Whoever asks by the one digest next time need not upload it because it came by the other.
        for digest in [format!("sha256:{}", stored.sha256), uploaded.digest.clone()] {
            self.note(uploaded, &digest, UploadState::Done, reason.clone()).await?;
        }
        tracing::info!(project = %uploaded.project, name = uploaded.name, "converted a debug file");
        self.forget_parts(uploaded).await?;
        Ok(listed)
    }

    async fn refuse(&self, uploaded: &UploadedFile, why: String) -> Result<(), Refusal> {
        tracing::warn!(project = %uploaded.project, name = uploaded.name, why, "a debug file cannot be used");
        self.note(uploaded, &uploaded.digest, UploadState::Refused, Some(why)).await?;
        self.forget_parts(uploaded).await
    }

    async fn note(
        &self,
        uploaded: &UploadedFile,
        digest: &str,
        state: UploadState,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let upload = SymbolUpload {
            digest: digest.to_owned(),
            name: uploaded.name.clone(),
            size: uploaded.size,
            release: uploaded.release.clone(),
            state,
            reason,
            changed_at: Timestamp::now(),
        };
        Ok(self.catalog.note_symbol_upload(uploaded.project, &upload).await?)
    }

    /// Deletes the parts, last of all. Parts of one upload may be parts of another: while that waits they stay, and go when
    /// they are old.
    async fn forget_parts(&self, uploaded: &UploadedFile) -> Result<(), Refusal> {
        if self.catalog.other_symbol_uploads_wait(uploaded.project, &uploaded.digest).await? {
            return Ok(());
        }
        for key in uploaded.parts.iter().filter_map(|key| key.parse::<Key>().ok()) {
            if let Err(error) = self.bucket.delete(&key).await {
                tracing::warn!(%key, error = in_full(&error), "a part cannot be deleted now");
            }
        }
        Ok(())
    }
}

impl Unlike {
    fn bucket(error: &BucketError) -> Self {
        Self::Failed(Refusal::Later(in_full(error)))
    }

    fn disk(error: &io::Error) -> Self {
        Self::Failed(Refusal::Later(format!("this machine has no room for a debug file: {error}")))
    }
}

impl From<SymbolError> for Refusal {
    fn from(error: SymbolError) -> Self {
        Self::Later(in_full(&error))
    }
}

/// The file in a message, if it is one that this code reads and names nothing that is another's.
fn read(message: &Message) -> Result<UploadedFile, Refusal> {
    let uploaded: UploadedFile = message
        .read()
        .map_err(|error| Refusal::Dead(format!("the message tells of no debug file: {error}")))?;
    if uploaded.version > UPLOADED_FILE_VERSION {
        return Err(Refusal::Dead(format!(
            "it tells of a debug file in version {}, and this program reads up to {UPLOADED_FILE_VERSION}; update it, \
             then re-drive the message",
            uploaded.version
        )));
    }
    if message.project() != Some(uploaded.project) {
        return Err(Refusal::Dead("the message is about another project than its debug file".to_owned()));
    }
    let is_own = |key: &String| key.parse::<Key>().is_ok_and(|key| key.is_symbol_part_of(uploaded.project));
    match uploaded.parts.iter().find(|key| !is_own(key)) {
        Some(key) => Err(Refusal::Dead(format!("it names a part that is not its project's: {key:?}"))),
        None => Ok(uploaded),
    }
}

/// Whether a path is that of a plain file directly in a folder.
fn is_plain_in(path: &Path, folder: &Path) -> bool {
    path.parent() == Some(folder)
        && path.file_name().is_some()
        && path.symlink_metadata().is_ok_and(|about| about.is_file())
}

fn row(uploaded: &UploadedFile, stored: &StoredFile, converted: &Converted) -> Option<DebugFileRow> {
    let file = &converted.file;
    let worth = |kind| {
        let made = converted.caches.iter().find(|made| made.kind == kind);
        made.map(|made| match made.quality.worth {
            Worth::Full => "full".to_owned(),
            Worth::Functions => "functions".to_owned(),
            Worth::Names => "names".to_owned(),
        })
    };
    let now = Timestamp::now();
    Some(DebugFileRow {
        project: uploaded.project,
        debug_id: file.debug_id.clone()?,
        sha256: stored.sha256.clone(),
        code_id: file.code_id.clone(),
        name: file.name.clone(),
        uploaded_as: uploaded.name.clone(),
        format: file.format.name().to_owned(),
        arch: file.arch.clone(),
        size: stored.size,
        lines: worth(CacheKind::Lines).or(worth(CacheKind::Managed)),
        unwind: worth(CacheKind::Unwind),
        release: uploaded.release.clone(),
        pinned: false,
        uploaded_at: now,
        last_used_at: now,
    })
}

/// Whether a file's content is what a digest says.
fn is_of_digest(path: &Path, digest: &str) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let found = match digest.split_once(':') {
        Some(("sha256", expected)) => (hash::<sha2::Sha256>(&mut file)?, expected),
        Some(("sha1", expected)) => (hash::<sha1::Sha1>(&mut file)?, expected),
        _ => return Ok(false),
    };
    Ok(found.0 == found.1)
}

/// The bytes of a file, and what names its content.
async fn measured(path: PathBuf) -> Result<(u64, String), Refusal> {
    let measure = move || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((size, format!("sha256:{}", hash::<sha2::Sha256>(&mut file)?)))
    };
    let measured = tokio::task::spawn_blocking(measure).await;
    let measured = measured.unwrap_or_else(|error| Err(io::Error::other(error)));
    measured.map_err(|error| Refusal::Later(format!("this machine has no room for a debug file: {error}")))
}

fn hash<D: sha2::Digest>(file: &mut File) -> io::Result<String> {
    let mut hasher = D::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(piece.get(..count).unwrap_or_default()),
        }
    }
}
