//! `epitaph key`

use epitaph_catalog::Catalog;
use epitaph_crash_model::ProjectId;
use epitaph_host::{Secrets, Settings};
use epitaph_rules::Rules;
use epitaph_secrets::Purpose;

use crate::{
    cli::{Failure, KeyArguments, block_on},
    rules,
};

pub(crate) fn run(settings: &Settings, arguments: &KeyArguments) -> Result<(), Failure> {
    let project = arguments.project;
    if arguments.upload || arguments.symbols {
        return print_token(settings, project, arguments.upload);
    }
    if arguments.new {
        let issue = |rules: &mut epitaph_rules::Rules| match rules.add_generation(project) {
            Some(_) => Ok(()),
            None => Err("all generations of this project's keys have been issued".into()),
        };
        rules::change(settings, issue)?;
    }
    if let Some(generation) = arguments.revoke {
        let revoke = |rules: &mut epitaph_rules::Rules| match rules.revoke_generation(project, generation) {
            true => Ok(()),
            false => Err(format!(
                "generation {generation} of project {project} is not accepted anyway; accepted are {:?}",
                rules.generations(project)
            )
            .into()),
        };
        rules::change(settings, revoke)?;
        println!("keys of generation {generation} are refused within a minute or so");
        return Ok(());
    }
    print(settings, project)
}

/// Prints the token that uploads a project's debug files, or the address that reads its symbols.
fn print_token(settings: &Settings, project: ProjectId, uploads: bool) -> Result<(), Failure> {
    let secrets = settings.load_secrets()?;
    let root = secrets.root.as_ref().ok_or("only derived secrets are set; expected EPITAPH_SECRET")?;
    if uploads {
        let token = root.derive(Purpose::Upload).project_token(project, 0);
        println!("upload token of project {project}: {token}");
    } else {
        let token = root.derive(Purpose::Symbols).project_token(project, 0);
        println!("symbol server of project {project}: {}/symbols/{token}/", settings.url(settings.port));
    }
    Ok(())
}

/// Prints the newest key that is accepted.
fn print(settings: &Settings, project: ProjectId) -> Result<(), Failure> {
    let secrets = settings.load_secrets()?;
    // A key is made from the secret alone; without a catalog it is the first that there was.
    let known = block_on(async {
        let catalog = Catalog::open(&settings.catalog)?;
        Ok((catalog.project(project).await?, rules::current(&catalog).await?))
    });
    let rules = known.as_ref().map(|(_, rules)| rules.clone()).unwrap_or_default();
    println!("key of project {project}: {}", newest(&secrets, &rules, project)?);
    if matches!(known, Ok((None, _))) {
        eprintln!(
            "note: there is no project {project} yet; its reports wait as dead letters until `epitaph project add` has made it"
        );
    }
    Ok(())
}

/// The newest key that a project accepts.
pub(crate) fn newest(secrets: &Secrets, rules: &Rules, project: ProjectId) -> Result<String, Failure> {
    let generation = rules.newest_generation(project).ok_or_else(|| {
        format!("no key of project {project} is accepted; issue one with `epitaph key {project} --new`")
    })?;
    Ok(secrets.ingest.project_key(project, generation))
}

/// `http(s)://KEY@HOST/PROJECT`, as SDKs take it.
pub(crate) fn dsn(url: &str, key: &str, project: ProjectId) -> String {
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    format!("{scheme}://{key}@{host}/{project}")
}
