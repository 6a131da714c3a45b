//! `epitaph project`

use epitaph_catalog::Catalog;
use epitaph_host::Settings;

use crate::{
    cli::{Failure, ProjectCommand, block_on},
    key::{dsn, newest},
    rules,
};

pub(crate) fn run(settings: &Settings, command: ProjectCommand) -> Result<(), Failure> {
    block_on(async {
        let catalog = Catalog::open(&settings.catalog)?;
        catalog.migrate().await?;
        match command {
            ProjectCommand::Add { name, id } => {
                let project = catalog.add_project(id, &name).await?;
                println!("project {}: {}", project.id, project.name);
                let key = newest(&settings.load_secrets()?, &rules::current(&catalog).await?, project.id)?;
                println!("DSN: {}", dsn(&settings.url(settings.port), &key, project.id));
            }
            ProjectCommand::List => {
                for project in catalog.projects().await? {
                    println!("{}\t{}\tsince {}", project.id, project.name, project.created_at);
                }
            }
        }
        catalog.close().await;
        Ok(())
    })
}
