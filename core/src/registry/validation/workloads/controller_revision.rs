//! ControllerRevisions.
//! Models `pkg/apis/apps/validation/validation.go` (ValidateControllerRevision and kin).

use k8s_openapi::api::apps::v1::ControllerRevision;

use super::*;
use crate::api::validation::name_is_dns_subdomain;

/// Checks a new ControllerRevision.
pub fn validate_create(revision: &ControllerRevision) -> ErrorList {
    let mut errs = ErrorList::new();
    revision_into(revision, &mut errs);
    let path = Path::new("data");
    match revision.data.as_ref().map(|d| &d.0) {
        None | Some(serde_json::Value::Null) => errs.push(Error::required(&path, "data is mandatory")),
        Some(serde_json::Value::Object(_)) => {}
        Some(_) => errs.push(Error::required(&path, "data must be a valid JSON object")),
    }
    errs
}

fn revision_into(revision: &ControllerRevision, errs: &mut ErrorList) {
    names::object_meta(&revision.metadata, true, name_is_dns_subdomain, errs);
    nonnegative(revision.revision, &Path::new("revision"), errs);
}

/// Checks a changed ControllerRevision.
pub fn validate_update(new: &ControllerRevision, old: &ControllerRevision) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    revision_into(new, &mut errs);
    if new.data != old.data {
        errs.push(Error::invalid(&Path::new("data"), &json!(new.data), "field is immutable"));
    }
    errs
}
