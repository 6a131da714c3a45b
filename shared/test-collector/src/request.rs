//! Requests as bytes.

/// A request with a length. `headers` are lines without their ends.
pub fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut request = head(method, target, "HTTP/1.1", &[headers, &[&length]].concat());
    request.extend_from_slice(body);
    request
}

/// The line and the headers of a request.
pub fn head(method: &str, target: &str, version: &str, headers: &[&str]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {target} {version}\r\nHost: crashes.example.com\r\n{headers}\r\n").into_bytes()
}

/// A body as chunks of so many bytes, their sizes without leading zeros, as Crashpad writes them.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(size) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}
