//! Values as Go's `fmt` prints untyped JSON with `%v`.

use serde_json::Value;

/// `fmt.Sprintf("%v", value)` of maps, slices and scalars.
pub fn go_fmt(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(s) => out.push_str(s),
        Value::Number(n) if n.is_f64() => {
            // %v of a float64 is %g: an exponent below 1e-4 and from 1e21.
            let f = n.as_f64().unwrap_or(0.0);
            let a = f.abs();
            if a != 0.0 && !(1e-4..1e21).contains(&a) {
                let s = format!("{f:e}");
                let (mantissa, exponent) = s.split_once('e').unwrap_or((&s, "0"));
                let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
                out.push_str(&format!("{mantissa}e{sign}{digits:0>2}"));
            } else {
                out.push_str(&format!("{f}"));
            }
        }
        Value::Array(a) => {
            out.push('[');
            for (i, v) in a.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write(v, out);
            }
            out.push(']');
        }
        Value::Object(o) => {
            out.push_str("map[");
            for (i, (k, v)) in o.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(k);
                out.push(':');
                write(v, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The Go type of untyped JSON, as `%s` of `reflect.TypeOf` prints it.
pub(super) fn go_type(value: &Value) -> &'static str {
    if value.is_null() { "%!s(<nil>)" } else { crate::api::field::go_type(value) }
}
