//! What an evaluation costs in truth. Models cel-go `interpreter/runtimecost.go` with the trackers of `ext`, and apiserver
//! `pkg/cel/library/cost.go`.

use std::net::IpAddr;

use super::tree::{Expr, Kind};
use super::value::Val;

/// What a list costs to make, and a map, and an object.
pub(super) const LIST: u64 = 10;
pub(super) const MAP: u64 = 30;
pub(super) const MESSAGE: u64 = 40;

/// A constant, which is known before anything is evaluated and costs nothing.
pub(super) fn is_constant(e: &Expr) -> bool {
    match &e.kind {
        Kind::Literal(_) => true,
        Kind::List(items) => items.iter().all(|(item, _)| is_constant(item)),
        Kind::Map(entries) => entries.iter().all(|(k, v, _)| is_constant(k) && is_constant(v)),
        Kind::Call { name, target: None, args } => match args.as_slice() {
            [one] => is_conversion(name) && is_constant(one),
            [_, Expr { kind: Kind::List(items), .. }] => name == "@in" && items.is_empty(),
            _ => false,
        },
        Kind::Ident(name) => super::types::NAMES.contains(&name.as_str()),
        Kind::Select { .. } => e.dotted().is_some_and(|name| super::types::NAMES.contains(&name.as_str())),
        _ => false,
    }
}

/// Whether a function converts to a type of the language.
pub(super) fn is_conversion(name: &str) -> bool {
    matches!(name, "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type" | "uint")
}

/// A variable or what is selected of something: the first step of it costs, where it is evaluated for itself.
pub(super) fn is_attribute(e: &Expr) -> bool {
    match &e.kind {
        Kind::Ident(_) | Kind::Select { .. } => !is_constant(e),
        Kind::Call { name, .. } => matches!(name.as_str(), "_[_]" | "_[?_]" | "_?_:_"),
        _ => false,
    }
}

/// Whether it is a choice, which costs nothing by itself.
pub(super) fn is_choice(e: &Expr) -> bool {
    matches!(&e.kind, Kind::Call { name, .. } if name == "_?_:_")
}

/// A list of constants in which a value is looked up at once.
pub(super) fn is_set(e: &Expr) -> bool {
    let plain = |v: &Expr| match &v.kind {
        Kind::Literal(v) => !matches!(v, Val::Null | Val::Bytes(_)),
        _ => false,
    };
    matches!(&e.kind, Kind::List(items) if items.iter().all(|(v, _)| plain(v)))
}

fn size(v: &Val) -> u64 {
    match v {
        Val::Text(s) => s.chars().count() as u64,
        Val::Bytes(b) => b.len() as u64,
        Val::List(l) => l.len() as u64,
        Val::Map(m) => m.len() as u64,
        Val::Object(o) => o.len() as u64,
        Val::Ip(ip) => bytes(*ip),
        Val::Cidr(_, bits) => u64::from(*bits).div_ceil(8),
        Val::Optional(Some(v)) => size(v),
        _ => 1,
    }
}

fn bytes(ip: IpAddr) -> u64 {
    if ip.is_ipv4() { 4 } else { 16 }
}

fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

/// Going over a value and all that is in it.
fn traversal(v: &Val) -> u64 {
    match v {
        Val::Text(s) => (s.len() as f64 * 0.1) as u64,
        Val::Bytes(b) => (b.len() as f64 * 0.1) as u64,
        Val::List(l) => l.iter().map(traversal).sum(),
        Val::Map(m) => m.iter().map(|(k, v)| traversal(&k.to_val()) + traversal(v)).sum(),
        Val::Object(o) => o.iter().map(|(k, v)| traversal(&Val::text(k)) + traversal(v)).sum(),
        _ => 1,
    }
}

fn regex(text: &Val, pattern: &Val) -> u64 {
    scaled(1 + size(text), 0.1) * scaled(size(pattern), 0.25)
}

/// A list that is made anew of so many.
fn allocating(size: u64, factor: f64) -> u64 {
    (size as f64 * factor) as u64 + 1 + LIST
}

/// A list's items compared with each other.
fn self_compare(list: &Val) -> u64 {
    let Val::List(l) = list else { return 1 };
    let texts = matches!(l.first(), Some(Val::Text(_) | Val::Bytes(_)));
    let n = l.len() as u64;
    allocating(n * n, if texts { 2.1 } else { 2.0 })
}

/// A call with its arguments, the receiver first, and what came of it.
pub(super) fn call(name: &str, member: bool, args: &[Val], result: &Result<Val, String>) -> u64 {
    match (name, args) {
        ("or" | "orValue", _) => 0,
        ("matches", _) if !member => 1,
        ("check", _) => 350_000,
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", [of, ..]) => traversal(of),
        ("url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "jsonpatch.escapeKey", [of, ..]) => {
            scaled(size(of), 0.1)
        }
        ("replace" | "split", [of, ..]) => scaled(size(of), 0.2),
        ("join", [_, ..]) => result.as_ref().map_or(1, |r| scaled(size(r), 0.2)),
        ("find" | "findAll", [text, pattern, ..]) => regex(text, pattern),
        ("matches", [text, pattern]) => regex(text, pattern),
        ("ip", [Val::Cidr(..)]) => 1,
        ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", [of, ..]) => {
            scaled(size(of), 0.1)
        }
        ("ip.isCanonical", [of, ..]) => scaled(size(of), 0.2),
        ("containsIP" | "containsCIDR", [of, other]) => {
            let mut cost = scaled(2 * size(of), 0.1);
            if name == "containsCIDR" {
                cost += scaled(size(of), 0.1) + 1;
            }
            if matches!(other, Val::Text(_)) {
                cost += scaled(size(other), 0.1);
            }
            cost
        }
        ("validate", [Val::Format(f), text]) => {
            scaled(1 + size(text), 0.1) * scaled(super::library::longest_regex(f), 0.25)
        }
        ("sets.contains" | "sets.intersects", [a, b]) => 1 + size(a) * size(b),
        ("sets.equivalent", [a, b]) => 1 + size(a) * size(b) * 2,
        ("slice" | "lists.range" | "reverse", _) => result.as_ref().map_or(1, |r| allocating(size(r), 1.0)),
        ("flatten", [of]) => allocating(size(of), 1.0),
        ("flatten", [of, Val::Int(depth)]) => allocating(size(of), *depth as f64),
        ("distinct" | "sort", [of]) => self_compare(of),
        ("startsWith" | "endsWith" | "format" | "strings.quote", [of, ..]) => scaled(size(of), 0.1),
        ("bytes", [Val::Text(_)]) | ("string", [Val::Bytes(_)]) => args.first().map_or(1, |of| scaled(size(of), 0.1)),
        ("@in", [_, Val::List(l)]) => l.len() as u64,
        (
            "_==_",
            [Val::Quantity(_) | Val::Ip(_) | Val::Cidr(..) | Val::Format(_) | Val::Url(_) | Val::Semver(..), _],
        ) => 1,
        ("_==_" | "_!=_", [a, b]) => scaled(size(a).min(size(b)), 0.1),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [Val::Text(_) | Val::Bytes(_), Val::Text(_) | Val::Bytes(_)]) => {
            args.iter().map(size).min().map_or(1, |least| scaled(least, 0.1))
        }
        ("_+_", [a @ (Val::Text(_) | Val::Bytes(_)), b @ (Val::Text(_) | Val::Bytes(_))]) => {
            scaled(size(a) + size(b), 0.1)
        }
        ("contains", [text, part]) => scaled(size(text), 0.1) * scaled(size(part), 0.1),
        _ => 1,
    }
}

/// Items sorted by keys.
pub(super) fn sorted_by(keys: Vec<Val>) -> u64 {
    self_compare(&Val::list(keys))
}
