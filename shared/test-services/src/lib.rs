//! For tests: the services that Epitaph talks to, really running on this machine. Each is started on a port that was
//! free, belongs to the test that started it, and ends with it. Work that is cut off half-way. And
//! debug files, built on the spot.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test that cannot set itself up should fail"
)]

mod aws;
mod cloud_formation;
mod cut_off;
mod installed;
mod postgres;
mod python;
mod service;
mod workshop;

pub use crate::{
    aws::{AWS_REGION, Aws, environment_of},
    cut_off::cut_off,
    installed::{kept, left_out, program, succeed},
    postgres::{Pooler, Postgres},
    python::{Python, python},
    service::{Service, free_port},
    workshop::{Target, Workshop},
};
