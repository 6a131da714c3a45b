//! The first request of an HTTP/1 connection, before hyper sees it.
//!
//! Crashpad built without libcurl (on Linux and Fuchsia) writes `POST ... HTTP/1.0` and then sends chunks, which HTTP/1.0
//! does not have. hyper refuses that. What is meant is plain, and RFC 9112 (6.1) lets a server read it if it closes the
//! connection afterwards: so such a request is handed on as one of HTTP/1.1, and is the last of its connection.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

const OLD: &[u8] = b"HTTP/1.0";
const NEW: &[u8] = b"HTTP/1.1";
/// What is read at once; most headers fit.
const PIECE: usize = 1024;

/// The bytes that a connection begins with.
pub(super) struct FirstRequest {
    /// At least the request line, unless it is too long or the client went away.
    pub(super) bytes: Bytes,
    /// Whether no request may follow.
    pub(super) last: bool,
}

/// Reads on from `first` until the request line is whole, and to the end of the header if it says HTTP/1.0; but no more
/// than about `most` bytes. What cannot be a request is for hyper to refuse.
pub(super) async fn read(socket: &mut TcpStream, first: Bytes, most: usize) -> FirstRequest {
    let mut bytes = BytesMut::from(first);
    loop {
        if let Some(end) = memchr::memchr(b'\n', &bytes) {
            let line = bytes[..end].trim_ascii_end();
            let version = line.len().saturating_sub(OLD.len());
            let is_whole = || memmem::find(&bytes, b"\r\n\r\n").is_some();
            if &line[version..] != OLD {
                return FirstRequest { bytes: bytes.freeze(), last: false };
            }
            if is_whole() {
                let last = is_chunked(&bytes);
                if last {
                    bytes[version..version + OLD.len()].copy_from_slice(NEW);
                }
                return FirstRequest { bytes: bytes.freeze(), last };
            }
        }
        bytes.reserve(PIECE);
        if bytes.len() > most || !matches!(socket.read_buf(&mut bytes).await, Ok(1..)) {
            return FirstRequest { bytes: bytes.freeze(), last: false };
        }
    }
}

/// Whether a header says that the body comes in chunks. What follows the header is not looked at.
fn is_chunked(request: &[u8]) -> bool {
    let end = memmem::find(request, b"\r\n\r\n").unwrap_or(request.len());
    request[..end].split(|&byte| byte == b'\n').any(|line| {
        let colon = memchr::memchr(b':', line);
        colon.is_some_and(|at| {
            line[..at].eq_ignore_ascii_case(b"transfer-encoding")
                && line[at + 1..].trim_ascii().eq_ignore_ascii_case(b"chunked")
        })
    })
}
