//! What envelopes carry beside crashes, which is counted and not collected.

/// What is not collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Category {
    Session,
    Transaction,
    Span,
    Profile,
    Replay,
    CheckIn,
    Log,
    Metric,
    /// What a client says that it could not send. It is no larger than this, so nobody is asked to stop.
    ClientReport,
    /// Attachments of an event that did not come with them.
    Attachment,
    Unknown,
}

/// For how long a client need not ask again, in seconds.
const PAUSE: u32 = 3600;

impl Category {
    const ALL: [Self; 11] = [
        Self::Session,
        Self::Transaction,
        Self::Span,
        Self::Profile,
        Self::Replay,
        Self::CheckIn,
        Self::Log,
        Self::Metric,
        Self::ClientReport,
        Self::Attachment,
        Self::Unknown,
    ];

    /// The word in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Span => "span",
            Self::Profile => "profile",
            Self::Replay => "replay",
            Self::CheckIn => "check_in",
            Self::Log => "log",
            Self::Metric => "metric",
            Self::ClientReport => "client_report",
            Self::Attachment => "attachment",
            Self::Unknown => "unknown",
        }
    }

    /// The categories that a client knows these by. Where SDKs differ, all of their names.
    fn asked_not_to_send(self) -> Option<&'static str> {
        Some(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Span => "span",
            Self::Profile => "profile;profile_chunk;profile_chunk_ui",
            Self::Replay => "replay",
            Self::CheckIn => "monitor",
            Self::Log => "log_item;log_byte",
            Self::Metric => "metric;trace_metric;metric_bucket",
            // A client that may not send attachments would leave them out of its events, and what is not known may be
            // wanted tomorrow.
            Self::ClientReport | Self::Attachment | Self::Unknown => return None,
        })
    }
}

/// Counts what was declined in one request.
#[derive(Debug, Default)]
pub(crate) struct Declined {
    counts: [u64; Category::ALL.len()],
}

impl Declined {
    pub(crate) fn count(&mut self, category: Category) {
        self.counts[category as usize] += 1;
    }

    /// The words and the numbers, for the metrics.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.seen().map(|category| (category.as_str(), self.counts[category as usize]))
    }

    /// The value of `X-Sentry-Rate-Limits` that asks the client not to send more of it; `None` if there is no need.
    pub(crate) fn rate_limits(&self) -> Option<String> {
        let categories: Vec<_> = self.seen().filter_map(Category::asked_not_to_send).collect();
        (!categories.is_empty()).then(|| format!("{PAUSE}:{}:organization", categories.join(";")))
    }

    fn seen(&self) -> impl Iterator<Item = Category> + '_ {
        Category::ALL.into_iter().filter(|&category| self.counts[category as usize] > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_asked_not_to_send_what_was_declined_and_nothing_else() {
        let mut declined = Declined::default();
        assert_eq!(declined.rate_limits(), None);
        declined.count(Category::Unknown);
        declined.count(Category::ClientReport);
        declined.count(Category::Attachment);
        assert_eq!(declined.rate_limits(), None);
        declined.count(Category::Session);
        declined.count(Category::Session);
        assert_eq!(declined.rate_limits().as_deref(), Some("3600:session:organization"));
        declined.count(Category::Replay);
        assert_eq!(declined.rate_limits().as_deref(), Some("3600:session;replay:organization"));
        assert!(declined.counts().eq([
            ("session", 2),
            ("replay", 1),
            ("client_report", 1),
            ("attachment", 1),
            ("unknown", 1)
        ]));
    }

    #[test]
    fn every_category_has_a_place_of_its_own() {
        for (at, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, at);
        }
    }
}
