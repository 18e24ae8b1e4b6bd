//! IngressClasses.

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassParametersReference, IngressClassSpec};

use super::ingress::required_segment;
use crate::api::validation::{is_domain_prefixed_path, name_is_dns_label, name_is_dns_subdomain};
use crate::registry::validation::prelude::*;

const CONTROLLER_BYTES_MAX: usize = 250;

/// Checks a new IngressClass.
pub fn validate_create(class: &IngressClass) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(class, &mut errs);
    errs
}

fn create_into(class: &IngressClass, errs: &mut ErrorList) {
    names::object_meta(&class.metadata, false, name_is_dns_subdomain, errs);
    let default = IngressClassSpec::default();
    let spec = class.spec.as_ref().unwrap_or(&default);
    let path = Path::new("spec");
    let (at, controller) = (path.child("controller"), text(&spec.controller));
    if controller.len() > CONTROLLER_BYTES_MAX {
        errs.push(Error::too_long(&at, CONTROLLER_BYTES_MAX));
    }
    errs.extend(is_domain_prefixed_path(&at, controller));
    if let Some(p) = &spec.parameters {
        parameters(p, &path.child("parameters"), errs);
    }
}

fn parameters(parameters: &IngressClassParametersReference, path: &Path, errs: &mut ErrorList) {
    if let Some(group) = &parameters.api_group {
        names::dns_subdomain(group, &path.child("apiGroup"), errs);
    }
    for (field, value) in [("kind", &parameters.kind), ("name", &parameters.name)] {
        required_segment(value, &path.child(field), errs);
    }
    let (scope_path, namespace_path) = (path.child("scope"), path.child("namespace"));
    match (parameters.scope.as_deref(), &parameters.namespace) {
        (None, _) => errs.push(Error::required(&scope_path, "")),
        (Some("Namespace"), None) => {
            errs.push(Error::required(&namespace_path, "`parameters.scope` is set to 'Namespace'"));
        }
        (Some("Namespace"), Some(namespace)) => {
            invalid_each(name_is_dns_label(namespace, false), namespace, &namespace_path, errs);
        }
        (Some("Cluster"), Some(_)) => {
            errs.push(Error::forbidden(&namespace_path, "`parameters.scope` is set to 'Cluster'"));
        }
        (Some("Cluster"), None) => {}
        (Some(scope), _) => errs.push(Error::not_supported(&scope_path, scope, &["Cluster", "Namespace"])),
    }
}

/// Checks a changed IngressClass.
pub fn validate_update(new: &IngressClass, old: &IngressClass) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let controller = |c: &IngressClass| c.spec.as_ref().and_then(|s| s.controller.clone()).unwrap_or_default();
    if controller(new) != controller(old) {
        errs.push(Error::invalid_str(&Path::new("spec.controller"), &controller(new), "field is immutable"));
    }
    create_into(new, &mut errs);
    errs
}
