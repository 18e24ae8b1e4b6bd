//! `/openapi`: what kinds look like, for kubectl explain and for clients that validate. Models kube-openapi's `pkg/handler3`.

use serde_json::Value;

use super::discovery::{self, subresource_kind, verbs};
use super::negotiate::{Endpoint, MediaType, OPENAPI_PROTOBUF, accepted, openapi_in_protobuf};
use super::virtual_resources::VIRTUAL;
use super::{ApiServer, Body, Context, Response, encode};
use crate::api::openapi::{self, Resource};
use crate::api::status::Status;
use crate::registry::Served;

/// A resource or subresource, with the strings that it is made of.
struct Owned {
    name: String,
    kind: &'static str,
    kind_api_version: String,
    namespaced: bool,
    verbs: &'static [&'static str],
}

impl ApiServer {
    /// Answers a request below `/openapi`.
    pub(super) fn openapi_response(&self, cx: &Context<'_>, rest: &[&str]) -> Result<Response, Status> {
        let not_found = || Ok(Response::text(404, "404 page not found\n"));
        if rest == ["v2"] {
            let encode = self.extras.openapi_protobuf;
            // Upstream says no more than the code.
            let Ok(in_protobuf) = openapi_in_protobuf(cx.request, encode.is_some()) else {
                return Ok(Response { code: 406, headers: Vec::new(), body: Body::Full(Vec::new()) });
            };
            let value = self.openapi_v2();
            let (media, bytes) = match encode.filter(|_| in_protobuf) {
                Some(encode) => (OPENAPI_PROTOBUF, encode(&value)),
                None => ("application/json", serde_json::to_vec(&value).unwrap_or_default()),
            };
            let headers = vec![("Vary", "Accept".to_owned()), ("Content-Type", media.to_owned())];
            return Ok(Response { code: 200, headers, body: Body::Full(bytes) });
        }
        let value = match rest {
            ["v3"] => {
                let mut versions = group_versions();
                let customs = self.registry.custom_groups();
                let each = |(g, vs): (&&str, &Vec<&str>)| {
                    vs.iter().map(|v| discovery::group_version(g, v)).collect::<Vec<_>>()
                };
                versions.extend(customs.iter().flat_map(each));
                openapi::index(versions.iter().map(String::as_str))
            }
            ["v3", "api", version] => match self.openapi_document("", version) {
                Some(v) => v,
                None => return not_found(),
            },
            ["v3", "apis", group, version] => match self.openapi_document(group, version) {
                Some(v) => v,
                None => return not_found(),
            },
            _ => return not_found(),
        };
        let accepted = accepted(cx.request, Endpoint::Plain)?;
        if accepted.media == MediaType::Yaml {
            return Ok(encode::value(200, &value, accepted));
        }
        let bytes = serde_json::to_vec(&value).unwrap_or_default();
        let headers = vec![("Content-Type", accepted.content_type())];
        Ok(Response { code: 200, headers, body: Body::Full(bytes) })
    }

    fn openapi_resources(&self, group: &str, version: &str) -> Vec<Owned> {
        let mut all = Vec::new();
        for s in discovery::kinds(&self.registry, group, version) {
            let whole = Owned {
                name: s.info.resource.to_owned(),
                kind: s.info.kind,
                kind_api_version: String::new(),
                namespaced: s.info.namespaced,
                verbs: verbs(&s),
            };
            all.push(whole);
            for sub in s.info.subresources {
                let (g, v, kind, verbs) = subresource_kind(&s, sub);
                let kind_api_version = if v.is_empty() { String::new() } else { discovery::group_version(g, v) };
                let name = format!("{}/{sub}", s.info.resource);
                all.push(Owned { name, kind, kind_api_version, namespaced: s.info.namespaced, verbs });
            }
        }
        for v in VIRTUAL.iter().filter(|v| v.group == group && v.version == version) {
            all.push(Owned {
                name: v.resource.to_owned(),
                kind: v.kind,
                kind_api_version: String::new(),
                namespaced: v.namespaced,
                verbs: v.verbs,
            });
        }
        all
    }

    fn openapi_document(&self, group: &str, version: &str) -> Option<Value> {
        let all = self.openapi_resources(group, version);
        if all.is_empty() {
            return None;
        }
        let resources: Vec<Resource<'_>> = all.iter().map(Owned::as_resource).collect();
        let api_version = discovery::group_version(group, version);
        let served = self.registry.all_served();
        let own = |s: &&Served| s.info.group == group && s.info.version == version;
        let schema = |s: &&Served| s.custom.clone().map(|v| (s.info.kind, v));
        let customs: Vec<_> = served.iter().filter(own).filter_map(|s| schema(&s)).collect();
        let customs: Vec<(&str, &Value)> = customs.iter().map(|(kind, v)| (*kind, v.schema())).collect();
        Some(openapi::document_with(&api_version, &resources, &customs, self.extras.descriptions.as_ref()))
    }

    fn openapi_v2(&self) -> Value {
        let groups = std::iter::once(("", "v1"))
            .chain(discovery::GROUPS.iter().flat_map(|(g, versions)| versions.iter().map(move |v| (*g, *v))));
        let all: Vec<(String, Vec<Owned>)> =
            groups.map(|(g, v)| (discovery::group_version(g, v), self.openapi_resources(g, v))).collect();
        let resources: Vec<(&str, Vec<Resource<'_>>)> =
            all.iter().map(|(v, list)| (v.as_str(), list.iter().map(Owned::as_resource).collect())).collect();
        openapi::document_v2(&resources, self.extras.descriptions.as_ref())
    }
}

impl Owned {
    fn as_resource(&self) -> Resource<'_> {
        Resource {
            name: &self.name,
            kind: self.kind,
            kind_api_version: &self.kind_api_version,
            namespaced: self.namespaced,
            verbs: self.verbs,
        }
    }
}

/// All group versions, the core one first.
fn group_versions() -> Vec<String> {
    let others =
        discovery::GROUPS.iter().flat_map(|(g, versions)| versions.iter().map(|v| discovery::group_version(g, v)));
    std::iter::once("v1".to_owned()).chain(others).collect()
}
