//! An applied configuration merged into an object, and fields taken out of one.
//! Models sigs.k8s.io/structured-merge-diff `typed/{merge,remove}.go`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::{Element, Set};
use super::typed::{Atom, Ref, as_list, as_map, item_element};
use crate::api::schema::ListType;

/// The live object with the configuration merged in.
pub(super) fn merge(live: &Value, config: &Value, ty: Ref<'_>) -> Value {
    merged(Some(live), Some(config), ty).unwrap_or_else(|| Value::Object(Map::new()))
}

fn merged(l: Option<&Value>, r: Option<&Value>, ty: Ref<'_>) -> Option<Value> {
    let atom = if r.is_some() { ty.atom(r) } else { ty.atom(l) };
    let keep = || r.or(l).cloned();
    match atom {
        Atom::Scalar(_) => keep(),
        Atom::List { of, list } => {
            let (ll, rl) = (as_list(l), as_list(r));
            let empty = ll.is_none_or(Vec::is_empty) && rl.is_none_or(Vec::is_empty);
            if *list == ListType::Atomic || empty {
                return keep();
            }
            let out = merge_items(ll.map_or(&[], Vec::as_slice), rl.map_or(&[], Vec::as_slice), list, of);
            (!out.is_empty()).then_some(Value::Array(out))
        }
        Atom::Map(m) => {
            let (lm, rm) = (as_map(l), as_map(r));
            let empty = lm.is_none_or(Map::is_empty) && rm.is_none_or(Map::is_empty);
            if m.atomic || empty {
                return keep();
            }
            let nothing = Map::new();
            let (lm, rm) = (lm.unwrap_or(&nothing), rm.unwrap_or(&nothing));
            let mut out = Map::new();
            for key in lm.keys().chain(rm.keys().filter(|k| !lm.contains_key(*k))) {
                let Some(ty) = m.field(key) else { continue };
                if let Some(v) = merged(lm.get(key), rm.get(key), ty) {
                    out.insert(key.clone(), v);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
    }
}

/// The items of a list by path element, and the elements in their order. An element that is there twice has no value.
fn index<'a>(
    items: &'a [Value],
    list: &ListType,
    of: Ref<'_>,
) -> (Vec<Element>, BTreeMap<Element, Option<&'a Value>>, Vec<&'a Value>) {
    let mut order = Vec::new();
    let mut values: BTreeMap<Element, Option<&Value>> = BTreeMap::new();
    let mut kept = Vec::new();
    for v in items {
        let Ok(e) = item_element(list, of, v) else { continue };
        values.entry(e.clone()).and_modify(|old| *old = None).or_insert(Some(v));
        order.push(e);
        kept.push(v);
    }
    (order, values, kept)
}

/// Merges two lists whose items have identities: the applied order wins among what both have, and what only the live
/// object has stays where it is.
fn merge_items(l: &[Value], r: &[Value], list: &ListType, of: Ref<'_>) -> Vec<Value> {
    let (left, in_left, left_values) = index(l, list, of);
    let (right, in_right, _) = index(r, list, of);
    let value = |side: &BTreeMap<Element, Option<&Value>>, e: &Element| side.get(e).copied().flatten().cloned();
    let mut shared = right.iter().filter(|e| in_left.contains_key(*e));
    let mut next_shared = shared.next();
    let mut done: BTreeMap<&Element, ()> = BTreeMap::new();
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    let both = |e: &Element, out: &mut Vec<Value>| {
        out.extend(merged(value(&in_left, e).as_ref(), value(&in_right, e).as_ref(), of));
    };
    while i < left.len() || j < right.len() {
        if let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
            if a == b {
                done.insert(b, ());
                both(b, &mut out);
                i += 1;
                j += 1;
                next_shared = shared.next();
                continue;
            }
            if in_right.contains_key(a) && next_shared.is_some_and(|s| s != a) {
                i += 1;
                continue;
            }
        }
        if let Some(a) = left.get(i) {
            if !in_right.contains_key(a) {
                out.extend(merged(left_values.get(i).copied(), None, of));
                i += 1;
                continue;
            }
            if done.contains_key(a) {
                i += 1;
            }
        }
        if let Some(b) = right.get(j) {
            done.insert(b, ());
            both(b, &mut out);
            j += 1;
            if next_shared == Some(b) {
                next_shared = shared.next();
            }
        }
    }
    out
}

/// The object without these fields.
pub(super) fn remove(value: &Value, fields: &Set, ty: Ref<'_>) -> Value {
    match ty.atom(Some(value)) {
        Atom::Scalar(_) => value.clone(),
        Atom::List { of, list } => {
            if *list == ListType::Atomic {
                return Value::Null;
            }
            let mut out = Vec::new();
            for item in as_list(Some(value)).into_iter().flatten() {
                let Ok(e) = item_element(list, of, item) else { continue };
                if fields.has_member(&e) {
                    continue;
                }
                out.push(match fields.below(&e) {
                    Some(below) => remove(item, below, of),
                    None => item.clone(),
                });
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
        Atom::Map(m) => {
            if m.atomic {
                return Value::Null;
            }
            let mut out = Map::new();
            for (key, v) in as_map(Some(value)).into_iter().flatten() {
                let e = Element::Field(key.as_str().into());
                if fields.has_member(&e) {
                    continue;
                }
                let kept = match (fields.below(&e), m.field(key)) {
                    (Some(below), Some(ty)) => remove(v, below, ty),
                    _ => v.clone(),
                };
                out.insert(key.clone(), kept);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
    }
}
