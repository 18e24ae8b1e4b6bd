//! The request door: whole HTTP requests, with controllers and a scheduler at work on whatever gets through.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use podarium_core::apiserver::{ApiServer, Body, EtcdEndpoint, Request, User};
use podarium_core::client::{ApiEndpoint, ApiEndpoints};
use podarium_core::cluster::ComponentContext;
use podarium_core::registry::Registry;
use podarium_core::scheduler::process::SchedulerProcess;
use podarium_core::sim::{MachineId, ProcessId, Sim};

use super::{Target, mutate, seeds};
use crate::dice::Dice;

/// A control plane that is asked odd things.
pub struct Requests {
    sim: Sim,
    server: Rc<RefCell<ApiServer>>,
    process: ProcessId,
    _scheduler: SchedulerProcess,
}

const METHODS: [&str; 10] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "", "FOO"];

const CONTENT_TYPES: [&str; 12] = [
    "application/json",
    "application/yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
    "application/json; charset=utf-8",
    ";;;",
    "application/json;q=\"",
];

const ACCEPTS: [&str; 10] = [
    "application/json",
    "*/*",
    "",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v9;g=x",
    "text/html, */*;q=0.1",
    ",,;=",
];

const PARAMETERS: [(&str, &[&str]); 20] = [
    ("limit", &["1", "0", "-1", "9223372036854775808", "x"]),
    ("continue", &["", "x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0", "%00", "e30"]),
    ("resourceVersion", &["0", "1", "", "x", "-1", "99999999999", "18446744073709551616"]),
    ("resourceVersionMatch", &["Exact", "NotOlderThan", "x", ""]),
    ("labelSelector", &["a=b", "a in (b,c)", "!a", "a b", "a=b,,c", "%e2%82%ac", "a>x", "((("]),
    ("fieldSelector", &["metadata.name=x", "spec.nodeName!=y", "x=y", "a", "metadata.name=a,metadata.name=b", "\\"]),
    ("watch", &["1", "true", "0", "x", ""]),
    ("timeoutSeconds", &["1", "0", "-1", "99999999999999999999"]),
    ("allowWatchBookmarks", &["true", "1"]),
    ("sendInitialEvents", &["true", "false", "x"]),
    ("dryRun", &["All", "", "x", "All,All"]),
    (
        "fieldManager",
        &[
            "me",
            "",
            "\u{1}",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
    ),
    ("fieldValidation", &["Strict", "Warn", "Ignore", "x"]),
    ("force", &["true", "false", "x"]),
    ("gracePeriodSeconds", &["0", "-1", "5", "99999999999999999999", "x"]),
    ("propagationPolicy", &["Foreground", "Background", "Orphan", "x"]),
    ("orphanDependents", &["true", "x"]),
    ("pretty", &["true", "0"]),
    ("includeObject", &["None", "Object", "Metadata", "x"]),
    ("container", &["a", ""]),
];

const HEADERS: [(&str, &[&str]); 6] = [
    ("Authorization", &["Bearer x", "Bearer ", "Basic eDp5", "\u{0}"]),
    ("Impersonate-User", &["jane", "", "system:serviceaccount:default:default"]),
    ("Impersonate-Group", &["system:masters", ""]),
    ("Impersonate-Uid", &["1"]),
    ("If-Match", &["*"]),
    ("User-Agent", &["", "kubectl/v1", "\u{7f}/\u{1}", "/"]),
];

const RESOURCES: [&str; 16] = [
    "pods",
    "nodes",
    "replicasets",
    "deployments",
    "services",
    "configmaps",
    "secrets",
    "events",
    "leases",
    "jobs",
    "endpointslices",
    "roles",
    "namespaces",
    "bindings",
    "nope",
    "customresourcedefinitions",
];

const SUBRESOURCES: [&str; 12] = [
    "",
    "status",
    "scale",
    "binding",
    "log",
    "exec",
    "eviction",
    "proxy",
    "finalize",
    "ephemeralcontainers",
    "resize",
    "x",
];

fn path(dice: &mut Dice, recorded: &str) -> String {
    match dice.below(8) {
        0..4 => recorded.to_owned(),
        4 => mutate::text(dice, recorded),
        5 => {
            let junk = ["//", "/..", "/%2e%2e/", "/%", "/%zz", "/%00", "/\u{e9}", "/ ", "/a/b/c/d/e/f/g/h"];
            format!("{recorded}{}", junk[dice.below(junk.len())])
        }
        _ => {
            let group = ["api/v1", "apis/apps/v1", "apis/batch/v1", "apis/x/v1", "api/v2", "apis/discovery.k8s.io/v1"];
            let mut p = format!("/{}", group[dice.below(group.len())]);
            if dice.once_in(2) {
                p.push_str(
                    [
                        "/namespaces/default",
                        "/namespaces/gns-golden",
                        "/watch",
                        "/namespaces/",
                        "/watch/namespaces/default",
                    ][dice.below(5)],
                );
            }
            p.push_str(&format!("/{}", RESOURCES[dice.below(RESOURCES.len())]));
            if dice.once_in(2) {
                p.push_str(["/x", "/worker-1", "/", "/cm", "/a%20b"][dice.below(5)]);
                p.push_str(&format!("/{}", SUBRESOURCES[dice.below(SUBRESOURCES.len())]));
            }
            p
        }
    }
}

fn input(case: u64, process: ProcessId) -> Request {
    let mut dice = Dice::new(case);
    let all = seeds::requests();
    let good = &all[dice.below(all.len())];
    let (good_path, good_query) = good.path.split_once('?').unwrap_or((&good.path, ""));
    let method = if dice.once_in(6) { METHODS[dice.below(METHODS.len())].to_owned() } else { good.method.clone() };
    let mut query = good_query.to_owned();
    while dice.once_in(2) {
        let (name, values) = PARAMETERS[dice.below(PARAMETERS.len())];
        query.push_str(&format!("&{name}={}", values[dice.below(values.len())]));
    }
    if dice.once_in(12) {
        query = mutate::text(&mut dice, &query);
    }
    let or = |dice: &mut Dice, good: &str, odd: &[&str]| {
        if dice.once_in(8) { odd[dice.below(odd.len())].to_owned() } else { good.to_owned() }
    };
    let mut headers = vec![
        ("Content-Type".to_owned(), or(&mut dice, &good.content_type, &CONTENT_TYPES)),
        ("Accept".to_owned(), or(&mut dice, &good.accept, &ACCEPTS)),
    ];
    headers.retain(|(_, value)| !value.is_empty());
    while dice.once_in(8) {
        let (name, values) = HEADERS[dice.below(HEADERS.len())];
        headers.push((name.to_owned(), values[dice.below(values.len())].to_owned()));
    }
    // A patch of one object is tried on others too.
    let body = if dice.once_in(6) { &all[dice.below(all.len())].body } else { &good.body };
    let user = User {
        name: "kubernetes-admin".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        ..User::default()
    };
    Request {
        method,
        path: path(&mut dice, good_path),
        query,
        headers,
        body: mutate::body(&mut dice, body),
        process,
        certificate: Some(user),
        ..Request::default()
    }
}

impl Target for Requests {
    const NAME: &'static str = "requests";
    const CASES: u64 = 16_000;
    const BATCH: u64 = 500;
    const BYTES_MAX: usize = 512 << 20;

    fn new() -> Self {
        let sim = Sim::new(7, jiff::Timestamp::from_second(1_767_603_600).unwrap_or_default());
        let start = |name: &str| sim.start_process(name, MachineId(0));
        let etcd = EtcdEndpoint::new(&sim, start("etcd"));
        let registry = Registry::standard();
        let process = start("kube-apiserver");
        let server = ApiServer::start(&sim, process, registry.clone(), etcd);
        let endpoints = ApiEndpoints::default();
        endpoints.add(ApiEndpoint { machine: MachineId(0), process, server: server.clone() });
        let context = |name: &str| ComponentContext {
            sim: sim.clone(),
            process: start(name),
            endpoints: endpoints.clone(),
            registry: registry.clone(),
            node: "control-plane".into(),
        };
        podarium_core::controllers::start(&context("kube-controller-manager"), &[]);
        let scheduler = SchedulerProcess::start(&context("kube-scheduler"));
        let person = start("person");
        let mut door = Requests { sim: sim.clone(), server, process: person, _scheduler: scheduler };
        for namespace in ["gns-golden", "team"] {
            door.post("/api/v1/namespaces", &format!(r#"{{"metadata":{{"name":"{namespace}"}}}}"#));
        }
        for n in 1..=2 {
            let node = format!(
                r#"{{"metadata":{{"name":"worker-{n}"}},"status":{{"capacity":{{"cpu":"4","memory":"8046Mi","pods":"110"}},
                "allocatable":{{"cpu":"4","memory":"8046Mi","pods":"110"}},"conditions":[{{"type":"Ready","status":"True"}}]}}}}"#
            );
            door.post("/api/v1/nodes", &node);
        }
        sim.run_until(podarium_core::sim::SimTime::from_secs(5));
        door
    }

    fn run(&mut self, case: u64) -> Result<(), String> {
        let request = input(case, self.process);
        let response = self.server.borrow_mut().handle(&request);
        if !(100..600).contains(&response.code) {
            return Err(format!("answers {}", response.code));
        }
        match response.body {
            Body::Full(bytes) => {
                let json = response.headers.iter().any(|(n, v)| *n == "Content-Type" && v == "application/json");
                if json && !bytes.is_empty() && serde_json::from_slice::<serde_json::Value>(&bytes).is_err() {
                    return Err(format!("answers JSON that is none: {}", bytes.escape_ascii()));
                }
            }
            Body::Watch(mut w) => {
                self.advance();
                for _ in 0..20 {
                    let Some(event) = w.try_next() else { break };
                    if serde_json::from_slice::<serde_json::Value>(&event).is_err() {
                        return Err(format!("sends an event that is no JSON: {}", event.escape_ascii()));
                    }
                }
            }
            Body::Kubelet(_) => {}
        }
        if case.is_multiple_of(4) {
            self.advance();
        }
        Ok(())
    }

    fn describe(&self, case: u64) -> String {
        let r = input(case, self.process);
        let head = r.body.get(..2_000).unwrap_or(&r.body);
        format!("{} {}?{} {:?}\n{} bytes: {}", r.method, r.path, r.query, r.headers, r.body.len(), head.escape_ascii())
    }
}

impl Requests {
    /// Lets the controllers and the scheduler meet what was made.
    fn advance(&mut self) {
        self.sim.run_until(self.sim.now() + Duration::from_millis(200));
    }

    fn post(&mut self, path: &str, body: &str) {
        let request = Request {
            method: "POST".into(),
            path: path.into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.as_bytes().to_vec(),
            ..input(0, self.process)
        };
        let request = Request { query: String::new(), ..request };
        let response = self.server.borrow_mut().handle(&request);
        assert_eq!(response.code, 201, "{response:?}");
    }
}
