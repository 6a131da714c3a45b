//! What can go wrong with a request, and what its sender is told.

use std::{error::Error, sync::Arc};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use epitaph_bucket::BucketError;
use epitaph_catalog::CatalogError;
use epitaph_facts::FactsError;
use epitaph_search::SearchError;
use serde::Serialize;

use crate::texts::{Advice, Texts};

type Cause = Arc<dyn Error + Send + Sync>;

/// A request that does not get what it asked for. As a response it is only a status that carries this value; the
/// [door](crate::door) makes a page or JSON of it, as the address calls for.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    #[error("this needs the admin token: send `Authorization: Bearer TOKEN`, or sign in at /login")]
    SignIn,
    #[error(
        "this is not the admin token; it is in EPITAPH_TOKEN, or in the file `token` of the data directory"
    )]
    WrongToken,
    #[error("there is no such address")]
    NoSuchPage,
    #[error("there is no such project; GET /api/v1/projects lists them")]
    NoSuchProject,
    #[error("there is no such issue in this project")]
    NoSuchIssue,
    #[error("there is no crash with this id in this project; one that was just sent takes a second or two")]
    NoSuchCrash,
    #[error("there is no such file of this crash, or it has expired")]
    NoSuchFile,
    #[error("this is neither a crash id nor the number of an issue")]
    NotAnId,
    #[error("{0}")]
    BadRequest(String),
    #[error("the search is not understood: {0}")]
    BadSearch(SearchError),
    #[error("this request came from a page of another site, and nothing was done")]
    ForeignOrigin,
    #[error("the catalog or the bucket does not answer; try again in a moment")]
    Unavailable(#[source] Cause),
    #[error("the answer could not be made")]
    Broken(#[source] Cause),
    /// The router or an extractor refused it.
    #[error("the request was refused: {0}")]
    Refused(StatusCode),
}

/// The API's form of a fault.
#[derive(Serialize)]
struct Told {
    detail: String,
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Misunderstood>,
}

/// Which part of a search is not understood.
#[derive(Serialize)]
struct Misunderstood {
    /// The first character, counted from 0, and the one behind the last.
    from: usize,
    to: usize,
    expected: String,
    /// What to write instead of these characters.
    suggestion: Option<String>,
}

impl From<&SearchError> for Misunderstood {
    fn from(error: &SearchError) -> Self {
        Self {
            from: error.range.start,
            to: error.range.end,
            expected: error.problem.to_string(),
            suggestion: error.problem.suggestion(),
        }
    }
}

impl Fault {
    pub(crate) fn broken(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Broken(Arc::new(error))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Fault::SignIn | Fault::WrongToken => StatusCode::UNAUTHORIZED,
            Fault::NoSuchPage
            | Fault::NoSuchProject
            | Fault::NoSuchIssue
            | Fault::NoSuchCrash
            | Fault::NoSuchFile
            | Fault::NotAnId => StatusCode::NOT_FOUND,
            Fault::BadRequest(_) | Fault::BadSearch(_) => StatusCode::BAD_REQUEST,
            Fault::ForeignOrigin => StatusCode::FORBIDDEN,
            Fault::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Refused(status) => *status,
        }
    }

    /// What a page says of it.
    pub(crate) fn advice(&self, t: &Texts) -> Advice {
        match self {
            // These two have a page of their own, with a form.
            Fault::SignIn | Fault::WrongToken => Advice { heading: t.sign_in, advice: t.sign_in_text },
            Fault::NoSuchPage => t.no_such_page,
            Fault::NoSuchProject => t.no_such_project,
            Fault::NoSuchIssue => t.no_such_issue,
            Fault::NoSuchCrash => t.no_such_crash,
            Fault::NoSuchFile => t.no_such_file,
            Fault::NotAnId => t.not_an_id,
            Fault::BadRequest(_) | Fault::BadSearch(_) => t.bad_request,
            Fault::ForeignOrigin => t.foreign_origin,
            Fault::Unavailable(_) => t.unavailable,
            Fault::Broken(_) => t.broken,
            Fault::Refused(StatusCode::METHOD_NOT_ALLOWED) => t.wrong_method,
            Fault::Refused(StatusCode::PAYLOAD_TOO_LARGE) => t.too_large,
            Fault::Refused(status) if status.is_server_error() => t.broken,
            Fault::Refused(_) => t.bad_request,
        }
    }

    /// What the API says of it: `{"detail": "...", "causes": [...]}`, and of a search which part of it is wrong.
    pub(crate) fn json(&self) -> Response {
        let search = match self {
            Fault::BadSearch(error) => Some(error.into()),
            _ => None,
        };
        let told = Told { detail: self.to_string(), causes: self.causes(), search };
        (self.status(), Json(told)).into_response()
    }

    fn causes(&self) -> Vec<String> {
        std::iter::successors(self.source(), |&error| error.source()).map(ToString::to_string).collect()
    }

    /// Faults of the server are for its log; those of a client are not.
    pub(crate) fn log(&self, path: &str) {
        let causes = self.causes().join(": ");
        match self {
            Fault::Unavailable(_) | Fault::Broken(_) => tracing::error!(path, causes, "{self}"),
            _ => tracing::debug!(path, causes, "{self}"),
        }
    }

    /// Headers that go with it, whichever form it takes.
    pub(crate) fn dress(&self, response: &mut Response) {
        match self {
            Fault::SignIn | Fault::WrongToken => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Fault::Unavailable(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        if error.is_unavailable() { Self::Unavailable(Arc::new(error)) } else { Self::broken(error) }
    }
}

impl From<FactsError> for Fault {
    fn from(error: FactsError) -> Self {
        match error {
            FactsError::Question(why) => Self::BadRequest(why.to_string()),
            error if error.is_unavailable() => Self::Unavailable(Arc::new(error)),
            error => Self::broken(error),
        }
    }
}

impl From<BucketError> for Fault {
    fn from(error: BucketError) -> Self {
        if error.is_unavailable() { Self::Unavailable(Arc::new(error)) } else { Self::broken(error) }
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::broken(error)
    }
}
