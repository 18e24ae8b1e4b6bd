//! Creates, mends and deletes the pods of a StatefulSet and their claims, and tells of it by events.
//! Models `pkg/controller/statefulset/stateful_pod_control.go`.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use super::claims::{has_stale_ref, has_unexpected_controller, is_owner_up_to_date, retention, update_owners};
use super::identity::{
    claim_name, claim_templates, claims, identity_matches, ordinal, storage_matches, update_identity, update_storage,
};
use crate::apiserver::DeleteOptions;
use crate::client::{Client, EventRecorder, EventType, Informer};
use crate::controllers::util::worker::{SyncError, SyncResult, aggregate};
use crate::controllers::util::{name, namespace};

/// How long to wait before each try after a conflict. Models retry.DefaultBackoff.
const CONFLICT_BACKOFF: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250)];

/// The controller's hand on pods and claims.
#[derive(Clone)]
pub struct StatefulPodControl {
    pub client: Client,
    pub recorder: EventRecorder,
    pub pods: Informer<Pod>,
    pub claims: Informer<PersistentVolumeClaim>,
}

fn title(verb: &str) -> &'static str {
    match verb {
        "create" => "Create",
        "update" => "Update",
        _ => "Delete",
    }
}

impl StatefulPodControl {
    fn event(&self, verb: &str, set: &StatefulSet, error: Option<&dyn Display>, good: String, bad: String) {
        let what = title(verb);
        match error {
            None => self.recorder.event(set, EventType::Normal, &format!("Successful{what}"), &good),
            Some(e) => {
                self.recorder.event(
                    set,
                    EventType::Warning,
                    &format!("Failed{what}"),
                    &format!("{bad} failed error: {e}"),
                );
            }
        }
    }

    fn pod_event(&self, verb: &str, set: &StatefulSet, pod: &Pod, error: Option<&dyn Display>) {
        let text = format!("{verb} Pod {} in StatefulSet {}", name(&pod.metadata), name(&set.metadata));
        self.event(verb, set, error, format!("{text} successful"), text);
    }

    fn claim_event(&self, set: &StatefulSet, pod: &str, claim: &str, error: Option<&dyn Display>) {
        let set_name = name(&set.metadata);
        let good = format!("create Claim {claim} Pod {pod} in StatefulSet {set_name} success");
        let bad = format!("create Claim {claim} for Pod {pod} in StatefulSet {set_name}");
        self.event("create", set, error, good, bad);
    }

    /// Creates a pod, its claims first.
    pub async fn create(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        if let Err(e) = self.create_claims(set, pod).await {
            self.pod_event("create", set, pod, Some(&e));
            return Err(e);
        }
        let made = self.client.create(pod.clone()).await;
        if let Err(e) = &made
            && e.is_already_exists()
        {
            return Err(e.clone().into());
        }
        if let Err(e) = self.update_claim_owners(set, pod).await {
            self.pod_event("update", set, pod, Some(&e));
            return Err(e);
        }
        self.pod_event("create", set, pod, made.as_ref().err().map(|e| e as &dyn Display));
        made.map(|_| ()).map_err(Into::into)
    }

    /// Mends a pod whose identity or storage isn't the set's any more.
    pub async fn update(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        let mut pod = pod.clone();
        let mut attempted = false;
        let mut tries = CONFLICT_BACKOFF.iter();
        let outcome = loop {
            let consistent = self.conform(set, &mut pod).await?;
            if consistent {
                break Ok(());
            }
            attempted = true;
            let Err(e) = self.client.update(pod.clone()).await else { break Ok(()) };
            let n = name(&pod.metadata).to_owned();
            if let Some(fresh) = self.pods.get_named(namespace(&set.metadata), &n) {
                pod = (*fresh).clone();
            }
            match tries.next() {
                Some(wait) if e.is_conflict() => self.client.sim().sleep(*wait).await,
                _ => break Err(SyncError::from(e)),
            }
        };
        if attempted {
            self.pod_event("update", set, &pod, outcome.as_ref().err().map(|e| e as &dyn Display));
        }
        outcome
    }

    /// Makes the pod conform; whether it did already.
    async fn conform(&self, set: &StatefulSet, pod: &mut Pod) -> Result<bool, SyncError> {
        let mut consistent = true;
        if !identity_matches(set, pod) {
            update_identity(set, pod);
            consistent = false;
        }
        if !storage_matches(set, pod) {
            update_storage(set, pod);
            consistent = false;
            if let Err(e) = self.create_claims(set, pod).await {
                self.pod_event("update", set, pod, Some(&e));
                return Err(e);
            }
        }
        if !self.claims_match(set, pod) {
            consistent = false;
            if let Err(e) = self.update_claim_owners(set, pod).await {
                self.pod_event("update", set, pod, Some(&e));
                return Err(e);
            }
        }
        Ok(consistent)
    }

    /// Deletes a pod.
    pub async fn delete(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        let (ns, n) = (namespace(&set.metadata), name(&pod.metadata));
        let gone = self.client.delete::<Pod>(ns, n, &DeleteOptions::default()).await;
        self.pod_event("delete", set, pod, gone.as_ref().err().map(|e| e as &dyn Display));
        gone.map_err(Into::into)
    }

    fn claims_of(&self, set: &StatefulSet, pod: &Pod) -> Vec<Rc<PersistentVolumeClaim>> {
        let Some(ordinal) = ordinal(pod) else { return Vec::new() };
        let of = |t| self.claims.get_named(namespace(&set.metadata), &claim_name(set, t, ordinal));
        claim_templates(set).iter().filter_map(of).collect()
    }

    /// Whether the owners of a pod's claims are as the policy has them. Models ClaimsMatchRetentionPolicy.
    pub fn claims_match(&self, set: &StatefulSet, pod: &Pod) -> bool {
        self.claims_of(set, pod).iter().all(|c| is_owner_up_to_date(c, set, pod))
    }

    /// Sets the owners of a pod's claims. Models UpdatePodClaimForRetentionPolicy.
    pub async fn update_claim_owners(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        for claim in self.claims_of(set, pod) {
            let n = name(&claim.metadata);
            if has_unexpected_controller(&claim, set, pod) {
                let message = format!(
                    "PersistentVolumeClaim {n} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim"
                );
                self.recorder.event(set, EventType::Warning, "ConflictingController", &message);
            }
            if is_owner_up_to_date(&claim, set, pod) {
                continue;
            }
            let mut changed = (*claim).clone();
            update_owners(&mut changed, set, pod);
            if let Err(e) = self.client.update(changed).await {
                return Err(SyncError::message(format!("could not update claim {n} for delete policy ownerRefs: {e}")));
            }
        }
        Ok(())
    }

    /// Whether a claim still belongs to an earlier pod of the name, so that the pod can't be made yet. Models PodClaimIsStale.
    pub fn claim_is_stale(&self, set: &StatefulSet, pod: &Pod) -> bool {
        retention(set).delete_when_scaled && self.claims_of(set, pod).iter().any(|c| has_stale_ref(c, pod))
    }

    /// Creates the claims that a pending pod lacks.
    pub async fn create_missing_claims(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        self.create_claims(set, pod).await?;
        if let Err(e) = self.update_claim_owners(set, pod).await {
            self.pod_event("update", set, pod, Some(&e));
            return Err(e);
        }
        Ok(())
    }

    async fn create_claims(&self, set: &StatefulSet, pod: &Pod) -> SyncResult {
        let Some(ordinal) = ordinal(pod) else { return Ok(()) };
        let mut errors = Vec::new();
        for (_, claim) in claims(set, ordinal) {
            let n = name(&claim.metadata).to_owned();
            match self.claims.get_named(namespace(&set.metadata), &n) {
                Some(have) if have.metadata.deletion_timestamp.is_some() => {
                    errors.push(SyncError::message(format!("pvc {n} is being deleted")));
                }
                Some(_) => {}
                None => {
                    let made = self.client.create(claim).await;
                    if let Err(e) = &made {
                        errors.push(SyncError::message(format!("failed to create PVC {n}: {e}")));
                    }
                    if !made.as_ref().is_err_and(|e| e.is_already_exists()) {
                        let error = made.as_ref().err().map(|e| e as &dyn Display);
                        self.claim_event(set, name(&pod.metadata), &n, error);
                    }
                }
            }
        }
        aggregate(errors)
    }
}
