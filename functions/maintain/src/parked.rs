//! Messages that the queue did not take when their reports came.

use epitaph_bucket::{BucketError, Key};
use epitaph_crash_model::Message;
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

/// The largest parked message, in bytes; the largest that any queue takes is smaller.
const LARGEST: u64 = 64 << 20;

/// Sends on every parked message, until the queue refuses one. A message is deleted when the queue has it: dying in
/// between means that it is sent twice, and counted once.
pub(crate) async fn send_on(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut sent = 0;
    let mut objects = maintenance.bucket.list(&Key::all_parked());
    while let Some(object) = objects.try_next().await? {
        let bytes = match maintenance.bucket.get(&object.key, LARGEST).await {
            Err(BucketError::NotFound(_)) => continue, // sent on by another run
            read => read?,
        };
        let message = serde_json::from_slice::<Message>(&bytes).ok();
        match message.filter(|message| maintenance.settings.message_secret.is_signed(message)) {
            Some(message) => {
                if let Err(error) = maintenance.queue.send(&message).await {
                    tracing::warn!(%error, sent, "the queue does not take parked messages yet");
                    return Ok(sent);
                }
                sent += 1;
            }
            None => {
                let reason = "a parked object is not a message of this installation";
                maintenance.dead.bury(bytes.to_vec(), reason, 0).await?;
            }
        }
        maintenance.bucket.delete(&object.key).await?;
    }
    Ok(sent)
}
