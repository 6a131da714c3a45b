//! The side that gives messages out again: many processes may share it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_sqs::types::{self, MessageSystemAttributeName};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    LARGEST_BATCH, SqsSettings,
    client::{Client, Patience},
    fault::Fault,
};
use crate::Source;

/// What a call may take beside the time that it waits for messages. What it is told is not urgent: a message that is
/// not deleted comes again, and is known then.
const CALL: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;
/// The pause after SQS did not answer doubles from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// The longest that a message stays with a consumer without a word, in seconds; SQS allows half a day.
const LONGEST_VISIBILITY: u64 = 12 * 60 * 60;
/// More messages than this are not remembered as spoiled by an engine; attempts of one that is forgotten all count.
const MOST_REMEMBERED: usize = 10_000;

/// How a consumer takes messages.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerSettings {
    /// How long a handler may take before the message is handed out again, unless it extends. From a second to 12
    /// hours, in whole seconds.
    pub visibility: Duration,
    /// The most messages that are out at once.
    pub in_flight: usize,
    /// How long a call waits for messages, up to 20 s, in whole seconds. A drain may take as long.
    pub wait: Duration,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(120), in_flight: 16, wait: Duration::from_secs(10) }
    }
}

/// The consuming side of an SQS queue. Its task runs until it is closed or dropped.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    visibility: Duration,
}

/// A message that was handed out. Dropped without a verdict, it comes again when its time is over.
pub struct Delivery {
    body: String,
    id: String,
    receipt: String,
    attempt: u32,
    counter: Arc<Counter>,
    _place: Place,
}

/// One of the places for messages that are out.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

/// All of them.
struct Places {
    most: usize,
    free: Arc<Semaphore>,
    freed: Notify,
}

/// What the task and its deliveries share.
struct Counter {
    client: Client,
    visibility: Duration,
    pace: Mutex<Pace>,
}

/// How fast messages are taken.
#[derive(Default)]
struct Pace {
    /// Until when none is, because an engine is down.
    paused_until: Option<Instant>,
    /// Whether an engine was down when it was last tried: then one message at a time tells whether it still is.
    probing: bool,
    /// Attempts that an engine spoiled. SQS counts them; nobody else does.
    spoiled: HashMap<String, u32>,
}

impl Consumer {
    /// Begins to take messages. Must be called inside a runtime.
    pub fn new(settings: SqsSettings, consumer: ConsumerSettings) -> Self {
        let ConsumerSettings { visibility, in_flight, wait } = consumer;
        let client = Client::new(settings, Patience { call: wait + CALL, attempts: ATTEMPTS });
        let counter = Arc::new(Counter { client, visibility, pace: Mutex::default() });
        let in_flight = in_flight.max(1);
        let (outbox, deliveries) = mpsc::channel(in_flight);
        let (stop, stopped) = watch::channel(false);
        let free = Arc::new(Semaphore::new(in_flight));
        let places = Arc::new(Places { most: in_flight, free, freed: Notify::new() });
        let poller = Poller { counter, places, wait, outbox, stopped };
        #[expect(clippy::disallowed_methods, reason = "closing waits for it")]
        let task = Some(tokio::spawn(poller.run()));
        Self { deliveries, stop, task, visibility }
    }
}

impl Source for Consumer {
    type Delivery = Delivery;

    fn visibility(&self) -> Duration {
        self.visibility
    }

    async fn receive(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Waits for a call that is on its way: what it brings would otherwise be lost from sight for a while.
    async fn close(&mut self) {
        let _ = self.stop.send(true);
        self.deliveries.close();
        while let Some(delivery) = self.deliveries.recv().await {
            delivery.give_back().await;
        }
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl crate::Delivery for Delivery {
    fn bytes(&self) -> &[u8] {
        self.body.as_bytes()
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn place(&self) -> String {
        format!("sqs/{}", self.id)
    }

    async fn extend(&self) {
        self.reappear_after(self.counter.visibility).await;
    }

    async fn done(self) {
        self.counter.pace().is_well(&self.id);
        let client = &self.counter.client;
        let call = client.get().await.delete_message().queue_url(client.url());
        if let Err(error) = call.receipt_handle(&self.receipt).send().await {
            let error = Fault::from(error);
            tracing::warn!(%error, id = self.id, "a message that was handled could not be deleted; it comes again");
        }
    }

    async fn later(self, pause: Duration) {
        self.counter.pace().pause(&self.id, pause);
        self.reappear_after(pause).await;
    }

    async fn aside(self, pause: Duration) {
        self.counter.pace().spoil(&self.id);
        self.reappear_after(pause).await;
    }
}

impl Delivery {
    /// As if it had never been received, but for SQS's count.
    async fn give_back(self) {
        self.counter.pace().spoil(&self.id);
        self.reappear_after(Duration::ZERO).await;
    }

    async fn reappear_after(&self, pause: Duration) {
        let client = &self.counter.client;
        let seconds = whole_seconds(pause, LONGEST_VISIBILITY);
        let call = client.get().await.change_message_visibility().queue_url(client.url());
        let call = call.receipt_handle(&self.receipt).visibility_timeout(seconds);
        if let Err(error) = call.send().await {
            let error = Fault::from(error);
            tracing::warn!(%error, id = self.id, "when a message comes again could not be changed");
        }
    }
}

impl Counter {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while an engine is down. Gives the number of messages that may be taken: where one was down, a single
    /// message tells whether it still is, and the next waits for what becomes of it.
    async fn until_it_is_time(&self, places: &Places) -> usize {
        loop {
            let (paused_until, probing) = {
                let pace = self.pace();
                (pace.paused_until, pace.probing)
            };
            match paused_until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ if !probing => return LARGEST_BATCH,
                _ if places.are_free_but_one() => return 1,
                _ => places.freed.notified().await,
            }
        }
    }
}

impl Pace {
    fn is_well(&mut self, id: &str) {
        self.spoiled.remove(id);
        self.probing = false;
    }

    fn pause(&mut self, id: &str, pause: Duration) {
        self.spoil(id);
        self.probing = true;
        self.pause_for(pause);
    }

    fn pause_for(&mut self, pause: Duration) {
        self.paused_until = self.paused_until.max(Some(Instant::now() + pause));
    }

    fn spoil(&mut self, id: &str) {
        if self.spoiled.len() >= MOST_REMEMBERED {
            self.spoiled.clear();
        }
        *self.spoiled.entry(id.to_owned()).or_default() += 1;
    }

    /// SQS's count without the attempts that were spoiled, as far as this process knows.
    fn attempt(&self, id: &str, received: u32) -> u32 {
        received.saturating_sub(self.spoiled.get(id).copied().unwrap_or_default()).max(1)
    }
}

impl Places {
    /// Waits for one that is free.
    async fn one(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Place { permit: Some(permit), places: Arc::clone(self) })
    }

    /// One, if it is free now.
    fn one_now(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place { permit: Some(permit), places: Arc::clone(self) })
    }

    /// Whether all are free, but for one that is held by whoever asks.
    fn are_free_but_one(&self) -> bool {
        self.free.available_permits() + 1 >= self.most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        self.places.freed.notify_one();
    }
}

/// The task that takes messages.
struct Poller {
    counter: Arc<Counter>,
    places: Arc<Places>,
    wait: Duration,
    outbox: mpsc::Sender<Delivery>,
    stopped: watch::Receiver<bool>,
}

impl Poller {
    async fn run(mut self) {
        let mut failures = 0;
        while let Some(places) = self.until_there_is_room().await {
            match self.receive(places.len()).await {
                Ok(messages) => {
                    if std::mem::take(&mut failures) > 0 {
                        tracing::info!("SQS answers again");
                    }
                    self.hand_out(messages, places).await;
                }
                Err(error) => {
                    let pause = (PAUSES[0] * (1 << failures.min(10))).min(PAUSES[1]);
                    failures += 1;
                    tracing::warn!(%error, ?pause, "no messages can be taken; trying again");
                    self.counter.pace().pause_for(pause);
                }
            }
        }
    }

    /// Waits until messages may be taken; gives a place for each. `None` when there shall be no more.
    async fn until_there_is_room(&mut self) -> Option<Vec<Place>> {
        let (counter, places) = (&self.counter, &self.places);
        let room = async {
            let first = places.one().await?;
            let most = counter.until_it_is_time(places).await;
            let more = std::iter::repeat_with(|| places.one_now()).map_while(|place| place);
            Some(std::iter::once(first).chain(more.take(most - 1)).collect())
        };
        tokio::select! {
            biased;
            // Also when the consumer is gone, and with it whoever could say so.
            _ = self.stopped.wait_for(|stopped| *stopped) => None,
            room = room => room,
        }
    }

    async fn receive(&self, most: usize) -> Result<Vec<types::Message>, Fault> {
        let client = &self.counter.client;
        let call = client.get().await.receive_message().queue_url(client.url());
        let call = call
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .visibility_timeout(whole_seconds(self.counter.visibility, LONGEST_VISIBILITY))
            .wait_time_seconds(whole_seconds(self.wait, 20));
        Ok(call.send().await?.messages.unwrap_or_default())
    }

    async fn hand_out(&self, messages: Vec<types::Message>, places: Vec<Place>) {
        for (message, place) in messages.into_iter().zip(places) {
            let Some(delivery) = Delivery::of(message, &self.counter, place) else { continue };
            // There is room: no more are out than the channel holds. It is closed when nobody takes any more.
            if let Err(refused) = self.outbox.send(delivery).await {
                refused.0.give_back().await;
            }
        }
    }
}

impl Delivery {
    fn of(message: types::Message, counter: &Arc<Counter>, place: Place) -> Option<Self> {
        let counted = MessageSystemAttributeName::ApproximateReceiveCount;
        let received = message.attributes.as_ref().and_then(|all| all.get(&counted)?.parse().ok());
        // Without these it cannot be told from others; SQS always gives them.
        let (id, receipt) = (message.message_id?, message.receipt_handle?);
        let attempt = counter.pace().attempt(&id, received.unwrap_or(1));
        let body = message.body.unwrap_or_default();
        Some(Self { body, id, receipt, attempt, counter: Arc::clone(counter), _place: place })
    }
}

/// SQS counts in whole seconds: rounded up, since less would be too early.
fn whole_seconds(time: Duration, most: u64) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds.min(most)).unwrap_or(i32::MAX)
}
