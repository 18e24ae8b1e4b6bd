//! Warnings about labels of nodes that storage and runtimes select by. Models `pkg/api/storage/util.go` and
//! `GetWarningsForRuntimeClass`.

use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::storage::v1::StorageClass;

use super::node::deprecated_label;

/// What is odd about a StorageClass.
pub(in crate::registry) fn of_class(class: &StorageClass) -> Vec<String> {
    let mut all = Vec::new();
    for (i, term) in class.allowed_topologies.iter().flatten().enumerate() {
        for (j, r) in term.match_label_expressions.iter().flatten().enumerate() {
            let message = deprecated_label(&r.key);
            all.extend(message.map(|m| format!("allowedTopologies[{i}].matchLabelExpressions[{j}].key: {m}")));
        }
    }
    all
}

/// What is odd about a RuntimeClass.
pub(in crate::registry) fn of_runtime(class: &RuntimeClass) -> Vec<String> {
    let scheduling = class.scheduling.as_ref();
    let labels = scheduling.and_then(|s| s.node_selector.as_ref()).into_iter().flatten();
    labels.filter_map(|(key, _)| Some(format!("scheduling.nodeSelector: {}", deprecated_label(key)?))).collect()
}
