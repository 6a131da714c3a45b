//! How much a client may ask of a function.

use std::time::Duration;

use super::reader::Reader;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How much a client may ask. Sizes are bytes, and hold for what is decompressed as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// One JSON event (`EPITAPH_LIMIT_EVENT`).
    pub event: u64,
    /// One file of a report (`EPITAPH_LIMIT_FILE`). A file above it is dropped and noted; the report is kept.
    pub file: u64,
    /// One whole request (`EPITAPH_LIMIT_REQUEST`).
    pub request: u64,
    /// Files in one report (`EPITAPH_LIMIT_FILES`).
    pub files: usize,
    /// Annotations in one report (`EPITAPH_LIMIT_ANNOTATIONS`).
    pub annotations: usize,
    /// The name of one annotation (`EPITAPH_LIMIT_ANNOTATION_NAME`).
    pub annotation_name: u64,
    /// The value of one annotation (`EPITAPH_LIMIT_ANNOTATION_VALUE`).
    pub annotation_value: u64,
    /// Names and values of all annotations of one report, as they are in JSON (`EPITAPH_LIMIT_ANNOTATION_TOTAL`); at
    /// most a quarter of what the queue takes in one message.
    pub annotation_total: u64,
    /// Payloads of one report that travel inside its message; larger ones go to the bucket (`EPITAPH_LIMIT_INLINE`).
    pub inline: u64,
    /// What all requests together may hold in memory (`EPITAPH_LIMIT_BUFFERS`).
    pub buffers: u64,
    /// Part buffers, of 5 MiB each, that all uploads to a remote bucket together may fill (`EPITAPH_LIMIT_PARTS`).
    pub parts: usize,
    /// Open connections; more wait to be accepted (`EPITAPH_LIMIT_CONNECTIONS`).
    pub connections: usize,
    /// From the first wait for a request to the end of its header (`EPITAPH_LIMIT_HEADER_SECONDS`).
    pub header_time: Duration,
    /// How long an answered connection may rest before its next request (`EPITAPH_LIMIT_KEEP_ALIVE_SECONDS`). Longer
    /// than the idle time of common load balancers (60 s), which would otherwise send a report into a closing socket.
    pub keep_alive: Duration,
    /// The longest pause inside a body (`EPITAPH_LIMIT_BODY_IDLE_SECONDS`).
    pub body_idle: Duration,
    /// The slowest body, in bytes a second, on average and after `body_idle` (`EPITAPH_LIMIT_BODY_RATE`).
    pub body_rate: u64,
    /// The longest time for one body (`EPITAPH_LIMIT_BODY_SECONDS`).
    pub body_time: Duration,
    /// How long requests may finish after a signal to stop (`EPITAPH_LIMIT_DRAIN_SECONDS`).
    pub drain: Duration,
}

impl Limits {
    pub(super) fn read<G: Fn(&str) -> Option<String>>(reader: &mut Reader<G>) -> Self {
        let limits = Self {
            event: reader.bytes("EPITAPH_LIMIT_EVENT", MIB, KIB..=GIB),
            file: reader.bytes("EPITAPH_LIMIT_FILE", 200 * MIB, KIB..=1024 * GIB),
            request: reader.bytes("EPITAPH_LIMIT_REQUEST", 250 * MIB, KIB..=1024 * GIB),
            files: reader.number("EPITAPH_LIMIT_FILES", 30, 1..=10_000),
            annotations: reader.number("EPITAPH_LIMIT_ANNOTATIONS", 2_000, 1..=100_000),
            annotation_name: reader.bytes("EPITAPH_LIMIT_ANNOTATION_NAME", 512, 16..=64 * KIB),
            annotation_value: reader.bytes("EPITAPH_LIMIT_ANNOTATION_VALUE", 64 * KIB, 16..=16 * MIB),
            annotation_total: reader.bytes("EPITAPH_LIMIT_ANNOTATION_TOTAL", MIB, KIB..=16 * MIB),
            inline: reader.bytes("EPITAPH_LIMIT_INLINE", 256 * KIB, 0..=16 * MIB),
            buffers: reader.bytes("EPITAPH_LIMIT_BUFFERS", 32 * MIB, MIB..=64 * GIB),
            parts: reader.number("EPITAPH_LIMIT_PARTS", 16, 2..=10_000),
            connections: reader.number("EPITAPH_LIMIT_CONNECTIONS", 10_000, 1..=1_000_000),
            header_time: reader.seconds("EPITAPH_LIMIT_HEADER_SECONDS", 10, 1..=600),
            keep_alive: reader.seconds("EPITAPH_LIMIT_KEEP_ALIVE_SECONDS", 75, 1..=3600),
            body_idle: reader.seconds("EPITAPH_LIMIT_BODY_IDLE_SECONDS", 10, 1..=600),
            body_rate: reader.bytes("EPITAPH_LIMIT_BODY_RATE", KIB, 0..=GIB),
            body_time: reader.seconds("EPITAPH_LIMIT_BODY_SECONDS", 15 * 60, 1..=24 * 3600),
            drain: reader.seconds("EPITAPH_LIMIT_DRAIN_SECONDS", 25, 1..=3600),
        };
        limits.check(reader);
        limits
    }

    /// A limit that another one keeps from ever being reached is a mistake, and is told.
    fn check<G: Fn(&str) -> Option<String>>(&self, reader: &mut Reader<G>) {
        let pairs = [
            ("EPITAPH_LIMIT_FILE", self.file, "EPITAPH_LIMIT_REQUEST", self.request),
            ("EPITAPH_LIMIT_EVENT", self.event, "EPITAPH_LIMIT_REQUEST", self.request),
            ("EPITAPH_LIMIT_INLINE", self.inline, "EPITAPH_LIMIT_BUFFERS", self.buffers),
            (
                "EPITAPH_LIMIT_ANNOTATION_VALUE",
                self.annotation_value,
                "EPITAPH_LIMIT_ANNOTATION_TOTAL",
                self.annotation_total,
            ),
        ];
        for (name, value, above, ceiling) in pairs {
            if value > ceiling {
                reader.problem(format!("{name} is {value}, expected at most {above}, which is {ceiling}"));
            }
        }
    }
}

impl Default for Limits {
    /// What holds when nothing is set.
    fn default() -> Self {
        Self::read(&mut Reader::new(|_: &str| None))
    }
}
