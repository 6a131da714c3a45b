//! `epitaph symbols upload`

use std::{
    fs::File,
    io::{Read, Seek as _, SeekFrom},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

use super::{
    find::{Found, Search},
    server::{Server, ask},
};
use crate::cli::{Failure, SymbolUploadArguments, block_on};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
/// How often the server is asked whether it has converted a file.
const POLL: Duration = Duration::from_millis(300);
/// Files under way at once: while some are hashed or converted, others are sent.
const FILES_AT_ONCE: usize = 8;
/// A server that has not converted a file for so long is told again that it is there.
const REMINDER: Duration = Duration::from_secs(15 * 60);

/// What the server wants of a file.
#[derive(Debug, Deserialize)]
struct Plan {
    state: String,
    part_bytes: u64,
    missing: Vec<u64>,
}

/// Where a part may be put.
#[derive(Debug, Deserialize)]
struct Place {
    url: Option<String>,
}

/// What became of it.
#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    reason: Option<String>,
}

/// How one file ended.
enum Ended {
    WasThere,
    Uploaded { remark: Option<String> },
}

pub(crate) fn run(arguments: &SymbolUploadArguments) -> Result<ExitCode, Failure> {
    let server = Server::new(&arguments.server)?;
    let search = Search::through(&arguments.paths)?;
    for damaged in &search.damaged {
        eprintln!("damaged: {damaged}");
    }
    let Search { found, damaged, .. } = &search;
    let (useful, useless): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|file| file.is_useful());
    for file in &useful {
        println!("{}", file.told());
    }
    for file in &useless {
        println!("left out: {}", file.told());
    }
    let bytes = useful.iter().map(|file| file.size).sum();
    let template = "{bar:30} {bytes}/{total_bytes} {elapsed} {msg}";
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(template)?);
    let job = Job {
        server,
        release: arguments.release.clone(),
        waits: !arguments.no_wait,
        parts: Arc::new(Semaphore::new(arguments.parallel.max(1))),
        is_direct: Arc::new(AtomicBool::new(true)),
        bar: bar.clone(),
    };
    let count = useful.len();
    let summary = block_on(job.upload_all(useful))?;
    bar.finish_and_clear();
    println!(
        "{} uploaded, {} there before, {} refused, {} left out",
        summary.uploaded,
        summary.there,
        summary.refused,
        useless.len()
    );
    if count == 0 {
        eprintln!("there is no debug file that could be used");
    }
    let is_fine = summary.refused == 0 && damaged.is_empty() && count > 0;
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Summary {
    uploaded: u64,
    there: u64,
    refused: u64,
}

#[derive(Clone)]
struct Job {
    server: Server,
    release: Option<String>,
    waits: bool,
    /// Parts that are sent at once.
    parts: Arc<Semaphore>,
    /// Whether parts are put into the bucket, without going through the server; until that fails.
    is_direct: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Job {
    /// Uploads the files, several at a time, and says of each that was refused why.
    async fn upload_all(self, files: Vec<&Found>) -> Result<Summary, Failure> {
        let mut summary = Summary::default();
        let mut waiting = files.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < FILES_AT_ONCE
                && let Some(file) = waiting.next()
            {
                let (job, path) = (self.clone(), Arc::<Path>::from(file.path.as_path()));
                let (name, shown, size) = (file.name.clone(), file.shown.clone(), file.size);
                running.spawn(async move { (job.upload(path, &name, size).await, shown) });
            }
            let Some(finished) = running.join_next().await else { return Ok(summary) };
            let (ended, shown) = finished?;
            match ended {
                Ok(Ended::WasThere) => summary.there += 1,
                Ok(Ended::Uploaded { remark }) => {
                    summary.uploaded += 1;
                    if let Some(remark) = remark {
                        self.bar.suspend(|| eprintln!("in part: {shown}: {remark}"));
                    }
                }
                Err(why) => {
                    summary.refused += 1;
                    self.bar.suspend(|| eprintln!("refused: {shown}: {why}"));
                }
            }
        }
    }

    async fn upload(&self, path: Arc<Path>, name: &str, size: u64) -> Result<Ended, Failure> {
        let hashed = Arc::clone(&path);
        let sha256 = spawn_blocking(move || hash(&hashed)).await??;
        let about = json!({ "name": name, "size": size, "sha256": sha256, "release": self.release });
        let plan: Plan = ask(|| Ok(self.server.post("")?.json(&about))).await?;
        if plan.state == "done" {
            self.bar.inc(size);
            return Ok(Ended::WasThere);
        }
        let missing: u64 = plan.missing.iter().map(|part| plan.size_of(*part, size)).sum();
        self.bar.inc(size.saturating_sub(missing));
        let mut sending = JoinSet::new();
        for part in &plan.missing {
            let (job, path, sha256) = (self.clone(), Arc::clone(&path), sha256.clone());
            let (from, length) = (part * plan.part_bytes, plan.size_of(*part, size));
            let url = format!("{sha256}/{part}?size={size}");
            sending.spawn(async move { job.send(&path, &url, from, length).await });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        self.finish(&sha256, &about).await
    }

    async fn send(&self, path: &Arc<Path>, url: &str, from: u64, length: u64) -> Result<(), Failure> {
        let _turn = self.parts.acquire().await?;
        let path = Arc::clone(path);
        let bytes = bytes::Bytes::from(spawn_blocking(move || read(&path, from, length)).await??);
        if !self.send_directly(url, &bytes).await? {
            let _: serde_json::Value = ask(|| Ok(self.server.put(url)?.body(bytes.clone()))).await?;
        }
        self.bar.inc(length);
        Ok(())
    }

    /// Puts a part into the bucket, if it can be reached from here. False if it is to go through the server.
    async fn send_directly(&self, url: &str, bytes: &bytes::Bytes) -> Result<bool, Failure> {
        if !self.is_direct.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let place: Place = ask(|| self.server.get(url)).await?;
        let is_sent = match place.url {
            Some(url) => self.server.put_elsewhere(&url, bytes.clone()).await,
            None => false,
        };
        self.is_direct.fetch_and(is_sent, Ordering::Relaxed);
        Ok(is_sent)
    }

    /// Has the file converted, and waits for it.
    async fn finish(&self, sha256: &str, about: &serde_json::Value) -> Result<Ended, Failure> {
        loop {
            let url = format!("{sha256}/finish");
            let mut status: Status = ask(|| Ok(self.server.post(&url)?.json(about))).await?;
            let reminder = Instant::now() + REMINDER;
            while status.state == "waiting" && self.waits && Instant::now() < reminder {
                self.bar.set_message("converting");
                sleep(POLL).await;
                status = ask(|| self.server.get(sha256)).await?;
            }
            match status.state.as_str() {
                "refused" => {
                    return Err(status.reason.unwrap_or_else(|| "no reason is given".to_owned()).into());
                }
                "waiting" if self.waits => {}
                _ => return Ok(Ended::Uploaded { remark: status.reason }),
            }
        }
    }
}

impl Plan {
    fn size_of(&self, part: u64, size: u64) -> u64 {
        size.saturating_sub(part.saturating_mul(self.part_bytes)).min(self.part_bytes)
    }
}

fn hash(path: &Path) -> Result<String, std::io::Error> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(piece.get(..count).unwrap_or_default()),
        }
    }
}

fn read(path: &Path, from: u64, length: u64) -> Result<Vec<u8>, std::io::Error> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
