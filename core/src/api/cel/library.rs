//! What Kubernetes adds to the language. Models apiserver `pkg/cel/library`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use regex_lite::Regex;

use super::Authorize;
use super::eval::Outcome;
use super::functions::no_overload;
use super::ip::{parse_cidr, parse_ip};
use super::url::{self, Url};
use super::value::{Key, Question, Stage, Val};
use crate::api::go_regex;
use crate::api::quantity::Quantity;
use crate::api::validation;

/// Go's syntax, as near as it comes.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    go_regex::check(pattern)?;
    Regex::new(pattern).map_err(|_| format!("error parsing regexp: {pattern}"))
}

pub(super) fn call(name: &str, args: &[Val], authorize: Option<&Authorize<'_>>) -> Option<Outcome> {
    match args {
        [Val::Quantity(q), rest @ ..] => quantity(name, *q, rest),
        [Val::Url(u)] => part_of_url(name, u),
        [Val::Ip(ip)] => address(name, *ip),
        [Val::Cidr(ip, bits), rest @ ..] => network(name, (*ip, *bits), rest),
        [Val::Semver(v, before, _), rest @ ..] => semver(name, (v, before), rest),
        [Val::Format(f), Val::Text(s)] if name == "validate" => Some(Ok(validate(f, s))),
        [Val::Question(q), rest @ ..] => Some(question(name, q, rest, authorize)),
        _ => made(name, args),
    }
}

/// The functions that make one of these out of a text.
fn made(name: &str, args: &[Val]) -> Option<Outcome> {
    if let Some(format) = name.strip_prefix("format.").filter(|_| args.is_empty()) {
        return FORMATS.iter().find(|f| **f == format).map(|f| Ok(Val::Format(f)));
    }
    let [Val::Text(s), ..] = args else { return None };
    Some(match name {
        "quantity" => Quantity::parse(s).map(Val::Quantity).map_err(|e| e.to_string()),
        "isQuantity" => Ok(Val::Bool(Quantity::parse(s).is_ok())),
        "url" => match url::parse(s) {
            Ok(u) => Ok(Val::Url(Rc::new(u))),
            Err(why) => Err(format!("URL parse error during conversion from string: {why}")),
        },
        "isURL" => Ok(Val::Bool(url::parse(s).is_ok())),
        "ip" => parse_ip(s).map(Val::Ip),
        "isIP" => Ok(Val::Bool(parse_ip(s).is_ok())),
        "ip.isCanonical" => parse_ip(s).map(|ip| Val::Bool(validation::show_ip(ip) == **s)),
        "cidr" => parse_cidr(s).map(|(ip, bits)| Val::Cidr(ip, bits)),
        "isCIDR" => Ok(Val::Bool(parse_cidr(s).is_ok())),
        "semver" => found_semver(s, args),
        "isSemver" => Ok(Val::Bool(found_semver(s, args).is_ok())),
        "format.named" => Ok(Val::Optional(FORMATS.iter().find(|f| ***f == **s).map(|f| Rc::new(Val::Format(f))))),
        "jsonpatch.escapeKey" => Ok(Val::text(&s.replace('~', "~0").replace('/', "~1"))),
        _ => return None,
    })
}

fn quantity(name: &str, q: Quantity, rest: &[Val]) -> Option<Outcome> {
    let whole = || q.as_i64().ok_or_else(|| "cannot convert value to integer".to_owned());
    let other = |v: &Val| match v {
        Val::Quantity(o) => Some(*o),
        Val::Int(i) => Some(Quantity::new(*i, q.format())),
        _ => None,
    };
    Some(match (name, rest) {
        ("sign", []) => Ok(Val::Int(i64::from(q.sign()))),
        ("isInteger", []) => Ok(Val::Bool(q.as_i64().is_some())),
        ("asInteger", []) => whole().map(Val::Int),
        ("asApproximateFloat", []) => Ok(Val::Double(q.as_f64())),
        ("add", [o]) => other(o).map(|o| Val::Quantity(q.add(o))).ok_or_else(no_overload),
        ("sub", [o]) => other(o).map(|o| Val::Quantity(q.sub(o))).ok_or_else(no_overload),
        ("isLessThan", [Val::Quantity(o)]) => Ok(Val::Bool(q < *o)),
        ("isGreaterThan", [Val::Quantity(o)]) => Ok(Val::Bool(q > *o)),
        ("compareTo", [Val::Quantity(o)]) => Ok(Val::Int(q.cmp(o) as i64)),
        _ => return None,
    })
}

fn part_of_url(name: &str, u: &Url) -> Option<Outcome> {
    Some(Ok(match name {
        "getScheme" => Val::text(&u.scheme),
        "getHost" => Val::text(&u.host),
        "getHostname" => Val::text(u.host_and_port().0),
        "getPort" => Val::text(u.host_and_port().1),
        "getEscapedPath" => Val::text(&u.escaped_path()),
        "getQuery" => {
            let mut all: BTreeMap<Key, Vec<Val>> = BTreeMap::new();
            for (key, value) in u.pairs() {
                all.entry(Key::Text(key.into())).or_default().push(Val::text(&value));
            }
            Val::Map(Rc::new(all.into_iter().map(|(k, v)| (k, Val::list(v))).collect()))
        }
        _ => return None,
    }))
}

fn address(name: &str, ip: IpAddr) -> Option<Outcome> {
    let (link_local, multicast_local) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    let global = !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local || broadcast);
    Some(Ok(match name {
        "family" => Val::Int(if ip.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Val::Bool(ip.is_unspecified()),
        "isLoopback" => Val::Bool(ip.is_loopback()),
        "isLinkLocalMulticast" => Val::Bool(multicast_local),
        "isLinkLocalUnicast" => Val::Bool(link_local),
        "isGlobalUnicast" => Val::Bool(global),
        _ => return None,
    }))
}

fn bits_of(ip: IpAddr) -> (u128, u32) {
    match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

/// The part of an address that its network has.
fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    let (value, width) = bits_of(ip);
    let host = width.saturating_sub(u32::from(bits));
    let value = if host >= 128 { 0 } else { value >> host << host };
    match ip {
        IpAddr::V4(_) => IpAddr::V4((value as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(value.into()),
    }
}

fn network(name: &str, (ip, bits): (IpAddr, u8), rest: &[Val]) -> Option<Outcome> {
    let holds = |other: IpAddr| ip.is_ipv4() == other.is_ipv4() && masked(other, bits) == masked(ip, bits);
    Some(match (name, rest) {
        ("containsIP", [Val::Ip(other)]) => Ok(Val::Bool(holds(*other))),
        // What is no address is told as if the function didn't take it.
        ("containsIP", [Val::Text(s)]) => parse_ip(s).map(|other| Val::Bool(holds(other))).map_err(|_| no_overload()),
        ("containsCIDR", [Val::Cidr(other, more)]) => Ok(Val::Bool(*more >= bits && holds(*other))),
        ("containsCIDR", [Val::Text(s)]) => parse_cidr(s).map(|(other, more)| Val::Bool(more >= bits && holds(other))),
        ("ip", []) => Ok(Val::Ip(ip)),
        ("masked", []) => Ok(Val::Cidr(masked(ip, bits), bits)),
        ("prefixLength", []) => Ok(Val::Int(i64::from(bits))),
        _ => return None,
    })
}

/// A version; if a second argument says so, written in whichever way people do. Models `normalizeAndParse`.
fn found_semver(text: &str, args: &[Val]) -> Outcome {
    if !matches!(args, [_, Val::Bool(true)]) {
        return parse_semver(text);
    }
    let plain = |part: &str| {
        let rest = part.trim_start_matches('0');
        let digit = rest.starts_with(|c: char| c.is_ascii_digit());
        if digit { rest.to_owned() } else { format!("0{rest}") }
    };
    let parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
    let mut parts: Vec<String> = parts.map(|p| if p.len() < 2 { p.to_owned() } else { plain(p) }).collect();
    if parts.len() < 3 && parts.last().is_some_and(|p| p.contains(['+', '-'])) {
        return Err("short version cannot contain PreRelease/Build meta data".to_owned());
    }
    parts.resize(parts.len().max(3), "0".to_owned());
    parse_semver(&parts.join("."))
}

/// Models blang/semver `Parse`.
fn parse_semver(text: &str) -> Outcome {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let mut parts = text.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (rest, build) = rest.split_once('+').map_or((rest, None), |(r, b)| (r, Some(b)));
    let (patch, before) = rest.split_once('-').map_or((rest, None), |(r, b)| (r, Some(b)));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let zeros = |s: &str| s.len() > 1 && s.starts_with('0');
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let quoted = crate::api::field::quote;
    let number = |part: &str, what: &str| {
        if !digits(part) {
            return Err(format!("Invalid character(s) found in {} number {}", what.to_lowercase(), quoted(part)));
        }
        if zeros(part) {
            return Err(format!("{what} number must not contain leading zeroes {}", quoted(part)));
        }
        part.parse::<u64>().map_err(|_| format!("strconv.ParseUint: parsing {}: invalid syntax", quoted(part)))
    };
    let found = [number(major, "Major")?, number(minor, "Minor")?, number(patch, "Patch")?];
    for part in before.iter().flat_map(|b| b.split('.')) {
        match part {
            "" => return Err("Prerelease is empty".to_owned()),
            p if digits(p) && zeros(p) => {
                let why = "Numeric PreRelease version must not contain leading zeroes";
                return Err(format!("{why} {}", quoted(p)));
            }
            p if !plain(p) => return Err(format!("Invalid character(s) found in prerelease {}", quoted(p))),
            _ => {}
        }
    }
    for part in build.iter().flat_map(|b| b.split('.')) {
        if part.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !plain(part) {
            return Err(format!("Invalid character(s) found in build meta data {}", quoted(part)));
        }
    }
    Ok(Val::Semver(Rc::new(found), before.unwrap_or_default().into(), text.into()))
}

/// What comes before a release, part by part: numbers by their worth and before words, and fewer parts before more; nothing
/// comes after everything.
fn by_precedence(a: &str, b: &str) -> Ordering {
    let part = |p: &str| match p.parse::<u64>() {
        Ok(n) if p.bytes().all(|c| c.is_ascii_digit()) => (0, n, String::new()),
        _ => (1, 0, p.to_owned()),
    };
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.split('.').map(part).cmp(b.split('.').map(part)),
    }
}

fn semver(name: &str, (v, before): (&[u64; 3], &str), rest: &[Val]) -> Option<Outcome> {
    let against = |o: &[u64; 3], other: &str| v.cmp(o).then_with(|| by_precedence(before, other));
    let part = |n: u64| Ok(Val::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    let [major, minor, patch] = *v;
    Some(match (name, rest) {
        ("major", []) => part(major),
        ("minor", []) => part(minor),
        ("patch", []) => part(patch),
        ("isLessThan", [Val::Semver(o, b, _)]) => Ok(Val::Bool(against(o, b).is_lt())),
        ("isGreaterThan", [Val::Semver(o, b, _)]) => Ok(Val::Bool(against(o, b).is_gt())),
        ("compareTo", [Val::Semver(o, b, _)]) => Ok(Val::Int(against(o, b) as i64)),
        _ => return None,
    })
}

const FORMATS: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

/// What a text has against it by a named format; nothing if it fits.
fn validate(format: &str, s: &str) -> Val {
    let told = match format {
        "dns1123Label" => validation::name_is_dns_label(s, false),
        "dns1123LabelPrefix" => validation::name_is_dns_label(s, true),
        "dns1123Subdomain" => validation::name_is_dns_subdomain(s, false),
        "dns1123SubdomainPrefix" => validation::name_is_dns_subdomain(s, true),
        "dns1035Label" => validation::name_is_dns1035_label(s, false),
        "dns1035LabelPrefix" => validation::name_is_dns1035_label(s, true),
        "qualifiedName" => validation::is_qualified_name(s),
        "labelValue" => validation::is_valid_label_value(s),
        "uri" => url::parse(s).err().into_iter().collect(),
        "byte" if !crate::api::formats::holds("byte", s) => vec!["invalid base64".to_owned()],
        "uuid" if !crate::api::formats::holds("uuid", s) => vec!["does not match the UUID format".to_owned()],
        "datetime" if !crate::api::formats::holds("datetime", s) => vec!["invalid datetime".to_owned()],
        "date" if !crate::api::formats::holds("date", s) => vec!["invalid date".to_owned()],
        _ => Vec::new(),
    };
    match told.is_empty() {
        true => Val::Optional(None),
        false => Val::some(Val::list(told.iter().map(|t| Val::text(t)).collect())),
    }
}

/// How long the pattern of a format is at most, by which checking it is priced.
pub(super) fn longest_regex(format: &str) -> u64 {
    match format {
        "dns1123Subdomain" | "dns1123SubdomainPrefix" | "qualifiedName" => 60,
        "labelValue" => 40,
        "uri" => 1103,
        "uuid" => 71,
        "byte" => 84,
        "date" | "datetime" => 70,
        _ => 30,
    }
}

/// A question to the authorizer, step by step until it is asked.
fn question(name: &str, q: &Rc<Question>, rest: &[Val], authorize: Option<&Authorize<'_>>) -> Outcome {
    let mut next = (**q).clone();
    let one = match rest {
        [Val::Text(s), ..] => s.to_string(),
        _ => String::new(),
    };
    match (q.stage, name, rest) {
        (Stage::Authorizer, "path", [Val::Text(_)]) => (next.stage, next.path) = (Stage::Path, one),
        (Stage::Authorizer, "group", [Val::Text(_)]) => (next.stage, next.group) = (Stage::Group, one),
        (Stage::Authorizer, "serviceAccount", [Val::Text(_), Val::Text(account)]) => {
            next.account = Some((one, account.to_string()));
        }
        (Stage::Group, "resource", [Val::Text(_)]) => (next.stage, next.resource) = (Stage::Resource, one),
        (Stage::Resource, "subresource", [Val::Text(_)]) => next.subresource = one,
        (Stage::Resource, "namespace", [Val::Text(_)]) => next.namespace = one,
        (Stage::Resource, "name", [Val::Text(_)]) => next.name = one,
        (Stage::Path | Stage::Resource, "check", [Val::Text(_)]) => {
            let Some(ask) = authorize else { return Err(no_overload()) };
            (next.allowed, next.reason) = ask(&next, &one);
            next.stage = Stage::Decision;
        }
        (Stage::Decision, "allowed", []) => return Ok(Val::Bool(q.allowed)),
        (Stage::Decision, "reason", []) => return Ok(Val::text(&q.reason)),
        (Stage::Decision, "errored", []) => return Ok(Val::Bool(false)),
        (Stage::Decision, "error", []) => return Ok(Val::text("")),
        _ => return Err(no_overload()),
    }
    Ok(Val::Question(Rc::new(next)))
}
