//! One start of a function on the stub of Lambda's runtime interface, with the only event of its life.

use std::{
    fs, io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::process::{Child, Command};

use super::runtime_api::RuntimeApi;
use crate::process::resident_bytes;

/// Far longer than any first answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionError {
    #[error("it could not be started")]
    Start(#[source] io::Error),
    #[error("it ended with {status} before it answered; its error output was: {stderr}")]
    Ended { status: ExitStatus, stderr: String },
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("it said that the event failed: {0}")]
    Failed(String),
    #[error("expected a status of 2xx, or that not every message fails, but it answered: {0}")]
    Refused(String),
    #[error("its memory could not be read from /proc")]
    Memory(#[source] io::Error),
}

/// What one start gave.
pub(super) struct Round {
    /// From just before the process was made until it asked for its first event.
    pub(super) to_next: Duration,
    /// From there until it had answered.
    pub(super) first_invoke: Duration,
    /// What the process holds in memory then.
    pub(super) resident_bytes: u64,
}

/// Starts a program with its data in `folder`, and nothing but `environment` and what Lambda sets around it.
pub(super) async fn run_once(
    program: &Path,
    folder: &Path,
    environment: &[(&str, String)],
    event: Bytes,
) -> Result<Round, FunctionError> {
    let messages = told_in(&event, "messageId");
    let api = RuntimeApi::new(event).await.map_err(FunctionError::Start)?;
    let address = api.address().map_err(FunctionError::Start)?;
    let stderr = folder.join("stderr");
    let errors = fs::File::create(&stderr).map_err(FunctionError::Start)?;
    let mut command = Command::new(program.canonicalize().map_err(FunctionError::Start)?);
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .env("EPITAPH_DATA", folder.join("data"))
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .kill_on_drop(true);
    let started = Instant::now();
    let mut child = command.spawn().map_err(FunctionError::Start)?;
    let invocation = tokio::select! {
        invocation = api.invocation() => invocation.ok_or(FunctionError::Silent)?,
        status = child.wait() => return Err(FunctionError::Ended {
            status: status.map_err(FunctionError::Start)?,
            stderr: fs::read_to_string(&stderr).unwrap_or_default(),
        }),
        () = tokio::time::sleep(PATIENCE) => return Err(FunctionError::Silent),
    };
    let resident_bytes = child.id().map_or(Ok(0), resident_bytes).map_err(FunctionError::Memory)?;
    end(child).await;
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let answer = invocation.answer.map_err(|problem| FunctionError::Failed(text(&problem)))?;
    // Of a queue's messages one is bad on purpose. Where all fail, an engine does, and the time says nothing.
    let all_failed = messages > 0 && told_in(&answer, "itemIdentifier") >= messages;
    let answer = text(&answer);
    // An answer to HTTP begins with its status; one to a queue or a schedule has none.
    let is_refusal = answer.contains("\"statusCode\"") && !answer.contains("\"statusCode\":2");
    if is_refusal || all_failed {
        return Err(FunctionError::Refused(answer));
    }
    Ok(Round {
        to_next: invocation.asked - started,
        first_invoke: invocation.answered - invocation.asked,
        resident_bytes,
    })
}

/// How often JSON names something.
fn told_in(json: &[u8], name: &str) -> usize {
    String::from_utf8_lossy(json).matches(&format!("\"{name}\"")).count()
}

async fn end(mut child: Child) {
    // It fails only where there is nothing left to end.
    let _ = child.kill().await;
}
