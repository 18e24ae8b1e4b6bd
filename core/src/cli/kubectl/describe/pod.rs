//! A pod in words.

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{items, rfc1123z, since, text};
use super::{Writer, containers, volumes};

/// `Kind/name` of what controls an object.
pub(super) fn controller(o: &Value) -> Option<String> {
    let c = items(&o["metadata"]["ownerReferences"]).iter().find(|r| r["controller"] == true)?;
    Some(format!("{}/{}", text(&c["kind"]), text(&c["name"])))
}

pub(super) fn describe(w: &mut Writer, o: &Value, now: Timestamp) {
    let (m, spec, status) = (&o["metadata"], &o["spec"], &o["status"]);
    w.field(0, "Name", text(&m["name"]));
    w.field(0, "Namespace", text(&m["namespace"]));
    for (key, v) in [
        ("Priority", &spec["priority"]),
        ("Priority Class Name", &spec["priorityClassName"]),
        ("Runtime Class Name", &spec["runtimeClassName"]),
        ("Service Account", &spec["serviceAccountName"]),
    ] {
        optional(w, key, v);
    }
    let node = text(&spec["nodeName"]);
    w.field(0, "Node", if node.is_empty() { "<none>".into() } else { format!("{node}/{}", text(&status["hostIP"])) });
    if !status["startTime"].is_null() {
        w.field(0, "Start Time", rfc1123z(&status["startTime"]));
    }
    w.labels("Labels", &m["labels"]);
    w.annotations("Annotations", &m["annotations"]);
    let phase = text(&status["phase"]);
    if !m["deletionTimestamp"].is_null() && phase != "Failed" && phase != "Succeeded" {
        w.field(0, "Status", format!("Terminating (lasts {})", since(&m["deletionTimestamp"], now)));
        w.field(0, "Termination Grace Period", format!("{}s", text(&m["deletionGracePeriodSeconds"])));
    } else {
        w.field(0, "Status", phase);
    }
    optional(w, "Reason", &status["reason"]);
    optional(w, "Message", &status["message"]);
    let seccomp = &spec["securityContext"]["seccompProfile"];
    optional(w, "SeccompProfile", &seccomp["type"]);
    optional(w, "LocalhostProfile", &seccomp["localhostProfile"]);
    w.field(0, "IP", text(&status["podIP"]));
    let ips = items(&status["podIPs"]);
    if ips.is_empty() {
        w.field(0, "IPs", "<none>");
    } else {
        w.line(0, "IPs:");
        for ip in ips {
            w.field(1, "IP", text(&ip["ip"]));
        }
    }
    if let Some(c) = controller(o) {
        w.field(0, "Controlled By", c);
    }
    optional(w, "NominatedNodeName", &status["nominatedNodeName"]);
    if spec["resources"].is_object() {
        w.line(0, "Resources:");
        containers::resources(w, &spec["resources"], 1);
    }
    for (title, list, statuses, needed) in [
        ("Init Containers", "initContainers", "initContainerStatuses", false),
        ("Containers", "containers", "containerStatuses", true),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses", false),
    ] {
        if needed || !items(&spec[list]).is_empty() {
            containers::describe(w, title, items(&spec[list]), items(&status[statuses]), Some(o), "");
        }
    }
    let conditions = items(&status["conditions"]);
    let gates = items(&spec["readinessGates"]);
    if !gates.is_empty() {
        w.put(0, "Readiness Gates:\n  Type\tStatus\n");
        for g in gates {
            let met = conditions
                .iter()
                .find(|c| c["type"] == g["conditionType"])
                .map_or("<none>".into(), |c| text(&c["status"]));
            w.put(1, format!("{} \t{met} \n", text(&g["conditionType"])));
        }
    }
    if !conditions.is_empty() {
        w.put(0, "Conditions:\n  Type\tStatus\n");
        for c in conditions {
            w.put(1, format!("{} \t{} \n", text(&c["type"]), text(&c["status"])));
        }
    }
    volumes::describe(w, items(&spec["volumes"]), "");
    w.field(0, "QoS Class", qos(o));
    w.labels("Node-Selectors", &spec["nodeSelector"]);
    containers::tolerations(w, "Tolerations", items(&spec["tolerations"]));
    containers::spread(w, items(&spec["topologySpreadConstraints"]), "");
}

fn optional(w: &mut Writer, key: &str, v: &Value) {
    let s = text(v);
    if !s.is_empty() {
        w.field(0, key, s);
    }
}

/// The class that the api-server computed, which every pod that it stored has.
fn qos(o: &Value) -> String {
    match text(&o["status"]["qosClass"]) {
        s if s.is_empty() => "BestEffort".into(),
        s => s,
    }
}
