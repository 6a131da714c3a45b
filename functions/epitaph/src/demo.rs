//! `epitaph demo`: a server with a directory of its own, filled with the crashes of an invented game.
//!
//! Some reports go the whole way, through a collector; the rest is recorded as `process` does. The same game crashes in
//! the same way each time. A demo that was stopped goes on where it was.

mod crashes;
mod dice;
mod game;
mod place;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::IsTerminal as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, NewCrash, Recorded};
use epitaph_crash_model::{Crash, IssueNumber, ProjectId};
use epitaph_host::EXIT_BAD_CONFIGURATION;
use epitaph_secrets::Secret;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Client;
use tokio::task::JoinSet;

pub(crate) use self::place::Place;
use self::{
    crashes::{Made, Rolls},
    dice::Dice,
    game::WAYS,
};
use crate::{
    cli::{DemoArguments, Failure},
    serve,
};

/// The rule by which most crashes are only counted: the first of an issue in an hour has a document.
const RULE: &str = "demo";
/// The newest crashes are what people open first: so many of them have documents, whatever they are.
const NEWEST: u64 = 100;
const HOUR: i64 = 3_600_000;
const ATTEMPT: &str = "1";
/// So many documents are written at once.
const AT_ONCE: usize = 16;
/// How often progress is told where nobody can see a bar.
const TOLD: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let settings = match place::settings(&arguments.data) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("epitaph: bad configuration: {error}");
            return Ok(ExitCode::from(EXIT_BAD_CONFIGURATION));
        }
    };
    let place = Place::open(&settings.data, arguments)?;
    serve::run(settings, Some(place)).map(|()| ExitCode::SUCCESS)
}

/// What fills the server.
pub(crate) struct Demo {
    pub(crate) place: Place,
    pub(crate) catalog: Catalog,
    pub(crate) bucket: Bucket,
    pub(crate) users: Secret,
    /// Where this server is: `http://HOST:PORT`.
    pub(crate) url: String,
    pub(crate) key: String,
}

/// How far the filling is.
struct Progress {
    bar: ProgressBar,
    told: Instant,
    begun: Instant,
}

/// One trouble of the game, as far as it is recorded.
#[derive(Default)]
struct Trouble {
    crashes: u64,
    issue: Option<IssueNumber>,
}

impl Demo {
    /// Fills the server, or goes on with it. Told on standard error; after a failure the server goes on with what it has.
    pub(crate) async fn fill(self) {
        if let Err(error) = self.try_to_fill().await {
            let why = epitaph_host::telemetry::chain(error.as_ref());
            eprintln!("epitaph: the demo is not complete: {why}; start it again to go on");
        }
    }

    async fn try_to_fill(&self) -> Result<(), Failure> {
        let plan = &self.place.plan;
        if plan.complete {
            let (directory, begun) = (self.place.directory.display(), plan.begun);
            eprintln!("The demo was filled on {begun}. To begin anew, stop it and remove {directory}.");
            return Ok(());
        }
        let mut progress = Progress::new(plan.crashes + plan.reports)?;
        let troubles = self.record_all(&mut progress).await?;
        self.report_all(&mut progress).await?;
        self.place.complete()?;
        progress.bar.finish_and_clear();
        eprintln!("{}", self.told(&troubles, progress.begun.elapsed()));
        Ok(())
    }

    /// All days fill at the same time, so that the pages show all weeks from the first second on.
    async fn record_all(&self, progress: &mut Progress) -> Result<BTreeMap<usize, Trouble>, Failure> {
        let plan = &self.place.plan;
        let rolls = Rolls::new(plan.crashes, plan.begun);
        let mut troubles: BTreeMap<usize, Trouble> = BTreeMap::new();
        let mut kept = BTreeSet::new();
        let mut writing = JoinSet::new();
        for number in rolls.in_order() {
            let Made { crash, way } = rolls.crash(number);
            let is_first = kept.insert((way, crash.received_at.as_millis().div_euclid(HOUR)));
            let has_document = is_first || rolls.is_among_newest(number, NEWEST);
            if has_document {
                // The pages of those that are only counted lead to it.
                self.catalog.is_among_first(crash.project, crash.signature.id, crash.id, 1).await?;
            }
            let trouble = troubles.entry(way).or_default();
            trouble.crashes += 1;
            let new = new_crash(&crash, &self.users, has_document);
            if let Recorded::First { issue, .. } = self.catalog.record(&new).await? {
                trouble.issue = Some(issue);
            }
            if has_document {
                if writing.len() >= AT_ONCE {
                    writing.join_next().await.transpose()?.transpose()?;
                }
                // Behind the record: what no crash names may be taken for an orphan.
                writing.spawn(write(self.bucket.clone(), crash));
            }
            progress.step();
        }
        while let Some(written) = writing.join_next().await {
            written??;
        }
        Ok(troubles)
    }

    async fn report_all(&self, progress: &mut Progress) -> Result<(), Failure> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let post = format!("{}/api/{}/report/?sentry_key={}", self.url, ProjectId::FIRST, self.key);
        let mut dice = Dice::new(11);
        for number in 0..self.place.plan.reports {
            let report = game::report(&mut dice, number);
            let request = client.post(&post).header("content-type", "application/json").body(report);
            request.send().await?.error_for_status()?;
            progress.step();
        }
        Ok(())
    }

    /// What was made, and where to look at it.
    fn told(&self, troubles: &BTreeMap<usize, Trouble>, took: Duration) -> String {
        let plan = &self.place.plan;
        let project = format!("{}/projects/{}", self.url, ProjectId::FIRST);
        let mut text = format!(
            "The demo is complete: {} crashes recorded and {} reports sent in {} s. See\n",
            plan.crashes,
            plan.reports,
            took.as_secs()
        );
        for (way, trouble) in troubles {
            let Some((_, way)) = WAYS.get(*way).filter(|(_, way)| !way.story.is_empty()) else { continue };
            let Some(issue) = trouble.issue else { continue };
            let _ = write!(
                text,
                "\n  {:>6} crashes: {:<40} {project}/issues/{issue}?period=30d",
                trouble.crashes, way.story
            );
        }
        let compared = format!("{project}/compare?base=1.0.3&release=1.1.0&period=30d");
        let _ = writeln!(text, "\n  {:<56} {compared}", "what the rollout changed:");
        text
    }
}

impl Progress {
    fn new(steps: u64) -> Result<Self, Failure> {
        let style = ProgressStyle::with_template("filling the demo {bar:30} {pos}/{len} {elapsed}")?;
        let begun = Instant::now();
        Ok(Self { bar: ProgressBar::new(steps).with_style(style), told: begun, begun })
    }

    fn step(&mut self) {
        self.bar.inc(1);
        if !std::io::stderr().is_terminal() && self.told.elapsed() > TOLD {
            self.told = Instant::now();
            eprintln!("filling the demo: {} of {}", self.bar.position(), self.bar.length().unwrap_or(0));
        }
    }
}

async fn write(bucket: Bucket, crash: Crash) -> Result<(), Failure> {
    let document = zstd::encode_all(serde_json::to_vec(&crash)?.as_slice(), 1)?;
    Ok(bucket.put(&Key::document(crash.project, crash.id, ATTEMPT), document.into()).await?)
}

fn new_crash(crash: &Crash, users: &Secret, with_document: bool) -> NewCrash {
    NewCrash {
        fact: epitaph_facts::fact_of(crash, users),
        signature: crash.signature.clone(),
        title: crash.signature.text.clone(),
        attempt: ATTEMPT.to_owned(),
        counted_by: (!with_document).then(|| RULE.to_owned()),
        client_id: None,
        dump_digest: None,
        lacking: None,
        outcomes: Vec::new(),
    }
}
