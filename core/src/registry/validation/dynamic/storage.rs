//! CSIDrivers, CSINodes, CSIStorageCapacities and VolumeAttachments.
//! Models `pkg/apis/storage/validation/validation.go` and `pkg/apis/storage/v1/defaults.go`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::dynamic::DynamicObject;
use crate::api::quantity::Quantity;
use crate::api::validation::{inclusive_range, name_is_dns_subdomain, validate_label_selector};
use crate::registry::validation::go::Go;
use crate::registry::validation::go_struct;
use crate::registry::validation::json::*;
use crate::registry::validation::pod::volumes::csi_driver_name;
use crate::registry::validation::prelude::*;
use crate::registry::warnings::node::deprecated_label;

const METADATA_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 1024;
const NODE_ID_BYTES_MAX: usize = 256;
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;
const UPDATE_PERIOD_SECONDS_MIN: i64 = 10;

/// What a CSIDriver leaves out.
pub(crate) fn csi_driver_defaults(o: &mut DynamicObject) {
    let spec = o.fields.entry("spec").or_insert_with(|| Value::Object(Map::new()));
    let Some(spec) = spec.as_object_mut() else { return };
    let mut set = |key: &str, default: Value| {
        let have = spec.entry(key).or_insert(Value::Null);
        if have.is_null() {
            *have = default;
        }
    };
    set("attachRequired", true.into());
    set("podInfoOnMount", false.into());
    set("storageCapacity", false.into());
    set("fsGroupPolicy", "ReadWriteOnceWithFSType".into());
    set("requiresRepublish", false.into());
    set("seLinuxMount", false.into());
    let modes = spec.entry("volumeLifecycleModes").or_insert(Value::Null);
    if modes.as_array().is_none_or(Vec::is_empty) {
        *modes = json!(["Persistent"]);
    }
    // Volume limit scaling is off by default.
    spec.remove("preventPodSchedulingIfMissing");
}

/// Checks a new CSIDriver.
pub(crate) fn csi_driver(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    csi_driver_spec(o, &mut errs);
    errs
}

fn csi_driver_spec(o: &DynamicObject, errs: &mut ErrorList) {
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    // "attachedRequired" is upstream's.
    for (key, field) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if !is_set(spec, key) {
            errs.push(Error::required(&path.child(field), ""));
        }
    }
    if let Some(policy) = opt_str(spec, "fsGroupPolicy") {
        one_of(policy, &["File", "None", "ReadWriteOnceWithFSType"], &path.child("fsGroupPolicy"), errs);
    }
    token_requests(list_of(spec, "tokenRequests"), &path.child("tokenRequests"), errs);
    for mode in texts_of(spec, "volumeLifecycleModes") {
        one_of(mode, &["Persistent", "Ephemeral"], &path.child("volumeLifecycleModes"), errs);
    }
    if !is_set(spec, "seLinuxMount") {
        errs.push(Error::required(&path.child("seLinuxMount"), ""));
    }
    if let Some(period) = int_of(spec, "nodeAllocatableUpdatePeriodSeconds").filter(|p| *p < UPDATE_PERIOD_SECONDS_MIN)
    {
        let detail = format!("must be greater than or equal to {UPDATE_PERIOD_SECONDS_MIN} seconds");
        errs.push(Error::invalid(&path.child("nodeAllocatableUpdatePeriodSeconds"), &json!(period), detail));
    }
    if is_set(spec, "serviceAccountTokenInSecrets") && list_of(spec, "tokenRequests").is_empty() {
        errs.push(Error::invalid(
            &path.child("serviceAccountTokenInSecrets"),
            &spec["serviceAccountTokenInSecrets"],
            "serviceAccountTokenInSecrets is set but no tokenRequests are specified",
        ));
    }
}

fn token_requests(requests: &[Value], path: &Path, errs: &mut ErrorList) {
    let mut audiences = BTreeSet::new();
    for (i, r) in requests.iter().enumerate() {
        let at = path.index(i);
        let audience = str_of(r, "audience");
        if !audiences.insert(audience) {
            errs.push(Error::duplicate(&at.child("audience"), &json!(audience)));
            continue;
        }
        let Some(seconds) = int_of(r, "expirationSeconds") else { continue };
        let at = at.child("expirationSeconds");
        if seconds < TOKEN_SECONDS_MIN {
            errs.push(Error::invalid(&at, &json!(seconds), "may not specify a duration less than 10 minutes"));
        }
        if seconds > TOKEN_SECONDS_MAX {
            errs.push(Error::invalid(&at, &json!(seconds), "may not specify a duration larger than 2^32 seconds"));
        }
    }
}

/// Checks a changed CSIDriver.
pub(crate) fn csi_driver_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    csi_driver_spec(new, &mut errs);
    let (is, was) = (new.at(&["spec"]), old.at(&["spec"]));
    immutable(&is["attachRequired"], &was["attachRequired"], &Path::new("spec.attachedRequired"), &mut errs);
    let (is, was) = (&is["volumeLifecycleModes"], &was["volumeLifecycleModes"]);
    immutable(is, was, &Path::new("spec.volumeLifecycleModes"), &mut errs);
    errs
}

/// What a person should know of a CSIDriver's token requests.
pub(crate) fn csi_driver_warnings(o: &DynamicObject, old: Option<&DynamicObject>) -> Vec<String> {
    let spec = o.at(&["spec"]);
    let changed = old.is_none_or(|old| !same(&old.at(&["spec"])["tokenRequests"], &spec["tokenRequests"]));
    if !changed || list_of(spec, "tokenRequests").is_empty() || is_set(spec, "serviceAccountTokenInSecrets") {
        return Vec::new();
    }
    vec![TOKEN_WARNING.to_owned()]
}

const TOKEN_WARNING: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to \
     prevent possible logging of tokens in volume attributes";

/// Checks a new CSINode.
pub(crate) fn csi_node(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    let path = Path::new("spec.drivers");
    let mut seen = BTreeSet::new();
    for (i, driver) in list_of(o.at(&["spec"]), "drivers").iter().enumerate() {
        csi_node_driver(driver, &mut seen, &path.index(i), &mut errs);
    }
    errs
}

fn csi_node_driver<'a>(driver: &'a Value, seen: &mut BTreeSet<&'a str>, path: &Path, errs: &mut ErrorList) {
    let (name, id) = (str_of(driver, "name"), str_of(driver, "nodeID"));
    csi_driver_name(name, &path.child("name"), errs);
    let at = path.child("nodeID");
    if id.is_empty() {
        errs.push(Error::required(&at, ""));
    }
    if id.len() > NODE_ID_BYTES_MAX {
        errs.push(Error::invalid_str(&at, id, format!("must be {NODE_ID_BYTES_MAX} characters or less")));
    }
    if let Some(count) = int_of(&driver["allocatable"], "count") {
        nonnegative(count, &path.child("allocatable.count"), errs);
    }
    if !seen.insert(name) {
        errs.push(Error::duplicate(&path.child("name"), &json!(name)));
    }
    let mut keys = BTreeSet::new();
    for key in texts_of(driver, "topologyKeys") {
        if key.is_empty() {
            errs.push(Error::required(path, ""));
        }
        if !keys.insert(key) {
            errs.push(Error::duplicate(path, &json!(key)));
        }
        names::qualified_name(key, path, errs);
    }
}

/// Checks a changed CSINode: a driver's entry may change what is allocatable.
pub(crate) fn csi_node_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let mut errs = csi_node(new);
    let shown = |d: &Value| {
        use crate::registry::validation::go::{Go, fields};
        let keys = match &d["topologyKeys"] {
            Value::Null => Go::Null,
            _ => Go::List(texts_of(d, "topologyKeys").into_iter().map(Go::from).collect()),
        };
        fields! {
            "Name": str_of(d, "name"), "NodeID": str_of(d, "nodeID"), "TopologyKeys": keys, "Allocatable": Go::Null,
        }
    };
    for was in list_of(old.at(&["spec"]), "drivers") {
        for is in list_of(new.at(&["spec"]), "drivers") {
            if str_of(was, "name") == str_of(is, "name") && !shown(is).same(&shown(was)) {
                let at = Path::new("spec.drivers");
                errs.push(Error::invalid_shown(&at, shown(is).compact(), "field is immutable"));
            }
        }
    }
    errs
}

/// Checks a new CSIStorageCapacity.
pub(crate) fn storage_capacity(o: &DynamicObject) -> ErrorList {
    capacity(o, false)
}

fn topology(o: &DynamicObject) -> Option<LabelSelector> {
    serde_json::from_value(o.at(&["nodeTopology"]).clone()).ok()
}

fn capacity(o: &DynamicObject, allow_bad_values: bool) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, true, name_is_dns_subdomain, &mut errs);
    let selector = topology(o);
    errs.extend(validate_label_selector(selector.as_ref(), allow_bad_values, &Path::new("nodeTopology")));
    let class = o.at(&["storageClassName"]).as_str().unwrap_or_default();
    names::by_rule(NameRule::Subdomain, class, &Path::new("storageClassName"), &mut errs);
    if let Some(q) = o.at(&["capacity"]).as_str().and_then(|q| Quantity::parse(q).ok()).filter(|q| q.sign() < 0) {
        let detail = "must be greater than or equal to 0";
        errs.push(Error::invalid_str(&Path::new("capacity"), &q.to_string(), detail));
    }
    errs
}

/// Labels of nodes that were renamed.
pub(crate) fn storage_capacity_warnings(o: &DynamicObject, _old: Option<&DynamicObject>) -> Vec<String> {
    let mut all = Vec::new();
    let Some(selector) = topology(o) else { return all };
    for (i, r) in selector.match_expressions.iter().flatten().enumerate() {
        let message = deprecated_label(&r.key);
        all.extend(message.map(|m| format!("nodeTopology.matchExpressions[{i}].key: {} is {m}", r.key)));
    }
    for key in selector.match_labels.iter().flat_map(|l| l.keys()) {
        all.extend(deprecated_label(key).map(|m| format!("nodeTopology.matchLabels.{key}: {m}")));
    }
    all
}

/// Checks a changed CSIStorageCapacity.
pub(crate) fn storage_capacity_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    let was_bad = !validate_label_selector(topology(old).as_ref(), false, &Path::root()).is_empty();
    let mut errs = capacity(new, was_bad);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let shown = |o: &DynamicObject| topology(o).map_or(Go::Null, |s| go_struct::label_selector(&s));
    let (is, was) = (shown(new), shown(old));
    if !is.same(&was) {
        errs.push(Error::invalid_shown(&Path::new("nodeTopology"), is.compact(), "field is immutable"));
    }
    let class = |o: &DynamicObject| -> Value { o.at(&["storageClassName"]).as_str().unwrap_or_default().into() };
    immutable(&class(new), &class(old), &Path::new("storageClassName"), &mut errs);
    errs
}

/// Checks a new VolumeAttachment. What an inline volume says is taken as it is.
pub(crate) fn volume_attachment(o: &DynamicObject) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&o.metadata, false, name_is_dns_subdomain, &mut errs);
    let (path, spec) = (Path::new("spec"), o.at(&["spec"]));
    csi_driver_name(str_of(spec, "attacher"), &path.child("attacher"), &mut errs);
    let source_path = path.child("source");
    let source = &spec["source"];
    let volume = opt_str(source, "persistentVolumeName");
    let exactly = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (is_set(source, "inlineVolumeSpec"), volume) {
        (false, None) => errs.push(Error::required(&source_path, exactly)),
        (true, Some(_)) => errs.push(Error::forbidden(&source_path, exactly)),
        (false, Some("")) => errs.push(Error::required(
            &source_path.child("persistentVolumeName"),
            "must specify non empty persistentVolumeName",
        )),
        _ => {}
    }
    names::by_rule(NameRule::Subdomain, str_of(spec, "nodeName"), &path.child("nodeName"), &mut errs);
    let (path, status) = (Path::new("status"), o.at(&["status"]));
    let entries = status["attachmentMetadata"].as_object();
    let size: usize = entries.into_iter().flatten().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > METADATA_BYTES_MAX {
        errs.push(Error::too_long(&path.child("attachmentMetadata"), METADATA_BYTES_MAX));
    }
    for field in ["attachError", "detachError"] {
        let (e, at) = (&status[field], path.child(field));
        if str_of(e, "message").len() > MESSAGE_BYTES_MAX {
            // The bound that is named is upstream's slip.
            errs.push(Error::too_long(&at.child("message"), METADATA_BYTES_MAX));
        }
        if let Some(code) = int_of(e, "errorCode").filter(|c| *c < 0) {
            let detail = inclusive_range(0, i64::from(i32::MAX));
            errs.push(Error::invalid(&at.child("errorCode"), &json!(code), detail));
        }
    }
    if let Some(volume) = volume {
        let at = Path::new("spec.source.persistentVolumeName");
        names::by_rule(NameRule::Subdomain, volume, &at, &mut errs);
    }
    errs
}

/// Checks a changed VolumeAttachment, or its status.
pub(crate) fn volume_attachment_update(new: &DynamicObject, old: &DynamicObject) -> ErrorList {
    use crate::registry::validation::go::{Go, fields};
    let mut errs = volume_attachment(new);
    let (is, was) = (new.at(&["spec"]), old.at(&["spec"]));
    if !same(is, was) {
        let shown = fields! {
            "Attacher": str_of(is, "attacher"),
            "Source": fields! {
                "PersistentVolumeName": opt_str(&is["source"], "persistentVolumeName"), "InlineVolumeSpec": Go::Null
            },
            "NodeName": str_of(is, "nodeName"),
        };
        errs.push(Error::invalid_shown(&Path::new("spec"), shown.compact(), "field is immutable"));
    }
    errs
}
