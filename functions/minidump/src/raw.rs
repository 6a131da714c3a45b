//! A body that is the minidump itself.

use epitaph_crash_model::Role;
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    draft::Draft,
    dump::DumpWriter,
    file::{FileError, FileHead},
};

pub(crate) const MINIDUMP_FIELD: &str = "upload_file_minidump";

/// Receives the body as a minidump into the draft.
pub(crate) async fn receive(draft: &mut Draft, reader: &mut BodyReader) -> Result<(), Refusal> {
    let head = FileHead { role: Role::Minidump, name: MINIDUMP_FIELD.to_owned(), content_type: None };
    let Some(file) = draft.begin_file(head) else { return Err(no_files()) };
    let mut dump = DumpWriter::new(file);
    loop {
        let written = match reader.next().await {
            Ok(Some(piece)) => dump.write(piece).await,
            Ok(None) => return keep(draft, dump).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = written {
            dump.abort().await;
            return Err(refusal);
        }
    }
}

/// Adds a minidump that is whole to the draft.
pub(crate) async fn keep(draft: &mut Draft, dump: DumpWriter) -> Result<(), Refusal> {
    draft.add_file(dump.finish()?).await.map_err(|error| match error {
        FileError::Refused(refusal) => refusal,
        FileError::TooLarge => Refusal::new(Cause::TooLarge, "the minidump is too large"),
    })
}

pub(crate) fn no_files() -> Refusal {
    Refusal::new(Cause::TooLarge, "the minidump came after more files than a report may have")
}
