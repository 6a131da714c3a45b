//! AWS CloudFormation, and what an installation that it makes is asked afterwards. MiniStack has it, moto's server is not
//! used for it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::Aws;

/// How long a stack may take until it is there.
const PATIENCE: Duration = Duration::from_secs(300);

impl Aws {
    /// Makes a stack of a template that lies in a bucket, with its parameters' defaults. Gives its outputs.
    ///
    /// # Panics
    /// When it does not come to be; the message holds what happened to it.
    pub fn stack(&self, name: &str, bucket: &str, key: &str) -> BTreeMap<String, String> {
        let url = format!("{}/{bucket}/{key}", self.endpoint());
        self.formation(
            "CreateStack",
            name,
            &format!("TemplateURL={url}&Capabilities.member.1=CAPABILITY_IAM"),
        );
        let begun = Instant::now();
        loop {
            let told = self.formation("DescribeStacks", name, "");
            match element(&told, "StackStatus").as_deref() {
                Some("CREATE_COMPLETE") => return outputs(&told),
                Some("CREATE_IN_PROGRESS") if begun.elapsed() < PATIENCE => {}
                status => panic!("{status:?}: {}", self.formation("DescribeStackEvents", name, "")),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the resource of a stack is called outside of it.
    pub fn resource(&self, stack: &str, name: &str) -> String {
        let told = self.formation("DescribeStackResource", stack, &format!("LogicalResourceId={name}"));
        element(&told, "PhysicalResourceId").unwrap()
    }

    /// Keeps a secret in the Secrets Manager.
    pub fn secret(&self, name: &str, value: &Value) {
        let secret = json!({ "Name": name, "SecretString": value.to_string() });
        self.json("secretsmanager", "secretsmanager.CreateSecret", &secret);
    }

    /// Lets a function have the messages of its queue, or no longer.
    pub fn enable_mapping(&self, id: &str, enabled: bool) {
        let path = format!("/2015-03-31/event-source-mappings/{id}");
        let wanted = json!({ "Enabled": enabled }).to_string();
        self.succeed("PUT", &path, "lambda", &[], wanted.as_bytes());
    }

    /// All that functions and others have logged, by the names of the log groups.
    pub fn logs(&self) -> BTreeMap<String, Vec<String>> {
        let groups = self.json("logs", "Logs_20140328.DescribeLogGroups", &json!({}));
        let names = groups["logGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["logGroupName"].as_str().unwrap());
        let lines = |name: &str| {
            let events = self.json("logs", "Logs_20140328.FilterLogEvents", &json!({ "logGroupName": name }));
            let events = events["events"].as_array().unwrap().iter();
            events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
        };
        names.map(|name| (name.to_owned(), lines(name))).collect()
    }

    fn formation(&self, action: &str, stack: &str, more: &str) -> String {
        let form = format!("Action={action}&Version=2010-05-15&StackName={stack}&{more}");
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.succeed("POST", "/", "cloudformation", &headers, form.as_bytes())
    }

    fn json(&self, service: &str, target: &str, input: &Value) -> Value {
        let headers = [("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.1")];
        let told = self.succeed("POST", "/", service, &headers, input.to_string().as_bytes());
        serde_json::from_str(&told).unwrap()
    }
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}

fn outputs(xml: &str) -> BTreeMap<String, String> {
    let members = xml.split("<OutputKey>").skip(1);
    members
        .map(|member| {
            (member.split_once("</").unwrap().0.to_owned(), element(member, "OutputValue").unwrap())
        })
        .collect()
}
