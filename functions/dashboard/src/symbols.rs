//! Symbols for a crash that somebody looks at: an old one shows its lines once its debug files are there, though nothing
//! that is stored was changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use epitaph_bucket::Bucket;
use epitaph_crash_model::{Crash, Frame, ProjectId, Timestamp};
use epitaph_symbolicate::{
    DebugId, DiskCache, Freshness, Provider, Store, SymbolError, debug_ids, symbolicate_frames,
};
use tokio::sync::OnceCell;

use crate::{Dashboard, document::Found, fault::Fault};

/// How long a page waits for symbols that have to come from the bucket. They go on coming: a page that is opened again
/// finds them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How exactly it is known when symbols were used last, in milliseconds: each look would be a write otherwise.
const NOTED_EVERY: i64 = 24 * 60 * 60 * 1000;

/// Where symbols are kept on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolSettings {
    /// The folder, which processes may share.
    pub folder: PathBuf,
    /// The bytes that may lie in it.
    pub cache: u64,
}

/// Opened when it is needed first. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelf {
    settings: Arc<SymbolSettings>,
    store: Arc<OnceCell<Store>>,
}

/// What is known of the symbols of a crash.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// The debug ids that have symbols, as Breakpad writes them.
    known: BTreeSet<String>,
    /// The modules that frames lie in and that have none, those of the crashing thread first.
    pub(crate) missing: Vec<String>,
    /// Whether there are symbols that could not be brought here in time.
    pub(crate) is_late: bool,
}

impl Coverage {
    /// Whether a module has symbols; `None` where nobody can have any, since it has no debug id.
    pub(crate) fn has(&self, debug_id: Option<&str>) -> Option<bool> {
        breakpad(debug_id?).map(|id| self.known.contains(&id))
    }
}

impl Shelf {
    /// Nothing is touched yet.
    pub(crate) fn new(settings: SymbolSettings) -> Self {
        Self { settings: Arc::new(settings), store: Arc::default() }
    }

    async fn provider(
        &self,
        bucket: Bucket,
        project: ProjectId,
        ids: BTreeSet<DebugId>,
    ) -> Result<Provider, SymbolError> {
        let open = async || {
            let disk = DiskCache::open(&self.settings.folder, self.settings.cache)?;
            Ok::<_, SymbolError>(Store::new(bucket, disk))
        };
        self.store.get_or_try_init(open).await?.provider(project, ids, Freshness::Remembered).await
    }
}

impl Dashboard {
    /// Gives the frames of a crash the functions and lines that are known of them now, and tells which modules have no
    /// symbols. Symbols that cannot be used leave the frames as they are: a page with fewer lines is better than none.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when the catalog does not answer.
    pub(crate) async fn symbolicate_found(&self, found: &mut Found) -> Result<Coverage, Fault> {
        let Some(document) = found.document.take() else { return Ok(Coverage::default()) };
        let (document, coverage) = self.symbolicate(found.row.fact.project, document).await?;
        found.document = Some(document);
        Ok(coverage)
    }

    async fn symbolicate(&self, project: ProjectId, crash: Crash) -> Result<(Crash, Coverage), Fault> {
        let asked: BTreeSet<String> = of_modules(&crash).chain(of_frames(&crash)).collect();
        let asked: Vec<String> = asked.into_iter().collect();
        if asked.is_empty() {
            return Ok((crash, Coverage::default()));
        }
        let known = self.catalog().known_debug_ids(project, &asked).await?;
        let mut coverage = Coverage { known: known.into_iter().collect(), ..Coverage::default() };
        coverage.missing = missing(&crash, &coverage.known);
        let wanted = wanted(&crash, &coverage.known);
        if wanted.is_empty() {
            return Ok((crash, coverage));
        }
        let used: Vec<String> = wanted.iter().map(|id| id.breakpad().to_string()).collect();
        let now = Timestamp::now();
        self.catalog().use_debug_files(project, &used, now, now.plus_millis(-NOTED_EVERY)).await?;
        match self.fetch(project, wanted).await {
            Ok(Some(provider)) => return Ok((named(provider, crash).await?, coverage)),
            Ok(None) => coverage.is_late = true,
            Err(error) => {
                coverage.is_late = true;
                tracing::warn!(%project, %error, "a crash is shown without its symbols");
            }
        }
        Ok((crash, coverage))
    }

    /// `None` if it takes too long.
    async fn fetch(
        &self,
        project: ProjectId,
        ids: BTreeSet<DebugId>,
    ) -> Result<Option<Provider>, SymbolError> {
        let (shelf, bucket) = (self.shelf().clone(), self.bucket().clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "it fills a cache, which may be broken off at any point; most of the time it is waited for"
        )]
        let fetching = tokio::spawn(async move { shelf.provider(bucket, project, ids).await });
        match tokio::time::timeout(PATIENCE, fetching).await {
            Ok(Ok(fetched)) => fetched.map(Some),
            Ok(Err(broken_off)) => {
                tracing::error!(%broken_off, "fetching symbols was broken off");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }
}

/// Looking up may read from the disk, and others wait for this thread.
async fn named(provider: Provider, mut crash: Crash) -> Result<Crash, Fault> {
    let naming = tokio::task::spawn_blocking(move || {
        let before = crash.crashing_thread.and_then(|index| crash.threads.get(index));
        let before = before.map(|thread| inlined(&thread.frames)).unwrap_or_default();
        for frames in stacks(&mut crash) {
            symbolicate_frames(&provider, frames);
        }
        let after = crash.crashing_thread.and_then(|index| crash.threads.get(index));
        let after = after.map(|thread| inlined(&thread.frames)).unwrap_or_default();
        for step in &mut crash.signature.steps {
            step.frame = moved(&before, &after, step.frame);
        }
        crash
    });
    naming.await.map_err(Fault::broken)
}

fn stacks(crash: &mut Crash) -> impl Iterator<Item = &mut Vec<Frame>> {
    let threads = crash.threads.iter_mut().map(|thread| &mut thread.frames);
    threads.chain(crash.exceptions.iter_mut().map(|exception| &mut exception.frames))
}

/// All frames, those of the crashing thread first.
fn frames(crash: &Crash) -> impl Iterator<Item = &Frame> {
    let crashing = crash.crashing_thread.and_then(|index| crash.threads.get(index));
    let threads = crashing.into_iter().chain(&crash.threads).flat_map(|thread| &thread.frames);
    threads.chain(crash.exceptions.iter().flat_map(|exception| &exception.frames))
}

fn of_frames(crash: &Crash) -> impl Iterator<Item = String> {
    debug_ids(frames(crash)).into_iter().map(|id| id.breakpad().to_string())
}

fn of_modules(crash: &Crash) -> impl Iterator<Item = String> {
    crash.modules.iter().filter_map(|module| breakpad(module.debug_id.as_deref()?))
}

fn breakpad(id: &str) -> Option<String> {
    let id = DebugId::from_breakpad(id).ok().or_else(|| id.parse().ok())?;
    Some(id.breakpad().to_string())
}

/// The names of modules that frames lie in and that have no symbols.
fn missing(crash: &Crash, known: &BTreeSet<String>) -> Vec<String> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for frame in frames(crash) {
        let Some(id) = frame.debug_id.as_deref().and_then(breakpad) else { continue };
        if !known.contains(&id) && seen.insert(id) {
            names.extend(frame.module.clone());
        }
    }
    names
}

/// The modules that could tell more than is there.
fn wanted(crash: &Crash, known: &BTreeSet<String>) -> BTreeSet<DebugId> {
    let poor = frames(crash).filter(|frame| frame.function.is_none() || frame.line.is_none());
    let mut ids = debug_ids(poor);
    ids.retain(|id| known.contains(&id.breakpad().to_string()));
    ids
}

/// Which frames of a stack were inlined into the next one.
fn inlined(frames: &[Frame]) -> Vec<bool> {
    frames.iter().map(|frame| frame.inline).collect()
}

/// Where a frame is after symbols put other inlined frames before some. Frames that were not inlined stay in their order;
/// one that was is as far from the one that it lies in as it was, if that many are there now.
fn moved(before: &[bool], after: &[bool], frame: usize) -> usize {
    let Some(head) = before.get(..frame) else { return frame };
    let outer = head.iter().filter(|inline| !**inline).count();
    let inner = before[frame..].iter().take_while(|inline| **inline).count();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, _) in after.iter().enumerate().filter(|(_, inline)| !**inline) {
        places.insert(places.len(), index);
    }
    let Some(&place) = places.get(&outer) else { return frame };
    let first = outer.checked_sub(1).and_then(|before| places.get(&before)).map_or(0, |place| place + 1);
    place.saturating_sub(inner).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack as letters: `i` is inlined, `f` is not.
    fn stack(text: &str) -> Vec<bool> {
        text.chars().map(|letter| letter == 'i').collect()
    }

    #[test]
    fn a_frame_is_found_again_among_more_inlined_ones() {
        let moved = |before, after, frame| moved(&stack(before), &stack(after), frame);
        assert_eq!(moved("fff", "iififf", 0), 2);
        assert_eq!(moved("fff", "iififf", 1), 4);
        assert_eq!(moved("fff", "iififf", 2), 5);
        assert_eq!(moved("ifif", "iifiif", 0), 1);
        assert_eq!(moved("ifif", "iifiif", 2), 4);
        assert_eq!(moved("iif", "if", 0), 0);
        assert_eq!(moved("fif", "ff", 1), 1);
    }

    #[test]
    fn a_frame_that_is_not_there_stays_where_it_is_not() {
        assert_eq!(moved(&stack("ff"), &stack("iff"), 7), 7);
        assert_eq!(moved(&stack("ff"), &[], 1), 1);
    }

    #[test]
    fn a_module_without_an_id_can_have_no_symbols() {
        let coverage = Coverage {
            known: BTreeSet::from(["5A1C0E2F9B7D4E6C8F3A21B04D9E77C11".to_owned()]),
            ..Coverage::default()
        };
        assert_eq!(coverage.has(None), None);
        assert_eq!(coverage.has(Some("not an id")), None);
        assert_eq!(coverage.has(Some("5a1c0e2f-9b7d-4e6c-8f3a-21b04d9e77c1-1")), Some(true));
        assert_eq!(coverage.has(Some("5A1C0E2F9B7D4E6C8F3A21B04D9E77C12")), Some(false));
    }
}
