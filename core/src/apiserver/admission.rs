//! Admission: what is changed or refused on the way in, after authorization and before storage.
//! Models upstream's `plugin/pkg/admission` and `pkg/kubeapiserver/options/plugins.go` for the order.

mod certificates;
mod default_class;
mod ingress_class;
mod limit_ranger;
mod namespace_lifecycle;
mod nodes;
mod pod_security;
pub(in crate::apiserver) mod policies;
mod priority;
mod resource_quota;
mod runtime_class;
mod service_account;
mod storage;
mod tolerations;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ApiServer, Caller};
use crate::api::object::{Obj, Object};
use crate::api::status::Status;
use crate::registry::{ResourceId, ResourceInfo};

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Create.
    Create,
    /// Update or patch.
    Update,
    /// Delete.
    Delete,
}

/// What admission knows of a request.
pub struct Attributes<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The kind.
    pub id: ResourceId,
    /// The namespace, empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The subresource, or empty.
    pub subresource: &'a str,
    /// The verb.
    pub verb: Verb,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// `NewForbidden` of the admission package: it names the object, or failing that what its name is generated from.
fn forbidden(info: &ResourceInfo, o: &dyn Object, why: &str) -> Status {
    let meta = o.meta();
    let name = meta.name.as_deref().filter(|n| !n.is_empty()).or(meta.generate_name.as_deref()).unwrap_or_default();
    forbidden_name(info, name, why)
}

fn forbidden_name(info: &ResourceInfo, name: &str, why: &str) -> Status {
    Status::forbidden(info.group, info.resource, name, why)
}

/// Whether there may be anything new of an object at all: of one that is sent to a subresource, such as a Binding.
pub(super) fn admit_taken(server: &ApiServer, a: &Attributes<'_>, name: &str) -> Result<(), Status> {
    match server.enabled("NamespaceLifecycle") {
        true => namespace_lifecycle::admit(server, a, server.registry.info(a.id), name),
        false => Ok(()),
    }
}

/// What may be said against an object that is sent to a subresource and not stored, such as a Binding.
pub(super) fn validate_taken(
    server: &ApiServer,
    a: &Attributes<'_>,
    kind: (&str, &str, &str),
    taken: (&str, &Value),
) -> Result<(), Status> {
    match server.enabled("ValidatingAdmissionPolicy") {
        true => policies::validate_taken(server, a, server.registry.info(a.id), kind, taken),
        false => Ok(()),
    }
}

/// The labels of a node that pods on it get: where it is. Nothing of a node that isn't there.
pub(super) fn topology_labels(server: &ApiServer, node: &str) -> BTreeMap<String, String> {
    if server.enabled("PodTopologyLabels") { nodes::topology_labels(server, node) } else { BTreeMap::new() }
}

/// Runs the plugins that may change the object, in upstream's order; once more where a policy changed it.
pub fn admit(server: &ApiServer, a: &Attributes<'_>, obj: &mut Obj, old: Option<&Obj>) -> Result<(), Status> {
    plugins(server, a, obj, old)?;
    let info = server.registry.info(a.id);
    if server.enabled("MutatingAdmissionPolicy") && policies::mutate(server, a, info, obj, old, false)? {
        plugins(server, a, obj, old)?;
        policies::mutate(server, a, info, obj, old, true)?;
    }
    Ok(())
}

fn plugins(server: &ApiServer, a: &Attributes<'_>, obj: &mut Obj, old: Option<&Obj>) -> Result<(), Status> {
    let info = server.registry.info(a.id);
    if a.verb == Verb::Create && a.subresource.is_empty() && info.namespaced && server.enabled("NamespaceLifecycle") {
        let meta = obj.meta();
        let name = meta.name.as_deref().filter(|n| !n.is_empty()).or(meta.generate_name.as_deref());
        namespace_lifecycle::admit(server, a, info, name.unwrap_or_default())?;
    }
    if !a.subresource.is_empty() {
        return Ok(());
    }
    match (info.group, info.resource) {
        ("", "pods") => {
            if a.verb == Verb::Create {
                if server.enabled("LimitRanger") {
                    limit_ranger::admit(server, a, info, obj)?;
                }
                if server.enabled("ServiceAccount") {
                    service_account::admit(server, a, info, obj)?;
                }
            }
            if server.enabled("Priority") {
                priority::admit(server, a, info, obj, old)?;
            }
            if server.enabled("DefaultTolerationSeconds") {
                tolerations::admit(obj);
            }
            if a.verb == Verb::Create && server.enabled("RuntimeClass") {
                runtime_class::admit(server, info, obj)?;
            }
            if a.verb == Verb::Create {
                nodes::label_pod(server, obj);
            }
        }
        ("networking.k8s.io", "ingresses") if a.verb == Verb::Create && server.enabled("DefaultIngressClass") => {
            ingress_class::default_class(server, obj);
        }
        ("", "nodes") if a.verb == Verb::Create && server.enabled("TaintNodesByCondition") => nodes::admit(obj),
        ("", "persistentvolumeclaims") if a.verb == Verb::Create => {
            if server.enabled("LimitRanger") {
                limit_ranger::admit_claim(server, a, info, obj)?;
            }
            if server.enabled("DefaultStorageClass") {
                storage::default_class(server, obj);
            }
            if server.enabled("StorageObjectInUseProtection") {
                storage::protect(obj, "kubernetes.io/pvc-protection");
            }
        }
        ("", "persistentvolumes") if a.verb == Verb::Create && server.enabled("StorageObjectInUseProtection") => {
            storage::protect(obj, "kubernetes.io/pv-protection");
        }
        ("storage.k8s.io", "volumeattributesclasses")
            if a.verb == Verb::Create && server.enabled("StorageObjectInUseProtection") =>
        {
            storage::protect(obj, "kubernetes.io/vac-protection");
        }
        _ => {}
    }
    Ok(())
}

/// Runs the plugins that only refuse.
pub fn validate(server: &ApiServer, a: &Attributes<'_>, obj: &Obj, old: Option<&Obj>) -> Result<(), Status> {
    let info = server.registry.info(a.id);
    if a.verb == Verb::Delete {
        if info.resource == "namespaces" && info.group.is_empty() && server.enabled("NamespaceLifecycle") {
            namespace_lifecycle::validate_delete(info, &**obj)?;
        }
        if server.enabled("ValidatingAdmissionPolicy") {
            policies::validate(server, a, info, obj, old)?;
        }
        return Ok(());
    }
    if server.enabled("NodeRestriction") {
        nodes::restrict(a, info, &**obj)?;
    }
    if a.subresource.is_empty() && server.enabled("PodSecurity") {
        if info.group.is_empty() && info.resource == "namespaces" {
            pod_security::validate_namespace(server, info, obj, old)?;
        } else {
            pod_security::validate(server, a, info, obj, old)?;
        }
    }
    if server.enabled("PersistentVolumeClaimResize") {
        storage::validate_resize(server, a, info, obj, old)?;
    }
    if info.resource == "certificatesigningrequests" && server.enabled("CertificateApproval") {
        certificates::validate(server, a, info, obj, old)?;
    }
    if a.subresource == "resize" && server.enabled("PodResizeValidator") {
        nodes::check_resize(server, info, obj, old)?;
    }
    if info.resource == "priorityclasses" && server.enabled("Priority") {
        priority::validate_class(server, info, obj)?;
    }
    if server.enabled("ValidatingAdmissionPolicy") {
        policies::validate(server, a, info, obj, old)?;
    }
    if a.subresource.is_empty() && info.namespaced && server.enabled("ResourceQuota") {
        resource_quota::validate(server, a, info, obj, old)?;
    }
    Ok(())
}

impl ApiServer {
    /// Whether an admission plugin runs: all do but those that were disabled, as by --disable-admission-plugins.
    fn enabled(&self, plugin: &str) -> bool {
        !self.disabled_plugins.contains(&plugin)
    }

    /// Turns an admission plugin off.
    pub fn disable_admission_plugin(&mut self, plugin: &'static str) {
        self.disabled_plugins.push(plugin);
    }
}
