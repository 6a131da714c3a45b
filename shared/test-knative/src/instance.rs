//! One instance of a function: its own binary in what Knative gives a container.

use std::{
    ffi::OsString,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use epitaph_test_services::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an instance is started with.
#[derive(Debug, Clone)]
pub struct Container {
    /// The function's binary.
    pub program: PathBuf,
    /// Its environment, beside what Knative sets itself.
    pub settings: Vec<(String, String)>,
    /// Whether everything but `/tmp` can only be read.
    pub read_only: bool,
}

/// A running instance. Killed when this is dropped.
pub struct Instance {
    child: Child,
    address: SocketAddr,
    said: Option<JoinHandle<String>>,
}

impl Container {
    /// A container of this binary.
    pub fn new(program: impl AsRef<Path>, name: &str) -> Self {
        let settings = [("K_SERVICE", name), ("K_CONFIGURATION", name), ("EPITAPH_LOG", "info")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { program: program.as_ref().to_owned(), settings, read_only: false }
    }

    /// Sets a variable of its environment.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.unset(name);
        self.settings.push((name.to_owned(), value.into()));
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
    }

    /// Whether this machine lets a test take away the right to write.
    pub fn can_be_read_only() -> bool {
        let tried = Command::new("unshare").args(["--mount", "mount", "--bind", "/tmp", "/tmp"]).output();
        tried.is_ok_and(|output| output.status.success())
    }

    /// The command that runs it on a port. Its working directory is the root, and its stdin is at its end.
    fn command(&self, port: u16) -> Command {
        let mut command = if self.read_only {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", READ_ONLY]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        let path: OsString = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).envs(self.settings.iter().cloned());
        command.env("PORT", port.to_string()).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts an instance. It need not be ready yet.
    pub fn start(&self) -> Instance {
        let port = free_port();
        let mut child = self.command(port).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Instance { child, address: (Ipv4Addr::LOCALHOST, port).into(), said: Some(said) }
    }

    /// Starts an instance, and waits until its socket is bound.
    pub async fn serve(&self) -> Instance {
        let mut instance = self.start();
        instance.bound().await;
        instance
    }

    /// Runs it to its end; what it said, and its exit code.
    pub fn run_to_end(&self) -> (String, Option<i32>) {
        let mut instance = self.start();
        let status = instance.child.wait().unwrap();
        (instance.said(), status.code())
    }
}

/// `/tmp` stays as it is; every other file system can only be read. `$0` is the program.
const READ_ONLY: &str = r#"
mount --bind /tmp /tmp || exit 98
for place in $(cut -d ' ' -f 5 /proc/self/mountinfo); do
    case "$place" in
        /tmp) ;;
        *) mount -o remount,bind,ro "$place" 2>/dev/null ;;
    esac
done
if ( : > /etc/epitaph-written ) 2>/dev/null; then rm /etc/epitaph-written; exit 99; fi
exec "$0"
"#;

impl Instance {
    /// Waits until its socket is bound.
    ///
    /// # Panics
    /// When it ends, or does not listen in time.
    pub async fn bound(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.said());
            }
            assert!(begun.elapsed() < PATIENCE, "it does not listen on {}", self.address);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// SIGTERM, as Kubernetes sends it; waits for the end.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.said());
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn said(&mut self) -> String {
        self.said.take().map(|said| said.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
