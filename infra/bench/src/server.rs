//! A server process, in the mode that it is measured in.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{self, Memory};

/// The secret of all functions that are measured.
pub(crate) const SECRET: &str = "a root secret that only benches use";
/// Far longer than any first answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a server was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("there is no free port")]
    Port(#[source] io::Error),
    #[error("it could not be started")]
    Spawn(#[source] io::Error),
    #[error("it ended with {status} before it listened; its error output was: {stderr}")]
    Ended { status: ExitStatus, stderr: String },
    #[error("it did not listen within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the connection broke")]
    Talk(#[source] io::Error),
    #[error("expected a 200, but it answered: {0}")]
    Refused(String),
    #[error("it could not be watched in /proc")]
    Watch(#[source] io::Error),
}

/// Which engines a function has, and so where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engines {
    /// All in its data directory.
    Embedded,
    /// A Knative broker and S3, which a stand-in at this address plays.
    Broker(SocketAddr),
    /// SQS and S3, which a stand-in at this address plays.
    Aws(SocketAddr),
}

impl Engines {
    /// What the environment of a function says of them.
    pub(crate) fn environment(self) -> Vec<(&'static str, String)> {
        let remote = |stand_in: SocketAddr| {
            vec![
                ("EPITAPH_BUCKET", "s3://bench".to_owned()),
                ("AWS_ENDPOINT_URL", format!("http://{stand_in}")),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", "nobody".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "checks it".to_owned()),
            ]
        };
        match self {
            Self::Embedded => Vec::new(),
            Self::Broker(stand_in) => {
                let mut all = remote(stand_in);
                all.push(("K_SERVICE", "bench".to_owned()));
                all.push(("K_SINK", format!("http://{stand_in}/broker")));
                all
            }
            Self::Aws(stand_in) => {
                let mut all = remote(stand_in);
                all.push(("EPITAPH_QUEUE", format!("http://{stand_in}/000000000000/bench")));
                all
            }
        }
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    started: Instant,
    started_at: SystemTime,
    stderr: PathBuf,
}

impl Server {
    /// Starts a program on a free port of this machine, with its data in `folder`/data, which is made if it is not
    /// there, and nothing in its environment but that, the secret, and `environment`.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        environment: &[(&str, String)],
    ) -> Result<Self, ServerError> {
        // Free again once the listener is gone; nobody else is given it so soon.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(ServerError::Port)?;
        let (data, stderr) = (folder.join("data"), folder.join("stderr"));
        fs::create_dir_all(&data).map_err(ServerError::Spawn)?;
        let errors = fs::File::create(&stderr).map_err(ServerError::Spawn)?;
        let mut command = Command::new(program.canonicalize().map_err(ServerError::Spawn)?);
        command
            .env_clear()
            .env("PORT", address.port().to_string())
            .env("EPITAPH_BIND", Ipv4Addr::LOCALHOST.to_string())
            .env("EPITAPH_DATA", &data)
            .env("EPITAPH_SECRET", SECRET)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        let (started, started_at) = (Instant::now(), SystemTime::now());
        let child = command.spawn().map_err(ServerError::Spawn)?;
        Ok(Self { child, address, started, started_at, stderr })
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, or will.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Just before it was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The same, as clocks on walls show it.
    pub(crate) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Waits until it listens. Tries again and again, without a pause: a pause would be measured.
    pub(crate) fn connect(&mut self) -> Result<TcpStream, ServerError> {
        loop {
            if let Ok(stream) = TcpStream::connect(self.address) {
                return Ok(stream);
            }
            self.check()?;
            if self.started.elapsed() > PATIENCE {
                return Err(ServerError::Silent);
            }
            thread::yield_now();
        }
    }

    /// Sends `request` as soon as it listens, and gives how long it took from the start to the first byte of its 200.
    pub(crate) fn first_answer(&mut self, request: &[u8]) -> Result<Duration, ServerError> {
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
        Ok(first_answer)
    }

    /// That it still runs.
    pub(crate) fn check(&mut self) -> Result<(), ServerError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(ServerError::Ended { status, stderr: self.error_output() }),
            _ => Ok(()),
        }
    }

    /// What it wrote to its log.
    pub(crate) fn error_output(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// What it holds in memory.
    pub(crate) fn memory(&self) -> Result<Memory, ServerError> {
        process::memory(self.child.id()).map_err(ServerError::Watch)
    }

    /// What it holds in memory after it had nothing to do for a while.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured is the absence of events, and there is no runtime"
    )]
    pub(crate) fn memory_after(&self, rest: Duration) -> Result<Memory, ServerError> {
        thread::sleep(rest);
        self.memory()
    }

    /// The processor time that it has used.
    pub(crate) fn cpu_time(&self) -> Result<Duration, ServerError> {
        process::cpu_time(self.child.id()).map_err(ServerError::Watch)
    }

    /// Tells it to stop, as platforms do, and waits until it has.
    pub(crate) fn stop(mut self) {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::TERM);
            // One that does not end is not killed: that is a fault to be seen.
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
