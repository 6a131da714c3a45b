//! `epitaph key`

use epitaph_catalog::Catalog;
use epitaph_crash_model::ProjectId;
use epitaph_host::Settings;

use crate::cli::{Failure, block_on};

pub(crate) fn run(settings: &Settings, project: ProjectId) -> Result<(), Failure> {
    let secrets = settings.load_secrets()?;
    println!("key of project {project}: {}", secrets.ingest.project_key(project, 0));
    // The key is made from the secret alone; whether the project is there is worth a word, not an error.
    let known = block_on(async { Ok(Catalog::open(&settings.catalog)?.project(project).await?) });
    if matches!(known, Ok(None)) {
        eprintln!(
            "note: there is no project {project} yet; its reports wait as dead letters until `epitaph project add` has made it"
        );
    }
    Ok(())
}

/// `http(s)://KEY@HOST/PROJECT`, as SDKs take it.
pub(crate) fn dsn(url: &str, key: &str, project: ProjectId) -> String {
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    format!("{scheme}://{key}@{host}/{project}")
}
