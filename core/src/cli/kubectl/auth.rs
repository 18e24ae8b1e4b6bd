//! kubectl auth. Models `pkg/cmd/auth`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::builder;
use super::resources;
use super::show::{items, text};
use super::{Cx, Failure, Outcome, options, print, tabs};
use crate::api::field::quote;

/// Verbs that resources have.
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "impersonate",
    "*",
    "approve",
    "sign",
    "escalate",
    "attest",
    "associate",
    "arbitrary-node",
];
/// Verbs that paths have.
const PATH_VERBS: &[&str] = &["get", "put", "post", "head", "options", "delete", "patch", "*"];
/// Names that are no resources and yet may be asked about.
const NO_RESOURCES: &[&str] = &["users", "groups"];

pub(super) async fn run(cx: &Cx<'_>, verb: &str) -> Outcome {
    match verb {
        "whoami" => whoami(cx).await,
        "can-i" => can_i(cx).await,
        _ => reconcile(cx).await,
    }
}

/// `[a b]`
fn list(v: &Value) -> String {
    format!("[{}]", items(v).iter().map(text).collect::<Vec<_>>().join(" "))
}

async fn whoami(cx: &Cx<'_>) -> Outcome {
    if !cx.args.words.is_empty() {
        let first = quote(&cx.args.words[0]);
        return Err(Failure::error(format!("unknown command {first} for \"kubectl auth whoami\"")));
    }
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let review = cx.ask("POST", path, "", Some(&body)).await?;
    if let Some(format) = print::parse(cx, cx.args.text("output"))? {
        return print::print(cx, &[], &format, &review);
    }
    let user = &review["status"]["userInfo"];
    let mut rows = vec![vec!["ATTRIBUTE".to_owned(), "VALUE".into()], vec!["Username".into(), text(&user["username"])]];
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

async fn can_i(cx: &Cx<'_>) -> Outcome {
    if cx.args.on("list") {
        if cx.args.on("quiet") || cx.args.on("all-namespaces") || cx.args.get("subresource").is_some() {
            return Err(Failure::error(
                "list option can't be specified with neither quiet, all-namespaces nor subresource options",
            ));
        }
        if !cx.args.words.is_empty() {
            return Err(Failure::error("list option must be specified with no arguments"));
        }
        return access_list(cx).await;
    }
    let [verb, subject] = cx.args.words.as_slice() else {
        return Err(Failure::error(
            "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
        ));
    };
    if cx.args.on("no-headers") {
        return Err(Failure::error("--no-headers cannot be set without --list specified"));
    }
    let warn = |w: String| cx.shell.err(format!("Warning: {w}\n\n"));
    let spec = if subject.starts_with('/') {
        if cx.args.get("subresource").is_some() {
            return Err(Failure::error("--subresource can not be used with NonResourceURL"));
        }
        if !PATH_VERBS.contains(&verb.as_str()) {
            warn(format!("verb '{verb}' is not a known verb"));
        }
        json!({"nonResourceAttributes": {"verb": verb, "path": subject}})
    } else {
        let (kind, name) = subject.split_once('/').unwrap_or((subject, ""));
        let all = resources::discover(cx).await?;
        let known = if kind == "*" { None } else { resources::named(&all, kind).first().copied() };
        let (group, resource) = known.map_or(("", kind), |r| (r.group.as_str(), r.plural.as_str()));
        if known.is_none() && kind != "*" && !NO_RESOURCES.contains(&kind) {
            warn(match kind.split_once('.') {
                Some((plain, group)) => format!("the server doesn't have a resource type '{plain}' in group '{group}'"),
                None => format!("the server doesn't have a resource type '{kind}'"),
            });
        }
        let everywhere = cx.args.on("all-namespaces");
        if known.is_some_and(|r| !r.namespaced) && !everywhere {
            let within = if group.is_empty() { String::new() } else { format!(" in group '{group}'") };
            warn(format!("resource '{resource}' is not namespace scoped{within}"));
        }
        if !VERBS.contains(&verb.as_str()) {
            warn(format!("verb '{verb}' is not a known verb"));
        }
        json!({"resourceAttributes": {
            "namespace": if everywhere { "" } else { cx.namespace.as_str() }, "verb": verb, "group": group, "resource": resource,
            "subresource": cx.args.text("subresource"), "name": name,
        }})
    };
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
    let answer = cx.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "", Some(&body)).await?;
    let allowed = answer["status"]["allowed"] == true;
    if !cx.args.on("quiet") {
        let why: String = ["reason", "evaluationError"]
            .iter()
            .map(|f| text(&answer["status"][*f]))
            .filter(|w| !w.is_empty())
            .map(|w| format!(" - {w}"))
            .collect();
        cx.out(if allowed { "yes\n".to_owned() } else { format!("no{why}\n") });
    }
    if allowed { Ok(()) } else { Err(Failure::silent()) }
}

/// `deployments.apps,pods`: resources with their groups. Models describe.CombineResourceGroup.
fn combined(resources: &[String], groups: &[String]) -> String {
    let Some(first) = resources.first() else { return String::new() };
    let (plain, sub) = first.split_once('/').map_or((first.as_str(), None), |(p, s)| (p, Some(s)));
    let mut out = plain.to_owned();
    if let Some(g) = groups.first().filter(|g| !g.is_empty()) {
        out.push_str(&format!(".{g}"));
    }
    if let Some(s) = sub {
        out.push_str(&format!("/{s}"));
    }
    out
}

/// A rule for one resource and one group, with its verbs.
type Compact = BTreeMap<(Vec<String>, Vec<String>, Vec<String>, Vec<String>), Vec<String>>;

fn compact(status: &Value) -> Compact {
    let strings = |v: &Value| items(v).iter().map(text).collect::<Vec<String>>();
    let mut out: Compact = BTreeMap::new();
    let mut add = |key, verbs: &[String]| {
        let have = out.entry(key).or_default();
        for v in verbs {
            if !have.contains(v) {
                have.push(v.clone());
            }
        }
    };
    for r in items(&status["resourceRules"]) {
        let names = strings(&r["resourceNames"]);
        let each: Vec<Vec<String>> =
            if names.is_empty() { vec![vec![]] } else { names.into_iter().map(|n| vec![n]).collect() };
        for g in strings(&r["apiGroups"]) {
            for res in strings(&r["resources"]) {
                for n in &each {
                    add((vec![res.clone()], vec![g.clone()], vec![], n.clone()), &strings(&r["verbs"]));
                }
            }
        }
    }
    for r in items(&status["nonResourceRules"]) {
        for u in strings(&r["nonResourceURLs"]) {
            add((vec![], vec![], vec![u], vec![]), &strings(&r["verbs"]));
        }
    }
    out
}

async fn access_list(cx: &Cx<'_>) -> Outcome {
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": cx.namespace}});
    let answer = cx.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "", Some(&body)).await?;
    let status = &answer["status"];
    if status["incomplete"] == true {
        cx.shell.err(format!("Warning: the list may be incomplete: {}\n", text(&status["evaluationError"])));
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !cx.args.on("no-headers") {
        rows.push(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"].map(str::to_owned).to_vec());
    }
    let bracketed = |v: &[String]| format!("[{}]", v.join(" "));
    let rules = compact(status);
    // Upstream sorts rules by how they print: resources before paths.
    let mut sorted: Vec<_> = rules.iter().collect();
    sorted.sort_by_key(|((res, groups, urls, names), _)| {
        (res.is_empty(), groups.clone(), res.clone(), names.clone(), urls.clone())
    });
    for ((res, groups, urls, names), verbs) in sorted {
        rows.push(vec![combined(res, groups), bracketed(urls), bracketed(names), bracketed(verbs)]);
    }
    cx.out(tabs::table(&rows));
    Ok(())
}

/// Makes roles and bindings as files have them. Models auth/reconcile.go as far as whole objects go.
async fn reconcile(cx: &Cx<'_>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::places(cx, &all, &[]).await?;
    Failure::many(wrong)?;
    for f in &found {
        if f.resource.group != "rbac.authorization.k8s.io" {
            return Err(Failure::error(format!(
                "only rbac.authorization.k8s.io/v1 is supported: not {}",
                f.resource.kind
            )));
        }
        let mut new = f.body.clone();
        if !dry.client {
            let q = format!("fieldManager=kubectl-auth-reconcile{}", dry.query);
            new = match cx.ask("GET", &f.path, "", None).await {
                Ok(old) => {
                    let mut merged = old;
                    crate::api::patch::merge_patch(&mut merged, &f.body);
                    cx.ask("PUT", &f.path, &q, Some(&merged)).await?
                }
                Err(e) if e.is_not_found() => {
                    cx.ask("POST", &f.resource.path(f.namespace.as_deref()), &q, Some(&f.body)).await?
                }
                Err(e) => return Err(e),
            };
        }
        print::done(cx, &all, &new, &format!("reconciled{}", dry.words))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_broken_down_and_put_together() {
        let status = json!({
            "resourceRules": [
                {"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
                {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]},
                {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}],
        });
        let rules = compact(&status);
        let shown: Vec<String> = rules
            .iter()
            .map(|((r, g, u, _), v)| format!("{} {} {}", combined(r, g), u.join(","), v.join(",")))
            .collect();
        assert_eq!(shown, [" /healthz get", "deployments.apps  *", "pods  get,list", "pods/log  get"]);
    }
}
