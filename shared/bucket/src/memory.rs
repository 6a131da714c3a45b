//! The memory of uploads, which all uploads of a process share.
//!
//! A remote store takes parts of 5 MiB at least, so what a client sends is gathered until it makes one. Were a whole
//! part reserved for every upload, a few clients that hardly send would keep all others out; were nothing reserved,
//! many uploads that each hold half a part would wait for each other without end. So:
//!
//! - Memory is handed out in small pieces, as bytes come. An upload that holds 300 KiB has taken three pieces.
//! - What is left is always enough for the upload that is nearest to a whole part: only that one may take from it. It
//!   is sent, its pieces come back, and the next one is the nearest.
//! - Where somebody waits, an upload whose client has had its pieces for two seconds *gives way*: what it holds is put
//!   aside in the bucket, as a small object of its own, and read back when the part is whole. It goes on as if
//!   nothing had happened. So a piece is held at the pace of the bucket, and for two seconds at most at a client's.
//! - No more is sent at once than four parts: a slow bucket still takes each in time, and the rest waits for its turn.
//! - Whoever waits does so as long as the bucket takes anything at all. When it has taken nothing for three seconds,
//!   the upload fails.
//!
//! A directory takes parts of any size: there nobody waits, and what finds no memory is written as it comes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use crate::{BucketError, upload::Part};

/// How long a client may hold pieces that others wait for.
const SLOW: Duration = Duration::from_secs(2);
/// How long is waited for memory, or for the turn to send, while the bucket takes nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How many parts, or as much in smaller objects, are sent at once.
const SENDING: usize = 4;
/// How often who waits looks whether somebody has become slow.
const LOOK: Duration = Duration::from_millis(100);

/// Sizes, as the store wants them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Bytes of a piece.
    pub(crate) piece: usize,
    /// Pieces of a part.
    pub(crate) part: usize,
    /// The parts that all uploads may hold together; at least two.
    pub(crate) parts: usize,
    /// Whether every part but the last must be whole.
    pub(crate) whole: bool,
}

impl Shape {
    pub(crate) fn part_bytes(&self) -> usize {
        self.piece * self.part
    }

    /// The most pieces that one upload needs: what was put aside may end inside a piece.
    fn claim(&self) -> usize {
        self.part + 1
    }

    fn total(&self) -> usize {
        self.part * self.parts.max(2)
    }
}

pub(crate) struct Memory {
    pub(crate) shape: Shape,
    state: Mutex<State>,
    /// Pieces that may be on their way to the bucket.
    sending: Semaphore,
}

struct State {
    /// Pieces that nobody has.
    free: usize,
    /// Of these, what was used before.
    spare: Vec<Vec<u8>>,
    holders: HashMap<u64, Holder>,
    /// Who waits, by the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// When the bucket last took something.
    moved: Instant,
}

struct Holder {
    /// Pieces of its part; those that are on their way to the bucket are not among them.
    held: usize,
    /// Since when it waits for its client.
    client: Option<Instant>,
    /// How long it has waited for its client, before that, with this part.
    spent: Duration,
    gives_way: bool,
    part: Weak<tokio::sync::Mutex<Part>>,
}

struct Waiting {
    holder: u64,
    wake: Arc<Notify>,
}

impl State {
    /// The most pieces that one upload holds.
    fn nearest(&self) -> usize {
        self.holders.values().map(|holder| holder.held).max().unwrap_or(0)
    }

    fn may_take(&self, shape: Shape, holder: u64, is_first: bool) -> bool {
        let Some(rest) = self.free.checked_sub(1) else { return false };
        if is_first && rest >= shape.claim() {
            return true;
        }
        let held = self.holders.get(&holder).map_or(0, |holder| holder.held);
        let nearest = self.nearest();
        held == nearest || (is_first && rest + nearest.max(held + 1) >= shape.claim())
    }

    /// Wakes those who may be able to go on.
    fn wake(&self) {
        if self.waiting.is_empty() {
            return;
        }
        let nearest = self.nearest();
        for (order, waiting) in self.waiting.values().enumerate() {
            let held = self.holders.get(&waiting.holder).map_or(0, |holder| holder.held);
            if order == 0 || held == nearest {
                waiting.wake.notify_one();
            }
        }
    }
}

impl Memory {
    pub(crate) fn new(shape: Shape) -> Self {
        let state = State {
            free: shape.total(),
            spare: Vec::new(),
            holders: HashMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
            moved: Instant::now(),
        };
        Self { shape, state: Mutex::new(state), sending: Semaphore::new(SENDING * shape.claim()) }
    }

    /// Whether nobody holds any of it, and nothing is kept for later.
    #[cfg(test)]
    pub(crate) fn is_quiet(&self) -> bool {
        let state = self.state();
        state.free == self.shape.total()
            && state.spare.is_empty()
            && state.holders.is_empty()
            && state.waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No state is left half-changed where something could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters an upload, which holds nothing yet.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let holder =
            Holder { held: 0, client: None, spent: Duration::ZERO, gives_way: false, part: Weak::new() };
        state.holders.insert(id, holder);
        drop(state);
        Place { memory: Arc::clone(self), id }
    }

    fn try_take(self: &Arc<Self>, holder: u64, ticket: Option<u64>) -> Option<Piece> {
        let mut state = self.state();
        let is_first = match (state.waiting.first_key_value(), ticket) {
            (None, _) => true,
            (Some((first, _)), Some(ticket)) => *first == ticket,
            (Some(_), None) => false,
        };
        if !state.may_take(self.shape, holder, is_first) {
            return None;
        }
        state.free -= 1;
        let bytes = state.spare.pop();
        if let Some(holder) = state.holders.get_mut(&holder) {
            holder.held += 1;
        }
        drop(state);
        let bytes = bytes.unwrap_or_else(|| Vec::with_capacity(self.shape.piece));
        Some(Piece { bytes, memory: Arc::clone(self) })
    }

    /// An upload that must give way now, the largest first. Told only to who has waited longest.
    fn slow(&self, ticket: u64) -> Option<(GivingWay<'_>, Arc<tokio::sync::Mutex<Part>>)> {
        let mut state = self.state();
        if state.waiting.first_key_value().is_none_or(|(first, _)| *first != ticket) {
            return None;
        }
        let is_slow = |holder: &Holder| {
            let spent = holder.client.map(|since| holder.spent + since.elapsed());
            holder.held > 0 && !holder.gives_way && spent.is_some_and(|spent| spent >= SLOW)
        };
        let slow = state.holders.iter_mut().filter(|(_, holder)| is_slow(holder));
        let (id, holder) = slow.max_by_key(|(_, holder)| holder.held)?;
        let part = holder.part.upgrade()?;
        holder.gives_way = true;
        Some((GivingWay { memory: self, id: *id }, part))
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        let mut state = self.state();
        state.free += 1;
        if state.free == self.shape.total() {
            // All is quiet: what was needed is not kept.
            state.spare = Vec::new();
        } else {
            bytes.clear();
            state.spare.push(bytes);
        }
        state.wake();
    }
}

/// An upload's place among all that share the memory. Left when this is dropped.
pub(crate) struct Place {
    memory: Arc<Memory>,
    id: u64,
}

impl Place {
    /// Says whose pieces these are.
    pub(crate) fn belongs_to(&self, part: &Arc<tokio::sync::Mutex<Part>>) {
        if let Some(holder) = self.memory.state().holders.get_mut(&self.id) {
            holder.part = Arc::downgrade(part);
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.memory.shape
    }

    /// So many pieces are the upload's now: fewer than before, when some are on their way to the bucket.
    pub(crate) fn holds(&self, pieces: usize) {
        let mut state = self.memory.state();
        if let Some(holder) = state.holders.get_mut(&self.id) {
            holder.held = pieces;
            if pieces == 0 {
                holder.spent = Duration::ZERO;
            }
        }
        state.wake();
    }

    /// From now on the upload does not wait for its client, until what this gives is dropped.
    pub(crate) fn at_work(&self) -> AtWork {
        if let Some(holder) = self.memory.state().holders.get_mut(&self.id)
            && let Some(since) = holder.client.take()
            && holder.held > 0
        {
            holder.spent += since.elapsed();
        }
        AtWork { memory: Arc::clone(&self.memory), id: self.id }
    }

    /// A piece, if there is one at once.
    pub(crate) fn take_now(&self) -> Option<Piece> {
        self.memory.try_take(self.id, None)
    }

    /// The bucket took something.
    pub(crate) fn moved(&self) {
        self.memory.state().moved = Instant::now();
    }

    /// Fails once the bucket has taken nothing for a while, nor since whoever waits began to.
    fn check_moving(&self, since: Instant) -> Result<(), BucketError> {
        let moved = self.memory.state().moved;
        if moved.max(since).elapsed() < PATIENCE { Ok(()) } else { Err(BucketError::Busy) }
    }

    /// The turn to send so many pieces. `since` is when the call began that waits for it.
    ///
    /// # Errors
    /// [`BucketError::Busy`].
    pub(crate) async fn turn_to_send(
        &self,
        pieces: usize,
        since: Instant,
    ) -> Result<SemaphorePermit<'_>, BucketError> {
        let pieces = u32::try_from(pieces.min(self.memory.shape.claim())).unwrap_or(1);
        let mut turn = std::pin::pin!(self.memory.sending.acquire_many(pieces));
        loop {
            match timeout(LOOK, &mut turn).await {
                Ok(turn) => return turn.map_err(|closed| BucketError::Unavailable(Box::new(closed))),
                Err(_) => self.check_moving(since)?,
            }
        }
    }

    /// A piece, once there is one. `since` is when the call began that waits for it.
    ///
    /// # Errors
    /// [`BucketError::Busy`].
    pub(crate) async fn take(&self, since: Instant) -> Result<Piece, BucketError> {
        if let Some(piece) = self.take_now() {
            return Ok(piece);
        }
        let turn = Turn::new(self);
        loop {
            if let Some(piece) = self.memory.try_take(self.id, Some(turn.ticket)) {
                return Ok(piece);
            }
            if let Some((giving_way, part)) = self.memory.slow(turn.ticket) {
                // One that has just begun to work will be through with it soon.
                if let Ok(mut part) = part.try_lock() {
                    part.give_way().await;
                }
                drop(giving_way);
                continue;
            }
            self.check_moving(since)?;
            let _ = timeout(LOOK, turn.wake.notified()).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        state.holders.remove(&self.id);
        state.wake();
    }
}

/// A place in the queue of those who wait.
struct Turn<'a> {
    memory: &'a Memory,
    ticket: u64,
    wake: Arc<Notify>,
}

impl<'a> Turn<'a> {
    fn new(place: &'a Place) -> Self {
        let wake = Arc::new(Notify::new());
        let mut state = place.memory.state();
        let ticket = state.next;
        state.next += 1;
        state.waiting.insert(ticket, Waiting { holder: place.id, wake: Arc::clone(&wake) });
        Self { memory: &place.memory, ticket, wake }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        state.waiting.remove(&self.ticket);
        state.wake();
    }
}

/// While this lives, an upload does not wait for its client.
pub(crate) struct AtWork {
    memory: Arc<Memory>,
    id: u64,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(holder) = self.memory.state().holders.get_mut(&self.id) {
            holder.client = Some(Instant::now());
        }
    }
}

/// While this lives, an upload gives way. Afterwards its client has its time anew, also where the bucket failed.
struct GivingWay<'a> {
    memory: &'a Memory,
    id: u64,
}

impl Drop for GivingWay<'_> {
    fn drop(&mut self) {
        if let Some(holder) = self.memory.state().holders.get_mut(&self.id) {
            holder.gives_way = false;
            holder.spent = Duration::ZERO;
            holder.client = holder.client.map(|_| Instant::now());
        }
    }
}

/// A piece of memory. It comes back when the last reader of its bytes is done with them.
pub(crate) struct Piece {
    bytes: Vec<u8>,
    memory: Arc<Memory>,
}

impl Piece {
    /// The bytes that it still takes.
    pub(crate) fn room(&self) -> usize {
        self.memory.shape.piece - self.bytes.len()
    }

    /// Appends bytes, for which there is room.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.memory.give_back(std::mem::take(&mut self.bytes));
    }
}
