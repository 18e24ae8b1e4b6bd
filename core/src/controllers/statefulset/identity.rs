//! Who a pod of a StatefulSet is: its ordinal, its name, its labels and its volumes.
//! Models `pkg/controller/statefulset/stateful_set_utils.go`.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};

use crate::controllers::util::pod_control::pod_from_template;
use crate::controllers::util::{name, namespace, new_controller_ref, pods};

const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// Holds the name of the revision that a pod was made of.
pub const REVISION_LABEL: &str = "controller-revision-hash";

/// The set's name and the ordinal that a pod's name is made of.
pub fn parent_and_ordinal(pod: &Pod) -> Option<(&str, i64)> {
    let (parent, digits) = name(&pod.metadata).rsplit_once('-')?;
    let ordinal: i32 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((parent, i64::from(ordinal)))
}

/// A pod's ordinal.
pub fn ordinal(pod: &Pod) -> Option<i64> {
    parent_and_ordinal(pod).map(|(_, o)| o)
}

/// How many pods are wanted.
pub fn replicas(set: &StatefulSet) -> i64 {
    i64::from(set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1))
}

/// The first ordinal.
pub fn start_ordinal(set: &StatefulSet) -> i64 {
    set.spec.as_ref().and_then(|s| s.ordinals.as_ref()).and_then(|o| o.start).map_or(0, i64::from)
}

/// Whether an ordinal is one that the set is to have.
pub fn in_range(ordinal: i64, set: &StatefulSet) -> bool {
    let start = start_ordinal(set);
    (start..start + replicas(set)).contains(&ordinal)
}

/// How long a pod must be ready to count as available.
pub fn min_ready_seconds(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0)
}

/// Whether pods are made and deleted all at once.
pub fn allows_burst(set: &StatefulSet) -> bool {
    set.spec.as_ref().and_then(|s| s.pod_management_policy.as_deref()) == Some("Parallel")
}

/// The first pod of the sequence that a rolling update changes.
pub fn partition(set: &StatefulSet) -> Option<i64> {
    let rolling = set.spec.as_ref()?.update_strategy.as_ref()?.rolling_update.as_ref()?;
    Some(i64::from(rolling.partition.unwrap_or(0)))
}

/// The update strategy's type.
pub fn strategy(set: &StatefulSet) -> &str {
    let strategy = set.spec.as_ref().and_then(|s| s.update_strategy.as_ref());
    strategy.and_then(|s| s.type_.as_deref()).unwrap_or_default()
}

fn pod_name(set: &StatefulSet, ordinal: i64) -> String {
    format!("{}-{ordinal}", name(&set.metadata))
}

/// The claim templates of a set.
pub fn claim_templates(set: &StatefulSet) -> &[PersistentVolumeClaim] {
    set.spec.as_ref().and_then(|s| s.volume_claim_templates.as_deref()).unwrap_or_default()
}

/// The name of a claim made of a template for the pod of an ordinal.
pub fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", name(&template.metadata), name(&set.metadata))
}

/// The claims that a pod is to have, each with its template's name. Models getPersistentVolumeClaims.
pub fn claims(set: &StatefulSet, ordinal: i64) -> Vec<(String, PersistentVolumeClaim)> {
    let selector = set.spec.as_ref().and_then(|s| s.selector.match_labels.clone()).unwrap_or_default();
    let made = |t: &PersistentVolumeClaim| {
        let mut claim = t.clone();
        claim.metadata.name = Some(claim_name(set, t, ordinal));
        claim.metadata.namespace = set.metadata.namespace.clone();
        let labels = claim.metadata.labels.get_or_insert_default();
        labels.extend(selector.clone());
        if labels.is_empty() {
            claim.metadata.labels = None;
        }
        (name(&t.metadata).to_owned(), claim)
    };
    claim_templates(set).iter().map(made).collect()
}

/// Whether a pod's name and labels are those of a member. Models identityMatches.
pub fn identity_matches(set: &StatefulSet, pod: &Pod) -> bool {
    let Some((parent, ordinal)) = parent_and_ordinal(pod) else { return false };
    let label = |k: &str| pod.metadata.labels.as_ref().and_then(|l| l.get(k)).map(String::as_str);
    let n = name(&pod.metadata);
    parent == name(&set.metadata)
        && n == pod_name(set, ordinal)
        && namespace(&pod.metadata) == namespace(&set.metadata)
        && label(POD_NAME_LABEL) == Some(n)
        && label(POD_INDEX_LABEL) == Some(ordinal.to_string().as_str())
}

/// Whether a pod's volumes are of its own claims. Models storageMatches.
pub fn storage_matches(set: &StatefulSet, pod: &Pod) -> bool {
    let Some(ordinal) = ordinal(pod) else { return false };
    let volumes = pod.spec.as_ref().and_then(|s| s.volumes.as_deref()).unwrap_or_default();
    claim_templates(set).iter().all(|t| {
        let volume = volumes.iter().find(|v| v.name == name(&t.metadata));
        let claim = volume.and_then(|v| v.persistent_volume_claim.as_ref());
        claim.is_some_and(|c| c.claim_name == claim_name(set, t, ordinal))
    })
}

/// Makes a pod's volumes those of its claims. Models updateStorage.
pub fn update_storage(set: &StatefulSet, pod: &mut Pod) {
    let Some(ordinal) = ordinal(pod) else { return };
    let claims = claims(set, ordinal);
    let spec = pod.spec.get_or_insert_default();
    let mut volumes: Vec<Volume> = claims
        .iter()
        .map(|(volume, claim)| Volume {
            name: volume.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: name(&claim.metadata).to_owned(),
                read_only: None,
            }),
            ..Volume::default()
        })
        .collect();
    let others = spec.volumes.take().unwrap_or_default();
    volumes.extend(others.into_iter().filter(|v| claims.iter().all(|(n, _)| *n != v.name)));
    spec.volumes = (!volumes.is_empty()).then_some(volumes);
}

/// Makes a pod's name and labels those of its ordinal. Models updateIdentity.
pub fn update_identity(set: &StatefulSet, pod: &mut Pod) {
    let Some(ordinal) = ordinal(pod) else { return };
    let n = pod_name(set, ordinal);
    pod.metadata.namespace = set.metadata.namespace.clone();
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME_LABEL.into(), n.clone());
    labels.insert(POD_INDEX_LABEL.into(), ordinal.to_string());
    pod.metadata.name = Some(n);
}

fn new_pod(set: &StatefulSet, ordinal: i64, revision: &str) -> Pod {
    let template = set.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let mut pod = pod_from_template(&template, &set.metadata, Some(new_controller_ref(set)));
    pod.metadata.name = Some(pod_name(set, ordinal));
    update_identity(set, &mut pod);
    // These two can't change later.
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = pod.metadata.name.clone();
    spec.subdomain = set.spec.as_ref().and_then(|s| s.service_name.clone()).filter(|s| !s.is_empty());
    update_storage(set, &mut pod);
    pod.metadata.labels.get_or_insert_default().insert(REVISION_LABEL.into(), revision.to_owned());
    pod
}

/// The pod of an ordinal, of the current revision below the partition and of the new one above.
/// Models newVersionedStatefulSetPod.
pub fn new_versioned_pod(current: (&StatefulSet, &str), update: (&StatefulSet, &str), ordinal: i64) -> Pod {
    let set = current.0;
    let start = start_ordinal(set);
    let keeps = match partition(set) {
        Some(p) => ordinal < start + p,
        None if strategy(set) == "RollingUpdate" => {
            let running = set.status.as_ref().and_then(|s| s.current_replicas).unwrap_or(0);
            ordinal < start + i64::from(running)
        }
        None => false,
    };
    let (of, revision) = if keeps { current } else { update };
    new_pod(of, ordinal, revision)
}

/// The name of the revision that a pod was made of.
pub fn pod_revision(pod: &Pod) -> &str {
    pod.metadata.labels.as_ref().and_then(|l| l.get(REVISION_LABEL)).map_or("", String::as_str)
}

/// Whether the api-server has a pod; the others are still to be created.
pub fn is_created(pod: &Pod) -> bool {
    !pods::phase(pod).is_empty()
}

/// Whether a pod is going.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether a pod is Running and Ready.
pub fn is_running_and_ready(pod: &Pod) -> bool {
    pods::phase(pod) == "Running" && pods::is_ready(pod)
}

/// Whether a pod isn't available or is going.
pub fn is_unavailable(pod: &Pod, min_ready_seconds: i32, now: jiff::Timestamp) -> bool {
    !pods::is_available(pod, min_ready_seconds, now) || is_terminating(pod)
}
