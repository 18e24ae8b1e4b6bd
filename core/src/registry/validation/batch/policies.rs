//! A Job's policies of pod failure, success and replacement.
//! Models `validatePodFailurePolicy`, `validateSuccessPolicy` and `validatePodReplacementPolicy`.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

use super::indexes;
use crate::registry::defaults::exit_codes;
use crate::registry::validation::go::{Go, each, fields};
use crate::registry::validation::prelude::*;

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const PATTERNS_MAX: usize = 20;
const SUCCEEDED_INDEXES_BYTES_MAX: usize = 64 * 1024;

const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];

/// `["a" "b"]`, as Go's `%q` prints a slice.
fn go_list(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|v| crate::api::field::quote(v)).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

fn required_one_of(value: &str, supported: &[&str], path: &Path, errs: &mut ErrorList) {
    if value.is_empty() {
        errs.push(Error::required(path, go_list(supported)));
    } else {
        one_of(value, supported, path, errs);
    }
}

pub(super) fn failure(policy: &PodFailurePolicy, spec: &JobSpec, path: &Path, errs: &mut ErrorList) {
    let rules_path = path.child("rules");
    if policy.rules.len() > RULES_MAX {
        errs.push(Error::too_many(&rules_path, policy.rules.len(), RULES_MAX));
    }
    let of_template = spec.template.spec.as_ref();
    let containers = of_template.into_iter().flat_map(|s| s.containers.iter().chain(list(&s.init_containers)));
    let names: BTreeSet<&str> = containers.map(|c| c.name.as_str()).collect();
    for (i, rule) in policy.rules.iter().enumerate() {
        failure_rule(rule, spec, &names, &rules_path.index(i), errs);
    }
}

fn failure_rule(
    rule: &PodFailurePolicyRule,
    spec: &JobSpec,
    containers: &BTreeSet<&str>,
    path: &Path,
    errs: &mut ErrorList,
) {
    let action_path = path.child("action");
    if rule.action != "FailIndex" {
        required_one_of(&rule.action, ACTIONS, &action_path, errs);
    } else if spec.backoff_limit_per_index.is_none() {
        errs.push(Error::invalid_str(&action_path, &rule.action, "requires the backoffLimitPerIndex to be set"));
    }
    if let Some(codes) = &rule.on_exit_codes {
        check_exit_codes(codes, containers, &path.child("onExitCodes"), errs);
    }
    let patterns = list(&rule.on_pod_conditions);
    if !patterns.is_empty() {
        pod_conditions(patterns, &path.child("onPodConditions"), errs);
    }
    match (rule.on_exit_codes.is_some(), !patterns.is_empty()) {
        (true, true) => {
            errs.push(Error::invalid_omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
        }
        (false, false) => {
            errs.push(Error::invalid_omitted(path, "specifying one of OnExitCodes and OnPodConditions is required"))
        }
        _ => {}
    }
}

fn pod_conditions(patterns: &[PodFailurePolicyOnPodConditionsPattern], path: &Path, errs: &mut ErrorList) {
    if patterns.len() > PATTERNS_MAX {
        errs.push(Error::too_many(path, patterns.len(), PATTERNS_MAX));
    }
    for (i, pattern) in patterns.iter().enumerate() {
        let at = path.index(i);
        names::qualified_name(&pattern.type_, &at.child("type"), errs);
        required_one_of(text(&pattern.status), STATUSES, &at.child("status"), errs);
    }
}

fn check_exit_codes(
    codes: &PodFailurePolicyOnExitCodesRequirement,
    containers: &BTreeSet<&str>,
    path: &Path,
    errs: &mut ErrorList,
) {
    required_one_of(&codes.operator, OPERATORS, &path.child("operator"), errs);
    if let Some(name) = codes.container_name.as_deref().filter(|n| !containers.contains(n)) {
        errs.push(Error::invalid_str(
            &path.child("containerName"),
            name,
            "must be one of the container or initContainer names in the pod template",
        ));
    }
    let values_path = path.child("values");
    let given = exit_codes(&codes.values);
    let values = given.unwrap_or_default();
    if values.is_empty() {
        errs.push(Error::invalid(&values_path, &json!(given), "at least one value is required"));
    } else if values.len() > EXIT_CODES_MAX {
        errs.push(Error::too_many(&values_path, values.len(), EXIT_CODES_MAX));
    }
    let mut seen = BTreeSet::new();
    for (i, value) in values.iter().enumerate() {
        let at = values_path.index(i);
        if codes.operator == "In" && *value == 0 {
            errs.push(Error::invalid(&at, &json!(value), "must not be 0 for the In operator"));
        }
        if !seen.insert(*value) {
            errs.push(Error::duplicate(&at, &json!(value)));
        }
    }
    if !values.is_sorted() {
        errs.push(Error::invalid(&values_path, &json!(values), "must be ordered"));
    }
}

pub(super) fn success(policy: &SuccessPolicy, completions: Option<i32>, path: &Path, errs: &mut ErrorList) {
    let rules_path = path.child("rules");
    if policy.rules.is_empty() {
        errs.push(Error::required(
            &rules_path,
            "at least one rules must be specified when the successPolicy is specified",
        ));
    }
    if policy.rules.len() > RULES_MAX {
        errs.push(Error::too_many(&rules_path, policy.rules.len(), RULES_MAX));
    }
    for (i, rule) in policy.rules.iter().enumerate() {
        success_rule(rule, completions.unwrap_or(0), &rules_path.index(i), errs);
    }
}

fn success_rule(rule: &SuccessPolicyRule, completions: i32, path: &Path, errs: &mut ErrorList) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        errs.push(Error::required(path, "at least one of succeededCount or succeededIndexes must be specified"));
    }
    let mut total = 0;
    if let Some(indexes) = &rule.succeeded_indexes {
        let at = path.child("succeededIndexes");
        if indexes.len() > SUCCEEDED_INDEXES_BYTES_MAX {
            errs.push(Error::too_long(&at, SUCCEEDED_INDEXES_BYTES_MAX));
        }
        match indexes::count(indexes, completions) {
            Ok(n) => total = n,
            Err(e) => errs.push(Error::invalid_str(&at, indexes, format!("error parsing succeededIndexes: {e}"))),
        }
    }
    let Some(count) = rule.succeeded_count else { return };
    let at = path.child("succeededCount");
    nonnegative(count.into(), &at, errs);
    if count > completions {
        let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
        errs.push(Error::invalid(&at, &json!(count), detail));
    }
    if rule.succeeded_indexes.is_some() && count > total {
        let detail = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        errs.push(Error::invalid(&at, &json!(count), detail));
    }
}

pub(super) fn replacement(spec: &JobSpec, path: &Path, errs: &mut ErrorList) {
    let Some(policy) = &spec.pod_replacement_policy else { return };
    let supported: &[&str] =
        if spec.pod_failure_policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    one_of(policy, supported, path, errs);
}

/// The policies as upstream's internal structs print.
pub(super) fn shown_failure(policy: &PodFailurePolicy) -> Go {
    let rules = policy.rules.iter().map(|r| {
        fields! {
            "Action": &r.action,
            "OnExitCodes": r.on_exit_codes.as_ref().map(|c| fields! {
                "ContainerName": c.container_name.as_ref(),
                "Operator": &c.operator,
                "Values": exit_codes(&c.values).map(|all| Go::List(all.iter().map(|v| (*v).into()).collect())),
            }),
            "OnPodConditions": each(&r.on_pod_conditions, |p| fields! {
                "Type": &p.type_, "Status": text(&p.status)
            }),
        }
    });
    fields! { "Rules": Go::List(rules.collect()) }
}

pub(super) fn shown_success(policy: &SuccessPolicy) -> Go {
    let rules = policy.rules.iter().map(|r| {
        fields! { "SucceededIndexes": r.succeeded_indexes.as_ref(), "SucceededCount": r.succeeded_count }
    });
    fields! { "Rules": Go::List(rules.collect()) }
}
