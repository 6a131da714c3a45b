//! Runs a function: reads its [`Settings`], serves its router over HTTP/1.1 and h2c or as AWS Lambda wants it, drains
//! when told to stop, answers health checks, logs and counts.
//!
//! A function's `main.rs` hands its router to [`run_function`], or what it does unasked to [`run_worker`]; the one process does the same steps itself with
//! [`Settings`], [`bind`], [`serve`] and [`Signals`].

mod http;
#[cfg(feature = "lambda")]
mod lambda;
pub mod metrics;
mod runtime;
mod secrets;
pub mod settings;
pub mod telemetry;
mod token;
mod work;

pub use self::{
    http::{Drained, FunctionName, HttpSettings, Signals, bind, serve},
    metrics::Metrics,
    runtime::{Context, EXIT_BAD_CONFIGURATION, run_function, run_worker},
    secrets::{SecretFileError, Secrets},
    settings::{Broker, Limits, Platform, QueueUrl, Role, Settings, SettingsError},
    token::{Token, TokenError},
    work::{Invocations, Work},
};
