//! The api-server's answer when there is no object to answer with: metav1.Status.
//! Models apimachinery `pkg/api/errors/errors.go`.

use serde::{Deserialize, Serialize};

use super::field::{self, ErrorList};

/// A metav1.Status: what failed and why, as clients read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `Success` or `Failure`.
    #[serde(default)]
    pub status: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For programs, such as `NotFound`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// More for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status code.
    #[serde(default)]
    pub code: u16,
    /// Of an expired list: the token to go on with, though not consistently.
    #[serde(skip)]
    pub continue_token: String,
}

/// metav1.StatusDetails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its resource or kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// One cause a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again, in seconds; 0 for not said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: i32,
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// metav1.StatusCause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Such as `FieldValueInvalid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field's path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// `resource.group`, or just `resource` in the core group: upstream's `GroupResource.String`.
pub fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn failure(code: u16, reason: &str, message: String) -> Status {
    Status { status: "Failure".into(), message, reason: reason.into(), code, ..Status::default() }
}

fn about(group: &str, kind: &str, name: &str) -> Details {
    Details { name: name.into(), group: group.into(), kind: kind.into(), ..Details::default() }
}

impl Status {
    /// `NewNotFound`.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        failure(404, "NotFound", format!("{} {} not found", qualified(group, resource), field::quote(name)))
            .with_details(about(group, resource, name))
    }
    /// `NewAlreadyExists`.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        failure(409, "AlreadyExists", format!("{} {} already exists", qualified(group, resource), field::quote(name)))
            .with_details(about(group, resource, name))
    }
    /// `NewGenerateNameConflict`.
    pub fn generate_name_conflict(group: &str, resource: &str, name: &str) -> Self {
        let mut s = failure(
            409,
            "AlreadyExists",
            format!(
                "{} {} already exists, the server was not able to generate a unique name for the object",
                qualified(group, resource),
                field::quote(name)
            ),
        );
        s.details = Some(Box::new(Details { retry_after_seconds: 1, ..about(group, resource, name) }));
        s
    }
    /// `NewConflict` with upstream's usual error of an update against an old version.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        failure(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {} {}: {why}", qualified(group, resource), field::quote(name)),
        )
        .with_details(about(group, resource, name))
    }
    /// The conflict of an update whose resourceVersion is not the newest.
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        Self::conflict(
            group,
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }
    /// `NewInvalid`: every error a cause.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &ErrorList) -> Self {
        let message = format!(
            "{} {} is invalid{}",
            qualified(group, kind),
            field::quote(name),
            if errors.is_empty() { String::new() } else { format!(": {}", field::aggregate(errors)) }
        );
        let causes = errors
            .iter()
            .map(|e| Cause { reason: e.kind.reason().into(), message: e.body(), field: e.field.clone() })
            .collect();
        failure(422, "Invalid", message).with_details(Details { causes, ..about(group, kind, name) })
    }
    /// `NewBadRequest`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        failure(400, "BadRequest", message.into())
    }
    /// `NewUnauthorized`.
    pub fn unauthorized() -> Self {
        failure(401, "Unauthorized", "Unauthorized".into())
    }
    /// `NewForbidden`.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(group, resource);
        let message = if resource.is_empty() {
            format!("forbidden: {why}")
        } else if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} {} is forbidden: {why}", field::quote(name))
        };
        failure(403, "Forbidden", message).with_details(about(group, resource, name))
    }
    /// `NewResourceExpired`: too old a resourceVersion or continue token.
    pub fn expired(message: impl Into<String>) -> Self {
        failure(410, "Expired", message.into())
    }
    /// `NewGone`.
    pub fn gone(message: impl Into<String>) -> Self {
        failure(410, "Gone", message.into())
    }
    /// `NewMethodNotSupported`.
    pub fn method_not_supported(group: &str, resource: &str, verb: &str) -> Self {
        failure(
            405,
            "MethodNotAllowed",
            format!("{verb} is not supported on resources of kind {}", field::quote(&qualified(group, resource))),
        )
        .with_details(about(group, resource, ""))
    }
    /// The answer to an HTTP method that a path doesn't take.
    pub fn method_not_allowed() -> Self {
        let mut s =
            failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource".into());
        s.details = Some(Box::default());
        s
    }
    /// `NewServerTimeout`.
    pub fn server_timeout(group: &str, resource: &str, operation: &str, retry_after_seconds: i32) -> Self {
        let what = qualified(group, resource);
        let message =
            format!("The {operation} operation against {what} could not be completed at this time, please try again.");
        failure(500, "ServerTimeout", message)
            .with_details(Details { retry_after_seconds, ..about(group, resource, operation) })
    }
    /// `NewTimeoutError`.
    pub fn timeout(message: impl Into<String>, retry_after_seconds: i32) -> Self {
        failure(504, "Timeout", format!("Timeout: {}", message.into()))
            .with_details(Details { retry_after_seconds, ..Details::default() })
    }
    /// `NewTooLargeResourceVersionError`.
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        let cause = Cause {
            reason: "ResourceVersionTooLarge".into(),
            message: "Too large resource version".into(),
            field: String::new(),
        };
        failure(504, "Timeout", format!("Timeout: Too large resource version: {asked}, current: {current}"))
            .with_details(Details { causes: vec![cause], retry_after_seconds: 1, ..Details::default() })
    }
    /// `NewTooManyRequests`.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: i32) -> Self {
        failure(429, "TooManyRequests", message.into())
            .with_details(Details { retry_after_seconds, ..Details::default() })
    }
    /// `NewInternalError`.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let cause = Cause { message: message.clone(), ..Cause::default() };
        failure(500, "InternalError", format!("Internal error occurred: {message}"))
            .with_details(Details { causes: vec![cause], ..Details::default() })
    }
    /// `NewRequestEntityTooLargeError`.
    pub fn request_entity_too_large(message: impl Into<String>) -> Self {
        failure(413, "RequestEntityTooLarge", format!("Request entity too large: {}", message.into()))
    }
    /// `NewUnsupportedMediaType`-like answer.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        failure(415, "UnsupportedMediaType", message.into())
    }
    /// `NewServiceUnavailable`.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        failure(503, "ServiceUnavailable", message.into())
    }
    /// A failure with its code and reason given.
    pub fn other(code: u16, reason: &str, message: impl Into<String>) -> Self {
        failure(code, reason, message.into())
    }

    /// The same with these details.
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// As JSON, with kind, apiVersion and metadata.
    pub fn to_value(&self) -> serde_json::Value {
        let mut v = serde_json::to_value(self).unwrap_or_default();
        if let Some(m) = v.as_object_mut() {
            m.insert("kind".into(), "Status".into());
            m.insert("apiVersion".into(), "v1".into());
            let mut metadata = serde_json::Map::new();
            if !self.continue_token.is_empty() {
                metadata.insert("continue".into(), self.continue_token.clone().into());
            }
            m.insert("metadata".into(), metadata.into());
        }
        v
    }

    /// Whether the object wasn't there.
    pub fn is_not_found(&self) -> bool {
        self.reason == "NotFound"
    }
    /// Whether somebody else wrote first.
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }
    /// Whether the name was taken.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }
    /// Whether validation refused the object.
    pub fn is_invalid(&self) -> bool {
        self.reason == "Invalid"
    }
    /// Whether the requester may not do that.
    pub fn is_forbidden(&self) -> bool {
        self.reason == "Forbidden"
    }
    /// Whether a resourceVersion or continue token was too old.
    pub fn is_expired(&self) -> bool {
        self.reason == "Expired" || self.reason == "Gone"
    }
    /// Whether the server asks to be spared for a while.
    pub fn is_too_many_requests(&self) -> bool {
        self.code == 429
    }
    /// `HasStatusCause`.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.details.iter().flat_map(|d| &d.causes).any(|c| c.reason == reason)
    }
    /// `SuggestsClientDelay`: after how many seconds to try again.
    pub fn retry_after_seconds(&self) -> Option<i32> {
        let seconds = self.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        (seconds > 0 || self.reason == "ServerTimeout").then_some(seconds)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::field::{Error, Path};

    #[test]
    fn as_clients_read_it() {
        let errors = vec![Error::required(&Path::new("metadata").child("name"), "name or generateName is required")];
        for (status, want) in [
            (
                Status::not_found("apps", "deployments", "d"),
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound",
                    "message": "deployments.apps \"d\" not found", "code": 404,
                    "details": {"name": "d", "group": "apps", "kind": "deployments"}}),
            ),
            (
                Status::invalid("", "Pod", "", &errors),
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid",
                    "message": "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
                    "details": {"kind": "Pod", "causes": [{"reason": "FieldValueRequired", "field": "metadata.name",
                        "message": "Required value: name or generateName is required"}]}, "code": 422}),
            ),
            (
                Status::method_not_allowed(),
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "MethodNotAllowed",
                    "message": "the server does not allow this method on the requested resource", "details": {}, "code": 405}),
            ),
        ] {
            assert_eq!(status.to_value(), want);
        }
        assert!(Status::not_found("", "pods", "p").is_not_found());
        assert_eq!(Status::too_many_requests("x", 3).retry_after_seconds(), Some(3));
        assert_eq!(Status::server_timeout("", "pods", "list", 0).retry_after_seconds(), Some(0));
    }
}
