//! PostgreSQL with the same facts: one table with a column for each tag, and indexes on what the pages filter by.
//!
//! It is treated kindly: the facts lie in the order of time, and nothing but its own work is counted.

use std::{
    io::{self, BufWriter, Write as _},
    process::{Command, Stdio},
};

use epitaph_crash_model::{Fact, Timestamp};
use epitaph_test_services::Postgres;

use super::{Times, questions::Asked};
use crate::{
    error::BenchError,
    facts::{Facts, TAGS, tag},
    progress::Progress,
};

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

const COLUMNS: &str = "received_at timestamp NOT NULL, occurred_at timestamp NOT NULL, \
    crash_id uuid NOT NULL, signature uuid NOT NULL, \"user\" bytea, weight int NOT NULL, kind text NOT NULL, \
    uptime_seconds bigint, foreground boolean, reason text, release text, build text, environment text, platform text, \
    os_version text, arch text, device text, gpu text, gpu_driver text, memory_class text, country text, locale text, \
    engine text, store text, level text, server text";

/// The table is looked through once for all of them, so that it is known to its indexes which rows all can see.
pub(super) const INDEXES: [&str; 6] = [
    "CREATE UNIQUE INDEX ON facts (crash_id)",
    "CREATE INDEX ON facts (received_at) INCLUDE (signature, environment, weight)",
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
    let tags: String = (0..TAGS).map(|number| format!(", \"tag:{}\" text", tag(number))).collect();
    run(&url, &format!("CREATE UNLOGGED TABLE facts ({COLUMNS}{tags})"))?;
    copy(&url, Facts::new(facts).some(0..facts)).map_err(BenchError::Own)?;
    for index in INDEXES {
        progress.step();
        progress.says(format!("PostgreSQL: {index}"));
        run(&url, index)?;
    }
    progress.step();
    for asked in asked {
        progress.says(format!("PostgreSQL: {}", asked.name));
        let sql: Vec<String> = asked.sql.iter().map(|sql| spoken(sql)).collect();
        // Once before: what it can keep in memory is there then.
        let mut taken = Vec::new();
        for turn in 0..=turns {
            let took = asked_once(&url, &sql)?;
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

/// As PostgreSQL says it. It has no approximate count.
pub(super) fn spoken(sql: &str) -> String {
    sql.replace("approx_distinct(", "count(DISTINCT ").replace("X'", "uuid '")
}

/// The milliseconds that an answer takes the server: rows are neither sent nor shown.
fn asked_once(url: &str, sql: &[String]) -> Result<f64, BenchError> {
    let took = sql.iter().map(|sql| {
        let told = run(url, &format!("EXPLAIN (ANALYZE, TIMING OFF) {sql}"))?;
        let untold = || BenchError::Unusable(format!("PostgreSQL does not tell how long this takes: {sql}"));
        milliseconds(&told).ok_or_else(untold)
    });
    took.sum()
}

/// What planning and running took, as it tells.
fn milliseconds(told: &str) -> Option<f64> {
    let named = |name: &str| {
        let line = told.lines().find_map(|line| line.trim().strip_prefix(name))?;
        line.trim().strip_suffix(" ms")?.parse::<f64>().ok()
    };
    Some(named("Planning Time:")? + named("Execution Time:")?)
}

/// Runs a statement. Gives what it printed.
fn run(url: &str, statement: &str) -> Result<String, BenchError> {
    let mut command = client(url);
    command.args(["--quiet", "--tuples-only", "--no-align", "--command", statement]);
    let output = command.stderr(Stdio::inherit()).output().map_err(BenchError::Own)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(BenchError::Unusable(format!("PostgreSQL refused: {statement}"))),
    }
}

fn client(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.args([url, "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]);
    command
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
    add(fact.user.as_deref().map(|user| format!("\\\\x{user}")).as_deref());
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
    for number in 0..TAGS {
        add(fact.tags.get(&tag(number)).map(String::as_str));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_said_as_postgresql_says_it() {
        let sql = "SELECT approx_distinct(\"user\") FROM facts WHERE signature = X'0f' OR crash_id = X'1e'";
        let said =
            "SELECT count(DISTINCT \"user\") FROM facts WHERE signature = uuid '0f' OR crash_id = uuid '1e'";
        assert_eq!(spoken(sql), said);
    }

    #[test]
    fn a_line_has_a_cell_for_each_column() {
        for fact in Facts::new(50).some(0..50) {
            let line = line_of(&fact);
            assert_eq!(line.split('\t').count(), COLUMNS.split(", ").count() + TAGS, "{line}");
        }
    }

    #[test]
    fn an_answer_takes_its_planning_and_its_running() {
        let told =
            "Seq Scan on facts\nPlanning Time: 0.250 ms\nJIT:\n  Functions: 3\nExecution Time: 12.500 ms\n";
        assert_eq!(milliseconds(told), Some(12.75));
        assert_eq!(milliseconds("Seq Scan on facts"), None);
    }
}
