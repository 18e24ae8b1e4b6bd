//! Any other object in words: its fields by name. Models describe.go's GenericDescriber.

use serde_json::Value;

use super::super::show::text;
use super::Writer;

/// How deep a description goes.
const DEPTH_MAX: usize = 64;

pub(super) fn describe(w: &mut Writer, o: &Value) {
    w.head(o);
    let Some(map) = o.as_object() else { return };
    let mut map = map.clone();
    if let Some(m) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "name", "namespace", "labels", "annotations"] {
            m.remove(key);
        }
    }
    fields(w, 0, &Value::Object(map));
}

fn fields(w: &mut Writer, level: usize, v: &Value) {
    if level > DEPTH_MAX {
        return;
    }
    let mut keys: Vec<(&String, &Value)> = v.as_object().into_iter().flatten().collect();
    keys.sort_by_key(|(k, _)| smart_label(k));
    for (k, v) in keys {
        let label = smart_label(k);
        match v {
            Value::Object(_) => {
                w.line(level, format!("{label}:"));
                fields(w, level + 1, v);
            }
            Value::Array(list) => {
                w.line(level, format!("{label}:"));
                for i in list {
                    match i {
                        Value::Object(_) => fields(w, level + 1, i),
                        other => w.line(level + 1, text(other)),
                    }
                }
            }
            Value::Null => w.field(level, &label, "<nil>"),
            Value::String(s) if s.contains('\n') => {
                w.line(level, format!("{label}:"));
                for l in s.split('\n') {
                    w.line(level + 1, l);
                }
            }
            other => w.field(level, &label, text(other)),
        }
    }
}

/// `apiVersion` as `API Version`.
fn smart_label(field: &str) -> String {
    const ACRONYMS: [&str; 10] = ["API", "URL", "UID", "OSB", "GUID", "IP", "ID", "CIDR", "DNS", "TLS"];
    let mut words: Vec<String> = Vec::new();
    let chars: Vec<char> = field.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let after_small = i > 0 && !chars[i - 1].is_uppercase();
        let before_small = i + 1 < chars.len() && chars[i + 1].is_lowercase();
        let starts = i == 0 || (c.is_uppercase() && (after_small || before_small));
        match words.last_mut() {
            Some(w) if !starts => w.push(*c),
            _ => words.push(c.to_string()),
        }
    }
    let word = |w: String| {
        let upper = w.to_uppercase();
        if ACRONYMS.contains(&upper.as_str()) {
            return upper;
        }
        let mut chars = w.chars();
        chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
    };
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels_are_words() {
        for (field, want) in
            [("apiVersion", "API Version"), ("uid", "UID"), ("creationTimestamp", "Creation Timestamp")]
        {
            assert_eq!(super::smart_label(field), want);
        }
    }
}
