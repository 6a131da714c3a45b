//! The template of `infra/lambda`: what linters say, and what they do not look at.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{collections::BTreeSet, fs};

use epitaph_manifests::{
    COLLECTORS, Template, functions, objects, packages, root, routes, settings, strings, template,
};
use epitaph_test_services::succeed;
use serde_json::{Map, Value};

const DAY: u64 = 24 * 3600;

fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    let found = all.filter(|(_, resource)| resource["Type"] == kind);
    let found: Vec<_> = found.map(|(name, resource)| (name.as_str(), &resource["Properties"])).collect();
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

fn one<'a>(template: &'a Value, kind: &str) -> &'a Value {
    let found = resources(template, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0].1
}

/// What hands the messages of a queue to a function.
fn mapping<'a>(template: &'a Template, function: &str) -> &'a Value {
    let all = resources(&template.translated, "AWS::Lambda::EventSourceMapping").into_iter();
    let mut own = all.filter(|(_, mapping)| mapping["FunctionName"]["Ref"] == function);
    let (_, mapping) = own.next().unwrap();
    assert!(own.next().is_none(), "{function} has several queues");
    mapping
}

/// The functions as they are written: the folder of each, its logical name, and its properties.
fn written(template: &Template) -> Vec<(String, &str, &Value)> {
    let functions = resources(&template.written, "AWS::Serverless::Function").into_iter();
    let with_folder = functions.map(|(name, properties)| {
        let folder = properties["CodeUri"].as_str().unwrap().split('/').nth_back(1).unwrap();
        (folder.to_owned(), name, properties)
    });
    with_folder.collect()
}

fn function<'a>(template: &'a Template, folder: &str) -> &'a Value {
    written(template).into_iter().find(|(name, ..)| name == folder).unwrap().2
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

fn is_collector(folder: &str) -> bool {
    COLLECTORS.contains(&folder)
}

/// The statements that allow something.
fn allowed(template: &Template) -> Vec<&Map<String, Value>> {
    let all = objects(&template.translated["Resources"]).into_iter();
    all.filter(|object| object.get("Effect").is_some_and(|effect| effect == "Allow")).collect()
}

#[test]
fn cfn_lint_has_nothing_to_say() {
    let Some(python) = packages("aws.txt") else { return };
    succeed(python.program("cfn-lint").arg(template()));
}

#[test]
fn sam_validates_and_lints_it() {
    let Some(python) = packages("aws.txt") else { return };
    let mut sam = python.module("samcli");
    sam.args(["validate", "--lint", "--region", "us-east-1", "--template"]).arg(template());
    succeed(sam.env("SAM_CLI_TELEMETRY", "0").env("__SAM_CLI_APP_DIR", epitaph_test_services::kept("sam")));
}

#[test]
fn every_function_is_in_it_as_cargo_lambda_packs_it() {
    let Some(template) = Template::read() else { return };
    let mut named = BTreeSet::new();
    for (folder, name, properties) in written(&template) {
        assert_eq!(properties["CodeUri"], format!("../../target/lambda/{folder}/bootstrap.zip"));
        assert_eq!(name.to_lowercase(), folder);
        named.insert(folder);
    }
    assert_eq!(named, functions());
}

#[test]
fn the_readme_builds_every_function() {
    let readme = fs::read_to_string(root().join("infra/lambda/README.md")).unwrap();
    let list = readme.split("for function in ").nth(1).unwrap().split(';').next().unwrap();
    let built: BTreeSet<String> = list.split(' ').map(str::to_owned).collect();
    assert_eq!(built, functions());
}

#[test]
fn every_route_of_a_collector_reaches_it_with_a_slash_and_without() {
    let Some(template) = Template::read() else { return };
    let there: BTreeSet<(String, String)> = resources(&template.translated, "AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(_, route)| {
            let target = route["Target"]["Fn::Sub"].as_str().unwrap();
            let integration = target.trim_start_matches("integrations/${").trim_end_matches('}');
            let uri = &template.translated["Resources"][integration]["Properties"]["IntegrationUri"];
            let function = uri["Fn::GetAtt"][0].as_str().unwrap().to_lowercase();
            (route["RouteKey"].as_str().unwrap().to_owned(), function)
        })
        .collect();
    let mut expected = BTreeSet::from([("$default".to_owned(), "dashboard".to_owned())]);
    for collector in COLLECTORS {
        for route in routes(collector) {
            let path = route.trim_end_matches('/');
            expected.insert((format!("ANY {path}"), collector.to_owned()));
            expected.insert((format!("ANY {path}/{{rest+}}"), collector.to_owned()));
        }
    }
    let (to_symbols, there): (BTreeSet<_>, BTreeSet<_>) =
        there.into_iter().partition(|(_, function)| function == "symbols");
    assert_eq!(there, expected);
    // Those of symbols are many; each is below a prefix of which all is its own.
    for route in routes("symbols") {
        let prefixes =
            to_symbols.iter().map(|(key, _)| key.trim_start_matches("ANY ").trim_end_matches("{rest+}"));
        assert!(prefixes.into_iter().any(|prefix| route.starts_with(prefix)), "{route}");
    }
}

#[test]
fn the_api_may_invoke_what_it_routes_to() {
    let Some(template) = Template::read() else { return };
    let permissions = resources(&template.translated, "AWS::Lambda::Permission").into_iter();
    let from_api = permissions.filter(|(_, it)| it["Principal"] == "apigateway.amazonaws.com");
    let invoked: BTreeSet<String> =
        from_api.map(|(_, it)| it["FunctionName"]["Ref"].as_str().unwrap().to_lowercase()).collect();
    let routed: BTreeSet<String> =
        COLLECTORS.iter().copied().chain(["dashboard", "symbols"]).map(str::to_owned).collect();
    assert_eq!(invoked, routed);
}

#[test]
fn every_collector_has_an_address_of_its_own_with_both_permissions() {
    let Some(template) = Template::read() else { return };
    let urls = resources(&template.translated, "AWS::Lambda::Url").into_iter();
    let urls: BTreeSet<String> =
        urls.map(|(_, url)| url["TargetFunctionArn"]["Ref"].as_str().unwrap().to_lowercase()).collect();
    assert_eq!(urls, COLLECTORS.iter().map(|&name| name.to_owned()).collect());
    for collector in COLLECTORS {
        let permissions = resources(&template.translated, "AWS::Lambda::Permission").into_iter();
        let public = permissions.filter(|(_, it)| {
            it["Principal"] == "*" && it["FunctionName"]["Ref"].as_str().unwrap().to_lowercase() == collector
        });
        let actions: BTreeSet<&str> = public
            .map(|(_, it)| {
                let narrow = it["FunctionUrlAuthType"] == "NONE" || it["InvokedViaFunctionUrl"] == true;
                assert!(narrow, "{collector} is open to more than its address");
                it["Action"].as_str().unwrap()
            })
            .collect();
        assert_eq!(actions, BTreeSet::from(["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]));
    }
}

#[test]
fn a_message_is_not_delivered_again_while_process_works_on_it() {
    let Some(template) = Template::read() else { return };
    let queue = &template.written["Resources"]["Queue"]["Properties"];
    let dead = &template.written["Resources"]["DeadLetters"]["Properties"];
    let process = function(&template, "process");
    let timeout = number(&process["Timeout"]);
    assert!(number(&queue["VisibilityTimeout"]) >= 6 * timeout);
    assert!(number(&dead["VisibilityTimeout"]) >= 6 * number(&function(&template, "maintain")["Timeout"]));
    // A whole batch whose parsers all stall is done before it is stopped.
    let mapping = mapping(&template, "Process");
    let seconds = |name: &str| number(&process["Environment"]["Variables"][name]);
    assert!(number(&mapping["BatchSize"]) * seconds("EPITAPH_PARSER_WALL_SECONDS") < timeout);
    assert!(seconds("EPITAPH_CONVERTER_WALL_SECONDS") + 60 < timeout);
}

#[test]
fn a_message_reaches_the_dead_letters_before_it_expires() {
    let Some(template) = Template::read() else { return };
    let queue = &template.written["Resources"]["Queue"]["Properties"];
    let retention = number(&queue["MessageRetentionPeriod"]);
    assert_eq!(retention, 4 * DAY);
    assert_eq!(
        number(&template.written["Resources"]["DeadLetters"]["Properties"]["MessageRetentionPeriod"]),
        14 * DAY
    );
    let attempts = number(&queue["RedrivePolicy"]["maxReceiveCount"]);
    assert!(attempts * number(&queue["VisibilityTimeout"]) < retention - DAY / 2);
    assert!(attempts >= 100, "an engine that is down for hours must not make dead letters");
}

#[test]
fn what_the_queue_gives_up_reaches_maintain() {
    let Some(template) = Template::read() else { return };
    let queue = &template.translated["Resources"]["Queue"]["Properties"];
    let dead = &queue["RedrivePolicy"]["deadLetterTargetArn"];
    assert_eq!(strings(dead), ["DeadLetters", "Arn"]);
    assert_eq!(&mapping(&template, "Maintain")["EventSourceArn"], dead);
}

#[test]
fn one_bad_message_fails_alone_and_the_database_is_protected() {
    let Some(template) = Template::read() else { return };
    for function in ["Process", "Maintain"] {
        let mapping = mapping(&template, function);
        assert_eq!(strings(&mapping["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
        assert!(number(&mapping["BatchSize"]) <= 10, "larger batches need a batching window");
    }
    let most = &mapping(&template, "Process")["ScalingConfig"]["MaximumConcurrency"];
    assert_eq!(most["Ref"], "ProcessConcurrency");
    for (folder, _, properties) in written(&template) {
        let reserved = properties.get("ReservedConcurrentExecutions");
        assert!(reserved.is_none(), "{folder} reserves concurrency, which throttles who calls it");
    }
}

#[test]
fn a_function_may_do_with_its_queue_what_a_mapping_asks_for() {
    let Some(template) = Template::read() else { return };
    let asked = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    for function in ["Process", "Maintain"] {
        let queue = &mapping(&template, function)["EventSourceArn"];
        let role = &template.translated["Resources"][format!("{function}Role")];
        let own = objects(role).into_iter().filter(|object| object.get("Resource") == Some(queue));
        let actions: BTreeSet<String> = own.flat_map(|statement| strings(&statement["Action"])).collect();
        assert!(asked.iter().all(|action| actions.contains(*action)), "{function}: {actions:?}");
    }
}

#[test]
fn nothing_is_allowed_more_than_it_needs() {
    let Some(template) = Template::read() else { return };
    for statement in allowed(&template) {
        let actions = strings(&statement["Action"]);
        assert!(actions.iter().all(|action| !action.contains('*')), "{statement:?}");
        // Lambda asks for these before there is a network interface to name.
        let networking = actions.iter().all(|action| action.starts_with("ec2:"));
        let anything = strings(statement.get("Resource").unwrap_or(&Value::Null)).iter().any(|it| it == "*");
        assert!(!anything || networking, "{statement:?}");
    }
    let mut roles = BTreeSet::new();
    for (folder, name, properties) in written(&template) {
        let role =
            properties["Role"]["Fn::GetAtt"][0].as_str().or_else(|| properties["Role"].as_str()).unwrap();
        assert_eq!(role.trim_end_matches(".Arn"), format!("{name}Role"));
        roles.insert(role.to_owned());
        if is_collector(&folder) {
            assert!(properties.get("VpcConfig").is_none(), "{folder} starts slower in a VPC");
            let variables = properties["Environment"]["Variables"].as_object().unwrap();
            let root = ["EPITAPH_SECRET", "EPITAPH_CATALOG", "EPITAPH_TOKEN"];
            assert!(root.iter().all(|name| !variables.contains_key(*name)), "{folder} knows too much");
        }
    }
    assert_eq!(roles.len(), functions().len());
}

#[test]
fn what_is_secret_comes_from_the_secrets_manager() {
    let Some(template) = Template::read() else { return };
    for (folder, _, properties) in written(&template) {
        for (name, value) in properties["Environment"]["Variables"].as_object().unwrap() {
            let secret = ["SECRET", "TOKEN", "CATALOG"].iter().any(|part| name.contains(part));
            let resolved =
                strings(value).iter().any(|text| text.starts_with("{{resolve:secretsmanager:${SecretName}:"));
            assert_eq!(secret, resolved, "{folder}: {name}");
        }
    }
}

#[test]
fn every_setting_that_it_gives_exists() {
    let Some(template) = Template::read() else { return };
    let (known, globals) = (settings(), &template.written["Globals"]["Function"]["Environment"]["Variables"]);
    let own =
        written(&template).into_iter().map(|(_, _, properties)| &properties["Environment"]["Variables"]);
    for variables in own.chain([globals]) {
        for name in variables.as_object().unwrap().keys() {
            assert!(known.contains(name), "{name} is no setting");
        }
    }
}

#[test]
fn the_bucket_forgets_only_what_nothing_can_name_any_more() {
    let Some(template) = Template::read() else { return };
    let source = fs::read_to_string(root().join("functions/maintain/src/lib.rs")).unwrap();
    let life = source.split("LONGEST_MESSAGE_LIFE_DAYS: i64 = ").nth(1).unwrap().split(';').next().unwrap();
    let life: u64 = life.parse().unwrap();
    let choices = &template.written["Parameters"]["RetentionDays"]["AllowedValues"];
    for kept in choices.as_array().unwrap() {
        let expiry = number(&template.written["Mappings"]["Expiry"][kept.to_string()]["Days"]);
        assert!(expiry > number(kept) + life, "{kept} days");
    }
    let bucket = one(&template.translated, "AWS::S3::Bucket");
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let aborts = rules
        .iter()
        .filter_map(|rule| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].as_u64());
    assert_eq!(aborts.collect::<Vec<_>>(), [1]);
    for rule in rules.iter().filter(|rule| rule.get("ExpirationInDays").is_some()) {
        let prefix = rule["Prefix"].as_str().unwrap();
        assert!(["payloads/", "crashes/"].contains(&prefix), "{prefix} must not expire by itself");
    }
    for kept in ["Bucket", "Queue", "DeadLetters"] {
        assert_eq!(template.written["Resources"][kept]["DeletionPolicy"], "Retain", "{kept} holds reports");
    }
}

#[test]
fn every_log_ends_some_day_and_holds_no_key() {
    let Some(template) = Template::read() else { return };
    for (name, group) in resources(&template.written, "AWS::Logs::LogGroup") {
        assert_eq!(group["RetentionInDays"]["Ref"], "LogDays", "{name}");
    }
    for (_, name, properties) in written(&template) {
        assert_eq!(properties["LoggingConfig"]["LogGroup"]["Ref"], format!("{name}Logs"));
    }
    let stage = one(&template.translated, "AWS::ApiGatewayV2::Stage");
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    for telling in ["$context.path", "query", "$context.identity", "$context.protocol"] {
        assert!(!format.contains(telling), "{telling} may hold a key, or tells where a player is");
    }
}

#[test]
fn cloud_formation_takes_it() {
    let Some(template) = Template::read() else { return };
    let names = |part: &str| -> BTreeSet<String> {
        template.translated[part].as_object().unwrap().keys().cloned().collect()
    };
    let twice: Vec<String> = names("Parameters").intersection(&names("Resources")).cloned().collect();
    assert!(twice.is_empty(), "{twice:?} are parameters, and resources that SAM makes");
    let size = template.translated.to_string().len();
    assert!(size < 1_000_000 && names("Resources").len() < 500, "{size} bytes");
}
