//! Discovery: which groups, versions and resources there are.
//! Models apiserver's `pkg/endpoints/discovery` and `pkg/endpoints/installer.go`.

use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::ApiServer;
use super::virtual_resources::VIRTUAL;
use crate::registry::{Registry, Served};

/// The groups in the order in which upstream's aggregator lists them, with their versions, the preferred one first.
pub(super) const GROUPS: [(&str, &[&str]); 20] = [
    ("apiregistration.k8s.io", &["v1"]),
    ("apps", &["v1"]),
    ("events.k8s.io", &["v1"]),
    ("authentication.k8s.io", &["v1"]),
    ("authorization.k8s.io", &["v1"]),
    ("autoscaling", &["v2", "v1"]),
    ("batch", &["v1"]),
    ("certificates.k8s.io", &["v1"]),
    ("networking.k8s.io", &["v1"]),
    ("policy", &["v1"]),
    ("rbac.authorization.k8s.io", &["v1"]),
    ("storage.k8s.io", &["v1"]),
    ("admissionregistration.k8s.io", &["v1"]),
    ("apiextensions.k8s.io", &["v1"]),
    ("scheduling.k8s.io", &["v1"]),
    ("coordination.k8s.io", &["v1"]),
    ("node.k8s.io", &["v1"]),
    ("discovery.k8s.io", &["v1"]),
    ("resource.k8s.io", &["v1"]),
    ("flowcontrol.apiserver.k8s.io", &["v1"]),
];

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NAMESPACE_VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

/// A subresource's kind (group and version empty where they are the parent's) and verbs.
pub(super) fn subresource_kind(
    info: &Served,
    sub: &str,
) -> (&'static str, &'static str, &'static str, &'static [&'static str]) {
    const CONNECT: &[&str] = &["create", "get"];
    const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
    const CREATE: &[&str] = &["create"];
    match (info.info.resource, sub) {
        (_, "scale") => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        (_, "eviction") => ("policy", "v1", "Eviction", CREATE),
        (_, "token") => ("authentication.k8s.io", "v1", "TokenRequest", CREATE),
        (_, "binding") => ("", "", "Binding", CREATE),
        (_, "attach") => ("", "", "PodAttachOptions", CONNECT),
        (_, "exec") => ("", "", "PodExecOptions", CONNECT),
        (_, "portforward") => ("", "", "PodPortForwardOptions", CONNECT),
        ("pods", "proxy") => ("", "", "PodProxyOptions", PROXY),
        ("nodes", "proxy") => ("", "", "NodeProxyOptions", PROXY),
        ("services", "proxy") => ("", "", "ServiceProxyOptions", PROXY),
        (_, "log") => ("", "", info.info.kind, &["get"]),
        (_, "finalize") => ("", "", info.info.kind, &["update"]),
        _ => ("", "", info.info.kind, &["get", "patch", "update"]),
    }
}

/// The same in the order in which custom kinds have them.
const CUSTOM_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

pub(super) fn verbs(info: &Served) -> &'static [&'static str] {
    if info.custom.is_some() {
        return CUSTOM_VERBS;
    }
    if info.info.group.is_empty() && info.info.resource == "namespaces" { NAMESPACE_VERBS } else { ALL_VERBS }
}

/// A hash of where a kind is stored: upstream's `StorageVersionHash`.
fn storage_version_hash(registry: &Registry, served: &Served) -> String {
    let stored = registry.info(served.id);
    // Some kinds are still kept in an older version than the one that is served.
    let version = match stored.kind {
        "CustomResourceDefinition" | "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding" => "v1beta1",
        _ => stored.version,
    };
    let digest = sha2::Sha256::digest(format!("{}/{version}/{}", stored.group, stored.kind));
    base64::engine::general_purpose::STANDARD.encode(digest.get(..8).unwrap_or_default())
}

/// The kinds of a version by resource name.
pub(super) fn kinds(registry: &Registry, group: &str, version: &str) -> Vec<Served> {
    let mut all: Vec<Served> =
        registry.all_served().into_iter().filter(|s| s.info.group == group && s.info.version == version).collect();
    all.sort_by_key(|s| s.info.resource);
    all
}

/// An APIResourceList.
pub(super) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut list: Vec<Value> = Vec::new();
    for s in kinds(registry, group, version) {
        let mut r = json!({
            "name": s.info.resource, "singularName": s.info.singular, "namespaced": s.info.namespaced,
            "kind": s.info.kind, "verbs": verbs(&s), "storageVersionHash": storage_version_hash(registry, &s),
        });
        if !s.info.short_names.is_empty() {
            r["shortNames"] = json!(s.info.short_names);
        }
        if !s.info.categories.is_empty() {
            r["categories"] = json!(s.info.categories);
        }
        list.push(r);
        for sub in s.info.subresources {
            let (g, v, kind, verbs) = subresource_kind(&s, sub);
            let mut r = json!({
                "name": format!("{}/{sub}", s.info.resource), "singularName": "",
                "namespaced": s.info.namespaced, "kind": kind, "verbs": verbs,
            });
            if !v.is_empty() {
                r["group"] = g.into();
                r["version"] = v.into();
            }
            list.push(r);
        }
    }
    for v in VIRTUAL.iter().filter(|v| v.group == group && v.version == version) {
        let mut r = json!({
            "name": v.resource, "singularName": v.singular, "namespaced": v.namespaced, "kind": v.kind, "verbs": v.verbs,
        });
        if !v.short_names.is_empty() {
            r["shortNames"] = json!(v.short_names);
        }
        list.push(r);
    }
    if list.is_empty() {
        return None;
    }
    list.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let mut out = json!({"kind": "APIResourceList", "groupVersion": group_version(group, version), "resources": list});
    if !group.is_empty() {
        out["apiVersion"] = "v1".into();
    }
    Some(out)
}

pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn group_object(group: &str, versions: &[&str]) -> Map<String, Value> {
    let each = |v: &str| json!({"groupVersion": group_version(group, v), "version": v});
    let mut o = Map::new();
    o.insert("name".into(), group.into());
    o.insert("versions".into(), versions.iter().map(|v| each(v)).collect());
    o.insert("preferredVersion".into(), versions.first().map(|v| each(v)).unwrap_or_default());
    o
}

/// An APIGroupList.
pub(super) fn groups(registry: &Registry) -> Value {
    let built_in = GROUPS.iter().map(|(g, v)| Value::Object(group_object(g, v)));
    let customs = registry.custom_groups().into_iter().map(|(g, v)| Value::Object(group_object(g, &v)));
    let all: Vec<Value> = built_in.chain(customs).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": all})
}

/// An APIGroup.
pub(super) fn group(registry: &Registry, name: &str) -> Option<Value> {
    let built_in = GROUPS.iter().find(|(g, _)| *g == name).map(|(_, versions)| versions.to_vec());
    let versions = built_in.or_else(|| registry.custom_groups().remove(name))?;
    let mut o = group_object(name, &versions);
    o.insert("kind".into(), "APIGroup".into());
    o.insert("apiVersion".into(), "v1".into());
    Some(Value::Object(o))
}

/// One version as aggregated discovery has it.
fn aggregated_version(registry: &Registry, group: &str, version: &str) -> Value {
    let response = |g: &str, v: &str, kind: &str| json!({"group": g, "version": v, "kind": kind});
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let mut list: Vec<Value> = Vec::new();
    for s in kinds(registry, group, version) {
        let mut r = json!({
            "resource": s.info.resource, "responseKind": response("", "", s.info.kind),
            "scope": scope(s.info.namespaced), "singularResource": s.info.singular, "verbs": verbs(&s),
        });
        if !s.info.short_names.is_empty() {
            r["shortNames"] = json!(s.info.short_names);
        }
        if !s.info.categories.is_empty() {
            r["categories"] = json!(s.info.categories);
        }
        let subs: Vec<Value> = s
            .info
            .subresources
            .iter()
            .map(|sub| {
                let (g, v, kind, verbs) = subresource_kind(&s, sub);
                json!({"subresource": sub, "responseKind": response(g, v, kind), "verbs": verbs})
            })
            .collect();
        if !subs.is_empty() {
            r["subresources"] = subs.into();
        }
        list.push(r);
    }
    for v in VIRTUAL.iter().filter(|v| v.group == group && v.version == version) {
        let mut r = json!({
            "resource": v.resource, "responseKind": response("", "", v.kind), "scope": scope(v.namespaced),
            "singularResource": v.singular, "verbs": v.verbs,
        });
        if !v.short_names.is_empty() {
            r["shortNames"] = json!(v.short_names);
        }
        list.push(r);
    }
    list.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
    json!({"version": version, "resources": list, "freshness": "Current"})
}

impl ApiServer {
    /// An APIGroupDiscoveryList: of the core group, or of all others.
    pub(super) fn aggregated(&self, core: bool) -> Value {
        let registry = &self.registry;
        let items: Vec<Value> = if core {
            vec![json!({"metadata": {}, "versions": [aggregated_version(registry, "", "v1")]})]
        } else {
            let each = |g: &str, versions: &[&str]| {
                let versions: Vec<Value> = versions.iter().map(|v| aggregated_version(registry, g, v)).collect();
                json!({"metadata": {"name": g}, "versions": versions})
            };
            let customs = registry.custom_groups();
            let customs = customs.iter().map(|(g, versions)| each(g, versions));
            GROUPS.iter().map(|(g, versions)| each(g, versions)).chain(customs).collect()
        };
        json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        })
    }
}
