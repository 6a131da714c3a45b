//! The pages in English.

use epitaph_catalog::IssueStatus;
use epitaph_crash_model::{Kind, NoteReason, Role, StepDecision, Trust};

use super::{Advice, Explained, Texts};

/// The pages in English.
pub(crate) const ENGLISH: Texts = Texts {
    skip_to_content: "Skip to the content",
    main_navigation: "Pages of this project",
    project: "Project",
    overview: "Overview",
    issues: "Issues",
    connect: "Send crashes",
    search_label: "Find a crash by its id, or an issue by its number",
    search_placeholder: "Crash id or #issue",
    dark: "Dark",
    light: "Light",
    sign_out: "Sign out",
    copy: "Copy",
    copied: "Copied",

    period: "Period",
    last_hour: "1 hour",
    last_24_hours: "24 hours",
    last_7_days: "7 days",
    last_30_days: "30 days",
    last_90_days: "90 days",
    just_now: "just now",
    minutes_ago: |count| format!("{count} min ago"),
    hours_ago: |count| format!("{count} h ago"),
    days_ago: |count| if count == 1 { "1 day ago".to_owned() } else { format!("{count} days ago") },
    seconds: |seconds| format!("{seconds} s"),
    minutes: |minutes, seconds| format!("{minutes} min {seconds} s"),
    hours: |hours, minutes| format!("{hours} h {minutes} min"),
    bar: |start, count| format!("From {start} UTC: {count} crashes"),
    chart: |total, most| format!("Crashes over time: {total} in all, at most {most} in one bar"),

    issue: "Issue",
    crash: "Crash",
    crashes: "Crashes",
    users: "Users",
    trend: "Trend",
    first_seen: "First seen",
    last_seen: "Last seen",
    releases: "Releases",
    received: "Received",
    occurred: "Occurred",
    release: "Release",
    environment: "Environment",
    system: "System",
    uptime: "Uptime",
    order: "Order",
    by_count: "Most crashes",
    by_last_seen: "Last seen",
    by_first_seen: "Newest",
    active_issues: "Issues",
    new_issues: "New issues",
    new: "new",
    top_issues: "Top issues",
    all_issues: "All issues",
    latest_crashes: "Latest crashes",
    others: "Others",
    not_told: "not told",
    nothing_in_period: "Nothing crashed in this period.",
    look_further_back: "Look at the last 90 days",
    no_more_crashes: "No crashes here. Their details may have expired.",
    older: "Older crashes",
    newest: "Back to the newest",
    against_before: |before| format!("{before} in the period before"),
    only_first: |limit| {
        format!("Only the first {limit} issues are shown. Choose a shorter period to see others.")
    },
    statistics: super::statistics::ENGLISH,
    symbols: super::symbols::ENGLISH,

    at_address: "at",
    unreadable: "unreadable",
    unreadable_heading: "This crash could not be read",
    unreadable_text: "It is counted, and its files are kept: download them and open them with a debugger.",
    document_gone: "The details of this crash are no longer in the bucket. What follows is what the statistics know.",
    only_counted: |rule| {
        format!(
            "This crash was only counted, by the rule {rule} of this project: its issue has had enough of them in that \
             hour. What follows is what the statistics know."
        )
    },
    counted: "only counted",
    kept_nearby: "Kept of the same hour:",
    see_the_issue: "All crashes of the issue",
    assertion: "Failed check",
    not_kept: "Not kept of this report",
    crashing_thread: "Crashing thread",
    other_threads: "Other threads",
    thread: |index, id, name| match name {
        Some(name) => format!("Thread {index}: {name} ({id})"),
        None => format!("Thread {index} ({id})"),
    },
    frames: |count| if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") },
    frames_left_out: |count| format!("{count} frames are left out here. JSON has them all."),
    threads_left_out: |count| format!("{count} more threads are left out here. JSON has them all."),
    no_frames: "no frames",
    function: "Function",
    source: "Source",
    offset: "Offset",
    trust: "Found by",
    inlined: "inlined",
    in_signature: "Part of the signature",
    registers: "Registers",
    modules: "Modules",
    module: "Module",
    version: "Version",
    addresses: "Addresses",
    debug_id: "Debug id",
    annotations: "Annotations",
    name: "Name",
    value: "Value",
    cut: "cut; JSON has it all",
    facts: "Facts",
    operating_system: "Operating system",
    processor: "Processor",
    cores: |count| if count == 1 { "1 core".to_owned() } else { format!("{count} cores") },
    device: "Device",
    gpu: "Graphics",
    user: "User (hashed)",
    stands_for: "Stands for",
    reports: |count| format!("{count} reports"),
    client: "Sent by",
    files: "Files",
    files_note: "Texts are kept without what is private. Minidumps, pictures and other binary files are as the player's \
                 game sent them: they may hold anything.",
    signature: "Signature",
    how_signed: "How it came about",
    exceptions: "Exceptions",
    caused_by: "caused by",
    handled: "handled",
    not_handled: "not handled",
    stack_of_exception: "Its stack",
    in_app: "The game's own code",
    foreign_frames: |count| format!("{count} frames of the engine, of libraries or of the system"),
    message: "Message",
    player_wrote: "The player wrote",
    breadcrumbs: "What happened before",
    older_left_out: |count| format!("{count} older ones are left out here. JSON has them all."),
    time: "Time",
    category: "Category",
    level: "Level",
    tags: "Tags",
    contexts: "Contexts",
    build: "Build",
    player: "Player",
    client_id: "The client's own id",
    aliases: "Also sent as",
    fingerprint: "Grouped by the client as",

    kind: |kind| match kind {
        Kind::Crash => "crash",
        Kind::Hang => "hang",
        Kind::Oom => "out of memory",
        Kind::Assert => "assert",
        Kind::Ensure => "ensure",
        Kind::Error => "error",
    },
    status: |status| match status {
        IssueStatus::Open => "open",
        IssueStatus::Resolved => "resolved",
        IssueStatus::Ignored => "ignored",
    },
    role: |role| match role {
        Role::Minidump => "minidump",
        Role::Event => "Sentry event",
        Role::EventMsgpack => "Sentry event (MessagePack)",
        Role::BreadcrumbsMsgpack => "breadcrumbs (MessagePack)",
        Role::Report => "report",
        Role::UnrealContext => "Unreal's crash context",
        Role::Feedback => "player's words",
        Role::Attachment => "attachment",
    },
    trusted: |trust| match trust {
        Trust::Context => {
            Explained { word: "context", meaning: "From the registers of the thread itself: certain." }
        }
        Trust::Cfi => {
            Explained { word: "CFI", meaning: "From call frame information of the module: reliable." }
        }
        Trust::FramePointer => {
            Explained { word: "frame pointer", meaning: "From the chain of frame pointers: usually right." }
        }
        Trust::CfiScan => Explained {
            word: "CFI scan",
            meaning: "Found by scanning the stack and confirmed by call frame information: probably right.",
        },
        Trust::Scan => Explained {
            word: "scan",
            meaning: "Found by scanning the stack for what looks like a return address: a guess.",
        },
        Trust::Given => Explained { word: "given", meaning: "As the client sent it." },
    },
    decision: |decision| match decision {
        StepDecision::Used => "used",
        StepDecision::Skipped => "skipped",
    },
    note: |reason| match reason {
        NoteReason::NotReadable => "what it says could not be read; the file itself was kept",
        NoteReason::FileTooLarge => "the file was larger than one file may be",
        NoteReason::TooManyFiles => "there were more files than a report may have",
        NoteReason::AnnotationTooLarge => "the annotation was longer, or one more, than is kept",
        NoteReason::RequestTooLarge => "the request grew over its limit; what came before it was kept",
        NoteReason::RequestBrokeOff => "the request broke off or was malformed; what came before was kept",
        NoteReason::SecondMinidump => "a second minidump: it is kept as an attachment, and not unwound",
    },

    no_crash_yet: "No crash yet",
    no_crash_yet_text: "This page fills itself with the first report. Here is how to send one.",
    connect_try: "Try it",
    connect_try_text: "Send any minidump by hand. The answer is the crash id; put it into the search box.",
    connect_crashpad_text: "Give this address to the handler as its upload URL. Nothing else needs to change.",
    connect_dsn_text: "Sentry's SDKs, for native code and for every engine and language, take this as their DSN.",
    connect_unreal_text: "Put these lines into DefaultEngine.ini (Config folder of the project), then package the game with the \
                          CrashReportClient.",
    connect_report: "Unity, Godot, web",
    connect_report_text: "Post one JSON object, from any engine that can send an HTTP request. Unity and Godot also have \
                          Sentry's SDKs: those take the DSN.",
    no_key: "All keys of this project were revoked: no report is taken. Issue a new one with:",
    connect_key_text: "The key lets a client send reports to this project and read nothing. \
                       It may be shipped inside the game.",

    sign_in: "Sign in",
    sign_in_text: "Open the link that the server printed when it started, or paste the token (EPITAPH_TOKEN) here.",
    token: "Token",
    wrong_token: "This is not the token. Copy it again, whole, from the server's output or its settings.",
    to_overview: "To the overview",

    no_such_page: Advice {
        heading: "There is no such page",
        advice: "The address may be mistyped, or the link may be old. Start again at the overview.",
    },
    no_such_project: Advice {
        heading: "There is no such project",
        advice: "Choose one at the top of the overview, or add it with: epitaph project add",
    },
    no_such_issue: Advice {
        heading: "There is no such issue in this project",
        advice: "Its number may belong to another project. The list of issues has them all.",
    },
    no_such_crash: Advice {
        heading: "There is no crash with this id",
        advice: "A report that has just been sent takes a second or two: reload this page. Older ones may have expired, \
                 or an operator's rule discarded them.",
    },
    no_such_file: Advice {
        heading: "This file is not there",
        advice: "The crash has no such file, or it has expired. The page of the crash lists the files that it has.",
    },
    not_an_id: Advice {
        heading: "This is not a crash id",
        advice: "A crash id has 32 hexadecimal digits, with or without hyphens or a leading bp-. An issue is searched \
                 by its number, such as #12.",
    },
    bad_request: Advice {
        heading: "The request is not understood",
        advice: "Go back, check what you entered and send it again.",
    },
    foreign_origin: Advice {
        heading: "This request came from another site",
        advice: "Nothing was done. Open this server's own pages and try again there.",
    },
    wrong_method: Advice {
        heading: "This address does not take such a request",
        advice: "Open it as a page, or see the API's description for the right method.",
    },
    too_large: Advice { heading: "The request is too large", advice: "Send less at once." },
    unavailable: Advice {
        heading: "The catalog or the bucket does not answer",
        advice: "Reports are still accepted. Try again in a moment; the server's log says what is wrong.",
    },
    broken: Advice {
        heading: "This page could not be made",
        advice: "It is a fault of the server, not yours. Its log says what happened.",
    },
};
