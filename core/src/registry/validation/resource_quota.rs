//! Validation of ResourceQuotas.
//! Models `pkg/apis/core/validation/validation.go` (ValidateResourceQuota and kin) and `pkg/apis/core/helper/helpers.go`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus, ScopeSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::go::{Go, each, fields};
use super::pod::resources;
use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

/// Scopes that exclude each other.
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];

/// Upstream's `IsStandardQuotaResourceName`.
fn is_standard_resource(name: &str) -> bool {
    matches!(
        name,
        "cpu"
            | "memory"
            | "ephemeral-storage"
            | "requests.cpu"
            | "requests.memory"
            | "requests.storage"
            | "requests.ephemeral-storage"
            | "limits.cpu"
            | "limits.memory"
            | "limits.ephemeral-storage"
            | "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "persistentvolumeclaims"
            | "configmaps"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || resources::is_huge_page(name)
        || name.starts_with("requests.hugepages-")
}

fn is_standard_scope(scope: &str) -> bool {
    matches!(
        scope,
        "Terminating"
            | "NotTerminating"
            | "BestEffort"
            | "NotBestEffort"
            | "PriorityClass"
            | "CrossNamespacePodAffinity"
            | "VolumeAttributesClass"
    )
}

/// Upstream's `IsResourceQuotaScopeValidForResource`.
fn scope_fits(scope: &str, resource: &str) -> bool {
    let computes =
        matches!(resource, "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory");
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            resource == "pods" || computes
        }
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

/// Checks a new ResourceQuota.
pub fn validate_create(quota: &ResourceQuota) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&quota.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(quota, &mut errs);
    status(quota, &mut errs);
    errs
}

/// Checks a changed ResourceQuota.
pub fn validate_update(new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    spec(new, &mut errs);
    let scopes =
        |q: &ResourceQuota| -> BTreeSet<String> { q.spec.iter().flat_map(|s| list(&s.scopes)).cloned().collect() };
    if scopes(new) != scopes(old) {
        let shown = new.spec.as_ref().and_then(|s| s.scopes.as_ref());
        errs.push(Error::invalid(&Path::new("spec.scopes"), &json!(shown), "field is immutable"));
    }
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if text(&new.metadata.resource_version).is_empty() {
        errs.push(Error::required(&Path::new("resourceVersion"), ""));
    }
    status(new, &mut errs);
    errs
}

fn amounts(map: &Option<BTreeMap<String, Text>>, path: &Path, errs: &mut ErrorList) {
    for (name, value) in entries(map) {
        let at = path.key(name);
        resources::name(name, &at, errs);
        if !name.contains('/') && !is_standard_resource(name) {
            errs.push(Error::invalid_str(&at, name, "must be a standard resource for quota"));
        }
        resources::quantity_value(name, &resources::parse(value), &at, errs);
    }
}

fn status(quota: &ResourceQuota, errs: &mut ErrorList) {
    let none = ResourceQuotaStatus::default();
    let status = quota.status.as_ref().unwrap_or(&none);
    amounts(&status.hard, &Path::new("status.hard"), errs);
    amounts(&status.used, &Path::new("status.used"), errs);
}

fn spec(quota: &ResourceQuota, errs: &mut ErrorList) {
    let none = ResourceQuotaSpec::default();
    let spec = quota.spec.as_ref().unwrap_or(&none);
    amounts(&spec.hard, &Path::new("spec.hard"), errs);
    scopes(spec, errs);
    if let Some(selector) = &spec.scope_selector {
        scope_selector(spec, selector, errs);
    }
}

/// The limited resources to which a scope can't apply.
fn misfits<'a>(spec: &'a ResourceQuotaSpec, scope: &'a str) -> impl Iterator<Item = &'a str> {
    entries(&spec.hard).map(|(name, _)| name).filter(move |name| is_standard_resource(name) && !scope_fits(scope, name))
}

fn conflicts(seen: &BTreeSet<&str>, spec: &ResourceQuotaSpec, path: &Path, errs: &mut ErrorList) {
    for _ in CONFLICTS.iter().filter(|pair| pair.iter().all(|scope| seen.contains(scope))) {
        errs.push(Error::invalid(path, &json!(spec.scopes), "conflicting scopes"));
    }
}

fn scopes(spec: &ResourceQuotaSpec, errs: &mut ErrorList) {
    let path = Path::new("spec.scopes");
    let all = list(&spec.scopes);
    for scope in all {
        if !is_standard_scope(scope) {
            errs.push(Error::invalid(&path, &json!(all), "unsupported scope"));
        }
        for _ in misfits(spec, scope) {
            errs.push(Error::invalid(&path, &json!(all), "unsupported scope applied to resource"));
        }
    }
    conflicts(&all.iter().map(String::as_str).collect(), spec, &path, errs);
}

fn scope_selector(spec: &ResourceQuotaSpec, selector: &ScopeSelector, errs: &mut ErrorList) {
    let path = Path::new("spec.scopeSelector.matchExpressions");
    let mut seen = BTreeSet::new();
    for r in list(&selector.match_expressions) {
        let (scope, values) = (r.scope_name.as_str(), list(&r.values));
        if !is_standard_scope(scope) {
            errs.push(Error::invalid_str(&path.child("scopeName"), scope, "unsupported scope"));
        }
        for _ in misfits(spec, scope) {
            let shown = shown(selector).compact();
            errs.push(Error::invalid_shown(&path, shown, "unsupported scope applied to resource"));
        }
        let operator = path.child("operator");
        let by_existence = CONFLICTS.iter().flatten().any(|s| *s == scope) || scope == "CrossNamespacePodAffinity";
        if by_existence && r.operator != "Exists" {
            errs.push(Error::invalid_str(
                &operator,
                &r.operator,
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
            ));
        }
        match r.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => errs.push(Error::required(
                &path.child("values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errs.push(Error::invalid(
                &path.child("values"),
                &json!(values),
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errs.push(Error::invalid_str(&operator, other, "not a valid selector operator")),
        }
        seen.insert(scope);
    }
    conflicts(&seen, spec, &path, errs);
}

fn shown(selector: &ScopeSelector) -> Go {
    fields! {
        "MatchExpressions": each(&selector.match_expressions, |r| fields! {
            "ScopeName": &r.scope_name, "Operator": &r.operator, "Values": each(&r.values, |v| v.into()),
        }),
    }
}
