//! The scale subresource: an object's replicas as an autoscaling/v1 Scale, read and written.
//! Models the scale storages of `pkg/registry/apps`.

use std::rc::Rc;

use serde_json::{Value, json};

use super::encode::{self, IncludeObject};
use super::negotiate::{self, Accepted, Transform};
use super::options::{self, WriteOptions};
use super::write::{check_names, patch_kind};
use super::{ApiServer, Context, Response};
use crate::api::decode;
use crate::api::field::{Error, Path, quote};
use crate::api::managed_fields::{self, Apply, Managers, Scope};
use crate::api::object::{Obj, make_mut};
use crate::api::patch::{self, PatchKind};
use crate::api::status::Status;
use crate::apiserver::{UpdateOptions, tables};
use crate::registry::{Served, Strategy};

pub(in crate::apiserver) const API: &str = "autoscaling/v1";
pub(in crate::apiserver) const KIND: &str = "Scale";

/// How the new Scale comes about.
enum Sent {
    Whole(Value),
    Patch(PatchKind),
    Apply,
}

/// What a write of a Scale made.
struct Made {
    scale: Value,
    /// The managers of the Scale's fields.
    managers: Managers,
    warnings: Vec<String>,
}

/// An object's Scale.
pub(in crate::apiserver) fn scale_of(strategy: &dyn Strategy, o: &Obj) -> Result<Value, Status> {
    let scale = strategy.scale(&**o).ok_or_else(|| Status::internal("no scale of this object"))?;
    let meta = o.meta();
    Ok(encode::completed(json!({
        "kind": KIND,
        "apiVersion": API,
        "metadata": {
            "name": meta.name, "namespace": meta.namespace, "uid": meta.uid,
            "resourceVersion": meta.resource_version, "creationTimestamp": meta.creation_timestamp,
        },
        "spec": {"replicas": scale.replicas},
        "status": {"replicas": scale.status_replicas, "selector": scale.selector},
    })))
}

fn text<'a>(scale: &'a Value, field: &str) -> &'a str {
    scale["metadata"][field].as_str().unwrap_or_default()
}

/// `ValidateScale`.
fn validate(scale: &Value, name: &str) -> Result<i32, Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let (path, why) = (Path::new("spec"), "must be greater than or equal to 0");
        let errors = vec![Error::invalid(&path.child("replicas"), &json!(replicas), why)];
        return Err(Status::invalid("autoscaling", KIND, name, &errors));
    }
    Ok(i32::try_from(replicas).unwrap_or(i32::MAX))
}

/// The object with the replicas of a Scale, and with the version and the uid that it is to have.
fn scaled(strategy: &dyn Strategy, served: &Served, old: &Obj, scale: &Value, whole: bool) -> Result<Obj, Status> {
    let name = old.meta().name.clone().unwrap_or_default();
    // The replicas of custom objects are checked as part of them.
    let replicas = match served.custom.is_some() {
        true => scale["spec"]["replicas"].as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
        false => validate(scale, &name)?,
    };
    let (asked, have) = (text(scale, "uid"), old.meta().uid.as_deref().unwrap_or_default());
    // The uid of a whole Scale is a precondition of the storage.
    if !whole && !asked.is_empty() && asked != have {
        let why = format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {have}");
        let resource = format!("{}/scale", served.info.resource);
        return Err(Status::conflict(served.info.group, &resource, &name, &why));
    }
    let mut new = old.clone();
    let object = make_mut(&mut new);
    strategy.set_scale(object, replicas);
    for (field, given) in [("resourceVersion", text(scale, "resourceVersion")), ("uid", asked)] {
        let meta = object.meta_mut();
        let slot = if field == "uid" { &mut meta.uid } else { &mut meta.resource_version };
        if !given.is_empty() {
            *slot = Some(given.to_owned());
        }
    }
    Ok(new)
}

impl ApiServer {
    /// The Scale of an object.
    pub(super) fn scale_read(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let shown = Self::presentation(cx)?;
        let o = self.get(&cx.caller, served.id, &cx.info.namespace, &cx.info.name)?;
        if let Some(path) = self.strategy(served.id).scale_missing(&*o) {
            return Err(Status::internal(format!("the spec replicas field {} does not exist", quote(&path))));
        }
        self.scale_shown(scale_of(self.strategy(served.id), &o)?, shown)
    }

    /// A Scale as the client wants to see it.
    fn scale_shown(&self, scale: Value, (accepted, include): (Accepted, IncludeObject)) -> Result<Response, Status> {
        let answer = match accepted.transform {
            Transform::None | Transform::Discovery => scale,
            Transform::PartialObject => encode::partial(scale, accepted.beta),
            Transform::PartialObjectList => {
                let why = "you requested PartialObjectMetadataList, but the requested object is not a list \
                           (*autoscaling.Scale)";
                return Err(Status::other(406, "NotAcceptable", why));
            }
            Transform::Table => {
                let made = scale["metadata"]["creationTimestamp"].as_str().and_then(|t| t.parse().ok());
                let age = tables::since(made, self.sim.timestamp());
                let replicas = |of: &str| scale[of]["replicas"].clone();
                let cells = json!([scale["metadata"]["name"], replicas("spec"), replicas("status"), age]);
                let version = scale["metadata"]["resourceVersion"].clone();
                let object = match include {
                    IncludeObject::None => Value::Null,
                    IncludeObject::Object => scale,
                    IncludeObject::Metadata => encode::partial(scale, accepted.beta),
                };
                json!({
                    "kind": "Table",
                    "apiVersion": if accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" },
                    "metadata": {"resourceVersion": version},
                    "columnDefinitions": tables::columns_of("scale"),
                    "rows": [{"cells": cells, "object": object}],
                })
            }
        };
        Ok(encode::value(200, &answer, accepted))
    }

    fn scale_sent(&self, cx: &Context<'_>) -> Result<(Sent, WriteOptions), Status> {
        if cx.request.method == "PUT" {
            let format = negotiate::body_format(cx.request)?;
            let o = options::write(cx, "UpdateOptions", None)?;
            let d = decode::decode_object(&cx.request.body, format, API, KIND, o.validation)?;
            self.warnings.extend(|| d.warnings.clone());
            let names = (text(&d.value, "namespace"), text(&d.value, "name"));
            check_names(names, &cx.info.namespace, &cx.info.name)?;
            return Ok((Sent::Whole(d.value), o));
        }
        let kind = patch_kind(cx)?;
        let o = options::write(cx, "PatchOptions", Some(kind.is_none()))?;
        Ok((kind.map_or(Sent::Apply, Sent::Patch), o))
    }

    /// Writes the replicas of an object through its Scale.
    pub(super) fn scale_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let shown = Self::presentation(cx)?;
        let (sent, o) = self.scale_sent(cx)?;
        let whole = matches!(sent, Sent::Whole(_));
        let (namespace, name) = (cx.info.namespace.as_str(), cx.info.name.as_str());
        let (registry, id) = (self.registry.clone(), served.id);
        let update = UpdateOptions { dry_run: o.dry_run, field_manager: o.field_manager.clone(), ..Default::default() };
        let before = self.load(id, namespace, name).map(|(o, _)| self.managers_of(&*o)).unwrap_or_default();
        let (scope, now) = (Scope::new(API, KIND, "scale"), self.sim.timestamp());
        let manager: &Rc<str> = &cx.caller.manager;
        let mut outcome = None;
        let updater = Box::new(|old: &Obj| {
            let strategy = registry.strategy(id);
            let have = before.of_scale();
            let mut current = scale_of(strategy, old)?;
            let missing = strategy.scale_missing(&**old);
            if missing.is_some() {
                // What nobody sent; it says that there was nothing.
                current["spec"]["replicas"] = i32::MIN.into();
            }
            if let Some(entries) = have.to_value() {
                current["metadata"]["managedFields"] = entries;
            }
            let updated = |scale: &Value| have.update(Some(&current), scale, None, manager, &scope, now);
            let body = &cx.request.body;
            let made = match &sent {
                Sent::Whole(scale) => Made { managers: updated(scale), scale: scale.clone(), warnings: Vec::new() },
                Sent::Patch(kind) => {
                    let p = patch::apply(*kind, &current, body, API, KIND, o.validation)?;
                    Made { managers: updated(&p.value), scale: p.value, warnings: p.warnings }
                }
                Sent::Apply => {
                    let request = Apply { manager, force: o.force, validation: o.validation, now };
                    let applied = managed_fields::apply(&have, Some(&current), body, request, &scope)?;
                    let scale = applied.value.unwrap_or_else(|| current.clone());
                    Made { scale, managers: applied.managers, warnings: applied.warnings }
                }
            };
            if let (Some(path), true) = (&missing, made.scale["spec"]["replicas"] == i32::MIN) {
                let why = format!("the spec replicas field {} cannot be empty", quote(path));
                return Err(Status::bad_request(why));
            }
            check_names((text(&made.scale, "namespace"), text(&made.scale, "name")), namespace, name)?;
            let new = scaled(strategy, served, old, &made.scale, whole)?;
            let managers = before.with_scale(&made.managers, &served.api_version);
            update.owners_change.set(!managers.same_fields(&before));
            outcome = Some((managers, made.warnings));
            Ok(new)
        });
        let verb = if whole { "update" } else { "patch" };
        let stored = self.update(&cx.caller, verb, id, (namespace, name), "scale", updater, &update)?;
        if let Some((managers, warnings)) = outcome {
            self.warnings.extend(|| warnings);
            if !o.dry_run {
                self.set_managers(&*stored, managers);
            }
        }
        self.scale_shown(scale_of(self.strategy(id), &stored)?, shown)
    }
}
