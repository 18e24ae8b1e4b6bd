//! What protected groups ask of the definitions in them, and what definitions are warned of.
//! Models apiextensions `pkg/apihelpers/helpers.go`, `validateAPIApproval`, and `pkg/registry/customresourcedefinition/strategy.go`.

use serde_json::Value;

use super::completeness::unknown_formats;
use crate::api::dynamic::DynamicObject;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const APPROVED: &str = "api-approved.kubernetes.io";

#[derive(PartialEq)]
enum Approval {
    Invalid,
    Approved,
    Bypassed,
    Missing,
}

fn approval(o: &DynamicObject) -> Approval {
    let url = entry(&o.metadata.annotations, APPROVED).map_or("", String::as_str);
    let host =
        url.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', '?', '#']).next().unwrap_or_default()));
    match host {
        _ if url.is_empty() => Approval::Missing,
        _ if url.starts_with("unapproved") => Approval::Bypassed,
        Some((scheme, host)) if !host.is_empty() && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Approval::Approved
        }
        _ => Approval::Invalid,
    }
}

/// Checks that a definition of a group of the project's says who approved it.
pub(super) fn check(new: &DynamicObject, old: Option<&DynamicObject>, errs: &mut ErrorList) {
    let group = str_of(new.at(&["spec"]), "group");
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|p| group.strip_suffix(p).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    let state = approval(new);
    if !protected || old.is_some_and(|old| approval(old) == state) {
        return;
    }
    let path = Path::new("metadata.annotations");
    let path = path.key(APPROVED);
    let must = format!("protected groups must have approval annotation \"{APPROVED}\"");
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state {
        Approval::Missing => errs.push(Error::required(&path, format!("{must}, {see}"))),
        Approval::Invalid => {
            let have = entry(&new.metadata.annotations, APPROVED).map_or("", String::as_str);
            let why = format!("{must} with either a URL or a reason starting with \"unapproved\", {see}");
            errs.push(Error::invalid_str(&path, have, why));
        }
        Approval::Approved | Approval::Bypassed => {}
    }
}

fn formats(o: &DynamicObject) -> Vec<String> {
    let versions = list_of(o.at(&["spec"]), "versions");
    let schemas: Vec<&Value> = versions.iter().map(|v| &v["schema"]["openAPIV3Schema"]).collect();
    let mut out = Vec::new();
    // What all versions say alike stands above them, once.
    let once = schemas.first().is_some_and(|first| schemas.iter().all(|s| s == first));
    schemas.iter().take(if once { 1 } else { schemas.len() }).for_each(|s| unknown_formats(s, &mut out));
    out
}

/// Warns of formats that nobody looks at, unless they were there before.
pub(crate) fn warnings(o: &DynamicObject, old: Option<&DynamicObject>) -> Vec<String> {
    let before = old.map(formats).unwrap_or_default();
    let new = formats(o).into_iter().filter(|f| !before.contains(f));
    new.map(|f| format!("unrecognized format {}", crate::api::field::quote(&f))).collect()
}
