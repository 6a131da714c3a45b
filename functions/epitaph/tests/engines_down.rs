//! The queue, the bucket, the disk or the catalog fails: what was acknowledged is never lost, and what cannot be made
//! durable is refused in time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::multipart::{Form, Part};
use support::{House, Server, load::unlike_others, until};

/// In which a client has its answer, whatever is down.
const SOON: Duration = Duration::from_secs(8);

/// A dump unlike those before: the same one again would not be a crash of its own.
fn windows() -> Vec<u8> {
    unlike_others(epitaph_test_dumps::windows())
}

/// A report that must be accepted; gives its id.
async fn accepted(server: &Server) -> String {
    let answer = server.post_dump(windows()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

async fn all_processed(server: &Server, ids: &[String]) {
    for id in ids {
        let crash = server.crash(id).await;
        assert!(crash["unreadable"].is_null(), "{crash}");
    }
    assert_eq!(server.total().await, ids.len() as u64, "each counts once");
}

/// Posts a form that must be refused for our fault, soon, and say when to come again.
async fn assert_refused_soon(server: &Server, form: Form) {
    let begun = Instant::now();
    let answer = server.client.post(&server.post).multipart(form).send().await.unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().is_ok());
    let told: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(told["causes"][0], "unavailable", "{told}");
    println!("refused after {took:?}");
    assert!(took < SOON, "{took:?}");
}

fn form(dump: Vec<u8>) -> Form {
    Form::new().part("upload_file_minidump", Part::bytes(dump).file_name("crash.dmp"))
}

/// Too large to travel inside a message.
fn large_dump() -> Vec<u8> {
    let mut dump = windows();
    dump.resize(1 << 20, 0);
    dump
}

/// Makes a path unusable: there is a file where a directory must be. What was there is put aside.
struct InTheWay {
    path: PathBuf,
    aside: PathBuf,
}

impl InTheWay {
    fn of(path: PathBuf) -> Self {
        let aside = path.with_extension("aside");
        if path.exists() {
            fs::rename(&path, &aside).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "in the way").unwrap();
        Self { path, aside }
    }

    fn clear(self) {
        fs::remove_file(&self.path).unwrap();
        if self.aside.exists() {
            fs::rename(&self.aside, &self.path).unwrap();
        }
    }
}

fn files_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

fn assert_nothing_is_dead(house: &House) {
    let dead = house.command(&["dead", "list"]).output().unwrap();
    assert_eq!(String::from_utf8(dead.stdout).unwrap(), "there are no dead letters\n");
}

#[tokio::test]
async fn reports_that_the_queue_refuses_are_parked_and_delivered_once_when_it_works_again() {
    let house = House::new();
    let refusing = InTheWay::of(house.data().join("queue/incoming"));
    let server = house.serve();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(accepted(&server).await);
    }
    let parked = house.data().join("bucket/parked");
    assert_eq!(files_below(&parked), ids.len());
    // The server dies, and so does what it remembers.
    server.kill();
    let server = house.serve();
    ids.push(accepted(&server).await);
    refusing.clear();
    all_processed(&server, &ids).await;
    until("nothing is parked any more", async || (files_below(&parked) == 0).then_some(())).await;
    ids.push(accepted(&server).await);
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn a_queue_whose_directory_goes_away_under_a_running_server_loses_nothing() {
    let house = House::new();
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    let away = InTheWay::of(house.data().join("queue/incoming"));
    for _ in 0..5 {
        ids.push(accepted(&server).await);
    }
    away.clear();
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn what_neither_queue_nor_bucket_takes_is_refused_soon_and_taken_when_they_work_again() {
    let house = House::new();
    let queue = InTheWay::of(house.data().join("queue/incoming"));
    let bucket = InTheWay::of(house.data().join("bucket"));
    let server = house.serve();
    assert_refused_soon(&server, form(windows())).await;
    assert_refused_soon(&server, form(large_dump())).await;
    queue.clear();
    // The queue alone is enough for what fits into a message. (A probe may be a second away.)
    let small = until("the queue is tried again", async || {
        let answer = server.post_dump(windows()).await.unwrap();
        (answer.status == 200).then_some(answer.text)
    });
    let mut ids = vec![small.await];
    assert_refused_soon(&server, form(large_dump())).await;
    bucket.clear();
    let answer = server.post_dump(large_dump()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    ids.push(answer.text);
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn a_bucket_that_never_answers_costs_a_client_no_more_than_its_budget() {
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let house = House::with(&[
        ("EPITAPH_BUCKET", "s3://crashes"),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_REGION", "test"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let queue = InTheWay::of(house.data().join("queue/incoming"));
    let server = house.serve();
    assert_refused_soon(&server, form(windows())).await;
    assert_refused_soon(&server, form(large_dump())).await;
    let attached = form(windows()).part("log", Part::bytes(vec![0; 6 << 20]).file_name("game.log"));
    assert_refused_soon(&server, attached).await;
    queue.clear();
    until("the queue is tried again", async || {
        let answer = server.post_dump(windows()).await.unwrap();
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bucket_that_is_away_is_no_fault_of_the_reports_in_it() {
    if !has("sqlite3") {
        return println!("skipped: there is no sqlite3 to hold the catalog with");
    }
    let house = House::new();
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    let lock = CatalogLock::take(&house.data().join("catalog.db"));
    let answer = server.post_dump(large_dump()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    ids.push(answer.text);
    let (bucket, away) = (house.data().join("bucket"), house.data().join("bucket.away"));
    fs::rename(&bucket, &away).unwrap();
    drop(lock);
    until("the report is found to have to wait for the bucket", async || {
        let log = fs::read_to_string(house.log()).unwrap();
        log.contains("bucket").then_some(())
    })
    .await;
    let _ = fs::remove_dir_all(&bucket);
    fs::rename(&away, &bucket).unwrap();
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn below_the_low_water_mark_reports_are_refused_and_what_was_acknowledged_stays() {
    let mut house = House::new();
    let server = house.serve();
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(accepted(&server).await);
    }
    // Some of them are still on their way.
    server.kill();
    house.set("EPITAPH_MIN_FREE_DISK", "1000000G");
    let server = house.serve();
    for dump in [windows(), large_dump()] {
        assert_refused_soon(&server, form(dump)).await;
    }
    server.kill();
    house.set("EPITAPH_MIN_FREE_DISK", "1M");
    let server = house.serve();
    all_processed(&server, &ids).await;
    ids.push(accepted(&server).await);
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

/// A small file system of its own, which is gone when this is dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        let mounted = mount.stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { directory })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
    }
}

/// Posts until the disk is full, and a while longer; frees some, and looks for everything that was acknowledged.
async fn fill_a_disk(min_free: &str, dies_when_full: bool) {
    const CLIENTS: usize = 4;
    let Some(disk) = SmallDisk::new("24M") else {
        return println!("skipped: this user may mount nothing");
    };
    let ballast = disk.directory.path().join("ballast");
    fs::write(&ballast, vec![1; 10 << 20]).unwrap();
    let house = House::below(disk.directory.path(), &[("EPITAPH_MIN_FREE_DISK", min_free)]);
    // The log is on that disk too, as it may well be.
    let server = house.serve();
    let client = async || {
        let (mut ids, mut refused) = (Vec::new(), 0);
        while refused < 25 {
            let answer =
                server.post_dump(unlike_others(epitaph_test_dumps::of_27_kilobytes())).await.unwrap();
            match answer.status {
                200 => ids.push(answer.text),
                503 => refused += 1,
                other => panic!("{other}: {}", answer.text),
            }
        }
        (ids, refused)
    };
    let ended = futures_util::future::join_all((0..CLIENTS).map(|_| client())).await;
    let refused: usize = ended.iter().map(|(_, refused)| refused).sum();
    let mut ids: Vec<String> = ended.into_iter().flat_map(|(ids, _)| ids).collect();
    println!("keeping {min_free} free: {} acknowledged, {refused} refused", ids.len());
    assert!(ids.len() > 20, "the disk was never of any use");
    let begun = fs::read_dir(house.data().join("queue/incoming")).unwrap().map(|entry| entry.unwrap().path());
    let begun: Vec<_> =
        begun.filter(|path| path.extension().is_some_and(|extension| extension == "new")).collect();
    assert!(begun.is_empty(), "every failure left a file: {begun:?}");
    let server = if dies_when_full {
        server.kill();
        fs::remove_file(&ballast).unwrap();
        house.serve()
    } else {
        fs::remove_file(&ballast).unwrap();
        server
    };
    for id in &ids {
        server.crash(id).await;
    }
    let again = until("reports are accepted again", async || {
        let answer = server.post_dump(unlike_others(epitaph_test_dumps::of_27_kilobytes())).await.unwrap();
        (answer.status == 200).then_some(answer.text)
    });
    ids.push(again.await);
    server.crash(&ids[ids.len() - 1]).await;
    // What was refused may have been written to the queue whole all the same, when the disk ended just behind it.
    let (counted, acknowledged) = (server.total().await, ids.len() as u64);
    println!("{counted} counted, {acknowledged} acknowledged");
    assert!((acknowledged..=acknowledged + refused as u64).contains(&counted), "{counted}");
    if min_free != "0" {
        assert_eq!(counted, acknowledged, "each counts once, and what was refused does not");
    }
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn on_a_disk_that_is_full_to_the_last_byte_nothing_acknowledged_is_lost() {
    fill_a_disk("0", false).await;
}

#[tokio::test]
async fn on_a_disk_that_is_full_to_the_last_byte_nothing_acknowledged_is_lost_when_the_server_dies() {
    fill_a_disk("0", true).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_to_the_low_water_mark_goes_on_when_some_is_freed() {
    fill_a_disk("4M", false).await;
}

/// Another program that writes to the catalog and does not come to an end.
struct CatalogLock(Child);

impl CatalogLock {
    fn take(catalog: &Path) -> Self {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut sqlite = Command::new("sqlite3");
        let sqlite = sqlite.arg(catalog).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = sqlite.spawn().unwrap();
        let script = b".timeout 10000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n";
        child.stdin.as_mut().unwrap().write_all(script).unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        Self(child)
    }
}

impl Drop for CatalogLock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

#[tokio::test]
async fn reports_are_acknowledged_while_the_catalog_is_locked_and_recorded_when_it_is_not() {
    if !has("sqlite3") {
        return println!("skipped: there is no sqlite3 to hold the catalog with");
    }
    let house = House::new();
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    let lock = CatalogLock::take(&house.data().join("catalog.db"));
    for _ in 0..10 {
        ids.push(accepted(&server).await);
    }
    until("a report is found to have to wait", async || {
        fs::read_to_string(house.log()).unwrap().contains("has to wait").then_some(())
    })
    .await;
    ids.push(accepted(&server).await);
    drop(lock);
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn reports_are_acknowledged_while_the_catalogs_directory_is_away_and_recorded_when_it_is_back() {
    let mut house = House::new();
    let place = house.data().join("catalog");
    house.set("EPITAPH_CATALOG", &format!("sqlite://{}/catalog.db", place.display()));
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    let away = InTheWay::of(place);
    for _ in 0..10 {
        ids.push(accepted(&server).await);
    }
    server.kill();
    // It cannot start without its catalog, and says so.
    let refused = house.command(&[]).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("catalog"), "{said}");
    away.clear();
    let server = house.serve();
    all_processed(&server, &ids).await;
    assert_nothing_is_dead(&house);
}
