//! `GET /api/v1/projects/{project}/crashes.csv`: all crashes of a search, a line each.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{
        HeaderName, HeaderValue,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use epitaph_catalog::CrashRow;
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Listing, Question};
use futures_util::{StreamExt as _, stream};

use super::asked::{Asked, WEEK};
use crate::{Dashboard, csv, fault::Fault};

/// How many crashes the answer has, so that progress can be told.
const CRASHES: HeaderName = HeaderName::from_static("epitaph-crashes");

/// The names of the columns, in their order.
const COLUMNS: [&str; 34] = [
    "crash_id",
    "received_at",
    "occurred_at",
    "weight",
    "issue",
    "signature",
    "signature_id",
    "kind",
    "reason",
    "release",
    "build",
    "branch",
    "resource_version",
    "environment",
    "platform",
    "os_version",
    "arch",
    "device",
    "gpu",
    "gpu_driver",
    "memory_class",
    "country",
    "locale",
    "engine",
    "store",
    "level",
    "server",
    "foreground",
    "session",
    "user",
    "uptime_seconds",
    "unreadable",
    "counted_by",
    "tags",
];

/// Streams the lines, the newest crashes first within each segment, as they are read. An answer that breaks off has
/// failed: it is shorter than its header said.
pub(super) async fn crashes(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let project = dashboard.project(&project).await?.id;
    let now = Timestamp::now();
    let (filter, mut period) = (asked.filter()?, asked.period(now, WEEK)?);
    period.until = period.until.or(Some(now));
    let view = dashboard.facts().view(project).await?;
    let totals = view.ask(Question { period, filter: filter.clone(), ..Question::default() }).await?.totals;
    let batches = view.export(Listing { period, filter, ..Listing::default() })?;
    let lines = batches.map(|batch| {
        let batch = batch.inspect_err(|error| tracing::error!(%error, "an export broke off"))?;
        Ok::<_, epitaph_facts::FactsError>(Bytes::from(batch.iter().map(line).collect::<String>()))
    });
    let head = stream::iter([Ok(Bytes::from(csv::line(COLUMNS)))]);
    let mut response = Body::from_stream(head.chain(lines)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"crashes.csv\""));
    headers.insert(CRASHES, HeaderValue::from(totals.crashes));
    Ok(response)
}

fn line(row: &CrashRow) -> String {
    let fact = &row.fact;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let told = |value: Option<String>| value.unwrap_or_default();
    // Texts always have a JSON form.
    let tags = if fact.tags.is_empty() { None } else { serde_json::to_string(&fact.tags).ok() };
    let cells: [String; COLUMNS.len()] = [
        fact.crash_id.to_string(),
        fact.received_at.to_string(),
        fact.occurred_at.to_string(),
        fact.weight.to_string(),
        row.issue.to_string(),
        row.signature_text.clone(),
        fact.signature.to_string(),
        fact.kind.to_string(),
        text(&fact.reason),
        text(&fact.release),
        text(&fact.build),
        text(&fact.branch),
        text(&fact.resource_version),
        text(&fact.environment),
        text(&fact.platform),
        text(&fact.os_version),
        text(&fact.arch),
        text(&fact.device),
        text(&fact.gpu),
        text(&fact.gpu_driver),
        text(&fact.memory_class),
        text(&fact.country),
        text(&fact.locale),
        text(&fact.engine),
        text(&fact.store),
        text(&fact.level),
        text(&fact.server),
        told(fact.foreground.map(|is| is.to_string())),
        text(&fact.session),
        text(&fact.user),
        told(fact.uptime_seconds.map(|seconds| seconds.to_string())),
        fact.unreadable.to_string(),
        text(&row.counted_by),
        told(tags),
    ];
    csv::line(cells.iter().map(String::as_str))
}
