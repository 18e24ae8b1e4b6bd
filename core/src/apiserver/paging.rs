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
    let invalid = |why: &str| Status::bad_request(format!("continue key is not valid: {why}"));
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid("illegal base64 data"))?;
    let v: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| invalid("invalid character"))?;
    match (v["v"].as_str(), v["rv"].as_u64(), v["start"].as_str()) {
        (Some("meta.k8s.io/v1"), Some(rv), Some(start)) if rv > 0 && !start.is_empty() => {
            if start.contains("..") {
                return Err(invalid("encoded start key must not contain '..'"));
            }
            Ok(Some((format!("{prefix}{start}"), rv)))
        }
        _ => Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")),
    }
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
