//! Create, update and patch. Models apiserver's `pkg/endpoints/handlers/{create,update,patch}.go`.

use std::rc::Rc;

use serde_json::Value;

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

impl ApiServer {
    /// A body as an object of the kind, in the stored version.
    pub(super) fn decode_body(
        &self,
        cx: &Context<'_>,
        served: &Served,
        validation: FieldValidation,
    ) -> Result<Obj, Status> {
        let format = negotiate::body_format(cx.request)?;
        let decoded =
            decode::decode_object(&cx.request.body, format, &served.api_version, served.info.kind, validation)?;
        self.warnings.extend(|| decoded.warnings);
        self.object_from(decoded.value, served)
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
        let obj = self.decode_body(cx, served, o.validation)?;
        let options = CreateOptions { dry_run: o.dry_run, field_manager: o.field_manager };
        served.check(&*obj, None, Self::namespace_of(cx, served))?;
        let created = self.create(&cx.caller, served.id, Self::namespace_of(cx, served), obj, &options)?;
        let scope = Rc::new(Scope::new(&served.api_version, served.info.kind, ""));
        let managers = self.managed_write(o.dry_run, None, &created, &cx.caller.manager, &scope);
        Ok(self.managed_response(201, &*created, &managers, served, accepted, include))
    }

    pub(super) fn update_response(&mut self, cx: &Context<'_>, served: &Served, sub: &str) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        negotiate::body_format(cx.request)?;
        let o = options::write(cx, "UpdateOptions", None)?;
        let mut obj = self.decode_body(cx, served, o.validation)?;
        let namespace = Self::namespace_of(cx, served);
        check_identity(&*obj, namespace, &cx.info.name)?;
        let dry_run = o.dry_run;
        let update = UpdateOptions { dry_run, field_manager: o.field_manager.clone() };
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
                    let why = other_object(&info.key(namespace, name), uid, "");
                    return Err(Status::conflict(info.group, info.resource, name, &why));
                }
                // The storage gives it one of its own.
                make_mut(&mut obj).meta_mut().resource_version = None;
                (201, self.create(&cx.caller, served.id, namespace, obj, &options)?)
            }
            other => (200, other?),
        };
        let scope = Rc::new(Scope::new(&served.api_version, served.info.kind, sub));
        let live = live.filter(|_| code == 200);
        let managers = self.managed_write(dry_run, live, &stored, &cx.caller.manager, &scope);
        Ok(self.managed_response(code, &*stored, &managers, served, accepted, include))
    }

    pub(super) fn patch_response(&mut self, cx: &Context<'_>, served: &Served, sub: &str) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let kind = patch_kind(cx)?;
        let o = options::write(cx, "PatchOptions", Some(kind.is_none()))?;
        let Some(kind) = kind else { return self.apply_response(cx, served, sub, &o) };
        let namespace = Self::namespace_of(cx, served);
        let update = UpdateOptions { dry_run: o.dry_run, field_manager: o.field_manager.clone() };
        let (served_copy, name) = (served.clone(), cx.info.name.clone());
        let registry = self.registry.clone();
        let mut warnings = Vec::new();
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
            if let Some(m) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                m.remove("managedFields");
            }
            served_copy.to_stored(&mut value);
            let new = registry.strategy(served_copy.id).decode(value).map_err(Status::bad_request)?;
            check_identity(&*new, namespace, &name)?;
            served_copy.check(&*new, Some(&**old), namespace)?;
            Ok(new)
        });
        let stored = self.update(&cx.caller, "patch", served.id, (namespace, &cx.info.name), sub, updater, &update)?;
        self.warnings.extend(|| warnings);
        let scope = Rc::new(Scope::new(&served.api_version, served.info.kind, sub));
        let managers = self.managed_write(o.dry_run, live, &stored, &cx.caller.manager, &scope);
        Ok(self.managed_response(200, &*stored, &managers, served, accepted, include))
    }

    /// Notes a write, or for a dry run only supposes it; the managers that it leaves.
    fn managed_write(
        &mut self,
        dry_run: bool,
        live: Option<Obj>,
        new: &Obj,
        manager: &Rc<str>,
        scope: &Rc<Scope>,
    ) -> Rc<Managers> {
        if dry_run {
            return self.rehearsed(live, new, manager, scope);
        }
        self.note_write(live, new, manager, scope);
        self.managers_of(&**new)
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
        let scope = Scope::new(&served.api_version, served.info.kind, sub);
        let manager = cx.caller.manager.clone();
        let request = Apply { manager: &manager, force: o.force, validation: o.validation, now: self.sim.timestamp() };
        let body = &cx.request.body;
        let mut outcome = None;
        let found = self.load(served.id, &namespace, &name);
        let Some((live, _)) = found else {
            if !sub.is_empty() {
                return Err(self.not_found(served.id, &name));
            }
            let applied = managed_fields::apply(&Managers::default(), None, body, request, &scope)?;
            let obj = self.object_from(applied.value.unwrap_or_default(), served)?;
            check_identity(&*obj, &namespace, &name)?;
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
        let updater = Box::new(|old: &Obj| {
            let current = encode::object(&**old, &served_copy);
            let mut applied = managed_fields::apply(&managers, Some(&current), body, request, &scope)?;
            let value = applied.value.take();
            outcome = Some(applied);
            let Some(mut value) = value else { return Ok(old.clone()) };
            served_copy.to_stored(&mut value);
            let new = registry.strategy(served_copy.id).decode(value).map_err(Status::bad_request)?;
            check_identity(&*new, &namespace, &name)?;
            Ok(new)
        });
        let update = UpdateOptions { dry_run: o.dry_run, field_manager: o.field_manager.clone() };
        let stored = self.update(&cx.caller, "patch", served.id, (&namespace, &name), sub, updater, &update)?;
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
    let meta = o.meta();
    let given = meta.namespace.as_deref().unwrap_or_default();
    if !namespace.is_empty() && !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let have = meta.name.as_deref().unwrap_or_default();
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
