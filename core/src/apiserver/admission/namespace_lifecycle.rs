//! Nothing is created in a namespace that isn't there or is on its way out; some namespaces stay.
//! Models apiserver's `pkg/admission/plugin/namespace/lifecycle`.

use k8s_openapi::api::core::v1::Namespace;

use super::{Attributes, forbidden, forbidden_name};
use crate::api::object::{Object, typed};
use crate::api::status::{Cause, Status};
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

/// Nothing is made in a namespace that isn't there or goes; `name` is what is to be made.
pub(super) fn admit(server: &ApiServer, a: &Attributes<'_>, info: &ResourceInfo, name: &str) -> Result<(), Status> {
    let Some(id) = server.registry.id_of::<Namespace>() else { return Ok(()) };
    let Some((found, _)) = server.load(id, "", a.namespace) else {
        return Err(Status::not_found("", "namespaces", a.namespace));
    };
    let phase = typed::<Namespace>(&*found).and_then(|n| n.status.as_ref()).and_then(|s| s.phase.as_deref());
    if phase != Some("Terminating") {
        return Ok(());
    }
    let ns = a.namespace;
    let why = format!("unable to create new content in namespace {ns} because it is being terminated");
    let mut status = forbidden_name(info, name, &why);
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            reason: "NamespaceTerminating".into(),
            message: format!("namespace {ns} is being terminated"),
            field: "metadata.namespace".into(),
        });
    }
    Err(status)
}

pub(super) fn validate_delete(info: &ResourceInfo, o: &dyn Object) -> Result<(), Status> {
    match o.meta().name.as_deref() {
        Some("default" | "kube-system" | "kube-public") => Err(forbidden(info, o, "this namespace may not be deleted")),
        _ => Ok(()),
    }
}
