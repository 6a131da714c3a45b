//! One debug file from one source, into a file of this machine.

use std::{error::Error, fs::File, io, path::Path, time::Duration};

use flate2::read::MultiGzDecoder;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_ENCODING, HeaderMap, LOCATION},
    redirect::Policy,
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{
    SymbolSourceSettings,
    guard::{Forbidden, Guard},
};
use crate::processor::in_full;

const CONNECT: Duration = Duration::from_secs(10);
/// The longest pause of an answer.
const PAUSE: Duration = Duration::from_secs(20);
const REDIRECTS: usize = 3;
const AGENT: &str = concat!("epitaph/", env!("CARGO_PKG_VERSION"));

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The source does not have it.
    Absent,
    /// What the source says is not acted on, and it will say so again.
    Refused(String),
    /// The source is away, or too slow.
    Unreachable(String),
    /// This machine's fault.
    Here(io::Error),
}

/// Writes what is at an address of a source to `path`, unpacked.
pub(super) async fn download(
    settings: &SymbolSourceSettings,
    source: &Url,
    url: Url,
    path: &Path,
) -> Result<(), Fault> {
    let found = timeout(settings.time, ask(settings, source, url, path)).await;
    found.unwrap_or_else(|_| Err(Fault::Unreachable(format!("it took longer than {:?}", settings.time))))
}

async fn ask(settings: &SymbolSourceSettings, source: &Url, mut url: Url, path: &Path) -> Result<(), Fault> {
    let guard = Guard::new(source, &settings.hosts);
    let client = client(guard.clone()).map_err(|error| Fault::of(error, "no client can be made"))?;
    for _ in 0..=REDIRECTS {
        guard.check(&url).map_err(|forbidden| Fault::Refused(forbidden.to_string()))?;
        let answer = client.get(url.clone()).send().await;
        let answer = answer.map_err(|error| Fault::of(error, "it cannot be asked"))?;
        match answer.status() {
            StatusCode::OK => return save(answer, settings.largest, path).await,
            // Buckets that nobody may list say 403 of what they do not have.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => return Err(Fault::Absent),
            status if status.is_redirection() => {
                let next = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
                let next = next.and_then(|place| url.join(place).ok());
                url =
                    next.ok_or_else(|| Fault::Refused(format!("it answers {status} without an address")))?;
            }
            status => return Err(Fault::Unreachable(format!("it answers {status}"))),
        }
    }
    Err(Fault::Refused(format!("it redirects more than {REDIRECTS} times")))
}

/// One for each file, with one guard: a connection that is kept would outlive the check of its address.
fn client(guard: Guard) -> Result<Client, reqwest::Error> {
    epitaph_tls::choose_provider();
    Client::builder()
        // A proxy would resolve names itself, and be where private addresses can be reached.
        .no_proxy()
        // Each is checked before it is followed.
        .redirect(Policy::none())
        .referer(false)
        .user_agent(AGENT)
        .connect_timeout(CONNECT)
        .read_timeout(PAUSE)
        .dns_resolver(guard)
        .build()
}

async fn save(mut answer: Response, largest: u64, path: &Path) -> Result<(), Fault> {
    let is_packed = is_packed(answer.headers())?;
    if answer.content_length().is_some_and(|size| size > largest) {
        return Err(too_large(largest));
    }
    let arrives = if is_packed { path.with_extension("packed") } else { path.to_owned() };
    let mut file = tokio::fs::File::create(&arrives).await.map_err(Fault::Here)?;
    let mut size = 0_u64;
    while let Some(piece) = answer.chunk().await.map_err(|error| Fault::of(error, "its answer broke off"))? {
        size += piece.len() as u64;
        if size > largest {
            return Err(too_large(largest));
        }
        file.write_all(&piece).await.map_err(Fault::Here)?;
    }
    file.flush().await.map_err(Fault::Here)?;
    if !is_packed {
        return Ok(());
    }
    let path = path.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&arrives, &path, largest)).await;
    unpacked.map_err(|error| Fault::Here(io::Error::other(error)))?
}

/// Whether an answer is packed with gzip: some servers have nothing else, whatever they are asked for.
fn is_packed(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(Fault::Refused("it packs its answers; expected gzip, or nothing".to_owned())),
    }
}

fn unpack(packed: &Path, path: &Path, largest: u64) -> Result<(), Fault> {
    let mut from = MultiGzDecoder::new(io::BufReader::new(File::open(packed).map_err(Fault::Here)?));
    let mut into = File::create(path).map_err(Fault::Here)?;
    let mut from = io::Read::take(&mut from, largest.saturating_add(1));
    let mut piece = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let count = io::Read::read(&mut from, &mut piece)
            .map_err(|error| Fault::Refused(format!("it cannot be unpacked: {error}")))?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { break };
        io::Write::write_all(&mut into, read).map_err(Fault::Here)?;
        size += count as u64;
    }
    if size > largest { Err(too_large(largest)) } else { std::fs::remove_file(packed).map_err(Fault::Here) }
}

fn too_large(largest: u64) -> Fault {
    Fault::Refused(format!("it has more than {largest} bytes"))
}

impl Fault {
    fn of(error: reqwest::Error, what: &str) -> Self {
        let error = error.without_url();
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        match causes.find_map(|cause| cause.downcast_ref::<Forbidden>()) {
            Some(forbidden) => Fault::Refused(forbidden.to_string()),
            None => Fault::Unreachable(format!("{what}: {}", in_full(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_to_private_addresses_alone_is_refused_and_not_connected_to() {
        let url = Url::parse("https://localhost/a").unwrap();
        let (settings, folder) = (SymbolSourceSettings::default(), tempfile::tempdir().unwrap());
        match download(&settings, &url, url.clone(), &folder.path().join("file")).await {
            Err(Fault::Refused(why)) => assert!(why.contains("localhost is not public"), "{why}"),
            found => panic!("{found:?}"),
        }
    }
}
