//! kubectl cordon, uncordon and drain. Models `pkg/drain`.

use serde_json::{Value, json};

use super::{Cx, Failure, Outcome, delete};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("selector", 'l'),
    value("grace-period", ' '),
    value("timeout", ' '),
    value("pod-selector", ' '),
    switch("ignore-daemonsets", ' '),
    switch("delete-emptydir-data", ' '),
    switch("force", ' '),
    switch("disable-eviction", ' '),
];

fn names(cx: &Cx<'_>, verb: &str) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = cx.args.words.iter().map(|w| w.strip_prefix("node/").unwrap_or(w).to_owned()).collect();
    if names.is_empty() {
        return Err(Failure::error(format!(
            "USAGE: {verb} NODE [flags]\nSee 'kubectl {verb} -h' for help and examples"
        )));
    }
    Ok(names)
}

async fn set_unschedulable(cx: &Cx<'_>, node: &str, wanted: bool) -> Outcome {
    let path = format!("/api/v1/nodes/{node}");
    let n = cx.ask("GET", &path, "", None).await?;
    let have = n["spec"]["unschedulable"].as_bool().unwrap_or(false);
    let word = if wanted { "cordoned" } else { "uncordoned" };
    if have == wanted {
        cx.out(format!("node/{node} already {word}\n"));
        return Ok(());
    }
    let patch = json!({"spec": {"unschedulable": if wanted { json!(true) } else { Value::Null }}});
    cx.patch(&path, "application/strategic-merge-patch+json", &patch, "").await?;
    cx.out(format!("node/{node} {word}\n"));
    Ok(())
}

pub(super) async fn cordon(cx: &Cx<'_>, wanted: bool) -> Outcome {
    for node in names(cx, if wanted { "cordon" } else { "uncordon" })? {
        set_unschedulable(cx, &node, wanted).await?;
    }
    Ok(())
}

/// Which pods must go, and what is said of the others.
#[derive(Default)]
struct Plan {
    go: Vec<(String, String, Value)>,
    unmanaged: Vec<String>,
    daemons: Vec<String>,
    local_data: Vec<String>,
}

fn plan(pods: &Value) -> Plan {
    let mut plan = Plan::default();
    for p in pods["items"].as_array().into_iter().flatten() {
        let m = &p["metadata"];
        let (ns, name) = (m["namespace"].as_str().unwrap_or_default(), m["name"].as_str().unwrap_or_default());
        if !m["annotations"]["kubernetes.io/config.mirror"].is_null() {
            continue;
        }
        let full = format!("{ns}/{name}");
        let ended = matches!(p["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let controller = m["ownerReferences"].as_array().into_iter().flatten().find(|r| r["controller"] == true);
        let daemon = controller.is_some_and(|c| c["kind"] == "DaemonSet");
        if daemon && !ended {
            plan.daemons.push(full);
            continue;
        }
        if !ended {
            let local = p["spec"]["volumes"].as_array().into_iter().flatten().any(|v| !v["emptyDir"].is_null());
            if local {
                plan.local_data.push(full.clone());
            }
            if controller.is_none() {
                plan.unmanaged.push(full);
            }
        }
        plan.go.push((ns.to_owned(), name.to_owned(), m["uid"].clone()));
    }
    plan
}

pub(super) async fn drain(cx: &Cx<'_>) -> Outcome {
    for node in names(cx, "drain")? {
        set_unschedulable(cx, &node, true).await?;
        let pods = cx.ask("GET", "/api/v1/pods", &format!("fieldSelector=spec.nodeName%3D{node}"), None).await?;
        let plan = plan(&pods);
        let mut errors = Vec::new();
        if !plan.local_data.is_empty() && !cx.args.on("delete-emptydir-data") {
            errors.push(format!(
                "cannot delete Pods with local storage (use --delete-emptydir-data to override): {}",
                plan.local_data.join(", ")
            ));
        }
        if !plan.unmanaged.is_empty() && !cx.args.on("force") {
            errors.push(format!(
                "cannot delete Pods that declare no controller (use --force to override): {}",
                plan.unmanaged.join(", ")
            ));
        }
        if !plan.daemons.is_empty() && !cx.args.on("ignore-daemonsets") {
            errors.push(format!(
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {}",
                plan.daemons.join(", ")
            ));
        }
        if !errors.is_empty() {
            let joined = if errors.len() == 1 { errors.remove(0) } else { format!("[{}]", errors.join(", ")) };
            cx.shell.err(format!("error: unable to drain node \"{node}\" due to error: {joined}, continuing command...\nThere are pending nodes to be drained:\n {node}\n{}\n", joined_lines(&joined)));
            return Err(Failure { text: String::new(), code: 1 });
        }
        let mut warnings = Vec::new();
        if !plan.unmanaged.is_empty() {
            warnings.push(format!("deleting Pods that declare no controller: {}", plan.unmanaged.join(", ")));
        }
        if !plan.daemons.is_empty() {
            warnings.push(format!("ignoring DaemonSet-managed Pods: {}", plan.daemons.join(", ")));
        }
        if !warnings.is_empty() {
            cx.shell.err(format!("Warning: {}\n", warnings.join("; ")));
        }
        for (ns, name, uid) in &plan.go {
            cx.out(format!("evicting pod {ns}/{name}\n"));
            evict(cx, ns, name).await?;
            let _ = uid;
        }
        for (ns, name, uid) in &plan.go {
            delete::wait_gone(cx, &format!("/api/v1/namespaces/{ns}/pods/{name}"), uid).await?;
            cx.out(format!("pod/{name} evicted\n"));
        }
        cx.out(format!("node/{node} drained\n"));
    }
    Ok(())
}

fn joined_lines(joined: &str) -> String {
    joined.trim_matches(['[', ']']).replace("), cannot", ")\ncannot")
}

/// Evicts a pod; a PodDisruptionBudget that forbids it is asked again every 5 s.
async fn evict(cx: &Cx<'_>, ns: &str, name: &str) -> Outcome {
    loop {
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": ns}});
        let path = format!("/api/v1/namespaces/{ns}/pods/{name}/eviction");
        let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
        let reply = cx.send("POST", &path, "", &headers, body.to_string().into_bytes()).await?;
        match reply.code {
            404 => return Ok(()),
            429 => {
                let message = reply.json()["message"].as_str().unwrap_or_default().to_owned();
                cx.shell
                    .err(format!("error when evicting pods/\"{name}\" -n \"{ns}\" (will retry after 5s): {message}\n"));
                cx.shell.door.sim.sleep(std::time::Duration::from_secs(5)).await;
            }
            c if c < 400 => return Ok(()),
            _ => return Err(Failure::server(&reply)),
        }
    }
}
