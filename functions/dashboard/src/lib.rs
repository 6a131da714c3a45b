//! The dashboard: pages for people, and a JSON API for programs, over the catalog and the bucket.
//!
//! Nothing is answered without the admin token or a session that it opened, except `/login`, the static files and the API's
//! description.
//! Pages work without scripts; a strict Content-Security-Policy allows no inline ones.

mod api;
mod assets;
mod chart;
pub mod csv;
mod document;
mod door;
mod fault;
mod hosts;
mod pages;
mod period;
mod session;
mod shares;
mod shown;
mod symbols;
mod texts;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::request::Parts,
    middleware::{from_fn, from_fn_with_state},
};
use epitaph_bucket::Bucket;
use epitaph_catalog::{Catalog, Project};
use epitaph_crash_model::{IssueNumber, ProjectId};
use epitaph_facts::Facts;
use epitaph_rules::Rules;
use epitaph_secrets::Secret;

pub use crate::symbols::SymbolSettings;
use crate::{
    assets::Assets,
    fault::Fault,
    hosts::Hosts,
    session::Sessions,
    symbols::Shelf,
    visitor::{Theme, Visitor},
};

/// The largest body that any route takes, in bytes: a form with a token in it.
const BODY_LIMIT: usize = 16 * 1024;

/// What the dashboard is told from outside.
pub struct DashboardSettings {
    /// The URL that people and games reach this installation by, such as `https://crashes.example.com`, without a
    /// path. `None`: whatever name a request uses, over http.
    pub public_url: Option<String>,
    /// Hosts that are answered besides localhost and the public URL's.
    pub allowed_hosts: Vec<String>,
    /// The admin token: a password for the pages, and the bearer token of the API.
    pub token: String,
    /// Signs sessions ([`epitaph_secrets::Purpose::Session`]).
    pub session: Secret,
    /// Makes the keys that pages show ([`epitaph_secrets::Purpose::Ingest`]).
    pub ingest: Secret,
    /// The largest answer that gets through to the client, in bytes, where there is such a limit: a file above it is
    /// downloaded from the bucket itself.
    pub largest_answer: Option<u64>,
    /// Where symbols are kept on this machine.
    pub symbols: SymbolSettings,
    /// Whether the crashes are invented: every page says so.
    pub is_demo: bool,
}

impl DashboardSettings {
    /// The largest answer behind AWS Lambda, which answers with 6 MB of JSON at most, in which what is no text is base64.
    pub const LAMBDA_ANSWER: u64 = 4_500_000;
}

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct Dashboard(Arc<Inner>);

struct Inner {
    public_url: Option<String>,
    hosts: Hosts,
    sessions: Sessions,
    ingest: Secret,
    largest_answer: Option<u64>,
    is_demo: bool,
    assets: Assets,
    shelf: Shelf,
    facts: Facts,
}

impl Dashboard {
    /// A dashboard over all facts, with their catalog and bucket. No I/O.
    pub fn new(settings: DashboardSettings, facts: Facts) -> Self {
        let public_url = settings.public_url.map(|url| url.trim_end_matches('/').to_owned());
        let secure = public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        Self(Arc::new(Inner {
            hosts: Hosts::new(public_url.as_deref(), &settings.allowed_hosts),
            sessions: Sessions::new(settings.session, settings.token, secure),
            ingest: settings.ingest,
            largest_answer: settings.largest_answer,
            is_demo: settings.is_demo,
            assets: Assets::new(),
            shelf: Shelf::new(settings.symbols),
            public_url,
            facts,
        }))
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn is_demo(&self) -> bool {
        self.0.is_demo
    }

    pub(crate) fn assets(&self) -> &Assets {
        &self.0.assets
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.0.facts.catalog()
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        self.0.facts.bucket()
    }

    /// Whether an answer of so many bytes gets through to the client.
    pub(crate) fn may_answer(&self, bytes: u64) -> bool {
        self.0.largest_answer.is_none_or(|largest| bytes <= largest)
    }

    /// The URL that games reach this installation by, without a slash at its end.
    pub(crate) fn base_url(&self, visitor: &Visitor) -> String {
        self.0.public_url.clone().unwrap_or_else(|| format!("http://{}", visitor.host))
    }

    /// The newest key that a project's clients authenticate with; `None` if all were revoked.
    pub(crate) async fn key(&self, project: ProjectId) -> Result<Option<String>, Fault> {
        let rules = match self.catalog().rules().await? {
            Some(found) => Rules::read(found.document.as_bytes()).map_err(Fault::broken)?,
            None => Rules::default(),
        };
        let newest = rules.newest_generation(project);
        Ok(newest.map(|generation| self.0.ingest.project_key(project, generation)))
    }

    /// The project that an address names.
    pub(crate) async fn project(&self, named: &str) -> Result<Project, Fault> {
        let id = named.parse().map_err(|_| Fault::NoSuchProject)?;
        self.catalog().project(id).await?.ok_or(Fault::NoSuchProject)
    }

    /// The issue that an address names, or the one that all of its crashes belong to since their symbols came.
    pub(crate) async fn issue_number(&self, project: ProjectId, named: &str) -> Result<IssueNumber, Fault> {
        let issue = named.parse().map_err(|_| Fault::NoSuchIssue)?;
        Ok(self.catalog().moved_to(project, issue).await?.unwrap_or(issue))
    }
}

/// All routes of the dashboard, with a fallback for addresses that do not exist.
pub fn router(dashboard: Dashboard) -> Router {
    let private =
        Router::new().merge(pages::routes()).merge(api::routes()).route_layer(from_fn(door::require_session));
    Router::new()
        .merge(private)
        .merge(pages::public_routes())
        .merge(api::public_routes())
        .merge(assets::routes())
        .fallback(async || Fault::NoSuchPage)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(dashboard.clone(), door::pass))
        .with_state(dashboard)
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        // The door puts one into every request that it lets pass.
        parts.extensions.get::<Visitor>().cloned().ok_or(Fault::SignIn)
    }
}
