//! Which part of a log is asked for. Models `ValidatePodLogOptions` of `pkg/apis/core/validation`.

use serde_json::json;

use super::options::number;
use super::url::Query;
use crate::api::decode::parse_rfc3339;
use crate::api::field::{Error, ErrorList, Path};
use crate::api::status::Status;

/// Checks the query of a request for a pod's log.
pub(super) fn check(query: &Query, pod: &str) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let (tail, limit) = (number(query, "tailLines")?, number(query, "limitBytes")?);
    let since = number(query, "sinceSeconds")?;
    let since_time = query.get("sinceTime").filter(|t| !t.is_empty());
    since_time.map_or(Ok(()), |t| parse_rfc3339(t).map(drop)).map_err(Status::bad_request)?;
    if let Some(n) = tail.filter(|n| *n < 0) {
        let path = Path::new("tailLines");
        errors.push(Error::invalid(&path, &json!(n), "must be greater than or equal to 0"));
    }
    if let Some(n) = limit.filter(|n| *n < 1) {
        errors.push(Error::invalid(&Path::new("limitBytes"), &json!(n), "must be greater than 0"));
    }
    if since.is_some() && since_time.is_some() {
        errors.push(Error::forbidden(&Path::new(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"));
    } else if let Some(n) = since.filter(|n| *n < 1) {
        errors.push(Error::invalid(&Path::new("sinceSeconds"), &json!(n), "must be greater than 0"));
    }
    if query.get("stream").is_some() {
        errors.push(Error::forbidden(&Path::new("stream"), "may not be specified"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "PodLogOptions", pod, &errors)) }
}
