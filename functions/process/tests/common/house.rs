//! A whole installation: a real bucket, a real catalog and the real parser.

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, CrashRow};
use epitaph_crash_model::{
    Content, Crash, CrashId, Encoding, Message, MessageKind, Payload, ProjectId, Protocol, REPORT_VERSION,
    Report, Role,
};
use epitaph_process::{Processor, ProcessorSettings};
use epitaph_queue::Outcome;
use epitaph_secrets::{Purpose, RootSecret};

use super::parser;

/// An installation in a directory of its own.
pub(crate) struct House {
    pub(crate) secret: RootSecret,
    pub(crate) bucket: Bucket,
    pub(crate) catalog: Catalog,
    pub(crate) processor: Processor,
    _directory: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ProcessorSettings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secret = RootSecret::new("a secret for tests only").unwrap();
        let bucket =
            Bucket::open(&format!("file://{}", directory.path().join("bucket").display()), 0).unwrap();
        let catalog =
            Catalog::open(&format!("sqlite://{}", directory.path().join("catalog.db").display())).unwrap();
        catalog.migrate().await.unwrap();
        let folder = directory.path().join("symbols");
        let settings = settings(&secret, |settings| {
            settings.symbols.folder = folder;
            change(settings);
        });
        let processor = Processor::new(settings, bucket.clone(), catalog.clone());
        Self { secret, bucket, catalog, processor, _directory: directory }
    }

    pub(crate) fn signed(&self, report: &Report) -> Message {
        let mut message = Message::new(
            MessageKind::Report,
            report.project,
            report.id.to_string(),
            report.received_at,
            report,
        )
        .unwrap();
        self.secret.derive(Purpose::Message).sign_message(&mut message);
        message
    }

    pub(crate) async fn handle(&self, report: &Report) -> Outcome {
        self.processor.handle(&self.signed(report), 1).await
    }

    pub(crate) async fn row(&self, report: &Report) -> Option<CrashRow> {
        self.catalog.crash(report.project, report.id).await.unwrap()
    }

    /// The crash that the catalog and the bucket together tell.
    pub(crate) async fn crash(&self, report: &Report) -> Crash {
        let row = self.row(report).await.expect("the crash is recorded");
        let attempt = row.attempt.expect("the fact is not sealed yet, so its row names the attempt");
        let key = Key::document(report.project, report.id, &attempt);
        let packed = self.bucket.get(&key, 1 << 20).await.unwrap();
        serde_json::from_slice(&zstd::decode_all(&packed[..]).unwrap()).unwrap()
    }

    /// How many files of reports the bucket holds, and how many crash documents.
    pub(crate) async fn object_counts(&self) -> [usize; 2] {
        use futures_util::TryStreamExt as _;
        let mut counts = [0, 0];
        for (count, tree) in counts.iter_mut().zip(Key::crash_trees()) {
            *count = self.bucket.list(&tree).try_collect::<Vec<_>>().await.unwrap().len();
        }
        counts
    }

    /// Changes the rules of project 1.
    pub(crate) async fn set_rules(&self, of_project: &str) {
        let document = format!(r#"{{"version":1,"projects":{{"1":{of_project}}}}}"#);
        let revision = self.catalog.rules_revision().await.unwrap();
        assert!(self.catalog.set_rules(&document, revision).await.unwrap().is_some());
    }

    pub(crate) async fn is_dead(&self, message: &Message, expected: &str) {
        match self.processor.handle(message, 1).await {
            Outcome::Dead(why) => assert!(why.contains(expected), "{why:?} does not say {expected:?}"),
            outcome => panic!("expected {expected:?}, not {outcome:?}"),
        }
    }
}

pub(crate) fn settings(
    secret: &RootSecret,
    change: impl FnOnce(&mut ProcessorSettings),
) -> ProcessorSettings {
    let (message, user_hash) = (secret.derive(Purpose::Message), secret.derive(Purpose::UserHash));
    let mut settings = ProcessorSettings::new(message, user_hash, parser());
    change(&mut settings);
    settings
}

pub(crate) fn payload(role: Role, name: &str, bytes: &[u8]) -> Payload {
    let content = Content::Inline(bytes.to_vec());
    Payload { role, name: name.to_owned(), content_type: None, size: bytes.len() as u64, content }
}

/// A report of a dump and a log.
pub(crate) fn report(dump: &[u8]) -> Report {
    let id = CrashId::new();
    Report {
        version: REPORT_VERSION,
        id,
        project: ProjectId::FIRST,
        received_at: id.accepted_at(),
        protocol: Protocol::Multipart,
        client_id: None,
        client: Some("Crashpad/1.0".to_owned()),
        annotations: [("ver".to_owned(), "1.2.4".to_owned()), ("environment".to_owned(), "beta".to_owned())]
            .into(),
        payloads: vec![
            payload(Role::Attachment, "game.log", b"the last line"),
            payload(Role::Minidump, "upload_file_minidump", dump),
        ],
        notes: Vec::new(),
        weight: 1,
        sampled_by: None,
        outcomes: Vec::new(),
    }
}

/// The same report with its dump in the bucket, as a collector leaves a large one.
pub(crate) async fn stored(house: &House, mut report: Report, encoding: Encoding) -> Report {
    let key = Key::payload(report.project, report.id, 1);
    let Content::Inline(bytes) = report.payloads[1].content.clone() else { panic!("stored already") };
    let packed = match encoding {
        Encoding::Identity => bytes,
        Encoding::Zstd => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
    };
    house.bucket.put(&key, Bytes::from(packed)).await.unwrap();
    report.payloads[1].content = Content::Stored { key: key.to_string(), encoding };
    report
}
