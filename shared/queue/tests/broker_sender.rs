//! Sending to a broker, as it is and as it should not be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_queue::{
    SendError, Sender,
    cloud_events::{BrokerSender, BrokerSettings, Event},
};
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_knative::{Answer, Posted, Sink, TlsAuthority};
use futures_util::FutureExt;

/// What collectors wait for, at most.
const PATIENCE: Duration = Duration::from_secs(2);

fn message(data: &str) -> Message {
    let (time, id) = (Timestamp::now(), "0197-an-id".to_owned());
    let mut message = Message::new(MessageKind::Report, ProjectId::FIRST, id, time, &data).unwrap();
    RootSecret::new("an example of a root secret")
        .unwrap()
        .derive(Purpose::Message)
        .sign_message(&mut message);
    message
}

fn settings(sink: &str) -> BrokerSettings {
    BrokerSettings {
        sink: sink.to_owned(),
        extensions: BTreeMap::new(),
        ca_certs: None,
        largest_event: 1 << 20,
    }
}

fn sender(sink: &str) -> BrokerSender {
    BrokerSender::new(&settings(sink)).unwrap()
}

/// A sink that gives these answers, then 202, and remembers what it was posted.
fn sink(answers: &[Answer]) -> (Sink, Arc<Mutex<Vec<Posted>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, answers) = (Arc::clone(&seen), answers.to_vec());
    let sink = Sink::start(move |posted| {
        let mut kept = kept.lock().unwrap();
        kept.push(posted);
        let answer = answers.get(kept.len() - 1).copied().unwrap_or(Answer::Status(202));
        async move { answer }.boxed()
    });
    (sink, seen)
}

async fn is_unavailable(sender: &BrokerSender) -> String {
    let begun = Instant::now();
    let error = sender.send(&message("a report")).await.unwrap_err();
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    match error {
        SendError::Unavailable(why) => why.to_string(),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_message_is_an_event_in_binary_mode_with_the_extensions_asked_for() {
    let (sink, seen) = sink(&[]);
    let mut settings = settings(&format!("{}/games/default", sink.url()));
    settings.extensions.insert("cluster".to_owned(), "seoul 1".to_owned());
    let message = message("the last words");
    BrokerSender::new(&settings).unwrap().send(&message).await.unwrap();
    let posted = seen.lock().unwrap().pop().unwrap();
    assert_eq!(posted.path, "/games/default");
    assert_eq!(posted.headers["content-type"], "application/json");
    assert_eq!(posted.headers["ce-specversion"], "1.0");
    assert_eq!(posted.headers["ce-cluster"], "seoul%201");
    let event = Event::read(&posted.headers, posted.body).unwrap();
    assert_eq!(event.attribute("cluster"), Some("seoul 1"));
    let read = event.message().unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&message).unwrap());
}

#[tokio::test]
async fn what_may_be_well_the_next_time_is_tried_again() {
    let answers = [Answer::Status(503), Answer::Nothing, Answer::Status(404), Answer::RetryAfter(429, 0)];
    let (sink, seen) = sink(&answers);
    sender(&sink.url()).send(&message("a report")).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), answers.len() + 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_and_tried_once_more() {
    let (sink, seen) = sink(&[Answer::Never]);
    sender(&sink.url()).send(&message("a report")).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_broker_that_is_down_is_given_up_in_time() {
    let (silent, _) = sink(&[Answer::Never; 20]);
    assert!(is_unavailable(&sender(&silent.url())).await.contains("in time"));
    let (refusing, seen) = sink(&[Answer::Status(500); 100]);
    assert!(is_unavailable(&sender(&refusing.url())).await.contains("500"));
    assert!(seen.lock().unwrap().len() < 20, "it is not hammered");
    let nobody = format!("http://127.0.0.1:{}", epitaph_test_services::free_port());
    is_unavailable(&sender(&nobody)).await;
    let (busy, seen) = sink(&[Answer::RetryAfter(503, 60)]);
    let begun = Instant::now();
    is_unavailable(&sender(&busy.url())).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "there is no use in waiting");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_will_never_be_taken_is_not_tried_again() {
    for status in [301, 401, 403] {
        let (sink, seen) = sink(&[Answer::Status(status); 2]);
        assert!(is_unavailable(&sender(&sink.url())).await.contains(&status.to_string()));
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
    for status in [400, 413] {
        let (sink, seen) = sink(&[Answer::Status(status)]);
        let error = sender(&sink.url()).send(&message("a report")).await.unwrap_err();
        assert!(error.is_of_the_message(), "{error}");
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_posted() {
    let (sink, seen) = sink(&[]);
    let sender = sender(&sink.url());
    let largest = sender.largest_message();
    sender.send(&message(&"x".repeat(largest - 2))).await.unwrap();
    let posted = seen.lock().unwrap().pop().unwrap();
    let head: usize = posted.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(posted.body.len() + head <= 1 << 20, "{head}");
    let error = sender.send(&message(&"x".repeat(largest - 1))).await.unwrap_err();
    assert!(matches!(error, SendError::TooLarge { .. }), "{error}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sink, _) = sink(&[]);
    let counted = Arc::clone(&connections);
    // A relay that counts.
    let relay = async {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let mut to = tokio::net::TcpStream::connect(sink.address()).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        }
    };
    let sender = sender(&url);
    let sending = async {
        for _ in 0..20 {
            sender.send(&message("a report")).await.unwrap();
        }
    };
    tokio::select! {
        () = sending => {}
        () = relay => {}
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named_and_not_otherwise() {
    let (authority, another) = (TlsAuthority::new(), TlsAuthority::new());
    let sink = Sink::start_tls(&authority, |_| async { Answer::Status(202) }.boxed());
    for (trusted, taken) in [
        (Some(authority.pem().to_owned()), true),
        (Some(format!("{}{}", another.pem(), authority.pem())), true),
        (Some(another.pem().to_owned()), false),
        (None, false),
    ] {
        let settings = BrokerSettings { ca_certs: trusted, ..settings(&sink.url()) };
        let sender = BrokerSender::new(&settings).unwrap();
        sender.warm_up().await;
        let sent = sender.send(&message("a report")).await;
        assert_eq!(sent.is_ok(), taken, "{sent:?}");
    }
}

#[test]
fn settings_that_lead_nowhere_are_refused() {
    assert!(BrokerSender::new(&settings("ftp://host/")).is_err());
    assert!(BrokerSender::new(&settings("broker")).is_err());
    let ca_certs = Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned());
    assert!(BrokerSender::new(&BrokerSettings { ca_certs, ..settings("https://host/") }).is_err());
    let mut extended = settings("https://host/");
    extended.extensions.insert("not a name".to_owned(), "x".to_owned());
    assert!(BrokerSender::new(&extended).is_err());
}
