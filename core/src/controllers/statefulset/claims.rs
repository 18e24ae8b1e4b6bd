//! Who owns a pod's claims, as persistentVolumeClaimRetentionPolicy has it.
//! Models the second half of `pkg/controller/statefulset/stateful_set_utils.go`.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::identity::{in_range, ordinal};
use crate::api::object::Kind;
use crate::controllers::util::{name, new_controller_ref, uid};

/// What becomes of claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// They go with the set.
    pub delete_with_set: bool,
    /// They go with a pod that is scaled away.
    pub delete_when_scaled: bool,
}

/// A set's policy; without one claims stay.
pub fn retention(set: &StatefulSet) -> Retention {
    let policy = set.spec.as_ref().and_then(|s| s.persistent_volume_claim_retention_policy.as_ref());
    let deletes = |p: Option<&String>| p.is_some_and(|p| p == "Delete");
    Retention {
        delete_with_set: deletes(policy.and_then(|p| p.when_deleted.as_ref())),
        delete_when_scaled: deletes(policy.and_then(|p| p.when_scaled.as_ref())),
    }
}

fn refs(claim: &PersistentVolumeClaim) -> &[OwnerReference] {
    claim.metadata.owner_references.as_deref().unwrap_or_default()
}

/// Whether a reference names the object, of whatever uid.
fn names<K: Kind>(r: &OwnerReference, o: &K) -> bool {
    r.api_version == K::API_VERSION && r.kind == K::KIND && r.name == name(o.metadata())
}

fn owned_by<K: Kind>(claim: &PersistentVolumeClaim, o: &K) -> bool {
    refs(claim).iter().any(|r| r.uid == uid(o.metadata()))
}

/// Whether a claim is owned by an earlier object of the name.
pub fn has_stale_ref<K: Kind>(claim: &PersistentVolumeClaim, o: &K) -> bool {
    refs(claim).iter().find(|r| names(r, o)).is_some_and(|r| r.uid != uid(o.metadata()))
}

/// Whether a claim that the policy may delete is managed by somebody else. Models hasUnexpectedController.
pub fn has_unexpected_controller(claim: &PersistentVolumeClaim, set: &StatefulSet, pod: &Pod) -> bool {
    let policy = retention(set);
    if !policy.delete_with_set && !policy.delete_when_scaled {
        return false;
    }
    refs(claim).iter().any(|r| {
        if names(r, set) {
            r.uid != uid(&set.metadata)
        } else if names(r, pod) {
            r.uid != uid(&pod.metadata)
        } else {
            r.controller == Some(true)
        }
    })
}

/// Whether the set, and whether the pod, is to own the claim.
fn wanted_owners(set: &StatefulSet, pod: &Pod) -> (bool, bool) {
    let policy = retention(set);
    let scaled_away = ordinal(pod).is_none_or(|o| !in_range(o, set));
    let pod_owns = policy.delete_when_scaled && scaled_away;
    (policy.delete_with_set && !pod_owns, pod_owns)
}

/// Whether a claim's owners are as the policy has them. Models isClaimOwnerUpToDate.
pub fn is_owner_up_to_date(claim: &PersistentVolumeClaim, set: &StatefulSet, pod: &Pod) -> bool {
    if has_stale_ref(claim, set) || has_stale_ref(claim, pod) {
        // It belongs to what was here before: it isn't touched.
        return true;
    }
    let (by_set, by_pod) = (owned_by(claim, set), owned_by(claim, pod));
    if has_unexpected_controller(claim, set, pod) {
        return !by_set && !by_pod;
    }
    let ours = |r: &&OwnerReference| r.uid == uid(&set.metadata) || r.uid == uid(&pod.metadata);
    if refs(claim).iter().filter(ours).any(|r| r.controller != Some(true)) {
        return false;
    }
    (by_set, by_pod) == wanted_owners(set, pod)
}

/// Sets a claim's owners as the policy has them. Models updateClaimOwnerRefForSetAndPod.
pub fn update_owners(claim: &mut PersistentVolumeClaim, set: &StatefulSet, pod: &Pod) {
    let foreign = has_unexpected_controller(claim, set, pod);
    let mut refs = claim.metadata.owner_references.take().unwrap_or_default();
    refs.retain(|r| !names(r, set) && !names(r, pod));
    let (set_owns, pod_owns) = wanted_owners(set, pod);
    if set_owns && !foreign {
        refs.push(new_controller_ref(set));
    }
    if pod_owns && !foreign {
        refs.push(new_controller_ref(pod));
    }
    claim.metadata.owner_references = (!refs.is_empty()).then_some(refs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The owners that a claim of one's pod ends with.
    fn owners(when_deleted: &str, when_scaled: &str, replicas: i32) -> Vec<String> {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "web", "uid": "s"},
            "spec": {"replicas": replicas, "selector": {}, "template": {},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted, "whenScaled": when_scaled}}
        }))
        .expect("a set");
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web-1", "uid": "p"}})).expect("a pod");
        let mut claim = PersistentVolumeClaim::default();
        let before = is_owner_up_to_date(&claim, &set, &pod);
        update_owners(&mut claim, &set, &pod);
        assert!(is_owner_up_to_date(&claim, &set, &pod));
        assert_eq!(before, refs(&claim).is_empty());
        refs(&claim).iter().map(|r| r.kind.clone()).collect()
    }

    #[test]
    fn policies_give_claims_owners() {
        for (deleted, scaled, replicas, want) in [
            ("Retain", "Retain", 2, &[][..]),
            ("Retain", "Retain", 1, &[]),
            ("Delete", "Retain", 2, &["StatefulSet"]),
            ("Delete", "Retain", 1, &["StatefulSet"]),
            ("Retain", "Delete", 2, &[]),
            ("Retain", "Delete", 1, &["Pod"]),
            ("Delete", "Delete", 2, &["StatefulSet"]),
            ("Delete", "Delete", 1, &["Pod"]),
        ] {
            assert_eq!(owners(deleted, scaled, replicas), want, "{deleted} {scaled} {replicas}");
        }
    }
}
