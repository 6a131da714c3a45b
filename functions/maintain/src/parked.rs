//! Messages that the queue did not take when their reports came.

use epitaph_bucket::{BucketError, Key};
use epitaph_crash_model::Message;
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

/// The largest parked message, in bytes; the largest that any queue takes is smaller.
const LARGEST: u64 = 64 << 20;
/// The lease is renewed after so many messages.
const RENEW_EVERY: u64 = 50;

/// Sends on every parked message, until the queue refuses one. A message is deleted when the queue has it: dying in
/// between means that it is sent twice, and counted once. What can never be sent on becomes a dead letter, or stays
/// where it is; it holds up nothing behind it.
pub(crate) async fn send_on(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut sent = 0;
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
                    tracing::warn!(%error, sent, "the queue does not take parked messages yet");
                    return Ok(sent);
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
