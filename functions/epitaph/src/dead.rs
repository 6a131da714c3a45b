//! `epitaph dead`

use std::{io::Write, process::ExitCode};

use epitaph_bucket::Bucket;
use epitaph_catalog::Catalog;
use epitaph_dead_letters::DeadLetters;
use epitaph_host::Settings;
use epitaph_ingest::Engines;

use crate::cli::{DeadCommand, Failure, block_on};

/// How many dead letters are listed, and sent on by `--all` in one go.
const MOST: u32 = 10_000;

pub(crate) fn run(settings: &Settings, command: DeadCommand) -> Result<ExitCode, Failure> {
    block_on(async {
        let catalog = Catalog::open(&settings.catalog)?;
        catalog.check_version().await?;
        let bucket = Bucket::open(&settings.bucket, settings.min_free_disk)?;
        let letters = DeadLetters::new(bucket, catalog.clone());
        let code = match command {
            DeadCommand::List => list(&letters).await,
            DeadCommand::Show { id } => show(&letters, &id).await,
            DeadCommand::Redrive { id, .. } => redrive(&letters, settings, id).await,
            DeadCommand::Drop { id } => {
                letters.drop(&id).await?;
                println!("dropped {id}");
                Ok(ExitCode::SUCCESS)
            }
        };
        catalog.close().await;
        code
    })
}

async fn list(letters: &DeadLetters) -> Result<ExitCode, Failure> {
    let listed = letters.list(MOST).await?;
    if listed.is_empty() {
        println!("there are no dead letters");
    }
    for letter in listed {
        let project = letter.project.map_or_else(|| "-".to_owned(), |project| project.to_string());
        println!(
            "{}\t{}\tproject {project}\t{}\tafter {} attempts\t{}",
            letter.id, letter.dead_at, letter.kind, letter.attempts, letter.reason
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(letters: &DeadLetters, id: &str) -> Result<ExitCode, Failure> {
    let (letter, bytes) = letters.show(id).await?;
    println!("id        {}", letter.id);
    println!("accepted  {}", letter.first_at);
    println!("dead      {} (after {} attempts)", letter.dead_at, letter.attempts);
    println!("reason    {}", letter.reason);
    println!("object    {}\n", letter.key);
    let mut out = std::io::stdout().lock();
    out.write_all(&bytes)?;
    out.write_all(b"\n")?;
    Ok(ExitCode::SUCCESS)
}

async fn redrive(
    letters: &DeadLetters,
    settings: &Settings,
    id: Option<String>,
) -> Result<ExitCode, Failure> {
    let engines = Engines::open(settings)?;
    if let Some(id) = id {
        letters.redrive(&id, &*engines.queue).await?;
        println!("{id} is on its way again");
        return Ok(ExitCode::SUCCESS);
    }
    let (mut sent, mut stayed) = (0, 0);
    for letter in letters.list(MOST).await? {
        match letters.redrive(&letter.id, &*engines.queue).await {
            Ok(()) => sent += 1,
            Err(error) => {
                stayed += 1;
                eprintln!("{}: {}", letter.id, epitaph_host::telemetry::chain(&error));
            }
        }
    }
    println!("{sent} on their way again, {stayed} stayed");
    Ok(if stayed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
