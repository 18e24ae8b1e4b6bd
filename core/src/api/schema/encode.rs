//! JSON as Go's encoder writes an object: fields in the order of the struct, empty ones left out or kept as it says.
//! Models encoding/json's `encode.go` with the tags of k8s.io/api.

use serde_json::{Map, Value};

use super::{Field, Schema, Shape, TypeId, schema};

/// What a field is that nobody set; `None` if it is left out.
pub(super) fn zero(schema: &Schema, field: &Field) -> Option<Value> {
    if field.pointer {
        return (!field.omit_empty && !field.omit_zero).then_some(Value::Null);
    }
    match &schema.get(field.ty).shape {
        // A struct is never empty to omitempty, so it is there with its own zeros; omitzero drops it.
        Shape::Struct(_) if field.omit_zero => None,
        Shape::Struct(_) => Some(Value::Object(Map::new())),
        Shape::Time | Shape::MicroTime if !field.omit_zero => Some(Value::Null),
        Shape::Quantity if !field.omit_zero => Some(Value::from("0")),
        Shape::IntOrString if !field.omit_zero => Some(Value::from(0)),
        Shape::Duration if !field.omit_zero => Some(Value::from("0s")),
        _ if field.omit_empty || field.omit_zero => None,
        Shape::Map(_) | Shape::List(_) | Shape::Bytes | Shape::Any => Some(Value::Null),
        Shape::String => Some(Value::from("")),
        Shape::Bool => Some(Value::Bool(false)),
        Shape::Int32 | Shape::Int64 | Shape::Float64 => Some(Value::from(0)),
        _ => None,
    }
}

fn is_empty(schema: &Schema, field: &Field, value: &Value) -> bool {
    match value {
        Value::Null => true,
        _ if field.pointer => false,
        Value::String(s) => s.is_empty() && matches!(schema.get(field.ty).shape, Shape::String | Shape::Bytes),
        Value::Bool(b) => !b,
        Value::Number(n) => {
            n.as_f64() == Some(0.0)
                && matches!(schema.get(field.ty).shape, Shape::Int32 | Shape::Int64 | Shape::Float64)
        }
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty() && matches!(schema.get(field.ty).shape, Shape::Map(_)),
    }
}

/// Makes an object what Go would have encoded: zeros that aren't omitted are put in, empties that are go.
pub fn complete(value: &mut Value, ty: TypeId) {
    complete_in(schema(), value, ty, 0);
}

fn complete_in(schema: &Schema, value: &mut Value, ty: TypeId, depth: usize) {
    if depth > 128 {
        return;
    }
    match (&schema.get(ty).shape, value) {
        (Shape::Struct(s), Value::Object(o)) => {
            // By the few fields that are there, not the many that could be.
            let mut omitted = Vec::new();
            for (key, v) in o.iter_mut() {
                let Some(f) = s.field(key) else { continue };
                let required_pointer = f.pointer && !f.omit_empty && !f.omit_zero;
                if is_empty(schema, f, v) && !required_pointer {
                    // Taken out where it is omitted, or put back as its type's own zero.
                    match zero(schema, f) {
                        None => {
                            omitted.push(f.json);
                            continue;
                        }
                        // What was stored has no empty lists: protobuf knows none.
                        Some(z) if v.is_null() || v.is_array() => *v = z,
                        Some(_) => {}
                    }
                }
                complete_in(schema, v, f.ty, depth + 1);
            }
            for key in omitted {
                o.remove(key);
            }
            for f in &s.fields {
                if let Some(mut z) = zero(schema, f)
                    && !o.contains_key(f.json)
                {
                    // apiVersion and kind of TypeMeta and the like have omitempty and don't come here.
                    complete_in(schema, &mut z, f.ty, depth + 1);
                    o.insert(f.json.to_owned(), z);
                }
            }
        }
        (Shape::Map(of), Value::Object(o)) => {
            for v in o.values_mut() {
                complete_in(schema, v, *of, depth + 1);
            }
        }
        (Shape::List(of), Value::Array(a)) => {
            for v in a {
                complete_in(schema, v, *of, depth + 1);
            }
        }
        _ => {}
    }
}

/// Go's JSON string: quotes and controls escaped, and HTML's characters too.
pub fn go_string(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The value as Go encodes it, its fields in the order of the type's struct; keys that the type doesn't know and those
/// of maps come sorted. `complete` it first if zeros matter.
pub fn go_json(value: &Value, ty: Option<TypeId>) -> String {
    let mut out = String::new();
    write(schema(), value, ty, &mut out, 0);
    out
}

fn write(schema: &Schema, value: &Value, ty: Option<TypeId>, out: &mut String, depth: usize) {
    if depth > 512 {
        out.push_str("null");
        return;
    }
    match value {
        Value::String(s) => go_string(s, out),
        Value::Array(a) => {
            let of = match ty.map(|t| &schema.get(t).shape) {
                Some(Shape::List(of)) => Some(*of),
                _ => None,
            };
            out.push('[');
            for (i, v) in a.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(schema, v, of, out, depth + 1);
            }
            out.push(']');
        }
        Value::Object(o) => {
            out.push('{');
            let mut first = true;
            let mut entry = |key: &str, v: &Value, ty: Option<TypeId>, out: &mut String| {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                go_string(key, out);
                out.push(':');
                write(schema, v, ty, out, depth + 1);
            };
            match ty.map(|t| &schema.get(t).shape) {
                Some(Shape::Struct(s)) => {
                    for f in &s.fields {
                        if let Some(v) = o.get(f.json) {
                            entry(f.json, v, Some(f.ty), out);
                        }
                    }
                    for (k, v) in o.iter().filter(|(k, _)| s.field(k).is_none()) {
                        entry(k, v, None, out);
                    }
                }
                shape => {
                    let of = match shape {
                        Some(Shape::Map(of)) => Some(*of),
                        _ => None,
                    };
                    for (k, v) in o {
                        entry(k, v, of, out);
                    }
                }
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn completes_as_go_does() {
        let s = schema();
        let ty = s.kind("v1", "Pod").unwrap_or_else(|| panic!("pods are known"));
        let mut v = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {}},
            "spec": {"containers": [{"name": "c"}], "hostNetwork": false, "nodeName": ""}});
        complete(&mut v, ty);
        assert_eq!(
            v,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "c", "resources": {}}]}, "status": {}})
        );
        assert_eq!(
            go_json(&v, Some(ty)),
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":{}}]},"status":{}}"#
        );
        let mut v = json!({"metadata": {"name": "r"}});
        complete(&mut v, s.kind("apps/v1", "ReplicaSet").unwrap_or_else(|| panic!("replica sets are known")));
        assert_eq!(v["spec"]["selector"], Value::Null);
        assert_eq!(v["status"], json!({"replicas": 0}));
        let mut v = json!({"metadata": {}});
        complete(&mut v, s.kind("rbac.authorization.k8s.io/v1", "Role").unwrap_or_else(|| panic!("roles are known")));
        assert_eq!(v, json!({"metadata": {}, "rules": null}));
    }
}
