//! Puts an overlay together, as `kubectl kustomize` does, as far as ours need it: `resources`, `patches` (a merge
//! without lists, or JSON patch with `add` and `replace`) and `images`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Files by their paths, each with its documents.
pub type Files = BTreeMap<String, Vec<Value>>;

/// The documents of the overlay in this folder.
///
/// # Panics
/// When the overlay uses what is not known here, or names what is not there.
pub fn build(files: &Files, folder: &str) -> Vec<Value> {
    let name = format!("{folder}/kustomization.yaml");
    let kustomization =
        files.get(&name).unwrap_or_else(|| panic!("there is no {name}"))[0].as_object().unwrap();
    let mut documents = Vec::new();
    for resource in list(kustomization, "resources") {
        let path = join(folder, resource.as_str().unwrap());
        match files.get(&path) {
            Some(found) => documents.extend(found.iter().cloned()),
            None => documents.extend(build(files, &path)),
        }
    }
    for patch in list(kustomization, "patches") {
        apply(files, folder, patch, &mut documents);
    }
    for image in list(kustomization, "images") {
        documents.iter_mut().for_each(|document| rename(document, image));
    }
    for field in kustomization.keys() {
        let known = ["apiVersion", "kind", "resources", "patches", "images"].contains(&field.as_str());
        assert!(known, "{name} has {field}, which this reader does not know");
    }
    documents
}

fn list<'a>(kustomization: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    kustomization.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn join(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').collect();
    for step in path.split('/') {
        match step {
            ".." => drop(steps.pop()),
            "." => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn apply(files: &Files, folder: &str, patch: &Value, documents: &mut [Value]) {
    let path = join(folder, patch["path"].as_str().unwrap());
    let document = &files.get(&path).unwrap_or_else(|| panic!("there is no {path}"))[0];
    let mut applied = 0;
    if let Some(operations) = document.as_array() {
        let target = patch["target"].as_object().unwrap();
        for found in documents.iter_mut().filter(|found| is_target(found, target)) {
            operations.iter().for_each(|operation| operate(found, operation));
            applied += 1;
        }
    } else {
        assert!(patch.get("target").is_none(), "{path}: a merge with a target is not known here");
        let same = |found: &&mut Value| {
            ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"]
                .iter()
                .all(|field| found.pointer(field) == document.pointer(field))
        };
        for found in documents.iter_mut().filter(same) {
            merge(found, document);
            applied += 1;
        }
    }
    assert!(applied > 0, "{path} patches nothing");
}

fn is_target(document: &Value, target: &Map<String, Value>) -> bool {
    let (group, version) = document["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    target.iter().all(|(field, wanted)| match field.as_str() {
        "group" => wanted == group,
        "version" => wanted == version,
        "kind" => *wanted == document["kind"],
        "name" => *wanted == document["metadata"]["name"],
        field => panic!("a target by {field} is not known here"),
    })
}

fn merge(into: &mut Value, patch: &Value) {
    let (Some(fields), Some(patch)) = (into.as_object_mut(), patch.as_object()) else {
        assert!(!patch.is_array(), "a merge of lists is not known here");
        *into = patch.clone();
        return;
    };
    for (name, value) in patch {
        merge(fields.entry(name.clone()).or_insert(Value::Null), value);
    }
}

fn operate(document: &mut Value, operation: &Value) {
    let path = operation["path"].as_str().unwrap();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent} to patch"));
    let value = operation["value"].clone();
    match (operation["op"].as_str().unwrap(), parent) {
        ("add", Value::Array(items)) if last == "-" => items.push(value),
        ("add", Value::Object(fields)) => drop(fields.insert(last.to_owned(), value)),
        ("replace", Value::Object(fields)) => {
            assert!(fields.insert(last.to_owned(), value).is_some(), "there is no {path} to replace");
        }
        (operation, _) => panic!("{operation} of {path} is not known here"),
    }
}

fn rename(value: &mut Value, image: &Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, image)),
        Value::Object(fields) => {
            if fields.get("image").is_some_and(|name| *name == image["name"]) {
                let [name, tag] = ["newName", "newTag"].map(|field| image[field].as_str().unwrap());
                fields.insert("image".into(), format!("{name}:{tag}").into());
            }
            fields.values_mut().for_each(|field| rename(field, image));
        }
        _ => {}
    }
}
