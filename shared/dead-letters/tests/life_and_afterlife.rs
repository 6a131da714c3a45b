//! Dead letters in a real bucket and a real catalog.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::sync::Mutex;

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::Catalog;
use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_dead_letters::{DeadLetterError, DeadLetters};
use epitaph_queue::{SendError, Sender};
use futures_util::future::BoxFuture;

struct House {
    _directory: tempfile::TempDir,
    bucket: Bucket,
    letters: DeadLetters,
}

async fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let bucket = Bucket::open(&format!("file://{path}/bucket"), 0).unwrap();
    let catalog = Catalog::open(&format!("sqlite://{path}/catalog.db")).unwrap();
    catalog.migrate().await.unwrap();
    House { _directory: directory, letters: DeadLetters::new(bucket.clone(), catalog), bucket }
}

fn message(id: &str) -> Vec<u8> {
    let time = Timestamp::from_millis(1_700_000_000_000);
    let message = Message::new(MessageKind::Report, ProjectId::FIRST, id.into(), time, &"data");
    serde_json::to_vec(&message.unwrap()).unwrap()
}

/// Takes what it is sent, or refuses everything.
#[derive(Default)]
struct Queue {
    refuses: bool,
    taken: Mutex<Vec<String>>,
}

impl Sender for Queue {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async {
            if self.refuses {
                return Err(SendError::Unavailable("refused by the test".into()));
            }
            self.taken.lock().unwrap().push(message.id.clone());
            Ok(())
        })
    }

    fn largest_message(&self) -> usize {
        1 << 20
    }
}

#[tokio::test]
async fn a_dead_letter_can_be_listed_read_sent_on_and_is_then_gone() {
    let house = house().await;
    house.letters.bury(message("a"), "here", "its own fault", 3).await.unwrap();
    let listed = house.letters.list(10).await.unwrap().remove(0);
    assert_eq!((listed.reason.as_str(), listed.attempts), ("its own fault", 3));
    let id = listed.id.as_str();
    assert_eq!(house.letters.show(id).await.unwrap().1, message("a"));
    let refusing = Queue { refuses: true, ..Queue::default() };
    assert!(matches!(house.letters.redrive(id, &refusing).await, Err(DeadLetterError::Queue(_))));
    let queue = Queue::default();
    house.letters.redrive(id, &queue).await.unwrap();
    assert_eq!(*queue.taken.lock().unwrap(), ["a"]);
    assert!(matches!(house.letters.redrive(id, &queue).await, Err(DeadLetterError::Unknown(_))));
    assert!(!house.bucket.exists(&Key::dead_letter(id)).await.unwrap());
}

/// Buries what it is sent again before the sender has heard that it was taken: a message that is dead for good.
struct Graveyard(DeadLetters);

impl Sender for Graveyard {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async {
            let bytes = serde_json::to_vec(message).unwrap();
            self.0.bury(bytes, "there", "still its own fault", 1).await.unwrap();
            Ok(())
        })
    }

    fn largest_message(&self) -> usize {
        1 << 20
    }
}

#[tokio::test]
async fn a_message_that_dies_again_while_it_is_sent_on_is_buried_once_more_and_not_lost() {
    let house = house().await;
    house.letters.bury(message("a"), "here", "its own fault", 1).await.unwrap();
    let first = house.letters.list(10).await.unwrap().remove(0);
    house.letters.redrive(&first.id, &Graveyard(house.letters.clone())).await.unwrap();
    let left = house.letters.list(10).await.unwrap();
    assert_eq!(left.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["still its own fault"]);
    assert_eq!(house.letters.show(&left[0].id).await.unwrap().1, message("a"));
}

#[tokio::test]
async fn what_is_no_message_is_kept_too_but_cannot_be_sent_on() {
    let house = house().await;
    house.letters.bury(b"garbage".to_vec(), "here", "not a message", 1).await.unwrap();
    let id = house.letters.list(10).await.unwrap().remove(0).id;
    let redriven = house.letters.redrive(&id, &Queue::default()).await;
    assert!(matches!(redriven, Err(DeadLetterError::NotAMessage(_))));
    house.letters.drop(&id).await.unwrap();
    assert!(house.letters.list(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_burial_that_was_cut_short_is_found_again() {
    let house = house().await;
    house.bucket.put(&Key::dead("a", "1"), Bytes::from(message("a"))).await.unwrap();
    house.bucket.put(&Key::dead("raw", "2"), Bytes::from_static(b"garbage")).await.unwrap();
    assert_eq!(house.letters.gather().await.unwrap(), 2);
    assert_eq!(house.letters.gather().await.unwrap(), 0);
    assert_eq!(house.letters.list(10).await.unwrap().len(), 2);
    house.letters.drop("raw-2").await.unwrap();
    house.letters.drop("a-1").await.unwrap();
    assert_eq!(house.letters.gather().await.unwrap(), 0);
}
