//! Warnings about Nodes, and about labels of nodes that were renamed. Models `pkg/api/node/util.go` and
//! `pkg/registry/core/node/strategy.go` (fieldIsDeprecatedWarnings).

use k8s_openapi::api::core::v1::{Node, NodeSelectorTerm};

use crate::api::field::Path;
use crate::api::validation::{cidr_warnings, is_valid_label_value};

/// What to say of a label of nodes that is no longer to be used.
pub(in crate::registry) fn deprecated_label(key: &str) -> Option<&'static str> {
    Some(match key {
        "beta.kubernetes.io/arch" => "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        "beta.kubernetes.io/os" => "deprecated since v1.14; use \"kubernetes.io/os\" instead",
        "failure-domain.beta.kubernetes.io/region" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"
        }
        "beta.kubernetes.io/instance-type" => {
            "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"
        }
        "app.kubernetes.io/created-by" => "deprecated since v1.9",
        "scheduler.alpha.kubernetes.io/preferAvoidPods" => "deprecated since v1.22; use Taints and Tolerations instead",
        "node-role.kubernetes.io/master" => "use \"node-role.kubernetes.io/control-plane\" instead",
        _ => return None,
    })
}

/// Upstream's `GetWarningsForNodeSelectorTerm`.
pub(super) fn selector_term(term: &NodeSelectorTerm, values: bool, path: &Path, all: &mut Vec<String>) {
    let path = path.child("matchExpressions");
    for (i, r) in term.match_expressions.iter().flatten().enumerate() {
        let at = path.index(i);
        if let Some(message) = deprecated_label(&r.key) {
            all.push(format!("{}: {} is {message}", at.child("key"), r.key));
        }
        if values {
            let at = at.child("values");
            for (j, value) in r.values.iter().flatten().enumerate() {
                let complaints = is_valid_label_value(value).into_iter();
                all.extend(complaints.map(|c| format!("{}: {value} is invalid, {c}", at.index(j))));
            }
        }
    }
}

/// What is odd about a Node.
pub(in crate::registry) fn of(node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    let Some(spec) = &node.spec else { return all };
    if spec.external_id.as_deref().is_some_and(|id| !id.is_empty()) {
        all.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    let path = Path::new("spec.podCIDRs");
    for (i, cidr) in spec.pod_cidrs.iter().flatten().enumerate() {
        all.extend(cidr_warnings(&path.index(i), cidr));
    }
    all
}
