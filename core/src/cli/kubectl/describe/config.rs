//! Configuration, rights and limits, in words.

use base64::Engine as _;
use serde_json::Value;

use super::super::show::{items, labels, or_none, text};
use super::{Beside, Writer};

fn bytes(v: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text(v)).unwrap_or_default()
}

fn words(v: &Value) -> String {
    format!("[{}]", items(v).iter().map(text).collect::<Vec<_>>().join(" "))
}

pub(super) fn config_map(w: &mut Writer, o: &Value) {
    w.head(o);
    w.put(0, "\nData\n====\n");
    for (k, v) in o["data"].as_object().into_iter().flatten() {
        w.put(0, format!("{k}:\n----\n{}\n\n", text(v)));
    }
    w.put(0, "\nBinaryData\n====\n");
    for (k, v) in o["binaryData"].as_object().into_iter().flatten() {
        w.line(0, format!("{k}: {} bytes", bytes(v).len()));
    }
    w.put(0, "\n");
}

pub(super) fn secret(w: &mut Writer, o: &Value) {
    w.head(o);
    w.put(0, format!("\nType:\t{}\n", text(&o["type"])));
    w.put(0, "\nData\n====\n");
    for (k, v) in o["data"].as_object().into_iter().flatten() {
        let data = bytes(v);
        if k == "token" && o["type"] == "kubernetes.io/service-account-token" {
            w.field(0, k, String::from_utf8_lossy(&data));
        } else {
            w.field(0, k, format!("{} bytes", data.len()));
        }
    }
}

pub(super) fn service_account(w: &mut Writer, o: &Value) {
    w.head(o);
    let names: Vec<String> = items(&o["imagePullSecrets"]).iter().map(|s| text(&s["name"])).collect();
    if names.is_empty() {
        w.line(0, "Image pull secrets:\t<none>");
    }
    for (i, n) in names.iter().enumerate() {
        w.line(0, format!("{}\t{n}", if i == 0 { "Image pull secrets:" } else { "                   " }));
    }
}

pub(super) fn namespace(w: &mut Writer, o: &Value, beside: &Beside) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
    w.field(0, "Status", text(&o["status"]["phase"]));
    let conditions = items(&o["status"]["conditions"]);
    if !conditions.is_empty() {
        w.put(0, "Conditions:\n  Type\tStatus\tLastTransitionTime\tReason\tMessage\n");
        w.put(1, "----\t------\t------------------\t------\t-------\n");
        for c in conditions {
            let when = super::super::show::rfc1123z(&c["lastTransitionTime"]);
            w.put(
                1,
                format!(
                    "{}\t{}\t{when}\t{}\t{}\n",
                    text(&c["type"]),
                    text(&c["status"]),
                    text(&c["reason"]),
                    text(&c["message"])
                ),
            );
        }
    }
    if beside.quotas.is_empty() {
        w.put(0, "\nNo resource quota.\n");
    } else {
        w.put(0, "\nResource Quotas\n");
        let mut quotas: Vec<&Value> = beside.quotas.iter().collect();
        quotas.sort_by_key(|q| text(&q["metadata"]["name"]));
        for q in quotas {
            w.put(1, format!("Name:\t{}\n", text(&q["metadata"]["name"])));
            w.put(1, "Resource\tUsed\tHard\n");
            w.put(1, "--------\t---\t---\n");
            for (k, hard) in q["status"]["hard"].as_object().into_iter().flatten() {
                w.put(1, format!("{k}\t{}\t{}\n", used(q, k), text(hard)));
            }
        }
    }
    if beside.limit_ranges.is_empty() {
        w.put(0, "\nNo LimitRange resource.\n");
    } else {
        w.put(
            0,
            "\nResource Limits\n Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n",
        );
        w.put(0, " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n");
        for l in &beside.limit_ranges {
            limits(w, l, " ");
        }
    }
}

fn used(q: &Value, key: &str) -> String {
    match &q["status"]["used"][key] {
        Value::Null => "0".into(),
        v => text(v),
    }
}

pub(super) fn quota(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
    let mut scopes: Vec<String> = items(&o["spec"]["scopes"]).iter().map(text).collect();
    if !scopes.is_empty() {
        scopes.sort();
        w.field(0, "Scopes", scopes.join(", "));
        for s in &scopes {
            let help = match s.as_str() {
                "Terminating" => {
                    "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system."
                }
                "NotTerminating" => {
                    "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate."
                }
                "BestEffort" => {
                    "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service."
                }
                "NotBestEffort" => {
                    "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service."
                }
                _ => continue,
            };
            w.line(0, format!(" * {help}"));
        }
    }
    w.put(0, "Resource\tUsed\tHard\n--------\t----\t----\n");
    for (k, hard) in o["status"]["hard"].as_object().into_iter().flatten() {
        w.put(0, format!("{k}\t{}\t{}\n", used(o, k), text(hard)));
    }
}

pub(super) fn limit_range(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
    w.put(0, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n");
    w.put(0, "----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n");
    limits(w, o, "");
}

fn limits(w: &mut Writer, o: &Value, prefix: &str) {
    for l in items(&o["spec"]["limits"]) {
        let mut names: Vec<&String> = Vec::new();
        for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            names.extend(l[list].as_object().into_iter().flatten().map(|(k, _)| k));
        }
        names.sort();
        names.dedup();
        for n in names {
            let show = |list: &str| match &l[list][n.as_str()] {
                Value::Null => "-".to_owned(),
                v => text(v),
            };
            let cells = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"].map(show).join("\t");
            w.put(0, format!("{prefix}{}\t{n}\t{cells}\n", text(&l["type"])));
        }
    }
}

/// A role's rules, one resource a line, sorted.
pub(super) fn role(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
    w.line(0, "PolicyRule:");
    w.put(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs\n");
    w.put(1, "---------\t-----------------\t--------------\t-----\n");
    let mut lines: Vec<(String, String, String, Vec<String>)> = Vec::new();
    for r in items(&o["rules"]) {
        let verbs: Vec<String> = items(&r["verbs"]).iter().map(text).collect();
        let names = words(&r["resourceNames"]);
        let mut add = |resource: String, url: String| match lines
            .iter_mut()
            .find(|l| l.0 == resource && l.1 == url && l.2 == names)
        {
            Some(l) => l.3.extend(verbs.iter().filter(|v| !l.3.contains(v)).cloned().collect::<Vec<_>>()),
            None => lines.push((resource, url, names.clone(), verbs.clone())),
        };
        for group in items(&r["apiGroups"]).iter().map(text) {
            for resource in items(&r["resources"]).iter().map(text) {
                let (plain, sub) = resource.split_once('/').map_or((resource.as_str(), None), |(p, s)| (p, Some(s)));
                let mut name = plain.to_owned();
                if !group.is_empty() {
                    name = format!("{name}.{group}");
                }
                if let Some(s) = sub {
                    name = format!("{name}/{s}");
                }
                add(name, "[]".into());
            }
        }
        for url in items(&r["nonResourceURLs"]).iter().map(text) {
            add(String::new(), format!("[{url}]"));
        }
    }
    lines.sort();
    for (resource, url, names, verbs) in lines {
        w.put(1, format!("{resource}\t{url}\t{names}\t[{}]\n", verbs.join(" ")));
    }
}

pub(super) fn binding(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
    w.line(0, "Role:");
    w.field(1, "Kind", text(&o["roleRef"]["kind"]));
    w.field(1, "Name", text(&o["roleRef"]["name"]));
    w.line(0, "Subjects:");
    w.put(1, "Kind\tName\tNamespace\n");
    w.put(1, "----\t----\t---------\n");
    for s in items(&o["subjects"]) {
        w.put(1, format!("{}\t{}\t{}\n", text(&s["kind"]), text(&s["name"]), text(&s["namespace"])));
    }
}

pub(super) fn disruption_budget(w: &mut Writer, o: &Value) {
    let (spec, status) = (&o["spec"], &o["status"]);
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
    for (words, v) in [("Min available", &spec["minAvailable"]), ("Max unavailable", &spec["maxUnavailable"])] {
        if !v.is_null() {
            w.field(0, words, text(v));
        }
    }
    let selector = &spec["selector"];
    w.field(0, "Selector", if selector.is_null() { "<unset>".into() } else { super::super::show::selector(selector) });
    w.line(0, "Status:");
    for (words, key) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        w.field(2, words, status[key].as_i64().unwrap_or(0).to_string());
    }
}

pub(super) fn priority_class(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Value", o["value"].as_i64().unwrap_or(0).to_string());
    w.field(0, "GlobalDefault", (o["globalDefault"] == true).to_string());
    w.field(0, "PreemptionPolicy", text(&o["preemptionPolicy"]));
    w.field(0, "Description", text(&o["description"]));
    w.field(0, "Annotations", labels(&o["metadata"]["annotations"]));
}

pub(super) fn storage_class(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    let default = o["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    w.field(0, "IsDefaultClass", if default { "Yes" } else { "No" });
    w.field(0, "Annotations", labels(&o["metadata"]["annotations"]));
    w.field(0, "Provisioner", text(&o["provisioner"]));
    w.field(0, "Parameters", labels(&o["parameters"]));
    let expansion = match o["allowVolumeExpansion"].as_bool() {
        None => "<unset>",
        Some(true) => "True",
        Some(false) => "False",
    };
    w.field(0, "AllowVolumeExpansion", expansion);
    let options: Vec<String> = items(&o["mountOptions"]).iter().map(text).collect();
    w.field(0, "MountOptions", or_none(options.iter().map(|o| format!("\n  {o}")).collect::<String>()));
    for (words, key) in [("ReclaimPolicy", "reclaimPolicy"), ("VolumeBindingMode", "volumeBindingMode")] {
        if !o[key].is_null() {
            w.field(0, words, text(&o[key]));
        }
    }
}
