//! KYAML: YAML in flow style, with quotes and braces. Models sigs.k8s.io/yaml/kyaml.

use serde_json::Value;

/// How deep a document may be.
const DEPTH_MAX: usize = 256;

/// A value as a KYAML document.
pub(super) fn to_kyaml(v: &Value) -> String {
    let mut out = String::from("---\n");
    write(&mut out, v, 0);
    out.push('\n');
    out
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A key goes bare unless YAML 1.1 or 1.2 would read it as something else.
fn key(k: &str) -> String {
    let plain = k.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && k.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !matches!(
            k.to_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "nan" | "inf"
        );
    if plain { k.to_owned() } else { Value::from(k).to_string() }
}

fn write(out: &mut String, v: &Value, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match v {
        Value::Object(m) if !m.is_empty() => {
            out.push_str("{\n");
            for (k, v) in m {
                indent(out, depth + 1);
                out.push_str(&format!("{}: ", key(k)));
                write(out, v, depth + 1);
                out.push_str(",\n");
            }
            indent(out, depth);
            out.push('}');
        }
        Value::Object(_) => out.push_str("{}"),
        Value::Array(a) if a.is_empty() => out.push_str("[]"),
        // Brackets and braces cuddle around a list of mappings or lists.
        Value::Array(a) if a.iter().all(|v| v.is_object() || v.is_array()) => {
            out.push('[');
            for (i, v) in a.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(out, v, depth);
            }
            out.push(']');
        }
        Value::Array(a) => {
            out.push_str("[\n");
            for v in a {
                indent(out, depth + 1);
                write(out, v, depth + 1);
                out.push_str(",\n");
            }
            indent(out, depth);
            out.push(']');
        }
        v => out.push_str(&v.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents() {
        let v = json!({"kind": "Pod", "on": true, "spec": {"containers": [{"name": "a"}, {"name": "b"}], "args": ["x"], "none": []}});
        let want = "---\n{\n  kind: \"Pod\",\n  \"on\": true,\n  spec: {\n    args: [\n      \"x\",\n    ],\n    containers: [{\n      name: \"a\",\n    }, {\n      name: \"b\",\n    }],\n    none: [],\n  },\n}\n";
        assert_eq!(to_kyaml(&v), want);
    }
}
