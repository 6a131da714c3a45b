//! A disk that fills up, as far as the function is told: the mark that it keeps free lies just below what is free now.

use std::{collections::HashSet, path::Path, time::Duration};

use epitaph_queue::embedded::{Consumer, ConsumerSettings};
use serde::{Deserialize, Serialize};

use super::{Arguments, Sample, Watch, loaded};
use crate::{error::BenchError, place::Place};

/// The disk should be full by now, unless something else makes room on it.
const PATIENCE_SECONDS: f64 = 300.0;
/// How long nothing is handed out until the queue counts as read.
const QUIET: Duration = Duration::from_secs(3);
const CONSUMER: ConsumerSettings = ConsumerSettings { visibility: Duration::from_secs(600), in_flight: 256 };

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Full {
    pub(super) samples: Vec<Sample>,
    /// Seconds until the first report was refused.
    pub(super) first_refused_at: f64,
    /// Seconds from when a consumer came until reports were accepted again.
    pub(super) accepted_again_after: f64,
    /// Reports that were answered 200, all in all.
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// Different messages that the consumer was handed, or that lie parked in the bucket.
    pub(super) found: u64,
}

pub(super) async fn run(arguments: &Arguments, place: &Place) -> Result<Full, BenchError> {
    let folder = place.scratch()?;
    let data = folder.path().join("data");
    let low = free_bytes(folder.path())?.saturating_sub(arguments.room);
    let mark = [("EPITAPH_MIN_FREE_DISK", low.to_string())];
    let (server, clients) = loaded(arguments, place, &folder, &mark)?;

    let mut first_refused_at = None;
    let watch = Watch::new(&server, &clients);
    let mut samples = watch
        .until(arguments, &data, |seconds, sample| {
            if sample.refused_per_second > 0.0 {
                first_refused_at.get_or_insert(seconds);
            }
            first_refused_at.is_some_and(|at| seconds >= at + arguments.full_seconds)
                || (first_refused_at.is_none() && seconds > PATIENCE_SECONDS)
        })
        .await?;
    let Some(first_refused_at) = first_refused_at else {
        return Err(BenchError::Unusable(format!(
            "the disk was not filled in {PATIENCE_SECONDS} s; something else makes room on it"
        )));
    };

    // A consumer comes, and makes room by removing files of which everything is read.
    let mut consumer = Consumer::open(&data.join("queue"), CONSUMER)?;
    let mut found = HashSet::new();
    let begun = samples.last().map_or(0.0, |sample| sample.seconds);
    let after = Watch::new(&server, &clients).until(arguments, &data, |seconds, sample| {
        sample.accepted_per_second > 0.0 || seconds > PATIENCE_SECONDS
    });
    let after = tokio::select! {
        after = after => after?,
        () = read_on(&mut consumer, &mut found) => Vec::new(),
    };
    let accepted_again_after = after.last().map_or(f64::NAN, |sample| sample.seconds);
    samples.extend(after.into_iter().map(|sample| Sample { seconds: sample.seconds + begun, ..sample }));

    let (accepted, refused) = clients.stop().await.ever;
    server.stop();
    // Nothing is added any more.
    while tokio::time::timeout(QUIET, read_one(&mut consumer, &mut found)).await.is_ok() {}
    found.extend(parked(&data));
    Ok(Full { samples, first_refused_at, accepted_again_after, accepted, refused, found: found.len() as u64 })
}

/// Reads the queue as `process` does, and forgets what it reads; for ever.
async fn read_on(consumer: &mut Consumer, found: &mut HashSet<String>) {
    while read_one(consumer, found).await {}
}

/// Whether there was one.
async fn read_one(consumer: &mut Consumer, found: &mut HashSet<String>) -> bool {
    let Some(delivery) = consumer.receive().await else { return false };
    found.extend(delivery.message().map(|message| message.id));
    delivery.done();
    true
}

/// Messages that wait in the bucket because the queue did not take them.
fn parked(data: &Path) -> Vec<String> {
    let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let files = folders(&data.join("bucket/parked")).flat_map(|project| folders(&project.path()));
    let names = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    names.collect()
}

fn free_bytes(folder: &Path) -> Result<u64, BenchError> {
    let disk =
        rustix::fs::statvfs(folder).map_err(std::io::Error::from).map_err(BenchError::of_file(folder))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
