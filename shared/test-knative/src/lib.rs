//! For tests: what Knative is to a function. A sink that answers as it is told, a broker that keeps, delivers and fails,
//! a balancer, a container, and the contract that each function's own binary keeps.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot set itself up should fail"
)]

mod balancer;
mod broker;
mod client;
mod contract;
mod instance;
mod sink;

use std::path::Path;

use epitaph_crash_model::ProjectId;
use epitaph_secrets::{Purpose, RootSecret};

pub use crate::{
    balancer::Balancer,
    broker::{Broker, Trigger, Weather},
    client::{Reply, post},
    contract::Contract,
    instance::{Container, Instance},
    sink::{Answer, Posted, Sink, TlsAuthority},
};

/// The secret of functions under test.
pub const SECRET: &str = "a secret for tests only";

/// The key of the first project under [`SECRET`].
pub fn key() -> String {
    root().derive(Purpose::Ingest).project_key(ProjectId::FIRST, 0)
}

/// [`SECRET`], to derive others from.
pub fn root() -> RootSecret {
    RootSecret::new(SECRET).unwrap()
}

/// A container of a function's binary with engines in a directory, which must be below `/tmp`.
pub fn container(program: impl AsRef<Path>, name: &str, directory: &Path) -> Container {
    let mut container = Container::new(program, name);
    container.set("EPITAPH_SECRET", SECRET);
    container.set("EPITAPH_TOKEN", "a-token-for-tests-only");
    container.set("EPITAPH_BUCKET", format!("file://{}", directory.join("bucket").display()));
    container.set("EPITAPH_CATALOG", format!("sqlite://{}", directory.join("catalog.db").display()));
    container.set("EPITAPH_MIN_FREE_DISK", "1M");
    container
}
