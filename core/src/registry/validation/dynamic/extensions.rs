//! CustomResourceDefinitions: names, versions, columns and conversion.
//! Models apiextensions `pkg/apis/apiextensions/validation/validation.go` and `v1/defaults.go`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{approval, structural, webhook};
use crate::api::decode::show_seconds;
use crate::api::dynamic::DynamicObject;
use crate::api::validation::{
    is_dns1035_label, is_dns1123_subdomain, name_is_dns_subdomain, validate_object_meta, validate_object_meta_update,
};
use crate::registry::validation::go::Go;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const COLUMN_TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: &[&str] = &["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const DEPRECATION_BYTES_MAX: usize = 256;

/// What a definition leaves out.
pub(crate) fn defaults(o: &mut DynamicObject) {
    let Some(spec) = o.fields.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut fill = |key: &str, value: String| {
            let have = names.entry(key).or_insert(Value::Null);
            if have.as_str().unwrap_or_default().is_empty() && !value.is_empty() {
                *have = value.into();
            }
        };
        fill("singular", kind.to_lowercase());
        fill("listKind", if kind.is_empty() { kind } else { format!("{kind}List") });
        names.retain(|_, v| !v.is_null());
    }
    let conversion = spec.entry("conversion").or_insert(Value::Null);
    if conversion.is_null() {
        *conversion = json!({"strategy": "None"});
    }
    let service = conversion.pointer_mut("/webhook/clientConfig/service").and_then(Value::as_object_mut);
    if let Some(service) = service {
        service.entry("port").or_insert_with(|| 443.into());
    }
}

/// The finalizer that holds a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Sets a condition of a definition; whether that changed anything.
pub(crate) fn set_condition(
    o: &mut DynamicObject,
    name: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) -> bool {
    let Some(fields) = o.fields.entry("status").or_insert_with(|| json!({})).as_object_mut() else { return false };
    let all = fields.entry("conditions").or_insert_with(|| json!([]));
    if !all.is_array() {
        *all = json!([]);
    }
    let Some(all) = all.as_array_mut() else { return false };
    let new = |since: &Value| json!({"type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": since});
    match all.iter_mut().find(|c| c["type"] == name) {
        Some(c) => {
            let since = if c["status"] == status { c["lastTransitionTime"].clone() } else { now.into() };
            let changed = new(&since);
            let differs = *c != changed;
            *c = changed;
            differs
        }
        None => {
            all.push(new(&now.into()));
            true
        }
    }
}

/// What the first delete of a definition does: its objects are to go before it does.
pub(crate) fn mark(o: &mut DynamicObject) {
    let finalizers = o.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|f| f == CLEANUP) {
        finalizers.push(CLEANUP.to_owned());
    }
    let now = o.metadata.deletion_timestamp.as_ref().map(|t| show_seconds(t.0));
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(o, "Terminating", "True", "InstanceDeletionPending", message, &now.unwrap_or_default());
}

/// Checks a new CustomResourceDefinition.
pub(crate) fn create(o: &DynamicObject) -> ErrorList {
    let spec = o.at(&["spec"]);
    let mut errs = validate_object_meta(&o.metadata, false, name_is_dns_subdomain, &Path::new("metadata"));
    let name = text(&o.metadata.name);
    if !name.is_empty() && name != format!("{}.{}", str_of(&spec["names"], "plural"), str_of(spec, "group")) {
        let error = Error::invalid_str(&Path::new("metadata.name"), name, "must be spec.names.plural+\".\"+spec.group");
        // After what else is wrong with the name.
        let at = errs.iter().take_while(|e| matches!(e.field.as_str(), "metadata.name" | "metadata.generateName"));
        let at = at.count();
        errs.insert(at, error);
    }
    spec_into(spec, &Value::Null, &mut errs);
    stored_versions(o, &mut errs);
    approval::check(o, None, &mut errs);
    unknown_fields(o, None, &mut errs);
    errs
}

/// Checks a changed CustomResourceDefinition.
pub(crate) fn update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = validate_object_meta_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    spec_into(new.at(&["spec"]), old.at(&["spec"]), &mut errs);
    let (is, was) = (new.at(&["spec"]), old.at(&["spec"]));
    let established = list_of(old.at(&["status"]), "conditions")
        .iter()
        .any(|c| str_of(c, "type") == "Established" && str_of(c, "status") == "True");
    if established {
        immutable(&is["scope"], &was["scope"], &Path::new("spec.scope"), &mut errs);
        immutable(&is["names"]["kind"], &was["names"]["kind"], &Path::new("spec.names.kind"), &mut errs);
    }
    let text = |of: &Value, key: &str| Value::from(str_of(of, key));
    immutable(&text(is, "group"), &text(was, "group"), &Path::new("spec.group"), &mut errs);
    let path = Path::new("spec.names.plural");
    immutable(&text(&is["names"], "plural"), &text(&was["names"], "plural"), &path, &mut errs);
    all_names(new.at(&["status", "acceptedNames"]), &Path::new("status.acceptedNames"), &mut errs);
    stored_versions(new, &mut errs);
    approval::check(new, Some(old), &mut errs);
    unknown_fields(new, Some(old), &mut errs);
    errs
}

/// Fields that no schema names may not be kept as a whole any more.
fn unknown_fields(new: &DynamicObject, old: Option<&DynamicObject>, errs: &mut ErrorList) {
    let keeps = |o: &DynamicObject| flag_of(o.at(&["spec"]), "preserveUnknownFields");
    if keeps(new) && !old.is_some_and(keeps) {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errs.push(Error::invalid(&Path::new("spec.preserveUnknownFields"), &json!(true), why));
    }
}

fn has_default(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(k, v)| (k == "default" && !v.is_null()) || has_default(v)),
        Value::Array(items) => items.iter().any(has_default),
        _ => false,
    }
}

/// Whether a version's schema is another one than it was.
fn changed(version: &Value, old: &Value) -> bool {
    let was = list_of(old, "versions").iter().find(|v| v["name"] == version["name"]);
    was.is_none_or(|was| was["schema"] != version["schema"])
}

fn spec_into(spec: &Value, old: &Value, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let (group, at) = (str_of(spec, "group"), path.child("group"));
    let messages = is_dns1123_subdomain(group);
    if group.is_empty() {
        errs.push(Error::required(&at, ""));
    } else if !messages.is_empty() {
        errs.push(Error::invalid_str(&at, group, messages.join(",")));
    } else if !group.contains('.') {
        errs.push(Error::invalid_str(&at, group, "should be a domain with at least one dot"));
    }
    required_one_of(str_of(spec, "scope"), &["Cluster", "Namespaced"], &path.child("scope"), errs);
    let keeps_unknown = flag_of(spec, "preserveUnknownFields");
    if keeps_unknown && list_of(spec, "versions").iter().any(|v| has_default(&v["schema"])) {
        let why = "must be false in order to use defaults in the schema";
        errs.push(Error::invalid(&path.child("preserveUnknownFields"), &json!(true), why));
    }
    let shared = Shared::of(list_of(spec, "versions"));
    versions(spec, old, shared, &path.child("versions"), errs);
    // The first version is the version of old, and is looked at as that too.
    let version = list_of(spec, "versions").first().map(|v| str_of(v, "name")).filter(|v| !v.is_empty());
    let messages = version.map(is_dns1035_label).filter(|m| !m.is_empty());
    if let (Some(version), Some(messages)) = (version, messages) {
        errs.push(Error::invalid_str(&path.child("version"), version, messages.join(",")));
    }
    let (names, at) = (&spec["names"], path.child("names"));
    for field in ["plural", "singular", "kind", "listKind"] {
        if str_of(names, field).is_empty() {
            errs.push(Error::required(&at.child(field), ""));
        }
    }
    all_names(names, &at, errs);
    if let Some(first) = list_of(spec, "versions").first() {
        let status = list_of(spec, "versions").iter().any(has_status);
        details(first, |field| shared.has(field), (status, changed(first, old)), &path, "validation", errs);
    }
    let strategy = str_of(&spec["conversion"], "strategy");
    if keeps_unknown && is_set(spec, "conversion") && strategy != "None" {
        let why = "must be None if spec.preserveUnknownFields is true";
        errs.push(Error::invalid_str(&path.child("conversion.strategy"), strategy, why));
    }
    conversion(&spec["conversion"], &path.child("conversion"), errs);
}

/// What all versions say alike, which inside, and so in complaints, stands above them.
/// Models `Convert_v1_CustomResourceDefinitionSpec_To_apiextensions_CustomResourceDefinitionSpec`.
#[derive(Clone, Copy)]
struct Shared([bool; 4]);

const DETAILS: [&str; 4] = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];

impl Shared {
    fn of(versions: &[Value]) -> Self {
        Shared(DETAILS.map(|field| versions.iter().all(|v| Some(&v[field]) == versions.first().map(|f| &f[field]))))
    }

    fn has(self, field: &str) -> bool {
        DETAILS.iter().zip(self.0).any(|(name, shared)| *name == field && shared)
    }
}

fn has_status(version: &Value) -> bool {
    is_set(&version["subresources"], "status")
}

/// Those of a version's details that are `wanted`, below `path`; its schema is called `schema` there. `of_schema`
/// tells whether the status of what it describes is a subresource, and whether it is another one than before.
fn details(
    v: &Value,
    wanted: impl Fn(&str) -> bool,
    of_schema: (bool, bool),
    path: &Path,
    schema: &str,
    errs: &mut ErrorList,
) {
    let of = &v["schema"]["openAPIV3Schema"];
    if wanted("schema") && of.is_object() {
        structural::schema_into(of, of_schema, &format!("{path}.{schema}.openAPIV3Schema"), errs);
    }
    if wanted("subresources") {
        scale(&v["subresources"]["scale"], &path.child("subresources"), errs);
    }
    if wanted("additionalPrinterColumns") {
        let at = path.child("additionalPrinterColumns");
        for (i, column) in list_of(v, "additionalPrinterColumns").iter().enumerate() {
            printer_column(column, &at.index(i), errs);
        }
    }
    if wanted("selectableFields") {
        selectable_fields(list_of(v, "selectableFields"), of, &path.child("selectableFields"), schema, errs);
    }
}

const SELECTABLE_FIELDS_MAX: usize = 8;

/// Upstream's `ValidateCustomResourceSelectableFields`.
fn selectable_fields(fields: &[Value], schema: &Value, path: &Path, above: &str, errs: &mut ErrorList) {
    if fields.is_empty() {
        return;
    }
    if !schema.is_object() {
        let detail = if above == "validation" {
            "may only be set when validations.schema is included"
        } else {
            "may only be set when `version.schema.openAPIV3Schema` is not included"
        };
        return errs.push(Error::invalid_str(path, "", detail));
    }
    let mut seen = BTreeSet::new();
    for (i, field) in fields.iter().enumerate() {
        let (json_path, at) = (str_of(field, "jsonPath"), path.index(i));
        let at = at.child("jsonPath");
        if json_path.is_empty() {
            errs.push(Error::required(&at, ""));
            continue;
        }
        let found = match field_at(schema, json_path) {
            Ok(found) => found,
            Err(why) => {
                errs.push(Error::invalid_str(&at, json_path, format!("is an invalid path: {why}")));
                continue;
            }
        };
        if json_path.split('.').nth(1) == Some("metadata") {
            errs.push(Error::invalid_str(&at, json_path, "must not point to fields in metadata"));
        }
        if !matches!(str_of(found, "type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                          formats are allowed.";
            errs.push(Error::invalid_str(&at, json_path, detail));
        }
        if !seen.insert(json_path) {
            errs.push(Error::duplicate(&at, &json!(json_path)));
        }
    }
    if seen.len() > SELECTABLE_FIELDS_MAX {
        errs.push(Error::too_many(path, seen.len(), SELECTABLE_FIELDS_MAX));
    }
}

/// A rule's field path as errors print it. Models `ValidFieldPath`.
pub(crate) fn field_path(schema: &Value, path: &str) -> Result<String, String> {
    let (mut at, mut rest, mut shown) = (schema, path, String::new());
    let wrong = || "does not refer to a valid field".to_owned();
    while !rest.is_empty() {
        let (name, tail) = if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[', ']']).unwrap_or(tail.len());
            tail.split_at(end)
        } else if let Some(tail) = rest.strip_prefix("['") {
            let (name, tail) = tail.split_once("']").ok_or("unexpected end of JSON path")?;
            (name, tail)
        } else {
            return Err(format!("expected [ or . but got: {}", rest.split(['.', '[']).next().unwrap_or_default()));
        };
        if let Some(properties) = at["properties"].as_object() {
            at = properties.get(name).ok_or_else(wrong)?;
            shown = if shown.is_empty() { name.to_owned() } else { format!("{shown}.{name}") };
        } else if at["additionalProperties"].is_object() {
            at = &at["additionalProperties"];
            shown = format!("{shown}[{name}]");
        } else {
            return Err(wrong());
        }
        rest = tail;
    }
    Ok(shown)
}

/// The schema of the field that a simple path names. Models `ValidFieldPath` without array notation.
fn field_at<'a>(schema: &'a Value, path: &str) -> Result<&'a Value, String> {
    if path.contains('[') {
        return Err("array notation is not allowed".to_owned());
    }
    let Some(names) = path.strip_prefix('.') else {
        return Err(format!("expected [ or . but got: {}", path.split('.').next().unwrap_or_default()));
    };
    let mut at = schema;
    for name in names.split('.') {
        at = match (at["properties"].as_object(), &at["additionalProperties"]) {
            (Some(properties), _) => properties.get(name).ok_or("does not refer to a valid field")?,
            (None, of @ Value::Object(_)) => of,
            _ => return Err("does not refer to a valid field".to_owned()),
        };
    }
    Ok(at)
}

fn versions(spec: &Value, old: &Value, shared: Shared, path: &Path, errs: &mut ErrorList) {
    let versions = list_of(spec, "versions");
    for (i, v) in versions.iter().enumerate() {
        if !is_set(&v["schema"], "openAPIV3Schema") {
            errs.push(Error::required(&path.index(i).child("schema.openAPIV3Schema"), ""));
        }
    }
    let mut seen = BTreeSet::new();
    for (i, v) in versions.iter().enumerate() {
        let (name, at) = (str_of(v, "name"), path.index(i));
        seen.insert(name);
        let messages = is_dns1035_label(name);
        if !messages.is_empty() {
            errs.push(Error::invalid_str(&at.child("name"), name, messages.join(",")));
        }
        deprecation(v, &at.child("deprecationWarning"), errs);
        details(v, |field| !shared.has(field), (has_status(v), changed(v, old)), &at, "schema", errs);
    }
    let mut wrong = |why: &str| {
        let shown = versions.iter().map(|v| shown_version(v, shared)).collect();
        let shown = if is_set(spec, "versions") { Go::List(shown) } else { Go::Null };
        errs.push(Error::invalid_shown(path, shown.compact(), why));
    };
    if seen.len() != versions.len() {
        wrong("must contain unique version names");
    }
    if versions.iter().filter(|v| flag_of(v, "storage")).count() != 1 {
        wrong("must have exactly one version marked as storage version");
    }
}

/// A version as it is inside, where what all versions say alike stands above them.
fn shown_version(version: &Value, shared: Shared) -> Go {
    let mut version = version.clone();
    if let Some(fields) = version.as_object_mut() {
        fields.retain(|name, _| !shared.has(name));
    }
    internal(&version, "apiextensions/v1.CustomResourceDefinitionVersion")
}

fn deprecation(version: &Value, path: &Path, errs: &mut ErrorList) {
    let Some(warning) = opt_str(version, "deprecationWarning") else { return };
    if !flag_of(version, "deprecated") {
        errs.push(Error::invalid_str(path, warning, "can only be set for deprecated versions"));
        return;
    }
    if warning.len() > DEPRECATION_BYTES_MAX {
        let detail = format!("must be <= {DEPRECATION_BYTES_MAX} characters long");
        errs.push(Error::invalid_str(path, warning, detail));
    }
    if warning.is_empty() {
        errs.push(Error::invalid_str(path, warning, "must not be an empty string"));
    }
    let hidden = |c: char| c.is_control() || (c.is_whitespace() && c != ' ') || ('\u{200b}'..='\u{200f}').contains(&c);
    if let Some((at, _)) = warning.char_indices().find(|(_, c)| hidden(*c)) {
        let why = format!("must only contain printable UTF-8 characters; non-printable character found at index {at}");
        errs.push(Error::invalid_str(path, warning, why));
    }
}

fn scale(scale: &Value, path: &Path, errs: &mut ErrorList) {
    if scale.is_null() {
        return;
    }
    let paths: [(&str, &[&str], &str); 3] = [
        ("specReplicasPath", &[".spec."], ".spec"),
        ("statusReplicasPath", &[".status."], ".status"),
        ("labelSelectorPath", &[".spec.", ".status."], "either .spec or .status"),
    ];
    for (field, below, place) in paths {
        let (json_path, name) = (str_of(scale, field), format!("scale.{field}"));
        let at = path.child(&name);
        if json_path.is_empty() {
            if field != "labelSelectorPath" {
                errs.push(Error::required(&at, ""));
            }
        } else if !json_path.starts_with('.') {
            errs.push(Error::invalid_str(&at, json_path, "must be a simple json path starting with ."));
        } else if !below.iter().any(|b| json_path.starts_with(b)) {
            errs.push(Error::invalid_str(&at, json_path, format!("should be a json path under {place}")));
        }
    }
}

fn printer_column(column: &Value, path: &Path, errs: &mut ErrorList) {
    if str_of(column, "name").is_empty() {
        errs.push(Error::required(&path.child("name"), ""));
    }
    let (kind, at) = (str_of(column, "type"), path.child("type"));
    let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
    if kind.is_empty() {
        errs.push(Error::required(&at, detail));
    } else if !COLUMN_TYPES.contains(&kind) {
        errs.push(Error::invalid_str(&at, kind, detail));
    }
    let format = str_of(column, "format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errs.push(Error::invalid_str(&path.child("format"), format, detail));
    }
    let json_path = str_of(column, "jsonPath");
    let at = path.child("JSONPath");
    if json_path.is_empty() {
        errs.push(Error::required(&at, ""));
    } else if !json_path.starts_with('.') {
        errs.push(Error::invalid_str(&at, json_path, "must be a simple json path starting with ."));
    }
}

fn all_names(names: &Value, path: &Path, errs: &mut ErrorList) {
    let label = |value: &str, at: &Path, mixed: bool, errs: &mut ErrorList| {
        let messages = is_dns1035_label(&if mixed { value.to_lowercase() } else { value.to_owned() });
        if !messages.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            errs.push(Error::invalid_str(at, value, format!("{prefix}{}", messages.join(","))));
        }
    };
    for (field, mixed) in [("plural", false), ("singular", false), ("kind", true), ("listKind", true)] {
        let value = str_of(names, field);
        if !value.is_empty() {
            label(value, &path.child(field), mixed, errs);
        }
    }
    let each = |field: &str, errs: &mut ErrorList| {
        let at = path.child(field);
        for (i, value) in texts_of(names, field).into_iter().enumerate() {
            label(value, &at.index(i), false, errs);
        }
    };
    each("shortNames", errs);
    let (kind, list_kind) = (str_of(names, "kind"), str_of(names, "listKind"));
    if !kind.is_empty() && kind == list_kind {
        let detail = "kind and listKind may not be the same";
        errs.push(Error::invalid_str(&path.child("listKind"), list_kind, detail));
    }
    each("categories", errs);
}

fn conversion(conversion: &Value, path: &Path, errs: &mut ErrorList) {
    if conversion.is_null() {
        return;
    }
    required_one_of(str_of(conversion, "strategy"), &["None", "Webhook"], &path.child("strategy"), errs);
    let hook = &conversion["webhook"];
    let config_path = path.child("webhookClientConfig");
    let versions_path = path.child("conversionReviewVersions");
    let versions = texts_of(hook, "conversionReviewVersions");
    if str_of(conversion, "strategy") != "Webhook" {
        if is_set(hook, "clientConfig") {
            errs.push(Error::forbidden(&config_path, "should not be set when strategy is not set to Webhook"));
        }
        if !versions.is_empty() {
            errs.push(Error::forbidden(&versions_path, "should not be set when strategy is not set to Webhook"));
        }
        return;
    }
    if is_set(hook, "clientConfig") {
        webhook::client_config(&hook["clientConfig"], &config_path, errs);
    } else {
        errs.push(Error::required(&config_path, "required when strategy is set to Webhook"));
    }
    if versions.is_empty() {
        errs.push(Error::required(&versions_path, ""));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, v) in versions.iter().enumerate() {
        let at = versions_path.index(i);
        if seen.insert(*v) {
            invalid_each(is_dns1035_label(v), v, &at, errs);
        } else {
            errs.push(Error::invalid_str(&at, v, "duplicate version"));
        }
    }
    if !versions.iter().any(|v| REVIEW_VERSIONS.contains(v)) {
        let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errs.push(Error::invalid(&versions_path, &json!(versions), detail));
    }
}

/// What was once stored stays among the versions.
fn stored_versions(o: &DynamicObject, errs: &mut ErrorList) {
    let path = Path::new("status.storedVersions");
    let versions = list_of(o.at(&["spec"]), "versions");
    let stored = texts_of(o.at(&["status"]), "storedVersions");
    if stored.is_empty() {
        errs.push(Error::invalid(&path, &Value::Null, "must have at least one stored version"));
        return;
    }
    for v in versions.iter().filter(|v| flag_of(v, "storage")) {
        let name = str_of(v, "name");
        // The name of another version stands for that one.
        let first = versions.iter().find(|w| str_of(w, "name") == name).is_some_and(|w| std::ptr::eq(w, v));
        if !stored.contains(&name) || !first {
            errs.push(Error::invalid(&path, &json!(stored), format!("must have the storage version {name}")));
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if !versions.iter().any(|v| str_of(v, "name") == *name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until \
                 a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errs.push(Error::invalid_str(&path.index(i), name, detail));
        }
    }
}
