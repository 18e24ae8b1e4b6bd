//! Create, update and patch. Models apiserver's `pkg/endpoints/handlers/{create,update,patch}.go`.

use serde_json::Value;

use super::options::{self, WriteOptions};
use super::{ApiServer, Context, Response, encode, negotiate};
use crate::api::decode::{self, FieldValidation};
use crate::api::object::{Obj, Object};
use crate::api::patch::{self, PatchKind};
use crate::api::status::Status;
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
        let created = self.create(&cx.caller, served.id, Self::namespace_of(cx, served), obj, &options)?;
        self.warn_deprecated(served);
        Ok(self.object_response(201, &*created, served, accepted, include))
    }

    pub(super) fn update_response(&mut self, cx: &Context<'_>, served: &Served, sub: &str) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        negotiate::body_format(cx.request)?;
        let o = options::write(cx, "UpdateOptions", None)?;
        let obj = self.decode_body(cx, served, o.validation)?;
        let namespace = Self::namespace_of(cx, served);
        check_identity(&*obj, namespace, &cx.info.name)?;
        let update = UpdateOptions { dry_run: o.dry_run, field_manager: o.field_manager.clone() };
        let names = (namespace, cx.info.name.as_str());
        let sent = obj.clone();
        let updater = Box::new(move |_: &Obj| Ok(sent.clone()));
        let done = self.update(&cx.caller, "update", served.id, names, sub, updater, &update);
        let (code, stored) = match done {
            Err(s) if s.is_not_found() && sub.is_empty() && self.strategy(served.id).allow_create_on_update() => {
                let options = CreateOptions { dry_run: o.dry_run, field_manager: o.field_manager };
                (201, self.create(&cx.caller, served.id, namespace, obj, &options)?)
            }
            other => (200, other?),
        };
        self.warn_deprecated(served);
        Ok(self.object_response(code, &*stored, served, accepted, include))
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
        let updater = Box::new(|old: &Obj| {
            let current = encode::object(&**old, &served_copy);
            let info = served_copy.info;
            let patched =
                patch::apply(kind, &current, &cx.request.body, &served_copy.api_version, info.kind, o.validation)?;
            warnings = patched.warnings;
            let mut value = patched.value;
            served_copy.to_stored(&mut value);
            let new = registry.strategy(served_copy.id).decode(value).map_err(Status::bad_request)?;
            check_identity(&*new, namespace, &name)?;
            Ok(new)
        });
        let stored = self.update(&cx.caller, "patch", served.id, (namespace, &cx.info.name), sub, updater, &update)?;
        self.warnings.extend(|| warnings);
        self.warn_deprecated(served);
        Ok(self.object_response(200, &*stored, served, accepted, include))
    }

    fn apply_response(
        &mut self,
        _cx: &Context<'_>,
        _served: &Served,
        _sub: &str,
        _o: &WriteOptions,
    ) -> Result<Response, Status> {
        Err(Status::internal("server-side apply"))
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
