//! Symbols that come late: crashes that lacked them are named again.
//!
//! A few crashes of each signature that waits are processed again, with the symbols of now. Where they agree, all crashes
//! of the signature are what these are. Where they do not, because their stacks are unwound otherwise with the symbols,
//! each is processed by itself, and those that are not what most are get a signature of their own.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::File,
    io::Read as _,
    path::PathBuf,
    sync::Arc,
};

use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_catalog::{Awaited, Catalog, Lacking, MissingModule, Renamed, Sample};
use epitaph_crash_model::{
    Content, Crash, CrashId, LateCrashes, Message, Payload, ProjectId, Role, Signature, SignatureId,
    StoredPayload,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    assemble,
    debug_file::Arrived,
    isolation,
    isolation::ParserSettings,
    lacking,
    parsed::Verdict,
    payloads::{self, FetchError},
    processor::{Refusal, in_full},
    rules::RuleCache,
    symbolicator::{self, Whose},
    symbols::Shelf,
};

/// The most bytes of a crash document, packed or unpacked.
const DOCUMENT: u64 = 64 << 20;
/// Signatures that are asked for at once.
const BATCH: u32 = 1_000;
/// Crashes that are listed at once where each is processed by itself.
const PAGE: u32 = 200;

/// Names crashes again. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    pub(crate) parser: ParserSettings,
    pub(crate) largest_dump: u64,
    pub(crate) scratch: PathBuf,
    pub(crate) bucket: Bucket,
    pub(crate) catalog: Catalog,
    pub(crate) shelf: Shelf,
    pub(crate) rules: Arc<RuleCache>,
    pub(crate) parsers: Arc<Semaphore>,
    /// Held while signatures are named again: whoever comes meanwhile finds less to do afterwards. Others that do the same
    /// elsewhere do it in vain, and no harm.
    pub(crate) turn: Arc<Mutex<()>>,
}

/// What a crash is called with the symbols of now.
struct Again {
    named: Signature,
    lacking: Vec<MissingModule>,
}

impl Late {
    /// Names those signatures of a project again that wait for symbols that are here. Gives their number.
    ///
    /// It may be cut off anywhere: what was not named yet waits on.
    pub(crate) async fn name_again(&self, project: ProjectId, awaited: Awaited<'_>) -> Result<u64, Refusal> {
        if self.catalog.waiting_for_symbols(project, awaited, 1).await?.is_empty() {
            return Ok(0);
        }
        let _turn = self.turn.lock().await;
        let mut tried = HashSet::new();
        loop {
            // Those that still wait after they were tried are at most those that others name at the same time.
            let most = BATCH.saturating_add(u32::try_from(tried.len()).unwrap_or(u32::MAX));
            let waiting = self.catalog.waiting_for_symbols(project, awaited, most).await?;
            let next: Vec<_> = waiting.into_iter().filter(|signature| tried.insert(*signature)).collect();
            if next.is_empty() {
                let named = tried.len() as u64;
                tracing::info!(%project, signatures = named, "symbols came late, and crashes have new names");
                return Ok(named);
            }
            let at_once = self.parsers.available_permits().max(1);
            let each = stream::iter(next).map(|signature| self.name_one(project, signature));
            each.buffer_unordered(at_once).try_collect::<()>().await?;
        }
    }

    /// Does what a message of kind `late-symbols` asks for.
    pub(crate) async fn handle(&self, message: &Message) -> Result<(), Refusal> {
        let nobodys = || Refusal::Dead("the message is about no project".to_owned());
        let project = message.project().ok_or_else(nobodys)?;
        let no_crashes = |error| Refusal::Dead(format!("the message tells of no crashes: {error}"));
        match message.read::<Option<LateCrashes>>().map_err(no_crashes)? {
            Some(late) => self.tell_apart(project, &late).await,
            None => self.name_again(project, Awaited::All).await.map(drop),
        }
    }

    /// Names those crashes again that lacked what has come; all that wait, where it is not known what has.
    pub(crate) async fn name_arrived(&self, arrived: Arrived) -> Result<(), Refusal> {
        let Arrived { project, debug_ids } = arrived;
        let Some(debug_ids) = debug_ids else {
            return self.name_again(project, Awaited::All).await.map(drop);
        };
        for id in &debug_ids {
            self.name_again(project, Awaited::Module(id)).await?;
        }
        Ok(())
    }

    /// Sees whether symbols have come for a crash since they were looked for, before it was recorded. A fault is no fault
    /// of the crash: what waits is found again.
    pub(crate) async fn look_again(&self, project: ProjectId, signature: SignatureId, known: i64) {
        let look = async {
            let named = self.name_again(project, Awaited::Signature(signature)).await?;
            // Named by others with newer symbols than this crash was, which may be an exception.
            if named == 0 && self.catalog.named_at(project, signature).await? > known {
                self.name_one(project, signature).await?;
            }
            Ok(())
        };
        if let Err(Refusal::Later(why) | Refusal::Dead(why)) = look.await {
            tracing::warn!(%project, %signature, why, "a crash cannot be named again now");
        }
    }

    async fn name_one(&self, project: ProjectId, signature: SignatureId) -> Result<(), Refusal> {
        let known = self.catalog.arrivals(project).await?;
        let mut all = Vec::new();
        for sample in self.catalog.samples(project, signature).await? {
            all.extend(self.process_again(project, sample.crash_id, &sample.attempt).await?);
        }
        let Some((named, agreed)) = most(&all) else {
            return Ok(self.catalog.forget_missing(project, signature, known).await?);
        };
        if !agreed {
            // Before the signature is named, since afterwards it waits no more.
            self.sign_exceptions(project, signature, &named, known).await?;
        }
        let modules = all.into_iter().filter(|again| again.named.id == named.id);
        let modules: BTreeSet<_> = modules.flat_map(|again| again.lacking).collect();
        let lacking = Lacking { modules: modules.into_iter().collect(), known };
        self.catalog.name_again(project, &Renamed { signature, named, lacking }).await?;
        Ok(())
    }

    /// Processes all crashes of a signature singly, and gives those another that are not called as most are.
    async fn sign_exceptions(
        &self,
        project: ProjectId,
        signature: SignatureId,
        usual: &Signature,
        known: i64,
    ) -> Result<(), Refusal> {
        tracing::warn!(
            %project, %signature, usual = usual.text,
            "crashes whose frames lay alike are not called alike with their symbols; each is processed by itself"
        );
        let mut before = None;
        loop {
            let page = self.catalog.crashes_signed(project, signature, before, PAGE).await?;
            let Some(last) = page.last() else {
                // Those whose facts are in segments, maintenance finds, and has them told apart.
                return Ok(self.catalog.note_mixed(project, signature).await?);
            };
            before = Some((last.fact.received_at, last.fact.crash_id));
            let mut exceptions: BTreeMap<String, (Renamed, Vec<CrashId>)> = BTreeMap::new();
            for row in page.iter().filter(|row| row.counted_by.is_none()) {
                let Some(attempt) = &row.attempt else { continue };
                let again = self.process_again(project, row.fact.crash_id, attempt).await?;
                let Some(again) = again.filter(|again| again.named.id != usual.id) else { continue };
                let renamed = Renamed {
                    signature: epitaph_signature::raw_as(signature, &again.named),
                    lacking: Lacking { modules: again.lacking, known },
                    named: again.named,
                };
                let alike = exceptions.entry(renamed.signature.to_string());
                alike.or_insert_with(|| (renamed, Vec::new())).1.push(row.fact.crash_id);
            }
            for (renamed, crashes) in exceptions.values() {
                self.catalog.sign_again(project, signature, renamed, crashes).await?;
            }
        }
    }

    /// Processes some crashes whose facts are in segments singly, and notes which are not called as most are.
    async fn tell_apart(&self, project: ProjectId, late: &LateCrashes) -> Result<(), Refusal> {
        let known = self.catalog.arrivals(project).await?;
        for crash in &late.crashes {
            let again = self.process_again(project, crash.crash_id, &crash.attempt).await?;
            let Some(Again { named, lacking: modules }) = again else { continue };
            let signature = epitaph_signature::raw_as(late.signature, &named);
            let renamed = Renamed { signature, named, lacking: Lacking { modules, known } };
            self.catalog.override_signature(project, late.signature, &renamed, crash).await?;
        }
        Ok(())
    }

    /// What a crash is called with the symbols of now; `None` if its document is gone.
    async fn process_again(
        &self,
        project: ProjectId,
        crash_id: CrashId,
        attempt: &str,
    ) -> Result<Option<Again>, Refusal> {
        let sample = Sample { crash_id, attempt: attempt.to_owned() };
        let Some(mut crash) = self.document(project, &sample).await? else { return Ok(None) };
        let modules = crash.modules.iter().filter_map(|module| module.debug_id.clone());
        let ids = modules.chain(symbolicator::debug_ids(&crash).map(str::to_owned)).collect();
        let held = self.shelf.held(project, ids).await?;
        if let Some(symbols) = self.shelf.gather(project, &held).await? {
            let permit = self.parsers.acquire().await;
            let _permit = permit.map_err(|_| Refusal::Later("the processor is shutting down".to_owned()))?;
            let unwound = self.unwind(&mut crash, symbols.folder()).await?;
            let whose = if unwound { Whose::Clients } else { Whose::All };
            symbolicator::symbolicate(&self.parser, symbols.folder(), &mut crash, whose).await?;
        }
        let scrub = self.rules.current(&self.catalog).await?.scrub(project);
        epitaph_scrub::scrub(&mut crash, &scrub);
        let first = lacking::first_frames(&crash);
        let lacking = lacking::modules(&crash, &first, &held);
        Ok(Some(Again { named: assemble::signed_again(&crash), lacking }))
    }

    /// Unwinds the stacks of a crash anew, if its dump is still there and can be read with these symbols.
    async fn unwind(&self, crash: &mut Crash, symbols: &std::path::Path) -> Result<bool, Refusal> {
        let Some(dump) = self.dump(crash).await? else { return Ok(false) };
        match isolation::parse(&self.parser, &dump, Some(symbols)).await? {
            Verdict::Parsed(parsed) if !parsed.threads.is_empty() => {
                (crash.threads, crash.crashing_thread) = (parsed.threads, parsed.crashing_thread);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn dump(&self, crash: &Crash) -> Result<Option<Arc<File>>, Refusal> {
        let Some(stored) = crash.payloads.iter().find(|payload| payload.role == Role::Minidump) else {
            return Ok(None);
        };
        let StoredPayload { role, name, content_type, size, key, encoding } = stored.clone();
        let content = Content::Stored { key, encoding };
        let payload = Payload { role, name, content_type, size, content };
        match payloads::fetch(&self.bucket, &payload, self.largest_dump, &self.scratch).await {
            Ok(file) => Ok(Some(file)),
            Err(FetchError::Unreadable(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn document(&self, project: ProjectId, sample: &Sample) -> Result<Option<Crash>, Refusal> {
        let key = Key::document(project, sample.crash_id, &sample.attempt);
        let packed = match self.bucket.get(&key, DOCUMENT).await {
            Ok(packed) => packed,
            Err(BucketError::NotFound(_) | BucketError::TooLarge { .. }) => return Ok(None),
            Err(error) => return Err(FetchError::from(error).into()),
        };
        let read = payloads::off_runtime(move || {
            let mut json = Vec::new();
            zstd::Decoder::new(packed.as_ref())?.take(DOCUMENT).read_to_end(&mut json)?;
            serde_json::from_slice(&json).map_err(std::io::Error::other)
        });
        let read = read.await.inspect_err(|error| {
            tracing::warn!(%project, crash = %sample.crash_id, error = in_full(error), "a document cannot be read");
        });
        Ok(read.ok())
    }
}

/// What most of these are called, and whether all are.
fn most(all: &[Again]) -> Option<(Signature, bool)> {
    let mut counts: BTreeMap<String, (usize, &Again)> = BTreeMap::new();
    for again in all {
        counts.entry(again.named.id.to_string()).or_insert((0, again)).0 += 1;
    }
    let agreed = counts.len() == 1;
    let (_, usual) = counts.into_values().max_by_key(|(count, _)| *count)?;
    Some((usual.named.clone(), agreed))
}
