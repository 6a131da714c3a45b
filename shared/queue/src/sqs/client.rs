//! The client, made when it is first used.

use std::time::Duration;

use aws_config::{
    ecs::EcsCredentialsProvider,
    imds::{credentials::ImdsCredentialsProvider, region::ImdsRegionProvider},
    meta::credentials::CredentialsProviderChain,
    provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_sdk_sqs::config::{
    BehaviorVersion, Builder, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
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
        let http = aws_smithy_http_client::Builder::new();
        let http = http.tls_provider(Provider::Rustls(CryptoMode::Ring));
        let http = http.tls_context(trust(self.settings.roots)).build_https();
        let around = ProviderConfig::without_region().with_http_client(http.clone());
        let region = match &self.settings.region {
            Some(region) => Some(Region::new(region.clone())),
            None => ImdsRegionProvider::builder().configure(&around).build().region().await,
        };
        let credentials = match &self.settings.credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials.clone()),
            None => SharedCredentialsProvider::new(found(&around.with_region(region.clone()))),
        };
        Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .endpoint_url(&self.settings.endpoint)
            .region(region)
            .credentials_provider(credentials)
            .timeout_config(timeouts.build())
            .retry_config(retries)
            // A call has its limit anyway.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
    }
}

/// Trusts those roots, or the system's.
fn trust(roots: Option<&'static str>) -> TlsContext {
    let store = match roots {
        Some(roots) => TrustStore::empty().with_pem_certificate(roots),
        None => TrustStore::default(),
    };
    TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
}

/// The credentials of a web identity (a Kubernetes service account), a container, or a machine: the same that the bucket
/// finds. Profiles are for people.
fn found(around: &ProviderConfig) -> CredentialsProviderChain {
    let identity = WebIdentityTokenCredentialsProvider::builder().configure(around).build();
    CredentialsProviderChain::first_try("WebIdentityToken", identity)
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(around).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(around).build())
}
