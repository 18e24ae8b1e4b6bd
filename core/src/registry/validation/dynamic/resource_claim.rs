//! ResourceClaims, ResourceClaimTemplates and DeviceClasses.
//! Models `pkg/apis/resource/validation/validation.go` and `pkg/apis/resource/v1/defaults.go`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Map, Value};

use super::resource::*;
use crate::api::dynamic::DynamicObject;
use crate::api::validation::{is_qualified_name, name_is_dns_subdomain, parse_cidr_sloppy, show_ip};
use crate::registry::defaults::mark_untimed;
use crate::registry::validation::go::{Go, fields};
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::pod::volumes::only_labels_and_annotations;
use crate::registry::validation::policy;
use crate::registry::validation::prelude::*;

const REQUESTS_MAX: usize = 32;
const CONSTRAINTS_MAX: usize = 32;
const CONFIG_MAX: usize = 32;
const FIRST_AVAILABLE_MAX: usize = 8;
const RESERVED_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 8;
const INTERFACE_NAME_BYTES_MAX: usize = 256;
const HARDWARE_ADDRESS_BYTES_MAX: usize = 128;
const ADDRESSES_MAX: usize = 16;

fn put(o: &mut Map<String, Value>, key: &str, value: Value) {
    o.insert(key.to_owned(), value);
}

/// One device, of the first that fits, unless a request says how many; tolerations compare unless they say otherwise.
fn request_defaults(request: &mut Value) {
    let Some(r) = request.as_object_mut() else { return };
    if r.get("allocationMode").and_then(Value::as_str).unwrap_or_default().is_empty() {
        put(r, "allocationMode", "ExactCount".into());
    }
    let none = r.get("count").and_then(Value::as_i64).unwrap_or(0) == 0;
    if none && r.get("allocationMode").is_some_and(|m| m == "ExactCount") {
        put(r, "count", 1.into());
    }
    toleration_defaults(r);
}

fn toleration_defaults(of: &mut Map<String, Value>) {
    let tolerations = of.get_mut("tolerations").and_then(Value::as_array_mut);
    for t in tolerations.into_iter().flatten().filter_map(Value::as_object_mut) {
        if t.get("operator").and_then(Value::as_str).unwrap_or_default().is_empty() {
            put(t, "operator", "Equal".into());
        }
    }
}

fn items<'a>(of: Option<&'a mut Value>, key: &str) -> impl Iterator<Item = &'a mut Value> {
    of.and_then(|v| v.get_mut(key)).and_then(Value::as_array_mut).into_iter().flatten()
}

fn spec_defaults(spec: Option<&mut Value>) {
    for request in items(spec.and_then(|s| s.get_mut("devices")), "requests") {
        if let Some(exactly) = request.get_mut("exactly") {
            request_defaults(exactly);
        }
        items(Some(request), "firstAvailable").for_each(request_defaults);
    }
}

/// What a ResourceClaim leaves out.
pub(crate) fn claim_defaults(o: &mut DynamicObject) {
    spec_defaults(o.fields.get_mut("spec"));
    let devices = o.fields.get_mut("status").and_then(|s| s.get_mut("allocation")).and_then(|a| a.get_mut("devices"));
    items(devices, "results").filter_map(Value::as_object_mut).for_each(toleration_defaults);
}

/// What a ResourceClaimTemplate leaves out.
pub(crate) fn template_defaults(o: &mut DynamicObject) {
    spec_defaults(o.fields.get_mut("spec").and_then(|s| s.get_mut("spec")));
}

/// Checks a new ResourceClaim.
pub(crate) fn claim(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, true, name_is_dns_subdomain, &mut errs);
    claim_spec(o.at(&["spec"]), &Path::new("spec"), &mut errs);
    errs
}

/// Checks a changed ResourceClaim, whose spec is as it was.
pub(crate) fn claim_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&new.metadata, true, name_is_dns_subdomain, &mut errs);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    unchanged(new.at(&["spec"]), old.at(&["spec"]), "resource/v1.ResourceClaimSpec", &Path::new("spec"), &mut errs);
    errs
}

fn unchanged(new: &Value, old: &Value, ty: &str, path: &Path, errs: &mut ErrorList) {
    if !same(new, old) {
        errs.push(Error::invalid_shown(path, internal(new, ty).compact(), "field is immutable"));
    }
}

/// Checks a new ResourceClaimTemplate.
pub(crate) fn template(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, true, name_is_dns_subdomain, &mut errs);
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    let meta = serde_json::from_value(spec["metadata"].clone()).unwrap_or_default();
    only_labels_and_annotations(&meta, &path.child("metadata"), &mut errs);
    claim_spec(&spec["spec"], &path.child("spec"), &mut errs);
    errs
}

/// Checks a changed ResourceClaimTemplate, whose spec is as it was.
pub(crate) fn template_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = template(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let (path, ty) = (Path::new("spec"), "resource/v1.ResourceClaimTemplateSpec");
    unchanged(new.at(&["spec"]), old.at(&["spec"]), ty, &path, &mut errs);
    errs
}

/// Checks a new DeviceClass.
pub(crate) fn device_class(o: &DynamicObject) -> ErrorList {
    class(o, None)
}

/// Checks a changed DeviceClass.
pub(crate) fn device_class_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    class(new, Some(old))
}

fn class(o: &DynamicObject, old: Option<&DynamicObject>) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    if let Some(old) = old {
        names::object_meta_update(&o.metadata, &old.metadata, &mut errs);
    }
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    selectors(spec, &path, &mut errs);
    let stored = old.is_some_and(|old| same(&spec["config"], &old.at(&["spec"])["config"]));
    each_of(list_of(spec, "config"), CONFIG_MAX, &path.child("config"), &mut errs, &|c, path, errs| {
        configuration(c, stored, path, errs);
    });
    if let Some(name) = opt_str(spec, "extendedResourceName").filter(|n| !is_extended_resource(n)) {
        let at = path.child("extendedResourceName");
        errs.push(Error::invalid_str(&at, name, "must be a valid extended resource name"));
    }
    errs
}

/// Upstream's `IsExtendedResourceName`.
fn is_extended_resource(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native && !name.starts_with("requests.") && is_qualified_name(&format!("requests.{name}")).is_empty()
}

/// The requests of a claim by name, each with those that it chooses the first of.
struct Requests<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Requests<'a> {
    fn of(devices: &'a Value) -> Self {
        let names = |r: &'a Value| list_of(r, "firstAvailable").iter().map(|s| str_of(s, "name")).collect();
        Requests(list_of(devices, "requests").iter().map(|r| (str_of(r, "name"), names(r))).collect())
    }

    fn has(&self, reference: &str) -> bool {
        match reference.split('/').collect::<Vec<_>>().as_slice() {
            [name] => self.0.contains_key(name),
            [name, sub] => self.0.get(name).is_some_and(|subs| subs.contains(sub)),
            _ => false,
        }
    }

    /// A reference to one of them.
    fn check(&self, reference: &Value, path: &Path, errs: &mut ErrorList) {
        const WHY: &str =
            "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        let text = reference.as_str().unwrap_or_default();
        if text.split('/').count() <= 2 {
            text.split('/').for_each(|segment| label(segment, path, errs));
            if self.has(text) {
                return;
            }
        }
        errs.push(Error::invalid_str(path, text, WHY));
    }

    fn check_all(&self, of: &Value, path: &Path, errs: &mut ErrorList) {
        let at = path.child("requests");
        set_of(list_of(of, "requests"), REQUESTS_MAX, &at, errs, &|r, p, e| self.check(r, p, e), &quoted_item);
    }
}

fn claim_spec(spec: &Value, path: &Path, errs: &mut ErrorList) {
    let (path, devices) = (path.child("devices"), &spec["devices"]);
    let requests = Requests::of(devices);
    let at = path.child("requests");
    set_of(list_of(devices, "requests"), REQUESTS_MAX, &at, errs, &request, &|r| quoted(r, "name"));
    let at = path.child("constraints");
    each_of(list_of(devices, "constraints"), CONSTRAINTS_MAX, &at, errs, &|c, path, errs| {
        requests.check_all(c, path, errs);
        if let Some(name) = opt_str(c, "matchAttribute") {
            fully_qualified_name(name, &path.child("matchAttribute"), errs);
        } else if let Some(name) = opt_str(c, "distinctAttribute") {
            fully_qualified_name(name, &path.child("distinctAttribute"), errs);
        } else {
            let why =
                "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errs.push(Error::required(path, why));
        }
    });
    each_of(list_of(devices, "config"), CONFIG_MAX, &path.child("config"), errs, &|c, path, errs| {
        requests.check_all(c, path, errs);
        configuration(c, false, path, errs);
    });
}

fn request(r: &Value, path: &Path, errs: &mut ErrorList) {
    label(str_of(r, "name"), &path.child("name"), errs);
    let (first, exactly) = (list_of(r, "firstAvailable"), is_set(r, "exactly"));
    let one = "exactly one of `exactly` or `firstAvailable` is required";
    match (first.is_empty(), exactly) {
        (true, false) => errs.push(Error::required(path, one)),
        (false, true) => {
            errs.push(Error::invalid(path, &Value::Null, format!("{one}, but multiple fields are set")));
        }
        (false, false) => {
            let at = path.child("firstAvailable");
            let check = |sub: &Value, path: &Path, errs: &mut ErrorList| {
                label(str_of(sub, "name"), &path.child("name"), errs);
                device_request(sub, path, errs);
            };
            set_of(first, FIRST_AVAILABLE_MAX, &at, errs, &check, &|s| quoted(s, "name"));
        }
        (true, true) => device_request(&r["exactly"], &path.child("exactly"), errs),
    }
}

/// What an exact request and one among several have in common.
fn device_request(r: &Value, path: &Path, errs: &mut ErrorList) {
    let (class, at) = (str_of(r, "deviceClassName"), path.child("deviceClassName"));
    if class.is_empty() {
        errs.push(Error::required(&at, ""));
    } else {
        names::dns_subdomain(class, &at, errs);
    }
    selectors(r, path, errs);
    let (count, at) = (int_of(r, "count").unwrap_or(0), path.child("count"));
    match str_of(r, "allocationMode") {
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errs.push(Error::invalid(&at, &json!(count), why));
        }
        "All" => {}
        "ExactCount" => positive(count, &at, errs),
        other => one_of(other, &["All", "ExactCount"], &path.child("allocationMode"), errs),
    }
    for (i, t) in list_of(r, "tolerations").iter().enumerate() {
        toleration(t, &path.child("tolerations").index(i), errs);
    }
}

/// A device, or a share of one, as results and statuses name it.
fn device_id(d: &Value) -> Go {
    fields! {
        "Driver": str_of(d, "driver"), "Pool": str_of(d, "pool"), "Device": str_of(d, "device"),
        "ShareID": str_of(d, "shareID"),
    }
}

/// Drops the statuses of devices that are no longer allocated.
pub(crate) fn drop_deallocated(new: &mut DynamicObject, old: &DynamicObject) {
    let results = |o: &DynamicObject| -> BTreeSet<String> {
        let results = list_of(o.at(&["status", "allocation", "devices"]), "results");
        results.iter().map(|r| device_id(r).compact()).collect()
    };
    let (now, before) = (results(new), results(old));
    let Some(status) = new.fields.get_mut("status").and_then(Value::as_object_mut) else { return };
    let Some(devices) = status.get_mut("devices").and_then(Value::as_array_mut) else { return };
    devices.retain(|d| {
        let id = device_id(d).compact();
        !before.contains(&id) || now.contains(&id)
    });
    if devices.is_empty() {
        status.remove("devices");
    }
}

/// Checks a changed status of a ResourceClaim.
pub(crate) fn claim_status(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let requests = Requests::of(new.at(&["spec", "devices"]));
    let (path, status, before) = (Path::new("status"), new.at(&["status"]), old.at(&["status"]));
    let (at, reserved) = (path.child("reservedFor"), list_of(status, "reservedFor"));
    let check = |r: &Value, path: &Path, errs: &mut ErrorList| {
        for field in ["resource", "name", "uid"] {
            if str_of(r, field).is_empty() {
                errs.push(Error::required(&path.child(field), ""));
            }
        }
    };
    set_of(reserved, RESERVED_MAX, &at, &mut errs, &check, &|r| quoted(r, "uid"));
    let allocated: BTreeSet<String> =
        list_of(&status["allocation"]["devices"], "results").iter().map(|r| device_id(r).compact()).collect();
    let check = |d: &Value, path: &Path, errs: &mut ErrorList| device_status(d, &allocated, path, errs);
    let devices = path.child("devices");
    set_of(list_of(status, "devices"), usize::MAX, &devices, &mut errs, &check, &|d| device_id(d).compact());
    if !reserved.is_empty() && !is_set(status, "allocation") {
        errs.push(Error::forbidden(&at, "may not be specified when `allocated` is not set"));
    } else if new.metadata.deletion_timestamp.is_some() {
        let had = list_of(before, "reservedFor");
        if reserved.iter().any(|r| !had.contains(r)) {
            let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            errs.push(Error::forbidden(&at, why));
        }
    }
    let at = path.child("allocation");
    match (is_set(before, "allocation"), is_set(status, "allocation")) {
        (true, true) => {
            let (is, was) = (&status["allocation"], &before["allocation"]);
            unchanged(is, was, "resource/v1.AllocationResult", &at, &mut errs);
        }
        (false, true) => allocation(&status["allocation"], &requests, &at, &mut errs),
        _ => {}
    }
    errs
}

fn allocation(allocation: &Value, requests: &Requests<'_>, path: &Path, errs: &mut ErrorList) {
    let (at, devices) = (path.child("devices"), &allocation["devices"]);
    each_of(list_of(devices, "results"), RESULTS_MAX, &at.child("results"), errs, &|r, path, errs| {
        requests.check(&r["request"], &path.child("request"), errs);
        driver(str_of(r, "driver"), &path.child("driver"), errs);
        pool_name(str_of(r, "pool"), &path.child("pool"), errs);
        label(str_of(r, "device"), &path.child("device"), errs);
        binding_conditions(r, path, errs);
        if let Some(share) = opt_str(r, "shareID") {
            uid(share, &path.child("shareID"), errs);
        }
    });
    // Those of the class and those of the claim.
    each_of(list_of(devices, "config"), 2 * CONFIG_MAX, &at.child("config"), errs, &|c, path, errs| {
        required_one_of(str_of(c, "source"), &["FromClaim", "FromClass"], &path.child("source"), errs);
        requests.check_all(c, path, errs);
        configuration(c, false, path, errs);
    });
    if is_set(allocation, "nodeSelector") {
        node_selector(&allocation["nodeSelector"], &path.child("nodeSelector"), errs);
    }
}

fn device_status(d: &Value, allocated: &BTreeSet<String>, path: &Path, errs: &mut ErrorList) {
    driver(str_of(d, "driver"), &path.child("driver"), errs);
    pool_name(str_of(d, "pool"), &path.child("pool"), errs);
    label(str_of(d, "device"), &path.child("device"), errs);
    if let Some(share) = opt_str(d, "shareID") {
        uid(share, &path.child("shareID"), errs);
    }
    let id = device_id(d).compact();
    if !allocated.contains(&id) {
        errs.push(Error::invalid_shown(path, id, "must be an allocated device in the claim"));
    }
    let (conditions, at) = (list_of(d, "conditions"), path.child("conditions"));
    if conditions.len() > CONDITIONS_MAX {
        errs.push(Error::too_many(&at, conditions.len(), CONDITIONS_MAX));
    }
    let mut all = d["conditions"].clone();
    mark_untimed(Some(&mut all));
    let typed: Vec<Condition> = serde_json::from_value(all).unwrap_or_default();
    policy::conditions(&typed, &at, errs);
    if is_set(d, "data") {
        raw_object(&d["data"], false, &path.child("data"), errs);
    }
    network_data(&d["networkData"], &path.child("networkData"), errs);
}

fn network_data(data: &Value, path: &Path, errs: &mut ErrorList) {
    for (field, max) in [("interfaceName", INTERFACE_NAME_BYTES_MAX), ("hardwareAddress", HARDWARE_ADDRESS_BYTES_MAX)] {
        if str_of(data, field).len() > max {
            errs.push(Error::too_long(&path.child(field), max));
        }
    }
    set_of(list_of(data, "ips"), ADDRESSES_MAX, &path.child("ips"), errs, &interface_address, &quoted_item);
}

/// Upstream's `IsValidInterfaceAddress`.
fn interface_address(address: &Value, path: &Path, errs: &mut ErrorList) {
    let text = address.as_str().unwrap_or_default();
    let Some((ip, bits)) = parse_cidr_sloppy(text) else {
        let why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        errs.push(Error::invalid_str(path, text, why));
        return;
    };
    let is_v4 = ip.to_canonical().is_ipv4();
    let bits = if is_v4 && bits > 32 { bits - 96 } else { bits };
    let canonical = format!("{}/{bits}", show_ip(ip));
    if text != canonical {
        let why = format!("must be in canonical form ({})", crate::api::field::quote(&canonical));
        errs.push(Error::invalid_str(path, text, why));
    }
}
