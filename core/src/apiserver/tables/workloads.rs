//! Rows of what makes pods.

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PodTemplate, ReplicationController};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::{Printer, containers};
use crate::api::labels::{format_label_selector, format_labels};
use crate::api::object::typed;

pub(super) fn cells(p: &Printer<'_>) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<ReplicaSet>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let (names, images) = containers(spec.template.as_ref().and_then(|t| t.spec.as_ref()));
        return Some(vec![
            p.name(),
            spec.replicas.unwrap_or(0).into(),
            s.replicas.into(),
            s.ready_replicas.unwrap_or(0).into(),
            p.age(),
            names,
            images,
            format_label_selector(Some(&spec.selector)).into(),
        ]);
    }
    if let Some(x) = typed::<ReplicationController>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let (names, images) = containers(spec.template.as_ref().and_then(|t| t.spec.as_ref()));
        return Some(vec![
            p.name(),
            spec.replicas.unwrap_or(0).into(),
            s.replicas.into(),
            s.ready_replicas.unwrap_or(0).into(),
            p.age(),
            names,
            images,
            format_labels(spec.selector.as_ref()).into(),
        ]);
    }
    if let Some(x) = typed::<Deployment>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let (names, images) = containers(spec.template.spec.as_ref());
        return Some(vec![
            p.name(),
            format!("{}/{}", s.ready_replicas.unwrap_or(0), spec.replicas.unwrap_or(0)).into(),
            s.updated_replicas.unwrap_or(0).into(),
            s.available_replicas.unwrap_or(0).into(),
            p.age(),
            names,
            images,
            format_label_selector(Some(&spec.selector)).into(),
        ]);
    }
    if let Some(x) = typed::<StatefulSet>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let (names, images) = containers(spec.template.spec.as_ref());
        let ready = format!("{}/{}", s.ready_replicas.unwrap_or(0), spec.replicas.unwrap_or(0));
        return Some(vec![p.name(), ready.into(), p.age(), names, images]);
    }
    if let Some(x) = typed::<DaemonSet>(o) {
        let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
        let (names, images) = containers(spec.template.spec.as_ref());
        let node = spec.template.spec.as_ref().and_then(|s| s.node_selector.as_ref());
        return Some(vec![
            p.name(),
            s.desired_number_scheduled.into(),
            s.current_number_scheduled.into(),
            s.number_ready.into(),
            s.updated_number_scheduled.unwrap_or(0).into(),
            s.number_available.unwrap_or(0).into(),
            format_labels(node).into(),
            p.age(),
            names,
            images,
            format_label_selector(Some(&spec.selector)).into(),
        ]);
    }
    if let Some(x) = typed::<Job>(o) {
        return Some(job(p, x));
    }
    if let Some(x) = typed::<CronJob>(o) {
        let s = x.status.clone().unwrap_or_default();
        let last = s.last_schedule_time.as_ref().map_or_else(|| "<none>".to_owned(), |t| p.since(Some(t.0)));
        let template = x.spec.job_template.spec.as_ref();
        let (names, images) = containers(template.and_then(|t| t.template.spec.as_ref()));
        let suspend = if x.spec.suspend == Some(true) { "True" } else { "False" };
        return Some(vec![
            p.name(),
            x.spec.schedule.clone().into(),
            x.spec.time_zone.clone().unwrap_or_else(|| "<none>".into()).into(),
            suspend.into(),
            s.active.map_or(0, |a| a.len()).into(),
            last.into(),
            p.age(),
            names,
            images,
            format_label_selector(template.and_then(|t| t.selector.as_ref())).into(),
        ]);
    }
    if let Some(x) = typed::<ControllerRevision>(o) {
        let owner = x.metadata.owner_references.iter().flatten().find(|r| r.controller == Some(true));
        let owner = owner.map(|r| {
            let group = r.api_version.split_once('/').map(|(g, _)| format!(".{g}")).unwrap_or_default();
            format!("{}{group}/{}", r.kind.to_ascii_lowercase(), r.name)
        });
        let owner = owner.unwrap_or_else(|| "<none>".into());
        return Some(vec![p.name(), owner.into(), x.revision.into(), p.age()]);
    }
    if let Some(x) = typed::<PodTemplate>(o) {
        let (names, images) = containers(x.template.as_ref().and_then(|t| t.spec.as_ref()));
        let labels = x.template.as_ref().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref());
        return Some(vec![p.name(), names, images, format_labels(labels).into()]);
    }
    if let Some(x) = typed::<PodDisruptionBudget>(o) {
        let spec = x.spec.clone().unwrap_or_default();
        let show = |v: Option<IntOrString>| match v {
            Some(IntOrString::Int(i)) => i.to_string(),
            Some(IntOrString::String(s)) => s,
            None => "N/A".into(),
        };
        let allowed = x.status.as_ref().and_then(|s| s.disruptions_allowed).unwrap_or(0);
        let (min, max) = (show(spec.min_available), show(spec.max_unavailable));
        return Some(vec![p.name(), min.into(), max.into(), allowed.into(), p.age()]);
    }
    let x = typed::<HorizontalPodAutoscaler>(o)?;
    let spec = x.spec.clone();
    let s = x.status.clone().unwrap_or_default();
    let current = s.current_metrics.unwrap_or_default();
    Some(vec![
        p.name(),
        format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name).into(),
        metrics(&spec.metrics.unwrap_or_default(), &current).into(),
        spec.min_replicas.map_or_else(|| "<unset>".into(), |m| m.to_string()).into(),
        spec.max_replicas.into(),
        s.current_replicas.unwrap_or(0).into(),
        p.age(),
    ])
}

fn job(p: &Printer<'_>, x: &Job) -> Vec<Value> {
    let (spec, s) = (x.spec.clone().unwrap_or_default(), x.status.clone().unwrap_or_default());
    let (names, images) = containers(spec.template.spec.as_ref());
    let succeeded = s.succeeded.unwrap_or(0);
    let completions = match (spec.completions, spec.parallelism.unwrap_or(0)) {
        (Some(n), _) => format!("{succeeded}/{n}"),
        (None, n) if n > 1 => format!("{succeeded}/1 of {n}"),
        _ => format!("{succeeded}/1"),
    };
    let duration = match (&s.start_time, &s.completion_time) {
        (None, _) => String::new(),
        (Some(t), None) => p.since(Some(t.0)),
        (Some(t), Some(end)) => super::human_duration(end.0.duration_since(t.0).as_secs()),
    };
    let has = |kind: &str| s.conditions.iter().flatten().any(|c| c.type_ == kind && c.status == "True");
    let status = if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if x.metadata.deletion_timestamp.is_some() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    vec![
        p.name(),
        status.into(),
        completions.into(),
        duration.into(),
        p.age(),
        names,
        images,
        format_label_selector(spec.selector.as_ref()).into(),
    ]
}

const UNKNOWN: &str = "<unknown>";

/// A quantity as Go prints a pointer to one.
fn quantity(q: Option<&Quantity>) -> String {
    q.map_or_else(|| "<nil>".into(), |q| q.0.clone())
}

/// How much of a resource is used and shall be.
fn usage(target: &MetricTarget, have: Option<&MetricValueStatus>) -> String {
    if let Some(v) = &target.average_value {
        return format!("{}/{}", have.map_or_else(|| UNKNOWN.into(), |h| quantity(h.average_value.as_ref())), v.0);
    }
    let percent = |n: Option<i32>, other: &str| n.map_or_else(|| other.to_owned(), |n| format!("{n}%"));
    let have = percent(have.and_then(|h| h.average_utilization), UNKNOWN);
    format!("{have}/{}", percent(target.average_utilization, "<auto>"))
}

/// What a number told by something else is and shall be.
fn amount(target: &MetricTarget, have: Option<&MetricValueStatus>) -> String {
    if let Some(v) = &target.average_value {
        let have = have.and_then(|h| h.average_value.as_ref()).map_or(UNKNOWN, |q| q.0.as_str());
        return format!("{have}/{} (avg)", v.0);
    }
    let have = have.map_or_else(|| UNKNOWN.into(), |h| quantity(h.value.as_ref()));
    format!("{have}/{}", quantity(target.value.as_ref()))
}

/// One metric of an autoscaler, and what it was last; nothing for one that says nothing.
fn metric(m: &MetricSpec, now: Option<&MetricStatus>) -> Option<String> {
    Some(match m.type_.as_str() {
        "Resource" => {
            let r = m.resource.as_ref()?;
            let have = now.and_then(|c| c.resource.as_ref()).map(|r| &r.current);
            format!("{}: {}", r.name, usage(&r.target, have))
        }
        "ContainerResource" => {
            let r = m.container_resource.as_ref()?;
            let have = now.and_then(|c| c.container_resource.as_ref()).map(|r| &r.current);
            format!("{}: {}", r.name, usage(&r.target, have))
        }
        "Pods" => {
            let have = now.and_then(|c| c.pods.as_ref());
            let have = have.map_or_else(|| UNKNOWN.into(), |p| quantity(p.current.average_value.as_ref()));
            format!("{have}/{}", quantity(m.pods.as_ref()?.target.average_value.as_ref()))
        }
        "Object" => amount(&m.object.as_ref()?.target, now.and_then(|c| c.object.as_ref()).map(|o| &o.current)),
        "External" => amount(&m.external.as_ref()?.target, now.and_then(|c| c.external.as_ref()).map(|e| &e.current)),
        _ => "<unknown type>".to_owned(),
    })
}

/// The TARGETS of an autoscaler. Models `formatHPAMetrics`.
fn metrics(specs: &[MetricSpec], current: &[MetricStatus]) -> String {
    const SHOWN_MAX: usize = 2;
    if specs.is_empty() {
        return "<none>".into();
    }
    let list: Vec<String> = specs.iter().enumerate().filter_map(|(i, m)| metric(m, current.get(i))).collect();
    let more = list.len().saturating_sub(SHOWN_MAX);
    let shown = list.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}
