//! Recording crashes, each when it is ready, a few at once.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use epitaph_catalog::{Catalog, NewCrash, Recorded};
use epitaph_crash_model::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Arguments, PATIENCE, ready::Ready};
use crate::{error::BenchError, statistics::float};

/// How long a crash is left alone that was sent back since the catalog was unavailable.
const REST: Duration = Duration::from_secs(1);

/// What all that record share.
pub(super) struct Recording {
    catalog: Catalog,
    ready: Ready,
    rate: f64,
    offered: u64,
    begun: Instant,
    /// By the clock on the wall.
    begun_at: Timestamp,
    patience: Duration,
    /// The number of the crash that is taken up next.
    next: AtomicU64,
    recorded: AtomicU64,
    weight: AtomicU64,
    sent_back: AtomicU64,
    waits: Mutex<AllAndNew>,
}

/// Milliseconds from ready to recorded.
#[derive(Default)]
struct AllAndNew {
    all: Vec<f64>,
    new: Vec<f64>,
}

impl Recording {
    /// The first crash is ready now.
    pub(super) fn begin(arguments: &Arguments, catalog: Catalog) -> Self {
        let offered = arguments.offered();
        Self {
            catalog,
            ready: Ready::new(offered),
            rate: f64::from(arguments.rate),
            offered,
            begun: Instant::now(),
            begun_at: Timestamp::now(),
            patience: Duration::from_secs(60)
                + Duration::from_secs(arguments.seconds.into()).mul_f64(PATIENCE),
            next: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            weight: AtomicU64::new(0),
            sent_back: AtomicU64::new(0),
            waits: Mutex::default(),
        }
    }

    /// Records one crash after another, until there is none left.
    pub(super) async fn work(self: Arc<Self>) -> Result<(), BenchError> {
        while self.begun.elapsed() < self.patience {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.offered {
                break;
            }
            let after = Duration::from_secs_f64(float(number) / self.rate);
            let received = self.begun_at.plus_millis(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
            let crash = self.ready.crash(received, number);
            let ready = self.begun + after;
            sleep_until(ready).await;
            self.record(&crash).await?;
            let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            waits.new.push(ready.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(())
    }

    async fn record(&self, crash: &NewCrash) -> Result<(), BenchError> {
        loop {
            match self.catalog.record(crash).await {
                // After an error it is open whether it was recorded; asking again tells.
                Ok(Recorded::First { .. } | Recorded::Already) => break,
                Ok(Recorded::Duplicate { of }) => {
                    let id = crash.fact.crash_id;
                    return Err(BenchError::Unusable(format!("{id} was taken for another report of {of}")));
                }
                Err(error) if error.is_unavailable() => {
                    self.sent_back.fetch_add(1, Ordering::Relaxed);
                    sleep(REST).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.weight.fetch_add(u64::from(crash.fact.weight), Ordering::Relaxed);
        self.recorded.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Seconds since the first crash was ready.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// How many are surely recorded.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::SeqCst)
    }

    /// How many may be recorded at most.
    pub(super) fn taken_up(&self) -> u64 {
        self.next.load(Ordering::SeqCst).min(self.offered)
    }

    /// The reports that the recorded ones stand for.
    pub(super) fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(super) fn sent_back(&self) -> u64 {
        self.sent_back.load(Ordering::Relaxed)
    }

    /// The waits since this was asked last.
    pub(super) fn new_waits(&self) -> Vec<f64> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let new = mem::take(&mut waits.new);
        waits.all.extend_from_slice(&new);
        new
    }

    /// All waits.
    pub(super) fn waits(&self) -> Vec<f64> {
        self.new_waits();
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}
