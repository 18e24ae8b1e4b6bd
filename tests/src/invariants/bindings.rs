//! A bound pod never moves, and one that has ended never lives again.

use k8s_openapi::api::core::v1::Pod;

use super::world::{is_terminal, node_name, phase};
use super::{Change, Invariant, World};

pub(super) struct Bindings;

impl Invariant for Bindings {
    fn change(&mut self, _: &World, c: &Change<'_>) -> Result<(), String> {
        let (Some(old), Some(new)) = (c.before::<Pod>(), c.after::<Pod>()) else { return Ok(()) };
        let key = &c.event.key;
        if !node_name(old).is_empty() && node_name(old) != node_name(new) {
            return Err(format!("{key} moved from {} to {:?}", node_name(old), node_name(new)));
        }
        // A static pod that was taken away and put back begins anew under the same mirror: the kubelet looks at the phase
        // in the manifest, not at the mirror's (`generateAPIPodStatus` of `pkg/kubelet/kubelet_pods.go`).
        let mirror = new.metadata.annotations.as_ref().is_some_and(|a| a.contains_key("kubernetes.io/config.mirror"));
        if !mirror && is_terminal(old) && phase(old) != phase(new) {
            return Err(format!("{key} is {} after {}", phase(new), phase(old)));
        }
        let restarts = |p: &Pod| -> i32 {
            let statuses = p.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
            statuses.iter().map(|s| s.restart_count).sum()
        };
        if !mirror && restarts(new) < restarts(old) {
            return Err(format!("{key} has {} restarts after {}", restarts(new), restarts(old)));
        }
        Ok(())
    }
}
