//! STATISTICS.md: how the figures came about, and the sections of the last runs.

use super::{NAME, postgres, questions::Asked};
use crate::results::{Results, ResultsError};

/// Runs of other numbers of facts are not written of.
const SIZES: [u64; 2] = [10_000_000, 100_000_000];
const DOCUMENT: &str = "STATISTICS.md";

const BEGINNING: &str = "# Statistics

Written by `cargo run --release -p epitaph-bench -- stats`, with `--facts 100000000` for the larger size, `--postgres` for \
PostgreSQL, and `--python` naming a Python that has the package `datafusion`.

The facts are of a game that does not exist, the same ones at every run: 90 days, 5,000 signatures, 2,000 devices, 40 releases \
that follow each other, a user for every four facts, and twenty tags of 1,000 to 100,000 values of which a fact has half, all as \
frequent as in a Zipf distribution.

*First* means: nothing is known of any segment, nothing is kept of earlier answers, and the files are in the system's memory. \
*Again* means: the same question to the same facts. Far away, each read of the bucket, which is spoken to over HTTP, waits before \
it is answered.

DataFusion reads the same files with as many threads as there are cores, and counts users approximately. PostgreSQL has the same \
facts in one table, in the order of time, with a column for each tag; it uses both processors of a machine with two, counts users \
exactly, since it has no other count, and its own EXPLAIN ANALYZE tells how long it took, so that rows are not sent. Both were \
asked once before. SQL says less than the engine answers: rows beside a baseline are not joined, and releases are compared as \
texts. Where the machine did other work meanwhile, the time of the processors says more than the time on the clock.

Memory is the most that the process of this bench held while it asked a question. What earlier questions left behind counts, and so \
does the far bucket's server, which is in the same process. Questions are asked one after the other.

Aims: at 10 million facts a p95 below 500 ms first and below 150 ms again, at 100 million below 1 s again, near and far; the first \
answer no slower than DataFusion's; below 1 GiB of memory; below 60 bytes a fact.
";

/// Joins what the last runs of each size have seen.
pub(super) fn write(results: &Results, asked: &[Asked]) -> Result<(), ResultsError> {
    let sections: Vec<String> =
        SIZES.iter().filter_map(|size| results.section(&format!("{NAME}-{size}"))).collect();
    if sections.is_empty() {
        return Ok(());
    }
    let text = format!("{BEGINNING}\n{}\n{}", sections.join("\n"), in_sql(asked));
    results.write(DOCUMENT, &text)
}

fn in_sql(asked: &[Asked]) -> String {
    let mut text = format!(
        "## The questions in SQL\n\nAs PostgreSQL was asked, whose table has a column for each tag and these indexes:\n\n\
         ```sql\n{};\n```\n",
        postgres::INDEXES.join(";\n")
    );
    for Asked { name, sql, .. } in asked {
        let sql: Vec<String> = sql.iter().map(|sql| postgres::spoken(sql)).collect();
        text.push_str(&format!("\n{name}:\n\n```sql\n{};\n```\n", sql.join(";\n")));
    }
    text
}
