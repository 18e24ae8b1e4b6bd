//! What schemas say of how lists and maps are merged.
//! Models apiextensions `pkg/apis/apiextensions/validation/validation.go` (list and map types, `validateMapListKeysMapSet`).

use serde_json::Value;

use super::structural::child;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const WANTED: &str = "must be atomic as item of a list with x-kubernetes-list-type=set";

/// Checks what a schema says of how it is merged.
pub(super) fn check(s: &Value, ty: &str, path: &str, errs: &mut ErrorList) {
    kind(s, ty, path, ("x-kubernetes-map-type", "object", &["atomic", "granular"]), errs);
    kind(s, ty, path, ("x-kubernetes-list-type", "array", &["atomic", "set", "map"]), errs);
    let (how, keys) = (opt_str(s, "x-kubernetes-list-type"), texts_of(s, "x-kubernetes-list-map-keys"));
    let how_at = child(path, "x-kubernetes-list-type");
    let why = "must be map if x-kubernetes-list-map-keys is non-empty";
    match how {
        None if !keys.is_empty() => errs.push(Error::required(&Path::new(&how_at), why)),
        Some(how) if !keys.is_empty() && how != "map" => errs.push(Error::invalid_str(&Path::new(&how_at), how, why)),
        _ => {}
    }
    if how == Some("map") {
        list_map(s, &keys, path, errs);
    }
    if matches!(how, Some("map" | "set")) {
        items_are_there(s, how.unwrap_or_default(), &keys, path, errs);
    }
}

/// A field that says how, the type that it is for, and what it may say.
fn kind(s: &Value, ty: &str, path: &str, (field, wanted, known): (&str, &str, &[&str]), errs: &mut ErrorList) {
    let Some(how) = opt_str(s, field) else { return };
    let why = format!("must be {wanted} if {field} is specified");
    let at = child(path, "type");
    if ty.is_empty() {
        errs.push(Error::required(&Path::new(&at), why));
    } else if ty != wanted {
        errs.push(Error::invalid_str(&Path::new(&at), ty, why));
    } else if how == "set" {
        set_items(&s["items"], &child(path, "items"), errs);
    }
    if !known.contains(&how) {
        errs.push(Error::not_supported(&Path::new(&child(path, field)), how, known));
    }
}

/// Items of sets are compared as one.
fn set_items(items: &Value, path: &str, errs: &mut ErrorList) {
    let list_type = opt_str(items, "x-kubernetes-list-type");
    let (field, wrong) = match str_of(items, "type") {
        "array" => ("x-kubernetes-list-type", list_type.is_some_and(|t| t != "atomic")),
        "object" => ("x-kubernetes-map-type", opt_str(items, "x-kubernetes-map-type") != Some("atomic")),
        _ => return,
    };
    if wrong {
        // Upstream shows the type of list in both cases.
        errs.push(Error::invalid(&Path::new(&child(path, field)), &json!(list_type), WANTED));
    }
}

fn list_map(s: &Value, keys: &[&str], path: &str, errs: &mut ErrorList) {
    let keys_at = child(path, "x-kubernetes-list-map-keys");
    let keys_path = Path::new(&keys_at);
    if keys.is_empty() {
        errs.push(Error::required(&keys_path, "must not be empty if x-kubernetes-list-type is map"));
    }
    let (items, items_at) = (&s["items"], child(path, "items"));
    if items.is_null() {
        let why = "must have a schema if x-kubernetes-list-type is map";
        return errs.push(Error::required(&Path::new(&items_at), why));
    }
    if !items.is_object() {
        let why = "must only have a single schema if x-kubernetes-list-type is map";
        let shown = internal(items, "apiextensions/v1.JSONSchemaPropsOrArray").compact();
        return errs.push(Error::invalid_shown(&Path::new(&items_at), shown, why));
    }
    if str_of(items, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        return errs.push(Error::invalid_str(&Path::new(&child(&items_at, "type")), str_of(items, "type"), why));
    }
    for (i, key) in keys.iter().enumerate() {
        let of = &items["properties"][*key];
        if of.is_null() {
            errs.push(Error::invalid(&keys_path, &json!(keys), "entries must all be names of item properties"));
        } else if matches!(str_of(of, "type"), "array" | "object") {
            let at = format!("{items_at}.properties[{key}].type");
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errs.push(Error::invalid_str(&Path::new(&at), str_of(items, "type"), why));
        }
        if keys.iter().take(i).any(|k| k == key) {
            errs.push(Error::invalid(&keys_path, &json!(keys), "must not contain duplicate entries"));
        }
    }
}

/// What tells items apart is always there.
fn items_are_there(s: &Value, how: &str, keys: &[&str], path: &str, errs: &mut ErrorList) {
    let (items, at) = (&s["items"], child(path, "items"));
    if !items.is_object() {
        return;
    }
    if flag_of(items, "nullable") {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {how}");
        errs.push(Error::forbidden(&Path::new(&child(&at, "nullable")), why));
    }
    let required = texts_of(items, "required");
    for key in keys.iter().filter(|_| how == "map") {
        let of = &items["properties"][*key];
        if of.is_null() {
            continue;
        }
        let at = format!("{at}.properties[{key}]");
        let this = "this property is in x-kubernetes-list-map-keys, so it";
        if !required.contains(key) && !is_set(of, "default") {
            let why = format!("{this} must have a default or be a required property");
            errs.push(Error::required(&Path::new(&child(&at, "default")), why));
        }
        if flag_of(of, "nullable") {
            errs.push(Error::forbidden(&Path::new(&child(&at, "nullable")), format!("{this} cannot be nullable")));
        }
    }
}
