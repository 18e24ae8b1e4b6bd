//! StorageClasses and VolumeAttributesClasses.
//! Models `pkg/apis/storage/validation/validation.go`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::TopologySelectorTerm;
use k8s_openapi::api::storage::v1::{StorageClass, VolumeAttributesClass};

use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

/// Checks a new StorageClass.
pub fn validate_create(class: &StorageClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&class.metadata, false, name_is_dns_subdomain, &mut errs);
    provisioner(&class.provisioner, &Path::new("provisioner"), &mut errs);
    let all = entries(&class.parameters).map(|(k, v)| (k, v.as_str()));
    parameters(all, true, &Path::new("parameters"), &mut errs);
    let policy = text(&class.reclaim_policy);
    if !policy.is_empty() {
        one_of(policy, &["Delete", "Retain"], &Path::new("reclaimPolicy"), &mut errs);
    }
    let at = Path::new("volumeBindingMode");
    match class.volume_binding_mode.as_deref() {
        None => errs.push(Error::required(&at, "")),
        Some(mode) => one_of(mode, &["Immediate", "WaitForFirstConsumer"], &at, &mut errs),
    }
    topologies(list(&class.allowed_topologies), &Path::new("allowedTopologies"), &mut errs);
    errs
}

fn provisioner(name: &str, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(path, ""));
    } else {
        names::qualified_name(&name.to_lowercase(), path, errs);
    }
}

fn parameters<'a>(all: impl Iterator<Item = (&'a str, &'a str)>, allow_empty: bool, path: &Path, errs: &mut ErrorList) {
    let all: Vec<(&str, &str)> = all.collect();
    if all.len() > PARAMETERS_MAX {
        errs.push(Error::too_long(path, PARAMETERS_MAX));
        return;
    }
    for (key, _) in all.iter().filter(|(k, _)| k.is_empty()) {
        errs.push(Error::invalid_str(path, key, "field can not be empty."));
    }
    if all.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > PARAMETERS_BYTES_MAX {
        errs.push(Error::too_long(path, PARAMETERS_BYTES_MAX));
    }
    if !allow_empty && all.is_empty() {
        errs.push(Error::required(path, "must contain at least one key/value pair"));
    }
}

fn topologies(terms: &[TopologySelectorTerm], path: &Path, errs: &mut ErrorList) {
    let mut before: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let at = path.index(i);
        let expressions_path = at.child("matchLabelExpressions");
        let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (j, e) in list(&term.match_label_expressions).iter().enumerate() {
            let at = expressions_path.index(j);
            let values_path = at.child("values");
            if e.values.is_empty() {
                errs.push(Error::required(&values_path, ""));
            }
            let mut values = BTreeSet::new();
            for (k, value) in e.values.iter().enumerate() {
                if !values.insert(value.as_str()) {
                    errs.push(Error::duplicate(&values_path.index(k), &json!(value)));
                }
            }
            names::label_name(&e.key, &at.child("key"), errs);
            if keys.insert(&e.key, values).is_some() {
                errs.push(Error::duplicate(&at.child("key"), &json!(e.key)));
            }
        }
        // Upstream's list of the terms before begins with as many that are unset as there are terms: an empty one is
        // like each of them.
        let unset = if keys.is_empty() { terms.len() } else { 0 };
        let times = unset + before.iter().filter(|b| **b == keys).count();
        for _ in 0..times {
            errs.push(Error::duplicate(&expressions_path, &json!("")));
        }
        before.push(keys);
    }
}

/// Checks a changed StorageClass.
pub fn validate_update(new: &StorageClass, old: &StorageClass) -> ErrorList {
    let mut errs = validate_create(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let mut immutable = |name: &str, same: bool, value: serde_json::Value| {
        if !same {
            errs.push(Error::invalid(&Path::new(name), &value, "field is immutable"));
        }
    };
    let of = |c: &StorageClass| c.parameters.clone().unwrap_or_default();
    immutable("parameters", of(new) == of(old), json!(new.parameters));
    immutable("provisioner", new.provisioner == old.provisioner, json!(new.provisioner));
    immutable("reclaimPolicy", new.reclaim_policy == old.reclaim_policy, json!(new.reclaim_policy));
    let same = new.volume_binding_mode == old.volume_binding_mode;
    immutable("volumeBindingMode", same, json!(new.volume_binding_mode));
    errs
}

/// Checks a new VolumeAttributesClass.
pub fn validate_attributes(class: &VolumeAttributesClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&class.metadata, false, name_is_dns_subdomain, &mut errs);
    provisioner(&class.driver_name, &Path::new("driverName"), &mut errs);
    let all = entries(&class.parameters).map(|(k, v)| (k, v.as_str()));
    parameters(all, false, &Path::new("parameters"), &mut errs);
    errs
}

/// Checks a changed VolumeAttributesClass.
pub fn validate_attributes_update(new: &VolumeAttributesClass, old: &VolumeAttributesClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let of = |c: &VolumeAttributesClass| c.parameters.clone().unwrap_or_default();
    for (field, same) in [("driverName", new.driver_name == old.driver_name), ("parameters", of(new) == of(old))] {
        if !same {
            errs.push(Error::forbidden(&Path::new(field), format!("updates to {field} are forbidden.")));
        }
    }
    errs.extend(validate_attributes(new));
    errs
}
