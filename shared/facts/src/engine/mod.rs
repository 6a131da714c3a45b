//! Answers questions from segments and from the facts that are not yet in one.
//!
//! ```text
//! question ─▶ per segment: a partial answer from the cache, or else
//!                per row group: fetch the columns of the filter ─▶ rows ─▶ fetch the other columns ─▶ count codes
//!          ─▶ facts in memory: the same, from the facts
//!          ─▶ merge all partial answers as sorted streams ─▶ the first rows ─▶ their parts
//! ```
//!
//! Work that computes runs on as many threads as the engine was given; what waits for the bucket waits together.

mod answer;
mod beside;
mod cache;
mod crashes;
mod entry;
mod export;
mod find;
mod group;
mod merge;
mod partial;
mod resolve;
mod scan;
mod select;
mod spans;
mod users;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use epitaph_bucket::Bucket;
use epitaph_crash_model::{Fact, ProjectId};
use tokio::sync::Semaphore;

use self::{answer::Sources, cache::Cache, partial::Partial, scan::Selection};
pub use self::{
    crashes::{Cursor, Listing, Page},
    resolve::Signatures,
};
use crate::{
    Answer, FactsError, Filter, Measures, Period, Question, Work,
    segment::{Footer, Footers, Segment, in_background},
};

/// What can be chosen about an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How many threads may compute at once; at least one.
    pub threads: usize,
    /// What the directory of partial answers may take, in bytes.
    pub cache_bytes: u64,
    /// What parts of segments may take in memory at once, as they are fetched and as they are counted, in bytes. With
    /// less than a row group takes, row groups are counted one after the other. A quarter as much again is for what was
    /// counted of them; the rest of that goes to disk.
    pub held_bytes: usize,
    /// What the indexes of segments may take in memory, in bytes.
    pub index_bytes: usize,
}

impl Default for EngineOptions {
    /// As many threads as there are processors, 1 GiB of disk, and 256 MiB and 64 MiB of memory.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cache_bytes: 1 << 30,
            held_bytes: 256 << 20,
            index_bytes: 64 << 20,
        }
    }
}

/// All facts at one moment, as the catalog has them in one transaction: a fact is in one segment, or among the recent
/// ones. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The segments, in any order.
    pub segments: Arc<Vec<Segment>>,
    /// The facts that are in no segment, in any order.
    pub recent: Arc<Vec<Arc<Fact>>>,
    /// What the catalog knows of signatures. May be empty where nothing asks for issues or texts of signatures.
    pub signatures: Arc<Signatures>,
}

/// Answers questions. Cheap to clone; all clones share memory, threads and the cache.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bucket: Bucket,
    footers: Footers,
    cache: Arc<Cache>,
    computing: Semaphore,
    /// In KiB.
    holding: Semaphore,
    most_held: u32,
    /// Room for the counts of row groups until those of their segment are put together, in KiB.
    counted: Arc<Semaphore>,
}

/// What answering took so far.
#[derive(Debug, Default)]
struct Effort {
    segments: AtomicU64,
    cached: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Engine {
    /// Over the segments of a bucket. `directory` holds partial answers, and whatever does not fit into memory; what is
    /// in it may be removed while nothing runs, and it may be shared with no other process.
    ///
    /// # Errors
    /// [`FactsError::Scratch`] when the directory cannot be made or read.
    pub fn new(bucket: Bucket, directory: &Path, options: &EngineOptions) -> Result<Self, FactsError> {
        let held = u32::try_from((options.held_bytes >> 10).max(1)).unwrap_or(u32::MAX >> 3);
        let shared = Shared {
            bucket,
            footers: Footers::new(options.index_bytes),
            cache: Arc::new(Cache::open(directory, options.cache_bytes)?),
            computing: Semaphore::new(options.threads.max(1)),
            holding: Semaphore::new(held as usize),
            most_held: held,
            counted: Arc::new(Semaphore::new(held as usize / 4)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// [`FactsError::Question`] when it cannot be answered as it is put, [`FactsError::Bucket`],
    /// [`FactsError::Segment`], [`FactsError::Scratch`].
    pub async fn ask(&self, question: &Question, snapshot: &Snapshot) -> Result<Answer, FactsError> {
        const TRIES: usize = 3;
        question.check()?;
        for _ in 1..TRIES {
            match self.try_to_ask(question, snapshot).await {
                // It was thrown away, and is made anew.
                Err(FactsError::Damaged) => {}
                answer => return answer,
            }
        }
        self.try_to_ask(question, snapshot).await
    }

    async fn try_to_ask(&self, question: &Question, snapshot: &Snapshot) -> Result<Answer, FactsError> {
        let effort = Effort::default();
        let side = |filter: &Filter, period: Period, measures: Measures| Selection {
            engine: self.clone(),
            projects: question.projects.iter().copied().collect(),
            period,
            filter: filter.clone(),
            shape: Arc::new(group::Shape::new(&question.group_by, measures)),
        };
        let here = side(&question.filter, question.period, question.measures);
        let selection = self.partials(&here, snapshot, &effort);
        let baseline = async {
            let Some(baseline) = &question.baseline else { return Ok(None) };
            let there = Selection {
                shape: Arc::new(group::Shape::new(
                    question.group_by.get(..1).unwrap_or_default(),
                    Measures::default(),
                )),
                ..side(&baseline.filter, baseline.period.unwrap_or(question.period), Measures::default())
            };
            self.partials(&there, snapshot, &effort).await.map(Some)
        };
        let (selection, baseline) = futures_util::try_join!(selection, baseline)?;
        let sources = Sources {
            question: question.clone(),
            selection,
            baseline,
            signatures: Arc::clone(&snapshot.signatures),
            cache: Arc::clone(&self.shared.cache),
        };
        let mut answer = self.compute(move || sources.answer()).await?;
        answer.work = effort.work();
        Ok(answer)
    }

    async fn partials(
        &self,
        selection: &Selection,
        snapshot: &Snapshot,
        effort: &Effort,
    ) -> Result<Vec<Partial>, FactsError> {
        let (mut partials, recent) = futures_util::try_join!(
            selection.of_segments(snapshot, effort),
            selection.of_recent(snapshot, effort)
        )?;
        partials.extend(recent);
        Ok(partials)
    }

    /// Runs what computes, when it is its turn.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FactsError> + Send + 'static,
    ) -> Result<T, FactsError> {
        let _turn = self.shared.computing.acquire().await.map_err(|_| FactsError::Stopped)?;
        in_background(work).await
    }

    /// The index of a segment.
    async fn footer(&self, segment: &Segment) -> Result<Arc<Footer>, FactsError> {
        if let Some(footer) = self.shared.footers.get(&segment.name) {
            return Ok(footer);
        }
        let footer = Arc::new(read_footer(&self.shared.bucket, segment).await?);
        self.shared.footers.keep(&segment.name, &footer);
        Ok(footer)
    }
}

impl Effort {
    fn work(&self) -> Work {
        Work {
            segments: self.segments.load(Ordering::Relaxed),
            cached: self.cached.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// Reads the index of a segment.
pub(crate) async fn read_footer(bucket: &Bucket, segment: &Segment) -> Result<Footer, FactsError> {
    let index = segment.bytes.saturating_sub(segment.index_bytes)..segment.bytes;
    let end = bucket.get_ranges(&segment.key(), std::slice::from_ref(&index)).await?;
    let end = end.into_iter().next().unwrap_or_default();
    let segment = segment.clone();
    in_background(move || Footer::parse(&segment, &end)).await
}

fn is_of(projects: &std::collections::BTreeSet<ProjectId>, project: ProjectId) -> bool {
    projects.is_empty() || projects.contains(&project)
}
