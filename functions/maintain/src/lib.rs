//! What must be done now and then, whoever is asked to do it.
//!
//! Each task is leased in the catalog, so that two instances never do the same at once, and each may be cut off at any
//! line and begun anew: it deletes what it has dealt with last.

mod compact;
#[cfg(feature = "lambda")]
mod lambda;
mod late;
mod orphans;
mod parked;
mod retention;
mod rules;
mod schedule;
mod seal;
mod segments;
#[cfg(feature = "knative")]
mod subscriber;
mod symbols;
mod writing;

use std::{sync::Arc, time::Duration};

use epitaph_bucket::{Bucket, BucketError};
use epitaph_catalog::{Catalog, CatalogError};
use epitaph_dead_letters::{DeadLetterError, DeadLetters};
use epitaph_facts::{Facts, FactsError};
use epitaph_queue::Sender;
use epitaph_secrets::Secret;
use tokio::sync::Mutex;

#[cfg(feature = "lambda")]
pub use crate::lambda::Scheduled;
pub use crate::rules::publish_rules;
#[cfg(feature = "knative")]
pub use crate::subscriber::subscriber;

/// The longest life of a message that is queued, parked or dead and may still be acted on, in days: `process` acts on
/// none that is older than 20 days, and clocks may differ.
pub const LONGEST_MESSAGE_LIFE_DAYS: i64 = 22;
/// What was seen is remembered for so many days more, so that nothing is ever counted twice.
const SEEN_MARGIN_DAYS: i64 = 8;
/// The bytes of a dump stand for a crash for a day; the day before is kept for those that were delayed.
const DIGEST_DAYS: i64 = 2;
/// How old staged files of dead writers must be before they are removed.
const UNFINISHED_AGE_SECONDS: u64 = 24 * 60 * 60;
/// A warning is logged while less than so many times the low-water mark is free.
const WARN_BELOW: u64 = 4;
const PARKED_LEASE: Duration = Duration::from_secs(60);
const TASK_LEASE: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What maintenance is given.
#[derive(Debug, Clone)]
pub struct MaintenanceSettings {
    /// How many days crashes are kept, where the rules do not say otherwise.
    pub retention_days: u32,
    /// How many days debug files are kept that nobody uses.
    pub symbol_days: u32,
    /// The secret that messages are signed with.
    pub message_secret: Secret,
    /// When facts become segments.
    pub sealing: Sealing,
}

/// When facts become segments, and segments larger ones.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// So many facts of a project are sealed at once when there are as many.
    pub enough: u64,
    /// A fact does not wait longer than this, however few there are.
    pub age: Duration,
    /// The most facts that one transaction moves: recording waits for as long as that takes.
    pub most: u32,
    /// The most facts of a segment that is made of several.
    pub largest: u64,
    /// How long a question may read a segment that was replaced meanwhile.
    pub longest_read: Duration,
    /// How long writing a segment may take: after that its writer counts as dead.
    pub longest_write: Duration,
}

impl Default for Sealing {
    fn default() -> Self {
        Self {
            enough: 10_000,
            age: Duration::from_secs(60 * 60),
            most: 50_000,
            largest: 1_000_000,
            longest_read: Duration::from_secs(60 * 60),
            longest_write: DAY,
        }
    }
}

/// Why a task could not be finished. The next run goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The bucket failed.
    #[error("the bucket failed")]
    Bucket(#[from] BucketError),
    /// The catalog failed.
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
    /// A dead letter could not be handled.
    #[error("a dead letter could not be handled")]
    DeadLetter(#[from] DeadLetterError),
    /// Facts could not be read or written.
    #[error("facts could not be read or written")]
    Facts(#[from] FactsError),
    /// The catalog holds rules that cannot be read.
    #[error("the rules in the catalog cannot be published; set them anew with `epitaph rules set`")]
    Rules(#[from] epitaph_rules::RulesError),
}

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Parked messages that were sent on.
    pub sent_on: u64,
    /// Crashes that were kept long enough and are gone now.
    pub expired: u64,
    /// Objects that no crash, parked message or dead letter named, and that are gone now.
    pub orphans: u64,
    /// Dead letters whose burial had been cut short.
    pub gathered: u64,
    /// Facts that were sealed into segments.
    pub sealed: u64,
    /// Segments that became part of larger ones.
    pub compacted: u64,
}

/// The tasks.
pub struct Maintenance {
    settings: MaintenanceSettings,
    bucket: Bucket,
    catalog: Catalog,
    facts: Facts,
    queue: Arc<dyn Sender>,
    dead: DeadLetters,
    /// Held while this instance seals: its lease is no hindrance to itself.
    sealing: Mutex<()>,
    /// Names this instance in leases.
    holder: String,
}

impl Maintenance {
    /// Nothing is touched yet.
    pub fn new(settings: MaintenanceSettings, facts: Facts, queue: Arc<dyn Sender>) -> Self {
        let (bucket, catalog) = (facts.bucket().clone(), facts.catalog().clone());
        let dead = DeadLetters::new(bucket.clone(), catalog.clone());
        let holder = uuid::Uuid::now_v7().simple().to_string();
        Self { settings, bucket, catalog, facts, queue, dead, sealing: Mutex::new(()), holder }
    }

    /// Sends on what is parked. To be run every few seconds where that is cheap. Gives the number sent.
    ///
    /// # Errors
    /// When an engine failed; what was sent on until then is.
    pub async fn send_parked(&self) -> Result<u64, MaintenanceError> {
        if !self.lease_parked().await? {
            return Ok(0);
        }
        let sent = parked::send_on(self).await;
        self.catalog.release_lease("parked", &self.holder).await?;
        sent
    }

    /// Takes or renews the lease of parked messages. It is short: an instance that dies with it delays them by no more.
    async fn lease_parked(&self) -> Result<bool, CatalogError> {
        self.catalog.lease("parked", &self.holder, PARKED_LEASE).await
    }

    /// Does everything that is due.
    ///
    /// # Errors
    /// The first that came up; every task was tried.
    pub async fn run(&self) -> Result<Done, MaintenanceError> {
        let sent_on = self.send_parked().await;
        let rest = self.keep_in_order().await?;
        Ok(Done { sent_on: sent_on?, ..rest })
    }

    /// Does everything that is due, but for parked messages.
    async fn keep_in_order(&self) -> Result<Done, MaintenanceError> {
        self.warn_of_full_disk();
        let kept = self.keep_house().await;
        let done = self.seal().await;
        let orphans = self.sweep_daily().await?;
        let (expired, gathered) = kept?;
        Ok(Done { expired, orphans, gathered, ..done? })
    }

    /// Moves facts from the catalog into segments where that is due, and joins small segments. To be run every minute
    /// where that is cheap.
    ///
    /// # Errors
    /// When an engine failed; each fact is then still in one place.
    pub async fn seal(&self) -> Result<Done, MaintenanceError> {
        let Ok(_alone) = self.sealing.try_lock() else { return Ok(Done::default()) };
        if !self.lease_seal().await? {
            return Ok(Done::default());
        }
        let done = self.seal_alone().await;
        self.catalog.release_lease("seal", &self.holder).await?;
        done
    }

    async fn seal_alone(&self) -> Result<Done, MaintenanceError> {
        writing::remove_unfinished(self.facts.scratch()).await?;
        let sealed = seal::seal(self).await?;
        let compacted = compact::compact(self).await?;
        late::sign_again(self).await?;
        segments::delete_replaced(self).await?;
        Ok(Done { sealed, compacted, ..Done::default() })
    }

    /// Takes or renews the lease of sealing.
    async fn lease_seal(&self) -> Result<bool, CatalogError> {
        self.catalog.lease("seal", &self.holder, TASK_LEASE).await
    }

    async fn keep_house(&self) -> Result<(u64, u64), MaintenanceError> {
        if !self.catalog.lease("house", &self.holder, TASK_LEASE).await? {
            return Ok((0, 0));
        }
        let expired = retention::expire(self).await;
        let unused = symbols::expire(self).await;
        let woken = late::wake(self).await;
        let gathered = self.dead.gather().await;
        let published = rules::publish_rules(&self.catalog, &self.bucket).await;
        self.catalog.release_lease("house", &self.holder).await?;
        published?;
        unused?;
        woken?;
        Ok((expired?, gathered?))
    }

    /// Once a day, as listing everything is not cheap. A sweep that failed is begun anew with the next run.
    async fn sweep_daily(&self) -> Result<u64, MaintenanceError> {
        if !self.catalog.lease("sweep", &self.holder, TASK_LEASE).await? {
            return Ok(0);
        }
        let swept = self.sweep().await;
        self.catalog.release_lease("sweep", &self.holder).await?;
        if swept.is_ok() {
            // Nobody goes by this name, so nobody can renew it before its day is over.
            let nobody = uuid::Uuid::now_v7().simple().to_string();
            self.catalog.lease("sweep", &nobody, DAY).await?;
        }
        swept
    }

    /// Sweeps now what no crash, message or dead letter names, and forgets what was seen too long ago to matter.
    ///
    /// # Errors
    /// When an engine failed.
    pub async fn sweep(&self) -> Result<u64, MaintenanceError> {
        let unfinished = self.bucket.sweep_unfinished(UNFINISHED_AGE_SECONDS).await?;
        let today = epitaph_crash_model::Timestamp::now().day();
        // Before it is forgotten which attempts have won: of those days then only they have left something.
        let orphans = orphans::sweep(self, today.plus(-LONGEST_MESSAGE_LIFE_DAYS)).await?;
        let segments = segments::sweep(self).await?;
        let files = retention::expire_files(self).await?;
        if files > 0 {
            tracing::info!(files, "files were kept as long as the rules say, and are gone");
        }
        let forgotten = today.plus(-LONGEST_MESSAGE_LIFE_DAYS - SEEN_MARGIN_DAYS);
        self.catalog.forget_seen(forgotten).await?;
        self.catalog.forget_firsts(forgotten.start()).await?;
        self.catalog.forget_outcomes(today.plus(-i64::from(self.settings.retention_days))).await?;
        // A dump that comes late may have been received before one that came in time.
        self.catalog.forget_digests(today.plus(-DIGEST_DAYS).start()).await?;
        late::forget_gone(self).await?;
        let parts = symbols::sweep_parts(self).await?;
        Ok(unfinished + orphans + segments + parts)
    }

    fn warn_of_full_disk(&self) {
        match self.bucket.free_space() {
            Ok(Some((free, low))) if free < low.saturating_mul(WARN_BELOW) => {
                tracing::warn!(
                    free_bytes = free,
                    refusing_below = low,
                    "the disk is filling up; free some, add some, or lower EPITAPH_RETENTION_DAYS"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot tell how full the disk is"),
        }
    }
}
