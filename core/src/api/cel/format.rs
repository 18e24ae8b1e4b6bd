//! `format`: a text with places for values. Models cel-go `ext/formatting.go`.

use super::functions::shown;
use super::types::Type;
use super::value::Val;
use crate::api::field::quote;

/// The text with its clauses filled in.
pub(super) fn format(text: &str, args: &[Val]) -> Result<String, String> {
    let mut out = String::new();
    let mut next = 0;
    clauses(text, &mut |part| {
        match part {
            Part::Text(c) => out.push(c),
            Part::Clause(clause, precision) => {
                let arg = args.get(next).ok_or_else(|| format!("index {next} out of range"))?;
                next += 1;
                out.push_str(&one(clause, precision, arg).map_err(|why| format!("error during formatting: {why}"))?);
            }
        }
        Ok(())
    })?;
    Ok(out)
}

/// Whether a text can be filled in with values of these types: if not, with which, and why.
pub(super) fn check(text: &str, types: &[Type]) -> Result<(), (Option<usize>, String)> {
    let (mut next, mut wrong) = (0, None);
    clauses(text, &mut |part| {
        if let Part::Clause(clause, _) = part {
            let ty = types.get(next).ok_or_else(|| format!("index {next} out of range"))?;
            if let Some(why) = unfit(clause, ty) {
                wrong = Some(next);
                return Err(format!("error during formatting: {why}"));
            }
            next += 1;
        }
        Ok(())
    })
    .map_err(|why| (wrong, why))?;
    match types.len() > next {
        true => {
            let given = types.len();
            Err((None, format!("too many arguments supplied to string.format (expected {next}, got {given})")))
        }
        false => Ok(()),
    }
}

enum Part {
    Text(char),
    Clause(char, Option<usize>),
}

fn clauses(text: &str, each: &mut dyn FnMut(Part) -> Result<(), String>) -> Result<(), String> {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            each(Part::Text(c))?;
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            each(Part::Text('%'))?;
            continue;
        }
        let unparsed = |why: String| format!("could not parse formatting clause: {why}");
        let mut precision = None;
        if chars.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                digits.push(d);
            }
            let number = digits.parse::<usize>().map_err(|_| {
                let why = "error while parsing precision: error while converting precision to integer";
                unparsed(format!("{why}: strconv.Atoi: parsing {}: invalid syntax", quote(&digits)))
            })?;
            precision = Some(number);
        }
        let clause = chars.next().ok_or_else(|| "unexpected end of string".to_owned())?;
        if !"sdfebxXo".contains(clause) {
            return Err(unparsed(format!("unrecognized formatting clause {}", quote(&clause.to_string()))));
        }
        each(Part::Clause(clause, precision))?;
    }
    Ok(())
}

/// What a clause takes, and what is said of anything else.
fn takes(clause: char) -> &'static str {
    match clause {
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
        'o' => "octal clause can only be used on integers",
        _ => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and \
             timestamps"
        }
    }
}

fn unfit(clause: char, ty: &Type) -> Option<String> {
    let fits = match ty {
        Type::Dyn | Type::Param(_) => true,
        Type::Named(name) => match clause {
            'd' | 'o' => matches!(*name, "int" | "uint"),
            'f' | 'e' => matches!(*name, "double" | "string"),
            'b' => matches!(*name, "int" | "uint" | "bool"),
            'x' | 'X' => matches!(*name, "int" | "uint" | "string" | "bytes"),
            _ => matches!(*name, "int" | "uint" | "double" | "bool" | "string" | "bytes" | "timestamp" | "duration"),
        },
        Type::List(_) | Type::Map(..) | Type::Null | Type::TypeOf => clause == 's',
        _ => false,
    };
    let name = match ty {
        Type::Named(name) => name,
        Type::List(_) => "list",
        Type::Map(..) => "map",
        Type::Null => "null_type",
        Type::TypeOf => "type",
        Type::Optional(_) => "optional_type",
        Type::Object(o) => &*o.name,
        Type::Dyn | Type::Param(_) => "dyn",
    };
    (!fits).then(|| format!("{}, was given {name}", takes(clause)))
}

fn one(clause: char, precision: Option<usize>, v: &Val) -> Result<String, String> {
    let wrong = || format!("{}, was given {}", takes(clause), v.type_name());
    let signed = |i: i64, text: String| if i < 0 { format!("-{text}") } else { text };
    let bytes = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    Ok(match (clause, v) {
        ('s', v) => plain(v).ok_or_else(wrong)?,
        ('d', Val::Int(_) | Val::Uint(_)) => plain(v).ok_or_else(wrong)?,
        ('f' | 'e', Val::Double(d)) if !d.is_finite() => if d.is_nan() {
            "NaN"
        } else if *d > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned(),
        ('f', Val::Double(d)) => format!("{d:.*}", precision.unwrap_or(6)),
        ('e', Val::Double(d)) => scientific(*d, 6),
        ('b', Val::Int(i)) => signed(*i, format!("{:b}", i.unsigned_abs())),
        ('b', Val::Uint(u)) => format!("{u:b}"),
        ('b', Val::Bool(b)) => u8::from(*b).to_string(),
        ('x', Val::Int(i)) => signed(*i, format!("{:x}", i.unsigned_abs())),
        ('X', Val::Int(i)) => signed(*i, format!("{:X}", i.unsigned_abs())),
        ('x', Val::Uint(u)) => format!("{u:x}"),
        ('X', Val::Uint(u)) => format!("{u:X}"),
        ('o', Val::Int(i)) => signed(*i, format!("{:o}", i.unsigned_abs())),
        ('o', Val::Uint(u)) => format!("{u:o}"),
        ('x', Val::Text(s)) => bytes(s.as_bytes()),
        ('X', Val::Text(s)) => bytes(s.as_bytes()).to_uppercase(),
        ('x', Val::Bytes(b)) => bytes(b),
        ('X', Val::Bytes(b)) => bytes(b).to_uppercase(),
        _ => return Err(wrong()),
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
            let items: Option<Vec<String>> = l.iter().map(within).collect();
            format!("[{}]", items?.join(", "))
        }
        Val::Map(m) => {
            let entries: Option<Vec<String>> =
                m.iter().map(|(k, v)| Some(format!("{}:{}", within(&k.to_val())?, within(v)?))).collect();
            format!("{{{}}}", entries?.join(", "))
        }
        other => shown(other)?,
    })
}

/// A value within another: texts have quotes there.
fn within(v: &Val) -> Option<String> {
    match v {
        Val::Text(s) => Some(quote(s)),
        other => plain(other),
    }
}
