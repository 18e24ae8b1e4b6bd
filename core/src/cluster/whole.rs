//! The whole cluster, as its owner holds it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::person::{Output, Outputs};
use super::programs::Programs;
use super::{Kubelets, Machine, MachineShape, manifests};
use crate::cli::Terminal;
use crate::client::ApiEndpoints;
use crate::etcd::Etcd;
use crate::network::Network;
use crate::observe::{Frame, MachineFacts, Observer, PartState, PartView, PullFacts, World};
use crate::registry::Registry;
use crate::runtime::engine::Engine;
use crate::runtime::image_source::ImageSource;
use crate::runtime::{Containerd, Shims};
use crate::session::{ClusterConfig, ComponentAction, Input, MachineAction, Session, TimedInput};
use crate::sim::{MachineId, ProcessId, Sim, SimTime, TraceEvent};

/// The control-plane components that are drawn, in the order in which they are.
pub const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"];

/// A machine of the cluster with what runs containers on it.
#[derive(Clone)]
pub(super) struct Host {
    pub machine: Rc<Machine>,
    pub containerd: Rc<Containerd>,
}

/// A cluster: a pure function of its config and the inputs given to it.
pub struct Cluster {
    pub(super) sim: Sim,
    pub(super) registry: Rc<Registry>,
    pub(super) endpoints: ApiEndpoints,
    pub(super) hosts: Vec<Host>,
    pub(super) programs: Programs,
    pub(super) network: Network,
    /// Runs what belongs to nobody inside: systemd's timers, firmware.
    pub(super) hardware: ProcessId,
    /// The person's own computer.
    pub(super) person: ProcessId,
    pub(super) outputs: Outputs,
    /// The person's files and variables.
    pub(super) home: crate::cli::Home,
    pub(super) session: Session,
    /// The machines again, for those who answer while the cluster runs.
    pub(super) hosts_by_name: Rc<RefCell<BTreeMap<Rc<str>, Host>>>,
    pub(super) kubelets: Kubelets,
    /// The processes of the person's commands, and the terminals in which they run.
    pub(super) commands: BTreeMap<u64, (ProcessId, Terminal)>,
    shims: Shims,
    images: Rc<dyn ImageSource>,
    next_machine: u32,
    empty_etcd: Rc<RefCell<Etcd>>,
    /// The machines as a viewer last saw them, and the kernel's count of changes of processes then.
    seen_machines: RefCell<(u64, Rc<[MachineFacts]>)>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.sim.end();
    }
}

impl Cluster {
    /// A new cluster at time zero: its machines have just been switched on.
    pub fn new(config: ClusterConfig, engine: Box<dyn Engine>, images: Rc<dyn ImageSource>) -> Self {
        let epoch = jiff::Timestamp::from_second(config.epoch_unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let sim = Sim::new(config.seed, epoch);
        let registry = Registry::standard();
        let endpoints = ApiEndpoints::default();
        let network = Network::new(&sim);
        let shims = Shims::new(&sim, &network, Rc::new(RefCell::new(engine)));
        let hardware = sim.start_process("hardware", MachineId::OUTSIDE);
        let person = sim.start_process("person", MachineId::OUTSIDE);
        let programs = Programs::new(&sim, &registry, &endpoints);
        let kubelets = Kubelets::new(&sim);
        let mut cluster = Cluster {
            sim,
            registry,
            endpoints,
            hosts: Vec::new(),
            programs,
            network,
            hardware,
            person,
            outputs: Outputs::default(),
            home: crate::cli::Home::default(),
            session: Session::new(config),
            hosts_by_name: Rc::default(),
            kubelets,
            commands: BTreeMap::new(),
            shims,
            images,
            next_machine: 0,
            empty_etcd: Rc::default(),
            seen_machines: RefCell::new((0, Rc::from([]))),
        };
        cluster.add_machine("control-plane", true);
        for _ in 0..cluster.session.config.workers {
            cluster.add_worker();
        }
        cluster.finish_control_plane();
        cluster.reap();
        cluster.sim.run_ready();
        cluster
    }

    /// Tells containerd of programs that end themselves, as one does that has lost its lease.
    fn reap(&self) {
        let (sim, programs, hosts) = (self.sim.clone(), self.programs.clone(), self.hosts_by_name.clone());
        self.sim.spawn(self.hardware, async move {
            loop {
                let (process, code) = sim.next_exit().await;
                sim.record(TraceEvent::Process { process, what: "exited" });
                programs.died(process);
                let machine = sim.machine_of(process);
                let host = hosts.borrow().values().find(|h| h.machine.id == machine).cloned();
                if let Some(host) = host {
                    host.containerd.process_exited(process, code);
                }
            }
        });
    }

    /// A cluster brought to where a session ended.
    pub fn replay(session: &Session, engine: Box<dyn Engine>, images: Rc<dyn ImageSource>) -> Self {
        let mut c = Self::begin_replay(session, engine, images);
        while c.replay_some(session, u64::MAX) {}
        c
    }

    /// Begins a replay that is carried on by [`Cluster::replay_some`], so that whoever replays stays responsive.
    pub fn begin_replay(session: &Session, engine: Box<dyn Engine>, images: Rc<dyn ImageSource>) -> Self {
        Cluster::new(session.config.clone(), engine, images)
    }

    /// Replays at most `events` further events of a session; false once its end is reached.
    pub fn replay_some(&mut self, session: &Session, events: u64) -> bool {
        let mut left = events;
        loop {
            let next = session.inputs.get(self.session.inputs.len());
            let reached = match next {
                Some(i) => self.sim.steps() >= i.step,
                None => false,
            };
            if let Some(i) = next.filter(|_| reached) {
                self.sim.advance_to(i.at);
                self.submit(i.input.clone());
                continue;
            }
            if left == 0 {
                return true;
            }
            let limit = if next.is_some() { SimTime::MAX } else { session.until };
            if !self.sim.step(limit) {
                if next.is_some() {
                    // The session expects more events than there are: what is left can't be reached.
                    return false;
                }
                self.sim.advance_to(session.until);
                return false;
            }
            left -= 1;
        }
    }

    fn add_worker(&mut self) {
        let name = format!("worker-{}", self.next_machine);
        self.add_machine(&name, false);
    }

    fn add_machine(&mut self, name: &str, control_plane: bool) {
        let n = self.next_machine;
        self.next_machine += 1;
        let id = MachineId(n);
        let ip = format!("172.30.{}.{}", (n + 2) >> 8, (n + 2) & 0xff);
        let config = &self.session.config;
        let shape = MachineShape {
            cpus: config.node_cpus,
            memory_bytes: config.node_memory_mib << 20,
            max_pods: config.max_pods,
        };
        let machine = Machine::new(&self.sim, id, name, &ip, control_plane, shape);
        self.programs.name_machine(id, &machine.name);
        let containerd = Containerd::new(&self.shims, id, self.images.clone(), Rc::new(self.programs.clone()));
        if let Ok(ip) = ip.parse::<IpAddr>() {
            containerd.power_on(ip);
        }
        if control_plane {
            let pods = manifests::pod_network(config.workers.saturating_add(1));
            machine.files.borrow_mut().extend(manifests::control_plane(name, &ip, pods));
            // kubeadm's preflight pulls them before it writes the manifests.
            let images: Vec<String> = manifests::images();
            containerd.preload(&images.iter().map(String::as_str).collect::<Vec<_>>());
        }
        machine.install("containerd", {
            let containerd = containerd.clone();
            move |process| containerd.start(process)
        });
        machine.install("kubelet", {
            let (sim, endpoints, registry) = (self.sim.clone(), self.endpoints.clone(), self.registry.clone());
            let (weak, containerd, kubelets) = (Rc::downgrade(&machine), containerd.clone(), self.kubelets.clone());
            move |process| {
                let Some(machine) = weak.upgrade() else { return };
                let ctx = super::ComponentContext {
                    sim: sim.clone(),
                    process,
                    endpoints: endpoints.clone(),
                    registry: registry.clone(),
                    node: machine.name.clone(),
                };
                super::kubelet_unit::start(&ctx, &machine, &containerd, &kubelets);
            }
        });
        machine.start_unit(&self.sim, "containerd");
        machine.start_unit(&self.sim, "kubelet");
        let host = Host { machine, containerd };
        self.hosts_by_name.borrow_mut().insert(host.machine.name.clone(), host.clone());
        self.hosts.push(host);
    }

    /// What `kubeadm init` does once the api-server answers.
    fn finish_control_plane(&self) {
        let ctx = super::ComponentContext {
            sim: self.sim.clone(),
            process: self.hardware,
            endpoints: self.endpoints.clone(),
            registry: self.registry.clone(),
            node: "".into(),
        };
        let Some(host) = self.hosts.iter().find(|h| h.machine.control_plane) else { return };
        let init = super::kubeadm::Init {
            node: host.machine.name.to_string(),
            address: host.machine.ip.to_string(),
            pod_network: manifests::pod_network(self.session.config.workers.saturating_add(1)),
        };
        let groups = ["kubeadm:cluster-admins", "system:masters"];
        // A clientset made from a kubeconfig has client-go's limit.
        let client = ctx.client("kubernetes-admin", &groups, "kubeadm", 5.0, 10);
        let sim = self.sim.clone();
        self.sim.spawn(self.hardware, async move { super::kubeadm::init(&sim, &client, &init).await });
    }

    /// The kernel.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Virtual time since the cluster began.
    pub fn now(&self) -> SimTime {
        self.sim.now()
    }

    /// Runs every event due up to `t`.
    pub fn run_until(&mut self, t: SimTime) {
        self.sim.run_until(t);
        self.session.until = self.sim.now();
    }

    /// Runs every event of the next `d`.
    pub fn run_for(&mut self, d: Duration) {
        self.run_until(self.sim.now() + d);
    }

    /// Runs one event if one is due up to `limit`.
    pub fn step(&mut self, limit: SimTime) -> bool {
        let stepped = self.sim.step(limit);
        self.session.until = self.sim.now();
        stepped
    }

    /// Moves time to `t`, up to which nothing was due.
    pub fn advance_to(&mut self, t: SimTime) {
        self.sim.advance_to(t);
        self.session.until = self.sim.now();
    }

    /// Runs until `done` says so, at most until `limit`: whether it did.
    pub fn run_while(&mut self, limit: SimTime, mut done: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if !self.step(limit) {
                return false;
            }
        }
    }

    /// The session so far: the cluster's config, all inputs, and now.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What commands printed and visits found since the last time.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.outputs.take()
    }

    /// etcd's store.
    pub fn etcd(&self) -> Rc<RefCell<Etcd>> {
        self.programs.first_etcd().unwrap_or_else(|| self.empty_etcd.clone())
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The kinds.
    pub fn registry(&self) -> &Rc<Registry> {
        &self.registry
    }

    /// Where the api-servers are.
    pub fn endpoints(&self) -> &ApiEndpoints {
        &self.endpoints
    }

    /// The kubelets.
    pub fn kubelets(&self) -> &Kubelets {
        &self.kubelets
    }

    /// The machines' names, in order.
    pub fn machine_names(&self) -> Vec<Rc<str>> {
        self.hosts.iter().map(|h| h.machine.name.clone()).collect()
    }

    /// A machine by its name.
    pub fn machine(&self, name: &str) -> Option<&Rc<Machine>> {
        self.host(name).map(|h| &h.machine)
    }

    /// A machine's containerd.
    pub fn containerd(&self, machine: &str) -> Option<&Rc<Containerd>> {
        self.host(machine).map(|h| &h.containerd)
    }

    /// The newest process of a part of the control plane on a machine.
    pub fn component_process(&self, machine: &str, component: &str) -> Option<ProcessId> {
        self.programs.process(self.host(machine)?.machine.id, component)
    }

    pub(super) fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|h| &*h.machine.name == name)
    }

    /// Gives the cluster an input now, and records it.
    pub fn submit(&mut self, input: Input) {
        let timed = TimedInput { at: self.sim.now(), step: self.sim.steps(), input: input.clone() };
        self.session.inputs.push(timed);
        self.sim.set_cause(0);
        self.sim.record(TraceEvent::Input { what: super::input::describe(&input).into() });
        self.apply(input);
        self.sim.run_ready();
        self.sim.set_cause(0);
        self.session.until = self.sim.now();
    }

    fn apply(&mut self, input: Input) {
        match input {
            Input::Machine { machine, action } => self.act_on_machine(&machine, action),
            Input::Service { machine, service, action } => {
                if let Some(h) = self.host(&machine) {
                    h.machine.act(&self.sim, self.hardware, &service, action);
                }
            }
            Input::Component { machine, component, action } => self.act_on_component(&machine, &component, action),
            Input::KillContainer { namespace, pod, container } => self.kill_container(&namespace, &pod, &container),
            Input::AddNodes { count } => {
                // More than upstream's documented limit can't be meant.
                let room = 5_000u32.saturating_sub(self.hosts.len() as u32);
                for _ in 0..count.min(room) {
                    self.add_worker();
                }
            }
            other => self.apply_person(other),
        }
    }

    fn act_on_machine(&mut self, name: &str, action: MachineAction) {
        let Some(h) = self.host(name).cloned() else { return };
        let (id, sim) = (h.machine.id, self.sim.clone());
        match action {
            MachineAction::PowerOff => self.power_off(&h),
            MachineAction::PowerOn => {
                if !h.machine.powered() {
                    if let Ok(ip) = h.machine.ip.parse::<IpAddr>() {
                        h.containerd.power_on(ip);
                    }
                    h.machine.power_on(&sim, self.hardware);
                }
            }
            MachineAction::Unplug => {
                sim.links_mut().unplug(id);
                sim.record(TraceEvent::Machine { machine: id, what: "unplugged" });
            }
            MachineAction::Plug => {
                sim.links_mut().plug(id);
                sim.record(TraceEvent::Machine { machine: id, what: "plugged in" });
            }
            MachineAction::Remove => {
                self.power_off(&h);
                self.hosts.retain(|x| x.machine.id != id);
                self.hosts_by_name.borrow_mut().remove(name);
                self.kubelets.remove(name);
                sim.record(TraceEvent::Machine { machine: id, what: "removed" });
            }
        }
    }

    fn power_off(&self, h: &Host) {
        if !h.machine.powered() {
            return;
        }
        h.machine.power_off(&self.sim);
        for (machine, s) in self.programs.started() {
            if machine == h.machine.id {
                self.sim.kill_process(s.process);
                self.programs.died(s.process);
            }
        }
        h.containerd.power_off();
    }

    fn act_on_component(&mut self, machine: &str, component: &str, action: ComponentAction) {
        let Some(h) = self.host(machine).cloned() else { return };
        let path = format!("{}{component}.yaml", manifests::MANIFEST_DIR);
        let away = format!("/etc/kubernetes/{component}.yaml");
        let mut files = h.machine.files.borrow_mut();
        match action {
            ComponentAction::Stop => {
                if let Some(text) = files.remove(&path) {
                    files.insert(away, text);
                }
            }
            ComponentAction::Start => {
                if let Some(text) = files.remove(&away) {
                    files.insert(path, text);
                }
            }
            ComponentAction::Kill => {
                drop(files);
                if let Some(p) = self.programs.process(h.machine.id, component) {
                    self.programs.kill(p);
                    h.containerd.process_exited(p, 137);
                }
                return;
            }
        }
        drop(files);
        h.machine.files_changed.notify();
    }

    /// What changed for a viewer since its last frame.
    pub fn observe(&self, observer: &mut Observer) -> Frame {
        let machines = self.machine_facts();
        let parts = self.parts();
        let etcd = self.etcd();
        let etcd = etcd.borrow();
        let mut pulls = Vec::new();
        for h in &self.hosts {
            pulls.extend(h.containerd.pulls().into_iter().map(|(image, p)| PullFacts {
                machine: h.machine.name.clone(),
                image,
                from: p.begun,
                until: p.ends,
            }));
        }
        observer.frame(&World { sim: &self.sim, etcd: &etcd, machines: &machines, parts: &parts, pulls: &pulls })
    }

    /// The machines, looked at anew only if something about them changed.
    fn machine_facts(&self) -> Rc<[MachineFacts]> {
        let changes = self.sim.process_changes();
        let mut seen = self.seen_machines.borrow_mut();
        let links = self.sim.links();
        let same = |(m, h): (&MachineFacts, &Host)| {
            let now = &h.machine;
            (m.id, m.powered, m.plugged) == (now.id.0, now.powered(), !links.is_unplugged(now.id))
        };
        let unchanged = seen.0 == changes && seen.1.len() == self.hosts.len();
        if unchanged && seen.1.iter().zip(&self.hosts).all(same) {
            return seen.1.clone();
        }
        let facts = self.hosts.iter().map(|h| {
            let m = &h.machine;
            MachineFacts {
                id: m.id.0,
                name: m.name.clone(),
                control_plane: m.control_plane,
                powered: m.powered(),
                plugged: !links.is_unplugged(m.id),
                kubelet: m.unit_runs(&self.sim, "kubelet"),
                containerd: m.unit_runs(&self.sim, "containerd"),
            }
        });
        *seen = (changes, facts.collect());
        seen.1.clone()
    }

    /// How many nodes are Ready, as the api-server has it.
    pub fn nodes_ready(&self) -> usize {
        let mut ready = 0;
        self.etcd().borrow().for_each_prefix("/registry/minions/", |_, value, _| {
            let crate::etcd::Value::Object(o) = value else { return };
            let node = crate::api::object::typed::<k8s_openapi::api::core::v1::Node>(&**o);
            let conditions =
                node.and_then(|n| n.status.as_ref()).and_then(|s| s.conditions.as_deref()).unwrap_or_default();
            ready += usize::from(conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
        });
        ready
    }

    fn kill_container(&self, namespace: &str, pod: &str, container: &str) {
        let key = format!("/registry/pods/{namespace}/{pod}");
        let Some(o) = self.etcd().borrow().get(&key).and_then(|kv| kv.object()) else { return };
        let Some(p) = crate::api::object::typed::<k8s_openapi::api::core::v1::Pod>(&*o) else { return };
        let node = p.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
        let uid = p.metadata.uid.as_deref().unwrap_or_default();
        if let Some(h) = self.host(node) {
            h.containerd.kill_named(uid, container);
        }
    }

    fn parts(&self) -> Vec<PartView> {
        let mut parts = Vec::new();
        for h in self.hosts.iter().filter(|h| h.machine.control_plane) {
            let files = h.machine.files.borrow();
            for name in COMPONENTS {
                let wanted = files.contains_key(&format!("{}{name}.yaml", manifests::MANIFEST_DIR));
                let (state, starts) = self.programs.state(h.machine.id, name);
                let state = match state {
                    PartState::Running => PartState::Running,
                    _ if !wanted => PartState::Stopped,
                    PartState::Down if h.machine.powered() => PartState::BackOff,
                    other => other,
                };
                parts.push(PartView {
                    name: name.to_owned(),
                    machine: h.machine.id.0,
                    state,
                    last: self.last_act(name),
                    starts,
                });
            }
        }
        parts
    }

    /// What a component did last, in words.
    fn last_act(&self, component: &str) -> String {
        if component != "etcd" {
            return String::new();
        }
        let etcd = self.etcd();
        let etcd = etcd.borrow();
        match etcd.last_event() {
            Some(e) => {
                let verb = if e.kv.is_some() { "put" } else { "delete" };
                format!("{} {verb} {}", e.revision, e.key)
            }
            None => String::new(),
        }
    }
}
