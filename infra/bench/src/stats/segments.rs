//! The facts as segments in a directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use epitaph_bucket::Bucket;
use epitaph_crash_model::{Fact, ProjectId};
use epitaph_facts::{Segment, SegmentWriter};

use crate::{error::BenchError, facts::Facts, progress::Progress};

/// Changes when other facts are made, or segments are written otherwise.
const VERSION: u32 = 1;

/// Where the segments are.
pub(super) struct Made {
    pub(super) directory: PathBuf,
    pub(super) segments: Vec<Segment>,
    /// The crash of one fact in the middle.
    pub(super) one: Fact,
}

impl Made {
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn location(&self) -> Result<String, BenchError> {
        let path = self.directory.canonicalize().map_err(BenchError::of_file(&self.directory))?;
        Ok(format!("file://{}", path.display()))
    }

    /// The folder of the files themselves.
    pub(super) fn files(&self) -> PathBuf {
        self.directory.join("segments").join(ProjectId::FIRST.to_string())
    }
}

/// Makes them, on as many threads as there are cores, unless they were made before.
pub(super) fn make(data: &Path, facts: u64, rows: u64) -> Result<Made, BenchError> {
    let directory = data.join(format!("stats-{VERSION}-{facts}-{rows}"));
    let list = directory.join("segments.json");
    let source = Facts::new(facts);
    let one = source.some(facts / 2..facts / 2 + 1).next();
    let one = one.ok_or_else(|| BenchError::Unusable("--facts must be at least 1".into()))?;
    if let Ok(known) = fs::read(&list) {
        let segments =
            serde_json::from_slice(&known).map_err(io::Error::from).map_err(BenchError::of_file(&list))?;
        return Ok(Made { directory, segments, one });
    }
    fs::create_dir_all(&directory).map_err(BenchError::of_file(&directory))?;
    let number = facts.div_ceil(rows);
    let progress = Progress::new(number);
    let next = AtomicU64::new(0);
    let made = thread::scope(|scope| {
        let work = || {
            let mut segments = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= number {
                    return Ok(segments);
                }
                progress.says(format!("segment {} of {number}", index + 1));
                let of_segment = index * rows..((index + 1) * rows).min(facts);
                segments.extend(write(&directory, &source, index, of_segment)?);
                progress.step();
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = || BenchError::Unusable("a thread that makes facts ended early".into());
        let made = threads.into_iter().map(|thread| thread.join().map_err(|_| ended())?);
        made.collect::<Result<Vec<Vec<Segment>>, BenchError>>()
    })?;
    let mut segments = made.concat();
    segments.sort_by(|a, b| a.name.cmp(&b.name));
    let told = serde_json::to_vec(&segments).map_err(io::Error::from);
    told.and_then(|told| fs::write(&list, told)).map_err(BenchError::of_file(&list))?;
    Ok(Made { directory, segments, one })
}

fn write(
    directory: &Path,
    source: &Facts,
    index: u64,
    numbers: std::ops::Range<u64>,
) -> Result<Option<Segment>, BenchError> {
    let file = directory.join(format!("{index}.unfinished"));
    let mut writer = SegmentWriter::new(&file, ProjectId::FIRST);
    // Of neighbours the earlier one may have been received a little later.
    let mut waiting: Vec<Fact> = Vec::new();
    let mut facts = source.some(numbers);
    loop {
        let more = facts.by_ref().take(4096);
        let before = waiting.len();
        waiting.extend(more);
        let is_last = waiting.len() == before;
        waiting.sort_by_key(|fact| (fact.received_at, fact.crash_id));
        let ready = if is_last { waiting.len() } else { waiting.len() / 2 };
        for fact in waiting.drain(..ready) {
            writer.push(&fact)?;
        }
        if is_last && waiting.is_empty() {
            break;
        }
    }
    let segment = writer.finish(&format!("{index:06}"))?;
    if let Some(segment) = &segment {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
        let path = directory.canonicalize().map_err(BenchError::of_file(directory))?;
        let bucket = Bucket::open(&format!("file://{}", path.display()), 0)?;
        runtime.block_on(segment.upload(&file, &bucket))?;
    }
    fs::remove_file(&file).map_err(BenchError::of_file(&file))?;
    Ok(segment)
}
