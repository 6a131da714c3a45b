//! The server that symbols are sent to, as the command line sees it.

use std::time::Duration;

use epitaph_crash_model::ProjectId;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use url::Url;

use crate::cli::{Failure, SymbolServer};

/// How often something is tried that may succeed later.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A project's symbols on a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
    url: Url,
    token: String,
}

impl Server {
    pub(super) fn new(arguments: &SymbolServer) -> Result<Self, Failure> {
        let SymbolServer { server, project, upload_token, token } = arguments;
        let given = [upload_token, token].into_iter().flatten().find(|token| !token.is_empty());
        let token = given.cloned().ok_or(
            "no token: expected EPITAPH_UPLOAD_TOKEN, as `epitaph key PROJECT --upload` prints it, or EPITAPH_TOKEN",
        )?;
        if !matches!(server.scheme(), "http" | "https") {
            return Err("the server's URL is not usable; expected http(s)://HOST".into());
        }
        Ok(Self { client: client()?, url: base(server, *project)?, token })
    }

    pub(super) fn get(&self, path: &str) -> Result<RequestBuilder, Failure> {
        Ok(self.client.get(self.url.join(path)?).bearer_auth(&self.token))
    }

    pub(super) fn post(&self, path: &str) -> Result<RequestBuilder, Failure> {
        Ok(self.client.post(self.url.join(path)?).bearer_auth(&self.token))
    }

    pub(super) fn put(&self, path: &str) -> Result<RequestBuilder, Failure> {
        Ok(self.client.put(self.url.join(path)?).bearer_auth(&self.token))
    }

    /// Puts something to a URL that needs no token. Whether it was taken.
    pub(super) async fn put_elsewhere(&self, url: &str, bytes: bytes::Bytes) -> bool {
        let answer = self.client.put(url).body(bytes).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

fn base(server: &Url, project: ProjectId) -> Result<Url, Failure> {
    let mut url = server.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{path}/api/{project}/symbols/"));
    url.set_query(None);
    Ok(url)
}

fn client() -> Result<Client, Failure> {
    epitaph_tls::choose_provider();
    Ok(Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .build()?)
}

/// Asks until there is an answer: a server that cannot now, or cannot be reached, is asked again a few times.
pub(super) async fn ask<T: DeserializeOwned>(
    request: impl Fn() -> Result<RequestBuilder, Failure>,
) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let why = match request()?.send().await {
            Ok(answer) => {
                let status = answer.status();
                match answer.text().await {
                    Ok(text) if status.is_success() => return Ok(serde_json::from_str(&text)?),
                    Ok(text) if !is_passing(status) => return Err(told(status, &text)),
                    Ok(text) => told(status, &text),
                    Err(error) => unreachable(&error),
                }
            }
            Err(error) => unreachable(&error),
        };
        if attempt == TRIES {
            return Err(why);
        }
        sleep(pause).await;
        pause *= 2;
        attempt += 1;
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn told(status: StatusCode, text: &str) -> Failure {
    let detail = serde_json::from_str::<serde_json::Value>(text).ok();
    let detail = detail.as_ref().and_then(|told| told["detail"].as_str()).unwrap_or(text.trim());
    let detail: String = detail.chars().take(500).collect();
    format!("the server answers {status}: {detail}").into()
}

/// Without the URL, of which the causes say enough.
fn unreachable(error: &reqwest::Error) -> Failure {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    let causes = if causes.is_empty() { "no answer".to_owned() } else { causes.join(": ") };
    format!("the server cannot be reached: {causes}").into()
}
