//! The node's conditions and the events of their changes. Models `pkg/kubelet/nodestatus/setters.go` and `runtime.go`.

use std::time::Duration;

use k8s_openapi::api::core::v1::{NodeCondition, NodeStatus};

use super::Kubelet;
use super::backoff::go_duration;
use crate::client::EventType;

/// maxWaitForContainerRuntime.
const RUNTIME_DOWN_AFTER: Duration = Duration::from_secs(30);
/// How long a relist may be ago.
const PLEG_THRESHOLD: Duration = Duration::from_secs(180);

impl Kubelet {
    /// Why the node can't run pods, if so.
    pub(super) fn runtime_errors(&self) -> Option<String> {
        let now = self.now();
        let mut errors = Vec::new();
        let up = self.0.runtime.is_up();
        let seen = {
            let mut s = self.0.node_state.borrow_mut();
            if up {
                s.runtime_seen = Some(now);
            }
            s.runtime_seen
        };
        let silent = now.since(seen.unwrap_or(self.0.started_at));
        if !up && (seen.is_none() || silent > RUNTIME_DOWN_AFTER) {
            errors.push("container runtime is down".to_owned());
        }
        if !up && silent > PLEG_THRESHOLD {
            errors.push(format!(
                "PLEG is not healthy: pleg was last seen active {} ago; threshold is 3m0s",
                go_duration(silent)
            ));
        }
        if up && !self.0.runtime.network_ready() {
            errors.push("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized".to_owned());
        }
        match errors.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("[{}]", many.join(", "))),
        }
    }

    /// All conditions that the kubelet owns; others' stay where they are.
    pub(super) fn node_conditions(&self, stored: Option<&NodeStatus>) -> Vec<NodeCondition> {
        let old = stored.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let now = self.time();
        let errors = self.runtime_errors();
        let wanted = [
            (
                "MemoryPressure",
                false,
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available".to_owned(),
            ),
            ("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure".to_owned()),
            ("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available".to_owned()),
            match errors {
                None => ("Ready", true, "KubeletReady", "kubelet is posting ready status".to_owned()),
                Some(why) => ("Ready", false, "KubeletNotReady", why),
            },
        ];
        let mut conditions = old.to_vec();
        for (type_, yes, reason, message) in wanted {
            let status = if yes { "True" } else { "False" };
            let before = old.iter().find(|c| c.type_ == type_);
            let since = before.filter(|c| c.status == status).and_then(|c| c.last_transition_time.clone());
            let new = NodeCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_heartbeat_time: Some(now.clone()),
                last_transition_time: since.or_else(|| Some(now.clone())),
            };
            match conditions.iter_mut().find(|c| c.type_ == type_) {
                Some(c) => *c = new,
                None => conditions.push(new),
            }
        }
        conditions
    }

    /// The events of conditions that changed.
    pub(super) fn condition_events(&self, old: Option<&NodeStatus>, new: &NodeStatus) {
        let before = |type_: &str| {
            let all = old.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
            all.iter().find(|c| c.type_ == type_).map(|c| c.status.clone())
        };
        for c in new.conditions.iter().flatten() {
            if before(&c.type_).as_deref() == Some(c.status.as_str()) {
                continue;
            }
            let reason = match (c.type_.as_str(), c.status.as_str()) {
                ("MemoryPressure", "False") => "NodeHasSufficientMemory",
                ("MemoryPressure", _) => "NodeHasInsufficientMemory",
                ("DiskPressure", "False") => "NodeHasNoDiskPressure",
                ("DiskPressure", _) => "NodeHasDiskPressure",
                ("PIDPressure", "False") => "NodeHasSufficientPID",
                ("PIDPressure", _) => "NodeHasInsufficientPID",
                ("Ready", "True") => "NodeReady",
                ("Ready", _) => "NodeNotReady",
                _ => continue,
            };
            let message = format!("Node {} status is now: {reason}", self.0.config.node_name);
            self.node_event(EventType::Normal, reason, &message);
        }
    }
}
