//! What the cluster knows of storage, in words: PersistentVolumes, CSINodes and classes of volumes.

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{items, labels, rfc1123z, since, text};
use super::Writer;
use super::volumes::{modes, persistent_source};

pub(super) fn persistent_volume(w: &mut Writer, o: &Value, now: Timestamp) {
    let (m, spec, status) = (&o["metadata"], &o["spec"], &o["status"]);
    w.field(0, "Name", text(&m["name"]));
    w.labels("Labels", &m["labels"]);
    w.annotations("Annotations", &m["annotations"]);
    let finalizers: Vec<String> = items(&m["finalizers"]).iter().map(text).collect();
    w.field(0, "Finalizers", format!("[{}]", finalizers.join(" ")));
    let class = match &m["annotations"]["volume.beta.kubernetes.io/storage-class"] {
        Value::Null => &spec["storageClassName"],
        class => class,
    };
    w.field(0, "StorageClass", text(class));
    if m["deletionTimestamp"].is_null() {
        w.field(0, "Status", text(&status["phase"]));
    } else {
        w.field(0, "Status", format!("Terminating (lasts {})", since(&m["deletionTimestamp"], now)));
    }
    let claim = &spec["claimRef"];
    let of = || format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]));
    w.field(0, "Claim", if claim.is_object() { of() } else { String::new() });
    w.field(0, "Reclaim Policy", text(&spec["persistentVolumeReclaimPolicy"]));
    w.field(0, "Access Modes", modes(&spec["accessModes"]));
    if !spec["volumeMode"].is_null() {
        w.field(0, "VolumeMode", text(&spec["volumeMode"]));
    }
    let capacity = &spec["capacity"]["storage"];
    w.field(0, "Capacity", if capacity.is_null() { "0".into() } else { text(capacity) });
    node_affinity(w, &spec["nodeAffinity"]["required"]);
    w.field(0, "Message", text(&status["message"]));
    w.line(0, "Source:");
    persistent_source(w, spec);
}

/// Models printVolumeNodeAffinity.
fn node_affinity(w: &mut Writer, required: &Value) {
    if !required.is_object() {
        return w.field(0, "Node Affinity", "<none>");
    }
    w.field(0, "Node Affinity", "");
    let terms = items(&required["nodeSelectorTerms"]);
    w.field(1, "Required Terms", if terms.is_empty() { "<none>" } else { "" });
    for (i, t) in terms.iter().enumerate() {
        let list = items(&t["matchExpressions"]);
        w.put(2, format!("Term {i}:\t"));
        if list.is_empty() {
            w.line(0, "<none>");
        }
        for (n, e) in list.iter().enumerate() {
            if n > 0 {
                w.put(2, "\t");
            }
            let values: Vec<String> = items(&e["values"]).iter().map(text).collect();
            let values = if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) };
            w.line(0, format!("{} {}{values}", text(&e["key"]), text(&e["operator"]).to_lowercase()));
        }
    }
}

pub(super) fn csi_node(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
    w.field(0, "CreationTimestamp", rfc1123z(&o["metadata"]["creationTimestamp"]));
    w.line(0, "Spec:");
    if o["spec"]["drivers"].is_array() {
        w.line(1, "Drivers:");
    }
    for d in items(&o["spec"]["drivers"]) {
        w.line(2, format!("{}:", text(&d["name"])));
        w.field(3, "Node ID", text(&d["nodeID"]));
        if !d["allocatable"]["count"].is_null() {
            w.line(3, "Allocatables:");
            w.field(4, "Count", text(&d["allocatable"]["count"]));
        }
        if d["topologyKeys"].is_array() {
            let keys: Vec<String> = items(&d["topologyKeys"]).iter().map(text).collect();
            w.field(3, "Topology Keys", format!("[{}]", keys.join(" ")));
        }
    }
}

pub(super) fn attributes_class(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Annotations", labels(&o["metadata"]["annotations"]));
    w.field(0, "DriverName", text(&o["driverName"]));
    w.field(0, "Parameters", labels(&o["parameters"]));
}
