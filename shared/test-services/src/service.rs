//! A process that serves a test.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a service may take until it accepts connections; the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ports below those that clients get.
const FIRST_PORT: u16 = 15_000;
const PORTS: u16 = 16_000;

/// A port that nobody listens on, and that no other caller in this process is given.
///
/// It is none of those that the system gives to clients: between this call and the moment when the service binds it,
/// some connection of another test might take one of those.
pub fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let begin = process::id().wrapping_mul(101);
    loop {
        let step = begin.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed).into());
        let port = FIRST_PORT + u16::try_from(step % u32::from(PORTS)).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A process that serves a test. It and its children end when this is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    /// Starts a process, and waits until it accepts connections on the port of the loopback interface.
    ///
    /// # Panics
    /// When it ends, or does not listen in time.
    pub fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut service = Self { child, address: (Ipv4Addr::LOCALHOST, port).into() };
        let begun = Instant::now();
        while TcpStream::connect(service.address).is_err() {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "{command:?} does not listen on {}", service.address);
            thread::sleep(Duration::from_millis(20));
        }
        service
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id, which is its process group's too.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, as a crash of its machine would.
    pub fn kill(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}
