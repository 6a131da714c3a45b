//! The body of a request: unpacked, counted, and not waited for longer than it deserves.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use epitaph_host::Limits;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use crate::{
    Cause, Refusal,
    budget::{Budget, Share},
    inflate::{Inflater, Packing},
};

/// How much, and how long, is read of a refused request, so that the client comes to read its answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 << 20;

/// Reads a body, inflated, within its limits.
pub struct BodyReader {
    body: Body,
    inflater: Option<Inflater>,
    /// Where the decoder's memory comes from, until it is taken: when the first byte is here, not before.
    budget: Option<(Budget, Packing)>,
    /// The decoder's memory.
    share: Option<Share>,
    pace: Pace,
    /// Bytes given out so far, inflated.
    given: u64,
    limit: u64,
    ended: bool,
}

impl BodyReader {
    /// A reader for a request's body.
    ///
    /// # Errors
    /// [`Cause::Unsupported`] for an encoding that is not taken, [`Cause::TooLarge`] for a length that is announced
    /// and too large.
    pub fn open(headers: &HeaderMap, body: Body, limits: &Limits, budget: &Budget) -> Result<Self, Unread> {
        let packing = packing_of(headers).and_then(|packing| {
            check_announced_length(headers, limits.request)?;
            Ok(packing)
        });
        let packing = match packing {
            Ok(packing) => packing,
            Err(refusal) => return Err(Unread { refusal, body }),
        };
        Ok(Self {
            body,
            inflater: packing.map(Inflater::new),
            budget: packing.map(|packing| (budget.clone(), packing)),
            share: None,
            pace: Pace::new(limits),
            given: 0,
            limit: limits.request,
            ended: false,
        })
    }

    /// The next piece; `None` at the end. Waits a little where others hold the memory that the body's packing needs.
    ///
    /// # Errors
    /// [`Cause::Busy`] where that memory did not come free, [`Cause::TooLarge`], [`Cause::TooSlow`], [`Cause::BrokeOff`], or [`Cause::Malformed`] where the body is not packed
    /// as it claims.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            if let Some(inflater) = &mut self.inflater {
                let piece = inflater.pull().map_err(|_| {
                    Refusal::new(Cause::Malformed, "the body is not packed as its Content-Encoding says")
                })?;
                if let Some(piece) = piece {
                    // A small body may inflate to a large one without ever waiting: let others run.
                    tokio::task::coop::consume_budget().await;
                    return self.give(piece).map(Some);
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.pace.wait_for(&mut self.body).await? {
                Some(bytes) => {
                    if let Some((budget, packing)) = &self.budget
                        && self.share.is_none()
                    {
                        self.share = Some(budget.for_inflating(*packing).await?);
                    }
                    match &mut self.inflater {
                        Some(inflater) => inflater.push(bytes),
                        None => return self.give(bytes).map(Some),
                    }
                }
                None => {
                    self.ended = true;
                    if self.inflater.as_mut().is_some_and(|inflater| !inflater.has_ended())
                        && self.pace.received > 0
                    {
                        return Err(Refusal::new(Cause::BrokeOff, "the packed body ends before its own end"));
                    }
                }
            }
        }
    }

    fn give(&mut self, piece: Bytes) -> Result<Bytes, Refusal> {
        self.given += piece.len() as u64;
        if self.given > self.limit {
            return Err(too_large(self.limit));
        }
        Ok(piece)
    }

    /// Reads on for a moment and throws it away: a client that still sends does not read its answer, and a socket that
    /// is closed while bytes arrive takes the answer with it.
    pub async fn linger(self) {
        if !self.ended {
            linger(self.body).await;
        }
    }

    /// As [`BodyReader::linger`], while something else is done that the answer has to wait for.
    pub async fn linger_during(self, work: impl Future<Output = ()>) {
        futures_util::future::join(self.linger(), work).await;
    }
}

/// A body that was refused before it was read.
pub struct Unread {
    /// Why.
    pub refusal: Refusal,
    body: Body,
}

impl Unread {
    /// As [`BodyReader::linger`].
    pub async fn linger(self) -> Refusal {
        linger(self.body).await;
        self.refusal
    }
}

/// Reads a refused body for a moment, so that its client comes to read the answer.
pub async fn linger(mut body: Body) {
    let _ = timeout(LINGER, async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
    })
    .await;
}

fn packing_of(headers: &HeaderMap) -> Result<Option<Packing>, Refusal> {
    let unsupported = || {
        Refusal::new(
            Cause::Unsupported,
            "the Content-Encoding is not taken: expected gzip, deflate, br, zstd or none",
        )
    };
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(None),
        (Some(encoding), None) => {
            let encoding = encoding.to_str().map_err(|_| unsupported())?;
            Packing::of_encoding(encoding).map_err(|_| unsupported())
        }
        _ => Err(unsupported()),
    }
}

fn check_announced_length(headers: &HeaderMap, limit: u64) -> Result<(), Refusal> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: u64) -> Refusal {
    Refusal::new(
        Cause::TooLarge,
        format!(
            "the request is larger than {limit} bytes (unpacked): send less, or raise EPITAPH_LIMIT_REQUEST"
        ),
    )
}

/// How fast a client sends. Only the time spent waiting for it counts, not the time that we take.
struct Pace {
    idle: Duration,
    rate: u64,
    longest: Duration,
    started: Instant,
    waited: Duration,
    received: u64,
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        Self {
            idle: limits.body_idle,
            rate: limits.body_rate,
            longest: limits.body_time,
            started: Instant::now(),
            waited: Duration::ZERO,
            received: 0,
        }
    }

    async fn wait_for(&mut self, body: &mut Body) -> Result<Option<Bytes>, Refusal> {
        let before = Instant::now();
        let frame = timeout(self.idle, body.frame()).await;
        self.waited += before.elapsed();
        let bytes = match frame {
            Err(_) => return Err(self.too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(Refusal::new(Cause::BrokeOff, "the connection ended inside the body"));
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(), // trailers carry nothing
        };
        self.received += bytes.len() as u64;
        let fair = self.waited.as_secs().saturating_mul(self.rate);
        if self.started.elapsed() > self.longest || (self.waited > self.idle && self.received < fair) {
            return Err(self.too_slow());
        }
        Ok(Some(bytes))
    }

    fn too_slow(&self) -> Refusal {
        let detail = format!(
            "the body came too slowly: expected no pause over {} s, {} bytes a second on average, and the end within {} s",
            self.idle.as_secs(),
            self.rate,
            self.longest.as_secs(),
        );
        Refusal::new(Cause::TooSlow, detail)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures_util::{StreamExt, stream};

    use super::*;

    fn limits() -> Limits {
        Limits { request: 1000, ..Limits::default() }
    }

    async fn read(encoding: Option<&'static str>, body: Body) -> Result<Vec<u8>, Cause> {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let budget = Budget::new(1 << 20);
        let opened = BodyReader::open(&headers, body, &limits(), &budget);
        let mut reader = opened.map_err(|unread| unread.refusal.cause)?;
        let mut whole = Vec::new();
        while let Some(piece) = reader.next().await.map_err(|refusal| refusal.cause)? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// One byte, again and again, so many milliseconds apart.
    fn dripping(pause: u64) -> Body {
        let bytes = stream::repeat(Bytes::from_static(b"x")).then(move |byte| async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Ok::<_, std::io::Error>(byte)
        });
        Body::from_stream(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_as_far_as_its_limit() {
        assert_eq!(read(None, Body::from(vec![7; 1000])).await, Ok(vec![7; 1000]));
        assert_eq!(read(None, Body::from(vec![7; 1001])).await, Err(Cause::TooLarge));
        assert_eq!(read(Some("identity"), Body::from("abc")).await, Ok(b"abc".to_vec()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_drips_or_stops_is_too_slow() {
        let begun = Instant::now();
        assert_eq!(read(None, dripping(900)).await, Err(Cause::TooSlow));
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        assert_eq!(read(None, dripping(11_000)).await, Err(Cause::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn an_encoding_that_is_not_taken_or_not_true_is_refused() {
        assert_eq!(read(Some("compress"), Body::from("abc")).await, Err(Cause::Unsupported));
        assert_eq!(read(Some("gzip"), Body::from("abc")).await, Err(Cause::Malformed));
        assert_eq!(read(Some("gzip"), Body::from(&b"\x1f\x8b\x08\x00"[..])).await, Err(Cause::BrokeOff));
    }

    #[tokio::test(start_paused = true)]
    async fn a_packing_that_needs_more_memory_than_there_is_waits_and_is_then_refused() {
        assert_eq!(read(Some("br"), Body::from("abc")).await, Err(Cause::Busy));
    }
}
