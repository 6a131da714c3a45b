//! What one collector function holds from its start to its end.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, header, request::Parts};
use epitaph_bucket::{Bucket, BucketError, OpenOptions};
use epitaph_crash_model::{CrashId, ProjectId, Protocol};
use epitaph_host::{Context, Limits, Metrics, Platform, QueueUrl, Settings, metrics::Outcome};
use epitaph_queue::Sender;
use epitaph_rules::{Action, Decision, Subject};
use epitaph_secrets::Secret;

use crate::{
    Refusal,
    body::{BodyReader, Unread},
    budget::Budget,
    draft::{Draft, DraftSource},
    hand_over::{HandOver, Safe},
    keys,
    rule_book::RuleBook,
};

/// The longest client name that is kept.
const LONGEST_CLIENT: usize = 200;
/// The time that warming up may take.
const WARM_UP: Duration = Duration::from_secs(1);
/// What a message holds beside payloads: ids, the annotations' share, the report's structure.
const MESSAGE_OVERHEAD: u64 = 64 << 10;

/// Why a collector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The bucket's URL is not usable.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The broker cannot be posted to.
    #[cfg(feature = "knative")]
    #[error(transparent)]
    Broker(#[from] epitaph_queue::cloud_events::BrokerSettingsError),
    /// This build was made without the queue's engine.
    #[error(
        "this build has no engine for the queue that EPITAPH_QUEUE or K_SINK names, expected another build"
    )]
    NoEngine,
}

/// The engines that collectors share where several run in one process.
#[derive(Clone)]
pub struct Engines {
    /// Where reports go.
    pub queue: Arc<dyn Sender>,
    /// Where what is large goes, and what the queue does not take.
    pub bucket: Bucket,
    /// The memory that all requests share.
    pub budget: Budget,
}

impl Engines {
    /// The engines that the settings name. No I/O happens before they are used.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        Self::with_queue(settings, sender(settings)?)
    }

    /// The engines that the settings name, with a queue that is already there.
    ///
    /// # Errors
    /// [`OpenError::Bucket`].
    pub fn with_queue(settings: &Settings, queue: Arc<dyn Sender>) -> Result<Self, OpenError> {
        let options = OpenOptions {
            min_free: settings.min_free_disk,
            parts: settings.limits.parts,
            ..OpenOptions::default()
        };
        let bucket = Bucket::open_with(&settings.bucket, options)?;
        Ok(Self { queue, bucket, budget: Budget::new(settings.limits.buffers) })
    }
}

/// What puts messages into the queue that the settings name.
fn sender(settings: &Settings) -> Result<Arc<dyn Sender>, OpenError> {
    match &settings.queue {
        #[cfg(feature = "embedded")]
        QueueUrl::Embedded => {
            let producer = epitaph_queue::embedded::Producer::new(producer_settings(settings));
            // While the client connects, the file is made.
            producer.warm_up();
            Ok(Arc::new(producer))
        }
        #[cfg(feature = "sqs")]
        QueueUrl::Sqs(url) => {
            let settings = epitaph_queue::sqs::SqsSettings::from_environment(url);
            Ok(Arc::new(epitaph_queue::sqs::Producer::new(settings)))
        }
        #[cfg(feature = "knative")]
        QueueUrl::Broker(broker) => {
            use epitaph_queue::cloud_events::{BrokerSender, BrokerSettings, BrokerSettingsError};
            let settings = BrokerSettings {
                sink: broker.sink.clone().ok_or(BrokerSettingsError::Sink)?,
                extensions: broker.extensions.clone(),
                ca_certs: broker.ca_certs.clone(),
                largest_event: broker.largest_message,
            };
            Ok(Arc::new(BrokerSender::new(&settings)?))
        }
        #[allow(unreachable_patterns, reason = "which engines are left depends on the features")]
        _ => Err(OpenError::NoEngine),
    }
}

/// How the embedded queue is written to.
#[cfg(feature = "embedded")]
pub fn producer_settings(settings: &Settings) -> epitaph_queue::embedded::ProducerSettings {
    epitaph_queue::embedded::ProducerSettings {
        directory: settings.data.join("queue"),
        min_free: settings.min_free_disk,
        sync: true,
    }
}

/// A collector: receives reports of one family of protocols.
pub struct Collector {
    name: &'static str,
    limits: Limits,
    ingest: Secret,
    engines: Engines,
    hand_over: HandOver,
    rules: Arc<RuleBook>,
    metrics: Metrics,
    /// AWS Lambda stops the machine once a report is answered.
    frozen_after_answers: bool,
    warms_up: bool,
}

/// What became of a report that the client was right to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: CrashId,
    /// The rule that discarded it, if one did.
    pub discarded_by: Option<String>,
}

impl Collector {
    /// A collector from its function's context.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(context: &Context) -> Result<Self, OpenError> {
        Ok(Self::new(context, Engines::open(&context.settings)?))
    }

    /// A collector with engines that are already there.
    pub fn new(context: &Context, engines: Engines) -> Self {
        let (queue, bucket) = (Arc::clone(&engines.queue), engines.bucket.clone());
        let frozen_after_answers = context.settings.platform == Platform::Lambda;
        Self {
            name: context.name,
            limits: context.settings.limits.clone(),
            ingest: context.secrets.ingest.clone(),
            rules: Arc::new(RuleBook::new(bucket.clone(), context.settings.rules_every)),
            hand_over: HandOver::new(queue, bucket, context.secrets.message.clone()),
            engines,
            metrics: context.metrics.clone(),
            frozen_after_answers,
            // To what is embedded there is nothing to connect.
            warms_up: frozen_after_answers && context.settings.queue != QueueUrl::Embedded,
        }
    }

    /// On AWS Lambda: connects to the engines, which the first report would have to wait for, and reads the rules.
    /// Elsewhere a function is ready at once, and does it beside its first requests.
    pub async fn warm_up(&self) {
        if self.warms_up {
            let warm = async { tokio::join!(self.engines.queue.warm_up(), self.rules.refresh_now()) };
            // What fails here is told by the first report.
            let _ = tokio::time::timeout(WARM_UP, warm).await;
        }
    }

    /// The limits that requests must keep.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits of a project's reports.
    fn limits_of(&self, project: ProjectId) -> Limits {
        let mut limits = self.limits.clone();
        let rules = self.rules.current();
        if let Some(of_project) = rules.as_ref().and_then(|rules| rules.of(project)) {
            limits.file = of_project.limits.file.map_or(limits.file, |file| file.min(limits.file));
            limits.files = of_project.limits.files.map_or(limits.files, |files| files.min(limits.files));
        }
        limits
    }

    /// Checks the key of a request for a project.
    ///
    /// # Errors
    /// See [`keys::authenticate`].
    pub fn authenticate(&self, parts: &Parts, project: ProjectId) -> Result<(), Refusal> {
        keys::authenticate(parts, project, &self.ingest, &self.rules.generations(project))
    }

    /// Checks a key that did not come where [`Collector::authenticate`] looks.
    ///
    /// # Errors
    /// See [`keys::check_key`].
    pub fn check_key(&self, project: ProjectId, key: &str) -> Result<(), Refusal> {
        keys::check_key(key, project, &self.ingest, &self.rules.generations(project))
    }

    /// Begins to read a request's body.
    ///
    /// # Errors
    /// See [`BodyReader::open`].
    pub fn read(&self, headers: &HeaderMap, body: axum::body::Body) -> Result<BodyReader, Unread> {
        BodyReader::open(headers, body, &self.limits, &self.engines.budget)
    }

    /// Begins a report.
    pub fn draft(&self, project: ProjectId, protocol: Protocol, headers: &HeaderMap) -> Draft {
        let client = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let client = client.map(|client| client.chars().take(LONGEST_CLIENT).collect());
        let largest = self.hand_over.largest_message() as u64;
        let annotations = self.limits.annotation_total.min(largest / 4);
        // Base64 makes four bytes of three; the annotations, with the quotes around each, and the rest travel too.
        let room = largest.saturating_sub(MESSAGE_OVERHEAD + 2 * annotations);
        let source = &DraftSource {
            limits: &self.limits_of(project),
            bucket: &self.engines.bucket,
            budget: &self.engines.budget,
            inline: self.limits.inline.min(room / 4 * 3),
            annotations,
        };
        Draft::new(project, protocol, client, source)
    }

    /// Makes a report durable, or discards it by a rule, and counts it. When this returns `Ok`, the client may be told
    /// that it is safe: of a rule it is told nothing.
    ///
    /// # Errors
    /// [`Cause::Unavailable`](crate::Cause::Unavailable).
    pub async fn accept(&self, draft: Draft) -> Result<CrashId, Refusal> {
        let accepted = self.accept_or_discard(draft).await?;
        Ok(accepted.id)
    }

    /// As [`Collector::accept`], for clients that are told of rules.
    ///
    /// # Errors
    /// [`Cause::Unavailable`](crate::Cause::Unavailable).
    pub async fn accept_or_discard(&self, mut draft: Draft) -> Result<Accepted, Refusal> {
        let id = draft.report().id;
        let discarded_by = self.apply_rules(&mut draft);
        let discarded = discarded_by.is_some();
        let settled = async {
            if discarded {
                draft.discard().await;
                return Ok(id);
            }
            let outcomes = self.rules.take_outcomes();
            draft.ride_along(outcomes.clone());
            let handed = self.hand_over(draft).await;
            if handed.is_err() {
                self.rules.put_back(outcomes);
            }
            handed
        };
        let outcome = if self.frozen_after_answers {
            // Beside it: the queue and the bucket are asked at the same time.
            let (outcome, ()) = tokio::join!(settled, self.rules.refresh_now());
            outcome
        } else {
            let outcome = settled.await;
            // By now all that the answer needs is done.
            self.rules.refresh();
            outcome
        };
        outcome.map(|id| Accepted { id, discarded_by })
    }

    /// Lets the rules decide as far as they can; the name of the rule that discards the report, if one does.
    fn apply_rules(&self, draft: &mut Draft) -> Option<String> {
        let rules = self.rules.current()?;
        let report = draft.report();
        match rules.decide(&Subject::of_report(report)) {
            Decision::Discard { rule, verdict } => {
                self.metrics.count(self.name, Outcome::Sampled, verdict.as_str());
                self.rules.count(report.project, &rule.name, verdict);
                Some(rule.name.clone())
            }
            Decision::Keep { rule: Some(rule), weight } if matches!(rule.action, Action::Sample(_)) => {
                draft.stand_for(weight, rule.name.clone());
                None
            }
            Decision::Keep { .. } | Decision::Open => None,
        }
    }

    async fn hand_over(&self, draft: Draft) -> Result<CrashId, Refusal> {
        match self.hand_over.hand_over(draft.report()).await {
            Ok(safe) => {
                let outcome = match safe {
                    Safe::Queued => Outcome::Accepted,
                    Safe::Parked => Outcome::Parked,
                };
                self.metrics.count(self.name, outcome, "");
                Ok(draft.report().id)
            }
            // The queue may have taken it all the same, so what it names in the bucket stays. If nothing names it, it is
            // swept as an orphan.
            Err(refusal) => Err(refusal),
        }
    }

    /// Counts what came in a request and is not collected, such as sessions. `what` is one of a few fixed words.
    pub fn count_declined(&self, what: &'static str, number: u64) {
        self.metrics.count_declined(self.name, what, number);
    }

    /// Counts a refusal, and tells it to the log: a client's fault quietly, our own as an error.
    pub fn count_refused(&self, refusal: &Refusal) {
        self.metrics.count(self.name, Outcome::Refused, refusal.cause.as_str());
        if refusal.cause.is_ours() {
            tracing::error!(function = self.name, cause = refusal.cause.as_str(), detail = %refusal.detail, "refused");
        } else {
            tracing::debug!(function = self.name, cause = refusal.cause.as_str(), detail = %refusal.detail, "refused");
        }
    }
}
