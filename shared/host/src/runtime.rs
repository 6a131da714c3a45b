//! The life of a single function, from its environment to its exit code.

use std::{error::Error, net::SocketAddr, process::ExitCode};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use tokio::sync::watch;

use crate::{
    http::{HttpSettings, Signals, bind, serve},
    metrics::{self, Metrics},
    secrets::Secrets,
    settings::{Role, Settings},
    telemetry::{self, chain},
};

/// The exit code of a process that was configured wrongly (`EX_USAGE`).
pub const EXIT_BAD_CONFIGURATION: u8 = 64;

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

/// Runs a function until it is told to stop: reads its settings, has `build` make its router, binds, serves, drains.
///
/// One thread serves all requests: a function is one of many small instances, and its work is waiting. `build` should
/// do no I/O, since the socket is bound only after it.
///
/// Gives 64 after bad configuration and 1 when it could not start, each with one line on stderr.
pub fn run_function<Build, Building, Fault>(name: &'static str, build: Build) -> ExitCode
where
    Build: FnOnce(Context) -> Building,
    Building: Future<Output = Result<Router, Fault>>,
    Fault: Error + 'static,
{
    let settings = match Settings::from_environment(Role::Function(name)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("epitaph: bad configuration: {error}");
            return ExitCode::from(EXIT_BAD_CONFIGURATION);
        }
    };
    telemetry::start(settings.log);
    match start(name, settings, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("epitaph: {name} could not start: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start<Build, Building, Fault>(
    name: &'static str,
    settings: Settings,
    build: Build,
) -> Result<(), Box<dyn Error>>
where
    Build: FnOnce(Context) -> Building,
    Building: Future<Output = Result<Router, Fault>>,
    Fault: Error + 'static,
{
    let secrets = settings.load_secrets()?;
    let metrics = Metrics::new();
    let http = HttpSettings::new(name, &settings.limits, metrics.clone());
    let address = SocketAddr::new(settings.bind, settings.port);
    let metrics_address = settings.metrics_port.map(|port| SocketAddr::new(settings.bind, port));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let router = build(Context { name, settings, secrets, metrics: metrics.clone() }).await?;
        let listener = bind(address)?;
        let metrics_listener = metrics_address.map(bind).transpose()?;
        tracing::info!(address = %listener.local_addr()?, "listening");

        let (stop, stopped) = watch::channel(false);
        let told = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
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
        tokio::select! {
            _ = async { tokio::join!(served, shown) } => {}
            () = signalled => {}
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    // Nobody waits for blocking work that is still going on: a drain has its limit.
    runtime.shutdown_background();
    Ok(())
}

fn metrics_router(metrics: Metrics) -> Router {
    let text = async move || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.text());
    Router::new().route("/metrics", get(text))
}
