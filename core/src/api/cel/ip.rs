//! Addresses and networks as Go reads them. Models `net/netip`, and apiserver `pkg/cel/library/{ip,cidr}.go`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::api::field::quote;

/// An address, and whether it has a zone.
pub(super) fn parse_addr(text: &str) -> Result<(IpAddr, bool), String> {
    let found = match text.bytes().find(|b| matches!(b, b'.' | b':' | b'%')) {
        Some(b'.') => v4(text).map(|ip| (ip.into(), false)),
        Some(b':') => v6(text),
        Some(_) => Err(wrong("missing IPv6 address")),
        None => Err(wrong("unable to parse IP")),
    };
    found.map_err(|(why, at)| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(&at)) };
        format!("ParseAddr({}): {why}{at}", quote(text))
    })
}

type Wrong = (&'static str, String);

fn wrong(why: &'static str) -> Wrong {
    (why, String::new())
}

fn v4(text: &str) -> Result<Ipv4Addr, Wrong> {
    let (mut fields, mut value, mut digits) = (Vec::new(), 0u16, 0);
    let bytes = text.as_bytes();
    for (i, b) in bytes.iter().enumerate() {
        let rest = || text.get(i..).unwrap_or_default().to_owned();
        match b {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(wrong("IPv4 field has octet with leading zero"));
                }
                value = value * 10 + u16::from(b - b'0');
                digits += 1;
                if value > 255 {
                    return Err(wrong("IPv4 field has value >255"));
                }
            }
            b'.' => {
                if digits == 0 || i + 1 == bytes.len() {
                    return Err(("IPv4 field must have at least one digit", rest()));
                }
                if fields.len() == 3 {
                    return Err(wrong("IPv4 address too long"));
                }
                fields.push(value as u8);
                (value, digits) = (0, 0);
            }
            _ => return Err(("unexpected character", rest())),
        }
    }
    fields.push(value as u8);
    <[u8; 4]>::try_from(fields).map(Ipv4Addr::from).map_err(|_| wrong("IPv4 address too short"))
}

fn v6(text: &str) -> Result<(IpAddr, bool), Wrong> {
    let (plain, zone) = text.split_once('%').map_or((text, None), |(p, z)| (p, Some(z)));
    if zone == Some("") {
        return Err(wrong("zone must be a non-empty string"));
    }
    match plain.parse::<Ipv6Addr>() {
        Ok(ip) => Ok((ip.into(), zone.is_some())),
        Err(_) => Err(why_not_v6(plain)),
    }
}

/// What is wrong with an address of the sixth version, going over its groups.
fn why_not_v6(text: &str) -> Wrong {
    let (mut rest, mut groups, mut gap) = (text, 0, false);
    if let Some(tail) = rest.strip_prefix("::") {
        (rest, gap) = (tail, true);
    }
    while groups < 8 {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let at = || rest.to_owned();
        if end > 4 {
            return ("each group must have 4 or less digits", at());
        }
        if end == 0 {
            return ("each colon-separated field must have at least one digit", at());
        }
        let tail = rest.get(end..).unwrap_or_default();
        if tail.starts_with('.') {
            return match (gap || groups == 6, groups > 6) {
                (false, _) => ("embedded IPv4 address must replace the final 2 fields of the address", at()),
                (_, true) => ("too many hex fields to fit an embedded IPv4 at the end of the address", at()),
                _ => v4(rest).err().unwrap_or(wrong("address string too short")),
            };
        }
        groups += 1;
        rest = match tail {
            "" => "",
            ":" => return ("colon must be followed by more characters", tail.to_owned()),
            tail => match tail.strip_prefix(':') {
                Some(tail) => tail,
                None => return ("unexpected character, want colon", tail.to_owned()),
            },
        };
        if let Some(tail) = rest.strip_prefix(':') {
            if gap {
                return ("multiple :: in address", rest.to_owned());
            }
            (rest, gap) = (tail, true);
        }
        if rest.is_empty() {
            break;
        }
    }
    match (rest, groups < 8, gap) {
        ("", true, false) => wrong("address string too short"),
        ("", false, true) => wrong("the :: must expand to at least one field of zeros"),
        _ => ("trailing garbage after address", rest.to_owned()),
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// An address as expressions take it.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let quoted = quote(text);
    match parse_addr(text) {
        Err(why) => Err(format!("IP Address {quoted} parse error during conversion from string: {why}")),
        Ok((_, true)) => Err(format!("IP address {quoted} with zone value is not allowed")),
        Ok((ip, _)) if is_mapped(ip) => Err(format!("IPv4-mapped IPv6 address {quoted} is not allowed")),
        Ok((ip, _)) => Ok(ip),
    }
}

/// A network as expressions take it.
pub(super) fn parse_cidr(text: &str) -> Result<(IpAddr, u8), String> {
    const AT_FIRST: &str = "network address parse error during conversion from string:";
    let bad = |why: String| format!("{AT_FIRST} {AT_FIRST} netip.ParsePrefix({}): {why}", quote(text));
    let (ip, bits) = text.rsplit_once('/').ok_or_else(|| bad("no '/'".to_owned()))?;
    let (ip, zone) = parse_addr(ip).map_err(bad)?;
    if zone {
        return Err(bad("IPv6 zones cannot be present in a prefix".to_owned()));
    }
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let number = bits.parse::<u64>().ok().filter(|_| plain);
    let number = number.ok_or_else(|| bad(format!("bad bits after slash: {}", quote(bits))))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let number = u8::try_from(number).ok().filter(|n| *n <= most);
    let number = number.ok_or_else(|| bad("prefix length out of range".to_owned()))?;
    if is_mapped(ip) {
        return Err(format!("{AT_FIRST} IPv4-mapped IPv6 address {} is not allowed", quote(text)));
    }
    Ok((ip, number))
}
