//! The APIService of each group and version that the api-server serves itself, registered when it starts.
//! Models `pkg/controlplane/apiserver/aggregator.go`, the priorities of `cmd/kube-apiserver/app/aggregator.go`, and
//! kube-aggregator's `autoregister` controller.

use serde_json::json;

use super::ApiServer;
use crate::api::status::Status;

/// Group, version, the group's priority and the version's within it.
const PRIORITIES: &[(&str, &str, i32, i32)] = &[
    ("", "v1", 18000, 1),
    ("apps", "v1", 17800, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("networking.k8s.io", "v1", 17200, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("storage.k8s.io", "v1", 16800, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
];

impl ApiServer {
    /// Registers them, unless they are there.
    pub(super) fn ensure_api_services(&mut self) -> Result<(), Status> {
        let Some(id) = self.registry.find_kind("apiregistration.k8s.io", "APIService") else { return Ok(()) };
        for (group, version, group_priority, version_priority) in PRIORITIES {
            let name = format!("{version}.{group}");
            if self.load(id, "", &name).is_some() {
                continue;
            }
            let mut spec = json!({"version": version, "groupPriorityMinimum": group_priority, "versionPriority": version_priority});
            if !group.is_empty() {
                spec["group"] = (*group).into();
            }
            self.ensure_dynamic(json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": {"name": name, "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
                "spec": spec,
            }))?;
        }
        Ok(())
    }
}
