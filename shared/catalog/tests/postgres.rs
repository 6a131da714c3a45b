//! PostgreSQL with many who record at the same time, and PostgreSQL that goes away while they do.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use common::crash;
use epitaph_catalog::{Catalog, CatalogError, IssueQuery, MOST_ROWS, NewCrash, Recorded};
use epitaph_crash_model::ProjectId;
use epitaph_test_services::Postgres;
use tokio::task::JoinSet;

/// In which whoever asks has an answer, whatever is down.
const SOON: Duration = Duration::from_secs(8);

async fn total(catalog: &Catalog) -> u64 {
    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}

/// Asks until the engine is there again; nothing else may be wrong.
async fn insist<T, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, CatalogError>>,
{
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_unavailable(), "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_when_the_server_was_killed_is_there_once_and_the_rest_follows() {
    const CRASHES: usize = 240;
    const RECORDERS: usize = 6;
    let Some(mut server) = Postgres::start() else { return };
    let url = server.database();
    // Two processes, so to speak, whose connections are their own.
    let catalogs = [Catalog::open(&url).unwrap(), Catalog::open(&url).unwrap()];
    catalogs[0].migrate().await.unwrap();
    let crashes: Arc<Vec<NewCrash>> = Arc::new((0..=u8::MAX).cycle().take(CRASHES).map(crash).collect());
    let acknowledged: Arc<Vec<AtomicU32>> = Arc::new((0..CRASHES).map(|_| AtomicU32::new(0)).collect());
    let count = Arc::new(AtomicUsize::new(0));
    let mut recorders = JoinSet::new();
    for recorder in 0..RECORDERS {
        let (catalog, crashes) = (catalogs[recorder % 2].clone(), Arc::clone(&crashes));
        let (acknowledged, count) = (Arc::clone(&acknowledged), Arc::clone(&count));
        recorders.spawn(async move {
            // Each crash comes to half of them, in orders of their own.
            for step in 0..CRASHES {
                let index = (step * (2 * recorder + 7) + recorder * 31) % CRASHES;
                if (index + recorder).is_multiple_of(2) {
                    let recorded = insist(|| catalog.record(&crashes[index])).await;
                    if matches!(recorded, Recorded::First { .. }) {
                        acknowledged[index].fetch_add(1, Ordering::SeqCst);
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    for share in [4, 2] {
        let enough = CRASHES * RECORDERS / 2 / share;
        while count.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        server = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap();
        let known: Vec<usize> =
            (0..CRASHES).filter(|&index| acknowledged[index].load(Ordering::SeqCst) > 0).collect();
        assert!(!known.is_empty());
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .unwrap();
        let after = Catalog::open(&url).unwrap();
        for index in known {
            let fact = &crashes[index].fact;
            let found = insist(|| after.crash(fact.project, fact.crash_id)).await;
            assert!(found.is_some(), "an acknowledged crash is gone");
        }
    }
    recorders.join_all().await;
    assert!(acknowledged.iter().all(|firsts| firsts.load(Ordering::SeqCst) <= 1), "a crash was new twice");
    let catalog = Catalog::open(&url).unwrap();
    assert_eq!(catalog.recent_crashes(ProjectId::FIRST, MOST_ROWS).await.unwrap().len(), CRASHES);
    assert_eq!(total(&catalog).await, CRASHES as u64);
}

#[tokio::test]
async fn a_server_that_is_away_is_found_to_be_so_soon_and_used_again_when_it_is_back() {
    let Some(mut server) = Postgres::start() else { return };
    let catalog = Catalog::open(&server.database()).unwrap();
    catalog.migrate().await.unwrap();
    catalog.record(&crash(1)).await.unwrap();
    let ways: [[fn(&mut Postgres); 2]; 2] =
        [[Postgres::kill, Postgres::restart], [|server| server.freeze(), |server| server.thaw()]];
    for (number, [leave, come_back]) in (1..).zip(ways) {
        // A connection that was used within a second is not looked at before it is used again.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        leave(&mut server);
        for _ in 0..2 {
            let begun = Instant::now();
            let asked = catalog.projects().await.unwrap_err();
            let recorded = catalog.record(&crash(number)).await.unwrap_err();
            assert!(asked.is_unavailable() && recorded.is_unavailable(), "{asked:?} {recorded:?}");
            assert!(begun.elapsed() < 2 * SOON, "{:?}", begun.elapsed());
        }
        come_back(&mut server);
        let again = crash(number);
        insist(|| catalog.record(&again)).await;
    }
    assert_eq!(total(&catalog).await, 3);
}

#[tokio::test]
async fn a_catalog_may_be_opened_before_its_server_is_there_and_before_it_has_tables() {
    let Some(mut server) = Postgres::start() else { return };
    let url = server.database();
    server.kill();
    let catalog = Catalog::open(&url).unwrap();
    assert!(catalog.record(&crash(1)).await.unwrap_err().is_unavailable());
    server.restart();
    let error = insist_on_tables(&catalog).await;
    assert!(matches!(error, CatalogError::OlderSchema { found: 0, .. }), "{error:?}");
    assert!(error.is_unavailable() && error.to_string().contains("epitaph migrate"), "{error}");
    Catalog::open(&url).unwrap().migrate().await.unwrap();
    assert!(matches!(catalog.record(&crash(1)).await.unwrap(), Recorded::First { .. }));
}

/// What is wrong once the server answers.
async fn insist_on_tables(catalog: &Catalog) -> CatalogError {
    loop {
        match catalog.record(&crash(1)).await.unwrap_err() {
            CatalogError::Unavailable(_) => {}
            error => return error,
        }
    }
}
