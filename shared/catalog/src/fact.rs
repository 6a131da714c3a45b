//! Facts that are in no segment yet, as rows. What SQL asks for has a column; the rest is one text of JSON.

use std::collections::BTreeMap;

use epitaph_crash_model::Fact;
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow};

use crate::{CatalogError, questions::Question, row};

/// The columns of facts `f` that [`read`] reads.
macro_rules! fact_columns {
    () => {
        "f.crash_id, f.project, f.received_at, f.occurred_at, f.weight, f.signature, f.kind, f.reason, f.release, \
         f.environment, f.platform, f.os_version, f.arch, f.device, f.gpu, f.user_hash, f.uptime_seconds, \
         f.unreadable, f.more"
    };
}
pub(crate) use fact_columns;

/// Its first values are those that [`bind`] binds.
pub(crate) const ADD: &str = "INSERT INTO facts (project, crash_id, received_at, occurred_at, weight, signature, \
    kind, reason, release, environment, platform, os_version, arch, device, gpu, user_hash, uptime_seconds, \
    unreadable, more, attempt, counted_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
    ON CONFLICT DO NOTHING";

/// What of a fact no statement asks for.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreground: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl More {
    fn of(fact: &Fact) -> Self {
        Self {
            build: fact.build.clone(),
            branch: fact.branch.clone(),
            resource_version: fact.resource_version.clone(),
            gpu_driver: fact.gpu_driver.clone(),
            memory_class: fact.memory_class.clone(),
            country: fact.country.clone(),
            locale: fact.locale.clone(),
            engine: fact.engine.clone(),
            store: fact.store.clone(),
            level: fact.level.clone(),
            server: fact.server.clone(),
            foreground: fact.foreground,
            session: fact.session.clone(),
            tags: fact.tags.clone(),
        }
    }

    /// `None` where there is nothing to tell.
    fn written(&self) -> Result<Option<String>, CatalogError> {
        if *self == Self::default() {
            return Ok(None);
        }
        serde_json::to_string(self).map(Some).map_err(|error| CatalogError::Refused(error.into()))
    }

    fn read(row: &AnyRow) -> Result<Self, CatalogError> {
        let text: Option<&str> = row.try_get("more")?;
        let read = |text| serde_json::from_str(text).map_err(|_| CatalogError::unreadable("more", text));
        text.map_or_else(|| Ok(Self::default()), read)
    }
}

/// Binds the values of all columns of a fact, in the order of [`ADD`].
pub(crate) fn bind<'q>(question: Question<'q>, fact: &Fact) -> Result<Question<'q>, CatalogError> {
    Ok(question
        .bind(fact.project.as_i64())
        .bind(fact.crash_id.to_string())
        .bind(fact.received_at.as_millis())
        .bind(fact.occurred_at.as_millis())
        .bind(i64::from(fact.weight))
        .bind(fact.signature.to_string())
        .bind(fact.kind.as_str())
        .bind(row::optional_text(fact.reason.as_ref()))
        .bind(row::optional_text(fact.release.as_ref()))
        .bind(row::optional_text(fact.environment.as_ref()))
        .bind(row::optional_text(fact.platform.as_ref()))
        .bind(row::optional_text(fact.os_version.as_ref()))
        .bind(row::optional_text(fact.arch.as_ref()))
        .bind(row::optional_text(fact.device.as_ref()))
        .bind(row::optional_text(fact.gpu.as_ref()))
        .bind(row::optional_text(fact.user.as_ref()))
        .bind(fact.uptime_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)))
        .bind(i64::from(fact.unreadable))
        .bind(More::of(fact).written()?))
}

pub(crate) fn read(row: &AnyRow) -> Result<Fact, CatalogError> {
    let more = More::read(row)?;
    Ok(Fact {
        crash_id: row::parsed(row, "crash_id")?,
        project: row::project(row, "project")?,
        received_at: row::time(row, "received_at")?,
        occurred_at: row::time(row, "occurred_at")?,
        weight: row::number(row, "weight")?,
        signature: row::parsed(row, "signature")?,
        kind: row::parsed(row, "kind")?,
        reason: row.try_get("reason")?,
        release: row.try_get("release")?,
        build: more.build,
        branch: more.branch,
        resource_version: more.resource_version,
        environment: row.try_get("environment")?,
        platform: row.try_get("platform")?,
        os_version: row.try_get("os_version")?,
        arch: row.try_get("arch")?,
        device: row.try_get("device")?,
        gpu: row.try_get("gpu")?,
        gpu_driver: more.gpu_driver,
        memory_class: more.memory_class,
        country: more.country,
        locale: more.locale,
        engine: more.engine,
        store: more.store,
        level: more.level,
        server: more.server,
        foreground: more.foreground,
        session: more.session,
        user: row.try_get("user_hash")?,
        uptime_seconds: row::optional_number(row, "uptime_seconds")?,
        unreadable: row.try_get::<i64, _>("unreadable")? != 0,
        tags: more.tags,
    })
}
