//! What the api-server says of itself: version, cluster-info, api-resources, api-versions, auth.

use serde_json::{Value, json};

use super::resources;
use super::show::{go_json_pretty, items, text};
use super::{Cx, Failure, Outcome, tabs};
use crate::api::yaml::to_yaml;

pub(super) async fn version(cx: &Cx<'_>) -> Outcome {
    if !cx.args.words.is_empty() {
        return Err(Failure::error(format!("extra arguments: [{}]", cx.args.words.join(" "))));
    }
    let client = json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
        "gitTreeState": "clean", "buildDate": "2026-06-09T08:19:48Z", "goVersion": "go1.26.4", "compiler": "gc",
        "platform": "linux/amd64",
    });
    let server = if cx.args.on("client") { Ok(Value::Null) } else { cx.ask("GET", "/version", "", None).await };
    let mut whole = json!({"clientVersion": client, "kustomizeVersion": "v5.8.1"});
    if let Ok(s) = &server
        && !s.is_null()
    {
        whole["serverVersion"] = s.clone();
    }
    match cx.args.text("output") {
        "" => {
            cx.out("Client Version: v1.36.2\nKustomize Version: v5.8.1\n");
            if let Some(v) = whole["serverVersion"]["gitVersion"].as_str() {
                cx.out(format!("Server Version: {v}\n"));
            }
        }
        "yaml" => cx.out(to_yaml(&whole)),
        // This command indents by two.
        "json" => cx.out(format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default())),
        _ => return Err(Failure::error("--output must be 'yaml' or 'json'")),
    }
    server.map(|_| ())
}

pub(super) async fn cluster_info(cx: &Cx<'_>, verb: &str) -> Outcome {
    if verb == "dump" {
        return dump(cx).await;
    }
    let query = "labelSelector=kubernetes.io%2Fcluster-service%3Dtrue";
    let list = cx.ask("GET", "/api/v1/namespaces/kube-system/services", query, None).await?;
    let server = super::super::door::SERVER;
    cx.out(format!("Kubernetes control plane is running at https://{server}\n"));
    for s in items(&list["items"]) {
        let name = text(&s["metadata"]["name"]);
        let shown = match text(&s["metadata"]["labels"]["kubernetes.io/name"]) {
            n if n.is_empty() => name.clone(),
            n => n,
        };
        let port = text(&items(&s["spec"]["ports"]).first().map_or(Value::Null, |p| p["name"].clone()));
        let port = if port.is_empty() { String::new() } else { format!(":{port}") };
        cx.out(format!(
            "{shown} is running at https://{server}/api/v1/namespaces/kube-system/services/{name}{port}/proxy\n"
        ));
    }
    cx.out("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
    Ok(())
}

/// kubectl cluster-info dump: lists of what a namespace has, and the pods' logs.
async fn dump(cx: &Cx<'_>) -> Outcome {
    let yaml = cx.args.text("output") == "yaml";
    let show = |v: &Value| if yaml { format!("---\n{}", to_yaml(v)) } else { format!("{}\n", go_json_pretty(v)) };
    cx.out(show(&cx.ask("GET", "/api/v1/nodes", "", None).await?));
    let mut namespaces: Vec<String> = cx.args.all("namespaces").to_vec();
    if cx.args.on("all-namespaces") {
        let list = cx.ask("GET", "/api/v1/namespaces", "", None).await?;
        namespaces = items(&list["items"]).iter().map(|n| text(&n["metadata"]["name"])).collect();
    } else if namespaces.is_empty() {
        namespaces = vec!["kube-system".into(), cx.namespace.clone()];
        namespaces.dedup();
    }
    for ns in namespaces {
        for kind in ["events", "replicationcontrollers", "services"] {
            cx.out(show(&cx.ask("GET", &format!("/api/v1/namespaces/{ns}/{kind}"), "", None).await?));
        }
        for kind in ["daemonsets", "deployments", "replicasets"] {
            cx.out(show(&cx.ask("GET", &format!("/apis/apps/v1/namespaces/{ns}/{kind}"), "", None).await?));
        }
        let pods = cx.ask("GET", &format!("/api/v1/namespaces/{ns}/pods"), "", None).await?;
        cx.out(show(&pods));
        for p in items(&pods["items"]) {
            let name = text(&p["metadata"]["name"]);
            for c in items(&p["spec"]["containers"]).iter().map(|c| text(&c["name"])) {
                cx.out(format!("==== START logs for container {c} of pod {ns}/{name} ====\n"));
                let path = format!("/api/v1/namespaces/{ns}/pods/{name}/log");
                let reply = cx.send("GET", &path, &format!("container={c}"), &[], Vec::new()).await?;
                let log = String::from_utf8_lossy(&reply.body).into_owned();
                cx.out(if reply.is_ok() {
                    log
                } else {
                    format!("Request log error: {}\n", Failure::server(&reply).message())
                });
                cx.out(format!("==== END logs for container {c} of pod {ns}/{name} ====\n"));
            }
        }
    }
    Ok(())
}

pub(super) async fn api_resources(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let output = cx.args.get("output").unwrap_or_default();
    let mut list: Vec<&resources::Resource> = all
        .iter()
        .filter(|r| cx.args.get("api-group").is_none_or(|g| r.group == g))
        .filter(|r| cx.args.get("namespaced").is_none_or(|n| r.namespaced == (n != "false")))
        .filter(|r| cx.args.all("categories").iter().all(|c| r.categories.contains(c)))
        .filter(|r| cx.args.all("verbs").iter().all(|v| r.verbs.contains(v)))
        .collect();
    // By group, the core group first, then by name.
    list.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
    match cx.args.get("sort-by") {
        Some("name") => list.sort_by(|a, b| a.plural.cmp(&b.plural)),
        Some("kind") => list.sort_by(|a, b| a.kind.cmp(&b.kind)),
        _ => {}
    }
    if output == "name" {
        for r in list {
            let dot = if r.group.is_empty() { "" } else { "." };
            cx.out(format!("{}{dot}{}\n", r.plural, r.group));
        }
        return Ok(());
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !cx.args.on("no-headers") {
        let mut head = vec!["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"];
        if output == "wide" {
            head.extend(["VERBS", "CATEGORIES"]);
        }
        rows.push(head.into_iter().map(str::to_owned).collect());
    }
    for r in list {
        let group = if r.group.is_empty() { r.version.clone() } else { format!("{}/{}", r.group, r.version) };
        let mut row = vec![r.plural.clone(), r.short.join(","), group, r.namespaced.to_string(), r.kind.clone()];
        if output == "wide" {
            row.extend([r.verbs.join(","), r.categories.join(",")]);
        }
        rows.push(row);
    }
    cx.out(tabs::table(&rows));
    Ok(())
}

pub(super) async fn api_versions(cx: &Cx<'_>) -> Outcome {
    let mut out: Vec<String> = items(&cx.ask("GET", "/api", "", None).await?["versions"]).iter().map(text).collect();
    for g in items(&cx.ask("GET", "/apis", "", None).await?["groups"]) {
        out.extend(items(&g["versions"]).iter().map(|v| text(&v["groupVersion"])));
    }
    out.sort();
    cx.out(out.into_iter().map(|v| v + "\n").collect::<String>());
    Ok(())
}
