//! A batch of an SQS queue, as AWS Lambda hands it to a function, and what the function answers: which records failed
//! and must come again. All others are gone from the queue then.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Some records of a queue.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// They may be handled in any order.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// One record of a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The queue's own name for it.
    pub message_id: String,
    /// What was sent; a message, if it is one of ours.
    #[serde(default)]
    pub body: String,
    /// What the queue tells of it.
    #[serde(default)]
    attributes: HashMap<String, String>,
}

impl Record {
    /// How often it was handed out, this time included. Also a time at which an engine was down is counted.
    pub fn attempt(&self) -> u32 {
        let counted = self.attributes.get("ApproximateReceiveCount");
        counted.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// Where it lies, for a dead letter: the same each time that it comes.
    pub fn place(&self) -> String {
        format!("sqs/{}", self.message_id)
    }
}

/// The records that are to come again.
#[derive(Debug, Default, Serialize)]
pub struct Failures {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl FromIterator<String> for Failures {
    /// From the `message_id`s of records.
    fn from_iter<I: IntoIterator<Item = String>>(ids: I) -> Self {
        let failures = ids.into_iter().map(|item_identifier| Failure { item_identifier }).collect();
        Self { failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_how_often_it_was_handed_out() {
        let batch: Batch = serde_json::from_str(
            r#"{"Records":[
                {"messageId":"a","receiptHandle":"r","body":"x","eventSource":"aws:sqs",
                 "attributes":{"ApproximateReceiveCount":"7","SentTimestamp":"1"},"messageAttributes":{}},
                {"messageId":"b"}]}"#,
        )
        .unwrap();
        let told: Vec<_> = batch.records.iter().map(|record| (record.place(), record.attempt())).collect();
        assert_eq!(told, [("sqs/a".to_owned(), 7), ("sqs/b".to_owned(), 1)]);
    }

    #[test]
    fn the_answer_names_each_failure_and_is_an_empty_list_without_any() {
        let none = Failures::default();
        assert_eq!(serde_json::to_string(&none).unwrap(), r#"{"batchItemFailures":[]}"#);
        let some: Failures = ["a".to_owned()].into_iter().collect();
        assert_eq!(
            serde_json::to_string(&some).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#
        );
    }
}
