//! The text of a patched object as upstream's errors quote it: what a patch went through comes with sorted keys, the rest
//! as Go encoded it.
//! Models evanphx/json-patch's lazy nodes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::schema::{Shape, TypeId, go_json, go_string, schema};

/// The parts of a document that a patch went through.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<String, Touched>);

impl Touched {
    /// The part below this key, which is touched from now on.
    pub(super) fn child(&mut self, key: &str) -> &mut Touched {
        self.0.entry(key.to_owned()).or_default()
    }

    /// Notes what a merge patch goes through.
    pub(super) fn note_merge(&mut self, target: &Value, patch: &Value) {
        let (Value::Object(t), Value::Object(p)) = (target, patch) else { return };
        for (key, v) in p.iter().filter(|(_, v)| v.is_object()) {
            if let Some(old) = t.get(key).filter(|v| v.is_object()) {
                self.child(key).note_merge(old, v);
            }
        }
    }
}

/// The document's text.
pub(super) fn show(value: &Value, ty: Option<TypeId>, touched: &Touched) -> String {
    let mut out = String::new();
    write(value, ty, Some(touched), &mut out);
    out
}

fn write(value: &Value, ty: Option<TypeId>, touched: Option<&Touched>, out: &mut String) {
    let Some(touched) = touched else {
        out.push_str(&go_json(value, ty));
        return;
    };
    let shape = ty.map(|t| &schema().get(t).shape);
    match value {
        Value::Object(o) => {
            out.push('{');
            for (i, (key, v)) in o.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                go_string(key, out);
                out.push(':');
                let of = match shape {
                    Some(Shape::Struct(s)) => s.field(key).map(|f| f.ty),
                    Some(Shape::Map(of)) => Some(*of),
                    _ => None,
                };
                write(v, of, touched.0.get(key), out);
            }
            out.push('}');
        }
        Value::Array(a) => {
            let of = match shape {
                Some(Shape::List(of)) => Some(*of),
                _ => None,
            };
            out.push('[');
            for (i, v) in a.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(v, of, touched.0.get(&i.to_string()), out);
            }
            out.push(']');
        }
        other => out.push_str(&go_json(other, ty)),
    }
}
