//! What a path and method ask for. Models apiserver's `pkg/endpoints/request/requestinfo.go`.

use super::url::Query;
use crate::api::fields;

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestInfo {
    /// Whether it is about API resources at all.
    pub is_resource: bool,
    /// The path, decoded.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, ..; for other paths the method in small letters.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Empty for none.
    pub namespace: String,
    /// The plural name.
    pub resource: String,
    /// Such as `status`, or empty.
    pub subresource: String,
    /// The object's name, or empty.
    pub name: String,
    /// What follows the subresource, for proxies.
    pub rest: String,
    /// Whether the path began with the old `watch/`.
    pub watch_path: bool,
}

impl RequestInfo {
    pub(super) fn new(method: &str, path: &str, query: &Query) -> Self {
        let mut info =
            RequestInfo { path: path.to_owned(), verb: method.to_ascii_lowercase(), ..RequestInfo::default() };
        let trimmed = path.trim_matches('/');
        let mut parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        match parts.first() {
            Some(&"api") if parts.len() >= 3 => {
                parts.remove(0);
            }
            Some(&"apis") if parts.len() >= 4 => {
                info.group = parts[1].to_owned();
                parts.drain(..2);
            }
            _ => return info,
        }
        info.is_resource = true;
        info.version = parts.remove(0).to_owned();
        let special = matches!(parts.first(), Some(&("watch" | "proxy")));
        if special && parts.len() < 2 {
            // A special verb without anything to apply it to.
            info.is_resource = false;
            return info;
        }
        info.verb = if special {
            let verb = parts.remove(0);
            info.watch_path = verb == "watch";
            verb.to_owned()
        } else {
            match method {
                "POST" => "create",
                "GET" | "HEAD" => "get",
                "PUT" => "update",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "",
            }
            .to_owned()
        };
        if parts.first() == Some(&"namespaces") && parts.len() > 1 {
            info.namespace = parts[1].to_owned();
            if parts.len() > 2 && !matches!(parts[2], "status" | "finalize") {
                parts.drain(..2);
            }
        }
        info.resource = parts.first().copied().unwrap_or_default().to_owned();
        info.name = parts.get(1).copied().unwrap_or_default().to_owned();
        info.subresource = parts.get(2).copied().unwrap_or_default().to_owned();
        info.rest = parts.get(3..).unwrap_or_default().join("/");
        if info.resource == "namespaces" {
            info.namespace = info.name.clone();
        }
        if info.name.is_empty() && info.verb == "get" {
            let watch = query.get("watch").is_some_and(is_true);
            info.verb = if watch { "watch" } else { "list" }.to_owned();
        }
        if info.name.is_empty() && matches!(info.verb.as_str(), "list" | "watch") {
            // A selector for one name lets authorization judge by it.
            let selector = query.get("fieldSelector").and_then(|s| fields::Selector::parse(s).ok());
            if let Some(name) = selector.as_ref().and_then(|s| s.requires_exact_match("metadata.name")) {
                info.name = name.to_owned();
            }
        }
        if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".to_owned();
        }
        info
    }

    /// Whether the path itself names one object.
    pub(super) fn names_object(&self) -> bool {
        !self.name.is_empty() && !matches!(self.verb.as_str(), "list" | "watch" | "deletecollection") || self.watch_path
    }
}

/// Go's `strconv.ParseBool` as query parameters are read: anything but false and 0 counts.
pub(super) fn is_true(text: &str) -> bool {
    !matches!(text, "false" | "0" | "False" | "FALSE" | "f" | "F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |method: &str, path: &str, query: &str, expect: &str| {
            let i = RequestInfo::new(method, path, &Query::parse(query));
            let got = format!(
                "{} {} {}/{} {} {} {} {}",
                i.is_resource, i.verb, i.group, i.version, i.namespace, i.resource, i.name, i.subresource
            );
            assert_eq!(got, expect, "{method} {path}");
        };
        check("GET", "/api/v1/namespaces/a/pods/p/log", "", "true get /v1 a pods p log");
        check("GET", "/api/v1/namespaces/a/status", "", "true get /v1 a namespaces a status");
        check("GET", "/api/v1/pods", "watch=1", "true watch /v1  pods  ");
        check("GET", "/api/v1/pods", "watch=false", "true list /v1  pods  ");
        check("DELETE", "/apis/apps/v1/namespaces/a/deployments", "", "true deletecollection apps/v1 a deployments  ");
        check("GET", "/api/v1/watch/namespaces/a/pods/p", "", "true watch /v1 a pods p ");
        check("GET", "/apis/apps/v1", "", "false get /    ");
        check("GET", "/healthz", "", "false get /    ");
    }
}
