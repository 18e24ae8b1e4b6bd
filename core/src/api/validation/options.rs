//! Checks of the options that requests carry.
//! Models apimachinery `pkg/apis/meta/v1/validation/validation.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use crate::api::field::{Error, ErrorList, ErrorType, Path};

const FIELD_MANAGER_LENGTH_MAX_BYTES: usize = 128;

/// Go's `%#U`.
fn show_rune(c: char) -> String {
    if is_print(c) { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}

/// Go's `unicode.IsPrint`, near enough: no controls, no spaces but the ASCII one.
fn is_print(c: char) -> bool {
    c == ' ' || !(c.is_control() || c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}'))
}

/// `ValidateFieldManager`.
pub fn validate_field_manager(manager: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if manager.len() > FIELD_MANAGER_LENGTH_MAX_BYTES {
        errors.push(Error::too_long(path, FIELD_MANAGER_LENGTH_MAX_BYTES));
    }
    for (i, c) in manager.char_indices() {
        if !is_print(c) {
            let detail = format!("invalid character {} (at position {i})", show_rune(c));
            errors.push(Error::invalid_str(path, manager, detail));
        }
    }
    errors
}

/// An unsupported value that isn't a plain string prints as JSON.
fn not_supported(path: &Path, value: &Value, supported: &[&str]) -> Error {
    let mut e = Error::not_supported(path, "", supported);
    e.kind = ErrorType::NotSupported;
    e.bad_value = Some(value.to_string());
    e
}

/// `ValidateDryRun`.
pub fn validate_dry_run(dry_run: &[String], path: &Path) -> ErrorList {
    if dry_run.iter().all(|d| d == "All") {
        return Vec::new();
    }
    vec![not_supported(path, &json!(dry_run), &["All"])]
}

/// `ValidateFieldValidation`.
pub fn validate_field_validation(value: &str, path: &Path) -> ErrorList {
    if matches!(value, "" | "Ignore" | "Warn" | "Strict") {
        return Vec::new();
    }
    vec![Error::not_supported(path, value, &["", "Ignore", "Strict", "Warn"])]
}

/// The part of `ValidatePatchOptions` about field manager and force.
pub fn validate_patch_force(apply: bool, field_manager: &str, force: Option<bool>) -> ErrorList {
    if apply {
        if field_manager.is_empty() {
            return vec![Error::required(&Path::new("fieldManager"), "is required for apply patch")];
        }
    } else if force.is_some() {
        return vec![Error::forbidden(&Path::new("force"), "may not be specified for non-apply patch")];
    }
    Vec::new()
}

/// `ValidateDeleteOptions`.
pub fn validate_delete_options(options: &DeleteOptions) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("propagationPolicy");
    if let Some(policy) = &options.propagation_policy {
        if options.orphan_dependents.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(Error::invalid_str(&path, policy, detail));
        }
        if !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan") {
            errors.push(not_supported(&path, &json!(policy), &["Foreground", "Background", "Orphan", "nil"]));
        }
    }
    errors.extend(validate_dry_run(options.dry_run.as_deref().unwrap_or_default(), &Path::new("dryRun")));
    if options.ignore_store_read_error_with_cluster_breaking_potential == Some(true) {
        let path = Path::new("ignoreStoreReadErrorWithClusterBreakingPotential");
        for (set, name) in [
            (options.dry_run.as_ref().is_some_and(|d| !d.is_empty()), ".dryRun"),
            (options.propagation_policy.is_some(), ".propagationPolicy"),
            (options.orphan_dependents.is_some(), ".orphanDependents"),
            (options.grace_period_seconds.is_some(), ".gracePeriodSeconds"),
            (options.preconditions.is_some(), ".preconditions"),
        ] {
            if set {
                errors.push(Error::invalid(&path, &json!(true), format!("cannot be set together with {name}")));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let p = Path::new("x");
        let texts = |e: ErrorList| e.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            texts(validate_field_manager(&"a".repeat(129), &p)),
            ["x: Too long: may not be more than 128 bytes"]
        );
        assert_eq!(
            texts(validate_field_manager("a\nb", &p)),
            ["x: Invalid value: \"a\\nb\": invalid character U+000A (at position 1)"]
        );
        assert_eq!(
            texts(validate_dry_run(&["No".into()], &p)),
            ["x: Unsupported value: [\"No\"]: supported values: \"All\""]
        );
        assert_eq!(
            texts(validate_field_validation("strict", &p)),
            ["x: Unsupported value: \"strict\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""]
        );
        let options = DeleteOptions {
            propagation_policy: Some("Some".into()),
            orphan_dependents: Some(true),
            ..DeleteOptions::default()
        };
        assert_eq!(
            texts(validate_delete_options(&options)),
            [
                "propagationPolicy: Invalid value: \"Some\": orphanDependents and deletionPropagation cannot be both set",
                "propagationPolicy: Unsupported value: \"Some\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            ]
        );
    }
}
