//! Volumes of pods, and what is claimed for them, as upstream's internal structs. Models `pkg/apis/core/types.go`.

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, PersistentVolumeClaimSpec, ProjectedVolumeSource, Volume, VolumeProjection,
};

use super::go::{Go, each, fields};
use super::go_struct::{
    label_selector, object_field, optional, quantities, quantity, reference, required, resource_field, string_map,
    texts,
};
use super::prelude::*;

fn key_to_path(k: &KeyToPath) -> Go {
    fields! { "Key": &k.key, "Path": &k.path, "Mode": k.mode }
}

fn downward_file(f: &DownwardAPIVolumeFile) -> Go {
    fields! {
        "Path": &f.path,
        "FieldRef": optional(&f.field_ref, object_field),
        "ResourceFieldRef": optional(&f.resource_field_ref, resource_field),
        "Mode": f.mode,
    }
}

fn projection(p: &VolumeProjection) -> Go {
    fields! {
        "Secret": optional(&p.secret, |s| fields! {
            "Name": &s.name, "Items": each(&s.items, key_to_path), "Optional": s.optional
        }),
        "DownwardAPI": optional(&p.downward_api, |d| fields! { "Items": each(&d.items, downward_file) }),
        "ConfigMap": optional(&p.config_map, |s| fields! {
            "Name": &s.name, "Items": each(&s.items, key_to_path), "Optional": s.optional
        }),
        "ServiceAccountToken": optional(&p.service_account_token, |t| fields! {
            "Audience": text(&t.audience),
            "ExpirationSeconds": t.expiration_seconds.unwrap_or(0),
            "Path": &t.path,
        }),
        "ClusterTrustBundle": optional(&p.cluster_trust_bundle, |b| fields! {
            "Name": b.name.as_ref(),
            "SignerName": b.signer_name.as_ref(),
            "LabelSelector": optional(&b.label_selector, label_selector),
            "Optional": b.optional,
            "Path": &b.path,
        }),
        "PodCertificate": optional(&p.pod_certificate, |c| fields! {
            "SignerName": &c.signer_name,
            "KeyType": &c.key_type,
            "MaxExpirationSeconds": c.max_expiration_seconds,
            "CredentialBundlePath": text(&c.credential_bundle_path),
            "KeyPath": text(&c.key_path),
            "CertificateChainPath": text(&c.certificate_chain_path),
            "UserAnnotations": string_map(&c.user_annotations),
        }),
    }
}

fn projected(p: &ProjectedVolumeSource) -> Go {
    fields! { "Sources": each(&p.sources, projection), "DefaultMode": p.default_mode }
}

/// A volume, its source inlined.
pub(super) fn volume(v: &Volume) -> Go {
    fields! {
        "Name": &v.name,
        "HostPath": optional(&v.host_path, |s| fields! { "Path": &s.path, "Type": s.type_.as_ref() }),
        "EmptyDir": optional(&v.empty_dir, |s| fields! {
            "Medium": text(&s.medium), "SizeLimit": optional(&s.size_limit, quantity)
        }),
        "GCEPersistentDisk": optional(&v.gce_persistent_disk, |s| fields! {
            "PDName": &s.pd_name, "FSType": text(&s.fs_type), "Partition": s.partition.unwrap_or(0),
            "ReadOnly": on(s.read_only),
        }),
        "AWSElasticBlockStore": optional(&v.aws_elastic_block_store, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "Partition": s.partition.unwrap_or(0),
            "ReadOnly": on(s.read_only),
        }),
        "GitRepo": optional(&v.git_repo, |s| fields! {
            "Repository": &s.repository, "Revision": text(&s.revision), "Directory": text(&s.directory)
        }),
        "Secret": optional(&v.secret, |s| fields! {
            "SecretName": text(&s.secret_name), "Items": each(&s.items, key_to_path),
            "DefaultMode": s.default_mode, "Optional": s.optional,
        }),
        "NFS": optional(&v.nfs, |s| fields! {
            "Server": &s.server, "Path": &s.path, "ReadOnly": on(s.read_only)
        }),
        "ISCSI": optional(&v.iscsi, |s| fields! {
            "TargetPortal": &s.target_portal, "IQN": &s.iqn, "Lun": s.lun,
            "ISCSIInterface": text(&s.iscsi_interface), "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
            "Portals": texts(&s.portals), "DiscoveryCHAPAuth": on(s.chap_auth_discovery),
            "SessionCHAPAuth": on(s.chap_auth_session), "SecretRef": optional(&s.secret_ref, reference),
            "InitiatorName": s.initiator_name.as_ref(),
        }),
        "Glusterfs": optional(&v.glusterfs, |s| fields! {
            "EndpointsName": &s.endpoints, "Path": &s.path, "ReadOnly": on(s.read_only)
        }),
        "PersistentVolumeClaim": optional(&v.persistent_volume_claim, |s| fields! {
            "ClaimName": &s.claim_name, "ReadOnly": on(s.read_only)
        }),
        "RBD": optional(&v.rbd, |s| fields! {
            "CephMonitors": required(&s.monitors, |m| m.into()), "RBDImage": &s.image, "FSType": text(&s.fs_type),
            "RBDPool": text(&s.pool), "RadosUser": text(&s.user), "Keyring": text(&s.keyring),
            "SecretRef": optional(&s.secret_ref, reference), "ReadOnly": on(s.read_only),
        }),
        "Quobyte": optional(&v.quobyte, |s| fields! {
            "Registry": &s.registry, "Volume": &s.volume, "ReadOnly": on(s.read_only), "User": text(&s.user),
            "Group": text(&s.group), "Tenant": text(&s.tenant),
        }),
        "FlexVolume": optional(&v.flex_volume, |s| fields! {
            "Driver": &s.driver, "FSType": text(&s.fs_type), "SecretRef": optional(&s.secret_ref, reference),
            "ReadOnly": on(s.read_only), "Options": string_map(&s.options),
        }),
        "Cinder": optional(&v.cinder, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
            "SecretRef": optional(&s.secret_ref, reference),
        }),
        "CephFS": optional(&v.cephfs, |s| fields! {
            "Monitors": required(&s.monitors, |m| m.into()), "Path": text(&s.path), "User": text(&s.user),
            "SecretFile": text(&s.secret_file), "SecretRef": optional(&s.secret_ref, reference),
            "ReadOnly": on(s.read_only),
        }),
        "Flocker": optional(&v.flocker, |s| fields! {
            "DatasetName": text(&s.dataset_name), "DatasetUUID": text(&s.dataset_uuid)
        }),
        "DownwardAPI": optional(&v.downward_api, |s| fields! {
            "Items": each(&s.items, downward_file), "DefaultMode": s.default_mode
        }),
        "FC": optional(&v.fc, |s| fields! {
            "TargetWWNs": texts(&s.target_wwns), "Lun": s.lun, "FSType": text(&s.fs_type),
            "ReadOnly": on(s.read_only), "WWIDs": texts(&s.wwids),
        }),
        "AzureFile": optional(&v.azure_file, |s| fields! {
            "SecretName": &s.secret_name, "ShareName": &s.share_name, "ReadOnly": on(s.read_only)
        }),
        "ConfigMap": optional(&v.config_map, |s| fields! {
            "Name": &s.name, "Items": each(&s.items, key_to_path), "DefaultMode": s.default_mode,
            "Optional": s.optional,
        }),
        "VsphereVolume": optional(&v.vsphere_volume, |s| fields! {
            "VolumePath": &s.volume_path, "FSType": text(&s.fs_type),
            "StoragePolicyName": text(&s.storage_policy_name), "StoragePolicyID": text(&s.storage_policy_id),
        }),
        "AzureDisk": optional(&v.azure_disk, |s| fields! {
            "DiskName": &s.disk_name, "DataDiskURI": &s.disk_uri, "CachingMode": s.caching_mode.as_ref(),
            "FSType": s.fs_type.as_ref(), "ReadOnly": s.read_only, "Kind": s.kind.as_ref(),
        }),
        "PhotonPersistentDisk": optional(&v.photon_persistent_disk, |s| fields! {
            "PdID": &s.pd_id, "FSType": text(&s.fs_type)
        }),
        "Projected": optional(&v.projected, projected),
        "PortworxVolume": optional(&v.portworx_volume, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only)
        }),
        "ScaleIO": optional(&v.scale_io, |s| fields! {
            "Gateway": &s.gateway, "System": &s.system, "SecretRef": reference(&s.secret_ref),
            "SSLEnabled": on(s.ssl_enabled), "ProtectionDomain": text(&s.protection_domain),
            "StoragePool": text(&s.storage_pool), "StorageMode": text(&s.storage_mode),
            "VolumeName": text(&s.volume_name), "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
        }),
        "StorageOS": optional(&v.storageos, |s| fields! {
            "VolumeName": text(&s.volume_name), "VolumeNamespace": text(&s.volume_namespace),
            "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
            "SecretRef": optional(&s.secret_ref, reference),
        }),
        "CSI": optional(&v.csi, |s| fields! {
            "Driver": &s.driver, "ReadOnly": s.read_only, "FSType": s.fs_type.as_ref(),
            "VolumeAttributes": string_map(&s.volume_attributes),
            "NodePublishSecretRef": optional(&s.node_publish_secret_ref, reference),
        }),
        "Ephemeral": optional(&v.ephemeral, |s| fields! {
            "VolumeClaimTemplate": optional(&s.volume_claim_template, |t| {
                let mut of_template = Vec::new();
                if let Some(meta) = &t.metadata {
                    if meta.labels.is_some() {
                        of_template.push(("labels".to_owned(), string_map(&meta.labels)));
                    }
                    if meta.annotations.is_some() {
                        of_template.push(("annotations".to_owned(), string_map(&meta.annotations)));
                    }
                }
                of_template.push(("Spec".to_owned(), claim_spec(&t.spec)));
                Go::Fields(of_template)
            }),
        }),
        "Image": optional(&v.image, |s| fields! {
            "Reference": text(&s.reference), "PullPolicy": text(&s.pull_policy)
        }),
    }
}

/// A volume claim's spec.
pub(crate) fn claim_spec(s: &PersistentVolumeClaimSpec) -> Go {
    let none = k8s_openapi::api::core::v1::VolumeResourceRequirements::default();
    let r = s.resources.as_ref().unwrap_or(&none);
    fields! {
        "AccessModes": texts(&s.access_modes),
        "Selector": optional(&s.selector, label_selector),
        "Resources": fields! { "Limits": quantities(&r.limits), "Requests": quantities(&r.requests) },
        "VolumeName": text(&s.volume_name),
        "StorageClassName": s.storage_class_name.as_ref(),
        "VolumeMode": s.volume_mode.as_ref(),
        "DataSource": optional(&s.data_source, |d| fields! {
            "APIGroup": d.api_group.as_ref(), "Kind": &d.kind, "Name": &d.name
        }),
        "DataSourceRef": optional(&s.data_source_ref, |d| fields! {
            "APIGroup": d.api_group.as_ref(), "Kind": &d.kind, "Name": &d.name, "Namespace": d.namespace.as_ref()
        }),
        "VolumeAttributesClassName": s.volume_attributes_class_name.as_ref(),
    }
}
