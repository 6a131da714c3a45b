//! The symbols of a crash: which of its modules have some, brought to this machine for the children that read them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use epitaph_bucket::Bucket;
use epitaph_catalog::{Catalog, HeldSymbols};
use epitaph_crash_model::{ProjectId, Timestamp};
use epitaph_symbolicate::{DebugId, DiskCache, Freshness, Gathered, Store, SymbolError};
use tokio::sync::OnceCell;

use crate::{debug_file::SymbolSettings, processor::Refusal};

/// How exactly it is known when symbols were used last, in milliseconds: each use would be a write otherwise.
const NOTED_EVERY: i64 = 24 * 60 * 60 * 1000;
/// Modules of which it is remembered what was last found.
const MODULES: usize = 20_000;

/// The number of the last debug file of each module that had come when the store was asked anew.
type Seen = HashMap<(ProjectId, String), i64>;

/// The symbols of all projects. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    settings: Arc<SymbolSettings>,
    bucket: Bucket,
    catalog: Catalog,
    store: Arc<OnceCell<(DiskCache, Store)>>,
    seen: Arc<Mutex<Seen>>,
}

impl Shelf {
    /// Nothing is touched yet.
    pub(crate) fn new(settings: Arc<SymbolSettings>, bucket: Bucket, catalog: Catalog) -> Self {
        Self { settings, bucket, catalog, store: Arc::default(), seen: Arc::default() }
    }

    /// The store, opened when it is needed first.
    pub(crate) async fn store(&self) -> Result<&(DiskCache, Store), SymbolError> {
        let open = async || {
            let disk = DiskCache::open(&self.settings.folder, self.settings.cache)?;
            Ok::<_, SymbolError>((disk.clone(), Store::new(self.bucket.clone(), disk)))
        };
        self.store.get_or_try_init(open).await
    }

    /// Which of these modules have symbols. The catalog tells, which is asked each time, so that no crash goes without
    /// symbols that are there.
    pub(crate) async fn held(
        &self,
        project: ProjectId,
        debug_ids: BTreeSet<String>,
    ) -> Result<Vec<HeldSymbols>, Refusal> {
        let asked: Vec<String> = debug_ids.into_iter().collect();
        Ok(self.catalog.held_symbols(project, &asked).await?)
    }

    /// Puts the caches of modules that have some into a folder. `None` if none has.
    ///
    /// Symbols that this machine has no room for, or that are damaged, are as if they were not there: a crash without
    /// lines is better than one that waits for ever.
    pub(crate) async fn gather(
        &self,
        project: ProjectId,
        held: &[HeldSymbols],
    ) -> Result<Option<Gathered>, Refusal> {
        if held.is_empty() {
            return Ok(None);
        }
        match self.gather_held(project, held).await {
            Ok(gathered) => {
                let now = Timestamp::now();
                let used: Vec<String> = held.iter().map(|held| held.debug_id.clone()).collect();
                self.catalog.use_debug_files(project, &used, now, now.plus_millis(-NOTED_EVERY)).await?;
                Ok(Some(gathered))
            }
            Err(error @ (SymbolError::NoRoom { .. } | SymbolError::Damaged(_))) => {
                tracing::warn!(%project, %error, "a crash goes without its symbols");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn gather_held(&self, project: ProjectId, held: &[HeldSymbols]) -> Result<Gathered, SymbolError> {
        let (_, store) = self.store().await?;
        let ids: BTreeSet<DebugId> =
            held.iter().filter_map(|held| DebugId::from_breakpad(&held.debug_id).ok()).collect();
        if self.has_seen(project, held) {
            let gathered = store.gather(project, ids.iter().copied(), Freshness::Remembered).await?;
            if gathered.found.len() == ids.len() {
                return Ok(gathered);
            }
        }
        // What is remembered is older than what the catalog tells.
        let gathered = store.gather(project, ids.iter().copied(), Freshness::Now).await?;
        self.see(project, held);
        Ok(gathered)
    }

    /// Whether the store was asked since the last debug file of each of them came.
    fn has_seen(&self, project: ProjectId, held: &[HeldSymbols]) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_seen = |held: &HeldSymbols| {
            seen.get(&(project, held.debug_id.clone())).is_some_and(|arrival| *arrival >= held.arrival)
        };
        held.iter().all(is_seen)
    }

    fn see(&self, project: ProjectId, held: &[HeldSymbols]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() + held.len() > MODULES {
            seen.clear();
        }
        for held in held {
            let arrival = seen.entry((project, held.debug_id.clone())).or_default();
            *arrival = held.arrival.max(*arrival);
        }
    }
}
