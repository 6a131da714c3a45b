//! Catalogs and crashes for tests.

use std::path::Path;

use epitaph_crash_model::{CrashId, Fact, Kind, ProjectId, Signature, SignatureId, Timestamp};

use crate::{Catalog, NewCrash};

/// 2026-01-15T00:00:00Z.
pub(crate) const T0: i64 = 1_768_435_200_000;
pub(crate) const HOUR: i64 = 3_600_000;

/// A directory that lasts as long as the test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The same catalog each time, with connections of its own, as another process has them.
    pub(crate) fn open(&self) -> Catalog {
        Catalog::open(&format!("sqlite://{}/catalog.db", self.path().display())).unwrap()
    }
}

/// An empty catalog with project 1.
pub(crate) async fn catalog() -> (Place, Catalog) {
    let place = Place::new();
    let catalog = place.open();
    catalog.migrate().await.unwrap();
    (place, catalog)
}

/// Crash number `index` of project 1: the same number always gives the same id.
pub(crate) fn crash(index: u32, signature: &str, received_at: i64) -> NewCrash {
    let received_at = Timestamp::from_millis(received_at);
    let mut id = [0_u8; 16];
    id[..6].copy_from_slice(&T0.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    id[12..].copy_from_slice(&index.to_be_bytes());
    let mut hash = [0_u8; 16];
    for (byte, letter) in hash.iter_mut().zip(signature.bytes()) {
        *byte = letter;
    }
    let signature =
        Signature { id: SignatureId::from_bytes(hash), rules: 1, text: signature.into(), steps: Vec::new() };
    NewCrash {
        fact: Fact {
            crash_id: CrashId::from_bytes(id).unwrap(),
            project: ProjectId::FIRST,
            received_at,
            occurred_at: received_at,
            weight: 1,
            signature: signature.id,
            kind: Kind::Crash,
            reason: Some("SIGSEGV".into()),
            release: Some("1.0".into()),
            environment: None,
            platform: Some("Linux".into()),
            os_version: None,
            arch: Some("amd64".into()),
            device: None,
            gpu: None,
            user: None,
            uptime_seconds: None,
            unreadable: false,
        },
        title: format!("Title of {}", signature.text),
        signature,
        attempt: format!("attempt-{index}"),
        client_id: None,
        dump_digest: None,
        outcomes: Vec::new(),
    }
}
