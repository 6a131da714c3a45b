//! The symbols of a crash: which of its modules have some, brought to this machine for the children that read them.

use std::{collections::BTreeSet, sync::Arc};

use epitaph_bucket::Bucket;
use epitaph_catalog::Catalog;
use epitaph_crash_model::{ProjectId, Timestamp};
use epitaph_symbolicate::{DebugId, DiskCache, Freshness, Gathered, Store, SymbolError};
use tokio::sync::OnceCell;

use crate::{debug_file::SymbolSettings, processor::Refusal};

/// How exactly it is known when symbols were used last, in milliseconds: each use would be a write otherwise.
const NOTED_EVERY: i64 = 24 * 60 * 60 * 1000;

/// The symbols of all projects. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    settings: Arc<SymbolSettings>,
    bucket: Bucket,
    catalog: Catalog,
    store: Arc<OnceCell<(DiskCache, Store)>>,
}

impl Shelf {
    /// Nothing is touched yet.
    pub(crate) fn new(settings: Arc<SymbolSettings>, bucket: Bucket, catalog: Catalog) -> Self {
        Self { settings, bucket, catalog, store: Arc::default() }
    }

    /// The store, opened when it is needed first.
    pub(crate) async fn store(&self) -> Result<&(DiskCache, Store), SymbolError> {
        let open = async || {
            let disk = DiskCache::open(&self.settings.folder, self.settings.cache)?;
            Ok::<_, SymbolError>((disk.clone(), Store::new(self.bucket.clone(), disk)))
        };
        self.store.get_or_try_init(open).await
    }

    /// Puts the caches of those of these modules that have some into a folder. `None` if none has: the catalog tells,
    /// which is asked each time, so that no crash goes without symbols that are there.
    ///
    /// Symbols that this machine has no room for, or that are damaged, are as if they were not there: a crash without
    /// lines is better than one that waits for ever.
    pub(crate) async fn gather(
        &self,
        project: ProjectId,
        debug_ids: BTreeSet<String>,
    ) -> Result<Option<Gathered>, Refusal> {
        let asked: Vec<String> = debug_ids.into_iter().collect();
        let known = self.catalog.known_debug_ids(project, &asked).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let ids: BTreeSet<DebugId> = known.iter().filter_map(|id| DebugId::from_breakpad(id).ok()).collect();
        let gathered = self.gather_known(project, &ids).await;
        match gathered {
            Ok(gathered) => {
                let now = Timestamp::now();
                self.catalog.use_debug_files(project, &known, now, now.plus_millis(-NOTED_EVERY)).await?;
                Ok(Some(gathered))
            }
            Err(error @ (SymbolError::NoRoom { .. } | SymbolError::Damaged(_))) => {
                tracing::warn!(%project, %error, "a crash goes without its symbols");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn gather_known(
        &self,
        project: ProjectId,
        ids: &BTreeSet<DebugId>,
    ) -> Result<Gathered, SymbolError> {
        let (_, store) = self.store().await?;
        let gathered = store.gather(project, ids.iter().copied(), Freshness::Remembered).await?;
        if gathered.found.len() == ids.len() {
            return Ok(gathered);
        }
        // What is remembered is older than what the catalog tells.
        store.gather(project, ids.iter().copied(), Freshness::Now).await
    }
}
