//! The life of a single function, from its environment to its exit code.

use std::{error::Error, net::SocketAddr, process::ExitCode, time::SystemTime};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::{
    http::{HttpSettings, Signals, bind, serve},
    metrics::{self, Metrics},
    secrets::Secrets,
    settings::{Platform, Role, Settings},
    telemetry::{self, chain},
    work::Work,
};

/// The exit code of a process that was configured wrongly (`EX_USAGE`).
pub const EXIT_BAD_CONFIGURATION: u8 = 64;

/// Threads for blocking calls, which is how files are read and written. A disk does not get faster with more of them,
/// and each holds memory.
const BLOCKING_THREADS: usize = 8;

/// What a function is built from.
pub struct Context {
    /// The function's name, as in its metrics.
    pub name: &'static str,
    /// Its configuration.
    pub settings: Settings,
    /// What it may know.
    pub secrets: Secrets,
    /// Where it counts.
    pub metrics: Metrics,
}

type Failure = Box<dyn Error + Send + Sync>;

/// Runs a function until it is told to stop: reads its settings, has `build` make its router, binds, serves, drains. On
/// AWS Lambda, which `AWS_LAMBDA_RUNTIME_API` tells, it answers Lambda's events instead.
///
/// One thread serves all requests: a function is one of many small instances, and its work is waiting. `build` should
/// do no I/O, since the socket is bound only after it.
///
/// Gives 64 after bad configuration and 1 when it could not start, each with one line on stderr.
pub fn run_function<Build, Building, Fault>(name: &'static str, build: Build) -> ExitCode
where
    Build: FnOnce(Context) -> Building,
    Building: Future<Output = Result<Router, Fault>>,
    Fault: Error + Send + Sync + 'static,
{
    run(name, async |context, _| Ok(Work::Serve(build(context).await?)))
}

/// Runs a function that no client asks: as [`run_function`], but `build` says what its [`Work`] is here. It is given
/// what turns true when the function is told to stop; work that is pulled ends soon after that.
pub fn run_worker<Build, Building, Fault>(name: &'static str, build: Build) -> ExitCode
where
    Build: FnOnce(Context, watch::Receiver<bool>) -> Building,
    Building: Future<Output = Result<Work, Fault>>,
    Fault: Error + Send + Sync + 'static,
{
    run(name, async |context, stop| Ok(build(context, stop).await?))
}

fn run<Build>(name: &'static str, build: Build) -> ExitCode
where
    Build: AsyncFnOnce(Context, watch::Receiver<bool>) -> Result<Work, Failure>,
{
    let begun = SystemTime::now();
    let settings = match Settings::from_environment(Role::Function(name)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("epitaph: bad configuration: {error}");
            return ExitCode::from(EXIT_BAD_CONFIGURATION);
        }
    };
    #[cfg(not(feature = "lambda"))]
    if settings.platform == Platform::Lambda {
        eprintln!(
            "epitaph: AWS_LAMBDA_RUNTIME_API is set; expected a build with the feature `lambda`, which this is not"
        );
        return ExitCode::from(EXIT_BAD_CONFIGURATION);
    }
    telemetry::start(settings.log);
    // Nothing could be told before.
    tell_step("main", begun);
    tell_step("settings", SystemTime::now());
    match start(name, settings, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("epitaph: {name} could not start: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Tells how far a start has come, for whoever asks where its time goes: at the level `debug`, in microseconds since 1970.
fn tell_step(step: &'static str, at: SystemTime) {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    tracing::debug!(target: "epitaph_host::start", step, at_us = u64::try_from(since.as_micros()).unwrap_or_default());
}

fn start<Build>(name: &'static str, settings: Settings, build: Build) -> Result<(), Failure>
where
    Build: AsyncFnOnce(Context, watch::Receiver<bool>) -> Result<Work, Failure>,
{
    let secrets = settings.load_secrets()?;
    let metrics = Metrics::new();
    let platform = settings.platform;
    let context = Context { name, settings, secrets, metrics };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    tell_step("runtime", SystemTime::now());
    runtime.block_on(async {
        match platform {
            #[cfg(feature = "lambda")]
            Platform::Lambda => crate::lambda::run(context, build).await,
            _ => listen(context, build).await,
        }
    })?;
    // Nobody waits for blocking work that is still going on: a drain has its limit.
    runtime.shutdown_background();
    Ok(())
}

/// On a plain host and on Knative: binds, works and serves, until a signal says stop.
async fn listen<Build>(context: Context, build: Build) -> Result<(), Failure>
where
    Build: AsyncFnOnce(Context, watch::Receiver<bool>) -> Result<Work, Failure>,
{
    let Context { name, ref settings, ref metrics, .. } = context;
    let http = HttpSettings::new(name, &settings.limits, metrics.clone());
    let address = SocketAddr::new(settings.bind, settings.port);
    let metrics_address = settings.metrics_port.map(|port| SocketAddr::new(settings.bind, port));
    let metrics = metrics.clone();
    let mut signals = Signals::new()?;
    let (stop, stopped) = watch::channel(false);
    let told = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let (router, work) = match build(context, stopped.clone()).await? {
        Work::Serve(router) => (router, told(stopped.clone()).boxed()),
        Work::Pull(work) => (Router::new(), work),
        Work::Invoke(_) => return Err("it was built for Lambda, and this is not Lambda".into()),
    };
    tell_step("engines", SystemTime::now());
    let listener = bind(address)?;
    let metrics_listener = metrics_address.map(bind).transpose()?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    tell_step("listening", SystemTime::now());

    let shown = async {
        if let Some(listener) = metrics_listener {
            let settings = HttpSettings { connections: 16, ..http.clone() };
            serve(listener, metrics_router(metrics), settings, told(stopped.clone())).await;
        }
    };
    let served = serve(listener, router, http.clone(), told(stopped.clone()));
    let signalled = async {
        signals.next().await;
        let _ = stop.send(true);
        signals.next().await;
        tracing::warn!("a second signal: the drain is cut short");
    };
    // Work that ends before it is told to leaves nothing to be well for.
    let worked = async {
        work.await;
        let unexpected = !*stopped.borrow();
        let _ = stop.send(true);
        unexpected
    };
    tokio::select! {
        (_, _, unexpected) = async { tokio::join!(served, shown, worked) } => {
            if unexpected { Err("its work ended unexpectedly; see the log".into()) } else { Ok(()) }
        }
        () = signalled => Ok(()),
    }
}

fn metrics_router(metrics: Metrics) -> Router {
    let text = async move || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.text());
    Router::new().route("/metrics", get(text))
}
