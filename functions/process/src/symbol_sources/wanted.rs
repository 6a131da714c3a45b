//! What a crash wants of other symbol servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use epitaph_bucket::Key;
use epitaph_catalog::{CatalogError, SymbolRequest};
use epitaph_crash_model::{
    Crash, Message, MessageKind, ProjectId, Timestamp, WANTED_SYMBOLS_VERSION, WantedSymbols,
};
use epitaph_rules::{Rules, SymbolSource};
use epitaph_symbolicate::DebugId;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{SymbolSources, open, place::file_name};
use crate::processor::in_full;

/// The longest that a crash is held up by telling what it wants.
const TELLING: Duration = Duration::from_secs(2);
/// Modules of one crash that are asked for.
const MOST: usize = 200;
/// Messages that are parked at once.
const PARKED_AT_ONCE: usize = 8;
/// How long nobody else tells the same, in milliseconds. A message that was lost before it was parked is written again
/// then.
const CLAIM: i64 = 60 * 60 * 1000;

impl SymbolSources {
    /// Has the project's sources asked for the modules of a crash that have no symbols. The crash does not depend on it:
    /// what fails is logged, and another crash tells it again.
    pub(crate) async fn want_for(&self, crash: &Crash, rules: &Rules) {
        let (project, sources) = (crash.project, rules.symbol_sources(crash.project));
        if sources.is_empty() {
            return;
        }
        match tokio::time::timeout(TELLING, self.want(project, wanted(crash, sources), sources)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!(%project, why, "symbols that a crash lacks are not asked for"),
            Err(_) => tracing::warn!(%project, "symbols that a crash lacks are not asked for in time"),
        }
    }

    async fn want(
        &self,
        project: ProjectId,
        mut wanted: BTreeMap<String, String>,
        sources: &[SymbolSource],
    ) -> Result<(), String> {
        let told = |error: CatalogError| in_full(&error);
        let ids: Vec<String> = wanted.keys().cloned().collect();
        for id in self.catalog.known_debug_ids(project, &ids).await.map_err(told)? {
            wanted.remove(&id);
        }
        let now = Timestamp::now();
        let requests = self.catalog.symbol_requests(project, &ids, now).await.map_err(told)?;
        wanted.retain(|id, name| {
            let of_id = |one: &&SymbolRequest| one.debug_id == *id;
            let requests: Vec<_> = requests.iter().filter(of_id).cloned().collect();
            let is_asked = requests.iter().any(|one| one.source.is_none());
            !is_asked && open(sources, name, &requests).next().is_some()
        });
        if wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = wanted.keys().cloned().collect();
        let claimed = self.catalog.claim_symbol_requests(project, &ids, now, now.plus_millis(CLAIM)).await;
        let parked = claimed.map_err(told)?.into_iter().filter_map(|debug_id| {
            let name = wanted.remove(&debug_id)?;
            Some(self.park(WantedSymbols { version: WANTED_SYMBOLS_VERSION, project, debug_id, name }))
        });
        stream::iter(parked).buffer_unordered(PARKED_AT_ONCE).try_collect().await
    }

    async fn park(&self, wanted: WantedSymbols) -> Result<(), String> {
        let (kind, id) = (MessageKind::WantedSymbols, format!("symbols-{}", wanted.debug_id));
        let message = Message::new(kind, wanted.project, id, Timestamp::now(), &wanted);
        let mut message = message.map_err(|error| in_full(&error))?;
        self.secret.sign_message(&mut message);
        let bytes = serde_json::to_vec(&message).map_err(|error| in_full(&error))?;
        let key = Key::parked(wanted.project, &message.id);
        self.bucket.put(&key, Bytes::from(bytes)).await.map_err(|error| in_full(&error))
    }
}

/// The modules in which a frame lies and that a source may be asked for: their debug ids, and the names of their debug
/// files.
fn wanted(crash: &Crash, sources: &[SymbolSource]) -> BTreeMap<String, String> {
    let stacks = crash.threads.iter().map(|thread| &thread.frames);
    let stacks = stacks.chain(crash.exceptions.iter().map(|exception| &exception.frames));
    let in_frames: BTreeSet<&str> = stacks.flatten().filter_map(|frame| frame.debug_id.as_deref()).collect();
    let modules = crash.modules.iter().filter_map(|module| {
        let id = module.debug_id.as_deref().filter(|id| in_frames.contains(id))?;
        let id = DebugId::from_breakpad(id).ok().filter(|id| !id.is_nil())?;
        let name = file_name(module.debug_file.as_deref()?)?;
        let may_be_asked = sources.iter().any(|source| source.may_be_asked_for(name));
        may_be_asked.then(|| (id.breakpad().to_string(), name.to_owned()))
    });
    modules.take(MOST).collect()
}
