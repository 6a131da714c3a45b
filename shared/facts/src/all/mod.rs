//! All facts, wherever they are: those that the catalog has as rows, and those in segments.

mod crashes;
mod missing;
mod recent;
mod top;
mod view;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use epitaph_bucket::Bucket;
use epitaph_catalog::{Catalog, SegmentRow};
use tokio::{runtime::Handle, sync::Semaphore};

use self::recent::Recent;
pub use self::{
    missing::MissingSymbols,
    top::{Top, TopIssue, TopIssues},
    view::View,
};
use crate::{Engine, EngineOptions, FactsError, Segment, segment::in_background};

/// All facts of an installation. Cheap to clone; all clones share one [`Engine`].
#[derive(Debug, Clone)]
pub struct Facts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    bucket: Bucket,
    directory: PathBuf,
    recent: Recent,
    engine: OnceLock<Engine>,
    turns: Arc<Semaphore>,
}

/// How many questions are answered at once; others wait. Each keeps a thread waiting, and the engine needs some itself.
const AT_ONCE: usize = 8;

impl Facts {
    /// Over a catalog and a bucket. In the directory is kept what need not last; no other process may use it. Nothing is
    /// touched yet.
    pub fn new(catalog: Catalog, bucket: Bucket, directory: PathBuf) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let (recent, engine) = (Recent::default(), OnceLock::new());
        Self { shared: Arc::new(Shared { catalog, bucket, directory, recent, engine, turns }) }
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The bucket.
    pub fn bucket(&self) -> &Bucket {
        &self.shared.bucket
    }

    /// A directory for files that need not last. It may not be there yet.
    pub fn scratch(&self) -> &Path {
        &self.shared.directory
    }

    fn engine(&self) -> Result<&Engine, FactsError> {
        let shared = &self.shared;
        if let Some(engine) = shared.engine.get() {
            return Ok(engine);
        }
        let place = shared.directory.join("answers");
        // A function has 512 MB of disk on Lambda.
        let options = EngineOptions { cache_bytes: 256 << 20, ..EngineOptions::default() };
        let opened = Engine::new(shared.bucket.clone(), &place, &options)?;
        // Of two that are opened at the same time the first stays; neither has been asked anything.
        Ok(shared.engine.get_or_init(|| opened))
    }

    /// Has the engine do something. One thread waits for all of it: what the engine holds in between need not be such
    /// that it can move from thread to thread.
    async fn have<T, F>(&self, work: impl FnOnce(Engine) -> F + Send + 'static) -> Result<T, FactsError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, FactsError>>,
    {
        let turn = Arc::clone(&self.shared.turns).acquire_owned().await.map_err(|_| FactsError::Stopped)?;
        let (engine, runtime) = (self.engine()?.clone(), Handle::current());
        in_background(move || {
            let _turn = turn;
            runtime.block_on(work(engine))
        })
        .await
    }
}

impl Segment {
    /// As the catalog lists it.
    pub fn row(&self) -> SegmentRow {
        SegmentRow {
            project: self.project,
            name: self.name.clone(),
            first_received: self.first_received,
            last_received: self.last_received,
            lowest_crash: self.lowest_crash,
            highest_crash: self.highest_crash,
            facts: self.rows,
            bytes: self.bytes,
            // Numbers, texts and times always have a JSON form.
            described: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Of what the catalog lists.
    ///
    /// # Errors
    /// [`FactsError::Segment`] where that is not what [`Segment::row`] gave.
    pub fn of_row(row: &SegmentRow) -> Result<Self, FactsError> {
        let wrong = |error| FactsError::of_segment(&row.name, format!("the catalog's description: {error}"));
        serde_json::from_str(&row.described).map_err(wrong)
    }
}
