//! The least that a server does that loses nothing: reads a body to its end, appends it to a file, syncs, answers 200.
//!
//! A thread writes and syncs whatever bodies wait, and then all of them are answered: one at a time would only show how
//! long a sync takes. No settings but `PORT` and `EPITAPH_DATA`, the folder of the file.

use std::{
    convert::Infallible,
    env,
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime, sync::oneshot, task::JoinSet};

/// A file that has grown to this is left for a new one.
const FULL_FILE: usize = 64 << 20;

struct Job {
    pieces: Vec<Bytes>,
    answer: oneshot::Sender<bool>,
}

/// A file without a name: it is gone when it is left.
fn file_in(folder: &Path) -> io::Result<File> {
    let path = folder.join("bodies");
    let file = File::create(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn write(folder: &Path, inbox: &mpsc::Receiver<Job>) -> io::Result<()> {
    let mut file = file_in(folder)?;
    let mut size = 0;
    while let Ok(first) = inbox.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(inbox.try_iter()).collect();
        for piece in batch.iter().flat_map(|job| &job.pieces) {
            file.write_all(piece)?;
            size += piece.len();
        }
        file.sync_data()?;
        for job in batch {
            let _ = job.answer.send(true);
        }
        if size > FULL_FILE {
            (file, size) = (file_in(folder)?, 0);
        }
    }
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    jobs: mpsc::Sender<Job>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    let mut pieces = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        pieces.extend(frame.into_data());
    }
    let (answer, answered) = oneshot::channel();
    let durable = jobs.send(Job { pieces, answer }).is_ok() && answered.await.unwrap_or_default();
    let mut answer = Response::new(Empty::new());
    if !durable {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(answer)
}

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var_os("PORT").and_then(|port| port.to_str()?.parse().ok()).unwrap_or(8080);
    let folder = PathBuf::from(env::var_os("EPITAPH_DATA").unwrap_or_else(|| ".".into()));
    let (jobs, inbox) = mpsc::channel();
    thread::spawn(move || {
        if let Err(error) = write(&folder, &inbox) {
            eprintln!("bare-durable: {error}");
        }
    });
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await?;
            let jobs = jobs.clone();
            let service = service_fn(move |request| answer(request, jobs.clone()));
            connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    })
}
