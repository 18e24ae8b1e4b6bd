//! Where a pod may run: affinity, tolerations, spread constraints, gates.
//! Models `pkg/apis/core/validation/validation.go` (validateAffinity, ValidateTolerations, validateTopologySpreadConstraints).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSchedulingGate,
    PreferredSchedulingTerm, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm,
};

use crate::registry::validation::prelude::*;
use crate::registry::validation::selector;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const WEIGHT: &str = "must be in the range 1-100";

pub(super) fn affinity(affinity: &Affinity, path: &Path, errs: &mut ErrorList) {
    if let Some(node) = &affinity.node_affinity {
        let at = path.child("nodeAffinity");
        if let Some(selector) = &node.required_during_scheduling_ignored_during_execution {
            node_selector(selector, &at.child(REQUIRED), errs);
        }
        let preferred = list(&node.preferred_during_scheduling_ignored_during_execution);
        preferred_terms(preferred, &at.child(PREFERRED), errs);
    }
    if let Some(pod) = &affinity.pod_affinity {
        let at = path.child("podAffinity");
        terms(list(&pod.required_during_scheduling_ignored_during_execution), &at.child(REQUIRED), errs);
        let preferred = list(&pod.preferred_during_scheduling_ignored_during_execution);
        weighted_terms(preferred, &at.child(PREFERRED), errs);
    }
    if let Some(pod) = &affinity.pod_anti_affinity {
        let at = path.child("podAntiAffinity");
        terms(list(&pod.required_during_scheduling_ignored_during_execution), &at.child(REQUIRED), errs);
        let preferred = list(&pod.preferred_during_scheduling_ignored_during_execution);
        weighted_terms(preferred, &at.child(PREFERRED), errs);
    }
}

/// Upstream's `ValidateNodeSelector`.
pub(crate) fn node_selector(selector: &NodeSelector, path: &Path, errs: &mut ErrorList) {
    let at = path.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errs.push(Error::required(&at, "must have at least one node selector term"));
    }
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        node_selector_term(term, true, &at.index(i), errs);
    }
}

fn preferred_terms(terms: &[PreferredSchedulingTerm], path: &Path, errs: &mut ErrorList) {
    for (i, term) in terms.iter().enumerate() {
        let at = path.index(i);
        if !(1..=100).contains(&term.weight) {
            errs.push(Error::invalid(&at.child("weight"), &json!(term.weight), WEIGHT));
        }
        // A preference with a label value that can't exist merely never helps, so upstream lets it be.
        node_selector_term(&term.preference, false, &at.child("preference"), errs);
    }
}

fn node_selector_term(term: &NodeSelectorTerm, check_values: bool, path: &Path, errs: &mut ErrorList) {
    let expressions = path.child("matchExpressions");
    for (i, r) in list(&term.match_expressions).iter().enumerate() {
        node_requirement(r, check_values, &expressions.index(i), errs);
    }
    let fields = path.child("matchFields");
    for (i, r) in list(&term.match_fields).iter().enumerate() {
        node_field_requirement(r, &fields.index(i), errs);
    }
}

fn node_requirement(r: &NodeSelectorRequirement, check_values: bool, path: &Path, errs: &mut ErrorList) {
    let values = list(&r.values);
    let values_path = path.child("values");
    match r.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            errs.push(Error::required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'"))
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => errs
            .push(Error::forbidden(&values_path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")),
        "Gt" | "Lt" if values.len() != 1 => {
            errs.push(Error::required(&values_path, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errs.push(Error::invalid_str(&path.child("operator"), other, "not a valid selector operator")),
    }
    names::label_name(&r.key, &path.child("key"), errs);
    if check_values {
        for (i, value) in values.iter().enumerate() {
            invalid_each(names::label_value_messages(value), value, &values_path.index(i), errs);
        }
    }
}

fn node_field_requirement(r: &NodeSelectorRequirement, path: &Path, errs: &mut ErrorList) {
    let values = list(&r.values);
    let values_path = path.child("values");
    match r.operator.as_str() {
        "In" | "NotIn" if values.len() != 1 => errs.push(Error::required(
            &values_path,
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        )),
        "In" | "NotIn" => {}
        other => errs.push(Error::invalid_str(&path.child("operator"), other, "not a valid selector operator")),
    }
    if r.key == "metadata.name" {
        for (i, value) in values.iter().enumerate() {
            names::dns_subdomain(value, &values_path.index(i), errs);
        }
    } else {
        errs.push(Error::invalid_str(&path.child("key"), &r.key, "not a valid field selector key"));
    }
}

fn terms(terms: &[PodAffinityTerm], path: &Path, errs: &mut ErrorList) {
    for (i, term) in terms.iter().enumerate() {
        pod_affinity_term(term, &path.index(i), errs);
    }
}

fn weighted_terms(terms: &[WeightedPodAffinityTerm], path: &Path, errs: &mut ErrorList) {
    for (i, term) in terms.iter().enumerate() {
        let at = path.index(i);
        if !(1..=100).contains(&term.weight) {
            errs.push(Error::invalid(&at.child("weight"), &json!(term.weight), WEIGHT));
        }
        pod_affinity_term(&term.pod_affinity_term, &at.child("podAffinityTerm"), errs);
    }
}

fn pod_affinity_term(term: &PodAffinityTerm, path: &Path, errs: &mut ErrorList) {
    selector::validate(term.label_selector.as_ref(), &path.child("labelSelector"), errs);
    selector::validate(term.namespace_selector.as_ref(), &path.child("namespaceSelector"), errs);
    for namespace in list(&term.namespaces) {
        names::dns_label(namespace, &path.child("namespace"), errs);
    }
    label_keys(list(&term.match_label_keys), list(&term.mismatch_label_keys), &term.label_selector, path, errs);
    let key_path = path.child("topologyKey");
    if term.topology_key.is_empty() {
        errs.push(Error::required(&key_path, "can not be empty"));
    }
    names::label_name(&term.topology_key, &key_path, errs);
}

/// Upstream's `ValidateMatchLabelKeysAndMismatchLabelKeys`.
fn label_keys(
    matched: &[String],
    mismatched: &[String],
    label_selector: &Option<LabelSelector>,
    path: &Path,
    errs: &mut ErrorList,
) {
    for (field, keys) in [("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)] {
        if keys.is_empty() {
            continue;
        }
        let at = path.child(field);
        if label_selector.is_none() {
            errs.push(Error::forbidden(&at, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (i, key) in keys.iter().enumerate() {
            names::label_name(key, &at.index(i), errs);
        }
    }
    if let Some(label_selector) = label_selector {
        let at: BTreeMap<&str, usize> = matched.iter().enumerate().map(|(i, k)| (k.as_str(), i)).collect();
        let mut seen: BTreeSet<&str> = entries(&label_selector.match_labels).map(|(k, _)| k).collect();
        for r in list(&label_selector.match_expressions) {
            if let Some(i) = at.get(r.key.as_str())
                && seen.contains(r.key.as_str())
            {
                errs.push(Error::invalid_str(
                    &path.index(*i),
                    &r.key,
                    "exists in both matchLabelKeys and labelSelector",
                ));
            }
            seen.insert(&r.key);
        }
    }
    let at = path.child("matchLabelKeys");
    for (i, key) in matched.iter().enumerate().filter(|(_, k)| mismatched.contains(k)) {
        errs.push(Error::invalid_str(&at.index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys"));
    }
}

/// Upstream's `validateTaintEffect`.
pub(crate) fn taint_effect(effect: &str, path: &Path, errs: &mut ErrorList) {
    one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"], path, errs);
}

/// Upstream's `ValidateTolerations`.
pub(crate) fn tolerations(tolerations: &[Toleration], path: &Path, errs: &mut ErrorList) {
    for (i, t) in tolerations.iter().enumerate() {
        let at = path.index(i);
        let (key, operator, value, effect) = (text(&t.key), text(&t.operator), text(&t.value), text(&t.effect));
        if !key.is_empty() {
            names::label_name(key, &at.child("key"), errs);
        }
        let operator_path = at.child("operator");
        if key.is_empty() && operator != "Exists" {
            errs.push(Error::invalid_str(
                &operator_path,
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ));
        }
        if t.toleration_seconds.is_some() && effect != "NoExecute" {
            errs.push(Error::invalid_str(
                &at.child("effect"),
                effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            ));
        }
        match operator {
            "" | "Equal" => {
                let messages = names::label_value_messages(value);
                if !messages.is_empty() {
                    errs.push(Error::invalid_str(&operator_path, value, messages.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    errs.push(Error::invalid_str(
                        &operator_path,
                        value,
                        "value must be empty when `operator` is 'Exists'",
                    ));
                }
            }
            // Known, but behind a feature gate that is off.
            "Lt" | "Gt" => {
                errs.push(Error::not_supported(&operator_path, operator, &["Equal", "Exists", "Lt", "Gt"]));
            }
            other => errs.push(Error::not_supported(&operator_path, other, &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            taint_effect(effect, &at.child("effect"), errs);
        }
    }
}

pub(super) fn spread_constraints(constraints: &[TopologySpreadConstraint], path: &Path, errs: &mut ErrorList) {
    for (i, c) in constraints.iter().enumerate() {
        let at = path.index(i);
        positive(i64::from(c.max_skew), &at.child("maxSkew"), errs);
        if c.topology_key.is_empty() {
            errs.push(Error::required(&at.child("topologyKey"), "can not be empty"));
        }
        one_of(&c.when_unsatisfiable, &["DoNotSchedule", "ScheduleAnyway"], &at.child("whenUnsatisfiable"), errs);
        let repeated = constraints
            .iter()
            .skip(i + 1)
            .any(|o| o.topology_key == c.topology_key && o.when_unsatisfiable == c.when_unsatisfiable);
        if repeated {
            errs.push(Error::duplicate(
                &at.child("{topologyKey, whenUnsatisfiable}"),
                &json!(format!("{{{}, {}}}", c.topology_key, c.when_unsatisfiable)),
            ));
        }
        if let Some(domains) = c.min_domains {
            let domains_path = at.child("minDomains");
            positive(i64::from(domains), &domains_path, errs);
            if c.when_unsatisfiable != "DoNotSchedule" {
                errs.push(Error::invalid(
                    &domains_path,
                    &json!(domains),
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", c.when_unsatisfiable),
                ));
            }
        }
        for (field, policy) in
            [("nodeAffinityPolicy", &c.node_affinity_policy), ("nodeTaintsPolicy", &c.node_taints_policy)]
        {
            if let Some(policy) = policy {
                one_of(policy, &["Honor", "Ignore"], &at.child(field), errs);
            }
        }
        label_keys(list(&c.match_label_keys), &[], &c.label_selector, &at, errs);
        selector::validate(c.label_selector.as_ref(), &at.child("labelSelector"), errs);
    }
}

pub(super) fn gates(gates: &[PodSchedulingGate], path: &Path, errs: &mut ErrorList) {
    for (i, gate) in gates.iter().enumerate() {
        let at = path.index(i);
        names::qualified_name(&gate.name, &at, errs);
        if gates.iter().take(i).any(|o| o.name == gate.name) {
            errs.push(Error::duplicate(&at, &json!(gate.name)));
        }
    }
}
