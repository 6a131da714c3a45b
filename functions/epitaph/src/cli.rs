//! The command line: what there is, and how it fails.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use epitaph_catalog::Catalog;
use epitaph_crash_model::ProjectId;
use epitaph_host::{EXIT_BAD_CONFIGURATION, Role, Settings};
use url::Url;

use crate::{dead, demo, key, project, query, rules, secrets, send, serve, symbols};

/// Collects the last words of games. Without a command: `serve`.
///
/// Settings are environment variables; the most important ones: PORT (8080), EPITAPH_DATA (./epitaph-data),
/// EPITAPH_PUBLIC_URL, EPITAPH_SECRET, EPITAPH_TOKEN.
#[derive(Debug, Parser)]
#[command(name = "epitaph", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Collect, process and show crashes, all in this process.
    Serve,
    /// Show the pages with the crashes of an invented game, in a directory of their own.
    Demo(DemoArguments),
    /// Print a project's key, last on its line.
    Key(KeyArguments),
    /// See and change the rules by which reports are kept (shared/rules/README.md).
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Add and list projects.
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Send minidumps from files, as a game would. Files that were sent before are passed over.
    Send(SendArguments),
    /// Send debug files, so that crashes show functions and lines.
    #[command(subcommand)]
    Symbols(SymbolsCommand),
    /// Ask a running server: `epitaph query 'os:Windows release:>=1.2' --by gpu`. A table on a terminal, JSON otherwise.
    Query(QueryArguments),
    /// Print the secrets that a function of its own must be given, and no others, as lines of NAME=VALUE.
    Secrets {
        /// The function.
        function: Function,
    },
    /// Look after messages that could not be handled.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Bring the catalog to this version's shape. `serve` does so by itself.
    Migrate,
}

/// A function, by what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Function {
    /// Any of envelope, minidump, report and unreal.
    Collector,
    Envelope,
    Minidump,
    Report,
    Unreal,
    Maintain,
    Process,
    Dashboard,
    Symbols,
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArguments {
    /// The project, such as 1.
    pub(crate) project: ProjectId,
    /// Issue a new key first. Those that are accepted stay so until they are revoked.
    #[arg(long, conflicts_with = "revoke")]
    pub(crate) new: bool,
    /// Refuse the keys of this generation from now on. The first key is of generation 0.
    #[arg(long, value_name = "GENERATION")]
    pub(crate) revoke: Option<u32>,
    /// Print the token that uploads debug files instead.
    #[arg(long, conflicts_with_all = ["new", "revoke", "symbols"])]
    pub(crate) upload: bool,
    /// Print the address of the symbol server instead, with the token that reads it.
    #[arg(long, conflicts_with_all = ["new", "revoke"])]
    pub(crate) symbols: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SymbolsCommand {
    /// Upload every debug file under some paths, also those in zips. What the server has is passed over; a run that broke
    /// off goes on where it stopped. The token is EPITAPH_UPLOAD_TOKEN, or else EPITAPH_TOKEN.
    Upload(SymbolUploadArguments),
    /// Say which modules of a minidump, or of a release, have symbols on the server. Fails if one of the game's own has no
    /// lines.
    Check(SymbolCheckArguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SymbolServer {
    /// The server, such as https://crash.example.com.
    #[arg(long, env = "EPITAPH_PUBLIC_URL")]
    pub(crate) server: Url,
    /// The project, such as 1.
    #[arg(long)]
    pub(crate) project: ProjectId,
    /// The token that `epitaph key PROJECT --upload` prints.
    #[arg(long, env = "EPITAPH_UPLOAD_TOKEN", hide_env_values = true)]
    pub(crate) upload_token: Option<String>,
    /// The administrator's token, where there is no other.
    #[arg(long, env = "EPITAPH_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SymbolUploadArguments {
    /// Files, or directories to search.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) server: SymbolServer,
    /// The release that they belong to, by which they can be pinned.
    #[arg(long)]
    pub(crate) release: Option<String>,
    /// How many parts are sent at once. Each may have 32 MiB.
    #[arg(long, default_value_t = 4)]
    pub(crate) parallel: usize,
    /// Do not wait until the server has converted them.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SymbolCheckArguments {
    /// A minidump; or a release, as `symbols upload --release` was told it.
    #[arg(value_name = "DUMP|RELEASE")]
    pub(crate) subject: PathBuf,
    #[command(flatten)]
    pub(crate) server: SymbolServer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Print the rules that hold.
    Show,
    /// Say what is wrong with a file of rules.
    Check {
        /// JSON.
        file: PathBuf,
    },
    /// Put the rules of a file in force. Key generations that it does not name stay as they are.
    Set {
        /// JSON.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Add a project, and print its number and DSN.
    Add {
        /// The game's name.
        name: String,
        /// The number to give it; the next free one if left out.
        #[arg(long)]
        id: Option<ProjectId>,
    },
    /// List the projects.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead letters, the latest first.
    List,
    /// Show one: why it is dead, and the message itself.
    Show {
        /// Its id, as listed.
        id: String,
    },
    /// Send one on its way again, or all of them.
    Redrive {
        /// Its id, as listed.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All dead letters.
        #[arg(long)]
        all: bool,
    },
    /// Forget one for good.
    Drop {
        /// Its id, as listed.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SendArguments {
    /// Minidumps, or directories to search for files that end in .dmp, .mdmp, .dmp.gz or .dmp.zst.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where to: http(s)://KEY@HOST/PROJECT.
    #[arg(long, env = "EPITAPH_DSN")]
    pub(crate) dsn: Url,
    /// An annotation to send along, as in `-a ver=1.2.3`. May be repeated.
    #[arg(short, long = "annotation", value_name = "NAME=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// How many are sent at once.
    #[arg(long, default_value_t = 4)]
    pub(crate) parallel: usize,
    /// How long one file may take, in seconds: all tries, and the pauses that the server asks for.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Remembers what was sent, so that a run that broke off can be repeated.
    #[arg(long, default_value = "epitaph-send.journal")]
    pub(crate) journal: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// Where the demo keeps its data: a directory of its own.
    #[arg(long, value_name = "DIRECTORY", default_value = "epitaph-demo-data")]
    pub(crate) data: PathBuf,
    /// How many crashes are recorded, over the last 29 days.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) crashes: u64,
    /// How many reports are sent through a collector besides.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub(crate) reports: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArguments {
    /// Which crashes, as the pages' search box takes it (shared/search/README.md). All, if left out.
    #[arg(default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) search: String,
    /// Tell crashes apart by this: a name as searches have it, tag.NAME, time, or time:STEP such as time:1d. Issues, if
    /// left out.
    #[arg(long, value_name = "DIMENSION")]
    pub(crate) by: Option<String>,
    /// From when on: how long ago, or a moment such as 2026-01-31T00:00:00Z.
    #[arg(long, default_value = "7d")]
    pub(crate) since: String,
    /// Until when: as with --since.
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// CSV. Without --by: all crashes, a line each.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// JSON, as the server's API answers (/api/openapi.json).
    #[arg(long)]
    pub(crate) json: bool,
    /// How many rows.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// The project's number.
    #[arg(long, default_value = "1")]
    pub(crate) project: ProjectId,
    /// The server. Its admin token is EPITAPH_TOKEN, or in this machine's data directory. This machine's, if left out.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<Url>,
}

/// A failed command: one line, with its causes.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or(Command::Serve);
    // Sending needs no settings: it runs on another machine. A demo must not have those of real data.
    match &command {
        Command::Send(arguments) => return finish(send::run(arguments)),
        Command::Symbols(command) => return finish(symbols::run(command)),
        Command::Demo(arguments) => return finish(demo::run(arguments)),
        _ => {}
    }
    let settings = match Settings::from_environment(Role::OneProcess) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("epitaph: bad configuration: {error}");
            return ExitCode::from(EXIT_BAD_CONFIGURATION);
        }
    };
    finish(match command {
        Command::Serve => serve::run(settings, None).map(|()| ExitCode::SUCCESS),
        Command::Key(arguments) => key::run(&settings, &arguments).map(|()| ExitCode::SUCCESS),
        Command::Rules(command) => rules::run(&settings, &command).map(|()| ExitCode::SUCCESS),
        Command::Project(command) => project::run(&settings, command).map(|()| ExitCode::SUCCESS),
        Command::Query(arguments) => query::run(&settings, &arguments).map(|()| ExitCode::SUCCESS),
        Command::Secrets { function } => secrets::run(&settings, function).map(|()| ExitCode::SUCCESS),
        Command::Dead(command) => dead::run(&settings, command),
        Command::Migrate => migrate(&settings).map(|()| ExitCode::SUCCESS),
        Command::Send(_) | Command::Symbols(_) | Command::Demo(_) => Ok(ExitCode::SUCCESS),
    })
}

fn finish(result: Result<ExitCode, Failure>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("epitaph: {}", epitaph_host::telemetry::chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

/// Runs one command's work on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn migrate(settings: &Settings) -> Result<(), Failure> {
    block_on(async {
        let catalog = Catalog::open(&settings.catalog)?;
        catalog.migrate().await?;
        catalog.close().await;
        println!("the catalog is up to date");
        Ok(())
    })
}
