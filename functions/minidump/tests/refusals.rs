//! Who may post, and how a client is told that it was not accepted.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{fs, time::Duration};

use epitaph_test_dumps::{crashpad, linux};
use support::{House, Packing, chunked, dump_part, field_part, form, head, is_accepted, pack, post};
use tokio::io::AsyncWriteExt as _;

const FORM: &str =
    "Content-Type: multipart/form-data; boundary=---MultipartBoundary-0123456789abcdefghijklmnopqrstuv---";
const OTHER: &str = "ffffffffffffffffffffffffffffffff";

fn good_form() -> Vec<u8> {
    form(&[field_part("prod", "MyGame"), dump_part(&linux())])
}

/// Base64 of `{user}:` for a user of 32 letters.
fn basic(user: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = format!("{user}:");
    let encode = |three: &[u8]| {
        let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| LETTERS[(number >> shift) as usize & 63] as char)
    };
    let encoded: String = plain.as_bytes().chunks_exact(3).flat_map(encode).collect();
    format!("Authorization: Basic {encoded}")
}

#[tokio::test]
async fn the_key_may_come_in_every_way_that_clients_send_it() {
    let mut house = House::new();
    let key = house.key.clone();
    let sentry = format!("Sentry sentry_version=7, sentry_key={key}, sentry_client=sentry.native/0.7");
    let (x_auth, auth) = (format!("X-Sentry-Auth: {sentry}"), format!("Authorization: {sentry}"));
    let (plain, in_query) = ("/api/1/minidump/".to_owned(), format!("/api/1/minidump/?sentry_key={key}"));
    let basic = basic(&key);
    for (target, headers) in [
        (&in_query, vec![]),
        (&plain, vec![x_auth.as_str()]),
        (&plain, vec![auth.as_str()]),
        (&plain, vec![basic.as_str()]),
        (&in_query, vec![x_auth.as_str(), basic.as_str()]),
        (&in_query, vec!["Authorization: Bearer of-a-gateway"]),
    ] {
        let answer = house.send(&post(target, &[&headers[..], &[FORM]].concat(), &good_form())).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.annotations.into_iter().collect::<Vec<_>>(), [("prod".into(), "MyGame".into())]);
    }
}

#[tokio::test]
async fn a_key_that_is_missing_malformed_or_contradicted_is_unauthorized() {
    let mut house = House::new();
    let key = house.key.clone();
    let good = format!("X-Sentry-Auth: Sentry sentry_key={key}");
    let bad = format!("X-Sentry-Auth: Sentry sentry_key={OTHER}");
    let (good_basic, bad_basic) = (basic(&key), basic(OTHER));
    let no_sentry_key = "X-Sentry-Auth: Sentry sentry_version=7".to_owned();
    let two_in_one = format!("X-Sentry-Auth: Sentry sentry_key={key}, sentry_key={OTHER}");
    let headers: [&[&String]; 10] = [
        &[],
        &[&no_sentry_key],
        &[&good, &bad_basic],
        &[&bad, &good_basic],
        &[&good, &bad],
        &[&bad, &good],
        &[&good_basic, &bad_basic],
        &[&good, &no_sentry_key],
        &[&two_in_one],
        &[&bad, &bad_basic, &good],
    ];
    let mut requests: Vec<_> = headers
        .iter()
        .map(|headers| {
            let headers: Vec<&str> = headers.iter().map(|header| header.as_str()).chain([FORM]).collect();
            post("/api/1/minidump/", &headers, &good_form())
        })
        .collect();
    for query in [
        "sentry_key=".to_owned(),
        "sentry_key=abc".to_owned(),
        format!("sentry_key={key}0"),
        format!("sentry_key={key}&sentry_key={OTHER}"),
        format!("sentry_key={key}&sentry_key={key}&sentry_key={OTHER}"),
    ] {
        requests.push(post(&format!("/api/1/minidump/?{query}"), &[FORM], &good_form()));
    }
    for query in [format!("sentry_key={key}"), format!("sentry_key={OTHER}")] {
        let header = if query.contains(OTHER) { &good } else { &bad };
        requests.push(post(&format!("/api/1/minidump/?{query}"), &[header, FORM], &good_form()));
    }
    for project in ["0", "-1", "x", "01", "99999999999999999999", "%ff"] {
        let target = format!("/api/{project}/minidump/?sentry_key={key}");
        requests.push(post(&target, &[FORM], &good_form()));
    }
    requests.push(post("/submit", &[FORM], &good_form()));
    requests.push(post(&format!("/submit?project=x&sentry_key={key}"), &[FORM], &good_form()));
    for request in requests {
        let answer = house.send(&request).await;
        let line = String::from_utf8_lossy(&request[..60]).into_owned();
        assert_eq!(answer.status, 401, "{line}");
        answer.is_refused(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Sentry"));
        assert!(!answer.body.contains(&key), "a key is not told");
    }
    let answer = house.send_form(&good_form()).await;
    house.report_of(&answer).await;
}

#[tokio::test]
async fn a_key_of_another_project_is_forbidden() {
    let mut house = House::new();
    let of_two = house.key_of(2);
    for target in [
        format!("/api/1/minidump/?sentry_key={of_two}"),
        format!("/api/2/minidump?sentry_key={}", house.key),
        format!("/api/1/minidump/?sentry_key={OTHER}"),
        format!("/submit?project=2&sentry_key={}", house.key),
        format!("/submit?sentry_key={of_two}"),
    ] {
        house.send(&post(&target, &[FORM], &good_form())).await.is_refused(403, "forbidden");
    }
    let target = format!("/api/2/minidump/?sentry_key={of_two}");
    let answer = house.send(&post(&target, &[FORM], &good_form())).await;
    assert_eq!(house.report_of(&answer).await.project.get(), 2);
}

/// Headers and bodies that are refused, and the cause that is told; the status follows from it.
fn unreadable_requests() -> Vec<(Vec<&'static str>, Vec<u8>, u16, &'static str)> {
    let not_a_dump = form(&[dump_part(b"not a minidump")]);
    let mut cut_off = pack(Packing::Gzip, &form(&[field_part("a", "b")]));
    cut_off.truncate(cut_off.len() - 9);
    vec![
        (vec![FORM], not_a_dump, 400, "not_a_minidump"),
        (vec![FORM], form(&[dump_part(b"")]), 400, "not_a_minidump"),
        (vec![FORM], form(&[field_part("prod", "MyGame")]), 400, "not_a_minidump"),
        (vec![FORM], form(&[dump_part(&pack(Packing::Zstd, b"not one"))]), 400, "not_a_minidump"),
        (vec![], b"<html>".to_vec(), 400, "not_a_minidump"),
        (vec![], Vec::new(), 400, "not_a_minidump"),
        (vec!["Content-Type: multipart/form-data"], good_form(), 400, "malformed"),
        (vec![FORM], b"no boundary in here".to_vec(), 400, "malformed"),
        (vec![FORM, "Content-Encoding: gzip"], good_form(), 400, "malformed"),
        (vec![], b"\x1f\x8b\x08\x00garbage that is not packed".to_vec(), 400, "malformed"),
        (vec![FORM, "Content-Encoding: gzip"], cut_off, 400, "broke_off"),
        (vec![FORM, "Content-Encoding: compress"], good_form(), 415, "unsupported"),
        (vec![FORM, "Content-Encoding: gzip", "Content-Encoding: br"], good_form(), 415, "unsupported"),
    ]
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_cause_and_leaves_nothing() {
    let mut house = House::new();
    for (headers, body, status, cause) in unreadable_requests() {
        house.send_raw(&headers, &body).await.is_refused(status, cause);
    }
    let answer = house.send_form(&good_form()).await;
    house.report_of(&answer).await;
}

#[tokio::test]
async fn socorros_clients_are_told_what_was_discarded_in_their_words() {
    let house = House::new();
    let target = format!("/submit?sentry_key={}", house.key);
    for (headers, body, status, cause) in unreadable_requests() {
        let answer = house.send(&post(&target, &headers, &body)).await;
        assert_eq!(answer.status, status);
        if status == 400 {
            assert_eq!(answer.body, format!("Discarded=malformed_{cause}\n"));
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        } else {
            answer.is_refused(status, cause);
        }
    }
}

#[tokio::test]
async fn a_dump_or_a_request_over_its_limit_is_refused_with_413_and_leaves_nothing_in_the_bucket() {
    let house = House::with(|limits| {
        (limits.file, limits.request, limits.inline) = (200_000, 300_000, 10_000);
    });
    let dump = |size: usize| [b"MDMP".to_vec(), vec![7; size - 4]].concat();
    let unannounced = head("HTTP/1.1", &house.path(), &["Transfer-Encoding: chunked"]);
    let zeros = |packing| pack(packing, &dump(50_000_000));
    let announced = head("HTTP/1.1", &house.path(), &["Content-Length: 300001"]);
    for request in [
        post(&house.path(), &[], &dump(200_001)),
        post(&house.path(), &[FORM], &form(&[dump_part(&dump(200_001))])),
        [unannounced, chunked(&dump(400_000), 4096)].concat(),
        post(&house.path(), &[], &zeros(Packing::Gzip)),
        post(&house.path(), &[], &zeros(Packing::Zstd)),
        post(&house.path(), &["Content-Encoding: br"], &zeros(Packing::Brotli)),
        // Refused before its body has come: there is nothing behind this header yet.
        [announced, vec![0; 300_001]].concat(),
        post(&format!("/submit?sentry_key={}", house.key), &[FORM], &form(&[dump_part(&dump(200_001))])),
    ] {
        house.send(&request).await.is_refused(413, "too_large");
    }
    let left = fs::read_dir(house.bucket_directory().join("payloads/1")).into_iter().flatten();
    let files: Vec<_> = left.flat_map(|day| walk(&day.unwrap().path())).collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
    is_accepted(&house.send_raw(&[], &dump(200_000)).await);
}

/// All files below a directory.
fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    fs::read_dir(path).unwrap().flat_map(|entry| walk(&entry.unwrap().path())).collect()
}

#[tokio::test]
async fn the_31st_file_is_not_kept_and_if_it_is_the_dump_the_report_is_refused() {
    let house = House::with(|limits| limits.files = 2);
    let file = || support::file_part("attachment", "a.txt", "text/plain", b"x");
    let answer = house.send_form(&form(&[file(), file(), dump_part(&linux())])).await;
    answer.is_refused(413, "too_large");
}

#[tokio::test]
async fn a_client_that_pauses_too_long_is_told_so() {
    let house = House::with(|limits| limits.body_idle = Duration::from_millis(100));
    let mut stream = house.connect().await;
    stream.write_all(&head("HTTP/1.1", &house.path(), &[FORM, "Content-Length: 1000"])).await.unwrap();
    stream.write_all(&good_form()[..300]).await.unwrap();
    support::Answer::read(&mut stream).await.is_refused(408, "too_slow");
}

#[tokio::test]
async fn a_client_that_stops_sending_inside_the_dump_is_told_that_it_broke_off() {
    let house = House::new();
    let request = post(&house.path(), &[FORM], &good_form());
    let mut stream = house.connect().await;
    stream.write_all(&request[..request.len() - 200]).await.unwrap();
    stream.shutdown().await.unwrap();
    support::Answer::read(&mut stream).await.is_refused(400, "broke_off");
}

#[tokio::test]
async fn where_neither_queue_nor_bucket_take_it_the_client_may_come_again_and_is_taken_when_they_do() {
    let mut house = House::without_engines();
    let submit = post(&format!("/submit?sentry_key={}", house.key), &[FORM], &good_form());
    for answer in [house.send_form(&good_form()).await, house.send(&submit).await] {
        answer.is_refused(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("30"));
    }
    fs::remove_file(house.bucket_directory()).unwrap();
    let parked = house.send_form(&good_form()).await;
    is_accepted(&parked);
    let object = house.bucket_directory().join(format!("parked/1/{}.json", parked.body));
    let message: serde_json::Value = serde_json::from_slice(&fs::read(object).unwrap()).unwrap();
    assert_eq!(message["data"]["annotations"]["prod"], "MyGame");
    assert!(house.metrics.text().contains(r#"outcome="parked""#));
    assert!(house.metrics.text().contains(r#"outcome="refused",reason="unavailable"} 2"#));

    fs::remove_file(house.queue_directory()).unwrap();
    let queued = support::until_queued(&house, &good_form()).await;
    house.report_of(&queued).await;
}

#[tokio::test]
async fn a_packed_request_that_no_memory_is_left_for_may_come_again_and_others_are_taken() {
    let mut house = House::with(|limits| limits.buffers = 16 << 10);
    let packed = pack(Packing::Brotli, &good_form());
    let answer = house.send_raw(&[FORM, "Content-Encoding: br"], &packed).await;
    answer.is_refused(503, "busy");
    assert_eq!(answer.header("retry-after"), Some("30"));
    // What inflating gzip takes is so little that a slow client's share must not keep others out.
    let packed = pack(Packing::Gzip, &good_form());
    for answer in [
        house.send_raw(&[FORM, "Content-Encoding: gzip"], &packed).await,
        house.send_form(&good_form()).await,
    ] {
        house.report_of(&answer).await;
    }
}

#[tokio::test]
async fn another_method_or_address_is_told_what_is_expected() {
    let house = House::new();
    for target in ["/api/1/minidump/", "/api/1/minidump", "/submit"] {
        let answer = house.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
        assert!(answer.body.contains("expected POST"), "{answer:?}");
    }
    for target in ["/", "/api/1/envelope/", "/api/1/minidump/x"] {
        assert_eq!(house.send(&post(target, &[FORM], &good_form())).await.status, 404);
    }
}

#[tokio::test]
async fn a_boundary_may_be_quoted_and_the_type_in_capitals() {
    let mut house = House::new();
    let quoted =
        format!("Content-Type: Multipart/Form-Data; charset=utf-8; boundary=\"{}\"", crashpad::BOUNDARY);
    let answer = house.send_raw(&[&quoted], &good_form()).await;
    assert_eq!(house.report_of(&answer).await.annotations["prod"], "MyGame");
}
