//! Validation of the scheduling group: PriorityClasses.
//! Models `pkg/apis/scheduling/validation/validation.go`.

use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

const SYSTEM_PREFIX: &str = "system-";
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
const USER_PRIORITY_MAX: i32 = 1_000_000_000;

/// Checks a new PriorityClass.
pub fn validate_create(class: &PriorityClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&class.metadata, false, name_is_dns_subdomain, &mut errs);
    let (name, value) = (text(&class.metadata.name), class.value.unwrap_or(0));
    if name.starts_with(SYSTEM_PREFIX) {
        if let Err(e) = known_system_class(name, value, on(class.global_default)) {
            errs.push(Error::forbidden(
                &Path::new("metadata.name"),
                format!(
                    "priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {e}"
                ),
            ));
        }
    } else if value > USER_PRIORITY_MAX {
        errs.push(Error::forbidden(
            &Path::new("value"),
            format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"),
        ));
    }
    let at = Path::new("preemptionPolicy");
    match class.preemption_policy.as_deref() {
        None => {}
        Some("") => errs.push(Error::required(&at, "")),
        Some(policy) => one_of(policy, &["PreemptLowerPriority", "Never"], &at, &mut errs),
    }
    errs
}

fn known_system_class(name: &str, value: i32, global_default: bool) -> Result<(), String> {
    let Some((_, want)) = SYSTEM_CLASSES.iter().find(|(n, _)| *n == name) else {
        return Err(format!("{name} is not a known system priority class"));
    };
    if value != *want {
        return Err(format!("value of {name} PriorityClass must be {want}"));
    }
    if global_default {
        return Err(format!("globalDefault of {name} PriorityClass must be false"));
    }
    Ok(())
}

/// Checks a changed PriorityClass.
pub fn validate_update(new: &PriorityClass, old: &PriorityClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if new.value.unwrap_or(0) != old.value.unwrap_or(0) {
        errs.push(Error::forbidden(&Path::new("value"), "may not be changed in an update."));
    }
    if new.preemption_policy != old.preemption_policy {
        let at = Path::new("preemptionPolicy");
        errs.push(Error::invalid(&at, &json!(new.preemption_policy), "field is immutable"));
    }
    errs
}
