//! Rolling updates of daemons. Models rollingUpdate of `pkg/controller/daemon/update.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::controller::DaemonSetsController;
use super::history::HASH_LABEL;
use super::nodes::should_run;
use crate::controllers::util::pods;
use crate::controllers::util::worker::SyncResult;

/// A daemon's pods by node.
pub(super) type ByNode = BTreeMap<String, Vec<Rc<Pod>>>;

/// Whether a pod is of the present template.
pub(super) fn is_updated(pod: &Pod, hash: &str) -> bool {
    !hash.is_empty() && pod.metadata.labels.as_ref().and_then(|l| l.get(HASH_LABEL)).is_some_and(|h| h == hash)
}

/// How many nodes may be without an available pod while an update rolls on.
fn max_unavailable(ds: &DaemonSet, desired: usize) -> usize {
    let rolling = ds.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.rolling_update.as_ref());
    let n = match rolling.and_then(|r| r.max_unavailable.as_ref()) {
        None => 1,
        Some(IntOrString::Int(n)) => usize::try_from(*n).unwrap_or(0),
        Some(IntOrString::String(s)) => {
            let percent: usize = s.strip_suffix('%').and_then(|p| p.parse().ok()).unwrap_or(0);
            (percent * desired).div_ceil(100)
        }
    };
    // Without surge none would never let it begin.
    n.max(1)
}

impl DaemonSetsController {
    pub(super) async fn rolling_update(
        &self,
        ds: &Rc<DaemonSet>,
        nodes: &[Rc<Node>],
        by_node: &ByNode,
        hash: &str,
    ) -> SyncResult {
        let desired = nodes.iter().filter(|n| should_run(ds, n).0).count();
        let max = max_unavailable(ds, desired);
        let now = self.client.sim().timestamp();
        let min_ready = ds.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
        let available = |p: &Pod| p.metadata.deletion_timestamp.is_none() && pods::is_available(p, min_ready, now);
        let mut unavailable = 0;
        let (mut doomed, mut candidates) = (Vec::new(), Vec::new());
        for on_node in by_node.values() {
            let live: Vec<_> = on_node.iter().filter(|p| pods::is_active(p)).collect();
            match live.as_slice() {
                [new] if is_updated(new, hash) => unavailable += usize::from(!available(new)),
                [old] if !available(old) => {
                    unavailable += 1;
                    doomed.push((*old).clone());
                }
                [old] => candidates.push((*old).clone()),
                // None or several: the number is put right first.
                _ => unavailable += 1,
            }
        }
        let room = max.saturating_sub(unavailable);
        doomed.extend(candidates.into_iter().take(room));
        self.sync_nodes(ds, doomed, Vec::new(), hash).await
    }
}
