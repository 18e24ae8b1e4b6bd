//! Pods that were to be disrupted and weren't: after a while their condition is taken back.
//! Models the stalePodDisruption queue of `pkg/controller/disruption/disruption.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodCondition};

use super::controller::DisruptionController;
use crate::client::{object_key, split_key};
use crate::controllers::util::worker::SyncResult;
use crate::controllers::util::{pods, time};

/// How long a pod may carry the condition without being deleted.
const STALE_AFTER: Duration = Duration::from_secs(120);

/// How long it is until a pod's condition is stale; `None` if it has none, or is going.
fn stale_in(c: &DisruptionController, pod: &Pod) -> Option<Duration> {
    if pods::is_terminal(pod) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let condition = pods::condition(pod.status.as_ref()?, "DisruptionTarget").filter(|c| c.status == "True")?;
    let since = condition.last_transition_time.as_ref()?;
    Some(time::until(c.client.sim(), time::plus_seconds(since, STALE_AFTER.as_secs() as i64)))
}

impl DisruptionController {
    /// Looks at a pod again when its condition would be stale.
    pub(super) fn watch_for_stale(&self, pod: &Pod) {
        if let Some(wait) = stale_in(self, pod) {
            self.stale.add_after(object_key(&pod.metadata), wait);
        }
    }

    pub(super) async fn sync_stale(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(pod) = self.pods.get_named(ns, n) else { return Ok(()) };
        match stale_in(self, &pod) {
            None => Ok(()),
            Some(wait) if !wait.is_zero() => {
                self.stale.add_after(key.clone(), wait);
                Ok(())
            }
            Some(_) => {
                let condition = PodCondition {
                    type_: "DisruptionTarget".into(),
                    status: "False".into(),
                    observed_generation: pod.metadata.generation,
                    ..PodCondition::default()
                };
                pods::patch_condition(&self.client, &pod, condition, time::now(self.client.sim())).await?;
                Ok(())
            }
        }
    }
}
