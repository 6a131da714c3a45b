//! Every secret of an installation, derived from one.
//!
//! `EPITAPH_SECRET` is the root. Each use has a secret of its own, HMAC-SHA256 of a label under the root, so that a
//! function can be given only what it needs: a collector that is taken over can make project keys and sign messages,
//! but cannot open a session or an upload.

use std::fmt;

use epitaph_crash_model::{Message, ProjectId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

type HmacSha256 = Hmac<Sha256>;

/// The fewest bytes that a root secret may have.
pub const SHORTEST_ROOT: usize = 16;

/// A secret that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The root is too short to keep anything safe.
    #[error(
        "has {0} characters; expected at least {SHORTEST_ROOT}, such as the output of `openssl rand -hex 32`"
    )]
    TooShort(usize),
    /// A derived secret is not the hexadecimal form that this crate gives.
    #[error("expected 64 hexadecimal digits, as `epitaph secrets collector` prints them")]
    NotHex,
}

/// What a derived secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Project keys, which clients authenticate with.
    Ingest,
    /// Signatures of messages between functions.
    Message,
    /// Sessions of people on the pages.
    Session,
    /// Tokens for looking symbols up.
    Symbols,
    /// Tokens for uploading debug files.
    Upload,
    /// Hashes that stand for users in facts.
    UserHash,
}

impl Purpose {
    /// The label that the root is mixed with.
    pub const fn label(self) -> &'static str {
        match self {
            Purpose::Ingest => "ingest",
            Purpose::Message => "message",
            Purpose::Session => "session",
            Purpose::Symbols => "symbols",
            Purpose::Upload => "upload",
            Purpose::UserHash => "user-hash",
        }
    }
}

/// The secret that all others are derived from.
#[derive(Clone)]
pub struct RootSecret(String);

impl RootSecret {
    /// Takes the root as an operator sets it.
    ///
    /// # Errors
    /// When it is shorter than [`SHORTEST_ROOT`].
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.len() < SHORTEST_ROOT {
            return Err(SecretError::TooShort(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The root itself, for handing it to another process of this installation.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The secret for one purpose.
    pub fn derive(&self, purpose: Purpose) -> Secret {
        Secret(hmac(self.0.as_bytes(), &[purpose.label().as_bytes()]))
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RootSecret(..)")
    }
}

/// The secret of one purpose.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Reads the form that [`Secret::to_hex`] gives, for a function that is not given the root.
    ///
    /// # Errors
    /// When it is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.len() != 64 || !text.is_ascii() {
            return Err(SecretError::NotHex);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[index * 2..index * 2 + 2];
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(SecretError::NotHex);
            }
            *byte = u8::from_str_radix(digits, 16).map_err(|_| SecretError::NotHex)?;
        }
        Ok(Self(bytes))
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// HMAC-SHA256 of a text under this secret, in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        hex(&hmac(&self.0, &[text.as_bytes()]))
    }

    /// Whether `signature` is what [`Secret::sign`] gives for `text`, in constant time.
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        equal(self.sign(text).as_bytes(), signature.as_bytes())
    }

    /// The key of a project: the first 32 hexadecimal digits of HMAC-SHA256 of `{project}/{generation}`.
    pub fn project_key(&self, project: ProjectId, generation: u32) -> String {
        let mut key = hex(&hmac(&self.0, &[format!("{project}/{generation}").as_bytes()]));
        key.truncate(32);
        key
    }

    /// Whether `key` is the project's in one of the generations. Every generation is compared, whichever matches, so
    /// that the time taken tells nothing.
    pub fn is_project_key(&self, project: ProjectId, generations: &[u32], key: &str) -> bool {
        let key = key.as_bytes();
        let matches = generations
            .iter()
            .map(|&generation| self.project_key(project, generation))
            .fold(subtle::Choice::from(0), |found, expected| found | expected.as_bytes().ct_eq(key));
        matches.into()
    }

    /// The token of a project, for where nothing else says which project it is: its number, a hyphen, and its key under
    /// this secret.
    pub fn project_token(&self, project: ProjectId, generation: u32) -> String {
        format!("{project}-{}", self.project_key(project, generation))
    }

    /// The project whose token it is, in one of the generations.
    pub fn project_of_token(&self, generations: &[u32], token: &str) -> Option<ProjectId> {
        let (project, key) = token.split_once('-')?;
        let project = project.parse().ok()?;
        self.is_project_key(project, generations, key).then_some(project)
    }

    /// Signs a message in place.
    pub fn sign_message(&self, message: &mut Message) {
        message.epitaphmac = self.message_mac(message);
    }

    /// Whether a message carries this installation's signature.
    pub fn is_signed(&self, message: &Message) -> bool {
        equal(self.message_mac(message).as_bytes(), message.epitaphmac.as_bytes())
    }

    fn message_mac(&self, message: &Message) -> String {
        let parts = message.signed_parts();
        let mut bytes: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        bytes.push(message.data.get().as_bytes());
        hex(&framed_hmac(&self.0, &bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Compares two texts in a time that depends on their lengths only.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn framed_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// By hand: formatting each byte took an eighth of what a small report costs a collector.
fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{MessageKind, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn ingest() -> Secret {
        RootSecret::new("an example of a root secret").unwrap().derive(Purpose::Ingest)
    }

    fn project(number: u64) -> ProjectId {
        ProjectId::try_from(number).unwrap()
    }

    /// Computed apart from this code, with `openssl dgst -sha256 -hmac`. Shipped games carry their keys for years: this
    /// must never change.
    #[test]
    fn a_project_key_is_what_openssl_computes() {
        assert_eq!(ingest().to_hex(), "450a46903262a2781943751a3b5e8764a5838ed4b886651636f39ebc3b946f7c");
        assert_eq!(ingest().project_key(project(1), 0), "e3eef2ea1f10b74f04097ef23258097a");
    }

    #[test]
    fn a_key_opens_its_own_project_and_generation_only() {
        let key = ingest().project_key(project(7), 1);
        assert!(ingest().is_project_key(project(7), &[0, 1], &key));
        assert!(!ingest().is_project_key(project(7), &[0], &key));
        assert!(!ingest().is_project_key(project(8), &[0, 1], &key));
        assert!(!ingest().is_project_key(project(7), &[1], &key[..31]));
        assert!(!ingest().is_project_key(project(7), &[], &key));
    }

    #[test]
    fn a_token_names_its_project_and_is_good_for_one_purpose() {
        let root = RootSecret::new("an example of a root secret").unwrap();
        let token = root.derive(Purpose::Upload).project_token(project(7), 0);
        assert!(token.starts_with("7-"));
        let project_of = |purpose, token: &str| root.derive(purpose).project_of_token(&[0], token);
        assert_eq!(project_of(Purpose::Upload, &token), Some(project(7)));
        assert_eq!(project_of(Purpose::Symbols, &token), None);
        assert_eq!(project_of(Purpose::Upload, &token.replacen('7', "8", 1)), None);
        for other in ["", "7", "7-", "-", "0-", &token[2..], &token[..token.len() - 1]] {
            assert_eq!(project_of(Purpose::Upload, other), None, "{other}");
        }
    }

    #[test]
    fn a_secret_reads_back_from_its_hex_and_shows_itself_to_no_log() {
        let secret = ingest();
        assert_eq!(Secret::from_hex(&secret.to_hex()).map(|secret| secret.to_hex()), Ok(secret.to_hex()));
        assert!(Secret::from_hex(&"+1".repeat(32)).is_err());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(RootSecret::new("short").unwrap_err(), SecretError::TooShort(5));
    }

    fn message(data: &str) -> Message {
        let time = Timestamp::from_millis(1_700_000_000_000);
        Message::new(MessageKind::Report, project(1), "id".into(), time, &data).unwrap()
    }

    proptest! {
        #[test]
        fn a_message_that_was_changed_is_no_longer_signed(data: String, other: String) {
            let secret = RootSecret::new("an example of a root secret").unwrap().derive(Purpose::Message);
            let mut signed = message(&data);
            prop_assert!(!secret.is_signed(&signed));
            secret.sign_message(&mut signed);
            prop_assert!(secret.is_signed(&signed));
            let mut renamed = signed.clone();
            renamed.source = "/projects/2".into();
            prop_assert!(!secret.is_signed(&renamed));
            let mut moved = signed.clone();
            moved.time = moved.time.plus_millis(1);
            prop_assert!(!secret.is_signed(&moved));
            prop_assume!(data != other);
            signed.data = message(&other).data;
            prop_assert!(!secret.is_signed(&signed));
        }
    }
}
