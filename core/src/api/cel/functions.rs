//! The functions and operators of the language itself. Models cel-go `common/stdlib` and `ext`.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Authorize;
use super::eval::Outcome;
use super::library;
use super::value::{Val, parse_duration, show_duration};

pub(super) fn no_overload() -> String {
    "no such overload".to_owned()
}

/// Calls a function with its arguments, the receiver first if there is one.
pub(super) fn call(name: &str, member: bool, args: &[Val], authorize: Option<&Authorize<'_>>) -> Outcome {
    if let Some(found) = operator(name, args) {
        return found;
    }
    if let Some(found) = conversion(name, args) {
        return found;
    }
    let found = match args {
        [Val::Text(s), rest @ ..] if member => text(name, s, rest),
        [Val::List(l), rest @ ..] if member => list(name, l, rest),
        [Val::Timestamp(_) | Val::Duration(_), ..] => time(name, args),
        [Val::Optional(o), rest @ ..] if member => optional(name, o.as_deref(), rest),
        _ => None,
    };
    found
        .or_else(|| plain(name, args))
        .or_else(|| library::call(name, args, authorize))
        .unwrap_or_else(|| Err(unfit(name, args)))
}

/// What is said of a function that is called with what it can't take: some go by what their first argument can do, some by
/// all of them.
fn unfit(name: &str, args: &[Val]) -> String {
    let first = args.first();
    let number = matches!(first, Some(Val::Int(_) | Val::Uint(_) | Val::Double(_)));
    let time = matches!(first, Some(Val::Timestamp(_) | Val::Duration(_)));
    let text = matches!(first, Some(Val::Text(_) | Val::Bytes(_)));
    let able = match name {
        "_+_" => number || time || text || matches!(first, Some(Val::List(_))),
        "_-_" => number || time,
        "_*_" | "_/_" => number,
        "_%_" => matches!(first, Some(Val::Int(_) | Val::Uint(_))),
        "_<_" | "_<=_" | "_>_" | "_>=_" => number || time || text || matches!(first, Some(Val::Bool(_))),
        "size" => false,
        "startsWith" | "endsWith" | "contains" | "matches" | "!_" | "-_" | "@in" => true,
        name if name.starts_with("get") => true,
        _ => {
            let types: Vec<&str> = args.iter().map(Val::type_name).collect();
            return format!("no such overload: {name}({})", types.join(", "));
        }
    };
    if able { no_overload() } else { format!("no such overload: {name}") }
}

fn operator(name: &str, args: &[Val]) -> Option<Outcome> {
    Some(match (name, args) {
        ("!_", [Val::Bool(b)]) => Ok(Val::Bool(!b)),
        ("-_", [Val::Int(i)]) => i.checked_neg().map(Val::Int).ok_or_else(|| "integer overflow".to_owned()),
        ("-_", [Val::Double(d)]) => Ok(Val::Double(-d)),
        ("_==_", [a, b]) => Ok(Val::Bool(a.same(b))),
        ("_!=_", [a, b]) => Ok(Val::Bool(!a.same(b))),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => {
            // What is no number compares with nothing.
            let nan = |v: &Val| matches!(v, Val::Double(d) if d.is_nan());
            match a.compare(b) {
                Some(o) => Ok(Val::Bool(match name {
                    "_<_" => o == Ordering::Less,
                    "_<=_" => o != Ordering::Greater,
                    "_>_" => o == Ordering::Greater,
                    _ => o != Ordering::Less,
                })),
                None if nan(a) || nan(b) => Ok(Val::Bool(false)),
                None => Err(no_overload()),
            }
        }
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => arithmetic(name, a, b),
        ("@in", [v, Val::List(l)]) => Ok(Val::Bool(l.iter().any(|i| i.same(v)))),
        ("@in", [v, Val::Map(m)]) => Ok(Val::Bool(v.to_key().is_some_and(|k| m.contains_key(&k)))),
        ("@in", [Val::Text(s), Val::Object(o)]) => Ok(Val::Bool(o.contains_key(&**s))),
        ("_[_]" | "_[?_]", [of, at]) => index(of, at, name == "_[?_]"),
        _ => return None,
    })
}

fn arithmetic(name: &str, a: &Val, b: &Val) -> Outcome {
    let overflow = |what: &str| format!("{what} overflow");
    let zero = || (if name == "_%_" { "modulus by zero" } else { "division by zero" }).to_owned();
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => {
            if *b == 0 && matches!(name, "_/_" | "_%_") {
                return Err(zero());
            }
            let done = match name {
                "_+_" => a.checked_add(*b),
                "_-_" => a.checked_sub(*b),
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            done.map(Val::Int).ok_or_else(|| overflow("integer"))
        }
        (Val::Uint(a), Val::Uint(b)) => {
            if *b == 0 && matches!(name, "_/_" | "_%_") {
                return Err(zero());
            }
            let done = match name {
                "_+_" => a.checked_add(*b),
                "_-_" => a.checked_sub(*b),
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            done.map(Val::Uint).ok_or_else(|| overflow("unsigned integer"))
        }
        (Val::Double(a), Val::Double(b)) => match name {
            "_+_" => Ok(Val::Double(a + b)),
            "_-_" => Ok(Val::Double(a - b)),
            "_*_" => Ok(Val::Double(a * b)),
            "_/_" => Ok(Val::Double(a / b)),
            _ => Err(no_overload()),
        },
        (Val::Text(a), Val::Text(b)) if name == "_+_" => Ok(Val::text(&format!("{a}{b}"))),
        (Val::Bytes(a), Val::Bytes(b)) if name == "_+_" => Ok(Val::Bytes([&**a, &**b].concat().into())),
        (Val::List(a), Val::List(b)) if name == "_+_" => Ok(Val::List(Rc::new(a.plus(b)))),
        (Val::Timestamp(a), Val::Timestamp(b)) if name == "_-_" => {
            Ok(Val::Duration(a.as_nanosecond() - b.as_nanosecond()))
        }
        (Val::Timestamp(t), Val::Duration(d)) if matches!(name, "_+_" | "_-_") => {
            let nanos = if name == "_+_" { t.as_nanosecond() + d } else { t.as_nanosecond() - d };
            jiff::Timestamp::from_nanosecond(nanos).map(Val::Timestamp).map_err(|_| overflow("timestamp"))
        }
        (Val::Duration(_), Val::Timestamp(_)) if name == "_+_" => arithmetic(name, b, a),
        (Val::Duration(a), Val::Duration(b)) if matches!(name, "_+_" | "_-_") => {
            let sum = if name == "_+_" { a + b } else { a - b };
            i64::try_from(sum).map(|d| Val::Duration(d.into())).map_err(|_| overflow("integer"))
        }
        _ => Err(no_overload()),
    }
}

fn index(of: &Val, at: &Val, optional: bool) -> Outcome {
    let (of, optional) = match of {
        Val::Optional(None) => return Ok(Val::Optional(None)),
        Val::Optional(Some(v)) => (&**v, true),
        v => (v, optional),
    };
    let found = match (of, at) {
        (Val::List(l), at) => {
            let i = match at {
                Val::Int(i) => *i,
                Val::Uint(u) => i64::try_from(*u).unwrap_or(i64::MAX),
                Val::Double(d) if d.fract() == 0.0 => *d as i64,
                other => return Err(format!("unsupported index type '{}' in list", other.type_name())),
            };
            let found = usize::try_from(i).ok().and_then(|i| l.get(i)).cloned();
            found.ok_or_else(|| format!("index out of bounds: {i}"))
        }
        (Val::Map(m), at) => {
            let key = at.to_key().ok_or_else(no_overload)?;
            m.get(&key).cloned().ok_or_else(|| format!("no such key: {}", key.shown()))
        }
        (Val::Object(o), Val::Text(s)) => o.get(&**s).cloned().ok_or_else(|| format!("no such key: {s}")),
        (_, at) => match at.to_key() {
            Some(key) => Err(format!("no such key: {}", key.shown())),
            None => return Err(no_overload()),
        },
    };
    match (optional, found) {
        (true, found) => Ok(Val::Optional(found.ok().map(Rc::new))),
        (false, found) => found,
    }
}

fn conversion(name: &str, args: &[Val]) -> Option<Outcome> {
    let [v] = args else { return None };
    Some(match (name, v) {
        ("int", Val::Int(_))
        | ("uint", Val::Uint(_))
        | ("double", Val::Double(_))
        | ("string", Val::Text(_))
        | ("bool", Val::Bool(_))
        | ("bytes", Val::Bytes(_))
        | ("timestamp", Val::Timestamp(_))
        | ("duration", Val::Duration(_))
        | ("dyn", _) => Ok(v.clone()),
        ("int", Val::Uint(u)) => i64::try_from(*u).map(Val::Int).map_err(|_| "integer overflow".to_owned()),
        ("int", Val::Double(d)) if d.abs() < 9.2e18 => Ok(Val::Int(*d as i64)),
        ("int", Val::Double(_)) => Err("integer overflow".to_owned()),
        ("int", Val::Text(s)) => s.parse().map(Val::Int).map_err(|_| unlike(v, "int")),
        ("int", Val::Timestamp(t)) => Ok(Val::Int(t.as_second())),
        ("int", Val::Duration(d)) => Ok(Val::Int(i64::try_from(*d).unwrap_or(i64::MAX))),
        ("uint", Val::Int(i)) => u64::try_from(*i).map(Val::Uint).map_err(|_| "unsigned integer overflow".to_owned()),
        ("uint", Val::Double(d)) if *d >= 0.0 && *d < 1.8e19 => Ok(Val::Uint(*d as u64)),
        ("uint", Val::Double(_)) => Err("unsigned integer overflow".to_owned()),
        ("uint", Val::Text(s)) => s.parse().map(Val::Uint).map_err(|_| unlike(v, "uint")),
        ("double", Val::Int(i)) => Ok(Val::Double(*i as f64)),
        ("double", Val::Uint(u)) => Ok(Val::Double(*u as f64)),
        ("double", Val::Text(s)) => s.parse().map(Val::Double).map_err(|_| unlike(v, "double")),
        ("bool", Val::Text(s)) => match &**s {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Val::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Val::Bool(false)),
            _ => Err(unlike(v, "bool")),
        },
        ("bytes", Val::Text(s)) => Ok(Val::Bytes(s.as_bytes().into())),
        ("string", Val::Bytes(b)) if std::str::from_utf8(b).is_err() => {
            Err("invalid UTF-8 in bytes, cannot convert to string".to_owned())
        }
        ("string", v) => shown(v).map(|s| Val::text(&s)).ok_or_else(|| unfit(name, args)),
        ("timestamp", Val::Text(s)) => match crate::api::decode::parse_rfc3339_nano(s) {
            Ok(t) => Ok(Val::Timestamp(t)),
            Err(_) => Err(unlike(v, "google.protobuf.Timestamp")),
        },
        ("timestamp", Val::Int(i)) => {
            jiff::Timestamp::from_second(*i).map(Val::Timestamp).map_err(|_| "timestamp overflow".to_owned())
        }
        ("duration", Val::Text(s)) => {
            let found = parse_duration(s).filter(|d| i64::try_from(*d).is_ok());
            found.map(Val::Duration).ok_or_else(|| unlike(v, "google.protobuf.Duration"))
        }
        ("duration", Val::Int(_)) => Err(unlike(v, "google.protobuf.Duration")),
        ("type", v) => Ok(Val::Type(v.type_name())),
        _ => return None,
    })
}

/// What is said of a value that can't be made one of a type.
fn unlike(v: &Val, wanted: &str) -> String {
    format!("type conversion error from '{}' to '{wanted}'", v.type_name())
}

/// A value as `string()` has it.
pub(super) fn shown(v: &Val) -> Option<String> {
    Some(match v {
        Val::Bool(b) => b.to_string(),
        Val::Int(i) => i.to_string(),
        Val::Uint(u) => u.to_string(),
        Val::Double(d) => crate::api::patch::go_double(*d),
        Val::Text(s) => s.to_string(),
        Val::Bytes(b) => String::from_utf8(b.to_vec()).ok()?,
        Val::Timestamp(t) => t.to_string(),
        Val::Duration(d) => show_duration(*d),
        Val::Ip(ip) => crate::api::validation::show_ip(*ip),
        Val::Cidr(ip, bits) => format!("{}/{bits}", crate::api::validation::show_ip(*ip)),
        _ => return None,
    })
}

/// The functions that have no receiver, or any.
fn plain(name: &str, args: &[Val]) -> Option<Outcome> {
    Some(match (name, args) {
        ("size", [Val::Text(s)]) => Ok(Val::Int(s.chars().count() as i64)),
        ("size", [Val::Bytes(b)]) => Ok(Val::Int(b.len() as i64)),
        ("size", [Val::List(l)]) => Ok(Val::Int(l.len() as i64)),
        ("size", [Val::Map(m)]) => Ok(Val::Int(m.len() as i64)),
        ("size", [Val::Object(o)]) => Ok(Val::Int(o.len() as i64)),
        ("matches", [Val::Text(s), Val::Text(pattern)]) => library::regex(pattern).map(|r| Val::Bool(r.is_match(s))),
        ("strings.quote", [Val::Text(s)]) => Ok(Val::text(&crate::api::field::quote(s))),
        ("lists.range", [Val::Int(n)]) => Ok(Val::list((0..(*n).clamp(0, 100_000)).map(Val::Int).collect())),
        ("sets.contains", [Val::List(a), Val::List(b)]) => Ok(Val::Bool(holds_all(a, b))),
        ("sets.equivalent", [Val::List(a), Val::List(b)]) => Ok(Val::Bool(holds_all(a, b) && holds_all(b, a))),
        ("sets.intersects", [Val::List(a), Val::List(b)]) => {
            Ok(Val::Bool(a.iter().any(|x| b.iter().any(|y| x.same(y)))))
        }
        ("optional.of", [v]) => Ok(Val::some(v.clone())),
        ("optional.ofNonZeroValue", [v]) => Ok(if v.is_zero() { Val::Optional(None) } else { Val::some(v.clone()) }),
        ("optional.none", []) => Ok(Val::Optional(None)),
        _ => return None,
    })
}

fn holds_all(a: &[Val], b: &[Val]) -> bool {
    b.iter().all(|x| a.iter().any(|y| x.same(y)))
}

fn extreme(args: &[Val], wanted: Ordering) -> Outcome {
    let items: &[Val] = match args {
        [Val::List(l)] => l,
        all => all,
    };
    let mut best = items.first().cloned().ok_or_else(no_overload)?;
    for v in items.iter().skip(1) {
        if v.compare(&best).ok_or_else(no_overload)? == wanted {
            best = v.clone();
        }
    }
    Ok(best)
}

fn optional(name: &str, of: Option<&Val>, rest: &[Val]) -> Option<Outcome> {
    Some(match (name, of, rest) {
        ("hasValue", of, []) => Ok(Val::Bool(of.is_some())),
        ("value", Some(v), []) => Ok(v.clone()),
        ("value", None, []) => Err("optional.none() dereference".to_owned()),
        ("orValue" | "or", None, [other]) => Ok(other.clone()),
        ("orValue", Some(v), [_]) => Ok(v.clone()),
        _ => return None,
    })
}

/// The characters between two places, or where that is out of the text.
fn between(s: &str, from: i64, to: i64) -> Result<String, String> {
    let length = s.chars().count() as i64;
    if from > to && (0..=length).contains(&from) && (0..=length).contains(&to) {
        return Err(format!("invalid substring range. start: {from}, end: {to}"));
    }
    if from > to || from < 0 || to > length {
        let bad = if from < 0 || from > length { from } else { to };
        return Err(format!("index out of range: {bad}"));
    }
    Ok(s.chars().skip(from as usize).take((to - from) as usize).collect())
}

fn position(s: &str, part: &str, from: usize, last: bool) -> i64 {
    let (all, part): (Vec<char>, Vec<char>) = (s.chars().collect(), part.chars().collect());
    let fits = |i: usize| all.get(i..i + part.len()).is_some_and(|w| w == part.as_slice());
    let found = if last { (0..=from).rev().find(|i| fits(*i)) } else { (from..=all.len()).find(|i| fits(*i)) };
    found.map_or(-1, |i| i as i64)
}

fn text(name: &str, s: &Rc<str>, rest: &[Val]) -> Option<Outcome> {
    let length = s.chars().count();
    let clamp = |n: &i64| usize::try_from(*n).unwrap_or(0).min(length);
    Some(match (name, rest) {
        ("contains", [Val::Text(t)]) => Ok(Val::Bool(s.contains(&**t))),
        ("startsWith", [Val::Text(t)]) => Ok(Val::Bool(s.starts_with(&**t))),
        ("endsWith", [Val::Text(t)]) => Ok(Val::Bool(s.ends_with(&**t))),
        ("charAt", [Val::Int(i)]) => between(s, *i, (*i + 1).min(length as i64)).map(|c| Val::text(&c)),
        ("indexOf", [Val::Text(t)]) => Ok(Val::Int(position(s, t, 0, false))),
        ("indexOf" | "lastIndexOf", [Val::Text(_), Val::Int(from)]) if *from < 0 => {
            Err(format!("index out of range: {from}"))
        }
        ("indexOf", [Val::Text(t), Val::Int(from)]) => Ok(Val::Int(position(s, t, clamp(from), false))),
        ("lastIndexOf", [Val::Text(t), Val::Int(from)]) if *from >= length as i64 && !t.is_empty() => Ok(Val::Int(-1)),
        ("lastIndexOf", [Val::Text(t)]) => Ok(Val::Int(position(s, t, length, true))),
        ("lastIndexOf", [Val::Text(t), Val::Int(from)]) => Ok(Val::Int(position(s, t, clamp(from), true))),
        ("lowerAscii", []) => Ok(Val::text(&s.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Val::text(&s.to_ascii_uppercase())),
        ("trim", []) => Ok(Val::text(s.trim())),
        ("replace", [Val::Text(a), Val::Text(b)]) => Ok(Val::text(&s.replace(&**a, b))),
        ("replace", [Val::Text(a), Val::Text(b), Val::Int(n)]) => Ok(Val::text(&match usize::try_from(*n) {
            Ok(n) => s.replacen(&**a, b, n),
            Err(_) => s.replace(&**a, b),
        })),
        ("split", [Val::Text(by)]) => Ok(Val::list(split(s, by, -1))),
        ("split", [Val::Text(by), Val::Int(n)]) => Ok(Val::list(split(s, by, *n))),
        ("substring", [Val::Int(from)]) => between(s, *from, length as i64).map(|t| Val::text(&t)),
        ("substring", [Val::Int(from), Val::Int(to)]) => between(s, *from, *to).map(|t| Val::text(&t)),
        ("format", [Val::List(args)]) => super::format::format(s, args).map(|t| Val::text(&t)),
        ("find", [Val::Text(pattern)]) => {
            library::regex(pattern).map(|r| Val::text(r.find(s).map_or("", |m| m.as_str())))
        }
        ("findAll", [Val::Text(pattern), limit @ ..]) => {
            let max = match limit {
                [Val::Int(n)] => usize::try_from(*n).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            library::regex(pattern)
                .map(|r| Val::list(r.find_iter(s).take(max).map(|m| Val::text(m.as_str())).collect()))
        }
        _ => return None,
    })
}

fn split(s: &str, by: &str, n: i64) -> Vec<Val> {
    let parts: Vec<String> = match by {
        "" => s.chars().map(String::from).collect(),
        by => s.split(by).map(str::to_owned).collect(),
    };
    let Ok(max) = usize::try_from(n) else { return parts.iter().map(|p| Val::text(p)).collect() };
    let head = parts.len().min(max.saturating_sub(1));
    let mut out: Vec<Val> = parts.iter().take(head).map(|p| Val::text(p)).collect();
    let rest: Vec<&str> = parts.iter().skip(head).map(String::as_str).collect();
    if max > 0 && !rest.is_empty() {
        out.push(Val::text(&rest.join(by)));
    }
    out
}

fn sorted(l: &[Val]) -> Result<Vec<Val>, String> {
    let mut all = l.to_vec();
    if all.windows(2).any(|w| matches!(w, [a, b] if a.type_name() != b.type_name())) {
        return Err("list elements must have the same type".to_owned());
    }
    all.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
    Ok(all)
}

fn list(name: &str, l: &[Val], rest: &[Val]) -> Option<Outcome> {
    let place = |found: Option<usize>| Ok(Val::Int(found.map_or(-1, |i| i as i64)));
    Some(match (name, rest) {
        ("isSorted", []) => {
            let mut ordered = true;
            for pair in l.windows(2) {
                if let [a, b] = pair {
                    match a.compare(b) {
                        Some(o) => ordered &= o != Ordering::Greater,
                        None => return Some(Err(no_overload())),
                    }
                }
            }
            Ok(Val::Bool(ordered))
        }
        ("sum", []) => {
            let first = l.first().map_or(Val::Int(0), |v| match v {
                Val::Double(_) => Val::Double(0.0),
                Val::Uint(_) => Val::Uint(0),
                Val::Duration(_) => Val::Duration(0),
                _ => Val::Int(0),
            });
            l.iter().try_fold(first, |sum, v| arithmetic("_+_", &sum, v))
        }
        ("min" | "max", []) if l.is_empty() => Err(format!("{name} called on empty list")),
        ("min", []) => extreme(l, Ordering::Less),
        ("max", []) => extreme(l, Ordering::Greater),
        ("indexOf", [v]) => place(l.iter().position(|i| i.same(v))),
        ("lastIndexOf", [v]) => place(l.iter().rposition(|i| i.same(v))),
        ("join", []) | ("join", [Val::Text(_)]) => {
            let by = match rest {
                [Val::Text(by)] => &**by,
                _ => "",
            };
            let texts: Option<Vec<&str>> =
                l.iter().map(|v| if let Val::Text(s) = v { Some(&**s) } else { None }).collect();
            texts.map(|t| Val::text(&t.join(by))).ok_or_else(|| "no such overload: join(list)".to_owned())
        }
        ("slice", [Val::Int(from), Val::Int(to)]) if *from < 0 || *to < 0 => {
            Err(format!("cannot slice({from}, {to}), negative indexes not supported"))
        }
        ("slice", [Val::Int(from), Val::Int(to)]) if from > to => {
            Err(format!("cannot slice({from}, {to}), start index must be less than or equal to end index"))
        }
        ("slice", [Val::Int(from), Val::Int(to)]) => {
            let range = usize::try_from(*from).ok().zip(usize::try_from(*to).ok()).and_then(|(f, t)| l.get(f..t));
            range
                .map(|r| Val::list(r.to_vec()))
                .ok_or_else(|| format!("cannot slice({from}, {to}), list is length {}", l.len()))
        }
        ("flatten", depth) => {
            let depth = match depth {
                [Val::Int(n)] => *n,
                _ => 1,
            };
            Ok(Val::list(flat(l, depth)))
        }
        ("distinct", []) => {
            let mut kept: Vec<Val> = Vec::new();
            for v in l.iter() {
                if !kept.iter().any(|k| k.same(v)) {
                    kept.push(v.clone());
                }
            }
            Ok(Val::list(kept))
        }
        ("sort", []) => sorted(l).map(Val::list),
        ("reverse", []) => Ok(Val::list(l.iter().rev().cloned().collect())),
        ("first", []) => Ok(Val::Optional(l.first().cloned().map(Rc::new))),
        ("last", []) => Ok(Val::Optional(l.last().cloned().map(Rc::new))),
        _ => return None,
    })
}

fn flat(l: &[Val], depth: i64) -> Vec<Val> {
    let mut out = Vec::new();
    for v in l {
        match v {
            Val::List(inner) if depth > 0 => out.extend(flat(inner, depth - 1)),
            other => out.push(other.clone()),
        }
    }
    out
}

/// Parts of times, by the clock of UTC or of an offset.
fn time(name: &str, args: &[Val]) -> Option<Outcome> {
    if let [Val::Duration(d)] = args {
        let part = match name {
            "getHours" => d / 3_600_000_000_000,
            "getMinutes" => d / 60_000_000_000,
            "getSeconds" => d / 1_000_000_000,
            "getMilliseconds" => d / 1_000_000,
            _ => return None,
        };
        return Some(Ok(Val::Int(i64::try_from(part).unwrap_or(i64::MAX))));
    }
    let (t, zone) = match args {
        [Val::Timestamp(t)] => (t, jiff::tz::TimeZone::UTC),
        [Val::Timestamp(t), Val::Text(zone)] => match offset(zone) {
            Some(zone) => (t, zone),
            None => return Some(Err(format!("unknown time zone {zone}"))),
        },
        _ => return None,
    };
    let z = t.to_zoned(zone);
    let part = match name {
        "getFullYear" => i64::from(z.year()),
        "getMonth" => i64::from(z.month()) - 1,
        "getDayOfYear" => i64::from(z.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(z.day()) - 1,
        "getDate" => i64::from(z.day()),
        "getDayOfWeek" => i64::from(z.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(z.hour()),
        "getMinutes" => i64::from(z.minute()),
        "getSeconds" => i64::from(z.second()),
        "getMilliseconds" => i64::from(z.millisecond()),
        _ => return None,
    };
    Some(Ok(Val::Int(part)))
}

fn offset(zone: &str) -> Option<jiff::tz::TimeZone> {
    if matches!(zone, "UTC" | "" | "Etc/UTC") {
        return Some(jiff::tz::TimeZone::UTC);
    }
    if !zone.contains(':') {
        return crate::api::zone::named(zone).ok();
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60);
    Some(jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?))
}
