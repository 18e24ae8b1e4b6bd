//! The kinds that CustomResourceDefinitions define: made, changed and taken away while the registry lives.
//!
//! A kind keeps its place however its definition changes, so that whoever watches it goes on watching.
//! Models apiextensions `pkg/registry/customresource` and `pkg/apiserver/customresource_handler.go`.

mod correlated;
mod embedded;
mod list_type;
mod numbers;
mod prune;
pub(super) mod rules;
mod scale;
mod schema;
mod walk;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::arena::Arena;
use super::strategy::{bump_generation, reset_meta_for_status};
use super::validation::json::{flag_of, list_of, str_of, texts_of};
use super::{ResourceInfo, ScaleSpec, Strategy, StrategyContext};
use crate::api::decode::{self, FieldValidation};
use crate::api::dynamic::DynamicObject;
use crate::api::field::{Error, ErrorList, Path};
use crate::api::jsonpath::Template;
use crate::api::managed_fields::{CustomType, Scope};
use crate::api::object::{Obj, Object};
use crate::api::status::Status;
use crate::api::validation::{name_is_dns_subdomain, validate_object_meta, validate_object_meta_update};

use correlated::Correlated;
pub(crate) use rules::{complaints as rule_complaints, costs as rule_costs};

/// What a value has against it by a schema.
pub(crate) fn schema_errors(value: &Value, of: &Value) -> ErrorList {
    schema::validate(value, of)
}

/// Whether a schema drops anything of a value; whether the value is an object with metadata of its own.
pub(crate) fn is_pruned_by(value: &Value, of: &Value, embedded: bool) -> bool {
    !prune::drops(&mut value.clone(), of, embedded).is_empty()
}

/// Names outlive the definitions that they came with; each is kept once.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(have) = names.get(name) {
        return have;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

/// The same for lists of names.
fn intern_all(names: &[&str]) -> &'static [&'static str] {
    static LISTS: Mutex<BTreeSet<&'static [&'static str]>> = Mutex::new(BTreeSet::new());
    let names: Vec<&'static str> = names.iter().map(|n| intern(n)).collect();
    let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(have) = lists.get(names.as_slice()) {
        return have;
    }
    let kept: &'static [&'static str] = Box::leak(names.into_boxed_slice());
    lists.insert(kept);
    kept
}

/// A column of a version's tables.
#[derive(Debug)]
pub struct Column {
    /// As a Table defines it.
    pub definition: Value,
    path: Option<Template>,
}

impl Column {
    /// What the column says of an object, in JSON; nothing where there is nothing.
    pub fn of<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.path.as_ref().and_then(|p| p.find(object).into_iter().next())
    }
}

/// One version of a custom kind.
#[derive(Debug)]
pub struct Version {
    name: &'static str,
    served: bool,
    stored_as: Rc<str>,
    schema: Value,
    /// What its schema asks in the expression language, once somebody asks.
    rules: OnceCell<Option<rules::Node>>,
    /// Its objects' type, for server-side apply.
    ty: Option<Rc<CustomType>>,
    /// Whether its status is a subresource.
    status: bool,
    /// Its tables' columns after the name.
    pub columns: Vec<Column>,
    /// What is to be said to whoever uses it.
    pub deprecation: Option<String>,
}

/// A kind as its definition has it at the time.
#[derive(Debug)]
struct Definition {
    uid: String,
    generation: i64,
    status: bool,
    scale: Option<scale::Paths>,
    fields: &'static [&'static str],
    versions: Vec<Rc<Version>>,
}

fn columns(version: &Value) -> Vec<Column> {
    let mut own = list_of(version, "additionalPrinterColumns").to_vec();
    if own.is_empty() {
        own.push(json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"}));
    }
    let one = |c: &Value| {
        let path = str_of(c, "jsonPath");
        let description = match str_of(c, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            own => own.to_owned(),
        };
        let definition = json!({
            "name": c["name"], "type": c["type"], "format": str_of(c, "format"), "description": description,
            "priority": c["priority"].as_i64().unwrap_or(0),
        });
        Column { definition, path: Template::parse(&format!("{{{path}}}")).ok() }
    };
    own.iter().map(one).collect()
}

fn path_of(spec: &Value, key: &str) -> Vec<String> {
    str_of(spec, key).split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// The names of a kind, and what else its definition says.
fn read(o: &DynamicObject) -> Option<(ResourceInfo, Definition)> {
    let spec = o.at(&["spec"]);
    let names = o.at(&["status", "acceptedNames"]);
    let versions = list_of(spec, "versions");
    let stored = versions.iter().find(|v| flag_of(v, "storage"))?;
    let subresources = &stored["subresources"];
    let (status, scale) = (subresources["status"].is_object(), &subresources["scale"]);
    let mut subs = Vec::new();
    if status {
        subs.push("status");
    }
    if scale.is_object() {
        subs.push("scale");
    }
    let short = texts_of(names, "shortNames");
    let info = ResourceInfo {
        group: intern(str_of(spec, "group")),
        version: intern(str_of(stored, "name")),
        resource: intern(str_of(names, "plural")),
        singular: intern(str_of(names, "singular")),
        kind: intern(str_of(names, "kind")),
        namespaced: str_of(spec, "scope") == "Namespaced",
        short_names: intern_all(&short),
        categories: intern_all(&texts_of(names, "categories")),
        subresources: intern_all(&subs),
    };
    let stored_as: Rc<str> = info.api_version().into();
    let version = |v: &Value| {
        let (name, kind) = (intern(str_of(v, "name")), info.kind);
        let warning = match v["deprecationWarning"].as_str() {
            Some(own) => own.to_owned(),
            None => format!("{}/{name} {kind} is deprecated", info.group),
        };
        Rc::new(Version {
            name,
            served: flag_of(v, "served"),
            stored_as: stored_as.clone(),
            schema: v["schema"]["openAPIV3Schema"].clone(),
            rules: OnceCell::new(),
            ty: CustomType::of_kind(&v["schema"]["openAPIV3Schema"]).map(Rc::new),
            status: v["subresources"]["status"].is_object(),
            columns: columns(v),
            deprecation: flag_of(v, "deprecated").then_some(warning),
        })
    };
    let selectable: Vec<&str> =
        list_of(stored, "selectableFields").iter().map(|f| str_of(f, "jsonPath").trim_start_matches('.')).collect();
    let definition = Definition {
        uid: o.metadata.uid.clone().unwrap_or_default(),
        generation: o.metadata.generation.unwrap_or(0),
        status,
        scale: scale
            .is_object()
            .then(|| ["specReplicasPath", "statusReplicasPath", "labelSelectorPath"].map(|key| path_of(scale, key))),
        fields: intern_all(&selectable),
        versions: versions.iter().map(version).collect(),
    };
    Some((info, definition))
}

/// One custom kind: its strategy.
pub(super) struct CustomKind {
    infos: Arena<ResourceInfo>,
    first: ResourceInfo,
    definition: RefCell<Rc<Definition>>,
    live: Cell<bool>,
}

/// All custom kinds.
#[derive(Default)]
pub(super) struct Customs {
    kinds: Arena<CustomKind>,
}

impl Customs {
    /// The kinds that are served now, by their places.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &CustomKind)> {
        (0..self.kinds.len()).filter_map(|i| self.kinds.get(i).map(|k| (i, k))).filter(|(_, k)| k.live.get())
    }

    /// A kind's strategy, though it be gone.
    pub(super) fn get(&self, place: usize) -> Option<&CustomKind> {
        self.kinds.get(place)
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Serves exactly what these definitions define.
    pub(super) fn set<'a>(&self, definitions: impl Iterator<Item = &'a DynamicObject>) {
        let mut wanted: BTreeMap<(&str, &str), (ResourceInfo, Definition)> = BTreeMap::new();
        for d in definitions.filter_map(read) {
            wanted.insert((d.0.group, d.0.resource), d);
        }
        for i in 0..self.kinds.len() {
            let Some(k) = self.kinds.get(i) else { continue };
            let info = *k.info();
            let same = |i: &ResourceInfo| i.kind == info.kind && i.namespaced == info.namespaced;
            let key = (info.group, info.resource);
            k.live.set(wanted.get(&key).is_some_and(|(i, _)| same(i)));
            if k.live.get()
                && let Some((info, definition)) = wanted.remove(&key)
            {
                k.change(info, definition);
            }
        }
        for (info, definition) in wanted.into_values() {
            let definition = RefCell::new(Rc::new(definition));
            let _ =
                self.kinds.push(CustomKind { infos: Arena::default(), first: info, definition, live: Cell::new(true) });
        }
    }
}

impl CustomKind {
    fn change(&self, info: ResourceInfo, definition: Definition) {
        let had = self.definition.borrow().clone();
        if (&had.uid, had.generation) == (&definition.uid, definition.generation) {
            return;
        }
        // If there is no room for other names any more, the old ones stay.
        let _ = self.infos.push(info);
        *self.definition.borrow_mut() = Rc::new(definition);
    }

    /// Its names by the version that is stored.
    pub(super) fn names(&self) -> &ResourceInfo {
        self.infos.len().checked_sub(1).and_then(|last| self.infos.get(last)).unwrap_or(&self.first)
    }

    /// The versions that are served.
    pub(super) fn versions(&self) -> Vec<Rc<Version>> {
        self.definition.borrow().versions.iter().filter(|v| v.served).cloned().collect()
    }

    /// What stored objects must be like.
    fn stored(&self) -> Option<Rc<Version>> {
        let name = self.names().version;
        self.definition.borrow().versions.iter().find(|v| v.name == name).cloned()
    }

    /// What embedded objects have against them, and what lists hold twice where they may not. `was`: what it is a change of.
    fn inner_errors(&self, value: &Value, was: Option<&Value>, of_status: bool) -> ErrorList {
        let Some(version) = self.stored() else { return ErrorList::new() };
        let mut errors = ErrorList::new();
        if !of_status {
            errors.extend(embedded::errors(value, &version.schema));
        }
        if was.is_none_or(|was| list_type::errors(was, &version.schema).is_empty()) {
            errors.extend(list_type::errors(value, &version.schema));
        }
        errors
    }

    /// What is wrong with what the Scale is made of.
    fn scale_errors(&self, o: &DynamicObject, of_status: bool) -> ErrorList {
        let definition = self.definition.borrow();
        let value = Value::Object(o.fields.clone());
        definition.scale.as_ref().map(|paths| scale::errors(&value, paths, of_status)).unwrap_or_default()
    }

    /// What the schema's rules find, after those errors.
    fn judge(&self, o: &DynamicObject, old: Option<&DynamicObject>, before: &ErrorList) -> rules::Findings {
        let Some(version) = self.stored() else { return rules::Findings::default() };
        let Some(node) = version.rules.get_or_init(|| rules::Node::of(&version.schema, true)) else {
            return rules::Findings::default();
        };
        node.judge(&o.to_value(), old.map(Object::to_value).as_ref(), before)
    }
}

impl Version {
    /// Its name, such as `v1`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What server-side apply has to know of a door of this kind.
    pub fn scope(&self, api_version: &str, kind: &str, subresource: &str) -> Scope {
        Scope::custom(api_version, kind, subresource, self.ty.clone(), self.status)
    }

    /// What clients may send.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Makes of what a client sent what is kept: the metadata is read by its type, unknown fields go, defaults come. What is
    /// said of unknown fields.
    pub fn admit(&self, value: &mut Value, kind: &str, validation: FieldValidation) -> Result<Vec<String>, Status> {
        let cannot = |e: String| {
            let version = crate::api::field::quote(self.name);
            Status::bad_request(format!("{kind} in version {version} cannot be handled as a {kind}: {e}"))
        };
        let given = value["kind"].as_str().unwrap_or_default();
        if given != kind {
            let error = Error::invalid_str(&Path::new("kind"), given, format!("must be {kind}"));
            let name = value["metadata"]["name"].as_str().unwrap_or_default();
            let group = self.stored_as.split('/').next().unwrap_or_default();
            return Err(Status::invalid(group, kind, name, &vec![error]));
        }
        let ty = crate::api::schema::schema().named("meta/v1.ObjectMeta");
        let mut bound = decode::bind_value(&value["metadata"], ty).map_err(cannot)?;
        if value["metadata"].is_object() {
            embedded::omit_empty(&mut bound.value);
            value["metadata"] = bound.value;
        }
        let mut unknown = prune::prune(value, &self.schema);
        unknown.extend(bound.strict_errors.iter().filter_map(|e| {
            let field = e.strip_prefix("unknown field \"")?.strip_suffix('"')?;
            Some(format!("metadata.{field}"))
        }));
        prune::drop_nulls(value, &self.schema);
        unknown.extend(embedded::coerce(value, &self.schema).map_err(|e| cannot(e.to_string()))?);
        prune::default(value, &self.schema);
        let said: Vec<String> = unknown.iter().map(|f| format!("unknown field \"{f}\"")).collect();
        match validation {
            FieldValidation::Strict if !said.is_empty() => {
                Err(cannot(format!("strict decoding error: {}", said.join(", "))))
            }
            FieldValidation::Warn => Ok(said),
            _ => Ok(Vec::new()),
        }
    }

    /// An object as this version shows it.
    pub fn show(&self, value: &mut Value, group: &str) {
        value["apiVersion"] = format!("{group}/{}", self.name).into();
        prune::default(value, &self.schema);
    }

    /// An object as it is stored.
    pub fn store(&self, value: &mut Value) {
        value["apiVersion"] = (&*self.stored_as).into();
    }
}

/// What a change has against it by the schema; a change of the status is looked at alone.
fn changed(new: &Value, old: &Value, schema: &Value, of_status: bool) -> ErrorList {
    let whole = Correlated::new(new, old, schema);
    if !of_status {
        return schema::validate_update(new, Some(whole), schema, "");
    }
    let of = &schema["properties"]["status"];
    match new.get("status") {
        Some(status) if of.is_object() => schema::validate_update(status, whole.key("status"), of, "status"),
        _ => ErrorList::new(),
    }
}

fn at<'a>(o: &'a DynamicObject, path: &[String]) -> &'a Value {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    o.at(&keys)
}

impl Strategy for CustomKind {
    fn info(&self) -> &ResourceInfo {
        self.names()
    }
    fn decode(&self, body: Value) -> Result<Obj, String> {
        let info = self.names();
        DynamicObject::from_value(info.api_version().into(), info.kind.into(), body).map(|o| Rc::new(o) as Obj)
    }
    fn prepare_for_create(&self, _: &StrategyContext<'_>, o: &mut dyn Object) {
        let Some(o) = DynamicObject::of_mut(o) else { return };
        o.metadata.generation = Some(1);
        if self.definition.borrow().status {
            o.fields.remove("status");
        }
    }
    fn validate(&self, o: &dyn Object) -> ErrorList {
        let path = Path::new("metadata");
        let mut errors = validate_object_meta(o.meta(), self.names().namespaced, name_is_dns_subdomain, &path);
        if let Some(o) = DynamicObject::of(o) {
            let value = o.to_value();
            let schema = self.stored().map(|v| schema::validate(&value, &v.schema));
            errors.extend(schema.unwrap_or_default());
            errors.extend(self.scale_errors(o, false));
            errors.extend(self.inner_errors(&value, None, false));
            errors.extend(self.judge(o, None, &errors).errors);
        }
        errors
    }
    fn canonicalize(&self, o: &mut dyn Object) {
        let Some(o) = DynamicObject::of_mut(o) else { return };
        o.fields.values_mut().for_each(prune::whole_numbers);
    }
    fn warnings(&self, o: &dyn Object, old: Option<&dyn Object>) -> Vec<String> {
        let Some(o) = DynamicObject::of(o) else { return Vec::new() };
        let old = old.and_then(DynamicObject::of);
        let mut all = old.map(|old| self.judge(o, Some(old), &ErrorList::new()).warnings).unwrap_or_default();
        all.extend(scale::finalizer_warnings(o, old));
        all
    }
    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut dyn Object, old: &dyn Object) {
        let (Some(new), Some(old)) = (DynamicObject::of_mut(new), DynamicObject::of(old)) else { return };
        let status = self.definition.borrow().status;
        if cx.subresource == "status" {
            let own = new.fields.remove("status");
            new.fields.clone_from(&old.fields);
            new.fields.remove("status");
            new.fields.extend(own.map(|s| ("status".to_owned(), s)));
            reset_meta_for_status(&mut new.metadata, &old.metadata);
            return;
        }
        if status {
            new.fields.remove("status");
            new.fields.extend(old.fields.get("status").map(|s| ("status".to_owned(), s.clone())));
        }
        if new.fields != old.fields {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
    fn validate_update(&self, cx: &StrategyContext<'_>, new: &dyn Object, old: &dyn Object) -> ErrorList {
        let mut errors = validate_object_meta_update(new.meta(), old.meta(), &Path::new("metadata"));
        if let (Some(new), Some(old)) = (DynamicObject::of(new), DynamicObject::of(old)) {
            let (value, was) = (new.to_value(), old.to_value());
            let of_status = cx.subresource == "status";
            if let Some(version) = self.stored() {
                errors.extend(changed(&value, &was, &version.schema, of_status));
            }
            errors.extend(self.scale_errors(new, of_status));
            errors.extend(self.inner_errors(&value, Some(&was), of_status));
            errors.extend(self.judge(new, Some(old), &errors).errors);
        }
        errors
    }
    fn allow_unconditional_update(&self) -> bool {
        false
    }
    fn own_field<'a>(&self, o: &'a dyn Object, path: &str) -> Option<Cow<'a, str>> {
        if !self.definition.borrow().fields.contains(&path) {
            return None;
        }
        let keys: Vec<&str> = path.split('.').collect();
        DynamicObject::of(o).map(|o| match o.at(&keys) {
            Value::String(s) => Cow::Borrowed(s.as_str()),
            Value::Null => Cow::Borrowed(""),
            other => Cow::Owned(other.to_string()),
        })
    }
    fn selectable_fields(&self) -> &'static [&'static str] {
        self.definition.borrow().fields
    }
    fn scale(&self, o: &dyn Object) -> Option<ScaleSpec> {
        let definition = self.definition.borrow();
        let ([spec, status, selector], o) = (definition.scale.as_ref()?, DynamicObject::of(o)?);
        let number = |path: &[String]| at(o, path).as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        Some(ScaleSpec {
            replicas: number(spec),
            status_replicas: number(status),
            selector: at(o, selector).as_str().unwrap_or_default().to_owned(),
        })
    }
    fn scale_missing(&self, o: &dyn Object) -> Option<String> {
        let definition = self.definition.borrow();
        let (paths, o) = (definition.scale.as_ref()?, DynamicObject::of(o)?);
        let is_there = scale::is_there(&Value::Object(o.fields.clone()), paths);
        paths.first().filter(|_| !is_there).map(|path| format!(".{}", path.join(".")))
    }
    fn set_scale(&self, o: &mut dyn Object, replicas: i32) {
        let definition = self.definition.borrow();
        let (Some([path, ..]), Some(o)) = (&definition.scale, DynamicObject::of_mut(o)) else { return };
        let Some((first, rest)) = path.split_first() else { return };
        let mut slot = o.fields.entry(first.clone()).or_insert(Value::Null);
        for key in rest {
            if !slot.is_object() {
                *slot = json!({});
            }
            slot = &mut slot[key.as_str()];
        }
        *slot = replicas.into();
    }
}
