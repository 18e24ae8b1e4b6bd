//! The shapes of what the page sees. Times are nanoseconds of virtual time since the cluster began.

use serde::{Deserialize, Serialize};

/// How a node does, as the api-server knows it and as it really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeHealth {
    /// The machine runs; its node has not joined yet.
    Joining,
    /// Ready=True.
    Ready,
    /// Ready=False.
    NotReady,
    /// Ready=Unknown: its kubelet stopped posting.
    Unknown,
    /// There is a machine, but no Node object any more.
    Gone,
}

/// A node: its object and the machine under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// The machine's number; stable.
    pub id: u32,
    /// The node's name.
    pub name: String,
    /// Whether it carries the control plane.
    pub control_plane: bool,
    /// How it does.
    pub health: NodeHealth,
    /// Reason and message of its Ready condition.
    pub why: String,
    /// Whether the machine is switched on.
    pub powered: bool,
    /// Whether its network cable is in.
    pub plugged: bool,
    /// Whether its kubelet's process runs.
    pub kubelet: bool,
    /// Whether its container runtime's process runs.
    pub containerd: bool,
    /// Cordoned.
    pub unschedulable: bool,
    /// Taints as `key=value:Effect`.
    pub taints: Vec<String>,
    /// Allocatable CPU in millicores.
    pub cpu_milli: u64,
    /// Requested CPU in millicores.
    pub cpu_requested_milli: u64,
    /// Allocatable memory in bytes.
    pub memory_bytes: u64,
    /// Requested memory in bytes.
    pub memory_requested_bytes: u64,
    /// How many pods it may carry.
    pub pods_max: u32,
}

/// A pod's state, which is its shape in the tank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PodShape {
    /// Not bound to a node.
    Pending,
    /// Bound; its containers are being made.
    Creating,
    /// An image is being pulled.
    Pulling,
    /// All containers run and are ready.
    Running,
    /// Runs, but isn't ready.
    NotReady,
    /// A container waits to be restarted, or its image to be pulled again.
    BackOff,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Marked for deletion.
    Terminating,
    /// On a node that nobody hears of: what the api-server remembers.
    Ghost,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerShape {
    /// Waiting.
    Waiting,
    /// Running.
    Running,
    /// Terminated.
    Terminated,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerView {
    /// Name.
    pub name: String,
    /// Image as the pod names it.
    pub image: String,
    /// State.
    pub shape: ContainerShape,
    /// Reason of the state, such as `CrashLoopBackOff`.
    pub reason: String,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was restarted.
    pub restarts: u32,
    /// Container ports.
    pub ports: Vec<u16>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodView {
    /// Uid; stable.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The machine that it is bound to, by number.
    pub node: Option<u32>,
    /// The workload that owns it in the end, as an index that its hue comes from; 0 for none.
    pub workload: u32,
    /// State.
    pub shape: PodShape,
    /// What `kubectl get pods` prints under STATUS.
    pub status: String,
    /// Pod IP, empty for none.
    pub ip: String,
    /// When it was created.
    pub created_ns: u64,
    /// Containers.
    pub containers: Vec<ContainerView>,
    /// The static pod of a control-plane part, or another pod of kube-system that isn't the person's own.
    pub system: bool,
}

/// Something that owns pods: a ReplicaSet, a ReplicationController, a Deployment, ..
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadView {
    /// Number; stable. Its hue comes from it.
    pub id: u32,
    /// Kind.
    pub kind: String,
    /// Plural resource with its group: `replicasets.apps`.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Wanted replicas.
    pub desired: u32,
    /// Replicas that there are.
    pub current: u32,
    /// Ready replicas.
    pub ready: u32,
    /// The workload that owns this one, or 0.
    pub owner: u32,
}

/// Whether a part of the cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartState {
    /// Not there.
    Down,
    /// Being started.
    Starting,
    /// Runs.
    Running,
    /// Stopped by a person.
    Stopped,
    /// Crashed; waits to be started again.
    BackOff,
}

/// A part of the control plane, or a service of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartView {
    /// The program's name, such as `kube-scheduler`.
    pub name: String,
    /// The machine that it runs on, by number.
    pub machine: u32,
    /// Whether it runs.
    pub state: PartState,
    /// What it did last, in words: etcd's newest write, the scheduler's last choice, ..
    pub last: String,
    /// How often it was started.
    pub starts: u32,
}

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageKind {
    /// A request: a dot.
    Request,
    /// A watch event: a ring.
    Watch,
    /// A lease renewal: a tick.
    Heartbeat,
    /// HTTP between pods: a dash.
    Traffic,
    /// A refused or failed request: a cross.
    Error,
}

/// One message between two ends. Ends are `part@machine`, `machine`, `pod uid` or `person`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// Trace number.
    pub seq: u64,
    /// When.
    pub at_ns: u64,
    /// What kind.
    pub kind: MessageKind,
    /// Where it starts.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// In words: `create pods default/myapp-rc-x7k2p 201`.
    pub what: String,
}

/// An Event of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// The Event's key in its namespace: the same key again replaces it.
    pub key: String,
    /// When it was seen last.
    pub at_ns: u64,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// Reason.
    pub reason: String,
    /// About what, as `Kind/name`.
    pub about: String,
    /// Namespace of that.
    pub namespace: String,
    /// Uid of that.
    pub about_uid: String,
    /// Message.
    pub message: String,
    /// Who says so.
    pub source: String,
    /// How often.
    pub count: u32,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimerKind {
    /// Until the node controller calls a silent node NotReady.
    NodeMonitorGrace,
    /// Until taint eviction deletes a pod.
    Eviction,
    /// Until a terminating pod is killed.
    TerminationGrace,
    /// Until a container is restarted.
    BackOff,
    /// Until an image is there.
    ImagePull,
}

/// Something that will happen by itself: a countdown arc.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerView {
    /// What is waited for.
    pub kind: TimerKind,
    /// The machine that it is about, by number, if it is about one.
    pub machine: Option<u32>,
    /// The uid of the pod that it is about, or empty.
    pub pod: String,
    /// When the wait began.
    pub from_ns: u64,
    /// When it ends.
    pub until_ns: u64,
    /// In words: what will happen then.
    pub then: String,
}

/// What changed since the last frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Virtual time.
    pub now_ns: u64,
    /// The cluster's wall clock, in seconds since 1970.
    pub unix_s: i64,
    /// etcd's revision.
    pub revision: u64,
    /// Whether what follows is the whole world: forget everything before.
    pub full: bool,
    /// Nodes that are new or changed.
    pub nodes: Vec<NodeView>,
    /// Lease renewals since the last frame: the machine, and when.
    pub heartbeats: Vec<(u32, u64)>,
    /// Machines that are gone.
    pub nodes_gone: Vec<u32>,
    /// Pods that are new or changed.
    pub pods: Vec<PodView>,
    /// Uids of pods that are gone.
    pub pods_gone: Vec<String>,
    /// Workloads that are new or changed.
    pub workloads: Vec<WorkloadView>,
    /// Numbers of workloads that are gone.
    pub workloads_gone: Vec<u32>,
    /// Parts that are new or changed.
    pub parts: Vec<PartView>,
    /// Events that are new or were counted again.
    pub events: Vec<EventView>,
    /// What travelled: a sample when there was more than can be drawn.
    pub messages: Vec<MessageView>,
    /// How much travelled in all.
    pub messages_total: u64,
    /// All that is being waited for, soonest first, bounded.
    pub timers: Vec<TimerView>,
    /// When the next event is due; `None` when nothing will happen by itself.
    pub next_event_ns: Option<u64>,
}

impl Frame {
    /// Whether nothing happened but what always does: heartbeats, and requests that changed nothing to be seen.
    pub fn is_quiet(&self) -> bool {
        !self.full
            && self.nodes.is_empty()
            && self.nodes_gone.is_empty()
            && self.pods.is_empty()
            && self.pods_gone.is_empty()
            && self.workloads.is_empty()
            && self.workloads_gone.is_empty()
            && self.events.is_empty()
            && self.timers.is_empty()
    }
}
