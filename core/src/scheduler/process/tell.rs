//! What a decision leads to: bindings, conditions, nominations and evictions.
//! Models kube-scheduler `schedule_one.go` (bindingCycle, updatePod) and `framework/preemption/executor.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::SchedulerProcess;
use crate::apiserver::DeleteOptions;
use crate::client::ClientError;
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::plugins::{default_binder, volume_binding};
use crate::scheduler::schedule_one::{Assignment, Failure};

/// Sets a condition as upstream's `UpdatePodCondition`; whether that changed anything.
fn set_condition(status: &mut PodStatus, mut new: PodCondition, now: &Time) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        None => {
            new.last_transition_time = Some(now.clone());
            conditions.push(new);
            true
        }
        Some(old) => {
            new.last_transition_time =
                if old.status == new.status { old.last_transition_time.clone() } else { Some(now.clone()) };
            let changed = *old != new;
            *old = new;
            changed
        }
    }
}

fn key(pod: &PodInfo) -> (&str, &str) {
    (pod.namespace(), pod.name())
}

impl SchedulerProcess {
    pub(super) async fn bind(&self, assignment: Assignment) {
        let (pod, node) = (Rc::clone(&assignment.pod.info), Rc::clone(&assignment.node));
        let (namespace, name) = key(&pod);
        let bound = match self.prepare(&assignment).await {
            Ok(()) => {
                let bound = self.0.client.bind(namespace, name, &pod.uid, &node).await;
                bound.map_err(|e| format!("running Bind plugin {:?}: {e}", default_binder::NAME))
            }
            Err(e) => Err(format!("running PreBind plugin {:?}: {e}", volume_binding::NAME)),
        };
        match bound {
            Ok(()) => {
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.0.recorder.normal(&pod.pod, "Scheduled", "Binding", &message);
            }
            Err(e) => {
                let failure = self.change(|s, now| s.binding_failed(assignment, &e, now));
                if let Some(failure) = failure {
                    self.tell_failure(failure);
                }
            }
        }
    }

    pub(super) fn tell_failure(&self, failure: Failure) {
        self.0.recorder.warning(&failure.pod.pod, "FailedScheduling", "Scheduling", &failure.event_message());
        let (p, client) = (self.clone(), &self.0.client);
        client.sim().spawn(client.process(), async move {
            p.update_pod(&failure).await;
            p.evict(&failure).await;
        });
    }

    /// Writes the condition and the nomination, if they say anything new.
    async fn update_pod(&self, failure: &Failure) {
        let pod = &failure.pod;
        let mut condition = PodCondition {
            type_: "PodScheduled".into(),
            observed_generation: pod.pod.metadata.generation,
            status: "False".into(),
            reason: Some(failure.reason.into()),
            message: Some(failure.message.clone()),
            ..PodCondition::default()
        };
        let known = pod.pod.status.clone().unwrap_or_default();
        let now = Time(self.0.client.sim().timestamp());
        let nominate = failure
            .nominate
            .as_deref()
            .filter(|node| *node != known.nominated_node_name.as_deref().unwrap_or_default());
        if !set_condition(&mut known.clone(), condition.clone(), &now) && nominate.is_none() {
            return;
        }
        let (namespace, name) = key(pod);
        // A failure leaves the old condition: the next try tells the news again.
        let _ = self
            .0
            .client
            .patch::<Pod>(namespace, name, "status", |stored| {
                if stored.metadata.uid != pod.pod.metadata.uid {
                    return;
                }
                let status = stored.status.get_or_insert_default();
                condition.last_probe_time = None;
                set_condition(status, condition.clone(), &now);
                if let Some(node) = nominate {
                    status.nominated_node_name = Some(node.to_owned()).filter(|n| !n.is_empty());
                }
            })
            .await;
    }

    /// Takes back the nominations that are void, and evicts the victims.
    async fn evict(&self, failure: &Failure) {
        if failure.victims.is_empty() {
            return;
        }
        for pod in failure.demoted.iter().filter(|p| !p.nominated_node_name().is_empty()) {
            let (namespace, name) = key(pod);
            let clear = |stored: &mut Pod| stored.status.get_or_insert_default().nominated_node_name = None;
            // Not critical: the next cycle of that pod sets it right.
            let _ = self.0.client.patch::<Pod>(namespace, name, "status", clear).await;
        }
        let mut failed = false;
        for victim in failure.victims.iter().map(|v| &v.0).filter(|v| !v.terminating) {
            if let Err(e) = self.evict_one(failure, victim).await
                && !e.is_not_found()
            {
                failed = true;
                break;
            }
        }
        self.change(|s, _| s.preemption_done(&failure.pod.uid, failed));
    }

    async fn evict_one(&self, failure: &Failure, victim: &PodInfo) -> Result<(), ClientError> {
        let (namespace, name) = key(victim);
        let by = failure.pod.spec().and_then(|s| s.scheduler_name.as_deref()).unwrap_or("default-scheduler");
        let condition = PodCondition {
            type_: "DisruptionTarget".into(),
            observed_generation: victim.pod.metadata.generation,
            status: "True".into(),
            reason: Some("PreemptionByScheduler".into()),
            message: Some(format!("{by}: preempting to accommodate a higher priority pod")),
            ..PodCondition::default()
        };
        let now = Time(self.0.client.sim().timestamp());
        let client = &self.0.client;
        client
            .patch::<Pod>(namespace, name, "status", |stored| {
                set_condition(stored.status.get_or_insert_default(), condition.clone(), &now);
            })
            .await?;
        client.delete::<Pod>(namespace, name, &DeleteOptions::default()).await?;
        let node = failure.nominate.as_deref().unwrap_or_default();
        let message = format!("Preempted by pod {} on node {node}", failure.pod.uid);
        self.0.recorder.preempted(&victim.pod, &failure.pod.pod, &message);
        Ok(())
    }
}
