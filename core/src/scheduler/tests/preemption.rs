//! Whom a more important pod drives out.

use std::rc::Rc;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use super::fixture::{fail, merge, node, scheduler, sized};
use crate::scheduler::Scheduler;
use crate::scheduler::queue::SECOND;
use crate::scheduler::schedule_one::Outcome;

/// Running pods are (node, name, priority, cpu, rest).
fn setup(running: &[(&str, &str, i32, &str, Value)]) -> Scheduler {
    let running: Vec<_> = running
        .iter()
        .map(|(node, name, priority, cpu, more)| {
            let mut all = json!({"spec": {"priority": priority}});
            merge(&mut all, more.clone());
            (*node, sized(name, cpu, "1Gi", all))
        })
        .collect();
    scheduler(&[node("a", json!({})), node("b", json!({}))], &running)
}

fn important(cpu: &str, more: Value) -> Rc<k8s_openapi::api::core::v1::Pod> {
    let mut all = json!({"spec": {"priority": 100}});
    merge(&mut all, more);
    sized("vip", cpu, "1Gi", all)
}

fn check(running: &[(&str, &str, i32, &str, Value)], cpu: &str, want: (&str, &[&str])) {
    let mut s = setup(running);
    let failure = fail(&mut s, &important(cpu, json!({})));
    let victims: Vec<&str> = failure.victims.iter().map(|v| v.0.name()).collect();
    assert_eq!((failure.nominate.as_deref().unwrap_or_default(), victims.as_slice()), want);
    assert_eq!(failure.message, "0/2 nodes are available: 2 Insufficient cpu.");
}

#[test]
fn victims() {
    let none = json!({});
    // As few as will do, the less important node first.
    check(
        &[("a", "a1", 5, "2", none.clone()), ("a", "a2", 1, "2", none.clone()), ("b", "b1", 7, "4", none.clone())],
        "2",
        ("a", &["a2"]),
    );
    // The node whose most important victim matters least.
    check(&[("a", "a1", 5, "4", none.clone()), ("b", "b1", 3, "4", none.clone())], "1", ("b", &["b1"]));
    // Same priorities: the fewer victims.
    check(
        &[("a", "a1", 5, "2", none.clone()), ("a", "a2", 5, "2", none.clone()), ("b", "b1", 5, "4", none.clone())],
        "4",
        ("b", &["b1"]),
    );
    // Same again: the one that started last.
    let started = |at: &str| json!({"status": {"startTime": at}});
    check(
        &[("a", "a1", 5, "4", started("2026-01-01T00:00:00Z")), ("b", "b1", 5, "4", started("2026-01-02T00:00:00Z"))],
        "4",
        ("b", &["b1"]),
    );
    // The important ones stay.
    check(
        &[("a", "a1", 200, "2", none.clone()), ("a", "a2", 5, "2", none.clone()), ("b", "b1", 200, "4", none)],
        "2",
        ("a", &["a2"]),
    );
}

#[test]
fn budgets_are_spared() {
    let guarded = json!({"metadata": {"labels": {"app": "guarded"}}});
    let mut s = setup(&[("a", "a1", 1, "4", guarded), ("b", "b1", 9, "4", json!({}))]);
    let budget: PodDisruptionBudget = serde_json::from_value(json!({
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "guarded"}}},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    }))
    .unwrap();
    s.listers.set_budget(&budget.metadata.clone(), Some(Rc::new(budget)));
    let failure = fail(&mut s, &important("1", json!({})));
    assert_eq!(failure.nominate.as_deref(), Some("b"));
}

#[test]
fn who_may_not() {
    let full = [("a", "a1", 1, "4", json!({})), ("b", "b1", 1, "4", json!({}))];
    let mut s = setup(&full);
    let failure = fail(&mut s, &important("1", json!({"spec": {"preemptionPolicy": "Never"}})));
    assert_eq!(
        failure.message,
        "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
    );
    assert!(failure.victims.is_empty());
    // Too big for either node.
    let mut s = setup(&full);
    let failure = fail(&mut s, &important("5", json!({})));
    assert!(failure.message.ends_with("0/2 nodes are available: 2 Preemption is not helpful for scheduling."));
}

#[test]
fn the_nominated_node_is_kept_for_the_pod() {
    let mut s = setup(&[("a", "a1", 1, "4", json!({})), ("b", "b1", 200, "4", json!({}))]);
    let vip = important("4", json!({}));
    let failure = fail(&mut s, &vip);
    assert_eq!(failure.nominate.as_deref(), Some("a"));
    // It stays out of the queue while its victim is being evicted.
    let mut nominated = (*vip).clone();
    nominated.status.get_or_insert_default().nominated_node_name = Some("a".into());
    s.pod_seen(Rc::new(nominated), SECOND);
    s.preemption_done("vip", false);
    s.pod_gone("a1", 2 * SECOND);
    // A less important pod can't slip in between.
    s.pod_seen(sized("small", "1", "1Gi", json!({})), 2 * SECOND);
    let mut placed = Vec::new();
    while let Some(outcome) = s.schedule_one(3 * SECOND) {
        match outcome {
            Outcome::Assumed(a) => placed.push((a.pod.info.name().to_owned(), a.node.to_string())),
            Outcome::Failed(f) => placed.push((f.pod.name().to_owned(), f.message)),
            Outcome::Skipped { .. } => {}
        }
    }
    assert_eq!(placed[0], ("vip".to_owned(), "a".to_owned()));
    assert_eq!(placed[1].0, "small");
    assert!(placed[1].1.contains("2 Insufficient cpu"), "{placed:?}");
}

#[test]
fn victims_that_are_terminating_are_waited_for() {
    let dying = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}});
    let mut s = setup(&[("a", "a1", 1, "4", dying), ("b", "b1", 1, "4", json!({}))]);
    let failure = fail(&mut s, &important("4", json!({"status": {"nominatedNodeName": "a"}})));
    assert!(failure.message.ends_with("preemption: not eligible due to a terminating pod on the nominated node."));
    assert_eq!(failure.nominate, None);
    assert!(failure.victims.is_empty());
}

#[test]
fn removing_pods_changes_what_affinity_and_spreading_say() {
    // The hermit on a objects to the newcomer; evicting it is the way.
    let hermit = json!({"spec": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "vip"}}}]}}}});
    let mut s = setup(&[("a", "hermit", 1, "1", hermit), ("b", "b1", 200, "4", json!({}))]);
    let failure = fail(&mut s, &important("1", json!({"metadata": {"labels": {"app": "vip"}}})));
    assert_eq!(failure.victims[0].0.name(), "hermit");
    // Two of the same kind on a, none may follow until one goes.
    let kind = json!({"metadata": {"labels": {"app": "vip"}}});
    let mut s = setup(&[("a", "a1", 1, "1", kind.clone()), ("b", "b1", 200, "4", json!({}))]);
    let spread = json!({"metadata": {"labels": {"app": "vip"}}, "spec": {"topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
         "labelSelector": {"matchLabels": {"app": "vip"}}}]}});
    let failure = fail(&mut s, &important("1", spread));
    assert_eq!(failure.victims[0].0.name(), "a1");
}
