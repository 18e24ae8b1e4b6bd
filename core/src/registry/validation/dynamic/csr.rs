//! Requests for certificates as they are encoded: their structure, and whether anybody knows how they are signed; not the
//! signature itself. Models Go's `encoding/asn1` as `x509.ParseCertificateRequest` has it read.

/// What is expected of a part.
enum Part {
    Sequence(&'static str, &'static [Part]),
    /// Anything; whether it may be missing.
    Any(bool),
    Integer,
    Oid,
    Bits,
    /// The attributes, under a tag of their own.
    Attributes,
}

const ALGORITHM: Part = Part::Sequence("AlgorithmIdentifier", &[Part::Oid, Part::Any(true)]);

const REQUEST: Part = Part::Sequence(
    "certificateRequest",
    &[
        Part::Sequence(
            "tbsCertificateRequest",
            &[
                Part::Integer,
                Part::Any(false),
                Part::Sequence("publicKeyInfo", &[ALGORITHM, Part::Bits]),
                Part::Attributes,
            ],
        ),
        ALGORITHM,
        Part::Bits,
    ],
);

/// The algorithms that signatures are checked by.
const KNOWN: &[&[u8]] = &[
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
    &[0x2b, 0x65, 0x70],
];

/// Algorithms that nobody trusts any more.
const INSECURE: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], "MD5-RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], "SHA1-RSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "ECDSA-SHA1"),
];

/// What is wrong with a request.
pub(super) fn check(der: &[u8]) -> Result<(), String> {
    let end = read(der, 0, &REQUEST)?;
    if end != der.len() {
        return Err("asn1: syntax error: trailing data".to_owned());
    }
    let signed_by = algorithm(der).unwrap_or_default();
    if let Some((_, name)) = INSECURE.iter().find(|(oid, _)| *oid == signed_by) {
        return Err(format!("x509: cannot verify signature: insecure algorithm {name}"));
    }
    match KNOWN.contains(&signed_by) {
        true => Ok(()),
        false => Err("x509: cannot verify signature: algorithm unimplemented".to_owned()),
    }
}

/// The name of the algorithm that a request is signed by.
fn algorithm(der: &[u8]) -> Option<&[u8]> {
    let inside = |at: usize| {
        let (header, start) = header(der, at).ok()?;
        Some((start, start + header.length))
    };
    let (request, _) = inside(0)?;
    let (_, signature) = inside(request)?;
    let (oid, _) = inside(signature)?;
    let (start, end) = inside(oid)?;
    der.get(start..end)
}

/// A part's class, tag and length.
struct Header {
    class: u8,
    tag: u64,
    length: usize,
    compound: bool,
}

fn syntax(what: &str) -> String {
    format!("asn1: syntax error: {what}")
}

fn structure(what: &str) -> String {
    format!("asn1: structure error: {what}")
}

fn header(bytes: &[u8], mut at: usize) -> Result<(Header, usize), String> {
    let mut next = |what: &str| {
        let b = bytes.get(at).copied().ok_or_else(|| syntax(what));
        at += 1;
        b
    };
    const TRUNCATED: &str = "truncated tag or length";
    let first = next(TRUNCATED)?;
    let mut tag = u64::from(first & 0x1f);
    if tag == 0x1f {
        tag = 0;
        for i in 0.. {
            let b = next("truncated base 128 integer")?;
            if i == 4 {
                return Err(structure("base 128 integer too large"));
            }
            if i == 0 && b == 0x80 {
                return Err(syntax("integer is not minimally encoded"));
            }
            tag = tag << 7 | u64::from(b & 0x7f);
            if b & 0x80 == 0 {
                break;
            }
        }
        if tag < 0x1f {
            return Err(syntax("non-minimal tag"));
        }
    }
    let b = next(TRUNCATED)?;
    let mut length = usize::from(b & 0x7f);
    if b & 0x80 != 0 {
        let count = length;
        if count == 0 {
            return Err(syntax("indefinite length found (not DER)"));
        }
        length = 0;
        for _ in 0..count {
            let b = next(TRUNCATED)?;
            if length >= 1 << 23 {
                return Err(structure("length too large"));
            }
            length = length << 8 | usize::from(b);
            if length == 0 {
                return Err(structure("superfluous leading zeros in length"));
            }
        }
        if length < 0x80 {
            return Err(structure("non-minimal length"));
        }
    }
    Ok((Header { class: first >> 6, tag, length, compound: first & 0x20 != 0 }, at))
}

/// Where a part ends that begins at a place.
fn read(bytes: &[u8], at: usize, part: &Part) -> Result<usize, String> {
    if at == bytes.len() {
        return if matches!(part, Part::Any(true)) { Ok(at) } else { Err(syntax("sequence truncated")) };
    }
    let (found, start) = header(bytes, at)?;
    let (name, tag, compound) = match part {
        Part::Any(_) => ("RawValue", found.tag, found.compound),
        Part::Sequence(name, _) => (*name, 16, true),
        Part::Integer => ("int", 2, false),
        Part::Oid => ("ObjectIdentifier", 6, false),
        Part::Bits => ("BitString", 3, false),
        Part::Attributes => ("", 0, true),
    };
    let class = match part {
        Part::Attributes => 2,
        Part::Any(_) => found.class,
        _ => 0,
    };
    if (found.class, found.tag, found.compound) != (class, tag, compound) {
        let Header { class, tag: have, length, compound } = found;
        return Err(structure(&format!(
            "tags don't match ({tag} vs {{class:{class} tag:{have} length:{length} isCompound:{compound}}}) {{optional:false \
             explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false \
             omitEmpty:false}} {name} @{start}"
        )));
    }
    let end = start + found.length;
    let inside = bytes.get(start..end).ok_or_else(|| syntax("data truncated"))?;
    match part {
        Part::Sequence(_, parts) => {
            let mut at = 0;
            for part in *parts {
                at = read(inside, at, part)?;
            }
        }
        Part::Attributes => {
            let mut at = 0;
            while at < inside.len() {
                at = read(inside, at, &Part::Any(false))?;
            }
        }
        Part::Integer if inside.is_empty() => return Err(structure("empty integer")),
        Part::Integer if inside.len() > 8 => return Err(structure("integer too large")),
        Part::Oid if inside.is_empty() => return Err(syntax("zero length OBJECT IDENTIFIER")),
        Part::Bits => match inside.split_first() {
            None => return Err(syntax("zero length BIT STRING")),
            Some((padding, rest)) => {
                let last = rest.last().copied().unwrap_or_default();
                let odd = *padding > 7
                    || (rest.is_empty() && *padding > 0)
                    || u16::from(last) & ((1 << u16::from(*padding)) - 1) != 0;
                if odd {
                    return Err(syntax("invalid padding bits in BIT STRING"));
                }
            }
        },
        _ => {}
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_request_is_told() {
        for (der, want) in [
            (
                &b"abc"[..],
                "asn1: structure error: tags don't match (16 vs {class:1 tag:1 length:98 isCompound:true}) {optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} certificateRequest @2",
            ),
            (&[0x30], "asn1: syntax error: truncated tag or length"),
            (&[0x30, 0x05, 0x00], "asn1: syntax error: data truncated"),
            (&[0x30, 0x00], "asn1: syntax error: sequence truncated"),
            (&[0x30, 0x80], "asn1: syntax error: indefinite length found (not DER)"),
            (&[], "asn1: syntax error: sequence truncated"),
        ] {
            assert_eq!(check(der).err().as_deref(), Some(want));
        }
    }
}
