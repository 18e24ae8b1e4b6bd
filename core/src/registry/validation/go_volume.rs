//! A persistent volume's source as upstream's internal struct, for the error that prints how it changed.
//! Field names and order are those of `pkg/apis/core/types.go`.

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, ObjectReference, PersistentVolumeSpec, SecretReference, VolumeNodeAffinity,
};

use super::go::{Go, each, fields};
use super::go_struct::{node_selector, optional, required, string_map, texts};
use super::prelude::*;

fn secret(r: &SecretReference) -> Go {
    fields! { "Name": text(&r.name), "Namespace": text(&r.namespace) }
}

/// A reference to an object.
pub(super) fn object(r: &ObjectReference) -> Go {
    fields! {
        "Kind": text(&r.kind), "Namespace": text(&r.namespace), "Name": text(&r.name), "UID": text(&r.uid),
        "APIVersion": text(&r.api_version), "ResourceVersion": text(&r.resource_version),
        "FieldPath": text(&r.field_path),
    }
}

/// The nodes from which a volume can be reached.
pub(super) fn node_affinity(a: &VolumeNodeAffinity) -> Go {
    fields! { "Required": optional(&a.required, node_selector) }
}

fn csi(s: &CSIPersistentVolumeSource) -> Go {
    fields! {
        "Driver": &s.driver, "VolumeHandle": &s.volume_handle, "ReadOnly": on(s.read_only), "FSType": text(&s.fs_type),
        "VolumeAttributes": string_map(&s.volume_attributes),
        "ControllerPublishSecretRef": optional(&s.controller_publish_secret_ref, secret),
        "NodeStageSecretRef": optional(&s.node_stage_secret_ref, secret),
        "NodePublishSecretRef": optional(&s.node_publish_secret_ref, secret),
        "ControllerExpandSecretRef": optional(&s.controller_expand_secret_ref, secret),
        "NodeExpandSecretRef": optional(&s.node_expand_secret_ref, secret),
    }
}

/// Upstream's `PersistentVolumeSource`.
pub(super) fn source(v: &PersistentVolumeSpec) -> Go {
    let Go::Fields(mut all) = disks(v) else { return Go::Null };
    for more in [networked(v), others(v)] {
        if let Go::Fields(more) = more {
            all.extend(more);
        }
    }
    Go::Fields(all)
}

fn disks(v: &PersistentVolumeSpec) -> Go {
    fields! {
        "GCEPersistentDisk": optional(&v.gce_persistent_disk, |s| fields! {
            "PDName": &s.pd_name, "FSType": text(&s.fs_type), "Partition": s.partition.unwrap_or(0),
            "ReadOnly": on(s.read_only),
        }),
        "AWSElasticBlockStore": optional(&v.aws_elastic_block_store, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "Partition": s.partition.unwrap_or(0),
            "ReadOnly": on(s.read_only),
        }),
        "HostPath": optional(&v.host_path, |s| fields! { "Path": &s.path, "Type": s.type_.as_ref() }),
        "Glusterfs": optional(&v.glusterfs, |s| fields! {
            "EndpointsName": &s.endpoints, "Path": &s.path, "ReadOnly": on(s.read_only),
            "EndpointsNamespace": s.endpoints_namespace.as_ref(),
        }),
        "NFS": optional(&v.nfs, |s| fields! { "Server": &s.server, "Path": &s.path, "ReadOnly": on(s.read_only) }),
    }
}

fn networked(v: &PersistentVolumeSpec) -> Go {
    fields! {
        "RBD": optional(&v.rbd, |s| fields! {
            "CephMonitors": required(&s.monitors, |m| m.into()), "RBDImage": &s.image, "FSType": text(&s.fs_type),
            "RBDPool": text(&s.pool), "RadosUser": text(&s.user), "Keyring": text(&s.keyring),
            "SecretRef": optional(&s.secret_ref, secret), "ReadOnly": on(s.read_only),
        }),
        "Quobyte": optional(&v.quobyte, |s| fields! {
            "Registry": &s.registry, "Volume": &s.volume, "ReadOnly": on(s.read_only), "User": text(&s.user),
            "Group": text(&s.group), "Tenant": text(&s.tenant),
        }),
        "ISCSI": optional(&v.iscsi, |s| fields! {
            "TargetPortal": &s.target_portal, "IQN": &s.iqn, "Lun": s.lun, "ISCSIInterface": text(&s.iscsi_interface),
            "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only), "Portals": texts(&s.portals),
            "DiscoveryCHAPAuth": on(s.chap_auth_discovery), "SessionCHAPAuth": on(s.chap_auth_session),
            "SecretRef": optional(&s.secret_ref, secret), "InitiatorName": s.initiator_name.as_ref(),
        }),
        "FlexVolume": optional(&v.flex_volume, |s| fields! {
            "Driver": &s.driver, "FSType": text(&s.fs_type), "SecretRef": optional(&s.secret_ref, secret),
            "ReadOnly": on(s.read_only), "Options": string_map(&s.options),
        }),
        "Cinder": optional(&v.cinder, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
            "SecretRef": optional(&s.secret_ref, secret),
        }),
        "CephFS": optional(&v.cephfs, |s| fields! {
            "Monitors": required(&s.monitors, |m| m.into()), "Path": text(&s.path), "User": text(&s.user),
            "SecretFile": text(&s.secret_file), "SecretRef": optional(&s.secret_ref, secret),
            "ReadOnly": on(s.read_only),
        }),
        "FC": optional(&v.fc, |s| fields! {
            "TargetWWNs": each(&s.target_wwns, |w| w.into()), "Lun": s.lun, "FSType": text(&s.fs_type),
            "ReadOnly": on(s.read_only), "WWIDs": texts(&s.wwids),
        }),
        "Flocker": optional(&v.flocker, |s| fields! {
            "DatasetName": text(&s.dataset_name), "DatasetUUID": text(&s.dataset_uuid)
        }),
    }
}

fn others(v: &PersistentVolumeSpec) -> Go {
    fields! {
        "AzureFile": optional(&v.azure_file, |s| fields! {
            "SecretName": &s.secret_name, "ShareName": &s.share_name, "ReadOnly": on(s.read_only),
            "SecretNamespace": s.secret_namespace.as_ref(),
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
        "PortworxVolume": optional(&v.portworx_volume, |s| fields! {
            "VolumeID": &s.volume_id, "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only)
        }),
        "ScaleIO": optional(&v.scale_io, |s| fields! {
            "Gateway": &s.gateway, "System": &s.system, "SecretRef": secret(&s.secret_ref),
            "SSLEnabled": on(s.ssl_enabled), "ProtectionDomain": text(&s.protection_domain),
            "StoragePool": text(&s.storage_pool), "StorageMode": text(&s.storage_mode),
            "VolumeName": text(&s.volume_name), "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only),
        }),
        "Local": optional(&v.local, |s| fields! { "Path": &s.path, "FSType": s.fs_type.as_ref() }),
        "StorageOS": optional(&v.storageos, |s| fields! {
            "VolumeName": text(&s.volume_name), "VolumeNamespace": text(&s.volume_namespace),
            "FSType": text(&s.fs_type), "ReadOnly": on(s.read_only), "SecretRef": optional(&s.secret_ref, object),
        }),
        "CSI": optional(&v.csi, csi),
    }
}
