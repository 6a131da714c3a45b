//! Whom it happened to, and on whose machine: ids and names that engines, stores and games give players.

use std::borrow::Cow;

use crate::{named, names};

/// What stands in their place, as in the place of a home directory's name.
pub(crate) const MARK: &str = "[user]";

/// So many digits tell nobody apart: a player of a match, a place in a list.
const FEWEST_DIGITS: usize = 4;

/// The values of `LoginId=...`, `"user_id": "..."`, `<MachineId>...</MachineId>`.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    named::scrub(text, MARK, |name, _| names::is_identity(name), |named| tells(named.value))
}

/// Whether a value tells somebody apart.
pub(crate) fn tells(value: &str) -> bool {
    let value = value.trim();
    let is_small =
        value.len() < FEWEST_DIGITS && value.bytes().all(|next| next.is_ascii_digit() || next == b'-');
    !is_small && !named::says_nothing(value)
}
