//! Which of the waits that objects tell of will really end: who should end one may be away.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::super::view::{Frame, PartState, PodShape, TimerKind, TimerView};
use super::super::{pods, timers};
use super::{MachineFacts, NodeEntry, Observer, PodEntry, World};
use crate::sim::{Sim, SimTime};

/// How many timers a frame carries at most.
const TIMERS_MAX: usize = 400;

/// A silence of this length is told.
const SILENCE_NS: u64 = 15_000_000_000;

/// The kube-controller-manager and its lease. Its controllers begin to count when it becomes the leader, whatever was counted
/// before.
#[derive(Default)]
pub(super) struct Manager {
    acquired_ns: u64,
    renewed_ns: u64,
}

impl Manager {
    const NAME: &str = "kube-controller-manager";
    /// A leader renews its lease every two seconds (RetryPeriod). One that did not for this long does not act, or can't.
    const RENEWAL_NS: u64 = 4_000_000_000;

    pub(super) fn lease_changed(&mut self, sim: &Sim, lease: &Lease) {
        if lease.metadata.name.as_deref() != Some(Self::NAME) {
            return;
        }
        let Some(spec) = &lease.spec else { return };
        let ns = |time: &Option<MicroTime>| time.as_ref().map_or(0, |t| sim.time_of(t.0).as_nanos());
        (self.acquired_ns, self.renewed_ns) = (ns(&spec.acquire_time), ns(&spec.renew_time));
    }

    /// Since when its controllers count, if they do.
    fn counts_since(&self, w: &World<'_>) -> Option<u64> {
        let runs = w.parts.iter().any(|p| p.name == Self::NAME && p.state == PartState::Running);
        let renewed = w.sim.now().as_nanos().saturating_sub(self.renewed_ns) < Self::RENEWAL_NS;
        (runs && renewed).then_some(self.acquired_ns)
    }
}

impl Observer {
    pub(super) fn emit_timers(&mut self, w: &World<'_>, frame: &mut Frame) {
        let now = w.sim.now();
        let manager = self.manager.counts_since(w);
        if let Some(since) = manager {
            self.emit_silences(now, since, frame);
        }
        self.emit_pulls(w, frame);
        let mut over = Vec::new();
        for key in &self.waiting {
            let Some(e) = self.pods.get(key) else {
                over.push(key.clone());
                continue;
            };
            match self.wait_of(w, e, manager) {
                Some(t) if t.until_ns > now.as_nanos() && self.ends(e, &t, manager) => frame.timers.push(t),
                // What is overdue waits for nobody's clock.
                Some(_) => {}
                None => over.push(key.clone()),
            }
            if frame.timers.len() >= TIMERS_MAX {
                break;
            }
        }
        for key in over {
            self.waiting.remove(&key);
        }
        frame.timers.sort_by(|a, b| (a.until_ns, &a.pod, a.machine).cmp(&(b.until_ns, &b.pod, b.machine)));
    }

    /// Nodes that are silent, and not yet called so. A node controller that has just begun waits as long as for any other.
    fn emit_silences(&self, now: SimTime, manager_since: u64, frame: &mut Frame) {
        for (lease, name) in &self.silent {
            if now.as_nanos().saturating_sub(*lease) < SILENCE_NS {
                break;
            }
            let (Some(m), Some(e)) = (self.machines.get(name), self.nodes.get(name)) else { continue };
            if e.lost || e.node.is_none() {
                continue;
            }
            frame.timers.push(TimerView {
                kind: TimerKind::NodeMonitorGrace,
                machine: Some(m.id),
                pod: String::new(),
                from_ns: *lease,
                until_ns: (*lease).max(manager_since) + timers::NODE_MONITOR_GRACE.as_nanos() as u64,
                then: format!("the node controller calls {name} NotReady"),
            });
        }
    }

    /// Pods whose image is on its way: the api-server knows nothing of it, the machine does.
    fn emit_pulls(&self, w: &World<'_>, frame: &mut Frame) {
        for pull in w.pulls {
            let on_it = self.nodes.get(&pull.machine).into_iter().flat_map(|n| &n.pods);
            for e in on_it.filter_map(|key| self.pods.get(key)) {
                if frame.timers.len() >= TIMERS_MAX {
                    return;
                }
                if pods::shape(&e.pod, false) == PodShape::Creating && timers::uses(&e.pod, &pull.image) {
                    frame.timers.push(timers::pull(&e.pod, pull));
                }
            }
        }
    }

    fn place_of(&self, e: &PodEntry) -> (Option<&MachineFacts>, Option<&NodeEntry>) {
        let name = e.node.as_ref();
        (name.and_then(|n| self.machines.get(n)), name.and_then(|n| self.nodes.get(n)))
    }

    /// What a pod waits for.
    fn wait_of(&self, w: &World<'_>, e: &PodEntry, manager_since: Option<u64>) -> Option<TimerView> {
        let node = self.place_of(e).1.and_then(|n| n.node.as_ref());
        timers::termination(w.sim, &e.pod)
            .or_else(|| node.and_then(|n| timers::eviction(w.sim, &e.pod, n, manager_since.unwrap_or(0))))
            .or_else(|| timers::back_off(w.sim, &e.pod))
    }

    /// Whether there is somebody who will end a wait.
    fn ends(&self, e: &PodEntry, t: &TimerView, manager_since: Option<u64>) -> bool {
        let (machine, node) = self.place_of(e);
        let kubelet = machine.is_none_or(|m| m.powered && m.kubelet);
        match t.kind {
            TimerKind::Eviction => manager_since.is_some(),
            // A kubelet that was cut off before a pod was deleted does not know.
            TimerKind::TerminationGrace => {
                kubelet && (machine.is_none_or(|m| m.plugged) || node.is_some_and(|n| n.lease_ns >= t.from_ns))
            }
            _ => kubelet,
        }
    }
}
