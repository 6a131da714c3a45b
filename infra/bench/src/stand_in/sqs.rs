//! SQS, as its JSON protocol has it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Taken, status};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Entries")]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Id")]
    id: String,
}

pub(super) fn answer(action: &str, body: &Bytes, taken: &Taken) -> Response<Full<Bytes>> {
    let answer = match action {
        "AmazonSQS.SendMessage" => {
            taken.count(1, body.len());
            message()
        }
        "AmazonSQS.SendMessageBatch" => {
            let Ok(batch) = serde_json::from_slice::<Batch>(body) else {
                return status(StatusCode::BAD_REQUEST);
            };
            taken.count(batch.entries.len() as u64, body.len());
            let successful = batch.entries.into_iter().map(|entry| {
                let mut told = message();
                told["Id"] = entry.id.into();
                told
            });
            json!({ "Successful": successful.collect::<Vec<_>>(), "Failed": [] })
        }
        // What a queue is like, which nobody looks at.
        _ => json!({}),
    };
    let mut answer = Response::new(Full::from(answer.to_string()));
    answer
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    answer
}

fn message() -> serde_json::Value {
    json!({
        "MessageId": "2b9a0a4c-6f0e-4c3e-8b1a-2d5f7c9e1b30",
        "MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e",
    })
}
