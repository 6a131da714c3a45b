//! Work that is dropped half-way, as by a process that dies or whoever loses patience.

use std::{future::poll_fn, task::Poll};

/// Runs some work until it has waited so many times, and then drops it. Whether it was finished before.
pub async fn cut_off<T>(work: impl Future<Output = T>, steps: u32) -> bool {
    let mut work = Box::pin(work);
    let mut waits = 0;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if waits == steps => Poll::Ready(false),
        Poll::Pending => {
            waits += 1;
            Poll::Pending
        }
    })
    .await
}
