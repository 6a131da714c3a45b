//! Settings from variables: defaults, every kind of mistake, and what is never shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use epitaph_host::{
    Limits, QueueUrl, Role, Settings,
    settings::{Parser, SecretSource},
};
use tracing::level_filters::LevelFilter;

const FUNCTION: Role = Role::Function("minidump");

fn read_as(role: Role, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let get =
        |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    Settings::read(role, get).map_err(|error| error.to_string())
}

fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
    read_as(Role::OneProcess, variables)
}

fn problem(variables: &[(&str, &str)]) -> String {
    read(variables).err().unwrap()
}

#[test]
fn with_nothing_set_everything_is_embedded_and_local() {
    let settings = read(&[]).unwrap();
    let data = std::env::current_dir().unwrap().join("epitaph-data");
    assert_eq!(settings.bind.to_string(), "127.0.0.1");
    assert_eq!(settings.port, 8080);
    assert_eq!(settings.public_url, None);
    assert_eq!(settings.url(81), "http://127.0.0.1:81");
    assert_eq!(settings.data, data);
    assert!(!settings.data_is_explicit);
    assert_eq!(settings.queue, QueueUrl::Embedded);
    assert_eq!(settings.bucket, format!("file://{}/bucket", data.display()));
    assert_eq!(settings.catalog, format!("sqlite://{}/catalog.db", data.display()));
    assert!(matches!(settings.secret, SecretSource::DataDirectory));
    assert!(settings.token.is_none());
    assert_eq!(settings.retention_days, 90);
    assert_eq!(settings.min_free_disk, 256 << 20);
    assert_eq!(settings.metrics_port, None);
    assert_eq!(settings.log, LevelFilter::INFO);
    let parser = Parser {
        program: None,
        memory: 1 << 30,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(30),
    };
    assert_eq!(settings.parser, parser);
    assert_eq!(settings.limits, Limits::default());
    assert_eq!((settings.limits.file, settings.limits.request), (200 << 20, 250 << 20));
}

#[test]
fn a_function_listens_to_everybody() {
    assert_eq!(read_as(FUNCTION, &[]).unwrap().bind.to_string(), "0.0.0.0");
    assert_eq!(read_as(FUNCTION, &[("EPITAPH_BIND", "::1")]).unwrap().url(8080), "http://[::1]:8080");
}

#[test]
fn what_is_set_is_taken() {
    let settings = read(&[
        ("PORT", "0"),
        ("EPITAPH_PUBLIC_URL", "https://crash.example.com/"),
        ("EPITAPH_DATA", " /srv/epitaph "),
        ("EPITAPH_QUEUE", "embedded"),
        ("K_SINK", "http://broker.example.com"),
        ("EPITAPH_BUCKET", "s3://crashes/live"),
        ("EPITAPH_CATALOG", "sqlite:///srv/catalog.db"),
        ("EPITAPH_SECRET", "an example of a root secret"),
        ("EPITAPH_TOKEN", "an-example-of-a-token"),
        ("EPITAPH_MIN_FREE_DISK", "2G"),
        ("EPITAPH_LIMIT_HEADER_SECONDS", "3"),
        ("EPITAPH_LIMIT_EVENT", "64k"),
        ("EPITAPH_PARSER", "/usr/bin/process"),
        ("EPITAPH_LOG", "debug"),
    ])
    .unwrap();
    assert_eq!(settings.port, 0);
    assert_eq!(settings.url(8080), "https://crash.example.com");
    assert_eq!(settings.data.to_str(), Some("/srv/epitaph"));
    assert!(settings.data_is_explicit);
    assert_eq!(settings.bucket, "s3://crashes/live");
    assert_eq!(settings.catalog, "sqlite:///srv/catalog.db");
    assert!(matches!(settings.secret, SecretSource::Root(_)));
    assert!(settings.token.unwrap().matches("an-example-of-a-token"));
    assert_eq!(settings.min_free_disk, 2 << 30);
    assert_eq!(settings.limits.header_time, Duration::from_secs(3));
    assert_eq!(settings.limits.event, 64 << 10);
    assert_eq!(settings.parser.program.unwrap().to_str(), Some("/usr/bin/process"));
    assert_eq!(settings.log, LevelFilter::DEBUG);
}

#[test]
fn a_data_directory_of_any_name_makes_good_urls() {
    let settings = read(&[("EPITAPH_DATA", "/srv/my games/100%?#é")]).unwrap();
    assert_eq!(settings.bucket, "file:///srv/my%20games/100%25%3F%23%C3%A9/bucket");
    assert_eq!(settings.catalog, "sqlite:///srv/my%20games/100%25%3F%23%C3%A9/catalog.db");
}

#[test]
fn symbol_servers_of_the_house_are_named_in_lower_case() {
    assert!(read(&[]).unwrap().symbols.hosts.is_empty());
    let settings = read(&[("EPITAPH_SYMBOL_HOSTS", "Symbols.Studio.Internal, 10.0.0.7")]).unwrap();
    assert_eq!(settings.symbols.hosts, ["symbols.studio.internal", "10.0.0.7"]);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(read(&[("PORT", ""), ("EPITAPH_TOKEN", "  ")]).unwrap().port, 8080);
}

#[test]
fn every_mistake_names_its_variable_and_what_was_expected() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("PORT", "http")], "PORT is \"http\", expected a whole number from 0 to 65535"),
        (&[("PORT", "65536")], "PORT is \"65536\", expected a whole number from 0 to 65535"),
        (&[("PORT", "+80")], "PORT is \"+80\", expected a whole number from 0 to 65535"),
        (&[("EPITAPH_BIND", "localhost")], "EPITAPH_BIND is \"localhost\", expected an IP address"),
        (
            &[("EPITAPH_HOSTS", "inside.example.com,,other")],
            "EPITAPH_HOSTS is \"inside.example.com,,other\", expected host names with commas between them",
        ),
        (
            &[("EPITAPH_SYMBOL_HOSTS", "http://symbols.example.com/")],
            "EPITAPH_SYMBOL_HOSTS is \"http://symbols.example.com/\", expected host names with commas between them",
        ),
        (
            &[("EPITAPH_PUBLIC_URL", "crash.example.com")],
            "EPITAPH_PUBLIC_URL is \"crash.example.com\", expected http://HOST or https://HOST without a path",
        ),
        (&[("EPITAPH_QUEUE", "kafka://host")], "EPITAPH_QUEUE has an unknown scheme, expected https://"),
        (
            &[("EPITAPH_QUEUE", "sqs")],
            "EPITAPH_QUEUE names no queue that there is, expected embedded, broker or the URL of an SQS queue",
        ),
        (
            &[("EPITAPH_QUEUE", "https://sqs.eu-west-1.amazonaws.com/reports")],
            "EPITAPH_QUEUE is not the URL of an SQS queue, expected https://sqs.REGION.amazonaws.com/ACCOUNT/NAME",
        ),
        (
            &[("EPITAPH_QUEUE", "https://sqs.eu-west-1.amazonaws.com/123456789012/reports.fifo")],
            "EPITAPH_QUEUE names a FIFO queue, expected a standard one",
        ),
        (
            &[("K_SINK", "broker:8080")],
            "K_SINK is \"broker:8080\", expected http://HOST/PATH or https://HOST/PATH",
        ),
        (
            &[("EPITAPH_QUEUE", "broker")],
            "K_SINK is not set, expected the URL of a broker, as a SinkBinding sets it, or EPITAPH_QUEUE",
        ),
        (
            &[("K_SINK", "http://broker"), ("K_CA_CERTS", "/etc/ca.pem")],
            "K_CA_CERTS is \"/etc/ca.pem\", expected certificates in PEM",
        ),
        (
            &[("EPITAPH_BUCKET", "/srv/bucket")],
            "EPITAPH_BUCKET is no URL, expected one that begins with file://, s3://, gs://, az://",
        ),
        (
            &[("EPITAPH_BUCKET", "file://bucket")],
            "EPITAPH_BUCKET names no absolute path, expected file:///path",
        ),
        (&[("EPITAPH_BUCKET", "s3://")], "EPITAPH_BUCKET names no place, expected something after s3://"),
        (
            &[("EPITAPH_CATALOG", "mysql://root:hunter2@host/db")],
            "EPITAPH_CATALOG has the scheme \"mysql\", expected one that begins with sqlite://, postgres://, postgresql://",
        ),
        (
            &[("EPITAPH_SECRET", "hunter2")],
            "EPITAPH_SECRET has 7 characters; expected at least 16, such as the output of `openssl rand -hex 32`",
        ),
        (&[("EPITAPH_TOKEN", "hunter2")], "EPITAPH_TOKEN has 7 characters, expected 16 to 512"),
        (
            &[("EPITAPH_RETENTION_DAYS", "0")],
            "EPITAPH_RETENTION_DAYS is \"0\", expected a whole number from 1 to 3650",
        ),
        (
            &[("EPITAPH_LIMIT_INLINE", "17M")],
            "EPITAPH_LIMIT_INLINE is \"17M\", expected bytes from 0 to 16777216, such as 1048576, 1024K or 1M",
        ),
        (
            &[("EPITAPH_LIMIT_FILE", "300M")],
            "EPITAPH_LIMIT_FILE is 314572800, expected at most EPITAPH_LIMIT_REQUEST, which is 262144000",
        ),
        (
            &[("EPITAPH_LIMIT_DRAIN_SECONDS", "1.5")],
            "EPITAPH_LIMIT_DRAIN_SECONDS is \"1.5\", expected whole seconds from 1 to 3600",
        ),
        (
            &[("EPITAPH_LOG", "epitaph=debug")],
            "EPITAPH_LOG is \"epitaph=debug\", expected error, warn, info, debug or trace",
        ),
        (&[("EPITAPH_METRICS_PORT", "0")], "EPITAPH_METRICS_PORT is \"0\", expected a port from 1 to 65535"),
        (
            &[("EPITAPH_METRICS_PORT", "8080")],
            "EPITAPH_METRICS_PORT is the same as PORT, expected another one",
        ),
        (&[("EPITAPH_DATA", "caf\u{fffd}")], "EPITAPH_DATA is not UTF-8 text"),
    ];
    for (variables, expected) in cases {
        assert_eq!(problem(variables), *expected);
    }
}

#[test]
fn all_mistakes_are_told_at_once_on_one_line() {
    let text =
        problem(&[("PORT", "a\nb"), ("EPITAPH_BIND", "x"), ("EPITAPH_LOG", "loud"), ("EPITAPH_QUEUE", "y")]);
    assert_eq!(text.lines().count(), 1);
    for name in ["PORT", "EPITAPH_BIND", "EPITAPH_LOG", "EPITAPH_QUEUE"] {
        assert!(text.contains(&format!("{name} ")), "{text}");
    }
    assert_eq!(text.matches("; ").count(), 3, "{text}");
}

#[test]
fn a_long_value_is_not_told_whole() {
    assert!(problem(&[("EPITAPH_BIND", &"x".repeat(10_000))]).len() < 200);
}

#[test]
fn no_mistake_shows_a_secret() {
    let secret = "hunter2";
    for name in ["EPITAPH_SECRET", "EPITAPH_INGEST_SECRET", "EPITAPH_MESSAGE_SECRET", "EPITAPH_TOKEN"] {
        assert!(!problem(&[(name, secret)]).contains(secret), "{name}");
    }
    for name in ["EPITAPH_CATALOG", "EPITAPH_BUCKET", "EPITAPH_QUEUE"] {
        assert!(!problem(&[(name, "amqp://user:hunter2@host")]).contains(secret), "{name}");
    }
}

#[test]
fn a_collector_takes_both_derived_secrets_and_no_root() {
    let hex = &"ab".repeat(32);
    let (ingest, message) =
        (("EPITAPH_INGEST_SECRET", hex.as_str()), ("EPITAPH_MESSAGE_SECRET", hex.as_str()));
    assert!(matches!(read_as(FUNCTION, &[ingest, message]).unwrap().secret, SecretSource::Derived { .. }));
    assert_eq!(problem(&[ingest]), "EPITAPH_INGEST_SECRET is set, expected EPITAPH_MESSAGE_SECRET as well");
    assert_eq!(problem(&[message]), "EPITAPH_MESSAGE_SECRET is set, expected EPITAPH_INGEST_SECRET as well");
    let root = ("EPITAPH_SECRET", "an example of a root secret");
    assert!(problem(&[root, ingest, message]).contains("expected either the root or the derived ones"));
}

#[test]
fn where_the_disk_vanishes_a_data_directory_and_a_secret_must_be_set() {
    for host in [("K_SERVICE", "minidump"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")] {
        let queue = ("EPITAPH_QUEUE", "embedded");
        let text = read_as(FUNCTION, &[host, queue]).err().unwrap();
        assert!(text.contains("EPITAPH_DATA is not set"), "{text}");
        assert!(text.contains("not embedded by EPITAPH_QUEUE, EPITAPH_BUCKET;"), "{text}");
        assert!(text.contains("EPITAPH_SECRET is not set"), "{text}");
        let data = ("EPITAPH_DATA", "/mnt/lasting");
        let secret = ("EPITAPH_SECRET", "an example of a root secret");
        assert!(read_as(FUNCTION, &[host, queue, data]).is_err());
        assert!(read_as(FUNCTION, &[host, queue, secret]).is_err());
        assert!(read_as(FUNCTION, &[host, queue, data, secret]).is_ok());
    }
}

#[test]
fn where_the_disk_vanishes_whoever_shows_pages_needs_a_token() {
    let given = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("EPITAPH_SECRET", "an example of a root secret"),
        ("EPITAPH_BUCKET", "s3://crashes"),
        ("EPITAPH_CATALOG", "sqlite:///srv/catalog.db"),
    ];
    let dashboard = Role::Function("dashboard");
    let text = read_as(dashboard, &given).err().unwrap();
    assert!(text.starts_with("EPITAPH_TOKEN is not set, and AWS_LAMBDA_RUNTIME_API says "), "{text}");
    let token = ("EPITAPH_TOKEN", "a-token-of-the-tests");
    assert!(read_as(dashboard, &[&given[..], &[token]].concat()).is_ok());
}

#[test]
fn on_knative_messages_go_to_the_broker_that_is_bound() {
    let given = [
        ("K_SERVICE", "minidump"),
        ("EPITAPH_SECRET", "an example of a root secret"),
        ("EPITAPH_BUCKET", "s3://crashes"),
        ("EPITAPH_CATALOG", "sqlite:///srv/catalog.db"),
        ("EPITAPH_TOKEN", "an-example-of-a-token"),
    ];
    let bound = [
        ("K_SINK", "https://broker.example.com/games/default"),
        ("K_CE_OVERRIDES", r#"{"extensions":{"cluster":"seoul"}}"#),
        ("K_CA_CERTS", "-----BEGIN CERTIFICATE-----"),
        ("EPITAPH_LIMIT_MESSAGE", "512K"),
    ];
    let QueueUrl::Broker(broker) = read_as(FUNCTION, &[given.as_slice(), &bound].concat()).unwrap().queue
    else {
        panic!("no broker");
    };
    assert_eq!(broker.sink.as_deref(), Some("https://broker.example.com/games/default"));
    assert_eq!(broker.extensions["cluster"], "seoul");
    assert_eq!(broker.ca_certs.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
    assert_eq!(broker.largest_message, 512 << 10);

    for function in ["minidump", "maintain", "symbols"] {
        let text = read_as(Role::Function(function), &given).err().unwrap();
        assert_eq!(
            text,
            "K_SINK is not set, expected the URL of a broker, as a SinkBinding sets it, or EPITAPH_QUEUE"
        );
    }
    for function in ["process", "dashboard"] {
        let settings = read_as(Role::Function(function), &given).unwrap();
        assert!(matches!(settings.queue, QueueUrl::Broker(broker) if broker.sink.is_none()));
    }
}

#[test]
fn the_page_of_settings_lists_all_that_are_read_and_no_others() {
    let asked = RefCell::new(BTreeSet::new());
    let settings = Settings::read(Role::OneProcess, |name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    assert!(settings.is_ok());
    let page = include_str!("../SETTINGS.md");
    let named: BTreeSet<String> = page
        .split('`')
        .filter(|word| {
            word.starts_with("EPITAPH_")
                || word.starts_with("K_")
                // The others of AWS are read by clients of AWS.
                || word.starts_with("AWS_LAMBDA_")
                || *word == "PORT"
        })
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(named, asked.into_inner());
}

#[test]
fn an_sqs_queue_is_named_by_its_url_wherever_a_function_runs() {
    for url in [
        "https://sqs.eu-west-1.amazonaws.com/123456789012/crash-reports_1",
        "https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/reports",
        "http://127.0.0.1:4566/000000000000/reports",
    ] {
        for host in ["UNHOSTED", "AWS_LAMBDA_RUNTIME_API", "K_SERVICE"] {
            let engines = [
                ("EPITAPH_BUCKET", "s3://crashes"),
                ("EPITAPH_CATALOG", "sqlite:///data/catalog.db"),
                ("EPITAPH_DATA", "/data"),
                ("EPITAPH_SECRET", "a secret of the tests"),
            ];
            let given = [&engines[..], &[(host, "here"), ("EPITAPH_QUEUE", url)]].concat();
            assert_eq!(read_as(FUNCTION, &given).unwrap().queue, QueueUrl::Sqs(url.to_owned()));
        }
    }
}
