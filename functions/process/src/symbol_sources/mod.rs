//! Symbols that other servers have: a project may name some, and none is asked otherwise.
//!
//! A crash waits for no server. For each module that has no symbols it parks a message ([`WantedSymbols`]), which `maintain`
//! sends on like any other; whoever gets it asks the sources, and takes in what comes as if it had been uploaded. Should
//! anything die in between, the message comes again. The catalog knows what is being asked for, and who does not have it.

mod address;
mod download;
mod guard;
mod place;
mod wanted;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use epitaph_bucket::Bucket;
use epitaph_catalog::{Catalog, CatalogError, SymbolRequest};
use epitaph_crash_model::{Message, Timestamp, WANTED_SYMBOLS_VERSION, WantedSymbols};
use epitaph_rules::SymbolSource;
use epitaph_secrets::Secret;
use epitaph_symbolicate::DebugId;
use reqwest::Url;

use self::download::{Fault, download};
use crate::{
    debug_file::{Arrived, DebugFiles, Fetched, SymbolSettings},
    processor::Refusal,
    rules::RuleCache,
    symbols::Shelf,
};

/// How other symbol servers are asked.
#[derive(Debug, Clone)]
pub struct SymbolSourceSettings {
    /// Hosts that may be private or without TLS, in lower case (`EPITAPH_SYMBOL_HOSTS`).
    pub hosts: Vec<String>,
    /// The longest time for one file of one source, redirects included.
    pub time: Duration,
    /// Bytes of the largest file that is taken.
    pub largest: u64,
}

impl Default for SymbolSourceSettings {
    /// Public hosts alone; a minute; 4 GiB, as large as PDBs are.
    fn default() -> Self {
        Self { hosts: Vec::new(), time: Duration::from_secs(60), largest: 4 << 30 }
    }
}

/// How long a source that did not answer is asked for nothing at all: what waits for its turn meanwhile are the files
/// that people uploaded.
const REST: Duration = Duration::from_secs(10 * 60);

/// Why a source gave nothing.
#[derive(Debug, Clone, Copy)]
enum Without {
    /// It does not have it, or not as it must be.
    Absent,
    /// It did not answer.
    Unanswered,
}

impl Without {
    /// When it is asked again.
    fn not_before(self) -> Timestamp {
        const HOUR: i64 = 60 * 60 * 1000;
        let pause = match self {
            Without::Absent => 24 * HOUR,
            Without::Unanswered => HOUR,
        };
        Timestamp::now().plus_millis(pause)
    }
}

/// Asks other symbol servers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SymbolSources {
    settings: Arc<SymbolSettings>,
    secret: Secret,
    bucket: Bucket,
    catalog: Catalog,
    rules: Arc<RuleCache>,
    shelf: Shelf,
    debug_files: DebugFiles,
    /// Sources that did not answer, and since when they rest.
    resting: Arc<Mutex<HashMap<String, Instant>>>,
}

impl SymbolSources {
    /// `secret` is the one that messages are signed with.
    pub(crate) fn new(
        settings: Arc<SymbolSettings>,
        secret: Secret,
        bucket: Bucket,
        catalog: Catalog,
        rules: Arc<RuleCache>,
        shelf: Shelf,
        debug_files: DebugFiles,
    ) -> Self {
        Self { settings, secret, bucket, catalog, rules, shelf, debug_files, resting: Arc::default() }
    }

    /// Asks the sources for what a message wants, unless it has come meanwhile. Some crashes may have lacked it.
    pub(crate) async fn handle(&self, message: &Message) -> Result<Arrived, Refusal> {
        let (wanted, id) = read(message)?;
        let (project, ids) = (wanted.project, std::slice::from_ref(&wanted.debug_id));
        if self.catalog.project(project).await?.is_none() {
            return Err(CatalogError::UnknownProject(project).into());
        }
        let mut without = Vec::new();
        if self.catalog.known_debug_ids(project, ids).await?.is_empty() {
            // As the rules are now: who takes a source out of them is heeded at once.
            let rules = self.rules.current(&self.catalog).await?;
            let requests = self.catalog.symbol_requests(project, ids, Timestamp::now()).await?;
            // What is fetched and what is uploaded take turns, so that no two lie on the disk at once.
            let _turn = self.debug_files.turn()?;
            for source in open(rules.symbol_sources(project), &wanted.name, &requests) {
                match self.ask(source, &wanted, id).await? {
                    Ok(()) => break,
                    Err(why) => without.push((key(source), why.not_before())),
                }
            }
        }
        self.catalog.settle_symbol_request(project, &wanted.debug_id, &without).await?;
        Ok(Arrived { project, debug_ids: Some(vec![wanted.debug_id]) })
    }

    /// Takes in what a source has, or says why it has nothing.
    async fn ask(
        &self,
        source: &SymbolSource,
        wanted: &WantedSymbols,
        id: DebugId,
    ) -> Result<Result<(), Without>, Refusal> {
        let (project, name) = (wanted.project, wanted.name.as_str());
        let addresses = Url::parse(&source.url).ok().zip(place::url(source, name, id));
        let Some((base, url)) = addresses.filter(|_| !self.is_resting(source)) else {
            return Ok(Err(Without::Unanswered));
        };
        let (disk, _) = self.shelf.store().await?;
        let work = disk.work()?;
        let path = work.path().join("file");
        let (why, what) = match download(&self.settings.sources, &base, url, &path).await {
            Ok(()) => {
                let stored = place::stored_name(source.layout, name);
                let fetched = Fetched { project, id, name: stored, path };
                match self.debug_files.take_in(fetched, &work).await? {
                    Ok(()) => return Ok(Ok(())),
                    Err(why) => (why, Without::Absent),
                }
            }
            Err(Fault::Absent) => {
                tracing::debug!(%project, url = source.url, name, "a symbol source does not have a file");
                return Ok(Err(Without::Absent));
            }
            Err(Fault::Refused(why)) => (why, Without::Absent),
            Err(Fault::Unreachable(why)) => {
                self.rest(source);
                (why, Without::Unanswered)
            }
            Err(Fault::Here(error)) => {
                return Err(Refusal::Later(format!("this machine has no room for a debug file: {error}")));
            }
        };
        tracing::warn!(%project, url = source.url, name, why, "a symbol source is of no use");
        Ok(Err(what))
    }

    fn is_resting(&self, source: &SymbolSource) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(&source.url).is_some_and(|since| since.elapsed() < REST)
    }

    fn rest(&self, source: &SymbolSource) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, since| since.elapsed() < REST);
        resting.insert(source.url.clone(), Instant::now());
    }
}

/// The sources that may be asked for a name now, by what the catalog knows of its debug id.
fn open<'a>(
    sources: &'a [SymbolSource],
    name: &'a str,
    requests: &'a [SymbolRequest],
) -> impl Iterator<Item = &'a SymbolSource> {
    sources.iter().filter(move |source| {
        let key = key(source);
        let is_without = requests.iter().any(|request| request.source.as_ref() == Some(&key));
        source.may_be_asked_for(name) && !is_without
    })
}

/// What the catalog knows a source by: another layout is another source.
fn key(source: &SymbolSource) -> String {
    format!("{:?} {}", source.layout, source.url)
}

/// What a message wants, if it is one that this code reads.
fn read(message: &Message) -> Result<(WantedSymbols, DebugId), Refusal> {
    let wanted: WantedSymbols = message
        .read()
        .map_err(|error| Refusal::Dead(format!("the message tells of no wanted symbols: {error}")))?;
    if wanted.version > WANTED_SYMBOLS_VERSION {
        return Err(Refusal::Dead(format!(
            "it tells of wanted symbols in version {}, and this program reads up to {WANTED_SYMBOLS_VERSION}; update \
             it, then re-drive the message",
            wanted.version
        )));
    }
    if message.project() != Some(wanted.project) {
        return Err(Refusal::Dead("the message is about another project than its symbols".to_owned()));
    }
    let id = DebugId::from_breakpad(&wanted.debug_id).ok();
    let id = id.filter(|_| place::file_name(&wanted.name) == Some(wanted.name.as_str()));
    match id {
        Some(id) => Ok((wanted, id)),
        None => Err(Refusal::Dead("it names no debug file that could be".to_owned())),
    }
}
