//! What Kubernetes adds to the language. Models apiserver `pkg/cel/library`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use regex_lite::Regex;

use super::Authorize;
use super::eval::Outcome;
use super::functions::no_overload;
use super::value::{Key, Question, Stage, Url, Val};
use crate::api::quantity::Quantity;
use crate::api::validation;

/// Go's syntax, as near as it comes.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|_| format!("error parsing regexp: {pattern}"))
}

pub(super) fn call(name: &str, args: &[Val], authorize: Option<&Authorize<'_>>) -> Option<Outcome> {
    match args {
        [Val::Quantity(q), rest @ ..] => quantity(name, *q, rest),
        [Val::Url(u)] => url(name, u),
        [Val::Ip(ip)] => address(name, *ip),
        [Val::Cidr(ip, bits), rest @ ..] => network(name, (*ip, *bits), rest),
        [Val::Semver(v, before), rest @ ..] => semver(name, (v, before), rest),
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
    let bad = |what: &str| Err(format!("{what} {} parse error", crate::api::field::quote(s)));
    Some(match name {
        "quantity" => Quantity::parse(s).map(Val::Quantity).map_err(|e| e.to_string()),
        "isQuantity" => Ok(Val::Bool(Quantity::parse(s).is_ok())),
        "url" => parse_url(s)
            .map_or_else(|| bad("URL parse error during conversion from string:"), |u| Ok(Val::Url(Rc::new(u)))),
        "isURL" => Ok(Val::Bool(parse_url(s).is_some())),
        "ip" => parse_ip(s).map(Val::Ip),
        "isIP" => Ok(Val::Bool(parse_ip(s).is_ok())),
        "ip.isCanonical" => parse_ip(s).map(|ip| Val::Bool(validation::show_ip(ip) == **s)),
        "cidr" => parse_cidr(s).map(|(ip, bits)| Val::Cidr(ip, bits)),
        "isCIDR" => Ok(Val::Bool(parse_cidr(s).is_ok())),
        "semver" => found_semver(s, args).map_or_else(|| bad("No Major.Minor.Patch elements found:"), Ok),
        "isSemver" => Ok(Val::Bool(found_semver(s, args).is_some())),
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

/// A URL with a scheme, or an absolute path.
fn parse_url(text: &str) -> Option<Url> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return None;
    }
    let text_of = |s: &str| s.to_owned();
    let (rest, _fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.starts_with('/') {
        return Some(Url {
            text: text_of(text),
            scheme: String::new(),
            host: String::new(),
            path: text_of(rest),
            query: text_of(query),
        });
    }
    let (scheme, rest) = rest.split_once(':')?;
    let first = scheme.chars().next()?;
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !first.is_ascii_alphabetic() || !scheme.chars().all(known) {
        return None;
    }
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            (host.rsplit_once('@').map_or(host, |(_, h)| h), path)
        }
        None => ("", rest),
    };
    if host.contains(' ') {
        return None;
    }
    let port = host.rsplit_once(']').map_or(host, |(_, p)| p).rsplit_once(':').map_or("", |(_, p)| p);
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    Some(Url { text: text_of(text), scheme, host: text_of(host), path: text_of(path), query: text_of(query) })
}

/// A path with what may not be in one escaped. Models Go's `URL.EscapedPath`.
fn escaped(path: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&b);
    path.bytes().map(|b| if fits(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn url(name: &str, u: &Url) -> Option<Outcome> {
    let inside = u.host.strip_prefix('[').and_then(|h| h.split_once(']'));
    let (hostname, port) = match inside {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or_default()),
        None => u.host.split_once(':').unwrap_or((&u.host, "")),
    };
    Some(Ok(match name {
        "getScheme" => Val::text(&u.scheme),
        "getHost" => Val::text(&u.host),
        "getHostname" => Val::text(hostname),
        "getPort" => Val::text(port),
        "getEscapedPath" => Val::text(&escaped(&u.path)),
        "getQuery" => {
            let mut all: BTreeMap<Key, Vec<Val>> = BTreeMap::new();
            for pair in u.query.split('&').filter(|p| !p.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                all.entry(Key::Text(unescape(key).into())).or_default().push(Val::text(&unescape(value)));
            }
            Val::Map(Rc::new(all.into_iter().map(|(k, v)| (k, Val::list(v))).collect()))
        }
        _ => return None,
    }))
}

fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'%'));
            }
            b => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let quoted = crate::api::field::quote(text);
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {quoted} is not allowed"))
        }
        Ok(ip) => Ok(ip),
        Err(_) => Err(format!(
            "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): unable to parse IP"
        )),
    }
}

fn parse_cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let quoted = crate::api::field::quote(text);
    let bad =
        || format!("network address parse error during conversion from string: netip.ParsePrefix({quoted}): no '/'");
    let (ip, bits) = text.split_once('/').ok_or_else(bad)?;
    let ip = parse_ip(ip)?;
    let max = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse::<u8>().ok().filter(|b| *b <= max).ok_or_else(bad)?;
    Ok((ip, bits))
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
        ("containsIP", [Val::Text(s)]) => parse_ip(s).map(|other| Val::Bool(holds(other))),
        ("containsCIDR", [Val::Cidr(other, more)]) => Ok(Val::Bool(*more >= bits && holds(*other))),
        ("containsCIDR", [Val::Text(s)]) => parse_cidr(s).map(|(other, more)| Val::Bool(more >= bits && holds(other))),
        ("ip", []) => Ok(Val::Ip(ip)),
        ("masked", []) => Ok(Val::Cidr(masked(ip, bits), bits)),
        ("prefixLength", []) => Ok(Val::Int(i64::from(bits))),
        _ => return None,
    })
}

/// A version; if a second argument says so, written in whichever way people do. Models `normalizeAndParse`.
fn found_semver(text: &str, args: &[Val]) -> Option<Val> {
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
        return None;
    }
    parts.resize(3, "0".to_owned());
    parse_semver(&parts.join("."))
}

fn parse_semver(text: &str) -> Option<Val> {
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|n| {
        let plain = n == "0" || !n.starts_with('0');
        n.parse::<u64>().ok().filter(|_| plain && n.bytes().all(|b| b.is_ascii_digit()))
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    let before = text.split('+').next()?.split_once('-').map_or("", |(_, b)| b);
    numbers.next().is_none().then(|| Val::Semver(Rc::new(found), before.into()))
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
        ("isLessThan", [Val::Semver(o, b)]) => Ok(Val::Bool(against(o, b).is_lt())),
        ("isGreaterThan", [Val::Semver(o, b)]) => Ok(Val::Bool(against(o, b).is_gt())),
        ("compareTo", [Val::Semver(o, b)]) => Ok(Val::Int(against(o, b) as i64)),
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
        "uri" if parse_url(s).is_none() => {
            vec![format!("parse {}: invalid URI for request", crate::api::field::quote(s))]
        }
        "uuid" if !is_uuid(s) => vec!["does not match the UUID format".to_owned()],
        "datetime" if s.parse::<jiff::Timestamp>().is_err() => vec!["invalid datetime".to_owned()],
        "date" if s.parse::<jiff::civil::Date>().is_err() => vec!["invalid date".to_owned()],
        _ => Vec::new(),
    };
    match told.is_empty() {
        true => Val::Optional(None),
        false => Val::some(Val::list(told.iter().map(|t| Val::text(t)).collect())),
    }
}

fn is_uuid(s: &str) -> bool {
    s.len() == 36
        && s.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
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
