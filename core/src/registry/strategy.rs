//! The strategy of one kind, typed for whoever writes it and untyped for the generic verbs.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::ResourceInfo;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::field::{ErrorList, Path};
use crate::api::object::{Kind, Obj, Object, typed, typed_mut};
use crate::api::validation::{NameCheck, name_is_dns_subdomain, validate_object_meta, validate_object_meta_update};
use crate::apiserver::User;
use crate::sim::Sim;

/// What a strategy may ask of its surroundings.
pub struct StrategyContext<'a> {
    /// The simulation, for the clock and for random suffixes.
    pub sim: &'a Sim,
    /// The subresource that is written, or empty.
    pub subresource: &'a str,
    /// Who writes.
    pub user: &'a User,
    /// Takes what is odd about an object before it is prepared.
    pub warn: &'a dyn Fn(String),
}

/// What a delete does at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The object goes at once (unless finalizers hold it).
    Immediate,
    /// It is marked, and goes when somebody confirms; grace in seconds.
    Graceful(i64),
}

/// How a kind answers to the scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleSpec {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// The selector, printed.
    pub selector: String,
}

/// What happens to the dependents of a deleted object when nobody says. Upstream's `rest.GarbageCollectionPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcPolicy {
    /// The garbage collector takes them.
    DeleteDependents,
    /// They stay.
    OrphanDependents,
    /// The kind never has finalizers for that.
    Unsupported,
}

/// Takes `old` for `new`, copying only when they differ.
pub fn keep<T: PartialEq + Clone>(new: &mut T, old: &T) {
    if new != old {
        new.clone_from(old);
    }
}

/// Whether two values differ by more than a list that is empty instead of missing: upstream's `Semantic.DeepEqual`.
pub fn differs<T: PartialEq + Serialize>(new: &T, old: &T) -> bool {
    new != old && without_empty_lists(new) != without_empty_lists(old)
}

fn without_empty_lists<T: Serialize>(value: &T) -> Value {
    fn strip(v: &mut Value) {
        match v {
            Value::Object(o) => {
                o.retain(|_, v| v.as_array().is_none_or(|a| !a.is_empty()));
                o.values_mut().for_each(strip);
            }
            Value::Array(a) => a.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut v = serde_json::to_value(value).unwrap_or_default();
    strip(&mut v);
    v
}

/// The generation after a change of what the user asks for.
pub fn bump_generation(new: &mut ObjectMeta, old: &ObjectMeta) {
    new.generation = Some(old.generation.unwrap_or(0) + 1);
}

/// What a status update can't change of the metadata. Models `metav1.ResetObjectMetaForStatus`.
pub fn reset_meta_for_status(new: &mut ObjectMeta, old: &ObjectMeta) {
    keep(&mut new.deletion_timestamp, &old.deletion_timestamp);
    keep(&mut new.generation, &old.generation);
    keep(&mut new.self_link, &old.self_link);
    keep(&mut new.labels, &old.labels);
    keep(&mut new.annotations, &old.annotations);
    keep(&mut new.finalizers, &old.finalizers);
    keep(&mut new.owner_references, &old.owner_references);
    keep(&mut new.managed_fields, &old.managed_fields);
}

/// A kind's strategy, untyped: what the generic verbs call. Written through `KindStrategy`.
pub trait Strategy {
    /// Names and scope.
    fn info(&self) -> &ResourceInfo;
    /// A decoded body as an object of the kind.
    fn decode(&self, body: Value) -> Result<Obj, String>;
    /// Fills in defaults.
    fn default(&self, _o: &mut dyn Object) {}
    /// Before a create: drops what may not be given, starts the generation.
    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut dyn Object);
    /// Checks a new object.
    fn validate(&self, o: &dyn Object) -> ErrorList;
    /// After a write was found sound: what reading it back from storage would fill in.
    fn canonicalize(&self, _o: &mut dyn Object) {}
    /// Warnings for whoever writes it.
    fn warnings(&self, _o: &dyn Object, _old: Option<&dyn Object>) -> Vec<String> {
        Vec::new()
    }
    /// Warnings for whoever writes its status.
    fn status_warnings(&self, _o: &dyn Object) -> Vec<String> {
        Vec::new()
    }
    /// Before an update: keeps what may not change by this door, moves the generation.
    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut dyn Object, old: &dyn Object);
    /// Checks a changed object.
    fn validate_update(&self, cx: &StrategyContext<'_>, new: &dyn Object, old: &dyn Object) -> ErrorList;
    /// Whether PUT may create.
    fn allow_create_on_update(&self) -> bool {
        false
    }
    /// Whether PUT without a resourceVersion is taken.
    fn allow_unconditional_update(&self) -> bool;
    /// How a delete begins; `asked` is the grace asked for in seconds.
    fn check_delete(&self, _o: &dyn Object, _asked: Option<i64>) -> DeleteOutcome {
        DeleteOutcome::Immediate
    }
    /// Whether deletes go through `check_delete`: upstream's `RESTGracefulDeleteStrategy`.
    fn graceful(&self) -> bool {
        false
    }
    /// What happens to dependents when nobody says.
    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::DeleteDependents
    }
    /// Whether an object without finalizers that is marked for deletion may go.
    fn may_go(&self, _o: &dyn Object) -> bool {
        true
    }
    /// Where an object of the kind should have its number of replicas, but hasn't.
    fn scale_missing(&self, _o: &dyn Object) -> Option<String> {
        None
    }
    /// Why an object of a name may not be deleted.
    fn undeletable(&self, _name: &str) -> Option<&'static str> {
        None
    }
    /// Whether the first delete only marks, always: namespaces, which their controller empties first.
    fn marks_itself(&self) -> bool {
        false
    }
    /// What that first delete changes besides the metadata.
    fn mark_deleting(&self, _o: &mut dyn Object) {}
    /// Whether a delete answers with the object rather than with a Status.
    fn returns_deleted(&self) -> bool {
        false
    }
    /// A field that field selectors may name; `None` for an unknown one.
    fn field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>> {
        match path {
            "metadata.name" => Some(Cow::Borrowed(o.meta().name.as_deref().unwrap_or_default())),
            "metadata.namespace" => Some(Cow::Borrowed(o.meta().namespace.as_deref().unwrap_or_default())),
            _ => self.own_field(o, path),
        }
    }
    /// One of those that this kind has beyond its name and namespace.
    fn own_field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>>;
    /// The names of those fields.
    fn selectable_fields(&self) -> &'static [&'static str];
    /// The field by which watches are indexed, such as spec.nodeName.
    fn index_field(&self) -> Option<&'static str> {
        None
    }
    /// The scale subresource's view.
    fn scale(&self, _o: &dyn Object) -> Option<ScaleSpec> {
        None
    }
    /// Sets spec.replicas.
    fn set_scale(&self, _o: &mut dyn Object, _replicas: i32) {}
    /// How long objects live, in seconds; 0 for ever. Events have an hour.
    fn ttl_seconds(&self) -> u64 {
        0
    }
}

/// A kind's strategy as it is written: one file a kind, everything optional but its names.
pub trait KindStrategy: 'static {
    /// The Rust type.
    type Kind: Kind;

    /// Names and scope.
    fn info(&self) -> ResourceInfo;
    /// Fills in defaults.
    fn default(&self, _o: &mut Self::Kind) {}
    /// The pod that it is, or that it has a template of.
    fn pod_spec<'a>(&self, _o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        None
    }
    /// Before a create.
    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, _o: &mut Self::Kind) {}
    /// Checks a new object.
    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validate_object_meta(o.meta(), self.info().namespaced, self.name_rule(), &Path::new("metadata"))
    }
    /// After a write was found sound: what reading it back from storage would fill in.
    fn canonicalize(&self, _o: &mut Self::Kind) {}
    /// Warnings for whoever writes it.
    fn warnings(&self, _o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        Vec::new()
    }
    /// Warnings for whoever writes its status.
    fn status_warnings(&self, _o: &Self::Kind) -> Vec<String> {
        Vec::new()
    }
    /// Before an update.
    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, _new: &mut Self::Kind, _old: &Self::Kind) {}
    /// Checks a changed object.
    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validate_object_meta_update(new.meta(), old.meta(), &Path::new("metadata"))
    }
    /// Whether PUT may create.
    fn allow_create_on_update(&self) -> bool {
        false
    }
    /// Whether PUT without a resourceVersion is taken.
    fn allow_unconditional_update(&self) -> bool {
        true
    }
    /// How a delete begins.
    fn check_delete(&self, _o: &Self::Kind, _asked: Option<i64>) -> DeleteOutcome {
        DeleteOutcome::Immediate
    }
    /// Whether deletes go through `check_delete`.
    fn graceful(&self) -> bool {
        false
    }
    /// What happens to dependents when nobody says.
    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::DeleteDependents
    }
    /// Whether an object without finalizers that is marked for deletion may go.
    fn may_go(&self, _o: &Self::Kind) -> bool {
        true
    }
    /// Why an object of a name may not be deleted.
    fn undeletable(&self, _name: &str) -> Option<&'static str> {
        None
    }
    /// Whether the first delete only marks, always.
    fn marks_itself(&self) -> bool {
        false
    }
    /// What that first delete changes besides the metadata.
    fn mark_deleting(&self, _o: &mut Self::Kind) {}
    /// Whether a delete answers with the object rather than with a Status.
    fn returns_deleted(&self) -> bool {
        false
    }
    /// How names are checked where the kind has no validation of its own.
    fn name_rule(&self) -> NameCheck {
        name_is_dns_subdomain
    }
    /// A field that field selectors may name.
    fn field<'a>(&self, _o: &'a Self::Kind, _path: &str) -> Option<Cow<'a, str>> {
        None
    }
    /// The names of those fields.
    fn selectable_fields(&self) -> &'static [&'static str] {
        &[]
    }
    /// The field by which watches are indexed.
    fn index_field(&self) -> Option<&'static str> {
        None
    }
    /// The scale subresource's view.
    fn scale(&self, _o: &Self::Kind) -> Option<ScaleSpec> {
        None
    }
    /// Sets spec.replicas.
    fn set_scale(&self, _o: &mut Self::Kind, _replicas: i32) {}
    /// How long objects live, in seconds; 0 for ever.
    fn ttl_seconds(&self) -> u64 {
        0
    }
}

/// A typed strategy as an untyped one.
pub struct Typed<S: KindStrategy> {
    strategy: S,
    info: ResourceInfo,
}

impl<S: KindStrategy> Typed<S> {
    /// Wraps a strategy for the registry.
    pub fn boxed(strategy: S) -> Box<dyn Strategy> {
        let info = strategy.info();
        Box::new(Typed { strategy, info })
    }

    fn drop_disabled_fields(&self, o: &mut S::Kind) {
        if let Some(spec) = self.strategy.pod_spec(o) {
            super::pod::drop_disabled_fields(spec);
        }
    }
}

impl<S: KindStrategy> Strategy for Typed<S> {
    fn info(&self) -> &ResourceInfo {
        &self.info
    }
    fn decode(&self, mut body: Value) -> Result<Obj, String> {
        super::defaults::keep_apart(self.info.resource, &mut body);
        serde_json::from_value::<S::Kind>(body).map(|o| std::rc::Rc::new(o) as Obj).map_err(|e| e.to_string())
    }
    fn default(&self, o: &mut dyn Object) {
        if let Some(o) = typed_mut(o) {
            self.strategy.default(o);
        }
    }
    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut dyn Object) {
        if let Some(o) = typed_mut(o) {
            self.drop_disabled_fields(o);
            self.strategy.prepare_for_create(cx, o);
        }
    }
    fn validate(&self, o: &dyn Object) -> ErrorList {
        typed(o).map(|o| self.strategy.validate(o)).unwrap_or_default()
    }
    fn canonicalize(&self, o: &mut dyn Object) {
        if let Some(o) = typed_mut(o) {
            self.strategy.canonicalize(o);
        }
    }
    fn warnings(&self, o: &dyn Object, old: Option<&dyn Object>) -> Vec<String> {
        typed(o).map(|o| self.strategy.warnings(o, old.and_then(typed))).unwrap_or_default()
    }
    fn status_warnings(&self, o: &dyn Object) -> Vec<String> {
        typed(o).map(|o| self.strategy.status_warnings(o)).unwrap_or_default()
    }
    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (typed_mut(new), typed(old)) {
            self.drop_disabled_fields(new);
            self.strategy.prepare_for_update(cx, new, old);
        }
    }
    fn validate_update(&self, cx: &StrategyContext<'_>, new: &dyn Object, old: &dyn Object) -> ErrorList {
        match (typed(new), typed(old)) {
            (Some(new), Some(old)) => self.strategy.validate_update(cx, new, old),
            _ => ErrorList::new(),
        }
    }
    fn allow_create_on_update(&self) -> bool {
        self.strategy.allow_create_on_update()
    }
    fn allow_unconditional_update(&self) -> bool {
        self.strategy.allow_unconditional_update()
    }
    fn check_delete(&self, o: &dyn Object, asked: Option<i64>) -> DeleteOutcome {
        typed(o).map_or(DeleteOutcome::Immediate, |o| self.strategy.check_delete(o, asked))
    }
    fn graceful(&self) -> bool {
        self.strategy.graceful()
    }
    fn gc_policy(&self) -> GcPolicy {
        self.strategy.gc_policy()
    }
    fn may_go(&self, o: &dyn Object) -> bool {
        typed(o).is_none_or(|o| self.strategy.may_go(o))
    }
    fn undeletable(&self, name: &str) -> Option<&'static str> {
        self.strategy.undeletable(name)
    }
    fn marks_itself(&self) -> bool {
        self.strategy.marks_itself()
    }
    fn mark_deleting(&self, o: &mut dyn Object) {
        if let Some(o) = typed_mut(o) {
            self.strategy.mark_deleting(o);
        }
    }
    fn returns_deleted(&self) -> bool {
        self.strategy.returns_deleted()
    }
    fn own_field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>> {
        typed(o).and_then(|o| self.strategy.field(o, path))
    }
    fn selectable_fields(&self) -> &'static [&'static str] {
        self.strategy.selectable_fields()
    }
    fn index_field(&self) -> Option<&'static str> {
        self.strategy.index_field()
    }
    fn scale(&self, o: &dyn Object) -> Option<ScaleSpec> {
        typed(o).and_then(|o| self.strategy.scale(o))
    }
    fn set_scale(&self, o: &mut dyn Object, replicas: i32) {
        if let Some(o) = typed_mut(o) {
            self.strategy.set_scale(o, replicas);
        }
    }
    fn ttl_seconds(&self) -> u64 {
        self.strategy.ttl_seconds()
    }
}
