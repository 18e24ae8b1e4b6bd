//! What the kubelet keeps of one pod, and what it sees of it in containerd.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::Kubelet;
use crate::runtime::containerd::{ContainerState, CriError, Id, SandboxState, StoredImage};
use crate::sim::{Notify, SimTime, TraceSeq};

/// Where in its life a pod's worker is. Models `pod_workers.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkState {
    /// Its containers shall run.
    Sync,
    /// Its containers shall end.
    Terminating,
    /// Its containers have ended; what it used is cleaned up.
    Terminated,
    /// Nothing is left to do.
    Finished,
}

/// Why a container waits to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WaitReason {
    pub reason: Rc<str>,
    pub message: String,
}

/// What probes found out about one container. `None`: not known yet.
#[derive(Clone, Debug, Default)]
pub(super) struct ProbeResults {
    pub liveness: Option<(Id, bool)>,
    pub readiness: Option<(Id, bool)>,
    pub startup: Option<(Id, bool)>,
}

/// One pod.
pub(super) struct Entry {
    pub pod: Rc<Pod>,
    /// From a manifest on the machine.
    pub is_static: bool,
    pub state: WorkState,
    /// A task works on it.
    pub working: bool,
    /// Something happened since that task last looked.
    pub pending: bool,
    /// Because of what.
    pub cause: TraceSeq,
    /// When it is looked at again by itself.
    pub next_wake: Option<SimTime>,
    /// The API object is gone.
    pub deleted: bool,
    /// Grace to end with, if it isn't the pod's own.
    pub grace: Option<i64>,
    /// How it ends if it wasn't deleted: phase reason and message (rejected, deadline exceeded).
    pub failed: Option<(Rc<str>, Rc<str>)>,
    /// Told when the pod shall end, if somebody waits for something meanwhile.
    pub cancel: Option<Notify>,
    /// Why containers wait, by name.
    pub waiting: BTreeMap<Rc<str>, WaitReason>,
    /// Probe results by container.
    pub probes: BTreeMap<Rc<str>, ProbeResults>,
    /// Probe workers were started.
    pub probing: bool,
    /// Wakes readiness probes before their time.
    pub probe_now: BTreeMap<Rc<str>, Notify>,
    /// What its volumes hold, by name, once they are there.
    pub volumes: Option<Rc<super::volumes::Volumes>>,
    /// How often its volumes couldn't be set up in a row.
    pub mount_failures: u32,
}

impl Entry {
    pub fn new(pod: Rc<Pod>, is_static: bool, cause: TraceSeq) -> Self {
        Entry {
            pod,
            is_static,
            state: WorkState::Sync,
            working: false,
            pending: false,
            cause,
            next_wake: None,
            deleted: false,
            grace: None,
            failed: None,
            cancel: None,
            waiting: BTreeMap::new(),
            probes: BTreeMap::new(),
            probing: false,
            probe_now: BTreeMap::new(),
            volumes: None,
            mount_failures: 0,
        }
    }
}

/// A sandbox as a pod's sync sees it.
#[derive(Clone, Debug)]
pub(super) struct SandboxView {
    pub id: Id,
    pub attempt: u32,
    pub ready: bool,
    pub ip: Option<IpAddr>,
}

/// A container as a pod's sync sees it.
#[derive(Clone)]
pub(super) struct ContainerView {
    pub id: Id,
    pub name: Rc<str>,
    pub attempt: u32,
    pub hash: u64,
    pub state: ContainerState,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    pub exit_code: i32,
    pub reason: Rc<str>,
    pub message: Rc<str>,
    pub image: Rc<StoredImage>,
    pub uid: i64,
}

impl ContainerView {
    pub fn running(&self) -> bool {
        self.state == ContainerState::Running
    }
    pub fn exited(&self) -> bool {
        self.state == ContainerState::Exited
    }
}

/// All that containerd has of a pod, newest first.
#[derive(Clone, Default)]
pub(super) struct RuntimeStatus {
    pub sandboxes: Vec<SandboxView>,
    pub containers: Vec<ContainerView>,
}

impl RuntimeStatus {
    /// The newest container of a name.
    pub fn find(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|c| *c.name == *name)
    }

    /// The newest sandbox if it can hold containers.
    pub fn ready_sandbox(&self) -> Option<&SandboxView> {
        self.sandboxes.first().filter(|s| s.ready)
    }
}

/// What a termination message may have.
const TERMINATION_MESSAGE_MAX: usize = 4096;
/// What of the log stands in for it.
const TERMINATION_LOG_MAX: usize = 2048;

impl Kubelet {
    /// What containerd has of a pod.
    pub(super) fn runtime_status(&self, uid: &str) -> Result<RuntimeStatus, CriError> {
        let mut status = self.0.runtime.with_pod(uid, |sandboxes, containers| RuntimeStatus {
            sandboxes: sandboxes
                .iter()
                .rev()
                .map(|s| SandboxView {
                    id: s.id,
                    attempt: s.spec.attempt,
                    ready: s.state == SandboxState::Ready,
                    ip: s.ip,
                })
                .collect(),
            containers: containers
                .iter()
                .rev()
                .map(|c| {
                    let mut message = c.message.clone();
                    if c.state == ContainerState::Exited && c.spec.termination_message_from_log && c.exit_code != 0 {
                        let tail = c.log.tail(80, TERMINATION_LOG_MAX);
                        if !tail.is_empty() {
                            message = tail.into();
                        }
                    }
                    ContainerView {
                        id: c.id,
                        name: c.spec.name.clone(),
                        attempt: c.spec.attempt,
                        hash: c.spec.hash,
                        state: c.state,
                        started_at: c.started_at,
                        finished_at: c.finished_at,
                        exit_code: c.exit_code,
                        reason: c.reason.clone(),
                        message,
                        image: c.image.clone(),
                        uid: c.spec.uid.unwrap_or(c.image.image.uid),
                    }
                })
                .collect(),
        })?;
        for c in status.containers.iter_mut().filter(|c| c.exited()) {
            let path = self.0.runtime.container_status(c.id, |c| c.spec.termination_message_path.clone())?;
            if let Some(words) = self.0.runtime.read_file(c.id, &path).filter(|w| !w.is_empty()) {
                let cut = words.get(..TERMINATION_MESSAGE_MAX).unwrap_or(&words);
                c.message = String::from_utf8_lossy(cut).into();
            }
        }
        Ok(status)
    }
}

/// A pod's spec; an empty one for a pod without.
pub(super) fn spec(pod: &Pod) -> &PodSpec {
    static EMPTY: std::sync::OnceLock<PodSpec> = std::sync::OnceLock::new();
    pod.spec.as_ref().unwrap_or_else(|| EMPTY.get_or_init(PodSpec::default))
}

/// A pod's init containers.
pub(super) fn init_containers(pod: &Pod) -> &[Container] {
    spec(pod).init_containers.as_deref().unwrap_or_default()
}

/// Whether an init container goes on beside the others: a sidecar.
pub(super) fn is_sidecar(c: &Container) -> bool {
    c.restart_policy.as_deref() == Some("Always")
}

/// All containers of a pod with whether they are init containers.
pub(super) fn all_containers(pod: &Pod) -> impl Iterator<Item = (&Container, bool)> {
    init_containers(pod).iter().map(|c| (c, true)).chain(spec(pod).containers.iter().map(|c| (c, false)))
}

pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

pub(super) fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

pub(super) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// `name_namespace(uid)`, as the kubelet prints pods.
pub(super) fn describe(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

/// Whether a pod shares its machine's network.
pub(super) fn host_network(pod: &Pod) -> bool {
    spec(pod).host_network.unwrap_or(false)
}

/// What restartPolicy says of one container.
pub(super) fn restart_policy<'a>(pod: &'a Pod, c: &'a Container) -> &'a str {
    c.restart_policy.as_deref().or(spec(pod).restart_policy.as_deref()).unwrap_or("Always")
}

/// Whether a container shall be started (again). Models kubecontainer.ShouldContainerBeRestarted.
pub(super) fn should_restart(pod: &Pod, c: &Container, rs: &RuntimeStatus) -> bool {
    if pod.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let Some(status) = rs.find(&c.name) else { return true };
    match status.state {
        ContainerState::Running => false,
        ContainerState::Created => true,
        ContainerState::Exited => match restart_policy(pod, c) {
            "Never" => false,
            "OnFailure" => status.exit_code != 0,
            _ => true,
        },
    }
}
