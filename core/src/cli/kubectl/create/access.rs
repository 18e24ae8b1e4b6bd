//! create role, clusterrole and their bindings. Models create_role.go, create_clusterrole.go, create_rolebinding.go and beside.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::resources::{self, Resource};
use super::super::{Cx, Failure, options};
use super::Made;
use crate::api::field::quote;

const GROUP: &str = "rbac.authorization.k8s.io";
/// Verbs that resources have.
const VERBS: &[&str] = &[
    "*",
    "get",
    "delete",
    "list",
    "create",
    "update",
    "patch",
    "watch",
    "proxy",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
];
/// Verbs that paths have.
const PATH_VERBS: &[&str] = &["*", "get", "post", "put", "delete", "patch", "head", "options"];
/// Verbs that only some resources have.
const SPECIAL: &[(&str, &[(&str, &str)])] = &[
    ("use", &[("", "nodes"), ("policy", "podsecuritypolicies"), ("extensions", "podsecuritypolicies")]),
    ("bind", &[(GROUP, "roles"), (GROUP, "clusterroles")]),
    ("escalate", &[(GROUP, "roles"), (GROUP, "clusterroles")]),
    ("impersonate", &[("", "users"), ("", "serviceaccounts"), ("", "groups"), ("authentication.k8s.io", "userextras")]),
];

/// A resource as it was asked for.
struct Wanted {
    group: String,
    resource: String,
    sub: String,
}

fn unique(list: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for v in list {
        if !out.contains(v) {
            out.push(v.clone());
        }
    }
    if out.iter().any(|v| v == "*") { vec!["*".into()] } else { out }
}

fn wanted(specs: &[String]) -> Vec<Wanted> {
    let mut out = Vec::new();
    for s in specs {
        let (main, sub) = s.split_once('/').unwrap_or((s, ""));
        let (resource, group) = main.split_once('.').unwrap_or((main, ""));
        let w = Wanted { group: group.to_owned(), resource: resource.to_owned(), sub: sub.to_owned() };
        if s == "*" {
            return vec![w];
        }
        out.push(w);
    }
    out
}

/// The kind that is meant, as the api-server knows it.
fn known<'a>(all: &'a [Resource], w: &Wanted) -> Option<&'a Resource> {
    let name = if w.group.is_empty() { w.resource.clone() } else { format!("{}.{}", w.resource, w.group) };
    resources::named(all, &name).into_iter().next()
}

fn check(all: &[Resource], verbs: &[String], list: &[Wanted]) -> Result<(), Failure> {
    for w in list {
        if w.resource.is_empty() {
            return Err(Failure::error("resource must be specified if apiGroup/subresource specified"));
        }
        if w.resource == "*" {
            return Ok(());
        }
        let found = known(all, w);
        let (group, resource) = found.map_or((w.group.as_str(), w.resource.as_str()), |r| (&r.group, &r.plural));
        let mut excused = false;
        for v in verbs {
            let Some((_, allowed)) = SPECIAL.iter().find(|(s, _)| s == v) else { continue };
            if !allowed.contains(&(group, resource)) {
                return Err(Failure::error(format!("can not perform '{v}' on '{resource}' in group '{group}'")));
            }
            excused = true;
        }
        if found.is_none() && !excused {
            return Err(Failure::error(if w.group.is_empty() {
                format!("the server doesn't have a resource type {}", quote(&w.resource))
            } else {
                format!("the server doesn't have a resource type {} in group {}", quote(&w.resource), quote(&w.group))
            }));
        }
    }
    Ok(())
}

/// Rules by group. Models generateResourcePolicyRules.
fn rules(all: &[Resource], verbs: &[String], list: &[Wanted], names: &[String], urls: &[String]) -> Vec<Value> {
    let mut by_group: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for w in list {
        let (group, resource) = match known(all, w).filter(|_| w.resource != "*") {
            Some(r) => (r.group.clone(), r.plural.clone()),
            None => (w.group.clone(), w.resource.clone()),
        };
        let name = if w.sub.is_empty() { resource } else { format!("{resource}/{}", w.sub) };
        let entry = by_group.entry(group).or_default();
        if !entry.contains(&name) {
            entry.push(name);
        }
    }
    let mut out: Vec<Value> = Vec::new();
    for (group, resources) in by_group {
        let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        out.push(rule);
    }
    if !urls.is_empty() {
        out.push(json!({"nonResourceURLs": urls, "verbs": verbs}));
    }
    out
}

fn warn_of_verbs(cx: &Cx<'_>, verbs: &[String]) {
    for v in verbs.iter().filter(|v| !VERBS.contains(&v.as_str())) {
        cx.shell.err(format!("Warning: '{v}' is not a standard resource verb\n"));
    }
}

pub(super) async fn role(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (verbs, names) = (unique(cx.args.all("verb")), unique(cx.args.all("resource-name")));
    if verbs.is_empty() {
        return Err(Failure::error("at least one verb must be specified"));
    }
    warn_of_verbs(cx, &verbs);
    let list = wanted(cx.args.all("resource"));
    if list.is_empty() {
        return Err(Failure::error("at least one resource must be specified"));
    }
    let all = resources::discover(cx).await?;
    check(&all, &verbs, &list)?;
    let rules = rules(&all, &verbs, &list, &names, &[]);
    Ok(Made::plain(
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules}),
    ))
}

pub(super) async fn cluster_role(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (verbs, names, urls) =
        (unique(cx.args.all("verb")), unique(cx.args.all("resource-name")), cx.args.all("non-resource-url"));
    let list = wanted(cx.args.all("resource"));
    let object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole", "metadata": {"name": name}});
    let aggregation = cx.args.text("aggregation-rule");
    if !aggregation.is_empty() {
        if !verbs.is_empty() || !urls.is_empty() || !list.is_empty() || !names.is_empty() {
            return Err(Failure::error(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames",
            ));
        }
        let mut object = object;
        object["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": options::labels(aggregation)?}]});
        object["rules"] = json!([]);
        return Ok(Made::plain(object));
    }
    if verbs.is_empty() {
        return Err(Failure::error("at least one verb must be specified"));
    }
    if list.is_empty() && urls.is_empty() {
        return Err(Failure::error("one of resource or nonResourceURL must be specified"));
    }
    let all = resources::discover(cx).await?;
    if !list.is_empty() {
        warn_of_verbs(cx, &verbs);
        check(&all, &verbs, &list)?;
    }
    if !urls.is_empty() {
        if let Some(v) = verbs.iter().find(|v| !PATH_VERBS.contains(&v.as_str())) {
            return Err(Failure::error(format!("invalid verb: '{v}' for nonResourceURL")));
        }
        for u in urls.iter().filter(|u| *u != "*") {
            if !u.starts_with('/') {
                return Err(Failure::error("nonResourceURL should start with /"));
            }
            if u.trim_end_matches('*').contains('*') {
                return Err(Failure::error("nonResourceURL only supports wildcard matches when '*' is at the end"));
            }
        }
    }
    let mut object = object;
    object["rules"] = rules(&all, &verbs, &list, &names, urls).into();
    Ok(Made::plain(object))
}

fn subjects(cx: &Cx<'_>) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for (flag, kind) in [("user", "User"), ("group", "Group")] {
        out.extend(unique(cx.args.all(flag)).iter().map(|n| json!({"apiGroup": GROUP, "kind": kind, "name": n})));
    }
    for s in unique(cx.args.all("serviceaccount")) {
        let (ns, n) = s
            .split_once(':')
            .filter(|(ns, n)| !ns.is_empty() && !n.is_empty() && !n.contains(':'))
            .ok_or_else(|| Failure::error("serviceaccount must be <namespace>:<name>"))?;
        out.push(json!({"kind": "ServiceAccount", "name": n, "namespace": ns}));
    }
    Ok(out)
}

fn binding(kind: &str, name: &str, role: (&str, &str), subjects: Vec<Value>) -> Value {
    let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": role.0, "name": role.1}});
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    object
}

pub(super) fn role_binding(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (cluster_role, role) = (cx.args.text("clusterrole"), cx.args.text("role"));
    if cluster_role.is_empty() == role.is_empty() {
        return Err(Failure::error("exactly one of clusterrole or role must be specified"));
    }
    let reference = if role.is_empty() { ("ClusterRole", cluster_role) } else { ("Role", role) };
    Ok(Made::new(binding("RoleBinding", name, reference, subjects(cx)?), "failed to create rolebinding:"))
}

pub(super) fn cluster_role_binding(cx: &Cx<'_>) -> Result<Made, Failure> {
    options::required(cx, &["clusterrole"])?;
    let name = options::name(cx)?;
    let reference = ("ClusterRole", cx.args.text("clusterrole"));
    Ok(Made::new(binding("ClusterRoleBinding", name, reference, subjects(cx)?), "failed to create clusterrolebinding:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_taken_apart() {
        let words = |w: &str| w.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let list = wanted(&words("pods deployments.apps/scale"));
        let shown: Vec<String> = list.iter().map(|w| format!("{}|{}|{}", w.resource, w.group, w.sub)).collect();
        assert_eq!(shown, ["pods||", "deployments|apps|scale"]);
        assert_eq!(wanted(&words("pods *")).len(), 1);
        assert_eq!(unique(&words("get list get")), ["get", "list"]);
        assert_eq!(unique(&words("get *")), ["*"]);
        let rules = rules(&[], &words("get"), &list, &[], &[]);
        assert_eq!(rules[1], json!({"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]}));
    }
}
