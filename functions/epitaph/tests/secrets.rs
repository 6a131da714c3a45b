//! The secrets that functions of their own are given.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::collections::BTreeMap;

use epitaph_secrets::{Purpose, RootSecret};
use support::House;

const ROOT: &str = "an example of a root secret";

fn printed(house: &House, function: &str) -> BTreeMap<String, String> {
    let output = house.command(&["secrets", function]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

#[test]
fn a_function_is_given_what_it_needs_and_no_more() {
    let house = House::with(&[("EPITAPH_SECRET", ROOT), ("EPITAPH_TOKEN", "a-token-that-is-long-enough")]);
    let root = RootSecret::new(ROOT).unwrap();
    let derived = [("EPITAPH_INGEST_SECRET", Purpose::Ingest), ("EPITAPH_MESSAGE_SECRET", Purpose::Message)]
        .map(|(name, purpose)| (name.to_owned(), root.derive(purpose).to_hex()));
    for function in ["collector", "minidump", "envelope", "unreal", "report", "maintain"] {
        assert_eq!(printed(&house, function), derived.clone().into(), "{function}");
    }
    let all = [("EPITAPH_SECRET".to_owned(), ROOT.to_owned())];
    assert_eq!(printed(&house, "process"), all.clone().into());
    let token = ("EPITAPH_TOKEN".to_owned(), "a-token-that-is-long-enough".to_owned());
    let with_token: BTreeMap<_, _> = all.into_iter().chain([token]).collect();
    for function in ["dashboard", "symbols"] {
        assert_eq!(printed(&house, function), with_token, "{function}");
    }
}

#[test]
fn whoever_has_only_derived_secrets_cannot_hand_out_the_root() {
    let root = RootSecret::new(ROOT).unwrap();
    let [ingest, message] = [Purpose::Ingest, Purpose::Message].map(|purpose| root.derive(purpose).to_hex());
    let house = House::with(&[("EPITAPH_INGEST_SECRET", &ingest), ("EPITAPH_MESSAGE_SECRET", &message)]);
    assert_eq!(printed(&house, "collector")["EPITAPH_INGEST_SECRET"], ingest);
    let output = house.command(&["secrets", "process"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("expected EPITAPH_SECRET"), "{said}");
}
