//! Each fact is seen once, always: whatever is recorded, delivered again, sealed, compacted and expired, in whichever
//! order, and wherever it is cut off.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, NewCrash};
use epitaph_crash_model::{CrashId, Fact, ProjectId, Signature, SignatureId, Timestamp};
use epitaph_facts::{Facts, Measures, Question};
use epitaph_maintain::{Maintenance, MaintenanceSettings, Sealing};
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_services::{Postgres, cut_off};
use futures_util::TryStreamExt as _;
use proptest::{prelude::*, test_runner::TestRunner};

const ONE: ProjectId = ProjectId::FIRST;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// What is older than this expires.
const RETENTION_DAYS: u32 = 2;

/// Which database the catalog is in.
#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres(&'static Postgres),
}

/// What happens to an installation.
#[derive(Debug, Clone)]
enum Step {
    /// Crashes are recorded, of these ages in days.
    Record(Vec<i64>),
    /// A message comes again.
    Redeliver(prop::sample::Index),
    /// Everything is done that is due; the process dies after it has waited so many times.
    Maintain(u32),
    /// Facts are sealed and segments compacted, while crashes are recorded and questions asked; the process that seals
    /// dies after it has waited so many times.
    SealAmongOthers(u32, Vec<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    let ages = || prop::collection::vec(prop_oneof![4 => 0_i64..2, 1 => 4_i64..6], 1..9);
    prop_oneof![
        3 => ages().prop_map(Step::Record),
        1 => any::<prop::sample::Index>().prop_map(Step::Redeliver),
        3 => prop_oneof![0_u32..150, Just(u32::MAX)].prop_map(Step::Maintain),
        2 => (prop_oneof![0_u32..100, Just(u32::MAX)], ages())
            .prop_map(|(steps, ages)| Step::SealAmongOthers(steps, ages)),
    ]
}

/// An installation, and what it should know.
struct House {
    engine: Engine,
    url: String,
    catalog: Catalog,
    facts: Facts,
    maintenance: Maintenance,
    /// What was recorded, by when: sorted, so that an index names one.
    recorded: BTreeMap<CrashId, NewCrash>,
    _directory: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        if let Engine::Postgres(server) = self.engine {
            server.drop_database(&self.url);
        }
    }
}

/// Few facts are many here.
fn sealing(longest: Duration) -> Sealing {
    let (age, largest) = (Duration::from_secs(0), 12);
    Sealing { enough: 3, age, most: 4, largest, longest_read: longest, longest_write: Duration::from_secs(0) }
}

impl House {
    async fn new(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}/catalog.db", directory.path().display()),
            Engine::Postgres(server) => server.database(),
        };
        let catalog = Catalog::open(&url).unwrap();
        catalog.migrate().await.unwrap();
        let facts = Facts::new(catalog.clone(), Bucket::in_memory(), directory.path().join("scratch"));
        let maintenance = Self::maintenance(&facts, Duration::from_secs(3600));
        Self { engine, url, catalog, facts, maintenance, recorded: BTreeMap::new(), _directory: directory }
    }

    /// An instance that deletes the files of segments that were replaced longer ago than this.
    fn maintenance(facts: &Facts, longest_read: Duration) -> Maintenance {
        let message_secret = RootSecret::new("an example of a root secret").unwrap().derive(Purpose::Message);
        let sealing = sealing(longest_read);
        let settings =
            MaintenanceSettings { retention_days: RETENTION_DAYS, symbol_days: 365, message_secret, sealing };
        Maintenance::new(settings, facts.clone(), Arc::new(support::Queue::default()))
    }

    /// A crash of an age in days, which nobody has recorded yet.
    fn crash(&self, age: i64, number: usize) -> NewCrash {
        let number = u32::try_from(self.recorded.len() + number).unwrap();
        let mut bytes = [0; 16];
        let accepted = Timestamp::now().plus_millis(-age * DAY - 60_000);
        bytes[..6].copy_from_slice(&accepted.as_millis().to_be_bytes()[2..]);
        (bytes[6], bytes[8]) = (0x70, 0x80);
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        let id = CrashId::from_bytes(bytes).unwrap();
        let signature = SignatureId::from_bytes([u8::try_from(number % 3).unwrap(); 16]);
        NewCrash {
            fact: Fact {
                weight: 1 + number % 4,
                user: Some(format!("{:016x}", number % 7)),
                tags: [("shard".to_owned(), format!("eu-{}", number % 5))].into(),
                ..Fact::new(id, ONE, signature)
            },
            title: "render".into(),
            signature: Signature { id: signature, rules: 1, text: format!("s{}", number % 3), steps: vec![] },
            attempt: format!("attempt-{number}"),
            counted_by: None,
            lacking: None,
            client_id: Some(format!("{number:032x}")),
            dump_digest: None,
            outcomes: Vec::new(),
        }
    }

    fn crashes(&self, ages: &[i64]) -> Vec<NewCrash> {
        ages.iter().enumerate().map(|(number, age)| self.crash(*age, number)).collect()
    }

    async fn record(catalog: &Catalog, crashes: &[NewCrash]) {
        for crash in crashes {
            catalog.record(crash).await.unwrap();
        }
    }

    fn note(&mut self, crashes: Vec<NewCrash>) {
        self.recorded.extend(crashes.into_iter().map(|crash| (crash.fact.crash_id, crash)));
    }

    /// What must be there, and what may be: of these some may have expired.
    fn expected(&self) -> (BTreeMap<CrashId, &Fact>, BTreeMap<CrashId, &Fact>) {
        let end = Timestamp::now().plus_millis(-i64::from(RETENTION_DAYS) * DAY);
        let facts = self.recorded.iter().map(|(id, crash)| (*id, &crash.fact));
        facts.partition(|(_, fact)| fact.received_at >= end)
    }

    /// Each fact is seen once, as it was recorded. Gives those that were seen although they may expire.
    async fn check(&self) -> BTreeSet<CrashId> {
        let view = self.facts.view(ONE).await.unwrap();
        let seen: Vec<Fact> =
            view.recent_crashes(1000).await.unwrap().into_iter().map(|row| row.fact).collect();
        let (must, may) = self.expected();
        let mut ids: Vec<CrashId> = seen.iter().map(|fact| fact.crash_id).collect();
        ids.sort();
        let once: BTreeSet<CrashId> = ids.iter().copied().collect();
        assert_eq!(ids.len(), once.len(), "a fact is seen twice");
        let missing: Vec<_> = must.keys().filter(|id| !once.contains(id)).collect();
        assert!(missing.is_empty(), "{} facts are not seen", missing.len());
        for fact in &seen {
            let recorded = must.get(&fact.crash_id).or_else(|| may.get(&fact.crash_id));
            assert_eq!(recorded, Some(&fact), "a fact has changed");
        }
        // The numbers are those of the same facts.
        let measures = Measures { users: true, ..Measures::default() };
        let totals = view.ask(Question { measures, ..Question::default() }).await.unwrap().totals;
        let users: BTreeSet<&String> = seen.iter().filter_map(|fact| fact.user.as_ref()).collect();
        let weights = seen.iter().map(|fact| u64::from(fact.weight)).sum::<u64>();
        assert_eq!((totals.crashes, totals.count), (seen.len() as u64, weights));
        assert_eq!(totals.users, Some(users.len() as u64));
        once.into_iter().filter(|id| may.contains_key(id)).collect()
    }

    /// Single crashes are found, by every name that they have.
    async fn check_look_ups(&self) {
        let (must, _) = self.expected();
        let ids: Vec<CrashId> = must.keys().copied().collect();
        assert_eq!(self.facts.known(ONE, &ids).await.unwrap(), ids.iter().copied().collect());
        for id in ids.iter().step_by(3) {
            let recorded = &self.recorded[id];
            let row = self.facts.crash(ONE, *id).await.unwrap().unwrap();
            assert_eq!((&row.fact, row.attempt.as_ref()), (&recorded.fact, Some(&recorded.attempt)));
            let name = recorded.client_id.as_ref().unwrap();
            for project in [Some(ONE), None] {
                assert_eq!(self.facts.find(project, name).await.unwrap().as_ref(), Some(&row));
            }
        }
    }

    async fn play(&mut self, step: Step) {
        match step {
            Step::Record(ages) => {
                let crashes = self.crashes(&ages);
                Self::record(&self.catalog, &crashes).await;
                self.note(crashes);
            }
            Step::Redeliver(index) if !self.recorded.is_empty() => {
                let crash = self.recorded.values().nth(index.index(self.recorded.len())).unwrap();
                self.catalog.record(crash).await.unwrap();
            }
            Step::Redeliver(_) => {}
            Step::Maintain(steps) => {
                cut_off(self.maintenance.run(), steps).await;
            }
            Step::SealAmongOthers(steps, ages) => {
                let crashes = self.crashes(&ages);
                let sealing = cut_off(self.maintenance.seal(), steps);
                let recording = Self::record(&self.catalog, &crashes);
                let asking = async {
                    for _ in 0..4 {
                        self.check_among(&crashes).await;
                    }
                };
                tokio::join!(sealing, recording, asking);
                self.note(crashes);
            }
        }
    }

    /// Each fact is seen once, and of those that are being recorded some.
    async fn check_among(&self, recording: &[NewCrash]) {
        let view = self.facts.view(ONE).await.unwrap();
        let seen: Vec<CrashId> =
            view.recent_crashes(1000).await.unwrap().iter().map(|row| row.fact.crash_id).collect();
        let once: BTreeSet<CrashId> = seen.iter().copied().collect();
        assert_eq!(seen.len(), once.len(), "a fact is seen twice");
        assert!(self.expected().0.keys().all(|id| once.contains(id)), "a fact is not seen");
        let known = |id: &CrashId| {
            self.recorded.contains_key(id) || recording.iter().any(|crash| crash.fact.crash_id == *id)
        };
        assert!(once.iter().all(known), "a fact is seen that nobody recorded");
        let totals = view.ask(Question::default()).await.unwrap().totals;
        assert_eq!(totals.crashes, seen.len() as u64);
    }

    /// Lets everything come to its end: what is to expire is gone, and there is no file that is not listed.
    async fn finish(self) {
        self.maintenance.run().await.unwrap();
        // What was taken back when it was cut off is in nobody's way.
        self.maintenance.run().await.unwrap();
        let still_there = self.check().await;
        // A segment goes when its last fact has expired; a day of which that is so is gone.
        let newest = Timestamp::now().plus_millis(-i64::from(RETENTION_DAYS) * DAY).day();
        assert!(still_there.iter().all(|id| id.day() >= newest), "{still_there:?}");
        self.check_look_ups().await;
        Self::maintenance(&self.facts, Duration::from_secs(0)).seal().await.unwrap();
        let files: BTreeSet<String> = self
            .facts
            .bucket()
            .list(&Key::all_segments())
            .map_ok(|file| file.key.name())
            .try_collect()
            .await
            .unwrap();
        let listed = self.catalog.segments(ONE).await.unwrap();
        assert_eq!(files, listed.into_iter().map(|segment| segment.name).collect());
        self.check().await;
    }
}

fn always(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(step(), 1..12);
    let played = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let mut house = House::new(engine).await;
            for step in steps {
                house.play(step).await;
                house.check().await;
            }
            house.finish().await;
        });
        Ok(())
    });
    played.unwrap();
}

#[test]
fn each_fact_is_seen_once_whatever_happens_in_whichever_order() {
    always(Engine::Sqlite, 16);
}

#[test]
fn each_fact_is_seen_once_whatever_happens_in_whichever_order_on_postgresql() {
    if let Some(server) = Postgres::shared() {
        always(Engine::Postgres(server), 8);
    }
}

/// Dies after each step that there is, or each so-many-th.
async fn at_every_step(engine: Engine, stride: usize) {
    for steps in (0..).step_by(stride) {
        let mut house = House::new(engine).await;
        house.play(Step::Record(vec![1, 1, 1, 1, 1, 0, 0, 0, 5, 5])).await;
        let finished = cut_off(house.maintenance.seal(), steps).await;
        house.check().await;
        house.play(Step::Record(vec![0, 1])).await;
        let finished = cut_off(house.maintenance.run(), steps).await && finished;
        house.check().await;
        house.finish().await;
        if finished {
            assert!(steps > 30, "{steps}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_step_of_sealing_loses_nothing_and_counts_nothing_twice() {
    at_every_step(Engine::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_step_of_sealing_loses_nothing_on_postgresql() {
    if let Some(server) = Postgres::shared() {
        at_every_step(Engine::Postgres(server), 5).await;
    }
}
