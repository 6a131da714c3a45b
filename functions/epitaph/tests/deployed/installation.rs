//! An installation as `infra/lambda/template.yaml` makes it, in an imitation of AWS and with a real PostgreSQL.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use epitaph_manifests::Template;
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_services::{Aws, Postgres};
use reqwest::{Method, RequestBuilder, header::HOST};
use serde_json::{Value, json};

use crate::{
    sample_events::{SECRET, TOKEN},
    support::{House, built, until, until_within},
};

/// A folder with the functions to deploy, as `cargo lambda build --output-format zip` leaves them in `target/lambda`.
/// Where it is not set, they are built as tests are.
const ZIPS: &str = "EPITAPH_TEST_ZIPS";
const STACK: &str = "epitaph";
/// Where `sam deploy` would put what it has packed.
const CODE: &str = "code";
/// The schedule's minute, and as long again for a busy machine.
const A_ROUND_OF_MAINTAIN: Duration = Duration::from_secs(180);

/// The installation, and its operator.
pub(crate) struct Installation {
    aws: Aws,
    _postgres: Postgres,
    /// The stack's outputs, which are addresses and names.
    outputs: BTreeMap<String, String>,
    /// Where the operator types commands.
    operator: House,
    client: reqwest::Client,
}

impl Installation {
    /// Deploys it, and waits until `maintain` has made its catalog. `None` leaves a test out.
    pub(crate) async fn deploy() -> Option<Self> {
        let template = Template::read()?;
        let postgres = Postgres::start()?;
        let aws = Aws::ministack()?;
        let catalog = format!("{}?connections=2", postgres.database());
        let root = RootSecret::new(SECRET).unwrap();
        let [ingest, message] = [Purpose::Ingest, Purpose::Message].map(|it| root.derive(it).to_hex());
        aws.secret(
            "epitaph",
            &json!({"catalog": catalog, "secret": SECRET, "ingest": ingest, "message": message, "token": TOKEN}),
        );
        aws.bucket(CODE);
        let scratch = tempfile::tempdir().unwrap();
        let zips = zips(scratch.path())?;
        for name in epitaph_manifests::functions() {
            let zip = std::fs::read(zips.join(&name).join("bootstrap.zip")).unwrap();
            aws.object(CODE, &format!("{name}.zip"), &zip);
        }
        let mut translated = template.translated;
        for_the_imitation(&mut translated);
        aws.object(CODE, "template.json", translated.to_string().as_bytes());
        let outputs = aws.stack(STACK, CODE, "template.json");

        let bucket = format!("s3://{}", outputs["Bucket"]);
        let mut operator = House::with(&[
            ("EPITAPH_SECRET", SECRET),
            ("EPITAPH_TOKEN", TOKEN),
            ("EPITAPH_CATALOG", &catalog),
            ("EPITAPH_BUCKET", &bucket),
            ("EPITAPH_QUEUE", &outputs["Queue"]),
        ]);
        for (name, value) in aws.environment() {
            operator.set(name, &value);
        }
        epitaph_tls::choose_provider();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.build().unwrap();
        let installation = Self { aws, _postgres: postgres, outputs, operator, client };
        until_within(A_ROUND_OF_MAINTAIN, "the schedule has made the catalog", async || {
            let listed = installation.operator.command(&["project", "list"]).output().unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            listed.status.success().then_some(())
        })
        .await;
        Some(installation)
    }

    /// What a command of the operator prints, which must succeed.
    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let output = self.operator.command(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A request to one of the addresses in the outputs, such as `MinidumpUrl`.
    pub(crate) fn request(&self, output: &str, method: Method, path: &str) -> RequestBuilder {
        // Every name leads to the same port, and tells what is meant.
        let host = self.outputs[output].split('/').nth(2).unwrap();
        self.client.request(method, format!("{}{path}", self.aws.endpoint())).header(HOST, host)
    }

    /// Asks the dashboard's API, through the HTTP API.
    pub(crate) async fn api(&self, path: &str) -> (u16, Value) {
        let asked = self.request("ApiEndpoint", Method::GET, &format!("/api/v1{path}"));
        let answer = asked.bearer_auth(TOKEN).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// Waits until a crash is shown, and gives it.
    pub(crate) async fn crash(&self, project: u64, id: &str) -> Value {
        until(&format!("crash {id} is shown"), async || {
            let (status, crash) = self.api(&format!("/projects/{project}/crashes/{id}")).await;
            (status == 200).then_some(crash)
        })
        .await
    }

    /// Waits until there are so many dead letters, and gives their lines.
    pub(crate) async fn dead(&self, number: usize) -> Vec<String> {
        until(&format!("there are {number} dead letters"), async || {
            let listed = self.said(&["dead", "list"]);
            let letters: Vec<_> =
                listed.lines().filter(|line| line.contains('\t')).map(str::to_owned).collect();
            (letters.len() == number).then_some(letters)
        })
        .await
    }

    /// Waits until nothing is in the queue or in that of dead letters, also nothing that is worked on.
    pub(crate) async fn queues_are_empty(&self) {
        until("the queues are empty", async || {
            let held = ["Queue", "DeadLetters"].map(|name| self.aws.queued(&self.outputs[name]));
            (held == [[0, 0]; 2]).then_some(())
        })
        .await;
    }

    /// Whether `process` gets what comes into its queue.
    pub(crate) fn listen(&self, listens: bool) {
        self.aws.enable_mapping(&self.aws.resource(STACK, "ProcessReports"), listens);
    }

    /// Puts messages into the queue, all at once.
    pub(crate) fn send(&self, bodies: &[String]) {
        let entry = |(index, body)| json!({"Id": format!("entry-{index}"), "MessageBody": body});
        let entries: Vec<_> = bodies.iter().enumerate().map(entry).collect();
        let told = self.sqs("SendMessageBatch", &json!({"Entries": entries}));
        assert_eq!(told["Successful"].as_array().unwrap().len(), bodies.len(), "{told}");
    }

    /// Takes a message out of the queue again and again without settling it, until the queue gives it up.
    pub(crate) fn wear_out(&self) {
        let take = json!({"VisibilityTimeout": 0});
        let begun = std::time::Instant::now();
        while self.sqs("ReceiveMessage", &take)["Messages"][0].is_object() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the queue never gives a message up");
        }
    }

    fn sqs(&self, action: &str, more: &Value) -> Value {
        let mut input = more.clone();
        input["QueueUrl"] = self.outputs["Queue"].as_str().into();
        self.aws.sqs(action, &input)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the functions said. Without an answer, the first fault is the one to be told.
            let _ =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| println!("{:#?}", self.aws.logs())));
        }
    }
}

/// Where the packed functions are.
fn zips(scratch: &Path) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(ZIPS) {
        return Some(folder.into());
    }
    let names = epitaph_manifests::functions();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let built = built::functions(&names);
    let programs: Vec<_> = names.iter().map(|name| built.join(name)).collect();
    epitaph_manifests::zip(scratch, &programs)?;
    Some(scratch.to_owned())
}

/// Takes out of the template what the imitation of AWS does not know. All of the rest is deployed as it is.
fn for_the_imitation(template: &mut Value) {
    let resources = template["Resources"].as_object_mut().unwrap();
    // It makes alarms of single metrics, and refuses those that calculate.
    resources.retain(|_, it| it["Type"] != "AWS::CloudWatch::Alarm" || it["Properties"]["Metrics"].is_null());
    // It compares this with a number, and what it gets from a parameter is a text.
    let concurrency = template["Parameters"]["ProcessConcurrency"]["Default"].clone();
    template["Resources"]["ProcessReports"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] =
        concurrency;
}
