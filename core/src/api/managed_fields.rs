//! Who set which field: server-side apply, and the field sets behind metadata.managedFields.
//! Models apimachinery `pkg/util/managedfields/internal` and sigs.k8s.io/structured-merge-diff `merge/update.go`.
//!
//! Field sets never live in the objects that components share: an object's `metadata.managedFields` is empty inside, and the
//! api-server keeps a `ManagedFields` beside it. A write costs nothing then: it only notes who made which version of which,
//! and the sets are computed when somebody looks, or when too many versions wait (`Backlog`). Equal sets are shared.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use serde_json::Value;

use super::schema::{TypeId, complete, schema};
use super::tell::to_value;

mod apply;
mod custom;
mod lazy;
mod merge;
mod scale;
mod set;
mod typed;
mod validate;

pub use apply::{Applied, Apply, apply, merge_config};
pub use custom::CustomType;
pub use lazy::{Backlog, ManagedFields, Write};
pub use set::{Element, Scalar, Set};

use typed::Ref;

/// Update managers beyond this many are merged, the oldest first.
const UPDATE_MANAGERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// How a manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// What tells managers apart: an applier's apiVersion doesn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId {
    pub operation: Operation,
    pub manager: Rc<str>,
    /// Empty for an applier.
    pub api_version: Rc<str>,
    pub subresource: Rc<str>,
}

/// The fields of one manager.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    /// The version that the fields are named in.
    pub api_version: Rc<str>,
    pub time: Option<Timestamp>,
    pub fields: Rc<Set>,
}

/// All managers of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Managers(BTreeMap<ManagerId, Managed>);

/// Which kind of object is written, and how.
#[derive(Clone, Debug)]
pub struct Scope {
    pub api_version: Rc<str>,
    pub kind: Rc<str>,
    /// Empty for the object itself.
    pub subresource: Rc<str>,
    /// Fields that this door doesn't let anyone set.
    pub reset: Rc<Set>,
    /// The type, if the kind is a custom one.
    pub custom: Option<Rc<CustomType>>,
}

impl Scope {
    /// The scope of a kind's door, with the fields that upstream's strategies reset there.
    pub fn new(api_version: &str, kind: &str, subresource: &str) -> Self {
        let has_status = schema()
            .kind(api_version, kind)
            .and_then(|t| schema().structure(t))
            .is_some_and(|s| s.field("status").is_some() && s.field("spec").is_some());
        let paths: &[&[&str]] = match (subresource, kind) {
            ("", _) if has_status => &[&["status"]],
            ("status", "Pod") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
            ("status", "Deployment") => &[&["spec"], &["metadata", "labels"]],
            ("status", _) => &[&["spec"]],
            _ => &[],
        };
        Scope {
            api_version: api_version.into(),
            kind: kind.into(),
            subresource: subresource.into(),
            reset: Rc::new(fields(paths)),
            custom: None,
        }
    }

    /// The same for a kind that a CustomResourceDefinition defines; `status` says whether it has that subresource.
    pub fn custom(api_version: &str, kind: &str, subresource: &str, ty: Option<Rc<CustomType>>, status: bool) -> Self {
        let paths: &[&[&str]] = match (subresource, status) {
            ("", true) => &[&["status"]],
            ("status", _) => &[&["metadata"], &["spec"]],
            _ => &[],
        };
        Scope { reset: Rc::new(fields(paths)), custom: ty, ..Scope::new(api_version, kind, subresource) }
    }

    fn ty(&self) -> Option<TypeId> {
        schema().kind(&self.api_version, &self.kind)
    }

    fn root(&self) -> Ref<'_> {
        self.custom.as_deref().map_or_else(|| Ref::root(self.ty()), Ref::custom)
    }

    /// An object as Go's typed value has it: with the zeros that encoding keeps, and says what it is.
    fn typed(&self, value: &Value) -> Value {
        let mut v = if value.is_object() { value.clone() } else { Value::Object(serde_json::Map::new()) };
        if let Some(ty) = self.ty() {
            complete(&mut v, ty);
        }
        if let Some(o) = v.as_object_mut() {
            o.insert("apiVersion".to_owned(), Value::from(&*self.api_version));
            o.insert("kind".to_owned(), Value::from(&*self.kind));
            if let Some(Value::Object(m)) = o.get_mut("metadata") {
                m.remove("managedFields");
            }
        }
        v
    }

    fn id(&self, operation: Operation, manager: &str) -> ManagerId {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        let api_version = if operation == Operation::Apply { "".into() } else { self.api_version.clone() };
        ManagerId { operation, manager: manager.into(), api_version, subresource: self.subresource.clone() }
    }
}

/// Fields that nobody is said to own.
fn stripped() -> Set {
    fields(&[
        &["apiVersion"][..],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

/// A set of these fields.
fn fields(paths: &[&[&str]]) -> Set {
    let mut set = Set::default();
    for p in paths {
        let path: Vec<Element> = p.iter().map(|n| Element::Field((*n).into())).collect();
        set.insert(&path);
    }
    set
}

impl Managers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&ManagerId, &Managed)> {
        self.0.iter()
    }

    /// `DecodeManagedFields`.
    pub fn from_api(entries: &[ManagedFieldsEntry]) -> Result<Self, String> {
        let mut out = BTreeMap::new();
        for (i, e) in entries.iter().enumerate() {
            let operation = match e.operation.as_deref() {
                Some("Apply") => Operation::Apply,
                Some("Update") => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version: Rc<str> = match e.api_version.as_deref() {
                None | Some("") => return Err("apiVersion must not be empty".to_owned()),
                Some(v) => v.into(),
            };
            match e.fields_type.as_deref() {
                Some("FieldsV1") => {}
                None | Some("") => return Err(format!("missing fieldsType in managed fields entry {i}")),
                Some(other) => {
                    let quoted = super::field::quote(other);
                    return Err(format!("invalid fieldsType {quoted} in managed fields entry {i}"));
                }
            }
            let fields = match &e.fields_v1 {
                Some(f) => Set::from_value(&f.0)?,
                None => Set::default(),
            };
            let id = ManagerId {
                operation,
                manager: e.manager.as_deref().unwrap_or("").into(),
                api_version: if operation == Operation::Apply { "".into() } else { api_version.clone() },
                subresource: e.subresource.as_deref().unwrap_or("").into(),
            };
            let time = e.time.as_ref().map(|t| t.0);
            out.insert(id, Managed { api_version, time, fields: Rc::new(fields) });
        }
        Ok(Managers(out))
    }

    /// In the order of the API: appliers first, then by time.
    fn sorted(&self) -> Vec<(&ManagerId, &Managed)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by(|(a, x), (b, y)| {
            let seconds = |m: &Managed| m.time.map_or(0, Timestamp::as_second);
            (a.operation, seconds(x), &a.manager, &x.api_version, &a.subresource).cmp(&(
                b.operation,
                seconds(y),
                &b.manager,
                &y.api_version,
                &b.subresource,
            ))
        });
        all
    }

    /// `EncodeObjectManagedFields`: nothing if there are no managers.
    pub fn to_api(&self) -> Option<Vec<ManagedFieldsEntry>> {
        if self.0.is_empty() {
            return None;
        }
        let entry = |(id, m): (&ManagerId, &Managed)| ManagedFieldsEntry {
            manager: Some(id.manager.to_string()).filter(|s| !s.is_empty()),
            operation: Some(id.operation.name().to_owned()),
            api_version: Some(m.api_version.to_string()),
            time: m.time.map(Time),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(m.fields.to_value())),
            subresource: Some(id.subresource.to_string()).filter(|s| !s.is_empty()),
        };
        Some(self.sorted().into_iter().map(entry).collect())
    }

    /// Whether both name the same fields of the same managers, whenever that was.
    pub fn same_fields(&self, other: &Managers) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|((a, x), (b, y))| a == b && x.api_version == y.api_version && x.fields == y.fields)
    }

    /// The same as JSON.
    pub fn to_value(&self) -> Option<Value> {
        self.to_api().map(|e| to_value(&e))
    }

    fn without_empty(mut self) -> Self {
        self.0.retain(|_, m| !m.fields.is_empty());
        self
    }

    fn strip(&mut self, id: &ManagerId) {
        if let Some(m) = self.0.get_mut(id) {
            m.fields = Rc::new(m.fields.difference(&stripped()));
            if m.fields.is_empty() {
                self.0.remove(id);
            }
        }
    }

    /// What an update from `live` to `new` makes of the managers. Both values are typed (`Scope::typed`).
    fn updated(&self, live: &Value, new: &Value, manager: &str, scope: &Scope, now: Timestamp) -> Managers {
        let id = scope.id(Operation::Update, manager);
        let mut changes = typed::compare(live, new, scope.root());
        changes.exclude(&scope.reset);
        // What this very operation sets is kept apart from what the manager had, so that it loses nothing to itself.
        let mut out = self.clone();
        let changed = changes.modified.union(&changes.added);
        for m in out.0.values_mut() {
            let kept = m.fields.difference(&changed).difference(&changes.removed);
            m.fields = Rc::new(kept);
        }
        let mut out = out.without_empty();
        let mut set = changed.recursive_difference(&scope.reset).difference(&stripped());
        if !set.is_empty() {
            if let Some(before) = out.0.get(&id) {
                set = set.union(&before.fields);
            }
            let fields = Rc::new(set);
            out.0.insert(id, Managed { api_version: scope.api_version.clone(), time: Some(now), fields });
        }
        out.cap()
    }

    /// `capUpdateManagers`.
    fn cap(mut self) -> Managers {
        let mut updaters: Vec<ManagerId> =
            self.0.keys().filter(|id| id.operation == Operation::Update).cloned().collect();
        let mut count = updaters.len();
        if count <= UPDATE_MANAGERS_MAX {
            return self;
        }
        let seconds =
            |all: &Managers, id: &ManagerId| all.0.get(id).and_then(|m| m.time).map_or(0, Timestamp::as_second);
        updaters.sort_by_key(|id| (seconds(&self, id), id.clone()));
        let mut first: BTreeMap<Rc<str>, ManagerId> = BTreeMap::new();
        for id in updaters {
            if count <= UPDATE_MANAGERS_MAX {
                break;
            }
            let Some(m) = self.0.get(&id).cloned() else { continue };
            let bucket = ManagerId {
                operation: Operation::Update,
                manager: ANCIENT.into(),
                api_version: m.api_version.clone(),
                subresource: "".into(),
            };
            let Some(oldest) = first.get(&m.api_version).cloned() else {
                first.insert(m.api_version.clone(), id);
                continue;
            };
            if !self.0.contains_key(&bucket)
                && let Some(had) = self.0.remove(&oldest)
            {
                self.0.insert(bucket.clone(), had);
            }
            self.0.remove(&id);
            count -= 1;
            if let Some(b) = self.0.get_mut(&bucket) {
                b.fields = Rc::new(b.fields.union(&m.fields));
                b.time = m.time;
            }
        }
        self
    }

    /// The managers that a client asks for: none to clear them, as `isResetManagedFields` has it; nothing if what it sent
    /// can't be read.
    pub fn requested(entries: &[ManagedFieldsEntry]) -> Option<Managers> {
        let reset = match entries {
            [] => true,
            [one] => *one == ManagedFieldsEntry::default(),
            _ => false,
        };
        if reset {
            return Some(Managers::default());
        }
        Managers::from_api(entries).ok().filter(|m| !m.is_empty())
    }

    /// `FieldManager.Update`: what a create (no live object), update or patch makes of the managers. `requested` is
    /// metadata.managedFields as the client sent it, where it sent any.
    pub fn update(
        &self,
        live: Option<&Value>,
        new: &Value,
        requested: Option<&[ManagedFieldsEntry]>,
        manager: &str,
        scope: &Scope,
        now: Timestamp,
    ) -> Managers {
        let mut before = self.clone();
        if let Some(asked) = requested.filter(|_| scope.subresource.is_empty()).and_then(Managers::requested) {
            before = asked;
        }
        if before.is_empty() && live.is_some() {
            // Once cleared, fields aren't tracked until the first apply.
            return before;
        }
        let live = scope.typed(live.unwrap_or(&Value::Null));
        before.updated(&live, &scope.typed(new), manager, scope, now)
    }
}

#[cfg(test)]
mod tests;
