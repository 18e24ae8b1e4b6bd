//! Rows of volumes and what makes them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::{StorageClass, VolumeAttributesClass};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::{Printer, default_name};
use crate::api::object::typed;
use crate::registry::ResourceInfo;

fn modes(all: Option<&Vec<String>>) -> String {
    let short = |m: &str| match m {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let order = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    let has = |m: &&str| all.is_some_and(|a| a.iter().any(|x| x == m));
    order.iter().filter(|m| has(m)).map(|m| short(m)).collect::<Vec<_>>().join(",")
}

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

fn class(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, own: Option<&String>) -> String {
    meta.annotations.as_ref().and_then(|a| a.get(BETA_CLASS)).or(own).cloned().unwrap_or_default()
}

/// How much a volume holds; what isn't said is nothing.
fn storage(capacity: Option<&BTreeMap<String, Quantity>>) -> String {
    capacity.and_then(|c| c.get("storage")).map_or_else(|| "0".into(), |q| q.0.clone())
}

pub(super) fn cells(p: &Printer<'_>, info: &ResourceInfo) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<PersistentVolume>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let claim = spec.claim_ref.as_ref().map(|c| {
            format!("{}/{}", c.namespace.as_deref().unwrap_or_default(), c.name.as_deref().unwrap_or_default())
        });
        let mut phase = s.phase.unwrap_or_default();
        if x.metadata.deletion_timestamp.is_some() {
            phase = "Terminating".into();
        }
        return Some(vec![
            p.name(),
            storage(spec.capacity.as_ref()).into(),
            modes(spec.access_modes.as_ref()).into(),
            spec.persistent_volume_reclaim_policy.unwrap_or_default().into(),
            phase.into(),
            claim.unwrap_or_default().into(),
            class(&x.metadata, spec.storage_class_name.as_ref()).into(),
            spec.volume_attributes_class_name.unwrap_or_else(|| "<unset>".into()).into(),
            s.reason.unwrap_or_default().into(),
            p.age(),
            spec.volume_mode.unwrap_or_else(|| "<unset>".into()).into(),
        ]);
    }
    if let Some(x) = typed::<PersistentVolumeClaim>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let volume = spec.volume_name.clone().unwrap_or_default();
        let (mut capacity, mut access) = (String::new(), String::new());
        if !volume.is_empty() {
            access = modes(s.access_modes.as_ref());
            capacity = storage(s.capacity.as_ref());
        }
        let mut phase = s.phase.unwrap_or_default();
        if x.metadata.deletion_timestamp.is_some() {
            phase = "Terminating".into();
        }
        return Some(vec![
            p.name(),
            phase.into(),
            volume.into(),
            capacity.into(),
            access.into(),
            class(&x.metadata, spec.storage_class_name.as_ref()).into(),
            spec.volume_attributes_class_name.unwrap_or_else(|| "<unset>".into()).into(),
            p.age(),
            spec.volume_mode.unwrap_or_else(|| "<unset>".into()).into(),
        ]);
    }
    if let Some(x) = typed::<VolumeAttributesClass>(o) {
        return Some(vec![p.name(), x.driver_name.as_str().into(), p.age()]);
    }
    if let Some(x) = typed::<StorageClass>(o) {
        let keys = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
        return Some(vec![
            default_name(p, &keys),
            x.provisioner.clone().into(),
            x.reclaim_policy.clone().unwrap_or_else(|| "Delete".into()).into(),
            x.volume_binding_mode.clone().unwrap_or_else(|| "Immediate".into()).into(),
            x.allow_volume_expansion.unwrap_or(false).into(),
            p.age(),
        ]);
    }
    if info.group != "storage.k8s.io" {
        return None;
    }
    let flag = |path: &[&str], default: bool| -> Value { p.at(path).as_bool().unwrap_or(default).into() };
    Some(match info.resource {
        "volumeattachments" => vec![
            p.name(),
            p.text(&["spec", "attacher"]).into(),
            p.text(&["spec", "source", "persistentVolumeName"]).into(),
            p.text(&["spec", "nodeName"]).into(),
            flag(&["status", "attached"], false),
            p.age(),
        ],
        "csinodes" => {
            let drivers = p.at(&["spec", "drivers"]).as_array().map_or(0, Vec::len);
            vec![p.name(), drivers.into(), p.age()]
        }
        "csidrivers" => {
            let list = |path: &[&str], field: Option<&str>| {
                let all = p.at(path).as_array().cloned().unwrap_or_default();
                let texts = all.iter().map(|v| field.map_or(v, |f| &v[f]).as_str().unwrap_or_default().to_owned());
                texts.collect::<Vec<_>>().join(",")
            };
            let tokens = list(&["spec", "tokenRequests"], Some("audience"));
            let modes = list(&["spec", "volumeLifecycleModes"], None);
            vec![
                p.name(),
                flag(&["spec", "attachRequired"], true),
                flag(&["spec", "podInfoOnMount"], false),
                flag(&["spec", "storageCapacity"], false),
                if p.at(&["spec", "tokenRequests"]).is_array() { tokens } else { "<unset>".to_owned() }.into(),
                flag(&["spec", "requiresRepublish"], false),
                if modes.is_empty() { "<none>".to_owned() } else { modes }.into(),
                p.age(),
            ]
        }
        _ => return None,
    })
}
