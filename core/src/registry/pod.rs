//! Pods. Models `pkg/registry/core/pod/strategy.go`.

use k8s_openapi::api::core::v1::{Container, Pod, PodCondition, PodIP, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;
use crate::api::quantity::Quantity;

pub(super) mod app_armor;
mod disabled;
mod label_keys;

pub(super) use disabled::drop_disabled_fields;

/// The strategy of Pods.
pub struct Pods;

impl KindStrategy for Pods {
    type Kind = Pod;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "pods", "pod", "Pod").short(&["po"]).categories(&["all"]).subresources(&[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::pod::set_defaults(o);
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::pod::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        match cx.subresource {
            "status" => validation::pod::validate_status_update(new, old),
            "ephemeralcontainers" => validation::pod::validate_ephemeral_containers_update(new, old),
            "resize" => validation::pod::validate_resize(new, old),
            _ => validation::pod::validate_update(new, old),
        }
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        // People rarely change pods, and components do so often.
        if old.is_none() { warnings::pod::of(o) } else { Vec::new() }
    }

    fn status_warnings(&self, o: &Self::Kind) -> Vec<String> {
        warnings::pod::of_status(o)
    }

    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut Pod) {
        o.metadata.generation = Some(1);
        label_keys::settle(o);
        app_armor::fields_from_annotations(o, cx.warn);
        let gated = o.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty());
        let conditions = gated.then(|| {
            vec![PodCondition {
                type_: "PodScheduled".into(),
                status: "False".into(),
                reason: Some("SchedulingGated".into()),
                message: Some("Scheduling is blocked due to non-empty scheduling gates".into()),
                last_transition_time: Some(Time(cx.sim.timestamp())),
                ..PodCondition::default()
            }]
        });
        o.status = Some(PodStatus {
            phase: Some("Pending".into()),
            qos_class: Some(qos_class(o).into()),
            conditions,
            ..PodStatus::default()
        });
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Pod, old: &Pod) {
        match cx.subresource {
            "status" => {
                keep(&mut new.spec, &old.spec);
                new.metadata.deletion_timestamp = None;
                keep(&mut new.metadata.owner_references, &old.metadata.owner_references);
                keep_observed_status(new, old);
            }
            "ephemeralcontainers" => {
                let wanted = new.spec.as_mut().and_then(|s| s.ephemeral_containers.take());
                keep(&mut new.spec, &old.spec);
                keep(&mut new.status, &old.status);
                reset_meta_for_status(&mut new.metadata, &old.metadata);
                if let Some(spec) = &mut new.spec {
                    spec.ephemeral_containers = wanted;
                }
            }
            "resize" => keep_all_but_resources(new, old),
            _ => keep(&mut new.status, &old.status),
        }
        if cx.subresource != "status" && differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }

    fn graceful(&self) -> bool {
        true
    }

    fn check_delete(&self, o: &Pod, asked: Option<i64>) -> DeleteOutcome {
        let spec = o.spec.as_ref();
        let assigned = spec.and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty());
        let phase = o.status.as_ref().and_then(|s| s.phase.as_deref());
        if !assigned || matches!(phase, Some("Failed" | "Succeeded")) {
            return DeleteOutcome::Graceful(0);
        }
        let grace = asked.or(spec.and_then(|s| s.termination_grace_period_seconds)).unwrap_or(0);
        DeleteOutcome::Graceful(if grace < 0 { 1 } else { grace })
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn field<'a>(&self, o: &'a Pod, path: &str) -> Option<Cow<'a, str>> {
        let (spec, status) = (o.spec.as_ref(), o.status.as_ref());
        let none = Cow::Borrowed("");
        Some(match path {
            "spec.nodeName" => spec.map_or(none, |s| text(&s.node_name)),
            "spec.restartPolicy" => spec.map_or(none, |s| text(&s.restart_policy)),
            "spec.schedulerName" => spec.map_or(none, |s| text(&s.scheduler_name)),
            "spec.serviceAccountName" => spec.map_or(none, |s| text(&s.service_account_name)),
            "spec.hostNetwork" => flag(spec.and_then(|s| s.host_network)),
            "status.phase" => status.map_or(none, |s| text(&s.phase)),
            "status.podIP" => status.map_or(none, |s| text(&s.pod_ip)),
            "status.nominatedNodeName" => status.map_or(none, |s| text(&s.nominated_node_name)),
            _ => return None,
        })
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            // Known, and never filled in.
            "status.podIPs",
            "status.nominatedNodeName",
        ]
    }

    fn index_field(&self) -> Option<&'static str> {
        Some("spec.nodeName")
    }
}

/// A status update that leaves out what was observed before keeps it: the QoS class and observed generations.
fn keep_observed_status(new: &mut Pod, old: &Pod) {
    let Some(old) = &old.status else { return };
    let new = new.status.get_or_insert_default();
    settle_addresses(new);
    if new.qos_class.as_deref().unwrap_or_default().is_empty() {
        new.qos_class.clone_from(&old.qos_class);
    }
    if new.observed_generation.unwrap_or(0) == 0 {
        new.observed_generation = old.observed_generation;
    }
    for c in new.conditions.iter_mut().flatten() {
        if c.observed_generation.unwrap_or(0) == 0 {
            c.observed_generation =
                old.conditions.iter().flatten().find(|o| o.type_ == c.type_).and_then(|o| o.observed_generation);
        }
    }
}

/// The one address of a pod counts more than the list of them, as old kubelets know but the one.
/// Models `Convert_v1_PodStatus_To_core_PodStatus` and its inverse.
fn settle_addresses(status: &mut PodStatus) {
    let first = status.pod_ips.as_ref().and_then(|all| all.first()).map(|ip| ip.ip.clone());
    match (status.pod_ip.clone().filter(|ip| !ip.is_empty()), first) {
        (Some(ip), first) if first.as_ref() != Some(&ip) => status.pod_ips = Some(vec![PodIP { ip }]),
        (None, Some(first)) => status.pod_ip = Some(first),
        _ => {}
    }
}

/// A resize changes containers' resources and resize policies and nothing else. Other changes of the containers' list
/// are left for validation to refuse. Models `dropNonResizeUpdates`.
fn keep_all_but_resources(new: &mut Pod, old: &Pod) {
    let (Some(wanted), Some(had)) = (new.spec.as_ref(), old.spec.as_ref()) else { return };
    let no_containers = Vec::new();
    let pairs = [
        (&wanted.containers, &had.containers),
        (
            wanted.init_containers.as_ref().unwrap_or(&no_containers),
            had.init_containers.as_ref().unwrap_or(&no_containers),
        ),
    ];
    if pairs.iter().any(|(w, h)| w.len() != h.len()) {
        return;
    }
    let merge = |wanted: &[Container], had: &[Container]| -> Vec<Container> {
        if wanted.iter().zip(had).any(|(w, h)| w.name != h.name) {
            return wanted.to_vec();
        }
        let both = wanted.iter().zip(had);
        both.map(|(w, h)| Container {
            resources: w.resources.clone(),
            resize_policy: w.resize_policy.clone(),
            ..h.clone()
        })
        .collect()
    };
    let mut spec = had.clone();
    spec.containers = merge(pairs[0].0, pairs[0].1);
    spec.init_containers = had.init_containers.as_ref().map(|_| merge(pairs[1].0, pairs[1].1));
    spec.resources.clone_from(&wanted.resources);
    new.spec = Some(spec);
    keep(&mut new.status, &old.status);
    reset_meta_for_status(&mut new.metadata, &old.metadata);
}

/// The quality of service class. Models `pkg/apis/core/helper/qos`.
pub fn qos_class(pod: &Pod) -> &'static str {
    let Some(spec) = &pod.spec else { return "BestEffort" };
    let (mut any, mut guaranteed) = (false, true);
    let non_zero = |q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
        q.0.bytes().any(|b| matches!(b, b'1'..=b'9')) && !q.0.starts_with('-')
    };
    let pod_level = spec.resources.iter();
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    // Where the pod as a whole states its resources, containers don't matter.
    let all: Vec<_> = if spec.resources.is_some() { pod_level.collect() } else { Vec::new() };
    let of_containers: Vec<_> = if all.is_empty() {
        containers.map(|c| c.resources.as_ref()).collect()
    } else {
        all.into_iter().map(Some).collect()
    };
    for r in of_containers {
        for name in ["cpu", "memory"] {
            let request = r.and_then(|r| r.requests.as_ref()).and_then(|m| m.get(name)).filter(|q| non_zero(q));
            let limit = r.and_then(|r| r.limits.as_ref()).and_then(|m| m.get(name)).filter(|q| non_zero(q));
            any |= request.is_some() || limit.is_some();
            // Requests default to limits, so a guaranteed container has a limit and no other request.
            guaranteed &= limit.is_some() && (request.is_none() || same_amount(request, limit));
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn same_amount(
    a: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
    b: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || Quantity::of(a) == Quantity::of(b),
        _ => false,
    }
}
