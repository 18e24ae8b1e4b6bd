//! Server-side apply: a configuration merged into an object, what its manager no longer names taken away, conflicts found.
//! Models sigs.k8s.io/structured-merge-diff `merge/update.go`, apimachinery `pkg/util/managedfields/internal` and apiserver
//! `pkg/endpoints/handlers/patch.go` (applyPatcher).

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value;

use super::merge::{merge, remove};
use super::set::{Element, Set, show_path};
use super::typed::{Atom, Ref, compare, field_set, with_named_fields};
use super::validate::validate;
use super::{BEFORE_FIRST_APPLY, Managed, ManagerId, Managers, Operation, Scope};
use crate::api::decode::{self, FieldValidation};
use crate::api::field::quote;
use crate::api::schema::{ListType, go_json};
use crate::api::status::{Cause, Details, Status};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const KUBECTL: &str = "kubectl";

/// A request to apply.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    pub manager: &'a str,
    pub force: bool,
    pub validation: FieldValidation,
    pub now: Timestamp,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object, checked against its type but not defaulted; nothing if it is as it was.
    pub value: Option<Value>,
    pub managers: Managers,
    /// For Warning headers.
    pub warnings: Vec<String>,
}

/// A field that somebody else set.
struct Conflict {
    manager: ManagerId,
    path: Vec<Element>,
}

enum Failure {
    Conflicts(Vec<Conflict>),
    Status(Status),
}

fn internal(message: String) -> Failure {
    Failure::Status(Status::other(500, "", message))
}

fn gvk(api_version: &str, kind: &str) -> String {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    format!("{group}/{version}, Kind={kind}")
}

fn show_manager(id: &ManagerId) -> String {
    let mut s = quote(&id.manager);
    if !id.subresource.is_empty() {
        s.push_str(&format!(" with subresource {}", quote(&id.subresource)));
    }
    if id.operation == Operation::Update {
        s.push_str(&format!(" using {}", id.api_version));
    }
    s
}

/// `NewConflictError`.
fn conflict_status(conflicts: &[Conflict]) -> Status {
    let causes = conflicts
        .iter()
        .map(|c| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", show_manager(&c.manager)),
            field: show_path(&c.path),
        })
        .collect();
    let message = match conflicts {
        [one] => format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            show_manager(&one.manager),
            show_path(&one.path)
        ),
        many => {
            let mut lines = Vec::new();
            let mut last = None;
            for c in many {
                if last != Some(&c.manager) {
                    lines.push(format!("conflicts with {}:", show_manager(&c.manager)));
                    last = Some(&c.manager);
                }
                lines.push(format!("- {}", show_path(&c.path)));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Status::other(409, "Conflict", message).with_details(Details { causes, ..Details::default() })
}

/// Applies a configuration, YAML or JSON, to the live object, or makes it if there is none.
pub fn apply(
    managers: &Managers,
    live: Option<&Value>,
    config: &[u8],
    request: Apply<'_>,
    scope: &Scope,
) -> Result<Applied, Status> {
    let bad = |e: String| Status::bad_request(format!("error decoding YAML: {e}"));
    let (config, duplicates) =
        decode::parse_yaml_strict(config).map_err(|e| bad(format!("error converting YAML to JSON: {e}")))?;
    let word = match &config {
        Value::Object(_) | Value::Null => None,
        Value::Array(_) => Some("array"),
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
    };
    if let Some(word) = word {
        return Err(bad(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {word} into Go value of type \
             map[string]interface {{}}"
        )));
    }
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if (api_version, kind) != (&*scope.api_version, &*scope.kind) {
        return Err(Status::bad_request(format!("invalid object type: {}", gvk(api_version, kind))));
    }
    let outcome = match with_last_applied(managers, live, &config, request, scope) {
        Ok(a) => a,
        Err(Failure::Status(s)) => return Err(s),
        Err(Failure::Conflicts(c)) => return Err(conflict_status(&c)),
    };
    let mut warnings = Vec::new();
    if !duplicates.is_empty() {
        match request.validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings = duplicates,
            FieldValidation::Strict => {
                let lines: Vec<String> = duplicates.iter().map(|l| format!("\n  {l}")).collect();
                return Err(Status::bad_request(format!(
                    "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:{}",
                    lines.concat()
                )));
            }
        }
    }
    let (value, managers) = outcome;
    let value = match (value, scope.ty()) {
        (None, _) => None,
        (Some(v), None) => Some(v),
        (Some(v), Some(ty)) => {
            let failed = |e: String| {
                let who = shown(&config, scope);
                let kind = gvk(&scope.api_version, &scope.kind);
                let why = format!("unable to convert unstructured object to {kind}: {e}");
                Status::other(500, "", format!("failed to convert new object ({who}) to proper version: {why}"))
            };
            Some(decode::convert_value(&v, ty).map_err(failed)?.value)
        }
    };
    Ok(Applied { value, managers, warnings })
}

/// Merges a configuration into an object, whoever owns what. Models apiserver `policy/mutating/patch/smd.go`.
pub fn merge_config(live: &Value, config: &Value, scope: &Scope) -> Result<Value, String> {
    let root = scope.root();
    validate(config, root).map_err(|e| format!("failed to convert patch object to typed object: {e}"))?;
    let mut whole = Vec::new();
    atomics(config, root, &mut Vec::new(), &mut whole);
    if !whole.is_empty() {
        let whole = whole.join(", ");
        return Err(format!("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {whole}"));
    }
    let merged = merge(&scope.typed(live), config, root);
    let Some(ty) = scope.ty() else { return Ok(merged) };
    decode::convert_value(&merged, ty).map(|bound| bound.value)
}

/// The fields that can only be replaced as a whole.
fn atomics(value: &Value, ty: Ref<'_>, path: &mut Vec<Element>, found: &mut Vec<String>) {
    match (ty.atom(Some(value)), value) {
        (Atom::Map(map), Value::Object(o)) => {
            if map.atomic {
                found.push(show_path(path));
            }
            for (key, v) in o.iter().filter(|(key, _)| map.is_field(key)) {
                let Some(of) = map.field(key) else { continue };
                path.push(Element::Field(key.as_str().into()));
                atomics(v, of, path, found);
                path.pop();
            }
        }
        (Atom::List { of, list }, Value::Array(items)) => {
            if *list == ListType::Atomic {
                found.push(show_path(path));
            }
            for (i, item) in items.iter().enumerate() {
                path.push(Element::Index(i as i64));
                atomics(item, of, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// `objectGVKNN`.
fn shown(config: &Value, scope: &Scope) -> String {
    let meta = |name: &str| config.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or("");
    format!("{}/{}; {}", meta("namespace"), meta("name"), gvk(&scope.api_version, &scope.kind))
}

fn annotation(object: Option<&Value>) -> Option<&str> {
    object?.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str().filter(|s| !s.is_empty())
}

/// kubectl may overwrite what it set by client-side apply before, and its annotation is kept up to date.
fn with_last_applied(
    managers: &Managers,
    live: Option<&Value>,
    config: &Value,
    request: Apply<'_>,
    scope: &Scope,
) -> Result<(Option<Value>, Managers), Failure> {
    let mut outcome = apply_config(managers, live, config, request, scope);
    if request.manager != KUBECTL {
        return outcome;
    }
    if let Err(Failure::Conflicts(conflicts)) = outcome {
        let Some(allowed) = allowed_conflicts(live, scope) else { return Err(Failure::Conflicts(conflicts)) };
        let rest: Vec<Conflict> = conflicts.into_iter().filter(|c| !allowed.has(&c.path)).collect();
        if !rest.is_empty() {
            return Err(Failure::Conflicts(rest));
        }
        outcome = apply_config(managers, live, config, Apply { force: true, ..request }, scope);
    }
    let (mut value, managers) = outcome?;
    let object = value.as_ref().or(live);
    if annotation(object).is_some() {
        let mut applied = config.clone();
        if let Some(a) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            a.remove(LAST_APPLIED);
        }
        let text = format!("{}\n", go_json(&applied, None));
        let mut changed = object.cloned().unwrap_or_default();
        if annotation(Some(&changed)) != Some(&text)
            && let Some(a) = changed.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
        {
            a.insert(LAST_APPLIED.to_owned(), Value::from(text));
            value = Some(changed);
        }
    }
    Ok((value, managers))
}

/// The fields that the last client-side apply set and that nobody changed since.
fn allowed_conflicts(live: Option<&Value>, scope: &Scope) -> Option<Set> {
    let last = decode::parse_json(annotation(live)?.as_bytes()).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(&*scope.api_version) {
        return None;
    }
    validate(&last, scope.root()).ok()?;
    let changes = compare(&last, &scope.typed(live?), scope.root());
    let set = field_set(&last, scope.root());
    Some(set.difference(&changes.modified).difference(&changes.added).difference(&changes.removed))
}

fn apply_config(
    managers: &Managers,
    live: Option<&Value>,
    config: &Value,
    request: Apply<'_>,
    scope: &Scope,
) -> Result<(Option<Value>, Managers), Failure> {
    let root = scope.root();
    let typed_live = scope.typed(live.unwrap_or(&Value::Null));
    let mut managers = managers.clone();
    if managers.is_empty() && live.is_some() {
        let empty = scope.typed(&Value::Null);
        managers = managers.updated(&empty, &typed_live, BEFORE_FIRST_APPLY, scope, request.now);
    }
    if config.pointer("/metadata/managedFields").is_some_and(|m| !m.is_null()) {
        return Err(Failure::Status(Status::bad_request("metadata.managedFields must be nil")));
    }
    validate(config, root)
        .map_err(|e| internal(format!("failed to create typed patch object ({}): {e}", shown(config, scope))))?;

    let id = scope.id(Operation::Apply, request.manager);
    let merged = merge(&typed_live, config, root);
    let last = managers.0.get(&id).cloned();
    let set = field_set(config, root).recursive_difference(&scope.reset);
    let time = last.as_ref().and_then(|l| l.time);
    managers.0.insert(id.clone(), Managed { api_version: scope.api_version.clone(), time, fields: Rc::new(set) });
    let new = match &last {
        Some(last) if !last.fields.is_empty() => prune(&merged, &managers, &last.fields, scope),
        _ => merged,
    };
    settle(&mut managers, &id, &typed_live, &new, request.force, scope)?;
    let changed = new != typed_live;
    if changed && let Some(m) = managers.0.get_mut(&id) {
        m.time = Some(request.now);
    }
    managers.strip(&id);
    Ok((changed.then_some(new), managers))
}

/// `Updater.prune`: what the manager named before and names no more goes, unless others own it.
fn prune(merged: &Value, managers: &Managers, last: &Set, scope: &Scope) -> Value {
    let root = scope.root();
    let named = |s: &Set| with_named_fields(s, root);
    let last = named(last);
    let pruned = remove(merged, &last, root);
    let merged_set = named(&field_set(merged, root));
    // Put back what somebody owns.
    let owned = managers.0.values().fold(Set::default(), |all, m| all.union(&m.fields));
    let kept = named(&field_set(&pruned, root)).union(&named(&owned));
    let pruned = remove(merged, &merged_set.difference(&kept), root);
    // Put back what nobody owned to begin with.
    let pruned_set = named(&field_set(&pruned, root));
    remove(merged, &merged_set.difference(&pruned_set).intersection(&last), root)
}

/// `Updater.update`: finds conflicts, or takes from the others what they are about.
fn settle(
    managers: &mut Managers,
    id: &ManagerId,
    live: &Value,
    new: &Value,
    force: bool,
    scope: &Scope,
) -> Result<(), Failure> {
    let mut changes = compare(live, new, scope.root());
    changes.exclude(&scope.reset);
    let changed = changes.modified.union(&changes.added);
    let mut conflicts = Vec::new();
    for (other, m) in managers.0.iter_mut().filter(|(other, _)| *other != id) {
        let contested = m.fields.intersection(&changed);
        if !contested.is_empty() {
            let paths = contested.paths().into_iter();
            conflicts.extend(paths.map(|path| Conflict { manager: other.clone(), path }));
        }
        m.fields = Rc::new(m.fields.difference(&contested).difference(&changes.removed));
    }
    if !force && !conflicts.is_empty() {
        return Err(Failure::Conflicts(conflicts));
    }
    managers.0.retain(|_, m| !m.fields.is_empty());
    Ok(())
}
