//! Lists in a strategic merge patch: merged by key or as a set of scalars, and put in order.

use serde_json::Value;

use super::{DIRECTIVE, Outcome, SET_ELEMENT_ORDER, StrategicError, bad_arg_type, internal, merge_map, no_merge_key};
use crate::api::patch::show::{go_fmt, go_type};
use crate::api::schema::TypeId;

const MAP: &str = "map[string]interface {}";

/// The one type of all items, as Go names it.
pub(super) fn element_type(lists: &[&[Value]]) -> Outcome<&'static str> {
    let mut found: Option<&'static str> = None;
    for v in lists.iter().flat_map(|l| l.iter()) {
        let this = go_type(v);
        match found {
            None if v.is_array() => {
                return Err(StrategicError::Unprocessable("lists of lists are not supported".to_owned()));
            }
            None => found = Some(this),
            Some(other) if other != this => {
                let shown = Value::Array(lists.iter().map(|l| Value::Array(l.to_vec())).collect());
                return internal(format!("list element types are not identical: {}", go_fmt(&shown)));
            }
            Some(_) => {}
        }
    }
    found.map_or_else(|| internal("no elements in any of the given slices".to_owned()), Ok)
}

/// The first item whose key has this value.
fn find(list: &[Value], key: &str, value: &Value) -> Outcome<Option<usize>> {
    for (i, v) in list.iter().enumerate() {
        let Value::Object(o) = v else { return internal(format!("value for key {i} is not a map")) };
        if o.get(key) == Some(value) {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

/// The place of an item in a list: by its key, or as a scalar.
fn index(list: &[Value], item: &Value, key: &str, is_map: bool) -> Option<usize> {
    if !is_map {
        return list.iter().position(|v| v == item);
    }
    let wanted = item.get(key);
    list.iter().position(|v| v.is_object() && v.get(key) == wanted)
}

/// The patch's list must come in the order that it sets.
pub(super) fn check_order(patch: Option<&[Value]>, order: &[Value], key: &str) -> Outcome<()> {
    let Some(patch) = patch.filter(|p| !p.is_empty() && !order.is_empty()) else { return Ok(()) };
    let mut kept: Vec<&Value> = Vec::new();
    for v in patch {
        if key.is_empty() {
            kept.push(v);
            continue;
        }
        let Value::Object(o) = v else { return bad_arg_type(MAP, v) };
        if o.get(DIRECTIVE).and_then(Value::as_str) != Some("delete") {
            kept.push(v);
        }
    }
    let mut p = 0;
    let mut o = 0;
    while let (Some(item), Some(slot)) = (kept.get(p), order.get(o)) {
        if item.get(DIRECTIVE).is_some() {
            p += 1;
            continue;
        }
        let equal = if key.is_empty() {
            *item == slot
        } else {
            if !item.is_object() {
                return bad_arg_type(MAP, item);
            }
            if !slot.is_object() {
                return bad_arg_type(MAP, slot);
            }
            let Some(left) = item.get(key) else { return no_merge_key(item, key) };
            let Some(right) = slot.get(key) else { return no_merge_key(slot, key) };
            left == right
        };
        if equal {
            p += 1;
        }
        o += 1;
    }
    if p < kept.len() && o >= order.len() {
        return internal(format!(
            "The order in patch list:\n{}\n doesn't match {SET_ELEMENT_ORDER} list:\n{}\n",
            go_fmt(&Value::Array(patch.to_vec())),
            go_fmt(&Value::Array(order.to_vec()))
        ));
    }
    Ok(())
}

/// Upstream's way of dropping duplicates: the last one fills the hole.
fn deduplicate(list: &mut Vec<Value>) {
    let mut i = 0;
    while i + 1 < list.len() {
        let mut j = i + 1;
        while j < list.len() {
            if list.get(i) == list.get(j) {
                list.swap_remove(j);
            } else {
                j += 1;
            }
        }
        i += 1;
    }
}

fn merge_special(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Outcome<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::new();
    let mut replace = false;
    for v in patch {
        match v.get(DIRECTIVE) {
            None => plain.push(v),
            Some(directive) => match directive.as_str() {
                Some("delete") => {
                    let Some(wanted) = v.get(key) else { return no_merge_key(&v, key) };
                    while let Some(i) = find(&original, key, wanted)? {
                        original.remove(i);
                    }
                }
                Some("replace") => replace = true,
                Some("merge") => return internal("merging lists cannot yet be specified in the patch".to_owned()),
                _ => {
                    return internal(format!("unknown patch type: {} in map: {}", go_fmt(directive), go_fmt(&v)));
                }
            },
        }
    }
    if replace { Ok((plain, Vec::new())) } else { Ok((original, plain)) }
}

/// Merges a patch's list into the original's.
pub(super) fn merge(
    original: Vec<Value>,
    patch: Vec<Value>,
    ty: TypeId,
    key: &str,
    deleting: bool,
) -> Outcome<Vec<Value>> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let is_map = element_type(&[&original, &patch])? == MAP;
    if !is_map {
        if deleting {
            return Ok(original.into_iter().filter(|v| !patch.contains(v)).collect());
        }
        let mut merged = original.clone();
        merged.extend(patch.iter().cloned());
        deduplicate(&mut merged);
        return order(merged, &patch, &original, key, false);
    }
    if key.is_empty() {
        let kind = match &crate::api::schema::schema().get(ty).shape {
            crate::api::schema::Shape::Struct(_) => "struct",
            _ => "map",
        };
        return internal(format!("cannot merge lists without merge key for {kind}"));
    }
    let (original, patch) = merge_special(original, patch, key)?;
    let mut merged = original.clone();
    for v in &patch {
        let Some(wanted) = v.get(key) else { return no_merge_key(v, key) };
        match find(&merged, key, wanted)? {
            Some(i) => {
                let Some(slot) = merged.get_mut(i) else { continue };
                let mut p = v.as_object().cloned().unwrap_or_default();
                let old = slot.as_object().cloned().unwrap_or_default();
                *slot = Value::Object(merge_map(old, &mut p, ty)?);
            }
            None => merged.push(v.clone()),
        }
    }
    order(merged, &patch, &original, key, true)
}

fn check_keys(list: &[Value], key: &str) -> Outcome<()> {
    for v in list {
        let Value::Object(o) = v else { return bad_arg_type(MAP, v) };
        if !o.contains_key(key) {
            return no_merge_key(v, key);
        }
    }
    Ok(())
}

/// Sorts by the places in `order`; items to be deleted come last. Upstream's comparison isn't an order when an item has no
/// place, so this is its insertion sort step by step.
fn sort(mut list: Vec<Value>, order: &[Value], key: &str, is_map: bool) -> Outcome<Vec<Value>> {
    let mut deleted = Vec::new();
    if is_map {
        check_keys(&list, key)?;
        check_keys(order, key)?;
        let (d, kept) = list.into_iter().partition(|v| v.get(DIRECTIVE).and_then(Value::as_str) == Some("delete"));
        (deleted, list) = (d, kept);
    }
    let places: Vec<Option<usize>> = list.iter().map(|v| index(order, v, key, is_map)).collect();
    let mut sorted: Vec<(Option<usize>, Value)> = Vec::with_capacity(list.len());
    for (place, v) in places.into_iter().zip(list) {
        let mut at = sorted.len();
        while at > 0 {
            let before = sorted.get(at - 1).and_then(|(p, _)| *p);
            let less = match (place, before) {
                (Some(a), Some(b)) => a < b,
                _ => true,
            };
            if !less {
                break;
            }
            at -= 1;
        }
        sorted.insert(at, (place, v));
    }
    let mut out: Vec<Value> = sorted.into_iter().map(|(_, v)| v).collect();
    out.append(&mut deleted);
    Ok(out)
}

/// Orders a merged list: what the patch names as it names it, the rest as the server had it, woven together.
pub(super) fn order(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
    is_map: bool,
) -> Outcome<Vec<Value>> {
    let mut named = Vec::new();
    let mut rest = Vec::new();
    for v in merged {
        let present = if key.is_empty() {
            patch_order.contains(&v)
        } else {
            if !v.is_object() {
                return bad_arg_type(MAP, &v);
            }
            let Some(wanted) = v.get(key) else { return no_merge_key(&v, key) };
            find(patch_order, key, wanted)?.is_some()
        };
        if present { named.push(v) } else { rest.push(v) }
    }
    let named = sort(named, patch_order, key, is_map)?;
    let rest = sort(rest, server_order, key, is_map)?;
    let mut out = Vec::with_capacity(named.len() + rest.len());
    let mut left = rest.into_iter().peekable();
    let mut right = named.into_iter().peekable();
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let places = (index(server_order, l, key, is_map), index(server_order, r, key, is_map));
        let server_first = matches!(places, (Some(a), Some(b)) if a < b);
        out.extend(if server_first { left.next() } else { right.next() });
    }
    out.extend(left);
    out.extend(right);
    Ok(out)
}
