//! Events that are no HTTP requests: queues and schedules.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lambda_http::{
    LambdaEvent,
    lambda_runtime::{self, Diagnostic},
    service_fn,
};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;

use super::show;
use crate::{metrics::Metrics, work::Invocations};

pub(super) async fn serve(
    invocations: Box<dyn Invocations>,
    metrics: Metrics,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let invocations: Arc<dyn Invocations> = invocations.into();
    let handler = move |event: LambdaEvent<Box<RawValue>>| {
        let (invocations, metrics) = (Arc::clone(&invocations), metrics.clone());
        async move {
            let deadline = Instant::now() + left_until(event.context.deadline());
            let answer = invocations.invoke(&event.payload, deadline).await;
            show(&metrics);
            answer.map_err(|error_message| Diagnostic { error_type: "Failed".to_owned(), error_message })
        }
    };
    lambda_runtime::run_concurrent::<_, _, Value, _, _, _, _>(service_fn(handler)).await
}

/// The time that is left. Lambda tells a time of day.
fn left_until(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}
