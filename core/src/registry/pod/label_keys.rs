//! Labels of a pod that its affinity terms and spread constraints name by their keys: the values are looked up once, when
//! the pod is made. Models `pkg/registry/core/pod/strategy.go` (mutatePodAffinity, mutateTopologySpreadConstraints).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

type Labels = BTreeMap<String, String>;

/// Adds a requirement for each key that the pod has a label of. Without a selector nothing is selected, and stays so.
fn require(selector: &mut Option<LabelSelector>, keys: &Option<Vec<String>>, labels: &Labels, operator: &str) {
    let Some(selector) = selector else { return };
    for key in keys.iter().flatten() {
        let Some(value) = labels.get(key) else { continue };
        selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.to_owned(),
            values: Some(vec![value.clone()]),
        });
    }
}

fn term(term: &mut PodAffinityTerm, labels: &Labels) {
    require(&mut term.label_selector, &term.match_label_keys, labels, "In");
    require(&mut term.label_selector, &term.mismatch_label_keys, labels, "NotIn");
}

/// Looks the labels up.
pub(super) fn settle(pod: &mut Pod) {
    let Some(spec) = &mut pod.spec else { return };
    let none = Labels::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
    if let Some(affinity) = &mut spec.affinity {
        if let Some(a) = &mut affinity.pod_affinity {
            let preferred = a.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
            preferred.for_each(|t| term(&mut t.pod_affinity_term, labels));
            a.required_during_scheduling_ignored_during_execution.iter_mut().flatten().for_each(|t| term(t, labels));
        }
        if let Some(a) = &mut affinity.pod_anti_affinity {
            let preferred = a.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
            preferred.for_each(|t| term(&mut t.pod_affinity_term, labels));
            a.required_during_scheduling_ignored_during_execution.iter_mut().flatten().for_each(|t| term(t, labels));
        }
    }
    for c in spec.topology_spread_constraints.iter_mut().flatten() {
        require(&mut c.label_selector, &c.match_label_keys, labels, "In");
    }
}
