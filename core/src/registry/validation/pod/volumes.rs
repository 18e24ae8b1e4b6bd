//! Volumes of a pod, and the checks of their sources that persistent volumes share.
//! Models `pkg/apis/core/validation/validation.go` (ValidateVolumes, validateVolumeSource).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, ConfigMapVolumeSource, DownwardAPIVolumeFile,
    FCVolumeSource, FlockerVolumeSource, GCEPersistentDiskVolumeSource, HostPathVolumeSource, ISCSIVolumeSource,
    KeyToPath, NFSVolumeSource, PersistentVolumeClaimTemplate, QuobyteVolumeSource, SecretVolumeSource, Volume,
};

use super::{containers, env, projected};
use crate::api::quantity::Quantity;
use crate::registry::validation::prelude::*;

/// Validates the volumes and returns the sound ones by name.
pub(super) fn validate<'a>(
    volumes: &'a [Volume],
    meta: Option<&ObjectMeta>,
    path: &Path,
    errs: &mut ErrorList,
) -> BTreeMap<&'a str, &'a Volume> {
    let mut sound: BTreeMap<&str, &Volume> = BTreeMap::new();
    let pod_name = meta.and_then(|m| m.name.as_deref()).filter(|n| !n.is_empty());
    let created_claims: BTreeSet<String> = match pod_name {
        Some(pod) => volumes.iter().filter(|v| v.ephemeral.is_some()).map(|v| format!("{pod}-{}", v.name)).collect(),
        None => BTreeSet::new(),
    };
    for (i, v) in volumes.iter().enumerate() {
        let at = path.index(i);
        let before = errs.len();
        source(v, pod_name, &at, errs);
        if v.name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        } else {
            names::dns_label(&v.name, &at.child("name"), errs);
        }
        if sound.contains_key(v.name.as_str()) {
            errs.push(Error::duplicate(&at.child("name"), &json!(v.name)));
        }
        if errs.len() == before {
            sound.insert(&v.name, v);
        }
        if let Some(claim) = &v.persistent_volume_claim
            && created_claims.contains(&claim.claim_name)
        {
            errs.push(Error::invalid_str(
                &at.child("persistentVolumeClaim.claimName"),
                &claim.claim_name,
                "must not reference a PVC that gets created for an ephemeral volume",
            ));
        }
    }
    sound
}

/// Counts the types of a volume: the first is looked into, each further one is refused.
pub(crate) struct OneType<'a> {
    path: &'a Path<'a>,
    count: usize,
}

impl<'a> OneType<'a> {
    pub(crate) fn new(path: &'a Path<'a>) -> Self {
        OneType { path, count: 0 }
    }
    /// Looks into `source` with `check` under `field` if it is the first, else refuses it under `refused_as`.
    pub(crate) fn take<T>(
        &mut self,
        source: &Option<T>,
        refused_as: &str,
        field: &str,
        errs: &mut ErrorList,
        check: impl FnOnce(&T, &Path, &mut ErrorList),
    ) {
        let Some(source) = source else { return };
        if self.count > 0 {
            errs.push(Error::forbidden(&self.path.child(refused_as), "may not specify more than 1 volume type"));
        } else {
            self.count = 1;
            check(source, &self.path.child(field), errs);
        }
    }
    /// Looks into `source` however many there were before: upstream forgets to refuse this one.
    pub(crate) fn take_always<T>(
        &mut self,
        source: &Option<T>,
        field: &str,
        errs: &mut ErrorList,
        check: impl FnOnce(&T, &Path, &mut ErrorList),
    ) {
        let Some(source) = source else { return };
        self.count += 1;
        check(source, &self.path.child(field), errs);
    }
    pub(crate) fn require_one(&self, errs: &mut ErrorList) {
        if self.count == 0 {
            errs.push(Error::required(self.path, "must specify a volume type"));
        }
    }
}

fn source(v: &Volume, pod_name: Option<&str>, path: &Path, errs: &mut ErrorList) {
    let mut one = OneType::new(path);
    let e = errs;
    one.take(&v.empty_dir, "emptyDir", "emptyDir", e, |s, p, e| {
        let negative = s.size_limit.as_ref().and_then(|q| Quantity::parse(&q.0).ok()).is_some_and(|q| q.sign() < 0);
        if negative {
            e.push(Error::forbidden(&p.child("sizeLimit"), "SizeLimit field must be a valid resource quantity"));
        }
    });
    one.take(&v.host_path, "hostPath", "hostPath", e, host_path);
    one.take(&v.git_repo, "gitRepo", "gitRepo", e, |s, p, e| {
        required(&s.repository, "repository", p, e);
        local_descending_path(text(&s.directory), &p.child("directory"), e);
    });
    one.take(&v.gce_persistent_disk, "gcePersistentDisk", "persistentDisk", e, gce_disk);
    one.take(&v.aws_elastic_block_store, "awsElasticBlockStore", "awsElasticBlockStore", e, aws_disk);
    one.take(&v.secret, "secret", "secret", e, secret);
    one.take(&v.nfs, "nfs", "nfs", e, nfs);
    one.take(&v.iscsi, "iscsi", "iscsi", e, iscsi);
    if let Some(s) = &v.iscsi
        && s.initiator_name.is_some()
        && v.name.len() + 1 + s.target_portal.len() > 64
    {
        e.push(Error::invalid_str(&path.child("name"), &v.name, ISCSI_TOO_LONG));
    }
    one.take(&v.glusterfs, "glusterfs", "glusterfs", e, |s, p, e| {
        required(&s.endpoints, "endpoints", p, e);
        required(&s.path, "path", p, e);
    });
    one.take(&v.flocker, "flocker", "flocker", e, flocker);
    one.take(&v.persistent_volume_claim, "persistentVolumeClaim", "persistentVolumeClaim", e, |s, p, e| {
        required(&s.claim_name, "claimName", p, e);
    });
    one.take(&v.rbd, "rbd", "rbd", e, |s, p, e| rbd(&s.monitors, &s.image, p, e));
    one.take(&v.cinder, "cinder", "cinder", e, |s, p, e| {
        required(&s.volume_id, "volumeID", p, e);
        if let Some(r) = &s.secret_ref {
            required(&r.name, "secretRef.name", p, e);
        }
    });
    one.take(&v.cephfs, "cephFS", "cephfs", e, |s, p, e| monitors(&s.monitors, p, e));
    one.take(&v.quobyte, "quobyte", "quobyte", e, quobyte);
    // Upstream's own spelling.
    one.take(&v.downward_api, "downwarAPI", "downwardAPI", e, |s, p, e| {
        mode(s.default_mode, "defaultMode", p, e);
        for file in list(&s.items) {
            downward_api_file(file, p, e);
        }
    });
    one.take(&v.fc, "fc", "fc", e, fibre_channel);
    one.take(&v.flex_volume, "flexVolume", "flexVolume", e, |s, p, e| flex(&s.driver, &s.options, p, e));
    one.take(&v.config_map, "configMap", "configMap", e, config_map);
    one.take(&v.azure_file, "azureFile", "azureFile", e, |s, p, e| {
        required(&s.secret_name, "secretName", p, e);
        required(&s.share_name, "shareName", p, e);
    });
    one.take(&v.vsphere_volume, "vsphereVolume", "vsphereVolume", e, |s, p, e| {
        required(&s.volume_path, "volumePath", p, e);
    });
    one.take(&v.photon_persistent_disk, "photonPersistentDisk", "photonPersistentDisk", e, |s, p, e| {
        required(&s.pd_id, "pdID", p, e);
    });
    one.take(&v.portworx_volume, "portworxVolume", "portworxVolume", e, |s, p, e| {
        required(&s.volume_id, "volumeID", p, e);
    });
    one.take(&v.azure_disk, "azureDisk", "azureDisk", e, azure_disk);
    one.take(&v.storageos, "storageos", "storageos", e, |s, p, e| {
        storage_os(text(&s.volume_name), text(&s.volume_namespace), p, e);
        if let Some(r) = &s.secret_ref {
            required(&r.name, "secretRef.name", p, e);
        }
    });
    one.take(&v.projected, "projected", "projected", e, projected::validate);
    one.take(&v.scale_io, "scaleIO", "scaleIO", e, |s, p, e| {
        scale_io(&s.gateway, &s.system, text(&s.volume_name), p, e);
    });
    one.take(&v.csi, "csi", "csi", e, |s, p, e| {
        csi_driver_name(&s.driver, &p.child("driver"), e);
        if let Some(r) = &s.node_publish_secret_ref {
            if r.name.is_empty() {
                e.push(Error::required(&p.child("nodePublishSecretRef.name"), ""));
            } else {
                names::dns_subdomain(&r.name, &p.child("name"), e);
            }
        }
    });
    one.take(&v.ephemeral, "ephemeral", "ephemeral", e, |s, p, e| {
        match &s.volume_claim_template {
            None => e.push(Error::required(&p.child("volumeClaimTemplate"), "")),
            Some(template) => claim_template(template, &p.child("volumeClaimTemplate"), e),
        }
        if let Some(pod) = pod_name
            && !v.name.is_empty()
        {
            let claim = format!("{pod}-{}", v.name);
            for message in names::rule_messages(NameRule::Subdomain, &claim) {
                e.push(Error::invalid_str(
                    &path.child("name"),
                    &v.name,
                    format!("PVC name {}: {message}", crate::api::field::quote(&claim)),
                ));
            }
        }
    });
    one.take(&v.image, "image", "image", e, |s, p, e| {
        required(text(&s.reference), "reference", p, e);
        containers::pull_policy(text(&s.pull_policy), &p.child("pullPolicy"), e);
    });
    one.require_one(e);
}

fn claim_template(template: &PersistentVolumeClaimTemplate, path: &Path, errs: &mut ErrorList) {
    if let Some(meta) = &template.metadata {
        only_labels_and_annotations(meta, &path.child("metadata"), errs);
    }
    crate::registry::validation::persistent_volume_claim::spec(&template.spec, &path.child("spec"), errs);
}

/// Upstream's `ValidateTemplateObjectMeta`: the metadata of what is made from a template.
pub(crate) fn only_labels_and_annotations(meta: &ObjectMeta, path: &Path, errs: &mut ErrorList) {
    names::annotations(&meta.annotations, &path.child("annotations"), errs);
    names::labels(&meta.labels, &path.child("labels"), errs);
    let set = [
        ("name", !text(&meta.name).is_empty()),
        ("generateName", !text(&meta.generate_name).is_empty()),
        ("namespace", !text(&meta.namespace).is_empty()),
        ("selfLink", !text(&meta.self_link).is_empty()),
        ("uID", !text(&meta.uid).is_empty()),
        ("resourceVersion", !text(&meta.resource_version).is_empty()),
        ("generation", meta.generation.is_some_and(|g| g != 0)),
        ("creationTimestamp", meta.creation_timestamp.is_some()),
        ("deletionTimestamp", meta.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", meta.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", meta.owner_references.is_some()),
        ("finalizers", meta.finalizers.is_some()),
        ("managedFields", meta.managed_fields.is_some()),
    ];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        errs.push(Error::forbidden(&path.child(name), "cannot be set"));
    }
}

pub(crate) fn required(value: &str, field: &str, path: &Path, errs: &mut ErrorList) {
    if value.is_empty() {
        errs.push(Error::required(&path.child(field), ""));
    }
}

pub(super) fn mode(value: Option<i32>, field: &str, path: &Path, errs: &mut ErrorList) {
    if let Some(value) = value.filter(|m| !(0..=0o777).contains(m)) {
        errs.push(Error::invalid(
            &path.child(field),
            &json!(value),
            "must be a number between 0 and 0777 (octal), both inclusive",
        ));
    }
}

pub(crate) fn host_path(s: &HostPathVolumeSource, path: &Path, errs: &mut ErrorList) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if s.path.is_empty() {
        errs.push(Error::required(&path.child("path"), ""));
        return;
    }
    no_backsteps(&s.path, &path.child("path"), errs);
    if let Some(kind) = &s.type_ {
        one_of(kind, &TYPES, &path.child("type"), errs);
    }
}

fn partition(value: Option<i32>, path: &Path, errs: &mut ErrorList) {
    let value = value.unwrap_or(0);
    if !(0..=255).contains(&value) {
        errs.push(Error::invalid(&path.child("partition"), &json!(value), "must be between 1 and 255, inclusive"));
    }
}

pub(crate) fn gce_disk(s: &GCEPersistentDiskVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.pd_name, "pdName", path, errs);
    partition(s.partition, path, errs);
}

pub(crate) fn aws_disk(s: &AWSElasticBlockStoreVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.volume_id, "volumeID", path, errs);
    partition(s.partition, path, errs);
}

fn secret(s: &SecretVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(text(&s.secret_name), "secretName", path, errs);
    mode(s.default_mode, "defaultMode", path, errs);
    items(list(&s.items), &path.child("items"), errs);
}

fn config_map(s: &ConfigMapVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.name, "name", path, errs);
    mode(s.default_mode, "defaultMode", path, errs);
    items(list(&s.items), &path.child("items"), errs);
}

fn items(items: &[KeyToPath], path: &Path, errs: &mut ErrorList) {
    for (i, item) in items.iter().enumerate() {
        key_to_path(item, &path.index(i), errs);
    }
}

pub(super) fn key_to_path(item: &KeyToPath, path: &Path, errs: &mut ErrorList) {
    required(&item.key, "key", path, errs);
    required(&item.path, "path", path, errs);
    local_non_reserved_path(&item.path, &path.child("path"), errs);
    mode(item.mode, "mode", path, errs);
}

pub(super) fn downward_api_file(file: &DownwardAPIVolumeFile, path: &Path, errs: &mut ErrorList) {
    required(&file.path, "path", path, errs);
    local_non_reserved_path(&file.path, &path.child("path"), errs);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), resource) => {
            env::object_field(field, &env::VOLUME_FIELDS, &path.child("fieldRef"), errs);
            if resource.is_some() {
                errs.push(Error::invalid_str(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                ));
            }
        }
        (None, Some(resource)) => env::resource_field(resource, true, &path.child("resourceFieldRef"), errs),
        (None, None) => errs.push(Error::required(path, "one of fieldRef and resourceFieldRef is required")),
    }
    mode(file.mode, "mode", path, errs);
}

pub(crate) fn nfs(s: &NFSVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.server, "server", path, errs);
    required(&s.path, "path", path, errs);
    if !s.path.starts_with('/') {
        errs.push(Error::invalid_str(&path.child("path"), &s.path, "must be an absolute path"));
    }
}

pub(crate) const ISCSI_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

/// Whether an iSCSI qualified name has one of the three known forms.
fn iscsi_name_is_valid(name: &str) -> bool {
    let alphanumeric = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_alphanumeric());
    if name.starts_with("iqn") {
        return iscsi_iqn_is_valid(name);
    }
    if name.starts_with("eui") {
        return name.get(4..).is_some_and(|rest| alphanumeric(rest, 16));
    }
    name.get(4..).is_some_and(|rest| alphanumeric(rest, 32))
}

/// `iqn.YYYY-MM.domain:suffix`.
fn iscsi_iqn_is_valid(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("iqn.") else { return false };
    let bytes = rest.as_bytes();
    let date = bytes.get(..8).is_some_and(|d| {
        d.iter().enumerate().all(|(i, b)| match i {
            4 => *b == b'-',
            7 => *b == b'.',
            _ => b.is_ascii_digit(),
        })
    });
    let Some((domain, suffix)) = rest.get(8..).and_then(|r| r.split_once(':')) else { return false };
    date && !domain.is_empty()
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !suffix.is_empty()
        && !suffix.contains([',', ';', '*', '&', '$', '|', ' ', '\t', '\n', '\r', '\x0b', '\x0c'])
}

pub(crate) fn iscsi_names(iqn: &str, initiator: Option<&str>, in_pod: bool, path: &Path, errs: &mut ErrorList) {
    let unknown = if in_pod { "must be valid format starting with iqn, eui, or naa" } else { "must be valid format" };
    let mut check = |field: &str, name: &str| {
        if !["iqn", "eui", "naa"].iter().any(|p| name.starts_with(p)) {
            errs.push(Error::invalid_str(&path.child(field), name, unknown));
        } else if !iscsi_name_is_valid(name) {
            errs.push(Error::invalid_str(&path.child(field), name, "must be valid format"));
        }
    };
    if let Some(initiator) = initiator {
        check("initiatorname", initiator);
    } else {
        check("iqn", iqn);
    }
}

pub(crate) fn iscsi_lun(lun: i32, path: &Path, errs: &mut ErrorList) {
    if !(0..=255).contains(&lun) {
        errs.push(Error::invalid(&path.child("lun"), &json!(lun), "must be between 0 and 255, inclusive"));
    }
}

fn iscsi(s: &ISCSIVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.target_portal, "targetPortal", path, errs);
    if s.iqn.is_empty() {
        errs.push(Error::required(&path.child("iqn"), ""));
    } else {
        iscsi_names(&s.iqn, None, true, path, errs);
    }
    iscsi_lun(s.lun, path, errs);
    if (on(s.chap_auth_discovery) || on(s.chap_auth_session)) && s.secret_ref.is_none() {
        errs.push(Error::required(&path.child("secretRef"), ""));
    }
    if let Some(initiator) = &s.initiator_name {
        iscsi_names("", Some(initiator), true, path, errs);
    }
}

pub(crate) fn fibre_channel(s: &FCVolumeSource, path: &Path, errs: &mut ErrorList) {
    let (wwns, wwids) = (list(&s.target_wwns), list(&s.wwids));
    if wwns.is_empty() && wwids.is_empty() {
        errs.push(Error::required(&path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both"));
    }
    if !wwns.is_empty() && !wwids.is_empty() {
        errs.push(Error::invalid(
            &path.child("targetWWNs"),
            &json!(wwns),
            "targetWWNs and wwids can not be specified simultaneously",
        ));
    }
    if !wwns.is_empty() {
        match s.lun {
            None => errs.push(Error::required(&path.child("lun"), "lun is required if targetWWNs is specified")),
            Some(lun) => iscsi_lun(lun, path, errs),
        }
    }
}

pub(crate) fn flocker(s: &FlockerVolumeSource, path: &Path, errs: &mut ErrorList) {
    let (name, uuid) = (text(&s.dataset_name), text(&s.dataset_uuid));
    if name.is_empty() && uuid.is_empty() {
        errs.push(Error::required(path, "one of datasetName and datasetUUID is required"));
    }
    if !name.is_empty() && !uuid.is_empty() {
        errs.push(Error::invalid_str(
            path,
            "resource",
            "datasetName and datasetUUID can not be specified simultaneously",
        ));
    }
    if name.contains('/') {
        errs.push(Error::invalid_str(&path.child("datasetName"), name, "must not contain '/'"));
    }
}

pub(crate) fn monitors(monitors: &[String], path: &Path, errs: &mut ErrorList) {
    if monitors.is_empty() {
        errs.push(Error::required(&path.child("monitors"), ""));
    }
}

pub(crate) fn rbd(of: &[String], image: &str, path: &Path, errs: &mut ErrorList) {
    monitors(of, path, errs);
    required(image, "image", path, errs);
}

pub(crate) fn quobyte(s: &QuobyteVolumeSource, path: &Path, errs: &mut ErrorList) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    if s.registry.is_empty() {
        errs.push(Error::required(&path.child("registry"), PAIRS));
    } else if text(&s.tenant).len() >= 65 {
        errs.push(Error::required(
            &path.child("tenant"),
            "must be a UUID and may not exceed a length of 64 characters",
        ));
    } else {
        for _ in s.registry.split(',').filter(|pair| pair.split(':').count() != 2) {
            errs.push(Error::invalid_str(&path.child("registry"), &s.registry, PAIRS));
        }
    }
    required(&s.volume, "volume", path, errs);
}

pub(crate) fn flex(driver: &str, options: &Option<BTreeMap<String, String>>, path: &Path, errs: &mut ErrorList) {
    required(driver, "driver", path, errs);
    for (key, _) in entries(options) {
        let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
        let normalized = format!(".{}", namespace.to_lowercase());
        if normalized.ends_with(".kubernetes.io") || normalized.ends_with(".k8s.io") {
            errs.push(Error::invalid_str(
                &path.child("options").key(key),
                key,
                "kubernetes.io and k8s.io namespaces are reserved",
            ));
        }
    }
}

pub(crate) fn azure_disk(s: &AzureDiskVolumeSource, path: &Path, errs: &mut ErrorList) {
    required(&s.disk_name, "diskName", path, errs);
    required(&s.disk_uri, "diskURI", path, errs);
    if let Some(caching) = &s.caching_mode {
        one_of(caching, &["None", "ReadOnly", "ReadWrite"], &path.child("cachingMode"), errs);
    }
    let Some(kind) = s.kind.as_deref() else { return };
    one_of(kind, &["Dedicated", "Managed", "Shared"], &path.child("kind"), errs);
    let uri = path.child("diskURI");
    if kind == "Managed" && !s.disk_uri.starts_with("/subscriptions/") {
        errs.push(Error::not_supported(
            &uri,
            &s.disk_uri,
            &["/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"],
        ));
    }
    if kind != "Managed" && !s.disk_uri.starts_with("https://") {
        errs.push(Error::not_supported(
            &uri,
            &s.disk_uri,
            &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"],
        ));
    }
}

pub(crate) fn storage_os(name: &str, namespace: &str, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(&path.child("volumeName"), ""));
    } else {
        names::dns_label(name, &path.child("volumeName"), errs);
    }
    if !namespace.is_empty() {
        names::dns_label(namespace, &path.child("volumeNamespace"), errs);
    }
}

pub(crate) fn scale_io(gateway: &str, system: &str, volume: &str, path: &Path, errs: &mut ErrorList) {
    required(gateway, "gateway", path, errs);
    required(system, "system", path, errs);
    required(volume, "volumeName", path, errs);
}

/// Upstream's `ValidateCSIDriverName`.
pub(crate) fn csi_driver_name(driver: &str, path: &Path, errs: &mut ErrorList) {
    if driver.is_empty() {
        errs.push(Error::required(path, ""));
        return;
    }
    if driver.len() > 63 {
        errs.push(Error::too_long(path, 63));
    }
    invalid_each(names::rule_messages(NameRule::Subdomain, &driver.to_lowercase()), driver, path, errs);
}

/// Upstream's `validatePathNoBacksteps`.
pub(crate) fn no_backsteps(target: &str, path: &Path, errs: &mut ErrorList) {
    if target.split('/').any(|part| part == "..") {
        errs.push(Error::invalid_str(path, target, "must not contain '..'"));
    }
}

/// Upstream's `validateLocalDescendingPath`.
pub(super) fn local_descending_path(target: &str, path: &Path, errs: &mut ErrorList) {
    if target.starts_with('/') {
        errs.push(Error::invalid_str(path, target, "must be a relative path"));
    }
    no_backsteps(target, path, errs);
}

/// Upstream's `ValidateLocalNonReservedPath`.
pub(super) fn local_non_reserved_path(target: &str, path: &Path, errs: &mut ErrorList) {
    local_descending_path(target, path, errs);
    if target.starts_with("..") && !target.starts_with("../") {
        errs.push(Error::invalid_str(path, target, "must not start with '..'"));
    }
}
