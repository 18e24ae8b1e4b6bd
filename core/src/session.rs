//! Sessions: a seed and a list of timed inputs, which is all that a cluster is made of. Recording, files, replay.

use serde::{Deserialize, Serialize};

use crate::sim::SimTime;

/// What a machine's owner can do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineAction {
    /// Pulls the plug: everything on it stops at once.
    PowerOff,
    /// Switches it on: systemd starts its services.
    PowerOn,
    /// Pulls the network cable.
    Unplug,
    /// Puts the network cable back.
    Plug,
    /// Takes the machine away for good.
    Remove,
}

/// What can be done to a service of a machine, such as the kubelet: systemctl's verbs, and kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAction {
    /// `systemctl stop`.
    Stop,
    /// `systemctl start`.
    Start,
    /// `systemctl restart`.
    Restart,
    /// `kill -9`: systemd starts it again after RestartSec.
    Kill,
}

/// What can be done to a control-plane component that runs as a static pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentAction {
    /// Moves its manifest away: its kubelet stops it.
    Stop,
    /// Moves its manifest back.
    Start,
    /// Kills its process: its kubelet starts it again.
    Kill,
}

/// Something that a person does to the cluster. Together with when, this is all that ever enters it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// Runs a command line on the person's computer, with these files beside it.
    Command {
        /// Number by which its output is known, chosen by whoever submits.
        id: u64,
        /// Such as `kubectl apply -f rs.yaml`.
        line: String,
        /// Files that it may read, by name; `-` is standard input.
        files: Vec<(String, String)>,
    },
    /// Interrupts a command: Ctrl-C.
    Interrupt {
        /// Its number.
        id: u64,
    },
    /// Types at the terminal of a command that runs.
    Type {
        /// The command's number.
        id: u64,
        /// What: a line with its end, or a control character such as Ctrl-D.
        text: String,
    },
    /// Does something to a machine, by its name.
    Machine {
        /// The machine's name, such as `worker-1`.
        machine: String,
        /// What.
        action: MachineAction,
    },
    /// Does something to a service of a machine.
    Service {
        /// The machine's name.
        machine: String,
        /// `kubelet` or `containerd`.
        service: String,
        /// What.
        action: ServiceAction,
    },
    /// Does something to a control-plane component.
    Component {
        /// The machine's name.
        machine: String,
        /// Such as `kube-scheduler`.
        component: String,
        /// What.
        action: ComponentAction,
    },
    /// Kills a container's process, as an OOM killer or `crictl stop` on its node would.
    KillContainer {
        /// Pod's namespace.
        namespace: String,
        /// Pod's name.
        pod: String,
        /// Container's name.
        container: String,
    },
    /// Adds worker machines that join the cluster.
    AddNodes {
        /// How many.
        count: u32,
    },
    /// Opens a pod's port in the person's browser: an HTTP GET from outside.
    Visit {
        /// Number by which the answer is known.
        id: u64,
        /// Pod's namespace.
        namespace: String,
        /// Pod's name.
        pod: String,
        /// Port; 0 for the first that its containers name, else 80.
        port: u16,
        /// Path, such as `/`.
        path: String,
    },
    /// A raw request to the api-server, as HTTP has it.
    Request {
        /// Number by which the answer is known.
        id: u64,
        /// Method.
        method: String,
        /// Path with query.
        path: String,
        /// Headers.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
}

/// An input and when it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedInput {
    /// When.
    pub at: SimTime,
    /// How many events had run by then: the place among events of one instant.
    pub step: u64,
    /// What.
    pub input: Input,
}

/// The cluster's shape at its beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// The seed of all randomness.
    pub seed: u64,
    /// What the wall clocks show at the beginning, in seconds since 1970.
    pub epoch_unix_s: i64,
    /// Worker machines at the beginning.
    pub workers: u32,
    /// CPUs of a worker.
    pub node_cpus: u32,
    /// Memory of a worker, in MiB.
    pub node_memory_mib: u64,
    /// Pods that a node may carry.
    pub max_pods: u32,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        // 2026-01-05 09:00 UTC: a Monday morning. Any fixed moment will do; the page gives its own.
        ClusterConfig {
            seed: 1,
            epoch_unix_s: 1_767_603_600,
            workers: 3,
            node_cpus: 4,
            node_memory_mib: 8046,
            max_pods: 110,
        }
    }
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Version of this format.
    pub version: u32,
    /// The cluster at its beginning.
    pub config: ClusterConfig,
    /// What was done to it, in order.
    pub inputs: Vec<TimedInput>,
    /// How far it went.
    pub until: SimTime,
}

/// The format that this build writes and reads.
pub const SESSION_VERSION: u32 = 1;

impl Session {
    /// A session with nothing done yet.
    pub fn new(config: ClusterConfig) -> Self {
        Session { version: SESSION_VERSION, config, inputs: Vec::new(), until: SimTime::ZERO }
    }

    /// As text, for a file or the browser's storage.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From text; says what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let s: Session = serde_json::from_str(text).map_err(|e| format!("not a Podarium session: {e}"))?;
        if s.version != SESSION_VERSION {
            return Err(format!("a session of version {}, but this is version {SESSION_VERSION}", s.version));
        }
        if s.config.workers > 5_000 || s.config.node_cpus == 0 || s.config.node_memory_mib == 0 {
            return Err(
                "a session with a cluster that can't be: at most 5,000 workers, each with CPU and memory".into()
            );
        }
        if !s.inputs.windows(2).all(|w| (w[0].at, w[0].step) <= (w[1].at, w[1].step)) {
            return Err("a session whose inputs are not in the order of time".into());
        }
        Ok(s)
    }
}
