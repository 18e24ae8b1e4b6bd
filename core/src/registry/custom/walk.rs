//! Goes through a custom object together with its structural schema.

use serde_json::Value;

use crate::api::field::Path;

/// Visits a value and all below it that the schema knows, each with what the schema says of it, the outer first.
pub(super) fn walk(value: &Value, schema: &Value, path: &Path<'_>, visit: &mut dyn FnMut(&Value, &Value, &Path<'_>)) {
    visit(value, schema, path);
    match value {
        Value::Object(o) => {
            let additional = &schema["additionalProperties"];
            for (k, v) in o {
                let of = &schema["properties"][k.as_str()];
                match (of.is_object(), additional.is_object()) {
                    (true, _) => walk(v, of, &path.child(k), visit),
                    (_, true) => walk(v, additional, &path.key(k), visit),
                    _ => {}
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            items.iter().enumerate().for_each(|(i, v)| walk(v, &schema["items"], &path.index(i), visit));
        }
        _ => {}
    }
}
