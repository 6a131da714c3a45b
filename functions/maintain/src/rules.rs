//! The rules: the catalog has them, and collectors read a copy.

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_catalog::Catalog;
use epitaph_rules::{LARGEST_DOCUMENT, Rules};

use crate::MaintenanceError;

/// The rules that are in force.
pub(crate) async fn current(catalog: &Catalog) -> Result<Rules, MaintenanceError> {
    Ok(match catalog.rules().await? {
        Some(found) => Rules { revision: found.revision, ..Rules::read(found.document.as_bytes())? },
        None => Rules::default(),
    })
}

/// Publishes the rules of the catalog to the bucket, unless they are there. So a copy that was lost comes back.
///
/// # Errors
/// When an engine failed, or what the catalog holds cannot be read.
pub async fn publish_rules(catalog: &Catalog, bucket: &Bucket) -> Result<(), MaintenanceError> {
    let rules = current(catalog).await?;
    let wanted = Bytes::from(rules.write()?);
    let there = match bucket.get(&Key::rules(), LARGEST_DOCUMENT).await {
        Ok(there) => there == wanted,
        Err(BucketError::NotFound(_) | BucketError::TooLarge { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !there {
        bucket.put(&Key::rules(), wanted).await?;
    }
    Ok(())
}
