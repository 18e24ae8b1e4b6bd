//! The machines as somebody has them who is logged in to one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Machine;
use super::programs::Programs;
use super::whole::Host;
use crate::apiserver::EtcdEndpoint;
use crate::runtime::Containerd;
use crate::session::ServiceAction;
use crate::sim::{MachineId, ProcessId, Sim};

/// The machines of a cluster. Clones are the same.
#[derive(Clone)]
pub struct Machines {
    pub(super) sim: Sim,
    pub(super) hosts: Rc<RefCell<BTreeMap<Rc<str>, Host>>>,
    pub(super) programs: Programs,
    /// Runs what belongs to nobody inside: systemd's timers.
    pub(super) hardware: ProcessId,
}

/// A machine that somebody is logged in to.
#[derive(Clone)]
pub struct Login {
    /// The machine.
    pub machine: Rc<Machine>,
    /// What runs containers on it.
    pub containerd: Rc<Containerd>,
    all: Machines,
}

impl Machines {
    /// Logs in from outside, by a machine's name or address; otherwise what ssh says.
    pub fn login(&self, to: &str) -> Result<Login, String> {
        let hosts = self.hosts.borrow();
        let named = hosts.get(to).or_else(|| hosts.values().find(|h| *h.machine.ip == *to));
        let Some(h) = named else {
            return Err(format!("ssh: Could not resolve hostname {to}: Name or service not known"));
        };
        if !h.machine.powered() || !self.sim.links().connected(MachineId::OUTSIDE, h.machine.id) {
            return Err(format!("ssh: connect to host {to} port 22: No route to host"));
        }
        Ok(Login { machine: h.machine.clone(), containerd: h.containerd.clone(), all: self.clone() })
    }
}

impl Login {
    /// Does to a unit what systemctl does.
    pub fn act(&self, unit: &str, action: ServiceAction) {
        self.machine.act(&self.all.sim, self.all.hardware, unit, action);
    }

    /// The etcd that listens on the machine, while it runs.
    pub fn etcd(&self) -> Option<EtcdEndpoint> {
        self.all.programs.process(self.machine.id, "etcd").filter(|p| self.all.sim.process_runs(*p))?;
        Some(self.all.programs.etcd(self.machine.id))
    }
}
