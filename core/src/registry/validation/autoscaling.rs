//! Validation of HorizontalPodAutoscalers.
//! Models `pkg/apis/autoscaling/validation/validation.go` and the strategy's options. Scaling to zero is off by default.

use std::collections::BTreeSet;

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;

use super::pod::resources::{container_name, parse};
use super::prelude::*;
use crate::api::validation::{is_path_segment_name, name_is_dns_subdomain};

const PERIOD_SECONDS_MAX: i32 = 1800;
const WINDOW_SECONDS_MAX: i32 = 3600;
const METRIC_TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// What may be said of a reference's API version.
#[derive(Clone, Copy, Default)]
struct RefOptions {
    allow_core: bool,
    allow_invalid: bool,
}

struct Options {
    min_replicas: i32,
    target: RefOptions,
    object: RefOptions,
}

impl Options {
    fn new(new: &HorizontalPodAutoscalerSpec, old: Option<&HorizontalPodAutoscalerSpec>) -> Self {
        let (is, was) = (&new.scale_target_ref, old.map(|o| &o.scale_target_ref));
        let mut object = RefOptions { allow_core: true, allow_invalid: false };
        let described = old.into_iter().flat_map(|o| list(&o.metrics)).filter(|m| m.type_ == "Object");
        object.allow_invalid =
            described.filter_map(|m| m.object.as_ref()).any(|o| api_version(&o.described_object, object).is_err());
        let same = was.is_some_and(|was| text(&was.api_version) == text(&is.api_version) && was.kind == is.kind);
        Options {
            min_replicas: if old.is_some_and(|o| o.min_replicas == Some(0)) { 0 } else { 1 },
            target: RefOptions { allow_invalid: same, allow_core: !same && is.kind == "ReplicationController" },
            object,
        }
    }
}

/// Checks a new HorizontalPodAutoscaler.
pub fn validate_create(hpa: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&hpa.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(&hpa.spec, &Options::new(&hpa.spec, None), &mut errs);
    errs
}

/// Checks a changed HorizontalPodAutoscaler.
pub fn validate_update(new: &HorizontalPodAutoscaler, old: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    spec(&new.spec, &Options::new(&new.spec, Some(&old.spec)), &mut errs);
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &HorizontalPodAutoscaler, old: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let path = Path::new("status");
    let (current, desired) =
        new.status.as_ref().map_or((0, 0), |s| (s.current_replicas.unwrap_or(0), s.desired_replicas));
    nonnegative(current.into(), &path.child("currentReplicas"), &mut errs);
    nonnegative(desired.into(), &path.child("desiredReplicas"), &mut errs);
    errs
}

fn spec(spec: &HorizontalPodAutoscalerSpec, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let max_path = path.child("maxReplicas");
    let (min, max) = (spec.min_replicas, spec.max_replicas);
    if let Some(min) = min.filter(|min| *min < opts.min_replicas) {
        let detail = format!("must be greater than or equal to {}", opts.min_replicas);
        errs.push(Error::invalid(&path.child("minReplicas"), &json!(min), detail));
    }
    if max == 0 {
        errs.push(Error::required(&max_path, "must be set and greater than 0"));
    } else if max < 0 {
        errs.push(Error::invalid(&max_path, &json!(max), "must be greater than or equal to 1"));
    }
    if min.is_some_and(|min| max < min) {
        errs.push(Error::invalid(&max_path, &json!(max), "must be greater than or equal to `minReplicas`"));
    }
    reference(&spec.scale_target_ref, opts.target, &path.child("scaleTargetRef"), errs);
    metrics(spec, opts.object, &path.child("metrics"), errs);
    if let Some(behavior) = &spec.behavior {
        let at = path.child("behavior");
        for (name, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
            if let Some(rules) = rules {
                scaling_rules(rules, &at.child(name), errs);
            }
        }
    }
}

fn reference(r: &CrossVersionObjectReference, opts: RefOptions, path: &Path, errs: &mut ErrorList) {
    for (name, value) in [("kind", &r.kind), ("name", &r.name)] {
        let at = path.child(name);
        if value.is_empty() {
            errs.push(Error::required(&at, ""));
        } else {
            invalid_each(is_path_segment_name(value), value, &at, errs);
        }
    }
    if let Err(e) = api_version(r, opts) {
        errs.push(Error::invalid_str(&path.child("apiVersion"), text(&r.api_version), e));
    }
}

fn api_version(r: &CrossVersionObjectReference, opts: RefOptions) -> Result<(), String> {
    let version = text(&r.api_version);
    if opts.allow_invalid {
        return Ok(());
    }
    match version.matches('/').count() {
        0 if !opts.allow_core => Err("apiVersion must specify API group".to_owned()),
        1 if version.starts_with('/') && version.len() > 1 && !opts.allow_core => {
            Err("apiVersion must specify API group".to_owned())
        }
        0 | 1 => Ok(()),
        _ => Err(format!("unexpected GroupVersion string: {version}")),
    }
}

fn metrics(spec: &HorizontalPodAutoscalerSpec, opts: RefOptions, path: &Path, errs: &mut ErrorList) {
    let metrics = list(&spec.metrics);
    for (i, m) in metrics.iter().enumerate() {
        metric(m, opts, &path.index(i), errs);
    }
    if spec.min_replicas == Some(0) && !metrics.iter().any(|m| matches!(m.type_.as_str(), "Object" | "External")) {
        errs.push(Error::forbidden(
            path,
            "must specify at least one Object or External metric to support scaling to zero replicas",
        ));
    }
}

fn metric(m: &MetricSpec, opts: RefOptions, path: &Path, errs: &mut ErrorList) {
    let type_path = path.child("type");
    if m.type_.is_empty() {
        errs.push(Error::required(&type_path, "must specify a metric source type"));
    }
    one_of(&m.type_, METRIC_TYPES, &type_path, errs);
    // Only the first source given is looked into, in upstream's order.
    let mut present = BTreeSet::new();
    if let Some(source) = &m.object {
        present.insert("object");
        let at = path.child("object");
        reference(&source.described_object, opts, &at.child("describedObject"), errs);
        let detail = "must set either a target value or averageValue";
        named_target(&source.metric, &source.target, detail, &at, errs);
    }
    if let Some(source) = &m.external {
        present.insert("external");
        if present.len() == 1 {
            let at = path.child("external");
            let detail = "must set either a target value for metric or a per-pod target";
            named_target(&source.metric, &source.target, detail, &at, errs);
            if source.target.value.is_some() && source.target.average_value.is_some() {
                errs.push(Error::forbidden(
                    &at.child("target.value"),
                    "may not set both a target value for metric and a per-pod target",
                ));
            }
        }
    }
    if let Some(source) = &m.pods {
        present.insert("pods");
        if present.len() == 1 {
            let at = path.child("pods");
            identifier(&source.metric, &at.child("metric"), errs);
            target(&source.target, &at.child("target"), errs);
            if source.target.average_value.is_none() {
                let detail = "must specify a positive target averageValue";
                errs.push(Error::required(&at.child("target.averageValue"), detail));
            }
        }
    }
    if let Some(source) = &m.resource {
        present.insert("resource");
        if present.len() == 1 {
            let at = path.child("resource");
            resource_name(&source.name, &at.child("name"), errs);
            resource_target(&source.target, &at.child("target"), errs);
        }
    }
    if let Some(source) = &m.container_resource {
        present.insert("containerResource");
        if present.len() == 1 {
            let at = path.child("containerResource");
            resource_name(&source.name, &at.child("name"), errs);
            if !source.name.is_empty() {
                container_name(&source.name, &at.child("name"), errs);
            }
            if source.container.is_empty() {
                errs.push(Error::required(&at.child("container"), "must specify a container"));
            } else {
                names::dns_label(&source.container, &at.child("container"), errs);
            }
            resource_target(&source.target, &at.child("target"), errs);
        }
    }
    expected_source(m, present, path, errs);
}

/// The source that the type names is there, and no other.
fn expected_source(m: &MetricSpec, mut present: BTreeSet<&str>, path: &Path, errs: &mut ErrorList) {
    let expected = match m.type_.as_str() {
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        "External" => "external",
        "ContainerResource" => "containerResource",
        other => {
            errs.push(Error::not_supported(&path.child("type"), other, METRIC_TYPES));
            ""
        }
    };
    if !expected.is_empty() && !present.contains(expected) {
        let detail = "must populate information for the given metric source";
        errs.push(Error::required(&path.child(expected), detail));
    }
    if present.len() != 1 {
        present.remove(expected);
        for other in present {
            errs.push(Error::forbidden(&path.child(other), "must populate the given metric source only"));
        }
    }
}

fn named_target(id: &MetricIdentifier, t: &MetricTarget, missing: &str, path: &Path, errs: &mut ErrorList) {
    identifier(id, &path.child("metric"), errs);
    target(t, &path.child("target"), errs);
    if t.value.is_none() && t.average_value.is_none() {
        errs.push(Error::required(&path.child("target.averageValue"), missing));
    }
}

fn resource_name(name: &str, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(path, "must specify a resource name"));
    }
}

fn resource_target(t: &MetricTarget, path: &Path, errs: &mut ErrorList) {
    target(t, path, errs);
    match (t.average_utilization, &t.average_value) {
        (None, None) => errs.push(Error::required(
            &path.child("averageUtilization"),
            "must set either a target raw value or a target utilization",
        )),
        (Some(_), Some(_)) => errs.push(Error::forbidden(
            &path.child("averageValue"),
            "may not set both a target raw value and a target utilization",
        )),
        _ => {}
    }
}

fn target(t: &MetricTarget, path: &Path, errs: &mut ErrorList) {
    let type_path = path.child("type");
    if t.type_.is_empty() {
        errs.push(Error::required(&type_path, "must specify a metric target type"));
    }
    if !matches!(t.type_.as_str(), "Utilization" | "Value" | "AverageValue") {
        errs.push(Error::invalid_str(&type_path, &t.type_, "must be either Utilization, Value, or AverageValue"));
    }
    let mut positive = |name: &str, value: &Option<QuantityText>| {
        let Some(q) = value.as_ref().map(parse).filter(|q| q.sign() <= 0) else { return };
        errs.push(Error::invalid_str(&path.child(name), &q.to_string(), "must be positive"));
    };
    positive("value", &t.value);
    positive("averageValue", &t.average_value);
    if let Some(utilization) = t.average_utilization.filter(|u| *u < 1) {
        let at = path.child("averageUtilization");
        errs.push(Error::invalid(&at, &json!(utilization), "must be greater than 0"));
    }
}

fn identifier(id: &MetricIdentifier, path: &Path, errs: &mut ErrorList) {
    let at = path.child("name");
    if id.name.is_empty() {
        errs.push(Error::required(&at, "must specify a metric name"));
    } else {
        invalid_each(is_path_segment_name(&id.name), &id.name, &at, errs);
    }
}

fn scaling_rules(rules: &HPAScalingRules, path: &Path, errs: &mut ErrorList) {
    let window_path = path.child("stabilizationWindowSeconds");
    if let Some(window) = rules.stabilization_window_seconds {
        if window < 0 {
            errs.push(Error::invalid(&window_path, &json!(window), "must be greater than or equal to zero"));
        }
        if window > WINDOW_SECONDS_MAX {
            let detail = format!("must be less than or equal to {WINDOW_SECONDS_MAX}");
            errs.push(Error::invalid(&window_path, &json!(window), detail));
        }
    }
    if let Some(policy) = &rules.select_policy {
        one_of(policy, &["Disabled", "Max", "Min"], &path.child("selectPolicy"), errs);
    }
    let policies_path = path.child("policies");
    let policies = list(&rules.policies);
    if policies.is_empty() {
        errs.push(Error::required(&policies_path, "must specify at least one Policy"));
    }
    for (i, policy) in policies.iter().enumerate() {
        scaling_policy(policy, &policies_path.index(i), errs);
    }
    if let Some(tolerance) = rules.tolerance.as_ref().map(parse).filter(|t| t.sign() < 0) {
        errs.push(Error::invalid_str(
            &path.child("tolerance"),
            &tolerance.to_string(),
            "must be greater than or equal to 0",
        ));
    }
}

fn scaling_policy(policy: &HPAScalingPolicy, path: &Path, errs: &mut ErrorList) {
    one_of(&policy.type_, &["Percent", "Pods"], &path.child("type"), errs);
    positive(policy.value.into(), &path.child("value"), errs);
    let at = path.child("periodSeconds");
    positive(policy.period_seconds.into(), &at, errs);
    if policy.period_seconds > PERIOD_SECONDS_MAX {
        let detail = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
        errs.push(Error::invalid(&at, &json!(policy.period_seconds), detail));
    }
}
