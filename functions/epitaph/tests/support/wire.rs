//! Bytes on a socket, for what no HTTP client would send.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Answer, Server};

pub const BOUNDARY: &str = "a-boundary-of-our-own";

/// One connection.
pub struct Wire {
    pub socket: TcpStream,
}

impl Wire {
    pub async fn to(server: &Server) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        Self { socket: TcpStream::connect(address).await.unwrap() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Reads one answer; `None` when the connection ends without one.
    pub async fn answer(&mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.read(&mut bytes).await == 0 {
                return None;
            }
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let length = text.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|length| length.trim().parse().unwrap())
        });
        let end = head + length.unwrap_or(0_usize);
        while bytes.len() < end && self.read(&mut bytes).await > 0 {}
        Some(Answer { status, text: String::from_utf8(bytes[head..end].to_vec()).unwrap() })
    }

    /// A connection that is reset has ended.
    async fn read(&mut self, bytes: &mut Vec<u8>) -> usize {
        self.socket.read_buf(bytes).await.unwrap_or(0)
    }
}

/// The header of a POST of a minidump, with the key, and with these lines.
pub fn post(server: &Server, lines: &str) -> String {
    let target = server.post.strip_prefix(&server.url).unwrap();
    format!("POST {target} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
}

/// The lines for a form of so many bytes.
pub fn form_of(length: usize) -> String {
    format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {length}\r\n")
}

/// A part of a form that holds a file, without what closes it.
pub fn file(field: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n"
    );
    [head.as_bytes(), bytes].concat()
}

pub fn end_of_form() -> Vec<u8> {
    format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
}
