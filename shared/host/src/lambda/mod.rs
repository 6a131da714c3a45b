//! AWS Lambda: the same router or the same worker, behind Lambda's runtime interface.
//!
//! The machine is frozen once an answer is given, at any instruction and for any time, and perhaps never goes on. So
//! nothing may be left to do after an answer: what a function keeps up to date, it looks after within an event. Lambda
//! asks nobody to stop: a machine just does not go on, which is the same to us as a power cut.

mod emf;
mod events;
mod http;

use std::{error::Error, io::Write as _};

use epitaph_crash_model::Timestamp;
use tokio::sync::watch;

pub(crate) use self::emf::{Counted, Unsent};
use crate::{metrics::Metrics, runtime::Context, work::Work};

/// What Lambda sets, and its runtime cannot do without.
const SET_BY_LAMBDA: [&str; 3] =
    ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"];

/// Builds the function and hands it Lambda's events, one after another, for as long as there are any. Where Lambda allows
/// several at once (`AWS_LAMBDA_MAX_CONCURRENCY`), so do we.
pub(crate) async fn run<Build>(mut context: Context, build: Build) -> Result<(), Box<dyn Error + Send + Sync>>
where
    Build: AsyncFnOnce(Context, watch::Receiver<bool>) -> Result<Work, Box<dyn Error + Send + Sync>>,
{
    let missing: Vec<_> = SET_BY_LAMBDA.into_iter().filter(|name| std::env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("AWS_LAMBDA_RUNTIME_API is set, expected {} as well", missing.join(", ")).into());
    }
    context.metrics = context.metrics.for_cloud_watch();
    let (name, metrics) = (context.name, context.metrics.clone());
    // Nobody ever tells it to stop.
    let (_running, stopped) = watch::channel(false);
    match build(context, stopped).await? {
        Work::Serve(router) => http::serve(name, router, metrics).await,
        Work::Invoke(invocations) => events::serve(invocations, metrics).await,
        Work::Pull(_) => {
            Err("its work is to be pulled, and a machine of Lambda only runs while it is asked".into())
        }
    }
}

/// Shows what was counted since the last time; before an event is answered, since afterwards may be never.
fn show(metrics: &Metrics) {
    let lines = emf::lines(&metrics.take_unsent(), Timestamp::now());
    // There is nowhere to report a failure.
    let _ = std::io::stdout().write_all(lines.as_bytes());
}
