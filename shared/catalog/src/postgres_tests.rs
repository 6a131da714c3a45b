use std::error::Error;

use epitaph_crash_model::{ProjectId, RuleOutcome, RuleVerdict};
use epitaph_test_services::{Pooler, Postgres as Server};
use tokio::task::JoinSet;

use super::*;
use crate::{
    Catalog, IssueQuery, Recorded,
    dialect::Dialect,
    record::LOCK_PROJECT,
    sample::{Engine, Place, T0, catalog, crash},
};

fn told(error: &CatalogError) -> String {
    let first: &dyn Error = error;
    let chain = std::iter::successors(Some(first), |&error| error.source());
    let said: Vec<_> = chain.map(ToString::to_string).collect();
    format!("{} {error:?}", said.join(": "))
}

async fn total(catalog: &Catalog) -> u64 {
    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}

#[test]
fn a_url_says_how_many_connections_and_whether_statements_have_names() {
    let usual = Postgres::at("postgres://me@host/db").unwrap();
    assert_eq!((usual.connections, usual.names_statements), (4, true));
    let url = "postgresql://me@host/db?connections=2&statement-cache-capacity=0&sslmode=verify-full";
    let chosen = Postgres::at(url).unwrap();
    assert_eq!((chosen.connections, chosen.names_statements), (2, false));
    let query = chosen.options.database_url.query();
    assert_eq!(query, Some("statement-cache-capacity=0&sslmode=verify-full&application_name=epitaph"));
}

#[test]
fn a_root_that_is_named_is_used_even_if_encryption_alone_was_asked_for() {
    let url = "postgres://me@host/db?sslmode=require&ssl-root-cert=/etc/root.pem&application_name=mine";
    let query = Postgres::at(url).unwrap().options.database_url.query().map(str::to_owned);
    let expected = "sslmode=verify-ca&sslrootcert=%2Fetc%2Froot.pem&application_name=mine";
    assert_eq!(query.as_deref(), Some(expected));
}

#[test]
fn what_is_wrong_with_a_url_is_told_without_showing_it() {
    for (given, expected) in [
        ("postgres://me:hunter2@host:99999/db", "is no URL"),
        ("postgres://me:hunter2@host/db?sslmode=allow", "sslmode"),
        ("postgres://me:hunter2@host/db?connections=0", "connections"),
        ("postgres://me:hunter2@host/db?connections=hunter2", "connections"),
        ("postgres://me:hunter2@host/db?statement-cache-capacity=all", "statement-cache-capacity"),
        ("postgres://me:hunter2@host/db?hostaddr=db.internal", "hostaddr"),
        ("postgres://me@host/db?password=hunter2&target_session_attrs=any", "\"target_session_attrs\""),
        ("mysql://me:hunter2@host/db", "\"mysql\""),
        ("hunter2", "is no URL"),
    ] {
        let error = Dialect::of(given).unwrap_err();
        assert!(!error.is_unavailable());
        let told = told(&error);
        assert!(told.contains(expected) && told.contains("postgres://ROLE:PASSWORD@HOST"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let catalog = Catalog::open("postgres://me:hunter2@host/db").unwrap();
    assert!(!format!("{catalog:?}{:?}", catalog.0.dialect).contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_at_fault_and_its_password_is_not_told() {
    let Some(server) = Server::shared() else { return };
    server.command("CREATE ROLE nobody_more LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 0");
    let at = |role: &str, database: &str| format!("postgres://{role}@127.0.0.1:{}/{database}", server.port());
    let whole = server.url("postgres");
    let unreachable = format!("postgres://me:hunter2@127.0.0.1:{}/db", epitaph_test_services::free_port());
    for url in [
        at("epitaph:hunter2", "postgres"),
        whole.replace("/postgres", "/there_is_none"),
        at("nobody_more:hunter2", "postgres"),
        unreachable,
    ] {
        let begun = tokio::time::Instant::now();
        let catalog = Catalog::open(&url).unwrap();
        let error = catalog.record(&crash(1, "render", T0)).await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        let told = told(&error);
        let secrets = ["hunter2"].into_iter().chain(server.password());
        assert!(secrets.into_iter().all(|secret| !told.contains(secret)), "{told}");
    }
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_rows_is_enough_once_the_tables_are_there() {
    let Some(Engine::Postgres(server)) = Engine::postgres() else { return };
    let (place, owner) = catalog(Engine::Postgres(server)).await;
    let database = place.url().rsplit('/').next().unwrap();
    server.command_in(
        database,
        "CREATE ROLE worker LOGIN PASSWORD 'secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker",
    );
    let url = format!("postgres://worker:secret@127.0.0.1:{}/{database}", server.port());
    let worker = Catalog::open(&url).unwrap();
    worker.migrate().await.unwrap();
    let new = crash(1, "render", T0);
    assert!(matches!(worker.record(&new).await.unwrap(), Recorded::First { .. }));
    assert_eq!(worker.delete_crashes(&[(new.fact.project, new.fact.crash_id)]).await.unwrap(), 1);
    // What it may not do is the operator's to change, and no report's fault.
    server.command_in(database, "REVOKE INSERT ON seen FROM worker");
    let error = worker.record(&crash(2, "render", T0)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert_eq!(total(&owner).await, 0);
    worker.close().await;
    server.command_in(database, "DROP OWNED BY worker");
    server.command("DROP ROLE worker");
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused_before_it_has_tables() {
    let Some(server) = Server::shared() else { return };
    server.command(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0",
    );
    let error = Catalog::open(&server.url("latin")).unwrap().migrate().await.unwrap_err();
    assert!(matches!(error, CatalogError::Invalid(_)) && told(&error).contains("UTF8"), "{error:?}");
}

#[tokio::test]
async fn a_value_that_fits_into_no_index_is_the_requests_own_fault() {
    let Some(engine) = Engine::postgres() else { return };
    let (_place, catalog) = catalog(engine).await;
    let new = crash(1, "render", T0);
    // Long, and too irregular to be made short.
    let rule: String = (0..4_000_u64).map(|index| format!("{:x}", index * index * 2_654_435_761)).collect();
    let project = new.fact.project;
    let outcome = RuleOutcome { project, rule, outcome: RuleVerdict::Dropped, count: 1 };
    let error = catalog.discard(project, new.fact.crash_id, "1", &[outcome]).await.unwrap_err();
    assert!(matches!(error, CatalogError::Refused(_)), "{error:?}");
    assert!(!catalog.was_seen(project, new.fact.crash_id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_transactions_that_wait_for_each_other_both_succeed() {
    let Some(engine) = Engine::postgres() else { return };
    let (_place, catalog) = catalog(engine).await;
    let other = catalog.add_project(None, "Other").await.unwrap().id;
    let both_hold_one = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let mut tasks = JoinSet::new();
    for order in [[ProjectId::FIRST, other], [other, ProjectId::FIRST]] {
        let (catalog, both_hold_one) = (catalog.clone(), std::sync::Arc::clone(&both_hold_one));
        tasks.spawn(async move {
            let tries = std::sync::atomic::AtomicU32::new(0);
            let lock_both = || async {
                let mut transaction = catalog.begin().await?;
                transaction.execute(sqlx::query(LOCK_PROJECT).bind(order[0].as_i64())).await?;
                if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                    both_hold_one.wait().await;
                }
                transaction.execute(sqlx::query(LOCK_PROJECT).bind(order[1].as_i64())).await?;
                transaction.commit().await
            };
            catalog.settle(lock_both).await.unwrap();
            tries.into_inner()
        });
    }
    let tries: u32 = tasks.join_all().await.into_iter().sum();
    assert!(tries > 2, "they did not wait for each other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_than_so_many_are_the_first_of_an_hour_however_many_ask_at_once() {
    let Some(engine) = Engine::postgres() else { return };
    let (place, catalog) = catalog(engine).await;
    let mut tasks = JoinSet::new();
    for index in 0..24 {
        let (catalog, fact) =
            (if index % 2 == 0 { catalog.clone() } else { place.open() }, crash(index, "a", T0).fact);
        tasks.spawn(async move {
            catalog.is_among_first(fact.project, fact.signature, fact.crash_id, 5).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|&is_first| is_first).count(), 5);
}

#[tokio::test]
async fn a_server_has_to_prove_who_it_is_where_the_url_says_so() {
    let Some(server) = Server::with_tls() else { return };
    let root = server.root_certificate();
    let with = |query: String| Catalog::open(&format!("{}?{query}", server.url("postgres"))).unwrap();
    let rooted = |mode: &str| format!("sslmode={mode}&sslrootcert={}", root.display());
    for query in [rooted("verify-full"), rooted("verify-ca"), rooted("require"), "sslmode=require".into()] {
        with(query.clone()).migrate().await.unwrap_or_else(|error| panic!("{query}: {}", told(&error)));
    }
    let stranger = Server::with_tls().unwrap();
    let strange =
        |mode: &str| format!("sslmode={mode}&sslrootcert={}", stranger.root_certificate().display());
    let refused =
        [strange("verify-full"), strange("require"), "sslmode=verify-full".into(), "sslmode=disable".into()];
    for query in refused {
        let error = with(query.clone()).projects().await.unwrap_err();
        assert!(error.is_unavailable(), "{query}: {error:?}");
    }
    // The certificate is for an address; a name is not what it proves.
    let named = server.url("postgres").replace("127.0.0.1", "localhost");
    let catalog = Catalog::open(&format!("{named}?{}", rooted("verify-full"))).unwrap();
    assert!(catalog.projects().await.unwrap_err().is_unavailable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pooler_may_give_every_transaction_another_connection() {
    let Some(server) = Server::shared() else { return };
    let Some(pooler) = Pooler::start(server, 3) else { return };
    let place = Place::new(Engine::Postgres(server));
    let url = format!("{}?statement-cache-capacity=0&connections=8", pooler.url(place.url(), server));
    let catalogs: Vec<_> = (0..2).map(|_| Catalog::open(&url).unwrap()).collect();
    catalogs[0].migrate().await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..8_usize {
        let catalog = catalogs[task % 2].clone();
        tasks.spawn(async move {
            let mut firsts = 0;
            for index in 0..40 {
                let new = crash(index, ["a", "b", "c"][index as usize % 3], T0);
                let recorded = catalog.record(&new).await.unwrap();
                firsts += u32::from(matches!(recorded, Recorded::First { .. }));
                assert!(catalog.crash(new.fact.project, new.fact.crash_id).await.unwrap().is_some());
            }
            firsts
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u32>(), 40);
    assert_eq!(total(&catalogs[0]).await, 40);
    for catalog in catalogs {
        catalog.close().await;
    }
}
