//! Volume mounts and block devices of a container.
//! Models `pkg/apis/core/validation/validation.go` (ValidateVolumeMounts, ValidateVolumeDevices).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};

use super::volumes;
use crate::registry::validation::prelude::*;

pub(super) fn mounts(c: &Container, volumes: &BTreeMap<&str, &Volume>, path: &Path, errs: &mut ErrorList) {
    let mounts = list(&c.volume_mounts);
    let devices = list(&c.volume_devices);
    let privileged = c.security_context.as_ref().is_some_and(|sc| on(sc.privileged));
    for (i, m) in mounts.iter().enumerate() {
        let at = path.index(i);
        if m.name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        }
        if !volumes.contains_key(m.name.as_str()) {
            errs.push(Error::not_found(&at.child("name"), &json!(m.name)));
        }
        if m.mount_path.is_empty() {
            errs.push(Error::required(&at.child("mountPath"), ""));
        }
        if mounts.iter().take(i).any(|o| o.mount_path == m.mount_path) {
            errs.push(Error::invalid_str(&at.child("mountPath"), &m.mount_path, "must be unique"));
        }
        if devices.iter().any(|d| d.name == m.name) {
            errs.push(Error::invalid_str(&at.child("name"), &m.name, "must not already exist in volumeDevices"));
        }
        if devices.iter().any(|d| d.device_path == m.mount_path) {
            errs.push(Error::invalid_str(
                &at.child("mountPath"),
                &m.mount_path,
                "must not already exist as a path in volumeDevices",
            ));
        }
        // Upstream names these fields without the mount's index.
        if !text(&m.sub_path).is_empty() {
            volumes::local_descending_path(text(&m.sub_path), &path.child("subPath"), errs);
        }
        if !text(&m.sub_path_expr).is_empty() {
            if !text(&m.sub_path).is_empty() {
                errs.push(Error::invalid_str(
                    &at.child("subPathExpr"),
                    text(&m.sub_path_expr),
                    "subPathExpr and subPath are mutually exclusive",
                ));
            }
            volumes::local_descending_path(text(&m.sub_path_expr), &path.child("subPathExpr"), errs);
        }
        if let Some(propagation) = m.mount_propagation.as_deref() {
            let at = path.child("mountPropagation");
            one_of(propagation, &["Bidirectional", "HostToContainer", "None"], &at, errs);
            if propagation == "Bidirectional" && !privileged {
                errs.push(Error::forbidden(
                    &at,
                    "Bidirectional mount propagation is available only to privileged containers",
                ));
            }
        }
        recursive_read_only(m, &path.child("recursiveReadOnly"), errs);
    }
}

fn recursive_read_only(m: &VolumeMount, path: &Path, errs: &mut ErrorList) {
    match m.recursive_read_only.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !on(m.read_only) {
                errs.push(Error::forbidden(path, "may only be specified when readOnly is true"));
            }
            if m.mount_propagation.as_deref().is_some_and(|p| p != "None") {
                errs.push(Error::forbidden(
                    path,
                    "may only be specified when mountPropagation is None or not specified",
                ));
            }
        }
        Some(other) => errs.push(Error::not_supported(path, other, &["Disabled", "Enabled", "IfPossible"])),
    }
}

pub(super) fn devices(c: &Container, volumes: &BTreeMap<&str, &Volume>, path: &Path, errs: &mut ErrorList) {
    let mounts = list(&c.volume_mounts);
    let devices = list(&c.volume_devices);
    let mut paths_seen: Vec<&str> = Vec::new();
    for (i, d) in devices.iter().enumerate() {
        let at = path.index(i);
        if d.name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        } else if devices.iter().take(i).any(|o| o.name == d.name) {
            errs.push(Error::invalid_str(&at.child("name"), &d.name, "must be unique"));
        }
        match volumes.get(d.name.as_str()) {
            Some(v) if v.persistent_volume_claim.is_none() && v.ephemeral.is_none() => {
                errs.push(Error::invalid_str(
                    &at.child("name"),
                    &d.name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                ));
            }
            Some(_) => {}
            None => errs.push(Error::not_found(&at.child("name"), &json!(d.name))),
        }
        let device_path = d.device_path.as_str();
        if device_path.is_empty() {
            errs.push(Error::required(&at.child("devicePath"), ""));
        }
        if paths_seen.contains(&device_path) {
            errs.push(Error::invalid_str(&at.child("devicePath"), device_path, "must be unique"));
        }
        if device_path.split('/').any(|part| part == "..") {
            errs.push(Error::invalid_str(&at.child("devicePath"), device_path, "can not contain backsteps ('..')"));
        } else {
            paths_seen.push(device_path);
        }
        if mounts.iter().any(|m| m.name == d.name) {
            errs.push(Error::invalid_str(&at.child("name"), &d.name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|m| m.mount_path == device_path) {
            errs.push(Error::invalid_str(
                &at.child("devicePath"),
                device_path,
                "must not already exist as a path in volumeMounts",
            ));
        }
    }
}
