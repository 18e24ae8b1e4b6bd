//! Limits of a namespace: defaults for containers, and bounds. Models `plugin/pkg/admission/limitranger`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::{Attributes, forbidden};
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::quantity::Quantity;
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type Amounts = BTreeMap<String, Text>;

fn items(ranges: &[std::rc::Rc<LimitRange>]) -> impl Iterator<Item = &LimitRangeItem> {
    ranges.iter().flat_map(|r| r.spec.iter()).flat_map(|s| s.limits.iter())
}

pub(super) fn admit(server: &ApiServer, a: &Attributes<'_>, info: &ResourceInfo, obj: &mut Obj) -> Result<(), Status> {
    let ranges = server.all_of::<LimitRange>(Some(a.namespace));
    if ranges.is_empty() {
        return Ok(());
    }
    if let Some(pod) = typed_mut::<Pod>(make_mut(obj)) {
        for range in &ranges {
            set_defaults(pod, range);
        }
    }
    let Some(pod) = typed::<Pod>(&**obj) else { return Ok(()) };
    let mut errors = Vec::new();
    for item in items(&ranges) {
        match item.type_.as_str() {
            "Container" => {
                let spec = pod.spec.iter();
                for c in spec.flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers)) {
                    let r = c.resources.as_ref();
                    let empty = Amounts::new();
                    let requests = r.and_then(|r| r.requests.as_ref()).unwrap_or(&empty);
                    let limits = r.and_then(|r| r.limits.as_ref()).unwrap_or(&empty);
                    check(item, "Container", requests, limits, &mut errors);
                }
            }
            "Pod" => {
                let Some(spec) = &pod.spec else { continue };
                let text = |m: BTreeMap<String, Quantity>| -> Amounts {
                    m.into_iter().map(|(k, v)| (k, v.to_api())).collect()
                };
                let requests = text(crate::registry::validation::pod_requests(spec));
                let limits = text(crate::registry::validation::pod_limits(spec));
                check(item, "Pod", &requests, &limits, &mut errors);
            }
            _ => {}
        }
    }
    refuse(info, obj, errors)
}

pub(super) fn admit_claim(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
) -> Result<(), Status> {
    let ranges = server.all_of::<LimitRange>(Some(a.namespace));
    let Some(claim) = typed::<PersistentVolumeClaim>(&**obj) else { return Ok(()) };
    let empty = Amounts::new();
    let requests = claim.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
    let requests = requests.unwrap_or(&empty);
    let mut errors = Vec::new();
    for item in items(&ranges).filter(|i| i.type_ == "PersistentVolumeClaim") {
        bounds(item, "PersistentVolumeClaim", requests, &empty, &mut errors);
    }
    refuse(info, obj, errors)
}

fn refuse(info: &ResourceInfo, obj: &Obj, mut errors: Vec<String>) -> Result<(), Status> {
    let mut unique: Vec<String> = Vec::new();
    for e in errors.drain(..) {
        if !unique.contains(&e) {
            unique.push(e);
        }
    }
    match unique.as_slice() {
        [] => Ok(()),
        [one] => Err(forbidden(info, &**obj, one)),
        many => Err(forbidden(info, &**obj, &format!("[{}]", many.join(", ")))),
    }
}

/// Fills in what containers don't say. Models `mergePodResourceRequirements`.
fn set_defaults(pod: &mut Pod, range: &LimitRange) {
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    for item in range.spec.iter().flat_map(|s| s.limits.iter()).filter(|i| i.type_ == "Container") {
        requests.extend(item.default_request.clone().unwrap_or_default());
        limits.extend(item.default.clone().unwrap_or_default());
    }
    let Some(spec) = &mut pod.spec else { return };
    let mut said = Vec::new();
    let mut fill = |c: &mut Container, kind: &str| {
        let r = c.resources.get_or_insert_default();
        for (of, defaults, what) in [(&mut r.requests, &requests, "request"), (&mut r.limits, &limits, "limit")] {
            let have = of.get_or_insert_default();
            let set: Vec<&str> = defaults.keys().filter(|k| !have.contains_key(*k)).map(String::as_str).collect();
            if !set.is_empty() {
                said.push(format!("{} {what} for {kind} {}", set.join(", "), c.name));
            }
            for k in set {
                if let Some(v) = defaults.get(k) {
                    have.insert(k.to_owned(), v.clone());
                }
            }
            if have.is_empty() {
                *of = None;
            }
        }
    };
    for c in &mut spec.containers {
        fill(c, "container");
    }
    for c in spec.init_containers.iter_mut().flatten() {
        fill(c, "init container");
    }
    if !said.is_empty() {
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION.into(), format!("LimitRanger plugin set: {}", said.join("; ")));
    }
}

fn bounds(item: &LimitRangeItem, kind: &str, requests: &Amounts, limits: &Amounts, errors: &mut Vec<String>) {
    for (name, min) in item.min.iter().flatten() {
        let (request, limit) = (requests.get(name), limits.get(name));
        let least = Quantity::of(min);
        match request {
            None => errors.push(format!("minimum {name} usage per {kind} is {}.  No request is specified", min.0)),
            Some(r) if Quantity::of(r) < least => {
                errors.push(format!("minimum {name} usage per {kind} is {}, but request is {}", min.0, r.0));
            }
            _ => {}
        }
        if let Some(l) = limit.filter(|l| Quantity::of(l) < least) {
            errors.push(format!("minimum {name} usage per {kind} is {}, but limit is {}", min.0, l.0));
        }
    }
    for (name, max) in item.max.iter().flatten() {
        let (request, limit) = (requests.get(name), limits.get(name));
        let most = Quantity::of(max);
        if kind == "PersistentVolumeClaim" {
            if let Some(r) = request.filter(|r| Quantity::of(r) > most) {
                errors.push(format!("maximum {name} usage per {kind} is {}, but request is {}", max.0, r.0));
            }
            continue;
        }
        // One complaint a resource: who gives no limit, or too high a one, isn't told of the request.
        match limit {
            None => {
                errors.push(format!("maximum {name} usage per {kind} is {}.  No limit is specified", max.0));
                continue;
            }
            Some(l) if Quantity::of(l) > most => {
                errors.push(format!("maximum {name} usage per {kind} is {}, but limit is {}", max.0, l.0));
                continue;
            }
            _ => {}
        }
        if let Some(r) = request.filter(|r| Quantity::of(r) > most) {
            errors.push(format!("maximum {name} usage per {kind} is {}, but request is {}", max.0, r.0));
        }
    }
}

fn check(item: &LimitRangeItem, kind: &str, requests: &Amounts, limits: &Amounts, errors: &mut Vec<String>) {
    bounds(item, kind, requests, limits, errors);
    for (name, ratio) in item.max_limit_request_ratio.iter().flatten() {
        let number = |m: &Amounts| m.get(name).map(|q| Quantity::of(q).milli_value()).unwrap_or(0);
        let (request, limit) = (number(requests), number(limits));
        if request == 0 {
            let what = format!("{name} max limit to request ratio per {kind} is {}", ratio.0);
            errors.push(format!("{what}, but no request is specified or request is 0"));
        } else if limit == 0 {
            let what = format!("{name} max limit to request ratio per {kind} is {}", ratio.0);
            errors.push(format!("{what}, but no limit is specified or limit is 0"));
        } else {
            let (have, most) = (limit as f64 / request as f64, Quantity::of(ratio).milli_value() as f64 / 1000.0);
            if have > most {
                errors.push(format!(
                    "{name} max limit to request ratio per {kind} is {}, but provided ratio is {have:.6}",
                    ratio.0
                ));
            }
        }
    }
}
