//! What claims, classes and slices of devices share. Models `pkg/apis/resource/validation/validation.go`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::cel::{BOOL, Program, STRING, Type};
use crate::api::validation::{is_c_identifier, is_dns1123_label, is_qualified_name, is_valid_label_value};
use crate::registry::validation::json::*;
use crate::registry::validation::pod::scheduling;
use crate::registry::validation::pod::volumes::csi_driver_name;
use crate::registry::validation::prelude::*;

const SELECTORS_MAX: usize = 32;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const PARAMETERS_BYTES_MAX: usize = 10 * 1024;
const POOL_NAME_BYTES_MAX: usize = 253;
const ID_BYTES_MAX: usize = 32;
const BINDING_CONDITIONS_MAX: usize = 4;
const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

type Check<'a> = &'a dyn Fn(&Value, &Path, &mut ErrorList);

/// Upstream's `validateSlice`: not too many, and each sound.
pub(super) fn each_of(items: &[Value], max: usize, path: &Path, errs: &mut ErrorList, check: Check<'_>) -> bool {
    if items.len() > max {
        errs.push(Error::too_many(path, items.len(), max));
        return false;
    }
    for (i, item) in items.iter().enumerate() {
        check(item, &path.index(i), errs);
    }
    true
}

/// Upstream's `validateSet`: the same, and none twice; the key is printed.
pub(super) fn set_of(
    items: &[Value],
    max: usize,
    path: &Path,
    errs: &mut ErrorList,
    check: Check<'_>,
    key: &dyn Fn(&Value) -> String,
) {
    if !each_of(items, max, path, errs, check) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let key = key(item);
        if seen.contains(&key) {
            errs.push(Error::duplicate_shown(&path.index(i), key));
        } else {
            seen.insert(key);
        }
    }
}

/// Upstream's `validateMap`: not too many, each key and value sound. Long keys are cut in the middle.
pub(super) fn map_of(
    map: &Value,
    max: usize,
    key_bytes_max: usize,
    path: &Path,
    errs: &mut ErrorList,
    check_key: &dyn Fn(&str, &Path, &mut ErrorList),
    check: Check<'_>,
) {
    let entries = map.as_object();
    let count = entries.map_or(0, serde_json::Map::len);
    if count > max {
        errs.push(Error::too_many(path, count, max));
        return;
    }
    for (key, item) in entries.into_iter().flatten() {
        check_key(key, path, errs);
        check(item, &path.key(&cut(key, key_bytes_max)), errs);
    }
}

fn cut(key: &str, max: usize) -> String {
    if key.len() <= max {
        return key.to_owned();
    }
    let left = max - 3;
    let (head, tail) = (left.div_ceil(2), key.len() - left / 2);
    let bytes = key.as_bytes();
    let part = |range: Option<&[u8]>| String::from_utf8_lossy(range.unwrap_or_default()).into_owned();
    format!("{}...{}", part(bytes.get(..head)), part(bytes.get(tail..)))
}

/// A text as duplicates print it.
pub(super) fn quoted(v: &Value, key: &str) -> String {
    crate::api::field::quote(str_of(v, key))
}

/// The same where the item is the text.
pub(super) fn quoted_item(v: &Value) -> String {
    crate::api::field::quote(v.as_str().unwrap_or_default())
}

pub(super) fn label(name: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(is_dns1123_label(name), name, path, errs);
}

pub(super) fn driver(name: &str, path: &Path, errs: &mut ErrorList) {
    csi_driver_name(name, path, errs);
}

pub(super) fn pool_name(name: &str, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(path, ""));
        return;
    }
    if name.len() > POOL_NAME_BYTES_MAX {
        errs.push(Error::too_long(path, POOL_NAME_BYTES_MAX));
    }
    for part in name.split('/') {
        names::dns_subdomain(part, path, errs);
    }
}

/// A UUID as google/uuid reads it, and then only in its plain form.
pub(super) fn uid(text: &str, path: &Path, errs: &mut ErrorList) {
    let mut bad = |why: String| errs.push(Error::invalid_str(path, text, why));
    if let Some(why) = uuid_complaint(text) {
        bad(format!("error validating uid: {why}"));
    } else if text.len() != 36 || text != text.to_lowercase() {
        let form = "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";
        bad(format!("uid must be in RFC 4122 normalized form, {form}"));
    }
}

fn uuid_complaint(text: &str) -> Option<String> {
    let hex = |s: &[u8]| s.iter().all(u8::is_ascii_hexdigit);
    let plain = |s: &[u8]| {
        s.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
    };
    let bytes = text.as_bytes();
    match bytes.len() {
        36 if plain(bytes) => None,
        45 => {
            let (prefix, rest) = bytes.split_at(9);
            if !prefix.eq_ignore_ascii_case(b"urn:uuid:") {
                let shown = crate::api::field::quote(&String::from_utf8_lossy(prefix));
                return Some(format!("invalid urn prefix: {shown}"));
            }
            (!plain(rest)).then(|| "invalid UUID format".to_owned())
        }
        38 => match bytes {
            [b'{', inside @ .., b'}'] => (!plain(inside)).then(|| "invalid UUID format".to_owned()),
            _ => Some("invalid bracketed UUID format".to_owned()),
        },
        32 if hex(bytes) => None,
        32 | 36 => Some("invalid UUID format".to_owned()),
        n => Some(format!("invalid UUID length: {n}")),
    }
}

pub(super) fn selectors(of: &Value, path: &Path, errs: &mut ErrorList) {
    each_of(list_of(of, "selectors"), SELECTORS_MAX, &path.child("selectors"), errs, &|s, path, errs| {
        let at = path.child("cel");
        if is_set(s, "cel") {
            expression(str_of(&s["cel"], "expression"), &at.child("expression"), errs);
        } else {
            errs.push(Error::required(&at, ""));
        }
    });
}

/// What tells whether a device will do. Models dynamic-resource-allocation `cel/compile.go`, without estimating costs.
fn expression(text: &str, path: &Path, errs: &mut ErrorList) {
    if text.len() > EXPRESSION_BYTES_MAX {
        errs.push(Error::too_long(path, EXPRESSION_BYTES_MAX));
        return;
    }
    let by_domain = |of: Type| Type::map(STRING, Type::map(STRING, of));
    let fields = [
        ("driver", STRING),
        ("allowMultipleAllocations", BOOL),
        ("attributes", by_domain(Type::Dyn)),
        ("capacity", by_domain(Type::Named("kubernetes.Quantity"))),
    ];
    let device = Type::object("kubernetes.DRADevice", fields.map(|(name, of)| (name.to_owned(), of)));
    let complaint = match Program::compile(text, &[("device", device)]) {
        Err(e) => format!("compilation failed: {e}"),
        Ok(p) if p.output == BOOL || p.output == Type::Dyn => return,
        Ok(p) => format!("must evaluate to bool or the unknown type, not {}", p.output.shown()),
    };
    errs.push(Error::invalid_str(path, text, complaint));
}

/// Upstream's `validateDeviceConfiguration`; what was stored may be longer than what is new.
pub(super) fn configuration(config: &Value, stored: bool, path: &Path, errs: &mut ErrorList) {
    let at = path.child("opaque");
    let opaque = &config["opaque"];
    if opaque.is_null() {
        errs.push(Error::required(&at, ""));
        return;
    }
    driver(str_of(opaque, "driver"), &at.child("driver"), errs);
    raw_object(&opaque["parameters"], stored, &at.child("parameters"), errs);
}

/// Upstream's `validateRawExtension`.
pub(super) fn raw_object(raw: &Value, stored: bool, path: &Path, errs: &mut ErrorList) {
    if raw.is_null() {
        errs.push(Error::required(path, ""));
    } else if !stored && raw.to_string().len() > PARAMETERS_BYTES_MAX {
        errs.push(Error::too_long(path, PARAMETERS_BYTES_MAX));
    } else if !raw.is_object() {
        errs.push(Error::invalid_str(path, "<value omitted>", "must be a valid JSON object"));
    }
}

pub(super) fn node_selector(selector: &Value, path: &Path, errs: &mut ErrorList) {
    if let Ok(selector) = serde_json::from_value(selector.clone()) {
        scheduling::node_selector(&selector, path, errs);
    }
}

pub(super) fn toleration(toleration: &Value, path: &Path, errs: &mut ErrorList) {
    let (key, value, at) = (str_of(toleration, "key"), str_of(toleration, "value"), path.child("value"));
    if !key.is_empty() {
        invalid_each(is_qualified_name(key), key, &path.child("key"), errs);
    }
    match str_of(toleration, "operator") {
        "Exists" if !value.is_empty() => {
            errs.push(Error::invalid_str(&at, value, "must be empty for operator `Exists`"));
        }
        "Exists" => {}
        "Equal" => invalid_each(is_valid_label_value(value), value, &at, errs),
        other => required_one_of(other, &["Equal", "Exists"], &path.child("operator"), errs),
    }
    let effect = str_of(toleration, "effect");
    if !effect.is_empty() {
        one_of(effect, EFFECTS, &path.child("effect"), errs);
    }
}

pub(super) fn taint(taint: &Value, path: &Path, errs: &mut ErrorList) {
    let (key, value) = (str_of(taint, "key"), str_of(taint, "value"));
    invalid_each(is_qualified_name(key), key, &path.child("key"), errs);
    if !value.is_empty() {
        invalid_each(is_valid_label_value(value), value, &path.child("value"), errs);
    }
    required_one_of(str_of(taint, "effect"), EFFECTS, &path.child("effect"), errs);
}

/// Upstream's `validateDeviceBindingParameters`.
pub(super) fn binding_conditions(of: &Value, path: &Path, errs: &mut ErrorList) {
    const FIELDS: [&str; 2] = ["bindingConditions", "bindingFailureConditions"];
    for field in FIELDS {
        each_of(list_of(of, field), BINDING_CONDITIONS_MAX, &path.child(field), errs, &|c, path, errs| {
            let name = c.as_str().unwrap_or_default();
            invalid_each(is_qualified_name(name), name, path, errs);
        });
    }
    let [binding, failure] = FIELDS.map(|f| texts_of(of, f));
    for (field, all) in FIELDS.into_iter().zip([&binding, &failure]) {
        for (i, condition) in all.iter().enumerate() {
            let (list, twice) = (path.child(field), all.iter().take(i).any(|before| before == condition));
            if twice {
                errs.push(Error::duplicate(&list.index(i), &json!(condition)));
            }
            if field == "bindingFailureConditions" && binding.contains(condition) {
                let why = "bindingFailureConditions must not overlap with bindingConditions";
                errs.push(Error::invalid_str(&list.index(i), condition, why));
            }
        }
    }
    if binding.is_empty() && !failure.is_empty() {
        let why = "bindingConditions are required to use bindingFailureConditions";
        errs.push(Error::invalid(&path.child("bindingConditions"), &of["bindingConditions"], why));
    }
    if failure.is_empty() && !binding.is_empty() {
        let why = "bindingFailureConditions are required to use bindingConditions";
        errs.push(Error::invalid(&path.child("bindingFailureConditions"), &of["bindingFailureConditions"], why));
    }
}

/// Upstream's `validateQualifiedName`: names with more than one slash pass.
pub(super) fn qualified_name(name: &str, path: &Path, errs: &mut ErrorList) {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [id] => identifier(id, path, errs),
        [domain, id] => {
            if domain.is_empty() {
                errs.push(Error::invalid_str(path, "", "the domain must not be empty"));
            } else {
                driver(domain, path, errs);
            }
            if id.is_empty() {
                errs.push(Error::invalid_str(path, "", "the name must not be empty"));
            } else {
                identifier(id, path, errs);
            }
        }
        _ => {}
    }
}

pub(super) fn fully_qualified_name(name: &str, path: &Path, errs: &mut ErrorList) {
    qualified_name(name, path, errs);
    if !name.contains('/') {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        errs.push(Error::invalid_str(path, name, why));
    }
}

fn identifier(id: &str, path: &Path, errs: &mut ErrorList) {
    if id.len() > ID_BYTES_MAX {
        errs.push(Error::too_long(path, ID_BYTES_MAX));
    }
    invalid_each(is_c_identifier(id), id, path, errs);
}
