//! What a connection is doing, and until when it may.
//!
//! hyper's own header timeout would also close a connection that rests between two requests, and it does not see the
//! bytes before the protocol is known. So the connection is watched from outside: by its socket, which says when bytes
//! move, and by its service, which says when requests begin and end.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may leave an answer unread once the socket is full.
const STALLED: Duration = Duration::from_secs(30);

/// Why a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// A header did not end in time.
    Header,
    /// No request came.
    KeepAlive,
    /// The client does not take its answer.
    Write,
}

/// Shared by a connection's task, socket, service and bodies.
#[derive(Debug)]
pub(super) struct Phase {
    header_time: Duration,
    keep_alive: Duration,
    /// On HTTP/2, bytes between requests are mostly pings and windows, not the beginning of a header.
    multiplexed: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    waiting: Option<(Instant, Expired)>,
    stalled: Option<Instant>,
    body_left: bool,
}

impl Phase {
    /// A connection that has begun its first header, which must end by `header_end`.
    pub(super) fn new(
        header_end: Instant,
        header_time: Duration,
        keep_alive: Duration,
        multiplexed: bool,
    ) -> Arc<Self> {
        let waiting = Some((header_end, Expired::Header));
        let state = Mutex::new(State { in_flight: 0, waiting, stalled: None, body_left: false });
        Arc::new(Self { header_time, keep_alive, multiplexed, state })
    }

    /// Bytes came.
    pub(super) fn bytes_read(&self) {
        let mut state = self.state();
        if !self.multiplexed && matches!(state.waiting, Some((_, Expired::KeepAlive))) {
            state.waiting = Some((Instant::now() + self.header_time, Expired::Header));
        }
    }

    /// Bytes went, or there was no room for them.
    pub(super) fn bytes_written(&self, blocked: bool) {
        let mut state = self.state();
        match (blocked, state.stalled) {
            (true, None) => state.stalled = Some(Instant::now() + STALLED),
            (false, Some(_)) => state.stalled = None,
            _ => {}
        }
    }

    /// A request's header is whole. It ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        state.waiting = None;
        InFlight(Arc::clone(self))
    }

    /// Whether a part of a header may be here, and its request must not be dropped. Never on HTTP/2, whose goodbye
    /// still takes what was on its way.
    pub(super) fn is_in_header(&self) -> bool {
        !self.multiplexed && matches!(self.state().waiting, Some((_, Expired::Header)))
    }

    /// A request's body was given up before its end.
    pub(super) fn leave_body(&self) {
        self.state().body_left = true;
    }

    /// Whether a client may still be sending a body that nobody reads.
    pub(super) fn body_was_left(&self) -> bool {
        self.state().body_left
    }

    fn next(&self) -> Option<(Instant, Expired)> {
        let state = self.state();
        let stalled = state.stalled.map(|at| (at, Expired::Write));
        state.waiting.into_iter().chain(stalled).min_by_key(|(at, _)| *at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below the lock is one assignment: a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request on its way, from its header to the end of its answer's body.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Phase>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.in_flight == 0 {
            state.waiting = Some((Instant::now() + self.0.keep_alive, Expired::KeepAlive));
        }
    }
}

/// Tells when a phase has lasted too long. Poll it after whatever may change the phase, in the same task.
pub(super) struct Watch {
    phase: Arc<Phase>,
    sleep: Pin<Box<Sleep>>,
}

impl Watch {
    pub(super) fn new(phase: Arc<Phase>) -> Self {
        Self { phase, sleep: Box::pin(sleep_until(Instant::now())) }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Expired> {
        let Some((at, expired)) = self.phase.next() else { return Poll::Pending };
        if self.sleep.deadline() != at {
            self.sleep.as_mut().reset(at);
        }
        ready!(self.sleep.as_mut().poll(context));
        Poll::Ready(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const KEEP_ALIVE: Duration = Duration::from_secs(75);

    fn phase(multiplexed: bool) -> Arc<Phase> {
        Phase::new(Instant::now() + HEADER, HEADER, KEEP_ALIVE, multiplexed)
    }

    /// Waits for the watch, on a clock that jumps, and gives what expired after how long.
    async fn expiry(phase: &Arc<Phase>) -> (Expired, Duration) {
        let started = Instant::now();
        let mut watch = Watch::new(Arc::clone(phase));
        let expired = std::future::poll_fn(|context| watch.poll(context)).await;
        (expired, Duration::from_secs_f64(started.elapsed().as_secs_f64().round()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_header_has_its_time_and_a_rest_between_requests_has_more() {
        let phase = phase(false);
        assert_eq!(expiry(&phase).await, (Expired::Header, HEADER));
        drop(phase.begin());
        assert_eq!(expiry(&phase).await, (Expired::KeepAlive, KEEP_ALIVE));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_of_a_later_header_starts_its_time_and_later_bytes_do_not() {
        let phase = phase(false);
        drop(phase.begin());
        phase.bytes_read();
        tokio::time::advance(HEADER / 2).await;
        phase.bytes_read();
        assert_eq!(expiry(&phase).await, (Expired::Header, HEADER / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_do_not_begin_a_header() {
        let phase = phase(true);
        drop(phase.begin());
        phase.bytes_read();
        assert_eq!(expiry(&phase).await, (Expired::KeepAlive, KEEP_ALIVE));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_expires_while_any_request_is_in_flight() {
        let phase = phase(true);
        let first = phase.begin();
        drop(phase.begin());
        assert!(tokio::time::timeout(KEEP_ALIVE * 10, expiry(&phase)).await.is_err());
        drop(first);
        assert_eq!(expiry(&phase).await.0, Expired::KeepAlive);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
        let phase = phase(false);
        let _request = phase.begin();
        phase.bytes_written(true);
        tokio::time::advance(STALLED / 2).await;
        phase.bytes_written(true);
        assert_eq!(expiry(&phase).await, (Expired::Write, STALLED / 2));
        phase.bytes_written(false);
        phase.bytes_written(true);
        assert_eq!(expiry(&phase).await, (Expired::Write, STALLED));
    }
}
