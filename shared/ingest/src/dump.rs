//! A minidump as it comes: checked to be one from its first bytes, and inflated if it is packed.

use bytes::{Bytes, BytesMut};

use crate::{
    Cause, Refusal,
    budget::Share,
    file::{FileError, FileWriter},
    inflate::{Inflater, Packing},
};

/// The first bytes of a minidump, in little-endian and in big-endian order.
const MAGIC: [&[u8; 4]; 2] = [b"MDMP", b"PMDM"];

/// A minidump that is being received.
pub struct DumpWriter {
    file: FileWriter,
    head: BytesMut,
    stage: Stage,
}

enum Stage {
    /// Fewer than four bytes are here.
    Unknown,
    Packed {
        inflater: Box<Inflater>,
        /// The decoder's memory.
        _share: Share,
    },
    Plain,
}

impl DumpWriter {
    /// Receives a minidump into a file.
    pub fn new(file: FileWriter) -> Self {
        Self { file, head: BytesMut::new(), stage: Stage::Unknown }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Cause::NotAMinidump`] as soon as that is certain, [`Cause::TooLarge`] as soon as it is larger, unpacked, than a
    /// file may be, [`Cause::Malformed`] where it is not packed as it claims or takes too much memory to unpack,
    /// [`Cause::Busy`] where others hold that memory, [`Cause::Unavailable`].
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Refusal> {
        match &mut self.stage {
            Stage::Plain => self.append(piece).await,
            Stage::Packed { inflater, .. } => {
                inflater.push(piece);
                self.inflate().await
            }
            Stage::Unknown => {
                self.head.extend_from_slice(&piece);
                let Some(&first) = self.head.first_chunk::<4>() else { return Ok(()) };
                let head = self.head.split().freeze();
                match Packing::of_magic(first) {
                    Some(packing) => {
                        let share = self.file.budget().for_inflating(packing).await?;
                        let mut inflater = Box::new(Inflater::new(packing));
                        inflater.push(head);
                        self.stage = Stage::Packed { inflater, _share: share };
                        self.inflate().await
                    }
                    None => {
                        check_magic(first)?;
                        self.stage = Stage::Plain;
                        self.append(head).await
                    }
                }
            }
        }
    }

    async fn inflate(&mut self) -> Result<(), Refusal> {
        let Stage::Packed { inflater, .. } = &mut self.stage else { return Ok(()) };
        loop {
            let piece = inflater.pull();
            let piece = piece.map_err(|_| cannot_unpack())?;
            let Some(piece) = piece else { return Ok(()) };
            // Unpacked, the head is collected anew: the magic may be split over two pieces.
            let piece = if self.file.is_empty() {
                self.head.extend_from_slice(&piece);
                let Some(&first) = self.head.first_chunk::<4>() else { continue };
                check_magic(first)?;
                self.head.split().freeze()
            } else {
                piece
            };
            tokio::task::coop::consume_budget().await;
            self.file.write(piece).await.map_err(|error| refusal(error, self.file.limit()))?;
        }
    }

    async fn append(&mut self, piece: Bytes) -> Result<(), Refusal> {
        self.file.write(piece).await.map_err(|error| refusal(error, self.file.limit()))
    }

    /// The minidump is whole. One that is packed and ends too early is kept as far as it goes: the client has no
    /// better one, and a crash that cannot be read says more than none.
    ///
    /// # Errors
    /// [`Cause::NotAMinidump`] if nothing came that could be one.
    pub fn finish(self) -> Result<FileWriter, Refusal> {
        if self.file.is_empty() { Err(not_a_minidump()) } else { Ok(self.file) }
    }

    /// Gives it up.
    pub async fn abort(self) {
        self.file.abort().await;
    }
}

/// Whether a file that begins so is a minidump, not packed.
pub fn is_minidump(first: [u8; 4]) -> bool {
    MAGIC.contains(&&first)
}

fn check_magic(first: [u8; 4]) -> Result<(), Refusal> {
    if is_minidump(first) { Ok(()) } else { Err(not_a_minidump()) }
}

fn not_a_minidump() -> Refusal {
    Refusal::new(
        Cause::NotAMinidump,
        "this is not a minidump: expected one that begins with MDMP (plain, or packed with gzip, zstd, xz or bzip2)",
    )
}

fn cannot_unpack() -> Refusal {
    Refusal::new(
        Cause::Malformed,
        "the packed minidump cannot be unpacked: it is damaged, or takes more memory than a minidump may (zstd \
         windows of 8 MiB, xz dictionaries of 16 MiB)",
    )
}

fn refusal(error: FileError, limit: u64) -> Refusal {
    match error {
        FileError::Refused(refusal) => refusal,
        FileError::TooLarge => Refusal::new(
            Cause::TooLarge,
            format!(
                "the minidump is larger than {limit} bytes (unpacked): write a smaller one, or raise EPITAPH_LIMIT_FILE"
            ),
        ),
    }
}
