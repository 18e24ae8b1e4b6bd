//! Create, update and patch. Models apiserver's `pkg/endpoints/handlers/{create,update,patch}.go`.

use std::cell::Cell;
use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference};
use serde_json::{Value, json};

use super::options::{self, WriteOptions};
use super::{ApiServer, Context, Response, encode, negotiate};
use crate::api::decode::{self, FieldValidation};
use crate::api::managed_fields::{self, Apply, Managers, Scope};
use crate::api::object::{Obj, Object, make_mut};
use crate::api::patch::{self, PatchKind};
use crate::api::status::Status;
use crate::apiserver::store::other_object;
use crate::apiserver::{CreateOptions, UpdateOptions};
use crate::registry::Served;

/// metadata.managedFields as a client sent it.
type Asked = Vec<ManagedFieldsEntry>;

/// What only the system says of an object is nothing that a client could say of a new one. Models
/// `rest.WipeObjectMetaSystemFields`.
fn wipe_system_fields(object: &mut dyn Object) {
    let meta = object.meta_mut();
    meta.creation_timestamp = None;
    meta.uid = None;
    meta.deletion_timestamp = None;
    meta.deletion_grace_period_seconds = None;
    meta.self_link = None;
}

/// A write whose fields are to have an owner.
struct Written<'a> {
    dry_run: bool,
    /// What was there before.
    live: Option<Obj>,
    asked: Option<Asked>,
    manager: &'a Rc<str>,
    scope: &'a Rc<Scope>,
}

impl ApiServer {
    /// A body as an object of the kind, in the stored version.
    pub(super) fn decode_body(
        &self,
        cx: &Context<'_>,
        served: &Served,
        validation: FieldValidation,
    ) -> Result<(Obj, Option<Asked>), Status> {
        let format = negotiate::body_format(cx.request)?;
        let decoded =
            decode::decode_object(&cx.request.body, format, &served.api_version, served.info.kind, validation)?;
        self.warnings.extend(|| decoded.warnings);
        let mut value = decoded.value;
        if let Some(version) = &served.custom {
            let unknown = version.admit(&mut value, served.info.kind, validation)?;
            self.warnings.extend(|| unknown);
        }
        let mut obj = self.object_from(value, served)?;
        let asked = obj.meta().managed_fields.is_some().then(|| make_mut(&mut obj).meta_mut().managed_fields.take());
        Ok((obj, asked.flatten()))
    }

    /// A warning of the request, if there is one.
    fn warn_of(&self, warning: Option<String>) {
        if let Some(warning) = warning {
            self.warnings.add(|| warning);
        }
    }

    /// Checked JSON as an object of the kind, in the stored version.
    pub(super) fn object_from(&self, mut value: Value, served: &Served) -> Result<Obj, Status> {
        served.to_stored(&mut value);
        self.registry.strategy(served.id).decode(value).map_err(Status::bad_request)
    }

    pub(super) fn create_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        negotiate::body_format(cx.request)?;
        let o = options::write(cx, "CreateOptions", None)?;
        let (mut obj, asked) = self.decode_body(cx, served, o.validation)?;
        self.warn_of(dedup_owners(&mut obj, false));
        wipe_system_fields(make_mut(&mut obj));
        let options = CreateOptions { dry_run: o.dry_run, field_manager: o.field_manager };
        served.check(&*obj, None, Self::namespace_of(cx, served))?;
        let mut sent = obj.clone();
        let created = self.create(&cx.caller, served.id, Self::namespace_of(cx, served), obj, &options)?;
        // Whoever writes owns what was sent with its defaults, not what admission and the strategy made of it.
        let object = make_mut(&mut sent);
        self.strategy(served.id).default(object);
        let (meta, of_created) = (object.meta_mut(), created.meta());
        meta.uid.clone_from(&of_created.uid);
        meta.resource_version.clone_from(&of_created.resource_version);
        let scope = Rc::new(served.scope(""));
        let write = Written { dry_run: o.dry_run, live: None, asked, manager: &cx.caller.manager, scope: &scope };
        let managers = self.managed_write(write, &sent);
        Ok(self.managed_response(201, &*created, &managers, served, accepted, include))
    }

    pub(super) fn update_response(&mut self, cx: &Context<'_>, served: &Served, sub: &str) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        negotiate::body_format(cx.request)?;
        let o = options::write(cx, "UpdateOptions", None)?;
        let (mut obj, asked) = self.decode_body(cx, served, o.validation)?;
        let namespace = Self::namespace_of(cx, served);
        check_identity(&*obj, namespace, &cx.info.name)?;
        self.warn_of(dedup_owners(&mut obj, false));
        let asked = asked.filter(|a| sub.is_empty() && self.owners_would_change(served, namespace, &cx.info.name, a));
        let dry_run = o.dry_run;
        let update = UpdateOptions {
            dry_run,
            field_manager: o.field_manager.clone(),
            owners_change: Rc::new(Cell::new(asked.is_some())),
        };
        let names = (namespace, cx.info.name.as_str());
        let sent = obj.clone();
        let mut live = None;
        let updater = Box::new(|old: &Obj| {
            served.check(&*sent, Some(&**old), namespace)?;
            live = Some(old.clone());
            Ok(sent.clone())
        });
        let done = self.update(&cx.caller, "update", served.id, names, sub, updater, &update);
        let (code, stored) = match done {
            Err(s) if s.is_not_found() && sub.is_empty() && self.strategy(served.id).allow_create_on_update() => {
                let options = CreateOptions { dry_run: o.dry_run, field_manager: o.field_manager };
                served.check(&*obj, None, namespace)?;
                if let Some(uid) = obj.meta().uid.as_deref().filter(|u| !u.is_empty()) {
                    let (info, name) = (&served.info, &cx.info.name);
                    let why = other_object(&info.key(namespace, name), uid, "", dry_run);
                    return Err(Status::conflict(info.group, info.resource, name, &why));
                }
                // The storage gives it one of its own.
                make_mut(&mut obj).meta_mut().resource_version = None;
                (201, self.create(&cx.caller, served.id, namespace, obj, &options)?)
            }
            other => (200, other?),
        };
        let scope = Rc::new(served.scope(sub));
        let live = live.filter(|_| code == 200);
        let write = Written { dry_run, live, asked, manager: &cx.caller.manager, scope: &scope };
        let managers = self.managed_write(write, &stored);
        Ok(self.managed_response(code, &*stored, &managers, served, accepted, include))
    }

    pub(super) fn patch_response(&mut self, cx: &Context<'_>, served: &Served, sub: &str) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let kind = patch_kind(cx)?;
        let o = options::write(cx, "PatchOptions", Some(kind.is_none()))?;
        let Some(kind) = kind else { return self.apply_response(cx, served, sub, &o) };
        let namespace = Self::namespace_of(cx, served);
        let owners_change = Rc::new(Cell::new(false));
        let update = UpdateOptions {
            dry_run: o.dry_run,
            field_manager: o.field_manager.clone(),
            owners_change: owners_change.clone(),
        };
        let (served_copy, name) = (served.clone(), cx.info.name.clone());
        let registry = self.registry.clone();
        let (mut warnings, mut asked) = (Vec::new(), None);
        let (mut live, owners) = (None, self.owners_of(served, namespace, &cx.info.name));
        let updater = Box::new(|old: &Obj| {
            live = Some(old.clone());
            let mut current = encode::object(&**old, &served_copy);
            if let (Some(entries), Some(m)) = (&owners, current["metadata"].as_object_mut()) {
                m.insert("managedFields".into(), entries.clone());
            }
            let info = served_copy.info;
            let patched =
                patch::apply(kind, &current, &cx.request.body, &served_copy.api_version, info.kind, o.validation)?;
            warnings = patched.warnings;
            let mut value = patched.value;
            if kind == PatchKind::Strategic {
                // What is merged is the object behind the version and kind, which stay what they are.
                value["apiVersion"] = (&*served_copy.api_version).into();
                value["kind"] = info.kind.into();
            }
            if let Some(version) = &served_copy.custom {
                warnings.extend(version.admit(&mut value, info.kind, o.validation)?);
            }
            let sent = value.get_mut("metadata").and_then(Value::as_object_mut).and_then(|m| m.remove("managedFields"));
            asked = sent
                .filter(|s| sub.is_empty() && Some(s) != owners.as_ref())
                .and_then(|s| serde_json::from_value::<Asked>(s).ok());
            asked = asked.take().filter(|a| Managers::requested(a).is_some());
            owners_change.set(asked.is_some());
            served_copy.to_stored(&mut value);
            let mut new = registry.strategy(served_copy.id).decode(value).map_err(Status::bad_request)?;
            check_identity(&*new, namespace, &name)?;
            served_copy.check(&*new, Some(&**old), namespace)?;
            warnings.extend(dedup_owners(&mut new, true));
            Ok(new)
        });
        let done = self.update(&cx.caller, "patch", served.id, (namespace, &cx.info.name), sub, updater, &update);
        self.warnings.extend(|| warnings);
        let stored = done?;
        let scope = Rc::new(served.scope(sub));
        let write = Written { dry_run: o.dry_run, live, asked, manager: &cx.caller.manager, scope: &scope };
        let managers = self.managed_write(write, &stored);
        Ok(self.managed_response(200, &*stored, &managers, served, accepted, include))
    }

    /// Notes a write, or for a dry run only supposes it; the managers that it leaves.
    fn managed_write(&mut self, w: Written<'_>, new: &Obj) -> Rc<Managers> {
        if let Some(asked) = &w.asked {
            // Rare, so it is computed at once.
            let (live, now) = (w.live.as_ref().map(|o| o.to_value()), self.sim.timestamp());
            let before = self.managers_of(&**new);
            let after = before.update(live.as_ref(), &new.to_value(), Some(asked), w.manager, w.scope, now);
            if !w.dry_run {
                self.set_managers(&**new, after.clone());
            }
            return Rc::new(after);
        }
        if w.dry_run || self.went(&**new) {
            return self.rehearsed(w.live, new, w.manager, w.scope);
        }
        self.note_write(w.live, new, w.manager, w.scope);
        self.managers_of(&**new)
    }

    /// Whether managed fields that a client sends say anything else than is so already.
    fn owners_would_change(&self, served: &Served, namespace: &str, name: &str, asked: &Asked) -> bool {
        let have = self.load(served.id, namespace, name).map(|(o, _)| self.managers_of(&*o)).unwrap_or_default();
        Managers::requested(asked).is_some_and(|m| !m.same_fields(&have))
    }

    /// The managed fields of a stored object as JSON.
    fn owners_of(&self, served: &Served, namespace: &str, name: &str) -> Option<Value> {
        let (object, _) = self.load(served.id, namespace, name)?;
        self.managers_of(&*object).to_value()
    }

    /// Server-side apply.
    fn apply_response(
        &mut self,
        cx: &Context<'_>,
        served: &Served,
        sub: &str,
        o: &WriteOptions,
    ) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let (namespace, name) = (Self::namespace_of(cx, served).to_owned(), cx.info.name.clone());
        let scope = served.scope(sub);
        let manager = cx.caller.manager.clone();
        let request = Apply { manager: &manager, force: o.force, validation: o.validation, now: self.sim.timestamp() };
        let body = &cx.request.body;
        let (mut outcome, mut duplicates) = (None, None);
        let found = self.load(served.id, &namespace, &name);
        let Some((live, _)) = found else {
            if !sub.is_empty() {
                return Err(self.not_found(served.id, &name));
            }
            let applied = managed_fields::apply(&Managers::default(), None, body, request, &scope)?;
            let nothing = || json!({"apiVersion": &*served.api_version, "kind": served.info.kind});
            let mut value = applied.value.unwrap_or_else(nothing);
            if let Some(version) = &served.custom {
                version.admit(&mut value, served.info.kind, FieldValidation::Ignore)?;
            }
            let mut obj = self.object_from(value, served)?;
            if let Some(uid) = obj.meta().uid.as_deref().filter(|u| !u.is_empty()) {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Status::conflict(served.info.group, served.info.resource, &name, &why));
            }
            check_identity(&*obj, &namespace, &name)?;
            // The storage gives it one of its own.
            make_mut(&mut obj).meta_mut().resource_version = None;
            self.warn_of(dedup_owners(&mut obj, true));
            let options = CreateOptions { dry_run: o.dry_run, field_manager: o.field_manager.clone() };
            let created = self.create(&cx.caller, served.id, &namespace, obj, &options)?;
            self.warnings.extend(|| applied.warnings);
            let response = self.managed_response(201, &*created, &applied.managers, served, accepted, include);
            if !o.dry_run {
                self.set_managers(&*created, applied.managers);
            }
            return Ok(response);
        };
        let managers = self.managers_of(&*live);
        let (served_copy, registry) = (served.clone(), self.registry.clone());
        let owners_change = Rc::new(Cell::new(false));
        let update = UpdateOptions {
            dry_run: o.dry_run,
            field_manager: o.field_manager.clone(),
            owners_change: owners_change.clone(),
        };
        let updater = Box::new(|old: &Obj| {
            let current = encode::object(&**old, &served_copy);
            let mut applied = managed_fields::apply(&managers, Some(&current), body, request, &scope)?;
            let value = applied.value.take();
            owners_change.set(!applied.managers.same_fields(&managers));
            outcome = Some(applied);
            let Some(mut value) = value else { return Ok(old.clone()) };
            if let Some(version) = &served_copy.custom {
                version.admit(&mut value, served_copy.info.kind, FieldValidation::Ignore)?;
            }
            served_copy.to_stored(&mut value);
            let mut new = registry.strategy(served_copy.id).decode(value).map_err(Status::bad_request)?;
            check_identity(&*new, &namespace, &name)?;
            duplicates = dedup_owners(&mut new, true);
            Ok(new)
        });
        let stored = self.update(&cx.caller, "patch", served.id, (&namespace, &name), sub, updater, &update)?;
        self.warn_of(duplicates);
        let Some(applied) = outcome else {
            return Ok(self.object_response(200, &*stored, served, accepted, include));
        };
        self.warnings.extend(|| applied.warnings);
        let response = self.managed_response(200, &*stored, &applied.managers, served, accepted, include);
        if !o.dry_run {
            self.set_managers(&*stored, applied.managers);
        }
        Ok(response)
    }
}

/// Owner references that are there twice become one; the warning. Models `dedupOwnerReferencesAndAddWarning`.
fn dedup_owners(obj: &mut Obj, after_admission: bool) -> Option<String> {
    let given = obj.meta().owner_references.as_deref().unwrap_or_default();
    let mut kept: Vec<OwnerReference> = Vec::new();
    let mut twice = Vec::new();
    for r in given {
        if kept.contains(r) {
            twice.push(r.uid.clone());
        } else {
            kept.push(r.clone());
        }
    }
    if twice.is_empty() {
        return None;
    }
    make_mut(obj).meta_mut().owner_references = Some(kept);
    let when = if after_admission { " after mutating admission happens" } else { "" };
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        twice.join(", ")
    ))
}

/// Which patch the body is; `None` for server-side apply.
pub(super) fn patch_kind(cx: &Context<'_>) -> Result<Option<PatchKind>, Status> {
    let header = cx.request.header("Content-Type").unwrap_or_default();
    let media = header.split(';').next().unwrap_or_default().trim();
    match media {
        "application/apply-patch+yaml" => Ok(None),
        other => PatchKind::from_content_type(other).map(Some).ok_or_else(|| {
            Status::unsupported_media_type("415: Unsupported Media Type").with_details(Default::default())
        }),
    }
}

/// The object's name and namespace must be those of the path. Models `checkName`.
pub(super) fn check_identity(o: &dyn Object, namespace: &str, name: &str) -> Result<(), Status> {
    let text = |t: &Option<String>| t.as_deref().unwrap_or_default().to_owned();
    check_names((&text(&o.meta().namespace), &text(&o.meta().name)), namespace, name)
}

/// The same for what isn't an object of a kind: its namespace and name as it gives them.
pub(super) fn check_names((given, have): (&str, &str), namespace: &str, name: &str) -> Result<(), Status> {
    if !namespace.is_empty() && !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if have.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if have != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({have}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}
