//! `GET /projects/{project}/crashes/{crash}`: all that is known of one crash.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use epitaph_crash_model::{Address, Crash, CrashId, Kind, StepDecision, Timestamp};

use super::{
    Page, html,
    stack::{self, ThreadView, Threads},
    told::{self, ContextView, CrumbView, ExceptionView, Pair},
};
use crate::{
    Dashboard,
    document::Found,
    fault::Fault,
    shown::{Title, full_time, length, line, number, passage, size},
    symbols::Coverage,
    texts::Texts,
    visitor::Visitor,
};

const MOST_MODULES: usize = 1_000;
const LONGEST_VALUE: usize = 2_000;
const MOST_MISSING: usize = 6;
const MOST_STEPS: usize = 100;
const MOST_NOTES: usize = 50;
const MOST_PARTS: usize = 20;
/// How many crashes are shown in place of one that is only counted.
const MOST_KEPT: u32 = 5;

#[derive(Template)]
#[template(path = "crash.html")]
struct CrashView<'a> {
    page: Page<'a>,
    id: String,
    title: Title,
    kind: Kind,
    kind_word: &'static str,
    reason: String,
    address: Option<Address>,
    issue: i64,
    issue_href: String,
    issues_href: String,
    symbols_href: String,
    json_href: String,
    unreadable: Option<String>,
    /// Whether other crashes of the issue have the details that this one has not.
    only_counted: bool,
    /// Some of those: their addresses and ids.
    kept: Vec<(String, String)>,
    incomplete: Option<String>,
    assertion: Option<String>,
    message: Option<String>,
    /// What players wrote, and who.
    words: Vec<(String, String)>,
    notes: Vec<NoteView>,
    exceptions: Vec<ExceptionView>,
    breadcrumbs: Vec<CrumbView>,
    breadcrumbs_cut: Option<String>,
    tags: Vec<Pair>,
    contexts: Vec<ContextView>,
    crashing: Option<ThreadView>,
    threads: Vec<ThreadView>,
    threads_cut: Option<String>,
    /// Which modules have no symbols, or that they are still on their way.
    unsymbolicated: Option<String>,
    modules: Vec<ModuleView>,
    modules_count: String,
    annotations: Vec<Pair>,
    annotations_count: String,
    facts: Vec<FactView>,
    files: Vec<FileView>,
    signature: String,
    signature_id: String,
    steps: Vec<StepView>,
}

struct NoteView {
    name: Option<String>,
    why: &'static str,
}

struct ModuleView {
    name: String,
    path: String,
    version: String,
    addresses: String,
    debug_id: String,
    /// Whether it has symbols, where it can have any.
    symbols: Option<bool>,
}

struct FactView {
    name: &'static str,
    value: String,
    mono: bool,
}

struct FileView {
    href: String,
    name: String,
    role: &'static str,
    size: String,
}

struct StepView {
    class: &'static str,
    frame: usize,
    name: String,
    word: &'static str,
    because: String,
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path((project, crash)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "issues").await?;
    let mut found = dashboard.find(project.id, &crash).await?;
    let coverage = dashboard.symbolicate_found(&mut found).await?;
    let id = found.row.fact.crash_id;
    let (t, row, document) = (page.t, &found.row, found.document.as_ref());
    let fact = &row.fact;
    let threads = document.map(|crash| Threads::new(crash, t)).transpose()?.unwrap_or_default();
    let aliases = dashboard.catalog().aliases(project.id, id).await?;
    let kept = match row.counted_by {
        Some(_) => dashboard.catalog().firsts_of_hour(project.id, fact.signature, id, MOST_KEPT).await?,
        None => Vec::new(),
    };
    let (breadcrumbs, older) = document.map(told::breadcrumbs).unwrap_or_default();
    let address = format!("/projects/{}", project.id);
    let data = format!("/api/v1/projects/{}/crashes/{id}", project.id);
    html(&CrashView {
        id: id.to_string(),
        title: Title::new(&row.signature_text),
        kind: fact.kind,
        kind_word: (t.kind)(fact.kind),
        reason: fact.reason.as_deref().map(line).unwrap_or_default(),
        address: document.and_then(|crash| crash.address),
        issue: row.issue.0,
        issue_href: format!("{address}/issues/{}", row.issue),
        issues_href: format!("{address}/issues"),
        symbols_href: format!("{address}/symbols"),
        unreadable: document.and_then(|crash| crash.unreadable.as_deref()).map(line),
        incomplete: document.is_none().then(|| match &row.counted_by {
            Some(rule) => (t.only_counted)(&line(rule)),
            None => t.document_gone.to_owned(),
        }),
        only_counted: row.counted_by.is_some(),
        kept: kept.iter().map(|kept| (format!("{address}/crashes/{kept}"), kept.to_string())).collect(),
        assertion: document
            .and_then(|crash| crash.assertion.as_deref())
            .map(|text| passage(text, LONGEST_VALUE).0),
        message: document
            .and_then(|crash| crash.message.as_deref())
            .filter(|text| !is_said_already(text, document))
            .map(|text| passage(text, LONGEST_VALUE).0),
        words: words(&found),
        exceptions: document.map(|crash| told::exceptions(crash, t)).transpose()?.unwrap_or_default(),
        breadcrumbs,
        breadcrumbs_cut: (older > 0).then(|| (t.older_left_out)(older)),
        tags: document.map(|crash| told::pairs(&crash.tags)).unwrap_or_default(),
        contexts: document.map(told::contexts).unwrap_or_default(),
        notes: document.map(|crash| notes(crash, t)).unwrap_or_default(),
        crashing: threads.crashing,
        threads: threads.others,
        threads_cut: (threads.left_out > 0).then(|| (t.threads_left_out)(threads.left_out)),
        unsymbolicated: unsymbolicated(&coverage, t),
        modules: document.map(|crash| modules(crash, &coverage)).unwrap_or_default(),
        modules_count: number(document.map_or(0, |crash| crash.modules.len()) as u64),
        annotations: document.map(|crash| told::pairs(&crash.annotations)).unwrap_or_default(),
        annotations_count: number(document.map_or(0, |crash| crash.annotations.len()) as u64),
        facts: facts(&found, &aliases, t),
        files: document.map(|crash| files(crash, &data, t)).unwrap_or_default(),
        signature: line(&row.signature_text),
        signature_id: fact.signature.to_string(),
        steps: document.map(|crash| steps(crash, t)).unwrap_or_default(),
        json_href: data,
        page,
    })
}

/// Whether an exception or the assertion has these words already.
fn is_said_already(text: &str, document: Option<&Crash>) -> bool {
    let said = |crash: &Crash| {
        let of_exceptions = crash.exceptions.iter().filter_map(|exception| exception.message.as_deref());
        of_exceptions.chain(crash.assertion.as_deref()).any(|said| said.trim() == text.trim())
    };
    document.is_some_and(said)
}

/// What the player wrote with the report, and what came later.
fn words(found: &Found) -> Vec<(String, String)> {
    let comment = found.document.as_ref().and_then(|crash| crash.comment.as_deref());
    let later = found.feedback.iter().filter(|one| Some(one.comments.as_str()) != comment);
    let later = later.map(|one| (one.name.as_deref().map(line).unwrap_or_default(), one.comments.as_str()));
    let all = comment.map(|text| (String::new(), text)).into_iter().chain(later);
    all.map(|(name, text)| (name, passage(text, LONGEST_VALUE).0)).collect()
}

fn notes(crash: &Crash, t: &Texts) -> Vec<NoteView> {
    let view = |note: &epitaph_crash_model::Note| NoteView {
        name: note.name.as_deref().map(line),
        why: (t.note)(note.reason),
    };
    crash.notes.iter().take(MOST_NOTES).map(view).collect()
}

/// What a reader of the stack should know of its symbols.
fn unsymbolicated(coverage: &Coverage, t: &Texts) -> Option<String> {
    if coverage.is_late {
        return Some(t.symbols.on_their_way.to_owned());
    }
    let names: Vec<_> = coverage.missing.iter().take(MOST_MISSING).map(|name| line(name)).collect();
    let more = coverage.missing.len() - names.len();
    (!names.is_empty()).then(|| (t.symbols.missing_for)(&names.join(", "), more))
}

fn modules(crash: &Crash, coverage: &Coverage) -> Vec<ModuleView> {
    let view = |module: &epitaph_crash_model::Module| ModuleView {
        name: line(&module.name),
        path: line(&module.code_file),
        version: module.version.as_deref().map(line).unwrap_or_default(),
        addresses: format!("{}–{}", module.base, Address(module.base.0.saturating_add(module.size))),
        debug_id: module.debug_id.as_deref().map(line).unwrap_or_default(),
        symbols: coverage.has(module.debug_id.as_deref()),
    };
    crash.modules.iter().take(MOST_MODULES).map(view).collect()
}

fn files(crash: &Crash, address: &str, t: &Texts) -> Vec<FileView> {
    let view = |(index, file): (usize, &epitaph_crash_model::StoredPayload)| FileView {
        href: format!("{address}/payloads/{index}"),
        name: line(&file.name),
        role: (t.role)(file.role),
        size: size(file.size),
    };
    crash.payloads.iter().enumerate().map(view).collect()
}

fn steps(crash: &Crash, t: &Texts) -> Vec<StepView> {
    let thread = crash.crashing_thread.and_then(|index| crash.threads.get(index));
    let view = |step: &epitaph_crash_model::SignatureStep| StepView {
        class: match step.decision {
            StepDecision::Used => "used",
            StepDecision::Skipped => "skipped",
        },
        frame: step.frame,
        name: thread.and_then(|thread| thread.frames.get(step.frame)).map(stack::name).unwrap_or_default(),
        word: (t.decision)(step.decision),
        because: line(&step.because),
    };
    crash.signature.steps.iter().take(MOST_STEPS).map(view).collect()
}

/// What is known, most asked-for first. What the report does not tell takes no room.
fn facts(found: &Found, aliases: &[CrashId], t: &Texts) -> Vec<FactView> {
    let (fact, document) = (&found.row.fact, found.document.as_ref());
    let system = document.map(|crash| &crash.system);
    let occurred = document.map_or(Some(fact.occurred_at), |crash| crash.occurred_at);
    let joined = |parts: [Option<String>; 3]| {
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    };
    let shown = |value: &Option<String>| value.as_deref().map(line);
    let client = document.and_then(|crash| crash.client.as_deref()).map(line);
    let weight = (fact.weight != 1).then(|| (t.reports)(fact.weight));
    let os =
        [&fact.platform, &fact.os_version].into_iter().flatten().map(|part| line(part)).collect::<Vec<_>>();
    let player = document.and_then(|crash| crash.user.as_ref());
    let player = player.and_then(|user| joined([shown(&user.name), shown(&user.id), None]));
    let listed = |parts: &[String]| {
        let parts: Vec<_> = parts.iter().take(MOST_PARTS).map(|part| line(part)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    };
    let entries: [(&'static str, Option<String>, bool); 18] = [
        (t.release, shown(&fact.release), true),
        (t.build, document.and_then(|crash| shown(&crash.build)), true),
        (t.environment, shown(&fact.environment), false),
        (t.received, Some(full_time(fact.received_at)), false),
        (t.occurred, occurred.filter(|&time| differs(time, fact.received_at)).map(full_time), false),
        (t.uptime, fact.uptime_seconds.map(|seconds| length(seconds, t)), false),
        (t.operating_system, (!os.is_empty()).then(|| os.join(" ")), false),
        (
            t.processor,
            joined([
                system.and_then(|system| shown(&system.cpu)),
                shown(&fact.arch),
                system.and_then(|system| system.cpu_count).map(t.cores),
            ]),
            false,
        ),
        (t.device, shown(&fact.device), false),
        (t.gpu, shown(&fact.gpu), false),
        (t.player, player, false),
        (t.user, shown(&fact.user), true),
        (t.stands_for, weight, false),
        (t.client, client, false),
        (t.client_id, document.and_then(|crash| shown(&crash.client_id)), true),
        (t.aliases, listed(&aliases.iter().map(CrashId::to_string).collect::<Vec<_>>()), true),
        (t.fingerprint, document.and_then(|crash| listed(&crash.fingerprint)), true),
        (t.project, Some(fact.project.to_string()), false),
    ];
    entries
        .into_iter()
        .filter_map(|(name, value, mono)| Some(FactView { name, value: value?, mono }))
        .collect()
}

/// A client's clock is worth a line only where it says something else.
fn differs(time: Timestamp, received_at: Timestamp) -> bool {
    time.as_millis().abs_diff(received_at.as_millis()) > 1000
}
