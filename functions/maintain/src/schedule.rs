//! Maintenance in a process that goes on: what is cheap is done often, the rest now and then.

use std::time::{Duration, Instant};

use epitaph_host::telemetry::chain;
use tokio::sync::watch;

use crate::{Done, Maintenance, MaintenanceError};

/// How often parked messages are looked for: a listing of one directory.
const PARKED_EVERY: Duration = Duration::from_secs(5);
/// How often everything else is looked after.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

impl Maintenance {
    /// Runs until it is told to stop. What fails is logged, and tried again.
    pub async fn keep_running(self, mut stop: watch::Receiver<bool>) {
        let mut housekeeping_due = Instant::now();
        loop {
            let everything = Instant::now() >= housekeeping_due;
            if everything {
                housekeeping_due = Instant::now() + HOUSEKEEPING_EVERY;
            }
            if let Err(error) = self.run_once(everything).await {
                tracing::warn!(error = chain(&error), "maintenance could not be finished; it goes on later");
            }
            tokio::select! {
                () = tokio::time::sleep(PARKED_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run_once(&self, everything: bool) -> Result<(), MaintenanceError> {
        let done = if everything {
            self.run().await?
        } else {
            Done { sent_on: self.send_parked().await?, ..Done::default() }
        };
        if done != Done::default() {
            tracing::info!(?done, "maintained");
        }
        Ok(())
    }
}
