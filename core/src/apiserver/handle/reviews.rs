//! Questions that the api-server answers itself: who am I, may I, whose token is this.
//! Models `pkg/registry/{authentication,authorization}/*/rest.go`.

use serde_json::{Value, json};

use super::virtual_resources::Virtual;
use super::{ApiServer, Context, Response, encode, negotiate, options};
use crate::api::decode;
use crate::api::field::{Error, Path, quote};
use crate::api::status::Status;
use crate::apiserver::User;
use crate::apiserver::auth::Attributes;

fn user_info(user: &User) -> Value {
    let mut v = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        v["uid"] = user.uid.as_str().into();
    }
    v
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_default()
}

fn strings(v: &Value) -> Vec<String> {
    v.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)).collect()
}

impl ApiServer {
    pub(super) fn review(&mut self, cx: &Context<'_>, v: &Virtual) -> Result<Response, Status> {
        let (accepted, _) = Self::presentation(cx)?;
        let format = negotiate::body_format(cx.request)?;
        let o = options::write(cx, "CreateOptions", None)?;
        let api_version = format!("{}/{}", v.group, v.version);
        let decoded = decode::decode_object(&cx.request.body, format, &api_version, v.kind, o.validation)?;
        self.warnings.extend(|| decoded.warnings.clone());
        let mut body = decoded.value;
        let status = match v.resource {
            "selfsubjectreviews" => json!({"userInfo": user_info(&cx.caller.user)}),
            "tokenreviews" => self.token_review(&body)?,
            "selfsubjectaccessreviews" => self.access_review(v, &body["spec"], &cx.caller.user)?,
            "selfsubjectrulesreviews" => self.rules_review(&body["spec"], &cx.caller.user)?,
            "localsubjectaccessreviews" => {
                let asked = text(&body["spec"]["resourceAttributes"], "namespace");
                if asked != cx.info.namespace {
                    return Err(Status::bad_request(format!(
                        "spec.resourceAttributes.namespace must match namespace: {}",
                        cx.info.namespace
                    )));
                }
                self.access_review(v, &body["spec"], &subject(&body["spec"]))?
            }
            _ => self.access_review(v, &body["spec"], &subject(&body["spec"]))?,
        };
        body["status"] = status;
        if v.resource == "selfsubjectreviews" {
            body["metadata"]["creationTimestamp"] =
                crate::api::decode::parse_rfc3339(&self.sim.timestamp().to_string())
                    .ok()
                    .map_or(Value::Null, |_| self.sim.timestamp().to_string().into());
        }
        Ok(encode::value(201, &encode::completed(body), accepted))
    }

    fn access_review(&self, v: &Virtual, spec: &Value, user: &User) -> Result<Value, Status> {
        let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        let mut errors = Vec::new();
        let path = Path::new("spec");
        if resource.is_null() == other.is_null() {
            let detail = if resource.is_null() {
                "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            } else {
                "cannot be specified in combination with resourceAttributes"
            };
            let (at, value) =
                if resource.is_null() { ("resourceAttributes", resource) } else { ("nonResourceAttributes", other) };
            errors.push(Error::invalid(&path.child(at), value, detail));
        }
        if v.resource != "selfsubjectaccessreviews" && user.name.is_empty() && user.groups.is_empty() {
            errors.push(Error::invalid_str(&path.child("user"), "", "at least one of user or group must be specified"));
        }
        if !errors.is_empty() {
            // Upstream passes the group alone, so the message begins with a point.
            return Err(Status::invalid(v.group, "", "", &errors));
        }
        let attributes = if resource.is_null() {
            Attributes { verb: text(other, "verb"), path: text(other, "path"), ..Attributes::default() }
        } else {
            Attributes {
                verb: text(resource, "verb"),
                namespace: text(resource, "namespace"),
                group: text(resource, "group"),
                resource: text(resource, "resource"),
                subresource: text(resource, "subresource"),
                name: text(resource, "name"),
                path: "",
                is_resource: true,
            }
        };
        let decision = self.authorize(user, &attributes);
        let mut status = json!({"allowed": decision.allowed});
        if !decision.reason.is_empty() {
            status["reason"] = decision.reason.into();
        }
        Ok(status)
    }

    fn token_review(&self, body: &Value) -> Result<Value, Status> {
        let token = text(&body["spec"], "token");
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        Ok(match self.token_user(token) {
            Some(mut user) => {
                user.groups.push("system:authenticated".into());
                json!({"authenticated": true, "user": user_info(&user), "audiences": [crate::apiserver::auth::ISSUER]})
            }
            None => json!({"user": {}, "error": "invalid bearer token"}),
        })
    }

    fn rules_review(&self, spec: &Value, user: &User) -> Result<Value, Status> {
        let namespace = text(spec, "namespace");
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let (mut resources, mut others) = (Vec::new(), Vec::new());
        let mut problems = Vec::new();
        if user.groups.iter().any(|g| g == "system:masters") {
            resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            others.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        self.visit_rules(user, namespace, |rule, _| {
            match rule {
                Ok(r) if r.resources.as_ref().is_some_and(|r| !r.is_empty()) => {
                    let mut v = json!({"verbs": r.verbs, "apiGroups": r.api_groups, "resources": r.resources});
                    if let Some(names) = r.resource_names.as_ref().filter(|n| !n.is_empty()) {
                        v["resourceNames"] = json!(names);
                    }
                    resources.push(v);
                }
                Ok(r) => {
                    if let Some(urls) = r.non_resource_urls.as_ref().filter(|u| !u.is_empty()) {
                        others.push(json!({"verbs": r.verbs, "nonResourceURLs": urls}));
                    }
                }
                Err(e) => problems.push(e),
            }
            true
        });
        let mut status =
            json!({"resourceRules": resources, "nonResourceRules": others, "incomplete": !problems.is_empty()});
        if !problems.is_empty() {
            status["evaluationError"] =
                format!("[{}]", problems.iter().map(|p| quote(p)).collect::<Vec<_>>().join(", ")).into();
        }
        Ok(status)
    }
}

/// The user that a SubjectAccessReview asks about.
fn subject(spec: &Value) -> User {
    User { name: text(spec, "user").to_owned(), uid: text(spec, "uid").to_owned(), groups: strings(&spec["groups"]) }
}
