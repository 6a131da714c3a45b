//! Maintenance in a process that goes on: what is cheap is done often, the rest now and then.

use std::time::Duration;

use epitaph_host::telemetry::chain;
use tokio::sync::watch;

use crate::{Done, Maintenance, MaintenanceError};

/// How often parked messages are looked for: a listing of one directory.
const PARKED_EVERY: Duration = Duration::from_secs(5);
/// How often facts are sealed, where enough of them wait: in between, questions read more rows. Looking is cheap.
const SEAL_EVERY: Duration = Duration::from_secs(10);
/// How often everything else is looked after.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// What is repeated.
#[derive(Clone, Copy)]
enum Task {
    SendParked,
    Seal,
    KeepInOrder,
}

impl Maintenance {
    /// Runs until it is told to stop. What fails is logged, and tried again. Parked messages wait for nothing else:
    /// their senders were told that all is well.
    pub async fn keep_running(self, stop: watch::Receiver<bool>) {
        tokio::join!(
            self.repeat(Task::SendParked, PARKED_EVERY, stop.clone()),
            self.repeat(Task::Seal, SEAL_EVERY, stop.clone()),
            self.repeat(Task::KeepInOrder, HOUSEKEEPING_EVERY, stop),
        );
    }

    /// Does a task, waits, and does it again. What is being done is finished before it stops.
    async fn repeat(&self, task: Task, pause: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            match self.run_once(task).await {
                Ok(done) if done == Done::default() => {}
                Ok(done) => tracing::info!(?done, "maintained"),
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "maintenance could not be finished; it goes on later"
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run_once(&self, task: Task) -> Result<Done, MaintenanceError> {
        match task {
            Task::SendParked => Ok(Done { sent_on: self.send_parked().await?, ..Done::default() }),
            Task::Seal => self.seal().await,
            Task::KeepInOrder => self.keep_in_order().await,
        }
    }
}
