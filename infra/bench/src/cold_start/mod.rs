//! How long it takes from starting a collector to its first 200, which says that a minidump is durable; beside a bare
//! hyper server that answers the same request and keeps nothing.
//!
//! The two take turns, so that whatever else the machine does meets both alike. Each round has an empty data directory:
//! the first answer of a function makes its queue as well.

mod disk;
mod server;

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use epitaph_crash_model::ProjectId;
use epitaph_secrets::{Purpose, RootSecret};
use indicatif::{ProgressBar, ProgressStyle};

use self::server::{Round, Server};
use crate::statistics::{Sorted, mib};

const SECRET: &str = "a root secret that only benches use";

/// Rounds that fill the page cache and are not counted.
const WARM_UP: u32 = 2;

/// Asked for after the last round: what a function holds when it has nothing to do.
const REST: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The function to measure: a binary that takes `POST /api/1/minidump/`.
    #[arg(long)]
    binary: PathBuf,
    /// The bare server [default: `bare-hyper` beside this program].
    #[arg(long)]
    bare: Option<PathBuf>,
    /// How often each is started.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Where the data directories are made; choose the disk you mean to measure [default: beside the function].
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ColdStartError {
    #[error("cannot find this program's own folder")]
    OwnFolder(#[source] io::Error),
    #[error("cannot read {}", path.display())]
    Binary { path: PathBuf, source: io::Error },
    #[error("cannot use {} for data", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("the bench's own secret is refused")]
    Secret(#[source] epitaph_secrets::SecretError),
    #[error("the bench's own project is refused")]
    Project(#[source] epitaph_crash_model::ParseIdError),
    #[error("{} did not answer in round {round}", program.display())]
    Server { program: PathBuf, round: u32, source: server::ServerError },
}

struct Measured {
    name: &'static str,
    binary_bytes: u64,
    rounds: Vec<Round>,
    rested_bytes: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, ColdStartError> {
    let bare = match &arguments.bare {
        Some(bare) => bare.clone(),
        None => std::env::current_exe().map_err(ColdStartError::OwnFolder)?.with_file_name("bare-hyper"),
    };
    let data = arguments.data.clone().unwrap_or_else(|| folder_of(&arguments.binary));
    let dump = epitaph_test_dumps::of_27_kilobytes();
    let project = ProjectId::try_from(1_u64).map_err(ColdStartError::Project)?;
    let ingest = RootSecret::new(SECRET).map_err(ColdStartError::Secret)?.derive(Purpose::Ingest);
    let target = format!("/api/{project}/minidump/?sentry_key={}", ingest.project_key(project, 0));
    let request = epitaph_test_dumps::crashpad::request(&target, &dump);

    let mut servers = [measured("bare hyper", &bare)?, measured("the function", &arguments.binary)?];
    let programs = [bare, arguments.binary.clone()];
    let progress = ProgressBar::new(u64::from(WARM_UP + arguments.rounds)).with_style(style());
    let mut syncs = Vec::new();
    for round in 0..WARM_UP + arguments.rounds {
        for (program, measured) in programs.iter().zip(&mut servers) {
            let failed = |source| ColdStartError::Server { program: program.clone(), round, source };
            let unusable = |source| ColdStartError::Data { path: data.clone(), source };
            let folder = tempfile::tempdir_in(&data).map_err(unusable)?;
            let mut server = Server::start(program, folder.path(), SECRET).map_err(failed)?;
            let result = server.first_answer(&request).map_err(failed)?;
            if round >= WARM_UP {
                measured.rounds.push(result);
            }
            if round + 1 == WARM_UP + arguments.rounds {
                measured.rested_bytes = server.resident_after(REST).map_err(failed)?;
            }
        }
        if round >= WARM_UP {
            let sync = disk::write_and_sync(&data, &dump);
            syncs.push(sync.map_err(|source| ColdStartError::Data { path: data.clone(), source })?);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(table(&servers, &syncs, request.len()))
}

fn measured(name: &'static str, path: &Path) -> Result<Measured, ColdStartError> {
    let metadata =
        fs::metadata(path).map_err(|source| ColdStartError::Binary { path: path.to_owned(), source })?;
    Ok(Measured { name, binary_bytes: metadata.len(), rounds: Vec::new(), rested_bytes: 0 })
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} round {pos} of {len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn table(servers: &[Measured; 2], syncs: &[Duration], request_bytes: usize) -> String {
    let mut text = String::new();
    let milliseconds = |durations: &mut dyn Iterator<Item = Duration>| {
        let sorted = Sorted::new(durations.map(|duration| duration.as_secs_f64() * 1000.0));
        format!("{:.2} | {:.2} | {:.2}", sorted.median(), sorted.p95(), sorted.least())
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "From spawn to the first 200 for a POST of {request_bytes} bytes, {} rounds each in turn:\n\n\
         | server | median ms | p95 ms | least ms | binary | memory after the answer | memory at rest |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        servers[0].rounds.len()
    );
    for server in servers {
        let memory = Sorted::new(server.rounds.iter().map(|round| mib(round.resident_bytes)));
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} MiB | {:.2} MiB | {:.2} MiB |",
            server.name,
            milliseconds(&mut server.rounds.iter().map(|round| round.first_answer)),
            mib(server.binary_bytes),
            memory.median(),
            mib(server.rested_bytes)
        );
    }
    let [bare, function] = servers;
    let pairs = bare.rounds.iter().zip(&function.rounds);
    let ratios = Sorted::new(
        pairs.map(|(bare, function)| function.first_answer.as_secs_f64() / bare.first_answer.as_secs_f64()),
    );
    let _ = writeln!(
        text,
        "\nRound by round, the function takes {:.2} times as long as the bare server (median; p95 {:.2}, least {:.2}).\n\
         Writing the minidump to a new file on the same disk and syncing file and folder takes \
         {} ms (median | p95 | least).",
        ratios.median(),
        ratios.p95(),
        ratios.least(),
        milliseconds(&mut syncs.iter().copied())
    );
    text
}
