//! Warnings about volumes and claims. Models `pkg/api/{persistentvolume,persistentvolumeclaim}/util.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::node;
use crate::api::field::{Path, quote};
use crate::api::quantity::Quantity;

const STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

fn annotated(meta: &ObjectMeta, key: &str) -> bool {
    meta.annotations.as_ref().is_some_and(|a| a.contains_key(key))
}

fn class_annotation(meta: &ObjectMeta, all: &mut Vec<String>) {
    if annotated(meta, STORAGE_CLASS) {
        all.push(format!(
            "metadata.annotations[{STORAGE_CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
        ));
    }
}

/// A part of a byte.
pub(super) fn fraction(map: &Option<BTreeMap<String, Text>>, name: &str, path: &Path, all: &mut Vec<String>) {
    let Some(q) = map.as_ref().and_then(|m| m.get(name)).and_then(|q| Quantity::parse(&q.0).ok()) else { return };
    if q.milli_value() % 1000 != 0 {
        let shown = quote(&q.to_string());
        all.push(format!("{}: fractional byte value {shown} is invalid, must be an integer", path.key(name)));
    }
}

/// What is odd about a claim's spec, which a pod's ephemeral volume has too.
pub(in crate::registry) fn claim_spec(spec: &PersistentVolumeClaimSpec, path: &Path, all: &mut Vec<String>) {
    let Some(resources) = &spec.resources else { return };
    let path = path.child("resources");
    fraction(&resources.requests, "storage", &path.child("requests"), all);
    fraction(&resources.limits, "storage", &path.child("limits"), all);
}

/// What is odd about a claim.
pub(in crate::registry) fn of_claim(claim: &PersistentVolumeClaim) -> Vec<String> {
    let mut all = Vec::new();
    class_annotation(&claim.metadata, &mut all);
    if let Some(spec) = &claim.spec {
        claim_spec(spec, &Path::new("spec"), &mut all);
    }
    all
}

/// What is odd about a volume.
pub(in crate::registry) fn of(volume: &PersistentVolume) -> Vec<String> {
    let mut all = Vec::new();
    class_annotation(&volume.metadata, &mut all);
    if annotated(&volume.metadata, MOUNT_OPTIONS) {
        all.push(format!(
            "metadata.annotations[{MOUNT_OPTIONS}]: deprecated since v1.31; use \"mountOptions\" attribute instead"
        ));
    }
    let Some(spec) = &volume.spec else { return all };
    if spec.persistent_volume_reclaim_policy.as_deref() == Some("Recycle") {
        all.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let path = Path::new("spec.nodeAffinity.required.nodeSelectorTerms");
    let required = spec.node_affinity.as_ref().and_then(|a| a.required.as_ref());
    for (i, term) in required.iter().flat_map(|r| &r.node_selector_terms).enumerate() {
        node::selector_term(term, false, &path.index(i), &mut all);
    }
    let plugins = [
        ("cephfs", spec.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
        (
            "photonPersistentDisk",
            spec.photon_persistent_disk.is_some(),
            "deprecated in v1.11, non-functional in v1.16+",
        ),
        ("scaleIO", spec.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
        ("storageOS", spec.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", spec.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
        ("rbd", spec.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
    ];
    let plugin = plugins.iter().find(|(_, used, _)| *used);
    all.extend(plugin.map(|(field, _, message)| format!("spec.{field}: {message}")));
    all
}
