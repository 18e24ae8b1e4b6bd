//! What the controller needs of the kinds that it runs: ReplicaSet and ReplicationController.
//! Models the adapters of `pkg/controller/replication/conversion.go`.

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ReplicationController, ReplicationControllerCondition};

use crate::api::labels::Selector;
use crate::api::object::Kind;

/// A status that both kinds can say; ReplicaSet's own.
pub type ReplicatedStatus = ReplicaSetStatus;

/// A kind that keeps a number of pods alive.
pub trait Replicated: Kind {
    /// Whether the status counts terminating pods.
    const REPORTS_TERMINATING: bool;
    /// How many pods are wanted.
    fn replicas(&self) -> i32;
    /// Which pods are its own.
    fn selector(&self) -> Result<Selector, String>;
    /// What they are made of.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// How long a pod must be ready to count as available.
    fn min_ready_seconds(&self) -> i32;
    /// The status.
    fn status(&self) -> ReplicatedStatus;
    /// Sets the status.
    fn set_status(&mut self, status: ReplicatedStatus);
}

impl Replicated for ReplicaSet {
    const REPORTS_TERMINATING: bool = true;
    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
    }
    fn selector(&self) -> Result<Selector, String> {
        Selector::from_label_selector(self.spec.as_ref().map(|s| &s.selector))
    }
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }
    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0)
    }
    fn status(&self) -> ReplicatedStatus {
        self.status.clone().unwrap_or_default()
    }
    fn set_status(&mut self, status: ReplicatedStatus) {
        self.status = Some(status);
    }
}

impl Replicated for ReplicationController {
    const REPORTS_TERMINATING: bool = false;
    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
    }
    fn selector(&self) -> Result<Selector, String> {
        let labels = self.spec.as_ref().and_then(|s| s.selector.as_ref());
        Ok(labels.filter(|l| !l.is_empty()).map_or_else(Selector::nothing, Selector::from_map))
    }
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }
    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0)
    }
    fn status(&self) -> ReplicatedStatus {
        let s = self.status.clone().unwrap_or_default();
        ReplicatedStatus {
            replicas: s.replicas,
            fully_labeled_replicas: s.fully_labeled_replicas,
            ready_replicas: s.ready_replicas,
            available_replicas: s.available_replicas,
            observed_generation: s.observed_generation,
            terminating_replicas: None,
            conditions: s.conditions.map(|c| {
                c.into_iter()
                    .map(|c| ReplicaSetCondition {
                        type_: c.type_,
                        status: c.status,
                        reason: c.reason,
                        message: c.message,
                        last_transition_time: c.last_transition_time,
                    })
                    .collect()
            }),
        }
    }
    fn set_status(&mut self, s: ReplicatedStatus) {
        let status = self.status.get_or_insert_default();
        status.replicas = s.replicas;
        status.fully_labeled_replicas = s.fully_labeled_replicas;
        status.ready_replicas = s.ready_replicas;
        status.available_replicas = s.available_replicas;
        status.observed_generation = s.observed_generation;
        status.conditions = s.conditions.map(|c| {
            c.into_iter()
                .map(|c| ReplicationControllerCondition {
                    type_: c.type_,
                    status: c.status,
                    reason: c.reason,
                    message: c.message,
                    last_transition_time: c.last_transition_time,
                })
                .collect()
        });
    }
}
