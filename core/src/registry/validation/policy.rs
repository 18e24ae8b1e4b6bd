//! Validation of the policy group: PodDisruptionBudgets.
//! Models `pkg/apis/policy/validation/validation.go`.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::go::{Go, fields};
use super::go_struct;
use super::prelude::*;
use super::workloads::{not_more_than_100_percent, positive_int_or_percent};
use crate::api::validation::{regex_error, validate_label_name, validate_label_selector};

const REASON_BYTES_MAX: usize = 1024;
const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// Checks a new PodDisruptionBudget. Its metadata is left to the generic checks, as upstream does.
pub fn validate_create(budget: &PodDisruptionBudget) -> ErrorList {
    spec(budget, false)
}

/// Checks a changed PodDisruptionBudget.
pub fn validate_update(new: &PodDisruptionBudget, old: &PodDisruptionBudget) -> ErrorList {
    let selector = old.spec.as_ref().and_then(|s| s.selector.as_ref());
    let was_bad = !validate_label_selector(selector, false, &Path::new("")).is_empty();
    spec(new, was_bad)
}

fn shown(spec: &PodDisruptionBudgetSpec) -> String {
    let number = |value: &Option<IntOrString>| match value {
        None => Go::Null,
        Some(IntOrString::Int(i)) => (*i).into(),
        Some(IntOrString::String(s)) => s.into(),
    };
    let of_spec = fields! {
        "MinAvailable": number(&spec.min_available),
        "Selector": spec.selector.as_ref().map(go_struct::label_selector),
        "MaxUnavailable": number(&spec.max_unavailable),
        "UnhealthyPodEvictionPolicy": spec.unhealthy_pod_eviction_policy.as_ref(),
    };
    of_spec.compact()
}

fn spec(budget: &PodDisruptionBudget, allow_bad_values: bool) -> ErrorList {
    let mut errs = ErrorList::new();
    let default = PodDisruptionBudgetSpec::default();
    let spec = budget.spec.as_ref().unwrap_or(&default);
    let path = Path::new("spec");
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        errs.push(Error::invalid_shown(&path, shown(spec), "minAvailable and maxUnavailable cannot be both set"));
    }
    for (name, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        if let Some(value) = value {
            let at = path.child(name);
            positive_int_or_percent(value, &at, &mut errs);
            not_more_than_100_percent(value, &at, &mut errs);
        }
    }
    errs.extend(validate_label_selector(spec.selector.as_ref(), allow_bad_values, &path.child("selector")));
    if let Some(policy) = &spec.unhealthy_pod_eviction_policy {
        let at = path.child("unhealthyPodEvictionPolicy");
        one_of(policy, &["AlwaysAllow", "IfHealthyBudget"], &at, &mut errs);
    }
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &PodDisruptionBudget) -> ErrorList {
    let mut errs = ErrorList::new();
    let default = PodDisruptionBudgetStatus::default();
    let s = new.status.as_ref().unwrap_or(&default);
    let path = Path::new("status");
    conditions(list(&s.conditions), &path.child("conditions"), &mut errs);
    for (name, value) in [
        ("disruptionsAllowed", s.disruptions_allowed),
        ("currentHealthy", s.current_healthy),
        ("desiredHealthy", s.desired_healthy),
        ("expectedPods", s.expected_pods),
    ] {
        nonnegative(value.unwrap_or(0).into(), &path.child(name), &mut errs);
    }
    errs
}

/// Upstream's `metav1validation.ValidateConditions`.
pub(crate) fn conditions(conditions: &[Condition], path: &Path, errs: &mut ErrorList) {
    for (i, c) in conditions.iter().enumerate() {
        let at = path.index(i);
        if conditions.iter().take(i).any(|before| before.type_ == c.type_) {
            errs.push(Error::duplicate(&at.child("type"), &json!(c.type_)));
        }
        errs.extend(validate_label_name(&c.type_, &at.child("type")));
        one_of(&c.status, &["False", "True", "Unknown"], &at.child("status"), errs);
        let generation = c.observed_generation.unwrap_or(0);
        if generation < 0 {
            errs.push(Error::invalid(
                &at.child("observedGeneration"),
                &json!(generation),
                "must be greater than or equal to zero",
            ));
        }
        if crate::registry::defaults::is_untimed(c.last_transition_time.0) {
            errs.push(Error::required(&at.child("lastTransitionTime"), ""));
        }
        let reason_path = at.child("reason");
        if c.reason.is_empty() {
            errs.push(Error::required(&reason_path, ""));
        } else {
            if !is_reason(&c.reason) {
                errs.push(Error::invalid_str(&reason_path, &c.reason, reason_message()));
            }
            if c.reason.len() > REASON_BYTES_MAX {
                errs.push(Error::too_long(&reason_path, REASON_BYTES_MAX));
            }
        }
        if c.message.len() > MESSAGE_BYTES_MAX {
            errs.push(Error::too_long(&at.child("message"), MESSAGE_BYTES_MAX));
        }
    }
}

fn is_reason(reason: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b',' | b':');
    reason.bytes().next().is_some_and(|c| c.is_ascii_alphabetic())
        && reason.bytes().last().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_')
        && reason.bytes().all(inner)
}

fn reason_message() -> String {
    regex_error(
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric \
         characters or '_,:', and must end with an alphanumeric character or '_'",
        "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
        &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
    )
}
