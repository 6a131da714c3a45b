//! What players wrote.

use epitaph_catalog::Feedback;
use epitaph_crash_model::Report;
use epitaph_scrub::ScrubRules;

use super::{Processor, Refusal};
use crate::{payloads, sources};

impl Processor {
    /// Keeps what a player wrote, for the crash that it names.
    pub(super) async fn keep_feedback(&self, report: &Report) -> Result<(), Refusal> {
        let sources = sources::read(&self.bucket, report, self.settings.largest_event).await?;
        let feedback = sources::feedback(report, &sources, None)
            .map_err(|unreadable| Refusal::Dead(unreadable.message))?;
        let scrub = self.rules.current(&self.catalog).await?.scrub(report.project);
        self.add_feedback(feedback, &scrub).await?;
        let attempt = uuid::Uuid::now_v7().simple().to_string();
        // It is no crash, but what rides on its message is counted, once.
        if self.catalog.discard(report.project, report.id, &attempt, &report.outcomes).await? {
            tracing::info!(id = %report.id, project = %report.project, "kept what a player wrote");
            self.forget(&payloads::stored_keys(report)).await;
        }
        Ok(())
    }

    pub(super) async fn add_feedback(
        &self,
        feedback: Vec<Feedback>,
        scrub: &ScrubRules,
    ) -> Result<(), Refusal> {
        let scrubbed = |text: &str| epitaph_scrub::scrub_text(text, scrub).into_owned();
        for one in feedback {
            let name = one.name.as_deref().map(scrubbed);
            let comments = scrubbed(&one.comments);
            self.catalog.add_feedback(&Feedback { name, comments, ..one }).await?;
        }
        Ok(())
    }
}
