//! Posting messages to a broker.

use std::{
    collections::BTreeMap,
    error::Error,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use epitaph_crash_model::Message;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::{Certificate, Client, Response, Url, redirect::Policy};
use tokio::time::{Instant, sleep, timeout_at};

use super::{LARGEST_ATTRIBUTES, header};
use crate::{SendError, Sender};

/// All attempts together end before those who wait for them give up, after 2 s.
const BUDGET: Duration = Duration::from_millis(1_800);
/// One attempt, so that one more is made when a connection leads nowhere.
const LONGEST_ATTEMPT: Duration = Duration::from_millis(1_200);
/// An attempt with less time than this is not begun.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(50);
const CONNECT: Duration = Duration::from_millis(600);
/// The pause before another attempt doubles from the first to the second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(40);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// Shorter than what brokers and proxies before them keep a connection open for.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS: usize = 64;
/// An answer's body is read, so that its connection can be used again, if it is no longer than this and comes at once.
const LONGEST_ANSWER: usize = 16 << 10;
const LONGEST_READ: Duration = Duration::from_millis(100);

/// Where messages are posted, and how.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// The broker's URL, as `K_SINK` names it.
    pub sink: String,
    /// Extension attributes that every event carries, as `K_CE_OVERRIDES` names them.
    pub extensions: BTreeMap<String, String>,
    /// Certificates in PEM that are trusted beside this machine's own, as `K_CA_CERTS` names them.
    pub ca_certs: Option<String>,
    /// The largest event that the broker takes, in bytes, attributes included.
    pub largest_event: usize,
}

/// Posts messages to a broker. Its client is made with the first message.
pub struct BrokerSender {
    sink: Url,
    extensions: HeaderMap,
    trusted: Vec<Certificate>,
    largest_data: usize,
    client: Mutex<Option<Client>>,
}

/// Settings that no broker can be reached with.
#[derive(Debug, thiserror::Error)]
pub enum BrokerSettingsError {
    /// Its address is none.
    #[error("K_SINK is no URL that can be posted to, expected http://HOST/PATH or https://HOST/PATH")]
    Sink,
    /// What is trusted cannot be read.
    #[error("K_CA_CERTS cannot be read, expected certificates in PEM")]
    Certificates(#[source] reqwest::Error),
    /// An extension cannot be sent.
    #[error(
        "K_CE_OVERRIDES has an extension {0:?} that cannot be sent, expected a name of letters and digits"
    )]
    Extension(String),
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// Another attempt may do.
    Failed {
        why: Box<dyn Error + Send + Sync>,
        wait: Option<Duration>,
    },
    Refused(SendError),
}

impl BrokerSender {
    /// A sender for a broker. Nothing is connected yet.
    ///
    /// # Errors
    /// [`BrokerSettingsError`].
    pub fn new(settings: &BrokerSettings) -> Result<Self, BrokerSettingsError> {
        let sink = Url::parse(&settings.sink).ok();
        let sink = sink.filter(|sink| matches!(sink.scheme(), "http" | "https") && sink.has_host());
        let pem = settings.ca_certs.as_deref().unwrap_or_default();
        let trusted =
            Certificate::from_pem_bundle(pem.as_bytes()).map_err(BrokerSettingsError::Certificates)?;
        let mut extensions = HeaderMap::new();
        for (name, value) in &settings.extensions {
            let wrong = || BrokerSettingsError::Extension(name.clone());
            let value = header::encode(value).ok_or_else(wrong)?;
            extensions.insert(header_name(name).ok_or_else(wrong)?, value);
        }
        Ok(Self {
            sink: sink.ok_or(BrokerSettingsError::Sink)?,
            extensions,
            trusted,
            largest_data: settings.largest_event.saturating_sub(LARGEST_ATTRIBUTES),
            client: Mutex::new(None),
        })
    }

    fn client(&self) -> Result<Client, reqwest::Error> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        epitaph_tls::choose_provider();
        let builder = Client::builder()
            // A broker is in the cluster; proxies lead out of it.
            .no_proxy()
            .redirect(Policy::none())
            .http1_only()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        let builder = if self.sink.scheme() == "https" {
            builder.tls_certs_merge(self.trusted.iter().cloned())
        } else {
            // Reading this machine's certificates takes longer than all the rest.
            builder.tls_certs_only([])
        };
        Ok(client.insert(builder.build()?).clone())
    }

    async fn post(&self, message: &Message) -> Result<(), SendError> {
        let data = message.data.get();
        if data.len() > self.largest_data {
            return Err(SendError::TooLarge { size: data.len(), limit: self.largest_data });
        }
        let client = self.client().map_err(unavailable)?;
        let headers = self.headers(message)?;
        let data = Bytes::copy_from_slice(data.as_bytes());
        let deadline = Instant::now() + BUDGET;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let request = client.post(self.sink.clone()).headers(headers.clone()).body(data.clone());
            let until = deadline.min(Instant::now() + LONGEST_ATTEMPT);
            let (why, wait) = match timeout_at(until, request.send()).await {
                Ok(Ok(answer)) => match judge(answer, data.len()).await {
                    Attempt::Taken => return Ok(()),
                    Attempt::Refused(error) => return Err(error),
                    Attempt::Failed { why, wait } => (why, wait),
                },
                Ok(Err(error)) => (error.without_url().into(), None),
                Err(_) => ("the broker did not answer in time".into(), None),
            };
            let wait = jittered(pause).max(wait.unwrap_or_default());
            pause = (pause * 2).min(LONGEST_PAUSE);
            if Instant::now() + wait + SHORTEST_ATTEMPT > deadline {
                return Err(SendError::Unavailable(why));
            }
            tracing::debug!(error = %why, ?wait, "the broker did not take a message; trying again");
            sleep(wait).await;
        }
    }

    fn headers(&self, message: &Message) -> Result<HeaderMap, SendError> {
        let mut headers = self.extensions.clone();
        let time = message.time.to_string();
        let own = [
            ("specversion", message.specversion.as_str()),
            ("id", &message.id),
            ("source", &message.source),
            ("type", message.kind.as_str()),
            ("time", &time),
            ("epitaphmac", &message.epitaphmac),
        ];
        for (name, value) in own {
            let header = header_name(name).zip(header::encode(value));
            let (name, value) =
                header.ok_or_else(|| SendError::Unfit(format!("its attribute {name} fits no header")))?;
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

impl Sender for BrokerSender {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.post(message))
    }

    fn largest_message(&self) -> usize {
        self.largest_data
    }

    /// Makes the client: trusted certificates are read.
    fn warm_up(&self) -> BoxFuture<'_, ()> {
        let _ = self.client();
        Box::pin(std::future::ready(()))
    }
}

fn header_name(attribute: &str) -> Option<HeaderName> {
    HeaderName::try_from(format!("{}{attribute}", header::PREFIX)).ok()
}

fn unavailable(why: impl Into<Box<dyn Error + Send + Sync>>) -> SendError {
    SendError::Unavailable(why.into())
}

/// What an answer means. A broker that is being deployed, or that is not yet known to the network, answers 404.
async fn judge(mut answer: Response, size: usize) -> Attempt {
    let status = answer.status();
    if status.is_success() {
        let read = async {
            let mut length = 0;
            while let (true, Ok(Some(chunk))) = (length <= LONGEST_ANSWER, answer.chunk().await) {
                length += chunk.len();
            }
        };
        let _ = tokio::time::timeout(LONGEST_READ, read).await;
        return Attempt::Taken;
    }
    let why = format!("the broker answered {status}");
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            tracing::error!(
                size,
                "the broker does not take a message of this size; lower EPITAPH_LIMIT_MESSAGE"
            );
            Attempt::Refused(SendError::TooLarge { size, limit: size.saturating_sub(1) })
        }
        StatusCode::BAD_REQUEST => Attempt::Refused(SendError::Unfit(why)),
        StatusCode::NOT_FOUND
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::CONFLICT
        | StatusCode::TOO_MANY_REQUESTS => {
            Attempt::Failed { why: why.into(), wait: retry_after(answer.headers()) }
        }
        _ if status.is_server_error() => {
            Attempt::Failed { why: why.into(), wait: retry_after(answer.headers()) }
        }
        _ => Attempt::Refused(unavailable(why)),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Between half of the pause and all of it, unlike from instance to instance.
fn jittered(pause: Duration) -> Duration {
    let half = pause / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(RandomState::new().hash_one(span) % span)
}
