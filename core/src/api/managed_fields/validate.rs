//! Whether a configuration fits its type, in the words of structured-merge-diff.
//! Models sigs.k8s.io/structured-merge-diff `typed/{validate,helpers}.go`.

use serde_json::Value;

use super::set::Element;
use super::typed::{Atom, Ref, ScalarKind, item_element};
use crate::api::field::{go_type, quote};
use crate::api::patch::go_fmt;
use crate::api::schema::ListType;

const DEPTH_MAX: usize = 256;

/// All that is wrong, as one text; nothing if all is well.
pub(super) fn validate(value: &Value, ty: Ref<'_>) -> Result<(), String> {
    let mut errors = Vec::new();
    check(value, ty, &mut String::new(), &mut errors, 0);
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => {
            let lines: Vec<String> = many.iter().map(|e| format!("\n  {e}")).collect();
            Err(format!("errors:{}", lines.concat()))
        }
    }
}

fn note(path: &str, message: String, errors: &mut Vec<String>) {
    errors.push(if path.is_empty() { message } else { format!("{path}: {message}") });
}

/// Go's `%#v` of untyped JSON.
fn go_syntax(v: &Value) -> String {
    match v {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(s) => quote(s),
        Value::Array(a) => {
            format!("[]interface {{}}{{{}}}", a.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(o) => {
            let entries: Vec<String> = o.iter().map(|(k, v)| format!("{}:{}", quote(k), go_syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn check(v: &Value, ty: Ref<'_>, path: &mut String, errors: &mut Vec<String>, depth: usize) {
    if v.is_null() || depth > DEPTH_MAX {
        return;
    }
    let got = || format!("got &{{{}}}", go_fmt(v));
    match ty.atom(Some(v)) {
        Atom::Scalar(kind) => {
            let wrong = match kind {
                ScalarKind::Numeric if !v.is_number() => {
                    format!("expected numeric (int or float), got {}", go_type(v))
                }
                ScalarKind::String if !v.is_string() => {
                    format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(v))
                }
                ScalarKind::Boolean if !v.is_boolean() => format!("expected boolean, {}", got()),
                ScalarKind::Untyped if v.is_array() || v.is_object() => format!("expected any scalar, {}", got()),
                _ => return,
            };
            note(path, wrong, errors);
        }
        Atom::List { of, list } => {
            let Value::Array(items) = v else {
                return note(path, format!("expected list, {}", got()), errors);
            };
            let mut seen: Vec<Element> = Vec::new();
            for (i, item) in items.iter().enumerate() {
                let element = if *list == ListType::Atomic {
                    Element::Index(i as i64)
                } else {
                    match item_element(list, of, item) {
                        Ok(e) => e,
                        Err(e) => return note(path, format!("element {i}: {e}"), errors),
                    }
                };
                if seen.contains(&element) {
                    note(path, format!("duplicate entries for key {element}"), errors);
                }
                let before = path.len();
                path.push_str(&element.to_string());
                check(item, of, path, errors, depth + 1);
                path.truncate(before);
                seen.push(element);
            }
        }
        Atom::Map(m) => {
            let Value::Object(o) = v else {
                return note(path, format!("expected map, {}", got()), errors);
            };
            for (key, v) in o {
                let before = path.len();
                path.push('.');
                path.push_str(key);
                let Some(ty) = m.field(key) else {
                    note(path, "field not declared in schema".to_owned(), errors);
                    path.truncate(before);
                    // Upstream stops at the first of them.
                    return;
                };
                check(v, ty, path, errors, depth + 1);
                path.truncate(before);
            }
        }
    }
}
