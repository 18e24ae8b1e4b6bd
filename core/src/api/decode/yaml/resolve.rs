//! What a plain scalar means: null, a boolean, a number or just text.
//! Models go.yaml.in/yaml/v2 `resolve.go`.

use base64::Engine as _;

use crate::api::field::quote;

/// A scalar's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    String(String),
}

const PREFIX: &str = "tag:yaml.org,2002:";

/// encoding/json's float64: the shortest digits, with an exponent outside 1e-6 to 1e21.
pub(super) fn go_float(f: f64) -> String {
    let a = f.abs();
    if a != 0.0 && !(1e-6..1e21).contains(&a) {
        let s = format!("{f:e}");
        return match s.split_once('e') {
            Some((m, e)) if !e.starts_with('-') => format!("{m}e+{e}"),
            _ => s,
        };
    }
    format!("{f}")
}

impl Scalar {
    /// The key it makes in a JSON object.
    pub(super) fn as_key(&self) -> Result<String, String> {
        match self {
            Scalar::String(s) => Ok(s.clone()),
            Scalar::Int(i) => Ok(i.to_string()),
            Scalar::Bool(b) => Ok(b.to_string()),
            Scalar::Float(f) if f.is_nan() => Ok(".nan".to_owned()),
            Scalar::Float(f) if f.is_infinite() => Ok(if *f > 0.0 { ".inf" } else { "-.inf" }.to_owned()),
            Scalar::Float(f) => Ok(format!("{}", *f as f32)),
            Scalar::Uint(u) => {
                Err(format!("unsupported map key of type: uint64, key: 0x{u:x}, value: interface {{}}(nil)"))
            }
            Scalar::Null => {
                Err("unsupported map key of type: %!s(<nil>), key: <nil>, value: interface {}(nil)".to_owned())
            }
        }
    }
}

/// Go's `ParseInt(s, 0, 64)` and `ParseUint` after it: bases by prefix, no underscores left.
fn integer(s: &str) -> Option<Scalar> {
    let (negative, digits) = match s.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    let signed = digits.len() != s.len();
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let n = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return i64::try_from(-i128::from(n)).ok().map(Scalar::Int);
    }
    match i64::try_from(n) {
        Ok(i) => Some(Scalar::Int(i)),
        // ParseUint takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Uint(n)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(s: &str) -> bool {
    let s = s.strip_prefix(['-', '+']).unwrap_or(s);
    let (mantissa, exponent) = match s.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e.strip_prefix(['-', '+']).unwrap_or(e))),
        None => (s, None),
    };
    let digits = |d: &str| d.bytes().all(|c| c.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", f)) => !f.is_empty() && digits(f),
        Some((i, f)) => digits(i) && digits(f),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_ok && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

fn by_name(s: &str) -> Option<Scalar> {
    Some(match s {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn guess(s: &str) -> Scalar {
    if let Some(v) = by_name(s) {
        return v;
    }
    let text = || Scalar::String(s.to_owned());
    match s.bytes().next() {
        Some(b'.') => {
            if is_float(s) {
                s.parse().map_or_else(|_| text(), Scalar::Float)
            } else {
                text()
            }
        }
        Some(b'0'..=b'9' | b'-' | b'+') => {
            let plain = s.replace('_', "");
            if let Some(i) = integer(&plain) {
                return i;
            }
            if is_float(&plain) { plain.parse().map_or_else(|_| text(), Scalar::Float) } else { text() }
        }
        _ => text(),
    }
}

/// The value of a scalar; quoted ones are text unless a tag says otherwise.
pub(super) fn resolve(s: &str, tag: Option<&str>, plain: bool) -> Result<Scalar, String> {
    let short = match tag {
        None if !plain => "str",
        None => "",
        Some("!") => "str",
        Some(t) => t.strip_prefix(PREFIX).unwrap_or(""),
    };
    if short == "str" {
        return Ok(Scalar::String(s.to_owned()));
    }
    if short == "binary" {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(s.split_whitespace().collect::<String>())
            .map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
        return Ok(Scalar::String(String::from_utf8_lossy(&bytes).into_owned()));
    }
    let value = guess(s);
    let found = match value {
        Scalar::Null => "null",
        Scalar::Bool(_) => "bool",
        Scalar::Int(_) | Scalar::Uint(_) => "int",
        Scalar::Float(_) => "float",
        Scalar::String(_) => "str",
    };
    match (short, value) {
        ("float", Scalar::Int(i)) => Ok(Scalar::Float(i as f64)),
        ("int" | "float" | "bool" | "null", _) if short != found => {
            Err(format!("cannot decode !!{found} {} as a !!{short}", quote(s).replace('"', "`")))
        }
        (_, value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars() {
        use Scalar::*;
        for (text, want) in [
            ("", Null),
            ("~", Null),
            ("yes", Bool(true)),
            ("off", Bool(false)),
            ("12", Int(12)),
            ("0x1F", Int(31)),
            ("0755", Int(493)),
            ("0o17", Int(15)),
            ("1_000", Int(1000)),
            ("-5", Int(-5)),
            ("18446744073709551615", Uint(u64::MAX)),
            ("1.5", Float(1.5)),
            ("1e3", Float(1000.0)),
            (".5", Float(0.5)),
            ("09", Float(9.0)),
            ("1.2.3", String("1.2.3".into())),
            ("2020-01-01", String("2020-01-01".into())),
            ("12:30:45", String("12:30:45".into())),
            ("100m", String("100m".into())),
            ("-", String("-".into())),
            ("nope", String("nope".into())),
        ] {
            assert_eq!(resolve(text, None, true), Ok(want), "{text}");
        }
        assert_eq!(resolve("12", None, false), Ok(String("12".into())));
        assert_eq!(resolve("12", Some("tag:yaml.org,2002:str"), true), Ok(String("12".into())));
        assert_eq!((go_float(1e21), go_float(1e-7), go_float(0.5)), ("1e+21".into(), "1e-7".into(), "0.5".into()));
    }
}
