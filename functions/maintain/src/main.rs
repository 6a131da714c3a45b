//! The function `maintain` on its own: keeps an installation in order, and its catalog in shape.

use std::process::ExitCode;

use epitaph_catalog::Catalog;
use epitaph_facts::Facts;
#[cfg(feature = "knative")]
use epitaph_host::QueueUrl;
use epitaph_host::{Context, Platform, Work};
use epitaph_ingest::Engines;
use epitaph_maintain::{Maintenance, MaintenanceSettings, Sealing};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    epitaph_host::run_worker("maintain", async |context, stop| {
        let maintenance = open(&context).await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(match (context.settings.platform, &context.settings.queue) {
            #[cfg(feature = "lambda")]
            (Platform::Lambda, _) => Work::Invoke(Box::new(epitaph_maintain::Scheduled::new(maintenance))),
            #[cfg(feature = "knative")]
            (Platform::Knative, _) | (_, QueueUrl::Broker(_)) => {
                let largest = context.settings.largest_event();
                Work::Serve(epitaph_maintain::subscriber(maintenance, largest, context.metrics.clone()))
            }
            _ => Work::Pull(Box::pin(maintenance.keep_running(stop))),
        })
    })
}

async fn open(context: &Context) -> Result<Maintenance, Failure> {
    let catalog = Catalog::open(&context.settings.catalog)?;
    // On AWS Lambda the first event does, and is told what is wrong.
    if context.settings.platform != Platform::Lambda {
        catalog.migrate().await?;
    }
    let engines = Engines::open(&context.settings)?;
    let settings = MaintenanceSettings {
        retention_days: context.settings.retention_days,
        symbol_days: context.settings.symbols.days,
        message_secret: context.secrets.message.clone(),
        sealing: Sealing::default(),
    };
    let facts = Facts::new(catalog, engines.bucket, context.settings.scratch().join("maintain"));
    Ok(Maintenance::new(settings, facts, engines.queue))
}
