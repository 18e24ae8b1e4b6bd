//! Continue tokens: where a paged list goes on, and of which revision it is true.
//! Models apiserver's `pkg/storage/continue.go`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::api::status::Status;

/// The token after `last_key`.
pub(super) fn encode(last_key: &str, prefix: &str, revision: u64) -> String {
    let start = format!("{}\u{0}", last_key.strip_prefix(prefix).unwrap_or(last_key));
    let token = serde_json::json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

/// The key to go on from and the revision, or `None` for an empty token.
pub(super) fn decode(token: &str, prefix: &str) -> Result<Option<(String, u64)>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let invalid = |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|e| {
        let at = match e {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => token.len(),
        };
        invalid(&format!("illegal base64 data at input byte {at}"))
    })?;
    let v = crate::api::decode::parse_json(&bytes).map_err(|e| invalid(&e))?;
    match v["v"].as_str() {
        Some("meta.k8s.io/v1") => {}
        other => {
            let version = crate::api::field::quote(other.unwrap_or_default());
            return Err(invalid(&format!("server does not recognize this encoded version {version}")));
        }
    }
    let plain = |why: &str| Status::bad_request(format!("invalid continue token: {why}"));
    let revision = v["rv"].as_u64().unwrap_or(0);
    if revision == 0 {
        return Err(plain("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
    }
    let start = v["start"].as_str().unwrap_or_default();
    if start.is_empty() {
        return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
    }
    // A token may not lead out of the kind's keys.
    if start.split('/').any(|part| part == "..") {
        return Err(invalid(&format!("{start}: invalid key")));
    }
    Ok(Some((format!("{prefix}{start}"), revision)))
}

/// The first key after all that begin with `prefix`.
pub(super) fn prefix_end(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    // Prefixes end in a slash, and '0' is the character after it.
    end.pop();
    end.push('0');
    end
}

/// The answer to a token whose revision was compacted away.
pub(super) fn expired_continue() -> Status {
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
    )
}
