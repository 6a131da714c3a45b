//! `epitaph send`: minidumps from files, as a game would send them.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{
    Client, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    multipart::{Form, Part},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use crate::cli::{Failure, SendArguments};

const ENDINGS: [&str; 4] = [".dmp", ".mdmp", ".dmp.gz", ".dmp.zst"];
/// A server that has no room at this moment is asked again so often.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &SendArguments) -> Result<ExitCode, Failure> {
    let target = Arc::new(Target::new(arguments)?);
    let mut journal = Journal::open(&arguments.journal)?;
    let found = find(&arguments.paths)?;
    let (sent_before, files): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|file| journal.has(&target.name, file));
    let bar = ProgressBar::new(files.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let refused =
        runtime.block_on(send_all(&target, files, arguments.parallel.max(1), &mut journal, &bar))?;
    bar.finish_and_clear();
    let sent = bar.length().unwrap_or_default() - refused;
    println!("{sent} sent, {refused} refused, {} sent before", sent_before.len());
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends the files, several at a time, and says of each that was refused why. Gives their number.
async fn send_all(
    target: &Arc<Target>,
    files: Vec<Dump>,
    parallel: usize,
    journal: &mut Journal,
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let mut refused = 0;
    let mut waiting = files.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < parallel
            && let Some(file) = waiting.next()
        {
            let target = Arc::clone(target);
            running.spawn(async move { (target.send(&file.path).await, file) });
        }
        let Some(finished) = running.join_next().await else { return Ok(refused) };
        let (result, file) = finished?;
        match result {
            Ok(id) => {
                journal.add(&target.name, &file, &id)?;
                bar.set_message(id);
            }
            Err(why) => {
                bar.suspend(|| eprintln!("refused: {}: {why}", file.path.display()));
                refused += 1;
            }
        }
        bar.inc(1);
    }
}

/// Where dumps go.
struct Target {
    client: Client,
    url: Url,
    /// Names it in the journal; without the key.
    name: String,
    annotations: Vec<(String, String)>,
    /// How long one file may take.
    timeout: Duration,
}

impl Target {
    fn new(arguments: &SendArguments) -> Result<Self, Failure> {
        let bad = || -> Failure { "the DSN is not usable; expected http(s)://KEY@HOST/PROJECT".into() };
        let dsn = &arguments.dsn;
        let (key, host) = (dsn.username(), dsn.host_str().ok_or_else(bad)?);
        let project = dsn.path().trim_matches('/');
        if key.is_empty() || project.is_empty() || !matches!(dsn.scheme(), "http" | "https") {
            return Err(bad());
        }
        let port = dsn.port().map_or_else(String::new, |port| format!(":{port}"));
        let name = format!("{}://{host}{port}/{project}", dsn.scheme());
        let mut url = Url::parse(&format!("{}://{host}{port}/api/{project}/minidump/", dsn.scheme()))?;
        url.query_pairs_mut().append_pair("sentry_key", key);
        let annotation = |text: &String| -> Result<_, Failure> {
            let pair = text.split_once('=');
            let (name, value) = pair.ok_or_else(|| format!("the annotation {text:?} is not NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        let annotations = arguments.annotations.iter().map(annotation).collect::<Result<_, _>>()?;
        epitaph_tls::choose_provider();
        let client = Client::builder().connect_timeout(Duration::from_secs(10)).build()?;
        Ok(Self { client, url, name, annotations, timeout: Duration::from_secs(arguments.timeout) })
    }

    /// Sends one dump; gives its id, or why it was refused.
    async fn send(&self, path: &Path) -> Result<String, String> {
        let seconds = self.timeout.as_secs();
        let end = Instant::now() + self.timeout;
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let tried = timeout_at(end, self.try_to_send(path)).await;
            let (why, asked) = match tried {
                Ok(Ok(id)) => return Ok(id),
                Ok(Err(Trouble::Final(why))) => return Err(why),
                Ok(Err(Trouble::Passing { why, .. })) if attempt == TRIES => return Err(why),
                Ok(Err(Trouble::Passing { why, after })) => (why, after),
                Err(_) => return Err(format!("it was not done within {seconds} s (--timeout)")),
            };
            let wait = asked.unwrap_or(pause);
            if Instant::now() + wait >= end {
                let wait = wait.as_secs();
                return Err(format!(
                    "{why} (not tried again: {wait} s from now is beyond --timeout {seconds})"
                ));
            }
            sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn try_to_send(&self, path: &Path) -> Result<String, Trouble> {
        let mut form = Form::new();
        for (name, value) in &self.annotations {
            form = form.text(name.clone(), value.clone());
        }
        let dump = Part::file(path).await.map_err(|error| Trouble::Final(error.to_string()))?;
        let request = self.client.post(self.url.clone()).multipart(form.part("upload_file_minidump", dump));
        let passing = |error| Trouble::Passing { why: without_key(&error), after: None };
        let answer = request.send().await.map_err(passing)?;
        let (status, after) = (answer.status(), retry_after(answer.headers()));
        let text = answer.text().await.map_err(passing)?;
        match status {
            StatusCode::OK => Ok(text.trim().to_owned()),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Trouble::Passing { why: format!("{status}: {text}"), after })
            }
            status => Err(Trouble::Final(format!("{status}: {text}"))),
        }
    }
}

enum Trouble {
    /// Trying again may help, perhaps after as long as the server asks for.
    Passing {
        why: String,
        after: Option<Duration>,
    },
    Final(String),
}

/// How long the server wants to be left alone, if it says so in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What went wrong, without the URL that carries the key.
fn without_key(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if causes.is_empty() { "the server could not be reached".into() } else { causes.join(": ") }
}

/// A file to send, as it is now.
struct Dump {
    path: PathBuf,
    size: u64,
    /// Milliseconds since 1970.
    modified: u128,
}

impl Dump {
    fn of(path: PathBuf) -> io::Result<Self> {
        let about = fs::metadata(&path)?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(Self { path: fs::canonicalize(path)?, size: about.len(), modified })
    }
}

fn find(paths: &[PathBuf]) -> Result<Vec<Dump>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, &mut found)?;
        } else {
            let dump = Dump::of(path.clone());
            found.push(dump.map_err(|error| format!("{} cannot be read: {error}", path.display()))?);
        }
    }
    // Named twice, or below two of the directories, it is still one.
    let mut known = HashSet::new();
    found.retain(|dump| known.insert(dump.path.clone()));
    Ok(found)
}

fn search(directory: &Path, found: &mut Vec<Dump>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if entry.file_type()?.is_dir() {
            search(&entry.path(), found)?;
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(Dump::of(entry.path())?);
        }
    }
    Ok(())
}

/// What was sent: a line each, `target \t size \t modified \t id \t path`.
struct Journal {
    file: File,
    sent: HashMap<(String, PathBuf), (u64, u128)>,
}

impl Journal {
    fn open(path: &Path) -> Result<Self, Failure> {
        let mut sent = HashMap::new();
        if let Ok(file) = File::open(path) {
            for line in BufReader::new(file).lines() {
                let line = line?;
                let fields: Vec<&str> = line.splitn(5, '\t').collect();
                if let [target, size, modified, _, path] = fields.as_slice()
                    && let (Ok(size), Ok(modified)) = (size.parse(), modified.parse())
                {
                    sent.insert(((*target).to_owned(), PathBuf::from(path)), (size, modified));
                }
            }
        }
        let unusable = |error| format!("the journal {} cannot be written: {error}", path.display());
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unusable)?;
        end_last_line(&mut file).map_err(unusable)?;
        Ok(Self { file, sent })
    }

    /// Whether the file was sent as it is now.
    fn has(&self, target: &str, dump: &Dump) -> bool {
        let known = self.sent.get(&(target.to_owned(), dump.path.clone()));
        known == Some(&(dump.size, dump.modified))
    }

    fn add(&mut self, target: &str, dump: &Dump, id: &str) -> io::Result<()> {
        let (size, modified, path) = (dump.size, dump.modified, dump.path.display());
        // At once: a line of which only a part is written says nothing.
        let line = format!("{target}\t{size}\t{modified}\t{id}\t{path}\n");
        self.file.write_all(line.as_bytes())
    }
}

/// A run that was ended inside a line must not spoil the next one's first.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}
