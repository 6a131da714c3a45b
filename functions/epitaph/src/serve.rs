//! `epitaph serve`: all functions in one process.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};
use epitaph_catalog::Catalog;
use epitaph_crash_model::ProjectId;
use epitaph_dashboard::{Dashboard, DashboardSettings, SymbolSettings};
use epitaph_facts::Facts;
use epitaph_host::{
    Context, HttpSettings, Metrics, Secrets, Settings, Signals, Token, bind, serve, telemetry,
};
use epitaph_ingest::{Collector, Engines, producer_settings};
use epitaph_maintain::{Maintenance, MaintenanceSettings, Sealing};
use epitaph_process::{Puller, Queue, open_queue};
use epitaph_queue::embedded::Producer;
use epitaph_secrets::Purpose;
use epitaph_symbols::Symbols;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    cli::Failure,
    demo::{Demo, Place},
    key::{dsn, newest},
    rules,
};

/// Serves until a signal comes; as a demo, fills its place meanwhile.
pub(crate) fn run(settings: Settings, demo: Option<Place>) -> Result<(), Failure> {
    telemetry::start(settings.log);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build()?;
    let served = runtime.block_on(serve_all(settings, demo));
    runtime.shutdown_background();
    served
}

async fn serve_all(settings: Settings, demo: Option<Place>) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let (house, queue) = House::open(settings).await?;
    let listener = bind(SocketAddr::new(house.settings.bind, house.settings.port))?;
    let url = house.settings.url(listener.local_addr()?.port());

    let (stop, stopped) = watch::channel(false);
    let mut background = JoinSet::new();
    let puller = Puller::new(&house.context("process"), house.engines.bucket.clone(), house.catalog.clone())?;
    background.spawn(puller.pull(queue, stopped.clone()));
    let scratch = house.settings.scratch().join("facts");
    let facts = Facts::new(house.catalog.clone(), house.engines.bucket.clone(), scratch);
    let maintenance = Maintenance::new(
        MaintenanceSettings {
            retention_days: house.settings.retention_days,
            symbol_days: house.settings.symbols.days,
            message_secret: house.secrets.message.clone(),
            sealing: Sealing::default(),
        },
        facts.clone(),
        Arc::clone(&house.engines.queue),
    );
    background.spawn(maintenance.keep_running(stopped));
    let dashboard = Dashboard::new(
        DashboardSettings {
            is_demo: demo.is_some(),
            public_url: Some(url.clone()),
            allowed_hosts: house.settings.hosts.clone(),
            token: house.token.reveal().to_owned(),
            session: house.root()?.derive(Purpose::Session),
            ingest: house.secrets.ingest.clone(),
            largest_answer: None,
            symbols: SymbolSettings {
                folder: house.settings.symbol_folder(),
                cache: house.settings.symbols.cache,
            },
        },
        facts,
    );
    let symbols = Symbols::new(
        &house.context("symbols"),
        house.engines.clone(),
        house.catalog.clone(),
        Some(house.token.clone()),
    )?;
    let router = Router::new()
        .merge(epitaph_envelope::router(Collector::new(&house.context("envelope"), house.engines.clone())))
        .merge(epitaph_minidump::router(Collector::new(&house.context("minidump"), house.engines.clone())))
        .merge(epitaph_unreal::router(Collector::new(&house.context("unreal"), house.engines.clone())))
        .merge(epitaph_report::router(Collector::new(&house.context("report"), house.engines.clone())))
        .merge(epitaph_symbols::router(symbols))
        .merge(epitaph_dashboard::router(dashboard))
        .merge(metrics_route(house.metrics.clone(), house.token.clone()));
    let http = HttpSettings::new("epitaph", &house.settings.limits, house.metrics.clone());

    print!("{}", house.welcome(&url).await?);
    let mut filling = JoinSet::new();
    if let Some(place) = demo {
        filling.spawn(house.demo(place, &url).await?.fill());
    }
    // A server that goes on acknowledging while nothing is processed would look well and be of no use.
    let mut died = false;
    let told = async {
        tokio::select! {
            _ = signals.next() => {}
            _ = background.join_next() => died = true,
        }
        filling.shutdown().await;
    };
    serve(listener, router, http, told).await;
    // Requests are answered; what they handed over waits in the queue for the next start, or is finished now.
    let _ = stop.send(true);
    let finished = async { while background.join_next().await.is_some() {} };
    tokio::select! {
        _ = tokio::time::timeout(house.settings.limits.drain, finished) => {}
        _ = signals.next() => tracing::warn!("a second signal: the drain is cut short"),
    }
    house.catalog.close().await;
    if died { Err("processing or maintenance ended unexpectedly; see the log".into()) } else { Ok(()) }
}

/// The engines, opened.
struct House {
    settings: Settings,
    secrets: Secrets,
    token: Token,
    metrics: Metrics,
    catalog: Catalog,
    engines: Engines,
}

impl House {
    async fn open(settings: Settings) -> Result<(Self, Queue), Failure> {
        let (secrets, token) = (settings.load_secrets()?, settings.load_token()?);
        let queue = open_queue(&settings)?;
        let engines = match &queue {
            Queue::Embedded(consumer) => {
                let waker = consumer.waker();
                let producer = Producer::new(producer_settings(&settings)).with_wake(move || waker.wake());
                Engines::with_queue(&settings, Arc::new(producer))?
            }
            #[allow(unreachable_patterns, reason = "which queues there are depends on the features")]
            _ => Engines::open(&settings)?,
        };
        let catalog = Catalog::open(&settings.catalog)?;
        catalog.migrate().await?;
        Ok((Self { settings, secrets, token, metrics: Metrics::new(), catalog, engines }, queue))
    }

    async fn welcome(&self, url: &str) -> Result<String, Failure> {
        let rules = rules::current(&self.catalog).await?;
        // Where all keys are revoked, other projects may still have theirs.
        let key = newest(&self.secrets, &rules, ProjectId::FIRST).unwrap_or_else(|why| {
            tracing::warn!(%why, "project 1 takes no reports");
            "KEY".to_owned()
        });
        Ok(welcome(&self.settings, &key, &self.token, url))
    }

    async fn demo(&self, place: Place, url: &str) -> Result<Demo, Failure> {
        let key = newest(&self.secrets, &rules::current(&self.catalog).await?, ProjectId::FIRST)?;
        epitaph_tls::choose_provider();
        Ok(Demo {
            place,
            catalog: self.catalog.clone(),
            bucket: self.engines.bucket.clone(),
            users: self.root()?.derive(Purpose::UserHash),
            url: url.to_owned(),
            key,
        })
    }

    fn root(&self) -> Result<&epitaph_secrets::RootSecret, Failure> {
        self.secrets.root.as_ref().ok_or_else(|| {
            "EPITAPH_SECRET is not set, only secrets derived from it; expected EPITAPH_SECRET, as one process needs all of them".into()
        })
    }

    fn context(&self, name: &'static str) -> Context {
        Context {
            name,
            settings: self.settings.clone(),
            secrets: self.secrets.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

/// The metrics, for whoever has the token: they tell how a studio's game is doing.
fn metrics_route(metrics: Metrics, token: Token) -> Router {
    let show = async move |headers: HeaderMap| {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if given.is_some_and(|given| token.matches(given)) {
            ([(CONTENT_TYPE, epitaph_host::metrics::CONTENT_TYPE)], metrics.text()).into_response()
        } else {
            let expected = "expected the header `Authorization: Bearer TOKEN` with the admin token\n";
            (StatusCode::UNAUTHORIZED, [(CONTENT_TYPE, "text/plain; charset=utf-8")], expected)
                .into_response()
        }
    };
    Router::new().route("/metrics", get(show))
}

/// What a person needs to know after the start: where to look, and what to post.
fn welcome(settings: &Settings, key: &str, token: &Token, url: &str) -> String {
    let project = ProjectId::FIRST;
    let post = format!("{url}/api/{project}/minidump/?sentry_key={key}");
    let mut text = String::new();
    let _ = writeln!(text, "Epitaph is collecting.\n");
    let _ = writeln!(text, "  look   {url}/login?token={}", token.reveal());
    let _ = writeln!(text, "  post   {post}");
    let _ = writeln!(text, "  DSN    {}", dsn(url, key, project));
    let _ = writeln!(text, "  data   {}\n", settings.data.display());
    let _ = writeln!(text, "Send a first crash:\n");
    let _ =
        writeln!(text, "  curl -F upload_file_minidump=@crash.dmp -F prod=MyGame -F ver=1.2.3 '{post}'\n");
    text
}
