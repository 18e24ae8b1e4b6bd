//! Sets and maps that are lists hold nothing twice. Models apiextensions `pkg/apiserver/schema/listtype`.

use serde_json::{Map, Value};

use crate::api::field::{Error, ErrorList, Path};
use crate::registry::validation::json::{str_of, texts_of};

/// What is there twice.
pub(super) fn errors(value: &Value, schema: &Value) -> ErrorList {
    let mut errs = ErrorList::new();
    visit(value, schema, &Path::root(), &mut errs);
    errs
}

fn visit(value: &Value, schema: &Value, path: &Path<'_>, errs: &mut ErrorList) {
    match value {
        Value::Object(o) => {
            let additional = &schema["additionalProperties"];
            if additional.is_object() {
                o.iter().for_each(|(k, v)| visit(v, additional, &path.key(k), errs));
            }
            for (k, v) in o {
                let of = &schema["properties"][k.as_str()];
                if of.is_object() {
                    visit(v, of, &path.child(k), errs);
                }
            }
        }
        Value::Array(items) => {
            match str_of(schema, "x-kubernetes-list-type") {
                "set" => repeated(items).for_each(|(i, v)| errs.push(Error::duplicate(&path.index(i), v))),
                "map" => map(items, schema, path, errs),
                _ => {}
            }
            let of = &schema["items"];
            if of.is_object() {
                items.iter().enumerate().for_each(|(i, v)| visit(v, of, &path.index(i), errs));
            }
        }
        _ => {}
    }
}

/// What was there before, where it is for the second time.
fn repeated(items: &[Value]) -> impl Iterator<Item = (usize, &Value)> {
    let before = |i: usize, v: &Value| items.iter().take(i).filter(|w| *w == v).count();
    items.iter().enumerate().filter(move |(i, v)| before(*i, v) == 1)
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
    repeated(&all).for_each(|(i, key)| errs.push(Error::duplicate(&path.index(i), key)));
}
