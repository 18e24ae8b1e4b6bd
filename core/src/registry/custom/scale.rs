//! The numbers that a custom object's Scale is made of, and what may not be said of them.
//! Models apiextensions `pkg/registry/customresource/{etcd,validator}.go`.

use serde_json::{Value, json};

use crate::api::dynamic::DynamicObject;
use crate::api::field::{Error, ErrorList, Path, go_type};
use crate::api::object::Object as _;
use crate::api::patch::go_fmt;
use crate::api::validation::is_qualified_name;

/// Where the number of replicas, what the status says of it, and the selector are.
pub(super) type Paths = [Vec<String>; 3];

/// `unstructured.Nested`: what stands at a path, or why nothing can.
fn nested<'a>(o: &'a Value, path: &[String], wanted: &str) -> Result<Option<&'a Value>, String> {
    let wrong = |upto: usize, value: &Value, wanted: &str| {
        let at = path.get(..=upto).unwrap_or(path).join(".");
        Err(format!(".{at} accessor error: {} is of the type {}, expected {wanted}", go_fmt(value), go_type(value)))
    };
    let mut value = o;
    for (i, key) in path.iter().enumerate() {
        let Some(fields) = value.as_object() else {
            return wrong(i, value, "map[string]interface{}");
        };
        match fields.get(key) {
            None => return Ok(None),
            Some(below) => value = below,
        }
    }
    match (wanted, value) {
        ("int64", v) if v.is_i64() => Ok(Some(v)),
        ("string", Value::String(_)) => Ok(Some(value)),
        _ => wrong(path.len(), value, wanted),
    }
}

/// Whether the number of replicas is there.
pub(super) fn is_there(o: &Value, [spec, ..]: &Paths) -> bool {
    matches!(nested(o, spec, "int64"), Ok(Some(_)))
}

/// Checks what the Scale would be made of; of a status, that part alone.
pub(super) fn errors(o: &Value, [spec, status, selector]: &Paths, of_status: bool) -> ErrorList {
    let mut errs = ErrorList::new();
    let numbers = [(spec, !of_status), (status, true)];
    for (path, _) in numbers.iter().filter(|(_, looked_at)| *looked_at) {
        let name = format!(".{}", path.join("."));
        let at = Path::new(&name);
        match nested(o, path, "int64") {
            Err(why) => errs.push(Error::invalid(&at, &json!(0), why)),
            Ok(found) => match found.and_then(Value::as_i64).unwrap_or(0) {
                n if n < 0 => errs.push(Error::invalid(&at, &json!(n), "should be a non-negative integer")),
                n if n > i64::from(i32::MAX) => {
                    let why = format!("should be less than or equal to {}", i32::MAX);
                    errs.push(Error::invalid(&at, &json!(n), why));
                }
                _ => {}
            },
        }
    }
    if let (false, Err(why)) = (selector.is_empty(), nested(o, selector, "string")) {
        errs.push(Error::invalid_str(&Path::new(&format!(".{}", selector.join("."))), "", why));
    }
    errs
}

/// New finalizers that others might take for theirs.
pub(super) fn finalizer_warnings(o: &DynamicObject, old: Option<&DynamicObject>) -> Vec<String> {
    let of = |o: &DynamicObject| o.meta().finalizers.clone().unwrap_or_default();
    let had = old.map(of).unwrap_or_default();
    let mut new: Vec<String> = of(o).into_iter().filter(|f| !had.contains(f)).collect();
    new.sort();
    new.dedup();
    let mut all = Vec::new();
    for f in new {
        let begin = format!("metadata.finalizers: {}", crate::api::field::quote(&f));
        all.extend(is_qualified_name(&f).into_iter().map(|why| format!("{begin}: {why}")));
        if !f.contains('/') && !matches!(f.as_str(), "orphan" | "foregroundDeletion" | "kubernetes") {
            let path = if f.contains('.') { " including a path (/)" } else { "" };
            all.push(format!(
                "{begin}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer \
                 writers"
            ));
        }
    }
    all
}
