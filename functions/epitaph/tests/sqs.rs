//! An SQS queue between the collectors and `process`: there, away, silent; and with a bucket that is away as well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

mod support;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use epitaph_test_services::{Aws, environment_of, free_port};
use rustix::process::{Pid, Signal, kill_process_group};
use support::{House, Server, load::unlike_others, until};

/// In which a client has its answer, whatever is down.
const SOON: Duration = Duration::from_secs(8);
const NAME: &str = "reports";

fn dump() -> Vec<u8> {
    unlike_others(epitaph_test_dumps::windows())
}

/// A house whose queue is there, and what else its settings say.
fn house(port: u16, more: &[(&str, &str)]) -> House {
    let mut house = House::with(more);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for (name, value) in environment_of(address) {
        house.set(name, &value);
    }
    house.set("EPITAPH_QUEUE", &format!("http://{address}/000000000000/{NAME}"));
    house
}

async fn ministack(port: u16) -> Option<Aws> {
    tokio::task::spawn_blocking(move || Aws::ministack_on(port)).await.unwrap()
}

/// A report that must be accepted soon; gives its id.
async fn accepted(server: &Server) -> String {
    let begun = Instant::now();
    let answer = server.post_dump(dump()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    answer.text
}

async fn all_processed(server: &Server, ids: &[String]) {
    for id in ids {
        let crash = server.crash(id).await;
        assert!(crash["unreadable"].is_null(), "{crash}");
    }
    assert_eq!(server.total().await, ids.len() as u64, "each counts once");
}

async fn all_left(aws: &Aws, url: &str) {
    until("the queue is empty", async || (aws.queued(url) == [0, 0]).then_some(())).await;
}

fn assert_nothing_is_dead(house: &House) {
    let dead = house.command(&["dead", "list"]).output().unwrap();
    assert_eq!(String::from_utf8(dead.stdout).unwrap(), "there are no dead letters\n");
}

fn parked(house: &House) -> usize {
    fn files_below(directory: &Path) -> usize {
        let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
    }
    files_below(&house.data().join("bucket/parked"))
}

/// Ends the silence of a service that was stopped, so that it can be killed like any other.
fn signal(aws: &mut Aws, signal: Signal) {
    let group = i32::try_from(aws.service().process()).ok().and_then(Pid::from_raw).unwrap();
    kill_process_group(group, signal).unwrap();
}

async fn assert_refused_soon(server: &Server) {
    let begun = Instant::now();
    let form = reqwest::multipart::Form::new();
    let part = reqwest::multipart::Part::bytes(dump()).file_name("crash.dmp");
    let request = server.client.post(&server.post).multipart(form.part("upload_file_minidump", part));
    let answer = request.send().await.unwrap();
    let took = begun.elapsed();
    println!("refused after {took:?}");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().is_ok());
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_report_that_goes_through_sqs_is_a_crash_and_its_message_is_gone() {
    let port = free_port();
    let Some(aws) = ministack(port).await else { return };
    let url = aws.queue(NAME, &[]);
    let house = house(port, &[]);
    let server = house.serve();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(accepted(&server).await);
    }
    all_processed(&server, &ids).await;
    all_left(&aws, &url).await;
    assert_eq!(parked(&house), 0);
    assert!(!house.data().join("queue").exists(), "there is no embedded queue beside it");
    assert!(server.stop().success());
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn reports_that_sqs_does_not_take_are_parked_and_delivered_once_when_it_is_there() {
    let port = free_port();
    let house = house(port, &[]);
    let server = house.serve();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(accepted(&server).await);
    }
    assert_eq!(parked(&house), ids.len());
    let Some(aws) = ministack(port).await else { return };
    let url = aws.queue(NAME, &[]);
    all_processed(&server, &ids).await;
    until("nothing is parked any more", async || (parked(&house) == 0).then_some(())).await;
    // A probe may be a second away; until then reports are parked, and delivered all the same.
    ids.push(accepted(&server).await);
    all_processed(&server, &ids).await;
    all_left(&aws, &url).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn an_sqs_that_falls_silent_costs_no_report_and_no_client_its_patience() {
    let port = free_port();
    let Some(mut aws) = ministack(port).await else { return };
    let url = aws.queue(NAME, &[]);
    let house = house(port, &[]);
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    signal(&mut aws, Signal::STOP);
    let begun = Instant::now();
    ids.push(accepted(&server).await);
    println!("accepted after {:?}", begun.elapsed());
    assert_eq!(parked(&house), 1);
    ids.push(accepted(&server).await);
    signal(&mut aws, Signal::CONT);
    all_processed(&server, &ids).await;
    all_left(&aws, &url).await;
    assert_nothing_is_dead(&house);
}

#[tokio::test]
async fn what_neither_sqs_nor_the_bucket_takes_is_refused_soon() {
    let bucket = [("EPITAPH_BUCKET", "s3://crashes")];
    // Nobody is there, or somebody who takes connections and says nothing.
    let nobody = house(free_port(), &bucket);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silence = house(silent.local_addr().unwrap().port(), &bucket);
    for house in [nobody, silence] {
        let server = house.serve();
        for _ in 0..2 {
            assert_refused_soon(&server).await;
        }
    }
}
