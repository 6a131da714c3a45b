//! What messages are handed to, however they come.

use std::{io, path::PathBuf};

use epitaph_bucket::{Bucket, BucketError};
use epitaph_catalog::{Catalog, CatalogError};
use epitaph_crash_model::Message;
use epitaph_dead_letters::DeadLetters;
use epitaph_host::{Context, metrics, telemetry};
#[cfg(feature = "embedded")]
use epitaph_queue::embedded;
use epitaph_queue::{Handler, Outcome, Undeliverable};
use epitaph_secrets::Purpose;

use crate::{ParserError, ParserSettings, Processor, ProcessorSettings, processor::FUNCTION};

/// A message whose handler vanished so often is a dead letter. Parsers are isolated and have attempts of their own; this
/// counts deaths of the whole process.
#[cfg(any(feature = "embedded", feature = "knative", feature = "lambda"))]
pub(crate) const MOST_ATTEMPTS: u32 = 20;

/// Why `process` cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The hash of users needs a secret that only the root gives.
    #[error("EPITAPH_SECRET is not set, only secrets derived from it; expected the root secret")]
    NoRoot,
    /// The queue cannot be consumed.
    #[cfg(feature = "embedded")]
    #[error("the queue cannot be consumed")]
    Queue(#[from] embedded::OpenError),
    /// This build was made without the queue's engine, or nothing is pulled from it.
    #[error(
        "this build can pull nothing from the queue that EPITAPH_QUEUE or K_SINK names, expected another"
    )]
    NoEngine,
    /// The bucket's URL is not usable.
    #[error("the bucket cannot be used")]
    Bucket(#[from] BucketError),
    /// The catalog's URL is not usable.
    #[error("the catalog cannot be used")]
    Catalog(#[from] CatalogError),
    /// No parser can be run.
    #[error("the parser cannot be run")]
    Parser(#[from] ParserError),
    /// There is no place for dumps that are being parsed.
    #[error("the directory {} cannot be made", .0.display())]
    Scratch(PathBuf, #[source] io::Error),
}

/// Hands messages from the queue to a processor, and what it can never handle to the dead letters.
pub struct Puller {
    processor: Processor,
    dead: DeadLetters,
    metrics: metrics::Metrics,
}

impl Puller {
    /// A puller with engines that are already there.
    ///
    /// # Errors
    /// [`OpenError`], but for the queue.
    pub fn new(context: &Context, bucket: Bucket, catalog: Catalog) -> Result<Self, OpenError> {
        let Context { settings, secrets, metrics, .. } = context;
        let mut parser = match &settings.parser.program {
            Some(program) => ParserSettings::of(program),
            None => ParserSettings::of_this_program()?,
        };
        parser.limits.data_bytes = settings.parser.memory;
        parser.limits.cpu_seconds = settings.parser.cpu.as_secs();
        parser.wall = settings.parser.wall;
        let user_hash = secrets.root.as_ref().ok_or(OpenError::NoRoot)?.derive(Purpose::UserHash);
        let mut processor = ProcessorSettings::new(secrets.message.clone(), user_hash, parser);
        processor.largest_dump = settings.limits.file;
        processor.largest_event = settings.limits.event;
        processor.scratch = settings.scratch();
        std::fs::create_dir_all(&processor.scratch)
            .map_err(|error| OpenError::Scratch(processor.scratch.clone(), error))?;
        let converter = &mut processor.symbols.converter;
        converter.limits.data_bytes = settings.symbols.memory;
        converter.limits.cpu_seconds = settings.symbols.cpu.as_secs();
        converter.wall = settings.symbols.wall;
        processor.symbols.folder = settings.symbol_folder();
        processor.symbols.cache = settings.symbols.cache;
        let sources = &mut processor.symbols.sources;
        sources.hosts.clone_from(&settings.symbols.hosts);
        sources.largest = sources.largest.min(settings.symbols.largest);
        let dead = DeadLetters::new(bucket.clone(), catalog.clone());
        let processor = Processor::new(processor, bucket, catalog).counting_in(metrics.clone());
        Ok(Self { processor, dead, metrics: metrics.clone() })
    }

    /// A puller with the engines that the settings name.
    ///
    /// # Errors
    /// [`OpenError`], but for the queue.
    pub fn open(context: &Context) -> Result<Self, OpenError> {
        let bucket = Bucket::open(&context.settings.bucket, context.settings.min_free_disk)?;
        let catalog = Catalog::open(&context.settings.catalog)?;
        Self::new(context, bucket, catalog)
    }
}

impl Handler for Puller {
    async fn handle(&self, message: Message, attempt: u32) -> Outcome {
        self.processor.handle(&message, attempt).await
    }

    async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
        let Undeliverable { bytes, place, reason, attempts } = undeliverable;
        self.dead.bury(bytes, &place, &reason, attempts).await.map_err(|error| telemetry::chain(&error))?;
        self.metrics.count(FUNCTION, metrics::Outcome::Dead, "");
        Ok(())
    }
}
