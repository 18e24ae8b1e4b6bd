//! What every strategy needs.

pub(super) use std::borrow::Cow;

pub(super) use super::strategy::{bump_generation, differs, keep, reset_meta_for_status};
pub(super) use super::{DeleteOutcome, GcPolicy, KindStrategy, ResourceInfo, ScaleSpec, StrategyContext};

/// An optional string as a field selector sees it.
pub(super) fn text(value: &Option<String>) -> Cow<'_, str> {
    Cow::Borrowed(value.as_deref().unwrap_or_default())
}

/// A flag as a field selector sees it.
pub(super) fn flag(value: Option<bool>) -> Cow<'static, str> {
    Cow::Borrowed(if value == Some(true) { "true" } else { "false" })
}
