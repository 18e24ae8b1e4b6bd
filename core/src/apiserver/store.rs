//! The generic verbs: one path for every kind. Models apiserver's `pkg/registry/generic/registry/store.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cacher::{WatchEvent, WatchEventType, WatchStream};
use super::options::{Caller, CreateOptions, DeleteOptions, ListOptions, ObjectList, Propagation, UpdateOptions};
use super::{ApiServer, admission};
use crate::api::object::{Obj, Object, make_mut, revision};
use crate::api::status::Status;
use crate::etcd::{Compare, CompareTarget, Error as EtcdError, Op, RangeRequest, Value};
use crate::registry::{DeleteOutcome, ResourceId, Strategy, StrategyContext};

/// A label and a field selector, ready to match.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: Vec<(String, bool, String)>,
    fields: Vec<(String, bool, String)>,
}

fn parse_pairs(text: &str) -> Vec<(String, bool, String)> {
    text.split(',')
        .filter(|p| !p.is_empty())
        .filter_map(|p| {
            let (k, equal, v) = if let Some((k, v)) = p.split_once("!=") {
                (k, false, v)
            } else if let Some((k, v)) = p.split_once("==") {
                (k, true, v)
            } else {
                let (k, v) = p.split_once('=')?;
                (k, true, v)
            };
            Some((k.to_owned(), equal, v.to_owned()))
        })
        .collect()
}

impl Selection {
    /// Parses the selectors of a list or watch.
    pub fn parse(o: &ListOptions) -> Result<Self, Status> {
        Ok(Selection { labels: parse_pairs(&o.label_selector), fields: parse_pairs(&o.field_selector) })
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The value that `field` must have, if the selector says so.
    pub fn exact_field(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(k, equal, _)| k == field && *equal).map(|(_, _, v)| v.as_str())
    }

    /// Whether an object matches.
    pub fn matches(&self, strategy: &dyn Strategy, o: &dyn Object) -> bool {
        let empty = BTreeMap::new();
        let labels = o.meta().labels.as_ref().unwrap_or(&empty);
        self.labels.iter().all(|(k, equal, v)| (labels.get(k) == Some(v)) == *equal)
            && self
                .fields
                .iter()
                .all(|(k, equal, v)| (strategy.field(o, k).unwrap_or_default() == v.as_str()) == *equal)
    }
}

/// What a delete did.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Obj),
    /// The object is marked and waits for a finalizer or for its kubelet.
    Waiting(Obj),
}

impl Deleted {
    /// The object's state after the delete.
    pub fn object(&self) -> &Obj {
        match self {
            Deleted::Gone(o) | Deleted::Waiting(o) => o,
        }
    }
}

/// Makes the new object of an update out of the stored one: how update and patch differ.
pub type Updater<'a> = Box<dyn FnMut(&Obj) -> Result<Obj, Status> + 'a>;

/// A write of an existing object by another hand in between is tried again so often for patches, as upstream does.
const PATCH_RETRIES: usize = 5;

impl ApiServer {
    /// A kind's strategy, and the kernel: borrowed apart from the rest of self.
    fn strategy(&self, id: ResourceId) -> &dyn Strategy {
        self.registry.strategy(id)
    }

    fn load(&self, id: ResourceId, namespace: &str, name: &str) -> Option<(Obj, u64)> {
        let key = self.registry.info(id).key(namespace, name);
        let kv = self.etcd.store.borrow().get(&key)?;
        match kv.value {
            Value::Object(o) => Some((o, kv.mod_revision)),
            Value::Bytes(_) => None,
        }
    }

    fn not_found(&self, id: ResourceId, name: &str) -> Status {
        let info = self.registry.info(id);
        Status::not_found(info.group, info.resource, name)
    }

    /// Writes `obj` at the next revision if the key still stands at `expected` (0: isn't there); the revision.
    fn commit(&mut self, id: ResourceId, obj: &mut Obj, expected: u64) -> Result<u64, Status> {
        let meta = obj.meta();
        let key: Rc<str> = self
            .registry
            .info(id)
            .key(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
            .into();
        let mut store = self.etcd.store.borrow_mut();
        let next = store.revision() + 1;
        make_mut(obj).meta_mut().resource_version = Some(next.to_string());
        let ttl = self.registry.strategy(id).ttl_seconds();
        let lease = if ttl > 0 { store.leases_mut().grant_shared(self.sim.now(), ttl) } else { 0 };
        let conditions = [Compare { key: &key, target: CompareTarget::ModRevision(expected) }];
        let put = Op::Put { key: key.clone(), value: Value::Object(obj.clone()), lease };
        let done = store
            .txn(&conditions, vec![put], self.sim.trace().next_seq())
            .map_err(|e| Status::internal(e.to_string()))?;
        let info = self.registry.info(id);
        drop(store);
        if !done.succeeded {
            let name = obj.meta().name.clone().unwrap_or_default();
            return Err(if expected == 0 {
                Status::already_exists(info.group, info.resource, &name)
            } else {
                Status::modified(info.group, info.resource, &name)
            });
        }
        Ok(done.revision)
    }

    fn remove(&mut self, id: ResourceId, obj: &Obj, expected: u64) -> Result<u64, Status> {
        let meta = obj.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        let key: Rc<str> = self.registry.info(id).key(meta.namespace.as_deref().unwrap_or_default(), name).into();
        let conditions = [Compare { key: &key, target: CompareTarget::ModRevision(expected) }];
        let op = Op::Delete { key: key.clone() };
        let done = self
            .etcd
            .store
            .borrow_mut()
            .txn(&conditions, vec![op], self.sim.trace().next_seq())
            .map_err(|e| Status::internal(e.to_string()))?;
        if done.succeeded {
            Ok(done.revision)
        } else {
            let info = self.registry.info(id);
            Err(Status::modified(info.group, info.resource, name))
        }
    }

    /// Traces a write that was done, then tells everybody who watches. The trace comes first: watch events name it as their cause.
    fn published(&mut self, caller: &Caller, verb: &'static str, id: ResourceId, obj: &Obj, sub: &str, revision: u64) {
        let m = obj.meta();
        let names = (m.namespace.as_deref().unwrap_or_default(), m.name.as_deref().unwrap_or_default(), sub);
        self.trace_request(caller, verb, id, names, Ok(revision));
        self.pump();
        self.etcd.changed.notify();
    }

    /// Creates `obj` in `namespace` (empty for cluster-scoped kinds).
    pub fn create(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: &str,
        mut obj: Obj,
        o: &CreateOptions,
    ) -> Result<Obj, Status> {
        let outcome = self.try_create(caller, id, namespace, &mut obj, o);
        match outcome {
            Ok(Some(revision)) => {
                self.published(caller, "create", id, &obj, "", revision);
                Ok(obj)
            }
            Ok(None) => Ok(obj),
            Err(status) => {
                let name = obj.meta().name.clone().unwrap_or_default();
                self.trace_request(caller, "create", id, (namespace, &name, ""), Err(status.code));
                Err(status)
            }
        }
    }

    fn try_create(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: &str,
        obj: &mut Obj,
        o: &CreateOptions,
    ) -> Result<Option<u64>, Status> {
        self.check_etcd()?;
        let info = self.registry.info(id).clone();
        let generated;
        {
            let object = make_mut(obj);
            let given = object.meta().namespace.as_deref().unwrap_or_default().to_owned();
            if info.namespaced {
                if given.is_empty() {
                    object.meta_mut().namespace = Some(namespace.to_owned());
                } else if given != namespace {
                    return Err(Status::bad_request(
                        "the namespace of the provided object does not match the namespace sent on the request",
                    ));
                }
            } else if !given.is_empty() {
                object.meta_mut().namespace = None;
            }
            if object.meta().resource_version.as_deref().is_some_and(|r| !r.is_empty()) {
                return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
            }
            self.strategy(id).default(object);
            let meta = object.meta_mut();
            meta.uid = Some(self.sim.random_uuid());
            meta.creation_timestamp = Some(Time(self.sim.timestamp()));
            meta.deletion_timestamp = None;
            meta.deletion_grace_period_seconds = None;
            meta.self_link = None;
            generated = meta.name.as_deref().is_none_or(str::is_empty)
                && meta.generate_name.as_deref().is_some_and(|g| !g.is_empty());
            if generated {
                // upstream's names.SimpleNameGenerator: the base is cut so that base and suffix fit 63 characters.
                let base: String = meta.generate_name.as_deref().unwrap_or_default().chars().take(58).collect();
                meta.name = Some(format!("{base}{}", self.sim.random_suffix(5)));
            }
            let cx = StrategyContext { sim: &self.sim, subresource: "" };
            self.registry.strategy(id).prepare_for_create(&cx, object);
        }
        let attributes = admission::Attributes {
            caller,
            id,
            namespace,
            subresource: "",
            verb: admission::Verb::Create,
            dry_run: o.dry_run,
        };
        admission::admit(self, &attributes, obj, None)?;
        let errors = self.strategy(id).validate(&**obj);
        if !errors.is_empty() {
            let name = obj.meta().name.clone().unwrap_or_default();
            return Err(Status::invalid(info.group, info.kind, if generated { "" } else { &name }, &errors));
        }
        admission::validate(self, &attributes, obj, None)?;
        if o.dry_run {
            let name = obj.meta().name.clone().unwrap_or_default();
            if self.load(id, namespace, &name).is_some() {
                return Err(Status::already_exists(info.group, info.resource, &name));
            }
            return Ok(None);
        }
        match self.commit(id, obj, 0) {
            Err(s) if generated && s.is_already_exists() => {
                let name = obj.meta().name.clone().unwrap_or_default();
                Err(Status::generate_name_conflict(info.group, info.resource, &name))
            }
            other => other.map(Some),
        }
    }

    /// One object.
    pub fn get(&mut self, caller: &Caller, id: ResourceId, namespace: &str, name: &str) -> Result<Obj, Status> {
        self.check_etcd()?;
        let found = self.load(id, namespace, name).map(|(o, _)| o).ok_or_else(|| self.not_found(id, name));
        self.trace_request(caller, "get", id, (namespace, name, ""), found.as_ref().map(|_| 0).map_err(|s| s.code));
        found
    }

    /// The objects of a namespace, or of all with `None`.
    pub fn list(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<ObjectList, Status> {
        self.check_etcd()?;
        let selection = Selection::parse(o)?;
        let strategy = self.registry.strategy(id);
        let store = self.etcd.store.borrow();
        let mut prefix = strategy.info().prefix();
        if let Some(n) = namespace.filter(|_| strategy.info().namespaced) {
            prefix.push_str(n);
            prefix.push('/');
        }
        let mut list = ObjectList { resource_version: store.revision(), ..ObjectList::default() };
        let (start, at) = match super::paging::decode(&o.continue_token, &prefix)? {
            Some((key, at)) => (key, at),
            None => (prefix.clone(), 0),
        };
        if at == 0 && o.limit == 0 {
            store.for_each_prefix(&prefix, |_, value, _| {
                if let Value::Object(obj) = value
                    && (selection.is_everything() || selection.matches(strategy, &**obj))
                {
                    list.items.push(obj.clone());
                }
            });
        } else {
            if at != 0 {
                list.resource_version = at;
            }
            let end = super::paging::prefix_end(&prefix);
            let request = RangeRequest {
                key: &start,
                range_end: Some(&end),
                revision: list.resource_version,
                limit: 0,
                count_only: false,
            };
            let found = store.range(&request).map_err(|e| match e {
                EtcdError::Compacted(_) => super::paging::expired_continue(),
                other => Status::internal(other.to_string()),
            })?;
            let mut kvs = found.kvs.into_iter();
            for kv in kvs.by_ref() {
                let Value::Object(obj) = &kv.value else { continue };
                if selection.is_everything() || selection.matches(strategy, &**obj) {
                    list.items.push(obj.clone());
                    if o.limit > 0 && list.items.len() == o.limit {
                        let left = kvs.len();
                        if left > 0 {
                            list.continue_token = super::paging::encode(&kv.key, &prefix, list.resource_version);
                            list.remaining = selection.is_everything().then_some(left);
                        }
                        break;
                    }
                }
            }
        }
        drop(store);
        self.trace_request(caller, "list", id, (namespace.unwrap_or_default(), "", ""), Ok(0));
        Ok(list)
    }

    /// Watches a kind from a revision on.
    pub fn watch(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<WatchStream, Status> {
        self.check_etcd()?;
        let selection = Selection::parse(o)?;
        let since = match o.resource_version.as_str() {
            "" | "0" => None,
            r => Some(r.parse::<u64>().map_err(|_| {
                Status::bad_request(format!(
                    "resourceVersion: Invalid value: {}: strconv.ParseUint: parsing {}: invalid syntax",
                    crate::api::field::quote(r),
                    crate::api::field::quote(r)
                ))
            })?),
        };
        let oldest = self.cachers[id.0 as usize].oldest().max(self.etcd.store.borrow().compacted());
        let mut initial = Vec::new();
        let mut from = self.seen_revision;
        match since {
            Some(r) if r < oldest => {
                initial.push(Err(Status::expired(format!("too old resource version: {r} ({oldest})"))));
            }
            Some(r) => from = r,
            None => {
                let all = self.list_silently(id, namespace, &selection);
                initial.extend(all.into_iter().map(|object| {
                    Ok(WatchEvent {
                        kind: WatchEventType::Added,
                        revision: revision(object.meta()),
                        object: Some(object),
                        initial_events_end: false,
                        cause: 0,
                    })
                }));
                if o.send_initial_events == Some(true) {
                    initial.push(Ok(WatchEvent {
                        kind: WatchEventType::Bookmark,
                        object: None,
                        revision: from,
                        initial_events_end: true,
                        cause: 0,
                    }));
                }
            }
        }
        let ends = (self.sim.machine_of(self.process), self.sim.machine_of(caller.process));
        let latency = self.sim.links().latency(ends.0, ends.1);
        let strategy = self.registry.strategy(id);
        let stream = self.cachers[id.0 as usize].watch(
            &self.sim,
            strategy,
            namespace.map(Into::into),
            selection,
            o,
            from,
            initial,
            latency,
            ends,
        );
        self.trace_request(caller, "watch", id, (namespace.unwrap_or_default(), "", ""), Ok(0));
        Ok(stream)
    }

    fn list_silently(&self, id: ResourceId, namespace: Option<&str>, selection: &Selection) -> Vec<Obj> {
        let strategy = self.registry.strategy(id);
        let mut prefix = strategy.info().prefix();
        if let Some(n) = namespace.filter(|_| strategy.info().namespaced) {
            prefix.push_str(n);
            prefix.push('/');
        }
        let mut items = Vec::new();
        self.etcd.store.borrow().for_each_prefix(&prefix, |_, value, _| {
            if let Value::Object(obj) = value
                && (selection.is_everything() || selection.matches(strategy, &**obj))
            {
                items.push(obj.clone());
            }
        });
        items
    }

    /// Updates an object or one of its subresources: `updater` makes the new object from the stored one.
    #[allow(clippy::too_many_arguments)]
    pub fn update(
        &mut self,
        caller: &Caller,
        verb: &'static str,
        id: ResourceId,
        names: (&str, &str),
        subresource: &str,
        updater: Updater<'_>,
        o: &UpdateOptions,
    ) -> Result<Obj, Status> {
        let (namespace, name) = names;
        match self.try_update(caller, verb, id, names, subresource, updater, o) {
            Ok((obj, Some(revision))) => {
                self.published(caller, verb, id, &obj, subresource, revision);
                Ok(obj)
            }
            Ok((obj, None)) => {
                // Nothing changed: no new revision, no event.
                self.trace_request(caller, verb, id, (namespace, name, subresource), Ok(0));
                Ok(obj)
            }
            Err(status) => {
                self.trace_request(caller, verb, id, (namespace, name, subresource), Err(status.code));
                Err(status)
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn try_update(
        &mut self,
        caller: &Caller,
        verb: &'static str,
        id: ResourceId,
        (namespace, name): (&str, &str),
        subresource: &str,
        mut updater: Updater<'_>,
        o: &UpdateOptions,
    ) -> Result<(Obj, Option<u64>), Status> {
        self.check_etcd()?;
        let info = self.registry.info(id).clone();
        for _ in 0..PATCH_RETRIES {
            let Some((old, at)) = self.load(id, namespace, name) else { return Err(self.not_found(id, name)) };
            let mut new = updater(&old)?;
            let given = revision(new.meta());
            if given == 0 && verb == "update" && !self.strategy(id).allow_unconditional_update() {
                let e = crate::api::field::Error::invalid(
                    &crate::api::field::Path::new("metadata").child("resourceVersion"),
                    &serde_json::json!(0),
                    "must be specified for an update",
                );
                return Err(Status::invalid(info.group, info.kind, name, &vec![e]));
            }
            if given != 0 && given != at {
                return Err(Status::modified(info.group, info.resource, name));
            }
            if let (Some(asked), Some(have)) =
                (new.meta().uid.as_deref().filter(|u| !u.is_empty()), old.meta().uid.as_deref())
                && asked != have
            {
                let why = format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {have}");
                return Err(Status::conflict(info.group, info.resource, name, &why));
            }
            {
                let object = make_mut(&mut new);
                self.strategy(id).default(object);
                keep_system_fields(object, &*old);
                let cx = StrategyContext { sim: &self.sim, subresource };
                self.registry.strategy(id).prepare_for_update(&cx, object, &*old);
            }
            let attributes = admission::Attributes {
                caller,
                id,
                namespace,
                subresource,
                verb: admission::Verb::Update,
                dry_run: o.dry_run,
            };
            admission::admit(self, &attributes, &mut new, Some(&old))?;
            let cx = StrategyContext { sim: &self.sim, subresource };
            let errors = self.registry.strategy(id).validate_update(&cx, &*new, &*old);
            if !errors.is_empty() {
                return Err(Status::invalid(info.group, info.kind, name, &errors));
            }
            admission::validate(self, &attributes, &new, Some(&old))?;
            make_mut(&mut new).meta_mut().resource_version = old.meta().resource_version.clone();
            if new.equals(&*old) || o.dry_run {
                return Ok((new, None));
            }
            // The last finalizer of an object that waits to be deleted: it goes now.
            let waits =
                new.meta().deletion_timestamp.is_some() && new.meta().finalizers.as_ref().is_none_or(Vec::is_empty);
            if waits && self.may_go(id, &*new) {
                let revision = self.remove(id, &new, at)?;
                make_mut(&mut new).meta_mut().resource_version = Some(revision.to_string());
                return Ok((new, Some(revision)));
            }
            match self.commit(id, &mut new, at) {
                Ok(revision) => return Ok((new, Some(revision))),
                Err(s) if s.is_conflict() && verb == "patch" => continue,
                Err(s) => return Err(s),
            }
        }
        Err(Status::modified(info.group, info.resource, name))
    }

    /// Whether an object that is marked for deletion and has no finalizers may go: not while its grace runs.
    fn may_go(&self, _id: ResourceId, o: &dyn Object) -> bool {
        o.meta().deletion_grace_period_seconds.unwrap_or(0) == 0
    }

    /// Deletes an object, at once or gracefully.
    pub fn delete(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: &str,
        name: &str,
        o: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        match self.try_delete(id, namespace, name, o) {
            Ok((deleted, revision)) => {
                if revision > 0 {
                    self.published(caller, "delete", id, deleted.object(), "", revision);
                } else {
                    self.trace_request(caller, "delete", id, (namespace, name, ""), Ok(0));
                }
                Ok(deleted)
            }
            Err(status) => {
                self.trace_request(caller, "delete", id, (namespace, name, ""), Err(status.code));
                Err(status)
            }
        }
    }

    fn try_delete(
        &mut self,
        id: ResourceId,
        namespace: &str,
        name: &str,
        o: &DeleteOptions,
    ) -> Result<(Deleted, u64), Status> {
        self.check_etcd()?;
        let info = self.registry.info(id).clone();
        let Some((old, at)) = self.load(id, namespace, name) else { return Err(self.not_found(id, name)) };
        self.check_preconditions(&info, name, &old, o)?;
        let mut outcome = self.strategy(id).check_delete(&*old, o.grace_period_seconds);
        let mut new = old.clone();
        let mut changed = false;
        let mut finalizers = old.meta().finalizers.clone().unwrap_or_default();
        if old.meta().deletion_timestamp.is_none() || !finalizers.is_empty() {
            let wanted = deletion_finalizers(
                o,
                self.strategy(id).gc_policy() == crate::registry::GcPolicy::OrphanDependents,
                &finalizers,
            );
            if wanted != finalizers {
                finalizers = wanted;
                changed = true;
            }
        }
        if let (DeleteOutcome::Graceful(grace), Some(have)) = (outcome, old.meta().deletion_grace_period_seconds) {
            // Already going: a shorter grace shortens it, anything else changes nothing.
            if old.meta().deletion_timestamp.is_some() {
                if grace < have && grace > 0 {
                    changed = true;
                } else if grace == 0 {
                    outcome = DeleteOutcome::Immediate;
                } else {
                    return Ok((Deleted::Waiting(old), 0));
                }
            }
        }
        let grace = match outcome {
            DeleteOutcome::Immediate => 0,
            DeleteOutcome::Graceful(g) => g,
        };
        if grace == 0 && finalizers.is_empty() {
            if o.dry_run {
                return Ok((Deleted::Gone(old), 0));
            }
            let revision = self.remove(id, &old, at)?;
            return Ok((Deleted::Gone(old), revision));
        }
        let first = old.meta().deletion_timestamp.is_none();
        if first || changed || old.meta().deletion_grace_period_seconds.unwrap_or(0) > grace {
            let now = self.sim.timestamp();
            let until = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(now);
            let meta = make_mut(&mut new).meta_mut();
            meta.finalizers = (!finalizers.is_empty()).then_some(finalizers);
            if first {
                meta.generation = meta.generation.filter(|g| *g > 0).map(|g| g + 1);
            }
            if first || meta.deletion_grace_period_seconds.unwrap_or(0) > grace {
                meta.deletion_timestamp = Some(Time(until));
                meta.deletion_grace_period_seconds = Some(grace);
            }
            if o.dry_run {
                return Ok((Deleted::Waiting(new), 0));
            }
            let revision = self.commit(id, &mut new, at)?;
            return Ok((Deleted::Waiting(new), revision));
        }
        Ok((Deleted::Waiting(old), 0))
    }

    fn check_preconditions(
        &self,
        info: &crate::registry::ResourceInfo,
        name: &str,
        old: &Obj,
        o: &DeleteOptions,
    ) -> Result<(), Status> {
        let meta = old.meta();
        if let Some(asked) = &o.preconditions.uid
            && meta.uid.as_ref() != Some(asked)
        {
            let why = format!(
                "Precondition failed: UID in precondition: {asked}, UID in object meta: {}",
                meta.uid.as_deref().unwrap_or_default()
            );
            return Err(Status::conflict(info.group, info.resource, name, &why));
        }
        if let Some(asked) = &o.preconditions.resource_version
            && meta.resource_version.as_ref() != Some(asked)
        {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {asked}, ResourceVersion in object meta: {}",
                meta.resource_version.as_deref().unwrap_or_default()
            );
            return Err(Status::conflict(info.group, info.resource, name, &why));
        }
        Ok(())
    }
}

/// The finalizers that a delete leaves on the object, by what shall happen to dependents.
fn deletion_finalizers(o: &DeleteOptions, orphans_by_default: bool, have: &[String]) -> Vec<String> {
    const ORPHAN: &str = "orphan";
    const FOREGROUND: &str = "foregroundDeletion";
    let has = |f: &str| have.iter().any(|h| h == f);
    let (orphan, foreground) = match o.propagation {
        Some(Propagation::Orphan) => (true, false),
        Some(Propagation::Foreground) => (false, true),
        Some(Propagation::Background) => (false, false),
        None => (has(ORPHAN) || (orphans_by_default && !has(FOREGROUND)), has(FOREGROUND)),
    };
    let mut out: Vec<String> = have.iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).cloned().collect();
    if orphan {
        out.push(ORPHAN.into());
    }
    if foreground {
        out.push(FOREGROUND.into());
    }
    if out.len() == have.len() && out.iter().all(|f| has(f)) { have.to_vec() } else { out }
}

/// What an update can't change of the metadata, whatever was sent. Models rest.BeforeUpdate.
fn keep_system_fields(new: &mut dyn Object, old: &dyn Object) {
    let (from, meta) = (old.meta(), new.meta_mut());
    meta.uid = from.uid.clone();
    meta.creation_timestamp = from.creation_timestamp.clone();
    meta.deletion_timestamp = from.deletion_timestamp.clone();
    meta.deletion_grace_period_seconds = from.deletion_grace_period_seconds;
    meta.self_link = None;
    meta.generation = from.generation;
    if meta.namespace.as_deref().unwrap_or_default().is_empty() {
        meta.namespace = from.namespace.clone();
    }
}
