//! The kinds that are stored, served and watched, but that no component here works on by type: one table row each.
//!
//! Their strategies differ in little: whether a generation counts changes of the spec, and whether there is a status.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value;

use super::strategy::{bump_generation, keep, reset_meta_for_status};
use super::{DeleteOutcome, GcPolicy, ResourceInfo, ScaleSpec, Strategy, StrategyContext};
use crate::api::dynamic::DynamicObject;
use crate::api::field::{ErrorList, Path};
use crate::api::object::{Obj, Object};
use crate::api::validation::{NameCheck, name_is_dns_subdomain, validate_object_meta, validate_object_meta_update};

/// What tells one dynamic kind from another.
#[derive(Clone, Copy)]
struct Row {
    info: ResourceInfo,
    /// The field whose changes the generation counts, if any does.
    counted: Option<&'static str>,
    name_rule: NameCheck,
    /// Fields that field selectors may name, as paths with dots.
    fields: &'static [&'static str],
    unconditional: bool,
    status: bool,
}

const fn row(info: ResourceInfo) -> Row {
    Row { info, counted: None, name_rule: name_is_dns_subdomain, fields: &[], unconditional: true, status: false }
}

/// A kind whose generation counts changes of its spec.
const fn counted(info: ResourceInfo) -> Row {
    Row { counted: Some("spec"), ..row(info) }
}

const fn with_status(row: Row) -> Row {
    Row { status: true, ..row }
}

/// Upstream's strategies that forbid an update without a resourceVersion.
const fn conditional(row: Row) -> Row {
    Row { unconditional: false, ..row }
}

const EXTENSIONS: &[&str] = &["api-extensions"];
const STATUS: &[&str] = &["status"];

const fn admission(resource: &'static str, singular: &'static str, kind: &'static str) -> ResourceInfo {
    ResourceInfo::cluster("admissionregistration.k8s.io", "v1", resource, singular, kind).categories(EXTENSIONS)
}

const fn storage(resource: &'static str, singular: &'static str, kind: &'static str) -> ResourceInfo {
    ResourceInfo::cluster("storage.k8s.io", "v1", resource, singular, kind)
}

const ROWS: &[Row] = &[
    with_status(conditional(row(ResourceInfo::cluster(
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "apiservice",
        "APIService",
    )
    .categories(EXTENSIONS)
    .subresources(STATUS)))),
    with_status(conditional(counted(
        ResourceInfo::cluster(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "customresourcedefinition",
            "CustomResourceDefinition",
        )
        .short(&["crd", "crds"])
        .categories(EXTENSIONS)
        .subresources(STATUS),
    ))),
    conditional(counted(admission("mutatingadmissionpolicies", "mutatingadmissionpolicy", "MutatingAdmissionPolicy"))),
    conditional(counted(admission(
        "mutatingadmissionpolicybindings",
        "mutatingadmissionpolicybinding",
        "MutatingAdmissionPolicyBinding",
    ))),
    conditional(Row {
        counted: Some("webhooks"),
        ..row(admission(
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
            "MutatingWebhookConfiguration",
        ))
    }),
    with_status(conditional(counted(
        admission("validatingadmissionpolicies", "validatingadmissionpolicy", "ValidatingAdmissionPolicy")
            .subresources(STATUS),
    ))),
    conditional(counted(admission(
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicybinding",
        "ValidatingAdmissionPolicyBinding",
    ))),
    conditional(Row {
        counted: Some("webhooks"),
        ..row(admission(
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
            "ValidatingWebhookConfiguration",
        ))
    }),
    Row {
        fields: &["spec.signerName"],
        ..with_status(row(ResourceInfo::cluster(
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
            "certificatesigningrequest",
            "CertificateSigningRequest",
        )
        .short(&["csr"])
        .subresources(&["approval", "status"])))
    },
    conditional(row(
        ResourceInfo::cluster("networking.k8s.io", "v1", "ipaddresses", "ipaddress", "IPAddress").short(&["ip"])
    )),
    with_status(conditional(row(ResourceInfo::cluster(
        "networking.k8s.io",
        "v1",
        "servicecidrs",
        "servicecidr",
        "ServiceCIDR",
    )
    .subresources(STATUS)))),
    row(storage("csidrivers", "csidriver", "CSIDriver")),
    row(storage("csinodes", "csinode", "CSINode")),
    row(ResourceInfo::namespaced(
        "storage.k8s.io",
        "v1",
        "csistoragecapacities",
        "csistoragecapacity",
        "CSIStorageCapacity",
    )),
    with_status(row(storage("volumeattachments", "volumeattachment", "VolumeAttachment").subresources(STATUS))),
    row(storage("volumeattributesclasses", "volumeattributesclass", "VolumeAttributesClass").short(&["vac"])),
    conditional(counted(ResourceInfo::cluster("resource.k8s.io", "v1", "deviceclasses", "deviceclass", "DeviceClass"))),
    with_status(row(ResourceInfo::namespaced(
        "resource.k8s.io",
        "v1",
        "resourceclaims",
        "resourceclaim",
        "ResourceClaim",
    )
    .subresources(STATUS))),
    row(ResourceInfo::namespaced(
        "resource.k8s.io",
        "v1",
        "resourceclaimtemplates",
        "resourceclaimtemplate",
        "ResourceClaimTemplate",
    )),
    Row {
        fields: &["spec.nodeName", "spec.driver"],
        ..conditional(counted(ResourceInfo::cluster(
            "resource.k8s.io",
            "v1",
            "resourceslices",
            "resourceslice",
            "ResourceSlice",
        )))
    },
    with_status(conditional(counted(
        ResourceInfo::cluster("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "flowschema", "FlowSchema")
            .subresources(STATUS),
    ))),
    with_status(conditional(counted(
        ResourceInfo::cluster(
            "flowcontrol.apiserver.k8s.io",
            "v1",
            "prioritylevelconfigurations",
            "prioritylevelconfiguration",
            "PriorityLevelConfiguration",
        )
        .subresources(STATUS),
    ))),
];

/// A strategy for each dynamic kind.
pub(super) fn all() -> impl Iterator<Item = Box<dyn Strategy>> {
    ROWS.iter().map(|row| {
        Box::new(Dynamic { row: *row, api_version: row.info.api_version().into(), kind: row.info.kind.into() })
            as Box<dyn Strategy>
    })
}

struct Dynamic {
    row: Row,
    api_version: Rc<str>,
    kind: Rc<str>,
}

fn dynamic(o: &dyn Object) -> Option<&DynamicObject> {
    (o as &dyn std::any::Any).downcast_ref()
}

fn dynamic_mut(o: &mut dyn Object) -> Option<&mut DynamicObject> {
    (o as &mut dyn std::any::Any).downcast_mut()
}

/// Takes one top-level field as it was, present or absent.
fn keep_field(new: &mut DynamicObject, old: &DynamicObject, field: &str) {
    match old.fields.get(field) {
        Some(value) if new.fields.get(field) != Some(value) => {
            new.fields.insert(field.to_owned(), value.clone());
        }
        Some(_) => {}
        None => {
            new.fields.remove(field);
        }
    }
}

impl Strategy for Dynamic {
    fn info(&self) -> &ResourceInfo {
        &self.row.info
    }
    fn decode(&self, body: Value) -> Result<Obj, String> {
        let o = DynamicObject::from_value(self.api_version.clone(), self.kind.clone(), body)?;
        Ok(Rc::new(o))
    }
    fn default(&self, o: &mut dyn Object) {
        let _ = o;
    }
    fn prepare_for_create(&self, _: &StrategyContext<'_>, o: &mut dyn Object) {
        let Some(o) = dynamic_mut(o) else { return };
        if self.row.counted.is_some() {
            o.metadata.generation = Some(1);
        }
        if self.row.status {
            o.fields.insert("status".into(), Value::Object(serde_json::Map::new()));
        }
    }
    fn validate(&self, o: &dyn Object) -> ErrorList {
        validate_object_meta(o.meta(), self.row.info.namespaced, self.row.name_rule, &Path::new("metadata"))
    }
    fn canonicalize(&self, _: &mut dyn Object) {}
    fn warnings(&self, _: &dyn Object, _: Option<&dyn Object>) -> Vec<String> {
        Vec::new()
    }
    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut dyn Object, old: &dyn Object) {
        let (Some(new), Some(old)) = (dynamic_mut(new), dynamic(old)) else { return };
        match cx.subresource {
            "status" => {
                let status = new.fields.remove("status");
                keep(&mut new.fields, &old.fields);
                match status {
                    Some(status) => new.fields.insert("status".into(), status),
                    None => new.fields.remove("status"),
                };
                reset_meta_for_status(&mut new.metadata, &old.metadata);
            }
            "approval" => {
                let conditions = new.at(&["status", "conditions"]).clone();
                keep(&mut new.fields, &old.fields);
                if let Some(status) =
                    new.fields.entry("status").or_insert_with(|| serde_json::json!({})).as_object_mut()
                {
                    status.insert("conditions".into(), conditions);
                }
            }
            _ => {
                if self.row.status {
                    keep_field(new, old, "status");
                }
                if let Some(f) = self.row.counted
                    && new.fields.get(f) != old.fields.get(f)
                {
                    bump_generation(&mut new.metadata, &old.metadata);
                }
            }
        }
    }
    fn validate_update(&self, _: &StrategyContext<'_>, new: &dyn Object, old: &dyn Object) -> ErrorList {
        validate_object_meta_update(new.meta(), old.meta(), &Path::new("metadata"))
    }
    fn allow_create_on_update(&self) -> bool {
        false
    }
    fn allow_unconditional_update(&self) -> bool {
        self.row.unconditional
    }
    fn graceful(&self) -> bool {
        false
    }
    fn check_delete(&self, _: &dyn Object, _: Option<i64>) -> DeleteOutcome {
        DeleteOutcome::Immediate
    }
    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::DeleteDependents
    }
    fn may_go(&self, _: &dyn Object) -> bool {
        true
    }
    fn marks_itself(&self) -> bool {
        false
    }
    fn mark_deleting(&self, _: &mut dyn Object) {}
    fn returns_deleted(&self) -> bool {
        // Upstream's storages of storage.k8s.io return what they deleted.
        self.row.info.group == "storage.k8s.io" || self.row.info.group == "resource.k8s.io"
    }
    fn field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>> {
        match path {
            "metadata.name" => return Some(Cow::Borrowed(o.meta().name.as_deref().unwrap_or_default())),
            "metadata.namespace" => return Some(Cow::Borrowed(o.meta().namespace.as_deref().unwrap_or_default())),
            _ => {}
        }
        if !self.row.fields.contains(&path) {
            return None;
        }
        let keys: Vec<&str> = path.split('.').collect();
        dynamic(o).map(|o| Cow::Borrowed(o.at(&keys).as_str().unwrap_or_default()))
    }
    fn selectable_fields(&self) -> &'static [&'static str] {
        self.row.fields
    }
    fn index_field(&self) -> Option<&'static str> {
        None
    }
    fn scale(&self, _: &dyn Object) -> Option<ScaleSpec> {
        None
    }
    fn set_scale(&self, _: &mut dyn Object, _: i32) {}
    fn ttl_seconds(&self) -> u64 {
        0
    }
}
