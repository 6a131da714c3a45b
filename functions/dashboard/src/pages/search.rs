//! `GET /search?q=`: from a crash id or an issue's number to its page.

use axum::{
    extract::{Query, State},
    response::Redirect,
};
use epitaph_crash_model::{CrashId, IssueNumber, ProjectId};
use serde::Deserialize;

use crate::{Dashboard, fault::Fault};

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
    project: Option<String>,
}

/// What people type or paste.
enum Wanted {
    Crash(CrashId),
    Issue(IssueNumber),
}

pub(crate) async fn find(
    State(dashboard): State<Dashboard>,
    Query(search): Query<Search>,
) -> Result<Redirect, Fault> {
    match parse(&search.q).ok_or(Fault::NotAnId)? {
        Wanted::Crash(id) => {
            let row = dashboard.catalog().find_crash(id).await?.ok_or(Fault::NoSuchCrash)?;
            Ok(Redirect::to(&format!("/projects/{}/crashes/{id}", row.fact.project)))
        }
        Wanted::Issue(number) => {
            let project: ProjectId = match search.project {
                Some(named) => named.parse().map_err(|_| Fault::NoSuchProject)?,
                None => ProjectId::FIRST,
            };
            dashboard.catalog().issue(project, number, None).await?.ok_or(Fault::NoSuchIssue)?;
            Ok(Redirect::to(&format!("/projects/{project}/issues/{number}")))
        }
    }
}

/// An id in any form that it is written in, with whatever surrounds it when it is copied from an answer or a log.
fn parse(text: &str) -> Option<Wanted> {
    let bare = text.trim().trim_start_matches("CrashID=").trim_matches(|letter: char| {
        letter.is_whitespace() || matches!(letter, '"' | '\'' | '{' | '}' | '<' | '>' | ',' | ';' | '.')
    });
    let last = bare.rsplit('/').next().unwrap_or(bare);
    if let Ok(id) = last.parse() {
        return Some(Wanted::Crash(id));
    }
    bare.trim_start_matches('#').parse().ok().map(Wanted::Issue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_any_form_that_it_is_pasted_in() {
        let id = CrashId::new();
        let forms = [
            format!(" {id}\n"),
            id.simple(),
            id.to_string().to_uppercase(),
            format!("CrashID=bp-{id}"),
            format!("\"{id}\","),
            format!("{{{id}}}"),
            format!("http://localhost:8080/projects/1/crashes/{id}"),
        ];
        for form in forms {
            assert!(matches!(parse(&form), Some(Wanted::Crash(found)) if found == id), "{form}");
        }
    }

    #[test]
    fn a_number_is_an_issue_and_anything_else_is_nothing() {
        assert!(matches!(parse("#12"), Some(Wanted::Issue(IssueNumber(12)))));
        assert!(matches!(parse(" 12 "), Some(Wanted::Issue(IssueNumber(12)))));
        for text in ["", "#", "Renderer::draw", "-1", "0"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
