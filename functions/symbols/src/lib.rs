//! Debug files in, and symbol-server look-ups out.
//!
//! | route                                               | body, answer                                                              |
//! | --------------------------------------------------- | ------------------------------------------------------------------------- |
//! | `POST /api/{project}/symbols/`                      | announces a file; answers which parts are missing, or that it is here     |
//! | `PUT /api/{project}/symbols/{sha256}/{part}`        | one part of it                                                            |
//! | `GET /api/{project}/symbols/{sha256}/{part}`        | where the part may be put directly into the bucket, if anywhere           |
//! | `POST /api/{project}/symbols/{sha256}/finish`       | all parts are here: it is converted, by `process`                         |
//! | `GET /api/{project}/symbols/{sha256}`               | what became of it                                                         |
//! | `GET /api/{project}/symbols/`                       | the debug files of the project, those that came last first                |
//! | `POST /api/{project}/symbols/check`                 | which of some debug ids have symbols                                      |
//! | `POST /api/{project}/symbols/pin`                   | keeps the files of a release, or lets them go; the administrator's token  |
//! | `DELETE /api/{project}/symbols/{debug id}/{sha256}` | deletes a debug file; the administrator's token                           |
//! | `POST /api/{project}/symbols/upload`                | Breakpad's form, with the file as `symbol_file`                           |
//! | `GET /symbols/{read token}/{name}/{id}/{file}`      | a symbol server, as Breakpad's tools and Microsoft's debuggers ask it     |
//! | `.../chunk-upload/`, `.../files/difs/assemble/`     | what `sentry-cli debug-files upload` asks for, under `/api/0/`            |
//!
//! All but look-ups take an upload token, or the administrator's, as `Authorization: Bearer TOKEN` or as `?token=TOKEN`.
//!
//! An upload is named by the SHA-256 of the file, so who begins it again goes on where it stopped, and what is here already
//! is not sent at all. Parts are objects of their own: each is durable when it is answered, and several may come at once.

mod access;
mod announce;
mod files;
mod form;
mod look_up;
mod part;
mod sentry;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use epitaph_bucket::Bucket;
use epitaph_catalog::{Catalog, CatalogError};
use epitaph_crash_model::{Message, MessageKind, Timestamp, UploadedFile};
use epitaph_host::{Context, Limits, Platform, Token};
use epitaph_ingest::{Cause, Engines, Refusal};
use epitaph_queue::SendError;
use epitaph_secrets::{Purpose, Secret};
use epitaph_symbolicate::{DiskCache, Store, SymbolError};
use tokio::sync::OnceCell;

/// The largest request that is JSON, in bytes.
const LARGEST_JSON: usize = 1 << 20;
/// The usual size of a part.
const PART: u64 = 32 << 20;
/// Lambda takes 6 MB in one request, in which what is no text is base64.
const PART_ON_LAMBDA: u64 = 4 << 20;
/// More parts than this do not fit into a message.
const MOST_PARTS: u64 = 4000;

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Tokens need secrets that only the root gives.
    #[error("EPITAPH_SECRET is not set, only secrets derived from it; expected the root secret")]
    NoRoot,
    /// The queue or the bucket cannot be used.
    #[error("the engines cannot be used")]
    Engines(#[from] epitaph_ingest::OpenError),
    /// The catalog's URL is not usable.
    #[error("the catalog cannot be used")]
    Catalog(#[from] CatalogError),
}

/// Takes debug files, and looks symbols up. Cheap to clone.
#[derive(Clone)]
pub struct Symbols {
    shared: Arc<Shared>,
}

struct Shared {
    engines: Engines,
    catalog: Catalog,
    upload: Secret,
    read: Secret,
    message: Secret,
    /// The administrator's.
    token: Option<Token>,
    limits: Limits,
    part_bytes: u64,
    /// Whether an answer may have a few megabytes only.
    answers_briefly: bool,
    /// Bytes of the largest debug file that is taken.
    largest: u64,
    folder: PathBuf,
    cache: u64,
    store: OnceCell<Store>,
}

impl Symbols {
    /// From a function's context.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(context: &Context) -> Result<Self, OpenError> {
        let engines = Engines::open(&context.settings)?;
        Self::new(context, engines, Catalog::open(&context.settings.catalog)?, context.settings.token.clone())
    }

    /// With engines that are already there.
    ///
    /// # Errors
    /// [`OpenError::NoRoot`].
    pub fn new(
        context: &Context,
        engines: Engines,
        catalog: Catalog,
        token: Option<Token>,
    ) -> Result<Self, OpenError> {
        let Context { settings, secrets, .. } = context;
        let root = secrets.root.as_ref().ok_or(OpenError::NoRoot)?;
        let on_lambda = settings.platform == Platform::Lambda;
        let shared = Shared {
            engines,
            catalog,
            upload: root.derive(Purpose::Upload),
            read: root.derive(Purpose::Symbols),
            message: secrets.message.clone(),
            token,
            limits: settings.limits.clone(),
            part_bytes: if on_lambda { PART_ON_LAMBDA } else { PART },
            answers_briefly: on_lambda,
            largest: settings.symbols.largest,
            folder: settings.symbol_folder(),
            cache: settings.symbols.cache,
            store: OnceCell::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn bucket(&self) -> &Bucket {
        &self.shared.engines.bucket
    }

    fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The store, opened at the first look-up.
    async fn store(&self) -> Result<&Store, Refusal> {
        let open = async || {
            let disk = DiskCache::open(&self.shared.folder, self.shared.cache)?;
            Ok::<_, SymbolError>(Store::new(self.bucket().clone(), disk))
        };
        self.shared.store.get_or_try_init(open).await.map_err(|error| unavailable(&error))
    }

    /// Asks `process` to convert a file.
    async fn hand_over(&self, uploaded: &UploadedFile) -> Result<(), Refusal> {
        let (kind, id) = (MessageKind::DebugFile, uploaded.digest.clone());
        let message = Message::new(kind, uploaded.project, id, Timestamp::now(), uploaded);
        let mut message = message.map_err(|error| unavailable(&error))?;
        self.shared.message.sign_message(&mut message);
        let sent = self.shared.engines.queue.send(&message).await;
        sent.map_err(|error| match error {
            SendError::TooLarge { .. } => {
                let detail = "the file has so many parts that the queue does not take the message about them: raise \
                              EPITAPH_LIMIT_MESSAGE where the queue is a broker";
                Refusal::new(Cause::TooLarge, detail)
            }
            error => unavailable(&error),
        })
    }

    /// Refuses a file that is larger than may be.
    fn check_size(&self, size: u64) -> Result<(), Refusal> {
        let largest = self.shared.largest;
        if size <= largest {
            return Ok(());
        }
        let detail = format!(
            "the file has {size} bytes: expected at most {largest} (EPITAPH_LIMIT_DEBUG_FILE, which is as large as the disks \
             that it is converted on)"
        );
        Err(Refusal::new(Cause::TooLarge, detail))
    }
}

/// The routes of this function.
pub fn router(symbols: Symbols) -> Router {
    Router::new()
        .route("/api/{project}/symbols/", post(announce::announce).get(files::list))
        .route("/api/{project}/symbols", post(announce::announce).get(files::list))
        .route("/api/{project}/symbols/upload", post(form::receive))
        .route("/api/{project}/symbols/check", post(files::check))
        .route("/api/{project}/symbols/pin", post(files::pin))
        .route("/api/{project}/symbols/{upload}", get(announce::status))
        .route("/api/{project}/symbols/{upload}/finish", post(announce::finish))
        .route(
            "/api/{project}/symbols/{upload}/{part}",
            put(part::receive).get(part::place).delete(files::remove),
        )
        .route("/symbols/{token}/{name}/{id}/{file}", get(look_up::look_up))
        .route("/api/0/organizations/{organization}/chunk-upload/", get(sentry::options).post(sentry::chunks))
        .route("/api/0/projects/{organization}/{project}/files/difs/assemble/", post(sentry::assemble))
        .layer(DefaultBodyLimit::max(LARGEST_JSON))
        .with_state(symbols)
}

/// A fault of ours, told to the log in full and to the client in one line.
fn unavailable(error: &dyn std::error::Error) -> Refusal {
    let chain = epitaph_host::telemetry::chain(error);
    tracing::error!(error = chain, "symbols");
    Refusal::new(Cause::Unavailable, "the server cannot do this now: try again later")
}

/// What goes wrong in a handler.
enum Fault {
    Refused(Refusal),
    NotFound,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        Self::Refused(unavailable(&error))
    }
}

impl From<SymbolError> for Fault {
    fn from(error: SymbolError) -> Self {
        Self::Refused(unavailable(&error))
    }
}

impl From<epitaph_bucket::BucketError> for Fault {
    fn from(error: epitaph_bucket::BucketError) -> Self {
        match error {
            epitaph_bucket::BucketError::NotFound(_) => Self::NotFound,
            error => Self::Refused(unavailable(&error)),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::Refused(refusal) => refusal.into_response(),
            Fault::NotFound => {
                let told =
                    serde_json::json!({ "detail": "there is no such thing here", "causes": ["not_found"] });
                (StatusCode::NOT_FOUND, axum::Json(told)).into_response()
            }
        }
    }
}
