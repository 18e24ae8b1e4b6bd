//! When a pod is tried, and tried again.

use std::rc::Rc;

use serde_json::{Value, json};

use super::fixture::{fail, node, place, pod, scheduler, sized};
use crate::scheduler::Scheduler;
use crate::scheduler::queue::{QueueName, SECOND};
use crate::scheduler::schedule_one::Outcome;

fn place_of(s: &Scheduler, uid: &str) -> Option<QueueName> {
    s.queue().place(uid)
}

#[test]
fn important_pods_first_then_those_that_wait_longest() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    for (name, priority, at) in [("late", 0, 3), ("early", 0, 1), ("vip", 9, 5)] {
        s.pod_seen(pod(name, json!({"spec": {"priority": priority}})), at);
    }
    let mut order = Vec::new();
    while let Some(Outcome::Assumed(a)) = s.schedule_one(10) {
        order.push(a.pod.info.name().to_owned());
    }
    assert_eq!(order, ["vip", "early", "late"]);
}

#[test]
fn gated_pods_wait_for_their_gates() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    let gated = json!({"spec": {"schedulingGates": [{"name": "x"}]}});
    s.pod_seen(pod("p", gated), 0);
    assert_eq!(place_of(&s, "p"), Some(QueueName::Gated));
    s.node_seen(node("b", json!({})), 1);
    assert_eq!(place_of(&s, "p"), Some(QueueName::Gated));
    s.pod_seen(pod("p", json!({})), 2);
    assert!(matches!(s.schedule_one(3), Some(Outcome::Assumed(_))));
}

/// Whether `event` brings a pod that failed for `reason` back.
fn check(
    reason: &str,
    nodes: &[Value],
    running: &[Value],
    incoming: Value,
    event: impl Fn(&mut Scheduler),
    back: bool,
) {
    let nodes: Vec<_> = nodes.iter().enumerate().map(|(i, n)| node(&format!("n{i}"), n.clone())).collect();
    let running: Vec<_> = running.iter().enumerate().map(|(i, p)| ("n0", pod(&format!("r{i}"), p.clone()))).collect();
    let mut s = scheduler(&nodes, &running);
    let failure = fail(&mut s, &pod("p", incoming));
    assert!(failure.message.contains(reason), "{}", failure.message);
    assert_eq!(place_of(&s, "p"), Some(QueueName::Unschedulable));
    event(&mut s);
    assert_eq!(place_of(&s, "p") != Some(QueueName::Unschedulable), back, "{reason}");
}

fn requests(cpu: &str) -> Value {
    json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}})
}

#[test]
fn only_events_that_may_help_bring_a_pod_back() {
    let taint = json!({"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}});
    let no_cpu = |event: fn(&mut Scheduler), back| {
        check("Insufficient cpu", &[json!({})], &[requests("4")], requests("1"), event, back);
    };
    no_cpu(|s| s.pod_gone("r0", SECOND), true);
    no_cpu(|s| s.node_seen(node("n1", json!({})), SECOND), true);
    no_cpu(|s| s.node_seen(node("n1", json!({"status": {"allocatable": {"cpu": "500m"}}})), SECOND), false);
    no_cpu(|s| s.node_seen(node("n0", json!({"status": {"allocatable": {"cpu": "8"}}})), SECOND), true);
    no_cpu(|s| s.node_seen(node("n0", json!({"metadata": {"labels": {"a": "b"}}})), SECOND), false);
    no_cpu(|s| s.node_seen(node("n0", json!({})), SECOND), false);
    no_cpu(|s| s.pod_seen(pod("p", requests("1")), SECOND), false);
    no_cpu(|s| s.pod_seen(pod("p", requests("500m")), SECOND), true);
    let labelled = |s: &mut Scheduler| {
        let mut more = requests("1");
        more["metadata"] = json!({"labels": {"a": "b"}});
        s.pod_seen(pod("p", more), SECOND);
    };
    no_cpu(labelled, false);
    let tainted = |event: fn(&mut Scheduler), back| {
        check("untolerated", std::slice::from_ref(&taint), &[], json!({}), event, back)
    };
    tainted(|s| s.node_seen(node("n0", json!({})), SECOND), true);
    tainted(
        |s| {
            s.node_seen(node("n0", json!({"metadata": {"labels": {"a": "b"}}, "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}})), SECOND)
        },
        false,
    );
    tainted(|s| s.pod_seen(pod("p", json!({"spec": {"tolerations": [{"operator": "Exists"}]}})), SECOND), true);
    let selector = json!({"spec": {"nodeSelector": {"disk": "ssd"}}});
    let unlabelled =
        |event: fn(&mut Scheduler), back| check("affinity/selector", &[json!({})], &[], selector.clone(), event, back);
    unlabelled(|s| s.node_seen(node("n0", json!({"metadata": {"labels": {"disk": "ssd"}}})), SECOND), true);
    unlabelled(|s| s.node_seen(node("n0", json!({"metadata": {"labels": {"disk": "hdd"}}})), SECOND), false);
    unlabelled(|s| s.node_seen(node("n1", json!({"metadata": {"labels": {"disk": "ssd"}}})), SECOND), true);
    let friend = json!({"spec": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}]}}}});
    let lonely =
        |event: fn(&mut Scheduler), back| check("pod affinity rules", &[json!({})], &[], friend.clone(), event, back);
    let db = |app: &str| pod("db", json!({"metadata": {"labels": {"app": app}}, "spec": {"nodeName": "n0"}}));
    assert_eq!(db("db").spec.as_ref().unwrap().node_name.as_deref(), Some("n0"));
    lonely(
        |s| s.pod_seen(pod("db", json!({"metadata": {"labels": {"app": "db"}}, "spec": {"nodeName": "n0"}})), SECOND),
        true,
    );
    lonely(
        |s| s.pod_seen(pod("db", json!({"metadata": {"labels": {"app": "x"}}, "spec": {"nodeName": "n0"}})), SECOND),
        false,
    );
}

#[test]
fn back_off_doubles_to_ten_seconds() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    let big = sized("p", "5", "1Gi", json!({}));
    fail(&mut s, &big);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let queued = s.queue().get("p").unwrap();
        waits.push((queued.backoff_until() - queued.timestamp) / SECOND);
        s.node_seen(node("b", json!({"status": {"allocatable": {"cpu": "5", "memory": "1Mi"}}})), SECOND);
        s.node_gone("b", SECOND);
        s.node_seen(node("c", json!({"status": {"allocatable": {"cpu": "6", "memory": "8Gi", "pods": "0"}}})), SECOND);
        s.node_gone("c", SECOND);
        s.node_seen(node("d", json!({"status": {"allocatable": {"cpu": "6", "memory": "8Gi", "pods": "1"}}, "spec": {"unschedulable": true}})), SECOND);
        // It backs off, but with nothing better to do it is tried at once.
        assert!(matches!(s.schedule_one(SECOND), Some(Outcome::Failed(_))));
        s.node_gone("d", SECOND);
    }
    assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
}

#[test]
fn errors_are_retried_after_back_off_alone() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    s.pod_seen(pod("p", json!({})), 0);
    let Some(Outcome::Assumed(a)) = s.schedule_one(0) else { panic!() };
    let failure = s.binding_failed(*a, "running Bind plugin \"DefaultBinder\": boom", 0).unwrap();
    assert_eq!(
        (failure.reason, failure.message.as_str()),
        ("SchedulerError", "running Bind plugin \"DefaultBinder\": boom")
    );
    assert_eq!(s.cache().pod_count(), 0);
    assert!(s.schedule_one(SECOND / 2).is_none());
    assert_eq!(s.queue().next_flush(), Some(SECOND));
    s.flush(SECOND);
    assert!(matches!(s.schedule_one(SECOND), Some(Outcome::Assumed(_))));
}

#[test]
fn nobody_waits_longer_than_five_minutes() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    fail(&mut s, &sized("p", "5", "1Gi", json!({})));
    let at = s.queue().next_flush().unwrap();
    assert_eq!(at, 330 * SECOND);
    s.flush(at - SECOND * 30);
    assert_eq!(place_of(&s, "p"), Some(QueueName::Unschedulable));
    s.flush(at);
    assert_eq!(place_of(&s, "p"), Some(QueueName::Active));
}

#[test]
fn bound_deleted_and_finished_pods_are_let_go() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    let p = sized("p", "3", "1Gi", json!({}));
    place(&mut s, &p).unwrap();
    assert!(s.cache().is_assumed("p"));
    // An update that doesn't know of the binding yet changes nothing.
    s.pod_seen(Rc::clone(&p), SECOND);
    assert!(s.schedule_one(SECOND).is_none());
    s.pod_seen(super::fixture::on("a", &p), SECOND);
    assert!(!s.cache().is_assumed("p"));
    assert!(place(&mut s, &sized("q", "3", "1Gi", json!({}))).is_err());
    let mut done = (*super::fixture::on("a", &p)).clone();
    done.status.get_or_insert_default().phase = Some("Succeeded".into());
    s.pod_seen(Rc::new(done), 2 * SECOND);
    assert!(matches!(s.schedule_one(2 * SECOND), Some(Outcome::Assumed(_))));
    // Gone before its turn.
    s.pod_seen(pod("r", json!({})), 0);
    s.pod_gone("r", 0);
    assert!(s.schedule_one(3 * SECOND).is_none());
    // Being deleted when its turn comes.
    s.pod_seen(pod("t", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})), 0);
    let Some(Outcome::Skipped { message, .. }) = s.schedule_one(3 * SECOND) else { panic!() };
    assert_eq!(message, "skip schedule deleting pod: default/t");
}

#[test]
fn other_schedulers_pods_are_none_of_its_business() {
    let mut s = scheduler(&[node("a", json!({}))], &[]);
    s.pod_seen(pod("p", json!({"spec": {"schedulerName": "mine"}})), 0);
    assert!(s.schedule_one(0).is_none());
}
