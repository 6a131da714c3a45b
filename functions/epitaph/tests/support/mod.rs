//! What the black-box tests share: a real server, started as a person starts it, and talked to over HTTP.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "shared by test files, each a crate of its own")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub mod bombs;
pub mod built;
pub mod clients;
pub mod load;
pub mod wire;

/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory and the settings of the servers that are started in it, one after another.
pub struct House {
    directory: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

/// A running `epitaph serve`. Killed when it is dropped.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:{port}`
    pub url: String,
    /// Where to post minidumps, with the key.
    pub post: String,
    pub key: String,
    pub token: String,
    pub client: reqwest::Client,
}

impl House {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::at(directory, settings)
    }

    fn at(directory: tempfile::TempDir, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { directory, settings }
    }

    /// A house whose data directory is on another file system.
    pub fn below(parent: &Path, settings: &[(&str, &str)]) -> Self {
        Self::at(tempfile::tempdir_in(parent).unwrap(), settings)
    }

    /// Changes a setting of the servers that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub fn data(&self) -> PathBuf {
        let set = self.settings.iter().find(|(name, _)| name == "EPITAPH_DATA");
        set.map_or_else(|| self.directory.path().join("data"), |(_, data)| data.into())
    }

    /// The command line with this house's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_epitaph"));
        command.args(arguments).env_clear().env("PORT", "0").env("EPITAPH_DATA", self.data());
        command.env("EPITAPH_MIN_FREE_DISK", "1M").env("EPITAPH_LOG", "warn");
        command.envs(self.settings.iter().cloned());
        command.current_dir(self.directory.path());
        command
    }

    /// Starts a server and waits until it says where it is.
    pub fn serve(&self) -> Server {
        self.start(&[])
    }

    /// As [`House::serve`], by another command.
    pub fn start(&self, arguments: &[&str]) -> Server {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut words = (String::new(), String::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(("look", rest)) = line.trim().split_once(' ') {
                words.0 = rest.trim().to_owned();
            }
            if let Some(("post", rest)) = line.trim().split_once(' ') {
                words.1 = rest.trim().to_owned();
            }
            if line.trim().starts_with("curl") {
                break;
            }
        }
        let (look, post) = words;
        let (Some((url, token)), Some((_, key))) =
            (look.split_once("/login?token="), post.split_once("sentry_key="))
        else {
            panic!("the server did not start: {}", fs::read_to_string(self.log()).unwrap_or_default());
        };
        epitaph_tls::choose_provider();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Server { child, url: url.into(), key: key.into(), token: token.into(), post: post.clone(), client }
    }

    pub fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

/// What a client was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Server {
    /// Posts a minidump as `curl -F` does, with a few annotations.
    pub async fn post_dump(&self, dump: Vec<u8>) -> Result<Answer, reqwest::Error> {
        let form = reqwest::multipart::Form::new().text("prod", "MyGame").text("ver", "1.2.3");
        let file = reqwest::multipart::Part::bytes(dump).file_name("crash.dmp");
        self.post_form(form.part("upload_file_minidump", file)).await
    }

    pub async fn post_form(&self, form: reqwest::multipart::Form) -> Result<Answer, reqwest::Error> {
        answer(self.client.post(&self.post).multipart(form)).await
    }

    /// Asks the API. `path` begins behind `/api/v1/projects/1`.
    pub async fn api(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/projects/1{path}", self.url);
        let answer = self.client.get(url).bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// Waits until a crash is processed, and gives it.
    pub async fn crash(&self, id: &str) -> Value {
        until(&format!("crash {id} is processed"), async || {
            let (status, crash) = self.api(&format!("/crashes/{id}")).await;
            (status == 200).then_some(crash)
        })
        .await
    }

    /// The sum of all issues' counts.
    pub async fn total(&self) -> u64 {
        let (_, answer) = self.api("/issues?period=all&limit=1000").await;
        answer["issues"].as_array().unwrap().iter().map(|issue| issue["count"].as_u64().unwrap()).sum()
    }

    /// Bytes of memory that the server's process has resident (`VmHWM`: the most it ever had).
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    Ok(Answer { status: response.status().as_u16(), text: response.text().await? })
}

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask).await
}

/// As [`until`], for what takes its time also on an idle machine.
pub async fn until_within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < patience, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
