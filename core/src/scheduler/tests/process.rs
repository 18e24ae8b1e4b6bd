//! The program at a real api-server: what it writes there.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::json;

use super::fixture::{node, pod, sized};
use crate::apiserver::{ApiServer, EtcdEndpoint, ListOptions};
use crate::client::{ApiEndpoint, ApiEndpoints, Client};
use crate::cluster::ComponentContext;
use crate::registry::Registry;
use crate::scheduler::process::SchedulerProcess;
use crate::sim::{MachineId, ProcessId, Sim, SimTime};

/// One machine with an api-server and a scheduler.
struct World {
    sim: Sim,
    admin: Client,
    scheduler: SchedulerProcess,
    server: ProcessId,
}

impl World {
    fn new() -> Self {
        let sim = Sim::new(7, "2026-01-01T00:00:00Z".parse().unwrap());
        let machine = MachineId(0);
        let etcd = sim.start_process("etcd", machine);
        let etcd = EtcdEndpoint::new(&sim, etcd);
        let process = sim.start_process("kube-apiserver", machine);
        let registry = Registry::standard();
        let server = ApiServer::start(&sim, process, Rc::clone(&registry), etcd);
        // No controller runs here that would make service accounts and lift new nodes' taints; pods state their priority themselves.
        for plugin in ["ServiceAccount", "TaintNodesByCondition", "Priority"] {
            server.borrow_mut().disable_admission_plugin(plugin);
        }
        let endpoints = ApiEndpoints::default();
        endpoints.add(ApiEndpoint { machine, process, server });
        let context = |name: &str| ComponentContext {
            sim: sim.clone(),
            process: sim.start_process(name, machine),
            endpoints: endpoints.clone(),
            registry: Rc::clone(&registry),
            node: "cp".into(),
        };
        let admin = context("kubectl").client("admin", &["system:masters"], "kubectl", 0.0, 0);
        let scheduler = SchedulerProcess::start(&context("kube-scheduler"));
        let world = World { sim, admin, scheduler, server: process };
        // The api-server makes the system's namespaces.
        world.run(1);
        world
    }
    fn run(&self, seconds: u64) {
        self.sim.run_until(self.sim.now() + Duration::from_secs(seconds));
    }
    fn call<T: 'static>(&self, call: impl Future<Output = T> + 'static) -> T {
        let out: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = Rc::clone(&out);
        self.sim.spawn(self.admin.process(), async move { *slot.borrow_mut() = Some(call.await) });
        self.sim.run_until(self.sim.now() + Duration::from_millis(10));
        out.take().expect("the call is over")
    }
    fn create<K: crate::api::object::Kind>(&self, object: serde_json::Value) {
        let (client, object) = (self.admin.clone(), serde_json::from_value::<K>(object).unwrap());
        self.call(async move { client.create(object).await }).unwrap();
    }
    fn create_pod(&self, pod: &Pod) {
        let mut pod = pod.clone();
        pod.metadata.uid = None;
        pod.metadata.generation = None;
        self.create::<Pod>(serde_json::to_value(pod).unwrap());
    }
    fn pod(&self, name: &'static str) -> Rc<Pod> {
        let client = self.admin.clone();
        self.call(async move { client.get::<Pod>("default", name).await }).unwrap()
    }
    fn events(&self, reason: &str) -> Vec<Rc<Event>> {
        let client = self.admin.clone();
        let all = self.call(async move { client.list::<Event>(None, &ListOptions::default()).await }).unwrap();
        all.items.into_iter().filter(|e| e.reason.as_deref() == Some(reason)).collect()
    }
    fn node(&self, name: &str) {
        self.create::<k8s_openapi::api::core::v1::Node>(serde_json::to_value(&*node(name, json!({}))).unwrap());
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

#[test]
fn binds_and_tells() {
    let w = World::new();
    w.node("a");
    w.run(5);
    w.create_pod(&pod("p", json!({})));
    w.run(1);
    let p = w.pod("p");
    assert_eq!(node_of(&p), Some("a"));
    let events = w.events("Scheduled");
    assert_eq!(events.len(), 1);
    let e = &events[0];
    assert_eq!(e.message.as_deref(), Some("Successfully assigned default/p to a"));
    assert_eq!((e.action.as_deref(), e.reporting_component.as_deref()), (Some("Binding"), Some("default-scheduler")));
    assert!(e.event_time.is_some() && e.count.is_none());
    let uid = p.metadata.uid.clone().unwrap();
    assert_eq!(w.scheduler.decision(&uid).unwrap().chosen.as_deref(), Some("a"));
    let lease = {
        let client = w.admin.clone();
        w.call(async move { client.get::<k8s_openapi::api::coordination::v1::Lease>("kube-system", "kube-scheduler").await })
    };
    assert!(w.events("LeaderElection")[0].message.as_ref().unwrap().ends_with(" became leader"));
    assert!(lease.unwrap().spec.as_ref().unwrap().holder_identity.as_ref().unwrap().starts_with("cp_"));
}

#[test]
fn says_why_not_and_comes_back_to_it() {
    let w = World::new();
    w.node("a");
    w.create_pod(&sized("p", "5", "1Gi", json!({})));
    w.run(10);
    let p = w.pod("p");
    let status = p.status.as_ref().unwrap();
    let c = status.conditions.as_ref().unwrap().iter().find(|c| c.type_ == "PodScheduled").unwrap();
    let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    assert_eq!(
        (c.status.as_str(), c.reason.as_deref(), c.message.as_deref()),
        ("False", Some("Unschedulable"), Some(message))
    );
    let events = w.events("FailedScheduling");
    assert_eq!((events.len(), events[0].message.as_deref()), (1, Some(message)));
    w.create::<k8s_openapi::api::core::v1::Node>(
        serde_json::to_value(&*node(
            "big",
            json!({"status": {"allocatable": {"cpu": "8", "memory": "8Gi", "pods": "9"}}}),
        ))
        .unwrap(),
    );
    w.run(2);
    assert_eq!(node_of(&w.pod("p")), Some("big"));
}

#[test]
fn evicts_for_the_more_important() {
    let w = World::new();
    w.node("a");
    w.create_pod(&sized("low", "4", "1Gi", json!({})));
    w.run(5);
    assert_eq!(node_of(&w.pod("low")), Some("a"));
    w.create_pod(&sized("vip", "4", "1Gi", json!({"spec": {"priority": 100}})));
    w.run(2);
    let vip = w.pod("vip");
    assert_eq!(vip.status.as_ref().unwrap().nominated_node_name.as_deref(), Some("a"));
    let low = w.pod("low");
    assert!(low.metadata.deletion_timestamp.is_some());
    let conditions = low.status.as_ref().unwrap().conditions.as_ref().unwrap();
    let target = conditions.iter().find(|c| c.type_ == "DisruptionTarget").unwrap();
    assert_eq!(target.message.as_deref(), Some("default-scheduler: preempting to accommodate a higher priority pod"));
    let uid = vip.metadata.uid.clone().unwrap();
    let events = w.events("Preempted");
    assert_eq!(events[0].message, Some(format!("Preempted by pod {uid} on node a")));
    // The kubelet confirms.
    let client = w.admin.clone();
    let now = crate::apiserver::DeleteOptions { grace_period_seconds: Some(0), ..Default::default() };
    w.call(async move { client.delete::<Pod>("default", "low", &now).await }).unwrap();
    w.run(2);
    assert_eq!(node_of(&w.pod("vip")), Some("a"));
}

#[test]
fn the_client_limit_paces_bindings() {
    let w = World::new();
    for n in ["a", "b", "c", "d"] {
        w.node(n);
    }
    w.run(5);
    for i in 0..300 {
        w.create_pod(&pod(&format!("p{i}"), json!({})));
    }
    let start = w.sim.now();
    let bound = |w: &World| {
        let client = w.admin.clone();
        let all = w.call(async move { client.list::<Pod>(None, &ListOptions::default()).await }).unwrap();
        all.items.iter().filter(|p| node_of(p).is_some()).count()
    };
    let mut at = SimTime::ZERO;
    while bound(&w) < 300 && w.sim.now().since(start) < Duration::from_secs(60) {
        w.run(1);
        at = w.sim.now();
    }
    assert_eq!(bound(&w), 300);
    // Creating took 3 s at 100 a second; 50 a second after the first burst of 100.
    assert!((1..=8).contains(&at.since(start).as_secs()), "{at}");
}

#[test]
fn exits_when_it_can_no_longer_renew_its_lease() {
    let w = World::new();
    w.run(5);
    let scheduler = w.scheduler.process();
    assert!(w.sim.process_runs(scheduler));
    let reaped: Rc<RefCell<Option<_>>> = Rc::default();
    let (sim, slot) = (w.sim.clone(), Rc::clone(&reaped));
    w.sim.spawn(w.admin.process(), async move { *slot.borrow_mut() = Some(sim.next_exit().await) });
    w.sim.stop_process(w.server);
    w.run(6);
    assert_eq!(*reaped.borrow(), None);
    w.run(15);
    assert_eq!(*reaped.borrow(), Some((scheduler, 1)));
    assert!(!w.sim.process_runs(scheduler));
}
