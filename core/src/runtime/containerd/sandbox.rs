//! A pod sandbox: the pod's network namespace and its place among the machine's pods.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::Id;
use crate::network::NetnsId;

/// What a sandbox shall be: the CRI's PodSandboxConfig.
#[derive(Clone, Debug, Default)]
pub struct SandboxSpec {
    /// The pod's name.
    pub name: Rc<str>,
    /// The pod's namespace.
    pub namespace: Rc<str>,
    /// The pod's uid.
    pub uid: Rc<str>,
    /// How many sandboxes the pod had before.
    pub attempt: u32,
    /// The pod's host name.
    pub hostname: Rc<str>,
    /// In the machine's own network namespace.
    pub host_network: bool,
    /// Its resolv.conf, read; `None` in the machine's own network.
    pub resolv: Option<Rc<crate::network::dns::Resolv>>,
    /// The pod's labels.
    pub labels: Rc<BTreeMap<String, String>>,
}

/// Whether a sandbox can hold containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    /// Yes.
    Ready,
    /// It was stopped, or its machine was.
    NotReady,
}

/// A pod sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Its id.
    pub id: Id,
    /// What it was made from.
    pub spec: SandboxSpec,
    /// The pod as `namespace/name`.
    pub about: Rc<str>,
    /// Whether it can hold containers.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// The pod's address; none in the machine's own network.
    pub ip: Option<IpAddr>,
    /// Its network namespace while it has one.
    pub netns: Option<NetnsId>,
}

impl Sandbox {
    /// Whether containers can be made in it.
    pub fn can_hold_containers(&self) -> bool {
        self.state == SandboxState::Ready
    }
}
