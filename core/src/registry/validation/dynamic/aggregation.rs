//! APIServices.
//! Models kube-aggregator `pkg/apis/apiregistration/validation/validation.go`.

use serde_json::Value;

use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::api::validation::{
    is_dns1035_label, is_dns1123_subdomain, is_path_segment_name, is_valid_port_num, validate_object_meta,
    validate_object_meta_update,
};
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

/// Fills in the port of a service that is referred to.
pub(crate) fn defaults(o: &mut DynamicObject) {
    if let Some(service) = o.fields.get_mut("spec").and_then(|s| s.get_mut("service")).and_then(Value::as_object_mut) {
        service.entry("port").or_insert_with(|| 443.into());
    }
}

/// Checks a new APIService.
pub(crate) fn api_service(o: &DynamicObject) -> ErrorList {
    let spec = o.at(&["spec"]);
    let (group, version) = (str_of(spec, "group"), str_of(spec, "version"));
    let path = Path::new("metadata");
    let mut errs = validate_object_meta(&o.metadata, false, |_, _| Vec::new(), &path);
    let name = text(&o.metadata.name);
    if !name.is_empty() {
        let mut messages = is_path_segment_name(name);
        let required = format!("{version}.{group}");
        if messages.is_empty() && name != required {
            messages.push(format!("must be `spec.version+\".\"+spec.group`: {}", quote(&required)));
        }
        // The name is looked at before the rest of the metadata.
        let at = path.child("name");
        errs.splice(0..0, messages.into_iter().map(|m| Error::invalid_str(&at, name, m)));
    }
    let path = Path::new("spec");
    if group.is_empty() && version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errs.push(Error::required(&path.child("group"), detail));
    }
    if !group.is_empty() {
        invalid_each(is_dns1123_subdomain(group), group, &path.child("group"), &mut errs);
    }
    invalid_each(is_dns1035_label(version), version, &path.child("version"), &mut errs);
    for (field, max) in [("groupPriorityMinimum", 20000), ("versionPriority", 1000)] {
        let value = int_of(spec, field).unwrap_or(0);
        if value <= 0 || value > max {
            let detail = format!("must be positive and less than {max}");
            errs.push(Error::invalid(&path.child(field), &json!(value), detail));
        }
    }
    backend(spec, &path, &mut errs);
    errs
}

/// The decoded length of base64 text.
fn decoded_bytes(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

fn backend(spec: &Value, path: &Path, errs: &mut ErrorList) {
    let bundle = str_of(spec, "caBundle");
    let insecure = flag_of(spec, "insecureSkipTLSVerify");
    let insecure_path = path.child("insecureSkipTLSVerify");
    let service = &spec["service"];
    if service.is_null() {
        if !bundle.is_empty() {
            let shown = format!("{} bytes", decoded_bytes(bundle));
            let detail = "local APIServices may not have a caBundle";
            errs.push(Error::invalid_str(&path.child("caBundle"), &shown, detail));
        }
        if insecure {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errs.push(Error::invalid(&insecure_path, &json!(true), detail));
        }
        return;
    }
    for field in ["namespace", "name"] {
        if str_of(service, field).is_empty() {
            errs.push(Error::required(&path.child("service").child(field), ""));
        }
    }
    let port = int_of(service, "port").unwrap_or(0);
    let messages = is_valid_port_num(port);
    if !messages.is_empty() {
        let detail = format!("port is not valid: {}", messages.join(", "));
        errs.push(Error::invalid(&path.child("service.port"), &json!(port), detail));
    }
    if insecure && !bundle.is_empty() {
        errs.push(Error::invalid(&insecure_path, &json!(true), "may not be true if caBundle is present"));
    }
}

/// Checks a changed APIService.
pub(crate) fn api_service_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = validate_object_meta_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errs.extend(api_service(new));
    errs
}

/// Checks a changed status.
pub(crate) fn api_service_status(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = validate_object_meta_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::new("status.conditions");
    for (i, c) in list_of(new.at(&["status"]), "conditions").iter().enumerate() {
        one_of(str_of(c, "status"), &["True", "False", "Unknown"], &path.index(i).child("status"), &mut errs);
    }
    errs
}
