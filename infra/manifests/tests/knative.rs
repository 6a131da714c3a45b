//! The manifests of `infra/knative`: what schemas say, and what they cannot.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use epitaph_crash_model::MessageKind;
use epitaph_manifests::{
    COLLECTORS, check, functions, knative_files, kustomize, objects, routes, settings, strings,
};
use epitaph_test_services::succeed;
use serde_json::Value;

const OVERLAYS: [&str; 4] = ["kafka", "minio", "plain", "rabbitmq"];
/// Kinds of which nobody publishes a schema that can be installed.
const WITHOUT_SCHEMA: [&str; 3] = [
    "eventing.knative.dev/v1alpha1 RabbitmqBrokerConfig",
    "gateway.networking.k8s.io/v1 HTTPRoute",
    "gateway.networking.k8s.io/v1beta1 ReferenceGrant",
];
/// What opens the catalog.
const OPENS_CATALOG: [&str; 4] = ["dashboard", "maintain", "process", "symbols"];

/// The documents of every overlay. `None` leaves a test out.
fn overlays() -> Option<BTreeMap<&'static str, Vec<Value>>> {
    let files = knative_files()?;
    Some(OVERLAYS.iter().map(|&name| (name, kustomize::build(&files, &format!("overlays/{name}")))).collect())
}

fn knative_overlays() -> Option<Vec<Vec<Value>>> {
    Some(
        overlays()?
            .into_iter()
            .filter(|(name, _)| *name != "plain")
            .map(|(_, documents)| documents)
            .collect(),
    )
}

fn of_kind<'a>(documents: &'a [Value], api: &str, kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|it| it["apiVersion"] == api && it["kind"] == kind).collect()
}

fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap()
}

/// What runs containers: the name, the template of its pods, and the container.
fn workloads(documents: &[Value]) -> Vec<(&str, &Value, &Value)> {
    let all = documents.iter().filter(|it| it["spec"]["template"]["spec"]["containers"].is_array());
    let found: Vec<_> = all
        .map(|it| {
            let template = &it["spec"]["template"];
            let containers = template["spec"]["containers"].as_array().unwrap();
            assert_eq!(containers.len(), 1, "{}", name(it));
            (name(it), template, &containers[0])
        })
        .collect();
    let names: BTreeSet<String> = found.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(names, functions());
    found
}

/// A setting of a container's own.
fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let all = container["env"].as_array()?.iter();
    all.filter(|variable| variable["name"] == name).find_map(|variable| variable["value"].as_str())
}

fn knative_schemas() -> Option<PathBuf> {
    let folder = std::env::var_os("EPITAPH_KNATIVE_SCHEMAS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: EPITAPH_KNATIVE_SCHEMAS names no folder with the schemas of Knative's kinds");
    }
    folder
}

#[test]
fn every_document_has_the_fields_that_its_kind_has_and_no_others() {
    let Some(overlays) = overlays() else { return };
    let schemas = knative_schemas();
    for (overlay, documents) in overlays {
        let Some(verdict) = check(&documents, schemas.as_deref()) else { return };
        assert_eq!(verdict.problems, Vec::<String>::new(), "{overlay}");
        let unknown = verdict.unknown.iter().filter(|kind| !WITHOUT_SCHEMA.contains(&kind.as_str()));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new(), "{overlay}");
    }
}

#[test]
fn a_field_that_no_schema_names_is_a_problem() {
    let Some(mut overlays) = overlays() else { return };
    let Some(schemas) = knative_schemas() else { return };
    for (overlay, path) in [
        ("plain", "/spec/template/spec/containers/0/resources"),
        ("kafka", "/spec/template/spec/containers/0/resources"),
        ("kafka", "/metadata"),
    ] {
        let documents = overlays.get_mut(overlay).unwrap();
        let workload =
            documents.iter_mut().find(|it| it.pointer("/spec/template/spec/containers").is_some()).unwrap();
        workload.pointer_mut(path).unwrap()["surprise"] = true.into();
        let Some(verdict) = check(std::slice::from_ref(workload), Some(&schemas)) else { return };
        assert_eq!(verdict.problems.len(), 1, "{overlay} {path}: {:?}", verdict.problems);
        workload.pointer_mut(path).unwrap().as_object_mut().unwrap().remove("surprise");
    }
}

#[test]
fn kustomize_puts_the_overlays_together_as_this_reader_does() {
    let version = Command::new("kubectl").args(["version", "--client", "--output=json"]).output();
    let version = version.map(|it| serde_json::from_slice::<Value>(&it.stdout).unwrap_or_default());
    if !version.is_ok_and(|it| it["kustomizeVersion"].as_str().is_some_and(|it| it.starts_with("v5."))) {
        println!("skipped: there is no kubectl with kustomize 5 on this machine");
        return;
    }
    let Some(overlays) = overlays() else { return };
    let scratch = epitaph_test_services::kept("kustomize");
    for (overlay, mut documents) in overlays {
        let folder = epitaph_manifests::root().join("infra/knative/overlays").join(overlay);
        let output = succeed(Command::new("kubectl").arg("kustomize").arg(folder));
        let file = scratch.join(overlay).join("all.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, output.stdout).unwrap();
        let Some(python) = epitaph_manifests::packages("kubernetes.txt") else { return };
        let mut command = python.script(&epitaph_manifests::script("documents.py"));
        let output = succeed(command.arg(file.parent().unwrap()));
        let mut theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let Value::Array(mut theirs) = theirs["all.yaml"].take() else { unreachable!() };
        for list in [&mut documents, &mut theirs] {
            list.sort_by_key(|it| (it["kind"].to_string(), it["metadata"]["name"].to_string()));
        }
        assert_eq!(documents, theirs, "{overlay}");
    }
}

#[test]
fn every_function_is_a_workload_with_an_image_of_its_own() {
    let Some(overlays) = overlays() else { return };
    for documents in overlays.values() {
        for (name, template, container) in workloads(documents) {
            let image = container["image"].as_str().unwrap();
            let (image, tag) = image.split_once(':').unwrap();
            assert_eq!(image, format!("epitaph/{name}"));
            assert_ne!(tag, "latest", "{name} would change by itself");
            assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/name"], name);
        }
    }
}

#[test]
fn every_port_is_named_as_knative_and_probes_expect() {
    let Some(overlays) = overlays() else { return };
    for (overlay, documents) in &overlays {
        let expected = if *overlay == "plain" { "http" } else { "http1" };
        for (name, _, container) in workloads(documents) {
            let ports = container["ports"].as_array().unwrap();
            assert_eq!(ports.len(), 1, "{overlay} {name}");
            assert_eq!((&ports[0]["name"], &ports[0]["containerPort"]), (&expected.into(), &8080.into()));
            assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/health/readiness");
            assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/health/liveness");
        }
    }
}

#[test]
fn no_probe_says_how_often_since_knative_then_asks_every_50_milliseconds() {
    let Some(overlays) = knative_overlays() else { return };
    for documents in overlays {
        let periods =
            documents.iter().flat_map(objects).filter(|object| object.contains_key("periodSeconds"));
        assert_eq!(periods.count(), 0);
    }
}

#[test]
fn every_container_says_what_it_needs_and_what_it_may_not() {
    let Some(overlays) = overlays() else { return };
    for (overlay, documents) in &overlays {
        for (name, template, container) in workloads(documents) {
            for what in ["requests", "limits"] {
                for of in ["cpu", "memory"] {
                    assert!(container["resources"][what][of].is_string(), "{overlay} {name}: {what} of {of}");
                }
            }
            let context = &container["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert!(context["runAsUser"].as_u64().unwrap() > 0, "{name}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(strings(&context["capabilities"]["drop"]), ["ALL"], "{name}");
            assert!(context["capabilities"].get("add").is_none(), "{name}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            assert_eq!(template["spec"]["automountServiceAccountToken"], false, "{name}");
            assert_eq!(template["spec"]["serviceAccountName"], name);
        }
        let accounts = of_kind(documents, "v1", "ServiceAccount").len();
        assert_eq!(accounts, functions().len(), "{overlay}");
    }
}

#[test]
fn a_function_knows_only_the_secrets_that_it_needs() {
    let Some(overlays) = overlays() else { return };
    for documents in overlays.values() {
        for (name, _, container) in workloads(documents) {
            let references = objects(&container["env"]).into_iter().filter_map(|it| it.get("secretKeyRef"));
            let held: BTreeSet<&str> = references.map(|it| it["name"].as_str().unwrap()).collect();
            assert_eq!(held.contains("catalog"), OPENS_CATALOG.contains(&name), "{name}: {held:?}");
            if COLLECTORS.contains(&name) {
                assert_eq!(held, BTreeSet::from(["collector"]), "{name}");
            }
        }
        let secrets = of_kind(documents, "v1", "Secret");
        assert!(secrets.is_empty(), "no secret is part of a manifest");
    }
}

#[test]
fn every_setting_that_they_give_exists() {
    let Some(overlays) = overlays() else { return };
    let known = settings();
    for documents in overlays.values() {
        let maps = of_kind(documents, "v1", "ConfigMap").into_iter().filter(|it| name(it) == "settings");
        let given = maps.flat_map(|it| it["data"].as_object().unwrap().keys().map(String::as_str));
        let own =
            workloads(documents).into_iter().filter_map(|(_, _, container)| container["env"].as_array());
        let own = own.flatten().map(|variable| variable["name"].as_str().unwrap());
        for setting in given.chain(own).filter(|setting| !setting.starts_with("AWS_")) {
            assert!(known.contains(setting), "{setting} is no setting");
        }
    }
}

#[test]
fn what_only_the_broker_calls_is_not_reachable_from_outside() {
    let Some(overlays) = knative_overlays() else { return };
    for documents in overlays {
        for service in of_kind(&documents, "serving.knative.dev/v1", "Service") {
            let visibility = &service["metadata"]["labels"]["networking.knative.dev/visibility"];
            let inner = ["process", "maintain"].contains(&name(service));
            assert_eq!(*visibility == "cluster-local", inner, "{}", name(service));
        }
    }
}

#[test]
fn every_trigger_has_a_dead_letter_sink_and_waits_out_hours() {
    let Some(overlays) = knative_overlays() else { return };
    for documents in overlays {
        let triggers = of_kind(&documents, "eventing.knative.dev/v1", "Trigger");
        assert!(!triggers.is_empty());
        for trigger in triggers {
            let delivery = &trigger["spec"]["delivery"];
            assert_eq!(delivery["deadLetterSink"]["ref"]["name"], "maintain");
            assert_eq!(delivery["backoffPolicy"], "linear");
            let retry = delivery["retry"].as_u64().unwrap();
            let delay = delivery["backoffDelay"].as_str().unwrap();
            let delay: u64 = delay.trim_start_matches("PT").trim_end_matches('S').parse().unwrap();
            assert!(delay * retry * (retry + 1) / 2 > 12 * 3600, "{}", name(trigger));
        }
    }
}

#[test]
fn what_sends_messages_is_bound_to_the_broker_and_maintain_has_a_clock() {
    let Some(overlays) = knative_overlays() else { return };
    for documents in overlays {
        let senders: BTreeSet<&str> = COLLECTORS.into_iter().chain(["maintain", "symbols"]).collect();
        let bindings = of_kind(&documents, "sources.knative.dev/v1", "SinkBinding").into_iter();
        let bound = bindings.map(|binding| {
            assert_eq!(binding["spec"]["sink"]["ref"]["kind"], "Broker");
            assert_eq!(binding["spec"]["sink"]["ref"]["name"], "epitaph");
            binding["spec"]["subject"]["name"].as_str().unwrap()
        });
        assert_eq!(bound.collect::<BTreeSet<_>>(), senders);
        let clocks = of_kind(&documents, "sources.knative.dev/v1", "PingSource");
        assert!(clocks.iter().all(|clock| clock["spec"]["sink"]["ref"]["name"] == "maintain"));
        assert_eq!(clocks.len(), 1);
    }
}

#[test]
fn every_kind_of_message_reaches_process_and_a_debug_file_has_minutes() {
    let Some(overlays) = knative_overlays() else { return };
    for documents in overlays {
        let triggers = of_kind(&documents, "eventing.knative.dev/v1", "Trigger");
        let kinds: BTreeSet<&str> = triggers
            .iter()
            .map(|trigger| {
                assert_eq!(trigger["spec"]["subscriber"]["ref"]["name"], "process");
                trigger["spec"]["filter"]["attributes"]["type"].as_str().unwrap()
            })
            .collect();
        assert_eq!(kinds, MessageKind::ALL.iter().map(|kind| kind.as_str()).collect());
        for (function, template, container) in workloads(&documents) {
            let Some(wall) = env(container, "EPITAPH_CONVERTER_WALL_SECONDS") else { continue };
            let request = template["spec"]["timeoutSeconds"].as_u64().unwrap();
            assert!(wall.parse::<u64>().unwrap() + 120 < request, "{function}");
        }
    }
}

#[test]
fn no_class_of_broker_is_assumed_and_every_overlay_chooses_a_durable_one() {
    let Some(files) = knative_files() else { return };
    let base = kustomize::build(&files, "base");
    assert!(of_kind(&base, "eventing.knative.dev/v1", "Broker").is_empty());
    for (overlay, class) in [("kafka", "Kafka"), ("rabbitmq", "RabbitMQBroker"), ("minio", "Kafka")] {
        let documents = kustomize::build(&files, &format!("overlays/{overlay}"));
        let brokers = of_kind(&documents, "eventing.knative.dev/v1", "Broker");
        assert_eq!(brokers.len(), 1, "{overlay}");
        assert_eq!(brokers[0]["metadata"]["annotations"]["eventing.knative.dev/broker.class"], class);
    }
}

#[test]
fn one_host_name_routes_every_path_to_its_function() {
    let Some(overlays) = overlays() else { return };
    for (overlay, documents) in &overlays {
        let routing = of_kind(documents, "gateway.networking.k8s.io/v1", "HTTPRoute");
        assert_eq!(routing.len(), 1, "{overlay}");
        let rules = routing[0]["spec"]["rules"].as_array().unwrap();
        let mut routed = BTreeMap::new();
        for rule in rules {
            let rewritten = rule["filters"][0]["urlRewrite"]["hostname"].as_str();
            let backend = rule["backendRefs"][0]["name"].as_str().unwrap();
            let function = rewritten.map_or(backend, |host| host.split('.').next().unwrap());
            for path in rule["matches"].as_array().unwrap() {
                routed.insert(path["path"]["value"].as_str().unwrap(), function);
            }
        }
        for collector in COLLECTORS {
            for route in routes(collector) {
                let plain = route.replace("{project}", "[0-9]+").replace("{key}", "[^/]+");
                let path = format!("{}/?", plain.trim_end_matches('/'));
                let found = routed.get(path.as_str()).copied();
                assert_eq!(found, Some(collector), "{overlay}: {route} as {path}");
            }
        }
        for route in routes("symbols") {
            // Each expression of these paths stands for a prefix.
            let plain = route.replace("{project}", "[0-9]+");
            let ways: Vec<_> = routed
                .iter()
                .filter(|(path, _)| **path != "/" && plain.starts_with(path.trim_end_matches("(/.*)?")))
                .collect();
            let functions: Vec<&str> = ways.iter().map(|(_, function)| **function).collect();
            assert_eq!(functions, ["symbols"], "{overlay}: {route} goes {ways:?}");
        }
        assert_eq!(routed.get("/"), Some(&"dashboard"), "{overlay}");
    }
}

#[test]
fn nothing_reaches_a_pod_that_no_rule_names() {
    let Some(overlays) = overlays() else { return };
    for (overlay, documents) in &overlays {
        let policies = of_kind(documents, "networking.k8s.io/v1", "NetworkPolicy");
        let closed = policies.iter().find(|it| name(it) == "nothing-else").unwrap();
        assert_eq!(closed["spec"]["podSelector"], Value::Object(serde_json::Map::new()), "{overlay}");
        assert_eq!(strings(&closed["spec"]["policyTypes"]), ["Ingress", "Egress"]);
        let catalog = policies.iter().find(|it| name(it) == "catalog").unwrap();
        let who: BTreeSet<String> =
            strings(&catalog["spec"]["podSelector"]["matchExpressions"][0]["values"]).into_iter().collect();
        assert_eq!(who, OPENS_CATALOG.into_iter().map(str::to_owned).collect(), "{overlay}");
    }
}

#[test]
fn a_pod_that_is_told_to_stop_has_the_time_to_finish() {
    let Some(overlays) = overlays() else { return };
    for (overlay, documents) in &overlays {
        let settings =
            of_kind(documents, "v1", "ConfigMap").into_iter().find(|it| name(it) == "settings").unwrap();
        let seconds = |name: &str| -> u64 { settings["data"][name].as_str().unwrap().parse().unwrap() };
        let (body, drain) = (seconds("EPITAPH_LIMIT_BODY_SECONDS"), seconds("EPITAPH_LIMIT_DRAIN_SECONDS"));
        assert!(body < drain, "{overlay}: a body that began before the signal must fit");
        for (name, template, container) in workloads(documents) {
            let spec = &template["spec"];
            let given =
                spec["timeoutSeconds"].as_u64().or_else(|| spec["terminationGracePeriodSeconds"].as_u64());
            let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
            assert!(given.unwrap() >= drain + pause, "{overlay} {name}");
        }
    }
}
