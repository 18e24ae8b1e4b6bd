//! Pods with volume claims.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::{Value, json};

use super::fixture::{merge, node, place, pod, scheduler};
use crate::scheduler::Scheduler;
use crate::scheduler::framework::plugin::PreBindAction;
use crate::scheduler::queue::SECOND;
use crate::scheduler::schedule_one::Outcome;

fn claim(s: &mut Scheduler, name: &str, class: &str, more: Value) {
    let mut all = json!({"metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}}});
    merge(&mut all, more);
    let object: PersistentVolumeClaim = serde_json::from_value(all).unwrap();
    s.listers.set_claim(&object.metadata.clone(), Some(Rc::new(object)));
}

fn volume(s: &mut Scheduler, name: &str, node: &str, size: &str, more: Value) {
    let mut all = json!({"metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "capacity": {"storage": size},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}}},
        "status": {"phase": "Available"}});
    merge(&mut all, more);
    let object: PersistentVolume = serde_json::from_value(all).unwrap();
    s.listers.set_volume(&object.metadata.clone(), Some(Rc::new(object)));
}

fn setup() -> Scheduler {
    let mut s = scheduler(&[node("a", json!({})), node("b", json!({}))], &[]);
    for (name, provisioner, mode) in [
        ("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
        ("late", "example.com/disks", "WaitForFirstConsumer"),
        ("now", "example.com/disks", "Immediate"),
    ] {
        let class = json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode});
        let class: StorageClass = serde_json::from_value(class).unwrap();
        s.listers.set_storage_class(&class.metadata.clone(), Some(Rc::new(class)));
    }
    s
}

fn user(name: &str) -> Rc<k8s_openapi::api::core::v1::Pod> {
    pod(name, json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}))
}

/// What happens to a pod that uses claim `c`.
fn check(set: impl Fn(&mut Scheduler), want: Result<(&str, &[PreBindAction]), &str>) {
    let mut s = setup();
    set(&mut s);
    s.pod_seen(user("p"), SECOND);
    match (s.schedule_one(SECOND), want) {
        (Some(Outcome::Assumed(a)), Ok((node, actions))) => {
            assert_eq!((&*a.node, a.pre_bind.as_slice()), (node, actions))
        }
        (Some(Outcome::Failed(f)), Err(reason)) => {
            let tail = "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
            assert_eq!(f.message, format!("0/2 nodes are available: {reason}. {tail}"));
        }
        (got, want) => panic!("{got:?} {want:?}"),
    }
}

#[test]
fn claims() {
    let bound = |volume: &str| json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": volume}});
    let give = |volume: &str| PreBindAction::BindVolume {
        volume: volume.into(),
        namespace: "default".into(),
        claim: "c".into(),
        claim_uid: "c".into(),
    };
    check(|_| {}, Err("persistentvolumeclaim \"c\" not found"));
    check(|s| claim(s, "c", "now", json!({})), Err("pod has unbound immediate PersistentVolumeClaims"));
    check(|s| claim(s, "c", "", json!({})), Err("pod has unbound immediate PersistentVolumeClaims"));
    check(
        |s| claim(s, "c", "now", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
        Err("persistentvolumeclaim \"c\" is being deleted"),
    );
    check(
        |s| claim(s, "c", "now", bound("v")),
        Err("2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"),
    );
    let there = |s: &mut Scheduler| {
        claim(s, "c", "local", bound("v"));
        volume(s, "v", "b", "1Gi", json!({}));
    };
    check(there, Ok(("b", &[])));
    let elsewhere = |s: &mut Scheduler| {
        claim(s, "c", "local", bound("v"));
        volume(s, "v", "z", "1Gi", json!({}));
    };
    check(elsewhere, Err("2 node(s) didn't match PersistentVolume's node affinity"));
    // The smallest that will do, on whichever node has it.
    let choice = |s: &mut Scheduler| {
        claim(s, "c", "local", json!({}));
        volume(s, "large", "b", "9Gi", json!({}));
        volume(s, "medium", "b", "2Gi", json!({}));
        volume(s, "small", "b", "512Mi", json!({}));
        volume(s, "taken", "b", "1Gi", json!({"spec": {"claimRef": {"name": "x", "namespace": "default"}}}));
        volume(s, "many", "b", "1Gi", json!({"spec": {"accessModes": ["ReadOnlyMany"]}}));
    };
    check(choice, Ok(("b", &[give("medium")])));
    check(|s| claim(s, "c", "local", json!({})), Err("2 node(s) didn't find available persistent volumes to bind"));
    // Made where the node is.
    let chosen = |s: &mut Scheduler| {
        claim(s, "c", "late", json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "b"}}}));
    };
    let provision = PreBindAction::Provision { namespace: "default".into(), claim: "c".into(), node: "b".into() };
    check(chosen, Ok(("b", &[provision])));
}

#[test]
fn two_pods_in_flight_get_two_volumes() {
    let mut s = setup();
    claim(&mut s, "c", "local", json!({}));
    claim(&mut s, "d", "local", json!({}));
    volume(&mut s, "v", "a", "1Gi", json!({}));
    assert_eq!(place(&mut s, &user("p")).as_deref(), Ok("a"));
    let other = pod("q", json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "d"}}]}}));
    assert!(place(&mut s, &other).unwrap_err().contains("2 node(s) didn't find available persistent volumes to bind"));
}
