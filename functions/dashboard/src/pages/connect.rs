//! `GET /projects/{project}/connect`: how to send crashes.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use epitaph_crash_model::ProjectId;

use super::{Page, html};
use crate::{Dashboard, fault::Fault, visitor::Visitor};

/// What a client is configured with.
pub(crate) struct Connect {
    /// The command that issues a key, where all were revoked.
    pub(crate) new_key: Option<String>,
    pub(crate) curl: String,
    pub(crate) minidump_url: String,
    pub(crate) dsn: String,
    /// Lines of `DefaultEngine.ini`.
    pub(crate) unreal: String,
    /// A command that posts the smallest JSON report.
    pub(crate) report: String,
}

impl Connect {
    pub(crate) async fn new(
        dashboard: &Dashboard,
        visitor: &Visitor,
        project: ProjectId,
    ) -> Result<Self, Fault> {
        let (base, known) = (dashboard.base_url(visitor), dashboard.key(project).await?);
        let new_key = known.is_none().then(|| format!("epitaph key {project} --new"));
        let key = known.unwrap_or_else(|| "KEY".to_owned());
        let (scheme, host) = base.split_once("://").unwrap_or(("http", &base));
        let minidump_url = format!("{base}/api/{project}/minidump/?sentry_key={key}");
        Ok(Self {
            new_key,
            curl: format!(
                "curl -F upload_file_minidump=@crash.dmp -F prod=MyGame -F ver=1.2.3 \\\n  '{minidump_url}'"
            ),
            dsn: format!("{scheme}://{key}@{host}/{project}"),
            unreal: format!("[CrashReportClient]\nDataRouterUrl=\"{base}/api/{project}/unreal/{key}/\""),
            report: format!(
                "curl '{base}/api/{project}/report/?sentry_key={key}' \\\n  -H 'Content-Type: application/json' \\\n  \
                 -d '{{\"version\":1,\"type\":\"NullReferenceException\",\"message\":\"Object reference not set\",\
                 \"stack\":\"Player.Update () (at Assets/Player.cs:12)\",\"release\":\"1.2.3\"}}'"
            ),
            minidump_url,
        })
    }
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectView<'a> {
    page: Page<'a>,
    connect: Connect,
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "connect").await?;
    html(&ConnectView { page, connect: Connect::new(&dashboard, &visitor, project.id).await? })
}
