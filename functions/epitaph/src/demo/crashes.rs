//! From the invented game to its crashes, each the same whenever it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_crash_model::{
    Address, Crash, CrashId, Frame, Kind, Module, ProjectId, Protocol, System, Thread, Timestamp, Trust,
};
use epitaph_signature::{Unsigned, sign};

use super::{
    dice::Dice,
    game::{ANYWHERE, COUNTRIES, LEVELS, MACHINES, Machine, RELEASES, Release, WAYS, Way, share_of},
};

const HOUR: i64 = 60 * 60 * 1000;
/// How far back the crashes go, since the game came out: pages about 30 days show all of them, on the next day too.
const HOURS: u16 = 29 * 24;
const BASE: u64 = 0x7ff6_1c40_0000;
/// Address space of each module.
const SIZE: u64 = 0x800_0000;
const GIB: u64 = 1 << 30;
/// How many play, by the hour of the day in UTC.
const PLAYING: [u64; 24] =
    [62, 55, 48, 42, 40, 42, 46, 52, 60, 72, 86, 100, 108, 112, 104, 92, 82, 78, 80, 84, 88, 86, 78, 70];

/// All crashes of the demo, by number; a higher number is later.
pub(crate) struct Rolls {
    count: u64,
    now: Timestamp,
    /// For each hour, the oldest first: how much has happened until its end.
    until: Vec<u64>,
}

/// A crash, and which way to end it was.
pub(crate) struct Made {
    pub(crate) crash: Crash,
    /// Its place among [`WAYS`].
    pub(crate) way: usize,
}

impl Rolls {
    pub(crate) fn new(count: u64, now: Timestamp) -> Self {
        let mut sum = 0;
        let until = (0..HOURS).rev().map(|hours_ago| {
            sum += how_much(now, hours_ago);
            sum
        });
        Self { count, now, until: until.collect() }
    }

    /// The numbers of all crashes, each once, so that all days fill at the same time.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = u64> + use<> {
        let count = self.count.max(1);
        // About the golden section: what comes next is far from what came before. A number that has no divisor in common
        // with the count leads to each place once.
        let first = (count * 618 / 1000).max(1);
        let stride = (first..first + count).find(|stride| greatest_divisor(*stride, count) == 1).unwrap_or(1);
        (0..self.count).map(move |step| {
            let place = u128::from(step) * u128::from(stride) % u128::from(count);
            count - 1 - u64::try_from(place).unwrap_or(0)
        })
    }

    /// Whether only so many come later.
    pub(crate) fn is_among_newest(&self, number: u64, count: u64) -> bool {
        number + count >= self.count
    }

    /// A crash by its number.
    pub(crate) fn crash(&self, number: u64) -> Made {
        let mut dice = Dice::new(number ^ 0x5eed_0000_0000);
        let (received, hours_ago) = self.received(&mut dice, number);
        let (machine, way, release) = pick(&mut dice, hours_ago);
        let crash = made(&mut dice, number, received, machine, &WAYS[way].1, release);
        Made { crash, way }
    }

    /// When a crash came, and how many whole hours ago that is.
    fn received(&self, dice: &mut Dice, number: u64) -> (Timestamp, u16) {
        let sum = self.until.last().copied().unwrap_or(1);
        // Somewhere between its neighbours, in millionths.
        let at = (u128::from(number) * 1_000_000 + u128::from(dice.below(1_000_000))) * u128::from(sum)
            / u128::from(self.count.max(1));
        let hour = self.until.partition_point(|until| u128::from(*until) * 1_000_000 <= at);
        let before = hour.checked_sub(1).map_or(0, |before| self.until[before]);
        let whole = self.until.get(hour).map_or(1, |until| until - before).max(1);
        let inside = at.saturating_sub(u128::from(before) * 1_000_000) * u128::from(HOUR.unsigned_abs())
            / (u128::from(whole) * 1_000_000);
        let hours_ago = HOURS.saturating_sub(1).saturating_sub(u16::try_from(hour).unwrap_or(u16::MAX));
        let start = self.now.plus_millis(-(i64::from(hours_ago) + 1) * HOUR);
        (start.plus_millis(i64::try_from(inside).unwrap_or(0)), hours_ago)
    }
}

/// How many crash in an hour: more in the evening, at weekends, and while the bad release is out.
fn how_much(now: Timestamp, hours_ago: u16) -> u64 {
    let hour = now.plus_millis(-i64::from(hours_ago) * HOUR).as_millis().div_euclid(HOUR);
    let playing = usize::try_from(hour.rem_euclid(24)).map_or(0, |hour| PLAYING[hour]);
    // The first day of 1970 was a Thursday.
    let weekend = matches!((hour.div_euclid(24) + 3).rem_euclid(7), 5 | 6);
    let bad = share_of(&RELEASES[1], hours_ago) * (100 - share_of(&RELEASES[2], hours_ago)) / 100;
    playing * if weekend { 13 } else { 10 } * (100 + 2 * bad)
}

fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A machine, a way and a release that go together. Where none is found soon, some that are always possible.
fn pick(dice: &mut Dice, hours_ago: u16) -> (&'static Machine, usize, &'static Release) {
    const TRIES: usize = 200;
    for _ in 0..TRIES {
        let (machine, way) = (dice.index(&MACHINES), dice.index(&WAYS));
        let updated = RELEASES.iter().rev().find(|release| dice.percent(share_of(release, hours_ago)));
        let (machine, release) = (&MACHINES[machine].1, updated.unwrap_or(&RELEASES[0]));
        if WAYS[way].1.is_possible(machine, release) {
            return (machine, way, release);
        }
    }
    (&MACHINES[0].1, ANYWHERE, &RELEASES[0])
}

fn made(
    dice: &mut Dice,
    number: u64,
    received: Timestamp,
    machine: &Machine,
    way: &Way,
    release: &Release,
) -> Crash {
    let frames: Vec<Frame> = way.frames.iter().enumerate().map(frame).collect();
    let unsigned =
        Unsigned { frames: &frames, kind: way.kind, reason: Some(way.reason), ..Unsigned::default() };
    let signature = sign(&unsigned);
    let level =
        if way.level.is_empty() || dice.percent(15) { LEVELS[dice.index(&LEVELS)].1 } else { way.level };
    let (country, locale) = COUNTRIES[dice.index(&COUNTRIES)].1;
    let environment = if dice.percent(3) { "qa" } else { "live" };
    let shard = if matches!(country, "KR" | "JP" | "TW") { "asia-1" } else { "world-2" };
    let quality = if machine.memory < 8 { "low" } else { "high" };
    let memory = (machine.memory * GIB).to_string();
    // Few players have most of the trouble.
    let player = {
        let most = 1 + dice.below(9_000);
        dice.below(most)
    };
    let player = format!("player-{player}");
    let told = [
        ("guid", player.as_str()),
        ("device", machine.device),
        ("gpu", machine.gpu),
        ("gpu_driver", machine.driver),
        ("memory_size", &memory),
        ("country", country),
        ("locale", locale),
        ("store", machine.store),
        ("map", level),
        ("shard", shard),
        ("quality", quality),
        ("engine", "Unreal 5.4"),
    ];
    let annotations: BTreeMap<String, String> = told
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let crashing = Thread { id: 11_020, name: Some("GameThread".to_owned()), frames, ..Thread::default() };
    let waiting = Thread {
        id: 11_480,
        name: Some("RenderThread 1".to_owned()),
        frames: vec![frame((3, &("ntdll.dll", "NtWaitForSingleObject", "", 0)))],
        ..Thread::default()
    };
    Crash {
        kind: way.kind,
        client: Some("demo/1.0".to_owned()),
        received_at: received,
        occurred_at: Some(received.plus_millis(-3_100)),
        release: Some(release.name.to_owned()),
        build: Some(release.build.to_owned()),
        environment: Some(environment.to_owned()),
        reason: Some(way.reason.to_owned()),
        address: (way.kind == Kind::Crash).then_some(Address(0x18)),
        assertion: (way.kind == Kind::Assert).then(|| way.reason.to_owned()),
        crashing_thread: Some(0),
        threads: vec![crashing, waiting],
        modules: modules(way),
        system: System {
            os: Some(machine.os.to_owned()),
            os_version: Some(machine.os_version.to_owned()),
            arch: Some(machine.arch.to_owned()),
            ..System::default()
        },
        uptime_seconds: Some(3 + dice.below(2 * 60 * way.minutes)),
        annotations,
        ..Crash::new(id_at(received, number), ProjectId::FIRST, Protocol::Multipart, signature)
    }
}

/// The modules of a stack, one behind the other.
fn modules(way: &Way) -> Vec<Module> {
    let names: BTreeSet<&str> = way.frames.iter().map(|(module, ..)| *module).collect();
    let places = (0_u64..).map(|index| BASE + index * SIZE);
    let module = |(name, base): (&&str, u64)| Module {
        name: (*name).to_owned(),
        base: Address(base),
        size: SIZE,
        ..Module::default()
    };
    names.iter().zip(places).map(module).collect()
}

fn frame((index, &(module, function, file, line)): (usize, &(&str, &str, &str, u32))) -> Frame {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let offset = 0x1000 + (function.len() as u64 * 0x3a71 + index as u64 * 0x1d0) % 0x40_0000;
    Frame {
        module: some(module),
        function: some(function),
        file: some(file),
        line: (line > 0).then_some(line),
        address: Address(BASE + offset),
        offset: Some(Address(offset)),
        trust: if index == 0 { Trust::Context } else { Trust::Cfi },
        ..Frame::default()
    }
}

/// An id that was accepted then, the same for the same number.
fn id_at(received: Timestamp, number: u64) -> CrashId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&received.as_millis().to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[9..].copy_from_slice(&number.to_be_bytes()[1..]);
    CrashId::from_bytes(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolls() -> Rolls {
        Rolls::new(3_000, "2026-01-31T13:37:59.999Z".parse().unwrap())
    }

    #[test]
    fn every_crash_comes_once_and_is_the_same_each_time() {
        let rolls = rolls();
        let numbers: BTreeSet<u64> = rolls.in_order().collect();
        assert_eq!(numbers.len(), 3_000);
        let ids: BTreeSet<CrashId> = numbers.iter().map(|number| rolls.crash(*number).crash.id).collect();
        assert_eq!(ids.len(), 3_000);
        assert_eq!(rolls.crash(7).crash, rolls.crash(7).crash);
    }

    #[test]
    fn the_game_has_the_troubles_that_it_is_there_to_show() {
        let rolls = rolls();
        let mut by_signature: BTreeMap<String, Vec<Crash>> = BTreeMap::new();
        let mut last = rolls.now.plus_millis(-720 * HOUR);
        for number in 0..3_000 {
            let crash = rolls.crash(number).crash;
            assert!(
                crash.received_at <= rolls.now
                    && crash.received_at >= rolls.now.plus_millis(-i64::from(HOURS) * HOUR)
            );
            assert!(crash.received_at >= last, "a higher number is later");
            last = crash.received_at;
            by_signature.entry(crash.signature.text.clone()).or_default().push(crash);
        }
        let of = |text: &str| -> Vec<Crash> {
            let found = by_signature.iter().find(|(signature, _)| signature.contains(text));
            found.map(|(_, crashes)| crashes.clone()).unwrap_or_default()
        };
        let rollout = of("MigrateSave");
        assert!(rollout.len() > 100 && rollout.iter().all(|crash| crash.release.as_deref() == Some("1.1.0")));
        let driver = of("cvdumdx12");
        assert!(
            driver.len() > 50 && driver.iter().all(|crash| crash.annotations["gpu_driver"] == "31.0.2240")
        );
        assert!(of("BlockOnArchive").len() > 50 || of("WaitUntilComplete").len() > 50);
        let memory = by_signature.values().flatten().filter(|crash| crash.kind == Kind::Oom);
        assert!(
            memory.clone().count() > 50
                && memory.clone().all(|crash| crash.annotations["device"] != "Nova S9")
        );
    }
}
