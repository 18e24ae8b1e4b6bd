//! The generic verbs: one path for every kind. Models apiserver's `pkg/registry/generic/registry/store.go`.

use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::options::{Caller, CreateOptions, UpdateOptions};
use super::{ApiServer, admission};
use crate::api::field::{Error, Path, quote};
use crate::api::object::{Obj, Object, make_mut, revision};
use crate::api::status::Status;
use crate::api::validation::{name_is_path_segment, validate_object_meta, validate_object_meta_update};
use crate::etcd::{Compare, CompareTarget, Op, Value};
use crate::registry::{ResourceId, Strategy, StrategyContext};

/// Makes the new object of an update out of the stored one: how update and patch differ.
pub type Updater<'a> = Box<dyn FnMut(&Obj) -> Result<Obj, Status> + 'a>;

/// A write of an existing object by another hand in between is tried again so often for patches, as upstream does.
const PATCH_RETRIES: usize = 5;

/// What the storage says of an object that isn't the one that was meant. Models `Preconditions.Check` and `StorageError`.
/// A dry run asks without the storage's prefix.
pub(super) fn other_object(key: &str, asked: &str, have: &str, dry_run: bool) -> String {
    unmet(key, "UID", asked, have, dry_run)
}

/// The storage's complaint about a precondition of one of the metadata's fields.
pub(super) fn unmet(key: &str, what: &str, asked: &str, have: &str, dry_run: bool) -> String {
    let key = if dry_run { key.strip_prefix("/registry").unwrap_or(key) } else { key };
    format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
         {what} in precondition: {asked}, {what} in object meta: {have}"
    )
}

impl ApiServer {
    /// A kind's strategy, and the kernel: borrowed apart from the rest of self.
    pub(crate) fn strategy(&self, id: ResourceId) -> &dyn Strategy {
        self.registry.strategy(id)
    }

    pub(crate) fn load(&self, id: ResourceId, namespace: &str, name: &str) -> Option<(Obj, u64)> {
        let key = self.registry.info(id).key(namespace, name);
        let kv = self.etcd.store.borrow().get(&key)?;
        kv.object().map(|o| (o, kv.mod_revision))
    }

    pub(crate) fn not_found(&self, id: ResourceId, name: &str) -> Status {
        let info = self.registry.info(id);
        Status::not_found(info.group, info.resource, name)
    }

    /// Writes `obj` at the next revision if the key still stands at `expected` (0: isn't there); the revision.
    pub(crate) fn commit(&self, id: ResourceId, obj: &mut Obj, expected: u64) -> Result<u64, Status> {
        self.commit_like(id, obj, expected, false)
    }

    /// The same for what may be a pod whose spec, but for its node, is the stored one's.
    fn commit_like(&self, id: ResourceId, obj: &mut Obj, expected: u64, same_spec: bool) -> Result<u64, Status> {
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
        let put = Op::Put { key: key.clone(), value: Value::Object(obj.clone()), lease, same_spec };
        let done = store
            .txn(&conditions, vec![put], self.sim.trace().next_seq())
            .map_err(|e| Status::internal(e.to_string()))?;
        let info = self.registry.info(id);
        if !done.succeeded {
            let there = store.get(&key).and_then(|kv| kv.object());
            let going = there.is_some_and(|o| o.meta().deletion_timestamp.is_some());
            drop(store);
            let name = obj.meta().name.clone().unwrap_or_default();
            return Err(if expected == 0 {
                let mut status = Status::already_exists(info.group, info.resource, &name);
                if going {
                    status.message.insert_str(0, "object is being deleted: ");
                }
                status
            } else {
                Status::modified(info.group, info.resource, &name)
            });
        }
        Ok(done.revision)
    }

    pub(crate) fn remove(&mut self, id: ResourceId, obj: &Obj, expected: u64) -> Result<u64, Status> {
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
    pub(crate) fn published(
        &mut self,
        caller: &Caller,
        verb: &'static str,
        id: ResourceId,
        obj: &Obj,
        sub: &str,
        revision: u64,
    ) {
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
        let info = *self.registry.info(id);
        let object = make_mut(obj);
        if wants_namespace(&info, namespace, object)? {
            object.meta_mut().namespace = info.namespaced.then(|| namespace.to_owned());
        }
        self.registry.strategy(id).default(object);
        let attributes = admission::Attributes {
            caller,
            id,
            namespace,
            subresource: "",
            verb: admission::Verb::Create,
            dry_run: o.dry_run,
        };
        admission::admit(self, &attributes, obj, None)?;
        self.check_escalation(caller, &info, namespace, obj, None)?;
        let generated = self.name_new(make_mut(obj));
        self.begin_create(obj, o.dry_run)?;
        self.before_create(caller, id, make_mut(obj));
        self.validate_new(id, &**obj)?;
        self.registry.strategy(id).canonicalize(make_mut(obj));
        self.warn(id, &**obj, None);
        admission::validate(self, &attributes, obj, None)?;
        let meta = obj.meta();
        if meta.resource_version.as_deref().is_some_and(|r| r.parse::<u64>().is_ok_and(|r| r != 0)) {
            return Err(Status::other(500, "", "resourceVersion should not be set on objects to be created"));
        }
        if o.dry_run {
            let name = meta.name.clone().unwrap_or_default();
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

    /// What the system says of a new object, and its name if it is to be generated; whether it was.
    /// Models `rest.FillObjectMetaSystemFields` and what `Store.Create` does beside it.
    fn name_new(&self, object: &mut dyn Object) -> bool {
        let meta = object.meta_mut();
        meta.creation_timestamp = Some(Time(self.sim.timestamp()));
        meta.uid = Some(self.sim.random_uuid());
        let generated = meta.name.as_deref().is_none_or(str::is_empty)
            && meta.generate_name.as_deref().is_some_and(|g| !g.is_empty());
        if generated {
            // The base is cut so that base and suffix fit 63 characters, as names.SimpleNameGenerator does.
            let base: String = meta.generate_name.as_deref().unwrap_or_default().chars().take(58).collect();
            meta.name = Some(format!("{base}{}", self.sim.random_suffix(5)));
        }
        generated
    }

    /// Models the first half of `rest.BeforeCreate`.
    fn before_create(&self, caller: &Caller, id: ResourceId, object: &mut dyn Object) {
        let meta = object.meta_mut();
        meta.deletion_timestamp = None;
        meta.deletion_grace_period_seconds = None;
        meta.self_link = None;
        let warn = |warning| self.warnings.add(|| warning);
        let cx = StrategyContext { sim: &self.sim, subresource: "", user: &caller.user, warn: &warn };
        self.registry.strategy(id).prepare_for_create(&cx, object);
    }

    fn validate_new(&self, id: ResourceId, object: &dyn Object) -> Result<(), Status> {
        let (info, meta) = (self.registry.info(id), object.meta());
        let mut errors = self.new_claim_errors(info, object);
        errors.extend(self.registry.strategy(id).validate(object));
        if errors.is_empty() {
            errors = validate_object_meta(meta, info.namespaced, name_is_path_segment, &Path::new("metadata"));
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(info.group, info.kind, meta.name.as_deref().unwrap_or_default(), &errors))
    }

    /// Adds the strategy's warnings to those of the request, if anybody reads them.
    fn warn(&self, id: ResourceId, object: &dyn Object, old: Option<&dyn Object>) {
        self.warnings.extend(|| self.registry.strategy(id).warnings(object, old));
    }

    /// One object.
    pub fn get(&mut self, caller: &Caller, id: ResourceId, namespace: &str, name: &str) -> Result<Obj, Status> {
        self.check_etcd()?;
        let found = self.load(id, namespace, name).map(|(o, _)| o).ok_or_else(|| self.not_found(id, name));
        self.trace_request(caller, "get", id, (namespace, name, ""), found.as_ref().map(|_| 0).map_err(|s| s.code));
        found
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
        let info = *self.registry.info(id);
        // Bindings and evictions write the stored object directly, past the strategy.
        let direct = matches!(subresource, "binding" | "eviction");
        for _ in 0..PATCH_RETRIES {
            let Some((old, at)) = self.load(id, namespace, name) else { return Err(self.not_found(id, name)) };
            let mut new = updater(&old)?;
            if wants_namespace(&info, namespace, &*new)? {
                make_mut(&mut new).meta_mut().namespace = info.namespaced.then(|| namespace.to_owned());
            }
            let attributes = admission::Attributes {
                caller,
                id,
                namespace,
                subresource,
                verb: admission::Verb::Update,
                dry_run: o.dry_run,
            };
            if !direct {
                // A patch has no object of its own before it is applied, so nothing is known of its uid beforehand.
                if verb != "patch" {
                    self.check_uid(id, name, &*new, &*old, o.dry_run)?;
                }
                // Of a status update the spec is dropped anyway, and the statuses of pods, which are most of them, have no
                // defaults.
                if subresource != "status" || info.resource != "pods" {
                    self.registry.strategy(id).default(make_mut(&mut new));
                }
                admission::admit(self, &attributes, &mut new, Some(&old))?;
                self.check_escalation(caller, &info, namespace, &new, Some(&old))?;
                self.check_revision(id, name, at, &*new)?;
                if subresource.is_empty() {
                    self.begin_update(&mut new, &old, o.dry_run)?;
                }
                let object = make_mut(&mut new);
                keep_system_fields(object, &*old);
                let warn = |warning| self.warnings.add(|| warning);
                let cx = StrategyContext { sim: &self.sim, subresource, user: &caller.user, warn: &warn };
                self.registry.strategy(id).prepare_for_update(&cx, object, &*old);
                after_prepare(object, &*old);
                let object = &*new;
                let path = Path::new("metadata");
                let mut errors = validate_object_meta(object.meta(), info.namespaced, name_is_path_segment, &path);
                errors.extend(validate_object_meta_update(object.meta(), old.meta(), &path));
                errors.extend(self.claim_status_errors((caller, verb), &info, subresource, object, &*old));
                errors.extend(self.registry.strategy(id).validate_update(&cx, object, &*old));
                if !errors.is_empty() {
                    let name = object.meta().name.as_deref().unwrap_or_default();
                    return Err(Status::invalid(info.group, info.kind, name, &errors));
                }
                match subresource {
                    "" | "scale" => self.warn(id, &*new, Some(&*old)),
                    "status" => self.warnings.extend(|| self.registry.strategy(id).status_warnings(&*new)),
                    _ => {}
                }
                self.registry.strategy(id).canonicalize(make_mut(&mut new));
            }
            admission::validate(self, &attributes, &new, Some(&old))?;
            // What is stored has no link; a dry run answers with what was sent.
            if !o.dry_run && new.meta().self_link.is_some() {
                make_mut(&mut new).meta_mut().self_link = None;
            }
            if new.meta().resource_version != old.meta().resource_version {
                make_mut(&mut new).meta_mut().resource_version.clone_from(&old.meta().resource_version);
            }
            if o.dry_run || (new.equals(&*old) && !o.owners_change.get()) {
                return Ok((new, None));
            }
            // The last finalizer of an object that waits to be deleted: it goes now.
            if self.goes_with(id, &*new, &*old) {
                let revision = self.remove(id, &new, at)?;
                make_mut(&mut new).meta_mut().resource_version = Some(revision.to_string());
                return Ok((new, Some(revision)));
            }
            let same_spec = info.group.is_empty()
                && info.resource == "pods"
                && matches!(subresource, "status" | "binding" | "eviction");
            match self.commit_like(id, &mut new, at, same_spec) {
                Ok(revision) => return Ok((new, Some(revision))),
                Err(s) if s.is_conflict() && verb == "patch" => continue,
                Err(s) => return Err(s),
            }
        }
        Err(Status::modified(info.group, info.resource, name))
    }

    /// Whether an update leaves nothing that holds an object which is marked for deletion. Models `ShouldDeleteDuringUpdate`.
    fn goes_with(&self, id: ResourceId, new: &dyn Object, old: &dyn Object) -> bool {
        new.meta().finalizers.as_ref().is_none_or(Vec::is_empty)
            && old.meta().deletion_timestamp.is_some()
            && old.meta().deletion_grace_period_seconds.unwrap_or(0) == 0
            && self.registry.strategy(id).may_go(new)
    }

    /// The object that is meant must be the one that is stored: a precondition of the storage.
    fn check_uid(
        &self,
        id: ResourceId,
        name: &str,
        new: &dyn Object,
        old: &dyn Object,
        dry_run: bool,
    ) -> Result<(), Status> {
        let info = self.registry.info(id);
        if let (Some(asked), Some(have)) =
            (new.meta().uid.as_deref().filter(|u| !u.is_empty()), old.meta().uid.as_deref())
            && asked != have
        {
            let namespace = old.meta().namespace.as_deref().unwrap_or_default();
            let why = other_object(&info.key(namespace, name), asked, have, dry_run);
            return Err(Status::conflict(info.group, info.resource, name, &why));
        }
        Ok(())
    }

    /// The version that an update was made from must be the one that is stored.
    fn check_revision(&self, id: ResourceId, name: &str, at: u64, new: &dyn Object) -> Result<(), Status> {
        let info = self.registry.info(id);
        let text = new.meta().resource_version.as_deref().unwrap_or_default();
        if let Some(why) = complaint_of_revision(text) {
            return Err(Status::other(500, "", why));
        }
        let given = revision(new.meta());
        if given == 0 && !self.strategy(id).allow_unconditional_update() {
            let path = Path::new("metadata.resourceVersion");
            let e = Error::invalid(&path, &serde_json::json!(0), "must be specified for an update");
            return Err(Status::invalid(info.group, info.resource, name, &vec![e]));
        }
        if given != 0 && given != at {
            return Err(Status::modified(info.group, info.resource, name));
        }
        Ok(())
    }
}

/// What Go's `strconv.ParseUint` has against a resourceVersion; nothing against an empty one.
pub(super) fn complaint_of_revision(text: &str) -> Option<String> {
    let why = match text.parse::<u64>() {
        Ok(_) if text.bytes().all(|b| b.is_ascii_digit()) => return None,
        Err(e) if *e.kind() == std::num::IntErrorKind::PosOverflow => "value out of range",
        _ if text.is_empty() => return None,
        _ => "invalid syntax",
    };
    Some(format!("strconv.ParseUint: parsing {}: {why}", quote(text)))
}

/// The namespace in the path and the one in the object must be one; whether the object's is to be set or cleared for that.
/// Models `EnsureObjectNamespaceMatchesRequestNamespace`.
fn wants_namespace(info: &crate::registry::ResourceInfo, namespace: &str, object: &dyn Object) -> Result<bool, Status> {
    let given = object.meta().namespace.as_deref().unwrap_or_default();
    let wanted = if info.namespaced { namespace } else { "" };
    if given == wanted {
        return Ok(false);
    }
    if given.is_empty() || wanted.is_empty() {
        return Ok(true);
    }
    Err(Status::bad_request("the namespace of the provided object does not match the namespace sent on the request"))
}

/// What an update can't set of the metadata, whatever was sent. Models the first half of `rest.BeforeUpdate`.
fn keep_system_fields(new: &mut dyn Object, old: &dyn Object) {
    let (from, meta) = (old.meta(), new.meta_mut());
    meta.generation = from.generation;
    if meta.namespace.as_deref().unwrap_or_default().is_empty() {
        meta.namespace.clone_from(&from.namespace);
    }
    if meta.resource_version.as_deref().unwrap_or_default().is_empty() {
        meta.resource_version.clone_from(&from.resource_version);
    }
}

/// Models the half of `rest.BeforeUpdate` that follows the strategy's.
fn after_prepare(new: &mut dyn Object, old: &dyn Object) {
    let (from, meta) = (old.meta(), new.meta_mut());
    if meta.uid.as_deref().unwrap_or_default().is_empty() {
        meta.uid.clone_from(&from.uid);
    }
    meta.creation_timestamp.clone_from(&from.creation_timestamp);
    if from.deletion_timestamp.is_some() {
        meta.deletion_timestamp.clone_from(&from.deletion_timestamp);
    }
    if from.deletion_grace_period_seconds.is_some() && meta.deletion_grace_period_seconds.is_none() {
        meta.deletion_grace_period_seconds = from.deletion_grace_period_seconds;
    }
}
