//! What a server answers.

use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use crate::PATIENCE;

/// One answer, as it came.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Everything before the body, letter by letter.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Reads one answer with a length off a connection, and no byte more. Each must say what its body is.
    pub async fn read(stream: &mut TcpStream) -> Self {
        let answer = timeout(PATIENCE, async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("the connection ended without an answer"));
            }
            let mut answer = Self::parse(String::from_utf8(head).unwrap());
            if answer.status != 100 {
                let length =
                    answer.header("content-length").expect("an answer has a length").parse().unwrap();
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                answer.body = String::from_utf8(body).unwrap();
                assert!(answer.header("content-type").is_some(), "{answer:?}");
            }
            answer
        });
        answer.await.expect("the server did not answer")
    }

    fn parse(head: String) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, head, body: String::new() }
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Asserts a refusal in JSON of a status and a cause, and nothing else in it. Gives its words.
    pub fn is_refused(&self, status: u16, cause: &str) -> String {
        let told = (self.status, self.header("content-type"));
        assert_eq!(told, (status, Some("application/json")), "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let detail = body["detail"].as_str().unwrap();
        assert_eq!(body, json!({ "detail": detail, "causes": [cause] }), "{self:?}");
        assert!(detail.len() > 20, "a refusal says what was wrong and what to do: {detail}");
        detail.to_owned()
    }
}

/// Everything until the server closes, which it must do by itself.
pub async fn everything(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server did not close");
    read.unwrap();
    String::from_utf8(bytes).unwrap()
}
