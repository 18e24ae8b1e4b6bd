//! The pod-template-hash: a 32-bit FNV-1a over the template as Go's spew prints it, in letters that make no words.
//! Models `pkg/controller/controller_utils.go` (ComputeHash) and `k8s.io/utils/dump`.
//!
//! What is printed is the Go structure, field by field in its order of declaration; `pod_template.schema` lists those fields:
//! a type's name, then for each field its Go name, its JSON name (`-` for an embedded one) and its Go type.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::Hasher;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

use crate::api::tell::to_value;

const SCHEMA: &str = include_str!("pod_template.schema");

type Schema = BTreeMap<&'static str, Vec<[&'static str; 3]>>;

fn schema() -> Schema {
    let mut schema = Schema::new();
    let mut current = "";
    for line in SCHEMA.lines() {
        if line.starts_with(' ') {
            let mut words = line.split_whitespace();
            let field = [words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
            schema.entry(current).or_default().push(field);
        } else {
            current = line;
            schema.entry(line).or_default();
        }
    }
    schema
}

/// FNV-1a, 32 bits.
pub struct Fnv32(pub u32);

impl Fnv32 {
    /// FNV-1, which multiplies first.
    pub fn fnv1(bytes: &[u8]) -> u32 {
        bytes.iter().fold(Fnv32::default().0, |h, b| h.wrapping_mul(0x0100_0193) ^ u32::from(*b))
    }
}

impl Default for Fnv32 {
    fn default() -> Self {
        Fnv32(0x811c_9dc5)
    }
}

impl Hasher for Fnv32 {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u32::from(*b)).wrapping_mul(0x0100_0193);
        }
    }
    fn finish(&self) -> u64 {
        self.0.into()
    }
}

/// Upstream's `rand.SafeEncodeString`.
pub fn safe_encode(text: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    text.bytes().map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])).collect()
}

/// The hash of a pod template; a collision count makes another of it.
pub fn compute_hash(template: &PodTemplateSpec, collision_count: Option<i32>) -> String {
    let value = to_value(template);
    let mut printer = Printer { schema: schema(), out: String::with_capacity(8192) };
    printer.print("PodTemplateSpec", Some(&value), true);
    let mut hash = Fnv32::default();
    hash.write(printer.out.as_bytes());
    if let Some(n) = collision_count {
        let [a, b, c, d] = n.to_le_bytes();
        hash.write(&[a, b, c, d, 0, 0, 0, 0]);
    }
    safe_encode(&hash.0.to_string())
}

struct Printer {
    schema: Schema,
    out: String,
}

impl Printer {
    /// Prints a value of a Go type, with the type before it if `typed`.
    fn print(&mut self, ty: &'static str, value: Option<&Value>, typed: bool) {
        let value = value.filter(|v| !v.is_null());
        if typed {
            self.out.push('(');
            self.type_name(ty);
            self.out.push(')');
        }
        if let Some(pointee) = ty.strip_prefix('*') {
            match value {
                None => self.out.push_str("<nil>"),
                Some(_) => self.print(pointee, value, false),
            }
        } else if let Some(element) = ty.strip_prefix("[]") {
            let items = value.and_then(Value::as_array).filter(|a| !a.is_empty());
            let Some(items) = items else { return self.out.push_str("<nil>") };
            self.out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    self.out.push(' ');
                }
                self.print(element, Some(item), false);
            }
            self.out.push(']');
        } else if ty.starts_with("map[") || ty == "ResourceList" {
            let entries = value.and_then(Value::as_object).filter(|m| !m.is_empty());
            let Some(entries) = entries else { return self.out.push_str("<nil>") };
            let element = if ty == "ResourceList" { "Quantity" } else { "string" };
            let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
            self.out.push_str("map[");
            for (i, (key, item)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    self.out.push(' ');
                }
                self.out.push_str(key);
                self.out.push(':');
                self.print(element, Some(item), false);
            }
            self.out.push(']');
        } else if ty == "string" || ty.starts_with("str:") {
            self.out.push_str(value.and_then(Value::as_str).unwrap_or_default());
        } else if ty == "int32" || ty == "int64" || ty.starts_with("int:") {
            let _ = write!(self.out, "{}", value.and_then(Value::as_i64).unwrap_or(0));
        } else if ty == "bool" {
            self.out.push_str(if value.and_then(Value::as_bool) == Some(true) { "true" } else { "false" });
        } else if ty == "Time" {
            // Templates carry no times.
            self.out.push_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}");
        } else if ty == "IntOrString" {
            let (kind, number, text) = match value {
                Some(Value::String(s)) => (1, 0, s.as_str()),
                other => (0, other.and_then(Value::as_i64).unwrap_or(0), ""),
            };
            let _ = write!(self.out, "{{Type:(intstr.Type){kind} IntVal:(int32){number} StrVal:(string){text}}}");
        } else if ty == "Quantity" {
            self.quantity(value.and_then(Value::as_str).unwrap_or_default());
        } else {
            let fields = self.schema.get(ty).cloned().unwrap_or_default();
            self.out.push('{');
            for (i, [name, json, field]) in fields.into_iter().enumerate() {
                if i > 0 {
                    self.out.push(' ');
                }
                self.out.push_str(name);
                self.out.push(':');
                let inner = if json == "-" { value } else { value.and_then(|v| v.get(json)) };
                self.print(field, inner, true);
            }
            self.out.push('}');
        }
    }

    fn type_name(&mut self, ty: &str) {
        let bare = ty.trim_start_matches("[]").trim_start_matches('*');
        self.out.push_str(&ty[..ty.len() - bare.len()]);
        match bare.strip_prefix("str:").or(bare.strip_prefix("int:")) {
            Some(named) => self.out.push_str(named),
            None if matches!(bare, "string" | "int32" | "int64" | "bool") || bare.starts_with("map[") => {
                self.out.push_str(bare);
            }
            None => {
                let package = match bare {
                    "Quantity" => "resource",
                    "IntOrString" => "intstr",
                    _ => "v1",
                };
                let _ = write!(self.out, "{package}.{bare}");
            }
        }
    }

    /// A quantity as its parser leaves it: a scaled integer, and the text if that was canonical.
    fn quantity(&mut self, text: &str) {
        let (value, scale, kept, format) = parse_quantity(text);
        let _ = write!(
            self.out,
            "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
             d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){format}}}"
        );
    }
}

fn parse_quantity(text: &str) -> (i64, i32, &str, &'static str) {
    if text == "0" {
        return (0, 0, text, "DecimalSI");
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let negative = number.starts_with('-');
    let (whole, fraction) =
        number.trim_start_matches(['+', '-']).split_once('.').unwrap_or((number.trim_start_matches(['+', '-']), ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        w => w,
    };
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|s| *s == suffix);
    let decimal =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    let digits = format!("{whole}{fraction}");
    let Ok(plain) = digits.parse::<i64>() else { return (0, 0, "", "DecimalSI") };
    let signed = |v: i64| if negative { -v } else { v };
    if let Some(power) = binary {
        let value = plain.checked_shl(10 * (power as u32 + 1)).unwrap_or(0);
        let kept = if plain & 7 != 0 { text } else { "" };
        return (signed(value), -(fraction.len() as i32), kept, "BinarySI");
    }
    let (exponent, format) = match decimal.iter().find(|(s, _)| *s == suffix) {
        Some((_, e)) => (*e, "DecimalSI"),
        None => (suffix.get(1..).and_then(|e| e.parse().ok()).unwrap_or(0), "DecimalExponent"),
    };
    let scale = exponent - fraction.len() as i32;
    let canonical = scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0');
    (signed(plain), scale, if canonical { text } else { "" }, format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Hashes that a real control plane gave.
    #[test]
    fn recorded_hashes() {
        for (image, hash) in
            [("nginx:1.27", "bfb6488d7"), ("nginx:1.28", "6f9546d86d"), ("nginx:nonexist", "8b78c54bf")]
        {
            let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {
                "containers": [{"name": "c", "image": image, "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent"}],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "securityContext": {}, "schedulerName": "default-scheduler"}});
            let template: PodTemplateSpec = serde_json::from_value(template).expect("a template");
            assert_eq!(compute_hash(&template, None), hash, "{image}");
            assert_ne!(compute_hash(&template, Some(1)), hash);
        }
    }

    #[test]
    fn quantities() {
        for (text, want) in [
            ("100m", (100, -3, "100m", "DecimalSI")),
            ("1", (1, 0, "1", "DecimalSI")),
            ("1000", (1000, 0, "", "DecimalSI")),
            ("1500m", (1500, -3, "1500m", "DecimalSI")),
            ("128Mi", (134_217_728, 0, "", "BinarySI")),
            ("1Gi", (1_073_741_824, 0, "1Gi", "BinarySI")),
        ] {
            assert_eq!(parse_quantity(text), want, "{text}");
        }
    }
}
