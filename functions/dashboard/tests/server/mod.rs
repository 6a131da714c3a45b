//! A real dashboard on a port of its own, over a real catalog and a directory as the bucket.

#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs of this module")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is part of the tests")]

use std::net::SocketAddr;

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, NewCrash, Recorded};
use epitaph_crash_model::{
    Address, Breadcrumb, Crash, CrashId, Encoding, Exception, Frame, IssueNumber, Module, ProjectId,
    Protocol, Role, StoredPayload, System, Thread, Trust, User,
};
use epitaph_dashboard::{Dashboard, DashboardSettings, SymbolSettings, router};
use epitaph_facts::Facts;
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_signature::{Unsigned, sign};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const TOKEN: &str = "a token of the tests";

pub struct Server {
    pub address: SocketAddr,
    pub catalog: Catalog,
    pub bucket: Bucket,
    root: RootSecret,
    _place: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|header| header.0 == name).map_or("", |header| header.1.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The session cookie as a browser sends it back.
    pub fn session(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut DashboardSettings)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let bucket = Bucket::open(&format!("file://{}/bucket", place.path().display()), 0).unwrap();
        Self::start_over(bucket, place, change).await
    }

    /// Over a bucket that is elsewhere.
    pub async fn start_over(
        bucket: Bucket,
        place: tempfile::TempDir,
        change: impl FnOnce(&mut DashboardSettings),
    ) -> Self {
        let catalog = Catalog::open(&format!("sqlite://{}/catalog.db", place.path().display())).unwrap();
        catalog.migrate().await.unwrap();
        let root = RootSecret::new("an example of a root secret").unwrap();
        let mut settings = DashboardSettings {
            public_url: None,
            allowed_hosts: Vec::new(),
            token: TOKEN.to_owned(),
            session: root.derive(Purpose::Session),
            ingest: root.derive(Purpose::Ingest),
            largest_answer: None,
            symbols: SymbolSettings { folder: place.path().join("symbols"), cache: 1 << 30 },
            is_demo: false,
        };
        change(&mut settings);
        let facts = Facts::new(catalog.clone(), bucket.clone(), place.path().join("scratch"));
        let routes = router(Dashboard::new(settings, facts));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, catalog, bucket, root, _place: place }
    }

    /// Sends a request as it is written. HTTP/1.0, so that the answer is not chunked and ends with the connection.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|header| header.0 == "host") {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Answer { status, headers: headers.collect(), body: answer[end + 4..].to_vec() }
    }

    /// As a program with the token.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {TOKEN}"))], "").await
    }

    /// As a program with the token, in a language.
    pub async fn get_in(&self, language: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        self.send("GET", path, &[("authorization", bearer.as_str()), ("accept-language", language)], "").await
    }

    /// Stores a crash as `process` does.
    pub async fn record(&self, crash: &Crash) -> IssueNumber {
        let packed = zstd::encode_all(serde_json::to_vec(crash).unwrap().as_slice(), 3).unwrap();
        let key = Key::document(crash.project, crash.id, "1");
        self.bucket.put(&key, Bytes::from(packed)).await.unwrap();
        self.count(crash, None).await
    }

    /// Records a crash; by a rule, only counts it.
    pub async fn count(&self, crash: &Crash, counted_by: Option<&str>) -> IssueNumber {
        self.add(NewCrash { counted_by: counted_by.map(str::to_owned), ..self.ready(crash) }).await
    }

    /// A crash as it is recorded.
    pub fn ready(&self, crash: &Crash) -> NewCrash {
        NewCrash {
            fact: epitaph_facts::fact_of(crash, &self.root.derive(Purpose::UserHash)),
            signature: crash.signature.clone(),
            title: crash.signature.text.clone(),
            attempt: "1".to_owned(),
            counted_by: None,
            lacking: None,
            client_id: crash.client_id.clone(),
            dump_digest: None,
            outcomes: Vec::new(),
        }
    }

    /// Records it.
    pub async fn add(&self, new: NewCrash) -> IssueNumber {
        match self.catalog.record(&new).await.unwrap() {
            Recorded::First { issue, .. } => issue,
            Recorded::Duplicate { .. } | Recorded::Already => {
                panic!("{} was recorded before", new.fact.crash_id)
            }
        }
    }

    /// Stores the bytes of a crash's file.
    pub async fn keep(&self, crash: &mut Crash, bytes: &[u8], encoding: Encoding, name: &str) {
        let key = Key::payload(crash.project, crash.id, crash.payloads.len());
        let stored = match encoding {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        };
        self.bucket.put(&key, Bytes::from(stored)).await.unwrap();
        crash.payloads.push(StoredPayload {
            role: if crash.payloads.is_empty() { Role::Minidump } else { Role::Attachment },
            name: name.to_owned(),
            content_type: Some("text/html".to_owned()),
            size: bytes.len() as u64,
            key: key.to_string(),
            encoding,
        });
    }
}

/// A crash in a function, received now, of a thread with two frames, with every field filled.
pub fn crash(function: &str) -> Crash {
    let frame = |function: &str, address, trust| Frame {
        module: Some("game.exe".to_owned()),
        debug_id: Some("5A1C0E2F9B7D4E6C8F3A21B04D9E77C11".to_owned()),
        function: Some(function.to_owned()),
        file: Some("src/render.cpp".to_owned()),
        line: Some(42),
        address: Address(0x1400_0000 + address),
        offset: Some(Address(address)),
        trust,
        ..Frame::default()
    };
    let id = CrashId::new();
    let signature = sign(&Unsigned { frames: &[], ..Unsigned::default() });
    let mut crash = Crash {
        client: Some("Crashpad/1.0".to_owned()),
        occurred_at: Some(id.accepted_at()),
        release: Some("1.2.3".to_owned()),
        environment: Some("live".to_owned()),
        reason: Some("SIGSEGV / SEGV_MAPERR".to_owned()),
        address: Some(Address(0x18)),
        crashing_thread: Some(1),
        threads: vec![
            Thread { id: 10, name: Some("AudioMixer".to_owned()), ..Thread::default() },
            Thread {
                id: 11,
                name: Some("RenderThread".to_owned()),
                frames: vec![frame(function, 0x10, Trust::Context), frame("main", 0x20, Trust::Scan)],
                registers: [("rip".to_owned(), Address(0x1400_0010))].into(),
                incomplete: None,
            },
        ],
        modules: vec![Module {
            name: "game.exe".to_owned(),
            code_file: "C:\\game.exe".to_owned(),
            ..Module::default()
        }],
        system: System {
            os: Some("Windows".to_owned()),
            os_version: Some("10.0.19045".to_owned()),
            arch: Some("amd64".to_owned()),
            cpu: Some("A processor".to_owned()),
            cpu_count: Some(8),
        },
        uptime_seconds: Some(75),
        annotations: [("guid".to_owned(), "player-1".to_owned()), ("map".to_owned(), "Ashfen".to_owned())]
            .into(),
        client_id: Some(id.simple().replace('0', "f")),
        build: Some("5120".to_owned()),
        message: Some("the last words".to_owned()),
        exceptions: vec![Exception {
            kind: Some("NullReferenceException".to_owned()),
            message: Some("Object reference not set".to_owned()),
            mechanism: Some("onerror".to_owned()),
            handled: Some(false),
            frames: vec![Frame {
                source: Some("var armor = target.Armor;".to_owned()),
                in_app: Some(true),
                ..frame("Weapon.Fire", 0, Trust::Given)
            }],
        }],
        breadcrumbs: vec![Breadcrumb {
            time: Some(id.accepted_at()),
            category: Some("ui.click".to_owned()),
            level: Some("warning".to_owned()),
            message: Some("opened the door".to_owned()),
            data: [("door".to_owned(), "north".to_owned())].into(),
        }],
        user: Some(User { id: Some("player-17".to_owned()), name: Some("Ann".to_owned()) }),
        tags: [("store".to_owned(), "steam".to_owned())].into(),
        contexts: [("unity".to_owned(), [("editor_version".to_owned(), "2022.3".to_owned())].into())].into(),
        fingerprint: vec!["doors".to_owned()],
        comment: Some("it froze in the lift".to_owned()),
        ..Crash::new(id, ProjectId::FIRST, Protocol::Multipart, signature)
    };
    sign_again(&mut crash);
    crash
}

/// Signs a crash whose frames were changed.
pub fn sign_again(crash: &mut Crash) {
    crash.signature = sign(&Unsigned {
        frames: &crash.threads[1].frames,
        kind: crash.kind,
        reason: crash.reason.as_deref(),
        ..Unsigned::default()
    });
}
