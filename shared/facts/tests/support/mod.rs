//! Facts at random, divided into segments and recent ones at random.

pub(crate) mod model;
pub(crate) mod questions;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use epitaph_bucket::Bucket;
use epitaph_crash_model::{CrashId, Fact, IssueNumber, Kind, ProjectId, SignatureId, Timestamp};
use epitaph_facts::{Engine, EngineOptions, Segment, SegmentWriter, Signatures, Snapshot};
use proptest::prelude::*;
use tempfile::TempDir;

/// When the first report is received.
pub(crate) const T0: i64 = 1_767_225_600_000;

/// A fact of one of two projects within about three days.
pub(crate) fn fact() -> impl Strategy<Value = Fact> {
    let words = |words: &'static [&'static str]| {
        proptest::option::weighted(0.8, proptest::sample::select(words).prop_map(str::to_owned))
    };
    let identity = (any::<u64>(), 1_u64..=2, 0_i64..3 * 24 * 60, 0_u8..6, 1_u32..4);
    let columns = (
        words(&["1.2", "1.10", "1.9.1", "2.0"]),
        words(&["Windows", "Linux", "windows"]),
        words(&["RTX 4090", "RTX 4070", "Mali-G715", "", "GeForce\0RTX"]),
        proptest::option::of(any::<bool>()),
        proptest::option::of(prop_oneof![0_u64..100, Just(u64::MAX)]),
        proptest::option::weighted(0.7, 0_u128..40),
        proptest::sample::select(&Kind::ALL[..]),
        proptest::collection::btree_map(
            proptest::sample::select(vec!["shard".to_owned(), "quest".to_owned(), "odd: näme".to_owned()]),
            proptest::sample::select(vec!["eu-3".to_owned(), "kr-1".to_owned(), "ü".to_owned()]),
            0..3,
        ),
        any::<bool>(),
    );
    (identity, columns).prop_map(|((random, project, minute, signature, weight), columns)| {
        let (release, platform, gpu, foreground, uptime_seconds, user, kind, tags, unreadable) = columns;
        let received = T0 + minute * 60_000 + i64::try_from(random % 3).unwrap();
        let project = ProjectId::try_from(project).unwrap();
        let signature = SignatureId::from_bytes([signature; 16]);
        Fact {
            occurred_at: Timestamp::from_millis(received - 5000),
            weight: if weight == 3 { 1000 } else { 1 },
            kind,
            release,
            platform,
            gpu,
            foreground,
            uptime_seconds,
            unreadable,
            user: user.map(|user| format!("{user:016x}")),
            tags,
            ..Fact::new(crash_id(received, random), project, signature)
        }
    })
}

/// A crash accepted at this time, with these random bits.
pub(crate) fn crash_id(millis: i64, random: u64) -> CrashId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[8..].copy_from_slice(&random.to_be_bytes());
    bytes[6] = 0x70;
    bytes[8] = 0x80 | bytes[8] >> 2;
    CrashId::from_bytes(bytes).unwrap()
}

/// Facts of which no two have the same crash, each with where it is: in a segment of its project, or recent.
pub(crate) fn divided(most: usize) -> impl Strategy<Value = Vec<(Fact, usize)>> {
    proptest::collection::vec((fact(), 0_usize..4), 0..most).prop_map(|facts| {
        let by_crash: BTreeMap<CrashId, (Fact, usize)> =
            facts.into_iter().map(|(fact, place)| (fact.crash_id, (fact, place))).collect();
        by_crash.into_values().collect()
    })
}

/// A bucket with segments, and an engine.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) bucket: Bucket,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), bucket: Bucket::in_memory() }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(&EngineOptions { threads: 2, ..EngineOptions::default() })
    }

    pub(crate) fn engine_with(&self, options: &EngineOptions) -> Engine {
        Engine::new(self.bucket.clone(), &self.directory.path().join("partials"), options).unwrap()
    }

    /// Writes facts, which are sorted here, as one segment.
    pub(crate) async fn seal(&self, name: &str, facts: &[Fact], sizes: (usize, usize)) -> Option<Segment> {
        let file = self.directory.path().join(name);
        let segment = write(&file, name, facts, sizes)?;
        segment.upload(&file, &self.bucket).await.unwrap();
        std::fs::remove_file(file).unwrap();
        Some(segment)
    }

    /// Facts of place 0 are recent, of the others in a segment for each project and place.
    pub(crate) async fn snapshot(&self, facts: &[(Fact, usize)], sizes: (usize, usize)) -> Snapshot {
        let mut recent = Vec::new();
        let mut sealed: BTreeMap<(ProjectId, usize), Vec<Fact>> = BTreeMap::new();
        for (fact, place) in facts {
            match place {
                0 => recent.push(Arc::new(fact.clone())),
                _ => sealed.entry((fact.project, *place)).or_default().push(fact.clone()),
            }
        }
        let mut segments = Vec::new();
        for ((project, place), facts) in sealed {
            segments.extend(self.seal(&format!("{project}-{place}"), &facts, sizes).await);
        }
        Snapshot {
            segments: Arc::new(segments),
            recent: Arc::new(recent),
            signatures: Arc::new(signatures()),
        }
    }
}

pub(crate) fn write(file: &Path, name: &str, facts: &[Fact], sizes: (usize, usize)) -> Option<Segment> {
    let mut facts: Vec<&Fact> = facts.iter().collect();
    facts.sort_by_key(|fact| (fact.received_at, fact.crash_id));
    let mut writer = SegmentWriter::new(file, facts.first()?.project).with_sizes(sizes.0, sizes.1);
    facts.iter().for_each(|fact| writer.push(fact).unwrap());
    writer.finish(name).unwrap()
}

/// What the catalog knows: of six signatures five, in three issues.
pub(crate) fn signatures() -> Signatures {
    let mut signatures = Signatures::new();
    for project in 1..=2_u64 {
        for number in 0..5_u8 {
            let issue = (number < 4).then(|| IssueNumber(i64::from(number % 3) + 9));
            let project = ProjectId::try_from(project).unwrap();
            signatures.insert(
                project,
                SignatureId::from_bytes([number; 16]),
                issue,
                TEXTS[usize::from(number)],
            );
        }
    }
    signatures
}

/// The texts of the signatures that the catalog knows.
pub(crate) const TEXTS: [&str; 5] = ["Render::Draw", "render_thread", "Audio::Mix", "malloc", "AUDIO"];
