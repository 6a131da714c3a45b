//! The rules that hold now, as far as this collector knows, and what they kept away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_crash_model::{ProjectId, RuleOutcome, RuleVerdict};
use epitaph_rules::{LARGEST_DOCUMENT, LARGEST_GENERATION, Rules};
use tokio::time::Instant;

/// How long the bucket may take to give the rules.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where a client waits for it.
const PATIENCE_OF_A_CLIENT: Duration = Duration::from_secs(1);
/// How many different counts are kept until a message takes them along. More are counted in metrics alone.
const MOST_OUTCOMES: usize = 100;

/// Reads the rules while requests are served: nothing happens before the first report is answered, nothing waits for
/// it, and no more than one reading is under way. The last good rules stay.
pub(crate) struct RuleBook {
    bucket: Bucket,
    every: Duration,
    /// `None` until rules have been read.
    current: RwLock<Option<Arc<Rules>>>,
    reading: Mutex<Reading>,
    outcomes: Mutex<BTreeMap<(ProjectId, String, RuleVerdict), u64>>,
}

#[derive(Default)]
struct Reading {
    next: Option<Instant>,
    under_way: bool,
    /// The last fault, so that it is logged once.
    fault: Option<String>,
}

impl RuleBook {
    pub(crate) fn new(bucket: Bucket, every: Duration) -> Self {
        Self {
            bucket,
            every,
            current: RwLock::default(),
            reading: Mutex::default(),
            outcomes: Mutex::default(),
        }
    }

    /// The rules that were read last, if any were.
    pub(crate) fn current(&self) -> Option<Arc<Rules>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The generations of keys that a project accepts. Until that is known: all. Whoever has a key of any got it from
    /// this installation, and a report that is turned away is lost.
    pub(crate) fn generations(&self, project: ProjectId) -> Vec<u32> {
        match self.current() {
            Some(rules) => rules.generations(project).to_vec(),
            None => (0..=LARGEST_GENERATION).collect(),
        }
    }

    /// Looks for changed rules if that is due, beside whatever else happens.
    pub(crate) fn refresh(self: &Arc<Self>) {
        let Some(reading) = self.begin() else { return };
        #[expect(clippy::disallowed_methods, reason = "nobody needs to wait for it: a drain may cut it off")]
        tokio::spawn(async move { reading.0.read(PATIENCE).await });
    }

    /// Looks for changed rules if that is due, and has done so when it returns, or has given up: for a host that is
    /// frozen as soon as a report is answered. What keeps a client waiting may not take long.
    pub(crate) async fn refresh_now(self: &Arc<Self>) {
        if let Some(reading) = self.begin() {
            reading.0.read(PATIENCE_OF_A_CLIENT).await;
        }
    }

    /// One reading, if it is due and none is under way.
    fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        let now = Instant::now();
        let mut reading = self.reading();
        if reading.under_way || reading.next.is_some_and(|next| now < next) {
            return None;
        }
        reading.under_way = true;
        reading.next = Some(now + self.every);
        Some(UnderWay(Arc::clone(self)))
    }

    async fn read(&self, patience: Duration) {
        let read = tokio::time::timeout(patience, self.bucket.get(&Key::rules(), LARGEST_DOCUMENT)).await;
        let fault = match read {
            Ok(Ok(json)) => self.take(&json).err(),
            // Nobody has published any yet, or they are gone and come back.
            Ok(Err(BucketError::NotFound(_))) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the bucket did not answer in time".to_owned()),
        };
        self.tell(fault);
    }

    /// Reads rules from their JSON; those of before stay if it cannot be read.
    fn take(&self, json: &[u8]) -> Result<(), String> {
        let rules = Rules::read(json).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        })?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let revision = current.as_ref().map(|rules| rules.revision);
        if revision != Some(rules.revision) {
            tracing::info!(revision = rules.revision, "read the rules");
        }
        *current = Some(Arc::new(rules));
        Ok(())
    }

    fn tell(&self, fault: Option<String>) {
        let mut reading = self.reading();
        if let Some(fault) = fault.as_ref().filter(|fault| reading.fault.as_ref() != Some(fault)) {
            tracing::error!(fault, "the rules cannot be read; the last good ones stay");
        }
        reading.fault = fault;
    }

    /// Counts what a rule kept away.
    pub(crate) fn count(&self, project: ProjectId, rule: &str, verdict: RuleVerdict) {
        self.put_back(vec![RuleOutcome { project, rule: rule.to_owned(), outcome: verdict, count: 1 }]);
    }

    /// What was counted since this was asked before.
    pub(crate) fn take_outcomes(&self) -> Vec<RuleOutcome> {
        let counted = std::mem::take(&mut *self.outcomes());
        let outcome = |((project, rule, outcome), count)| RuleOutcome { project, rule, outcome, count };
        counted.into_iter().map(outcome).collect()
    }

    /// Counts what no message took along.
    pub(crate) fn put_back(&self, outcomes: Vec<RuleOutcome>) {
        let mut counted = self.outcomes();
        for RuleOutcome { project, rule, outcome, count } in outcomes {
            let key = (project, rule, outcome);
            if let Some(known) = counted.get_mut(&key) {
                *known = known.saturating_add(count);
            } else if counted.len() < MOST_OUTCOMES {
                counted.insert(key, count);
            }
        }
    }

    fn outcomes(&self) -> MutexGuard<'_, BTreeMap<(ProjectId, String, RuleVerdict), u64>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reading; tells when it has ended, however it did.
struct UnderWay(Arc<RuleBook>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.reading().under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const P: ProjectId = ProjectId::FIRST;

    fn book(bucket: &Bucket) -> Arc<RuleBook> {
        Arc::new(RuleBook::new(bucket.clone(), Duration::from_secs(60)))
    }

    async fn publish(bucket: &Bucket, json: &str) {
        bucket.put(&Key::rules(), Bytes::copy_from_slice(json.as_bytes())).await.unwrap();
    }

    /// Waits until no reading is under way.
    async fn settle(book: &RuleBook) {
        while book.reading().under_way {
            tokio::task::yield_now().await;
        }
    }

    fn of_generation(generation: u32) -> String {
        format!(r#"{{"version":1,"projects":{{"1":{{"key_generations":[{generation}]}}}}}}"#)
    }

    #[tokio::test(start_paused = true)]
    async fn rules_are_read_at_most_once_in_their_interval_and_only_when_used() {
        let bucket = Bucket::in_memory();
        publish(&bucket, &of_generation(3)).await;
        let book = book(&bucket);
        assert_eq!(book.generations(P).len(), 32, "until they are read, every generation is accepted");
        book.refresh();
        settle(&book).await;
        assert_eq!(book.generations(P), [3]);
        publish(&bucket, &of_generation(4)).await;
        book.refresh();
        settle(&book).await;
        assert_eq!(book.generations(P), [3]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(book.generations(P), [3]);
        book.refresh();
        settle(&book).await;
        assert_eq!(book.generations(P), [4]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_goes_on_after_an_answer_rules_are_read_before_it() {
        let bucket = Bucket::in_memory();
        publish(&bucket, &of_generation(3)).await;
        let book = book(&bucket);
        book.refresh_now().await;
        assert_eq!(book.generations(P), [3]);
        publish(&bucket, &of_generation(4)).await;
        book.refresh_now().await;
        assert_eq!(book.generations(P), [3], "it was not due");
        tokio::time::advance(Duration::from_secs(60)).await;
        book.refresh_now().await;
        assert_eq!(book.generations(P), [4]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_rules_stay_when_they_are_broken_or_gone() {
        let bucket = Bucket::in_memory();
        publish(&bucket, &of_generation(3)).await;
        let book = book(&bucket);
        book.refresh();
        settle(&book).await;
        for broken in ["", "{", r#"{"version":9}"#, r#"{"version":1,"projects":{"0":{}}}"#] {
            publish(&bucket, broken).await;
            tokio::time::advance(Duration::from_secs(60)).await;
            book.refresh();
            settle(&book).await;
            assert_eq!(book.generations(P), [3], "{broken:?}");
            assert!(book.reading().fault.is_some(), "{broken:?}");
        }
        bucket.delete(&Key::rules()).await.unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        book.refresh();
        settle(&book).await;
        assert_eq!(book.generations(P), [3]);
    }

    #[test]
    fn what_is_counted_is_taken_once_and_is_bounded() {
        let book = RuleBook::new(Bucket::in_memory(), Duration::ZERO);
        for _ in 0..3 {
            book.count(P, "old", RuleVerdict::Dropped);
        }
        let expected =
            RuleOutcome { project: P, rule: "old".into(), outcome: RuleVerdict::Dropped, count: 3 };
        let taken = book.take_outcomes();
        assert_eq!((taken.as_slice(), book.take_outcomes().as_slice()), (&[expected][..], &[][..]));
        book.put_back(taken.clone());
        assert_eq!(book.take_outcomes(), taken);
        for index in 0..1_000 {
            book.count(P, &index.to_string(), RuleVerdict::Dropped);
        }
        assert_eq!(book.take_outcomes().len(), MOST_OUTCOMES);
    }
}
