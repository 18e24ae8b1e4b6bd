//! Webhook configurations, admission policies and their bindings.
//! Models `pkg/apis/admissionregistration/validation/validation.go` and `v1/defaults.go`.

use super::expressions::{self, Known};
use crate::api::cel::{self, BOOL, STRING, Type};
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::webhook;
use crate::api::dynamic::DynamicObject;
use crate::api::validation::{
    is_dns1035_label, is_dns1123_subdomain, is_fully_qualified_name, is_path_segment_name, name_is_dns_subdomain,
    validate_label_selector, validate_object_meta,
};
use crate::registry::validation::json::*;
use crate::registry::validation::policy;
use crate::registry::validation::prelude::*;

const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const MATCH_CONDITIONS_MAX: usize = 64;
const AUDIT_ANNOTATIONS_MAX: usize = 20;
const VALUE_EXPRESSION_BYTES_MAX: usize = 5 * 1024;

/// What an update may go on with.
struct Options {
    skip_match_conditions: bool,
    no_side_effects: bool,
    known_review_version: bool,
    unique_names: bool,
    allow_bad_values: bool,
}

fn set(o: &mut Map<String, Value>, key: &str, default: Value) {
    let have = o.entry(key).or_insert(Value::Null);
    if have.is_null() {
        *have = default;
    }
}

fn scope_defaults(holder: &mut Map<String, Value>, key: &str) {
    for rule in holder.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(rule) = rule.as_object_mut() {
            set(rule, "scope", "*".into());
        }
    }
}

/// What webhooks leave out.
pub(crate) fn webhook_defaults(o: &mut DynamicObject) {
    let mutating = &*o.kind == "MutatingWebhookConfiguration";
    for hook in o.fields.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(hook) = hook.as_object_mut() else { continue };
        set(hook, "failurePolicy", "Fail".into());
        set(hook, "matchPolicy", "Equivalent".into());
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        set(hook, "timeoutSeconds", 10.into());
        if mutating {
            set(hook, "reinvocationPolicy", "Never".into());
        }
        if let Some(service) =
            hook.get_mut("clientConfig").and_then(|c| c.get_mut("service")).and_then(Value::as_object_mut)
        {
            set(service, "port", 443.into());
        }
        scope_defaults(hook, "rules");
    }
}

fn match_resource_defaults(resources: Option<&mut Value>) {
    let Some(resources) = resources.and_then(Value::as_object_mut) else { return };
    set(resources, "matchPolicy", "Equivalent".into());
    set(resources, "namespaceSelector", json!({}));
    set(resources, "objectSelector", json!({}));
    scope_defaults(resources, "resourceRules");
    scope_defaults(resources, "excludeResourceRules");
}

/// What policies leave out.
pub(crate) fn policy_defaults(o: &mut DynamicObject) {
    let spec = o.fields.entry("spec").or_insert_with(|| json!({}));
    let Some(spec) = spec.as_object_mut() else { return };
    set(spec, "failurePolicy", "Fail".into());
    match_resource_defaults(spec.get_mut("matchConstraints"));
}

/// What bindings leave out.
pub(crate) fn binding_defaults(o: &mut DynamicObject) {
    match_resource_defaults(o.fields.get_mut("spec").and_then(|s| s.get_mut("matchResources")));
}

/// A name that will belong to configuration files. Models `WarningsForStaticSuffix`.
pub(crate) fn static_name_warning(o: &DynamicObject, _old: Option<&DynamicObject>) -> Vec<String> {
    if !text(&o.metadata.name).ends_with(".static.k8s.io") {
        return Vec::new();
    }
    vec![
        "metadata.name: names ending with \".static.k8s.io\" are reserved for static manifest-based configurations and \
         cannot be managed via the API"
            .to_owned(),
    ]
}

/// Checks a new webhook configuration of either kind.
pub(crate) fn webhooks(o: &DynamicObject) -> ErrorList {
    let strict = Options {
        skip_match_conditions: false,
        no_side_effects: true,
        known_review_version: true,
        unique_names: true,
        allow_bad_values: false,
    };
    configuration(o, &strict)
}

fn hooks(o: &DynamicObject) -> &[Value] {
    o.at(&["webhooks"]).as_array().map_or(&[], Vec::as_slice)
}

/// Checks a changed webhook configuration: what the old one got away with, the new one may keep.
pub(crate) fn webhooks_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let (is, was) = (hooks(new), hooks(old));
    let names: BTreeSet<&str> = was.iter().map(|h| str_of(h, "name")).collect();
    let bad = |h: &Value, key: &str| {
        selector_of(h, key).is_some_and(|s| !validate_label_selector(Some(&s), false, &Path::root()).is_empty())
    };
    let opts = Options {
        skip_match_conditions: is.len() == was.len()
            && is.iter().zip(was).all(|(i, w)| i["matchConditions"] == w["matchConditions"]),
        no_side_effects: was.iter().all(|h| matches!(str_of(h, "sideEffects"), "None" | "NoneOnDryRun")),
        known_review_version: was.iter().all(|h| {
            let versions = texts_of(h, "admissionReviewVersions");
            versions.is_empty() || versions.iter().any(|v| REVIEW_VERSIONS.contains(v))
        }),
        unique_names: names.len() == was.len(),
        allow_bad_values: was.iter().any(|h| bad(h, "namespaceSelector") || bad(h, "objectSelector")),
    };
    configuration(new, &opts)
}

fn configuration(o: &DynamicObject, opts: &Options) -> ErrorList {
    let mut errs = validate_object_meta(&o.metadata, false, name_is_dns_subdomain, &Path::new("metadata"));
    let path = Path::new("webhooks");
    let mutating = &*o.kind == "MutatingWebhookConfiguration";
    let mut seen = BTreeSet::new();
    for (i, h) in hooks(o).iter().enumerate() {
        let at = path.index(i);
        hook(h, mutating, opts, &at, &mut errs);
        review_versions(h, opts, &at.child("admissionReviewVersions"), &mut errs);
        let name = str_of(h, "name");
        if opts.unique_names && !name.is_empty() && !seen.insert(name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(name)));
        }
    }
    errs
}

fn hook(h: &Value, mutating: bool, opts: &Options, path: &Path, errs: &mut ErrorList) {
    errs.extend(is_fully_qualified_name(&path.child("name"), str_of(h, "name")));
    let rules_path = path.child("rules");
    for (i, rule) in list_of(h, "rules").iter().enumerate() {
        operations(rule, &rules_path.index(i), errs);
    }
    let optional = |field: &str, supported: &[&str], errs: &mut ErrorList| {
        if let Some(value) = opt_str(h, field) {
            one_of(value, supported, &path.child(field), errs);
        }
    };
    optional("failurePolicy", &["Fail", "Ignore"], errs);
    optional("matchPolicy", &["Equivalent", "Exact"], errs);
    let allowed: &[&str] =
        if opts.no_side_effects { &["None", "NoneOnDryRun"] } else { &["None", "NoneOnDryRun", "Some", "Unknown"] };
    if !is_set(h, "sideEffects") {
        let detail = format!("must specify one of {}", allowed.join(", "));
        errs.push(Error::required(&path.child("sideEffects"), detail));
    }
    optional("sideEffects", allowed, errs);
    if let Some(seconds) = int_of(h, "timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errs.push(Error::invalid(&path.child("timeoutSeconds"), &json!(seconds), detail));
    }
    for field in ["namespaceSelector", "objectSelector"] {
        let selector = selector_of(h, field);
        errs.extend(validate_label_selector(selector.as_ref(), opts.allow_bad_values, &path.child(field)));
    }
    if mutating {
        optional("reinvocationPolicy", &["IfNeeded", "Never"], errs);
    }
    webhook::client_config(&h["clientConfig"], &path.child("clientConfig"), errs);
    if !opts.skip_match_conditions {
        match_conditions(list_of(h, "matchConditions"), false, &path.child("matchConditions"), errs);
    }
}

fn review_versions(h: &Value, opts: &Options, path: &Path, errs: &mut ErrorList) {
    let versions = texts_of(h, "admissionReviewVersions");
    if versions.is_empty() {
        errs.push(Error::required(path, format!("must specify one of {}", REVIEW_VERSIONS.join(", "))));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, v) in versions.iter().enumerate() {
        if !seen.insert(*v) {
            errs.push(Error::invalid_str(&path.index(i), v, "duplicate version"));
            continue;
        }
        invalid_each(is_dns1035_label(v), v, &path.index(i), errs);
    }
    if opts.known_review_version && !versions.iter().any(|v| REVIEW_VERSIONS.contains(v)) {
        let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errs.push(Error::invalid(path, &json!(versions), detail));
    }
}

/// Upstream's `validateRuleWithOperations`.
fn operations(rule: &Value, path: &Path, errs: &mut ErrorList) {
    let (operations, at) = (texts_of(rule, "operations"), path.child("operations"));
    if operations.is_empty() {
        errs.push(Error::required(&at, ""));
    }
    if operations.len() > 1 && operations.contains(&"*") {
        let detail = "if '*' is present, must not specify other operations";
        errs.push(Error::invalid(&at, &json!(operations), detail));
    }
    for (i, operation) in operations.iter().enumerate() {
        one_of(operation, &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"], &at.index(i), errs);
    }
    let wildcard_alone = |field: &str, what: &str, errs: &mut ErrorList| {
        let (values, at) = (texts_of(rule, field), path.child(field));
        if values.is_empty() {
            errs.push(Error::required(&at, ""));
        }
        if values.len() > 1 && values.contains(&"*") {
            let detail = format!("if '*' is present, must not specify other API {what}");
            errs.push(Error::invalid(&at, &json!(values), detail));
        }
    };
    wildcard_alone("apiGroups", "groups", errs);
    wildcard_alone("apiVersions", "versions", errs);
    let at = path.child("apiVersions");
    for (i, version) in texts_of(rule, "apiVersions").iter().enumerate() {
        if version.is_empty() {
            errs.push(Error::required(&at.index(i), ""));
        }
    }
    resources(&texts_of(rule, "resources"), &path.child("resources"), errs);
    if let Some(scope) = opt_str(rule, "scope") {
        one_of(scope, &["*", "Cluster", "Namespaced"], &path.child("scope"), errs);
    }
}

fn resources(resources: &[&str], path: &Path, errs: &mut ErrorList) {
    if resources.is_empty() {
        errs.push(Error::required(path, ""));
    }
    let (mut whole, mut of_any) = (BTreeSet::new(), BTreeSet::new());
    let mut bare_resource = false;
    for (i, resource) in resources.iter().enumerate() {
        let at = path.index(i);
        if resource.is_empty() {
            errs.push(Error::required(&at, ""));
            continue;
        }
        let Some((kind, sub)) = resource.split_once('/') else {
            // Only the last one counts, as upstream has it.
            bare_resource = *resource != "*";
            continue;
        };
        if whole.contains(kind) {
            let detail = format!("if '{kind}/*' is present, must not specify {resource}");
            errs.push(Error::invalid_str(&at, resource, detail));
        }
        if of_any.contains(sub) {
            let detail = format!("if '*/{sub}' is present, must not specify {resource}");
            errs.push(Error::invalid_str(&at, resource, detail));
        }
        if sub == "*" {
            whole.insert(kind);
        }
        if kind == "*" {
            of_any.insert(sub);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        let detail = "if '*/*' is present, must not specify other resources";
        errs.push(Error::invalid(path, &json!(resources), detail));
    }
    if resources.contains(&"*") && bare_resource {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errs.push(Error::invalid(path, &json!(resources), detail));
    }
}

pub(super) fn match_conditions(conditions: &[Value], params: bool, path: &Path, errs: &mut ErrorList) {
    if conditions.len() > MATCH_CONDITIONS_MAX {
        errs.push(Error::too_many(path, conditions.len(), MATCH_CONDITIONS_MAX));
    }
    let mut seen = BTreeSet::new();
    for (i, c) in conditions.iter().enumerate() {
        let at = path.index(i);
        let expression = str_of(c, "expression").trim();
        if expression.is_empty() {
            errs.push(Error::required(&at.child("expression"), ""));
        } else {
            let known = Known { params, authorizer: true, ..Known::default() };
            expressions::check(expression, expression, known, &[BOOL], &at.child("expression"), errs);
        }
        let name = str_of(c, "name");
        if name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
            continue;
        }
        names::qualified_name(name, &at.child("name"), errs);
        if !seen.insert(name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(name)));
        }
    }
}

/// Checks a new ValidatingAdmissionPolicy.
pub(crate) fn validating_policy(o: &DynamicObject) -> ErrorList {
    policy_spec(o, false)
}

/// Checks a changed ValidatingAdmissionPolicy.
pub(crate) fn validating_policy_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    policy_spec(new, conditions_unchanged(new, old))
}

/// Whether the match conditions of a policy were looked at already: neither they nor what they may name changed.
pub(super) fn conditions_unchanged(new: &DynamicObject, old: &DynamicObject) -> bool {
    let (is, was) = (new.at(&["spec"]), old.at(&["spec"]));
    let unchanged = |key: &str| same(&is[key], &was[key]);
    unchanged("paramKind") && unchanged("matchConditions")
}

fn policy_spec(o: &DynamicObject, skip_match_conditions: bool) -> ErrorList {
    let mut errs = policy(o, skip_match_conditions, |_, _, _| {});
    validations(text(&o.metadata.name), o.at(&["spec"]), &Path::new("spec"), &mut errs);
    errs
}

/// What validating and mutating policies have in common; `more` checks more of the match constraints.
pub(super) fn policy(
    o: &DynamicObject,
    skip_match_conditions: bool,
    more: impl FnOnce(&Value, &Path, &mut ErrorList),
) -> ErrorList {
    let mut errs = validate_object_meta(&o.metadata, false, name_is_dns_subdomain, &Path::new("metadata"));
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    match opt_str(spec, "failurePolicy") {
        None => errs.push(Error::required(&path.child("failurePolicy"), "")),
        Some(p) => one_of(p, &["Fail", "Ignore"], &path.child("failurePolicy"), &mut errs),
    }
    if is_set(spec, "paramKind") {
        param_kind(&spec["paramKind"], &path.child("paramKind"), &mut errs);
    }
    let at = path.child("matchConstraints");
    if is_set(spec, "matchConstraints") {
        let constraints = &spec["matchConstraints"];
        match_resources(constraints, &at, &mut errs);
        if list_of(constraints, "resourceRules").is_empty() {
            errs.push(Error::required(&at.child("resourceRules"), ""));
        }
        more(constraints, &at, &mut errs);
    } else {
        errs.push(Error::required(&at, ""));
    }
    if !skip_match_conditions {
        let params = is_set(spec, "paramKind");
        match_conditions(list_of(spec, "matchConditions"), params, &path.child("matchConditions"), &mut errs);
    }
    let at = path.child("variables");
    let known = Known { params: is_set(spec, "paramKind"), authorizer: true, ..Known::default() };
    let declared = expressions::declared(spec, known);
    for (i, v) in list_of(spec, "variables").iter().enumerate() {
        // A variable may name those before it.
        let before = declared.iter().take(i).cloned().collect();
        variable(v, Known { variables: Some(&before), ..known }, &at.index(i), &mut errs);
    }
    errs
}

fn variable(v: &Value, known: Known<'_>, path: &Path, errs: &mut ErrorList) {
    let name = str_of(v, "name");
    if name.trim().is_empty() {
        errs.push(Error::required(&path.child("name"), "name is not specified"));
    } else if !cel::is_identifier(name) {
        errs.push(Error::invalid_str(&path.child("name"), name, "must be a valid CEL identifier"));
    }
    let (expression, at) = (str_of(v, "expression"), path.child("expression"));
    if expression.trim().is_empty() {
        errs.push(Error::required(&at, "expression is not specified"));
    } else {
        expressions::check(expression, expression, known, &[], &at, errs);
    }
}

fn validations(name: &str, spec: &Value, path: &Path, errs: &mut ErrorList) {
    let (all, annotations) = (list_of(spec, "validations"), list_of(spec, "auditAnnotations"));
    let (at, annotations_path) = (path.child("validations"), path.child("auditAnnotations"));
    if all.is_empty() && annotations.is_empty() {
        for at in [at, annotations_path] {
            errs.push(Error::required(&at, "validations or auditAnnotations must contain at least one item"));
        }
        return;
    }
    let known = Known { params: is_set(spec, "paramKind"), authorizer: true, ..Known::default() };
    let declared = expressions::declared(spec, known);
    let known = Known { variables: Some(&declared).filter(|d| !d.is_empty()), ..known };
    for (i, v) in all.iter().enumerate() {
        validation(v, known, &at.index(i), errs);
    }
    if annotations.len() > AUDIT_ANNOTATIONS_MAX {
        let detail = format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations");
        let shown: Vec<Value> = annotations
            .iter()
            .map(|a| json!({"Key": str_of(a, "key"), "ValueExpression": str_of(a, "valueExpression")}))
            .collect();
        errs.push(Error::invalid(&annotations_path, &json!(shown), detail));
    }
    let mut seen = BTreeSet::new();
    for (i, a) in annotations.iter().enumerate() {
        let at = annotations_path.index(i);
        let key = str_of(a, "key");
        audit_annotation(name, a, known, &at, errs);
        if !seen.insert(key) {
            errs.push(Error::duplicate(&at.child("key"), &json!(key)));
        }
    }
}

fn validation(v: &Value, known: Known<'_>, path: &Path, errs: &mut ErrorList) {
    let (expression, at) = (str_of(v, "expression"), path.child("expression"));
    if expression.trim().is_empty() {
        errs.push(Error::required(&at, "expression is not specified"));
    } else {
        expressions::check(expression, expression, known, &[BOOL], &at, errs);
    }
    for field in ["messageExpression", "message"] {
        let value = str_of(v, field);
        let at = path.child(field);
        if !value.is_empty() && value.trim().is_empty() {
            errs.push(Error::invalid_str(&at, value, "must be non-empty if specified"));
        } else if field == "messageExpression" && !value.is_empty() {
            expressions::check(value, value, Known { authorizer: false, ..known }, &[STRING], &at, errs);
        } else if field == "message" && value.trim().contains(['\n', '\r']) {
            errs.push(Error::invalid_str(&at, value, "must not contain line breaks"));
        }
    }
    if let Some(reason) = opt_str(v, "reason") {
        let supported = &["Forbidden", "Invalid", "RequestEntityTooLarge"];
        one_of(reason, supported, &path.child("reason"), errs);
    }
}

fn audit_annotation(name: &str, a: &Value, known: Known<'_>, path: &Path, errs: &mut ErrorList) {
    let (key, at) = (str_of(a, "key"), path.child("key"));
    if name.is_empty() {
        errs.push(Error::invalid_str(&at, key, "requires metadata.name be non-empty"));
    } else {
        names::qualified_name(&format!("{name}/{key}"), &at, errs);
    }
    let (expression, at) = (str_of(a, "valueExpression").trim(), path.child("valueExpression"));
    if expression.is_empty() {
        errs.push(Error::required(&at, "valueExpression is not specified"));
    } else if expression.len() > VALUE_EXPRESSION_BYTES_MAX {
        let detail = format!("must not exceed {VALUE_EXPRESSION_BYTES_MAX} bytes in length");
        errs.push(Error::required(&at, detail));
    } else {
        let shown = str_of(a, "valueExpression");
        expressions::check(expression, shown, known, &[STRING, Type::Null], &at, errs);
    }
}

pub(super) fn param_kind(kind: &Value, path: &Path, errs: &mut ErrorList) {
    let (api_version, at) = (str_of(kind, "apiVersion"), path.child("apiVersion"));
    match api_version.matches('/').count() {
        0 if api_version.is_empty() => errs.push(Error::required(&at, "")),
        0 | 1 => {
            let (group, version) = match api_version.split_once('/') {
                None => ("", api_version),
                Some(("", "")) => ("", ""),
                Some(parts) => parts,
            };
            let messages = is_dns1123_subdomain(group);
            if !group.is_empty() && !messages.is_empty() {
                errs.push(Error::invalid_str(&at, group, messages.join(",")));
            }
            let messages = is_dns1035_label(version);
            if version.is_empty() {
                errs.push(Error::invalid_str(&at, api_version, "version must be specified"));
            } else if !messages.is_empty() {
                errs.push(Error::invalid_str(&at, version, messages.join(",")));
            }
        }
        _ => {
            errs.push(Error::invalid_str(&at, api_version, format!("unexpected GroupVersion string: {api_version}")));
        }
    }
    let (kind, at) = (str_of(kind, "kind"), path.child("kind"));
    let messages = is_dns1035_label(&kind.to_lowercase());
    if kind.is_empty() {
        errs.push(Error::required(&at, ""));
    } else if !messages.is_empty() {
        let detail = format!("may have mixed case, but should otherwise match: {}", messages.join(","));
        errs.push(Error::invalid_str(&at, kind, detail));
    }
}

/// Upstream's `validateMatchResources`.
pub(super) fn match_resources(resources: &Value, path: &Path, errs: &mut ErrorList) {
    match opt_str(resources, "matchPolicy") {
        None => errs.push(Error::required(&path.child("matchPolicy"), "")),
        Some(p) => one_of(p, &["Equivalent", "Exact"], &path.child("matchPolicy"), errs),
    }
    for field in ["namespaceSelector", "objectSelector"] {
        match selector_of(resources, field) {
            None => errs.push(Error::required(&path.child(field), "")),
            Some(s) => errs.extend(validate_label_selector(Some(&s), false, &path.child(field))),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let at = path.child(field);
        for (i, rule) in list_of(resources, field).iter().enumerate() {
            let at = at.index(i);
            let names_path = at.child("resourceNames");
            let mut seen = BTreeSet::new();
            for (j, name) in texts_of(rule, "resourceNames").into_iter().enumerate() {
                invalid_each(is_path_segment_name(name), name, &names_path.index(j), errs);
                if !seen.insert(name) {
                    errs.push(Error::duplicate(&names_path.index(j), &json!(name)));
                }
            }
            operations(rule, &at, errs);
        }
    }
}

/// Checks a changed status of a policy.
pub(crate) fn validating_policy_status(new: &DynamicObject, _old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    let path = Path::new("status");
    let at = path.child("typeChecking.expressionWarnings");
    for (i, w) in list_of(new.at(&["status", "typeChecking"]), "expressionWarnings").iter().enumerate() {
        for field in ["warning", "fieldRef"] {
            if str_of(w, field).trim().is_empty() {
                errs.push(Error::required(&at.index(i).child(field), ""));
            }
        }
    }
    let conditions = serde_json::from_value(new.at(&["status", "conditions"]).clone()).unwrap_or_default();
    let conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> = conditions;
    policy::conditions(&conditions, &path.child("conditions"), &mut errs);
    errs
}

/// Checks a ValidatingAdmissionPolicyBinding, new or changed.
pub(crate) fn validating_binding(o: &DynamicObject) -> ErrorList {
    let mut errs = validate_object_meta(&o.metadata, false, name_is_dns_subdomain, &Path::new("metadata"));
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let (policy, at) = (str_of(spec, "policyName"), path.child("policyName"));
    if policy.is_empty() {
        errs.push(Error::required(&at, ""));
    } else {
        names::by_rule(NameRule::Subdomain, policy, &at, &mut errs);
    }
    if is_set(spec, "paramRef") {
        param_ref(&spec["paramRef"], &path.child("paramRef"), &mut errs);
    }
    if is_set(spec, "matchResources") {
        match_resources(&spec["matchResources"], &path.child("matchResources"), &mut errs);
    }
    validation_actions(&texts_of(spec, "validationActions"), &path.child("validationActions"), &mut errs);
    errs
}

pub(super) fn param_ref(r: &Value, path: &Path, errs: &mut ErrorList) {
    const BOTH: &str = "name and selector are mutually exclusive";
    let (name, selector) = (str_of(r, "name"), selector_of(r, "selector"));
    let (name_path, selector_path) = (path.child("name"), path.child("selector"));
    if !name.is_empty() {
        invalid_each(is_path_segment_name(name), name, &name_path, errs);
        if selector.is_some() {
            errs.push(Error::forbidden(&name_path, BOTH));
        }
    }
    if selector.is_some() {
        errs.extend(validate_label_selector(selector.as_ref(), false, &selector_path));
        if !name.is_empty() {
            errs.push(Error::forbidden(&selector_path, BOTH));
        }
    }
    if name.is_empty() && selector.is_none() {
        errs.push(Error::required(path, "one of name or selector must be specified"));
    }
    let at = path.child("parameterNotFoundAction");
    required_one_of(str_of(r, "parameterNotFoundAction"), &["Deny", "Allow"], &at, errs);
}

fn validation_actions(actions: &[&str], path: &Path, errs: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (i, action) in actions.iter().enumerate() {
        one_of(action, &["Audit", "Deny", "Warn"], &path.index(i), errs);
        if !seen.insert(*action) {
            errs.push(Error::duplicate(&path.index(i), &json!(action)));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                      response and headers serves no purpose)";
        errs.push(Error::invalid(path, &json!(actions), detail));
    }
    if seen.is_empty() {
        errs.push(Error::required(path, "at least one validation action is required"));
    }
}
