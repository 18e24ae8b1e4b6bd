//! Requests for resources: which verb of which kind, and the reading verbs.
//! Models apiserver's `pkg/endpoints/{installer.go,handlers/get.go,handlers/delete.go}`.

use serde_json::json;

use super::encode::{self, IncludeObject};
use super::negotiate::{self, Accepted, Endpoint, Transform};
use super::watch::WatchBody;
use super::{ApiServer, Body, Context, Response, options};
use crate::api::field::quote;
use crate::api::fields::Selector;
use crate::api::patch::PatchKind;
use crate::api::status::Status;
use crate::api::validation::name_is_path_segment;
use crate::apiserver::selection::Selection;
use crate::apiserver::{DeleteOptions, Deleted, ListOptions, ObjectList};
use crate::registry::Served;

/// The answer to a path that no kind has.
pub(super) fn no_such_resource() -> Status {
    Status::other(404, "NotFound", "the server could not find the requested resource").with_details(Default::default())
}

/// What can't be part of a key names nothing. Models `NamespaceKeyFunc`.
fn check_name(name: &str) -> Result<(), Status> {
    let wrong = name_is_path_segment(name, false);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Status::bad_request(format!("Name parameter invalid: {}: {}", quote(name), wrong.join(";"))))
}

/// How many events a client of real time may leave unread: its machine may hang, and what it leaves unread is kept for it alone.
const REAL_BACKLOG_MAX: usize = 16_384;

impl ApiServer {
    /// Answers a request for a resource.
    pub(super) fn resource(&mut self, cx: &Context<'_>) -> Result<Response, Status> {
        let i = &cx.info;
        // The old proxies went long ago; only their verb is known still.
        if i.verb == "proxy" && i.subresource.is_empty() {
            return Err(no_such_resource());
        }
        if !i.group.is_empty() && !self.registry.has_group(&i.group) {
            return Ok(Response::text(404, "404 page not found\n"));
        }
        let Some(served) = self.registry.served(&i.group, &i.version, &i.resource) else {
            negotiate::check_producible(cx.request, None, false)?;
            return self.virtual_resource(cx).unwrap_or_else(|| Err(no_such_resource()));
        };
        if let Some(found) = self.virtual_resource(cx) {
            return found;
        }
        if !served.info.namespaced && !i.namespace.is_empty() && i.resource != "namespaces" {
            return Err(no_such_resource());
        }
        // Objects of a namespaced kind are written within a namespace.
        let whole = served.info.namespaced && i.namespace.is_empty();
        if whole && i.names_object() && !i.watch_path {
            return Err(no_such_resource());
        }
        if i.names_object() {
            check_name(&i.name)?;
        }
        if !i.subresource.is_empty() {
            // Only a proxy passes on what follows.
            let more = !i.rest.is_empty() && i.subresource != "proxy";
            if more || !served.info.subresources.contains(&i.subresource.as_str()) {
                return Err(no_such_resource());
            }
            negotiate::check_producible(cx.request, Some(&served), false)?;
            return self.subresource(cx, &served);
        }
        if i.watch_path {
            if cx.request.method != "GET" {
                return Err(Status::method_not_allowed());
            }
            negotiate::check_producible(cx.request, Some(&served), true)?;
            self.warn_deprecated(&served);
            return self.watch_response(cx, &served);
        }
        let named = i.names_object();
        let method = cx.request.method.as_str();
        let known = match method {
            "GET" => true,
            "POST" => !named && !whole,
            "PUT" | "PATCH" => named && !whole,
            "DELETE" => !whole && (named || served.info.resource != "namespaces"),
            _ => false,
        };
        if !known {
            return Err(Status::method_not_allowed());
        }
        if method == "PATCH" {
            let strategic = super::write::patch_kind(cx)? == Some(PatchKind::Strategic);
            if strategic && served.custom.is_some() {
                return Err(Status::unsupported_media_type(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
        }
        negotiate::check_producible(cx.request, Some(&served), method == "GET" && !named)?;
        self.warn_deprecated(&served);
        match (method, named) {
            ("GET", true) => self.get_response(cx, &served),
            ("GET", false) if i.verb == "watch" => self.watch_response(cx, &served),
            ("GET", false) => self.list_or_watch(cx, &served),
            ("POST", _) => self.create_response(cx, &served),
            ("PUT", _) => self.update_response(cx, &served, ""),
            ("PATCH", _) => self.patch_response(cx, &served, ""),
            ("DELETE", true) => self.delete_response(cx, &served),
            ("DELETE", false) => self.delete_collection_response(cx, &served),
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// The namespace of the request, or empty for kinds that have none.
    pub(super) fn namespace_of<'c>(cx: &'c Context<'_>, served: &Served) -> &'c str {
        if served.info.namespaced { &cx.info.namespace } else { "" }
    }

    pub(super) fn presentation(cx: &Context<'_>) -> Result<(Accepted, IncludeObject), Status> {
        let accepted = negotiate::accepted(cx.request, Endpoint::Objects)?;
        let include = match accepted.transform {
            Transform::Table => IncludeObject::parse(cx.query.get("includeObject"))?,
            _ => IncludeObject::default(),
        };
        Ok((accepted, include))
    }

    fn get_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        if let Some(version) = cx.query.get("resourceVersion") {
            self.check_reached(served.id, version)?;
        }
        let o = self.get(&cx.caller, served.id, Self::namespace_of(cx, served), &cx.info.name)?;
        encode::check_partial(served, accepted, false)?;
        Ok(self.object_response(200, &*o, served, accepted, include))
    }

    fn list_or_watch(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let o = options::list(cx, false)?;
        let namespace = Some(cx.info.namespace.as_str()).filter(|n| served.info.namespaced && !n.is_empty());
        let list = self.list(&cx.caller, served.id, namespace, &o)?;
        encode::check_partial(served, accepted, true)?;
        Ok(self.list_response(&list, served, accepted, include))
    }

    fn watch_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let mut o = options::list(cx, true)?;
        if cx.info.watch_path && !cx.info.name.is_empty() {
            self.select_name(served, &mut o, &cx.info.name)?;
        }
        if o.timeout_seconds == 0 {
            // Upstream's --min-request-timeout, stretched at random so that watches don't all end at once.
            let least = std::time::Duration::from_secs(1800);
            o.timeout_seconds = self.sim.jitter(least, 1.0).as_secs();
        }
        let namespace = Some(cx.info.namespace.as_str()).filter(|n| served.info.namespaced && !n.is_empty());
        let timeout = std::time::Duration::from_secs(o.timeout_seconds);
        if cx.request.real_time {
            o.timeout_seconds = 0;
        }
        let mut stream = self.watch(&cx.caller, served.id, namespace, &o)?;
        negotiate::check_streamable(accepted)?;
        if cx.request.real_time {
            stream.limit_backlog(REAL_BACKLOG_MAX);
        }
        let how =
            super::watch::Presentation { served: served.clone(), accepted, include, encoded: self.encoded.clone() };
        let body = WatchBody::new(self.sim.clone(), stream, timeout, how);
        Ok(Response {
            code: 200,
            headers: vec![("Content-Type", accepted.content_type())],
            body: Body::Watch(Box::new(body)),
        })
    }

    /// A watch of one object selects it by its name. Models `listOpts`.
    fn select_name(&self, served: &Served, o: &mut ListOptions, name: &str) -> Result<(), Status> {
        const FIELD: &str = "metadata.name";
        let given = Selection::parse(self.strategy(served.id), o)?;
        if o.field_selector.is_empty() {
            o.field_selector = Selector::equal(FIELD, name).to_string();
        } else if given.exact_field(FIELD) != Some(name) {
            return Err(Status::bad_request("fieldSelector metadata.name doesn't match requested name"));
        }
        Ok(())
    }

    /// Warns of kinds that upstream calls deprecated.
    fn warn_deprecated(&self, served: &Served) {
        if let Some(warning) = served.custom.as_ref().and_then(|v| v.deprecation.clone()) {
            self.warnings.add(|| warning);
        }
        if served.info.group.is_empty() && served.info.resource == "endpoints" {
            self.warnings
                .add(|| "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned());
        }
    }

    fn deleted_response(
        &self,
        deleted: &Deleted,
        served: &Served,
        code: u16,
        accepted: Accepted,
        include: IncludeObject,
    ) -> Response {
        let o = deleted.object();
        if matches!(deleted, Deleted::Waiting(_)) || self.registry.strategy(served.id).returns_deleted() {
            return self.object_response(code, &**o, served, accepted, include);
        }
        let meta = o.meta();
        let mut details = serde_json::Map::new();
        details.insert("name".into(), meta.name.as_deref().unwrap_or_default().into());
        if !served.info.group.is_empty() {
            details.insert("group".into(), served.info.group.into());
        }
        details.insert("kind".into(), served.info.resource.into());
        details.insert("uid".into(), meta.uid.as_deref().unwrap_or_default().into());
        let body =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        encode::value(code, &body, Accepted { transform: Transform::None, ..accepted })
    }

    /// Whoever deletes a Job without saying what becomes of its pods is told. Models `pkg/registry/batch/job/storage`.
    fn warn_of_orphans(&self, served: &Served, o: &DeleteOptions) {
        let is_job = (served.info.group, served.info.resource) == ("batch", "jobs");
        if is_job && o.propagation.is_none() {
            self.warnings.add(|| {
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them \
                 or set propagationPolicy=Orphan to suppress this warning"
                    .to_owned()
            });
        }
    }

    fn delete_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let (o, cascading) = options::delete(cx)?;
        self.warn_of_orphans(served, &o);
        let deleted = self.delete(&cx.caller, served.id, Self::namespace_of(cx, served), &cx.info.name, &o)?;
        let accepted_only = cascading && matches!(deleted, Deleted::Waiting(_));
        Ok(self.deleted_response(&deleted, served, if accepted_only { 202 } else { 200 }, accepted, include))
    }

    fn delete_collection_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        let list_options: ListOptions = options::list(cx, false)?;
        let (o, _) = options::delete(cx)?;
        self.warn_of_orphans(served, &o);
        let namespace = Some(cx.info.namespace.as_str()).filter(|n| served.info.namespaced && !n.is_empty());
        let found = self.list(&cx.caller, served.id, namespace, &list_options)?;
        let mut list = ObjectList { resource_version: found.resource_version, ..ObjectList::default() };
        for object in &found.items {
            let meta = object.meta();
            let name = meta.name.as_deref().unwrap_or_default();
            match self.delete(&cx.caller, served.id, meta.namespace.as_deref().unwrap_or_default(), name, &o) {
                Ok(_) => list.items.push(object.clone()),
                Err(s) if s.is_not_found() => {}
                Err(s) => return Err(s),
            }
        }
        Ok(self.list_response(&list, served, accepted, include))
    }
}
