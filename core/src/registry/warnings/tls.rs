//! Whether the key in a TLS Secret is that of its certificate. Models `pkg/registry/core/secret/strategy.go`
//! (warningsForSecret), that is Go's `tls.X509KeyPair`, as far as that can be seen without doing the mathematics.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;

/// What is odd about a Secret.
pub(in crate::registry) fn of(secret: &Secret) -> Vec<String> {
    if secret.type_.as_deref() != Some("kubernetes.io/tls") {
        return Vec::new();
    }
    let value = |key: &str| secret.data.as_ref().and_then(|d| d.get(key)).map(|v| v.0.as_slice()).unwrap_or_default();
    key_pair(value("tls.crt"), value("tls.key")).err().into_iter().collect()
}

/// A block of PEM.
struct Block {
    kind: String,
    der: Vec<u8>,
    has_headers: bool,
}

/// The kind of the first sound block of a text, and what is in it.
pub(in crate::registry) fn first_block(text: &[u8]) -> Option<(String, Vec<u8>)> {
    blocks(text).into_iter().next().map(|b| (b.kind, b.der))
}

/// The sound blocks of a text.
fn blocks(text: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(text);
    let mut out = Vec::new();
    let mut open: Option<(String, String)> = None;
    let mut has_headers = false;
    for line in text.lines().map(str::trim_end) {
        let marked =
            |mark: &str| line.strip_prefix(mark).and_then(|rest| rest.strip_suffix("-----")).map(str::to_owned);
        if let Some(kind) = marked("-----BEGIN ") {
            (open, has_headers) = (Some((kind, String::new())), false);
        } else if let Some(end) = marked("-----END ") {
            let Some((kind, body)) = open.take().filter(|(kind, _)| *kind == end) else { continue };
            if let Ok(der) = STANDARD.decode(body) {
                out.push(Block { kind, der, has_headers });
            }
        } else if let Some((_, body)) = &mut open {
            // Lines with a colon are headers.
            if line.contains(':') {
                has_headers = true;
            } else {
                body.extend(line.chars().filter(|c| !c.is_whitespace()));
            }
        }
    }
    out
}

fn kinds<'a>(blocks: impl Iterator<Item = &'a Block>) -> Vec<&'a str> {
    blocks.map(|b| b.kind.as_str()).collect()
}

/// Why a text is no chain of certificates; an empty one is nothing, and fine. Models `validateCertificate` of
/// `pkg/apis/certificates/validation`.
pub(in crate::registry) fn chain_fault(text: &[u8]) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let blocks = blocks(text);
    for block in &blocks {
        if block.kind != "CERTIFICATE" {
            let kind = crate::api::field::quote(&block.kind);
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {kind}"));
        }
        if block.has_headers {
            return Some("no PEM block headers are permitted".to_owned());
        }
        if block.der.is_empty() {
            return Some("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        if public_key(&block.der).is_none() {
            return Some("x509: malformed certificate".to_owned());
        }
    }
    blocks.is_empty().then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

fn certificate(text: &[u8]) -> Result<Vec<u8>, String> {
    let blocks = blocks(text);
    if let Some(found) = blocks.iter().find(|b| b.kind == "CERTIFICATE") {
        return Ok(found.der.clone());
    }
    Err(match kinds(blocks.iter()).as_slice() {
        [] => "tls: failed to find any PEM data in certificate input".to_owned(),
        [only] if only.ends_with("PRIVATE KEY") => {
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
                .to_owned()
        }
        skipped => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            skipped.join(" ")
        ),
    })
}

fn private_key(text: &[u8]) -> Result<Vec<u8>, String> {
    let blocks = blocks(text);
    let is_key = |b: &&Block| b.kind == "PRIVATE KEY" || b.kind.ends_with(" PRIVATE KEY");
    if let Some(found) = blocks.iter().find(is_key) {
        return Ok(found.der.clone());
    }
    Err(match kinds(blocks.iter()).as_slice() {
        [] => "tls: failed to find any PEM data in key input".to_owned(),
        ["CERTIFICATE"] => "tls: found a certificate rather than a key in the PEM for the private key".to_owned(),
        skipped => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            skipped.join(" ")
        ),
    })
}

/// One value of DER: its tag and content, and what follows it.
fn tlv(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0usize, |n, b| (n << 8) | usize::from(*b)), rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The values within a sequence.
fn sequence(der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (tag, content, _) = tlv(der)?;
    if tag == SEQUENCE { nested(content) } else { None }
}

/// The values within a sequence's content.
fn nested(mut content: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut out = Vec::new();
    while !content.is_empty() {
        let (tag, value, rest) = tlv(content)?;
        out.push((tag, value));
        content = rest;
    }
    Some(out)
}

/// A key, as far as it can be compared.
#[derive(Debug, PartialEq)]
enum Key {
    Rsa {
        modulus: Vec<u8>,
    },
    /// The point, if it is known.
    Ecdsa {
        point: Option<Vec<u8>>,
    },
    Ed25519,
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The key in a certificate.
fn public_key(certificate: &[u8]) -> Option<Key> {
    let parts = sequence(certificate)?;
    let of_certificate = nested(parts.first()?.1)?;
    // The version is optional and has a tag of its own.
    let skip = usize::from(of_certificate.first()?.0 == 0xa0);
    let info = nested(of_certificate.get(skip + 5)?.1)?;
    let algorithm = nested(info.first()?.1)?;
    let (tag, bits) = *info.get(1)?;
    let (OID, oid) = *algorithm.first()? else { return None };
    let bits = bits.get(1..).filter(|_| tag == BIT_STRING)?;
    match oid {
        RSA => Some(Key::Rsa { modulus: sequence(bits)?.first()?.1.to_vec() }),
        EC => Some(Key::Ecdsa { point: Some(bits.to_vec()) }),
        ED25519 => Some(Key::Ed25519),
        _ => None,
    }
}

/// The point in an EC private key, where it is written beside the secret.
fn ec_point(parts: &[(u8, &[u8])]) -> Option<Vec<u8>> {
    let (_, tagged) = parts.iter().find(|(tag, _)| *tag == 0xa1)?;
    let (tag, bits, _) = tlv(tagged)?;
    (tag == BIT_STRING).then(|| bits.get(1..).map(<[u8]>::to_vec))?
}

/// A private key in one of the three forms that Go reads.
fn parse_private_key(der: &[u8]) -> Option<Key> {
    let parts = sequence(der)?;
    match (parts.first()?, parts.get(1)?) {
        ((INTEGER, [0]), (INTEGER, modulus)) => Some(Key::Rsa { modulus: modulus.to_vec() }),
        ((INTEGER, [1]), (OCTET_STRING, _)) => Some(Key::Ecdsa { point: ec_point(&parts) }),
        ((INTEGER, [0] | [1]), (SEQUENCE, algorithm)) => {
            let (OID, oid) = *nested(algorithm)?.first()? else { return None };
            let (OCTET_STRING, inner) = *parts.get(2)? else { return None };
            match oid {
                ED25519 => Some(Key::Ed25519),
                EC => Some(Key::Ecdsa { point: ec_point(&sequence(inner)?) }),
                RSA => parse_private_key(inner),
                _ => None,
            }
        }
        _ => None,
    }
}

fn key_pair(certificate_text: &[u8], key_text: &[u8]) -> Result<(), String> {
    let certificate = certificate(certificate_text)?;
    let key = private_key(key_text)?;
    let public = public_key(&certificate).ok_or_else(|| "x509: malformed certificate".to_owned())?;
    let private = parse_private_key(&key).ok_or_else(|| "tls: failed to parse private key".to_owned())?;
    let matches = match (&public, &private) {
        (Key::Rsa { modulus: a }, Key::Rsa { modulus: b }) => a == b,
        (Key::Ecdsa { point: a }, Key::Ecdsa { point: b }) => b.is_none() || a == b,
        (Key::Ed25519, Key::Ed25519) => true,
        _ => return Err("tls: private key type does not match public key type".to_owned()),
    };
    if matches { Ok(()) } else { Err("tls: private key does not match public key".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let content = parts.concat();
        [vec![tag, content.len() as u8], content].concat()
    }

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
    }

    fn bits(of: &[u8]) -> Vec<u8> {
        der(BIT_STRING, &[vec![0], of.to_vec()])
    }

    /// A certificate's skeleton around a key.
    fn certificate_of(oid: &[u8], key: &[u8]) -> String {
        let empty = || der(SEQUENCE, &[]);
        let version = der(0xa0, &[der(INTEGER, &[vec![2]])]);
        let info = der(SEQUENCE, &[der(SEQUENCE, &[der(OID, &[oid.to_vec()])]), bits(key)]);
        let serial = der(INTEGER, &[vec![1]]);
        let signed = der(SEQUENCE, &[version, serial, empty(), empty(), empty(), empty(), info]);
        pem("CERTIFICATE", &der(SEQUENCE, &[signed, empty(), bits(&[])]))
    }

    fn ec_key(point: &[u8]) -> Vec<u8> {
        let secret = der(OCTET_STRING, &[vec![9]]);
        der(SEQUENCE, &[der(INTEGER, &[vec![1]]), secret, der(0xa1, &[bits(point)])])
    }

    fn wrapped(oid: &[u8], key: Vec<u8>) -> Vec<u8> {
        let algorithm = der(SEQUENCE, &[der(OID, &[oid.to_vec()])]);
        der(SEQUENCE, &[der(INTEGER, &[vec![0]]), algorithm, der(OCTET_STRING, &[key])])
    }

    fn rsa_key(modulus: u8) -> Vec<u8> {
        der(SEQUENCE, &[der(INTEGER, &[vec![0]]), der(INTEGER, &[vec![modulus]]), der(INTEGER, &[vec![3]])])
    }

    #[test]
    fn a_certificate_and_its_key() {
        let ec = certificate_of(EC, &[4, 7]);
        let rsa = certificate_of(RSA, &der(SEQUENCE, &[der(INTEGER, &[vec![77]]), der(INTEGER, &[vec![3]])]));
        let key = pem("EC PRIVATE KEY", &ec_key(&[4, 7]));
        for (certificate, key, want) in [
            (&ec, &key, None),
            (&ec, &pem("PRIVATE KEY", &wrapped(EC, ec_key(&[4, 7]))), None),
            (
                &ec,
                &pem("PRIVATE KEY", &wrapped(EC, ec_key(&[4, 8]))),
                Some("tls: private key does not match public key"),
            ),
            (&rsa, &pem("RSA PRIVATE KEY", &rsa_key(77)), None),
            (&rsa, &pem("PRIVATE KEY", &wrapped(RSA, rsa_key(78))), Some("tls: private key does not match public key")),
            (&rsa, &key, Some("tls: private key type does not match public key type")),
            (&"a".to_owned(), &"b".to_owned(), Some("tls: failed to find any PEM data in certificate input")),
            (
                &key,
                &key,
                Some(
                    "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
                ),
            ),
            (&ec, &String::new(), Some("tls: failed to find any PEM data in key input")),
            (&ec, &ec, Some("tls: found a certificate rather than a key in the PEM for the private key")),
            (&pem("CERTIFICATE", &[0, 0]), &key, Some("x509: malformed certificate")),
            (&ec, &pem("PRIVATE KEY", &[0, 0]), Some("tls: failed to parse private key")),
        ] {
            assert_eq!(key_pair(certificate.as_bytes(), key.as_bytes()).err().as_deref(), want);
        }
    }
}
