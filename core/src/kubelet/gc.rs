//! What dead pods leave behind: containers, sandboxes, pods that nobody knows.
//! Models `pkg/kubelet/kuberuntime/kuberuntime_gc.go` and the orphan cleanup of `kubelet_pods.go`.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::Kubelet;
use super::pod::ContainerView;
use crate::runtime::containerd::{CriError, Id};

/// ContainerGCPeriod.
const PERIOD: Duration = Duration::from_secs(60);
/// housekeepingPeriod: what could not be ended is tried again.
const HOUSEKEEPING: Duration = Duration::from_secs(2);

impl Kubelet {
    /// Something died: what it left is collected within the next minute.
    pub(super) fn collect_garbage(&self) {
        if self.0.collecting.replace(true) {
            return;
        }
        let kubelet = self.clone();
        self.spawn(async move {
            kubelet.0.sim.sleep(PERIOD).await;
            kubelet.0.collecting.set(false);
            if kubelet.collect().await.is_err() {
                kubelet.collect_garbage();
            }
        });
    }

    async fn collect(&self) -> Result<(), CriError> {
        let runtime = self.0.runtime.clone();
        for uid in runtime.pod_uids() {
            let rs = self.runtime_status(&uid)?;
            // Before the api-server has told its pods none is gone only because it is not known.
            let gone = self.0.sources_ready.get() && !self.0.pods.borrow().contains_key(&uid);
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            let mut dead: Vec<Id> = Vec::new();
            for c in &rs.containers {
                let newest = seen.insert(&c.name);
                // The newest dead container of each name is kept with its log while its pod is there; of a pod that is
                // gone nothing is kept. One more is kept as the state before.
                let kept = rs.containers.iter().filter(|o| o.name == c.name).position(|o| o.id == c.id);
                let spare = !gone && (newest || kept.is_some_and(|i| i <= 1));
                if !c.running() && !spare {
                    dead.push(c.id);
                }
            }
            for id in dead {
                runtime.remove_container(id).await?;
            }
            for (i, s) in rs.sandboxes.iter().enumerate() {
                if !s.ready && (gone || i > 0) {
                    runtime.remove_pod_sandbox(s.id).await?;
                }
            }
        }
        Ok(())
    }

    /// Pods in containerd that no source knows any more are ended, as after a kubelet that was away for long.
    pub(super) async fn clean_up_orphans(&self) {
        let runtime = self.0.runtime.clone();
        for uid in runtime.pod_uids() {
            if self.0.pods.borrow().contains_key(&uid) {
                continue;
            }
            let (kubelet, uid) = (self.clone(), Rc::clone(&uid));
            self.spawn(async move { kubelet.end_orphan(&uid).await });
        }
    }

    async fn end_orphan(&self, uid: &Rc<str>) {
        while self.try_end_orphan(uid).await.is_err() {
            self.0.sim.sleep(HOUSEKEEPING).await;
            if self.0.pods.borrow().contains_key(uid) {
                return;
            }
        }
        self.collect_garbage();
    }

    async fn try_end_orphan(&self, uid: &Rc<str>) -> Result<(), CriError> {
        let runtime = &self.0.runtime;
        let rs = self.runtime_status(uid)?;
        for c in rs.containers.iter().filter(|c| ContainerView::running(c)) {
            let grace = runtime.container_status(c.id, |c| c.spec.grace_seconds)?;
            let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
            runtime.stop_container(c.id, grace).await?;
        }
        for s in rs.sandboxes.iter().filter(|s| s.ready) {
            runtime.stop_pod_sandbox(s.id).await?;
        }
        Ok(())
    }
}
