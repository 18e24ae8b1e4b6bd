//! A node in words, with what its pods ask for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{items, or_none, rfc1123z, since, text};
use super::{Beside, Writer};
use crate::api::quantity::Quantity;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

pub(super) fn describe(w: &mut Writer, o: &Value, beside: &Beside, now: Timestamp) {
    let (m, spec, status) = (&o["metadata"], &o["spec"], &o["status"]);
    w.field(0, "Name", text(&m["name"]));
    let mut roles = Vec::new();
    for (k, v) in m["labels"].as_object().into_iter().flatten() {
        if let Some(role) = k.strip_prefix(ROLE_PREFIX).filter(|r| !r.is_empty()) {
            roles.push(role.to_owned());
        } else if k == "kubernetes.io/role" && !text(v).is_empty() {
            roles.push(text(v));
        }
    }
    roles.sort();
    w.field(0, "Roles", or_none(roles.join(",")));
    w.labels("Labels", &m["labels"]);
    w.annotations("Annotations", &m["annotations"]);
    w.field(0, "CreationTimestamp", rfc1123z(&m["creationTimestamp"]));
    let mut taints: Vec<String> = items(&spec["taints"])
        .iter()
        .map(|t| match text(&t["value"]) {
            v if v.is_empty() => format!("{}:{}", text(&t["key"]), text(&t["effect"])),
            v => format!("{}={v}:{}", text(&t["key"]), text(&t["effect"])),
        })
        .collect();
    taints.sort();
    w.field(0, "Taints", or_none(taints.join("\n\t")));
    w.field(0, "Unschedulable", (spec["unschedulable"] == true).to_string());
    match &beside.lease {
        Some(l) => {
            w.line(0, "Lease:");
            let unset = |v: String| if v.is_empty() { "<unset>".to_owned() } else { v };
            w.field(1, "HolderIdentity", unset(text(&l["spec"]["holderIdentity"])));
            for (key, v) in [("AcquireTime", &l["spec"]["acquireTime"]), ("RenewTime", &l["spec"]["renewTime"])] {
                w.field(1, key, if v.is_null() { "<unset>".into() } else { rfc1123z(v) });
            }
        }
        None => {
            let name = text(&m["name"]);
            w.field(
                0,
                "Lease",
                format!(
                    "Failed to get lease: leases.coordination.k8s.io {} not found",
                    crate::api::field::quote(&name)
                ),
            );
        }
    }
    let conditions = items(&status["conditions"]);
    if !conditions.is_empty() {
        w.put(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
        w.put(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
        for c in conditions {
            let (beat, change) = (rfc1123z(&c["lastHeartbeatTime"]), rfc1123z(&c["lastTransitionTime"]));
            w.put(
                1,
                format!(
                    "{} \t{} \t{beat} \t{change} \t{} \t{}\n",
                    text(&c["type"]),
                    text(&c["status"]),
                    text(&c["reason"]),
                    text(&c["message"])
                ),
            );
        }
    }
    w.line(0, "Addresses:");
    for a in items(&status["addresses"]) {
        w.field(1, &text(&a["type"]), text(&a["address"]));
    }
    for (title, list) in [("Capacity", &status["capacity"]), ("Allocatable", &status["allocatable"])] {
        let Some(map) = list.as_object().filter(|m| !m.is_empty()) else { continue };
        w.line(0, format!("{title}:"));
        for (k, v) in map {
            w.field(1, k, text(v));
        }
    }
    w.line(0, "System Info:");
    let info = &status["nodeInfo"];
    for (key, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        w.field(1, key, text(&info[field]));
    }
    if !spec["podCIDR"].is_null() {
        w.field(0, "PodCIDR", text(&spec["podCIDR"]));
    }
    let cidrs: Vec<String> = items(&spec["podCIDRs"]).iter().map(text).collect();
    if !cidrs.is_empty() {
        w.field(0, "PodCIDRs", cidrs.join(","));
    }
    if !spec["providerID"].is_null() {
        w.field(0, "ProviderID", text(&spec["providerID"]));
    }
    resources(w, status, &beside.pods, now);
}

type Amounts = BTreeMap<String, Quantity>;

fn amounts(v: &Value) -> Amounts {
    v.as_object()
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), Quantity::parse(&text(v)).ok()?)))
        .collect()
}

fn add(into: &mut Amounts, more: &Amounts) {
    for (k, q) in more {
        let sum = into.get(k).map_or(*q, |have| have.add(*q));
        into.insert(k.clone(), sum);
    }
}

fn raise(into: &mut Amounts, to: &Amounts) {
    for (k, q) in to {
        if into.get(k).is_none_or(|have| have.sub(*q).sign() < 0) {
            into.insert(k.clone(), *q);
        }
    }
}

/// What a pod asks for, or may use: its containers' sum, at least what each init container needs beside the sidecars before
/// it, and its overhead. Models component-helpers' resource.PodRequests and PodLimits.
fn pod_amounts(pod: &Value, which: &str) -> Amounts {
    let spec = &pod["spec"];
    let mut total = Amounts::new();
    for c in items(&spec["containers"]) {
        add(&mut total, &amounts(&c["resources"][which]));
    }
    let (mut sidecars, mut initial) = (Amounts::new(), Amounts::new());
    for c in items(&spec["initContainers"]) {
        let mut own = amounts(&c["resources"][which]);
        if c["restartPolicy"] == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut initial, &own);
    }
    raise(&mut total, &initial);
    for (k, q) in amounts(&spec["resources"][which]) {
        total.insert(k, q);
    }
    let overhead = amounts(&spec["overhead"]);
    if which == "requests" {
        add(&mut total, &overhead);
    } else {
        for (k, q) in overhead {
            if let Some(have) = total.get(&k).copied() {
                total.insert(k, have.add(q));
            }
        }
    }
    total
}

fn resources(w: &mut Writer, status: &Value, pods: &[Value], now: Timestamp) {
    let mut room = amounts(&status["allocatable"]);
    if room.is_empty() {
        room = amounts(&status["capacity"]);
    }
    w.line(0, format!("Non-terminated Pods:\t({} in total)", pods.len()));
    w.put(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n");
    w.put(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n");
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    for p in pods {
        let (r, l) = (pod_amounts(p, "requests"), pod_amounts(p, "limits"));
        let m = &p["metadata"];
        let cells =
            [share(&r, &room, "cpu"), share(&l, &room, "cpu"), share(&r, &room, "memory"), share(&l, &room, "memory")];
        let age = since(&m["creationTimestamp"], now);
        w.put(1, format!("{}\t{}\t\t{}\t{age}\n", text(&m["namespace"]), text(&m["name"]), cells.join("\t")));
        add(&mut requests, &r);
        add(&mut limits, &l);
    }
    w.put(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    w.put(1, "Resource\tRequests\tLimits\n");
    w.put(1, "--------\t--------\t------\n");
    let standard = ["cpu", "memory", "ephemeral-storage"];
    let huge = room.keys().filter(|k| k.starts_with("hugepages-")).map(String::as_str);
    for name in standard.into_iter().chain(huge) {
        w.put(1, format!("{name}\t{}\t{}\n", share(&requests, &room, name), share(&limits, &room, name)));
    }
    for name in room.keys().filter(|k| !k.starts_with("hugepages-") && *k != "pods" && !standard.contains(&k.as_str()))
    {
        let plain = |a: &Amounts| a.get(name).copied().unwrap_or(Quantity::ZERO).to_string();
        w.put(1, format!("{name}\t{}\t{}\n", plain(&requests), plain(&limits)));
    }
}

/// An amount with its share of what there is, as `100m (2%)`.
fn share(have: &Amounts, room: &Amounts, name: &str) -> String {
    let q = have.get(name).copied().unwrap_or(Quantity::ZERO);
    let of = room.get(name).copied().unwrap_or(Quantity::ZERO);
    let (a, b) = if name == "cpu" { (q.milli_value(), of.milli_value()) } else { (q.value(), of.value()) };
    let percent = if b == 0 { 0 } else { (i128::from(a) * 100 / i128::from(b)) as i64 };
    format!("{q} ({percent}%)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_needs_the_larger_of_its_containers_and_init_containers() {
        let cpu = |s: &str| json!({"resources": {"requests": {"cpu": s}}});
        let sidecar = json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}});
        for (containers, init, want) in [
            (json!([cpu("100m"), cpu("200m")]), json!([]), "300m"),
            (json!([cpu("100m")]), json!([cpu("400m")]), "400m"),
            (json!([cpu("100m")]), json!([sidecar, cpu("400m")]), "450m"),
            (json!([cpu("1")]), json!([sidecar]), "1050m"),
        ] {
            let pod = json!({"spec": {"containers": containers, "initContainers": init}});
            assert_eq!(pod_amounts(&pod, "requests")["cpu"].to_string(), want);
        }
    }
}
