//! Catalogs and crashes for tests.

use std::path::Path;

use epitaph_crash_model::{CrashId, Fact, ProjectId, Signature, SignatureId, Timestamp};
use epitaph_test_services::Postgres;
use tempfile::TempDir;

use crate::{Catalog, NewCrash};

/// 2026-01-15T00:00:00Z.
pub(crate) const T0: i64 = 1_768_435_200_000;
pub(crate) const HOUR: i64 = 3_600_000;

/// Which database a test runs on.
#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres(&'static Postgres),
}

impl Engine {
    /// PostgreSQL, if this machine has it.
    pub(crate) fn postgres() -> Option<Self> {
        Postgres::shared().map(Engine::Postgres)
    }

    /// Those that this machine has.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Some(Engine::Sqlite), Engine::postgres()].into_iter().flatten()
    }
}

/// Makes two tests of each of these functions, which take an [`Engine`].
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            use crate::sample::Engine;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(Engine::Sqlite).await;
            })*
        }

        mod on_postgres {
            use crate::sample::Engine;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                if let Some(engine) = Engine::postgres() {
                    super::$test(engine).await;
                }
            })*
        }
    };
}
pub(crate) use on_each_engine;

/// An empty database: a file that lasts as long as the test, or one that nobody else uses.
pub(crate) struct Place {
    engine: Engine,
    directory: TempDir,
    url: String,
}

impl Place {
    pub(crate) fn new(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}/catalog.db", directory.path().display()),
            Engine::Postgres(server) => server.database(),
        };
        Self { engine, directory, url }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same catalog each time, with connections of its own, as another process has them.
    pub(crate) fn open(&self) -> Catalog {
        Catalog::open(&self.url).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Engine::Postgres(server) = self.engine {
            server.drop_database(&self.url);
        }
    }
}

/// An empty catalog with project 1.
pub(crate) async fn catalog(engine: Engine) -> (Place, Catalog) {
    let place = Place::new(engine);
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
            received_at,
            occurred_at: received_at,
            reason: Some("SIGSEGV".into()),
            release: Some("1.0".into()),
            platform: Some("Linux".into()),
            arch: Some("amd64".into()),
            ..Fact::new(CrashId::from_bytes(id).unwrap(), ProjectId::FIRST, signature.id)
        },
        title: format!("Title of {}", signature.text),
        signature,
        attempt: format!("attempt-{index}"),
        counted_by: None,
        lacking: None,
        client_id: None,
        dump_digest: None,
        outcomes: Vec::new(),
    }
}
