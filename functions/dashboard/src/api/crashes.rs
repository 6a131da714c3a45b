//! `GET /api/v1/projects/{project}/crashes/{crash}` and `.../issues/{issue}/crashes`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use epitaph_catalog::{CrashRow, Feedback};
use epitaph_crash_model::{
    Address, Breadcrumb, Crash, CrashId, Exception, IssueNumber, Kind, Module, Note, ProjectId, Protocol,
    Role, SignatureId, SignatureStep, System, Thread, Timestamp, User,
};
use epitaph_facts::{Cursor, Listing};
use serde::Serialize;

use super::asked::{Asked, WEEK, bad};
use crate::{Dashboard, document::Found, fault::Fault};

const DEFAULT_CRASHES: usize = 50;
const MOST_CRASHES: usize = 1_000;

/// Why a crash has no details although it is counted.
const ONLY_COUNTED: &str = "a rule of the project only counts this crash; see the kept ones of its issue";
const GONE: &str = "the crash document is no longer in the bucket; this is what the statistics know";
const GONE_UNREADABLE: &str = "the payload could not be read; the reason is no longer in the bucket";

/// A crash in a list.
#[derive(Serialize)]
struct Listed {
    id: CrashId,
    project: ProjectId,
    kind: Kind,
    reason: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    signature: String,
    issue: IssueNumber,
    received_at: Timestamp,
    occurred_at: Timestamp,
    platform: Option<String>,
    os_version: Option<String>,
    device: Option<String>,
    gpu: Option<String>,
    country: Option<String>,
    user_hash: Option<String>,
    uptime_seconds: Option<u64>,
    /// How many reports it stands for.
    weight: u32,
    /// The rule by which it is only counted, and has no details.
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_by: Option<String>,
}

impl From<CrashRow> for Listed {
    fn from(row: CrashRow) -> Self {
        let fact = row.fact;
        Self {
            id: fact.crash_id,
            project: fact.project,
            kind: fact.kind,
            reason: fact.reason,
            release: fact.release,
            environment: fact.environment,
            signature: row.signature_text,
            issue: row.issue,
            received_at: fact.received_at,
            occurred_at: fact.occurred_at,
            platform: fact.platform,
            os_version: fact.os_version,
            device: fact.device,
            gpu: fact.gpu,
            country: fact.country,
            user_hash: fact.user,
            uptime_seconds: fact.uptime_seconds,
            weight: fact.weight,
            counted_by: row.counted_by,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Crashes {
    crashes: Vec<Listed>,
    /// What to give as `before` to get the page after this one; `null` on the last.
    next: Option<CrashId>,
}

/// A page of the crashes of a search, in a period.
#[derive(Serialize)]
pub(super) struct Page {
    crashes: Vec<Listed>,
    /// What to give as `after` to get the page after this one; `null` on the last.
    next: Option<Cursor>,
}

/// The crashes of a search, newest first, `limit` at most (50), behind the place `after`.
pub(super) async fn list(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let after = asked.after.as_deref().map(str::parse).transpose();
    let listing = Listing {
        period: asked.period(Timestamp::now(), WEEK)?,
        filter: asked.filter()?,
        after: after.map_err(|_| bad("after", "`next` of the page before"))?,
        ..Listing::default()
    };
    let limit = asked.limit(DEFAULT_CRASHES, MOST_CRASHES)?;
    let (rows, next) = dashboard.facts().view(project).await?.list(listing, limit).await?;
    Ok(Json(Page { crashes: rows.into_iter().map(Listed::from).collect(), next }))
}

/// The crashes of an issue, newest first, `limit` at most (50), from `before` on.
pub(super) async fn of_issue(
    State(dashboard): State<Dashboard>,
    Path((project, issue)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Crashes>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let issue = dashboard.issue_number(project, &issue).await?;
    let limit = asked.limit(DEFAULT_CRASHES, MOST_CRASHES)?;
    let before = asked.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| bad("before", "a crash id, as `next` of the answer before gives it"))?;
    let view = dashboard.facts().view(project).await?;
    view.issue(issue, Some(Timestamp::now())).await?.ok_or(Fault::NoSuchIssue)?;
    let asked_for = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut rows = view.issue_crashes(issue, asked_for, before).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.fact.crash_id);
    Ok(Json(Crashes { crashes: rows.into_iter().map(Listed::from).collect(), next }))
}

/// One crash: its document, with the signature as its text, and with what the catalog adds.
#[derive(Serialize)]
pub(super) struct Answer {
    version: u32,
    id: CrashId,
    /// The ids of later reports of the same crash.
    aliases: Vec<CrashId>,
    /// The client's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    project: ProjectId,
    kind: Kind,
    issue: IssueNumber,
    signature: String,
    signature_id: SignatureId,
    signature_rules: Option<u32>,
    signature_steps: Vec<SignatureStep>,
    reason: Option<String>,
    address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assertion: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    exceptions: Vec<Exception>,
    breadcrumbs: Vec<Breadcrumb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    fingerprint: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<&'static str>,
    /// The rule by which it is only counted, and has no details.
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_by: Option<String>,
    release: Option<String>,
    build: Option<String>,
    environment: Option<String>,
    received_at: Timestamp,
    occurred_at: Timestamp,
    platform: Option<String>,
    os_version: Option<String>,
    system: System,
    uptime_seconds: Option<u64>,
    user: Option<User>,
    /// Tells users apart, and not who they are.
    user_hash: Option<String>,
    weight: u32,
    protocol: Option<Protocol>,
    client: Option<String>,
    crashing_thread: Option<usize>,
    threads: Vec<Thread>,
    modules: Vec<Module>,
    tags: BTreeMap<String, String>,
    contexts: BTreeMap<String, BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    payloads: Vec<PayloadAnswer>,
    notes: Vec<Note>,
    feedback: Vec<FeedbackAnswer>,
}

/// What a player wrote about a crash.
#[derive(Serialize)]
struct FeedbackAnswer {
    received_at: Timestamp,
    name: Option<String>,
    comments: String,
}

impl From<Feedback> for FeedbackAnswer {
    fn from(feedback: Feedback) -> Self {
        Self { received_at: feedback.received_at, name: feedback.name, comments: feedback.comments }
    }
}

/// A file of a crash, and where to download it.
#[derive(Serialize)]
struct PayloadAnswer {
    index: usize,
    role: Role,
    name: String,
    content_type: Option<String>,
    size: u64,
    url: String,
}

/// One crash; 404 until it is processed.
pub(super) async fn one(
    State(dashboard): State<Dashboard>,
    Path((project, crash)): Path<(String, String)>,
) -> Result<Json<Answer>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let mut found = dashboard.find(project, &crash).await?;
    dashboard.symbolicate_found(&mut found).await?;
    let aliases = dashboard.catalog().aliases(project, found.row.fact.crash_id).await?;
    Ok(Json(Answer { aliases, ..Answer::from(found) }))
}

impl From<Found> for Answer {
    fn from(found: Found) -> Self {
        let feedback = found.feedback.into_iter().map(FeedbackAnswer::from).collect();
        let known = Self { feedback, ..Self::of_row(found.row) };
        match found.document {
            Some(document) => known.with(document),
            None => known,
        }
    }
}

impl Answer {
    /// What is known without the document.
    fn of_row(row: CrashRow) -> Self {
        let fact = row.fact;
        Self {
            version: epitaph_crash_model::CRASH_VERSION,
            id: fact.crash_id,
            aliases: Vec::new(),
            client_id: None,
            project: fact.project,
            kind: fact.kind,
            issue: row.issue,
            signature: row.signature_text,
            signature_id: fact.signature,
            signature_rules: None,
            signature_steps: Vec::new(),
            reason: fact.reason,
            address: None,
            assertion: None,
            message: None,
            exceptions: Vec::new(),
            breadcrumbs: Vec::new(),
            comment: None,
            fingerprint: Vec::new(),
            unreadable: fact.unreadable.then(|| GONE_UNREADABLE.to_owned()),
            incomplete: Some(if row.counted_by.is_some() { ONLY_COUNTED } else { GONE }),
            counted_by: row.counted_by,
            release: fact.release,
            build: None,
            environment: fact.environment,
            received_at: fact.received_at,
            occurred_at: fact.occurred_at,
            system: System {
                os: fact.platform.clone(),
                os_version: fact.os_version.clone(),
                arch: fact.arch,
                ..System::default()
            },
            platform: fact.platform,
            os_version: fact.os_version,
            uptime_seconds: fact.uptime_seconds,
            user: None,
            user_hash: fact.user,
            weight: fact.weight,
            protocol: None,
            client: None,
            crashing_thread: None,
            threads: Vec::new(),
            modules: Vec::new(),
            tags: BTreeMap::new(),
            contexts: BTreeMap::new(),
            annotations: BTreeMap::new(),
            payloads: Vec::new(),
            notes: Vec::new(),
            feedback: Vec::new(),
        }
    }

    /// The document's word goes before the fact's, which may be cut; the signature and the issue are the catalog's.
    fn with(self, crash: Crash) -> Self {
        let address = format!("/api/v1/projects/{}/crashes/{}", self.project, self.id);
        let payload = |(index, file): (usize, epitaph_crash_model::StoredPayload)| PayloadAnswer {
            index,
            role: file.role,
            name: file.name,
            content_type: file.content_type,
            size: file.size,
            url: format!("{address}/payloads/{index}"),
        };
        Self {
            version: crash.version,
            signature_rules: Some(crash.signature.rules),
            signature_steps: crash.signature.steps,
            reason: crash.reason,
            address: crash.address,
            client_id: crash.client_id,
            assertion: crash.assertion,
            message: crash.message,
            exceptions: crash.exceptions,
            breadcrumbs: crash.breadcrumbs,
            comment: crash.comment,
            fingerprint: crash.fingerprint,
            build: crash.build,
            user: crash.user,
            tags: crash.tags,
            contexts: crash.contexts,
            unreadable: crash.unreadable,
            incomplete: None,
            release: crash.release,
            environment: crash.environment,
            system: crash.system,
            uptime_seconds: crash.uptime_seconds,
            protocol: Some(crash.protocol),
            client: crash.client,
            crashing_thread: crash.crashing_thread,
            threads: crash.threads,
            modules: crash.modules,
            annotations: crash.annotations,
            payloads: crash.payloads.into_iter().enumerate().map(payload).collect(),
            notes: crash.notes,
            ..self
        }
    }
}
