//! Validation of volumes.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePersistentVolume and kin) and `pkg/volume/validation`.

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, ISCSIPersistentVolumeSource, PersistentVolume, PersistentVolumeSpec, SecretReference,
    VolumeNodeAffinity,
};

use super::go::Go;
use super::persistent_volume_claim::access_modes;
use super::pod::volumes::{self, OneType, required};
use super::pod::{resources, scheduling};
use super::prelude::*;
use super::{go_diff, go_struct, go_volume};
use crate::api::validation::{name_is_dns_label, name_is_dns_subdomain};

const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

/// Labels of nodes that were renamed: a change from the old to the new is let through.
const RENAMED_LABELS: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

fn spec_of(volume: &PersistentVolume) -> std::borrow::Cow<'_, PersistentVolumeSpec> {
    match &volume.spec {
        Some(spec) => std::borrow::Cow::Borrowed(spec),
        None => std::borrow::Cow::Owned(PersistentVolumeSpec::default()),
    }
}

/// Checks a new volume.
pub fn validate_create(volume: &PersistentVolume) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(volume, &mut errs);
    mount_options(volume, &mut errs);
    errs
}

fn create_into(volume: &PersistentVolume, errs: &mut ErrorList) {
    names::object_meta(&volume.metadata, false, name_is_dns_subdomain, errs);
    spec(&spec_of(volume), text(&volume.metadata.name), &Path::new("spec"), errs);
}

/// The annotation of old for mount options is refused where the plugin knows none.
fn mount_options(volume: &PersistentVolume, errs: &mut ErrorList) {
    let s = spec_of(volume);
    let mounted = s.gce_persistent_disk.is_some()
        || s.aws_elastic_block_store.is_some()
        || s.glusterfs.is_some()
        || s.nfs.is_some()
        || s.rbd.is_some()
        || s.quobyte.is_some()
        || s.iscsi.is_some()
        || s.cinder.is_some()
        || s.cephfs.is_some()
        || s.azure_file.is_some()
        || s.vsphere_volume.is_some()
        || s.azure_disk.is_some()
        || s.photon_persistent_disk.is_some();
    if !mounted && entry(&volume.metadata.annotations, MOUNT_OPTIONS).is_some() {
        let at = Path::new("metadata.annotations");
        let why = "may not specify mount options for this volume type";
        errs.push(Error::forbidden(&at.child(MOUNT_OPTIONS), why));
    }
}

/// Upstream's `ValidatePersistentVolumeSpec`, of a volume that is an object.
fn spec(s: &PersistentVolumeSpec, name: &str, path: &Path, errs: &mut ErrorList) {
    let modes = list(&s.access_modes);
    if modes.is_empty() {
        errs.push(Error::required(&path.child("accessModes"), ""));
    }
    access_modes(modes, &path.child("accessModes"), errs);
    capacity(s, &path.child("capacity"), errs);
    let policy = text(&s.persistent_volume_reclaim_policy);
    let policy_path = path.child("persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        one_of(policy, &["Delete", "Recycle", "Retain"], &policy_path, errs);
    }
    if let Some(affinity) = &s.node_affinity {
        let at = path.child("nodeAffinity.required");
        match &affinity.required {
            Some(selector) => scheduling::node_selector(selector, &at, errs),
            None => errs.push(Error::required(&at, "must specify required node constraints")),
        }
    }
    source(s, name, path, errs);
    let of_root = s.host_path.as_ref().is_some_and(|h| is_root(&h.path));
    if of_root && policy == "Recycle" {
        errs.push(Error::forbidden(&policy_path, "may not be 'recycle' for a hostPath mount of '/'"));
    }
    let class = text(&s.storage_class_name);
    if !class.is_empty() {
        names::dns_subdomain(class, &path.child("storageClassName"), errs);
    }
    if let Some(mode) = &s.volume_mode {
        one_of(mode, &["Block", "Filesystem"], &path.child("volumeMode"), errs);
    }
    if let Some(class) = &s.volume_attributes_class_name {
        let at = path.child("volumeAttributesClassName");
        if class.is_empty() {
            errs.push(Error::required(&at, "an empty string is disallowed"));
        } else {
            names::dns_subdomain(class, &at, errs);
        }
        if s.csi.is_none() {
            errs.push(Error::required(&path.child("csi"), "has to be specified when using volumeAttributesClassName"));
        }
    }
}

fn capacity(s: &PersistentVolumeSpec, path: &Path, errs: &mut ErrorList) {
    let size = s.capacity.as_ref().map_or(0, |c| c.len());
    if size == 0 {
        errs.push(Error::required(path, ""));
    }
    if entry(&s.capacity, "storage").is_none() || size > 1 {
        let shown = go_struct::quantities(&s.capacity).compact();
        errs.push(Error::not_supported_shown(path, shown, &["storage"]));
    }
    for (name, q) in entries(&s.capacity) {
        let (at, q) = (path.key(name), resources::parse(q));
        if q.value() < 0 {
            errs.push(Error::invalid(&at, &json!(q.value()), "must be a valid resource quantity"));
        }
        if q.sign() <= 0 {
            errs.push(Error::invalid_str(&at, &q.to_string(), "must be greater than zero"));
        }
    }
}

/// Whether Go's `path.Clean` leaves nothing but the root.
fn is_root(path: &str) -> bool {
    let mut depth = 0usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn source(s: &PersistentVolumeSpec, name: &str, path: &Path, errs: &mut ErrorList) {
    let mut one = OneType::new(path);
    let e = errs;
    one.take(&s.host_path, "hostPath", "hostPath", e, volumes::host_path);
    one.take(&s.gce_persistent_disk, "gcePersistentDisk", "persistentDisk", e, volumes::gce_disk);
    one.take(&s.aws_elastic_block_store, "awsElasticBlockStore", "awsElasticBlockStore", e, volumes::aws_disk);
    one.take(&s.glusterfs, "glusterfs", "glusterfs", e, |s, p, e| {
        required(&s.endpoints, "endpoints", p, e);
        required(&s.path, "path", p, e);
        let at = p.child("endpointsNamespace");
        match s.endpoints_namespace.as_deref() {
            Some("") => e.push(Error::invalid_str(
                &at,
                "",
                "if the endpointnamespace is set, it must be a valid namespace name",
            )),
            Some(namespace) => invalid_each(name_is_dns_label(namespace, false), namespace, &at, e),
            None => {}
        }
    });
    one.take(&s.flocker, "flocker", "flocker", e, volumes::flocker);
    one.take(&s.nfs, "nfs", "nfs", e, volumes::nfs);
    one.take(&s.rbd, "rbd", "rbd", e, |s, p, e| volumes::rbd(&s.monitors, &s.image, p, e));
    one.take(&s.quobyte, "quobyte", "quobyte", e, volumes::quobyte);
    one.take(&s.cephfs, "cephFS", "cephfs", e, |s, p, e| volumes::monitors(&s.monitors, p, e));
    one.take(&s.iscsi, "iscsi", "iscsi", e, |s, p, e| iscsi(s, name, p, e));
    one.take(&s.cinder, "cinder", "cinder", e, |s, p, e| {
        required(&s.volume_id, "volumeID", p, e);
        if let Some(r) = &s.secret_ref {
            required(text(&r.name), "secretRef.name", p, e);
            required(text(&r.namespace), "secretRef.namespace", p, e);
        }
    });
    one.take(&s.fc, "fc", "fc", e, volumes::fibre_channel);
    one.take_always(&s.flex_volume, "flexVolume", e, |s, p, e| volumes::flex(&s.driver, &s.options, p, e));
    one.take(&s.azure_file, "azureFile", "azureFile", e, |s, p, e| {
        required(&s.secret_name, "secretName", p, e);
        required(&s.share_name, "shareName", p, e);
        if let Some(namespace) = &s.secret_namespace {
            required(namespace, "secretNamespace", p, e);
        }
    });
    one.take(&s.vsphere_volume, "vsphereVolume", "vsphereVolume", e, |s, p, e| {
        required(&s.volume_path, "volumePath", p, e);
    });
    one.take(&s.photon_persistent_disk, "photonPersistentDisk", "photonPersistentDisk", e, |s, p, e| {
        required(&s.pd_id, "pdID", p, e);
    });
    one.take(&s.portworx_volume, "portworxVolume", "portworxVolume", e, |s, p, e| {
        required(&s.volume_id, "volumeID", p, e);
    });
    one.take(&s.azure_disk, "azureDisk", "azureDisk", e, volumes::azure_disk);
    one.take(&s.scale_io, "scaleIO", "scaleIO", e, |s, p, e| {
        volumes::scale_io(&s.gateway, &s.system, text(&s.volume_name), p, e);
    });
    let affine = s.node_affinity.is_some();
    one.take(&s.local, "local", "local", e, |s, p, e| {
        required(&s.path, "path", p, e);
        volumes::no_backsteps(&s.path, &p.child("path"), e);
        if !affine {
            e.push(Error::required(&path.child("nodeAffinity"), "Local volume requires node affinity"));
        }
    });
    one.take(&s.storageos, "storageos", "storageos", e, |s, p, e| {
        volumes::storage_os(text(&s.volume_name), text(&s.volume_namespace), p, e);
        if let Some(r) = &s.secret_ref {
            required(text(&r.name), "secretRef.name", p, e);
            required(text(&r.namespace), "secretRef.namespace", p, e);
        }
    });
    one.take(&s.csi, "csi", "csi", e, csi);
    one.require_one(e);
}

fn iscsi(s: &ISCSIPersistentVolumeSource, name: &str, path: &Path, errs: &mut ErrorList) {
    required(&s.target_portal, "targetPortal", path, errs);
    if s.initiator_name.is_some() && name.len() + 1 + s.target_portal.len() > 64 {
        errs.push(Error::invalid_str(&path.child("targetportal"), &s.target_portal, volumes::ISCSI_TOO_LONG));
    }
    if s.iqn.is_empty() {
        errs.push(Error::required(&path.child("iqn"), ""));
    } else {
        volumes::iscsi_names(&s.iqn, None, false, path, errs);
    }
    volumes::iscsi_lun(s.lun, path, errs);
    if (on(s.chap_auth_discovery) || on(s.chap_auth_session)) && s.secret_ref.is_none() {
        errs.push(Error::required(&path.child("secretRef"), ""));
    }
    if let Some(r) = &s.secret_ref {
        required(text(&r.name), "secretRef.name", path, errs);
    }
    if let Some(initiator) = &s.initiator_name {
        volumes::iscsi_names("", Some(initiator), false, path, errs);
    }
}

fn csi(s: &CSIPersistentVolumeSource, path: &Path, errs: &mut ErrorList) {
    // Without a name upstream stops at that.
    if s.driver.is_empty() {
        errs.push(Error::required(&path.child("driver"), ""));
    } else {
        volumes::csi_driver_name(&s.driver, &path.child("driver"), errs);
    }
    required(&s.volume_handle, "volumeHandle", path, errs);
    let references = [
        ("controllerPublishSecretRef", &s.controller_publish_secret_ref),
        ("controllerExpandSecretRef", &s.controller_expand_secret_ref),
        ("nodePublishSecretRef", &s.node_publish_secret_ref),
        ("nodeExpandSecretRef", &s.node_expand_secret_ref),
    ];
    for (field, reference) in references {
        if let Some(r) = reference {
            secret_reference(r, &path.child(field), errs);
        }
    }
}

/// Upstream's `validatePVSecretReference`.
fn secret_reference(r: &SecretReference, path: &Path, errs: &mut ErrorList) {
    match text(&r.name) {
        "" => errs.push(Error::required(&path.child("name"), "")),
        name => names::dns_subdomain(name, &path.child("name"), errs),
    }
    match text(&r.namespace) {
        "" => errs.push(Error::required(&path.child("namespace"), "")),
        namespace => names::dns_label(namespace, &path.child("namespace"), errs),
    }
}

/// Checks a changed volume.
pub fn validate_update(new: &PersistentVolume, old: &PersistentVolume) -> ErrorList {
    let mut errs = validate_create(new);
    create_into(new, &mut errs);
    let (mut is, was) = (spec_of(new).into_owned(), spec_of(old));
    // A secret for expansion may be given later.
    if let (Some(now), Some(then)) = (&mut is.csi, &was.csi)
        && then.controller_expand_secret_ref.is_none()
    {
        now.controller_expand_secret_ref = None;
    }
    let (a, b) = (go_volume::source(&was), go_volume::source(&is));
    if !a.same(&b) {
        errs.push(Error::forbidden(
            &Path::new("spec.persistentvolumesource"),
            format!("spec.persistentvolumesource is immutable after creation\n{}", go_diff::diff(&a, &b)),
        ));
    }
    if is.volume_mode != was.volume_mode {
        errs.push(Error::invalid(&Path::new("volumeMode"), &json!(is.volume_mode), "field is immutable"));
    }
    if let Some(was) = &was.node_affinity {
        node_affinity(is.node_affinity.as_ref(), was, &mut errs);
    }
    if was.volume_attributes_class_name.is_some() && is.volume_attributes_class_name.is_none() {
        errs.push(Error::forbidden(
            &Path::new("spec.volumeAttributesClassName"),
            "update from non-nil value to nil is forbidden",
        ));
    }
    errs
}

/// Nodes from which the volume can be reached stay as they are, but for labels that were renamed.
fn node_affinity(new: Option<&VolumeNodeAffinity>, old: &VolumeNodeAffinity, errs: &mut ErrorList) {
    let mut expected = old.clone();
    let terms = expected.required.iter_mut().flat_map(|s| s.node_selector_terms.iter_mut());
    let given = new.iter().filter_map(|n| n.required.as_ref()).flat_map(|s| &s.node_selector_terms);
    for (was, is) in terms.zip(given) {
        let requirements = was.match_expressions.iter_mut().chain(&mut was.match_fields).flatten();
        let given = is.match_expressions.iter().chain(&is.match_fields).flatten();
        for (was, is) in requirements.zip(given) {
            // Upstream looks a key up that isn't there, and takes the empty one that it finds for a new name.
            let renamed = RENAMED_LABELS.iter().find(|(from, _)| was.key == *from).map_or("", |(_, to)| to);
            if is.key == renamed {
                was.key.clone_from(&is.key);
            }
        }
    }
    let shown = |a: &VolumeNodeAffinity| go_volume::node_affinity(a);
    if !new.is_some_and(|new| shown(new).same(&shown(&expected))) {
        let value = new.map_or(Go::Null, shown).compact();
        errs.push(Error::invalid_shown(
            &Path::new("nodeAffinity"),
            value,
            "field is immutable, except for updating from beta label to GA",
        ));
    }
}

/// Checks a changed status.
pub fn validate_status_update(new: &PersistentVolume, old: &PersistentVolume) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if text(&new.metadata.resource_version).is_empty() {
        errs.push(Error::required(&Path::new("resourceVersion"), ""));
    }
    errs
}
