//! The body of `POST /api/{project}/store/`: one event.

use epitaph_crash_model::Role;
use epitaph_ingest::{Cause, Refusal, body::BodyReader, draft::Draft, inflate::Packing};

use crate::{
    payload::{JsonPayload, no_files},
    unpack::{UnpackError, Unpacker},
};

/// Receives the body as an event into the draft.
///
/// # Errors
/// Why it is not a report.
pub(crate) async fn receive(
    draft: &mut Draft,
    reader: &mut BodyReader,
    event_limit: u64,
) -> Result<(), Refusal> {
    let name = "event.json";
    // What comes as base64 is unpacked here, whatever the body's own encoding.
    let _memory = draft.memory_for_inflating(Packing::Deflate).await?;
    let Some(mut event) = JsonPayload::begin(draft, Role::Event, name.to_owned(), event_limit) else {
        return Err(no_files(name));
    };
    if let Err(refusal) = read(&mut event, reader).await {
        event.abort().await;
        return Err(refusal);
    }
    event.end(draft).await?.map_or(Ok(()), Err)
}

async fn read(event: &mut JsonPayload, reader: &mut BodyReader) -> Result<(), Refusal> {
    let mut unpacker = Unpacker::default();
    while let Some(bytes) = reader.next().await? {
        unpacker.push(bytes).map_err(malformed)?;
        unpack(event, &mut unpacker).await?;
    }
    unpacker.close().map_err(malformed)?;
    unpack(event, &mut unpacker).await
}

async fn unpack(event: &mut JsonPayload, unpacker: &mut Unpacker) -> Result<(), Refusal> {
    while let Some(piece) = unpacker.pull().map_err(malformed)? {
        event.write(piece).await?;
    }
    Ok(())
}

fn malformed(error: UnpackError) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the event cannot be read: {error}"))
}
