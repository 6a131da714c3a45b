//! A segment on its way into the bucket.

use std::path::{Path, PathBuf};

use epitaph_crash_model::ProjectId;
use epitaph_facts::{FactsError, Segment, SegmentWriter};

use crate::{Maintenance, MaintenanceError};

/// A segment that is being written.
pub(crate) struct Writing {
    pub(crate) writer: SegmentWriter,
    project: ProjectId,
    name: String,
    file: ScratchFile,
}

impl Writing {
    /// Begins one, under a name that no other has.
    pub(crate) async fn begin(
        maintenance: &Maintenance,
        project: ProjectId,
    ) -> Result<Self, MaintenanceError> {
        let name = uuid::Uuid::now_v7().simple().to_string();
        let directory = directory(maintenance.facts.scratch());
        tokio::fs::create_dir_all(&directory).await.map_err(FactsError::Scratch)?;
        let file = ScratchFile(directory.join(&name));
        // Before there is a file in the bucket, so that none is ever forgotten.
        maintenance.catalog.begin_segment(project, &name).await?;
        Ok(Self { writer: SegmentWriter::new(&file.0, project), project, name, file })
    }

    /// Completes it, and puts its file into the bucket. It is not listed yet. `None` where nothing was written.
    pub(crate) async fn finish(self, maintenance: &Maintenance) -> Result<Option<Segment>, MaintenanceError> {
        let Self { writer, project, name, file } = self;
        let completed = {
            let name = name.clone();
            tokio::task::spawn_blocking(move || writer.finish(&name)).await
        };
        let Some(segment) = completed.map_err(|_| FactsError::Stopped)?? else {
            maintenance.catalog.give_up_segment(project, &name).await?;
            return Ok(None);
        };
        segment.upload(&file.0, &maintenance.bucket).await?;
        Ok(Some(segment))
    }
}

/// A file that goes with this.
struct ScratchFile(PathBuf);

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed when facts are sealed next.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn directory(scratch: &Path) -> PathBuf {
    scratch.join("sealing")
}

/// Removes what a process left behind that died while it wrote.
pub(crate) async fn remove_unfinished(scratch: &Path) -> Result<(), FactsError> {
    match tokio::fs::remove_dir_all(directory(scratch)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FactsError::Scratch(error)),
        _ => Ok(()),
    }
}
