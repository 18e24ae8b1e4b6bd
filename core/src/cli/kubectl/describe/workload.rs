//! What runs pods, in words.

use serde_json::Value;

use super::super::show::{human_duration, items, labels, or_none, rfc1123z, selector, text, time};
use super::pod::controller;
use super::{Writer, pod_template};

pub(super) fn number(v: &Value) -> i64 {
    v.as_i64().unwrap_or(0)
}

/// How many of the pods that an object controls are in each phase.
fn pods_status(o: &Value, pods: &[Value]) -> String {
    let uid = &o["metadata"]["uid"];
    let own: Vec<&Value> = pods
        .iter()
        .filter(|p| {
            items(&p["metadata"]["ownerReferences"]).iter().any(|r| r["controller"] == true && r["uid"] == *uid)
        })
        .collect();
    let count = |phase: &str| own.iter().filter(|p| p["status"]["phase"] == phase).count();
    format!(
        "{} Running / {} Waiting / {} Succeeded / {} Failed",
        count("Running"),
        count("Pending"),
        count("Succeeded"),
        count("Failed")
    )
}

fn conditions(w: &mut Writer, o: &Value) {
    let list = items(&o["status"]["conditions"]);
    if list.is_empty() {
        return;
    }
    w.put(0, "Conditions:\n  Type\tStatus\tReason\n");
    w.put(1, "----\t------\t------\n");
    for c in list {
        w.put(1, format!("{} \t{}\t{}\n", text(&c["type"]), text(&c["status"]), text(&c["reason"])));
    }
}

pub(super) fn meta(w: &mut Writer, o: &Value) {
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
}

pub(super) fn names(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
}

fn current(o: &Value) -> String {
    format!("{} current / {} desired", number(&o["status"]["replicas"]), number(&o["spec"]["replicas"]))
}

pub(super) fn replication_controller(w: &mut Writer, o: &Value, pods: &[Value]) {
    names(w, o);
    w.field(0, "Selector", labels(&o["spec"]["selector"]));
    meta(w, o);
    w.field(0, "Replicas", current(o));
    w.field(0, "Pods Status", pods_status(o, pods));
    pod_template(w, &o["spec"]["template"]);
    conditions(w, o);
}

pub(super) fn replica_set(w: &mut Writer, o: &Value, pods: &[Value]) {
    names(w, o);
    w.field(0, "Selector", selector(&o["spec"]["selector"]));
    meta(w, o);
    if let Some(c) = controller(o) {
        w.field(0, "Controlled By", c);
    }
    w.field(0, "Replicas", current(o));
    w.field(0, "Pods Status", pods_status(o, pods));
    pod_template(w, &o["spec"]["template"]);
    conditions(w, o);
}

/// Whether a ReplicaSet has a Deployment's template, the hash that the controller adds aside.
pub(in super::super) fn same_template(deployment: &Value, replica_set: &Value) -> bool {
    let mut t = replica_set["spec"]["template"].clone();
    if let Some(labels) = t["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    t == deployment["spec"]["template"]
}

/// The ReplicaSets that a Deployment controls.
pub(in super::super) fn own_replica_sets<'a>(deployment: &Value, all: &'a [Value]) -> Vec<&'a Value> {
    let uid = &deployment["metadata"]["uid"];
    all.iter()
        .filter(|rs| {
            items(&rs["metadata"]["ownerReferences"]).iter().any(|r| r["controller"] == true && r["uid"] == *uid)
        })
        .collect()
}

pub(super) fn deployment(w: &mut Writer, o: &Value, replica_sets: &[Value]) {
    let (spec, status) = (&o["spec"], &o["status"]);
    names(w, o);
    w.field(0, "CreationTimestamp", rfc1123z(&o["metadata"]["creationTimestamp"]));
    meta(w, o);
    w.field(0, "Selector", selector(&spec["selector"]));
    let n = |k: &str| number(&status[k]);
    w.field(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number(&spec["replicas"]),
            n("updatedReplicas"),
            n("replicas"),
            n("availableReplicas"),
            n("unavailableReplicas")
        ),
    );
    w.field(0, "StrategyType", text(&spec["strategy"]["type"]));
    w.field(0, "MinReadySeconds", number(&spec["minReadySeconds"]).to_string());
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        let s =
            format!("{} max unavailable, {} max surge", text(&rolling["maxUnavailable"]), text(&rolling["maxSurge"]));
        w.field(0, "RollingUpdateStrategy", s);
    }
    pod_template(w, &spec["template"]);
    conditions(w, o);
    let mut own = own_replica_sets(o, replica_sets);
    own.sort_by_key(|rs| (text(&rs["metadata"]["creationTimestamp"]), text(&rs["metadata"]["name"])));
    if own.is_empty() {
        return;
    }
    let newest = own.iter().position(|rs| same_template(o, rs)).map(|i| own.remove(i));
    let show = |list: &[&Value]| {
        let one = |rs: &&Value| {
            let (have, want) = (number(&rs["status"]["replicas"]), number(&rs["spec"]["replicas"]));
            format!("{} ({have}/{want} replicas created)", text(&rs["metadata"]["name"]))
        };
        or_none(list.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    w.field(0, "OldReplicaSets", show(&own));
    w.field(0, "NewReplicaSet", show(newest.as_slice()));
}

pub(super) fn daemon_set(w: &mut Writer, o: &Value, pods: &[Value]) {
    let status = &o["status"];
    names(w, o);
    w.field(0, "Selector", selector(&o["spec"]["selector"]));
    w.field(0, "Node-Selector", labels(&o["spec"]["template"]["spec"]["nodeSelector"]));
    meta(w, o);
    for (words, key) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        w.line(0, format!("{words}: {}", number(&status[key])));
    }
    w.field(0, "Pods Status", pods_status(o, pods));
    pod_template(w, &o["spec"]["template"]);
}

pub(super) fn stateful_set(w: &mut Writer, o: &Value, pods: &[Value]) {
    let spec = &o["spec"];
    names(w, o);
    w.field(0, "CreationTimestamp", rfc1123z(&o["metadata"]["creationTimestamp"]));
    w.field(0, "Selector", selector(&spec["selector"]));
    meta(w, o);
    w.field(
        0,
        "Replicas",
        format!("{} desired | {} total", number(&spec["replicas"]), number(&o["status"]["replicas"])),
    );
    w.field(0, "Update Strategy", text(&spec["updateStrategy"]["type"]));
    let rolling = &spec["updateStrategy"]["rollingUpdate"];
    if !rolling["partition"].is_null() {
        w.field(1, "Partition", text(&rolling["partition"]));
        if !rolling["maxUnavailable"].is_null() {
            w.field(1, "MaxUnavailable", text(&rolling["maxUnavailable"]));
        }
    }
    w.field(0, "Pods Status", pods_status(o, pods));
    pod_template(w, &spec["template"]);
    let claims = items(&spec["volumeClaimTemplates"]);
    if claims.is_empty() {
        w.field(0, "Volume Claims", "<none>");
        return;
    }
    w.line(0, "Volume Claims:");
    for c in claims {
        w.field(1, "Name", text(&c["metadata"]["name"]));
        w.field(1, "StorageClass", text(&c["spec"]["storageClassName"]));
        w.labels_indented("  ", "Labels", "\t", &c["metadata"]["labels"]);
        w.labels_indented("  ", "Annotations", "\t", &c["metadata"]["annotations"]);
        let capacity = &c["spec"]["resources"]["requests"]["storage"];
        w.field(1, "Capacity", if capacity.is_null() { "<default>".into() } else { text(capacity) });
        let modes: Vec<String> = items(&c["spec"]["accessModes"]).iter().map(text).collect();
        w.field(1, "Access Modes", format!("[{}]", modes.join(" ")));
    }
}

pub(super) fn job(w: &mut Writer, o: &Value) {
    let (spec, status) = (&o["spec"], &o["status"]);
    names(w, o);
    w.field(0, "Selector", super::super::show::selector_query(&spec["selector"]));
    meta(w, o);
    if let Some(c) = controller(o) {
        w.field(0, "Controlled By", c);
    }
    if !spec["parallelism"].is_null() {
        w.field(0, "Parallelism", text(&spec["parallelism"]));
    }
    w.field(
        0,
        "Completions",
        if spec["completions"].is_null() { "<unset>".into() } else { text(&spec["completions"]) },
    );
    for (words, key) in [
        ("Completion Mode", "completionMode"),
        ("Suspend", "suspend"),
        ("Backoff Limit", "backoffLimit"),
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ] {
        if !spec[key].is_null() {
            w.field(0, words, text(&spec[key]));
        }
    }
    for (words, key) in [("Start Time", "startTime"), ("Completed At", "completionTime")] {
        if !status[key].is_null() {
            w.field(0, words, rfc1123z(&status[key]));
        }
    }
    if let (Some(a), Some(b)) = (time(&status["startTime"]), time(&status["completionTime"])) {
        w.field(0, "Duration", human_duration(b.as_second() - a.as_second()));
    }
    if !spec["activeDeadlineSeconds"].is_null() {
        w.field(0, "Active Deadline Seconds", format!("{}s", text(&spec["activeDeadlineSeconds"])));
    }
    let ready =
        if status["ready"].is_null() { String::new() } else { format!(" ({} Ready)", number(&status["ready"])) };
    let n = |k: &str| number(&status[k]);
    w.field(
        0,
        "Pods Statuses",
        format!("{} Active{ready} / {} Succeeded / {} Failed", n("active"), n("succeeded"), n("failed")),
    );
    if spec["completionMode"] == "Indexed" {
        let all = text(&status["completedIndexes"]);
        let shown = match all.get(50..).and_then(|rest| rest.find(',')) {
            Some(at) => format!("{}...", &all[..50 + at + 1]),
            None => all,
        };
        w.field(0, "Completed Indexes", or_none(shown));
    }
    pod_template(w, &spec["template"]);
}

pub(super) fn cron_job(w: &mut Writer, o: &Value) {
    let (spec, status) = (&o["spec"], &o["status"]);
    let unset = |v: &Value| if v.is_null() { "<unset>".to_owned() } else { text(v) };
    names(w, o);
    meta(w, o);
    w.field(0, "Schedule", text(&spec["schedule"]));
    w.field(0, "Concurrency Policy", text(&spec["concurrencyPolicy"]));
    let suspended = match spec["suspend"].as_bool() {
        None => "<unset>",
        Some(true) => "True",
        Some(false) => "False",
    };
    w.field(0, "Suspend", suspended);
    w.field(0, "Time Zone", unset(&spec["timeZone"]));
    w.field(0, "Successful Job History Limit", unset(&spec["successfulJobsHistoryLimit"]));
    w.field(0, "Failed Job History Limit", unset(&spec["failedJobsHistoryLimit"]));
    let deadline = &spec["startingDeadlineSeconds"];
    w.field(
        0,
        "Starting Deadline Seconds",
        if deadline.is_null() { "<unset>".into() } else { format!("{}s", text(deadline)) },
    );
    let job = &spec["jobTemplate"]["spec"];
    w.field(
        0,
        "Selector",
        if job["selector"].is_null() { "<unset>".into() } else { super::super::show::selector_query(&job["selector"]) },
    );
    w.field(0, "Parallelism", unset(&job["parallelism"]));
    w.field(0, "Completions", unset(&job["completions"]));
    if !job["activeDeadlineSeconds"].is_null() {
        w.field(0, "Active Deadline Seconds", format!("{}s", text(&job["activeDeadlineSeconds"])));
    }
    pod_template(w, &job["template"]);
    let last = &status["lastScheduleTime"];
    w.field(0, "Last Schedule Time", if last.is_null() { "<unset>".into() } else { rfc1123z(last) });
    let active: Vec<String> = items(&status["active"]).iter().map(|a| text(&a["name"])).collect();
    w.field(0, "Active Jobs", or_none(active.join(", ")));
}
