//! The fact of a crash.

use std::collections::BTreeMap;

use epitaph_crash_model::{Crash, Fact, ProjectId, Protocol, Timestamp};
use epitaph_secrets::Secret;

use crate::{
    annotations::{self, first},
    memory, platform,
};

/// The most characters that a text of a fact keeps. Facts are many, and what lies beyond is in the crash itself.
pub const LONGEST_TEXT: usize = 200;

/// The most tags that a fact keeps.
pub const MOST_TAGS: usize = 40;

/// The most characters of a tag's name; a longer one is nobody's choice for searching.
pub const LONGEST_TAG_NAME: usize = 64;

/// How far before acceptance a client's clock is believed: a report may wait for the player's next start.
const BELIEVED_BEFORE: i64 = 30 * 24 * 60 * 60 * 1000;
/// How far after acceptance: clocks differ a little.
const BELIEVED_AFTER: i64 = 60 * 1000;

/// The fact of a crash. The same crash and secret always give the same fact.
///
/// `user_hash` is the secret for [`Purpose::UserHash`](epitaph_secrets::Purpose::UserHash). A user is told from others
/// within one project and installation of Epitaph only, and cannot be told from the hash.
///
/// Texts are trimmed and cut to [`LONGEST_TEXT`] characters; blank ones are `None`. Of the tags the first [`MOST_TAGS`] by
/// name are kept. Clients of Crashpad and Breakpad have annotations only: these are their tags.
pub fn fact_of(crash: &Crash, user_hash: &Secret) -> Fact {
    let annotation = |names| first(&crash.annotations, names);
    let context = |subject: &str, name: &str| crash.contexts.get(subject)?.get(name).map(String::as_str);
    let known = |value: &Option<String>, names| text(value.as_deref()).or_else(|| text(annotation(names)));
    let told = |context: Option<&str>, names| {
        text(context).or_else(|| text(first(&crash.tags, names))).or_else(|| text(annotation(names)))
    };
    let os_version = known(&crash.system.os_version, annotations::OS_VERSION);
    let (platform, os_version) = match known(&crash.system.os, annotations::PLATFORM) {
        Some(os) => {
            let (platform, os_version) = platform::of(&os, os_version);
            (text(Some(&platform)), text(os_version.as_deref()))
        }
        None => (None, os_version),
    };
    let engine = context("engine", "name").map(|name| engine_of(name, context("engine", "version")));
    let country = told(context("geo", "country_code"), annotations::COUNTRY);
    let memory = told(context("device", "memory_size"), annotations::MEMORY);
    Fact {
        received_at: crash.received_at,
        occurred_at: occurred_at(crash.occurred_at, crash.received_at),
        weight: crash.weight,
        kind: crash.kind,
        reason: text(crash.reason.as_deref()),
        release: text(crash.release.as_deref()),
        build: text(crash.build.as_deref()).or_else(|| told(None, annotations::BUILD)),
        branch: told(None, annotations::BRANCH),
        resource_version: told(None, annotations::RESOURCE_VERSION),
        environment: text(crash.environment.as_deref()),
        platform,
        os_version,
        arch: text(crash.system.arch.as_deref()),
        device: text(context("device", "model")).or_else(|| text(annotation(annotations::DEVICE))),
        gpu: text(context("gpu", "name")).or_else(|| text(annotation(annotations::GPU))),
        gpu_driver: told(context("gpu", "driver_version"), annotations::GPU_DRIVER),
        memory_class: memory.and_then(|bytes| memory::class_of(&bytes)).map(str::to_owned),
        country: country.filter(|code| is_country(code)).map(|code| code.to_ascii_uppercase()),
        locale: told(context("culture", "locale"), annotations::LOCALE),
        engine: told(engine.as_deref(), annotations::ENGINE),
        store: told(context("app", "installer_store"), annotations::STORE),
        level: told(None, annotations::LEVEL),
        server: told(None, annotations::SERVER),
        foreground: told(context("app", "in_foreground"), annotations::FOREGROUND)
            .and_then(|said| truth(&said)),
        session: told(context("session", "id"), annotations::SESSION),
        user: user_of(crash, user_hash),
        uptime_seconds: crash.uptime_seconds,
        unreadable: crash.unreadable.is_some(),
        tags: tags_of(crash),
        ..Fact::new(crash.id, crash.project, crash.signature.id)
    }
}

/// The engine's name and version, without what the version says of the build.
fn engine_of(name: &str, version: Option<&str>) -> String {
    let version = version.and_then(|version| version.split(['-', '+', ' ']).next()).unwrap_or_default();
    format!("{name} {version}")
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_alphabetic())
}

fn truth(said: &str) -> Option<bool> {
    match said.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

fn tags_of(crash: &Crash) -> BTreeMap<String, String> {
    let is_held = |name: &str| annotations::ALL.iter().any(|names| names.contains(&name));
    let annotations = (crash.protocol == Protocol::Multipart).then_some(&crash.annotations);
    let annotations = annotations.into_iter().flatten().filter(|(name, _)| !is_held(name));
    let told = crash.tags.iter().filter(|(name, _)| !annotations::USER.contains(&name.as_str()));
    let mut tags = BTreeMap::new();
    for (name, value) in told.chain(annotations) {
        let name = name.trim();
        let fits = !name.is_empty() && name.chars().count() <= LONGEST_TAG_NAME && !tags.contains_key(name);
        if tags.len() == MOST_TAGS {
            break;
        }
        if let Some(value) = text(Some(value)).filter(|_| fits) {
            tags.insert(name.to_owned(), value);
        }
    }
    tags
}

/// The hash of the user that a crash tells, as [`fact_of`] has it.
pub fn user_of(crash: &Crash, user_hash: &Secret) -> Option<String> {
    let user = crash.user.as_ref().and_then(|user| user.id.as_deref()).map(str::trim);
    let user = user.filter(|user| !user.is_empty()).or_else(|| first(&crash.annotations, annotations::USER));
    user.map(|user| hashed(crash.project, user, user_hash))
}

/// The client's clock where it is believable, otherwise ours.
fn occurred_at(claimed: Option<Timestamp>, received_at: Timestamp) -> Timestamp {
    let believable = received_at.plus_millis(-BELIEVED_BEFORE)..=received_at.plus_millis(BELIEVED_AFTER);
    claimed.filter(|claimed| believable.contains(claimed)).unwrap_or(received_at)
}

/// 16 hexadecimal digits. The whole id is hashed, however long: two that only begin alike are two users. Of a hundred
/// million users, two have the same hash once in four thousand projects; twice the digits would make a quarter of every fact.
fn hashed(project: ProjectId, user: &str, secret: &Secret) -> String {
    let mut hash = secret.sign(&format!("{project}/{user}"));
    hash.truncate(16);
    hash
}

fn text(value: Option<&str>) -> Option<String> {
    let value = value?.trim();
    (!value.is_empty()).then(|| value.chars().take(LONGEST_TEXT).collect())
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{CrashId, Kind, Protocol, Signature, SignatureId, System, User};
    use epitaph_secrets::{Purpose, RootSecret};
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn secret() -> Secret {
        RootSecret::new("an example of a root secret").unwrap().derive(Purpose::UserHash)
    }

    fn crash(annotations: &[(&str, &str)]) -> Crash {
        let signature = Signature {
            id: SignatureId::from_bytes([7; 16]),
            rules: 1,
            text: "render".into(),
            steps: Vec::new(),
        };
        let annotations = annotations.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Crash {
            annotations: annotations.collect(),
            ..Crash::new(CrashId::new(), ProjectId::FIRST, Protocol::Multipart, signature)
        }
    }

    fn fact(annotations: &[(&str, &str)]) -> Fact {
        fact_of(&crash(annotations), &secret())
    }

    #[test]
    fn a_fact_holds_what_the_crash_tells() {
        let mut crash = crash(&[
            ("device.model", "Steam Deck"),
            ("gpu_name", "RDNA 2"),
            ("os.name", "passed over: the payload tells"),
        ]);
        crash.kind = Kind::Oom;
        crash.reason = Some("SIGSEGV / SEGV_MAPERR".into());
        crash.release = Some("1.2.3".into());
        crash.environment = Some("live".into());
        crash.system = System {
            os: Some("Linux".into()),
            os_version: Some("6.1".into()),
            arch: Some("amd64".into()),
            ..System::default()
        };
        crash.uptime_seconds = Some(90);
        crash.weight = 10;
        crash.unreadable = Some("the stream directory lies outside the file".into());
        let some = |text: &str| Some(text.to_owned());
        let expected = Fact {
            weight: 10,
            kind: Kind::Oom,
            reason: some("SIGSEGV / SEGV_MAPERR"),
            release: some("1.2.3"),
            environment: some("live"),
            platform: some("Linux"),
            os_version: some("6.1"),
            arch: some("amd64"),
            device: some("Steam Deck"),
            gpu: some("RDNA 2"),
            uptime_seconds: Some(90),
            unreadable: true,
            ..Fact::new(crash.id, ProjectId::FIRST, crash.signature.id)
        };
        assert_eq!(fact_of(&crash, &secret()), expected);
    }

    #[test]
    fn a_clients_clock_is_believed_from_30_days_before_to_a_minute_after_acceptance() {
        let mut crash = crash(&[]);
        let mut occurred = |offset: i64| {
            crash.occurred_at = Some(crash.received_at.plus_millis(offset));
            fact_of(&crash, &secret()).occurred_at.as_millis() - crash.received_at.as_millis()
        };
        for believed in [0, -1, -30 * DAY, 60_000] {
            assert_eq!(occurred(believed), believed);
        }
        for wrong in [-30 * DAY - 1, 60_001, -5_000 * DAY, 5_000 * DAY] {
            assert_eq!(occurred(wrong), 0, "{wrong}");
        }
    }

    /// Computed apart from this code, with `openssl dgst -sha256 -hmac`: users must stay the same users for years.
    #[test]
    fn a_users_hash_is_what_openssl_computes() {
        assert_eq!(fact(&[("user.id", "ann")]).user.as_deref(), Some("b9eb177d1b7727f8"));
    }

    #[test]
    fn the_user_comes_before_the_installation_and_blank_names_count_as_missing() {
        let user = |annotations| fact(annotations).user;
        let ann = user(&[("user.id", "ann")]);
        assert!(ann.is_some());
        assert_eq!(user(&[("user.id", "ann"), ("user_id", "b"), ("guid", "c"), ("client_id", "d")]), ann);
        assert_eq!(user(&[("user.id", " "), ("user_id", " ann "), ("guid", "c")]), ann);
        assert_eq!(user(&[("user_id", ""), ("guid", "ann"), ("client_id", "d")]), ann);
        assert_eq!(user(&[("client_id", "ann")]), ann);
        assert_eq!(user(&[("name", "ann")]), None);
    }

    #[test]
    fn what_an_event_says_of_user_device_and_graphics_goes_before_annotations() {
        let mut crash = crash(&[("guid", "b"), ("model", "passed over"), ("gpu", "passed over")]);
        crash.user = Some(User { id: Some(" ann ".into()), name: Some("Ann".into()) });
        let context = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        crash.contexts.insert("device".into(), context("model", "Pixel 9"));
        crash.contexts.insert("gpu".into(), context("name", "Mali-G715"));
        let known = fact_of(&crash, &secret());
        assert_eq!(known.user, fact(&[("user.id", "ann")]).user);
        assert_eq!((known.device.as_deref(), known.gpu.as_deref()), (Some("Pixel 9"), Some("Mali-G715")));
        crash.user = Some(User { id: Some(" ".into()), name: None });
        crash.contexts.clear();
        let unknown = fact_of(&crash, &secret());
        assert_eq!(unknown.user, fact(&[("guid", "b")]).user);
        assert_eq!(unknown.device.as_deref(), Some("passed over"));
    }

    #[test]
    fn a_user_has_another_hash_in_another_project_or_installation() {
        let mut crash = crash(&[("guid", "ann")]);
        let here = fact_of(&crash, &secret()).user;
        let elsewhere = RootSecret::new("another example of a secret").unwrap().derive(Purpose::UserHash);
        assert_ne!(fact_of(&crash, &elsewhere).user, here);
        crash.project = ProjectId::try_from(2_u64).unwrap();
        assert_ne!(fact_of(&crash, &secret()).user, here);
    }

    #[test]
    fn what_the_payload_does_not_tell_is_taken_from_annotations() {
        let fact = fact(&[
            ("os.name", "Android"),
            ("os.version", "15"),
            ("model", "Pixel 9"),
            ("gpu-gl-renderer", "Mali-G715"),
        ]);
        let told = [fact.platform, fact.os_version, fact.device, fact.gpu];
        let expected = ["Android", "15", "Pixel 9", "Mali-G715"];
        assert_eq!(told.each_ref().map(|text| text.as_deref().unwrap_or_default()), expected);
    }

    #[test]
    fn what_was_played_where_and_on_what_is_told_by_contexts_tags_and_annotations() {
        let mut crash = crash(&[("country", "kr"), ("session", "5b1f"), ("map", "passed over")]);
        let mut context = |subject: &str, name: &str, value: &str| {
            crash.contexts.entry(subject.into()).or_default().insert(name.into(), value.into());
        };
        context("engine", "name", "Unreal Engine");
        context("engine", "version", "5.4.3-34507850+++UE5+Release-5.4");
        context("device", "memory_size", "17112477696");
        context("gpu", "driver_version", "24.5.1");
        context("app", "in_foreground", "true");
        context("culture", "locale", "de-DE");
        for (name, value) in [("map", "canyon"), ("store", "steam"), ("changelist", "481266")] {
            crash.tags.insert(name.into(), value.into());
        }
        let fact = fact_of(&crash, &secret());
        let told = [fact.engine, fact.memory_class, fact.gpu_driver, fact.locale, fact.country, fact.session];
        let expected = ["Unreal Engine 5.4.3", "16 GB", "24.5.1", "de-DE", "KR", "5b1f"];
        assert_eq!(told.each_ref().map(|text| text.as_deref().unwrap_or_default()), expected);
        let told = [fact.level, fact.store, fact.build];
        assert_eq!(
            told.each_ref().map(|text| text.as_deref().unwrap_or_default()),
            ["canyon", "steam", "481266"]
        );
        assert_eq!(fact.foreground, Some(true));
    }

    #[test]
    fn annotations_are_tags_where_the_client_knows_no_tags_and_a_users_id_never_is() {
        let mut crash = crash(&[("quest", "the well"), ("guid", "ann"), ("model", "Pixel 9")]);
        crash.tags.insert("user.id".into(), "ann".into());
        assert_eq!(fact_of(&crash, &secret()).tags, [("quest".into(), "the well".into())].into());
        crash.protocol = Protocol::Envelope;
        assert_eq!(fact_of(&crash, &secret()).tags, BTreeMap::new());
        crash.tags = (0..100).map(|number| (format!("tag {number}"), "x".into())).collect();
        crash.tags.insert("n".repeat(65), "x".into());
        assert_eq!(fact_of(&crash, &secret()).tags.len(), MOST_TAGS);
    }

    proptest! {
        #[test]
        fn texts_are_cut_between_characters_and_users_are_not_shown(text in ".{0,300}", user in "[a-z@.]{8,300}") {
            let fact = fact(&[("device", &text), ("user.id", &user)]);
            let device = fact.device.clone().unwrap_or_default();
            prop_assert!(device.chars().count() <= LONGEST_TEXT);
            prop_assert!(text.trim().starts_with(&device));
            prop_assert_eq!(device.is_empty(), text.trim().is_empty());
            let hash = fact.user.unwrap_or_default();
            prop_assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
