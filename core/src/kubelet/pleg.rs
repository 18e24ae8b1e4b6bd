//! The pod lifecycle event generator: what changed in containerd is noticed once a second, at most.
//! Models `pkg/kubelet/pleg/generic.go`; a second in which nothing happens costs nothing.

use std::time::Duration;

use super::Kubelet;

const RELIST_PERIOD_NS: u64 = 1_000_000_000;

impl Kubelet {
    pub(super) fn run_pleg(&self) {
        let kubelet = self.clone();
        self.spawn(async move {
            let (sim, runtime) = (kubelet.0.sim.clone(), kubelet.0.runtime.clone());
            let phase = kubelet.0.started_at.as_nanos() % RELIST_PERIOD_NS;
            loop {
                runtime.changes().notify.notified().await;
                let now = sim.now().as_nanos();
                let wait = RELIST_PERIOD_NS - (now + RELIST_PERIOD_NS - phase) % RELIST_PERIOD_NS;
                sim.sleep(Duration::from_nanos(wait)).await;
                while !runtime.is_up() {
                    // A relist that fails is tried again at the next tick.
                    sim.sleep(Duration::from_secs(1)).await;
                }
                for (uid, cause) in runtime.changes().take() {
                    sim.set_cause(cause);
                    kubelet.kick(&uid);
                }
            }
        });
    }
}
