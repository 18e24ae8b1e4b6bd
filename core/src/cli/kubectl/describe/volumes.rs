//! Volumes and claims in words.

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{items, or_none, rfc1123z, since, text};
use super::Writer;

/// What a volume is, by the field that says so: its words, and a line a field; `?` says that the field is a boolean, `#` a number.
const SOURCES: &[(&str, &str, &[(&str, &str)])] = &[
    (
        "nfs",
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        &[("Server", "server"), ("Path", "path"), ("ReadOnly", "readOnly?")],
    ),
    (
        "gcePersistentDisk",
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        &[("PDName", "pdName"), ("FSType", "fsType"), ("Partition", "partition#"), ("ReadOnly", "readOnly?")],
    ),
    (
        "awsElasticBlockStore",
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        &[("VolumeID", "volumeID"), ("FSType", "fsType"), ("Partition", "partition#"), ("ReadOnly", "readOnly?")],
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
    (
        "glusterfs",
        "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
        &[("EndpointsName", "endpoints"), ("Path", "path"), ("ReadOnly", "readOnly?")],
    ),
    (
        "quobyte",
        "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
        &[("Registry", "registry"), ("Volume", "volume"), ("ReadOnly", "readOnly?")],
    ),
    (
        "vsphereVolume",
        "vSphereVolume (a Persistent Disk resource in vSphere)",
        &[("VolumePath", "volumePath"), ("FSType", "fsType"), ("StoragePolicyName", "storagePolicyName")],
    ),
    (
        "azureFile",
        "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        &[("SecretName", "secretName"), ("ShareName", "shareName"), ("ReadOnly", "readOnly?")],
    ),
    (
        "azureDisk",
        "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        &[
            ("DiskName", "diskName"),
            ("DiskURI", "diskURI"),
            ("Kind", "kind"),
            ("FSType", "fsType"),
            ("CachingMode", "cachingMode"),
            ("ReadOnly", "readOnly?"),
        ],
    ),
    ("portworxVolume", "PortworxVolume (a Portworx Volume resource)", &[("VolumeID", "volumeID")]),
    (
        "photonPersistentDisk",
        "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
        &[("PdID", "pdID"), ("FSType", "fsType")],
    ),
    (
        "flocker",
        "Flocker (a Flocker volume mounted by the Flocker agent)",
        &[("DatasetName", "datasetName"), ("DatasetUUID", "datasetUUID")],
    ),
    ("local", "LocalVolume (a persistent volume backed by local storage on a node)", &[("Path", "path")]),
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
            let plain = name.trim_end_matches(['?', '#']);
            let value = &v[*field][plain];
            let shown = match name.strip_prefix(plain) {
                Some("?") => (*value == true).to_string(),
                Some("#") => value.as_i64().unwrap_or(0).to_string(),
                _ => text(value),
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
        attributes(w, &v["csi"]["volumeAttributes"]);
    } else if v["fc"].is_object() {
        let (fc, wwns) = (&v["fc"], items(&v["fc"]["targetWWNs"]).iter().map(text).collect::<Vec<_>>());
        w.field(2, "Type", "FC (a Fibre Channel disk)");
        w.field(2, "TargetWWNs", wwns.join(", "));
        w.field(2, "LUN", or_none(text(&fc["lun"])));
        w.field(2, "FSType", text(&fc["fsType"]));
        w.field(2, "ReadOnly", (fc["readOnly"] == true).to_string());
    } else {
        w.line(1, "<unknown>");
    }
}

/// What a PersistentVolume is. Models describePersistentVolume's sources.
pub(super) fn persistent_source(w: &mut Writer, spec: &Value) {
    let csi = &spec["csi"];
    if !csi.is_object() {
        return source(w, spec);
    }
    w.field(2, "Type", "CSI (a Container Storage Interface (CSI) volume source)");
    w.field(2, "Driver", text(&csi["driver"]));
    w.field(2, "FSType", text(&csi["fsType"]));
    w.field(2, "VolumeHandle", text(&csi["volumeHandle"]));
    w.field(2, "ReadOnly", (csi["readOnly"] == true).to_string());
    attributes(w, &csi["volumeAttributes"]);
}

/// A CSI driver's attributes, a line each. Models printCSIPersistentVolumeAttributesMultiline.
fn attributes(w: &mut Writer, map: &Value) {
    const LINE_MAX: usize = 140;
    w.put(2, "VolumeAttributes:\t");
    let lines: Vec<String> = map.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
    if lines.is_empty() {
        w.line(0, "<none>");
    }
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            // Upstream indents before the line and again before its tab.
            w.put(4, "\t");
        }
        let short: String = line.chars().take(LINE_MAX).collect();
        w.line(2, if short.len() < line.len() { format!("{short}...") } else { short });
    }
}

/// `[ReadWriteOnce]` as `RWO`.
pub(super) fn modes(list: &Value) -> String {
    let mut shown: Vec<&str> = Vec::new();
    for (mode, short) in
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")]
    {
        if items(list).iter().any(|m| m == mode) {
            shown.push(short);
        }
    }
    shown.join(",")
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
    w.field(0, "Access Modes", if bound { modes(&status["accessModes"]) } else { String::new() });
    if !spec["volumeMode"].is_null() {
        w.field(0, "VolumeMode", text(&spec["volumeMode"]));
    }
    let from = &spec["dataSource"];
    if from.is_object() {
        w.line(0, "DataSource:");
        if !from["apiGroup"].is_null() {
            w.field(1, "APIGroup", text(&from["apiGroup"]));
        }
        w.field(1, "Kind", text(&from["kind"]));
        w.field(1, "Name", text(&from["name"]));
    }
    let users: Vec<String> = pods
        .iter()
        .filter(|p| items(&p["spec"]["volumes"]).iter().any(|v| v["persistentVolumeClaim"]["claimName"] == m["name"]))
        .map(|p| text(&p["metadata"]["name"]))
        .collect();
    w.field(0, "Used By", or_none(users.join("\n\t")));
    let conditions = items(&status["conditions"]);
    if !conditions.is_empty() {
        w.line(0, "Conditions:");
        w.put(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n");
        w.put(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    }
    for c in conditions {
        let (kind, is) = (text(&c["type"]), text(&c["status"]));
        let (probed, changed) = (rfc1123z(&c["lastProbeTime"]), rfc1123z(&c["lastTransitionTime"]));
        w.put(1, format!("{kind} \t{is} \t{probed} \t{changed} \t{} \t{}\n", text(&c["reason"]), text(&c["message"])));
    }
}
