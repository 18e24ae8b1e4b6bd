//! Questions that the api-server answers itself: who am I, may I, whose token is this.
//! Models `pkg/registry/{authentication,authorization}/*/rest.go`.

use serde_json::{Value, json};

use super::virtual_resources::Virtual;
use super::{ApiServer, Context, Response, encode, negotiate, options};
use crate::api::decode::{self, show_seconds};
use crate::api::field::{Error, ErrorList, Path, quote};
use crate::api::fields;
use crate::api::labels;
use crate::api::managed_fields::{Managers, Scope};
use crate::api::schema::{go_json, schema};
use crate::api::status::Status;
use crate::api::validation;
use crate::apiserver::User;
use crate::apiserver::auth::{Attributes, ISSUER};

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
        let given = text(&body["metadata"], "namespace").to_owned();
        if v.namespaced && given.is_empty() {
            body["metadata"]["namespace"] = cx.info.namespace.as_str().into();
        } else if v.namespaced && given != cx.info.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        } else if let Some(metadata) = body["metadata"].as_object_mut().filter(|_| !v.namespaced) {
            metadata.remove("namespace");
        }
        wipe_system_fields(&mut body);
        let scope = Scope::new(&api_version, v.kind, "");
        let managers = Managers::default();
        let managers = managers.update(None, &body, None, &cx.caller.manager, &scope, self.sim.timestamp());
        if let Some(entries) = managers.to_value() {
            body["metadata"]["managedFields"] = entries;
        }
        if v.group == "authorization.k8s.io" && v.resource != "selfsubjectrulesreviews" {
            check_access_review(v, &body)?;
        }
        let status = match v.resource {
            "selfsubjectreviews" => json!({"userInfo": cx.caller.user.to_info()}),
            "tokenreviews" => self.token_review(&body)?,
            "selfsubjectaccessreviews" => self.access_review(&body["spec"], &cx.caller.user),
            "selfsubjectrulesreviews" => self.rules_review(&body["spec"], &cx.caller.user)?,
            _ => self.access_review(&body["spec"], &subject(&body["spec"])),
        };
        // Two of them answer with an object of their own instead of the one that was sent.
        if v.resource == "selfsubjectreviews" {
            let now = show_seconds(self.sim.timestamp());
            body["metadata"] = json!({"creationTimestamp": now});
        } else if v.resource == "selfsubjectrulesreviews" {
            (body["metadata"], body["spec"]) = (json!({}), json!({}));
        }
        body["status"] = status;
        Ok(encode::value(201, &encode::completed(body), accepted))
    }

    fn access_review(&self, spec: &Value, user: &User) -> Value {
        let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
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
        if let Some(error) = evaluation_error(resource) {
            status["evaluationError"] = error.into();
        }
        status
    }

    fn token_review(&self, body: &Value) -> Result<Value, Status> {
        let token = text(&body["spec"], "token");
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let asked = match strings(&body["spec"]["audiences"]) {
            none if none.is_empty() => vec![ISSUER.to_owned()],
            asked => asked,
        };
        let answer = |user: Option<User>, audiences: Vec<String>| match user {
            Some(mut user) => {
                user.groups.push("system:authenticated".into());
                json!({"authenticated": true, "user": user.to_info(), "audiences": audiences})
            }
            None => json!({"user": {}, "error": "invalid bearer token"}),
        };
        let common = |have: &[String]| asked.iter().filter(|a| have.contains(a)).cloned().collect::<Vec<_>>();
        let Some(claims) = self.token_claims(token) else {
            // Other tokens are for the api-server alone.
            let audiences = common(&[ISSUER.to_owned()]);
            return Ok(answer(self.token_user(token).filter(|_| !audiences.is_empty()), audiences));
        };
        let have = strings(&claims["aud"]);
        let audiences = common(&have);
        if audiences.is_empty() {
            let show = |all: &[String]| all.iter().map(|a| quote(a)).collect::<Vec<_>>().join(" ");
            let (have, asked) = (show(&have), show(&asked));
            let error = format!("token audiences [{have}] is invalid for the target audiences [{asked}]");
            return Ok(json!({"user": {}, "error": error}));
        }
        Ok(answer(self.account_of_claims(&claims), audiences))
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

/// What an access review must say. Models `pkg/apis/authorization/validation`.
fn check_access_review(v: &Virtual, body: &Value) -> Result<(), Status> {
    let (spec, metadata) = (&body["spec"], &body["metadata"]);
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let (mut errors, path) = (Vec::new(), Path::new("spec"));
    // As Go shows the type inside, which has no names for JSON.
    let shown_other = json!({"Path": text(other, "path"), "Verb": text(other, "verb")});
    if resource.is_null() && other.is_null() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(Error::invalid(&path.child("resourceAttributes"), resource, detail));
    } else if !resource.is_null() && !other.is_null() {
        let detail = "cannot be specified in combination with resourceAttributes";
        errors.push(Error::invalid(&path.child("nonResourceAttributes"), &shown_other, detail));
    }
    let user = subject(spec);
    if v.resource != "selfsubjectaccessreviews" && user.name.is_empty() && user.groups.is_empty() {
        errors.push(Error::invalid_str(&path.child("user"), "", "at least one of user or group must be specified"));
    }
    let attributes = Path::new("spec.resourceAttributes");
    for (field, is_label) in [("fieldSelector", false), ("labelSelector", true)] {
        let (selector, at) = (&resource[field], attributes.child(field));
        if selector.is_null() {
            continue;
        }
        let (raw, listed) = (text(selector, "rawSelector"), selector["requirements"].as_array());
        let listed = listed.is_some_and(|l| !l.is_empty());
        if !raw.is_empty() && listed {
            let detail = "may not specified at the same time as requirements";
            errors.push(Error::invalid_str(&at.child("rawSelector"), raw, detail));
        } else if raw.is_empty() && !listed {
            let detail = format!("when {at} is specified, requirements or rawSelector is required");
            errors.push(Error::required(&at.child("requirements"), detail));
        }
        for (i, requirement) in selector["requirements"].as_array().into_iter().flatten().enumerate() {
            check_requirement(requirement, is_label, &at.child("requirements").index(i), &mut errors);
        }
    }
    let allowed: &[&str] = if v.namespaced { &["namespace", "managedFields"] } else { &["managedFields"] };
    if metadata.as_object().is_some_and(|m| m.keys().any(|k| !allowed.contains(&k.as_str()))) {
        let detail = if v.namespaced { "must be empty except for namespace" } else { "must be empty" };
        errors.push(Error::invalid_shown(&Path::new("metadata"), shown_meta(metadata), detail));
    }
    if v.namespaced && !resource.is_null() && text(resource, "namespace") != text(metadata, "namespace") {
        let (at, namespace) = (Path::new("spec.resourceAttributes.namespace"), text(resource, "namespace"));
        errors.push(Error::invalid_str(&at, namespace, "must match metadata.namespace"));
    }
    if v.namespaced && !other.is_null() {
        let at = Path::new("spec.nonResourceAttributes");
        errors.push(Error::invalid(&at, &shown_other, "disallowed on this kind of request"));
    }
    // Upstream passes the group alone, so the message begins with a point.
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(v.group, "", "", &errors)) }
}

/// One requirement of a selector; operators that are yet to come are let through. Models apimachinery
/// `pkg/apis/meta/v1/validation/validation.go`.
fn check_requirement(requirement: &Value, is_label: bool, path: &Path, errors: &mut ErrorList) {
    let key = text(requirement, "key");
    if !is_label && key.is_empty() {
        errors.push(Error::required(&path.child("key"), "must be specified"));
    }
    let (values, at) = (strings(&requirement["values"]), path.child("values"));
    match text(requirement, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            errors.push(Error::required(&at, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(Error::forbidden(&at, detail));
        }
        _ => {}
    }
    if !is_label {
        return;
    }
    for message in validation::is_qualified_name(key) {
        errors.push(Error::invalid_str(&path.child("key"), key, message));
    }
    for (i, value) in values.iter().enumerate() {
        for message in validation::is_valid_label_value(value) {
            errors.push(Error::invalid_str(&at.index(i), value, message));
        }
    }
}

/// What nobody may say of an object that is made. Models `rest.WipeObjectMetaSystemFields`.
fn wipe_system_fields(body: &mut Value) {
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata.remove(field);
    }
}

/// Metadata as Go's encoder writes it: its fields in their order.
fn shown_meta(metadata: &Value) -> String {
    go_json(metadata, schema().named("meta/v1.ObjectMeta"))
}

/// What of the selectors can't be read, and so isn't looked at. Models `pkg/registry/authorization/util/helpers.go`.
fn evaluation_error(resource: &Value) -> Option<String> {
    let mut told = Vec::new();
    for (field, is_label) in [("fieldSelector", false), ("labelSelector", true)] {
        let selector = &resource[field];
        let raw = text(selector, "rawSelector");
        let all = selector["requirements"].as_array().map_or(&[][..], Vec::as_slice);
        let unread = all.iter().filter(|r| !is_read(r, is_label)).count();
        let raw_unread = !raw.is_empty()
            && if is_label { labels::Selector::parse(raw).is_err() } else { fields::Selector::parse(raw).is_err() };
        if unread > 0 || raw_unread {
            let partially = if unread < all.len() { "partially " } else { "" };
            told.push(format!("spec.resourceAttributes.{field} {partially}ignored due to parse error"));
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether a requirement means something to the authorizer.
fn is_read(requirement: &Value, is_label: bool) -> bool {
    let values = requirement["values"].as_array().map_or(0, Vec::len);
    match text(requirement, "operator") {
        "In" | "NotIn" => is_label || values == 1,
        "Exists" | "DoesNotExist" => is_label,
        _ => false,
    }
}

/// The user that a SubjectAccessReview asks about.
fn subject(spec: &Value) -> User {
    let (name, uid) = (text(spec, "user").to_owned(), text(spec, "uid").to_owned());
    User { name, uid, groups: strings(&spec["groups"]), ..User::default() }
}
