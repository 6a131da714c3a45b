//! The body, unpacked: CrashReportClient packs it with zlib, and no header says so.

use bytes::{Bytes, BytesMut};
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    budget::{Budget, Share},
    inflate::{Inflater, Packing},
};

/// Reads a body, and unpacks it if it is packed, within the limit of a request.
pub(crate) struct Unpacked<'a> {
    reader: &'a mut BodyReader,
    budget: Budget,
    stage: Stage,
    /// Bytes given out so far.
    given: u64,
    limit: u64,
    ended: bool,
}

enum Stage {
    /// Fewer than two bytes are here.
    Unknown(BytesMut),
    Packed {
        inflater: Box<Inflater>,
        /// The decoder's memory.
        _share: Share,
    },
    Plain,
}

impl<'a> Unpacked<'a> {
    pub(crate) fn new(reader: &'a mut BodyReader, budget: Budget, limit: u64) -> Self {
        Self { reader, budget, stage: Stage::Unknown(BytesMut::new()), given: 0, limit, ended: false }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// As [`BodyReader::next`], for the packed body and for what is in it; [`Cause::Busy`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            if let Stage::Packed { inflater, .. } = &mut self.stage {
                let piece = inflater.pull().map_err(|_| {
                    Refusal::new(Cause::Malformed, "the body cannot be unpacked: expected what zlib packed")
                })?;
                if let Some(piece) = piece {
                    tokio::task::coop::consume_budget().await;
                    self.given += piece.len() as u64;
                    return if self.given > self.limit {
                        Err(too_large(self.limit))
                    } else {
                        Ok(Some(piece))
                    };
                }
            }
            if self.ended {
                return Ok(None);
            }
            let Some(piece) = self.reader.next().await? else {
                self.ended = true;
                let whole = match &mut self.stage {
                    Stage::Packed { inflater, .. } => inflater.has_ended(),
                    Stage::Unknown(_) | Stage::Plain => true,
                };
                return if whole {
                    Ok(None)
                } else {
                    Err(Refusal::new(Cause::BrokeOff, "the packed body ends before its own end"))
                };
            };
            match &mut self.stage {
                Stage::Plain => return Ok(Some(piece)),
                Stage::Packed { inflater, .. } => inflater.push(piece),
                Stage::Unknown(head) => {
                    head.extend_from_slice(&piece);
                    let Some(&first) = head.first_chunk::<2>() else { continue };
                    let head = head.split().freeze();
                    if !is_zlib(first) {
                        self.stage = Stage::Plain;
                        return Ok(Some(head));
                    }
                    let share = self.budget.for_inflating(Packing::Deflate).await?;
                    let mut inflater = Box::new(Inflater::new(Packing::Deflate));
                    inflater.push(head);
                    self.stage = Stage::Packed { inflater, _share: share };
                }
            }
        }
    }
}

/// Whether zlib's header begins so (RFC 1950, section 2.2). Neither layout of a container does: `CR`, or a number that
/// is the length of a padded name.
fn is_zlib(first: [u8; 2]) -> bool {
    first[0] & 0x0f == 8 && u16::from_be_bytes(first).is_multiple_of(31)
}

fn too_large(limit: u64) -> Refusal {
    Refusal::new(
        Cause::TooLarge,
        format!(
            "the report is larger than {limit} bytes, unpacked: send less, or raise EPITAPH_LIMIT_REQUEST"
        ),
    )
}
