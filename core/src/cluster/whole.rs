//! The whole cluster, as its owner holds it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::person::{Output, Outputs};
use super::{ComponentContext, Machine, MachineShape};
use crate::client::ApiEndpoints;
use crate::etcd::Etcd;
use crate::observe::{Frame, MachineFacts, Observer, World};
use crate::registry::Registry;
use crate::session::{ClusterConfig, Input, MachineAction, Session, TimedInput};
use crate::sim::{MachineId, ProcessId, Sim, SimTime, TraceEvent};

/// A cluster: a pure function of its config and the inputs given to it.
pub struct Cluster {
    sim: Sim,
    registry: Rc<Registry>,
    endpoints: ApiEndpoints,
    machines: Vec<Rc<Machine>>,
    next_machine: u32,
    /// Runs what belongs to nobody inside: systemd's timers, firmware.
    hardware: ProcessId,
    /// The person's own computer.
    person: ProcessId,
    outputs: Outputs,
    session: Session,
}
