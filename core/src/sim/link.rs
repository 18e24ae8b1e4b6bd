//! Links between machines: latency and partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A machine: anything with a network card. Ids are never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct MachineId(pub u32);

impl MachineId {
    /// The person's own computer, outside the cluster.
    pub const OUTSIDE: MachineId = MachineId(u32::MAX);
}

/// How machines reach each other.
#[derive(Debug)]
pub struct Links {
    latency: Duration,
    overrides: BTreeMap<(MachineId, MachineId), Duration>,
    /// Machines whose cable is pulled: they reach nobody but themselves.
    unplugged: BTreeSet<MachineId>,
    /// Pairs that can't reach each other, lower id first.
    cut: BTreeSet<(MachineId, MachineId)>,
}

impl Default for Links {
    fn default() -> Self {
        Links {
            latency: Duration::from_micros(500),
            overrides: BTreeMap::new(),
            unplugged: BTreeSet::new(),
            cut: BTreeSet::new(),
        }
    }
}

fn pair(a: MachineId, b: MachineId) -> (MachineId, MachineId) {
    if a <= b { (a, b) } else { (b, a) }
}

impl Links {
    /// One-way latency between two machines; a fixed small part of it within one machine.
    pub fn latency(&self, a: MachineId, b: MachineId) -> Duration {
        if a == b {
            return Duration::from_micros(100);
        }
        if self.overrides.is_empty() {
            return self.latency;
        }
        self.overrides.get(&pair(a, b)).copied().unwrap_or(self.latency)
    }

    /// Sets the one-way latency between two machines.
    pub fn set_latency(&mut self, a: MachineId, b: MachineId, d: Duration) {
        self.overrides.insert(pair(a, b), d);
    }

    /// Whether packets get from one machine to the other.
    pub fn connected(&self, a: MachineId, b: MachineId) -> bool {
        a == b
            || ((self.unplugged.is_empty() || (!self.unplugged.contains(&a) && !self.unplugged.contains(&b)))
                && (self.cut.is_empty() || !self.cut.contains(&pair(a, b))))
    }

    /// Pulls a machine's network cable.
    pub fn unplug(&mut self, m: MachineId) {
        self.unplugged.insert(m);
    }

    /// Puts a machine's network cable back.
    pub fn plug(&mut self, m: MachineId) {
        self.unplugged.remove(&m);
    }

    /// Whether a machine's network cable is pulled.
    pub fn is_unplugged(&self, m: MachineId) -> bool {
        self.unplugged.contains(&m)
    }

    /// Cuts the link between two machines.
    pub fn cut(&mut self, a: MachineId, b: MachineId) {
        self.cut.insert(pair(a, b));
    }

    /// Mends the link between two machines.
    pub fn mend(&mut self, a: MachineId, b: MachineId) {
        self.cut.remove(&pair(a, b));
    }
}
