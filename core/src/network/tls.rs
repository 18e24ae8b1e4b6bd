//! What of TLS can be told apart on the simulated wire: records (RFC 8446, section 5.1) around what both ends say. Who looks at the wire may read
//! it: certificates and keys are the affair of the real door, not of the pods' network.

/// A record's type, of which there are two here: what opens a connection, and what follows.
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// What a record may carry at most.
const RECORD_MAX: usize = 1 << 14;
const HEADER: usize = 5;

/// Bytes that came without records around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotTls;

/// Puts records around what the side that opened a connection says, or the side that took it.
pub(super) fn seal(text: &[u8], opens: bool) -> Vec<u8> {
    let kind = if opens { HANDSHAKE } else { APPLICATION_DATA };
    let mut sealed = Vec::with_capacity(text.len() + HEADER);
    for chunk in text.chunks(RECORD_MAX) {
        sealed.extend([kind, 3, 3, (chunk.len() >> 8) as u8, chunk.len() as u8]);
        sealed.extend_from_slice(chunk);
    }
    sealed
}

/// What the records carry that have come so far.
///
/// # Errors
/// The first bytes are no record.
pub(super) fn open(sealed: &[u8]) -> Result<Vec<u8>, NotTls> {
    let (mut text, mut rest) = (Vec::new(), sealed);
    while let [kind, major, _, high, low, after @ ..] = rest {
        if !matches!(*kind, HANDSHAKE | APPLICATION_DATA) || *major != 3 {
            return Err(NotTls);
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((carried, next)) = after.split_at_checked(length) else { return Ok(text) };
        text.extend_from_slice(carried);
        rest = next;
    }
    match rest.first() {
        Some(kind) if !matches!(*kind, HANDSHAKE | APPLICATION_DATA) => Err(NotTls),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_carry_what_was_said() {
        for length in [0, 1, 5, RECORD_MAX, RECORD_MAX + 1, 3 * RECORD_MAX] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            for opens in [true, false] {
                let sealed = seal(&text, opens);
                assert_eq!(open(&sealed).as_ref(), Ok(&text), "{length}");
                // A part of a record tells nothing yet.
                let part = sealed.get(..sealed.len().saturating_sub(1)).unwrap_or_default();
                assert!(
                    open(part).is_ok_and(|t| text.starts_with(&t) && (length == 0 || t.len() < length)),
                    "{length}"
                );
            }
        }
        for plain in ["G", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"] {
            assert_eq!(open(plain.as_bytes()), Err(NotTls), "{plain}");
        }
    }
}
