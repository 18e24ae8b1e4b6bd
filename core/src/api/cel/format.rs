//! `format`: a text with places for values. Models cel-go `ext/formatting.go`.

use super::functions::shown;
use super::value::Val;

/// The text with its clauses filled in.
pub(super) fn format(text: &str, args: &[Val]) -> Result<String, String> {
    let mut out = String::new();
    let (mut chars, mut next) = (text.chars().peekable(), 0);
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut precision = None;
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = String::new();
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                digits.push(d);
            }
            precision = digits.parse::<usize>().ok();
        }
        let Some(clause) = chars.next() else { return Err("unexpected end of string".to_owned()) };
        let arg = args.get(next).ok_or_else(|| format!("index {next} out of range"))?;
        next += 1;
        out.push_str(&one(clause, precision, arg)?);
    }
    Ok(out)
}

fn one(clause: char, precision: Option<usize>, v: &Val) -> Result<String, String> {
    let wrong = || {
        let name = v.type_name();
        format!("error during formatting: unsupported type for clause '%{clause}': {name}")
    };
    Ok(match (clause, v) {
        ('s', v) => plain(v).ok_or_else(wrong)?,
        ('d', Val::Int(_) | Val::Uint(_)) => plain(v).ok_or_else(wrong)?,
        ('d', Val::Double(d)) if d.fract() == 0.0 => format!("{d}"),
        ('f', Val::Double(d)) => format!("{d:.*}", precision.unwrap_or(6)),
        ('f', Val::Int(i)) => format!("{:.*}", precision.unwrap_or(6), *i as f64),
        ('e', Val::Double(d)) => scientific(*d, precision.unwrap_or(6)),
        ('b', Val::Int(i)) => format!("{i:b}"),
        ('b', Val::Bool(b)) => u8::from(*b).to_string(),
        ('x', Val::Int(i)) => format!("{i:x}"),
        ('X', Val::Int(i)) => format!("{i:X}"),
        ('o', Val::Int(i)) => format!("{i:o}"),
        ('x', Val::Text(s)) => s.bytes().map(|b| format!("{b:02x}")).collect(),
        ('X', Val::Text(s)) => s.bytes().map(|b| format!("{b:02X}")).collect(),
        ('d' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o', _) => return Err(wrong()),
        (other, _) => return Err(format!("unrecognized formatting clause: {other}")),
    })
}

/// Exponents as `golang.org/x/text/message` prints them: two digits at least, raised.
fn scientific(d: f64, precision: usize) -> String {
    let text = format!("{d:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("\u{207b}", digits));
    let digits = format!("{digits:0>2}");
    let raised = digits.chars().map(|c| match c {
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    });
    format!("{mantissa}\u{d7}10{sign}{}", raised.collect::<String>())
}

/// A value as `%s` shows it.
fn plain(v: &Val) -> Option<String> {
    Some(match v {
        Val::Null => "null".to_owned(),
        Val::Type(name) => (*name).to_owned(),
        Val::List(l) => {
            let items: Option<Vec<String>> = l.iter().map(plain).collect();
            format!("[{}]", items?.join(", "))
        }
        Val::Map(m) => {
            let entries: Option<Vec<String>> =
                m.iter().map(|(k, v)| Some(format!("{}: {}", k.shown(), plain(v)?))).collect();
            format!("{{{}}}", entries?.join(", "))
        }
        other => shown(other)?,
    })
}
