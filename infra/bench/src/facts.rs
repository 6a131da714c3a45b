//! Facts of a game that does not exist: the same ones at every run.
//!
//! Five thousand signatures, two thousand devices, forty releases that follow each other, a few million users and twenty
//! tags of one thousand to one hundred thousand values each, all as frequent as in a Zipf distribution. Half of the tags
//! are on each fact. No client tells a session. One issue is a driver's: nearly all its crashes have one graphics
//! processor.

use std::collections::{BTreeMap, HashMap};

use epitaph_crash_model::{CrashId, Fact, IssueNumber, Kind, ProjectId, SignatureId, Timestamp};
use epitaph_facts::Signatures;
use fastrand::Rng;

/// What the facts span.
pub(crate) const DAYS: i64 = 90;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// 2026-07-01; the facts are of the days before.
pub(crate) const END: i64 = 1_782_864_000_000;
const SIGNATURES: usize = 5000;
/// The signature and the graphics processor of the driver's issue.
pub(crate) const DRIVERS_SIGNATURE: usize = 2;
const DRIVERS_GPU: usize = 7;
const RELEASES: usize = 40;
/// How many tags there are.
pub(crate) const TAGS: usize = 20;

/// Numbers from 0, the lower the more frequent.
struct Zipf {
    /// The chance of each number or a lower one.
    up_to: Vec<f64>,
}

impl Zipf {
    fn new(number: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut up_to: Vec<f64> = (1..=number)
            .map(|rank| {
                sum += f64::from(u32::try_from(rank).unwrap_or(u32::MAX)).powf(-exponent);
                sum
            })
            .collect();
        up_to.iter_mut().for_each(|chance| *chance /= sum);
        Self { up_to }
    }

    fn draw(&self, random: &mut Rng) -> usize {
        let drawn = random.f64();
        self.up_to.partition_point(|chance| *chance < drawn).min(self.up_to.len() - 1)
    }
}

/// A column: its values, and how frequent they are.
struct Column {
    values: Vec<String>,
    frequency: Zipf,
    /// The part of facts that have one.
    told: f64,
}

impl Column {
    fn new(number: usize, told: f64, value: impl Fn(usize) -> String) -> Self {
        Self { values: (0..number).map(value).collect(), frequency: Zipf::new(number, 1.1), told }
    }

    fn draw(&self, random: &mut Rng) -> Option<String> {
        (random.f64() < self.told).then(|| self.values[self.frequency.draw(random)].clone())
    }
}

/// Makes facts.
pub(crate) struct Facts {
    number: u64,
    signatures: Zipf,
    reasons: Column,
    builds: Column,
    environments: Column,
    platforms: Column,
    os_versions: Column,
    archs: Column,
    devices: Column,
    gpus: Column,
    drivers: Column,
    memory: Column,
    countries: Column,
    locales: Column,
    engines: Column,
    stores: Column,
    levels: Column,
    servers: Column,
    tags: Vec<(String, Column)>,
    releases: Zipf,
}

/// The name of a tag: 0 to 4 have 1,000 values, 5 to 9 have 5,000, 10 to 14 have 20,000, 15 to 19 have 100,000.
pub(crate) fn tag(number: usize) -> String {
    format!("tag_{number:02}")
}

/// The id of a signature, by how frequent it is.
pub(crate) fn signature(number: usize) -> SignatureId {
    let number = u64::try_from(number).unwrap_or_default();
    SignatureId::from_bytes(Rng::with_seed(number ^ 0x5163).u128(..).to_be_bytes())
}

/// The name of a release, by its age.
pub(crate) fn release(number: usize) -> String {
    format!("{}.{}.{}", 1 + number / 16, number / 4 % 4, number % 4)
}

/// A signature, as people read it.
fn text(number: usize) -> String {
    format!("game::system_{}::function_{number}", number % 60)
}

/// All signatures, as people read them.
pub(crate) fn texts() -> HashMap<SignatureId, String> {
    (0..SIGNATURES).map(|number| (signature(number), text(number))).collect()
}

/// Issues of the signatures: of one hundred of them two share one.
pub(crate) fn signatures() -> Signatures {
    let mut signatures = Signatures::new();
    for number in 0..SIGNATURES {
        let issue = if number % 100 == 99 { number - 1 } else { number };
        let issue = IssueNumber(i64::try_from(issue).unwrap_or_default() + 1);
        signatures.insert(ProjectId::FIRST, signature(number), Some(issue), &text(number));
    }
    signatures
}

impl Facts {
    /// So many facts, over [`DAYS`] days.
    pub(crate) fn new(number: u64) -> Self {
        let sizes = [1_000, 5_000, 20_000, 100_000];
        let tags = (0..TAGS).map(|number| {
            let column =
                Column::new(sizes[number / 5], 0.5, |value| format!("v{number}-{:x}", value * 2_654_435));
            (tag(number), column)
        });
        Self {
            number,
            signatures: Zipf::new(SIGNATURES, 1.1),
            reasons: Column::new(12, 1.0, |value| format!("SIGSEGV / code {value}")),
            builds: Column::new(200, 1.0, |value| format!("{}", 480_000 + value * 37)),
            environments: Column::new(3, 1.0, |value| ["live", "beta", "qa"][value].to_owned()),
            platforms: Column::new(6, 1.0, |value| {
                ["Windows", "Android", "iOS", "PlayStation", "Linux", "macOS"][value].to_owned()
            }),
            os_versions: Column::new(60, 1.0, |value| {
                format!("{}.{}.{}", 10 + value % 6, value % 4, 19_000 + value)
            }),
            archs: Column::new(3, 1.0, |value| ["amd64", "arm64", "x86"][value].to_owned()),
            devices: Column::new(2000, 0.7, |value| format!("Device {}-{value}", value % 40)),
            gpus: Column::new(300, 0.95, |value| format!("RTX {}{value:02}", 20 + value % 4 * 10)),
            drivers: Column::new(200, 0.9, |value| format!("{}.{}.{}", 500 + value % 50, value % 7, value)),
            memory: Column::new(8, 0.9, |value| {
                ["16 GB", "8 GB", "32 GB", "12 GB", "6 GB", "4 GB", "64 GB", "3 GB"][value].to_owned()
            }),
            countries: Column::new(60, 0.98, |value| {
                let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
                [letter(value / 5), letter(value * 7)].iter().collect()
            }),
            locales: Column::new(40, 0.9, |value| {
                format!("{}-{value:02}", ["en", "ko", "de", "ja"][value % 4])
            }),
            engines: Column::new(6, 1.0, |value| format!("Unreal Engine 5.{value}")),
            stores: Column::new(6, 0.8, |value| format!("store {value}")),
            levels: Column::new(120, 0.8, |value| format!("map_{value}")),
            servers: Column::new(500, 0.6, |value| format!("shard-{value}")),
            tags: tags.collect(),
            releases: Zipf::new(RELEASES, 1.6),
        }
    }

    /// Some of the facts, by the time of receipt but for those of one moment. Where a part begins does not change them.
    pub(crate) fn some(&self, numbers: std::ops::Range<u64>) -> impl Iterator<Item = Fact> {
        let gap = (DAYS * DAY) / i64::try_from(self.number).unwrap_or(i64::MAX).max(1);
        numbers.map(move |number| {
            let mut random = random_of(number);
            let spread = i128::from(DAYS * DAY) * i128::from(number) / i128::from(self.number.max(1));
            let received = END - DAYS * DAY + i64::try_from(spread).unwrap_or_default();
            self.fact(received + random.i64(0..gap.max(1)), &mut random)
        })
    }

    /// One of the facts, as if it were received at another moment.
    pub(crate) fn received(&self, at: Timestamp, number: u64) -> Fact {
        self.fact(at.as_millis(), &mut random_of(number))
    }

    fn fact(&self, received: i64, random: &mut Rng) -> Fact {
        let of_signature = self.signatures.draw(random);
        // The newest of the releases that are out is the most frequent one.
        let out =
            usize::try_from((received - (END - DAYS * DAY)) * 30 / (DAYS * DAY)).unwrap_or_default() + 10;
        let release_number = out.saturating_sub(self.releases.draw(random));
        let is_drivers = of_signature == DRIVERS_SIGNATURE && random.u8(..) < 220;
        let delay = if random.u8(..) < 205 { random.i64(2_000..30_000) } else { random.i64(0..DAY) };
        let uptime = -1200.0 * random.f64().max(1e-9).ln();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand seconds")]
        let uptime = uptime as u64;
        let users = (self.number / 4).max(1);
        let (a, b) = (random.u64(0..users), random.u64(0..users));
        // The product of two chances: some users crash much more often than others.
        let user = u64::try_from(u128::from(a) * u128::from(b) / u128::from(users)).unwrap_or_default();
        let kind = match random.u8(0..100) {
            0..70 => Kind::Crash,
            70..80 => Kind::Hang,
            80..90 => Kind::Oom,
            90..95 => Kind::Error,
            _ => Kind::Assert,
        };
        let mut tags = BTreeMap::new();
        for (name, column) in &self.tags {
            tags.extend(column.draw(random).map(|value| (name.clone(), value)));
        }
        Fact {
            occurred_at: Timestamp::from_millis(received - delay),
            weight: if random.u8(0..100) == 0 { 10 } else { 1 },
            kind,
            reason: self.reasons.draw(random),
            release: Some(release(release_number)),
            build: self.builds.draw(random),
            environment: self.environments.draw(random),
            platform: self.platforms.draw(random),
            os_version: self.os_versions.draw(random),
            arch: self.archs.draw(random),
            device: self.devices.draw(random),
            gpu: if is_drivers { self.gpus.values.get(DRIVERS_GPU).cloned() } else { self.gpus.draw(random) },
            gpu_driver: self.drivers.draw(random),
            memory_class: self.memory.draw(random),
            country: self.countries.draw(random),
            locale: self.locales.draw(random),
            engine: self.engines.draw(random),
            store: self.stores.draw(random),
            level: self.levels.draw(random),
            server: self.servers.draw(random),
            foreground: (random.u8(..) < 200).then(|| random.u8(..) < 230),
            user: (random.u8(..) < 250).then(|| hash_of(user)),
            uptime_seconds: (random.u8(..) < 250).then_some(uptime),
            tags,
            ..Fact::new(crash_id(received, random), ProjectId::FIRST, signature(of_signature))
        }
    }
}

/// What the fact of a number is drawn from.
fn random_of(number: u64) -> Rng {
    Rng::with_seed(number ^ 0x0fac_7500_0000)
}

fn hash_of(user: u64) -> String {
    format!("{:016x}", Rng::with_seed(user ^ 0x7573_6572).u64(..))
}

/// An id accepted at this time.
fn crash_id(received: i64, random: &mut Rng) -> CrashId {
    let mut bytes = random.u128(..).to_be_bytes();
    bytes[..6].copy_from_slice(&received.to_be_bytes()[2..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    // The version is right, so it is one.
    CrashId::from_bytes(bytes).unwrap_or_default()
}
