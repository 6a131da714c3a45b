//! Debug files on their way to symbols.

use bytes::Bytes;
use epitaph_bucket::Key;
use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_secrets::Purpose;

use super::house::House;

const PROJECT: ProjectId = ProjectId::FIRST;

/// What names a content.
pub(crate) fn digest<D: sha2::Digest>(name: &str, content: &[u8]) -> String {
    let digits: String = D::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}:{digits}")
}

/// Puts the content into the bucket in parts, and tells of it.
pub(crate) async fn uploaded(house: &House, content: &[u8]) -> UploadedFile {
    let mut parts = Vec::new();
    for (index, part) in content.chunks(50).enumerate() {
        let key = Key::symbol_part(PROJECT, "an upload", &index.to_string());
        house.bucket.put(&key, Bytes::copy_from_slice(part)).await.unwrap();
        parts.push(key.to_string());
    }
    UploadedFile {
        version: UPLOADED_FILE_VERSION,
        project: PROJECT,
        digest: digest::<sha2::Sha256>("sha256", content),
        name: "game.sym".to_owned(),
        size: content.len() as u64,
        release: Some("1.0".to_owned()),
        parts,
    }
}

/// The message about an uploaded file.
pub(crate) fn message(house: &House, uploaded: &UploadedFile) -> Message {
    let (kind, now) = (MessageKind::DebugFile, Timestamp::now());
    let mut message = Message::new(kind, PROJECT, uploaded.digest.clone(), now, uploaded).unwrap();
    house.secret.derive(Purpose::Message).sign_message(&mut message);
    message
}
