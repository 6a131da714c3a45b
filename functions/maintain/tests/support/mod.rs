//! An installation in a directory: a bucket, a catalog, a queue that can refuse, and crashes of any age.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, DebugFileRow, NewCrash};
use epitaph_crash_model::{CrashId, Message, MessageKind, ProjectId, Signature, SignatureId, Timestamp};
use epitaph_facts::Facts;
use epitaph_maintain::{Maintenance, MaintenanceSettings, Sealing};
use epitaph_queue::{SendError, Sender};
use epitaph_secrets::{Purpose, RootSecret, Secret};
use futures_util::{TryStreamExt as _, future::BoxFuture};
use serde_json::json;
use tokio::sync::Semaphore;

const DAY: i64 = 24 * 60 * 60 * 1000;
pub(crate) const RETENTION_DAYS: u32 = 90;
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Takes what it is sent, or refuses it.
pub(crate) struct Queue {
    pub(crate) refuses: AtomicBool,
    /// It has something against this one message.
    pub(crate) refuses_one: Mutex<Option<String>>,
    pub(crate) largest: usize,
    pub(crate) taken: Mutex<Vec<String>>,
    /// The whole messages.
    pub(crate) messages: Mutex<Vec<Message>>,
    /// A message is taken for each permit.
    pub(crate) gate: Semaphore,
    /// One permit for each message that has come to the gate.
    pub(crate) arrived: Semaphore,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            refuses: AtomicBool::new(false),
            refuses_one: Mutex::default(),
            largest: 100_000,
            taken: Mutex::default(),
            messages: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            arrived: Semaphore::new(0),
        }
    }
}

impl Queue {
    pub(crate) fn taken(&self) -> Vec<String> {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort();
        taken
    }
}

impl Sender for Queue {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            let size = serde_json::to_vec(message).unwrap().len();
            let this_one = self.refuses_one.lock().unwrap().as_ref() == Some(&message.id);
            if this_one || self.refuses.load(Ordering::Relaxed) {
                return Err(SendError::Unavailable("refused by the test".into()));
            }
            if size > self.largest {
                return Err(SendError::TooLarge { size, limit: self.largest });
            }
            self.taken.lock().unwrap().push(message.id.clone());
            self.messages.lock().unwrap().push(message.clone());
            Ok(())
        })
    }

    fn largest_message(&self) -> usize {
        self.largest
    }
}

pub(crate) struct House {
    directory: tempfile::TempDir,
    pub(crate) bucket: Bucket,
    pub(crate) catalog: Catalog,
    pub(crate) queue: Arc<Queue>,
}

impl House {
    pub(crate) async fn new() -> Self {
        let house = Self::at(tempfile::tempdir().unwrap());
        house.catalog.migrate().await.unwrap();
        house
    }

    fn at(directory: tempfile::TempDir) -> Self {
        let path = directory.path().display();
        let bucket = Bucket::open(&format!("file://{path}/bucket"), 0).unwrap();
        let catalog = Catalog::open(&format!("sqlite://{path}/catalog.db")).unwrap();
        Self { bucket, catalog, queue: Arc::new(Queue::default()), directory }
    }

    /// The same installation once more, as it is now. To be called when the catalog is closed.
    pub(crate) fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(self.directory.path(), directory.path());
        Self::at(directory)
    }

    /// The same bucket with a catalog of its own, which knows nothing.
    pub(crate) async fn with_an_empty_catalog(&self) -> Maintenance {
        let path = self.directory.path().join("another.db");
        let catalog = Catalog::open(&format!("sqlite://{}", path.display())).unwrap();
        catalog.migrate().await.unwrap();
        self.maintenance_with(catalog)
    }

    /// One instance of the function.
    pub(crate) fn maintenance(&self) -> Maintenance {
        self.maintenance_with(self.catalog.clone())
    }

    fn maintenance_with(&self, catalog: Catalog) -> Maintenance {
        self.maintenance_sealing(catalog, Sealing { age: NEVER, ..Sealing::default() })
    }

    /// One instance that seals at once, and takes nobody to be still writing or reading.
    pub(crate) fn sealing(&self) -> Maintenance {
        let now = Duration::ZERO;
        let sealing = Sealing { age: now, longest_read: now, longest_write: now, ..Sealing::default() };
        self.maintenance_sealing(self.catalog.clone(), sealing)
    }

    /// One instance that seals at other times.
    pub(crate) fn maintenance_sealing(&self, catalog: Catalog, sealing: Sealing) -> Maintenance {
        let settings = MaintenanceSettings {
            retention_days: RETENTION_DAYS,
            symbol_days: 365,
            message_secret: secret(),
            sealing,
        };
        let queue = Arc::clone(&self.queue);
        Maintenance::new(settings, self.facts(catalog), queue)
    }

    /// Facts as one instance reads them.
    pub(crate) fn facts(&self, catalog: Catalog) -> Facts {
        let scratch = self.directory.path().join("scratch").join(CrashId::new().to_string());
        Facts::new(catalog, self.bucket.clone(), scratch)
    }

    pub(crate) async fn put(&self, key: &Key) {
        self.bucket.put(key, Bytes::from_static(b"some bytes")).await.unwrap();
    }

    /// A crash that was accepted so many days ago and recorded, with a document, a streamed file and an inline one.
    pub(crate) async fn crash(&self, id: CrashId) -> [Key; 3] {
        let keys = [
            Key::payload(ProjectId::FIRST, id, 0),
            Key::inline_payload(ProjectId::FIRST, id, "won", 1),
            Key::document(ProjectId::FIRST, id, "won"),
        ];
        for key in &keys {
            self.put(key).await;
        }
        self.record(id).await;
        keys
    }

    async fn record(&self, id: CrashId) {
        self.record_as(id, None).await;
    }

    /// A crash that a rule only counts.
    pub(crate) async fn count_only(&self, id: CrashId) {
        self.record_as(id, Some("noise".into())).await;
    }

    async fn record_as(&self, id: CrashId, counted_by: Option<String>) {
        let signature = Signature {
            id: SignatureId::from_bytes([7; 16]),
            rules: 1,
            text: "render".into(),
            steps: Vec::new(),
        };
        let fact = json!({
            "crash_id": id, "project": 1, "received_at": id.accepted_at(), "occurred_at": id.accepted_at(),
            "weight": 1, "signature": signature.id, "kind": "crash", "unreadable": false,
        });
        let fact = serde_json::from_value(fact).unwrap();
        let crash = NewCrash {
            fact,
            title: "render".into(),
            signature,
            attempt: "won".into(),
            counted_by,
            lacking: None,
            client_id: None,
            dump_digest: None,
            outcomes: Vec::new(),
        };
        self.catalog.record(&crash).await.unwrap();
    }

    /// Parks a signed message.
    pub(crate) async fn park(&self, id: CrashId) -> Key {
        self.park_bytes(id, message(id, &"small")).await
    }

    pub(crate) async fn park_bytes(&self, id: CrashId, bytes: Vec<u8>) -> Key {
        let key = Key::parked(ProjectId::FIRST, &id.to_string());
        self.bucket.put(&key, Bytes::from(bytes)).await.unwrap();
        key
    }

    /// All objects of the bucket.
    pub(crate) async fn objects(&self) -> BTreeSet<String> {
        let mut objects = BTreeSet::new();
        for tree in ["payloads", "crashes", "parked", "dead"] {
            let listed = self.bucket.list(&tree.parse().unwrap());
            objects.extend(
                listed.map_ok(|object| object.key.to_string()).try_collect::<Vec<_>>().await.unwrap(),
            );
        }
        objects
    }

    /// The crashes that the catalog has, by id.
    pub(crate) async fn recorded(&self) -> BTreeSet<CrashId> {
        let rows = self.catalog.recent_crashes(ProjectId::FIRST, 1000).await.unwrap();
        rows.into_iter().map(|row| row.fact.crash_id).collect()
    }

    /// The ids and reasons of the dead letters.
    pub(crate) async fn dead(&self) -> BTreeSet<(String, String)> {
        let letters = self.catalog.dead_letters(1000).await.unwrap();
        letters.into_iter().map(|letter| (letter.id, letter.reason)).collect()
    }
}

pub(crate) fn secret() -> Secret {
    RootSecret::new("a secret for tests only").unwrap().derive(Purpose::Message)
}

/// A signed message about a crash.
pub(crate) fn message(id: CrashId, data: &impl serde::Serialize) -> Vec<u8> {
    let mut message = unsigned(id, data);
    secret().sign_message(&mut message);
    serde_json::to_vec(&message).unwrap()
}

pub(crate) fn unsigned(id: CrashId, data: &impl serde::Serialize) -> Message {
    Message::new(MessageKind::Report, ProjectId::FIRST, id.to_string(), id.accepted_at(), data).unwrap()
}

/// A crash that was accepted so many days ago, less a minute.
pub(crate) fn nearly_days_ago(days: i64, number: u8) -> CrashId {
    accepted_at(Timestamp::now().plus_millis(60_000 - days * DAY), number)
}

/// A crash that was accepted so many days ago, and a minute.
pub(crate) fn days_ago(days: i64, number: u8) -> CrashId {
    accepted_at(Timestamp::now().plus_millis(-60_000 - days * DAY), number)
}

/// A crash accepted on the day (UTC) that lies so many days back, wherever in it we are.
pub(crate) fn on_day(days: i64, number: u8) -> CrashId {
    accepted_at(Timestamp::now().day().plus(-days).start().plus_millis(DAY / 2), number)
}

fn accepted_at(time: Timestamp, number: u8) -> CrashId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time.as_millis().to_be_bytes()[2..]);
    (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, number);
    CrashId::from_bytes(bytes).unwrap()
}

pub(crate) fn texts<'a>(keys: impl IntoIterator<Item = &'a Key>) -> BTreeSet<String> {
    keys.into_iter().map(Key::to_string).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl House {
    /// A crash without any objects.
    pub(crate) async fn record_only(&self, id: CrashId) {
        self.record(id).await;
    }

    /// The object of a dead letter without its row.
    pub(crate) async fn bury(&self, id: CrashId) {
        let key = Key::dead(&id.to_string(), "1");
        self.bucket.put(&key, message(id, &"dead").into()).await.unwrap();
    }

    pub(crate) fn bucket_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("bucket")
    }

    /// An instance with connections of its own to the same catalog.
    pub(crate) fn another_process(&self) -> Maintenance {
        let path = self.directory.path().display();
        self.maintenance_with(Catalog::open(&format!("sqlite://{path}/catalog.db")).unwrap())
    }
}

/// The row of a debug file of the first project, uploaded and last used then.
pub(crate) fn debug_file(debug_id: &str, sha256: &str, at: Timestamp) -> DebugFileRow {
    DebugFileRow {
        project: ProjectId::FIRST,
        debug_id: debug_id.to_owned(),
        sha256: sha256.to_owned(),
        code_id: None,
        name: "game".to_owned(),
        uploaded_as: "game".to_owned(),
        format: "ELF".to_owned(),
        arch: None,
        size: 4,
        lines: Some("full".to_owned()),
        unwind: None,
        release: None,
        pinned: false,
        uploaded_at: at,
        last_used_at: at,
    }
}
