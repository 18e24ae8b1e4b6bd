//! Which pods to delete first when there are too many. Models `ActivePodsWithRanks` of `pkg/controller/controller_utils.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::pods::{is_ready, node_name, phase, ready_condition};
use super::{sort::sort_by_less, uid};

/// The annotation by which a pod says how much its loss would cost.
const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Sorts pods so that those to delete come first; `rank` says how many related pods share the pod's node.
pub fn sort_for_deletion(pods: &[Rc<Pod>], rank: impl Fn(&Pod) -> usize, now: jiff::Timestamp) -> Vec<Rc<Pod>> {
    let mut ranked: Vec<(Rc<Pod>, usize)> = pods.iter().map(|p| (p.clone(), rank(p))).collect();
    sort_by_less(&mut ranked, &mut |a, b| goes_before(a, b, now));
    ranked.into_iter().map(|(p, _)| p).collect()
}

fn phase_rank(p: &Pod) -> u8 {
    match phase(p) {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn deletion_cost(p: &Pod) -> i32 {
    let text = p.metadata.annotations.as_ref().and_then(|a| a.get(POD_DELETION_COST));
    // Upstream takes no leading plus and no leading zeros; such values don't pass its validation and count as 0.
    let canonical = |t: &&String| !t.starts_with('+') && (t.as_str() == "0" || !t.starts_with('0'));
    text.filter(canonical).and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn goes_before((a, rank_a): &(Rc<Pod>, usize), (b, rank_b): &(Rc<Pod>, usize), now: jiff::Timestamp) -> bool {
    let unassigned = |p: &Pod| node_name(p).is_empty();
    if unassigned(a) != unassigned(b) {
        return unassigned(a);
    }
    if phase_rank(a) != phase_rank(b) {
        return phase_rank(a) < phase_rank(b);
    }
    if is_ready(a) != is_ready(b) {
        return !is_ready(a);
    }
    let (cost_a, cost_b) = (deletion_cost(a), deletion_cost(b));
    if cost_a != cost_b {
        return cost_a < cost_b;
    }
    if rank_a != rank_b {
        return rank_a > rank_b;
    }
    if is_ready(a) && is_ready(b) {
        let since = |p: &Pod| ready_condition(p).and_then(|c| c.last_transition_time.clone());
        let (ready_a, ready_b) = (since(a), since(b));
        if ready_a != ready_b {
            return younger(a, b, ready_a.as_ref(), ready_b.as_ref(), now);
        }
    }
    let (restarts_a, restarts_b) = (restarts(a), restarts(b));
    if restarts_a != restarts_b {
        return restarts_a > restarts_b;
    }
    let created = |p: &Pod| p.metadata.creation_timestamp.clone();
    let (created_a, created_b) = (created(a), created(b));
    if created_a != created_b {
        return younger(a, b, created_a.as_ref(), created_b.as_ref(), now);
    }
    false
}

/// Whether `a` is much younger than `b`, by powers of two of their ages; within one power the uid decides.
fn younger(a: &Pod, b: &Pod, t_a: Option<&Time>, t_b: Option<&Time>, now: jiff::Timestamp) -> bool {
    let (Some(t_a), Some(t_b)) = (t_a, t_b) else { return t_a.is_none() };
    let age = |t: &Time| log2_rounded(now.duration_since(t.0).as_nanos());
    let (age_a, age_b) = (age(t_a), age(t_b));
    if age_a == age_b { uid(&a.metadata) < uid(&b.metadata) } else { age_a < age_b }
}

/// The binary logarithm, rounded to the nearest; -1 for nothing. In integers, so that it is the same everywhere.
fn log2_rounded(n: i128) -> i64 {
    let Some(n) = u64::try_from(n).ok().filter(|n| *n > 0) else { return -1 };
    let floor = n.ilog2();
    let up = u128::from(n) * u128::from(n) >= 1u128 << (2 * floor + 1);
    i64::from(floor) + i64::from(up)
}

/// The most restarts of a regular container, then of a restartable init container.
fn restarts(p: &Pod) -> (i32, i32) {
    let most = |s: Option<&Vec<ContainerStatus>>, count: &dyn Fn(&str) -> bool| {
        s.into_iter().flatten().filter(|c| count(&c.name)).map(|c| c.restart_count).max().unwrap_or(0)
    };
    let Some(status) = &p.status else { return (0, 0) };
    let init = p.spec.as_ref().and_then(|s| s.init_containers.as_ref());
    let restartable =
        |n: &str| init.into_iter().flatten().any(|c| c.name == n && c.restart_policy.as_deref() == Some("Always"));
    let all = |_: &str| true;
    (most(status.container_statuses.as_ref(), &all), most(status.init_container_statuses.as_ref(), &restartable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(v: serde_json::Value) -> Rc<Pod> {
        Rc::new(serde_json::from_value(v).expect("a pod"))
    }

    fn ready(name: &str, since: &str) -> serde_json::Value {
        json!({"metadata": {"name": name, "uid": name, "creationTimestamp": since}, "spec": {"nodeName": "n", "containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]}})
    }

    /// The second of a pair goes before the first, for the reason named.
    #[test]
    fn order() {
        let base = || ready("a", "2026-01-01T00:00:00Z");
        let with = |path: &str, value: serde_json::Value| {
            let mut v = ready("b", "2026-01-01T00:00:00Z");
            *v.pointer_mut(path).expect("path") = value;
            v
        };
        let mut cheap = with("/metadata/name", json!("b"));
        cheap["metadata"]["annotations"] = json!({POD_DELETION_COST: "-1"});
        let mut restarted = with("/metadata/name", json!("b"));
        restarted["status"]["containerStatuses"] =
            json!([{"name": "c", "restartCount": 1, "image": "", "imageID": "", "ready": true}]);
        for (why, second) in [
            ("unassigned", with("/spec/nodeName", json!(""))),
            ("pending", with("/status/phase", json!("Pending"))),
            ("not ready", with("/status/conditions/0/status", json!("False"))),
            ("cheaper", cheap),
            (
                "ready for much less long",
                with("/status/conditions/0/lastTransitionTime", json!("2026-01-01T01:30:00Z")),
            ),
            ("more restarts", restarted),
            ("much younger", with("/metadata/creationTimestamp", json!("2026-01-01T01:30:00Z"))),
        ] {
            let pods = [pod(base()), pod(second)];
            let now = "2026-01-01T02:00:00Z".parse().expect("a time");
            let sorted = sort_for_deletion(&pods, |_| 0, now);
            assert_eq!(uid(&sorted[0].metadata), "b", "{why}");
        }
    }

    #[test]
    fn logarithm() {
        for (n, want) in [(-5, -1), (0, -1), (1, 0), (2, 1), (3, 2), (5, 2), (6, 3), (1 << 40, 40)] {
            assert_eq!(log2_rounded(n), want, "{n}");
        }
    }
}
