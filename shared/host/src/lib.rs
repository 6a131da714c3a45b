//! Runs a function: reads its [`Settings`], serves its router over HTTP/1.1 and h2c, drains when told to stop,
//! answers health checks, logs and counts.
//!
//! A function's `main.rs` hands its router to [`run_function`]; the one process does the same steps itself with
//! [`Settings`], [`bind`], [`serve`] and [`Signals`].

mod http;
pub mod metrics;
mod runtime;
mod secrets;
pub mod settings;
pub mod telemetry;
mod token;

pub use self::{
    http::{Drained, FunctionName, HttpSettings, Signals, bind, serve},
    metrics::Metrics,
    runtime::{Context, EXIT_BAD_CONFIGURATION, run_function, run_worker},
    secrets::{SecretFileError, Secrets},
    settings::{Limits, QueueUrl, Role, Settings, SettingsError},
    token::{Token, TokenError},
};
