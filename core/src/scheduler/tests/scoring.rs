//! Which of the nodes that fit is best: each plugin's numbers.

use std::rc::Rc;

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;

use super::fixture::{node, place, pod, scheduler, sized, table};

fn check(nodes: &[Rc<Node>], running: &[(&str, Rc<Pod>)], incoming: &Rc<Pod>, want: Expect) {
    let mut s = scheduler(nodes, running);
    place(&mut s, incoming).unwrap();
    want.assert_eq(&table(&s, incoming.metadata.uid.as_deref().unwrap()));
}

fn zone(name: &str, zone: &str) -> Rc<Node> {
    node(name, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}))
}

#[test]
fn resources_and_balance() {
    let nodes = [node("a", json!({})), node("b", json!({})), node("c", json!({}))];
    let running = [("b", sized("r1", "2", "1Gi", json!({}))), ("c", sized("r2", "1", "6Gi", json!({})))];
    check(
        &nodes,
        &running,
        &sized("new", "1", "1Gi", json!({})),
        expect![[r#"
        a TaintToleration=0->300 NodeResourcesFit=81->81 NodeResourcesBalancedAllocation=71->71 = 452
        b TaintToleration=0->300 NodeResourcesFit=50->50 NodeResourcesBalancedAllocation=72->72 = 422
        c TaintToleration=0->300 NodeResourcesFit=31->31 NodeResourcesBalancedAllocation=78->78 = 409"#]],
    );
}

#[test]
fn soft_taints_preferences_and_images() {
    let soft = json!({"spec": {"taints": [{"key": "x", "effect": "PreferNoSchedule"}]}});
    let images = json!({"metadata": {"labels": {"disk": "ssd"}},
        "status": {"images": [{"names": ["app:latest", "app@sha256:1"], "sizeBytes": 1_000_000_000}]}});
    let nodes = [node("a", soft), node("b", images), node("c", json!({}))];
    let preferred = json!({"spec": {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 10, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}]}}}});
    check(
        &nodes,
        &[],
        &pod("new", preferred),
        expect![[r#"
        a TaintToleration=1->0 NodeAffinity=0->0 NodeResourcesFit=97->97 ImageLocality=0->0 = 97
        b TaintToleration=0->300 NodeAffinity=10->200 NodeResourcesFit=97->97 ImageLocality=30->30 = 627
        c TaintToleration=0->300 NodeAffinity=0->0 NodeResourcesFit=97->97 ImageLocality=0->0 = 397"#]],
    );
}

#[test]
fn pod_preferences() {
    let nodes = [zone("a", "1"), zone("b", "1"), zone("c", "2")];
    let running = [("a", pod("db", json!({"metadata": {"labels": {"app": "db"}}})))];
    let term = |sort: &str, weight: i32, key: &str| {
        json!({"spec": {"affinity": {sort: {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": weight, "podAffinityTerm": {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "db"}}}}]}}}})
    };
    check(
        &nodes,
        &running,
        &pod("near", term("podAffinity", 5, "topology.kubernetes.io/zone")),
        expect![[r#"
        a TaintToleration=0->300 NodeResourcesFit=95->95 InterPodAffinity=5->200 = 595
        b TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=5->200 = 597
        c TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=0->0 = 397"#]],
    );
    check(
        &nodes,
        &running,
        &pod("far", term("podAntiAffinity", 5, "kubernetes.io/hostname")),
        expect![[r#"
        a TaintToleration=0->300 NodeResourcesFit=95->95 InterPodAffinity=-5->0 = 395
        b TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=0->200 = 597
        c TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=0->200 = 597"#]],
    );
    // What a pod that is there prefers counts as well.
    let mut friend = term("podAffinity", 7, "kubernetes.io/hostname");
    friend["metadata"] = json!({"labels": {"app": "friend"}});
    check(
        &nodes,
        &[("b", pod("friend", friend))],
        &pod("db", json!({"metadata": {"labels": {"app": "db"}}})),
        expect![[r#"
            a TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=0->0 = 397
            b TaintToleration=0->300 NodeResourcesFit=95->95 InterPodAffinity=7->200 = 595
            c TaintToleration=0->300 NodeResourcesFit=97->97 InterPodAffinity=0->0 = 397"#]],
    );
}

#[test]
fn replicas_spread_by_default() {
    let nodes = [zone("a", "1"), zone("b", "1"), zone("c", "2")];
    let owned = |name: &str| {
        pod(
            name,
            json!({"metadata": {"labels": {"app": "web"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true}]}}),
        )
    };
    let mut s = scheduler(&nodes, &[("a", owned("w1")), ("c", owned("w2")), ("c", owned("w3"))]);
    // Nobody selects the pod yet.
    place(&mut s, &owned("w4")).unwrap();
    assert!(!table(&s, "w4").contains("PodTopologySpread"));
    let rs: k8s_openapi::api::apps::v1::ReplicaSet = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {}}
    }))
    .unwrap();
    s.pod_gone("w4", 0);
    s.listers.set_replica_set(&rs.metadata.clone(), Some(Rc::new(rs)));
    place(&mut s, &owned("w5")).unwrap();
    expect![[r#"
        a TaintToleration=0->300 NodeResourcesFit=95->95 PodTopologySpread=9->166 = 561
        b TaintToleration=0->300 NodeResourcesFit=97->97 PodTopologySpread=7->200 = 597
        c TaintToleration=0->300 NodeResourcesFit=92->92 PodTopologySpread=12->116 = 508"#]]
    .assert_eq(&table(&s, "w5"));
}

#[test]
fn ties_are_broken_at_random_but_the_same_for_a_seed() {
    let nodes: Vec<_> = ["a", "b", "c", "d"].iter().map(|n| node(n, json!({}))).collect();
    let run = || -> Vec<String> {
        let mut s = scheduler(&nodes, &[]);
        (0..40)
            .map(|i| {
                let chosen = place(&mut s, &pod(&format!("p{i}"), json!({}))).unwrap();
                s.pod_gone(&format!("p{i}"), 0);
                let assumed = s.cache().pod(&format!("p{i}")).is_some();
                assert!(!assumed);
                chosen
            })
            .collect()
    };
    let first = run();
    assert_eq!(first, run());
    for n in ["a", "b", "c", "d"] {
        assert!(first.iter().filter(|c| *c == n).count() >= 3, "{first:?}");
    }
}
