//! What the api-server counts, as Prometheus reads it. Models apiserver's `pkg/endpoints/metrics` and
//! `component-base/metrics`; only what is true here is told.

use std::fmt::Write as _;

use super::nonresource::VERSION;
use super::{ApiServer, Response};
use crate::registry::ResourceId;

/// Requests of one kind that were alike.
#[derive(Debug)]
struct Alike {
    code: u16,
    verb: &'static str,
    scope: &'static str,
    subresource: Box<str>,
    count: u64,
}

/// The counters of one api-server.
#[derive(Debug, Default)]
pub(in crate::apiserver) struct Metrics {
    /// By kind: there are few sorts of requests to each.
    requests: Vec<Vec<Alike>>,
}

impl Metrics {
    /// Counts a request.
    pub(in crate::apiserver) fn count(
        &mut self,
        verb: &'static str,
        id: ResourceId,
        subresource: &str,
        scope: &'static str,
        code: u16,
    ) {
        let at = usize::from(id.0);
        if self.requests.len() <= at {
            self.requests.resize_with(at + 1, Vec::new);
        }
        let all = &mut self.requests[at];
        let is =
            |a: &&mut Alike| a.code == code && a.verb == verb && a.scope == scope && *a.subresource == *subresource;
        match all.iter_mut().find(is) {
            Some(alike) => alike.count += 1,
            None => all.push(Alike { code, verb, scope, subresource: subresource.into(), count: 1 }),
        }
    }
}

/// The verb as metrics name it.
fn verb_label(verb: &str) -> String {
    match verb {
        "create" => "POST".into(),
        "update" => "PUT".into(),
        other => other.to_uppercase(),
    }
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={}", crate::api::field::quote(v))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

impl ApiServer {
    /// `/metrics`.
    pub(super) fn metrics_response(&self) -> Response {
        let mut text = Text(String::new());
        self.longrunning(&mut text);
        self.requests(&mut text);
        self.storage(&mut text);
        text.family("kubernetes_build_info", "gauge", "[BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.");
        let of = |key: &str| VERSION.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
        let labels = [
            ("build_date", of("buildDate")),
            ("compiler", of("compiler")),
            ("git_commit", of("gitCommit")),
            ("git_tree_state", of("gitTreeState")),
            ("git_version", of("gitVersion")),
            ("go_version", of("goVersion")),
            ("major", of("major")),
            ("minor", of("minor")),
            ("platform", of("platform")),
        ];
        text.sample("kubernetes_build_info", &labels, 1);
        let help = "Start time of the process since unix epoch in seconds.";
        text.family("process_start_time_seconds", "gauge", help);
        let started = self.sim.timestamp_at(self.started_at).as_millisecond() as f64 / 1e3;
        text.sample("process_start_time_seconds", &[], started);
        let mut response = Response::text(200, text.0);
        if let Some(kind) = response.headers.iter_mut().find(|(name, _)| *name == "Content-Type") {
            kind.1 = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores".into();
        }
        response
    }

    fn requests(&self, text: &mut Text) {
        let name = "apiserver_request_total";
        text.family(name, "counter", "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.");
        let metrics = self.metrics.borrow();
        let mut requests: Vec<(ResourceId, &Alike)> = Vec::new();
        for (i, all) in metrics.requests.iter().enumerate() {
            requests.extend(all.iter().map(|alike| (ResourceId(i as u16), alike)));
        }
        requests.sort_by_key(|(id, a)| (a.verb, *id, a.scope, a.code));
        for (id, Alike { code, verb, scope, subresource, count }) in requests {
            let info = self.registry.info(id);
            let labels = [
                ("code", code.to_string()),
                ("component", "apiserver".to_owned()),
                ("dry_run", String::new()),
                ("group", info.group.to_owned()),
                ("resource", info.resource.to_owned()),
                ("scope", (*scope).to_owned()),
                ("subresource", subresource.to_string()),
                ("verb", verb_label(verb)),
                ("version", info.version.to_owned()),
            ];
            let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
            text.sample(name, &labels, count);
        }
    }

    fn longrunning(&self, text: &mut Text) {
        let name = "apiserver_longrunning_requests";
        text.family(name, "gauge", "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.");
        for (i, cacher) in self.cachers.iter().enumerate() {
            let watchers = cacher.watcher_count();
            if watchers > 0 {
                let info = self.registry.info(ResourceId(i as u16));
                let labels = [
                    ("component", "apiserver"),
                    ("group", info.group),
                    ("resource", info.resource),
                    ("scope", "cluster"),
                    ("subresource", ""),
                    ("verb", "WATCH"),
                    ("version", info.version),
                ];
                text.sample(name, &labels, watchers);
            }
        }
    }

    fn storage(&self, text: &mut Text) {
        let counts: Vec<_> = {
            let store = self.etcd.store.borrow();
            let count = |prefix: &str| {
                let mut count = 0u64;
                store.for_each_prefix(prefix, |_, _, _| count += 1);
                count
            };
            self.registry.ids().map(|id| self.registry.info(id)).map(|i| (i, count(&i.prefix()))).collect()
        };
        let help = "Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.";
        let name = "apiserver_resource_objects";
        text.family(name, "gauge", &format!("[ALPHA] {help}"));
        for (info, count) in &counts {
            text.sample(name, &[("group", info.group), ("resource", info.resource)], count);
        }
        let name = "apiserver_storage_objects";
        text.family(
            name,
            "gauge",
            &format!("[STABLE] [DEPRECATED, consider using apiserver_resource_objects instead] {help}"),
        );
        for (info, count) in &counts {
            text.sample(name, &[("resource", &crate::api::status::qualified(info.group, info.resource))], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let mut text = Text(String::new());
        text.sample("a", &[], 1);
        text.sample("b", &[("x", "say \"hi\""), ("y", "")], 2.5);
        assert_eq!(text.0, "a 1\nb{x=\"say \\\"hi\\\"\",y=\"\"} 2.5\n");
    }
}
