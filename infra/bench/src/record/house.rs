//! An installation in a folder: a catalog, a bucket of files, a queue, and maintenance as `epitaph serve` has it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use epitaph_bucket::Bucket;
use epitaph_catalog::Catalog;
use epitaph_crash_model::ProjectId;
use epitaph_facts::{Facts, Question};
use epitaph_maintain::{Done, Maintenance, MaintenanceSettings, Sealing};
use epitaph_queue::embedded::{Producer, ProducerSettings};
use epitaph_secrets::{Purpose, RootSecret};

use super::{Arguments, Count, Database};
use crate::{error::BenchError, payload::PayloadError};

const SECRET: &str = "a secret that only benches use";
const RETENTION_DAYS: u32 = 90;
const SYMBOL_DAYS: u32 = 365;

/// An installation.
pub(super) struct House {
    data: PathBuf,
    facts: Facts,
    sealing: Sealing,
}

impl House {
    pub(super) async fn open(
        arguments: &Arguments,
        folder: &Path,
        database: &Database,
    ) -> Result<Self, BenchError> {
        let data = folder.canonicalize().map_err(BenchError::of_file(folder))?;
        let catalog = Catalog::open(&database.url(&data))?;
        catalog.migrate().await?;
        let bucket = Bucket::open(&format!("file://{}", data.join("bucket").display()), 0)?;
        let facts = Facts::new(catalog, bucket, data.join("scratch"));
        let mut sealing = Sealing::default();
        sealing.enough = arguments.enough.unwrap_or(sealing.enough);
        Ok(Self { data, facts, sealing })
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn catalog(&self) -> &Catalog {
        self.facts.catalog()
    }

    /// An instance of maintenance.
    pub(super) fn maintenance(&self) -> Result<Maintenance, BenchError> {
        self.maintenance_sealing(self.sealing.clone())
    }

    fn maintenance_sealing(&self, sealing: Sealing) -> Result<Maintenance, BenchError> {
        let secret = RootSecret::new(SECRET).map_err(PayloadError::from)?;
        let settings = MaintenanceSettings {
            retention_days: RETENTION_DAYS,
            symbol_days: SYMBOL_DAYS,
            message_secret: secret.derive(Purpose::Message),
            sealing,
        };
        let queue =
            Producer::new(ProducerSettings { directory: self.data.join("queue"), min_free: 0, sync: true });
        Ok(Maintenance::new(settings, self.facts.clone(), Arc::new(queue)))
    }

    /// Seals all facts, however few there are, and joins segments that are to be joined.
    pub(super) async fn seal_all(&self) -> Result<(), BenchError> {
        let maintenance = self.maintenance_sealing(Sealing { enough: 1, ..self.sealing.clone() })?;
        while maintenance.seal().await? != Done::default() {}
        Ok(())
    }

    /// What a question without any filter counts.
    pub(super) async fn count(&self) -> Result<Count, BenchError> {
        let view = self.facts.view(ProjectId::FIRST).await?;
        let totals = view.ask(Question::default()).await?.totals;
        Ok(Count { crashes: totals.crashes, reports: totals.count })
    }

    /// How many facts are in no segment.
    pub(super) async fn unsealed(&self) -> Result<u64, BenchError> {
        Ok(self.catalog().unsealed().await?.iter().map(|project| project.facts).sum())
    }

    /// How many segments are listed.
    pub(super) async fn segments(&self) -> Result<usize, BenchError> {
        Ok(self.catalog().segments(ProjectId::FIRST).await?.len())
    }

    pub(super) fn catalog_bytes(&self, database: &Database) -> Result<u64, BenchError> {
        database.bytes(&self.data)
    }
}
