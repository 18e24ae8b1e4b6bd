//! Validation of Secrets, whose type says what they must hold.
//! Models `pkg/apis/core/validation/validation.go` (ValidateSecret and ValidateSecretUpdate).

use k8s_openapi::api::core::v1::Secret;

use super::config_map::{IMMUTABLE, SIZE_BYTES_MAX};
use super::prelude::*;
use crate::api::decode::json_object_complaint;
use crate::api::validation::name_is_dns_subdomain;

const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

/// Checks a new Secret.
pub fn validate_create(secret: &Secret) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(secret, &mut errs);
    errs
}

fn create_into(secret: &Secret, errs: &mut ErrorList) {
    names::object_meta(&secret.metadata, true, name_is_dns_subdomain, errs);
    let path = Path::new("data");
    let mut size = 0usize;
    for (key, value) in entries(&secret.data) {
        names::config_map_key(key, &path.key(key), errs);
        size = size.saturating_add(value.0.len());
    }
    if size > SIZE_BYTES_MAX {
        errs.push(Error::too_long(&path, SIZE_BYTES_MAX));
    }
    let value = |key: &str| entry(&secret.data, key).map(|v| v.0.as_slice());
    let missing = |key: &str| Error::required(&path.key(key), "");
    match text(&secret.type_) {
        "kubernetes.io/service-account-token"
            if entry(&secret.metadata.annotations, SERVICE_ACCOUNT_NAME).is_none_or(|name| name.is_empty()) =>
        {
            errs.push(Error::required(&Path::new("metadata.annotations").key(SERVICE_ACCOUNT_NAME), ""));
        }
        "kubernetes.io/dockercfg" => docker_config(".dockercfg", value(".dockercfg"), &path, errs),
        "kubernetes.io/dockerconfigjson" => {
            docker_config(".dockerconfigjson", value(".dockerconfigjson"), &path, errs);
        }
        "kubernetes.io/basic-auth" if value("username").is_none() && value("password").is_none() => {
            errs.push(missing("username"));
            errs.push(missing("password"));
        }
        "kubernetes.io/ssh-auth" if value("ssh-privatekey").is_none_or(<[u8]>::is_empty) => {
            errs.push(missing("ssh-privatekey"));
        }
        "kubernetes.io/tls" => {
            errs.extend(["tls.crt", "tls.key"].into_iter().filter(|key| value(key).is_none()).map(missing));
        }
        _ => {}
    }
}

/// Credentials for registries are a JSON object.
fn docker_config(key: &str, value: Option<&[u8]>, path: &Path, errs: &mut ErrorList) {
    let Some(value) = value else {
        errs.push(Error::required(&path.key(key), ""));
        return;
    };
    if let Some(complaint) = json_object_complaint(value) {
        errs.push(Error::invalid_str(&path.key(key), "<secret contents redacted>", complaint));
    }
}

/// Checks a changed Secret.
pub fn validate_update(new: &Secret, old: &Secret) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if text(&new.type_) != text(&old.type_) {
        errs.push(Error::invalid_str(&Path::new("type"), text(&new.type_), "field is immutable"));
    }
    if on(old.immutable) {
        if !on(new.immutable) {
            errs.push(Error::forbidden(&Path::new("immutable"), IMMUTABLE));
        }
        if !super::same_entries(&new.data, &old.data) {
            errs.push(Error::forbidden(&Path::new("data"), IMMUTABLE));
        }
    }
    create_into(new, &mut errs);
    errs
}
