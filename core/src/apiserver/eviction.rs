//! The eviction subresource: a delete that disruption budgets may forbid.
//! Models `pkg/registry/core/pod/storage/eviction.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions as ApiDeleteOptions, Time};

use super::delete::check_preconditions;
use super::{ApiServer, Caller, DeleteOptions, Preconditions, Propagation, UpdateOptions};
use crate::api::labels;
use crate::api::object::{Obj, make_mut, typed_mut};
use crate::api::status::{Cause, Details, Status};
use crate::registry::pod_disruption_budget;

impl ApiServer {
    /// Evicts a pod. A pod of several budgets isn't evicted; upstream tells that in an answer that isn't an error.
    pub fn evict(
        &mut self,
        caller: &Caller,
        namespace: &str,
        name: &str,
        options: ApiDeleteOptions,
        dry_run: bool,
    ) -> Result<Option<Status>, Status> {
        let Some(id) = self.registry.id_of::<Pod>() else { return Err(Status::not_found("", "pods", name)) };
        let Some(pod) = self.one_of::<Pod>(namespace, name) else { return Err(self.not_found(id, name)) };
        let dry_run = dry_run || options.dry_run.as_ref().is_some_and(|d| !d.is_empty());
        let preconditions = options.preconditions.unwrap_or_default();
        let mut delete = DeleteOptions {
            grace_period_seconds: options.grace_period_seconds,
            preconditions: Preconditions { uid: preconditions.uid, resource_version: preconditions.resource_version },
            propagation: options.propagation_policy.as_deref().and_then(|p| match p {
                "Orphan" => Some(Propagation::Orphan),
                "Foreground" => Some(Propagation::Foreground),
                "Background" => Some(Propagation::Background),
                _ => None,
            }),
            dry_run,
        };
        if !can_ignore_budgets(&pod) {
            let matching = self.budgets_of(namespace, &pod);
            if matching.len() > 1 {
                let why =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Ok(Some(Status::other(500, "", why)));
            }
            if let Some(budget) = matching.first() {
                self.take_disruption(caller, namespace, &pod, budget, dry_run)?;
            }
        }
        if !dry_run {
            let marked = self.mark_evicted(caller, namespace, name, &delete.preconditions)?;
            // Whoever asked for a version means the pod as it was before it was marked.
            if delete.preconditions.resource_version.is_some() {
                delete.preconditions.resource_version.clone_from(&marked.meta().resource_version);
            }
        }
        self.delete(caller, id, namespace, name, &delete).map(|_| None)
    }

    fn budgets_of(&self, namespace: &str, pod: &Pod) -> Vec<Rc<PodDisruptionBudget>> {
        let budgets = self.all_of::<PodDisruptionBudget>(Some(namespace));
        budgets
            .into_iter()
            .filter(|b| {
                let selector = b.spec.as_ref().and_then(|s| s.selector.as_ref());
                labels::Selector::from_label_selector(selector).is_ok_and(|s| s.matches_meta(&pod.metadata))
            })
            .collect()
    }

    /// Counts the eviction against the pod's budget.
    fn take_disruption(
        &mut self,
        caller: &Caller,
        namespace: &str,
        pod: &Pod,
        budget: &PodDisruptionBudget,
        dry_run: bool,
    ) -> Result<(), Status> {
        let name = budget.metadata.name.clone().unwrap_or_default();
        let ready = pod
            .status
            .iter()
            .flat_map(|s| s.conditions.iter().flatten())
            .any(|c| c.type_ == "Ready" && c.status == "True");
        let status = budget.status.clone().unwrap_or_default();
        let (allowed, healthy, desired) = (
            status.disruptions_allowed.unwrap_or(0),
            status.current_healthy.unwrap_or(0),
            status.desired_healthy.unwrap_or(0),
        );
        let policy = budget.spec.as_ref().and_then(|s| s.unhealthy_pod_eviction_policy.as_deref());
        if !ready && (policy == Some("AlwaysAllow") || healthy >= desired && desired > 0) {
            return Ok(());
        }
        let observed = status.observed_generation.unwrap_or(0);
        let disrupted = status.disrupted_pods.as_ref().map_or(0, std::collections::BTreeMap::len);
        let refuse = |message: String, retry: i32| {
            let cause = Cause { reason: "DisruptionBudget".into(), message, field: String::new() };
            Status::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
                .with_details(Details { causes: vec![cause], retry_after_seconds: retry, ..Details::default() })
        };
        if observed < budget.metadata.generation.unwrap_or(0) {
            return Err(refuse(format!("The disruption budget {name} is still being processed by the server."), 10));
        }
        if allowed < 0 {
            return Err(Status::forbidden(
                "policy",
                "poddisruptionbudgets",
                &name,
                "pdb disruptions allowed is negative",
            ));
        }
        if disrupted > 2000 {
            return Err(Status::forbidden(
                "policy",
                "poddisruptionbudgets",
                &name,
                "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            ));
        }
        if allowed == 0 {
            let failed = status.conditions.iter().flatten().find(|c| {
                c.type_ == pod_disruption_budget::DISRUPTION_ALLOWED && c.status == "False" && c.reason == "SyncFailed"
            });
            let why = match failed {
                Some(c) => format!(
                    "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
                    c.message
                ),
                None => {
                    format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
                }
            };
            return Err(refuse(why, 0));
        }
        let Some(id) = self.registry.id_of::<PodDisruptionBudget>() else { return Ok(()) };
        let now = Time(jiff::Timestamp::from_second(self.sim.timestamp().as_second()).unwrap_or_default());
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        let updater = Box::new(move |old: &Obj| {
            let mut new = old.clone();
            if let Some(b) = typed_mut::<PodDisruptionBudget>(make_mut(&mut new)) {
                let status = b.status.get_or_insert_default();
                let left = status.disruptions_allowed.unwrap_or(0) - 1;
                status.disruptions_allowed = Some(left);
                if left == 0 {
                    let none = pod_disruption_budget::disruption_allowed(0);
                    pod_disruption_budget::set_disruption_allowed(status, none, "", &now);
                }
                status.disrupted_pods.get_or_insert_default().insert(pod_name.clone(), now.clone());
            }
            Ok(new)
        });
        let o = UpdateOptions { dry_run, ..UpdateOptions::default() };
        self.update(caller, "update", id, (namespace, &name), "status", updater, &o).map(|_| ())
    }

    /// Says in the pod's status that it is evicted, if it is the one that is meant.
    fn mark_evicted(
        &mut self,
        caller: &Caller,
        namespace: &str,
        name: &str,
        meant: &Preconditions,
    ) -> Result<Obj, Status> {
        let Some(id) = self.registry.id_of::<Pod>() else { return Err(Status::not_found("", "pods", name)) };
        let now = Time(self.sim.timestamp());
        // What is asked for and empty is not asked for.
        let filled = |asked: &Option<String>| asked.clone().filter(|asked| !asked.is_empty());
        let meant = Preconditions { uid: filled(&meant.uid), resource_version: filled(&meant.resource_version) };
        let updater = Box::new(move |old: &Obj| {
            let name = old.meta().name.as_deref().unwrap_or_default();
            check_preconditions(("", "Pod", name), old.meta(), &meant)?;
            let mut new = old.clone();
            if let Some(pod) = typed_mut::<Pod>(make_mut(&mut new)) {
                let generation = pod.metadata.generation;
                let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
                let had = conditions.iter().position(|c| c.type_ == "DisruptionTarget");
                let since = had.and_then(|i| conditions.get(i)).filter(|c| c.status == "True");
                let condition = PodCondition {
                    type_: "DisruptionTarget".into(),
                    status: "True".into(),
                    reason: Some("EvictionByEvictionAPI".into()),
                    message: Some("Eviction API: evicting".into()),
                    last_transition_time: since.and_then(|c| c.last_transition_time.clone()).or(Some(now.clone())),
                    observed_generation: generation,
                    ..PodCondition::default()
                };
                match had.and_then(|i| conditions.get_mut(i)) {
                    Some(c) => *c = condition,
                    None => conditions.push(condition),
                }
            }
            Ok(new)
        });
        self.update(caller, "update", id, (namespace, name), "eviction", updater, &UpdateOptions::default())
    }
}

/// Pods that are over, not started, or going already don't count for budgets.
fn can_ignore_budgets(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed" | "Pending")) || pod.metadata.deletion_timestamp.is_some()
}
