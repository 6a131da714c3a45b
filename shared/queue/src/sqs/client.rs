//! The client, made when it is first used.

use std::time::Duration;

use aws_config::default_provider::{credentials::DefaultCredentialsChain, region::DefaultRegionChain};
use aws_sdk_sqs::config::{
    BehaviorVersion, Builder, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use tokio::sync::OnceCell;

use super::SqsSettings;

/// The first pause before a call is tried again, and the longest.
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// What a call may take, all its attempts together.
    pub(super) call: Duration,
    /// How often it is tried.
    pub(super) attempts: u32,
}

/// A client of one queue.
pub(super) struct Client {
    settings: SqsSettings,
    patience: Patience,
    made: OnceCell<aws_sdk_sqs::Client>,
}

impl Client {
    pub(super) fn new(settings: SqsSettings, patience: Patience) -> Self {
        Self { settings, patience, made: OnceCell::new() }
    }

    pub(super) fn url(&self) -> &str {
        &self.settings.url
    }

    /// The client of the SDK. Looking up a region may take a while where neither URL nor environment names one.
    pub(super) async fn get(&self) -> &aws_sdk_sqs::Client {
        self.made.get_or_init(|| async { aws_sdk_sqs::Client::from_conf(self.config().await.build()) }).await
    }

    async fn config(&self) -> Builder {
        let Patience { call, attempts } = self.patience;
        let timeouts = TimeoutConfig::builder().operation_timeout(call).connect_timeout(call);
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(BACKOFF[0])
            .with_max_backoff(BACKOFF[1]);
        let region = match &self.settings.region {
            Some(region) => Some(Region::new(region.clone())),
            None => DefaultRegionChain::builder().build().region().await,
        };
        let credentials = match &self.settings.credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials.clone()),
            None => {
                let chain = DefaultCredentialsChain::builder().region(region.clone()).build().await;
                SharedCredentialsProvider::new(chain)
            }
        };
        Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&self.settings.endpoint)
            .region(region)
            .credentials_provider(credentials)
            .timeout_config(timeouts.build())
            .retry_config(retries)
            // A call has its limit anyway.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
    }
}
