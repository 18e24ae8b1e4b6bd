//! Numbers against the bounds of their schemas. Models kube-openapi `validate.numberValidator`.

use serde_json::{Value, json};

use super::schema::{Checker, Found, Place, shown, types_of};
use crate::registry::validation::json::{flag_of, str_of};

/// The largest number that JSON holds exactly.
const LARGEST: f64 = 9_007_199_254_740_991.0;

/// Whether a number is whole, as near as it comes.
pub(super) fn is_whole(f: f64) -> bool {
    let off = (f - f.trunc()).abs();
    f.abs() <= LARGEST && (off == 0.0 || f.trunc() != 0.0 && off / (f.abs() + f.trunc().abs()) < 1e-9)
}

/// A value's type as far as it is clear, and a format that such numbers have.
fn kind(schema: &Value) -> (&'static str, &str) {
    let format = str_of(schema, "format");
    match types_of(schema).as_slice() {
        ["integer"] => ("integer", if matches!(format, "int32" | "int64") { format } else { "" }),
        ["number"] => ("number", if matches!(format, "float" | "double") { format } else { "" }),
        _ => ("", ""),
    }
}

/// Whether a number is in the range of a type: what is said if not.
fn out_of_range(value: &Value, schema: &Value, what: &str, path: &str) -> Option<String> {
    let (ty, format) = kind(schema);
    let f = value.as_f64().unwrap_or_default();
    let fits = match (ty, format) {
        ("integer", "int32") => f.fract() == 0.0 && i32::try_from(f as i64).is_ok(),
        ("integer", _) => value.is_i64() || f.fract() == 0.0 && f.abs() < 9.3e18 && (f as i64) as f64 == f,
        (_, "float") => (f as f32).is_finite(),
        _ => true,
    };
    let of = if format.is_empty() { "(default format)".to_owned() } else { format!("with format {format}") };
    (!fits).then(|| format!("{what} value must be of type {ty} {of} in {path}"))
}

pub(super) fn check(c: &Checker<'_>, found: &mut Found, place: &Place<'_>) {
    let Place { value, schema, path, .. } = *place;
    if let Some(why) = out_of_range(value, schema, "Checked", path) {
        c.complain(found, why);
    }
    // Bounds that are in the range are compared in the value's own type.
    let bound = |key: &str, what: &str, found: &mut Found| {
        let bound = Some(&schema[key]).filter(|b| b.is_number())?;
        let odd = out_of_range(bound, schema, what, path);
        let native = odd.is_none() && value.is_i64();
        if let Some(why) = odd {
            c.complain(found, why);
        }
        let f = bound.as_f64().unwrap_or_default();
        Some(if native { json!(f as i64) } else { json!(f) })
    };
    if let Some(factor) = bound("multipleOf", "MultipleOf", found) {
        let (f, v) = (factor.as_f64().unwrap_or_default(), value.as_f64().unwrap_or_default());
        let whole = match (value.as_i64(), factor.as_i64()) {
            (Some(v), Some(f)) if f != 0 => v % f == 0,
            _ if f < 1.0 => is_whole(1.0 / f * v),
            _ => is_whole(v / f),
        };
        if f <= 0.0 {
            let words = format!("factor MultipleOf declared for {path} must be positive: {}", shown(&factor));
            c.tell(found, place, &factor, words);
        } else if !whole {
            c.invalid(found, place, value, &format!("should be a multiple of {}", shown(&factor)));
        }
    }
    let ordered = |bound: &Value| match (value.as_i64(), bound.as_i64()) {
        (Some(v), Some(b)) => Some(v.cmp(&b)),
        _ => value.as_f64().and_then(|v| v.partial_cmp(&bound.as_f64()?)),
    };
    if let Some(min) = bound("minimum", "Minimum boundary", found) {
        let exclusive = flag_of(schema, "exclusiveMinimum");
        if ordered(&min).is_some_and(|o| o.is_lt() || exclusive && o.is_eq()) {
            let or = if exclusive { "" } else { " or equal to" };
            c.invalid(found, place, value, &format!("should be greater than{or} {}", shown(&min)));
        }
    }
    if let Some(max) = bound("maximum", "Maximum boundary", found) {
        let exclusive = flag_of(schema, "exclusiveMaximum");
        if ordered(&max).is_some_and(|o| o.is_gt() || exclusive && o.is_eq()) {
            let or = if exclusive { "" } else { " or equal to" };
            c.invalid(found, place, value, &format!("should be less than{or} {}", shown(&max)));
        }
    }
    found.passed += 1;
}
