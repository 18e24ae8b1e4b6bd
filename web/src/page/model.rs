//! What the page knows of the cluster: all frames so far, added up. Views read it and never write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use podarium_core::observe::{
    EventView, Frame, MessageKind, MessageView, NodeView, PartView, PodShape, PodView, TimerKind, TimerView,
    WorkloadView,
};

use crate::protocol::{Clock, Speed};

/// How many events the feed remembers.
const EVENTS_MAX: usize = 1_000;
/// How many messages wait to be drawn at most.
const MESSAGES_MAX: usize = 400;
/// How many lines of etcd's ledger are remembered.
const LEDGER_MAX: usize = 8;
/// What a part did is told for so long, in virtual nanoseconds.
const DOING_NS: u64 = 30_000_000_000;

/// The world as the last frame left it.
#[derive(Debug)]
pub struct Model {
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// The cluster's wall clock, in seconds since 1970.
    pub unix_s: i64,
    /// etcd's revision.
    pub revision: u64,
    /// Nodes by number.
    pub nodes: BTreeMap<u32, NodeView>,
    /// When each node's lease was renewed last.
    pub heartbeats: BTreeMap<u32, u64>,
    /// Pods by uid.
    pub pods: BTreeMap<String, PodView>,
    /// Workloads by number.
    pub workloads: BTreeMap<u32, WorkloadView>,
    /// Parts of the control plane, in drawing order.
    pub parts: Vec<PartView>,
    /// The newest events, oldest first.
    pub events: VecDeque<EventView>,
    /// etcd's newest writes, the newest last.
    pub ledger: VecDeque<String>,
    /// What parts did last, as their events tell it, and when.
    doings: BTreeMap<&'static str, (u64, String)>,
    /// Pods whose image is on its way.
    pulling: BTreeSet<String>,
    /// What is being waited for.
    pub timers: Vec<TimerView>,
    /// Messages that have not been drawn yet.
    pub messages: VecDeque<MessageView>,
    /// How time goes.
    pub clock: Clock,
    /// Goes up with every frame that changed what has a place or a state: nodes, pods, workloads, parts that start or end.
    pub version: u64,
    /// Goes up with every frame in which a part did something.
    pub told: u64,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            now_ns: 0,
            unix_s: 0,
            revision: 0,
            nodes: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            pods: BTreeMap::new(),
            workloads: BTreeMap::new(),
            parts: Vec::new(),
            events: VecDeque::new(),
            ledger: VecDeque::new(),
            doings: BTreeMap::new(),
            pulling: BTreeSet::new(),
            timers: Vec::new(),
            messages: VecDeque::new(),
            clock: Clock { speed: Speed::Times(1.0), real_speed: 0.0, behind: false, booting: true },
            version: 0,
            told: 0,
        }
    }
}

impl Model {
    /// Adds a frame.
    pub fn apply(&mut self, frame: Frame) {
        if frame.full {
            self.nodes.clear();
            self.pods.clear();
            self.workloads.clear();
            self.events.clear();
            self.version += 1;
        }
        let changed = !(frame.nodes.is_empty()
            && frame.nodes_gone.is_empty()
            && frame.pods.is_empty()
            && frame.pods_gone.is_empty()
            && frame.workloads.is_empty()
            && frame.workloads_gone.is_empty());
        self.version += u64::from(changed);
        self.now_ns = frame.now_ns;
        self.unix_s = frame.unix_s;
        self.revision = frame.revision;
        self.nodes.extend(frame.nodes.into_iter().map(|n| (n.id, n)));
        self.heartbeats.extend(frame.heartbeats);
        for id in frame.nodes_gone {
            self.nodes.remove(&id);
        }
        for uid in frame.pods_gone {
            self.pods.remove(&uid);
        }
        self.pods.extend(frame.pods.into_iter().map(|p| (p.uid.clone(), p)));
        for id in frame.workloads_gone {
            self.workloads.remove(&id);
        }
        self.workloads.extend(frame.workloads.into_iter().map(|w| (w.id, w)));
        for part in frame.parts {
            if part.name == "etcd" && !part.last.is_empty() && self.ledger.back() != Some(&part.last) {
                // Every write is a request of the api-server to etcd, and of nobody else.
                self.messages.push_back(MessageView {
                    seq: 0,
                    at_ns: frame.now_ns,
                    kind: MessageKind::Request,
                    from: format!("kube-apiserver@{}", part.machine),
                    to: format!("etcd@{}", part.machine),
                    what: part.last.clone(),
                });
                self.ledger.push_back(part.last.clone());
                while self.ledger.len() > LEDGER_MAX {
                    self.ledger.pop_front();
                }
            }
            self.told += 1;
            match self.parts.iter_mut().find(|p| p.name == part.name && p.machine == part.machine) {
                Some(p) => {
                    self.version += u64::from((p.state, p.starts) != (part.state, part.starts));
                    *p = part;
                }
                None => {
                    self.version += 1;
                    self.parts.push(part);
                }
            }
        }
        for event in frame.events {
            self.tell_doing(&event);
            if let Some(at) = self.events.iter().rposition(|e| e.key == event.key) {
                self.events.remove(at);
            }
            self.events.push_back(event);
        }
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
        self.timers = frame.timers;
        self.pulling = self.timers.iter().filter(|t| t.kind == TimerKind::ImagePull).map(|t| t.pod.clone()).collect();
        self.messages.extend(frame.messages);
        while self.messages.len() > MESSAGES_MAX {
            self.messages.pop_front();
        }
    }

    fn tell_doing(&mut self, e: &EventView) {
        let name = e.about.split_once('/').map_or(e.about.as_str(), |(_, n)| n);
        let (part, what) = match (e.source.as_str(), e.reason.as_str()) {
            ("default-scheduler", "Scheduled") => {
                let node = e.message.rsplit(' ').next().unwrap_or_default();
                ("kube-scheduler", format!("{} to {node}", super::words::tail(name)))
            }
            ("default-scheduler", reason) => ("kube-scheduler", format!("{reason}: {name}")),
            (source, reason)
                if source.ends_with("controller")
                    || source.contains("controller-manager")
                    || source.contains("taint") =>
            {
                ("kube-controller-manager", format!("{reason}: {name}"))
            }
            _ => return,
        };
        self.doings.insert(part, (self.now_ns, what));
    }

    /// What a part did a moment ago, in words.
    pub fn doing(&self, part: &str) -> Option<String> {
        let (at, what) = self.doings.get(part)?;
        (self.now_ns.saturating_sub(*at) < DOING_NS).then(|| what.clone())
    }

    /// A pod's shape: as the api-server has it, but a pull is known to the machine alone, and what the api-server calls
    /// Running on a machine that is switched off is a memory.
    pub fn shape(&self, p: &PodView) -> PodShape {
        let off = || p.node.and_then(|id| self.nodes.get(&id)).is_some_and(|n| !n.powered);
        match p.shape {
            PodShape::Creating if self.pulling.contains(&p.uid) => PodShape::Pulling,
            PodShape::Running | PodShape::NotReady if off() => PodShape::Ghost,
            shape => shape,
        }
    }

    /// A node by its name.
    pub fn node_named(&self, name: &str) -> Option<&NodeView> {
        self.nodes.values().find(|n| n.name == name)
    }

    /// A pod by its namespace and name.
    pub fn pod_named(&self, namespace: &str, name: &str) -> Option<&PodView> {
        self.pods.values().find(|p| p.namespace == namespace && p.name == name)
    }

    /// The person's own pods: all but the cluster's own.
    pub fn own_pods(&self) -> impl Iterator<Item = &PodView> {
        self.pods.values().filter(|p| !p.system)
    }

    /// Whether any of the person's pods runs.
    pub fn anything_runs(&self) -> bool {
        self.own_pods().any(|p| p.shape == PodShape::Running)
    }

    /// Goes up whenever what the tank's objects are called may have changed: with their states, and with time while a node is silent.
    pub fn names_version(&self) -> u64 {
        let silent = self.heartbeats.values().any(|at| self.now_ns.saturating_sub(*at) > super::words::SILENT_NS);
        self.version + if silent { self.told } else { 0 }
    }

    /// How long ago a node's lease was renewed, in nanoseconds.
    pub fn silence_ns(&self, node: u32) -> Option<u64> {
        self.heartbeats.get(&node).map(|at| self.now_ns.saturating_sub(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_cluster_stays_as_it_was_drawn() {
        let part = |last: &str, starts| PartView {
            name: "etcd".into(),
            machine: 1,
            state: podarium_core::observe::PartState::Running,
            last: last.into(),
            starts,
        };
        let mut m = super::super::testing::world(3, 3);
        m.apply(Frame { parts: vec![part("1 put a", 1)], heartbeats: vec![(2, 1)], ..Frame::default() });
        let (version, told) = (m.version, m.told);
        // What etcd wrote is told by its own instrument alone.
        m.apply(Frame { parts: vec![part("2 put b", 1)], ..Frame::default() });
        assert_eq!((m.version, m.names_version(), m.told), (version, version, told + 1));
        // A node that is silent is called so, and for how long.
        m.apply(Frame { parts: vec![part("3 put c", 1)], now_ns: 60_000_000_000, ..Frame::default() });
        assert!(m.version == version && m.names_version() > version);
        m.apply(Frame { parts: vec![part("3 put c", 2)], ..Frame::default() });
        assert!(m.version > version, "it was started again");
    }

    #[test]
    fn a_full_frame_forgets_what_was_before() {
        let mut m = Model::default();
        let workload = WorkloadView {
            id: 1,
            kind: "ReplicaSet".into(),
            resource: "replicasets.apps".into(),
            namespace: "default".into(),
            name: "web".into(),
            desired: 3,
            current: 3,
            ready: 3,
            owner: 0,
        };
        m.apply(Frame { workloads: vec![workload], ..Frame::default() });
        assert_eq!(m.workloads.len(), 1);
        m.apply(Frame { full: true, ..Frame::default() });
        assert!(m.workloads.is_empty());
    }
}
