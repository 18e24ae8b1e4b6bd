//! The parts of Kubernetes that run as containers: which image is which, and how each is started.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::ComponentContext;
use crate::apiserver::{ApiServer, EtcdEndpoint, Extras};
use crate::client::{ApiEndpoint, ApiEndpoints};
use crate::etcd::Etcd;
use crate::observe::PartState;
use crate::registry::Registry;
use crate::runtime::system::{SystemPrograms, SystemStart};
use crate::scheduler::decision::Decision;
use crate::scheduler::process::SchedulerProcess;
use crate::sim::{MachineId, ProcessId, Sim, TraceEvent};

/// One program that was started, as the owner shows it.
#[derive(Clone, Debug)]
pub struct Started {
    /// Its name, such as `kube-scheduler`.
    pub name: Rc<str>,
    /// Its newest process.
    pub process: ProcessId,
    /// How often it was started on its machine.
    pub starts: u32,
}

/// The programs of one cluster, and etcd's data, which survives its process. Clones are the same.
#[derive(Clone)]
pub struct Programs(Rc<Inner>);

struct Inner {
    sim: Sim,
    registry: Rc<Registry>,
    endpoints: ApiEndpoints,
    /// etcd's data directories, by machine.
    etcd: RefCell<BTreeMap<MachineId, EtcdEndpoint>>,
    started: RefCell<BTreeMap<(MachineId, Rc<str>), Started>>,
    /// The schedulers' insides, for whoever looks into the tank.
    schedulers: RefCell<BTreeMap<MachineId, SchedulerProcess>>,
    /// Node names of machines.
    nodes: RefCell<BTreeMap<MachineId, Rc<str>>>,
    /// What the api-servers' `--token-auth-file` holds.
    tokens: RefCell<Rc<str>>,
    /// What the api-servers have besides.
    extras: RefCell<Rc<Extras>>,
}

const SIGTERM: u8 = 15;

/// A part's name from its image: `registry.k8s.io/kube-scheduler:v1.36.2` is `kube-scheduler`.
fn program_of(image: &str) -> Option<&'static str> {
    let name = image.strip_prefix("registry.k8s.io/")?;
    let name = name.split(['@', ':']).next()?.rsplit('/').next()?;
    ["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kube-proxy", "coredns"]
        .into_iter()
        .find(|p| *p == name)
}

impl Programs {
    /// The programs of a cluster whose api-servers are found at `endpoints`.
    pub fn new(sim: &Sim, registry: &Rc<Registry>, endpoints: &ApiEndpoints) -> Self {
        Programs(Rc::new(Inner {
            sim: sim.clone(),
            registry: registry.clone(),
            endpoints: endpoints.clone(),
            etcd: RefCell::default(),
            started: RefCell::default(),
            schedulers: RefCell::default(),
            nodes: RefCell::default(),
            tokens: RefCell::new("".into()),
            extras: RefCell::default(),
        }))
    }

    /// Gives api-servers a token file: those that run, and those that start later.
    pub fn set_token_file(&self, csv: &str) {
        *self.0.tokens.borrow_mut() = csv.into();
        for e in self.0.endpoints.all() {
            e.server.borrow_mut().add_tokens(csv);
        }
    }

    /// Gives api-servers what only clients outside need: those that run, and those that start later.
    pub fn set_extras(&self, extras: &Rc<Extras>) {
        *self.0.extras.borrow_mut() = extras.clone();
        for e in self.0.endpoints.all() {
            e.server.borrow_mut().set_extras(extras.clone());
        }
    }

    /// Tells the name of a machine's node.
    pub fn name_machine(&self, machine: MachineId, node: &Rc<str>) {
        self.0.nodes.borrow_mut().insert(machine, node.clone());
    }

    /// etcd's data on a machine's disk; made empty the first time.
    pub(super) fn etcd(&self, machine: MachineId) -> EtcdEndpoint {
        let mut all = self.0.etcd.borrow_mut();
        let fresh = || EtcdEndpoint::new(&self.0.sim, ProcessId(u32::MAX));
        all.entry(machine).or_insert_with(fresh).clone()
    }

    /// The first machine's etcd data, if there is any.
    pub fn first_etcd(&self) -> Option<Rc<RefCell<Etcd>>> {
        self.0.etcd.borrow().values().next().map(|e| e.store.clone())
    }

    /// What was started, by machine and name.
    pub fn started(&self) -> Vec<(MachineId, Started)> {
        self.0.started.borrow().iter().map(|((m, _), s)| (*m, s.clone())).collect()
    }

    /// Whether a program of this name runs on a machine, and how often it was started.
    pub fn state(&self, machine: MachineId, name: &str) -> (PartState, u32) {
        let started = self.0.started.borrow();
        match started.get(&(machine, name.into())) {
            Some(s) if self.0.sim.process_runs(s.process) => (PartState::Running, s.starts),
            Some(s) => (PartState::Down, s.starts),
            None => (PartState::Starting, 0),
        }
    }

    /// Ends a program's process as SIGKILL does.
    pub fn kill(&self, process: ProcessId) {
        self.stop(process, 9);
    }

    /// How a scheduler chose a pod's node, if one remembers.
    pub fn decision(&self, pod_uid: &str) -> Option<Decision> {
        self.0.schedulers.borrow().values().find_map(|s| s.decision(pod_uid))
    }

    /// The process of a program on a machine.
    pub fn process(&self, machine: MachineId, name: &str) -> Option<ProcessId> {
        self.0.started.borrow().get(&(machine, name.into())).map(|s| s.process)
    }

    /// A process of this cluster's programs is gone: its api-server, if it was one, serves no more.
    pub fn died(&self, process: ProcessId) {
        self.0.endpoints.remove(process);
    }

    fn run(&self, name: &'static str, start: &SystemStart, process: ProcessId) {
        let machine = start.machine;
        let node = self.0.nodes.borrow().get(&machine).cloned().unwrap_or_else(|| "".into());
        let ctx = ComponentContext {
            sim: self.0.sim.clone(),
            process,
            endpoints: self.0.endpoints.clone(),
            registry: self.0.registry.clone(),
            node,
        };
        super::health::serve(name, &start.network, start.netns, process);
        match name {
            "etcd" => self.run_etcd(machine, process),
            "kube-apiserver" => {
                // `--etcd-servers=https://127.0.0.1:2379`: the one on its own machine.
                let server = ApiServer::start(&self.0.sim, process, self.0.registry.clone(), self.etcd(machine));
                server.borrow_mut().add_tokens(&self.0.tokens.borrow());
                server.borrow_mut().set_extras(self.0.extras.borrow().clone());
                super::health::serve_apiserver(&server, &start.network, start.netns, process);
                self.0.endpoints.add(ApiEndpoint { machine, process, server });
            }
            "kube-scheduler" => {
                let scheduler = SchedulerProcess::start(&ctx);
                self.0.schedulers.borrow_mut().insert(machine, scheduler);
            }
            "kube-proxy" => {
                crate::network::proxy::start(&ctx, &start.network, machine, start.network.ip_of(start.netns));
            }
            "coredns" => crate::network::dns::start(&ctx, &start.network, start.netns, "cluster.local"),
            "kube-controller-manager" => crate::controllers::start(&ctx, &start.args),
            _ => {}
        }
    }

    fn run_etcd(&self, machine: MachineId, process: ProcessId) {
        let endpoint = self.etcd(machine);
        endpoint.process.set(process);
        let (sim, store) = (self.0.sim.clone(), endpoint.store);
        self.0.sim.spawn(process, async move {
            loop {
                // Models the lessor's revoke loop, which looks every 500 ms; asleep while no lease is near its end.
                let next = store.borrow().leases().next_expiry();
                let wait = next.map_or(std::time::Duration::from_secs(60), |t| {
                    t.since(sim.now()).clamp(std::time::Duration::from_millis(500), std::time::Duration::from_secs(60))
                });
                sim.sleep(wait).await;
                store.borrow_mut().expire_leases(sim.now());
            }
        });
    }
}

impl SystemPrograms for Programs {
    fn handles(&self, image: &str) -> bool {
        program_of(image).is_some()
    }

    fn start(&self, start: &SystemStart) -> Result<ProcessId, (i32, String)> {
        let Some(name) = program_of(&start.image) else {
            return Err((127, format!("exec: {:?}: executable file not found in $PATH: unknown", start.image)));
        };
        let process = self.0.sim.start_process(name, start.machine);
        self.0.sim.record(TraceEvent::Process { process, what: "started" });
        let key = (start.machine, Rc::<str>::from(name));
        let starts = self.0.started.borrow().get(&key).map_or(0, |s| s.starts) + 1;
        self.0.started.borrow_mut().insert(key, Started { name: name.into(), process, starts });
        self.run(name, start, process);
        Ok(process)
    }

    fn stop(&self, process: ProcessId, signal: u8) -> bool {
        let sim = &self.0.sim;
        if signal == SIGTERM && sim.process(process).is_some_and(|p| &*p.name == "coredns") {
            let s = sim.clone();
            sim.spawn(process, async move {
                s.sleep(crate::network::dns::LAMEDUCK).await;
                s.exit_process(process, 0);
            });
            return false;
        }
        sim.kill_process(process);
        sim.record(TraceEvent::Process { process, what: "killed" });
        self.died(process);
        true
    }
}
