//! PostgreSQL with the same facts: one table with indexes on what the pages filter by.

use std::{
    io::{self, BufWriter, Write as _},
    process::{Command, Stdio},
    thread,
};

use epitaph_crash_model::{Fact, Timestamp};
use epitaph_test_services::Postgres;

use super::{Times, facts::Facts, questions::Asked};
use crate::{error::BenchError, progress::Progress};

/// As a server of this size would be set up; nothing waits for the disk, which is to its advantage.
const SETTINGS: [&str; 10] = [
    "shared_buffers=2GB",
    "effective_cache_size=8GB",
    "work_mem=256MB",
    "maintenance_work_mem=1GB",
    "max_parallel_workers_per_gather=1",
    "max_parallel_maintenance_workers=1",
    "random_page_cost=1.1",
    "fsync=off",
    "synchronous_commit=off",
    "max_wal_size=8GB",
];

const TABLE: &str = "CREATE UNLOGGED TABLE facts (received_at timestamp NOT NULL, occurred_at timestamp NOT NULL, \
    crash_id uuid NOT NULL, signature uuid NOT NULL, \"user\" uuid, weight int NOT NULL, kind text NOT NULL, \
    uptime_seconds bigint, foreground boolean, reason text, release text, build text, environment text, platform text, \
    os_version text, arch text, device text, gpu text, gpu_driver text, memory_class text, country text, locale text, \
    engine text, store text, level text, server text, tags jsonb NOT NULL)";

/// The table is looked through once for all of them, so that it is known to its indexes which rows all can see.
const INDEXES: [&str; 6] = [
    "CREATE UNIQUE INDEX ON facts (crash_id)",
    "CREATE INDEX ON facts (received_at) INCLUDE (weight)",
    "CREATE INDEX ON facts (signature, received_at) INCLUDE (weight)",
    "CREATE INDEX ON facts (release, received_at) INCLUDE (signature, weight)",
    "CREATE INDEX ON facts (level, received_at)",
    "VACUUM ANALYZE facts",
];

/// Adds what it took to the times of each question. Gives the bytes of the table with its indexes; `None` where there is
/// no PostgreSQL.
pub(super) fn ask(
    facts: u64,
    asked: &[Asked],
    turns: usize,
    to: &mut [Times],
) -> Result<Option<u64>, BenchError> {
    let Some(server) = Postgres::with_options(&SETTINGS) else { return Ok(None) };
    let url = server.database();
    let progress = Progress::new(asked.len() as u64 + 1 + INDEXES.len() as u64);
    progress.says("PostgreSQL: facts");
    psql(&url, &[TABLE])?;
    load(&url, facts)?;
    for index in INDEXES {
        progress.step();
        progress.says(format!("PostgreSQL: {index}"));
        psql(&url, &[index])?;
    }
    progress.step();
    for asked in asked {
        progress.says(format!("PostgreSQL: {}", asked.name));
        let sql: Vec<String> = asked.sql.iter().map(|sql| spoken(sql)).collect();
        let sql: Vec<&str> = sql.iter().map(String::as_str).collect();
        // Once before: what it can keep in memory is there then.
        let mut taken = Vec::new();
        for turn in 0..=turns {
            let took = psql(&url, &sql)?;
            if turn > 0 {
                taken.push(took);
            }
        }
        if let Some(times) = to.iter_mut().find(|times| times.name == asked.name) {
            times.postgres = taken;
        }
        progress.step();
    }
    let database = url.rsplit('/').next().unwrap_or_default();
    let size = server.command_in(database, "SELECT pg_total_relation_size('facts')");
    Ok(size.lines().filter_map(|line| line.trim().parse().ok()).next())
}

/// As PostgreSQL says it.
fn spoken(sql: &str) -> String {
    let mut said = sql.replace("approx_distinct(", "count(DISTINCT ");
    while let Some(start) = said.find("X'") {
        let end = said[start + 2..].find('\'').map_or(said.len(), |end| start + 3 + end);
        let number = said[start + 1..end].to_owned();
        said.replace_range(start..end, &format!("{number}::uuid"));
    }
    while let Some(start) = said.find("\"tag:") {
        let end = said[start + 1..].find('"').map_or(said.len(), |end| start + 2 + end);
        let name = said[start + 5..end - 1].to_owned();
        said.replace_range(start..end, &format!("tags->>'{name}'"));
    }
    said
}

/// Runs statements, one after the other. Gives the milliseconds that they took in all.
fn psql(url: &str, statements: &[&str]) -> Result<f64, BenchError> {
    let mut command = client(url);
    command.args(["--quiet", "--output", "/dev/null", "--command", "\\timing on"]);
    statements.iter().for_each(|statement| {
        command.args(["--command", statement]);
    });
    let output = command.stderr(Stdio::inherit()).output().map_err(BenchError::Own)?;
    if !output.status.success() {
        return Err(BenchError::Unusable(format!("PostgreSQL refused: {}", statements.join("; "))));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let times =
        text.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse::<f64>().ok());
    Ok(times.sum())
}

fn client(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.args([url, "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]);
    command
}

/// Copies the facts into the table, over as many connections as there are cores.
fn load(url: &str, facts: u64) -> Result<(), BenchError> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let source = Facts::new(facts);
    thread::scope(|scope| {
        let part = |number: u64| facts * number / threads..facts * (number + 1) / threads;
        let copies: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let source = &source;
                    move || copy(url, source.some(part(number)))
                })
            })
            .collect();
        let ended = || io::Error::other("a thread that copies facts ended early");
        copies.into_iter().try_for_each(|copy| copy.join().map_err(|_| ended())?)
    })
    .map_err(BenchError::Own)
}

fn copy(url: &str, facts: impl Iterator<Item = Fact>) -> io::Result<()> {
    let mut client = client(url);
    client.args(["--quiet", "--command", "COPY facts FROM STDIN"]).stdin(Stdio::piped());
    let mut child = client.spawn()?;
    if let Some(input) = child.stdin.take() {
        let mut out = BufWriter::with_capacity(1 << 20, input);
        for fact in facts {
            out.write_all(line_of(&fact).as_bytes())?;
        }
        out.flush()?;
    }
    match child.wait()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("PostgreSQL did not take the facts")),
    }
}

/// A fact in the order of the table's columns. No value has a character that means something there.
fn line_of(fact: &Fact) -> String {
    let time = |time: Timestamp| time.to_string().trim_end_matches('Z').to_owned();
    let mut line = format!(
        "{}\t{}\t{}\t{}",
        time(fact.received_at),
        time(fact.occurred_at),
        fact.crash_id,
        fact.signature
    );
    let mut add = |value: Option<&str>| {
        line.push('\t');
        line.push_str(value.unwrap_or("\\N"));
    };
    add(fact.user.as_deref());
    add(Some(&fact.weight.to_string()));
    add(Some(fact.kind.as_str()));
    add(fact.uptime_seconds.map(|seconds| seconds.to_string()).as_deref());
    add(fact.foreground.map(|is| if is { "t" } else { "f" }));
    for text in [
        &fact.reason,
        &fact.release,
        &fact.build,
        &fact.environment,
        &fact.platform,
        &fact.os_version,
        &fact.arch,
        &fact.device,
        &fact.gpu,
        &fact.gpu_driver,
        &fact.memory_class,
        &fact.country,
        &fact.locale,
        &fact.engine,
        &fact.store,
        &fact.level,
        &fact.server,
    ] {
        add(text.as_deref());
    }
    let tags: Vec<String> =
        fact.tags.iter().map(|(name, value)| format!("\"{name}\": \"{value}\"")).collect();
    add(Some(&format!("{{{}}}", tags.join(", "))));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn sql_is_said_as_postgresql_says_it() {
        let sql = "SELECT \"tag:a\" AS tag, approx_distinct(\"user\") FROM facts WHERE signature = X'0f' OR crash_id = X'1e'";
        let said = "SELECT tags->>'a' AS tag, count(DISTINCT \"user\") FROM facts WHERE signature = '0f'::uuid OR \
                    crash_id = '1e'::uuid";
        assert_eq!(spoken(sql), said);
    }
}
