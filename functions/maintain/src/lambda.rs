//! Maintenance on AWS Lambda: a schedule asks for a run, and what the queue gives up comes in batches.

use std::time::Duration;

use epitaph_catalog::CatalogError;
use epitaph_host::{Invocations, telemetry::chain};
use epitaph_queue::batch::{Batch, Failures, Record};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

use crate::{Done, Maintenance};

/// What is kept of the time to answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// What tells a batch of a queue from a schedule's event. A batch that cannot be read must not pass for the latter: what
/// is answered without failures is gone from the queue.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
}

impl Maintenance {
    /// Puts what the queue has given up among the dead letters. Gives those that must come again.
    async fn gather_given_up(&self, batch: Batch, end: Instant) -> Failures {
        let mut failures = Vec::new();
        for record in batch.records {
            let id = record.message_id.clone();
            let buried = timeout_at(end, self.bury_given_up(record)).await;
            if let Err(why) = buried.unwrap_or_else(|_| Err("it was not done in time".to_owned())) {
                tracing::warn!(id, why, "a message that the queue gave up comes again");
                failures.push(id);
            }
        }
        failures.into_iter().collect()
    }

    async fn bury_given_up(&self, record: Record) -> Result<(), String> {
        let attempts = record.attempt();
        let place = record.place();
        let reason = "the queue gave it up: it was handed out too often, and never settled";
        let buried = self.dead.bury(record.body.into_bytes(), &place, reason, attempts).await;
        buried.map_err(|error| chain(&error))
    }

    /// Does what is due until `end`. What is cut off there goes on with the next run: each task may end at any line.
    async fn run_until(&self, end: Instant) -> Result<Value, String> {
        // Parked messages wait for nothing else, and hold up nothing else: their number may be large.
        let (sent_on, rest) =
            tokio::join!(timeout_at(end, self.send_parked()), timeout_at(end, self.keep_in_order()));
        let sent_on = sent_on.map(|sent_on| sent_on.map(|sent_on| Done { sent_on, ..Done::default() }));
        let mut all = Done::default();
        let (mut unfinished, mut failed) = (false, Vec::new());
        for done in [sent_on, rest] {
            match done {
                Ok(Ok(done)) => {
                    all.sent_on += done.sent_on;
                    all.expired += done.expired;
                    all.orphans += done.orphans;
                    all.gathered += done.gathered;
                    all.sealed += done.sealed;
                    all.compacted += done.compacted;
                }
                Ok(Err(error)) => failed.push(chain(&error)),
                Err(_) => unfinished = true,
            }
        }
        if unfinished {
            tracing::warn!("maintenance took all of its time; the next run goes on");
        }
        if !failed.is_empty() {
            return Err(failed.join("; "));
        }
        tracing::info!(?all, unfinished, "maintained");
        let Done { sent_on, expired, orphans, gathered, sealed, compacted } = all;
        Ok(json!({
            "sent_on": sent_on, "expired": expired, "orphans": orphans, "gathered": gathered,
            "sealed": sealed, "compacted": compacted, "unfinished": unfinished,
        }))
    }
}

/// Answers Lambda's events with maintenance. The first of them brings the catalog to this version's shape: before it,
/// nobody would hear why that failed.
pub struct Scheduled {
    maintenance: Maintenance,
    migrated: OnceCell<()>,
}

impl Scheduled {
    /// Of this installation. Nothing is touched yet.
    pub fn new(maintenance: Maintenance) -> Self {
        Self { maintenance, migrated: OnceCell::new() }
    }

    async fn migrate(&self) -> Result<(), CatalogError> {
        self.migrated.get_or_try_init(|| self.maintenance.catalog.migrate()).await?;
        Ok(())
    }
}

impl Invocations for Scheduled {
    fn invoke<'a>(&'a self, event: &'a RawValue, deadline: Instant) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let time = deadline.saturating_duration_since(Instant::now());
            let end = deadline - TIME_TO_ANSWER.min(time / 8);
            let unreadable = |error: serde_json::Error| {
                format!("expected a schedule's event, or a batch of an SQS queue: {error}")
            };
            let Event { records } = serde_json::from_str(event.get()).map_err(unreadable)?;
            let migrated = timeout_at(end, self.migrate()).await;
            migrated
                .map_err(|_| "the catalog was not there in time".to_owned())?
                .map_err(|error| format!("the catalog cannot be used: {}", chain(&error)))?;
            if records.is_none() {
                return self.maintenance.run_until(end).await;
            }
            let batch: Batch = serde_json::from_str(event.get()).map_err(unreadable)?;
            let failures = self.maintenance.gather_given_up(batch, end).await;
            serde_json::to_value(failures).map_err(unreadable)
        })
    }
}
