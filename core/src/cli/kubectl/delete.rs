//! kubectl delete. Models `pkg/cmd/delete`.

use std::time::Duration;

use serde_json::{Value, json};

use super::resources::{self, Resource};
use super::{Cx, Failure, Outcome, apply, encode, get};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("grace-period", ' '),
    value("cascade", ' '),
    value("timeout", ' '),
    value("output", 'o'),
    switch("all", ' '),
    switch("all-namespaces", 'A'),
    switch("force", ' '),
    switch("now", ' '),
    switch("wait", ' '),
    switch("ignore-not-found", ' '),
];

/// One object to delete.
struct Target<'a> {
    resource: &'a Resource,
    namespace: Option<String>,
    name: String,
}

async fn targets<'a>(cx: &Cx<'_>, all: &'a [Resource]) -> Result<Vec<Target<'a>>, Failure> {
    let mut out = Vec::new();
    if !cx.args.all("filename").is_empty() {
        for d in apply::documents(cx)? {
            let (resource, namespace) = apply::place(cx, all, &d)?;
            let name = d.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            out.push(Target { resource, namespace, name });
        }
        return Ok(out);
    }
    if cx.args.words.is_empty() {
        return Err(Failure::error(
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
        ));
    }
    for (resource, names) in get::targets(all, &cx.args.words, "delete")? {
        let selected = cx.args.get("selector").is_some() || cx.args.get("field-selector").is_some();
        if names.is_empty() && !cx.args.on("all") && !selected {
            return Err(Failure::error("resource(s) were provided, but no name was specified"));
        }
        let own = resource.namespaced.then(|| cx.namespace.clone());
        if !names.is_empty() {
            out.extend(names.into_iter().map(|name| Target { resource, namespace: own.clone(), name }));
            continue;
        }
        let scope = if cx.args.on("all-namespaces") { None } else { own.as_deref() };
        let mut query = Vec::new();
        if let Some(l) = cx.args.get("selector") {
            query.push(format!("labelSelector={}", encode(l)));
        }
        if let Some(f) = cx.args.get("field-selector") {
            query.push(format!("fieldSelector={}", encode(f)));
        }
        let list = cx.ask("GET", &resource.path(scope), &query.join("&"), None).await?;
        for i in list["items"].as_array().into_iter().flatten() {
            let namespace = i["metadata"]["namespace"].as_str().map(str::to_owned);
            let name = i["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            out.push(Target { resource, namespace, name });
        }
    }
    Ok(out)
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let targets = targets(cx, &all).await?;
    if targets.is_empty() {
        cx.out("No resources found\n");
        return Ok(());
    }
    let forced = cx.args.on("force");
    let grace: Option<i64> = match cx.args.get("grace-period") {
        Some(g) => Some(g.parse().map_err(|_| Failure::error(format!("invalid argument \"{g}\" for \"--grace-period\" flag: strconv.ParseInt: parsing \"{g}\": invalid syntax")))?),
        None if cx.args.on("now") => Some(1),
        None if forced => Some(0),
        None => None,
    };
    if grace == Some(0) && forced {
        cx.shell.err("Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n");
    }
    let policy = match cx.args.get("cascade").unwrap_or("background") {
        "orphan" | "false" => "Orphan",
        "foreground" => "Foreground",
        _ => "Background",
    };
    let mut waiting: Vec<(String, Value)> = Vec::new();
    let mut failed: Option<Failure> = None;
    for t in &targets {
        let path = format!("{}/{}", t.resource.path(t.namespace.as_deref()), t.name);
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
        if let Some(g) = grace.filter(|g| *g >= 0) {
            options["gracePeriodSeconds"] = json!(g);
        }
        let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
        let reply = cx.send("DELETE", &path, "", &headers, options.to_string().into_bytes()).await?;
        if !reply.is_ok() {
            if reply.code == 404 && cx.args.on("ignore-not-found") {
                continue;
            }
            cx.shell.err(Failure::server(&reply).text);
            failed = Some(Failure { text: String::new(), code: 1 });
            continue;
        }
        let within = t.namespace.as_ref().map_or_else(String::new, |n| format!(" from {n} namespace"));
        let how = if grace == Some(0) && forced { " force deleted" } else { " deleted" };
        cx.out(format!("{} \"{}\"{how}{within}\n", t.resource.qualified(), t.name));
        let v = reply.json();
        let uid = if v["kind"] == "Status" { v["details"]["uid"].clone() } else { v["metadata"]["uid"].clone() };
        waiting.push((path, uid));
    }
    if cx.args.get("wait") != Some("false") && !(forced && grace == Some(0)) {
        for (path, uid) in waiting {
            wait_gone(cx, &path, &uid).await?;
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Waits until the object is gone, or another has its name.
pub(super) async fn wait_gone(cx: &Cx<'_>, path: &str, uid: &Value) -> Outcome {
    loop {
        let reply = cx.send("GET", path, "", &[("Accept", "application/json")], Vec::new()).await?;
        if reply.code == 404 || (reply.is_ok() && !uid.is_null() && reply.json()["metadata"]["uid"] != *uid) {
            return Ok(());
        }
        if !reply.is_ok() {
            return Err(Failure::server(&reply));
        }
        cx.shell.door.sim.sleep(Duration::from_millis(500)).await;
    }
}
