//! The memory that all requests of a process share.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Cause, Refusal, inflate::Packing};

/// Memory is handed out in pieces of this many bytes.
const PIECE: u64 = 1024;
/// A decoder that takes no more than this is a small one.
const SMALL: u64 = 64 * PIECE;
/// At most so many small decoders at once: 192 MiB if every one of them is held by a slow client.
const SMALL_DECODERS: usize = 4096;
/// How long a request waits for memory that others hold.
const PATIENCE: Duration = Duration::from_secs(2);

/// A number of bytes that all requests together may hold. Cheap to clone; all clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    pieces: Arc<Semaphore>,
    /// Decoders so small that they are counted rather than weighed: a slow client that holds one must not be able to
    /// keep all others out.
    small_decoders: Arc<Semaphore>,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    permit: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let pieces = usize::try_from(bytes / PIECE).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            pieces: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))),
            small_decoders: Arc::new(Semaphore::new(SMALL_DECODERS)),
        }
    }

    /// An empty share, to grow.
    pub fn share(&self) -> Option<Share> {
        Arc::clone(&self.pieces).try_acquire_many_owned(0).ok().map(|permit| Share { permit })
    }

    /// A share of so many bytes, waiting a while for it; `None` if others still hold too much then.
    pub async fn wait_for(&self, bytes: u64, patience: Duration) -> Option<Share> {
        let acquire = Arc::clone(&self.pieces).acquire_many_owned(pieces(bytes));
        let permit = tokio::time::timeout(patience, acquire).await.ok()?.ok()?;
        Some(Share { permit })
    }

    /// The memory that a decoder takes, waiting a little where others hold it.
    ///
    /// # Errors
    /// [`Cause::Busy`] where it did not come free.
    pub async fn for_inflating(&self, packing: Packing) -> Result<Share, Refusal> {
        let share = if packing.memory() <= SMALL {
            let acquire = Arc::clone(&self.small_decoders).acquire_owned();
            let acquired = tokio::time::timeout(PATIENCE, acquire).await.ok().and_then(Result::ok);
            acquired.map(|permit| Share { permit })
        } else {
            self.wait_for(packing.memory(), PATIENCE).await
        };
        share.ok_or_else(|| {
            Refusal::new(Cause::Busy, "too many packed requests are being read: try again later")
        })
    }
}

impl Share {
    /// Grows to hold so many bytes in all; `false`, and unchanged, if others hold too much.
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let missing = (pieces(bytes) as usize).saturating_sub(self.permit.num_permits());
        if missing == 0 {
            return true;
        }
        let Ok(missing) = u32::try_from(missing) else { return false };
        match Arc::clone(self.permit.semaphore()).try_acquire_many_owned(missing) {
            Ok(more) => {
                self.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }
}

fn pieces(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shares_never_exceed_the_budget_and_are_given_back() {
        let budget = Budget::new(10 * PIECE);
        let mut share = budget.share().unwrap();
        assert!(share.grow_to(8 * PIECE) && share.grow_to(3));
        assert!(!budget.share().unwrap().grow_to(2 * PIECE + 1));
        assert!(budget.wait_for(3 * PIECE, Duration::from_secs(2)).await.is_none());
        drop(share);
        assert!(budget.wait_for(10 * PIECE, Duration::from_secs(2)).await.is_some());
    }
}
