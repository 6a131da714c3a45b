//! Every text of the pages, once per language.
//!
//! A language is a constant of [`Texts`]: a text that is missing in one of them does not compile.

mod english;
mod korean;
mod statistics;
mod symbols;

use epitaph_catalog::IssueStatus;
use epitaph_crash_model::{Kind, NoteReason, Role, StepDecision, Trust};

pub(crate) use self::{english::ENGLISH, korean::KOREAN};

/// The texts of one language. Functions take what a sentence is about.
pub(crate) struct Texts {
    // Around every page.
    pub(crate) skip_to_content: &'static str,
    pub(crate) main_navigation: &'static str,
    pub(crate) project: &'static str,
    pub(crate) overview: &'static str,
    pub(crate) issues: &'static str,
    pub(crate) connect: &'static str,
    pub(crate) search_label: &'static str,
    pub(crate) search_placeholder: &'static str,
    pub(crate) dark: &'static str,
    pub(crate) light: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) copy: &'static str,
    pub(crate) copied: &'static str,

    // Periods, times and numbers.
    pub(crate) period: &'static str,
    pub(crate) last_hour: &'static str,
    pub(crate) last_24_hours: &'static str,
    pub(crate) last_7_days: &'static str,
    pub(crate) last_30_days: &'static str,
    pub(crate) last_90_days: &'static str,
    pub(crate) just_now: &'static str,
    pub(crate) minutes_ago: fn(u64) -> String,
    pub(crate) hours_ago: fn(u64) -> String,
    pub(crate) days_ago: fn(u64) -> String,
    pub(crate) seconds: fn(u64) -> String,
    pub(crate) minutes: fn(u64, u64) -> String,
    pub(crate) hours: fn(u64, u64) -> String,
    pub(crate) bar: fn(&str, &str) -> String,
    pub(crate) chart: fn(&str, &str) -> String,

    // Lists and statistics.
    pub(crate) issue: &'static str,
    pub(crate) crash: &'static str,
    pub(crate) crashes: &'static str,
    pub(crate) users: &'static str,
    pub(crate) trend: &'static str,
    pub(crate) first_seen: &'static str,
    pub(crate) last_seen: &'static str,
    pub(crate) releases: &'static str,
    pub(crate) received: &'static str,
    pub(crate) occurred: &'static str,
    pub(crate) release: &'static str,
    pub(crate) environment: &'static str,
    pub(crate) system: &'static str,
    pub(crate) uptime: &'static str,
    pub(crate) order: &'static str,
    pub(crate) by_count: &'static str,
    pub(crate) by_last_seen: &'static str,
    pub(crate) by_first_seen: &'static str,
    pub(crate) active_issues: &'static str,
    pub(crate) new_issues: &'static str,
    pub(crate) new: &'static str,
    pub(crate) top_issues: &'static str,
    pub(crate) all_issues: &'static str,
    pub(crate) latest_crashes: &'static str,
    pub(crate) others: &'static str,
    pub(crate) not_told: &'static str,
    pub(crate) nothing_in_period: &'static str,
    pub(crate) look_further_back: &'static str,
    pub(crate) no_more_crashes: &'static str,
    pub(crate) older: &'static str,
    pub(crate) newest: &'static str,
    pub(crate) against_before: fn(&str) -> String,
    pub(crate) only_first: fn(u32) -> String,

    pub(crate) statistics: statistics::Statistics,
    pub(crate) symbols: symbols::Symbols,

    // One crash.
    pub(crate) at_address: &'static str,
    pub(crate) unreadable: &'static str,
    pub(crate) unreadable_heading: &'static str,
    pub(crate) unreadable_text: &'static str,
    pub(crate) document_gone: &'static str,
    /// By a rule of this name.
    pub(crate) only_counted: fn(&str) -> String,
    pub(crate) counted: &'static str,
    pub(crate) kept_nearby: &'static str,
    pub(crate) see_the_issue: &'static str,
    pub(crate) assertion: &'static str,
    pub(crate) not_kept: &'static str,
    pub(crate) crashing_thread: &'static str,
    pub(crate) other_threads: &'static str,
    pub(crate) thread: fn(usize, u64, Option<&str>) -> String,
    pub(crate) frames: fn(usize) -> String,
    pub(crate) frames_left_out: fn(usize) -> String,
    pub(crate) threads_left_out: fn(usize) -> String,
    pub(crate) no_frames: &'static str,
    pub(crate) function: &'static str,
    pub(crate) source: &'static str,
    pub(crate) offset: &'static str,
    pub(crate) trust: &'static str,
    pub(crate) inlined: &'static str,
    pub(crate) in_signature: &'static str,
    pub(crate) registers: &'static str,
    pub(crate) modules: &'static str,
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
    pub(crate) addresses: &'static str,
    pub(crate) debug_id: &'static str,
    pub(crate) annotations: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) cut: &'static str,
    pub(crate) facts: &'static str,
    pub(crate) operating_system: &'static str,
    pub(crate) processor: &'static str,
    pub(crate) cores: fn(u32) -> String,
    pub(crate) device: &'static str,
    pub(crate) gpu: &'static str,
    pub(crate) user: &'static str,
    pub(crate) stands_for: &'static str,
    pub(crate) reports: fn(u32) -> String,
    pub(crate) client: &'static str,
    pub(crate) files: &'static str,
    pub(crate) files_note: &'static str,
    pub(crate) signature: &'static str,
    pub(crate) how_signed: &'static str,
    pub(crate) exceptions: &'static str,
    pub(crate) caused_by: &'static str,
    pub(crate) handled: &'static str,
    pub(crate) not_handled: &'static str,
    pub(crate) stack_of_exception: &'static str,
    pub(crate) in_app: &'static str,
    pub(crate) foreign_frames: fn(usize) -> String,
    pub(crate) message: &'static str,
    pub(crate) player_wrote: &'static str,
    pub(crate) breadcrumbs: &'static str,
    pub(crate) older_left_out: fn(usize) -> String,
    pub(crate) time: &'static str,
    pub(crate) category: &'static str,
    pub(crate) level: &'static str,
    pub(crate) tags: &'static str,
    pub(crate) contexts: &'static str,
    pub(crate) build: &'static str,
    pub(crate) player: &'static str,
    pub(crate) client_id: &'static str,
    pub(crate) aliases: &'static str,
    pub(crate) fingerprint: &'static str,

    // Enumerations.
    pub(crate) kind: fn(Kind) -> &'static str,
    pub(crate) status: fn(IssueStatus) -> &'static str,
    pub(crate) role: fn(Role) -> &'static str,
    pub(crate) trusted: fn(Trust) -> Explained,
    pub(crate) decision: fn(StepDecision) -> &'static str,
    pub(crate) note: fn(NoteReason) -> &'static str,

    // The first crash.
    pub(crate) no_crash_yet: &'static str,
    pub(crate) no_crash_yet_text: &'static str,
    pub(crate) connect_try: &'static str,
    pub(crate) connect_try_text: &'static str,
    pub(crate) connect_crashpad_text: &'static str,
    pub(crate) connect_dsn_text: &'static str,
    pub(crate) connect_unreal_text: &'static str,
    pub(crate) connect_report: &'static str,
    pub(crate) connect_report_text: &'static str,
    pub(crate) connect_key_text: &'static str,
    pub(crate) no_key: &'static str,

    // Doors.
    pub(crate) sign_in: &'static str,
    pub(crate) sign_in_text: &'static str,
    pub(crate) token: &'static str,
    pub(crate) wrong_token: &'static str,
    pub(crate) to_overview: &'static str,

    // What went wrong, and what to do.
    pub(crate) no_such_page: Advice,
    pub(crate) no_such_project: Advice,
    pub(crate) no_such_issue: Advice,
    pub(crate) no_such_crash: Advice,
    pub(crate) no_such_file: Advice,
    pub(crate) not_an_id: Advice,
    pub(crate) bad_request: Advice,
    pub(crate) foreign_origin: Advice,
    pub(crate) wrong_method: Advice,
    pub(crate) too_large: Advice,
    pub(crate) unavailable: Advice,
    pub(crate) broken: Advice,
}

/// A word, and what it means.
#[derive(Clone, Copy)]
pub(crate) struct Explained {
    pub(crate) word: &'static str,
    pub(crate) meaning: &'static str,
}

/// What is wrong, and what to do.
#[derive(Clone, Copy)]
pub(crate) struct Advice {
    pub(crate) heading: &'static str,
    pub(crate) advice: &'static str,
}
