//! One turn of one server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Arguments, Kind};
use crate::{
    backlog::Cap,
    client::ClosedLoop,
    error::BenchError,
    payload::Payload,
    place::Place,
    server::Server,
    stand_in::StandIn,
    statistics::{Sorted, float, mib},
};

/// A disk that others keep busy may take longer than a short turn; then it goes on until something was accepted.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the server's memory is looked at.
const SAMPLE: Duration = Duration::from_millis(100);

/// What one turn gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) payload: String,
    pub(crate) server: String,
    pub(crate) round: u32,
    pub(crate) connections: usize,
    pub(crate) request_bytes: u64,
    pub(crate) seconds: f64,
    /// Answers of 200.
    pub(crate) accepted: u64,
    /// Answers of another status.
    pub(crate) refused: u64,
    /// Requests without an answer.
    pub(crate) broken: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Of the server, its own and the kernel's for it.
    pub(crate) cpu_us_per_report: f64,
    /// Seconds since the start of the measuring, and MiB that the server held.
    pub(crate) resident_mib: Vec<(f64, f64)>,
    pub(crate) peak_mib: f64,
    /// Of what the stand-in took: bytes of a call, for each message in it.
    pub(crate) message_bytes: Option<f64>,
    /// Messages in a call to the stand-in.
    pub(crate) messages_per_call: Option<f64>,
}

pub(super) struct Turn<'a> {
    pub(super) place: &'a Place,
    pub(super) arguments: &'a Arguments,
    pub(super) stand_in: &'a StandIn,
    pub(super) payload: &'a Payload,
    pub(super) kind: Kind,
    pub(super) round: u32,
}

impl Turn<'_> {
    pub(super) async fn measure(&self) -> Result<Measured, BenchError> {
        let Self { place, arguments, payload, kind, .. } = *self;
        let failed = || BenchError::of_server(format!("{kind} with {}", payload.name));
        let folder = place.scratch()?;
        let (program, environment) = kind.program(place, payload.function, self.stand_in)?;
        let mut server = Server::start(&program, folder.path(), &environment).map_err(failed())?;
        server.first_answer(payload.request.bytes()).map_err(failed())?;
        let cap = Cap::keep(&folder.path().join("data"), arguments.backlog).map_err(BenchError::Own)?;
        let clients =
            ClosedLoop::start(server.address(), &Arc::clone(&payload.request), arguments.connections);
        tokio::time::sleep(Duration::from_secs_f64(arguments.warm_up_seconds)).await;

        let counts = self.stand_in.counts();
        let (accepted_before, _) = clients.so_far();
        let cpu = server.cpu_time().map_err(failed())?;
        let begun = Instant::now();
        clients.measure();
        let mut resident_mib = Vec::new();
        let span = Duration::from_secs_f64(arguments.seconds);
        let is_over = || {
            let passed = begun.elapsed();
            passed >= PATIENCE.max(span) || (passed >= span && clients.so_far().0 > accepted_before + 1)
        };
        while !is_over() {
            tokio::time::sleep(SAMPLE.min(span)).await;
            let memory = server.memory().map_err(failed())?;
            resident_mib.push((begun.elapsed().as_secs_f64(), mib(memory.resident)));
        }
        let cpu = server.cpu_time().map_err(failed())?.saturating_sub(cpu);
        let seconds = begun.elapsed().as_secs_f64();
        let peak_mib = mib(server.memory().map_err(failed())?.peak);
        let tally = clients.stop().await;
        server.check().map_err(failed())?;
        let taken = self.stand_in.counts();
        drop(cap);

        let answers = tally.accepted.len() as u64 + tally.refused + tally.broken;
        if tally.accepted.is_empty() {
            return Err(BenchError::Unusable(format!(
                "{kind} accepted no {} in {seconds:.1} s, refused {}, and broke {} off; its error output was: {}",
                payload.name,
                tally.refused,
                tally.broken,
                server.error_output()
            )));
        }
        let times = Sorted::new(tally.accepted.iter().map(|&micros| f64::from(micros) / 1000.0));
        let (messages, calls) = (taken.messages - counts.messages, taken.calls - counts.calls);
        let of_messages = |sum: u64, number: u64| (number > 0).then(|| float(sum) / float(number));
        Ok(Measured {
            payload: payload.name.to_owned(),
            server: kind.name().to_owned(),
            round: self.round,
            connections: arguments.connections,
            request_bytes: payload.request.bytes().len() as u64,
            seconds,
            accepted: tally.accepted.len() as u64,
            refused: tally.refused,
            broken: tally.broken,
            per_second: float(tally.accepted.len() as u64) / seconds,
            p50_ms: times.per_mille(500),
            p99_ms: times.per_mille(990),
            p999_ms: times.per_mille(999),
            cpu_us_per_report: cpu.as_secs_f64() * 1e6 / float(answers.max(1)),
            resident_mib,
            peak_mib,
            message_bytes: of_messages(taken.message_bytes - counts.message_bytes, messages),
            messages_per_call: of_messages(messages, calls),
        })
    }
}
