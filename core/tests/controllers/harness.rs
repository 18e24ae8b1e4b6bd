//! A control plane with fake nodes: what the recordings in tests were made on. A bound pod becomes Running and Ready after a second,
//! a deleted one is removed a second later, leases are renewed every 10 s, and pods are spread by a binder of a few lines.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStatus, Node, NodeAddress, NodeCondition, NodeStatus, Pod,
    PodCondition, PodIP,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use podarium_core::apiserver::{ApiServer, Body, DeleteOptions, EtcdEndpoint, Preconditions, Request};
use podarium_core::client::{
    ApiEndpoint, ApiEndpoints, Client, EventRecorder, EventType, Informer, InformerEvent, ListWatch,
};
use podarium_core::cluster::ComponentContext;
use podarium_core::registry::Registry;
use podarium_core::sim::{MachineId, Sim, SimTime};
use serde_json::Value;

/// The control plane.
pub struct Plane {
    pub sim: Sim,
    pub endpoints: ApiEndpoints,
    pub registry: Rc<Registry>,
    pub server: Rc<RefCell<ApiServer>>,
    /// The administrator's client, without limits.
    pub admin: Client,
    silent: BTreeMap<String, Rc<Cell<bool>>>,
    etcd: EtcdEndpoint,
}

const MASTER: MachineId = MachineId(0);

fn context(
    sim: &Sim,
    endpoints: &ApiEndpoints,
    registry: &Rc<Registry>,
    name: &str,
    machine: MachineId,
) -> ComponentContext {
    ComponentContext {
        sim: sim.clone(),
        process: sim.start_process(name, machine),
        endpoints: endpoints.clone(),
        registry: registry.clone(),
        node: "control-plane".into(),
    }
}

impl Plane {
    /// A control plane and its nodes, up for a while.
    pub fn start(nodes: &[&str]) -> Self {
        let sim = Sim::new(1, "2026-11-22T00:00:00Z".parse().expect("a time"));
        let registry = Registry::standard();
        let etcd = EtcdEndpoint::new(&sim, sim.start_process("etcd", MASTER));
        let process = sim.start_process("kube-apiserver", MASTER);
        let server = ApiServer::start(&sim, process, registry.clone(), etcd.clone());
        server.borrow_mut().add_tokens("admin-token,admin,1,system:masters\n");
        let endpoints = ApiEndpoints::default();
        endpoints.add(ApiEndpoint { machine: MASTER, process, server: server.clone() });
        let admin = context(&sim, &endpoints, &registry, "admin", MASTER).client(
            "kubernetes-admin",
            &["system:masters"],
            "golden",
            0.0,
            1,
        );
        let controllers = context(&sim, &endpoints, &registry, "kube-controller-manager", MASTER);
        let mut plane = Plane { sim: sim.clone(), server, endpoints, registry, admin, silent: BTreeMap::new(), etcd };
        plane.run(1.0);
        for (i, n) in nodes.iter().enumerate() {
            plane.add_node(n, i as u32);
        }
        podarium_core::controllers::start(&controllers, &[]);
        plane.start_binder();
        plane.run(20.0);
        plane
    }

    /// Kills the api-server and starts another on the same data after so many seconds: all watches break.
    pub fn restart_api_server(&mut self, seconds: f64) {
        for old in self.endpoints.all() {
            self.sim.kill_process(old.process);
            self.endpoints.remove(old.process);
        }
        self.run(seconds);
        let process = self.sim.start_process("kube-apiserver", MASTER);
        self.server = ApiServer::start(&self.sim, process, self.registry.clone(), self.etcd.clone());
        self.server.borrow_mut().add_tokens("admin-token,admin,1,system:masters\n");
        self.endpoints.add(ApiEndpoint { machine: MASTER, process, server: self.server.clone() });
    }

    /// Runs for so many seconds.
    pub fn run(&self, seconds: f64) {
        self.sim.run_until(self.sim.now() + Duration::from_secs_f64(seconds));
    }

    /// Runs until `done` says so, by steps of `step` seconds; the seconds that it took, at most `max`.
    pub fn run_while(&self, step: f64, max: f64, going: impl Fn() -> bool) -> f64 {
        let start = self.sim.now();
        while going() && self.sim.now().since(start).as_secs_f64() < max {
            self.run(step);
        }
        self.sim.now().since(start).as_secs_f64()
    }

    /// Does something as the administrator and waits for it.
    pub fn act<T: 'static>(&self, f: impl AsyncFnOnce(Client) -> T + 'static) -> T {
        let (admin, out) = (self.admin.clone(), Rc::new(RefCell::new(None)));
        let slot = out.clone();
        self.sim.spawn(self.admin.process(), async move {
            let v = f(admin).await;
            *slot.borrow_mut() = Some(v);
        });
        loop {
            if let Some(v) = out.borrow_mut().take() {
                return v;
            }
            assert!(self.sim.step(SimTime::MAX), "the action never ended");
        }
    }

    /// Asks the api-server as the administrator over HTTP; the status code and the body.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let headers =
            [("Authorization", "Bearer admin-token"), ("Content-Type", media), ("Accept", "application/json")];
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            ..Request::default()
        };
        let r = self.server.borrow_mut().handle(&request);
        let body = match &r.body {
            Body::Full(b) => serde_json::from_slice(b).unwrap_or_default(),
            _ => Value::Null,
        };
        (r.code, body)
    }

    /// Asks and expects to be served.
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let (code, answer) = self.ask(method, path, body);
        assert!(code < 300, "{method} {path}: {code} {answer}");
        answer
    }

    /// One object.
    pub fn get(&self, path: &str) -> Value {
        self.must("GET", path, &Value::Null)
    }

    /// The items of a list.
    pub fn list(&self, path: &str) -> Vec<Value> {
        self.get(path)["items"].as_array().cloned().unwrap_or_default()
    }

    /// The events about objects of a kind, in the order of their names' times: "Reason name: message".
    pub fn events_of(&self, kind: &str) -> Vec<String> {
        let mut all = self.list("/api/v1/events");
        all.retain(|e| e["involvedObject"]["kind"] == kind);
        let stamp = |e: &Value| {
            let name = e["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            name.rsplit_once('.').map(|(_, t)| t.to_owned()).unwrap_or_default()
        };
        all.sort_by_key(stamp);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        all.iter()
            .map(|e| format!("{} {}: {}", text(&e["reason"]), text(&e["involvedObject"]["name"]), text(&e["message"])))
            .collect()
    }

    /// Stops a node's heartbeats, or lets it go on.
    pub fn silence(&self, node: &str, silent: bool) {
        self.silent[node].set(silent);
    }

    fn add_node(&mut self, n: &str, index: u32) {
        let silent = Rc::new(Cell::new(false));
        self.silent.insert(n.to_owned(), silent.clone());
        let ctx = context(&self.sim, &self.endpoints, &self.registry, "kubelet", MachineId(index + 1));
        let client = ctx.client(&format!("system:node:{n}"), &["system:nodes"], "kubelet", 0.0, 1);
        let kubelet = Kubelet { client, node: n.to_owned(), index, silent };
        self.sim.spawn(ctx.process, async move { kubelet.run().await });
    }

    fn start_binder(&self) {
        let ctx = context(&self.sim, &self.endpoints, &self.registry, "kube-scheduler", MASTER);
        let client = ctx.client("system:kube-scheduler", &[], "kube-scheduler", 0.0, 1);
        let recorder = EventRecorder::start(&client, "default-scheduler", "");
        let nodes: Informer<Node> = Informer::start(&client, ListWatch::default());
        let pods: Informer<Pod> = Informer::start(&client, ListWatch::default());
        // Pods by node, and by node and controller: a controller's pods are spread first.
        let load: Rc<RefCell<BTreeMap<(String, String), i64>>> = Rc::default();
        let owner_of = |p: &Pod| {
            let refs = p.metadata.owner_references.as_ref();
            refs.and_then(|r| r.first()).map(|r| r.uid.clone()).unwrap_or_default()
        };
        let (c, sim) = (client.clone(), self.sim.clone());
        pods.on_event(move |e| {
            let node_of = |p: &Pod| p.spec.as_ref().and_then(|s| s.node_name.clone());
            match e {
                InformerEvent::Added(p) if node_of(p).is_none() => {
                    let well = |n: &Node| n.spec.as_ref().and_then(|s| s.taints.as_ref()).is_none_or(Vec::is_empty);
                    let mut load = load.borrow_mut();
                    let all = nodes.list();
                    let best = all.iter().filter(|n| well(n)).filter_map(|n| n.metadata.name.clone()).min_by_key(|n| {
                        let count = |o: String| load.get(&(n.clone(), o)).copied().unwrap_or(0);
                        (count(owner_of(p)), count(String::new()))
                    });
                    let Some(node) = wanted_node(p).or(best) else { return };
                    *load.entry((node.clone(), owner_of(p))).or_default() += 1;
                    *load.entry((node.clone(), String::new())).or_default() += 1;
                    let (c, p, r) = (c.clone(), (*p).clone(), recorder.clone());
                    sim.spawn(c.clone().process(), async move {
                        let (ns, name) = (
                            p.metadata.namespace.clone().unwrap_or_default(),
                            p.metadata.name.clone().unwrap_or_default(),
                        );
                        let uid = p.metadata.uid.clone().unwrap_or_default();
                        if c.bind(&ns, &name, &uid, &node).await.is_ok() {
                            let message = format!("Successfully assigned {ns}/{name} to {node}");
                            r.event(&*p, EventType::Normal, "Scheduled", &message);
                        }
                    });
                }
                InformerEvent::Deleted(p) => {
                    if let Some(n) = node_of(p) {
                        *load.borrow_mut().entry((n.clone(), owner_of(p))).or_default() -= 1;
                        *load.borrow_mut().entry((n, String::new())).or_default() -= 1;
                    }
                }
                _ => {}
            }
        });
    }
}

/// The node that a daemon's pod is for.
fn wanted_node(p: &Pod) -> Option<String> {
    let affinity = p.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    terms.iter().flat_map(|t| t.match_fields.iter().flatten()).find_map(|f| f.values.as_ref()?.first().cloned())
}

struct Kubelet {
    client: Client,
    node: String,
    index: u32,
    silent: Rc<Cell<bool>>,
}

fn now(sim: &Sim) -> Time {
    Time(jiff::Timestamp::from_second(sim.timestamp().as_second()).expect("a second"))
}

impl Kubelet {
    fn conditions(&self, old: &[NodeCondition]) -> Vec<NodeCondition> {
        let now = now(self.client.sim());
        [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID"),
            ("Ready", "True", "KubeletReady"),
        ]
        .into_iter()
        .map(|(kind, status, reason)| {
            let before = old.iter().find(|c| c.type_ == kind && c.status == status);
            NodeCondition {
                type_: kind.into(),
                status: status.into(),
                reason: Some(reason.into()),
                message: None,
                last_heartbeat_time: Some(now.clone()),
                last_transition_time: before.and_then(|b| b.last_transition_time.clone()).or(Some(now.clone())),
            }
        })
        .collect()
    }

    async fn run(self) {
        let sim = self.client.sim().clone();
        let metadata = ObjectMeta {
            name: Some(self.node.clone()),
            labels: Some([("kubernetes.io/hostname".to_owned(), self.node.clone())].into()),
            ..Default::default()
        };
        let address = NodeAddress { type_: "InternalIP".into(), address: format!("172.30.0.{}", 10 + self.index) };
        let status =
            NodeStatus { conditions: Some(self.conditions(&[])), addresses: Some(vec![address]), ..Default::default() };
        self.client.create(Node { metadata, status: Some(status), ..Default::default() }).await.expect("a node");
        let spec = LeaseSpec {
            holder_identity: Some(self.node.clone()),
            lease_duration_seconds: Some(40),
            renew_time: Some(MicroTime(sim.timestamp())),
            ..Default::default()
        };
        let metadata = ObjectMeta {
            name: Some(self.node.clone()),
            namespace: Some("kube-node-lease".into()),
            ..Default::default()
        };
        self.client.create(Lease { metadata, spec: Some(spec) }).await.expect("a lease");
        let me = Rc::new(self);
        let lw = ListWatch { field_selector: format!("spec.nodeName={}", me.node), ..Default::default() };
        let pods: Informer<Pod> = Informer::start(&me.client, lw);
        let handler = me.clone();
        pods.on_event(move |e| match e {
            InformerEvent::Added(p) => handler.clone().pod(p, true),
            InformerEvent::Updated { old, new } => {
                handler.clone().pod(new, old.metadata.deletion_timestamp != new.metadata.deletion_timestamp)
            }
            InformerEvent::Deleted(_) => {}
        });
        let mut was_silent = false;
        loop {
            sim.sleep(Duration::from_secs(10)).await;
            if me.silent.get() {
                was_silent = true;
                continue;
            }
            let _ = me
                .client
                .patch::<Lease>("kube-node-lease", &me.node, "", |l| {
                    l.spec.get_or_insert_default().renew_time = Some(MicroTime(sim.timestamp()));
                })
                .await;
            if was_silent {
                was_silent = false;
                let _ = me
                    .client
                    .patch::<Node>("", &me.node, "status", |n| {
                        let status = n.status.get_or_insert_default();
                        status.conditions = Some(me.conditions(status.conditions.as_deref().unwrap_or_default()));
                    })
                    .await;
                for p in pods.list() {
                    me.clone().pod(&p, true);
                }
            }
        }
    }

    fn pod(self: Rc<Self>, pod: &Rc<Pod>, changed: bool) {
        let image = pod.spec.as_ref().and_then(|s| s.containers.first()?.image.clone()).unwrap_or_default();
        if !changed || self.silent.get() || image.ends_with("nonexist") && pod.metadata.deletion_timestamp.is_none() {
            return;
        }
        let (me, pod) = (self.clone(), pod.clone());
        self.client.sim().spawn(self.client.process(), async move {
            let sim = me.client.sim();
            sim.sleep(Duration::from_secs(1)).await;
            let (ns, name) = (
                pod.metadata.namespace.as_deref().unwrap_or_default(),
                pod.metadata.name.as_deref().unwrap_or_default(),
            );
            if pod.metadata.deletion_timestamp.is_some() {
                let preconditions = Preconditions { uid: pod.metadata.uid.clone(), ..Default::default() };
                let o = DeleteOptions { grace_period_seconds: Some(0), preconditions, ..Default::default() };
                let _ = me.client.delete::<Pod>(ns, name, &o).await;
                return;
            }
            let t = now(sim);
            let containers: Vec<(String, String)> = pod
                .spec
                .iter()
                .flat_map(|s| &s.containers)
                .map(|c| (c.name.clone(), c.image.clone().unwrap_or_default()))
                .collect();
            let ip = format!("10.244.{}.{}", me.index, 2 + sim.random_below(250));
            let _ = me
                .client
                .patch::<Pod>(ns, name, "status", |p| {
                    let s = p.status.get_or_insert_default();
                    s.phase = Some("Running".into());
                    s.start_time = Some(t.clone());
                    s.pod_ip = Some(ip.clone());
                    s.pod_ips = Some(vec![PodIP { ip: ip.clone() }]);
                    let conditions = s.conditions.get_or_insert_default();
                    for kind in ["Initialized", "Ready", "ContainersReady"] {
                        conditions.retain(|c| c.type_ != kind);
                        conditions.push(PodCondition {
                            type_: kind.into(),
                            status: "True".into(),
                            last_transition_time: Some(t.clone()),
                            ..Default::default()
                        });
                    }
                    s.container_statuses = Some(
                        containers
                            .iter()
                            .map(|(name, image)| ContainerStatus {
                                name: name.clone(),
                                image: image.clone(),
                                ready: true,
                                started: Some(true),
                                state: Some(ContainerState {
                                    running: Some(ContainerStateRunning { started_at: Some(t.clone()) }),
                                    ..Default::default()
                                }),
                                ..Default::default()
                            })
                            .collect(),
                    );
                })
                .await;
        });
    }
}
