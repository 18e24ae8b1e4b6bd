//! Validation of LimitRanges.
//! Models `pkg/apis/core/validation/validation.go` (ValidateLimitRange).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::pod::resources;
use super::prelude::*;
use crate::api::quantity::{Format, Quantity};
use crate::api::validation::name_is_dns_subdomain;

/// Beyond this a quantity has no thousandths.
const MILLI_VALUE_MAX: i64 = i64::MAX / 1000;

/// Checks a LimitRange.
pub fn validate_create(range: &LimitRange) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&range.metadata, true, name_is_dns_subdomain, &mut errs);
    let path = Path::new("spec.limits");
    let mut seen = BTreeSet::new();
    for (i, limit) in range.spec.iter().flat_map(|s| &s.limits).enumerate() {
        let at = path.index(i);
        limit_type(&limit.type_, &at.child("type"), &mut errs);
        if !seen.insert(limit.type_.as_str()) {
            errs.push(Error::duplicate(&at.child("type"), &json!(limit.type_)));
        }
        item(limit, &at, &mut errs);
    }
    errs
}

/// Upstream's `validateLimitRangeTypeName`.
fn limit_type(value: &str, path: &Path, errs: &mut ErrorList) {
    let before = errs.len();
    names::qualified_name(value, path, errs);
    let standard = matches!(value, "Pod" | "Container" | "PersistentVolumeClaim");
    if errs.len() == before && !value.contains('/') && !standard {
        errs.push(Error::invalid_str(path, value, "must be a standard limit type or fully qualified"));
    }
}

/// Checks the names of one map's resources and reads its quantities.
fn read(
    of: &LimitRangeItem,
    map: &Option<BTreeMap<String, Text>>,
    path: &Path,
    errs: &mut ErrorList,
) -> BTreeMap<String, Quantity> {
    let mut out = BTreeMap::new();
    for (name, value) in entries(map) {
        let at = path.key(name);
        if matches!(of.type_.as_str(), "Pod" | "Container") {
            resources::container_name(name, &at, errs);
        } else {
            resources::name(name, &at, errs);
        }
        out.insert(name.to_owned(), resources::parse(value));
    }
    out
}

/// What an item says of one resource.
struct Bounds {
    min: Option<Quantity>,
    max: Option<Quantity>,
    default: Option<Quantity>,
    request: Option<Quantity>,
    ratio: Option<Quantity>,
}

fn item(limit: &LimitRangeItem, path: &Path, errs: &mut ErrorList) {
    let max = read(limit, &limit.max, &path.child("max"), errs);
    let min = read(limit, &limit.min, &path.child("min"), errs);
    let (mut defaults, mut requests) = (BTreeMap::new(), BTreeMap::new());
    if limit.type_ == "Pod" {
        for (field, map) in [("default", &limit.default), ("defaultRequest", &limit.default_request)] {
            if entries(map).next().is_some() {
                errs.push(Error::forbidden(&path.child(field), "may not be specified when `type` is 'Pod'"));
            }
        }
    } else {
        defaults = read(limit, &limit.default, &path.child("default"), errs);
        requests = read(limit, &limit.default_request, &path.child("defaultRequest"), errs);
    }
    if limit.type_ == "PersistentVolumeClaim" && !min.contains_key("storage") && !max.contains_key("storage") {
        errs.push(Error::required(
            &path.child("limits"),
            "either minimum or maximum storage value is required, but neither was provided",
        ));
    }
    let ratios = read(limit, &limit.max_limit_request_ratio, &path.child("maxLimitRequestRatio"), errs);
    let all = [&min, &max, &defaults, &requests, &ratios];
    let keys: BTreeSet<&String> = all.iter().flat_map(|m| m.keys()).collect();
    for key in keys {
        let bounds = Bounds {
            min: min.get(key).copied(),
            max: max.get(key).copied(),
            default: defaults.get(key).copied(),
            request: requests.get(key).copied(),
            ratio: ratios.get(key).copied(),
        };
        compare(key, &bounds, path, errs);
        ratio(key, &bounds, path, errs);
        if let (Some(default), Some(request)) = (bounds.default, bounds.request)
            && !resources::is_overcommit_allowed(key)
            && default != request
        {
            let detail = format!("default value {default} must equal to defaultRequest value {request} in {key}");
            errs.push(Error::invalid_str(&path.child("defaultRequest").key(key), &request.to_string(), detail));
        }
    }
}

/// The bounds of a resource against each other.
fn compare(key: &str, b: &Bounds, path: &Path, errs: &mut ErrorList) {
    let mut ordered =
        |low: Option<Quantity>, high: Option<Quantity>, field: &str, shown_low: bool, words: [&str; 2]| {
            let (Some(low), Some(high)) = (low, high) else { return };
            if low > high {
                let shown = if shown_low { low } else { high };
                let detail = format!("{} value {low} is greater than {} value {high}", words[0], words[1]);
                errs.push(Error::invalid_str(&path.child(field).key(key), &shown.to_string(), detail));
            }
        };
    ordered(b.min, b.max, "min", true, ["min", "max"]);
    ordered(b.min, b.request, "defaultRequest", false, ["min", "default request"]);
    ordered(b.request, b.max, "defaultRequest", true, ["default request", "max"]);
    ordered(b.request, b.default, "defaultRequest", true, ["default request", "default limit"]);
    ordered(b.min, b.default, "default", true, ["min", "default"]);
    ordered(b.default, b.max, "default", false, ["default", "max"]);
}

/// How far a limit may exceed a request.
fn ratio(key: &str, b: &Bounds, path: &Path, errs: &mut ErrorList) {
    let Some(ratio) = b.ratio else { return };
    let at = path.child("maxLimitRequestRatio");
    let at = at.key(key);
    if ratio < Quantity::new(1, Format::DecimalSi) {
        errs.push(Error::invalid_str(&at, &ratio.to_string(), format!("ratio {ratio} is less than 1")));
    }
    let (Some(min), Some(max)) = (b.min, b.max) else { return };
    let fine = [ratio, min, max].iter().all(|q| q.value() < MILLI_VALUE_MAX);
    let (given, limit) = if fine {
        (ratio.milli_value() as f64 / 1000.0, max.milli_value() as f64 / min.milli_value() as f64)
    } else {
        (ratio.value() as f64, max.value() as f64 / min.value() as f64)
    };
    if given > limit {
        let detail = format!("ratio {ratio} is greater than max/min = {limit:.6}");
        errs.push(Error::invalid_str(&at, &ratio.to_string(), detail));
    }
}
