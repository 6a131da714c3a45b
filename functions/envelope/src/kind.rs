//! What an item of an envelope is for.

use epitaph_crash_model::Role;

use crate::{declined::Category, parser::ItemHead};

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// An event, or what a player wrote: JSON.
    Json(Role),
    /// A file with a role that is certain.
    File(Role),
    /// A file that is a minidump if it begins like one.
    MinidumpPerhaps {
        /// The client says that it is one.
        declared: bool,
    },
    /// Counted, and not kept.
    Declined(Category),
}

impl ItemKind {
    /// What an item with this header is. Attachments say what they are by the item's type, by their own type, or by
    /// the names that Sentry's native SDKs give their files.
    pub(crate) fn of(head: &ItemHead) -> Self {
        match head.kind.as_str() {
            "event" => Self::Json(Role::Event),
            "user_report" | "feedback" => Self::Json(Role::Feedback),
            "attachment" => Self::of_attachment(head.attachment_type.as_deref().unwrap_or_default(), head),
            "session" | "sessions" => Self::Declined(Category::Session),
            "transaction" => Self::Declined(Category::Transaction),
            "span" => Self::Declined(Category::Span),
            "profile" | "profile_chunk" => Self::Declined(Category::Profile),
            "replay_event" | "replay_recording" | "replay_video" => Self::Declined(Category::Replay),
            "check_in" => Self::Declined(Category::CheckIn),
            "log" | "otel_log" => Self::Declined(Category::Log),
            "metric" | "trace_metric" | "statsd" | "metric_buckets" | "metric_meta" => {
                Self::Declined(Category::Metric)
            }
            "client_report" => Self::Declined(Category::ClientReport),
            attachment @ ("event.attachment"
            | "event.minidump"
            | "event.view_hierarchy"
            | "view_hierarchy"
            | "unreal.context"
            | "unreal.logs") => Self::of_attachment(attachment, head),
            _ => Self::Declined(Category::Unknown),
        }
    }

    fn of_attachment(attachment: &str, head: &ItemHead) -> Self {
        let name = head.filename.as_deref().unwrap_or_default();
        match (attachment, name) {
            ("event.minidump", _) => Self::MinidumpPerhaps { declared: true },
            ("unreal.context", _) => Self::File(Role::UnrealContext),
            ("event.payload", _) | (_, "__sentry-event") => Self::File(Role::EventMsgpack),
            ("event.breadcrumbs", _) | (_, "__sentry-breadcrumb1" | "__sentry-breadcrumb2") => {
                Self::File(Role::BreadcrumbsMsgpack)
            }
            _ if has_suffix(name, ".dmp") => Self::MinidumpPerhaps { declared: false },
            _ => Self::File(Role::Attachment),
        }
    }
}

fn has_suffix(name: &str, suffix: &str) -> bool {
    let start = name.len().checked_sub(suffix.len());
    start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// The name of an item that gives none.
pub(crate) fn name_of(head: &ItemHead) -> String {
    let given = match head.kind.as_str() {
        "event" | "user_report" | "feedback" => None,
        _ => head.filename.clone(),
    };
    given.unwrap_or_else(|| {
        let what = match head.kind.as_str() {
            "attachment" => head.attachment_type.as_deref().unwrap_or("attachment"),
            kind => kind,
        };
        match what {
            "event" => "event.json",
            "user_report" => "user_report.json",
            "feedback" => "feedback.json",
            "event.minidump" => "minidump.dmp",
            "event.view_hierarchy" | "view_hierarchy" => "view-hierarchy.json",
            "event.payload" => "__sentry-event",
            "event.breadcrumbs" => "__sentry-breadcrumb1",
            "unreal.context" => "CrashContext.runtime-xml",
            "unreal.logs" => "unreal.log",
            _ => "attachment",
        }
        .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(kind: &str, attachment: Option<&str>, name: Option<&str>) -> (ItemKind, String) {
        let head = ItemHead {
            kind: kind.into(),
            attachment_type: attachment.map(Into::into),
            filename: name.map(Into::into),
            ..ItemHead::default()
        };
        (ItemKind::of(&head), name_of(&head))
    }

    #[test]
    fn items_are_known_by_their_types_and_attachments_by_theirs_or_by_their_names() {
        let minidump = ItemKind::MinidumpPerhaps { declared: true };
        for ((item, attachment, name), expected, shown) in [
            (("event", None, Some("x.json")), ItemKind::Json(Role::Event), "event.json"),
            (("user_report", None, None), ItemKind::Json(Role::Feedback), "user_report.json"),
            (("feedback", None, None), ItemKind::Json(Role::Feedback), "feedback.json"),
            (("attachment", None, None), ItemKind::File(Role::Attachment), "attachment"),
            (
                ("attachment", Some("event.attachment"), Some("game.log")),
                ItemKind::File(Role::Attachment),
                "game.log",
            ),
            (("attachment", Some("event.minidump"), None), minidump, "minidump.dmp"),
            (("event.minidump", None, Some("a.dmp")), minidump, "a.dmp"),
            (("attachment", None, Some("A.DMP")), ItemKind::MinidumpPerhaps { declared: false }, "A.DMP"),
            (("attachment", None, Some("dmp")), ItemKind::File(Role::Attachment), "dmp"),
            (("attachment", None, Some("ä.p")), ItemKind::File(Role::Attachment), "ä.p"),
            (
                ("attachment", Some("unreal.context"), None),
                ItemKind::File(Role::UnrealContext),
                "CrashContext.runtime-xml",
            ),
            (("unreal.context", None, Some("c.xml")), ItemKind::File(Role::UnrealContext), "c.xml"),
            (("unreal.logs", None, None), ItemKind::File(Role::Attachment), "unreal.log"),
            (("view_hierarchy", None, None), ItemKind::File(Role::Attachment), "view-hierarchy.json"),
            (
                ("attachment", None, Some("__sentry-event")),
                ItemKind::File(Role::EventMsgpack),
                "__sentry-event",
            ),
            (
                ("attachment", None, Some("__sentry-breadcrumb2")),
                ItemKind::File(Role::BreadcrumbsMsgpack),
                "__sentry-breadcrumb2",
            ),
            (("sessions", None, None), ItemKind::Declined(Category::Session), "attachment"),
            (("replay_video", None, None), ItemKind::Declined(Category::Replay), "attachment"),
            (("something new", None, Some("a.dmp")), ItemKind::Declined(Category::Unknown), "a.dmp"),
        ] {
            assert_eq!(
                kind(item, attachment, name),
                (expected, shown.to_owned()),
                "{item} {attachment:?} {name:?}"
            );
        }
    }
}
