//! Continue tokens: where a paged list goes on, and of which revision it is true.
//! Models apiserver's `pkg/storage/continue.go`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::api::status::Status;

/// The token that goes on at `key`; the revision is -1 for the newest then.
pub(super) fn encode(key: &str, prefix: &str, revision: i64) -> String {
    let start = serde_json::Value::from(key.strip_prefix(prefix).unwrap_or(key));
    URL_SAFE_NO_PAD.encode(format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":{start}}}"#))
}

/// Where a list goes on.
pub(super) struct Continued {
    /// The first key.
    pub(super) key: String,
    /// The revision to go on at, or `None` for the newest.
    pub(super) revision: Option<u64>,
}

/// What a token says, or `None` for an empty one.
pub(super) fn decode(token: &str, prefix: &str) -> Result<Option<Continued>, Status> {
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
    let version = v["v"].as_str().unwrap_or_default();
    if version != "meta.k8s.io/v1" {
        return Err(invalid(&format!("server does not recognize this encoded version {version}")));
    }
    let revision = v["rv"].as_i64().unwrap_or(0);
    if revision == 0 {
        return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
    }
    let start = v["start"].as_str().unwrap_or_default();
    if start.is_empty() {
        return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
    }
    // A token may not lead out of the kind's keys.
    let plain = start.strip_prefix('/').unwrap_or(start);
    if plain.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(invalid(start));
    }
    Ok(Some(Continued { key: format!("{prefix}{plain}"), revision: u64::try_from(revision).ok() }))
}

/// The first key after all that begin with `prefix`.
pub(super) fn prefix_end(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    // Prefixes end in a slash, and '0' is the character after it.
    end.pop();
    end.push('0');
    end
}

/// The answer to a token whose revision was compacted away: how to go on from `key` all the same.
pub(super) fn expired_continue(key: &str, prefix: &str) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.continue_token = encode(key, prefix, -1);
    status
}
