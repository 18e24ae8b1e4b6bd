//! What the api-server says of itself: version, cluster-info, api-resources, api-versions, auth.

use serde_json::{Value, json};

use super::resources;
use super::show::{items, text};
use super::{Cx, Failure, Outcome, tabs};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    switch("client", ' '),
    value("output", 'o'),
    value("api-group", ' '),
    value("namespaced", ' '),
    value("sort-by", ' '),
    value("verbs", ' '),
    value("categories", ' '),
    switch("no-headers", ' '),
    switch("cached", ' '),
    switch("quiet", 'q'),
    switch("all-namespaces", 'A'),
    switch("list", ' '),
    value("subresource", ' '),
];

pub(super) async fn version(cx: &Cx<'_>) -> Outcome {
    cx.out("Client Version: v1.36.2\nKustomize Version: v5.8.1\n");
    if !cx.args.on("client") {
        let v = cx.ask("GET", "/version", "", None).await?;
        cx.out(format!("Server Version: {}\n", text(&v["gitVersion"])));
    }
    Ok(())
}

pub(super) async fn cluster_info(cx: &Cx<'_>) -> Outcome {
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

pub(super) async fn api_resources(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let output = cx.args.get("output").unwrap_or_default();
    let mut list: Vec<&resources::Resource> = all
        .iter()
        .filter(|r| cx.args.get("api-group").is_none_or(|g| r.group == g))
        .filter(|r| cx.args.get("namespaced").is_none_or(|n| r.namespaced == (n != "false")))
        .filter(|r| cx.args.get("categories").is_none_or(|c| r.categories.iter().any(|x| x == c)))
        .filter(|r| cx.args.get("verbs").is_none_or(|v| v.split(',').all(|v| r.verbs.iter().any(|x| x == v))))
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

pub(super) async fn auth(cx: &Cx<'_>) -> Outcome {
    let words: Vec<&str> = cx.args.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["whoami", ..] => {
            let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
            let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
            let user = cx.ask("POST", path, "", Some(&body)).await?["status"]["userInfo"].clone();
            let list = |v: &Value| format!("[{}]", items(v).iter().map(text).collect::<Vec<_>>().join(" "));
            let mut rows =
                vec![vec!["ATTRIBUTE".to_owned(), "VALUE".into()], vec!["Username".into(), text(&user["username"])]];
            if !text(&user["uid"]).is_empty() {
                rows.push(vec!["UID".into(), text(&user["uid"])]);
            }
            if !items(&user["groups"]).is_empty() {
                rows.push(vec!["Groups".into(), list(&user["groups"])]);
            }
            for (k, v) in user["extra"].as_object().into_iter().flatten() {
                rows.push(vec![format!("Extra: {k}"), list(v)]);
            }
            cx.out(tabs::table(&rows));
            Ok(())
        }
        ["can-i", verb, subject, names @ ..] => can_i(cx, verb, subject, names.first().copied()).await,
        ["can-i", ..] => Err(Failure::error(
            "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
        )),
        _ => Err(Failure::plain("Inspect authorization.\n\nAvailable Commands:\n  can-i, whoami")),
    }
}

async fn can_i(cx: &Cx<'_>, verb: &str, subject: &str, name: Option<&str>) -> Outcome {
    let spec = if subject.starts_with('/') {
        json!({"nonResourceAttributes": {"verb": verb, "path": subject}})
    } else {
        let (kind, named) = subject.split_once('/').map_or((subject, name), |(k, n)| (k, Some(n)));
        let all = resources::discover(cx).await?;
        let known = if kind == "*" { None } else { resources::find(&all, kind).ok().and_then(|f| f.first().copied()) };
        let (group, resource) = match known {
            Some(r) => (r.group.as_str(), r.plural.as_str()),
            None => ("", kind),
        };
        if known.is_none() && kind != "*" {
            cx.shell.err(format!("Warning: the server doesn't have a resource type '{kind}'\n\n"));
        }
        if known.is_some_and(|r| !r.namespaced) {
            cx.shell.err(format!(
                "Warning: resource '{resource}' is not namespace scoped{}\n\n",
                if group.is_empty() { String::new() } else { format!(" in group '{group}'") }
            ));
        }
        let namespace = if cx.args.on("all-namespaces") { "" } else { &cx.namespace };
        json!({"resourceAttributes": {
            "namespace": namespace, "verb": verb, "group": group, "resource": resource,
            "subresource": cx.args.get("subresource").unwrap_or_default(), "name": named.unwrap_or_default(),
        }})
    };
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
    let answer = cx.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "", Some(&body)).await?;
    let allowed = answer["status"]["allowed"] == true;
    if !cx.args.on("quiet") {
        let reason = text(&answer["status"]["reason"]);
        let shown = if allowed || reason.is_empty() { String::new() } else { format!(" - {reason}") };
        cx.out(format!("{}{shown}\n", if allowed { "yes" } else { "no" }));
    }
    if allowed { Ok(()) } else { Err(Failure { text: String::new(), code: 1 }) }
}
