//! Horizontal pod autoscalers in words. Models describe.go's HorizontalPodAutoscalerDescriber.

use serde_json::Value;

use super::super::show::{items, rfc1123z, text};
use super::Writer;
use super::workload::{meta, names, number};
use crate::api::field::quote;

const UNKNOWN: &str = "<unknown>";

pub(super) fn describe(w: &mut Writer, o: &Value) {
    let (spec, status) = (&o["spec"], &o["status"]);
    names(w, o);
    meta(w, o);
    w.field(0, "CreationTimestamp", rfc1123z(&o["metadata"]["creationTimestamp"]));
    let target = &spec["scaleTargetRef"];
    w.field(0, "Reference", format!("{}/{}", text(&target["kind"]), text(&target["name"])));
    w.field(0, "Metrics", "( current / target )");
    for (i, m) in items(&spec["metrics"]).iter().enumerate() {
        let now = items(&status["currentMetrics"]).get(i).cloned().unwrap_or(Value::Null);
        metric(w, m, &now);
    }
    let low = &spec["minReplicas"];
    w.field(0, "Min replicas", if low.is_null() { "<unset>".into() } else { text(low) });
    w.field(0, "Max replicas", number(&spec["maxReplicas"]).to_string());
    if spec["behavior"].is_object() {
        w.line(0, "Behavior:");
        behavior(w, "Scale Up", &spec["behavior"]["scaleUp"]);
        behavior(w, "Scale Down", &spec["behavior"]["scaleDown"]);
    }
    let (have, want) = (number(&status["currentReplicas"]), number(&status["desiredReplicas"]));
    w.field(0, &format!("{} pods", text(&target["kind"])), format!("{have} current / {want} desired"));
    conditions(w, items(&status["conditions"]));
}

fn conditions(w: &mut Writer, list: &[Value]) {
    if list.is_empty() {
        return;
    }
    w.line(0, "Conditions:");
    w.put(1, "Type\tStatus\tReason\tMessage\n");
    w.put(1, "----\t------\t------\t-------\n");
    for c in list {
        let cells = ["type", "status", "reason", "message"].map(|k| text(&c[k]));
        w.put(1, format!("{}\n", cells.join("\t")));
    }
}

/// One metric: what it is, what it should be, what it is at.
fn metric(w: &mut Writer, m: &Value, now: &Value) {
    let (title, field) = match m["type"].as_str().unwrap_or_default() {
        "Resource" => (format!("resource {} on pods", text(&m["resource"]["name"])), "resource"),
        "ContainerResource" => {
            let c = &m["containerResource"];
            let title = format!("resource {} of container \"{}\" on pods", text(&c["name"]), text(&c["container"]));
            (title, "containerResource")
        }
        "Pods" => (format!("{} on pods", quote(&text(&m["pods"]["metric"]["name"]))), "pods"),
        "External" => (quote(&text(&m["external"]["metric"]["name"])), "external"),
        "Object" => {
            let (o, of) = (&m["object"], &m["object"]["describedObject"]);
            (format!("\"{}\" on {}/{}", text(&o["metric"]["name"]), text(&of["kind"]), text(&of["name"])), "object")
        }
        other => return w.line(1, format!("<unknown metric type {}>", quote(other))),
    };
    let (want, have) = (&m[field]["target"], &now[field]["current"]);
    let known = |v: &Value| if v.is_null() { UNKNOWN.to_owned() } else { text(v) };
    let (average, value) = (
        format!("{} / {}", known(&have["averageValue"]), text(&want["averageValue"])),
        format!("{} / {}", known(&have["value"]), text(&want["value"])),
    );
    match field {
        "external" | "object" if want["averageValue"].is_null() => {
            w.line(1, format!("{title} (target value):\t{value}"))
        }
        "external" | "object" => w.line(1, format!("{title} (target average value):\t{average}")),
        "pods" => w.line(1, format!("{title}:\t{average}")),
        _ if !want["averageValue"].is_null() => w.line(1, format!("{title}:\t{average}")),
        _ => {
            let current = match have["averageUtilization"].as_i64() {
                Some(n) => format!("{n}% ({})", text(&have["averageValue"])),
                None => UNKNOWN.into(),
            };
            let target = want["averageUtilization"].as_i64().map_or("<auto>".to_owned(), |n| format!("{n}%"));
            w.line(1, format!("{title}  (as a percentage of request):\t{current} / {target}"));
        }
    }
}

/// Models printDirectionBehavior.
fn behavior(w: &mut Writer, direction: &str, rules: &Value) {
    if !rules.is_object() {
        return;
    }
    w.line(1, format!("{direction}:"));
    if let Some(n) = rules["stabilizationWindowSeconds"].as_i64() {
        w.line(2, format!("Stabilization Window: {n} seconds"));
    }
    if items(&rules["policies"]).is_empty() {
        return;
    }
    w.line(2, format!("Select Policy: {}", rules["selectPolicy"].as_str().unwrap_or("Max")));
    w.line(2, "Policies:");
    for p in items(&rules["policies"]) {
        let (value, period) = (number(&p["value"]), number(&p["periodSeconds"]));
        w.line(3, format!("- Type: {}\tValue: {value}\tPeriod: {period} seconds", text(&p["type"])));
    }
}
