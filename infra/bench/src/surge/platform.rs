//! Where instances run: as processes of this machine, or as a model of them.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use super::activator::Platform;
use crate::{client::Connection, payload::Request, server::Server};

/// How long it is waited until a process that does not listen yet is asked again.
const ASK_AGAIN: Duration = Duration::from_micros(500);
/// How long a process may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// Real processes of a function, and real requests.
pub(super) struct Processes {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) request: Arc<Request>,
    /// What a slower program would take before it listens, beside what this one takes.
    pub(super) extra_start_up: Duration,
    pub(super) numbers: Cell<u64>,
}

/// A process, and connections to it that are idle.
pub(super) struct Process {
    server: Server,
    idle: RefCell<Vec<Connection>>,
}

impl Platform for Processes {
    type Instance = Process;

    async fn start(&self) -> Option<Process> {
        sleep(self.extra_start_up).await;
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        let folder = self.folder.join(number.to_string());
        let server = Server::start(&self.program, &folder, &self.environment);
        let server = server.inspect_err(|error| eprintln!("an instance did not start: {error}")).ok()?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(connection) = Connection::open(server.address()).await {
                return Some(Process { server, idle: RefCell::new(vec![connection]) });
            }
            sleep(ASK_AGAIN).await;
        }
        eprintln!("an instance did not listen; its error output was: {}", server.error_output());
        None
    }

    async fn serve(&self, process: &Process) -> bool {
        let mut bytes = self.request.bytes().to_vec();
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        self.request.number(&mut bytes, number);
        let idle = process.idle.borrow_mut().pop();
        let connection = match idle {
            Some(connection) => Ok(connection),
            None => Connection::open(process.server.address()).await,
        };
        let Ok(mut connection) = connection else { return false };
        let answer = connection.ask(&bytes).await;
        if connection.is_open() {
            process.idle.borrow_mut().push(connection);
        }
        matches!(answer, Ok(200))
    }
}

/// What an instance is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) start_up: Duration,
    /// Of each report on an instance's one processor.
    pub(super) cpu: Duration,
    /// And beside it: waiting for the queue.
    pub(super) rest: Duration,
}

/// An instance of a model.
pub(super) struct Modelled {
    busy_until: Cell<Instant>,
}

impl Platform for Model {
    type Instance = Modelled;

    async fn start(&self) -> Option<Modelled> {
        sleep(self.start_up).await;
        Some(Modelled { busy_until: Cell::new(Instant::now()) })
    }

    async fn serve(&self, instance: &Modelled) -> bool {
        let done = instance.busy_until.get().max(Instant::now()) + self.cpu;
        instance.busy_until.set(done);
        sleep_until(done + self.rest).await;
        true
    }
}
