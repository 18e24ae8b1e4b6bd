//! One machine's containerd: sandboxes, containers and images behind the verbs of the CRI.
//!
//! Owns what containerd keeps on the disk and in its shims' hands. Knows nothing of Pod objects; the kubelet says what it wants
//! by CRI specs. A verb takes simulated time in its caller's task and changes the state at one instant, so that a kubelet
//! that dies within a call leaves no half-made things. Models containerd's `internal/cri`.

mod container;
mod create_container;
mod exec_sync;
mod id;
mod image;
mod list;
mod named;
mod newest;
mod pull_image;
mod remove;
mod run_pod_sandbox;
mod sandbox;
mod start_container;
mod stats;
mod stop_container;
mod stop_pod_sandbox;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

pub use container::{Container, ContainerSpec, ContainerState, Follower};
pub use id::Id;
pub use image::StoredImage;
pub use pull_image::{PullProgress, split_name};
pub use sandbox::{Sandbox, SandboxSpec, SandboxState};
pub use stats::{ContainerStats, ImageFsInfo};

use newest::Newest;

use super::image_source::ImageSource;
use super::log::ContainerLog;
use super::shim::Shims;
use super::system::SystemPrograms;
use crate::network::{HostLocal, NetnsId};
use crate::sim::{MachineId, Notify, ProcessId, ProcessState, Sim, TraceEvent, TraceSeq};

/// Why a verb failed, as gRPC says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CriError {
    /// containerd doesn't run.
    Unavailable,
    /// It doesn't answer.
    DeadlineExceeded,
    /// There is no such thing.
    NotFound(String),
    /// The thing isn't in a state for this.
    FailedPrecondition(String),
    /// Anything else.
    Unknown(String),
}

impl std::fmt::Display for CriError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (code, text): (&str, &str) = match self {
            CriError::Unavailable => (
                "Unavailable",
                "connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"",
            ),
            CriError::DeadlineExceeded => ("DeadlineExceeded", "context deadline exceeded"),
            CriError::NotFound(t) => ("NotFound", t),
            CriError::FailedPrecondition(t) => ("FailedPrecondition", t),
            CriError::Unknown(t) => ("Unknown", t),
        };
        write!(f, "rpc error: code = {code} desc = {text}")
    }
}

impl CriError {
    /// The text without gRPC's words: what the kubelet prints of an error that it unwraps.
    pub fn message(&self) -> String {
        match self {
            CriError::NotFound(t) | CriError::FailedPrecondition(t) | CriError::Unknown(t) => t.clone(),
            other => other.to_string(),
        }
    }
}

/// runtimeRequestTimeout, the kubelet's default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Which pods changed since somebody last looked, and because of what.
pub struct Changes {
    pods: RefCell<BTreeMap<Rc<str>, TraceSeq>>,
    /// Told of every change.
    pub notify: Notify,
}

impl Changes {
    /// Takes the pods that changed.
    pub fn take(&self) -> BTreeMap<Rc<str>, TraceSeq> {
        std::mem::take(&mut self.pods.borrow_mut())
    }
}

/// What belongs to one pod, oldest first.
#[derive(Clone, Debug, Default)]
struct PodIndex {
    sandboxes: Vec<Id>,
    containers: Vec<Id>,
}

#[derive(Default)]
struct State {
    /// Boxed, since a tree keeps room for as many again.
    sandboxes: BTreeMap<Id, Box<Sandbox>>,
    containers: BTreeMap<Id, Box<Container>>,
    pods: BTreeMap<Rc<str>, PodIndex>,
    /// By their names in full.
    images: BTreeMap<Rc<str>, Rc<StoredImage>>,
    /// Counts changes of `images`.
    images_version: u64,
    pulls: BTreeMap<Rc<str>, PullProgress>,
    /// What containers were started with lately.
    lines: Newest<String>,
    environments: Newest<(String, String)>,
    ipam: Option<HostLocal>,
    pod_cidr: String,
    host: Option<NetnsId>,
    host_ip: Option<IpAddr>,
    /// System programs by their process.
    programs: BTreeMap<ProcessId, Id>,
    /// Running when the power went: found dead when containerd comes up.
    lost: Vec<Id>,
}

/// One machine's containerd. Survives its own process and the machine's power.
pub struct Containerd {
    sim: Sim,
    shims: Shims,
    machine: MachineId,
    sources: Rc<dyn ImageSource>,
    programs: Rc<dyn SystemPrograms>,
    process: Cell<Option<ProcessId>>,
    down_since: Cell<Option<crate::sim::SimTime>>,
    state: RefCell<State>,
    changes: Changes,
}

impl Containerd {
    /// containerd's data on a machine's disk, empty; nothing runs yet.
    pub fn new(
        shims: &Shims,
        machine: MachineId,
        sources: Rc<dyn ImageSource>,
        programs: Rc<dyn SystemPrograms>,
    ) -> Rc<Self> {
        let sim = shims.sim().clone();
        Rc::new(Containerd {
            changes: Changes { pods: RefCell::default(), notify: Notify::new(&sim) },
            sim,
            shims: shims.clone(),
            machine,
            sources,
            programs,
            process: Cell::new(None),
            down_since: Cell::new(None),
            state: RefCell::default(),
        })
    }

    /// The machine comes up with this address.
    pub fn power_on(&self, host_ip: IpAddr) {
        let netns = self.shims.network().add_host_namespace(self.machine, host_ip);
        let mut s = self.state.borrow_mut();
        s.host = Some(netns);
        s.host_ip = Some(host_ip);
    }

    /// The machine loses its power: all containers are gone without a word.
    pub fn power_off(&self) {
        self.process.set(None);
        let (guests, namespaces) = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let running: Vec<Id> = s.containers.values().filter(|c| c.is_running()).map(|c| c.id).collect();
            s.lost = running;
            s.programs.clear();
            s.pulls.clear();
            let guests: Vec<_> = s.containers.values_mut().filter_map(|c| c.guest.take()).collect();
            let mut namespaces: Vec<NetnsId> = s.host.take().into_iter().collect();
            namespaces.extend(s.sandboxes.values_mut().filter_map(|b| b.netns.take()));
            (guests, namespaces)
        };
        self.shims.network().forget_machine(self.machine);
        for g in guests {
            self.shims.remove(g);
        }
        for n in namespaces {
            self.shims.network().remove_namespace(n);
        }
    }

    /// containerd's process begins: it finds out what became of its containers.
    pub fn start(&self, process: ProcessId) {
        self.process.set(Some(process));
        self.down_since.set(None);
        let now = self.sim.timestamp();
        let touched: Vec<Rc<str>> = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            for id in std::mem::take(&mut s.lost) {
                if let Some(c) = s.containers.get_mut(&id) {
                    // Models loadContainer: a task that isn't there any more.
                    c.state = ContainerState::Exited;
                    c.exit_code = 255;
                    c.reason = "Unknown".into();
                    c.finished_at = Some(now);
                    c.log.finish(now);
                }
            }
            for b in s.sandboxes.values_mut() {
                if b.state == SandboxState::Ready && b.netns.is_none() {
                    b.state = SandboxState::NotReady;
                }
            }
            s.pods.keys().cloned().collect()
        };
        for uid in touched {
            self.touch(&uid);
        }
    }

    /// Whether containerd answers.
    pub fn is_up(&self) -> bool {
        self.process.get().is_some_and(|p| self.sim.process_runs(p))
    }

    /// Its process.
    pub fn process(&self) -> Option<ProcessId> {
        self.process.get()
    }

    /// Its machine.
    pub fn machine(&self) -> MachineId {
        self.machine
    }

    /// The shims.
    pub fn shims(&self) -> &Shims {
        &self.shims
    }

    /// Which pods changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The machine's own namespace.
    pub fn host_namespace(&self) -> Option<NetnsId> {
        self.state.borrow().host
    }

    /// Begins a verb: waits `work` (and a little more, at random), if containerd is there.
    async fn enter(&self, work: Duration) -> Result<(), CriError> {
        let state = |c: &Self| c.process.get().map_or(ProcessState::Dead, |p| c.sim.process_state(p));
        if state(self) == ProcessState::Running {
            self.sim.sleep(self.sim.jitter(work, 0.4)).await;
        }
        let begin = self.sim.now();
        loop {
            match state(self) {
                ProcessState::Running => return Ok(()),
                ProcessState::Dead => return Err(CriError::Unavailable),
                ProcessState::Stopped if self.sim.now().since(begin) >= REQUEST_TIMEOUT => {
                    return Err(CriError::DeadlineExceeded);
                }
                ProcessState::Stopped => self.sim.sleep(Duration::from_secs(1)).await,
            }
        }
    }

    /// Fails if containerd isn't there: for verbs that take no time worth simulating.
    fn check_up(&self) -> Result<(), CriError> {
        if self.is_up() { Ok(()) } else { Err(CriError::Unavailable) }
    }

    /// A pod changed.
    fn touch(&self, uid: &Rc<str>) {
        self.changes.pods.borrow_mut().insert(uid.clone(), self.sim.cause());
        self.changes.notify.notify();
    }

    fn trace(&self, verb: &'static str, about: &Rc<str>, what: &str) {
        self.sim.record(TraceEvent::Runtime { machine: self.machine, verb, about: about.clone(), what: what.into() });
    }

    /// Tells containerd the node's pod addresses, from which it makes its CNI configuration.
    pub fn update_runtime_config(&self, pod_cidr: &str) -> Result<(), CriError> {
        self.check_up()?;
        let mut s = self.state.borrow_mut();
        if s.pod_cidr != pod_cidr {
            s.ipam = HostLocal::new(pod_cidr);
            s.pod_cidr = pod_cidr.to_owned();
        }
        Ok(())
    }

    /// Whether the network plugin has its configuration.
    pub fn network_ready(&self) -> bool {
        self.state.borrow().ipam.is_some()
    }

    /// Output of a container's process, whoever runs it.
    pub fn output(&self, id: Id, stderr: bool, bytes: &[u8]) {
        let now = self.sim.timestamp();
        if let Some(c) = self.state.borrow_mut().containers.get_mut(&id) {
            c.log.append(now, stderr, bytes);
            c.followers.notify();
        }
    }

    /// Follows a container's log; `None` once it has ended, for then there is nothing to follow.
    pub fn follow(&self, id: Id) -> Option<Follower> {
        let mut s = self.state.borrow_mut();
        let c = s.containers.get_mut(&id).filter(|c| c.state != ContainerState::Exited)?;
        Some(c.followers.add(&self.sim))
    }

    /// A line of a system program's log.
    pub fn write_log(&self, id: Id, line: &str) {
        self.output(id, true, format!("{line}\n").as_bytes());
    }

    /// Looks at a container's log.
    pub fn with_log<T>(&self, id: Id, f: impl FnOnce(&ContainerLog) -> T) -> Option<T> {
        self.state.borrow().containers.get(&id).map(|c| f(&c.log))
    }
}
