//! Ending containers: pre-stop hook, stop signal, grace, SIGKILL. Models `pkg/kubelet/kuberuntime/kuberuntime_container.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::Kubelet;
use super::pod::{self, ContainerView, RuntimeStatus};
use super::prober::ProbeKind;
use crate::client::EventType;
use crate::runtime::containerd::{CriError, Id};
use crate::sim::WaitGroup;

/// minimumGracePeriodInSeconds: what a container has left to end after a long hook.
const MINIMUM_GRACE: i64 = 2;

impl Kubelet {
    fn grace(&self, p: &Pod, c: Option<&Container>, probe: Option<ProbeKind>) -> i64 {
        if let Some(g) = p.metadata.deletion_grace_period_seconds {
            return g;
        }
        let own = match probe {
            Some(ProbeKind::Liveness) => c.and_then(|c| c.liveness_probe.as_ref()),
            Some(ProbeKind::Startup) => c.and_then(|c| c.startup_probe.as_ref()),
            _ => None,
        };
        own.and_then(|p| p.termination_grace_period_seconds)
            .or(pod::spec(p).termination_grace_period_seconds)
            .unwrap_or(30)
    }

    /// Ends one container. `message` is the event's; `grace` overrides the pod's.
    pub(super) async fn kill_container(
        &self,
        p: &Rc<Pod>,
        id: Id,
        name: &str,
        message: Option<String>,
        probe: Option<ProbeKind>,
        grace: Option<i64>,
    ) -> Result<(), CriError> {
        let c = pod::all_containers(p).find(|(c, _)| c.name == name).map(|(c, _)| c);
        let mut left = grace.unwrap_or_else(|| self.grace(p, c, probe));
        let message = message.unwrap_or_else(|| format!("Stopping container {name}"));
        self.container_event(p, name, EventType::Normal, "Killing", &message);
        let hook = c.and_then(|c| c.lifecycle.as_ref()).and_then(|l| l.pre_stop.as_ref());
        if let (Some(hook), Some(c)) = (hook, c)
            && left > 0
        {
            let begin = self.now();
            let ip = self.runtime_status(pod::uid(p)).ok().and_then(|rs| rs.ready_sandbox().and_then(|s| s.ip));
            let limit = Duration::from_secs(u64::try_from(left).unwrap_or(0));
            let outcome = self.0.sim.timeout(limit, self.run_handler(p, c, id, ip, hook)).await;
            if let Some(Err(why)) = outcome {
                let message = format!("PreStopHook failed: {why}");
                self.container_event(p, name, EventType::Warning, "FailedPreStopHook", &message);
            }
            left -= i64::try_from(self.now().since(begin).as_secs()).unwrap_or(0);
        }
        // Nobody ends without a moment to do so, unless that is what was asked for.
        if grace != Some(0) {
            left = left.max(MINIMUM_GRACE);
        }
        self.0.runtime.stop_container(id, Duration::from_secs(u64::try_from(left).unwrap_or(0))).await
    }

    /// Ends all containers of a pod, sidecars last, then its sandboxes.
    pub(super) async fn kill_pod(&self, p: &Rc<Pod>, rs: &RuntimeStatus, grace: Option<i64>) -> Result<(), CriError> {
        let sidecar =
            |v: &ContainerView| pod::init_containers(p).iter().position(|c| *c.name == *v.name && pod::is_sidecar(c));
        let begin = self.now();
        let running = || rs.containers.iter().filter(|v| v.running());
        let main: Vec<&ContainerView> = running().filter(|v| sidecar(v).is_none()).collect();
        if let [only] = main.as_slice() {
            self.kill_container(p, only.id, &only.name, None, None, grace).await?;
        } else if !main.is_empty() {
            let all = WaitGroup::new(&self.0.sim);
            all.add(main.len());
            for v in main {
                let (kubelet, p, id, name, all) = (self.clone(), p.clone(), v.id, v.name.clone(), all.clone());
                self.spawn(async move {
                    // What still runs is seen afterwards, and the pod's end tried again.
                    let _ = kubelet.kill_container(&p, id, &name, None, None, grace).await;
                    all.done();
                });
            }
            all.wait().await;
        }
        let mut sidecars: Vec<(usize, &ContainerView)> = running().filter_map(|v| Some((sidecar(v)?, v))).collect();
        sidecars.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (_, v) in sidecars {
            let used = i64::try_from(self.now().since(begin).as_secs()).unwrap_or(0);
            let left = (grace.unwrap_or_else(|| self.grace(p, None, None)) - used).max(0);
            self.kill_container(p, v.id, &v.name, None, None, Some(left.max(MINIMUM_GRACE))).await?;
        }
        for s in &rs.sandboxes {
            self.0.runtime.stop_pod_sandbox(s.id).await?;
        }
        Ok(())
    }
}
