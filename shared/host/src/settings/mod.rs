//! The configuration of a process, read from the environment once, before anything else happens.
//!
//! [`Settings::read`] is a function from strings to types: it opens nothing and tells every problem at once. The one
//! thing it asks of the system is the working directory, to make a relative data directory absolute.
//!
#![doc = include_str!("../../SETTINGS.md")]

mod broker;
mod engines;
mod limits;
mod platform;
mod public_url;
mod reader;
mod size;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use epitaph_secrets::{RootSecret, Secret};
use tracing::level_filters::LevelFilter;

pub use self::{
    broker::Broker, engines::QueueUrl, limits::Limits, platform::Platform, reader::SettingsError,
};
use self::{engines::Engines, reader::Reader};
use crate::token::Token;

/// What a process is; some defaults depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One function, by the name of its folder.
    Function(&'static str),
    /// All functions in one process.
    OneProcess,
}

impl Role {
    /// Whether it puts messages into the queue. The others take them out, or have nothing to do with it.
    pub(crate) fn sends_messages(self) -> bool {
        !matches!(self, Role::Function("process" | "dashboard"))
    }

    fn uses_queue(self) -> bool {
        !matches!(self, Role::Function("dashboard"))
    }

    fn shows_pages(self) -> bool {
        matches!(self, Role::OneProcess | Role::Function("dashboard"))
    }

    fn uses_catalog(self) -> bool {
        matches!(self, Role::OneProcess | Role::Function("process" | "maintain" | "dashboard" | "symbols"))
    }
}

/// Where the secrets come from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// `EPITAPH_SECRET`: all of them are derived from it.
    Root(RootSecret),
    /// `EPITAPH_INGEST_SECRET` and `EPITAPH_MESSAGE_SECRET`: all that a collector needs.
    Derived {
        /// What project keys are made with.
        ingest: Secret,
        /// What messages are signed with.
        message: Secret,
    },
    /// Nothing was set: the root is the file `secret` in the data directory, made at first use.
    DataDirectory,
}

/// How the isolated parser of hostile payloads is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parser {
    /// The worker program; unset means this process's own executable.
    pub program: Option<PathBuf>,
    /// Bytes of data that it may hold.
    pub memory: u64,
    /// Processor time that it may use.
    pub cpu: Duration,
    /// Time that may pass until it has answered.
    pub wall: Duration,
}

/// How debug files are converted, and where symbols are kept on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbols {
    /// Bytes of data that a converter may hold.
    pub memory: u64,
    /// Processor time that it may use.
    pub cpu: Duration,
    /// Time that may pass until it is done.
    pub wall: Duration,
    /// Bytes of the largest debug file that is taken.
    pub largest: u64,
    /// Bytes of symbol caches that are kept on this machine.
    pub cache: u64,
    /// How many days debug files are kept that nobody uses.
    pub days: u32,
    /// Symbol servers that may be at private addresses or without TLS, in lower case.
    pub hosts: Vec<String>,
}

/// The configuration of a process. It holds secrets and has no `Debug`, so that it reaches no log.
#[derive(Clone)]
pub struct Settings {
    /// What this process is.
    pub role: Role,
    /// Where it runs.
    pub platform: Platform,
    /// The address to listen on.
    pub bind: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    pub port: u16,
    /// `scheme://host[:port]` as the outside world knows it, without a trailing slash.
    pub public_url: Option<String>,
    /// Other names that people's requests may carry.
    pub hosts: Vec<String>,
    /// The data directory, absolute. It need not exist.
    pub data: PathBuf,
    /// Whether an operator chose the data directory.
    pub data_is_explicit: bool,
    /// The queue.
    pub queue: QueueUrl,
    /// The bucket's URL; a path in it is percent-encoded.
    pub bucket: String,
    /// The catalog's URL; a path in it is percent-encoded.
    pub catalog: String,
    /// Where the secrets come from.
    pub secret: SecretSource,
    /// The administrator's token, if it is set.
    pub token: Option<Token>,
    /// How long crashes are kept.
    pub retention_days: u32,
    /// How often a collector looks for changed rules, at most.
    pub rules_every: Duration,
    /// Bytes of free disk below which reports are refused.
    pub min_free_disk: u64,
    /// How much a client may ask.
    pub limits: Limits,
    /// How the isolated parser is run.
    pub parser: Parser,
    /// How debug files are converted, and where symbols are kept on this machine.
    pub symbols: Symbols,
    /// Where a single function shows its metrics, if anywhere.
    pub metrics_port: Option<u16>,
    /// The least urgent level that is logged.
    pub log: LevelFilter,
}

impl Settings {
    /// Reads the process's own environment.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn from_environment(role: Role) -> Result<Self, SettingsError> {
        // What is not UTF-8 gets replacement characters here, and those are refused.
        Self::read(role, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads the configuration of `role` from the variables that `get` gives.
    ///
    /// # Errors
    /// Every problem there is, each naming its variable and what was expected. Secret values are never shown.
    pub fn read(role: Role, get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(get);
        let platform = Platform::told_by(|name| reader.is_set(name));
        let chosen = reader.text("EPITAPH_DATA");
        let data_is_explicit = chosen.is_some();
        let data = absolute(&mut reader, Path::new(chosen.as_deref().unwrap_or("epitaph-data")));
        let Engines { queue, bucket, catalog } = Engines::read(&mut reader, role, platform, &data);
        let settings = Self {
            role,
            platform,
            bind: reader.parsed("EPITAPH_BIND", "an IP address", |text| text.parse().ok()).unwrap_or(
                IpAddr::V4(match role {
                    Role::Function(_) => Ipv4Addr::UNSPECIFIED,
                    Role::OneProcess => Ipv4Addr::LOCALHOST,
                }),
            ),
            port: reader.number("PORT", 8080, 0..=u16::MAX),
            public_url: reader.parsed(
                "EPITAPH_PUBLIC_URL",
                "http://HOST or https://HOST without a path",
                public_url::parse,
            ),
            hosts: reader
                .parsed("EPITAPH_HOSTS", "host names with commas between them", hosts)
                .unwrap_or_default(),
            data,
            data_is_explicit,
            queue,
            bucket,
            catalog,
            secret: secret(&mut reader),
            token: reader.hidden("EPITAPH_TOKEN", Token::new),
            retention_days: reader.number("EPITAPH_RETENTION_DAYS", 90, 1..=3650),
            rules_every: reader.seconds("EPITAPH_RULES_SECONDS", 60, 1..=3600),
            min_free_disk: reader.bytes("EPITAPH_MIN_FREE_DISK", 256 << 20, 0..=u64::MAX),
            limits: Limits::read(&mut reader),
            parser: Parser {
                program: reader.text("EPITAPH_PARSER").map(PathBuf::from),
                memory: reader.bytes("EPITAPH_PARSER_MEMORY", 1 << 30, 16 << 20..=1 << 40),
                cpu: reader.seconds("EPITAPH_PARSER_CPU_SECONDS", 20, 1..=3600),
                wall: reader.seconds("EPITAPH_PARSER_WALL_SECONDS", 30, 1..=3600),
            },
            symbols: Symbols {
                memory: reader.bytes("EPITAPH_CONVERTER_MEMORY", 3 << 30, 64 << 20..=1 << 40),
                cpu: reader.seconds("EPITAPH_CONVERTER_CPU_SECONDS", 1800, 1..=24 * 3600),
                wall: reader.seconds("EPITAPH_CONVERTER_WALL_SECONDS", 3600, 1..=24 * 3600),
                largest: reader.bytes("EPITAPH_LIMIT_DEBUG_FILE", 1 << 40, 1..=1 << 50),
                cache: reader.bytes("EPITAPH_SYMBOL_CACHE", 8 << 30, 1 << 20..=1 << 50),
                days: reader.number("EPITAPH_SYMBOL_DAYS", 365, 1..=36_500),
                hosts: reader
                    .parsed("EPITAPH_SYMBOL_HOSTS", "host names with commas between them", hosts)
                    .unwrap_or_default()
                    .iter()
                    .map(|name| name.to_ascii_lowercase())
                    .collect(),
            },
            metrics_port: reader.parsed("EPITAPH_METRICS_PORT", "a port from 1 to 65535", |text| {
                reader::number::<u16>(text).filter(|&port| port > 0)
            }),
            log: reader
                .parsed("EPITAPH_LOG", "error, warn, info, debug or trace", level)
                .unwrap_or(LevelFilter::INFO),
        };
        settings.check(&mut reader);
        reader.finish(settings)
    }

    /// What no single variable can say.
    fn check<G: Fn(&str) -> Option<String>>(&self, reader: &mut Reader<G>) {
        if self.metrics_port == Some(self.port) {
            reader.problem("EPITAPH_METRICS_PORT is the same as PORT, expected another one".into());
        }
        let Some(host) = self.platform.variable() else { return };
        let embedded = [
            ("EPITAPH_QUEUE", self.queue == QueueUrl::Embedded && self.role.uses_queue()),
            ("EPITAPH_BUCKET", !reader.is_set("EPITAPH_BUCKET")),
            ("EPITAPH_CATALOG", !reader.is_set("EPITAPH_CATALOG") && self.role.uses_catalog()),
        ];
        let embedded: Vec<_> = embedded.into_iter().filter(|(_, it)| *it).map(|(name, _)| name).collect();
        if !embedded.is_empty() && !self.data_is_explicit {
            reader.problem(format!(
                "EPITAPH_DATA is not set, and {host} says that this machine's disk vanishes, expected EPITAPH_DATA \
                 on a lasting volume, or engines that are not embedded by {}",
                embedded.join(", ")
            ));
        }
        if matches!(self.secret, SecretSource::DataDirectory) {
            reader.problem(format!(
                "EPITAPH_SECRET is not set, and {host} says that this is one instance of many, expected \
                 EPITAPH_SECRET, or EPITAPH_INGEST_SECRET and EPITAPH_MESSAGE_SECRET"
            ));
        }
        // One would be made in the data directory, by each instance its own.
        if self.token.is_none() && !self.data_is_explicit && self.role.shows_pages() {
            reader.problem(format!(
                "EPITAPH_TOKEN is not set, and {host} says that this is one instance of many, expected the \
                 administrator's token"
            ));
        }
    }

    /// Where files may be written that need not last: beside the data, since `/tmp` may be memory; but where there is no
    /// data, `/tmp` alone is sure to be writable.
    pub fn scratch(&self) -> PathBuf {
        if self.has_disk() { self.data.join("scratch") } else { std::env::temp_dir().join("epitaph") }
    }

    /// Where symbols are kept on this machine. Several processes may share it.
    pub fn symbol_folder(&self) -> PathBuf {
        if self.has_disk() { self.data.join("symbols") } else { std::env::temp_dir().join("epitaph-symbols") }
    }

    fn has_disk(&self) -> bool {
        self.data_is_explicit || self.platform == Platform::Plain
    }

    /// The largest message that a broker posts to this process, in bytes, attributes included.
    pub fn largest_event(&self) -> usize {
        match &self.queue {
            QueueUrl::Broker(broker) => broker.largest_message,
            _ => Broker::LARGEST_MESSAGE,
        }
    }

    /// What clients and people reach this process by: the public URL, or else this machine and the port that was
    /// bound. Without a trailing slash.
    pub fn url(&self, bound_port: u16) -> String {
        self.public_url.clone().unwrap_or_else(|| match self.bind {
            IpAddr::V6(address) if !address.is_unspecified() => format!("http://[{address}]:{bound_port}"),
            IpAddr::V4(address) if !address.is_unspecified() => format!("http://{address}:{bound_port}"),
            _ => format!("http://127.0.0.1:{bound_port}"),
        })
    }
}

fn absolute<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>, path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|error| {
        reader.problem(format!("EPITAPH_DATA is relative to a working directory that is gone ({error})"));
        path.to_owned()
    })
}

fn secret<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>) -> SecretSource {
    const DERIVED: [&str; 2] = ["EPITAPH_INGEST_SECRET", "EPITAPH_MESSAGE_SECRET"];
    let set = ["EPITAPH_SECRET", DERIVED[0], DERIVED[1]].map(|name| reader.is_set(name));
    match set {
        [true, true, _] | [true, _, true] => reader.problem(format!(
            "EPITAPH_SECRET is set together with {} or {}, expected either the root or the derived ones",
            DERIVED[0], DERIVED[1]
        )),
        [false, true, false] => {
            reader.problem(format!("{} is set, expected {} as well", DERIVED[0], DERIVED[1]));
        }
        [false, false, true] => {
            reader.problem(format!("{} is set, expected {} as well", DERIVED[1], DERIVED[0]));
        }
        _ => {}
    }
    let root = reader.hidden("EPITAPH_SECRET", RootSecret::new);
    let ingest = reader.hidden(DERIVED[0], Secret::from_hex);
    let message = reader.hidden(DERIVED[1], Secret::from_hex);
    match (root, ingest, message) {
        (Some(root), ..) => SecretSource::Root(root),
        (None, Some(ingest), Some(message)) => SecretSource::Derived { ingest, message },
        // A problem was told above, or nothing was set.
        _ => SecretSource::DataDirectory,
    }
}

fn hosts(text: &str) -> Option<Vec<String>> {
    let plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    let names = text.split(',').map(str::trim);
    names.map(|name| (!name.is_empty() && plain(name)).then(|| name.to_owned())).collect()
}

fn level(text: &str) -> Option<LevelFilter> {
    Some(match text {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}
