//! What stands before a service that scales from zero: holds requests while no instance can take them, has instances
//! started and ended, and hands requests out.
//!
//! On one thread, and on tokio's clock: with a clock that jumps, a day takes seconds.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    task::{AbortHandle, spawn_local},
    time::{Instant, interval, sleep, sleep_until, timeout},
};

use super::{
    arrivals::Curve,
    autoscaler::{Autoscaler, Scale},
    outcome::{Moment, Outcome},
};

/// How often the autoscaler decides, in seconds.
const DECIDES_EVERY: u64 = 2;

/// Where instances run.
pub(super) trait Platform: 'static {
    type Instance: 'static;

    /// Starts one; done when it can take requests. `None` if it cannot be started.
    fn start(&self) -> impl Future<Output = Option<Self::Instance>>;

    /// Has it answer one request; whether it did, with a 200.
    fn serve(&self, instance: &Self::Instance) -> impl Future<Output = bool>;
}

/// How a service is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    pub(super) scale: Scale,
    /// Requests at the same time that an instance takes; the rest is held.
    pub(super) limit: usize,
    /// Until a started instance begins to start up: what no program can change.
    pub(super) platform_delay: Duration,
    /// After how long a client gives up.
    pub(super) patience: Duration,
}

pub(super) struct Activator<P: Platform> {
    platform: P,
    service: Service,
    state: RefCell<State<P::Instance>>,
    /// The last request that was there is over.
    idle: Notify,
}

struct State<I> {
    instances: Vec<Slot<I>>,
    held: VecDeque<oneshot::Sender<Rc<Running<I>>>>,
    /// Requests that are held or served, and their sum over time since it was last asked for.
    concurrency: usize,
    concurrency_seconds: f64,
    changed: Instant,
    outcome: Outcome,
}

/// An instance from the moment when it is asked for.
struct Slot<I> {
    asked: Instant,
    starting: AbortHandle,
    number: u64,
    running: Option<Rc<Running<I>>>,
}

struct Running<I> {
    instance: I,
    in_flight: Cell<usize>,
}

impl<P: Platform> Activator<P> {
    /// Lets reports arrive as the curve says, and gives what became of them. On a `LocalSet`.
    pub(super) async fn run(platform: P, service: Service, curve: Curve, seed: u64) -> Outcome {
        let state = State {
            instances: Vec::new(),
            held: VecDeque::new(),
            concurrency: 0,
            concurrency_seconds: 0.0,
            changed: Instant::now(),
            outcome: Outcome::default(),
        };
        let activator = Rc::new(Self { platform, service, state: RefCell::new(state), idle: Notify::new() });
        activator.scale_to(service.scale.least);
        let scaling = spawn_local(Rc::clone(&activator).keep_scaling());
        let begun = Instant::now();
        for arrival in curve.arrivals(seed) {
            sleep_until(begun + arrival).await;
            spawn_local(Rc::clone(&activator).ask());
        }
        sleep_until(begun + curve.length()).await;
        while activator.state.borrow().concurrency > 0 {
            activator.idle.notified().await;
        }
        scaling.abort();
        activator.scale_to(0);
        std::mem::take(&mut activator.state.borrow_mut().outcome)
    }

    async fn keep_scaling(self: Rc<Self>) {
        let mut autoscaler = Autoscaler::new(self.service.scale);
        let mut seconds = interval(Duration::from_secs(1));
        seconds.tick().await;
        for second in 1_u64.. {
            seconds.tick().await;
            let ready = {
                let mut state = self.state.borrow_mut();
                state.change_concurrency(0);
                autoscaler.record(std::mem::take(&mut state.concurrency_seconds));
                let ready = state.instances.iter().filter(|slot| slot.running.is_some()).count();
                let moment = Moment { second, asked: state.instances.len(), ready };
                state.outcome.moments.push(moment);
                ready
            };
            if second % DECIDES_EVERY == 0 {
                self.scale_to(autoscaler.desired(ready));
            }
        }
    }

    /// One request, from its arrival until it is answered or given up.
    async fn ask(self: Rc<Self>) {
        let begun = Instant::now();
        let from_zero = {
            let mut state = self.state.borrow_mut();
            state.change_concurrency(1);
            state.instances.is_empty()
        };
        if from_zero {
            self.scale_to(1);
        }
        let served = async {
            let running = self.acquire().await?;
            let lease = Lease { activator: Rc::clone(&self), running };
            Some(self.platform.serve(&lease.running.instance).await)
        };
        let answered = timeout(self.service.patience, served).await.ok().flatten();
        let mut state = self.state.borrow_mut();
        state.change_concurrency(-1);
        state.outcome.count(begun.elapsed(), answered);
        if state.concurrency == 0 {
            self.idle.notify_one();
        }
    }

    /// An instance that takes the request; waits for one.
    async fn acquire(&self) -> Option<Rc<Running<P::Instance>>> {
        let held = {
            let mut state = self.state.borrow_mut();
            match state.pick(self.service.limit) {
                Some(running) => return Some(running),
                None => {
                    let (sender, receiver) = oneshot::channel();
                    state.held.push_back(sender);
                    receiver
                }
            }
        };
        held.await.ok()
    }

    /// Hands out what is held, as far as there is room.
    fn dispatch(&self) {
        let mut state = self.state.borrow_mut();
        loop {
            // Whoever has given up takes no room.
            while state.held.front().is_some_and(oneshot::Sender::is_closed) {
                state.held.pop_front();
            }
            if state.held.is_empty() {
                return;
            }
            let Some(running) = state.pick(self.service.limit) else { return };
            if let Some(held) = state.held.pop_front()
                && let Err(running) = held.send(running)
            {
                running.in_flight.update(|count| count - 1);
            }
        }
    }

    fn scale_to(self: &Rc<Self>, desired: usize) {
        let mut state = self.state.borrow_mut();
        while state.instances.len() < desired {
            let number = state.outcome.started;
            state.outcome.started += 1;
            let starting = spawn_local(Rc::clone(self).start(number)).abort_handle();
            state.instances.push(Slot { asked: Instant::now(), starting, number, running: None });
        }
        while state.instances.len() > desired {
            // Those that are not ready yet are given up first, and then the youngest.
            let index = state.instances.iter().rposition(|slot| slot.running.is_none());
            let index = index.unwrap_or(state.instances.len() - 1);
            let slot = state.instances.remove(index);
            slot.starting.abort();
            state.outcome.instance_seconds += slot.asked.elapsed().as_secs_f64();
            // What it still serves holds it until it is answered.
        }
        let most = state.instances.len();
        state.outcome.most_instances = state.outcome.most_instances.max(most);
    }

    async fn start(self: Rc<Self>, number: u64) {
        sleep(self.service.platform_delay).await;
        let begun = Instant::now();
        let started = self.platform.start().await;
        {
            let mut state = self.state.borrow_mut();
            let Some(instance) = started else {
                state.outcome.not_started += 1;
                state.instances.retain(|slot| slot.number != number);
                return;
            };
            state.outcome.start_ups.push(begun.elapsed());
            if let Some(slot) = state.instances.iter_mut().find(|slot| slot.number == number) {
                slot.running = Some(Rc::new(Running { instance, in_flight: Cell::new(0) }));
            }
        }
        self.dispatch();
    }
}

impl<I> State<I> {
    fn change_concurrency(&mut self, by: isize) {
        #[expect(clippy::cast_precision_loss, reason = "some thousand at most")]
        let concurrency = self.concurrency as f64;
        self.concurrency_seconds += concurrency * self.changed.elapsed().as_secs_f64();
        self.changed = Instant::now();
        self.concurrency = self.concurrency.saturating_add_signed(by);
    }

    /// The instance with the fewest requests, if it takes one more; it has it then.
    fn pick(&self, limit: usize) -> Option<Rc<Running<I>>> {
        let running = self.instances.iter().filter_map(|slot| slot.running.as_ref());
        let idlest = running.min_by_key(|running| running.in_flight.get())?;
        (idlest.in_flight.get() < limit).then(|| {
            idlest.in_flight.update(|count| count + 1);
            Rc::clone(idlest)
        })
    }
}

/// A request that an instance has. Dropped, it makes room for another.
struct Lease<P: Platform> {
    activator: Rc<Activator<P>>,
    running: Rc<Running<P::Instance>>,
}

impl<P: Platform> Drop for Lease<P> {
    fn drop(&mut self) {
        self.running.in_flight.update(|count| count - 1);
        self.activator.dispatch();
    }
}
