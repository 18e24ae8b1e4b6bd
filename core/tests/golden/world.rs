//! A control plane to ask, and how a case is run against it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use podarium_core::api::schema::Descriptions;
use podarium_core::apiserver::{ApiServer, Body, EtcdEndpoint, Extras, Request};
use podarium_core::client::{ApiEndpoint, ApiEndpoints};
use podarium_core::cluster::ComponentContext;
use podarium_core::registry::Registry;
use podarium_core::scheduler::process::SchedulerProcess;
use podarium_core::sim::{MachineId, ProcessId, Sim, SimTime};
use serde_json::{Value, json};

use super::normal::Normaliser;

const NS: &str = "gns-golden";
const SERVER: &str = "podarium.example:6443";
const SEED: u64 = 7;

pub struct World {
    pub sim: Sim,
    pub endpoints: ApiEndpoints,
    server: Rc<RefCell<ApiServer>>,
    process: ProcessId,
    captured: BTreeMap<String, String>,
    /// When the fake kubelets look next, in quarters of a second.
    kubelet_at: u64,
    /// The last pod's number: the end of its address.
    pod_ip: usize,
    _scheduler: SchedulerProcess,
}

struct Answer {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Answer {
    fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Full(b) => b,
            _ => &[],
        }
    }
    fn json(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap_or_default()
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let epoch = "2026-11-22T08:00:00Z".parse().expect("a time");
        let sim = Sim::new(seed, epoch);
        let process = sim.start_process("kube-apiserver", MachineId(0));
        let etcd_process = sim.start_process("etcd", MachineId(0));
        let etcd = EtcdEndpoint::new(&sim, etcd_process);
        let registry = Registry::standard();
        let server = ApiServer::start(&sim, process, registry.clone(), etcd);
        server.borrow_mut().add_tokens(include_str!("../../../tests/golden/tokens.csv"));
        let texts = Descriptions::new(include_str!("../../src/api/schema/v1_36_descriptions.txt"));
        server.borrow_mut().set_extras(Rc::new(Extras { descriptions: Some(texts), ..Extras::default() }));
        let endpoints = ApiEndpoints::default();
        endpoints.add(ApiEndpoint { machine: MachineId(0), process, server: server.clone() });
        let context = |name: &str| ComponentContext {
            sim: sim.clone(),
            process: sim.start_process(name, MachineId(0)),
            endpoints: endpoints.clone(),
            registry: registry.clone(),
            node: "control-plane".into(),
        };
        podarium_core::controllers::start(&context("kube-controller-manager"), &[]);
        let scheduler = SchedulerProcess::start(&context("kube-scheduler"));
        let mut world = World {
            sim: sim.clone(),
            endpoints,
            server,
            process,
            captured: BTreeMap::new(),
            kubelet_at: 0,
            pod_ip: 1,
            _scheduler: scheduler,
        };
        for i in 1..=3 {
            world.node(&format!("worker-{i}"), i);
        }
        world.advance(Duration::from_secs(5));
        world
    }

    /// A node as the recordings' had them.
    fn node(&mut self, name: &str, i: usize) {
        let cidr = format!("10.244.{i}.0/24");
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
            "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
            "status": {"capacity": {"cpu": "4", "memory": "8046Mi", "pods": "110"}, "allocatable": {"cpu": "4", "memory": "8046Mi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
                "addresses": [{"type": "InternalIP", "address": format!("172.18.0.{}", i + 2)}, {"type": "Hostname", "address": name}],
                "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Debian GNU/Linux 12 (bookworm)", "kernelVersion": "6.8.0-31-generic",
                    "containerRuntimeVersion": "containerd://2.2.1", "architecture": "amd64", "operatingSystem": "linux"}},
        });
        self.post("/api/v1/nodes", &node);
    }

    pub fn advance(&mut self, d: Duration) {
        let until = self.sim.now() + d;
        while self.sim.now() < until {
            let next = SimTime::from_millis(self.kubelet_at * 250);
            if next > until {
                break;
            }
            self.sim.run_until(next);
            self.kubelet_at += 1;
            self.kubelets();
        }
        self.sim.run_until(until);
    }

    /// The recordings' fake kubelets: pods run a second after they are bound, and go a second after they are deleted.
    fn kubelets(&mut self) {
        let list = self.ask("GET", "/api/v1/pods", &Value::Null);
        let now = self.sim.timestamp();
        let since = |t: &Value| {
            let t: Option<Timestamp> = t.as_str().and_then(|t| t.parse().ok());
            t.map_or(0, |t| now.as_second() - t.as_second())
        };
        for pod in list["items"].as_array().into_iter().flatten() {
            let (meta, status) = (&pod["metadata"], &pod["status"]);
            let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
            if !node.starts_with("worker-") {
                continue;
            }
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let path = format!("/api/v1/namespaces/{}/pods/{}", text(&meta["namespace"]), text(&meta["name"]));
            if meta["deletionTimestamp"].is_string() {
                let grace = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
                if since(&meta["deletionTimestamp"]) + grace >= 1 {
                    self.ask("DELETE", &path, &json!({"gracePeriodSeconds": 0}));
                }
                continue;
            }
            if status["phase"] == "Running" && status["observedGeneration"] != meta["generation"] {
                let seen = json!({"status": {"observedGeneration": meta["generation"]}});
                self.ask("PATCH", &format!("{path}/status"), &seen);
                continue;
            }
            let waits = |c: &Value| c["image"].as_str().is_some_and(|i| i.contains("nonexist"));
            let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
            if status["phase"] != "Pending" || since(&meta["creationTimestamp"]) < 1 || containers.iter().any(waits) {
                continue;
            }
            self.pod_ip += 1;
            let body = running(pod, &now.to_string(), self.pod_ip);
            self.ask("PATCH", &format!("{path}/status"), &body);
        }
    }

    /// A request of the fake kubelets, past the clock.
    pub fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request {
            method: method.into(),
            path: path.into(),
            headers: vec![
                ("Authorization".into(), "Bearer admin-token".into()),
                ("User-Agent".into(), "kubelet/1".into()),
                ("Content-Type".into(), media.into()),
            ],
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            process: self.process,
            ..Request::default()
        };
        let r = self.server.borrow_mut().handle(&request);
        match r.body {
            Body::Full(b) => serde_json::from_slice(&b).unwrap_or_default(),
            _ => Value::Null,
        }
    }

    fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request =
            json!({"method": "POST", "path": path, "contentType": "application/json", "body": body.to_string()});
        self.call(&request)
    }

    fn substitute(&self, text: &str) -> String {
        let mut s = text.to_owned();
        while let Some(at) = s.find("<repeat:") {
            let Some(end) = s[at..].find('>') else { break };
            let inside: Vec<String> = s[at + 8..at + end].split(':').map(str::to_owned).collect();
            let n: usize = inside.get(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            let repeated = inside.first().map(|c| c.repeat(n)).unwrap_or_default();
            s.replace_range(at..=at + end, &repeated);
        }
        s = s.replace("<ns>", NS);
        for (k, v) in &self.captured {
            s = s.replace(&format!("<cap:{k}>"), v);
        }
        s
    }

    fn call(&mut self, q: &Value) -> Answer {
        let text = |k: &str| q[k].as_str().map(|s| self.substitute(s));
        let mut headers: Vec<(String, String)> = vec![
            ("Host".into(), SERVER.into()),
            ("Accept".into(), "application/json".into()),
            ("User-Agent".into(), "golden/1".into()),
        ];
        let token = if q.get("token").is_some() { text("token").unwrap_or_default() } else { "admin-token".into() };
        if !token.is_empty() {
            headers.push(("Authorization".into(), format!("Bearer {token}")));
        }
        if let Some(t) = text("contentType").filter(|t| !t.is_empty()) {
            headers.push(("Content-Type".into(), t));
        }
        for (k, v) in q["headers"].as_object().into_iter().flatten() {
            headers.retain(|(n, _)| !n.eq_ignore_ascii_case(k));
            if let Some(v) = v.as_str() {
                headers.push((k.clone(), self.substitute(v)));
            }
        }
        let request = Request {
            method: text("method").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            query: text("query").unwrap_or_default(),
            headers,
            body: text("body").unwrap_or_default().into_bytes(),
            process: self.process,
            certificate: None,
            real_time: false,
        };
        let r = self.server.borrow_mut().handle(&request);
        let answer = Answer { code: r.code, headers: r.headers, body: r.body };
        self.advance(Duration::from_millis(50));
        answer
    }
}

/// What the fake kubelets say of a pod that runs.
fn running(pod: &Value, now: &str, number: usize) -> Value {
    let now = format!("{}Z", now.split('.').next().unwrap_or(now).trim_end_matches('Z'));
    let meta = &pod["metadata"];
    let node: usize = pod["spec"]["nodeName"].as_str().and_then(|n| n.rsplit('-').next()?.parse().ok()).unwrap_or(1);
    let (host, ip) = (format!("172.18.0.{}", node + 2), format!("10.244.{node}.{}", number % 250 + 2));
    let condition = |t: &str| json!({"type": t, "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let begun = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.extend(begun.into_iter().map(condition));
    let statuses: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            json!({"name": c["name"], "image": c["image"], "imageID": format!("fake://{}", text(&c["image"])),
                "containerID": format!("fake://{}-{}", text(&meta["uid"]), text(&c["name"])), "lastState": {},
                "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": now}}})
        })
        .collect();
    json!({"status": {
        "phase": "Running", "observedGeneration": meta["generation"], "startTime": now,
        "hostIP": host, "hostIPs": [{"ip": host}], "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": conditions, "containerStatuses": statuses,
    }})
}

/// The value at a path such as status.conditions[0].reason, or at a list of plain keys.
fn dig(v: &Value, path: &Value) -> Value {
    let mut found = v;
    if let Some(keys) = path.as_array() {
        for k in keys {
            found = &found[k.as_str().unwrap_or_default()];
        }
        return found.clone();
    }
    let mut parts = Vec::new();
    let (mut part, mut depth) = (String::new(), 0);
    for c in path.as_str().unwrap_or_default().chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if c == '.' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    for p in parts {
        let (key, index) = match p.split_once('[') {
            Some((k, i)) => (k.to_owned(), i.trim_end_matches(']').parse::<usize>().ok()),
            None => (p.clone(), None),
        };
        if !key.is_empty() {
            found = &found[key.as_str()];
        }
        if let Some(i) = index {
            found = &found[i];
        }
    }
    found.clone()
}

impl World {
    fn prepare(&mut self, case: &Value) -> Option<String> {
        for step in case["setup"].as_array().into_iter().flatten() {
            if let Some(s) = step["sleep"].as_f64() {
                self.advance(Duration::from_secs_f64(s));
                continue;
            }
            let answer;
            if step.get("waitFor").is_some() {
                let wait = &step["waitFor"];
                let get = json!({"method": "GET", "path": wait["path"], "query": wait["query"]});
                let mut tries = 0;
                answer = loop {
                    let a = self.call(&get);
                    let met = match wait["code"].as_u64() {
                        Some(code) => u64::from(a.code) == code,
                        None => {
                            let want = match &wait["value"] {
                                Value::String(s) => self.substitute(s).into(),
                                other => other.clone(),
                            };
                            dig(&a.json(), &wait["field"]) == want
                        }
                    };
                    if met {
                        break a;
                    }
                    tries += 1;
                    if tries > 100 {
                        return Some(format!("set-up waited in vain for {wait}"));
                    }
                    self.advance(Duration::from_millis(250));
                };
            } else {
                answer = self.call(step);
                if answer.code >= 400 && step["ok"] != true {
                    return Some(format!(
                        "set-up was answered {}: {}",
                        answer.code,
                        String::from_utf8_lossy(answer.bytes()).chars().take(300).collect::<String>()
                    ));
                }
            }
            for (key, path) in step["capture"].as_object().into_iter().flatten() {
                let found = dig(&answer.json(), path);
                self.captured.insert(key.clone(), found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            }
        }
        None
    }

    fn watch(&mut self, case: &Value) -> Value {
        let how = &case["watch"];
        let mut normal = Normaliser::new(case, NS, SERVER);
        let answer = self.call(&case["request"]);
        let Body::Watch(mut body) = answer.body else {
            let body = normal.value(&answer.json());
            return json!({"code": answer.code, "headers": normal.headers(&answer.headers), "body": body});
        };
        let mut seen: Vec<Value> = Vec::new();
        let mut drain = |body: &mut Box<podarium_core::apiserver::WatchBody>| {
            while let Some(bytes) = body.try_next() {
                seen.push(serde_json::from_slice(&bytes).expect("events are JSON"));
            }
        };
        self.advance(Duration::from_secs_f64(how["settle"].as_f64().unwrap_or(0.3)));
        drain(&mut body);
        for step in case["during"].as_array().into_iter().flatten() {
            if let Some(s) = step["sleep"].as_f64() {
                self.advance(Duration::from_secs_f64(s));
            } else {
                self.call(step);
                self.advance(Duration::from_secs_f64(how["pace"].as_f64().unwrap_or(0.15)));
            }
            drain(&mut body);
        }
        let mut left = how["timeout"].as_f64().unwrap_or(3.0);
        while left > 0.0 {
            self.advance(Duration::from_millis(100));
            drain(&mut body);
            left -= 0.1;
        }
        let closed = body.is_closed();
        for e in &seen {
            normal.scan(&e["object"]);
        }
        let mut out: Vec<Value> = seen
            .iter()
            .map(|e| {
                let name = e["object"]["metadata"]["name"].as_str().map(|n| normal.text(n));
                json!({"type": e["type"], "name": name, "object": normal.value(&e["object"])})
            })
            .collect();
        if how["dropPlainBookmarks"] == true {
            out.retain(|e| e["type"] != "BOOKMARK" || e["object"]["metadata"]["annotations"].is_object());
        }
        if how["collapseBookmarks"] == true {
            out.dedup_by(|b, a| a["type"] == "BOOKMARK" && b["type"] == "BOOKMARK");
        }
        if how["sort"] == true {
            out.sort_by_key(|e| (e["type"].to_string(), e["name"].to_string()));
        }
        let mut res = json!({"code": answer.code, "headers": normal.headers(&answer.headers), "events": out});
        if how["closed"] == true {
            res["closedByServer"] = closed.into();
        }
        res
    }

    fn request(&mut self, case: &Value) -> Value {
        let answer = self.call(&case["request"]);
        let mut normal = Normaliser::new(case, NS, SERVER);
        let mut res = json!({"code": answer.code, "headers": normal.headers(&answer.headers)});
        match serde_json::from_slice::<Value>(answer.bytes()) {
            Ok(body) => {
                normal.scan(&body);
                res["body"] = normal.value(&body);
            }
            Err(_) if !answer.bytes().is_empty() => {
                res["bodyText"] = normal.text(&String::from_utf8_lossy(answer.bytes())).into();
            }
            Err(_) => {}
        }
        if let Some(only) = case["only"].as_array() {
            let picked = only.iter().map(|p| {
                let key = p.as_str().map_or_else(|| p.to_string(), str::to_owned);
                (key, dig(&res["body"], p))
            });
            res["body"] = Value::Object(picked.collect());
        }
        for path in case["unordered"].as_array().into_iter().flatten() {
            let mut found = dig(&res["body"], path);
            if let Some(list) = found.as_array_mut() {
                list.sort_by_key(Value::to_string);
                put(&mut res["body"], path.as_str().unwrap_or_default(), found);
            }
        }
        res
    }
}

fn put(v: &mut Value, path: &str, new: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    if let Some(at) = v.pointer_mut(&pointer) {
        *at = new;
    }
}

fn first_difference(want: &Value, got: &Value, path: &str) -> String {
    let cut = |v: &Value| v.to_string().chars().take(400).collect::<String>();
    match (want, got) {
        (Value::Object(w), Value::Object(g)) => {
            for (k, v) in w {
                match g.get(k) {
                    None => return format!("{path}.{k}: missing, want {}", cut(v)),
                    Some(x) if x != v => return first_difference(v, x, &format!("{path}.{k}")),
                    _ => {}
                }
            }
            for (k, v) in g {
                if !w.contains_key(k) {
                    return format!("{path}.{k}: not wanted, got {}", cut(v));
                }
            }
        }
        (Value::Array(w), Value::Array(g)) => {
            for (i, (a, b)) in w.iter().zip(g).enumerate() {
                if a != b {
                    return first_difference(a, b, &format!("{path}[{i}]"));
                }
            }
            return format!("{path}: {} items, want {}", g.len(), w.len());
        }
        _ => {}
    }
    format!("{path}: want {}, got {}", cut(want), cut(got))
}

/// Runs a case; what differs first, if anything does.
pub fn run(case: &Value) -> Option<String> {
    let mut world = World::new(SEED);
    let text = json!([case["setup"], case["request"], case["during"], case["cleanup"]]).to_string();
    if text.contains("<ns>") {
        let mut meta = json!({"name": NS});
        if case["namespaceLabels"].is_object() {
            meta["labels"] = case["namespaceLabels"].clone();
        }
        world.post("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}));
        for _ in 0..400 {
            let there = ["serviceaccounts/default", "configmaps/kube-root-ca.crt"].map(|x| {
                world.ask("GET", &format!("/api/v1/namespaces/{NS}/{x}"), &Value::Null)["metadata"]["name"].is_string()
            });
            if there == [true, true] {
                break;
            }
            world.advance(Duration::from_millis(30));
        }
    }
    if let Some(wrong) = world.prepare(case) {
        return Some(wrong);
    }
    let got = if case["watch"].is_object() { world.watch(case) } else { world.request(case) };
    let mut want = case["response"].clone();
    if let Some(o) = want.as_object_mut() {
        o.remove("seconds");
    }
    (got != want).then(|| first_difference(&want, &got, ""))
}
