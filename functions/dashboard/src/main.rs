//! The dashboard, as a function of its own.

use std::process::ExitCode;

use epitaph_bucket::{Bucket, BucketError};
use epitaph_catalog::{Catalog, CatalogError};
use epitaph_dashboard::{Dashboard, DashboardSettings, SymbolSettings, router};
use epitaph_facts::Facts;
use epitaph_host::{Context, Platform, SecretFileError};
use epitaph_secrets::Purpose;

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(
        "EPITAPH_SECRET is not set; expected the root secret, since sessions are signed with one derived from it"
    )]
    NoRoot,
    #[error("no admin token")]
    Token(#[source] SecretFileError),
    #[error("the catalog cannot be used")]
    Catalog(#[source] CatalogError),
    #[error("the bucket cannot be used")]
    Bucket(#[source] BucketError),
}

fn main() -> ExitCode {
    epitaph_host::run_function("dashboard", async |context| Ok::<_, OpenError>(router(open(context)?)))
}

fn open(context: Context) -> Result<Dashboard, OpenError> {
    let Context { settings, secrets, .. } = context;
    let token = settings.load_token().map_err(OpenError::Token)?;
    let root = secrets.root.ok_or(OpenError::NoRoot)?;
    let catalog = Catalog::open(&settings.catalog).map_err(OpenError::Catalog)?;
    let bucket = Bucket::open(&settings.bucket, settings.min_free_disk).map_err(OpenError::Bucket)?;
    let scratch = settings.scratch().join("dashboard");
    let settings = DashboardSettings {
        symbols: SymbolSettings { folder: settings.symbol_folder(), cache: settings.symbols.cache },
        public_url: settings.public_url,
        allowed_hosts: settings.hosts,
        token: token.reveal().to_owned(),
        session: root.derive(Purpose::Session),
        ingest: secrets.ingest,
        largest_answer: (settings.platform == Platform::Lambda).then_some(DashboardSettings::LAMBDA_ANSWER),
        is_demo: false,
    };
    Ok(Dashboard::new(settings, Facts::new(catalog, bucket, scratch)))
}
