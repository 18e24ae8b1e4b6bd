//! The fewest pods that must go from one node. Models kube-scheduler `plugins/defaultpreemption` (SelectVictimsOnNode).

use std::cmp::Reverse;
use std::rc::Rc;

use super::REASON_NO_VICTIMS;
use crate::scheduler::framework::labels::Selector;
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::PostFilterContext;
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

/// When the pod started, as nanoseconds; not yet is later than ever.
pub(super) fn start_time(pod: &PodInfo) -> i128 {
    let started = pod.pod.status.as_ref().and_then(|s| s.start_time.as_ref());
    started.map_or(i128::MAX, |t| t.0.as_nanosecond())
}

fn sort_by_importance(pods: &mut [Rc<PodInfo>]) {
    pods.sort_by_key(|p| (Reverse(p.priority), start_time(p)));
}

/// Victims, most important first, with the number whose disruption budget is broken; or why the node won't do.
pub(super) fn select_victims(
    cx: &PostFilterContext,
    pod: &PodInfo,
    node: &NodeInfo,
) -> Result<(Vec<Rc<PodInfo>>, usize), Status> {
    let mut potential: Vec<Rc<PodInfo>> = node.pods.iter().filter(|p| p.priority < pod.priority).cloned().collect();
    if potential.is_empty() {
        return Err(Status::new(Code::UnschedulableAndUnresolvable, REASON_NO_VICTIMS));
    }
    let (handle, framework) = (&cx.handle, cx.framework);
    let mut node = node.clone();
    let mut state = cx.state.clone();
    for victim in &potential {
        node.remove_pod(&victim.uid);
        framework.run_remove_pod(handle, &mut state, pod, victim, &node);
    }
    let status = framework.run_filter_with_nominated_pods(handle, &state, pod, &node);
    if !status.is_success() {
        return Err(status);
    }
    sort_by_importance(&mut potential);
    let (violating, rest) = split_by_budget(cx, potential);
    let mixed = !violating.is_empty() && !rest.is_empty();
    let mut victims = Vec::new();
    let mut violations = 0;
    // Spare whom we can: those with a budget first, the most important first.
    for (pod_to_spare, guarded) in violating.into_iter().map(|p| (p, true)).chain(rest.into_iter().map(|p| (p, false)))
    {
        node.add_pod(Rc::clone(&pod_to_spare));
        framework.run_add_pod(handle, &mut state, pod, &pod_to_spare, &node);
        if !framework.run_filter_with_nominated_pods(handle, &state, pod, &node).is_success() {
            node.remove_pod(&pod_to_spare.uid);
            framework.run_remove_pod(handle, &mut state, pod, &pod_to_spare, &node);
            violations += usize::from(guarded);
            victims.push(pod_to_spare);
        }
    }
    if victims.is_empty() {
        return Err(Status::error(format!("expected at least one victim pod on node {:?}", node.name)));
    }
    if mixed {
        sort_by_importance(&mut victims);
    }
    Ok((victims, violations))
}

/// Those whose eviction would break a disruption budget, and the rest, both in the order given.
fn split_by_budget(cx: &PostFilterContext, pods: Vec<Rc<PodInfo>>) -> (Vec<Rc<PodInfo>>, Vec<Rc<PodInfo>>) {
    let budgets = cx.handle.listers.budgets().map(|b| {
        let selector = Selector::parse(b.spec.as_ref().and_then(|s| s.selector.as_ref()));
        let allowed = b.status.as_ref().and_then(|s| s.disruptions_allowed).unwrap_or(0);
        (b, selector, allowed)
    });
    let mut budgets: Vec<_> = budgets.filter(|(_, selector, _)| !selector.is_empty()).collect();
    pods.into_iter().partition(|pod| {
        let mut violated = false;
        if pod.labels().is_empty() {
            return false;
        }
        for (budget, selector, allowed) in &mut budgets {
            if budget.metadata.namespace.as_deref() != Some(pod.namespace()) || !selector.matches(pod.labels()) {
                continue;
            }
            // Already let go by the api-server: not counted again.
            if budget
                .status
                .as_ref()
                .and_then(|s| s.disrupted_pods.as_ref())
                .is_some_and(|d| d.contains_key(pod.name()))
            {
                continue;
            }
            *allowed -= 1;
            violated |= *allowed < 0;
        }
        violated
    })
}
