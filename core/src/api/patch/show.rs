//! Values as Go's `fmt` prints untyped JSON with `%v`.

use serde_json::Value;

/// `fmt.Sprintf("%v", value)` of maps, slices and scalars.
pub fn go_fmt(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// `%v` of a float64, which is `%g`: with an exponent below 1e-4 and from 1e6 on.
pub fn go_double(d: f64) -> String {
    if !d.is_finite() {
        return if d.is_nan() {
            "NaN"
        } else if d > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let text = format!("{d:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if d == 0.0 || (-4..6).contains(&power) {
        return d.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(s) => out.push_str(s),
        Value::Number(n) if n.is_f64() => {
            out.push_str(&go_double(n.as_f64().unwrap_or(0.0)));
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
