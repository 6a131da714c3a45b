//! `GET /search?q=`: from a crash id or an issue's number to its page.

use axum::{
    extract::{Query, State},
    response::Redirect,
};
use epitaph_crash_model::{IssueNumber, ProjectId};
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
    /// A name of a crash, in whichever form.
    Crash(String),
    Issue(IssueNumber),
}

pub(crate) async fn find(
    State(dashboard): State<Dashboard>,
    Query(search): Query<Search>,
) -> Result<Redirect, Fault> {
    match parse(&search.q).ok_or(Fault::NotAnId)? {
        Wanted::Crash(name) => {
            // Two games may give the same id: the one that is looked at comes first.
            let project = search.project.and_then(|named| named.parse().ok());
            let mut found = match project {
                Some(project) => dashboard.facts().find(Some(project), &name).await?,
                None => None,
            };
            if found.is_none() {
                found = dashboard.facts().find(None, &name).await?;
            }
            let fact = found.ok_or(Fault::NoSuchCrash)?.fact;
            Ok(Redirect::to(&format!("/projects/{}/crashes/{}", fact.project, fact.crash_id)))
        }
        Wanted::Issue(number) => {
            let project: ProjectId = match search.project {
                Some(named) => named.parse().map_err(|_| Fault::NoSuchProject)?,
                None => ProjectId::FIRST,
            };
            let found = dashboard.catalog().issues_numbered(project, &[number]).await?;
            found.first().ok_or(Fault::NoSuchIssue)?;
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
    if epitaph_catalog::is_crash_name(last) {
        return Some(Wanted::Crash(last.to_owned()));
    }
    bare.trim_start_matches('#').parse().ok().map(Wanted::Issue)
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::CrashId;

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
            let found = matches!(parse(&form), Some(Wanted::Crash(name)) if name.parse() == Ok(id));
            assert!(found, "{form}");
        }
    }

    #[test]
    fn a_clients_own_id_is_a_name_of_a_crash() {
        for form in [
            "9ec79c33ec9942ab8353589fcb2e04dc",
            "9EC79C33-ec99-42ab-8353-589fcb2e04dc",
            "BP-9ec79c33ec9942ab8353589fcb2e04dc",
        ] {
            assert!(matches!(parse(form), Some(Wanted::Crash(name)) if name == form), "{form}");
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
