//! `epitaph serve`, as a build machine, a client and a reader see it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use epitaph_crash_model::ProjectId;
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_dumps::crashpad;
use serde_json::Value;

use super::{beside::named, family::Memory};
use crate::{
    error::BenchError,
    payload::PayloadError,
    server::{SECRET, Server},
};

const TOKEN: &str = "a-token-that-only-benches-use";
/// Where a dump's header has the time at which it was written.
const WRITTEN_AT: std::ops::Range<usize> = 20..24;
/// How often it is asked whether something has happened.
const EVERY: Duration = Duration::from_millis(2);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1800);
const MOST_HEADERS: usize = 32;

/// An installation in a folder.
pub(super) struct House<'a> {
    pub(super) epitaph: PathBuf,
    pub(super) folder: &'a Path,
}

/// One that runs.
pub(super) struct Running {
    server: Server,
    log: PathBuf,
}

/// A crash that can be read about.
pub(super) struct Processed {
    /// Since its dump was sent, in milliseconds.
    pub(super) took: f64,
    /// Frames of the crashing thread that have a function and a line.
    pub(super) named: usize,
}

impl House<'_> {
    pub(super) fn serve(&self) -> Result<Running, BenchError> {
        let environment = [("EPITAPH_TOKEN", TOKEN.to_owned())];
        let mut server = Server::start(&self.epitaph, self.folder, &environment)
            .map_err(BenchError::of_server("epitaph serve"))?;
        server.connect().map_err(BenchError::of_server("epitaph serve"))?;
        Ok(Running { server, log: self.folder.join("stderr") })
    }

    /// Where the server keeps symbols that it uses. Without it, all come from the bucket.
    pub(super) fn forget_symbols(&self) -> Result<(), BenchError> {
        let kept = self.folder.join("data/symbols");
        match fs::remove_dir_all(&kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BenchError::of_file(&kept)(error)),
            _ => Ok(()),
        }
    }

    /// Sends a debug file as a build machine does.
    pub(super) fn upload(&self, running: &Running, program: &Path) -> Result<(), BenchError> {
        let mut command = Command::new(&self.epitaph);
        let server = format!("http://{}", running.server.address());
        command.env_clear().env("EPITAPH_TOKEN", TOKEN).env("EPITAPH_DATA", self.folder.join("data"));
        command.args(["symbols", "upload", "--project", "1", "--server", &server]).arg(program);
        let output = command.stdin(Stdio::null()).output().map_err(BenchError::of_file(&self.epitaph))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BenchError::Unusable(format!("epitaph symbols upload {} failed: {said}", program.display())))
    }
}

impl Running {
    pub(super) fn process(&self) -> u32 {
        self.server.process()
    }

    pub(super) fn memory(&self) -> Result<Memory, BenchError> {
        Memory::of_family(self.process()).map_err(BenchError::Own)
    }

    pub(super) fn stop(self) {
        self.server.stop();
    }

    /// Waits until a file of this size is among the project's symbols.
    pub(super) fn wait_for_symbols(&self, size: u64) -> Result<(), BenchError> {
        self.wait_for("the debug file was not converted", || {
            let (_, listed) = self.get("/api/1/symbols/")?;
            let mut files = listed["files"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
            Ok(files.any(|file| file["size"] == size).then_some(()))
        })
    }

    /// Sends a dump as Crashpad does, and waits until its crash can be read about. The dump differs from all others in
    /// the second at which it says it was written: else it would be taken for another's copy.
    pub(super) fn crash(&self, dump: &[u8], number: u32) -> Result<Processed, BenchError> {
        let mut dump = dump.to_vec();
        let header =
            dump.get_mut(WRITTEN_AT).ok_or_else(|| BenchError::Unusable("no minidump".to_owned()))?;
        header.copy_from_slice(&number.to_le_bytes());
        let project = ProjectId::FIRST;
        let secret = RootSecret::new(SECRET).map_err(PayloadError::from)?;
        let key = secret.derive(Purpose::Ingest).project_key(project, 0);
        let request = crashpad::request(&format!("/api/{project}/minidump/?sentry_key={key}"), &dump);
        let begun = Instant::now();
        let (status, id) = self.ask(&request)?;
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        if status != 200 {
            return Err(BenchError::Unusable(format!("a dump was answered {status}: {id}")));
        }
        let path = format!("/api/v1/projects/{project}/crashes/{id}");
        let crash = self.wait_for("the dump did not become a crash", || {
            let (status, crash) = self.get(&path)?;
            Ok((status == 200).then_some(crash))
        })?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let thread = crash["crashing_thread"].as_u64().and_then(|thread| usize::try_from(thread).ok());
        let frames = thread.map(|thread| &crash["threads"][thread]["frames"]);
        match frames.map(named) {
            None | Some(0) => {
                let why = "no frame of its crashing thread has a function and a line; is it of this program?";
                Err(BenchError::Unusable(format!("crash {id}: {why}")))
            }
            Some(named) => Ok(Processed { took, named }),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "nobody tells that a crash can be read about, so that it is asked"
    )]
    fn wait_for<T>(
        &self,
        what: &str,
        mut ask: impl FnMut() -> Result<Option<T>, BenchError>,
    ) -> Result<T, BenchError> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            thread::sleep(EVERY);
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Err(BenchError::Unusable(format!("{what}; the server's log was: {log}")))
    }

    fn get(&self, path: &str) -> Result<(u16, Value), BenchError> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let (status, body) = self.ask(request.as_bytes())?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn ask(&self, request: &[u8]) -> Result<(u16, Vec<u8>), BenchError> {
        let ask = || {
            let mut stream = TcpStream::connect(self.server.address())?;
            stream.set_nodelay(true)?;
            stream.write_all(request)?;
            answer(&mut stream)
        };
        ask().map_err(BenchError::Own)
    }
}

/// The status and the body of an answer that says how long it is.
fn answer(stream: &mut TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let (mut bytes, mut some) = (Vec::new(), [0; 64 << 10]);
    loop {
        let read = stream.read(&mut some)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&some[..read]);
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = answer.parse(&bytes).map_err(io::Error::other)? else {
            continue;
        };
        let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|length| std::str::from_utf8(length.value).ok()?.parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other("an answer did not say how long it is"))?;
        let status = answer.code.unwrap_or_default();
        if bytes.len() >= head + length {
            return Ok((status, bytes[head..head + length].to_vec()));
        }
    }
}
