//! Paths that aren't resources: discovery, version, health. Models apiserver's `pkg/server/{routes,healthz}`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::negotiate::{Accepted, Endpoint, Transform, accepted, check_json};
use super::url::Query;
use super::verbs::no_such_resource;
use super::{ApiServer, Body, Context, Response, discovery, encode};
use crate::api::field::quote;
use crate::api::status::Status;

/// The post-start hooks of upstream's api-server in the order in which they are added: each has a health check.
const HOOKS: &[&str] = &[
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "peer-endpoint-reconciler-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "storage-readiness",
    "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "aggregator-reload-proxy-client-cert",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-wait-for-first-sync",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
];

/// The checks of a health path in the order in which they are made.
fn checks(root: &str) -> Vec<String> {
    let first: &[&str] = match root {
        "readyz" => &["ping", "log", "etcd", "etcd-readiness", "informer-sync"],
        _ => &["ping", "log", "loopback-serving-certificate", "etcd"],
    };
    let mut all: Vec<String> = first.iter().map(|c| (*c).to_owned()).collect();
    for hook in HOOKS {
        all.push(format!("poststarthook/{hook}"));
        if *hook == "kube-apiserver-autoregistration" {
            all.push("autoregister-completion".to_owned());
        }
    }
    if root == "readyz" {
        all.push("shutdown".to_owned());
    }
    all
}

/// What the issuer of tokens says of itself, which may be kept for an hour. Models `pkg/routes/openidmetadata.go`.
fn issuer_document(text: String, media: &str) -> Response {
    let headers = vec![("Content-Type", media.to_owned()), ("Cache-Control", "public, max-age=3600".to_owned())];
    Response { code: 200, headers, body: Body::Full(text.into_bytes()) }
}

fn root_paths() -> Value {
    let mut all: Vec<String> = [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/flagz",
        "/metrics",
        "/metrics/slis",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/statusz",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    for (group, versions) in discovery::GROUPS {
        all.push(format!("/apis/{group}"));
        all.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
    }
    for root in ["healthz", "livez", "readyz"] {
        all.push(format!("/{root}"));
        all.extend(checks(root).iter().map(|c| format!("/{root}/{c}")));
    }
    all.sort();
    json!({ "paths": all })
}

/// `kubectl version` of the server, in Go's order. The commit is upstream's tag.
pub(super) const VERSION: [(&str, &str); 13] = [
    ("major", "1"),
    ("minor", "36"),
    ("emulationMajor", "1"),
    ("emulationMinor", "36"),
    ("minCompatibilityMajor", "1"),
    ("minCompatibilityMinor", "35"),
    ("gitVersion", "v1.36.2"),
    ("gitCommit", "98b35193b2ac7a23a673325f5e9b830ecd5ba406"),
    ("gitTreeState", "clean"),
    ("buildDate", "2026-06-09T08:19:48Z"),
    ("goVersion", "go1.26.4"),
    ("compiler", "gc"),
    ("platform", "linux/amd64"),
];

fn version() -> Response {
    let lines = VERSION.map(|(name, value)| format!("  {}: {}", quote(name), quote(value)));
    raw(format!("{{\n{}\n}}", lines.join(",\n")))
}

/// `WriteRawJSON`: indented for everybody, whatever is accepted.
fn raw(text: String) -> Response {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    Response { code: 200, headers, body: Body::Full(text.into_bytes()) }
}

impl ApiServer {
    pub(super) fn non_resource(&mut self, cx: &Context<'_>, path: &str) -> Result<Response, Status> {
        let method = cx.request.method.as_str();
        let plain = |v: Value| -> Result<Response, Status> {
            Ok(encode::value(200, &v, accepted(cx.request, Endpoint::Plain)?))
        };
        let found = |v: Option<Value>| v.map_or_else(|| Err(no_such_resource()), plain);
        let trimmed = path.strip_suffix('/').filter(|p| !p.is_empty()).unwrap_or(path);
        let parts: Vec<&str> = trimmed.trim_start_matches('/').split('/').collect();
        if !matches!(method, "GET" | "HEAD") && matches!(parts.first(), Some(&("api" | "apis" | "version"))) {
            return Err(Status::method_not_allowed());
        }
        match parts.as_slice() {
            [""] => Ok(raw(serde_json::to_string_pretty(&root_paths()).unwrap_or_default())),
            ["version"] => {
                check_json(cx.request)?;
                Ok(version())
            }
            ["api" | "apis"] => {
                let core = parts.first() == Some(&"api");
                let wanted = accepted(cx.request, Endpoint::Discovery)?;
                if wanted.transform == Transform::Discovery {
                    return Ok(encode::value(200, &self.aggregated(core), wanted));
                }
                let address = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": cx.request.header("Host").unwrap_or_default()}]);
                let versions =
                    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address});
                Ok(encode::value(
                    200,
                    &if core { versions } else { discovery::groups(&self.registry) },
                    Accepted { ..wanted },
                ))
            }
            ["api", version] => found(discovery::resources(&self.registry, "", version)),
            ["apis", group] => match discovery::group(&self.registry, group) {
                Some(v) => plain(v),
                None => Ok(Response::text(404, "404 page not found\n")),
            },
            ["apis", group, version] => {
                if !self.registry.has_group(group) {
                    return Ok(Response::text(404, "404 page not found\n"));
                }
                found(discovery::resources(&self.registry, group, version))
            }
            ["openapi", rest @ ..] => self.openapi_response(cx, rest),
            ["metrics"] => Ok(self.metrics_response()),
            ["healthz" | "livez" | "readyz", ..] => {
                let (code, text) = self.health(&parts, &cx.query);
                Ok(Response::text(code, text))
            }
            [".well-known", "openid-configuration"] => {
                let host = cx.request.header("Host").unwrap_or_default();
                let text = format!(
                    "{{\"issuer\":\"https://kubernetes.default.svc\",\"jwks_uri\":\"https://{host}/openid/v1/jwks\",\
                     \"response_types_supported\":[\"id_token\"],\"subject_types_supported\":[\"public\"],\
                     \"id_token_signing_alg_values_supported\":[\"RS256\"]}}"
                );
                Ok(issuer_document(text, "application/json"))
            }
            ["openid", "v1", "jwks"] => Ok(issuer_document(self.public_keys(), "application/jwk-set+json")),
            _ => Ok(Response::text(404, "404 page not found\n")),
        }
    }

    /// Whether a named health check holds.
    fn healthy(&self, check: &str) -> bool {
        !matches!(check, "etcd" | "etcd-readiness") || self.check_etcd().is_ok()
    }

    /// What a probe without credentials is told at a path of health; `None` for any other path.
    pub fn health_of(&self, path: &str) -> Option<(u16, String)> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        matches!(parts.as_slice(), ["healthz" | "livez" | "readyz", ..]).then(|| self.health(&parts, &Query::default()))
    }

    /// The status code and text of a path of health.
    fn health(&self, parts: &[&str], query: &Query) -> (u16, String) {
        let root = parts.first().copied().unwrap_or_default();
        let one = parts.get(1..).unwrap_or_default().join("/");
        let all = checks(root);
        if !one.is_empty() {
            if !all.contains(&one) {
                return (404, "404 page not found\n".to_owned());
            }
            return if self.healthy(&one) {
                (200, "ok".to_owned())
            } else {
                (500, format!("internal server error: {one} failed: reason withheld\n"))
            };
        }
        let mut unknown: BTreeSet<&str> = query.all("exclude").collect();
        let excluded = unknown.clone();
        let mut text = String::new();
        let mut failed = false;
        for check in &all {
            if excluded.contains(check.as_str()) {
                unknown.remove(check.as_str());
                text.push_str(&format!("[+]{check} excluded: ok\n"));
            } else if self.healthy(check) {
                text.push_str(&format!("[+]{check} ok\n"));
            } else {
                failed = true;
                text.push_str(&format!("[-]{check} failed: reason withheld\n"));
            }
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.into_iter().map(quote).collect();
            let names = names.join(",");
            text.push_str(&format!("warn: some health checks cannot be excluded: no matches for {names}\n"));
        }
        if failed {
            return (500, format!("{text}{root} check failed\n"));
        }
        if query.get("verbose").is_none() {
            return (200, "ok".to_owned());
        }
        (200, format!("{text}{root} check passed\n"))
    }
}
