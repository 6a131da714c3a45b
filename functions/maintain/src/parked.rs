//! Messages that the queue did not take when their reports came.

use epitaph_bucket::{BucketError, Key};
use epitaph_crash_model::Message;
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

/// The largest parked message, in bytes; the largest that any queue takes is smaller.
const LARGEST: u64 = 64 << 20;
/// A queue that refuses so many is down. One that refuses fewer has something against those: a broker may answer 5xx to
/// a message that it cannot store, and nothing behind it should wait for that.
const MOST_REFUSED: u32 = 3;
/// The lease is renewed after so many messages.
const RENEW_EVERY: u64 = 50;

/// Sends on every parked message, until the queue refuses several. A message is deleted when the queue has it: dying in
/// between means that it is sent twice, and counted once. What can never be sent on becomes a dead letter, or stays
/// where it is; it holds up nothing behind it.
pub(crate) async fn send_on(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let (mut sent, mut refused) = (0, 0);
    let mut objects = maintenance.bucket.list(&Key::all_parked());
    while let Some(object) = objects.try_next().await? {
        let bytes = match maintenance.bucket.get(&object.key, LARGEST).await {
            Err(BucketError::NotFound(_)) => continue, // sent on by another run
            Err(error @ BucketError::TooLarge { .. }) => {
                tracing::error!(%error, "a parked object is no message; it stays where it is");
                continue;
            }
            read => read?,
        };
        let message = serde_json::from_slice::<Message>(&bytes).ok();
        let place = object.key.to_string();
        match message.filter(|message| maintenance.settings.message_secret.is_signed(message)) {
            Some(message) => match maintenance.queue.send(&message).await {
                Ok(()) => {
                    sent += 1;
                    if sent % RENEW_EVERY == 0 && !maintenance.lease_parked().await? {
                        return Ok(sent); // too slow: another instance has taken over
                    }
                }
                Err(error) if error.is_of_the_message() => {
                    maintenance.dead.bury(bytes.to_vec(), &place, &error.to_string(), 0).await?;
                }
                Err(error) => {
                    refused += 1;
                    tracing::warn!(%error, sent, id = message.id, "the queue does not take a parked message yet");
                    if refused >= MOST_REFUSED {
                        return Ok(sent);
                    }
                    continue;
                }
            },
            None => {
                let reason = "a parked object is not a message of this installation";
                maintenance.dead.bury(bytes.to_vec(), &place, reason, 0).await?;
            }
        }
        maintenance.bucket.delete(&object.key).await?;
    }
    Ok(sent)
}
