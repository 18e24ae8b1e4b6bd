//! The kubelets as the api-server reaches them: what listens on port 10250 of each node.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::kubelet::Kubelet;
use crate::sim::{MachineId, ProcessId, ProcessState, Sim};

struct Listening {
    machine: MachineId,
    process: ProcessId,
    kubelet: Kubelet,
}

/// The kubelets of a cluster by their nodes' names. Clones are the same.
#[derive(Clone)]
pub struct Kubelets {
    sim: Sim,
    all: Rc<RefCell<BTreeMap<Rc<str>, Listening>>>,
}

impl Kubelets {
    pub(super) fn new(sim: &Sim) -> Self {
        Kubelets { sim: sim.clone(), all: Rc::default() }
    }

    /// A kubelet has started.
    pub(super) fn add(&self, machine: MachineId, process: ProcessId, kubelet: &Kubelet) {
        let node = kubelet.config().node_name.clone();
        self.all.borrow_mut().insert(node, Listening { machine, process, kubelet: kubelet.clone() });
    }

    /// A machine is taken away for good.
    pub(super) fn remove(&self, node: &str) {
        self.all.borrow_mut().remove(node);
    }

    /// A node's kubelet as it is reached from the process `from`, an api-server's; otherwise how dialling it fails.
    pub fn dial(&self, from: ProcessId, node: &str) -> Result<Kubelet, String> {
        let all = self.all.borrow();
        let Some(l) = all.get(node) else { return Err(format!("dial tcp: lookup {node}: no such host")) };
        let to = format!("dial tcp {}:10250", l.kubelet.config().node_ip);
        if !self.sim.links().connected(self.sim.machine_of(from), l.machine) {
            return Err(format!("{to}: connect: no route to host"));
        }
        match self.sim.process_state(l.process) {
            ProcessState::Running => Ok(l.kubelet.clone()),
            ProcessState::Dead => Err(format!("{to}: connect: connection refused")),
            ProcessState::Stopped => Err(format!("{to}: i/o timeout")),
        }
    }
}
