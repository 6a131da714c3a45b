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

/// No function on Lambda runs so long.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn serve(
    invocations: Box<dyn Invocations>,
    metrics: Metrics,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let invocations: Arc<dyn Invocations> = invocations.into();
    let handler = move |event: LambdaEvent<Box<RawValue>>| {
        let (invocations, metrics) = (Arc::clone(&invocations), metrics.clone());
        async move {
            let deadline = Instant::now() + left_until(event.context.deadline(), SystemTime::now());
            let answer = invocations.invoke(&event.payload, deadline).await;
            show(&metrics);
            answer.map_err(|error_message| Diagnostic { error_type: "Failed".to_owned(), error_message })
        }
    };
    lambda_runtime::run_concurrent::<_, _, Value, _, _, _, _>(service_fn(handler)).await
}

/// The time that is left. Lambda tells when it will be over; `cargo lambda watch` tells how long it is, in the same
/// place.
fn left_until(deadline: SystemTime, now: SystemTime) -> Duration {
    match deadline.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(length) if length < DAY => length,
        _ => deadline.duration_since(now).unwrap_or_default().min(DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_told_as_its_end_or_as_its_length() {
        let seconds = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let now = seconds(1_800_000_000);
        assert_eq!(left_until(seconds(1_800_000_060), now), Duration::from_secs(60));
        assert_eq!(left_until(seconds(600), now), Duration::from_secs(600));
        assert_eq!(left_until(seconds(1_799_999_999), now), Duration::ZERO);
    }
}
