//! The imitations of AWS are there, and each has what is its own.

use epitaph_test_services::Aws;
use serde_json::json;

fn a_queue_keeps_what_was_sent(aws: &Aws) {
    let url = aws.queue("reports", &[("VisibilityTimeout", "60")]);
    assert!(url.starts_with(&aws.endpoint()), "{url}");
    assert_eq!(aws.queued(&url), [0, 0]);
    aws.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": "a last word" }));
    assert_eq!(aws.queued(&url), [1, 0]);
    let told = aws.sqs("ReceiveMessage", &json!({ "QueueUrl": url }));
    assert_eq!(told["Messages"][0]["Body"], "a last word");
    assert_eq!(aws.queued(&url), [0, 1]);
    aws.bucket("crashes");
}

#[test]
fn ministack_keeps_what_was_sent() {
    let Some(aws) = Aws::shared_ministack() else { return };
    a_queue_keeps_what_was_sent(&aws);
}

#[test]
fn moto_keeps_what_was_sent() {
    let Some(aws) = Aws::shared_moto() else { return };
    a_queue_keeps_what_was_sent(&aws);
}

#[test]
fn two_at_the_same_time_know_nothing_of_each_other() {
    let (Some(mut first), Some(second)) = (Aws::ministack(), Aws::ministack()) else { return };
    let url = first.queue("reports", &[]);
    first.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": "for the first" }));
    assert_eq!(second.queued(&second.queue("reports", &[])), [0, 0]);
    first.service().kill();
    assert_eq!(second.sqs("ListQueues", &json!({}))["QueueUrls"].as_array().unwrap().len(), 1);
}
