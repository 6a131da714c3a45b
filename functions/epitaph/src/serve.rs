//! `epitaph serve`: all functions in one process.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    http::{
        header::{AUTHORIZATION, CONTENT_TYPE},
        HeaderMap, StatusCode,
    },
    response::IntoResponse,
    routing::get,
    Router,
};
use epitaph_bucket::Bucket;
use epitaph_catalog::Catalog;
use epitaph_crash_model::{Message, ProjectId};
use epitaph_dashboard::{Dashboard, DashboardSettings};
use epitaph_dead_letters::DeadLetters;
use epitaph_host::{bind, serve, telemetry, Context, HttpSettings, Metrics, Secrets, Settings, Signals, Token};
use epitaph_ingest::{Collector, Engines};
use epitaph_maintain::{Maintenance, MaintenanceSettings};
use epitaph_process::{ParserSettings, Processor, ProcessorSettings};
use epitaph_queue::{
    consume,
    embedded::{Consumer, ConsumerSettings, Producer, ProducerSettings},
    Handler, Outcome, Undeliverable,
};
use epitaph_secrets::Purpose;
use tokio::{sync::watch, task::JoinSet};

use crate::{cli::Failure, key::dsn};

/// A message whose handler vanished so often is a dead letter. Parsers are isolated and have attempts of their own; this
/// counts deaths of the whole process.
const MOST_ATTEMPTS: u32 = 20;
/// How often parked messages are looked for: a directory listing.
const PARKED_EVERY: Duration = Duration::from_secs(5);
/// How often everything else is looked after.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

pub(crate) fn run(settings: Settings) -> Result<(), Failure> {
    telemetry::start(settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build()?;
    let served = runtime.block_on(serve_all(settings));
    runtime.shutdown_background();
    served
}

async fn serve_all(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let (house, consumer) = House::open(settings).await?;
    let listener = bind(SocketAddr::new(house.settings.bind, house.settings.port))?;
    let url = house.settings.url(listener.local_addr()?.port());

    let (stop, stopped) = watch::channel(false);
    let mut background = JoinSet::new();
    let handler = Arc::new(Hands { processor: house.processor()?, dead: house.dead_letters() });
    background.spawn(consume(consumer, handler, MOST_ATTEMPTS, stopped.clone()));
    let maintenance = Maintenance::new(
        MaintenanceSettings {
            retention_days: house.settings.retention_days,
            message_secret: house.secrets.message.clone(),
        },
        house.engines.bucket.clone(),
        house.catalog.clone(),
        Arc::clone(&house.engines.queue),
    );
    background.spawn(maintain(maintenance, stopped.clone()));

    let context = |name| Context {
        name,
        settings: house.settings.clone(),
        secrets: house.secrets.clone(),
        metrics: house.metrics.clone(),
    };
    let dashboard = Dashboard::new(
        DashboardSettings {
            public_url: Some(url.clone()),
            allowed_hosts: Vec::new(),
            token: house.token.reveal().to_owned(),
            session: house.root()?.derive(Purpose::Session),
            ingest: house.secrets.ingest.clone(),
        },
        house.catalog.clone(),
        house.engines.bucket.clone(),
    );
    let router = Router::new()
        .merge(epitaph_minidump::router(Collector::new(&context("minidump"), house.engines.clone())))
        .merge(epitaph_dashboard::router(dashboard))
        .merge(metrics_route(house.metrics.clone(), house.token.clone()));
    let http = HttpSettings::new("epitaph", &house.settings.limits, house.metrics.clone());

    print!("{}", welcome(&house.settings, &house.secrets, &house.token, &url));
    let told = async move {
        signals.next().await;
    };
    serve(listener, router, http, told).await;
    // Requests are answered; what they handed over waits in the queue for the next start, or is finished now.
    let _ = stop.send(true);
    let deadline = Instant::now() + house.settings.limits.drain;
    let _ = tokio::time::timeout_at(deadline.into(), background.join_all()).await;
    house.catalog.close().await;
    Ok(())
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
    async fn open(settings: Settings) -> Result<(Self, Consumer), Failure> {
        let (secrets, token) = (settings.load_secrets()?, settings.load_token()?);
        let directory = settings.data.join("queue");
        let in_flight = std::thread::available_parallelism().map_or(2, |cores| cores.get() * 2);
        let consumer_settings = ConsumerSettings { in_flight, ..ConsumerSettings::default() };
        let consumer = Consumer::open(&directory, consumer_settings)?;
        let waker = consumer.waker();
        let producer = ProducerSettings { directory, min_free: settings.min_free_disk, sync: true };
        let producer = Producer::new(producer).with_wake(move || waker.wake());
        let engines = Engines::with_queue(&settings, Arc::new(producer))?;
        let catalog = Catalog::open(&settings.catalog)?;
        catalog.migrate().await?;
        Ok((Self { settings, secrets, token, metrics: Metrics::new(), catalog, engines }, consumer))
    }

    fn root(&self) -> Result<&epitaph_secrets::RootSecret, Failure> {
        self.secrets.root.as_ref().ok_or_else(|| {
            "EPITAPH_SECRET is not set, only secrets derived from it; expected EPITAPH_SECRET, as one process needs all of them".into()
        })
    }

    fn processor(&self) -> Result<Processor, Failure> {
        let mut parser = match &self.settings.parser.program {
            Some(program) => ParserSettings::of(program),
            None => ParserSettings::of_this_program()?,
        };
        parser.limits.data_bytes = self.settings.parser.memory;
        parser.limits.cpu_seconds = self.settings.parser.cpu.as_secs();
        parser.wall = self.settings.parser.wall;
        let user_hash = self.root()?.derive(Purpose::UserHash);
        let mut settings = ProcessorSettings::new(self.secrets.message.clone(), user_hash, parser);
        settings.largest_dump = self.settings.limits.file;
        settings.scratch = scratch(&self.settings.data)?;
        Ok(Processor::new(settings, self.engines.bucket.clone(), self.catalog.clone()))
    }

    fn dead_letters(&self) -> DeadLetters {
        let bucket: Bucket = self.engines.bucket.clone();
        DeadLetters::new(bucket, self.catalog.clone())
    }
}

/// Where dumps lie while they are parsed: beside the data, since `/tmp` may be memory.
fn scratch(data: &Path) -> std::io::Result<std::path::PathBuf> {
    let scratch = data.join("scratch");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

/// What messages are handed to.
struct Hands {
    processor: Processor,
    dead: DeadLetters,
}

impl Handler for Hands {
    async fn handle(&self, message: Message, attempt: u32) -> Outcome {
        self.processor.handle(&message, attempt).await
    }

    async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
        let Undeliverable { bytes, reason, attempts } = undeliverable;
        self.dead.bury(bytes, &reason, attempts).await.map_err(|error| telemetry::chain(&error))
    }
}

async fn maintain(maintenance: Maintenance, mut stop: watch::Receiver<bool>) {
    let mut housekeeping_due = Instant::now();
    loop {
        let result = if Instant::now() >= housekeeping_due {
            housekeeping_due = Instant::now() + HOUSEKEEPING_EVERY;
            maintenance.run().await.map(|done| {
                if done != epitaph_maintain::Done::default() {
                    tracing::info!(?done, "maintained");
                }
            })
        } else {
            maintenance.send_parked().await.map(|sent| {
                if sent > 0 {
                    tracing::info!(sent, "parked messages were sent on");
                }
            })
        };
        if let Err(error) = result {
            tracing::warn!(error = telemetry::chain(&error), "maintenance could not be finished; it goes on later");
        }
        let pause = tokio::time::sleep(PARKED_EVERY);
        tokio::select! {
            () = pause => {}
            _ = stop.wait_for(|stop| *stop) => return,
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
            (StatusCode::UNAUTHORIZED, [(CONTENT_TYPE, "text/plain; charset=utf-8")], expected).into_response()
        }
    };
    Router::new().route("/metrics", get(show))
}

/// What a person needs to know after the start: where to look, and what to post.
fn welcome(settings: &Settings, secrets: &Secrets, token: &Token, url: &str) -> String {
    let project = ProjectId::FIRST;
    let key = secrets.ingest.project_key(project, 0);
    let post = format!("{url}/api/{project}/minidump/?sentry_key={key}");
    let mut text = String::new();
    let _ = writeln!(text, "Epitaph is collecting.\n");
    let _ = writeln!(text, "  look   {url}/login?token={}", token.reveal());
    let _ = writeln!(text, "  post   {post}");
    let _ = writeln!(text, "  DSN    {}", dsn(url, &key, project));
    let _ = writeln!(text, "  data   {}\n", settings.data.display());
    let _ = writeln!(text, "Send a first crash:\n");
    let _ = writeln!(
        text,
        "  curl -F upload_file_minidump=@crash.dmp -F prod=MyGame -F ver=1.2.3 '{post}'\n"
    );
    text
}
