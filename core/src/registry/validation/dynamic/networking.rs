//! IPAddresses and ServiceCIDRs.
//! Models `pkg/apis/networking/validation/validation.go`.

use crate::api::dynamic::DynamicObject;
use crate::api::validation::{
    is_ipv4_string, is_path_segment_name, is_valid_cidr, is_valid_ip, name_is_dns_subdomain, parse_cidr_sloppy,
};
use crate::registry::validation::go::{Go, fields};
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

fn name_is_ip(name: &str, _prefix: bool) -> Vec<String> {
    is_valid_ip(&Path::new(""), name).into_iter().map(|e| e.detail).collect()
}

/// Checks a new IPAddress.
pub(crate) fn ip_address(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_ip, &mut errs);
    let parent = o.at(&["spec", "parentRef"]);
    let path = Path::new("spec.parentRef");
    if parent.is_null() {
        errs.push(Error::required(&path, ""));
        return errs;
    }
    let group = str_of(parent, "group");
    if !group.is_empty() {
        names::dns_subdomain(group, &path.child("group"), &mut errs);
    }
    for (field, required) in [("resource", true), ("name", true), ("namespace", false)] {
        let (value, at) = (str_of(parent, field), path.child(field));
        if !value.is_empty() {
            invalid_each(is_path_segment_name(value), value, &at, &mut errs);
        } else if required {
            errs.push(Error::required(&at, ""));
        }
    }
    errs
}

/// Checks a changed IPAddress.
pub(crate) fn ip_address_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ip_address(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let (is, was) = (new.at(&["spec", "parentRef"]), old.at(&["spec", "parentRef"]));
    let shown = |parent: &serde_json::Value| {
        let text = |key: &str| str_of(parent, key);
        if parent.is_null() {
            return Go::Null;
        }
        fields! {
            "Group": text("group"), "Resource": text("resource"), "Namespace": text("namespace"), "Name": text("name"),
        }
    };
    let (shown, was) = (shown(is), shown(was));
    if shown != was {
        let at = Path::new("spec.parentRef");
        errs.push(Error::invalid_shown(&at, shown.compact(), "field is immutable"));
    }
    errs
}

/// Checks a new ServiceCIDR.
pub(crate) fn service_cidr(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    cidrs(o, &mut errs);
    errs
}

fn cidrs(o: &DynamicObject, errs: &mut ErrorList) {
    let path = Path::new("spec.cidrs");
    let cidrs = texts_of(o.at(&["spec"]), "cidrs");
    match cidrs[..] {
        [] => errs.push(Error::required(&path, "at least one CIDR required")),
        [_] | [_, _] => {
            for (i, cidr) in cidrs.iter().enumerate() {
                errs.extend(is_valid_cidr(&path.index(i), cidr));
            }
            if let [a, b] = cidrs[..]
                && family(a).is_some()
                && family(a) == family(b)
            {
                errs.push(Error::invalid(
                    &path,
                    &json!(cidrs),
                    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
                ));
            }
        }
        _ => errs.push(Error::invalid(&path, &json!({"CIDRs": cidrs}), "may only hold up to 2 values")),
    }
}

/// Whether a range is of IPv4.
fn family(cidr: &str) -> Option<bool> {
    parse_cidr_sloppy(cidr)?;
    cidr.split_once('/').map(|(ip, _)| is_ipv4_string(ip))
}

/// Checks a changed ServiceCIDR: a second family may come, nothing else changes.
pub(crate) fn service_cidr_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let (is, was) = (texts_of(new.at(&["spec"]), "cidrs"), texts_of(old.at(&["spec"]), "cidrs"));
    let path = Path::new("spec.cidrs");
    let grown = was.len() == 1 && is.len() == 2;
    if is.len() != was.len() && !grown {
        errs.push(Error::invalid(&path, new.at(&["spec", "cidrs"]), "field is immutable"));
        return errs;
    }
    for (i, (is, was)) in is.iter().zip(&was).enumerate() {
        if is != was {
            errs.push(Error::invalid_str(&path.index(i), is, "field is immutable"));
        }
    }
    if grown {
        cidrs(new, &mut errs);
    }
    errs
}
