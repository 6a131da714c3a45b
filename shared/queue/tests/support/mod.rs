//! Messages, and a handler that does as it is told.
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::sync::Arc;

use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_queue::{Handler, Outcome, Undeliverable, consume, sqs};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// A message about nothing.
pub(crate) fn message(id: &str) -> Message {
    message_with(id, "data")
}

/// A message with this text as its data.
pub(crate) fn message_with(id: &str, text: &str) -> Message {
    let time = Timestamp::from_millis(1_700_000_000_000);
    Message::new(MessageKind::Report, ProjectId::FIRST, id.to_owned(), time, &text).unwrap()
}

/// A message that is so many bytes long as JSON.
pub(crate) fn message_of(id: &str, size: usize) -> Message {
    let frame = serde_json::to_string(&message_with(id, "")).unwrap().len();
    message_with(id, &"x".repeat(size - frame))
}

/// Settings for a queue at some endpoint, with credentials that nobody checks.
pub(crate) fn settings(url: &str) -> sqs::SqsSettings {
    sqs::SqsSettings::read(url, |name| match name {
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    })
}

/// What a handler was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To handle a message: its id, its data and the attempt.
    Handle(String, String, u32),
    /// To bury what can never be handled.
    Bury(Undeliverable),
}

/// Tells what it was asked for, and does what a function says.
pub(crate) struct Told<F> {
    pub(crate) asked: mpsc::UnboundedSender<Asked>,
    pub(crate) verdict: F,
}

impl<F, V> Handler for Told<F>
where
    F: Fn(String, u32) -> V + Send + Sync + 'static,
    V: Future<Output = Outcome> + Send,
{
    async fn handle(&self, message: Message, attempt: u32) -> Outcome {
        let data = message.data.get().to_owned();
        let _ = self.asked.send(Asked::Handle(message.id.clone(), data, attempt));
        (self.verdict)(message.id, attempt).await
    }

    async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
        let _ = self.asked.send(Asked::Bury(undeliverable));
        Ok(())
    }
}

/// A consumer that runs.
pub(crate) struct Running {
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Consumes a queue with this verdict on every message, and gives up a message after so many attempts.
    pub(crate) fn start<F, V>(consumer: sqs::Consumer, max_attempts: u32, verdict: F) -> Self
    where
        F: Fn(String, u32) -> V + Send + Sync + 'static,
        V: Future<Output = Outcome> + Send + 'static,
    {
        let (asking, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let handler = Arc::new(Told { asked: asking, verdict });
        let task = tokio::spawn(consume(consumer, handler, max_attempts, stopped));
        Self { asked, stop, task }
    }

    /// The next message that is handled: its id and the attempt.
    pub(crate) async fn handled(&mut self) -> (String, u32) {
        match self.asked.recv().await.unwrap() {
            Asked::Handle(id, _, attempt) => (id, attempt),
            Asked::Bury(buried) => panic!("buried: {buried:?}"),
        }
    }

    /// The next that is buried.
    pub(crate) async fn buried(&mut self) -> Undeliverable {
        match self.asked.recv().await.unwrap() {
            Asked::Bury(buried) => buried,
            handled => panic!("handled: {handled:?}"),
        }
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}
