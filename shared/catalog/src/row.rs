//! Between columns and types. Numbers travel as BIGINT, ids as text, booleans as 0 or 1.

use std::str::FromStr;

use epitaph_crash_model::{ProjectId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::CatalogError;

/// A text as every database takes it: PostgreSQL refuses U+0000, and a report must not fail on one engine only.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(crate) fn optional_text(value: Option<&String>) -> Option<String> {
    value.map(|value| text(value))
}

pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &'static str) -> Result<T, CatalogError> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| CatalogError::unreadable(column, text))
}

pub(crate) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<T, CatalogError> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| CatalogError::unreadable(column, &number.to_string()))
}

pub(crate) fn optional_number<T: TryFrom<i64>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, CatalogError> {
    let number: Option<i64> = row.try_get(column)?;
    let read =
        |number: i64| T::try_from(number).map_err(|_| CatalogError::unreadable(column, &number.to_string()));
    number.map(read).transpose()
}

pub(crate) fn time(row: &AnyRow, column: &'static str) -> Result<Timestamp, CatalogError> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(crate) fn project(row: &AnyRow, column: &'static str) -> Result<ProjectId, CatalogError> {
    number(row, column)
}
