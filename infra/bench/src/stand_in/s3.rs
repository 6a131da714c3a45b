//! As much of S3 as it takes to put objects, whole and in parts.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, header::HeaderValue};

use super::status;

const BEGUN: &str = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>k</Key>\
                     <UploadId>u</UploadId></InitiateMultipartUploadResult>";
const COMPLETED: &str = "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Location>l</Location>\
                         <Bucket>bench</Bucket><Key>k</Key><ETag>\"e\"</ETag></CompleteMultipartUploadResult>";
const NO_OBJECT: &str = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>none</Message></Error>";

pub(super) fn answer(method: &Method, query: &str) -> Response<Full<Bytes>> {
    match *method {
        Method::PUT => {
            let mut answer = status(StatusCode::OK);
            answer.headers_mut().insert("etag", HeaderValue::from_static("\"e\""));
            answer
        }
        Method::POST if query.split('&').any(|part| part == "uploads" || part == "uploads=") => xml(BEGUN),
        Method::POST => xml(COMPLETED),
        Method::DELETE => status(StatusCode::NO_CONTENT),
        _ => {
            let mut answer = xml(NO_OBJECT);
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        }
    }
}

fn xml(text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
    answer
}
