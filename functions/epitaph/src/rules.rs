//! `epitaph rules`

use std::{fs, io::Read as _, path::Path};

use epitaph_bucket::Bucket;
use epitaph_catalog::Catalog;
use epitaph_host::Settings;
use epitaph_maintain::publish_rules;
use epitaph_rules::{LARGEST_DOCUMENT, Rules};

use crate::cli::{Failure, RulesCommand, block_on};

/// How often a change is tried that others come before.
const MOST_ATTEMPTS: u32 = 10;

pub(crate) fn run(settings: &Settings, command: &RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Show => {
            let rules = block_on(async { current(&open(settings).await?).await })?;
            println!("{}", rules.write()?);
        }
        RulesCommand::Check { file } => {
            let rules = read(file)?;
            println!("{} is well: rules for {} projects", file.display(), rules.projects.len());
        }
        RulesCommand::Set { file } => {
            let new = read(file)?;
            let revision = change(settings, |rules| {
                let mut new = new.clone();
                new.keep_generations_of(rules);
                *rules = new;
                Ok(())
            })?;
            println!("the rules are set (revision {revision}); collectors follow within a minute or so");
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Rules, Failure> {
    let mut json = Vec::new();
    let opened =
        fs::File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    opened.take(LARGEST_DOCUMENT + 1).read_to_end(&mut json)?;
    Ok(Rules::read(&json)?)
}

async fn open(settings: &Settings) -> Result<Catalog, Failure> {
    let catalog = Catalog::open(&settings.catalog)?;
    catalog.migrate().await?;
    Ok(catalog)
}

/// The rules as they are in the catalog.
pub(crate) async fn current(catalog: &Catalog) -> Result<Rules, Failure> {
    Ok(match catalog.rules().await? {
        Some(found) => Rules { revision: found.revision, ..Rules::read(found.document.as_bytes())? },
        None => Rules::default(),
    })
}

/// Changes the rules and publishes them; gives their revision. A change that another comes before is made anew.
pub(crate) fn change(
    settings: &Settings,
    change: impl Fn(&mut Rules) -> Result<(), Failure>,
) -> Result<i64, Failure> {
    block_on(async {
        let catalog = open(settings).await?;
        let bucket = Bucket::open(&settings.bucket, settings.min_free_disk)?;
        for _ in 0..MOST_ATTEMPTS {
            let mut rules = current(&catalog).await?;
            let before = rules.revision;
            change(&mut rules)?;
            rules.revision = before + 1;
            let text = rules.write()?;
            // What was changed by hand in many steps must still be readable.
            Rules::read(text.as_bytes())?;
            if let Some(revision) = catalog.set_rules(&text, before).await? {
                publish_rules(&catalog, &bucket).await?;
                catalog.close().await;
                return Ok(revision);
            }
        }
        Err("the rules were changed by others again and again; try once more".into())
    })
}
