//! FlowSchemas and PriorityLevelConfigurations.
//! Models `pkg/apis/flowcontrol/validation/validation.go`.

use serde_json::Value;

use crate::api::dynamic::DynamicObject;
use crate::api::validation::{name_is_dns_label, name_is_dns_subdomain};
use crate::registry::flow_control::fixed_spec;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
const HASH_BITS_MAX: f64 = 60.0;
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const ANNOTATION: &str = "flowcontrol.k8s.io/preserve-zero-concurrency-shares";

/// Checks a FlowSchema, new or changed.
pub(crate) fn flow_schema(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let precedence = int_of(spec, "matchingPrecedence").unwrap_or(0);
    let mut bad = |detail: String| {
        errs.push(Error::invalid(&path.child("matchingPrecedence"), &json!(precedence), detail));
    };
    if precedence <= 0 {
        bad("must be a positive value".to_owned());
    }
    if precedence > PRECEDENCE_MAX {
        bad(format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && text(&o.metadata.name) != "exempt" {
        bad("only the schema named 'exempt' may have matchingPrecedence 1".to_owned());
    }
    let method = &spec["distinguisherMethod"];
    if !method.is_null() && !matches!(str_of(method, "type"), "ByNamespace" | "ByUser") {
        let shown = json!({"Type": str_of(method, "type")}).to_string();
        let at = path.child("distinguisherMethod.type");
        errs.push(Error::not_supported_shown(&at, shown, &["ByNamespace", "ByUser"]));
    }
    let (level, at) =
        (str_of(&spec["priorityLevelConfiguration"], "name"), path.child("priorityLevelConfiguration.name"));
    if level.is_empty() {
        errs.push(Error::required(&at, "must reference a priority level"));
    } else {
        names::by_rule(NameRule::Subdomain, level, &at, &mut errs);
    }
    let rules_path = path.child("rules");
    for (i, rule) in list_of(spec, "rules").iter().enumerate() {
        policy_rules(rule, &rules_path.index(i), &mut errs);
    }
    let name = text(&o.metadata.name);
    if let Some(fixed) = fixed_spec(name, true) {
        equal((spec, &fixed), "flowcontrol/v1.FlowSchemaSpec", || format!("spec of '{name}'"), &path, &mut errs);
    }
    conditions(o, &mut errs);
    errs
}

/// Checks a changed status of either kind.
pub(crate) fn status(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    conditions(o, &mut errs);
    errs
}

fn conditions(o: &DynamicObject, errs: &mut ErrorList) {
    let path = Path::new("status.conditions");
    let all = list_of(o.at(&["status"]), "conditions");
    for (i, c) in all.iter().enumerate() {
        let (kind, at) = (str_of(c, "type"), path.index(i));
        if all.iter().take(i).any(|before| str_of(before, "type") == kind) {
            errs.push(Error::duplicate(&at.child("type"), &json!(kind)));
        }
        if kind.is_empty() {
            errs.push(Error::required(&at.child("type"), ""));
        }
    }
}

fn policy_rules(rule: &Value, path: &Path, errs: &mut ErrorList) {
    let subjects_path = path.child("subjects");
    let subjects = list_of(rule, "subjects");
    if subjects.is_empty() {
        errs.push(Error::required(&subjects_path, "subjects must contain at least one value"));
    }
    for (i, s) in subjects.iter().enumerate() {
        subject(s, &subjects_path.index(i), errs);
    }
    let (resources, others) = (list_of(rule, "resourceRules"), list_of(rule, "nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        errs.push(Error::required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"));
    }
    let at = path.child("resourceRules");
    for (i, r) in resources.iter().enumerate() {
        resource_rule(r, &at.index(i), errs);
    }
    let at = path.child("nonResourceRules");
    for (i, r) in others.iter().enumerate() {
        non_resource_rule(r, &at.index(i), errs);
    }
}

fn subject(s: &Value, path: &Path, errs: &mut ErrorList) {
    const KINDS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = str_of(s, "kind");
    let Some((_, own)) = KINDS.iter().find(|(k, _)| *k == kind) else {
        errs.push(Error::not_supported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]));
        return;
    };
    let (value, at) = (&s[*own], path.child(own));
    if value.is_null() {
        errs.push(Error::required(&at, format!("{own} is required when subject kind is '{kind}'")));
    } else {
        let name = str_of(value, "name");
        if name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        } else if kind == "ServiceAccount" && name != "*" {
            names::by_rule(NameRule::Subdomain, name, &at.child("name"), errs);
        }
        if kind == "ServiceAccount" {
            let (namespace, at) = (str_of(value, "namespace"), at.child("namespace"));
            if namespace.is_empty() {
                errs.push(Error::required(&at, "must specify namespace for service account"));
            } else {
                invalid_each(name_is_dns_label(namespace, false), namespace, &at, errs);
            }
        }
    }
    // Upstream names the user before the group, and the account before either.
    for (other_kind, other) in KINDS.iter().filter(|(k, other)| *k != kind && is_set(s, other)) {
        let detail = format!("{other} is forbidden when subject kind is not '{other_kind}'");
        errs.push(Error::forbidden(&path.child(other), detail));
    }
}

fn verbs(rule: &Value, path: &Path, errs: &mut ErrorList) {
    let (verbs, at) = (texts_of(rule, "verbs"), path.child("verbs"));
    if verbs.is_empty() {
        errs.push(Error::required(&at, "verbs must contain at least one value"));
    } else if verbs.contains(&"*") {
        if verbs.len() > 1 {
            errs.push(Error::invalid(&at, &json!(verbs), "if '*' is present, must not specify other verbs"));
        }
    } else if !verbs.iter().all(|v| VERBS.contains(v)) {
        errs.push(Error::not_supported_shown(&at, json!(verbs).to_string(), VERBS));
    }
}

fn resource_rule(rule: &Value, path: &Path, errs: &mut ErrorList) {
    verbs(rule, path, errs);
    for (field, one, others) in [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")] {
        let (values, at) = (texts_of(rule, field), path.child(field));
        if values.is_empty() {
            errs.push(Error::required(&at, format!("resource rules must supply at least one {one}")));
        } else if values.len() > 1 && values.contains(&"*") {
            let detail = format!("if '*' is present, must not specify other {others}");
            errs.push(Error::invalid(&at, &json!(values), detail));
        }
    }
    let (namespaces, at) = (texts_of(rule, "namespaces"), path.child("namespaces"));
    if namespaces.is_empty() && !flag_of(rule, "clusterScope") {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errs.push(Error::required(&at, detail));
    } else if namespaces.contains(&"*") {
        if namespaces.len() > 1 {
            let detail = "if '*' is present, must not specify other namespaces";
            errs.push(Error::invalid(&at, &json!(namespaces), detail));
        }
    } else {
        for (i, namespace) in namespaces.iter().enumerate() {
            for message in name_is_dns_label(namespace, false) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {message}");
                errs.push(Error::invalid_str(&at.index(i), namespace, detail));
            }
        }
    }
}

fn non_resource_rule(rule: &Value, path: &Path, errs: &mut ErrorList) {
    verbs(rule, path, errs);
    let (urls, at) = (texts_of(rule, "nonResourceURLs"), path.child("nonResourceURLs"));
    if urls.is_empty() {
        errs.push(Error::required(&at, "nonResourceURLs must contain at least one value"));
    } else if urls.contains(&"*") {
        if urls.len() > 1 {
            let detail = "if '*' is present, must not specify other non-resource URLs";
            errs.push(Error::invalid(&at, &json!(urls), detail));
        }
    } else {
        for (i, url) in urls.iter().enumerate() {
            if let Some(why) = url_path_fault(url) {
                errs.push(Error::invalid_str(&at.index(i), url, why));
            }
        }
    }
}

/// Upstream's `ValidateNonResourceURLPath`.
fn url_path_fault(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        p if !p.starts_with('/') => Some("must start with slash"),
        p if p.contains(' ') => Some("must not contain white-space"),
        p if p.contains("//") => Some("must not contain double slash"),
        p => match p.matches('*').count() {
            0 => None,
            1 if p.ends_with("/*") => None,
            _ => Some("wildcard can only do suffix matching"),
        },
    }
}

/// Checks a PriorityLevelConfiguration, new or changed.
pub(crate) fn priority_level(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    if entry(&o.metadata.annotations, ANNOTATION).is_some() {
        let at = Path::new("metadata.annotations");
        errs.push(Error::forbidden(&at, format!("annotation '{ANNOTATION}' is forbidden")));
    }
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let (kind, type_path) = (str_of(spec, "type"), path.child("type"));
    if (text(&o.metadata.name) == "exempt") != (kind == "Exempt") {
        let detail = "must be 'Exempt' if and only if `name` is 'exempt'";
        errs.push(Error::invalid_str(&type_path, kind, detail));
    }
    let (limited_path, exempt_path) = (path.child("limited"), path.child("exempt"));
    match kind {
        "Exempt" => {
            if is_set(spec, "limited") {
                errs.push(Error::forbidden(&limited_path, "must be nil if the type is not Limited"));
            }
            let exempt = &spec["exempt"];
            shares(exempt, &exempt_path, &mut errs);
            lendable(exempt, &exempt_path, &mut errs);
        }
        "Limited" => {
            if is_set(spec, "exempt") {
                errs.push(Error::forbidden(&exempt_path, "must be nil if the type is Limited"));
            }
            match &spec["limited"] {
                Value::Null => errs.push(Error::required(&limited_path, "must not be empty when type is Limited")),
                l => limited(l, &limited_path, &mut errs),
            }
        }
        other => errs.push(Error::not_supported(&type_path, other, &["Exempt", "Limited"])),
    }
    fixed_level(text(&o.metadata.name), spec, &path, &mut errs);
    conditions(o, &mut errs);
    errs
}

/// Of the levels that must be what they are, only what is exempt may be set. Models
/// `ValidateIfMandatoryPriorityLevelConfigurationObject`.
fn fixed_level(name: &str, spec: &Value, path: &Path, errs: &mut ErrorList) {
    const SPEC: &str = "flowcontrol/v1.PriorityLevelConfigurationSpec";
    let Some(mut fixed) = fixed_spec(name, false) else { return };
    let but = if name == "exempt" {
        fixed["exempt"] = spec["exempt"].clone();
        " except the 'spec.exempt' field"
    } else {
        ""
    };
    equal((spec, &fixed), SPEC, || format!("spec of '{name}'{but}"), path, errs);
}

/// Tells that a spec is not the one that is fixed.
fn equal(
    (spec, fixed): (&Value, &Value),
    kind: &str,
    what: impl FnOnce() -> String,
    path: &Path,
    errs: &mut ErrorList,
) {
    // The same JSON says the same; other JSON may do so too, with what is empty left out.
    if spec == fixed {
        return;
    }
    let shown = internal(spec, kind);
    if shown != internal(fixed, kind) {
        errs.push(Error::invalid_shown(path, shown.compact(), format!("{} must equal the fixed value", what())));
    }
}

fn shares(v: &Value, path: &Path, errs: &mut ErrorList) {
    if let Some(n) = int_of(v, "nominalConcurrencyShares").filter(|n| *n < 0) {
        let at = path.child("nominalConcurrencyShares");
        errs.push(Error::invalid(&at, &json!(n), "must be a non-negative integer"));
    }
}

fn lendable(v: &Value, path: &Path, errs: &mut ErrorList) {
    if let Some(n) = int_of(v, "lendablePercent").filter(|n| !(0..=100).contains(n)) {
        let at = path.child("lendablePercent");
        errs.push(Error::invalid(&at, &json!(n), "must be between 0 and 100, inclusive"));
    }
}

fn limited(v: &Value, path: &Path, errs: &mut ErrorList) {
    shares(v, path, errs);
    let (response, at) = (&v["limitResponse"], path.child("limitResponse"));
    let queuing_path = at.child("queuing");
    match str_of(response, "type") {
        "Reject" => {
            if is_set(response, "queuing") {
                let detail = "must be nil if limited.limitResponse.type is not Limited";
                errs.push(Error::forbidden(&queuing_path, detail));
            }
        }
        "Queue" => match &response["queuing"] {
            Value::Null => {
                let detail = "must not be empty if limited.limitResponse.type is Limited";
                errs.push(Error::required(&queuing_path, detail));
            }
            q => queuing(q, &queuing_path, errs),
        },
        other => errs.push(Error::not_supported(&at.child("type"), other, &["Queue", "Reject"])),
    }
    lendable(v, path, errs);
    if let Some(n) = int_of(v, "borrowingLimitPercent").filter(|n| *n < 0) {
        let at = path.child("borrowingLimitPercent");
        errs.push(Error::invalid(&at, &json!(n), "if specified, must be a non-negative integer"));
    }
}

fn queuing(q: &Value, path: &Path, errs: &mut ErrorList) {
    let number = |key: &str| int_of(q, key).unwrap_or(0);
    let (length, queues, hand) = (number("queueLengthLimit"), number("queues"), number("handSize"));
    if length <= 0 {
        errs.push(Error::invalid(&path.child("queueLengthLimit"), &json!(length), "must be positive"));
    }
    if queues <= 0 {
        errs.push(Error::invalid(&path.child("queues"), &json!(queues), "must be positive"));
    } else if queues > QUEUES_MAX {
        let detail = format!("must not be greater than {QUEUES_MAX}");
        errs.push(Error::invalid(&path.child("queues"), &json!(queues), detail));
    }
    let at = path.child("handSize");
    if hand <= 0 {
        errs.push(Error::invalid(&at, &json!(hand), "must be positive"));
    } else if hand > queues {
        errs.push(Error::invalid(&at, &json!(hand), format!("should not be greater than queues ({queues})")));
    } else if entropy_bits(queues, hand) > HASH_BITS_MAX {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS_MAX}"
        );
        errs.push(Error::invalid(&at, &json!(hand), detail));
    }
}

/// The bits that dealing a hand from a deck takes. Models `shufflesharding.RequiredEntropyBits`.
fn entropy_bits(deck: i64, hand: i64) -> f64 {
    ((deck as f64).log2() * hand as f64).ceil()
}
