//! Posting without pause, and counting what was promised.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{House, Server, until_within};

static SALT: AtomicU64 = AtomicU64::new(0);

/// A dump like no other: what follows the streams of a minidump says nothing.
pub fn unlike_others(mut dump: Vec<u8>) -> Vec<u8> {
    dump.extend_from_slice(&SALT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    dump
}

/// Posts from several clients at once until the server is gone; gives the ids that were answered with 200.
pub async fn post_until_it_dies(server: &Server, clients: usize) -> BTreeSet<String> {
    let mut posting = JoinSet::new();
    let dump = Arc::new(epitaph_test_dumps::linux());
    for _ in 0..clients {
        let (client, post, dump) = (server.client.clone(), server.post.clone(), Arc::clone(&dump));
        posting.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let body = unlike_others(dump.to_vec());
                let request = client.post(&post).header("content-type", "application/x-dmp").body(body);
                match super::answer(request.timeout(Duration::from_secs(30))).await {
                    Ok(answer) if answer.status == 200 => answered.push(answer.text),
                    Ok(answer) => panic!("refused: {answer:?}"),
                    Err(_) => return answered,
                }
            }
        });
    }
    posting.join_all().await.into_iter().flatten().collect()
}

/// A moment between these two, unlike from run to run.
pub async fn random_pause(from: Duration, to: Duration) {
    use std::hash::{BuildHasher, RandomState};
    let span = u64::try_from((to - from).as_micros()).unwrap();
    tokio::time::sleep(from + Duration::from_micros(RandomState::new().hash_one(0) % span)).await;
}

/// Waits until all of these are processed, and asserts that each is there exactly once and counted once.
pub async fn assert_each_is_there_once(house: &House, server: &Server, answered: &BTreeSet<String>) {
    let incoming = house.data().join("queue/incoming");
    // Thousands of reports may wait.
    until_within(Duration::from_secs(300), "the queue is empty", async || {
        // A live producer keeps its file; those of dead ones go when all in them is done.
        let files = std::fs::read_dir(&incoming).map_or(0, Iterator::count);
        (files <= 1).then_some(())
    })
    .await;
    for id in answered {
        server.crash(id).await;
    }
    let listed = all_crashes(server).await;
    let unique: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a crash is listed twice");
    let lost: Vec<_> = answered.iter().filter(|id| !unique.contains(id)).collect();
    assert!(lost.is_empty(), "answered, and lost: {lost:?}");
    assert_eq!(server.total().await, listed.len() as u64, "counted otherwise than listed");
}

/// The ids of all crashes of all issues.
async fn all_crashes(server: &Server) -> Vec<String> {
    let mut ids = Vec::new();
    let (_, issues) = server.api("/issues?period=all&limit=1000").await;
    for issue in issues["issues"].as_array().unwrap() {
        let mut cursor = String::new();
        loop {
            let path = format!("/issues/{}/crashes?limit=500{cursor}", issue["id"]);
            let (_, page) = server.api(&path).await;
            let crashes = page["crashes"].as_array().unwrap();
            ids.extend(crashes.iter().map(|crash| crash["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&before={next}"),
                None => break,
            }
        }
    }
    ids
}
