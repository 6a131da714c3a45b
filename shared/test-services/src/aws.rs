//! AWS, as far as two programs imitate it: S3, SQS and, in MiniStack, Lambda and CloudFormation.

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Python, Service, free_port, python};

/// The region of everything here.
pub const AWS_REGION: &str = "us-east-1";
/// The access key's id and its secret; nobody checks them.
const ACCESS_KEY: [&str; 2] = ["test", "test"];
/// How long a service may take until it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// An imitation of AWS that belongs to one test. What it holds is gone when this is dropped.
#[derive(Debug)]
pub struct Aws {
    service: Service,
    _scratch: TempDir,
}

impl Aws {
    /// Starts MiniStack on a free port. `None` leaves a test out, see [`crate::program`].
    pub fn ministack() -> Option<Self> {
        Self::ministack_on(free_port())
    }

    /// A MiniStack that tests of one program share while they run at the same time: names in it must be their own.
    pub fn shared_ministack() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Aws>> = Mutex::new(Weak::new());
        shared(&SHARED, Self::ministack)
    }

    /// As [`Aws::shared_ministack`], of moto.
    pub fn shared_moto() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Aws>> = Mutex::new(Weak::new());
        shared(&SHARED, Self::moto)
    }

    /// Starts MiniStack on this port: where a test wants it to come later than what talks to it.
    pub fn ministack_on(port: u16) -> Option<Self> {
        let python = installed("ministack.txt")?;
        let scratch = tempfile::tempdir().unwrap();
        let mut command = python.module("ministack");
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
        // What it names after itself is below this name: a label before an IP address would make no host.
        command.env("MINISTACK_HOST", "localhost").env("MINISTACK_REGION", AWS_REGION);
        command.env("LOG_LEVEL", "ERROR").env("S3_DATA_DIR", scratch.path().join("s3"));
        command.env("STATE_DIR", scratch.path().join("state"));
        // Functions that it runs get all that it has itself: the way back to it, and no setting but their own.
        command.envs(environment_of((Ipv4Addr::LOCALHOST, port).into()));
        let ours = env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("EPITAPH_")) {
            command.env_remove(name);
        }
        Some(Self::start(command, port, scratch))
    }

    /// Starts moto's server on a free port. `None` leaves a test out, see [`crate::program`].
    pub fn moto() -> Option<Self> {
        let python = installed("moto.txt")?;
        let port = free_port();
        let mut command = python.module("moto.server");
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        // It writes a line for each request, and what this test says would drown in them.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Some(Self::start(command, port, tempfile::tempdir().unwrap()))
    }

    fn start(mut command: Command, port: u16, scratch: TempDir) -> Self {
        command.env("TMPDIR", scratch.path()).env("HOME", scratch.path()).current_dir(scratch.path());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY[0]).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY[1]);
        command.env("AWS_DEFAULT_REGION", AWS_REGION).env("PYTHONDONTWRITEBYTECODE", "1");
        let aws = Self { service: Service::start(&mut command, port), _scratch: scratch };
        // It accepts connections before it can answer them.
        let begun = Instant::now();
        while aws.try_sqs("ListQueues", &json!({})).is_none() {
            assert!(begun.elapsed() < PATIENCE, "{command:?} listens, and does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        aws
    }

    /// The process behind it, to kill or to stop.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.service.address())
    }

    /// What the environment of a program must hold to talk to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment_of(self.service.address())
    }

    /// Makes a queue with these attributes, such as `VisibilityTimeout`, and gives its URL.
    pub fn queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let attributes: serde_json::Map<_, _> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let made = self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        let url = made["QueueUrl"].as_str().unwrap();
        // Whatever host name it gives itself.
        let path = url.splitn(4, '/').nth(3).unwrap();
        format!("{}/{path}", self.endpoint())
    }

    /// How many messages a queue holds: those that wait, and those that are out.
    pub fn queued(&self, url: &str) -> [u64; 2] {
        let asked = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let told = self.sqs("GetQueueAttributes", &asked);
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            .map(|name| told["Attributes"][name].as_str().unwrap().parse().unwrap())
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        self.succeed("PUT", &format!("/{name}"), "s3", &[], b"");
    }

    /// Puts an object into a bucket.
    pub fn object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.succeed("PUT", &format!("/{bucket}/{key}"), "s3", &[], bytes);
    }

    /// Asks SQS for something, as its JSON protocol says.
    ///
    /// # Panics
    /// When it refuses.
    pub fn sqs(&self, action: &str, input: &Value) -> Value {
        self.try_sqs(action, input).unwrap_or_else(|| panic!("SQS refuses {action} {input}"))
    }

    fn try_sqs(&self, action: &str, input: &Value) -> Option<Value> {
        let target = format!("AmazonSQS.{action}");
        let headers = [("X-Amz-Target", target.as_str()), ("Content-Type", "application/x-amz-json-1.0")];
        let (status, told) = self.ask("POST", "/", "sqs", &headers, input.to_string().as_bytes())?;
        if status != 200 {
            return None;
        }
        if told.is_empty() { Some(Value::Null) } else { serde_json::from_str(&told).ok() }
    }

    /// One request, which must succeed; gives what was told.
    pub(crate) fn succeed(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let answer = self.ask(method, path, service, headers, body);
        let (status, told) = answer.unwrap_or_else(|| panic!("{method} {path} is not answered"));
        assert!((200..300).contains(&status), "{method} {path}: {status} {told}");
        told
    }

    /// One request; `None` when it is not answered.
    fn ask(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<(u16, String)> {
        let address = self.service.address();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Which service is meant is told by whom the request is signed for.
        let scope = format!("{}/20260101/{AWS_REGION}/{service}/aws4_request", ACCESS_KEY[0]);
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(&[request.as_bytes(), b"\r\n", body].concat()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

/// What the environment of a program must hold to talk to an imitation of AWS at this address, which may not be there
/// yet.
pub fn environment_of(address: SocketAddr) -> Vec<(&'static str, String)> {
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST, "nothing else is ever talked to");
    vec![
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY[0].to_owned()),
        ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY[1].to_owned()),
        ("AWS_REGION", AWS_REGION.to_owned()),
        ("AWS_DEFAULT_REGION", AWS_REGION.to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        // So that a bucket may be reached without TLS.
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ]
}

/// The one that is there, or a new one. It ends with the last test that has it.
fn shared(place: &Mutex<Weak<Aws>>, start: impl FnOnce() -> Option<Aws>) -> Option<Arc<Aws>> {
    let mut there = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(aws) = there.upgrade() {
        return Some(aws);
    }
    let aws = Arc::new(start()?);
    *there = Arc::downgrade(&aws);
    Some(aws)
}

fn installed(requirements: &str) -> Option<Python> {
    python(&Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements").join(requirements))
}
