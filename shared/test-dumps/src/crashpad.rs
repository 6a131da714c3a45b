//! Requests as Crashpad writes them, byte for byte.

/// The boundary that [`form`] uses; Crashpad makes one like it for each request.
pub const BOUNDARY: &str = "---MultipartBoundary-0123456789abcdefghijklmnopqrstuv---";

/// A `multipart/form-data` body with a minidump and these annotations.
pub fn form(annotations: &[(&str, &str)], minidump: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in annotations {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{value}\r\n",
            escape(name)
        );
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
             filename=\"minidump.dmp\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(minidump);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Crashpad's own escapes in names.
fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('"', "%22").replace('\r', "%0d").replace('\n', "%0a")
}

/// The whole POST that carries a minidump, with `target` as path and query.
pub fn request(target: &str, minidump: &[u8]) -> Vec<u8> {
    let annotations = [("prod", "Bench"), ("ver", "1.2.3"), ("guid", "6a1e9a6c-0f2c-4f3a-9d0e-3b1f0d7c5a21")];
    let body = form(&annotations, minidump);
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    request
}
