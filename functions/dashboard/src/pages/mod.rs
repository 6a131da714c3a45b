//! The pages. Each module has its address, what it reads, and the view that its template shows.

mod compare;
mod connect;
mod crash;
mod crashes;
mod help;
mod issue;
mod issues;
mod lists;
mod login;
mod overview;
mod place;
mod search;
mod stack;
mod symbols;
mod told;

use askama::Template;
use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use epitaph_catalog::Project;
use epitaph_crash_model::ProjectId;

use self::place::SearchBox;
use crate::{
    Dashboard, Theme,
    assets::Assets,
    door::HasForm,
    fault::Fault,
    shown::line,
    texts::Texts,
    visitor::{Language, Visitor},
};

/// Pages that need a session.
pub(crate) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/", get(overview::first))
        .route("/projects/{project}", get(overview::show))
        .route("/projects/{project}/issues", get(issues::show))
        .route("/projects/{project}/issues/{issue}", get(issue::show))
        .route("/projects/{project}/crashes", get(crashes::show))
        .route("/projects/{project}/crashes/{crash}", get(crash::show))
        .route("/projects/{project}/compare", get(compare::show))
        .route("/help/search", get(help::show))
        .route("/projects/{project}/symbols", get(symbols::show))
        .route("/projects/{project}/connect", get(connect::show))
        .route("/search", get(search::find))
        .route("/logout", post(login::leave))
}

/// Pages that open a session.
pub(crate) fn public_routes() -> Router<Dashboard> {
    Router::new().route("/login", get(login::enter).post(login::submit))
}

/// What every page shows around itself.
pub(crate) struct Page<'a> {
    t: &'static Texts,
    language: Language,
    theme: Option<Theme>,
    assets: &'a Assets,
    signed_in: bool,
    is_demo: bool,
    project: Option<Link>,
    projects: Vec<Link>,
    /// Which entry of the navigation this is: the last part of its address.
    section: &'static str,
    other_language_href: String,
    dark_href: String,
    light_href: String,
}

/// A project in the navigation.
pub(crate) struct Link {
    id: ProjectId,
    name: String,
}

impl From<&Project> for Link {
    fn from(project: &Project) -> Self {
        Self { id: project.id, name: line(&project.name) }
    }
}

impl<'a> Page<'a> {
    /// A page of no project.
    fn bare(dashboard: &'a Dashboard, visitor: &Visitor) -> Self {
        Self {
            t: visitor.texts(),
            language: visitor.language,
            theme: visitor.theme,
            assets: dashboard.assets(),
            signed_in: visitor.signed_in,
            is_demo: dashboard.is_demo(),
            project: None,
            projects: Vec::new(),
            section: "",
            other_language_href: visitor.href_with("lang", visitor.language.other().code()),
            dark_href: visitor.href_with("theme", Theme::Dark.code()),
            light_href: visitor.href_with("theme", Theme::Light.code()),
        }
    }

    /// A page of a project, which its address names.
    async fn of(
        dashboard: &'a Dashboard,
        visitor: &Visitor,
        named: &str,
        section: &'static str,
    ) -> Result<(Self, Project), Fault> {
        let projects = dashboard.catalog().projects().await?;
        let project = named.parse().ok().and_then(|id| projects.iter().find(|project| project.id == id));
        let project = project.cloned().ok_or(Fault::NoSuchProject)?;
        let page = Self {
            project: Some(Link::from(&project)),
            projects: projects.iter().map(Link::from).collect(),
            section,
            ..Self::bare(dashboard, visitor)
        };
        Ok((page, project))
    }
}

/// A page about crashes as a response: a bad request, where its search is not understood.
fn searched(template: &impl Template, search: &SearchBox) -> Result<Response, Fault> {
    let mut response = html(template)?;
    if search.fault.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().insert(HasForm);
    }
    Ok(response)
}

/// A template as a response.
fn html(template: &impl Template) -> Result<Response, Fault> {
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], template.render()?).into_response())
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultView<'a> {
    page: Page<'a>,
    status: u16,
    heading: &'static str,
    advice: &'static str,
}

/// The page that tells of a fault, and what to do about it.
pub(crate) fn fault_page(dashboard: &Dashboard, visitor: &Visitor, fault: &Fault) -> Response {
    let page = Page::bare(dashboard, visitor);
    let response = match fault {
        Fault::SignIn => login::form(page, false, visitor),
        Fault::WrongToken => login::form(page, true, visitor),
        _ => {
            let advice = fault.advice(page.t);
            let status = fault.status().as_u16();
            html(&FaultView { page, status, heading: advice.heading, advice: advice.advice })
        }
    };
    match response {
        Ok(mut response) => {
            *response.status_mut() = fault.status();
            response
        }
        Err(fault) => fault.json(),
    }
}
