//! The handler of messages: report in, crash out, exactly once.

mod feedback;

use std::{collections::BTreeSet, error::Error, fs::File, path::PathBuf, sync::Arc, time::Duration};

use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, CatalogError, HeldSymbols, Lacking, NewCrash, Recorded};
use epitaph_crash_model::{
    Content, Crash, CrashId, Fact, MESSAGE_SPEC_VERSION, Message, MessageKind, ProjectId, REPORT_VERSION,
    Report, Role, RuleOutcome, RuleVerdict, Timestamp,
};
use epitaph_host::Metrics;
use epitaph_queue::Outcome;
use epitaph_scrub::ScrubRules;
use epitaph_secrets::Secret;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{
    assemble,
    converter::ConverterSettings,
    debug_file::{DebugFiles, SymbolSettings},
    isolation::{self, ParserError, ParserSettings},
    lacking,
    late::Late,
    parsed::Verdict,
    payloads::{self, FetchError},
    rules::{self, About, RuleCache, Word},
    sources,
    steps::{Step, Steps},
    symbol_sources::{SymbolSourceSettings, SymbolSources},
    symbolicator::{self, Whose},
    symbols::Shelf,
};

/// This function's name in metrics.
pub(crate) const FUNCTION: &str = "process";

/// What a processor is given.
#[derive(Debug, Clone)]
pub struct ProcessorSettings {
    /// The secret that messages are signed with.
    pub message_secret: Secret,
    /// The secret that users' hashes are keyed with.
    pub user_hash_secret: Secret,
    /// How dumps are parsed.
    pub parser: ParserSettings,
    /// The oldest message that is acted on. Later, what was seen may be forgotten, and it would count twice.
    pub oldest: Duration,
    /// How debug files are converted.
    pub symbols: SymbolSettings,
    /// How many parsers run at once, at least 1.
    pub concurrency: usize,
    /// The largest dump that is parsed, in bytes.
    pub largest_dump: u64,
    /// The largest event that is read, in bytes: what collectors take (`EPITAPH_LIMIT_EVENT`).
    pub largest_event: u64,
    /// Where dumps lie while they are parsed, in files without names.
    pub scratch: PathBuf,
    /// Who is told of steps.
    pub steps: Steps,
}

impl ProcessorSettings {
    /// The usual settings: messages of up to 20 days, a parser for each processor, dumps of up to 200 MiB.
    pub fn new(message_secret: Secret, user_hash_secret: Secret, parser: ParserSettings) -> Self {
        let scratch = std::env::temp_dir();
        Self {
            symbols: SymbolSettings {
                converter: ConverterSettings::of(parser.program.clone()),
                folder: scratch.join("epitaph-symbols"),
                cache: 8 << 30,
                sources: SymbolSourceSettings::default(),
            },
            message_secret,
            user_hash_secret,
            parser,
            oldest: Duration::from_secs(20 * 24 * 60 * 60),
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            largest_dump: 200 << 20,
            largest_event: 1 << 20,
            scratch,
            steps: Steps::default(),
        }
    }
}

/// Turns reports into crashes. Cheap to clone; all clones share one allowance of parsers.
#[derive(Debug, Clone)]
pub struct Processor {
    settings: Arc<ProcessorSettings>,
    bucket: Bucket,
    catalog: Catalog,
    parsers: Arc<Semaphore>,
    rules: Arc<RuleCache>,
    shelf: Shelf,
    debug_files: DebugFiles,
    symbol_sources: SymbolSources,
    late: Late,
    metrics: Metrics,
}

/// Why a message was not handled.
pub(crate) enum Refusal {
    /// It is not its turn.
    Busy,
    /// An engine, or this machine: try again later.
    Later(String),
    /// The message itself: bury it.
    Dead(String),
}

impl Processor {
    /// A processor that keeps documents in `bucket` and records in `catalog`. Nothing is touched yet.
    pub fn new(settings: ProcessorSettings, bucket: Bucket, catalog: Catalog) -> Self {
        let parsers = Arc::new(Semaphore::new(settings.concurrency.max(1)));
        let symbols = Arc::new(settings.symbols.clone());
        let shelf = Shelf::new(Arc::clone(&symbols), bucket.clone(), catalog.clone());
        let debug_files =
            DebugFiles::new(Arc::clone(&symbols), bucket.clone(), catalog.clone(), shelf.clone())
                .telling(settings.steps.clone());
        let rules = Arc::<RuleCache>::default();
        let symbol_sources = SymbolSources::new(
            symbols,
            settings.message_secret.clone(),
            bucket.clone(),
            catalog.clone(),
            Arc::clone(&rules),
            shelf.clone(),
            debug_files.clone(),
        );
        let late = Late {
            parser: settings.parser.clone(),
            largest_dump: settings.largest_dump,
            scratch: settings.scratch.clone(),
            bucket: bucket.clone(),
            catalog: catalog.clone(),
            shelf: shelf.clone(),
            rules: Arc::clone(&rules),
            parsers: Arc::clone(&parsers),
            turn: Arc::default(),
        };
        Self {
            settings: Arc::new(settings),
            bucket,
            catalog,
            parsers,
            rules,
            shelf,
            debug_files,
            symbol_sources,
            late,
            metrics: Metrics::new(),
        }
    }

    /// Counts what becomes of reports in `metrics`.
    #[must_use]
    pub fn counting_in(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Handles one message. It may come again, and may come twice at the same time: it is recorded once.
    ///
    /// Dropping the future half-way leaves at most objects behind that nothing names.
    pub async fn handle(&self, message: &Message, attempt: u32) -> Outcome {
        match self.process(message).await {
            Ok(()) => Outcome::Done,
            Err(Refusal::Busy) => Outcome::Busy,
            Err(Refusal::Later(why)) => {
                tracing::warn!(id = message.id, attempt, why, "a message has to wait");
                Outcome::Later(why)
            }
            Err(Refusal::Dead(why)) => {
                tracing::warn!(id = message.id, attempt, why, "a message cannot be handled");
                Outcome::Dead(why)
            }
        }
    }

    async fn process(&self, message: &Message) -> Result<(), Refusal> {
        self.check(message)?;
        match message.kind {
            MessageKind::Report => self.handle_report(message).await,
            MessageKind::DebugFile => {
                let arrived = self.debug_files.handle(message).await?;
                self.settings.steps.at(Step::Listed).await;
                self.late.name_arrived(arrived).await
            }
            MessageKind::WantedSymbols => {
                let arrived = self.symbol_sources.handle(message).await?;
                self.late.name_arrived(arrived).await
            }
            MessageKind::LateSymbols => self.late.handle(message).await,
        }
    }

    async fn handle_report(&self, message: &Message) -> Result<(), Refusal> {
        let report = read_report(message)?;
        if self.catalog.was_seen(report.project, report.id).await? {
            return Ok(());
        }
        if self.catalog.project(report.project).await?.is_none() {
            return Err(CatalogError::UnknownProject(report.project).into());
        }
        if sources::is_feedback_alone(&report) {
            self.keep_feedback(&report).await
        } else {
            self.record(report).await
        }
    }

    /// Whether the message is this installation's and of an age to be acted on.
    fn check(&self, message: &Message) -> Result<(), Refusal> {
        if !self.settings.message_secret.is_signed(message) {
            let why = "the message does not carry this installation's signature; it was changed on its way, comes \
                       from elsewhere, or EPITAPH_SECRET is not the one that it was accepted under";
            return Err(Refusal::Dead(why.to_owned()));
        }
        if message.specversion != MESSAGE_SPEC_VERSION {
            return Err(Refusal::Dead(format!(
                "the message is a CloudEvent of version {:?}; expected {MESSAGE_SPEC_VERSION}",
                message.specversion
            )));
        }
        let oldest = i64::try_from(self.settings.oldest.as_millis()).unwrap_or(i64::MAX);
        if message.time < Timestamp::now().plus_millis(-oldest) {
            return Err(Refusal::Dead(format!(
                "the message is from {}, and may have been counted and forgotten since; only messages of the last \
                 {} days are acted on",
                message.time,
                self.settings.oldest.as_secs() / (24 * 60 * 60)
            )));
        }
        Ok(())
    }

    async fn record(&self, mut report: Report) -> Result<(), Refusal> {
        let (id, project) = (report.id, report.project);
        let attempt = uuid::Uuid::now_v7().simple().to_string();
        // Before any symbols are looked for: what comes after this is known to be newer.
        let known = self.catalog.arrivals(project).await?;
        self.settings.steps.at(Step::Counted).await;
        // Parsed before anything is written: a parser that cannot start would leave objects behind with every attempt.
        let sources = sources::read(&self.bucket, &report, self.settings.largest_event).await?;
        // What cannot be read of it is noted on the crash.
        let mut feedback = sources::feedback(&report, &sources, Some(id)).unwrap_or_default();
        let mut outcomes = std::mem::take(&mut report.outcomes);
        let Read { verdict, digest: dump_digest, mut held } = self.parse(&report).await?;
        // What is assembled needs no payloads any more: whether they are kept is said by rules that ask what it is.
        let payloads = std::mem::take(&mut report.payloads);
        let told = report.clone();
        report.payloads = payloads;
        let rules = self.rules.current(&self.catalog).await?;
        let scrub = rules.scrub(project);
        // What reads a source computes for a while, and a fault of it must end neither the others nor the process.
        let mut assembled = computed(move || assemble::assemble(told, verdict, &sources, Vec::new())).await?;
        let first = lacking::first_frames(&assembled.crash);
        held.extend(self.symbolicate(&mut assembled.crash).await?);
        let settings = Arc::clone(&self.settings);
        let sign = move || {
            // Before it is scrubbed: all whose id is an e-mail address would be the same user afterwards, and rules ask
            // about what was sent.
            let crash = &mut assembled.crash;
            let user = epitaph_facts::user_of(crash, &settings.user_hash_secret);
            let annotations = crash.annotations.clone();
            epitaph_scrub::scrub(crash, &scrub);
            let crash = assembled.signed();
            let modules = lacking::modules(&crash, &first, &held);
            let raw = (!modules.is_empty()).then(|| lacking::raw(&crash, &first));
            (crash, user, annotations, raw, Lacking { modules, known })
        };
        let (mut crash, user, annotations, raw, lacking) = computed(sign).await?;
        let mut fact = Fact { user, ..epitaph_facts::fact_of(&crash, &self.settings.user_hash_secret) };
        fact.signature = raw.unwrap_or(fact.signature);

        let named = epitaph_rules::labels::user(&report.annotations).map(str::to_owned);
        let about = About { crash: &crash, fact: &fact, annotations: &annotations };
        let first = match rules::word(&rules, about, named, report.sampled_by.as_deref()) {
            Word::Discard { rule, verdict } => {
                outcomes.push(RuleOutcome { project, rule, outcome: verdict, count: 1 });
                return self.discard(&report, &attempt, &outcomes, verdict).await;
            }
            Word::Keep { weight, first } => {
                (crash.weight, fact.weight) = (weight, weight);
                first
            }
        };
        let counted_by = match first {
            // By what it is called: where its frames lie may be like no other crash.
            Some((most, rule))
                if !self.catalog.is_among_first(project, crash.signature.id, id, most).await? =>
            {
                Some(rule)
            }
            _ => None,
        };
        let replaced = match &counted_by {
            Some(rule) => {
                let (rule, outcome) = (rule.clone(), RuleVerdict::PayloadsDropped);
                outcomes.push(RuleOutcome { project, rule, outcome, count: 1 });
                payloads::stored_keys(&report)
            }
            None => self.write(&report, &attempt, &mut crash, scrub).await?,
        };
        self.symbol_sources.want_for(&crash, &rules).await;

        let new = NewCrash {
            fact,
            title: crash.signature.text.clone(),
            signature: crash.signature,
            lacking: raw.map(|_| lacking),
            attempt,
            counted_by,
            client_id: crash.client_id,
            dump_digest,
            outcomes,
        };
        // Should this be another report of a crash that is known, its client's id tells which.
        for one in &mut feedback {
            one.client_id = one.client_id.take().or_else(|| new.client_id.clone());
        }
        // Before the crash, which is what tells that all of the report was handled.
        self.add_feedback(feedback, &scrub).await?;
        self.settings.steps.at(Step::Signed).await;
        let recorded = self.catalog.record(&new).await?;
        self.settings.steps.at(Step::Recorded).await;
        match recorded {
            Recorded::First { issue, new_issue } => {
                let unreadable = crash.unreadable;
                if unreadable.is_some() {
                    self.metrics.count(FUNCTION, epitaph_host::metrics::Outcome::Unreadable, "");
                }
                tracing::info!(%id, %project, %issue, new_issue, unreadable, "recorded a crash");
                self.forget(&replaced).await;
                if let Some(signature) = raw {
                    self.late.look_again(project, signature, known).await;
                }
            }
            Recorded::Duplicate { of } => tracing::info!(%id, %project, %of, "another report of a crash"),
            Recorded::Already => tracing::info!(%id, %project, "the crash was recorded before"),
        }
        Ok(())
    }

    /// Writes a crash's files and its document, and gives the objects that nothing names once the crash is recorded.
    async fn write(
        &self,
        report: &Report,
        attempt: &str,
        crash: &mut Crash,
        scrub: ScrubRules,
    ) -> Result<Vec<Key>, Refusal> {
        let ProcessorSettings { scratch, largest_event, .. } = &*self.settings;
        let kept = payloads::keep(&self.bucket, report, attempt, scrub, scratch, *largest_event).await?;
        crash.payloads = kept.stored;
        for payload in &mut crash.payloads {
            payload.name = epitaph_scrub::scrub_text(&payload.name, &scrub).into_owned();
        }
        let document = serde_json::to_vec(crash)
            .map_err(|error| Refusal::Dead(format!("the crash has no JSON form: {error}")))?;
        let document = payloads::pack(document).await.map_err(FetchError::from)?;
        let key = Key::document(report.project, report.id, attempt);
        self.bucket.put(&key, document).await.map_err(FetchError::from)?;
        Ok(kept.replaced)
    }

    /// Counts a report that a rule keeps away, and lets its objects go.
    async fn discard(
        &self,
        report: &Report,
        attempt: &str,
        outcomes: &[RuleOutcome],
        verdict: RuleVerdict,
    ) -> Result<(), Refusal> {
        if self.catalog.discard(report.project, report.id, attempt, outcomes).await? {
            self.metrics.count(FUNCTION, epitaph_host::metrics::Outcome::Sampled, verdict.as_str());
            tracing::debug!(id = %report.id, project = %report.project, %verdict, "a rule kept a report away");
            self.forget(&payloads::stored_keys(report)).await;
        }
        Ok(())
    }

    /// Deletes what private things were taken out of, or what a rule does not keep, now that nothing names it. What is left behind by a fault
    /// here, or by an end before it, is an orphan, which `maintain` collects.
    async fn forget(&self, replaced: &[Key]) {
        for key in replaced {
            if let Err(error) = self.bucket.delete(key).await {
                tracing::warn!(%key, error = in_full(&error), "a text that was replaced cannot be deleted now");
            }
        }
    }

    /// What the report's minidump says, if it has one.
    async fn parse(&self, report: &Report) -> Result<Read, Refusal> {
        let Some(dump) = report.payloads.iter().find(|payload| payload.role == Role::Minidump) else {
            return Ok(Read::default());
        };
        // Before the dump is fetched, so that no more dumps lie about than are parsed.
        let permit = self.parsers.acquire().await;
        let _permit = permit.map_err(|_| Refusal::Later("the processor is shutting down".to_owned()))?;
        let fetched =
            payloads::fetch(&self.bucket, dump, self.settings.largest_dump, &self.settings.scratch).await;
        match fetched {
            Ok(file) => {
                let digest = payloads::digest(Arc::clone(&file)).await?;
                let verdict = isolation::parse(&self.settings.parser, &file, None).await?;
                let (verdict, held) = self.with_symbols(report.project, &file, verdict).await?;
                Ok(Read { verdict: Some(verdict), digest: Some(digest), held })
            }
            Err(FetchError::Unreadable(unreadable)) => {
                Ok(Read { verdict: Some(Verdict::Unreadable(unreadable)), ..Read::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The verdict on a dump once more, with the symbols that its modules have. If reading it with them fails, it is the
    /// one before: a crash without lines is better than none.
    async fn with_symbols(
        &self,
        project: ProjectId,
        dump: &File,
        without: Verdict,
    ) -> Result<(Verdict, Vec<HeldSymbols>), Refusal> {
        let Verdict::Parsed(parsed) = &without else { return Ok((without, Vec::new())) };
        let ids = parsed.modules.iter().filter_map(|module| module.debug_id.clone()).collect();
        let held = self.shelf.held(project, ids).await?;
        self.settings.steps.at(Step::Looked).await;
        let Some(symbols) = self.shelf.gather(project, &held).await? else { return Ok((without, held)) };
        match isolation::parse(&self.settings.parser, dump, Some(symbols.folder())).await? {
            with @ Verdict::Parsed(_) => Ok((with, held)),
            Verdict::Unreadable(unreadable) => {
                tracing::warn!(%project, why = unreadable.message, "a dump cannot be read with its symbols");
                Ok((without, held))
            }
        }
    }

    /// Gives the frames of events their functions and lines, from the symbols that are here.
    async fn symbolicate(&self, crash: &mut Crash) -> Result<Vec<HeldSymbols>, Refusal> {
        let ids: BTreeSet<String> = symbolicator::debug_ids(crash).map(str::to_owned).collect();
        let held = self.shelf.held(crash.project, ids).await?;
        let Some(symbols) = self.shelf.gather(crash.project, &held).await? else { return Ok(held) };
        let permit = self.parsers.acquire().await;
        let _permit = permit.map_err(|_| Refusal::Later("the processor is shutting down".to_owned()))?;
        symbolicator::symbolicate(&self.settings.parser, symbols.folder(), crash, Whose::Clients).await?;
        Ok(held)
    }
}

/// What a report's minidump says.
#[derive(Default)]
struct Read {
    verdict: Option<Verdict>,
    /// The hash of its bytes.
    digest: Option<String>,
    /// Of the modules of the dump, what symbols they had.
    held: Vec<HeldSymbols>,
}

/// What a computation gives that takes a while. One that ends its thread would do so again.
async fn computed<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::Dead(format!("the report ends its reader: {error}")))
}

/// The report in a message, if it is one that this code reads and is about what the message says.
fn read_report(message: &Message) -> Result<Report, Refusal> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let not_a_report =
        |error: serde_json::Error| Refusal::Dead(format!("the message holds no report: {error}"));
    let Versioned { version } = message.read().map_err(not_a_report)?;
    if version > REPORT_VERSION {
        return Err(Refusal::Dead(format!(
            "the report has version {version}, and this program reads up to {REPORT_VERSION}; update it, then \
             re-drive the message"
        )));
    }
    let report: Report = message.read().map_err(not_a_report)?;
    if message.project() != Some(report.project) || message.id.parse::<CrashId>() != Ok(report.id) {
        return Err(Refusal::Dead(format!(
            "the message is about {} of {}, and the report in it about {} of project {}",
            message.id, message.source, report.id, report.project
        )));
    }
    let keys = report.payloads.iter().filter_map(|payload| match &payload.content {
        Content::Stored { key, .. } => Some(key),
        Content::Inline(_) => None,
    });
    for key in keys {
        let own = key.parse::<Key>().is_ok_and(|key| key.is_payload_of(report.project, report.id));
        if !own {
            return Err(Refusal::Dead(format!("the report names an object that is not its own: {key:?}")));
        }
    }
    Ok(report)
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        let why = in_full(&error);
        if error.is_unavailable() { Self::Later(why) } else { Self::Dead(why) }
    }
}

impl From<FetchError> for Refusal {
    /// Whatever is wrong with a payload itself is a verdict; what remains is the bucket's or this machine's.
    fn from(error: FetchError) -> Self {
        let own = matches!(&error, FetchError::Bucket(error) if !error.is_unavailable());
        let why = in_full(&error);
        if own { Self::Dead(why) } else { Self::Later(why) }
    }
}

impl From<ParserError> for Refusal {
    fn from(error: ParserError) -> Self {
        Self::Later(in_full(&error))
    }
}

/// An error and its sources, in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
