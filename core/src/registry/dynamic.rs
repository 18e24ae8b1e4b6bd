//! The kinds that are stored, served and watched, but that no component here works on by type: one table row each.
//!
//! Their strategies differ in little: whether a generation counts changes of the spec, and whether there is a status.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::{Value, json};

use super::strategy::{bump_generation, keep, reset_meta_for_status};
use super::validation::dynamic::{
    admission as hooks, aggregation, approval, certificates, extensions, flow_control, mutating, networking,
    resource_claim as claims, resource_slice as slices, storage as volumes,
};
use super::validation::go_schema::same_field;
use super::{ResourceInfo, Strategy, StrategyContext};
use crate::api::decode::show_seconds;
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
    rules: Rules,
    /// Whether the generation begins with the first update.
    counts_updates_only: bool,
    /// What a first delete changes, where it only marks.
    marking: Option<Default>,
}

type Default = fn(&mut DynamicObject);
type Prepare = fn(&StrategyContext<'_>, &mut DynamicObject, Option<&DynamicObject>);
type Create = fn(&DynamicObject) -> ErrorList;
type Update = fn(&DynamicObject, &DynamicObject) -> ErrorList;
type Warn = fn(&DynamicObject, Option<&DynamicObject>) -> Vec<String>;

/// What a kind has of its own; what it leaves out is what every kind has.
#[derive(Clone, Copy)]
struct Rules {
    default: Default,
    /// After the generic preparation of a create or an update.
    prepare: Prepare,
    create: Option<Create>,
    update: Option<Update>,
    status: Option<Update>,
    approval: Option<Update>,
    warn: Warn,
}

const PLAIN: Rules = Rules {
    default: |_| {},
    prepare: |_, _, _| {},
    create: None,
    update: None,
    status: None,
    approval: None,
    warn: |_, _| Vec::new(),
};

const fn rules(create: Create, update: Update) -> Rules {
    Rules { create: Some(create), update: Some(update), ..PLAIN }
}

/// A row with rules of its own.
const fn ruled(row: Row, rules: Rules) -> Row {
    Row { rules, ..row }
}

const fn row(info: ResourceInfo) -> Row {
    Row {
        info,
        counted: None,
        name_rule: name_is_dns_subdomain,
        fields: &[],
        unconditional: true,
        status: false,
        rules: PLAIN,
        counts_updates_only: false,
        marking: None,
    }
}

/// A kind whose generation counts changes of its spec.
const fn counted(info: ResourceInfo) -> Row {
    Row { counted: Some("spec"), ..row(info) }
}

/// A kind whose generation counts from the first change on.
const fn counted_on_update(info: ResourceInfo) -> Row {
    Row { counts_updates_only: true, ..counted(info) }
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
    ruled(
        with_status(conditional(row(ResourceInfo::cluster(
            "apiregistration.k8s.io",
            "v1",
            "apiservices",
            "apiservice",
            "APIService",
        )
        .categories(EXTENSIONS)
        .subresources(STATUS)))),
        Rules {
            default: aggregation::defaults,
            prepare: local_is_available,
            status: Some(aggregation::api_service_status),
            ..rules(aggregation::api_service, aggregation::api_service_update)
        },
    ),
    Row {
        marking: Some(extensions::mark),
        ..ruled(
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
            Rules {
                default: extensions::defaults,
                warn: approval::warnings,
                prepare: store_version,
                ..rules(extensions::create, extensions::update)
            },
        )
    },
    ruled(
        conditional(counted(admission(
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicy",
            "MutatingAdmissionPolicy",
        ))),
        Rules {
            default: hooks::policy_defaults,
            warn: hooks::static_name_warning,
            ..rules(mutating::policy, mutating::policy_update)
        },
    ),
    ruled(
        conditional(counted(admission(
            "mutatingadmissionpolicybindings",
            "mutatingadmissionpolicybinding",
            "MutatingAdmissionPolicyBinding",
        ))),
        Rules {
            default: hooks::binding_defaults,
            warn: hooks::static_name_warning,
            ..rules(mutating::binding, |new, _| mutating::binding(new))
        },
    ),
    conditional(Row {
        counted: Some("webhooks"),
        rules: WEBHOOKS,
        ..row(admission(
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
            "MutatingWebhookConfiguration",
        ))
    }),
    ruled(
        with_status(conditional(counted(
            admission("validatingadmissionpolicies", "validatingadmissionpolicy", "ValidatingAdmissionPolicy")
                .subresources(STATUS),
        ))),
        Rules {
            default: hooks::policy_defaults,
            status: Some(hooks::validating_policy_status),
            warn: hooks::static_name_warning,
            ..rules(hooks::validating_policy, hooks::validating_policy_update)
        },
    ),
    ruled(
        conditional(counted(admission(
            "validatingadmissionpolicybindings",
            "validatingadmissionpolicybinding",
            "ValidatingAdmissionPolicyBinding",
        ))),
        Rules {
            default: hooks::binding_defaults,
            warn: hooks::static_name_warning,
            ..rules(hooks::validating_binding, |new, _| hooks::validating_binding(new))
        },
    ),
    conditional(Row {
        counted: Some("webhooks"),
        rules: WEBHOOKS,
        ..row(admission(
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
            "ValidatingWebhookConfiguration",
        ))
    }),
    Row {
        fields: &["spec.signerName"],
        rules: Rules {
            prepare: certificate_request,
            status: Some(certificates::status),
            approval: Some(certificates::approval),
            ..rules(certificates::create, certificates::update)
        },
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
    ruled(
        row(ResourceInfo::cluster("networking.k8s.io", "v1", "ipaddresses", "ipaddress", "IPAddress").short(&["ip"])),
        rules(networking::ip_address, networking::ip_address_update),
    ),
    ruled(
        with_status(row(ResourceInfo::cluster(
            "networking.k8s.io",
            "v1",
            "servicecidrs",
            "servicecidr",
            "ServiceCIDR",
        )
        .subresources(STATUS))),
        rules(networking::service_cidr, networking::service_cidr_update),
    ),
    ruled(
        conditional(counted_on_update(storage("csidrivers", "csidriver", "CSIDriver"))),
        Rules {
            default: volumes::csi_driver_defaults,
            warn: volumes::csi_driver_warnings,
            ..rules(volumes::csi_driver, volumes::csi_driver_update)
        },
    ),
    ruled(
        conditional(row(storage("csinodes", "csinode", "CSINode"))),
        rules(volumes::csi_node, volumes::csi_node_update),
    ),
    ruled(
        conditional(row(ResourceInfo::namespaced(
            "storage.k8s.io",
            "v1",
            "csistoragecapacities",
            "csistoragecapacity",
            "CSIStorageCapacity",
        ))),
        Rules {
            warn: volumes::storage_capacity_warnings,
            ..rules(volumes::storage_capacity, volumes::storage_capacity_update)
        },
    ),
    ruled(
        with_status(conditional(row(
            storage("volumeattachments", "volumeattachment", "VolumeAttachment").subresources(STATUS)
        ))),
        Rules {
            status: Some(volumes::volume_attachment_update),
            ..rules(volumes::volume_attachment, volumes::volume_attachment_update)
        },
    ),
    ruled(
        counted(ResourceInfo::cluster("resource.k8s.io", "v1", "deviceclasses", "deviceclass", "DeviceClass")),
        rules(claims::device_class, claims::device_class_update),
    ),
    ruled(
        with_status(row(ResourceInfo::namespaced(
            "resource.k8s.io",
            "v1",
            "resourceclaims",
            "resourceclaim",
            "ResourceClaim",
        )
        .subresources(STATUS))),
        Rules {
            default: claims::claim_defaults,
            prepare: claim_status,
            status: Some(claims::claim_status),
            ..rules(claims::claim, claims::claim_update)
        },
    ),
    ruled(
        row(ResourceInfo::namespaced(
            "resource.k8s.io",
            "v1",
            "resourceclaimtemplates",
            "resourceclaimtemplate",
            "ResourceClaimTemplate",
        )),
        Rules { default: claims::template_defaults, ..rules(claims::template, claims::template_update) },
    ),
    Row {
        fields: &["spec.nodeName", "spec.driver"],
        rules: Rules { prepare: resource_slice, warn: slices::warnings, ..rules(slices::slice, slices::slice_update) },
        ..counted(ResourceInfo::cluster("resource.k8s.io", "v1", "resourceslices", "resourceslice", "ResourceSlice"))
    },
    ruled(
        with_status(counted(
            ResourceInfo::cluster("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "flowschema", "FlowSchema")
                .subresources(STATUS),
        )),
        Rules {
            default: super::flow_control::flow_defaults,
            status: Some(|new, _| flow_control::status(new)),
            ..rules(flow_control::flow_schema, |new, _| flow_control::flow_schema(new))
        },
    ),
    ruled(
        with_status(counted(
            ResourceInfo::cluster(
                "flowcontrol.apiserver.k8s.io",
                "v1",
                "prioritylevelconfigurations",
                "prioritylevelconfiguration",
                "PriorityLevelConfiguration",
            )
            .subresources(STATUS),
        )),
        Rules {
            default: super::flow_control::level_defaults,
            status: Some(|new, _| flow_control::status(new)),
            ..rules(flow_control::priority_level, |new, _| flow_control::priority_level(new))
        },
    ),
];

const WEBHOOKS: Rules = Rules {
    default: hooks::webhook_defaults,
    warn: hooks::static_name_warning,
    ..rules(hooks::webhooks, hooks::webhooks_update)
};

fn status_of(o: &mut DynamicObject) -> Option<&mut serde_json::Map<String, Value>> {
    o.fields.entry("status").or_insert_with(|| json!({})).as_object_mut()
}

/// A new APIService of the server's own is available at once.
fn local_is_available(cx: &StrategyContext<'_>, o: &mut DynamicObject, _: Option<&DynamicObject>) {
    let decided = o.at(&["status", "conditions"]).as_array().is_some_and(|c| !c.is_empty());
    if !cx.subresource.is_empty() || decided || !o.at(&["spec", "service"]).is_null() {
        return;
    }
    if let Some(status) = status_of(o) {
        let condition = json!({
            "type": "Available", "status": "True", "lastTransitionTime": now(cx), "reason": "Local",
            "message": "Local APIServices are always available",
        });
        status.insert("conditions".into(), json!([condition]));
    }
}

/// The version that a CustomResourceDefinition stores is among those that it ever stored.
fn store_version(cx: &StrategyContext<'_>, o: &mut DynamicObject, _: Option<&DynamicObject>) {
    if !cx.subresource.is_empty() {
        return;
    }
    let versions = o.at(&["spec", "versions"]).as_array().cloned().unwrap_or_default();
    let Some(stored) = versions.iter().find(|v| v["storage"] == true) else { return };
    let Some(status) = status_of(o) else { return };
    let all = status.entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(all) = all.as_array_mut().filter(|all| !all.contains(&stored["name"])) {
        all.push(stored["name"].clone());
    }
}

fn certificate_request(cx: &StrategyContext<'_>, o: &mut DynamicObject, old: Option<&DynamicObject>) {
    match old {
        None => sign_with_requester(cx, o),
        Some(old) if cx.subresource.is_empty() => keep_field(o, old, "spec"),
        Some(_) => stamp_conditions(cx, o),
    }
}

/// Says in the request who asks, whatever it said itself.
fn sign_with_requester(cx: &StrategyContext<'_>, o: &mut DynamicObject) {
    let Some(spec) = o.fields.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    for (field, value) in [("username", &cx.user.name), ("uid", &cx.user.uid)] {
        if !value.is_empty() {
            spec.insert(field.into(), value.as_str().into());
        }
    }
    if !cx.user.groups.is_empty() {
        spec.insert("groups".into(), json!(cx.user.groups));
    }
    if !cx.user.extra.is_empty() {
        spec.insert("extra".into(), json!(cx.user.extra));
    }
}

/// Conditions of a CertificateSigningRequest say when they came, if they don't.
fn stamp_conditions(cx: &StrategyContext<'_>, o: &mut DynamicObject) {
    let now = now(cx);
    let conditions = status_of(o).and_then(|s| s.get_mut("conditions")).and_then(Value::as_array_mut);
    for c in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for field in ["lastUpdateTime", "lastTransitionTime"] {
            let have = c.entry(field).or_insert(Value::Null);
            if have.is_null() {
                *have = now.clone();
            }
        }
    }
}

fn claim_status(cx: &StrategyContext<'_>, o: &mut DynamicObject, old: Option<&DynamicObject>) {
    if let Some(old) = old.filter(|_| cx.subresource == "status") {
        claims::drop_deallocated(o, old);
    }
}

fn resource_slice(cx: &StrategyContext<'_>, o: &mut DynamicObject, old: Option<&DynamicObject>) {
    slices::stamp_taints(o, &now(cx));
    slices::drop_disabled(o, old);
}

fn now(cx: &StrategyContext<'_>) -> Value {
    show_seconds(cx.sim.timestamp()).into()
}

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
        if let Some(o) = DynamicObject::of_mut(o) {
            (self.row.rules.default)(o);
        }
    }
    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut dyn Object) {
        let Some(o) = DynamicObject::of_mut(o) else { return };
        if self.row.counted.is_some() && !self.row.counts_updates_only {
            o.metadata.generation = Some(1);
        }
        if self.row.status {
            o.fields.insert("status".into(), Value::Object(serde_json::Map::new()));
        }
        (self.row.rules.prepare)(cx, o, None);
    }
    fn validate(&self, o: &dyn Object) -> ErrorList {
        if let (Some(create), Some(o)) = (self.row.rules.create, DynamicObject::of(o)) {
            return create(o);
        }
        validate_object_meta(o.meta(), self.row.info.namespaced, self.row.name_rule, &Path::new("metadata"))
    }
    fn warnings(&self, o: &dyn Object, old: Option<&dyn Object>) -> Vec<String> {
        DynamicObject::of(o).map(|o| (self.row.rules.warn)(o, old.and_then(DynamicObject::of))).unwrap_or_default()
    }
    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut dyn Object, old: &dyn Object) {
        let (Some(new), Some(old)) = (DynamicObject::of_mut(new), DynamicObject::of(old)) else { return };
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
                if let Some(status) = new.fields.entry("status").or_insert_with(|| json!({})).as_object_mut() {
                    status.insert("conditions".into(), conditions);
                }
            }
            _ => {
                if self.row.status {
                    keep_field(new, old, "status");
                }
                if let Some(f) = self.row.counted
                    && new.fields.get(f) != old.fields.get(f)
                    && !same_field((&self.api_version, &self.kind), f, &new.fields, &old.fields)
                {
                    bump_generation(&mut new.metadata, &old.metadata);
                }
            }
        }
        (self.row.rules.prepare)(cx, new, Some(old));
    }
    fn validate_update(&self, cx: &StrategyContext<'_>, new: &dyn Object, old: &dyn Object) -> ErrorList {
        let rules = &self.row.rules;
        let rule = match cx.subresource {
            "status" => rules.status,
            "approval" => rules.approval,
            _ => rules.update,
        };
        if let (Some(rule), Some(new), Some(old)) = (rule, DynamicObject::of(new), DynamicObject::of(old)) {
            return rule(new, old);
        }
        validate_object_meta_update(new.meta(), old.meta(), &Path::new("metadata"))
    }
    fn allow_unconditional_update(&self) -> bool {
        self.row.unconditional
    }
    fn may_go(&self, o: &dyn Object) -> bool {
        self.row.marking.is_none() || o.meta().finalizers.as_ref().is_none_or(Vec::is_empty)
    }
    fn marks_itself(&self) -> bool {
        self.row.marking.is_some()
    }
    fn mark_deleting(&self, o: &mut dyn Object) {
        if let (Some(mark), Some(o)) = (self.row.marking, DynamicObject::of_mut(o)) {
            mark(o);
        }
    }
    fn returns_deleted(&self) -> bool {
        // Upstream's storages of storage.k8s.io return what they deleted.
        self.row.info.group == "storage.k8s.io" || self.row.info.group == "resource.k8s.io"
    }
    fn own_field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>> {
        if !self.row.fields.contains(&path) {
            return None;
        }
        let keys: Vec<&str> = path.split('.').collect();
        DynamicObject::of(o).map(|o| Cow::Borrowed(o.at(&keys).as_str().unwrap_or_default()))
    }
    fn selectable_fields(&self) -> &'static [&'static str] {
        self.row.fields
    }
}
