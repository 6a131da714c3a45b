//! Crashes for tests.

use epitaph_catalog::NewCrash;
use epitaph_crash_model::{CrashId, Fact, ProjectId, Signature, SignatureId};

/// A new crash, of one of seven signatures.
pub(crate) fn crash(number: u8) -> NewCrash {
    let id = CrashId::new();
    let signature = Signature {
        id: SignatureId::from_bytes([number % 7; 16]),
        rules: 1,
        text: format!("function_{}", number % 7),
        steps: Vec::new(),
    };
    let fact = Fact::new(id, ProjectId::FIRST, signature.id);
    NewCrash {
        fact,
        title: signature.text.clone(),
        signature,
        attempt: "1".into(),
        counted_by: None,
        lacking: None,
        client_id: None,
        dump_digest: None,
        outcomes: Vec::new(),
    }
}
