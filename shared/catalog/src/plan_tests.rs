//! How the database answers: by its indexes, however many crashes there are.

use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Catalog, Dimension, crash, duplicate, feedback, issue, late, missing, overrides, record, resign,
    retention, rules,
    sample::{Engine, catalog},
    segment, snapshot, statistics, symbol_request,
};

/// The steps of the database's plan, in its own words.
async fn plan(catalog: &Catalog, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(catalog.reader().await.unwrap()).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

fn reads_all_of(table: &str, step: &str) -> bool {
    step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "))
}

/// Those that are asked while people wait, or that delete.
fn all_statements() -> Vec<String> {
    let statements = [
        crash::ONE,
        crash::FIND,
        crash::RECENT,
        crash::SIGNATURES,
        crash::OF_SIGNATURE,
        issue::ONE,
        issue::BY_COUNT,
        issue::BY_LAST_SEEN,
        issue::BY_FIRST_SEEN,
        statistics::TREND,
        statistics::TREND_OF_ISSUE,
        feedback::OF_CRASH,
        feedback::FORGET,
        retention::EXPIRED,
        retention::FORGET,
        retention::RAISE_LAST,
        record::FIND_ISSUE,
        record::LOWER_FIRST,
        record::WAS_SEEN,
        duplicate::ALIASES,
        duplicate::FORGET_DIGESTS,
        rules::FIRSTS,
        rules::KEPT_FIRSTS,
        rules::FORGET_FIRSTS,
        rules::OUTCOMES,
        segment::UNSEALED,
        segment::OLDEST,
        segment::GIVE_UP,
        segment::REPLACED,
        segment::LISTED,
        segment::HOLDERS,
        snapshot::RECENT,
        snapshot::RECENT_NAMES,
        snapshot::SIGNATURES,
        symbol_request::FORGET,
        late::ISSUE_NAMED,
        late::FORGET_NAMES,
        late::MISSING_OF,
        late::FORGET_MISSING,
        late::SAMPLES,
        late::DROP_SAMPLE,
        late::SIGNATURE,
        late::OTHER_OF_ISSUE,
        late::ALL_WAITING,
        late::WAITING_FOR_MODULE,
        late::IS_WAITING,
        missing::MISSING,
        resign::FIRST_LEFT,
        resign::STOP_SEALING,
        overrides::MIXED,
        overrides::FORGET_MIXED,
        overrides::OVERRIDES,
        overrides::FORGET_OVERRIDE,
    ];
    let mut statements: Vec<String> = statements.map(str::to_owned).into();
    statements.extend([crash::known_among(500), retention::delete_among(500), duplicate::aliases_among(500)]);
    statements.push(issue::numbered(500));
    statements.extend([
        segment::known_among(500),
        symbol_request::among(500),
        snapshot::signatures_among(500),
        snapshot::recorded_among(500),
        snapshot::recent_among(500),
    ]);
    statements.extend([late::held_among(500), resign::among(500), resign::change_among(500)]);
    let named = ["client_ids", "aliases", "dump_digests", "signature_samples"];
    statements.extend(named.map(|table| duplicate::forget_names_among(table, 500)));
    for (table, name) in [("aliases", "alias"), ("client_ids", "client_id")] {
        statements.extend([true, false].map(|in_project| duplicate::named_in(table, name, in_project)));
    }
    for dimension in Dimension::ALL {
        statements.extend([true, false].map(|of_issue| statistics::breakdown(dimension, of_issue)));
    }
    statements
}

#[tokio::test]
async fn no_statement_reads_all_facts_signatures_or_seen_crashes() {
    let (_place, catalog) = catalog(Engine::Sqlite).await;
    for statement in all_statements() {
        let plan = plan(&catalog, &statement).await;
        let scans = |step: &String| {
            let tables = ["f", "k", "l", "s", "i", "n", "facts", "signatures", "issues", "seen", "feedback"];
            let names = ["aliases", "client_ids", "dump_digests", "hour_firsts", "outcomes", "g", "segments"];
            let late = ["m", "d", "names", "missing_symbols", "signature_samples", "debug_files", "x", "o"];
            let symbols = ["symbol_requests"];
            tables.iter().chain(&names).chain(&late).chain(&symbols).any(|table| reads_all_of(table, step))
        };
        assert!(!plan.is_empty() && !plan.iter().any(scans), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn pages_of_crashes_come_in_the_order_of_an_index() {
    let (_place, catalog) = catalog(Engine::Sqlite).await;
    for (statement, index) in [(crash::RECENT, "facts_by_time"), (crash::OF_SIGNATURE, "facts_by_signature")]
    {
        let plan = plan(&catalog, statement).await;
        assert!(plan.iter().any(|step| step.contains(index)), "{statement}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn what_is_asked_of_one_issue_reads_the_facts_of_its_signatures_only() {
    let (_place, catalog) = catalog(Engine::Sqlite).await;
    let mut statements = vec![issue::ONE.to_owned(), statistics::TREND_OF_ISSUE.to_owned()];
    statements.extend(Dimension::ALL.map(|dimension| statistics::breakdown(dimension, true)));
    for statement in statements {
        let plan = plan(&catalog, &statement).await;
        let by_signature = "facts_by_signature (project=? AND signature=? AND received_at>?";
        assert!(plan.iter().any(|step| step.contains(by_signature)), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn a_statement_that_does_read_all_facts_would_be_noticed() {
    let (_place, catalog) = catalog(Engine::Sqlite).await;
    let plan = plan(&catalog, "SELECT reason FROM facts f WHERE f.received_at > 0").await;
    assert!(plan.iter().any(|step| reads_all_of("f", step)), "{plan:#?}");
}

/// Fifty projects with so many rows that reading all of a table would be the slower way.
const MANY_ROWS: &str = "\
    INSERT INTO projects SELECT p, 'p', 0, 1 FROM generate_series(2, 50) p; \
    INSERT INTO issues SELECT p, i, 't', 'open', 'crash', 0 \
        FROM generate_series(1, 50) p, generate_series(1, 40) i; \
    INSERT INTO signatures SELECT p, i::text, 1, 't', i, 0, '0', NULL, 0, '0', NULL \
        FROM generate_series(1, 50) p, generate_series(1, 40) i; \
    INSERT INTO facts SELECT p, i::text, i, i, 1, (1 + i % 40)::text, 'crash', NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, NULL, NULL, NULL, 0, '1' FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO seen SELECT 20000 + i % 10, p, i::text, '1' \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO feedback SELECT p, i::text, 0, i::text, i::text, i, NULL, 'c' \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO client_ids SELECT p, i::text, i::text FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO aliases SELECT p, i::text, i::text FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO dump_digests SELECT p, i::text, i::text, i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO hour_firsts SELECT i, p, i::text, i::text \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO segments SELECT p, i::text, 'listed', i, i, i, i::text, i::text, 1, 1, '' \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO names SELECT p, i::text, i FROM generate_series(1, 50) p, generate_series(1, 40) i; \
    INSERT INTO missing_symbols SELECT p, i::text, (1 + i % 40)::text, 'm', i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO signature_samples SELECT p, (1 + i % 40)::text, i::text, '1', i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO debug_files SELECT p, i::text, i::text, NULL, 'n', 'n', 'f', NULL, 1, NULL, NULL, NULL, 0, i, i, i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO mixed_signatures SELECT p, i::text, i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO overrides SELECT p, i::text, i::text \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO outcomes SELECT 20000 + i % 10, p, i::text, 'dropped', 1 \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    INSERT INTO symbol_requests SELECT p, i::text, '', i \
        FROM generate_series(1, 50) p, generate_series(1, 400) i; \
    ANALYZE";

/// The steps of PostgreSQL's plan. The first value is 1, the second 2, and so on.
async fn postgres_plan(catalog: &Catalog, statement: &str) -> Vec<String> {
    let mut connection = catalog.reader().await.unwrap().acquire().await.unwrap();
    let prepare = AssertSqlSafe(format!("DEALLOCATE ALL; PREPARE asked AS {statement}"));
    sqlx::raw_sql(prepare).execute(&mut *connection).await.unwrap();
    let count = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
    let values: Vec<_> = (1..=count).map(|number| format!("'{number}'")).collect();
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE asked({})", values.join(", ")));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

fn reads_all_of_more_than_projects(plan: &[String]) -> bool {
    plan.iter().any(|step| step.contains("Seq Scan on ") && !step.contains("Seq Scan on projects"))
}

#[tokio::test]
async fn no_statement_reads_all_facts_signatures_or_seen_crashes_of_postgresql() {
    let Some(engine) = Engine::postgres() else { return };
    let (_place, catalog) = catalog(engine).await;
    let mut transaction = catalog.begin().await.unwrap();
    transaction.run(MANY_ROWS).await.unwrap();
    transaction.commit().await.unwrap();
    for statement in all_statements() {
        let plan = postgres_plan(&catalog, &statement).await;
        assert!(!plan.is_empty() && !reads_all_of_more_than_projects(&plan), "{statement}\n{plan:#?}");
    }
    let plan = postgres_plan(&catalog, "SELECT reason FROM facts f WHERE f.attempt = $1").await;
    assert!(reads_all_of_more_than_projects(&plan), "{plan:#?}");
    for (statement, index) in [(crash::RECENT, "facts_by_time"), (crash::OF_SIGNATURE, "facts_by_signature")]
    {
        let plan = postgres_plan(&catalog, statement).await;
        let in_order =
            plan.iter().any(|step| step.contains(index)) && !plan.iter().any(|step| step.contains("Sort"));
        assert!(in_order, "{statement}\n{plan:#?}");
    }
}
