//! Rolling updates of daemons: old pods go before new ones come, or after. Models rollingUpdate of `pkg/controller/daemon/update.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::controller::DaemonSetsController;
use super::history::HASH_LABEL;
use super::nodes::Daemon;
use crate::controllers::util::name;
use crate::controllers::util::pods;
use crate::controllers::util::worker::SyncResult;

/// A daemon's pods by node.
pub(super) type ByNode = BTreeMap<String, Vec<Rc<Pod>>>;

/// Whether a pod is of the present template.
pub(super) fn is_updated(pod: &Pod, hash: &str) -> bool {
    !hash.is_empty() && pod.metadata.labels.as_ref().and_then(|l| l.get(HASH_LABEL)).is_some_and(|h| h == hash)
}

/// A number, or a share of `desired` rounded up.
fn scaled(v: Option<&IntOrString>, desired: usize) -> usize {
    match v {
        None => 0,
        Some(IntOrString::Int(n)) => usize::try_from(*n).unwrap_or(0),
        Some(IntOrString::String(s)) => {
            let percent: usize = s.strip_suffix('%').and_then(|p| p.parse().ok()).unwrap_or(0);
            percent.saturating_mul(desired).div_ceil(100)
        }
    }
}

/// How many nodes may have two pods, and how many none, while an update rolls on.
fn surge_and_unavailable(ds: &DaemonSet, desired: usize) -> (usize, usize) {
    let rolling = ds.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.rolling_update.as_ref());
    let surge = scaled(rolling.and_then(|r| r.max_surge.as_ref()), desired);
    let unavailable = match rolling.and_then(|r| r.max_unavailable.as_ref()) {
        None => 1,
        v => scaled(v, desired),
    };
    // Neither would never let it begin.
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// Whether new pods may come before old ones go.
pub(super) fn allows_surge(ds: &DaemonSet) -> bool {
    surge_and_unavailable(ds, 1).0 > 0
}

/// The new and the old pod on a node; `None` when there are several of a kind. Models findUpdatedPodsOnNode.
fn of_node<'a>(there: &'a [Rc<Pod>], hash: &str) -> Option<(Option<&'a Rc<Pod>>, Option<&'a Rc<Pod>>)> {
    let (mut new, mut old) = (None, None);
    for pod in there.iter().filter(|p| p.metadata.deletion_timestamp.is_none()) {
        let slot = if is_updated(pod, hash) { &mut new } else { &mut old };
        if slot.replace(pod).is_some() {
            return None;
        }
    }
    Some((new, old))
}

impl DaemonSetsController {
    pub(super) async fn rolling_update(
        &self,
        ds: &Rc<DaemonSet>,
        nodes: &[Rc<Node>],
        by_node: &ByNode,
        hash: &str,
    ) -> SyncResult {
        let mut all: BTreeMap<&str, &[Rc<Pod>]> = by_node.iter().map(|(n, p)| (n.as_str(), p.as_slice())).collect();
        let daemon = Daemon::of(ds);
        let run: BTreeSet<&str> = nodes.iter().filter(|n| daemon.should_run(n).0).map(|n| name(&n.metadata)).collect();
        let desired = run.len();
        for node in &run {
            // A node without any pod counts as one that is without an available one.
            all.entry(node).or_default();
        }
        let now = self.client.sim().timestamp();
        let min_ready = ds.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
        let available = |p: &Pod| pods::is_available(p, min_ready, now);
        let (surge, unavailable) = surge_and_unavailable(ds, desired);
        if surge == 0 {
            let doomed = to_replace(&all, hash, unavailable, available);
            return self.sync_nodes(ds, doomed, Vec::new(), hash).await;
        }
        let (doomed, needing) = to_surge(&all, hash, (surge, desired), available, |n| run.contains(n));
        self.sync_nodes(ds, doomed, needing, hash).await
    }
}

/// The old pods that may go: unavailable ones at once, others while few enough are unavailable.
fn to_replace(
    all: &BTreeMap<&str, &[Rc<Pod>]>,
    hash: &str,
    max: usize,
    available: impl Fn(&Pod) -> bool,
) -> Vec<Rc<Pod>> {
    let mut unavailable = 0;
    let (mut doomed, mut candidates) = (Vec::new(), Vec::new());
    for there in all.values() {
        match of_node(there, hash) {
            Some((Some(new), None)) => unavailable += usize::from(!available(new)),
            Some((None, Some(old))) if !available(old) => {
                unavailable += 1;
                doomed.push(old.clone());
            }
            Some((None, Some(old))) => candidates.push(old.clone()),
            // None or several: the number is put right first.
            _ => unavailable += 1,
        }
    }
    doomed.extend(candidates.into_iter().take(max.saturating_sub(unavailable)));
    doomed
}

/// The old pods whose successors are there, and the nodes that get a second pod.
fn to_surge(
    all: &BTreeMap<&str, &[Rc<Pod>]>,
    hash: &str,
    (max, desired): (usize, usize),
    available: impl Fn(&Pod) -> bool,
    runs: impl Fn(&str) -> bool,
) -> (Vec<Rc<Pod>>, Vec<String>) {
    let (mut doomed, mut leaving) = (Vec::new(), Vec::new());
    let (mut allowed, mut candidates) = (Vec::new(), Vec::new());
    let (mut surging, mut serving) = (0, 0);
    for (node, there) in all {
        let Some((new, old)) = of_node(there, hash) else {
            surging += 1;
            continue;
        };
        serving += usize::from(old.or(new).is_some_and(|p| available(p)));
        match (new, old) {
            (_, None) => {}
            (None, Some(old)) if !runs(node) => leaving.push(old.clone()),
            (None, Some(old)) if available(old) => candidates.push((*node).to_owned()),
            (None, Some(_)) => allowed.push((*node).to_owned()),
            (Some(new), Some(_)) if !available(new) => surging += 1,
            (Some(_), Some(old)) => doomed.push(old.clone()),
        }
    }
    // Pods of nodes that are to have none any more go only once others serve in their stead.
    doomed.extend(leaving.into_iter().take(serving.saturating_sub(desired)));
    allowed.extend(candidates.into_iter().take(max.saturating_sub(surging)));
    (doomed, allowed)
}
