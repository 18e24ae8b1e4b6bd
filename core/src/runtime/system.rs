//! Containers that are parts of Kubernetes itself: their image names a program of the simulation, not a guest.

use std::rc::Rc;

use super::containerd::Id;
use crate::network::{NetnsId, Network};
use crate::sim::{MachineId, ProcessId};

/// What a native program is started with.
#[derive(Clone)]
pub struct SystemStart {
    /// The image's name in full, such as `registry.k8s.io/kube-scheduler:v1.36.2`.
    pub image: Rc<str>,
    /// The whole command line.
    pub args: Rc<[String]>,
    /// The environment.
    pub env: Rc<[(String, String)]>,
    /// Where.
    pub machine: MachineId,
    /// The container, for its log ([`super::Containerd::write_log`]).
    pub container: Id,
    /// The pod as `namespace/name`.
    pub pod: Rc<str>,
    /// The network.
    pub network: Network,
    /// The pod's network namespace.
    pub netns: NetnsId,
}

/// The programs of the simulation that run as containers. The cluster supplies them.
pub trait SystemPrograms {
    /// Whether an image is one of them.
    fn handles(&self, image: &str) -> bool;
    /// Starts one: the process that it runs as, or why it ends at once (exit code and what it printed).
    fn start(&self, start: &SystemStart) -> Result<ProcessId, (i32, String)>;
    /// Sends one a signal that ends it: whether it is dead when this returns. One that takes its time ends by itself.
    fn stop(&self, process: ProcessId, signal: u8) -> bool;
}

/// No programs: every image is a guest.
pub struct NoSystemPrograms;

impl SystemPrograms for NoSystemPrograms {
    fn handles(&self, _image: &str) -> bool {
        false
    }
    fn start(&self, _start: &SystemStart) -> Result<ProcessId, (i32, String)> {
        Err((127, String::new()))
    }
    fn stop(&self, _process: ProcessId, _signal: u8) -> bool {
        true
    }
}
