//! Who may do what.

use axum::http::{HeaderMap, Uri, header::AUTHORIZATION};
use epitaph_crash_model::ProjectId;
use epitaph_ingest::{Cause, Refusal, receive};
use percent_encoding::percent_decode_str;

use crate::Symbols;

/// Generations of tokens that are accepted.
const GENERATIONS: [u32; 1] = [0];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A build machine, with a project's upload token.
    Uploader,
    /// The administrator.
    Administrator,
}

impl Symbols {
    /// Checks the token of a request about a project's debug files.
    pub(crate) fn authenticate(
        &self,
        project: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(ProjectId, Who), Refusal> {
        let project = receive::project(project)?;
        let Some(token) = token_of(uri, headers) else {
            let detail = "expected an upload token (`epitaph key PROJECT --upload` prints it) as Authorization: Bearer";
            return Err(Refusal::new(Cause::Unauthorized, detail));
        };
        self.who(project, &token).map(|who| (project, who))
    }

    /// As [`Symbols::authenticate`], where only the administrator may.
    pub(crate) fn authenticate_administrator(
        &self,
        project: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<ProjectId, Refusal> {
        match self.authenticate(project, uri, headers)? {
            (project, Who::Administrator) => Ok(project),
            (_, Who::Uploader) => {
                Err(Refusal::new(Cause::Forbidden, "an upload token may not do this: expected EPITAPH_TOKEN"))
            }
        }
    }

    /// The project of a request's upload token, where the address names none.
    pub(crate) fn uploader(&self, uri: &Uri, headers: &HeaderMap) -> Result<ProjectId, Refusal> {
        let token = token_of(uri, headers).unwrap_or_default();
        let project = self.shared.upload.project_of_token(&GENERATIONS, &token);
        project.ok_or_else(|| {
            let detail =
                "expected an upload token (`epitaph key PROJECT --upload` prints it) as Authorization: Bearer";
            Refusal::new(Cause::Unauthorized, detail)
        })
    }

    fn who(&self, project: ProjectId, token: &str) -> Result<Who, Refusal> {
        let is_administrator = self.shared.token.as_ref().is_some_and(|own| own.matches(token));
        if is_administrator {
            return Ok(Who::Administrator);
        }
        if self.shared.upload.project_of_token(&GENERATIONS, token) == Some(project) {
            return Ok(Who::Uploader);
        }
        let detail = format!(
            "this token may not upload to project {project}: `epitaph key {project} --upload` prints the one that may"
        );
        Err(Refusal::new(Cause::Forbidden, detail))
    }

    /// The project whose symbols a read token opens.
    pub(crate) fn reader(&self, token: &str) -> Option<ProjectId> {
        self.shared.read.project_of_token(&GENERATIONS, token)
    }
}

fn token_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.split_once(' '));
    if let Some((_, token)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        return Some(token.trim().to_owned());
    }
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    Some(percent_decode_str(token).decode_utf8().ok()?.into_owned())
}
