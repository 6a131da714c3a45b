//! Receives what Sentry's SDKs send.
//!
//! | route                                   | body                                      | 200 answers                |
//! | --------------------------------------- | ----------------------------------------- | -------------------------- |
//! | `POST /api/{project}/envelope/`         | an envelope                               | `{"id":"<32 hex>"}`, `{}`  |
//! | `POST /api/{project}/store/`            | an event: JSON, or base64 of zlib of JSON | `{"id":"<32 hex>"}`        |
//! | `OPTIONS` of either                     |                                           | what a browser may send    |
//!
//! Either may be packed with gzip, deflate, br or zstd. Of an envelope, events, minidumps, attachments and what players
//! write are kept; sessions, transactions and whatever else does not tell of a crash are counted and declined: the
//! answer is 200, and asks the client not to send more of it. 429 is never answered, and a 200 never comes before the
//! report is durable. The id of an answer is the client's own, if it gave one.

mod answer;
mod declined;
mod envelope;
mod item;
pub mod json;
mod kind;
pub mod parser;
mod payload;
mod store;
pub mod unpack;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::request::Parts,
    middleware::map_response,
    response::Response,
    routing::post,
};
use epitaph_crash_model::{ProjectId, Protocol};
use epitaph_ingest::{
    Collector, Refusal,
    body::{self, BodyReader},
    cors,
    draft::Draft,
    keys, receive,
};

use crate::{declined::Declined, envelope::Envelope};

/// The routes of this function.
pub fn router(collector: Collector) -> Router {
    let envelope = || post(envelope).options(cors::preflight);
    let store = || post(store).options(cors::preflight);
    Router::new()
        .route("/api/{project}/envelope/", envelope())
        .route("/api/{project}/envelope", envelope())
        .route("/api/{project}/store/", store())
        .route("/api/{project}/store", store())
        .method_not_allowed_fallback(answer::method_not_allowed)
        .route_layer(map_response(cors::for_any_origin))
        .with_state(Arc::new(collector))
}

async fn envelope(
    State(collector): State<Arc<Collector>>,
    project: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut declined = Declined::default();
    let received = receive_envelope(&collector, project, &parts, body, &mut declined).await;
    for (what, number) in declined.counts() {
        collector.count_declined(what, number);
    }
    finish(&collector, received, declined.rate_limits()).await
}

async fn store(
    State(collector): State<Arc<Collector>>,
    project: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let received = receive_store(&collector, project, &parts, body).await.map(Some);
    finish(&collector, received, None).await
}

/// Makes the report durable, if there is one, and answers.
async fn finish(
    collector: &Collector,
    received: Result<Option<Draft>, Refusal>,
    rate_limits: Option<String>,
) -> Response {
    let accepted = match received {
        Ok(None) => Ok(None),
        Ok(Some(draft)) => {
            let given = draft.report().client_id.clone();
            // Feedback without an id is about no crash that could be found.
            let is_crash = envelope::is_crash(&draft);
            let id = collector.accept(draft).await;
            id.map(|id| given.or_else(|| is_crash.then(|| id.simple())))
        }
        Err(refusal) => Err(refusal),
    };
    match accepted {
        Ok(id) => answer::accepted(id.as_deref(), rate_limits),
        Err(refusal) => {
            collector.count_refused(&refusal);
            answer::refused(refusal)
        }
    }
}

/// Reads an envelope into a report; `None` if there is none in it.
async fn receive_envelope(
    collector: &Collector,
    project: Result<Path<String>, PathRejection>,
    parts: &Parts,
    body: Body,
    declined: &mut Declined,
) -> Result<Option<Draft>, Refusal> {
    let project =
        project_of(project).and_then(|project| Ok((project, is_authenticated(collector, parts, project)?)));
    let (project, is_authenticated) = match project {
        Ok(project) => project,
        Err(refusal) => {
            body::linger(body).await;
            return Err(refusal);
        }
    };
    let reader = open(collector, parts, body).await?;
    let mut envelope = Envelope::new(reader);
    let head = envelope.head().await.and_then(|head| {
        if !is_authenticated {
            let dsn = head.dsn.as_deref().ok_or_else(keys::no_key)?;
            collector.check_key(project, &keys::key_of_dsn(dsn, project)?)?;
        }
        Ok(head)
    });
    let head = match head {
        Ok(head) => head,
        Err(refusal) => {
            envelope.linger().await;
            return Err(refusal);
        }
    };
    let mut draft = collector.draft(project, Protocol::Envelope, &parts.headers);
    if let Some(id) = &head.event_id {
        draft.set_client_id(id);
    }
    match envelope.receive(&mut draft, collector.limits().event, declined).await {
        Ok(true) => Ok(Some(draft)),
        Ok(false) => {
            draft.discard().await;
            Ok(None)
        }
        Err(refusal) => {
            envelope.linger().await;
            draft.discard().await;
            Err(refusal)
        }
    }
}

async fn receive_store(
    collector: &Collector,
    project: Result<Path<String>, PathRejection>,
    parts: &Parts,
    body: Body,
) -> Result<Draft, Refusal> {
    let begin = || {
        let project = project_of(project)?;
        collector.authenticate(parts, project)?;
        Ok(collector.draft(project, Protocol::Store, &parts.headers))
    };
    let read = async |draft: &mut Draft, reader: &mut BodyReader| {
        store::receive(draft, reader, collector.limits().event).await
    };
    collector.receive(&parts.headers, body, begin, read).await
}

fn project_of(project: Result<Path<String>, PathRejection>) -> Result<ProjectId, Refusal> {
    // What is no text is no project either.
    receive::project(&project.map_or_else(|_| String::new(), |Path(project)| project))
}

/// Checks the key in the address or in a header; `false` if there is none, so that the envelope's own must be looked at.
fn is_authenticated(collector: &Collector, parts: &Parts, project: ProjectId) -> Result<bool, Refusal> {
    match keys::given_key(parts.uri.query().unwrap_or_default(), &parts.headers)? {
        Some(key) => collector.check_key(project, &key).map(|()| true),
        None => Ok(false),
    }
}

async fn open(collector: &Collector, parts: &Parts, body: Body) -> Result<BodyReader, Refusal> {
    match collector.read(&parts.headers, body) {
        Ok(reader) => Ok(reader),
        Err(unread) => Err(unread.linger().await),
    }
}
