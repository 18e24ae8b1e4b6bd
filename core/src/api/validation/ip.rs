//! Checks of IP addresses and CIDRs.
//! Models apimachinery `pkg/util/validation/ip.go` and k8s.io/utils `net/parse.go`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::api::field::{Error, ErrorList, Path, quote};

/// Go's number parser of old: decimal digits, leading zeros allowed.
fn sloppy_number(s: &str, max: u32) -> Option<u32> {
    if s.is_empty() || !s.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let n: u32 = s
        .trim_start_matches('0')
        .parse()
        .or_else(|e| if s.bytes().all(|c| c == b'0') { Ok(0) } else { Err(e) })
        .ok()?;
    (n <= max).then_some(n)
}

fn sloppy_ipv4(s: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = s.split('.');
    for o in &mut octets {
        *o = sloppy_number(parts.next()?, 255)? as u8;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// `ParseIPSloppy`: as Go once parsed, so leading zeros in IPv4 are fine. An IPv4-mapped address is IPv6 here.
pub fn parse_ip_sloppy(s: &str) -> Option<IpAddr> {
    if s.contains(':') { s.parse::<Ipv6Addr>().ok().map(IpAddr::V6) } else { sloppy_ipv4(s).map(IpAddr::V4) }
}

fn unmap(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// `net.IP.String`: a mapped address prints as IPv4.
pub fn show_ip(ip: IpAddr) -> String {
    unmap(ip).to_string()
}

/// `netutils.IsIPv4String`.
pub fn is_ipv4_string(s: &str) -> bool {
    parse_ip_sloppy(s).is_some_and(|ip| unmap(ip).is_ipv4())
}

/// `netutils.IsIPv6String`.
pub fn is_ipv6_string(s: &str) -> bool {
    parse_ip_sloppy(s).is_some_and(|ip| unmap(ip).is_ipv6())
}

/// `ParseCIDRSloppy`: the address as written, and the prefix length.
pub fn parse_cidr_sloppy(s: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = s.split_once('/')?;
    let ip = parse_ip_sloppy(ip)?;
    let bits = sloppy_number(bits, if ip.is_ipv4() { 32 } else { 128 })?;
    Some((ip, bits as u8))
}

fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

fn parse_ip(path: &Path, value: &str, strict: bool) -> Result<IpAddr, ErrorList> {
    let invalid = |detail: &str| Error::invalid_str(path, value, detail);
    let Some(ip) = parse_ip_sloppy(value) else {
        return Err(vec![invalid("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]);
    };
    if strict {
        if value.parse::<IpAddr>().is_err() {
            return Err(vec![invalid("must not have leading 0s")]);
        }
        if is_mapped(ip) {
            return Err(vec![invalid("must not be an IPv4-mapped IPv6 address")]);
        }
    }
    Ok(ip)
}

/// `IsValidIPForLegacyField`; values that the old object already had pass.
pub fn is_valid_ip_for_legacy_field(path: &Path, value: &str, strict: bool, old: &[String]) -> ErrorList {
    if old.iter().any(|o| o == value) {
        return Vec::new();
    }
    parse_ip(path, value, strict).err().unwrap_or_default()
}

/// `IsValidIP`.
pub fn is_valid_ip(path: &Path, value: &str) -> ErrorList {
    match parse_ip(path, value, true) {
        Err(errors) => errors,
        Ok(ip) if show_ip(ip) == value => Vec::new(),
        Ok(ip) => {
            vec![Error::invalid_str(path, value, format!("must be in canonical form ({})", quote(&show_ip(ip))))]
        }
    }
}

fn parse_cidr(path: &Path, value: &str, strict: bool) -> Result<(IpAddr, u8), ErrorList> {
    let invalid = |detail: &str| Error::invalid_str(path, value, detail);
    let Some((ip, bits)) = parse_cidr_sloppy(value) else {
        return Err(vec![invalid("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")]);
    };
    if strict {
        let (ip_text, bits_text) = value.split_once('/').unwrap_or((value, ""));
        let canonical_bits = bits_text == "0" || !bits_text.starts_with('0');
        if ip_text.parse::<IpAddr>().is_err() || !canonical_bits {
            return Err(vec![invalid("must not have leading 0s in IP or prefix length")]);
        }
        if is_mapped(ip) {
            return Err(vec![invalid("must not have an IPv4-mapped IPv6 address")]);
        }
        if masked(ip, bits) != ip {
            return Err(vec![invalid("must not have bits set beyond the prefix length")]);
        }
    }
    Ok((ip, bits))
}

/// `IsValidCIDRForLegacyField`; values that the old object already had pass.
pub fn is_valid_cidr_for_legacy_field(path: &Path, value: &str, strict: bool, old: &[String]) -> ErrorList {
    if old.iter().any(|o| o == value) {
        return Vec::new();
    }
    parse_cidr(path, value, strict).err().unwrap_or_default()
}

/// `IsValidCIDR`.
pub fn is_valid_cidr(path: &Path, value: &str) -> ErrorList {
    match parse_cidr(path, value, true) {
        Err(errors) => errors,
        Ok((ip, bits)) => {
            let canonical = format!("{}/{bits}", show_ip(masked(ip, bits)));
            if canonical == value {
                return Vec::new();
            }
            vec![Error::invalid_str(path, value, format!("must be in canonical form ({})", quote(&canonical)))]
        }
    }
}

/// Whether the first range lies in the second and is smaller.
pub fn is_strict_subset((inner, inner_bits): (IpAddr, u8), (outer, outer_bits): (IpAddr, u8)) -> bool {
    let same_family = inner.is_ipv4() == outer.is_ipv4();
    same_family && outer_bits < inner_bits && masked(inner, outer_bits) == masked(outer, outer_bits)
}

/// `GetWarningsForIP`: addresses that are taken and are better written otherwise.
pub fn ip_warnings(path: &Path, value: &str) -> Vec<String> {
    let Some(ip) = parse_ip_sloppy(value) else { return Vec::new() };
    if value.parse::<IpAddr>().is_err() || is_mapped(ip) {
        return vec![non_standard(path, "IP address", value, &show_ip(ip))];
    }
    if ip.is_ipv6() && ip.to_string() != value {
        let (value, canonical) = (quote(value), quote(&ip.to_string()));
        return vec![format!("{path}: IPv6 address {value} should be in RFC 5952 canonical format ({canonical})")];
    }
    Vec::new()
}

fn non_standard(path: &Path, what: &str, value: &str, better: &str) -> String {
    let (value, better) = (quote(value), quote(better));
    format!("{path}: non-standard {what} {value} is invalid: use {better}")
}

/// `GetWarningsForCIDR`.
pub fn cidr_warnings(path: &Path, value: &str) -> Vec<String> {
    let Some((ip, bits)) = parse_cidr_sloppy(value) else { return Vec::new() };
    let mut warnings = Vec::new();
    let base = masked(ip, bits);
    let network = format!("{}/{bits}", show_ip(base));
    if base != ip {
        let one = format!("{}/{}", show_ip(ip), if unmap(ip).is_ipv4() { 32 } else { 128 });
        let (value, network, one) = (quote(value), quote(&network), quote(&one));
        warnings
            .push(format!("{path}: CIDR value {value} is ambiguous in this context (should be {network} or {one}?)"));
    }
    let (ip_text, bits_text) = value.split_once('/').unwrap_or((value, ""));
    if ip_text.parse::<IpAddr>().is_err() || bits_text != bits.to_string() || is_mapped(ip) {
        warnings.push(non_standard(path, "CIDR value", value, &network));
    }
    let canonical = format!("{ip}/{bits}");
    if warnings.is_empty() && ip.is_ipv6() && canonical != value {
        let (value, canonical) = (quote(value), quote(&canonical));
        warnings.push(format!("{path}: IPv6 CIDR value {value} should be in RFC 5952 canonical format ({canonical})"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let p = Path::new("x");
        let first = |e: ErrorList| e.first().map(|e| e.detail.clone()).unwrap_or_default();
        for (value, strict, sloppy) in [
            ("10.0.0.1", "", ""),
            ("010.0.0.1", "must not have leading 0s", ""),
            ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address", ""),
            ("2001:DB8::1", "must be in canonical form (\"2001:db8::1\")", ""),
            ("1.2.3", BAD_IP, BAD_IP),
            ("1.2.3.256", BAD_IP, BAD_IP),
            ("", BAD_IP, BAD_IP),
        ] {
            assert_eq!(first(is_valid_ip(&p, value)), strict, "{value}");
            assert_eq!(first(is_valid_ip_for_legacy_field(&p, value, false, &[])), sloppy, "{value}");
        }
        for (value, strict, sloppy) in [
            ("10.0.0.0/8", "", ""),
            ("0.0.0.0/0", "", ""),
            ("10.0.0.1/8", "must not have bits set beyond the prefix length", ""),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length", ""),
            ("10.0.0.0/33", BAD_CIDR, BAD_CIDR),
            ("10.0.0.0", BAD_CIDR, BAD_CIDR),
        ] {
            assert_eq!(first(is_valid_cidr(&p, value)), strict, "{value}");
            assert_eq!(first(is_valid_cidr_for_legacy_field(&p, value, false, &[])), sloppy, "{value}");
        }
    }

    #[test]
    fn warnings() {
        let p = Path::new("x");
        for (value, want) in [
            ("10.0.0.1", vec![]),
            ("192.012.2.2", vec![r#"x: non-standard IP address "192.012.2.2" is invalid: use "192.12.2.2""#]),
            (
                "2001:db8:0:0::2",
                vec![r#"x: IPv6 address "2001:db8:0:0::2" should be in RFC 5952 canonical format ("2001:db8::2")"#],
            ),
            ("nope", vec![]),
        ] {
            assert_eq!(ip_warnings(&p, value), want, "{value}");
        }
        for (value, want) in [
            ("192.12.2.0/24", vec![]),
            (
                "192.12.2.8/24",
                vec![
                    r#"x: CIDR value "192.12.2.8/24" is ambiguous in this context (should be "192.12.2.0/24" or "192.12.2.8/32"?)"#,
                ],
            ),
            ("192.12.2.0/024", vec![r#"x: non-standard CIDR value "192.12.2.0/024" is invalid: use "192.12.2.0/24""#]),
            (
                "2001:db8:0:0::/64",
                vec![
                    r#"x: IPv6 CIDR value "2001:db8:0:0::/64" should be in RFC 5952 canonical format ("2001:db8::/64")"#,
                ],
            ),
        ] {
            assert_eq!(cidr_warnings(&p, value), want, "{value}");
        }
    }

    const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    const BAD_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
}
