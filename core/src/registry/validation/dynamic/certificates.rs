//! CertificateSigningRequests.
//! Models `pkg/apis/certificates/validation/validation.go`; signatures aren't verified.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::csr;
use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::registry::validation::json::*;
use crate::registry::validation::pod::signer_name;
use crate::registry::validation::prelude::*;
use crate::registry::warnings::tls;

const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SECONDS_MIN: i64 = 600;
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Which door an update came through, and so what it may set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Whole,
    Status,
    Approval,
}

/// Checks a new CertificateSigningRequest.
pub(crate) fn create(o: &DynamicObject) -> ErrorList {
    whole(o, None)
}

fn conditions(o: &DynamicObject) -> &[Value] {
    list_of(o.at(&["status"]), "conditions")
}

fn of_type<'a>(o: &'a DynamicObject, kind: &str) -> Vec<&'a Value> {
    conditions(o).iter().filter(|c| str_of(c, "type") == kind).collect()
}

fn has_duplicates<'a>(mut items: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    !items.all(|i| seen.insert(i))
}

fn whole(o: &DynamicObject, old: Option<&DynamicObject>) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, |_, _| Vec::new(), &mut errs);
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let had_usages = old.map(|o| texts_of(o.at(&["spec"]), "usages")).unwrap_or_default();
    let request = str_of(spec, "request");
    let block = tls::first_block(&STANDARD.decode(request).unwrap_or_default());
    let checked = match &block {
        Some((kind, der)) if kind == "CERTIFICATE REQUEST" => csr::check(der),
        _ => Err("PEM block type must be CERTIFICATE REQUEST".to_owned()),
    };
    if let Err(why) = checked {
        errs.push(Error::invalid(&path.child("request"), &spec["request"], why));
    }
    let (usages, at) = (texts_of(spec, "usages"), path.child("usages"));
    if usages.is_empty() {
        errs.push(Error::required(&at, ""));
    }
    if had_usages.iter().all(|u| USAGES.contains(u)) {
        for (i, usage) in usages.iter().enumerate() {
            one_of(usage, USAGES, &at.index(i), &mut errs);
        }
    }
    if !has_duplicates(had_usages.iter().copied()) {
        let mut seen = BTreeSet::new();
        for (i, usage) in usages.iter().enumerate().filter(|(_, u)| !seen.insert(**u)).collect::<Vec<_>>() {
            errs.push(Error::duplicate(&at.index(i), &json!(usage)));
        }
    }
    let (signer, at) = (str_of(spec, "signerName"), path.child("signerName"));
    let was_legacy = old.is_some_and(|o| str_of(o.at(&["spec"]), "signerName") == LEGACY_SIGNER);
    if signer == LEGACY_SIGNER && !was_legacy {
        errs.push(Error::invalid_str(&at, signer, "the legacy signerName is not allowed via this API version"));
    } else {
        signer_name(signer, &at, &mut errs);
    }
    if let Some(seconds) = int_of(spec, "expirationSeconds").filter(|s| *s < SECONDS_MIN) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errs.push(Error::invalid(&path.child("expirationSeconds"), &json!(seconds), detail));
    }
    all_conditions(o, old, &mut errs);
    issued(o, old, &mut errs);
    errs
}

/// What was issued must be certificates, unless it is what was there, or what was there was none either.
fn issued(o: &DynamicObject, old: Option<&DynamicObject>, errs: &mut ErrorList) {
    let text = |o: &DynamicObject| STANDARD.decode(certificate(o)).unwrap_or_default();
    let bears = |old: &DynamicObject| certificate(old) == certificate(o) || tls::chain_fault(&text(old)).is_some();
    if old.is_some_and(bears) {
        return;
    }
    if let Some(why) = tls::chain_fault(&text(o)) {
        errs.push(Error::invalid_str(&Path::new("status.certificate"), "<certificate data>", why));
    }
}

fn certificate(o: &DynamicObject) -> &str {
    str_of(o.at(&["status"]), "certificate")
}

fn all_conditions(o: &DynamicObject, old: Option<&DynamicObject>, errs: &mut ErrorList) {
    let path = Path::new("status.conditions");
    let had = |kind: &str| old.is_some_and(|o| !of_type(o, kind).is_empty());
    let allow_both = had("Approved") && had("Denied");
    let allow_empty = had("");
    let allow_duplicates = old.is_some_and(|o| has_duplicates(conditions(o).iter().map(|c| str_of(c, "type"))));
    let mut seen = BTreeSet::new();
    for (i, c) in conditions(o).iter().enumerate() {
        let (kind, at) = (str_of(c, "type"), path.index(i));
        if kind.is_empty() && !allow_empty {
            errs.push(Error::required(&at.child("type"), ""));
        }
        let final_one = matches!(kind, "Approved" | "Denied" | "Failed");
        let statuses: &[&str] = if final_one { &["True"] } else { &["False", "True", "Unknown"] };
        required_one_of(str_of(c, "status"), statuses, &at.child("status"), errs);
        let other = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !allow_both && !other.is_empty() && seen.contains(other) {
            errs.push(Error::invalid_str(&path, kind, "Approved and Denied conditions are mutually exclusive"));
        }
        if !seen.insert(kind) && !allow_duplicates {
            errs.push(Error::duplicate(&at.child("type"), &json!(kind)));
        }
    }
}

/// Checks a changed CertificateSigningRequest.
pub(crate) fn update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    through(Door::Whole, new, old)
}

/// Checks a changed status.
pub(crate) fn status(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    through(Door::Status, new, old)
}

/// Checks an approval.
pub(crate) fn approval(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    through(Door::Approval, new, old)
}

fn through(door: Door, new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = whole(new, Some(old));
    let path = Path::new("status.conditions");
    for kind in ["Approved", "Denied", "Failed"] {
        if of_type(new, kind).len() < of_type(old, kind).len() {
            let detail = format!("updates may not remove a condition of type {}", quote(kind));
            errs.push(Error::forbidden(&path, detail));
        }
    }
    for kind in ["Approved", "Denied"].into_iter().filter(|_| door != Door::Approval) {
        let (is, was) = (of_type(new, kind), of_type(old, kind));
        if is.len() > was.len() {
            let detail = format!("updates may not add a condition of type {}", quote(kind));
            errs.push(Error::forbidden(&path, detail));
        }
    }
    if certificate(new) != certificate(old) {
        let at = Path::new("status.certificate");
        if door != Door::Status {
            errs.push(Error::forbidden(&at, "updates may not set certificate content"));
        } else if !certificate(old).is_empty() {
            errs.push(Error::forbidden(&at, "updates may not modify existing certificate content"));
        }
    }
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    errs
}
