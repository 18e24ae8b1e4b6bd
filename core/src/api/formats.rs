//! The formats of strings that schemas may ask for. Models kube-openapi `pkg/validation/strfmt` and apiextensions
//! `pkg/apiserver/validation/formats.go`; formats that upstream does not know are none.

use std::net::IpAddr;

use serde_json::Value;

use super::validation::{matches_dns1123_label, matches_dns1123_subdomain, parse_cidr_sloppy, parse_ip_sloppy};

/// The formats of strings, without their dashes.
const KNOWN: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// The format that a schema asks for, if its type has such a one.
pub fn of(schema: &Value) -> &str {
    let format = schema["format"].as_str().unwrap_or_default();
    let either = schema["x-kubernetes-int-or-string"] == true;
    let known = match schema["type"].as_str().filter(|_| !either) {
        Some("integer") => matches!(format, "int32" | "int64"),
        Some("number") => matches!(format, "float" | "double"),
        Some("boolean" | "object" | "array") => false,
        _ => KNOWN.contains(&&*format.replace('-', "")),
    };
    if known { format } else { "" }
}

/// Whether a text is of a format.
pub fn holds(format: &str, text: &str) -> bool {
    match &*format.replace('-', "") {
        "datetime" => is_datetime(text),
        "date" => is_date(text),
        "duration" => is_duration(text),
        "ipv4" => parse_ip_sloppy(text).is_some() && text.contains('.'),
        "ipv6" => text.contains(':') && text.parse::<IpAddr>().is_ok(),
        "cidr" => parse_cidr_sloppy(text).is_some(),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, &[]),
        "uuid3" => is_uuid(text, &[(12, "3")]),
        "uuid4" => is_uuid(text, &[(12, "4"), (16, "89ab")]),
        "uuid5" => is_uuid(text, &[(12, "5"), (16, "89ab")]),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "uri" => super::cel::is_uri(text),
        "byte" => is_base64(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "rgbcolor" => is_rgb(text),
        "ssn" => {
            let at = |i: usize| text.as_bytes().get(i).copied().unwrap_or_default();
            text.len() == 11
                && (0..11)
                    .all(|i| if matches!(i, 3 | 6) { matches!(at(i), b'-' | b' ') } else { at(i).is_ascii_digit() })
        }
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_card(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "k8sshortname" => text.len() <= 63 && matches_dns1123_label(text),
        "k8slongname" => text.len() <= 253 && matches_dns1123_subdomain(text),
        _ => true,
    }
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let found = (|| {
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        Some((digits(year, 4)?, digits(month, 2)?, digits(day, 2)?))
    })();
    found.is_some_and(|(y, m, d)| jiff::civil::Date::new(y as i16, m as i8, d as i8).is_ok())
}

/// A date and a time with a zone, upper case or lower.
fn is_datetime(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let Some((clock, rest)) = time.split_at_checked(8) else { return false };
    let clock: Vec<Option<u32>> = clock.split(':').map(|p| digits(p, 2)).collect();
    let [Some(h), Some(m), Some(s)] = clock.as_slice() else { return false };
    // Any character may come before the fraction.
    let fraction = |rest: &str| {
        let mut chars = rest.chars();
        let first = chars.next().is_some_and(|c| c != '\n');
        let tail = chars.as_str();
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        (first && end > 0).then(|| tail.get(end..).unwrap_or_default().to_owned())
    };
    let zone = |z: &str| {
        z == "z"
            || z.strip_prefix(['+', '-'])
                .and_then(|z| z.split_once(':'))
                .is_some_and(|(h, m)| digits(h, 2).is_some() && digits(m, 2).is_some())
    };
    let good = *h <= 23 && *m <= 59 && *s <= 59;
    is_date(date) && good && (zone(rest) || fraction(rest).is_some_and(|rest| zone(&rest)))
}

/// A duration as Go reads it, or numbers with units in words.
fn is_duration(text: &str) -> bool {
    const UNITS: [&[&str]; 8] = [
        &["ns", "nano"],
        &["us", "µs", "micro"],
        &["ms", "milli"],
        &["s", "sec"],
        &["m", "min"],
        &["h", "hr", "hour"],
        &["d", "day"],
        &["w", "wk", "week"],
    ];
    if super::duration::parse(text).is_ok() {
        return true;
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut i, mut found) = (0, false);
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    while i < chars.len() {
        if !at(i).is_ascii_digit() {
            i += 1;
            continue;
        }
        while at(i).is_ascii_digit() && i < chars.len() {
            i += 1;
        }
        while i < chars.len() && at(i).is_ascii_whitespace() {
            i += 1;
        }
        let from = i;
        while at(i).is_ascii_alphabetic() || at(i) == 'µ' {
            i += 1;
        }
        let unit: String = chars.get(from..i).unwrap_or_default().iter().collect::<String>().to_lowercase();
        let named = |all: &[&str]| all.contains(&&*unit) || all.last().is_some_and(|last| unit.starts_with(last));
        found |= !unit.is_empty() && UNITS.iter().any(|all| named(all));
    }
    found
}

/// Six, eight or twenty bytes in pairs or in fours.
fn is_mac(text: &str) -> bool {
    let of = |by: char, length: usize| {
        let parts: Vec<&str> = text.split(by).collect();
        let good = parts.iter().all(|p| p.len() == length && p.bytes().all(|b| b.is_ascii_hexdigit()));
        good && matches!(parts.len() * length / 2, 6 | 8 | 20)
    };
    of(':', 2) || of('-', 2) || of('.', 4)
}

/// Hex digits with dashes where they belong or none; some must be of a few.
fn is_uuid(text: &str, wanted: &[(usize, &str)]) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    for length in [8, 4, 4, 4, 12] {
        let Some((part, tail)) = rest.split_at_checked(length) else { return false };
        plain.push_str(part);
        rest = if length == 12 { tail } else { tail.strip_prefix('-').unwrap_or(tail) };
    }
    let plain = plain.to_ascii_lowercase();
    let is = |(i, of): &(usize, &str)| plain.chars().nth(*i).is_some_and(|c| of.contains(c));
    rest.is_empty() && plain.bytes().all(|b| b.is_ascii_hexdigit()) && wanted.iter().all(is)
}

/// An address of the simple kinds: bare, or with a name and in angle brackets.
fn is_email(text: &str) -> bool {
    let text = text.trim();
    let bare = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(from), Some(inner)) => inner.get(from + 1..).unwrap_or_default(),
        _ => text,
    };
    let Some((user, host)) = bare.rsplit_once('@') else { return false };
    let atom = |c: char| c.is_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dotted = |s: &str| s.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    let quoted = user.len() > 1 && user.starts_with('"') && user.ends_with('"');
    let literal = host.starts_with('[') && host.ends_with(']');
    (quoted || dotted(user)) && (literal || dotted(host))
}

/// A name of labels, the last of which is of two letters at least, or one label alone.
fn is_hostname(text: &str) -> bool {
    let symbol = |c: char| c.is_alphanumeric() && !c.is_numeric() || c.is_ascii_digit() || "$+<=>^`|~".contains(c);
    let short = |label: &str| label.len() <= 63;
    if text.len() > 255 || !text.split('.').all(short) {
        return false;
    }
    let Some((head, last)) = text.rsplit_once('.') else {
        // A dash may come after the first character only.
        let rest = text.strip_prefix(symbol);
        return rest.is_some_and(|r| r.strip_prefix('-').unwrap_or(r).chars().all(symbol) && r != "-")
            || (2..=63).contains(&text.chars().count()) && text.chars().all(char::is_alphabetic);
    };
    let label = |l: &str| l.starts_with(symbol) && l.ends_with(symbol) && l.chars().all(|c| symbol(c) || c == '-');
    head.split('.').all(label) && last.chars().count() >= 2 && last.chars().all(char::is_alphabetic)
}

fn is_base64(text: &str) -> bool {
    let plain = text.trim_end_matches('=');
    let digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    !plain.is_empty() && text.len().is_multiple_of(4) && text.len() - plain.len() <= 2 && plain.bytes().all(digit)
}

fn is_rgb(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')'));
    let number = |p: &str| {
        let p = p.trim_matches(|c: char| c.is_ascii_whitespace());
        (p == "0" || !p.starts_with('0')) && p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u8>().is_ok()
    };
    inner.is_some_and(|i| i.split(',').count() == 3 && i.split(',').all(number))
}

fn is_isbn10(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let value = |(i, c): (usize, char)| if i == 9 && c == 'X' { Some(10) } else { c.to_digit(10) };
    let all: Option<Vec<u32>> = plain.chars().enumerate().map(value).collect();
    all.is_some_and(|all| all.len() == 10 && all.iter().zip(1..).map(|(d, i)| d * i).sum::<u32>() % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let all: Option<Vec<u32>> = plain.chars().map(|c| c.to_digit(10)).collect();
    let weight = |i: usize| if i.is_multiple_of(2) { 1 } else { 3 };
    all.is_some_and(|all| {
        all.len() == 13 && all.iter().enumerate().map(|(i, d)| d * weight(i)).sum::<u32>().is_multiple_of(10)
    })
}

/// The number of a card of one of the known companies, with its check digit.
fn is_card(text: &str) -> bool {
    let all: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let plain: String = all.iter().map(u32::to_string).collect();
    let number = |from: usize, to: usize| plain.get(from..to).and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
    let known = match plain.len() {
        13 => number(0, 1) == 4,
        14 => (300..=305).contains(&number(0, 3)) || matches!(number(0, 2), 36 | 38),
        15 => matches!(number(0, 2), 34 | 37) || matches!(number(0, 4), 2131 | 1800),
        16 => {
            number(0, 1) == 4
                || (51..=55).contains(&number(0, 2))
                || number(0, 4) == 6011
                || number(0, 2) == 65
                || number(0, 2) == 35
        }
        _ => false,
    };
    let doubled = |d: u32| if d > 4 { d * 2 - 9 } else { d * 2 };
    let sum: u32 = all.iter().rev().enumerate().map(|(i, d)| if i % 2 == 1 { doubled(*d) } else { *d }).sum();
    known && sum.is_multiple_of(10)
}
