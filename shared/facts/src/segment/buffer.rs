//! The facts of a row group while it is gathered: each text once, and codes.

use epitaph_crash_model::Fact;
use indexmap::{IndexMap, IndexSet};

use super::{
    codes::{ENTRY, Interned},
    schema::{TEXTS, text_of, user_bytes},
};

/// What a fact takes in memory beside its texts and tags.
const FACT: usize = 16 + 9 + 8 + 8 + 9 + 4 + 2 + 4 * (TEXTS.len() + 2);

#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) received: Vec<i64>,
    pub(super) occurred: Vec<i64>,
    pub(super) crashes: Vec<[u8; 16]>,
    pub(super) weights: Vec<u32>,
    pub(super) signatures: Interned,
    pub(super) kinds: Interned,
    pub(super) texts: [Interned; TEXTS.len()],
    pub(super) unreadable: Vec<bool>,
    pub(super) foreground: Vec<Option<bool>>,
    pub(super) uptimes: Vec<Option<i64>>,
    pub(super) users: Interned,
    pub(super) tags: IndexMap<Box<str>, Tag>,
    bytes: usize,
}

/// A tag: its values, and which rows have which.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) values: IndexSet<Box<[u8]>>,
    /// Ascending by row.
    pub(super) entries: Vec<(u32, u32)>,
}

impl Buffer {
    pub(super) fn push(&mut self, fact: &Fact) {
        let row = u32::try_from(self.received.len()).unwrap_or(u32::MAX);
        self.received.push(fact.received_at.as_millis());
        self.occurred.push(fact.occurred_at.as_millis());
        self.crashes.push(*fact.crash_id.as_bytes());
        self.weights.push(fact.weight);
        self.unreadable.push(fact.unreadable);
        self.foreground.push(fact.foreground);
        self.uptimes.push(fact.uptime_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)));
        let mut taken = FACT;
        taken += self.signatures.push(Some(fact.signature.as_bytes()));
        taken += self.kinds.push(Some(fact.kind.as_str().as_bytes()));
        for (column, texts) in TEXTS.iter().zip(&mut self.texts) {
            taken += texts.push(text_of(fact, *column).map(str::as_bytes));
        }
        taken += self.users.push(user_bytes(fact).as_ref().map(<[u8; 8]>::as_slice));
        for (name, value) in &fact.tags {
            let tag = match self.tags.get_mut(name.as_str()) {
                Some(tag) => tag,
                None => {
                    taken += name.len() + 4 * ENTRY;
                    self.tags.entry(name.as_str().into()).or_default()
                }
            };
            let code = tag.values.get_index_of(value.as_bytes()).unwrap_or_else(|| {
                taken += value.len() + ENTRY;
                tag.values.insert_full(value.as_bytes().into()).0
            });
            tag.entries.push((row, u32::try_from(code).unwrap_or(u32::MAX)));
            taken += 8;
        }
        self.bytes += taken;
    }

    pub(super) fn rows(&self) -> usize {
        self.received.len()
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.received.clear();
        self.occurred.clear();
        self.crashes.clear();
        self.weights.clear();
        self.signatures.clear();
        self.kinds.clear();
        self.texts.iter_mut().for_each(Interned::clear);
        self.unreadable.clear();
        self.foreground.clear();
        self.uptimes.clear();
        self.users.clear();
        self.tags.clear();
        self.bytes = 0;
    }
}
