//! RuntimeClasses.
//! Models `pkg/apis/node/validation/validation.go`.

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;

use super::go_struct;
use super::pod::{resources, scheduling};
use super::prelude::*;
use crate::api::validation::{
    name_is_dns_label, name_is_dns_subdomain, validate_object_meta, validate_object_meta_update,
};

/// Checks a new RuntimeClass.
pub fn validate_create(class: &RuntimeClass) -> ErrorList {
    let mut errs = validate_object_meta(&class.metadata, false, name_is_dns_subdomain, &Path::new("metadata"));
    let at = Path::new("handler");
    if class.handler.is_empty() {
        errs.push(Error::required(&at, ""));
    } else {
        invalid_each(name_is_dns_label(&class.handler, false), &class.handler, &at, &mut errs);
    }
    if let Some(overhead) = &class.overhead {
        let as_limits = ResourceRequirements { limits: overhead.pod_fixed.clone(), ..ResourceRequirements::default() };
        resources::container_requirements(&as_limits, &Path::new("overhead"), &mut errs);
    }
    if let Some(scheduling) = &class.scheduling {
        let path = Path::new("scheduling");
        names::labels(&scheduling.node_selector, &path.child("nodeSelector"), &mut errs);
        tolerations(list(&scheduling.tolerations), &path.child("tolerations"), &mut errs);
    }
    errs
}

fn tolerations(all: &[Toleration], path: &Path, errs: &mut ErrorList) {
    scheduling::tolerations(all, path, errs);
    let key = |t: &Toleration| (t.key.clone(), t.operator.clone(), t.value.clone(), t.effect.clone());
    for (i, t) in all.iter().enumerate() {
        if all.iter().take(i).any(|before| key(before) == key(t)) {
            errs.push(Error::duplicate_shown(&path.index(i), go_struct::toleration(t).compact()));
        }
    }
}

/// Checks a changed RuntimeClass.
pub fn validate_update(new: &RuntimeClass, old: &RuntimeClass) -> ErrorList {
    let mut errs = validate_create(new);
    errs.extend(validate_object_meta_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    if new.handler != old.handler {
        errs.push(Error::invalid_str(&Path::new("handler"), &new.handler, "field is immutable"));
    }
    errs
}
