//! Volumes and claims in words.

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{items, labels, or_none, since, text};
use super::Writer;

/// What a volume is, by the field that says so: its words, and the lines with a field each.
const SOURCES: &[(&str, &str, &[(&str, &str)])] = &[
    (
        "nfs",
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        &[("Server", "server"), ("Path", "path"), ("ReadOnly", "readOnly?")],
    ),
    (
        "persistentVolumeClaim",
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        &[("ClaimName", "claimName"), ("ReadOnly", "readOnly?")],
    ),
    ("secret", "Secret (a volume populated by a Secret)", &[("SecretName", "secretName"), ("Optional", "optional?")]),
    ("configMap", "ConfigMap (a volume populated by a ConfigMap)", &[("Name", "name"), ("Optional", "optional?")]),
    (
        "gitRepo",
        "GitRepo (a volume that is pulled from git when the pod is created)",
        &[("Repository", "repository"), ("Revision", "revision")],
    ),
    ("image", "Image (a container image or OCI artifact)", &[("Reference", "reference"), ("PullPolicy", "pullPolicy")]),
];

pub(super) fn describe(w: &mut Writer, list: &[Value], space: &str) {
    if list.is_empty() {
        w.line(0, format!("{space}Volumes:\t<none>"));
        return;
    }
    w.line(0, format!("{space}Volumes:"));
    let indent = if space.is_empty() { "" } else { " " };
    for v in list {
        w.line(1, format!("{indent}{}:", text(&v["name"])));
        source(w, v);
    }
}

fn source(w: &mut Writer, v: &Value) {
    if let Some((field, words, lines)) = SOURCES.iter().find(|s| v[s.0].is_object()) {
        w.field(2, "Type", words);
        for (key, name) in *lines {
            let shown = match name.strip_suffix('?') {
                Some(name) => (v[*field][name] == true).to_string(),
                None => text(&v[*field][*name]),
            };
            w.field(2, key, shown);
        }
    } else if v["hostPath"].is_object() {
        w.field(2, "Type", "HostPath (bare host directory volume)");
        w.field(2, "Path", text(&v["hostPath"]["path"]));
        let kind = &v["hostPath"]["type"];
        w.field(2, "HostPathType", if kind.is_null() { "<none>".into() } else { text(kind) });
    } else if v["emptyDir"].is_object() {
        w.field(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
        w.field(2, "Medium", text(&v["emptyDir"]["medium"]));
        let limit = text(&v["emptyDir"]["sizeLimit"]);
        w.field(2, "SizeLimit", if limit.is_empty() || limit == "0" { "<unset>".into() } else { limit });
    } else if v["projected"].is_object() {
        projected(w, &v["projected"]);
    } else if v["downwardAPI"].is_object() {
        w.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
        w.line(2, "Items:");
        for i in items(&v["downwardAPI"]["items"]) {
            for from in [&i["fieldRef"]["fieldPath"], &i["resourceFieldRef"]["resource"]] {
                if !from.is_null() {
                    w.line(3, format!("{} -> {}", text(from), text(&i["path"])));
                }
            }
        }
    } else if v["csi"].is_object() {
        w.field(2, "Type", "CSI (a Container Storage Interface (CSI) volume source)");
        w.field(2, "Driver", text(&v["csi"]["driver"]));
        w.field(2, "FSType", text(&v["csi"]["fsType"]));
        w.field(2, "ReadOnly", (v["csi"]["readOnly"] == true).to_string());
        w.field(2, "VolumeAttributes", labels(&v["csi"]["volumeAttributes"]));
    } else {
        w.line(1, "<unknown>");
    }
}

fn projected(w: &mut Writer, p: &Value) {
    w.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    for s in items(&p["sources"]) {
        let optional = |v: &Value| (v["optional"] == true).to_string();
        if s["secret"].is_object() {
            w.field(2, "SecretName", text(&s["secret"]["name"]));
            w.field(2, "Optional", optional(&s["secret"]));
        } else if s["downwardAPI"].is_object() {
            w.field(2, "DownwardAPI", "true");
        } else if s["configMap"].is_object() {
            w.field(2, "ConfigMapName", text(&s["configMap"]["name"]));
            w.field(2, "Optional", optional(&s["configMap"]));
        } else if s["serviceAccountToken"].is_object() {
            w.field(2, "TokenExpirationSeconds", text(&s["serviceAccountToken"]["expirationSeconds"]));
        }
    }
}

/// A PersistentVolumeClaim.
pub(super) fn claim(w: &mut Writer, o: &Value, pods: &[Value], now: Timestamp) {
    let (m, spec, status) = (&o["metadata"], &o["spec"], &o["status"]);
    w.field(0, "Name", text(&m["name"]));
    w.field(0, "Namespace", text(&m["namespace"]));
    w.field(0, "StorageClass", text(&spec["storageClassName"]));
    if m["deletionTimestamp"].is_null() {
        w.field(0, "Status", text(&status["phase"]));
    } else {
        w.field(0, "Status", format!("Terminating (lasts {})", since(&m["deletionTimestamp"], now)));
    }
    w.field(0, "Volume", text(&spec["volumeName"]));
    w.labels("Labels", &m["labels"]);
    w.annotations("Annotations", &m["annotations"]);
    let finalizers: Vec<String> = items(&m["finalizers"]).iter().map(text).collect();
    w.field(0, "Finalizers", format!("[{}]", finalizers.join(" ")));
    let bound = !text(&spec["volumeName"]).is_empty();
    w.field(0, "Capacity", if bound { text(&status["capacity"]["storage"]) } else { String::new() });
    let modes: Vec<&str> = items(&status["accessModes"])
        .iter()
        .map(|m| match m.as_str().unwrap_or_default() {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            _ => "RWOP",
        })
        .collect();
    w.field(0, "Access Modes", if bound { modes.join(",") } else { String::new() });
    if !spec["volumeMode"].is_null() {
        w.field(0, "VolumeMode", text(&spec["volumeMode"]));
    }
    let users: Vec<String> = pods
        .iter()
        .filter(|p| items(&p["spec"]["volumes"]).iter().any(|v| v["persistentVolumeClaim"]["claimName"] == m["name"]))
        .map(|p| text(&p["metadata"]["name"]))
        .collect();
    w.field(0, "Used By", or_none(users.join("\n\t")));
}
