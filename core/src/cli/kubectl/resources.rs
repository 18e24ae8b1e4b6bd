//! What kinds there are: kubectl's RESTMapper, over the api-server's discovery.

use serde_json::Value;

use super::{Cx, Failure};

/// A kind as discovery names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub namespaced: bool,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Vec<String>,
}

impl Resource {
    /// The path of its objects in a namespace, or of all with `None`.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(n) => format!("{root}/namespaces/{n}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// `replicaset.apps`: how kubectl names it before an object's name.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.singular.clone() } else { format!("{}.{}", self.singular, self.group) }
    }

    fn is_called(&self, name: &str) -> bool {
        let (plain, group) = name.split_once('.').map_or((name, None), |(p, g)| (p, Some(g)));
        let plain = plain.to_lowercase();
        // `deployments.apps`, `deployments.v1.apps`, and the start of a group: `events.events`.
        let group_fits = group.is_none_or(|g| {
            let whole = format!("{}.{}", self.version, self.group);
            g == self.group
                || g == whole.trim_end_matches('.')
                || (!g.is_empty() && self.group.starts_with(&format!("{g}.")))
        });
        group_fits
            && (plain == self.plural
                || plain == self.singular
                || plain == self.kind.to_lowercase()
                || self.short.contains(&plain))
    }

    /// `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// All kinds, the core group's first.
pub(super) async fn discover(cx: &Cx<'_>) -> Result<Vec<Resource>, Failure> {
    let mut out = Vec::new();
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    for path in ["/api", "/apis"] {
        let reply = cx.send("GET", path, "", &[("Accept", accept)], Vec::new()).await?;
        if !reply.is_ok() {
            return Err(Failure::server(&reply));
        }
        let v = reply.json();
        for g in v["items"].as_array().into_iter().flatten() {
            let group = g["metadata"]["name"].as_str().unwrap_or_default();
            let Some(version) = g["versions"].as_array().and_then(|v| v.first()) else { continue };
            for r in version["resources"].as_array().into_iter().flatten() {
                out.push(resource(group, version["version"].as_str().unwrap_or_default(), r));
            }
        }
    }
    Ok(out)
}

fn resource(group: &str, version: &str, r: &Value) -> Resource {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let list = |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let kind = text(&r["responseKind"]["kind"]);
    let singular = text(&r["singularResource"]);
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: text(&r["resource"]),
        singular: if singular.is_empty() { kind.to_lowercase() } else { singular },
        kind,
        namespaced: r["scope"] == "Namespaced",
        short: list(&r["shortNames"]),
        categories: list(&r["categories"]),
        verbs: list(&r["verbs"]),
    }
}

/// The kinds of a name, the preferred first.
pub(super) fn named<'a>(all: &'a [Resource], name: &str) -> Vec<&'a Resource> {
    all.iter().filter(|r| r.is_called(name)).collect()
}

/// The kinds that `names` (comma-separated) mean; a category means several.
pub(super) fn find<'a>(all: &'a [Resource], names: &str) -> Result<Vec<&'a Resource>, Failure> {
    let mut out: Vec<&Resource> = Vec::new();
    for name in names.split(',').filter(|n| !n.is_empty()) {
        if let Some(r) = all.iter().find(|r| r.is_called(name)) {
            out.push(r);
            continue;
        }
        let of_category: Vec<&Resource> = all.iter().filter(|r| r.categories.iter().any(|c| c == name)).collect();
        if of_category.is_empty() {
            let quote = crate::api::field::quote;
            return Err(Failure::error(match name.split_once('.') {
                Some((plain, group)) => {
                    format!("the server doesn't have a resource type {} in group {}", quote(plain), quote(group))
                }
                None => format!("the server doesn't have a resource type {}", quote(name)),
            }));
        }
        // The order in which kubectl lists the category "all": discovery's groups, the core group first.
        out.extend(of_category);
    }
    if out.is_empty() {
        return Err(Failure::error("you must specify the type of resource"));
    }
    Ok(out)
}

/// The kind of an apiVersion and kind.
pub(super) fn find_kind<'a>(all: &'a [Resource], api_version: &str, kind: &str) -> Option<&'a Resource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    all.iter().find(|r| r.group == group && r.version == version && r.kind == kind)
}
