//! Sets and maps that are lists hold nothing twice. Models apiextensions `pkg/apiserver/schema/listtype`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::walk::walk;
use crate::api::field::{Error, ErrorList, Path};
use crate::registry::validation::json::{str_of, texts_of};

/// What is there twice.
pub(super) fn errors(value: &Value, schema: &Value) -> ErrorList {
    let mut errs = ErrorList::new();
    walk(value, schema, &Path::root(), &mut |value, schema, path| {
        let Value::Array(items) = value else { return };
        match str_of(schema, "x-kubernetes-list-type") {
            "set" => repeated(items).into_iter().for_each(|(i, v)| errs.push(Error::duplicate(&path.index(i), v))),
            "map" => map(items, schema, path, &mut errs),
            _ => {}
        }
    });
    errs
}

/// What was there before, where it is for the second time. Lists may be as long as a request: each item is compared with those
/// alone that are written as it is.
fn repeated(items: &[Value]) -> Vec<(usize, &Value)> {
    let mut seen: BTreeMap<String, Vec<(&Value, usize)>> = BTreeMap::new();
    let mut out = Vec::new();
    for (i, v) in items.iter().enumerate() {
        // The two zeros are one number.
        let alike = seen.entry(v.to_string().replace("-0.0", "0.0")).or_default();
        match alike.iter_mut().find(|(w, _)| *w == v) {
            None => alike.push((v, 1)),
            Some((_, times)) => {
                *times += 1;
                if *times == 2 {
                    out.push((i, v));
                }
            }
        }
    }
    out
}

fn map(items: &[Value], schema: &Value, path: &Path<'_>, errs: &mut ErrorList) {
    let odd = items.iter().enumerate().find(|(_, v)| !v.is_object() && !v.is_null());
    if let Some((i, v)) = odd {
        let why = "must be an object for an array of list-type map";
        return errs.push(Error::invalid(&path.index(i), v, why));
    }
    let keys = texts_of(schema, "x-kubernetes-list-map-keys");
    let key_of = |item: &Value| -> Value {
        let own = keys.iter().filter_map(|k| Some(((*k).to_owned(), item.get(*k)?.clone())));
        own.collect::<Map<_, _>>().into()
    };
    let all: Vec<Value> = items.iter().map(key_of).collect();
    repeated(&all).into_iter().for_each(|(i, key)| errs.push(Error::duplicate(&path.index(i), key)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_repeats_is_told_once_where_it_is_for_the_second_time() {
        let check = |items: Value, at: &[usize]| {
            let items = items.as_array().cloned().unwrap_or_default();
            let found: Vec<usize> = repeated(&items).into_iter().map(|(i, _)| i).collect();
            assert_eq!(found, at, "{items:?}");
        };
        check(json!([1, 2, 1, 1, 2]), &[2, 4]);
        check(json!(["1", 1, 1.5]), &[]);
        check(json!([0.0, -0.0]), &[1]);
        check(json!(["-0.0", "0.0"]), &[]);
        check(json!([{ "a": 1, "b": [2] }, { "b": [2], "a": 1 }]), &[1]);
    }
}
