//! A server process and its first answer.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::process::resident_bytes;

/// Far longer than any first answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there was no first answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("there is no free port")]
    Port(#[source] io::Error),
    #[error("it could not be started")]
    Spawn(#[source] io::Error),
    #[error("it ended with {status} before it listened; its error output was: {stderr}")]
    Ended { status: std::process::ExitStatus, stderr: String },
    #[error("it did not listen within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the connection broke")]
    Talk(#[source] io::Error),
    #[error("expected a 200, but it answered: {0}")]
    Refused(String),
    #[error("its memory could not be read from /proc")]
    Memory(#[source] io::Error),
}

/// What one start gave.
pub(super) struct Round {
    /// From just before the process was made to the first byte of its 200.
    pub(super) first_answer: Duration,
    /// What the process holds in memory then.
    pub(super) resident_bytes: u64,
}

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    started: Instant,
    stderr: std::path::PathBuf,
}

impl Server {
    /// Starts a program on a free port of this machine, with an empty data directory in `folder` and nothing else in
    /// its environment.
    pub(super) fn start(program: &Path, folder: &Path, secret: &str) -> Result<Self, ServerError> {
        // Free again once the listener is gone; nobody else is given it so soon.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(ServerError::Port)?;
        let (data, stderr) = (folder.join("data"), folder.join("stderr"));
        fs::create_dir(&data).map_err(ServerError::Spawn)?;
        let errors = fs::File::create(&stderr).map_err(ServerError::Spawn)?;
        let program = program.canonicalize().map_err(ServerError::Spawn)?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PORT", address.port().to_string())
            .env("EPITAPH_BIND", Ipv4Addr::LOCALHOST.to_string())
            .env("EPITAPH_DATA", &data)
            .env("EPITAPH_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        let started = Instant::now();
        let child = command.spawn().map_err(ServerError::Spawn)?;
        Ok(Self { child, address, started, stderr })
    }

    /// Sends `request` as soon as the server listens, and waits for its 200.
    pub(super) fn first_answer(&mut self, request: &[u8]) -> Result<Round, ServerError> {
        let mut stream = self.connect()?;
        let mut answer = [0; 1024];
        let length = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_nodelay(true))
            .and_then(|()| stream.write_all(request))
            .and_then(|()| stream.read(&mut answer))
            .map_err(ServerError::Talk)?;
        let first_answer = self.started.elapsed();
        let answer = String::from_utf8_lossy(&answer[..length]);
        if !answer.starts_with("HTTP/1.1 200 ") {
            return Err(ServerError::Refused(answer.into_owned()));
        }
        Ok(Round { first_answer, resident_bytes: self.resident_bytes()? })
    }

    /// What the process holds in memory after it had nothing to do for a while.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured is the absence of events, and there is no runtime"
    )]
    pub(super) fn resident_after(&self, rest: Duration) -> Result<u64, ServerError> {
        thread::sleep(rest);
        self.resident_bytes()
    }

    /// Tries again and again, without a pause: a pause would be measured.
    fn connect(&mut self) -> Result<TcpStream, ServerError> {
        loop {
            if let Ok(stream) = TcpStream::connect(self.address) {
                return Ok(stream);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let stderr = fs::read_to_string(&self.stderr).unwrap_or_default();
                return Err(ServerError::Ended { status, stderr });
            }
            if self.started.elapsed() > PATIENCE {
                return Err(ServerError::Silent);
            }
            thread::yield_now();
        }
    }

    fn resident_bytes(&self) -> Result<u64, ServerError> {
        resident_bytes(self.child.id()).map_err(ServerError::Memory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
