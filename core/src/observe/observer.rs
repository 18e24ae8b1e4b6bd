//! Follows etcd's changes and the trace from frame to frame.

mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::messages::Messages;
use super::pods;
use super::view::{EventView, Frame, NodeHealth, NodeView, PartView, PodView, WorkloadView};
use super::workloads::{controller_uid, count, workload_view};
use crate::api::object::{Obj, typed, typed_rc};
use crate::etcd::{Etcd, Event as EtcdEvent, Value};
use crate::sim::{Sim, SimTime};

/// A machine as its owner knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineFacts {
    /// Its number.
    pub id: u32,
    /// Its name, which is its node's.
    pub name: Rc<str>,
    /// Whether it carries the control plane.
    pub control_plane: bool,
    /// Whether it is switched on.
    pub powered: bool,
    /// Whether its network cable is in.
    pub plugged: bool,
    /// Whether its kubelet's process runs.
    pub kubelet: bool,
    /// Whether its container runtime's process runs.
    pub containerd: bool,
}

/// An image on its way to a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct PullFacts {
    /// The machine's name.
    pub machine: Rc<str>,
    /// The image's name in full.
    pub image: Rc<str>,
    /// When its layers began to come.
    pub from: SimTime,
    /// When they will be there.
    pub until: SimTime,
}

/// The world as an observer finds it.
pub struct World<'a> {
    /// The kernel.
    pub sim: &'a Sim,
    /// What etcd holds.
    pub etcd: &'a Etcd,
    /// The machines.
    pub machines: &'a [MachineFacts],
    /// The parts of the control plane.
    pub parts: &'a [PartView],
    /// The images that are being pulled.
    pub pulls: &'a [PullFacts],
}

/// How many events a frame carries at most: the newest.
const EVENTS_MAX: usize = 300;

struct PodEntry {
    pod: Rc<Pod>,
    cpu_milli: u64,
    memory_bytes: u64,
    node: Option<Rc<str>>,
}

struct NodeEntry {
    node: Option<Rc<Node>>,
    lease_ns: u64,
    cpu_requested: u64,
    memory_requested: u64,
    lost: bool,
    pods: BTreeSet<Rc<str>>,
}

/// Follows one cluster for one viewer.
#[derive(Default)]
pub struct Observer {
    revision: u64,
    started: bool,
    /// Found by hash: of keys that begin alike, comparing is slow.
    pods: IndexMap<Rc<str>, PodEntry, FxBuildHasher>,
    nodes: BTreeMap<Rc<str>, NodeEntry>,
    machines: BTreeMap<Rc<str>, MachineFacts>,
    /// Nodes as they were last told.
    shown: BTreeMap<Rc<str>, NodeView>,
    /// The same in the order in which they were last told.
    last_machines: Vec<MachineFacts>,
    parts: BTreeMap<(String, u32), PartView>,
    workloads: BTreeMap<Rc<str>, (u32, WorkloadView)>,
    /// Numbers of workloads that were there once: a viewer that begins anew finds each in its hue again.
    numbers: BTreeMap<Rc<str>, u32>,
    workload_ids: u32,
    waiting: BTreeSet<Rc<str>>,
    silent: BTreeSet<(u64, Rc<str>)>,
    manager: waits::Manager,
    messages: Messages,
    dirty_pods: BTreeSet<Rc<str>>,
    dirty_nodes: BTreeSet<Rc<str>>,
}

impl Observer {
    /// An observer that has seen nothing: its first frame is the whole world.
    pub fn new() -> Self {
        Self::default()
    }

    /// What changed since the last frame.
    pub fn frame(&mut self, w: &World<'_>) -> Frame {
        let mut frame = Frame {
            now_ns: w.sim.now().as_nanos(),
            unix_s: w.sim.timestamp().as_second(),
            revision: w.etcd.revision(),
            next_event_ns: w.sim.next_event_at().map(|t| t.as_nanos()),
            ..Frame::default()
        };
        self.follow_machines(w, &mut frame);
        self.follow_etcd(w, &mut frame);
        self.emit_nodes(&mut frame);
        self.emit_pods(&mut frame, w);
        self.emit_parts(w, &mut frame);
        self.messages.emit(w, &mut frame);
        self.emit_timers(w, &mut frame);
        frame
    }

    fn node_entry(&mut self, name: &str) -> &mut NodeEntry {
        self.nodes.entry(name.into()).or_insert_with(|| NodeEntry {
            node: None,
            lease_ns: 0,
            cpu_requested: 0,
            memory_requested: 0,
            lost: false,
            pods: BTreeSet::new(),
        })
    }

    fn follow_machines(&mut self, w: &World<'_>, frame: &mut Frame) {
        if self.last_machines == w.machines {
            return;
        }
        self.last_machines = w.machines.to_vec();
        for m in w.machines {
            if self.machines.get(&m.name) != Some(m) {
                self.machines.insert(m.name.clone(), m.clone());
                self.dirty_nodes.insert(m.name.clone());
            }
        }
        if self.machines.len() > w.machines.len() {
            let there: BTreeSet<&str> = w.machines.iter().map(|m| &*m.name).collect();
            self.machines.retain(|name, m| {
                let stays = there.contains(&**name);
                if !stays {
                    self.shown.remove(name);
                    frame.nodes_gone.push(m.id);
                }
                stays
            });
        }
    }

    fn follow_etcd(&mut self, w: &World<'_>, frame: &mut Frame) {
        let mut changes: Vec<(Rc<str>, Option<Obj>, Option<Obj>)> = Vec::new();
        match w.etcd.events_since(self.revision) {
            Ok(events) if self.started => {
                changes.extend(events.map(|e: &EtcdEvent| {
                    let now = e.kv.as_ref().and_then(|kv| kv.object());
                    // What was there before says something only of what is gone.
                    let gone = e.prev.as_ref().filter(|_| e.kv.is_none());
                    (e.key.clone(), now, gone.and_then(|kv| kv.object()))
                }));
            }
            _ => {
                // The first frame, or the viewer slept past a compaction: the whole world again.
                let (machines, ids) = (std::mem::take(&mut self.machines), self.workload_ids);
                let numbers = std::mem::take(&mut self.numbers);
                let messages = std::mem::take(&mut self.messages);
                *self = Observer { machines, workload_ids: ids, numbers, messages, started: true, ..Self::default() };
                self.dirty_nodes.extend(self.machines.keys().cloned());
                frame.full = true;
                w.etcd.for_each_prefix("/registry/", |key, value, _| {
                    if let Value::Object(o) = value {
                        changes.push((key.clone(), Some(o.clone()), None));
                    }
                });
            }
        }
        self.revision = w.etcd.revision();
        for (key, new, old) in changes {
            self.change(w.sim, &key, new, old, frame);
        }
        if frame.events.len() > EVENTS_MAX {
            frame.events.drain(..frame.events.len() - EVENTS_MAX);
        }
    }

    fn change(&mut self, sim: &Sim, key: &Rc<str>, new: Option<Obj>, old: Option<Obj>, frame: &mut Frame) {
        let Some(any) = new.as_ref().or(old.as_ref()) else { return };
        match (any.kind(), any.api_version()) {
            ("Pod", _) => self.pod_changed(key, new.as_ref().and_then(typed_rc::<Pod>), old.as_ref(), frame),
            ("Node", _) => self.node_changed(any.meta(), new.as_ref().and_then(typed_rc::<Node>)),
            ("Lease", _) => {
                let Some(lease) = new.as_ref().and_then(|o| typed::<Lease>(&**o)) else { return };
                match lease.metadata.namespace.as_deref() {
                    Some("kube-node-lease") => self.lease_renewed(sim, lease, frame),
                    _ => self.manager.lease_changed(sim, lease),
                }
            }
            ("Event", "v1") => {
                if let Some(e) = new.as_ref().and_then(|o| typed::<Event>(&**o)) {
                    frame.events.push(event_view(sim, key, e));
                }
            }
            _ => self.workload_changed(any, new.is_some(), frame),
        }
    }

    fn lease_renewed(&mut self, sim: &Sim, lease: &Lease, frame: &mut Frame) {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let Some(t) = lease.spec.as_ref().and_then(|s| s.renew_time.as_ref()) else { return };
        let at = sim.time_of(t.0).as_nanos();
        let key: Rc<str> = name.into();
        let entry = self.node_entry(name);
        let before = std::mem::replace(&mut entry.lease_ns, at);
        self.silent.remove(&(before, key.clone()));
        self.silent.insert((at, key.clone()));
        if let Some(m) = self.machines.get(&key) {
            frame.heartbeats.push((m.id, at));
        }
    }

    fn node_changed(&mut self, meta: &ObjectMeta, node: Option<Rc<Node>>) {
        let name: Rc<str> = meta.name.as_deref().unwrap_or_default().into();
        let lost = node.as_ref().is_some_and(|n| ready_status(n).0 == "Unknown");
        let entry = self.node_entry(&name);
        let taints = |n: &Option<Rc<Node>>| n.as_ref().and_then(|n| n.spec.as_ref().and_then(|s| s.taints.clone()));
        let tainted = taints(&entry.node) != taints(&node);
        entry.node = node;
        if entry.lost != lost || tainted {
            entry.lost = lost;
            let pods: Vec<Rc<str>> = entry.pods.iter().cloned().collect();
            for p in pods {
                self.waiting.insert(p.clone());
                self.dirty_pods.insert(p);
            }
        }
        self.dirty_nodes.insert(name);
    }

    fn pod_changed(&mut self, key: &Rc<str>, new: Option<Rc<Pod>>, old: Option<&Obj>, frame: &mut Frame) {
        let Some(pod) = new else { return self.pod_gone(key, old, frame) };
        let ended = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Failed" | "Succeeded"));
        let (cpu_milli, memory_bytes) = if ended { (0, 0) } else { pods::requests(&pod) };
        let name = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty());
        let before = self.pods.get(key);
        let same =
            before.is_some_and(|b| (b.cpu_milli, b.memory_bytes, b.node.as_deref()) == (cpu_milli, memory_bytes, name));
        let node = match before.filter(|_| same) {
            Some(before) => before.node.clone(),
            None => name.map(Into::into),
        };
        if !same {
            self.leave_node(key);
            if let Some(n) = &node {
                let entry = self.node_entry(n);
                entry.cpu_requested += cpu_milli;
                entry.memory_requested += memory_bytes;
                entry.pods.insert(key.clone());
                if (cpu_milli, memory_bytes) != (0, 0) {
                    self.dirty_nodes.insert(n.clone());
                }
            }
        }
        if let Some(n) = &node {
            let taints = self.nodes.get(n).and_then(|n| n.node.as_ref()?.spec.as_ref()?.taints.as_ref());
            let tainted = taints.is_some_and(|t| t.iter().any(|t| t.effect == "NoExecute"));
            let backing_off = pods::shape(&pod, false) == super::PodShape::BackOff;
            if tainted || backing_off || pod.metadata.deletion_timestamp.is_some() {
                self.waiting.insert(key.clone());
            }
        }
        self.pods.insert(key.clone(), PodEntry { pod, cpu_milli, memory_bytes, node });
        self.dirty_pods.insert(key.clone());
    }

    /// Takes what a pod requested off its node.
    fn leave_node(&mut self, key: &Rc<str>) -> Option<Rc<str>> {
        let before = self.pods.get(key)?;
        let (cpu, memory, node) = (before.cpu_milli, before.memory_bytes, before.node.clone()?);
        let entry = self.node_entry(&node);
        entry.cpu_requested = entry.cpu_requested.saturating_sub(cpu);
        entry.memory_requested = entry.memory_requested.saturating_sub(memory);
        entry.pods.remove(key);
        Some(node)
    }

    fn pod_gone(&mut self, key: &Rc<str>, old: Option<&Obj>, frame: &mut Frame) {
        let node = self.leave_node(key);
        self.dirty_nodes.extend(node);
        let before = self.pods.swap_remove(key);
        let uid = before.map(|b| b.pod.metadata.uid.clone()).or_else(|| old.map(|o| o.meta().uid.clone()));
        if let Some(Some(uid)) = uid {
            frame.pods_gone.push(uid);
        }
        self.waiting.remove(key);
        self.dirty_pods.remove(key);
    }

    fn workload_changed(&mut self, o: &Obj, there: bool, frame: &mut Frame) {
        let Some(mut view) = workload_view(&**o) else { return };
        let uid: Rc<str> = o.meta().uid.as_deref().unwrap_or_default().into();
        if !there {
            self.numbers.remove(&uid);
            if let Some((id, _)) = self.workloads.remove(&uid) {
                frame.workloads_gone.push(id);
            }
            return;
        }
        let owner = controller_uid(o.meta()).and_then(|u| self.workloads.get(u)).map_or(0, |(id, _)| *id);
        let id = match self.numbers.get(&uid) {
            Some(id) => *id,
            None => {
                self.workload_ids += 1;
                self.numbers.insert(uid.clone(), self.workload_ids);
                self.workload_ids
            }
        };
        view.id = id;
        view.owner = owner;
        let same = self.workloads.get(&uid).is_some_and(|(_, v)| *v == view);
        if !same {
            frame.workloads.retain(|v| v.id != id);
            frame.workloads.push(view.clone());
            self.workloads.insert(uid, (id, view));
        }
    }

    /// The number of the workload that owns an object in the end.
    fn root_workload(&self, meta: &ObjectMeta) -> u32 {
        let Some((id, view)) = controller_uid(meta).and_then(|u| self.workloads.get(u)) else { return 0 };
        if view.owner != 0 { view.owner } else { *id }
    }

    fn emit_nodes(&mut self, frame: &mut Frame) {
        for name in std::mem::take(&mut self.dirty_nodes) {
            let Some(m) = self.machines.get(&name) else { continue };
            let entry = self.nodes.get(&name);
            let view = node_view(m, entry);
            // Kubelets post a status every few minutes that says what the last one said.
            if self.shown.get(&name) != Some(&view) {
                frame.nodes.push(view.clone());
                self.shown.insert(name, view);
            }
        }
    }

    fn emit_pods(&mut self, frame: &mut Frame, w: &World<'_>) {
        for key in std::mem::take(&mut self.dirty_pods) {
            let Some(e) = self.pods.get(&key) else { continue };
            let lost = e.node.as_ref().and_then(|n| self.nodes.get(n)).is_some_and(|n| n.lost);
            let m = &e.pod.metadata;
            let namespace = m.namespace.clone().unwrap_or_default();
            let shape = pods::shape(&e.pod, lost);
            let status = pods::status_text(&e.pod);
            frame.pods.push(PodView {
                uid: m.uid.clone().unwrap_or_default(),
                name: m.name.clone().unwrap_or_default(),
                node: e.node.as_ref().and_then(|n| self.machines.get(n)).map(|m| m.id),
                workload: self.root_workload(m),
                shape,
                status,
                ip: e.pod.status.as_ref().and_then(|s| s.pod_ip.clone()).unwrap_or_default(),
                created_ns: m.creation_timestamp.as_ref().map_or(0, |t| w.sim.time_of(t.0).as_nanos()),
                containers: pods::containers(&e.pod),
                system: namespace == "kube-system",
                namespace,
            });
        }
    }

    fn emit_parts(&mut self, w: &World<'_>, frame: &mut Frame) {
        for p in w.parts {
            let key = (p.name.clone(), p.machine);
            if self.parts.get(&key) != Some(p) {
                self.parts.insert(key, p.clone());
                frame.parts.push(p.clone());
            }
        }
    }
}

/// Status and text of a node's Ready condition.
fn ready_status(n: &Node) -> (&str, String) {
    let condition =
        n.status.as_ref().and_then(|s| s.conditions.as_ref()).and_then(|c| c.iter().find(|c| c.type_ == "Ready"));
    condition.map_or(("", String::new()), |c| {
        let why = format!("{}: {}", c.reason.as_deref().unwrap_or_default(), c.message.as_deref().unwrap_or_default());
        (c.status.as_str(), why)
    })
}

fn node_view(m: &MachineFacts, entry: Option<&NodeEntry>) -> NodeView {
    let node = entry.and_then(|e| e.node.as_ref());
    let (health, why) = match node {
        None if entry.is_some_and(|e| e.lease_ns > 0) => (NodeHealth::Gone, "its Node object was deleted".to_owned()),
        None => (NodeHealth::Joining, String::new()),
        Some(n) => {
            let (status, why) = ready_status(n);
            let health = match status {
                "True" => NodeHealth::Ready,
                "Unknown" => NodeHealth::Unknown,
                "" => NodeHealth::Joining,
                _ => NodeHealth::NotReady,
            };
            (health, why)
        }
    };
    let allocatable = node.and_then(|n| n.status.as_ref()).and_then(|s| s.allocatable.as_ref());
    let (cpu_milli, memory_bytes) = allocatable.map_or((0, 0), pods::amounts);
    let pods_max = allocatable.and_then(|a| a.get("pods")).and_then(|q| q.0.parse().ok()).unwrap_or(0);
    let taints = node.and_then(|n| n.spec.as_ref()).and_then(|s| s.taints.as_ref());
    NodeView {
        id: m.id,
        name: m.name.to_string(),
        control_plane: m.control_plane,
        health,
        why,
        powered: m.powered,
        plugged: m.plugged,
        kubelet: m.kubelet,
        containerd: m.containerd,
        unschedulable: node.and_then(|n| n.spec.as_ref()).and_then(|s| s.unschedulable).unwrap_or(false),
        taints: taints
            .into_iter()
            .flatten()
            .map(|t| match t.value.as_deref() {
                Some(v) if !v.is_empty() => format!("{}={v}:{}", t.key, t.effect),
                _ => format!("{}:{}", t.key, t.effect),
            })
            .collect(),
        cpu_milli,
        cpu_requested_milli: entry.map_or(0, |e| e.cpu_requested),
        memory_bytes,
        memory_requested_bytes: entry.map_or(0, |e| e.memory_requested),
        pods_max,
    }
}

fn event_view(sim: &Sim, key: &Rc<str>, e: &Event) -> EventView {
    let o = &e.involved_object;
    let at = e
        .last_timestamp
        .as_ref()
        .map(|t| t.0)
        .or(e.series.as_ref().and_then(|s| s.last_observed_time.as_ref()).map(|t| t.0))
        .or(e.event_time.as_ref().map(|t| t.0))
        .or(e.metadata.creation_timestamp.as_ref().map(|t| t.0));
    let source = e.source.as_ref().and_then(|s| s.component.clone()).filter(|c| !c.is_empty());
    EventView {
        key: key.to_string(),
        at_ns: at.map_or(0, |t| sim.time_of(t).as_nanos()),
        kind: e.type_.clone().unwrap_or_default(),
        reason: e.reason.clone().unwrap_or_default(),
        about: format!("{}/{}", o.kind.as_deref().unwrap_or_default(), o.name.as_deref().unwrap_or_default()),
        namespace: o.namespace.clone().unwrap_or_default(),
        about_uid: o.uid.clone().unwrap_or_default(),
        message: e.message.clone().unwrap_or_default(),
        source: source.or(e.reporting_component.clone()).unwrap_or_default(),
        count: count(e.series.as_ref().and_then(|s| s.count).or(e.count)).max(1),
    }
}
