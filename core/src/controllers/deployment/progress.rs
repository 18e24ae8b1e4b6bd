//! Whether a rollout gets on, is done, or has taken too long. Models `pkg/controller/deployment/progress.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};

use super::controller::DeploymentController;
use super::util::*;
use crate::client::object_key;
use crate::controllers::util::worker::SyncResult;
use crate::controllers::util::{name, time};

/// Whether all pods are of the present template and available, and none are left over.
pub(super) fn complete(d: &Deployment, s: &DeploymentStatus) -> bool {
    let n = |v: Option<i32>| v.unwrap_or(0);
    n(s.updated_replicas) == replicas(d)
        && n(s.replicas) == replicas(d)
        && n(s.available_replicas) == replicas(d)
        && s.observed_generation.unwrap_or(0) >= d.metadata.generation.unwrap_or(0)
}

/// Whether something got better between the Deployment's status and the new one.
fn progressing(d: &Deployment, new: &DeploymentStatus) -> bool {
    let old = d.status.clone().unwrap_or_default();
    let n = |v: Option<i32>| v.unwrap_or(0);
    let outdated = |s: &DeploymentStatus| n(s.replicas) - n(s.updated_replicas);
    n(new.updated_replicas) > n(old.updated_replicas)
        || outdated(new) < outdated(&old)
        || n(new.ready_replicas) > n(old.ready_replicas)
        || n(new.available_replicas) > n(old.available_replicas)
}

fn deadline(d: &Deployment, c: &DeploymentCondition) -> Option<jiff::Timestamp> {
    let seconds = d.spec.as_ref().and_then(|s| s.progress_deadline_seconds)?;
    Some(time::plus_seconds(c.last_update_time.as_ref()?, seconds.into()))
}

fn timed_out(d: &Deployment, new: &DeploymentStatus, now: jiff::Timestamp) -> bool {
    let Some(c) = condition(new, PROGRESSING).filter(|_| has_progress_deadline(d)) else { return false };
    match c.reason.as_deref() {
        Some(NEW_RS_AVAILABLE) => false,
        Some(TIMED_OUT) => true,
        _ => deadline(d, c).is_some_and(|at| at < now),
    }
}

impl DeploymentController {
    pub(super) async fn sync_rollout_status(
        &self,
        all: &Sets,
        new: Option<&Rc<ReplicaSet>>,
        d: &mut Deployment,
    ) -> SyncResult {
        let mut status = self.calculate_status(all, new, d);
        if !has_progress_deadline(d) {
            remove_condition(&mut status, PROGRESSING);
        }
        let current = d.status.as_ref().and_then(|s| condition(s, PROGRESSING)).cloned();
        let settled = status.replicas == status.updated_replicas
            && current.as_ref().and_then(|c| c.reason.as_deref()) == Some(NEW_RS_AVAILABLE);
        let sim = self.client.sim();
        if has_progress_deadline(d) && !settled {
            let now = time::now(sim);
            let about = match new {
                Some(rs) => format!("ReplicaSet \"{}\"", name(&rs.metadata)),
                None => format!("Deployment \"{}\"", name(&d.metadata)),
            };
            if complete(d, &status) {
                let message = format!("{about} has successfully progressed.");
                set_condition(&mut status, new_condition(PROGRESSING, "True", NEW_RS_AVAILABLE, message, &now));
            } else if progressing(d, &status) {
                let message = format!("{about} is progressing.");
                let mut c = new_condition(PROGRESSING, "True", "ReplicaSetUpdated", message, &now);
                if let Some(current) = current {
                    if current.status == "True" {
                        c.last_transition_time = current.last_transition_time;
                    }
                    // Taken off first, so that the time of the update is renewed even if nothing else differs.
                    remove_condition(&mut status, PROGRESSING);
                }
                set_condition(&mut status, c);
            } else if timed_out(d, &status, sim.timestamp()) {
                let message = format!("{about} has timed out progressing.");
                set_condition(&mut status, new_condition(PROGRESSING, "False", TIMED_OUT, message, &now));
            }
        }
        match replica_failure(all, new) {
            Some(c) => set_condition(&mut status, c),
            None => remove_condition(&mut status, REPLICA_FAILURE),
        }
        if d.status.as_ref() == Some(&status) {
            self.requeue_stuck(d, &status);
            return Ok(());
        }
        d.status = Some(status);
        self.client.update_status(d.clone()).await?;
        Ok(())
    }

    /// Sees to it that a rollout which doesn't move is looked at again when its deadline is over.
    fn requeue_stuck(&self, d: &Deployment, status: &DeploymentStatus) {
        let Some(c) = d.status.as_ref().and_then(|s| condition(s, PROGRESSING)).filter(|_| has_progress_deadline(d))
        else {
            return;
        };
        if complete(d, status) || c.reason.as_deref() == Some(TIMED_OUT) {
            return;
        }
        let Some(at) = deadline(d, c) else { return };
        let after = time::until(self.client.sim(), at);
        let key = object_key(&d.metadata);
        if after < Duration::from_secs(1) {
            self.queue.add_rate_limited(key);
        } else {
            // A second more, since the deadline is in whole seconds.
            self.queue.add_after(key, after + Duration::from_secs(1));
        }
    }
}

/// What keeps a ReplicaSet from making its pods: the new one's word first.
fn replica_failure(all: &Sets, new: Option<&Rc<ReplicaSet>>) -> Option<DeploymentCondition> {
    let of = |rs: &Rc<ReplicaSet>| {
        let conditions = rs.status.as_ref()?.conditions.as_ref()?;
        let c = conditions.iter().find(|c| c.type_ == REPLICA_FAILURE)?;
        Some(DeploymentCondition {
            type_: c.type_.clone(),
            status: c.status.clone(),
            reason: c.reason.clone(),
            message: c.message.clone(),
            last_transition_time: c.last_transition_time.clone(),
            last_update_time: c.last_transition_time.clone(),
        })
    };
    new.and_then(of).or_else(|| all.iter().find_map(of))
}
