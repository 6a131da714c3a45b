//! Every function on AWS Lambda's runtime interface, as `cargo lambda` has it on this machine, with the events in
//! `events/`. What they answer is looked at, and then what lies in the engines.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

#[path = "support/sample_events.rs"]
mod sample_events;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use epitaph_test_services::{Python, Service, free_port, python, succeed};
use sample_events::{NO_MESSAGE, PROCESSED, SECRET, TOKEN};
use serde_json::Value;
use support::{House, built};

/// Writes `events/` anew instead of comparing it.
const WRITE: &str = "EPITAPH_WRITE_EVENTS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn the_sample_events_are_what_they_are_made_of() {
    for (name, event) in sample_events::all() {
        let path = root().join("events").join(name).with_extension("json");
        let text = serde_json::to_string_pretty(&event).unwrap() + "\n";
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, text).unwrap();
        } else {
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "write it anew with {WRITE}=1");
        }
    }
}

/// `cargo lambda watch` without a function of its own, and what invokes through it.
struct Emulator {
    python: Python,
    service: Service,
}

impl Emulator {
    fn start(python: Python, folder: &Path) -> Self {
        // It knows functions by the binaries of the project that it stands in.
        let binaries = sample_events::all().iter().fold(String::new(), |text, (name, _)| {
            text + &format!("[[bin]]\nname = \"{name}\"\npath = \"main.rs\"\n")
        });
        let head = "[package]\nname = \"functions\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        fs::write(folder.join("Cargo.toml"), format!("{head}{binaries}")).unwrap();
        fs::write(folder.join("main.rs"), "fn main() {}\n").unwrap();
        let port = free_port();
        let mut watch = python.program("cargo-lambda");
        watch.args([
            "lambda",
            "watch",
            "--ignore-changes",
            "--only-lambda-apis",
            "--invoke-address",
            "127.0.0.1",
        ]);
        watch.args(["--invoke-port", &port.to_string()]).current_dir(folder).stdout(Stdio::null());
        let service = Service::start(&mut watch, port);
        Self { python, service }
    }

    /// Starts a function of this emulator, with the settings of the house.
    fn function(&self, program: &Path, house: &House) -> Function {
        let name = program.file_name().unwrap().to_str().unwrap();
        let log = house.data().with_file_name(format!("{name}.stdout"));
        let child = Command::new(program)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt/{name}", self.service.address()))
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .envs([("EPITAPH_SECRET", SECRET), ("EPITAPH_TOKEN", TOKEN), ("EPITAPH_MIN_FREE_DISK", "1M")])
            .env("EPITAPH_LOG", "warn")
            .env("EPITAPH_DATA", house.data())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Function { child, log }
    }

    /// `cargo lambda invoke NAME --data-file events/NAME.json`.
    fn invoke(&self, name: &str) -> Value {
        let mut invoke = self.python.program("cargo-lambda");
        invoke.args(["lambda", "invoke", name, "--invoke-address", "127.0.0.1", "--output-format", "json"]);
        invoke.args(["--invoke-port", &self.service.address().port().to_string(), "--data-file"]);
        let output = succeed(invoke.arg(root().join("events").join(name).with_extension("json")));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {output:?}"))
    }
}

struct Function {
    child: Child,
    log: PathBuf,
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of an answer with the status 200.
fn body(answer: &Value) -> &str {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["isBase64Encoded"], false, "{answer}");
    assert!(answer["headers"]["content-type"].is_string(), "{answer}");
    answer["body"].as_str().unwrap()
}

fn id_in(answer: &Value) -> String {
    let body: Value = serde_json::from_str(body(answer)).unwrap();
    body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_function_answers_its_event_and_what_it_took_is_kept() {
    let list = root().join("shared/test-services/requirements/cargo-lambda.txt");
    let Some(python) = python(&list) else { return };
    let names: Vec<_> = sample_events::all().iter().map(|&(name, _)| name).collect();
    let programs = built::functions(&names);
    let house = House::with(&[("EPITAPH_SECRET", SECRET), ("EPITAPH_TOKEN", TOKEN)]);
    succeed(&mut house.command(&["migrate"]));
    let project = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(python, project.path());
    let start = |name| emulator.function(&programs.join(name), &house);

    let minidump = start("minidump");
    let first = body(&emulator.invoke("minidump")).to_owned();
    let _others = ["envelope", "unreal", "report", "process", "maintain", "dashboard", "symbols"].map(start);
    let posted = [
        first,
        id_in(&emulator.invoke("envelope")),
        body(&emulator.invoke("unreal")).to_owned(),
        id_in(&emulator.invoke("report")),
    ];
    let settled = emulator.invoke("process");
    assert_eq!(settled, serde_json::json!({"batchItemFailures": []}));
    let maintained = emulator.invoke("maintain");
    assert_eq!(maintained["unfinished"], false, "{maintained}");
    let shown: Value = serde_json::from_str(body(&emulator.invoke("dashboard"))).unwrap();
    assert_eq!(shown["issues"].as_array().unwrap().len(), 2, "{shown}");
    let plan: Value = serde_json::from_str(body(&emulator.invoke("symbols"))).unwrap();
    // Parts that fit into an invocation.
    assert_eq!((&plan["part_bytes"], &plan["missing"]), (&(4 << 20).into(), &serde_json::json!([0, 1])));
    let counted = fs::read_to_string(&minidump.log).unwrap();
    let counted: Vec<Value> = counted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accepted = counted.iter().find(|line| line["outcome"] == "accepted").unwrap();
    assert_eq!((&accepted["Reports"], &accepted["function"]), (&1.into(), &"minidump".into()));

    // What the collectors took waits in the queue, for whoever consumes it.
    let server = house.serve();
    for id in posted.iter().map(String::as_str).chain(PROCESSED) {
        server.crash(id).await;
    }
    let dead = succeed(&mut house.command(&["dead", "list"]));
    let dead = String::from_utf8(dead.stdout).unwrap();
    assert!(dead.contains("not a message"), "{NO_MESSAGE:?} is none of {dead}");
}
