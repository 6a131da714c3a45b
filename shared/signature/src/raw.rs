//! What crashes have in common before all of their symbols are here.

use epitaph_crash_model::{Frame, Signature, SignatureId, Trust};
use sha2::{Digest, Sha256};

use crate::{DEEPEST, RULES, Unsigned, exception};

/// What stands for a crash by where its frames lie: module and offset of as many frames as the rules read, how the
/// unwinder came to each, and all else that a signature depends on. Crashes with equal ones have equal signatures
/// whichever symbols come, as long as their stacks are still unwound alike.
///
/// Symbols do not change it: functions count only where a client gave them, so frames are to be given as they were
/// before a client's were symbolicated, and those that symbols say were inlined are left out.
pub fn raw(crash: &Unsigned<'_>) -> SignatureId {
    let mut hash = Parts::new("raw");
    let mut read = 0;
    for frame in crash.frames {
        if read == DEEPEST {
            break;
        }
        if !frame.inline {
            read += 1;
        } else if frame.trust != Trust::Given {
            continue;
        }
        hash.frame(frame);
    }
    hash.part("end");
    hash.part(crash.kind.as_str());
    hash.part(crash.reason.map(str::trim).unwrap_or_default());
    if let Some((exception, kind)) = exception::naming(crash.exceptions) {
        hash.part(&kind);
        hash.part(&exception.message.as_deref().and_then(exception::shape).unwrap_or_default());
    }
    hash.part("said");
    hash.part(&crash.message.and_then(exception::shape).unwrap_or_default());
    crash.fingerprint.iter().for_each(|part| hash.part(part));
    hash.id()
}

/// What stands for those of the crashes with a raw signature that turned out to have another signature than the rest.
pub fn raw_as(raw: SignatureId, signature: &Signature) -> SignatureId {
    let mut hash = Parts::new("raw as");
    hash.part(&raw.to_string());
    hash.part(&signature.id.to_string());
    hash.id()
}

/// Texts that are hashed one by one.
struct Parts(Sha256);

impl Parts {
    fn new(what: &str) -> Self {
        let mut parts = Self(Sha256::new());
        // No names of a signature begin so.
        parts.0.update(format!("{RULES}\0\u{1}{what}"));
        parts
    }

    /// The length comes first, so that no two lists of parts give the same bytes.
    fn part(&mut self, part: &str) {
        self.0.update(part.len().to_le_bytes());
        self.0.update(part);
    }

    fn frame(&mut self, frame: &Frame) {
        let given = frame.trust == Trust::Given;
        let managed = frame.address.0 == 0;
        let offset = frame.offset.map(|offset| offset.0);
        let Frame { trust, in_app, inline, .. } = frame;
        self.part(&format!("{trust:?} {in_app:?} {inline} {managed} {offset:?}"));
        self.part(frame.debug_id.as_deref().unwrap_or_default());
        self.part(frame.module.as_deref().unwrap_or_default());
        self.part(frame.function.as_deref().filter(|_| given).unwrap_or_default());
    }

    fn id(self) -> SignatureId {
        let digest: [u8; 32] = self.0.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        SignatureId::from_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::Address;

    use super::*;

    fn frames(offsets: impl IntoIterator<Item = u64>) -> Vec<Frame> {
        let frame = |offset| Frame {
            module: Some("game".into()),
            debug_id: Some("5A9832E5287241C1838ED98914E9B7FF1".into()),
            address: Address(0x40_0000 + offset),
            offset: Some(Address(offset)),
            trust: Trust::Cfi,
            ..Frame::default()
        };
        offsets.into_iter().map(frame).collect()
    }

    fn raw_of(frames: &[Frame]) -> SignatureId {
        raw(&Unsigned { frames, ..Unsigned::default() })
    }

    #[test]
    fn symbols_and_where_modules_were_loaded_do_not_change_it() {
        let plain = frames([1, 2, 3]);
        let mut named = plain.clone();
        for frame in &mut named {
            frame.function = Some("draw".into());
            frame.line = Some(7);
            frame.address.0 += 0x1000;
        }
        named.insert(1, Frame { inline: true, function: Some("inlined".into()), ..named[1].clone() });
        assert_eq!(raw_of(&plain), raw_of(&named));
    }

    #[test]
    fn all_that_the_rules_may_read_changes_it_and_nothing_else() {
        let deepest = DEEPEST as u64;
        let first = raw_of(&frames(0..deepest));
        assert_eq!(first, raw_of(&frames(0..deepest + 9)));
        assert_ne!(first, raw_of(&frames(0..deepest - 1)));
        assert_ne!(first, raw_of(&frames((0..deepest - 1).chain([999]))));
        let mut scanned = frames(0..deepest);
        scanned[4].trust = Trust::Scan;
        assert_ne!(first, raw_of(&scanned));
        let frames = frames(0..deepest);
        let reason = Unsigned { frames: &frames, reason: Some("SIGABRT"), ..Unsigned::default() };
        assert_ne!(first, raw(&reason));
        let said =
            |message| raw(&Unsigned { frames: &frames, message: Some(message), ..Unsigned::default() });
        assert_eq!(said("object 1 is gone"), said("object 22 is gone"));
        assert_ne!(said("object 1 is gone"), said("no such object"));
    }
}
