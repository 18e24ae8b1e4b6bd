//! ResourceSlices. Models `pkg/apis/resource/validation/validation.go` and `pkg/registry/resource/resourceslice/strategy.go`.

use serde_json::Value;

use super::resource::*;
use crate::api::dynamic::DynamicObject;
use crate::api::quantity::Quantity;
use crate::api::validation::name_is_dns_subdomain;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const DEVICES_MAX: usize = 128;
const DEVICES_WITH_MORE_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_VALUES_MAX: usize = 48;
const ATTRIBUTE_BYTES_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 63 + 1 + 32;
const LABEL_BYTES_MAX: usize = 63;
const TAINTS_MAX: usize = 16;
const VALUES_MAX: usize = 10;
/// Attributes that are lists are off by default.
const LISTS: [&str; 4] = ["ints", "bools", "strings", "versions"];

fn devices_of(o: &DynamicObject) -> &[Value] {
    list_of(o.at(&["spec"]), "devices")
}

fn lists_in_use(o: &DynamicObject) -> bool {
    let attributes = devices_of(o).iter().filter_map(|d| d["attributes"].as_object());
    attributes.flat_map(|a| a.values()).any(|a| LISTS.iter().any(|l| is_set(a, l)))
}

/// Drops the fields of features that are off by default, unless they were in use before.
pub(crate) fn drop_disabled(new: &mut DynamicObject, old: Option<&DynamicObject>) {
    let mapped = |o: &DynamicObject| {
        devices_of(o).iter().any(|d| d["nodeAllocatableResourceMappings"].as_object().is_some_and(|m| !m.is_empty()))
    };
    let (keep_lists, keep_mappings) = (old.is_some_and(lists_in_use), old.is_some_and(mapped));
    let devices = new.fields.get_mut("spec").and_then(|s| s.get_mut("devices")).and_then(Value::as_array_mut);
    for device in devices.into_iter().flatten().filter_map(Value::as_object_mut) {
        if !keep_mappings {
            device.remove("nodeAllocatableResourceMappings");
        }
        let attributes = device.get_mut("attributes").and_then(Value::as_object_mut);
        for a in attributes.into_iter().flat_map(|a| a.values_mut()).filter_map(Value::as_object_mut) {
            a.retain(|field, _| keep_lists || !LISTS.contains(&field.as_str()));
        }
    }
}

/// Taints say since when they are, if they don't.
pub(crate) fn stamp_taints(o: &mut DynamicObject, now: &Value) {
    let devices = o.fields.get_mut("spec").and_then(|s| s.get_mut("devices")).and_then(Value::as_array_mut);
    for device in devices.into_iter().flatten() {
        let taints = device.get_mut("taints").and_then(Value::as_array_mut);
        for t in taints.into_iter().flatten().filter_map(Value::as_object_mut) {
            let added = t.entry("timeAdded").or_insert(Value::Null);
            if added.is_null() {
                *added = now.clone();
            }
        }
    }
}

/// Checks a new ResourceSlice.
pub(crate) fn slice(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    spec(o.at(&["spec"]), None, &mut errs);
    errs
}

/// Checks a changed ResourceSlice.
pub(crate) fn slice_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    spec(new.at(&["spec"]), Some(old.at(&["spec"])), &mut errs);
    errs
}

/// What people should know of a driver's name.
pub(crate) fn warnings(o: &DynamicObject, _old: Option<&DynamicObject>) -> Vec<String> {
    let driver = str_of(o.at(&["spec"]), "driver");
    let odd = driver != driver.to_lowercase();
    let shown = crate::api::field::quote(driver);
    let warning = || format!("spec.driver: driver names should be lowercase; {shown} contains uppercase characters");
    odd.then(warning).into_iter().collect()
}

/// A flag that, where it is given, is true; whether it is.
fn only_true(of: &Value, field: &str, path: &Path, errs: &mut ErrorList) -> bool {
    match of[field].as_bool() {
        Some(false) => {
            errs.push(Error::invalid(&path.child(field), &json!(false), "must be either unset or set to true"));
            false
        }
        given => given.is_some(),
    }
}

fn node_name(name: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(name_is_dns_subdomain(name, false), name, path, errs);
}

fn spec(spec: &Value, old: Option<&Value>, errs: &mut ErrorList) {
    const PATH: Path = Path::new("spec");
    driver(str_of(spec, "driver"), &PATH.child("driver"), errs);
    let pool = PATH.child("pool");
    pool_name(str_of(&spec["pool"], "name"), &pool.child("name"), errs);
    let count = int_of(&spec["pool"], "resourceSliceCount").unwrap_or(0);
    positive(count, &pool.child("resourceSliceCount"), errs);
    let generation = int_of(&spec["pool"], "generation").unwrap_or(0);
    if generation < 0 {
        let why = "must be greater than or equal to zero";
        errs.push(Error::invalid(&pool.child("generation"), &json!(generation), why));
    }
    if let Some(old) = old {
        immutable(
            &json!(str_of(&spec["pool"], "name")),
            &json!(str_of(&old["pool"], "name")),
            &pool.child("name"),
            errs,
        );
        immutable(&json!(str_of(spec, "driver")), &json!(str_of(old, "driver")), &PATH.child("driver"), errs);
        immutable(&spec["nodeName"], &old["nodeName"], &PATH.child("nodeName"), errs);
    }
    nodes_of_slice(spec, errs);
    if is_set(spec, "sharedCounters") && is_set(spec, "devices") {
        errs.push(Error::invalid_str(&PATH, "", "only one of `sharedCounters` or `devices` is allowed"));
    }
    let devices = list_of(spec, "devices");
    let more = |d: &Value| {
        let lists = d["attributes"].as_object().into_iter().flat_map(|a| a.values());
        !list_of(d, "taints").is_empty()
            || !list_of(d, "consumesCounters").is_empty()
            || lists.into_iter().any(|a| LISTS.iter().any(|l| is_set(a, l)))
    };
    let max = if devices.iter().any(more) { DEVICES_WITH_MORE_MAX } else { DEVICES_MAX };
    let each = flag_of(spec, "perDeviceNodeSelection");
    let check = |d: &Value, path: &Path, errs: &mut ErrorList| {
        let name = str_of(d, "name");
        let before = old.and_then(|o| list_of(o, "devices").iter().find(|b| str_of(b, "name") == name));
        device(d, before, each, path, errs);
    };
    set_of(devices, max, &PATH.child("devices"), errs, &check, &|d| quoted(d, "name"));
    let (sets, at) = (list_of(spec, "sharedCounters"), PATH.child("sharedCounters"));
    let check = |s: &Value, path: &Path, errs: &mut ErrorList| counters(s, "name", path, errs);
    set_of(sets, COUNTER_SETS_MAX, &at, errs, &check, &|s| quoted(s, "name"));
}

/// Which nodes the slice is for: exactly one of the ways to say so.
fn nodes_of_slice(spec: &Value, errs: &mut ErrorList) {
    const PATH: Path = Path::new("spec");
    let mut set = Vec::new();
    if let Some(name) = opt_str(spec, "nodeName") {
        let at = PATH.child("nodeName");
        if name.is_empty() {
            errs.push(Error::invalid_str(&at, name, "must be either unset or set to a non-empty string"));
        } else {
            set.push("`nodeName`");
            node_name(name, &at, errs);
        }
    }
    let selector = &spec["nodeSelector"];
    if !selector.is_null() {
        set.push("`nodeSelector`");
        let at = PATH.child("nodeSelector");
        node_selector(selector, &at, errs);
        let terms = list_of(selector, "nodeSelectorTerms");
        if terms.len() != 1 {
            let shown = terms.iter().map(|t| internal(t, "core/v1.NodeSelectorTerm")).collect();
            let shown = match is_set(selector, "nodeSelectorTerms") {
                true => crate::registry::validation::go::Go::List(shown).compact(),
                false => "null".to_owned(),
            };
            let why = "must have exactly one node selector term";
            errs.push(Error::invalid_shown(&at.child("nodeSelectorTerms"), shown, why));
        }
    }
    for (field, name) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")] {
        if only_true(spec, field, &PATH, errs) {
            set.push(name);
        }
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match set.len() {
        0 => errs.push(Error::required(&PATH, one)),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", set.join(", "));
            errs.push(Error::invalid_str(&PATH, &shown, format!("{one}, but multiple fields are set")));
        }
    }
}

/// A set of counters, or what a device consumes of one.
fn counters(of: &Value, name_field: &str, path: &Path, errs: &mut ErrorList) {
    let (name, at) = (str_of(of, name_field), path.child(name_field));
    if name.is_empty() {
        errs.push(Error::required(&at, ""));
    } else {
        label(name, &at, errs);
    }
    let at = path.child("counters");
    if of["counters"].as_object().is_none_or(serde_json::Map::is_empty) {
        errs.push(Error::required(&at, ""));
        return;
    }
    map_of(&of["counters"], COUNTERS_MAX, LABEL_BYTES_MAX, &at, errs, &label, &|_, _, _| {});
}

fn device(d: &Value, old: Option<&Value>, selects: bool, path: &Path, errs: &mut ErrorList) {
    label(str_of(d, "name"), &path.child("name"), errs);
    let size = |field: &str| d[field].as_object().map_or(0, serde_json::Map::len);
    let count = size("attributes") + size("capacity");
    if count > ATTRIBUTES_MAX {
        let why = format!("the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}");
        errs.push(Error::invalid(path, &json!(count), why));
    }
    let values = d["attributes"].as_object().into_iter().flat_map(|a| a.values());
    let values: usize = values.map(|a| LISTS.iter().map(|l| list_of(a, l).len()).sum::<usize>().max(1)).sum();
    if values > ATTRIBUTE_VALUES_MAX {
        let why = format!("the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX}");
        errs.push(Error::invalid(path, &json!(values), why));
    }
    let at = path.child("attributes");
    map_of(&d["attributes"], usize::MAX, KEY_BYTES_MAX, &at, errs, &qualified_name, &attribute);
    let shared = flag_of(d, "allowMultipleAllocations");
    let check = |c: &Value, path: &Path, errs: &mut ErrorList| {
        let policy = &c["requestPolicy"];
        if policy.is_null() {
            return;
        }
        let at = path.child("requestPolicy");
        if shared {
            request_policy(&c["value"], policy, &at, errs);
        } else {
            errs.push(Error::forbidden(&at, "allowMultipleAllocations must be true"));
        }
    };
    let at = path.child("capacity");
    map_of(&d["capacity"], usize::MAX, KEY_BYTES_MAX, &at, errs, &qualified_name, &check);
    if old.is_none_or(|old| !same(&old["taints"], &d["taints"])) {
        each_of(list_of(d, "taints"), TAINTS_MAX, &path.child("taints"), errs, &taint);
    }
    let check = |c: &Value, path: &Path, errs: &mut ErrorList| counters(c, "counterSet", path, errs);
    let (consumed, at) = (list_of(d, "consumesCounters"), path.child("consumesCounters"));
    set_of(consumed, CONSUMPTIONS_MAX, &at, errs, &check, &|c| quoted(c, "counterSet"));
    nodes_of_device(d, selects, path, errs);
    binding_conditions(d, path, errs);
}

fn nodes_of_device(d: &Value, selects: bool, path: &Path, errs: &mut ErrorList) {
    if !selects {
        if ["nodeName", "nodeSelector", "allNodes"].iter().any(|f| is_set(d, f)) {
            let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errs.push(Error::invalid(path, &Value::Null, why));
        }
        return;
    }
    let mut set = Vec::new();
    if let Some(name) = opt_str(d, "nodeName") {
        let at = path.child("nodeName");
        if name.is_empty() {
            errs.push(Error::invalid_str(&at, name, "must not be empty"));
        } else {
            set.push("`nodeName`");
            node_name(name, &at, errs);
        }
    }
    if is_set(d, "nodeSelector") {
        set.push("`nodeSelector`");
        node_selector(&d["nodeSelector"], &path.child("nodeSelector"), errs);
    }
    if only_true(d, "allNodes", path, errs) {
        set.push("`allNodes`");
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    match set.len() {
        0 => errs.push(Error::required(path, one)),
        1 => {}
        _ => errs.push(Error::invalid_str(path, &format!("{{{}}}", set.join(", ")), one)),
    }
}

fn attribute(a: &Value, path: &Path, errs: &mut ErrorList) {
    let text = |v: &Value, path: &Path, errs: &mut ErrorList| {
        if v.as_str().unwrap_or_default().len() > ATTRIBUTE_BYTES_MAX {
            errs.push(Error::too_long(path, ATTRIBUTE_BYTES_MAX));
        }
    };
    let version = |v: &Value, path: &Path, errs: &mut ErrorList| {
        let given = v.as_str().unwrap_or_default();
        if !is_semver(given) {
            let why = "must be a string compatible with semver.org spec 2.0.0";
            errs.push(Error::invalid_str(path, given, why));
        }
        text(v, path, errs);
    };
    if is_set(a, "string") {
        text(&a["string"], &path.child("string"), errs);
    }
    if is_set(a, "version") {
        version(&a["version"], &path.child("version"), errs);
    }
    for field in ["bools", "ints", "strings", "versions"] {
        let at = path.child(field);
        if a[field].as_array().is_some_and(Vec::is_empty) {
            errs.push(Error::invalid(&at, &a[field], "must not be empty if specified"));
        }
        for (i, item) in list_of(a, field).iter().enumerate() {
            match field {
                "strings" => text(item, &at.index(i), errs),
                "versions" => version(item, &at.index(i), errs),
                _ => {}
            }
        }
    }
    let why = "exactly one value must be specified";
    match ["int", "bool", "string", "version"].iter().chain(&LISTS).filter(|f| is_set(a, f)).count() {
        0 => errs.push(Error::invalid_str(path, "", why)),
        1 => {}
        _ => errs.push(Error::invalid_shown(path, internal(a, "resource/v1.DeviceAttribute").compact(), why)),
    }
}

/// Semantic versions, spec 2.0.0.
fn is_semver(text: &str) -> bool {
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'));
    let word = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let (text, build) = match text.split_once('+') {
        Some((head, build)) => (head, Some(build)),
        None => (text, None),
    };
    let (core, before) = match text.split_once('-') {
        Some((core, before)) => (core, Some(before)),
        None => (text, None),
    };
    let released = |s: &str| number(s) || (word(s) && !s.bytes().all(|b| b.is_ascii_digit()));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && before.is_none_or(|b| b.split('.').all(released))
        && build.is_none_or(|b| b.split('.').all(word))
}

fn quantity(v: &Value) -> Option<Quantity> {
    v.as_str().and_then(|q| Quantity::parse(q).ok())
}

/// How much of a capacity may be asked for: from a list or from a range, never both.
fn request_policy(capacity: &Value, policy: &Value, path: &Path, errs: &mut ErrorList) {
    let values = list_of(policy, "validValues");
    let (default, range) = (quantity(&policy["default"]), &policy["validRange"]);
    let Some(max) = quantity(capacity) else { return };
    let why = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
    match (values.is_empty(), range.is_null(), default) {
        (true, true, _) => {}
        (false, false, _) => errs.push(Error::forbidden(path, why)),
        (false, true, None) => {
            errs.push(Error::required(&path.child("default"), "required when validValues is defined"));
        }
        (true, false, None) => {
            errs.push(Error::required(&path.child("default"), "required when validRange is defined"));
        }
        (false, true, Some(default)) => valid_values(values, default, max, &path.child("validValues"), errs),
        (true, false, Some(default)) => valid_range(range, default, max, &path.child("validRange"), errs),
    }
}

fn valid_values(values: &[Value], default: Quantity, max: Quantity, path: &Path, errs: &mut ErrorList) {
    let all: Vec<Quantity> = values.iter().filter_map(quantity).collect();
    for (i, pair) in all.windows(2).enumerate() {
        if let [a, b] = pair
            && a > b
        {
            let why = "values must be sorted in ascending order";
            errs.push(Error::invalid_str(&path.index(i + 1), &b.to_string(), why));
        }
    }
    let check = |v: &Value, path: &Path, errs: &mut ErrorList| {
        if let Some(q) = quantity(v).filter(|q| *q > max) {
            let why = format!("option is larger than capacity value: {max}");
            errs.push(Error::invalid_str(path, &q.to_string(), why));
        }
    };
    let key = |v: &Value| json!(quantity(v).map_or(0, Quantity::value).to_string()).to_string();
    set_of(values, VALUES_MAX, path, errs, &check, &key);
    if values.len() > VALUES_MAX || !all.contains(&default) {
        let why = "default value is not valid according to the requestPolicy";
        errs.push(Error::invalid_str(path, &default.to_string(), why));
    }
}

fn valid_range(range: &Value, default: Quantity, capacity: Quantity, path: &Path, errs: &mut ErrorList) {
    let mut bad = |field: &str, q: Quantity, why: String| {
        errs.push(Error::invalid_str(&path.child(field), &q.to_string(), why));
    };
    let Some(min) = quantity(&range["min"]) else {
        errs.push(Error::required(&path.child("min"), "required when validRange is defined"));
        return;
    };
    if min > capacity {
        bad("min", min, format!("min is larger than capacity value: {capacity}"));
    }
    if default < min {
        bad("min", default, format!("default is less than min: {min}"));
    }
    let max = quantity(&range["max"]);
    if let Some(max) = max {
        if min > max {
            bad("max", min, format!("min is larger than max: {max}"));
        }
        if max > capacity {
            bad("max", max, format!("max is larger than capacity value: {capacity}"));
        }
        if default > max {
            bad("max", default, format!("default is more than max: {max}"));
        }
    }
    let Some(step) = quantity(&range["step"]) else { return };
    let one = min.add(step);
    if one > capacity {
        bad("step", step, format!("one step {one} is larger than capacity value: {capacity}"));
    }
    for value in std::iter::once(default).chain(max) {
        let rest = value.value().wrapping_sub(min.value()).checked_rem(step.value());
        if rest != Some(0) {
            bad("step", value, format!("value is not a multiple of a given step ({step}) from ({min})"));
        }
    }
}
