//! MutatingAdmissionPolicies and their bindings. Models `ValidateMutatingAdmissionPolicy` and its kin.

use serde_json::Value;

use super::admission::{self, match_resources, param_ref};
use super::expressions::{self, Known};
use crate::api::dynamic::DynamicObject;
use crate::api::validation::{name_is_dns_subdomain, validate_object_meta};
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

/// Checks a new MutatingAdmissionPolicy.
pub(crate) fn policy(o: &DynamicObject) -> ErrorList {
    checked(o, false)
}

/// Checks a changed MutatingAdmissionPolicy.
pub(crate) fn policy_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    checked(new, admission::conditions_unchanged(new, old))
}

fn checked(o: &DynamicObject, skip_match_conditions: bool) -> ErrorList {
    let mut errs = admission::policy(o, skip_match_conditions, mutable);
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let (mutations, at) = (list_of(spec, "mutations"), path.child("mutations"));
    if mutations.is_empty() {
        errs.push(Error::required(&at, "mutations must contain at least one item"));
    }
    let known = Known { params: is_set(spec, "paramKind"), authorizer: true, ..Known::default() };
    let declared = expressions::declared(spec, known);
    let known = Known { patches: true, variables: Some(&declared).filter(|d| !d.is_empty()), ..known };
    for (i, m) in mutations.iter().enumerate() {
        mutation(m, known, &at.index(i), &mut errs);
    }
    let at = path.child("reinvocationPolicy");
    required_one_of(str_of(spec, "reinvocationPolicy"), &["IfNeeded", "Never"], &at, &mut errs);
    errs
}

/// Only what changes objects can be mutated.
fn mutable(resources: &Value, path: &Path, errs: &mut ErrorList) {
    let at = path.child("resourceRules.operations");
    for operation in list_of(resources, "resourceRules").iter().flat_map(|r| texts_of(r, "operations")) {
        one_of(operation, &["*", "CONNECT", "CREATE", "UPDATE"], &at, errs);
    }
}

fn mutation(m: &Value, known: Known<'_>, path: &Path, errs: &mut ErrorList) {
    let kind = str_of(m, "patchType");
    let (wanted, other) = match kind {
        "" => return errs.push(Error::required(&path.child("patchType"), "")),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        _ => return one_of(kind, &["ApplyConfiguration", "JSONPatch"], &path.child("patchType"), errs),
    };
    let at = path.child(wanted);
    if !is_set(m, wanted) {
        errs.push(Error::required(&at, format!("must be specified when patchType is {kind}")));
    } else {
        let at = at.child("expression");
        match str_of(&m[wanted], "expression").trim() {
            "" => errs.push(Error::required(&at, "")),
            e => expressions::check(e, e, known, &[expressions::patch_type(kind)], &at, errs),
        }
    }
    if is_set(m, other) {
        let detail = format!("must not be specified when patchType is {kind}");
        errs.push(Error::invalid_str(&path.child(other), &format!("{{{other}}}"), detail));
    }
}

/// Checks a MutatingAdmissionPolicyBinding, new or changed.
pub(crate) fn binding(o: &DynamicObject) -> ErrorList {
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
        let at = path.child("matchResources");
        match_resources(&spec["matchResources"], &at, &mut errs);
        mutable(&spec["matchResources"], &at, &mut errs);
    }
    errs
}
