//! Machines: power, network cable, disk, and the services that systemd keeps running on them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::session::ServiceAction;
use crate::sim::{MachineId, Notify, ProcessId, ProcessState, Sim, TraceEvent};

/// What a machine is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineShape {
    /// CPUs.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Pods that its kubelet may run.
    pub max_pods: u32,
}

/// A systemd unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its main process, while it has one.
    pub process: Option<ProcessId>,
    /// Whether systemd shall keep it running.
    pub wanted: bool,
    /// How often it was started since the machine came up.
    pub starts: u32,
    /// When its process was started or ended last.
    pub since: Option<jiff::Timestamp>,
}

/// A line of the machine's journal.
#[derive(Clone, Debug)]
pub struct JournalLine {
    /// When it was written.
    pub at: jiff::Timestamp,
    /// Who wrote it: `systemd[1]`.
    pub from: Rc<str>,
    /// Which unit it is about.
    pub unit: &'static str,
    /// What it says.
    pub text: String,
}

/// How many lines of its journal a machine keeps.
const JOURNAL_LINES_MAX: usize = 1000;

/// Starts a unit's program: the process it runs as.
type Starter = Rc<dyn Fn(ProcessId)>;

/// One machine.
pub struct Machine {
    /// Its number.
    pub id: MachineId,
    /// Its host name, which is its node's.
    pub name: Rc<str>,
    /// Its address.
    pub ip: Rc<str>,
    /// Whether it carries the control plane.
    pub control_plane: bool,
    /// What it is made of.
    pub shape: MachineShape,
    /// Its files, by absolute path: manifests, configuration. They survive a power cut.
    pub files: Rc<RefCell<BTreeMap<String, String>>>,
    /// Told when a file changed.
    pub files_changed: Notify,
    /// Changes with every boot.
    pub boot_id: RefCell<String>,
    powered: Cell<bool>,
    units: RefCell<BTreeMap<&'static str, Unit>>,
    starters: RefCell<BTreeMap<&'static str, Starter>>,
    /// Counts power cuts, so that what was planned before one does nothing after it.
    boots: Cell<u32>,
    journal: RefCell<VecDeque<JournalLine>>,
}

/// What a unit's file says of it.
pub(crate) fn description(unit: &str) -> &'static str {
    match unit {
        "kubelet" => "kubelet: The Kubernetes Node Agent",
        _ => "containerd container runtime",
    }
}

/// How long a machine needs from power to its services. A small cloud machine's.
const BOOT_TIME: Duration = Duration::from_secs(8);

/// systemd's RestartSec: kubeadm's drop-in gives the kubelet 10 s, containerd's unit has 5 s.
fn restart_sec(unit: &str) -> Duration {
    Duration::from_secs(if unit == "kubelet" { 10 } else { 5 })
}

impl Machine {
    /// A machine that is switched on, with no services yet.
    pub fn new(sim: &Sim, id: MachineId, name: &str, ip: &str, control_plane: bool, shape: MachineShape) -> Rc<Self> {
        Rc::new(Machine {
            id,
            name: name.into(),
            ip: ip.into(),
            control_plane,
            shape,
            files: Rc::default(),
            files_changed: Notify::new(sim),
            boot_id: RefCell::new(sim.random_uuid()),
            powered: Cell::new(true),
            units: RefCell::default(),
            starters: RefCell::default(),
            boots: Cell::new(0),
            journal: RefCell::default(),
        })
    }

    /// Whether it is switched on.
    pub fn powered(&self) -> bool {
        self.powered.get()
    }

    /// Installs a unit; `start` begins its program in the process given.
    pub fn install(&self, unit: &'static str, start: impl Fn(ProcessId) + 'static) {
        self.starters.borrow_mut().insert(unit, Rc::new(start));
        self.units.borrow_mut().insert(unit, Unit { process: None, wanted: true, starts: 0, since: None });
    }

    /// A unit as it is.
    pub fn unit(&self, unit: &str) -> Option<Unit> {
        self.units.borrow().get(unit).cloned()
    }

    /// Whether a unit's process runs.
    pub fn unit_runs(&self, sim: &Sim, unit: &str) -> bool {
        self.unit(unit).and_then(|u| u.process).is_some_and(|p| sim.process_runs(p))
    }

    /// The names of the units.
    pub fn units(&self) -> Vec<&'static str> {
        self.units.borrow().keys().copied().collect()
    }

    /// Starts a unit unless it runs or the machine is off.
    pub fn start_unit(&self, sim: &Sim, unit: &str) {
        if !self.powered.get() || self.unit_runs(sim, unit) {
            return;
        }
        let Some((&name, starter)) = self.starters.borrow().get_key_value(unit).map(|(n, s)| (n, s.clone())) else {
            return;
        };
        let process = sim.start_process(name, self.id);
        if let Some(u) = self.units.borrow_mut().get_mut(unit) {
            u.process = Some(process);
            u.wanted = true;
            u.starts += 1;
            u.since = Some(sim.timestamp());
        }
        self.write(sim, name, format!("Started {name}.service - {}.", description(name)));
        sim.record(TraceEvent::Process { process, what: "started" });
        starter(process);
    }

    /// The journal's lines about a unit, or all of them, oldest first.
    pub fn journal(&self, unit: Option<&str>) -> Vec<JournalLine> {
        self.journal.borrow().iter().filter(|l| unit.is_none_or(|u| u == l.unit)).cloned().collect()
    }

    /// What systemd writes of a unit.
    fn write(&self, sim: &Sim, unit: &str, text: String) {
        let Some(&unit) = self.starters.borrow().get_key_value(unit).map(|(n, _)| n) else { return };
        let mut journal = self.journal.borrow_mut();
        journal.push_back(JournalLine { at: sim.timestamp(), from: "systemd[1]".into(), unit, text });
        if journal.len() > JOURNAL_LINES_MAX {
            journal.pop_front();
        }
    }

    /// Ends a unit's process.
    pub fn kill_unit(&self, sim: &Sim, unit: &str) {
        let process = self.units.borrow_mut().get_mut(unit).and_then(|u| {
            u.since = Some(sim.timestamp());
            u.process.take()
        });
        if let Some(p) = process
            && sim.process_state(p) != ProcessState::Dead
        {
            sim.kill_process(p);
            sim.record(TraceEvent::Process { process: p, what: "killed" });
        }
    }

    /// Ends a unit's process in order, as systemd writes it down.
    fn stop_unit(&self, sim: &Sim, unit: &str) {
        let ran = self.unit_runs(sim, unit);
        self.kill_unit(sim, unit);
        if ran {
            let what = description(unit);
            self.write(sim, unit, format!("Stopping {unit}.service - {what}..."));
            self.write(sim, unit, format!("{unit}.service: Deactivated successfully."));
            self.write(sim, unit, format!("Stopped {unit}.service - {what}."));
        }
    }

    /// What systemctl (or kill) does to a unit.
    pub fn act(self: &Rc<Self>, sim: &Sim, owner: ProcessId, unit: &str, action: ServiceAction) {
        match action {
            ServiceAction::Start => self.start_unit(sim, unit),
            ServiceAction::Stop => {
                if let Some(u) = self.units.borrow_mut().get_mut(unit) {
                    u.wanted = false;
                }
                self.stop_unit(sim, unit);
            }
            ServiceAction::Restart => {
                self.stop_unit(sim, unit);
                self.start_unit(sim, unit);
            }
            ServiceAction::Kill => {
                self.kill_unit(sim, unit);
                self.write(sim, unit, format!("{unit}.service: Main process exited, code=killed, status=9/KILL"));
                self.write(sim, unit, format!("{unit}.service: Failed with result 'signal'."));
                let (machine, sim2, unit, boot) = (self.clone(), sim.clone(), unit.to_owned(), self.boots.get());
                sim.spawn(owner, async move {
                    sim2.sleep(restart_sec(&unit)).await;
                    let wanted = machine.unit(&unit).is_some_and(|u| u.wanted && u.process.is_none());
                    if wanted && machine.boots.get() == boot {
                        let n = machine.unit(&unit).map_or(0, |u| u.starts);
                        machine.write(
                            &sim2,
                            &unit,
                            format!("{unit}.service: Scheduled restart job, restart counter is at {n}."),
                        );
                        machine.start_unit(&sim2, &unit);
                    }
                });
            }
        }
    }

    /// Pulls the plug: every process is gone at once.
    pub fn power_off(&self, sim: &Sim) {
        if !self.powered.replace(false) {
            return;
        }
        self.boots.set(self.boots.get() + 1);
        sim.record(TraceEvent::Machine { machine: self.id, what: "powered off" });
        for unit in self.units() {
            self.kill_unit(sim, unit);
        }
    }

    /// Switches it on: after it has booted, systemd starts what is wanted.
    pub fn power_on(self: &Rc<Self>, sim: &Sim, owner: ProcessId) {
        if self.powered.replace(true) {
            return;
        }
        *self.boot_id.borrow_mut() = sim.random_uuid();
        sim.record(TraceEvent::Machine { machine: self.id, what: "powered on" });
        let (machine, sim2, boot) = (self.clone(), sim.clone(), self.boots.get());
        sim.spawn(owner, async move {
            sim2.sleep(BOOT_TIME).await;
            if machine.boots.get() != boot || !machine.powered() {
                return;
            }
            // A reboot starts every unit that is enabled, also one that was stopped by hand before.
            for unit in machine.units() {
                machine.start_unit(&sim2, unit);
            }
        });
    }
}
