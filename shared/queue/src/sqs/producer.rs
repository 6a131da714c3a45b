//! The side that sends: at once what comes alone, in batches what comes together.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use epitaph_crash_model::Message;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    LARGEST_BATCH, LARGEST_MESSAGE, SqsSettings,
    client::{Client, Patience},
    fault::Fault,
};
use crate::{SendError, Sender};

/// A collector gives the queue 2 s; an answer before that says more than silence. A connection that was closed while an
/// environment was frozen fails at once, and the second attempt opens another.
const PATIENCE: Patience = Patience { call: Duration::from_millis(1800), attempts: 2 };
/// How long a message waits for others while a call is on its way.
const LINGER: Duration = Duration::from_millis(5);
/// The most calls at the same time.
const MOST_CALLS: usize = 32;
/// At most so many messages wait for a call.
const LONGEST_QUEUE: usize = 1024;

/// The producing side of an SQS queue.
///
/// While no call is on its way a message is sent at once. While one is, messages wait for each other for a few
/// milliseconds, until they fill a batch, or until a call comes back. Each is answered for itself, and one that nobody
/// waits for any more takes nothing from its neighbours.
pub struct Producer {
    desk: Arc<Desk>,
}

/// What all that send share.
struct Desk {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Of all that wait.
    bytes: usize,
    /// Calls that are on their way.
    calls: usize,
    /// Whether somebody will look after those who wait, even if no call comes back.
    timed: bool,
}

struct Job {
    body: String,
    answer: oneshot::Sender<Result<(), SendError>>,
}

impl Producer {
    /// A producer for a queue. Nothing is connected before the first message.
    pub fn new(settings: SqsSettings) -> Self {
        let client = Client::new(settings, PATIENCE);
        Self { desk: Arc::new(Desk { client, state: Mutex::default() }) }
    }
}

impl Sender for Producer {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let body = serde_json::to_string(message).map_err(|error| SendError::Unfit(error.to_string()))?;
            check(&body)?;
            let (answer, answered) = oneshot::channel();
            self.desk.put(Job { body, answer })?;
            answered.await.unwrap_or_else(|_| Err(SendError::Unavailable("the call was cut short".into())))
        })
    }

    fn largest_message(&self) -> usize {
        LARGEST_MESSAGE
    }

    fn warm_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // Any call opens the connection. That this one may not be permitted does not matter.
            let call = self.desk.client.get().await.get_queue_attributes();
            let call = call.queue_url(self.desk.client.url()).attribute_names(QueueAttributeName::QueueArn);
            let _ = call.send().await;
        })
    }
}

/// What SQS would refuse is not sent.
fn check(body: &str) -> Result<(), SendError> {
    if body.len() > LARGEST_MESSAGE {
        return Err(SendError::TooLarge { size: body.len(), limit: LARGEST_MESSAGE });
    }
    let refused = |letter: &char| !matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    match body.chars().find(refused) {
        Some(letter) => Err(SendError::Unfit(format!("it holds {letter:?}, which SQS does not take"))),
        None => Ok(()),
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(self: &Arc<Self>, job: Job) -> Result<(), SendError> {
        let mut state = self.state();
        if state.waiting.len() >= LONGEST_QUEUE {
            return Err(SendError::Unavailable("SQS does not keep up".into()));
        }
        state.bytes += job.body.len();
        state.waiting.push_back(job);
        let full = state.waiting.len() >= LARGEST_BATCH || state.bytes >= LARGEST_MESSAGE;
        let batch = if state.calls == 0 || full { state.begin_call() } else { None };
        let must_be_timed = !state.waiting.is_empty() && !std::mem::replace(&mut state.timed, true);
        drop(state);
        batch.into_iter().for_each(|batch| self.call(batch));
        if must_be_timed {
            let desk = Arc::clone(self);
            #[expect(clippy::disallowed_methods, reason = "whoever sends waits for it")]
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                desk.state().timed = false;
                desk.call_all();
            });
        }
        Ok(())
    }

    /// Sends what waits, as far as there may be more calls. The rest goes when one comes back.
    fn call_all(self: &Arc<Self>) {
        loop {
            // Not while the lock is held: a runtime that ends drops a task at once, and a call that is dropped looks
            // after those who wait.
            let Some(batch) = self.state().begin_call() else { return };
            self.call(batch);
        }
    }

    fn call(self: &Arc<Self>, batch: Vec<Job>) {
        let call = Call(Arc::clone(self));
        // A task of its own: whoever stops waiting does not take the call away from the others.
        #[expect(clippy::disallowed_methods, reason = "those who send wait for it, and it has its limit")]
        tokio::spawn(async move { call.send(batch).await });
    }
}

impl State {
    /// The first that wait, as many as one call takes; `None` if none does, or if there may be no more calls. Whoever
    /// has given up waiting has parked the message elsewhere.
    fn begin_call(&mut self) -> Option<Vec<Job>> {
        if self.calls >= MOST_CALLS {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < LARGEST_BATCH
            && let Some(job) = self.waiting.pop_front_if(|job| bytes + job.body.len() <= LARGEST_MESSAGE)
        {
            self.bytes -= job.body.len();
            if !job.answer.is_closed() {
                bytes += job.body.len();
                batch.push(job);
            }
        }
        if batch.is_empty() {
            return None;
        }
        self.calls += 1;
        Some(batch)
    }
}

/// A call that is on its way. However it ends, those who wait are looked after.
struct Call(Arc<Desk>);

impl Call {
    async fn send(self, batch: Vec<Job>) {
        let client = &self.0.client;
        let (bodies, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.body, job.answer)).unzip();
        for (answer, result) in answers.into_iter().zip(send(client, bodies).await) {
            // A client that has gone away meanwhile is no reason to stop.
            let _ = answer.send(result);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.state().calls -= 1;
        // A runtime that is gone starts no calls any more.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.0.call_all();
        }
    }
}

/// Sends messages in one call. What became of each, in their order.
async fn send(client: &Client, mut bodies: Vec<String>) -> Vec<Result<(), SendError>> {
    if bodies.len() == 1 {
        let call = client.get().await.send_message().queue_url(client.url());
        let sent = call.set_message_body(bodies.pop()).send().await;
        return vec![sent.map(drop).map_err(|error| Fault::from(error).of_one())];
    }
    let count = bodies.len();
    let entries = bodies.into_iter().enumerate().map(|(index, body)| {
        SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build()
    });
    let entries: Result<Vec<_>, _> = entries.collect();
    let silence = || SendError::Unavailable("SQS says nothing about this message of a batch".into());
    let Ok(entries) = entries else { return (0..count).map(|_| Err(silence())).collect() };
    let call = client.get().await.send_message_batch().queue_url(client.url());
    match call.set_entries(Some(entries)).send().await {
        Ok(output) => {
            let mut told: Vec<_> = (0..count).map(|_| Err(silence())).collect();
            let successful = output.successful().iter().map(|entry| (entry.id(), Ok(())));
            let failed = output
                .failed()
                .iter()
                .map(|entry| (entry.id(), Err(Fault::of_entry(entry.code(), entry.message()).of_one())));
            for (id, result) in successful.chain(failed) {
                if let Some(place) = id.parse::<usize>().ok().and_then(|index| told.get_mut(index)) {
                    *place = result;
                }
            }
            told
        }
        Err(error) => {
            let fault = Fault::from(error);
            (0..count).map(|_| Err(fault.of_several())).collect()
        }
    }
}
