//! Persistent volumes and their claims: binding, release, protection.

use serde_json::{Value, json};

use crate::harness::Plane;

const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const VOLUMES: &str = "/api/v1/persistentvolumes";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn volume(plane: &Plane, name: &str, size: &str, more: Value) {
    let mut spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": format!("/data/{name}")}});
    for (k, v) in more.as_object().expect("a spec") {
        spec[k] = v.clone();
    }
    plane.must(
        "POST",
        VOLUMES,
        &json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}),
    );
}

fn claim(plane: &Plane, name: &str, size: &str, more: Value) {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}});
    for (k, v) in more.as_object().expect("a spec") {
        spec[k] = v.clone();
    }
    plane.must(
        "POST",
        CLAIMS,
        &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}),
    );
}

fn class(plane: &Plane, name: &str, provisioner: &str, mode: &str) {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": provisioner, "volumeBindingMode": mode});
    plane.must("POST", "/apis/storage.k8s.io/v1/storageclasses", &class);
}

/// Each volume's phase and claim, each claim's phase and volume.
fn look(plane: &Plane) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let volumes = plane.list(VOLUMES);
    let claims = plane.list(CLAIMS);
    let of_volume = |v: &Value| {
        let line = format!(
            "{} {} {}",
            text(&v["metadata"]["name"]),
            text(&v["status"]["phase"]),
            text(&v["spec"]["claimRef"]["name"])
        );
        line.trim_end().to_owned()
    };
    let of_claim = |c: &Value| {
        let line = format!(
            "{} {} {}",
            text(&c["metadata"]["name"]),
            text(&c["status"]["phase"]),
            text(&c["spec"]["volumeName"])
        );
        line.trim_end().to_owned()
    };
    volumes.iter().map(of_volume).chain(claims.iter().map(of_claim)).collect()
}

#[test]
fn the_smallest_volume_that_will_do_is_bound() {
    let plane = Plane::start(&[]);
    volume(&plane, "large", "10Gi", json!({}));
    volume(&plane, "middle", "5Gi", json!({}));
    volume(&plane, "many", "3Gi", json!({"accessModes": ["ReadWriteMany"]}));
    volume(&plane, "small", "1Gi", json!({}));
    plane.run(1.0);
    assert_eq!(look(&plane), ["large Available", "many Available", "middle Available", "small Available"]);
    claim(&plane, "c", "2Gi", json!({}));
    plane.run(1.0);
    let bound = ["large Available", "many Available", "middle Bound c", "small Available", "c Bound middle"];
    assert_eq!(look(&plane), bound);
    let c = plane.get(&format!("{CLAIMS}/c"));
    assert_eq!(c["status"]["capacity"]["storage"], "5Gi");
    assert_eq!(c["status"]["accessModes"], json!(["ReadWriteOnce"]));
    let annotations = json!({"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"});
    assert_eq!(c["metadata"]["annotations"], annotations);
    // It is kept, data and all, when the claim goes.
    plane.must("DELETE", &format!("{CLAIMS}/c"), &Value::Null);
    plane.run(1.0);
    assert_eq!(look(&plane), ["large Available", "many Available", "middle Released c", "small Available"]);
}

#[test]
fn claims_wait_and_say_why() {
    let plane = Plane::start(&[]);
    class(&plane, "later", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    class(&plane, "csi", "csi.example.com", "Immediate");
    claim(&plane, "plain", "1Gi", json!({}));
    claim(&plane, "late", "1Gi", json!({"storageClassName": "later"}));
    claim(&plane, "made", "1Gi", json!({"storageClassName": "csi"}));
    claim(&plane, "unknown", "1Gi", json!({"storageClassName": "nope"}));
    plane.run(2.0);
    assert_eq!(look(&plane), ["late Pending", "made Pending", "plain Pending", "unknown Pending"]);
    let mut events = plane.events_of("PersistentVolumeClaim");
    events.sort();
    assert_eq!(
        events,
        [
            "ExternalProvisioning made: Waiting for a volume to be created either by the external provisioner 'csi.example.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
            "FailedBinding plain: no persistent volumes available for this claim and no storage class is set",
            "ProvisioningFailed unknown: storageclass.storage.k8s.io \"nope\" not found",
            "WaitForFirstConsumer late: waiting for first consumer to be created before binding",
        ]
    );
    // A volume that comes later is found at the next look, 15 s at most.
    volume(&plane, "v", "1Gi", json!({}));
    plane.run(16.0);
    assert!(look(&plane).contains(&"plain Bound v".to_owned()));
}

#[test]
fn a_claim_may_name_its_volume() {
    let plane = Plane::start(&[]);
    volume(&plane, "v", "1Gi", json!({}));
    plane.run(1.0);
    claim(&plane, "big", "2Gi", json!({"volumeName": "v"}));
    plane.run(1.0);
    assert_eq!(look(&plane), ["v Available", "big Pending v"]);
    let why = "VolumeMismatch big: Cannot bind to requested volume \"v\": requested PV is too small";
    assert_eq!(plane.events_of("PersistentVolumeClaim"), [why]);
    claim(&plane, "fits", "1Gi", json!({"volumeName": "v"}));
    plane.run(1.0);
    assert_eq!(look(&plane), ["v Bound fits", "big Pending v", "fits Bound v"]);
    // The volume goes by force: the claim is lost.
    plane.must("PATCH", &format!("{VOLUMES}/v"), &json!({"metadata": {"finalizers": null}}));
    plane.run(0.1);
    plane.must("DELETE", &format!("{VOLUMES}/v"), &Value::Null);
    plane.must("PATCH", &format!("{VOLUMES}/v"), &json!({"metadata": {"finalizers": null}}));
    plane.run(1.0);
    assert_eq!(look(&plane), ["big Pending v", "fits Lost v"]);
}

#[test]
fn volumes_are_deleted_where_they_can_be() {
    let plane = Plane::start(&[]);
    let delete = "persistentVolumeReclaimPolicy";
    volume(&plane, "gone", "1Gi", json!({delete: "Delete", "hostPath": {"path": "/tmp/x"}}));
    plane.run(1.0);
    claim(&plane, "a", "1Gi", json!({}));
    plane.run(1.0);
    volume(&plane, "stays", "1Gi", json!({delete: "Delete"}));
    plane.run(1.0);
    claim(&plane, "b", "1Gi", json!({}));
    plane.run(1.0);
    for c in ["a", "b"] {
        plane.must("DELETE", &format!("{CLAIMS}/{c}"), &Value::Null);
    }
    plane.run(2.0);
    assert_eq!(look(&plane), ["stays Failed b"]);
    let why = "VolumeFailedDelete stays: host_path deleter only supports /tmp/.+ but received provided /data/stays";
    assert_eq!(plane.events_of("PersistentVolume"), [why]);
}

#[test]
fn what_is_used_stays_until_it_is_not() {
    let plane = Plane::start(&["worker-1"]);
    volume(&plane, "v", "1Gi", json!({}));
    plane.run(1.0);
    claim(&plane, "c", "1Gi", json!({}));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "nginx"}], "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]}});
    plane.must("POST", PODS, &pod);
    plane.run(3.0);
    plane.must("DELETE", &format!("{VOLUMES}/v"), &Value::Null);
    plane.must("DELETE", &format!("{CLAIMS}/c"), &Value::Null);
    plane.run(2.0);
    assert_eq!(look(&plane), ["v Bound c", "c Bound v"]);
    plane.must("DELETE", &format!("{PODS}/p"), &Value::Null);
    plane.run(3.0);
    assert_eq!(look(&plane), [""; 0]);
}

#[test]
fn claims_of_stateful_sets_go_as_their_policy_says() {
    let plane = Plane::start(&["worker-1"]);
    for i in 0..3 {
        volume(&plane, &format!("v{i}"), "1Gi", json!({}));
    }
    plane.run(1.0);
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {
        "serviceName": "db", "replicas": 2, "selector": {"matchLabels": {"app": "db"}},
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "nginx",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}]}});
    plane.must("POST", "/apis/apps/v1/namespaces/default/statefulsets", &set);
    plane.run(6.0);
    let bound =
        ["v0 Bound data-db-0", "v1 Bound data-db-1", "v2 Available", "data-db-0 Bound v0", "data-db-1 Bound v1"];
    assert_eq!(look(&plane), bound);
    let created = plane.events_of("StatefulSet");
    assert!(
        created.contains(&"SuccessfulCreate db: create Claim data-db-0 Pod db-0 in StatefulSet db success".to_owned())
    );
    let pod = plane.get(&format!("{PODS}/db-1"));
    assert_eq!(pod["spec"]["volumes"][0], json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}));
    let path = "/apis/apps/v1/namespaces/default/statefulsets/db";
    plane.must("PATCH", path, &json!({"spec": {"replicas": 1}}));
    plane.run(6.0);
    assert_eq!(look(&plane), ["v0 Bound data-db-0", "v1 Released data-db-1", "v2 Available", "data-db-0 Bound v0"]);
    plane.must("DELETE", path, &Value::Null);
    plane.run(6.0);
    assert_eq!(plane.list(PODS).len(), 0);
    assert_eq!(look(&plane), ["v0 Bound data-db-0", "v1 Released data-db-1", "v2 Available", "data-db-0 Bound v0"]);
}

#[test]
fn ephemeral_claims_come_and_go_with_their_pod() {
    let plane = Plane::start(&["worker-1"]);
    volume(&plane, "v", "1Gi", json!({}));
    plane.run(1.0);
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "nginx"}], "volumes": [{"name": "d", "ephemeral": {"volumeClaimTemplate": template}}]}});
    plane.must("POST", PODS, &pod);
    plane.run(3.0);
    assert_eq!(look(&plane), ["v Bound p-d", "p-d Bound v"]);
    plane.must("DELETE", &format!("{PODS}/p"), &Value::Null);
    plane.run(4.0);
    assert_eq!(look(&plane), ["v Released p-d"]);
}

#[test]
fn a_class_of_attributes_stays_while_a_claim_names_it() {
    let plane = Plane::start(&[]);
    const CLASSES: &str = "/apis/storage.k8s.io/v1/volumeattributesclasses";
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "fast"},
        "driverName": "csi.example.com", "parameters": {"iops": "100"}});
    plane.must("POST", CLASSES, &class);
    claim(&plane, "c", "1Gi", json!({"volumeAttributesClassName": "fast"}));
    plane.run(1.0);
    plane.must("DELETE", &format!("{CLASSES}/fast"), &Value::Null);
    plane.run(1.0);
    assert!(plane.get(&format!("{CLASSES}/fast"))["metadata"]["deletionTimestamp"].is_string());
    plane.must("DELETE", &format!("{CLAIMS}/c"), &Value::Null);
    plane.run(1.0);
    assert!(plane.list(CLASSES).is_empty());
}
