//! The function `maintain` on its own: keeps an installation in order, and its catalog in shape.

use std::process::ExitCode;

use epitaph_catalog::Catalog;
use epitaph_host::Context;
use epitaph_ingest::Engines;
use epitaph_maintain::{Maintenance, MaintenanceSettings};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    epitaph_host::run_worker("maintain", async |context, stop| {
        let maintenance = open(&context).await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(maintenance.keep_running(stop))
    })
}

async fn open(context: &Context) -> Result<Maintenance, Failure> {
    let catalog = Catalog::open(&context.settings.catalog)?;
    catalog.migrate().await?;
    let engines = Engines::open(&context.settings)?;
    let settings = MaintenanceSettings {
        retention_days: context.settings.retention_days,
        message_secret: context.secrets.message.clone(),
    };
    Ok(Maintenance::new(settings, engines.bucket, catalog, engines.queue))
}
