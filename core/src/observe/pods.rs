//! A pod as the page draws it. Models what kubectl prints under STATUS (`pkg/printers/internalversion/printers.go`, printPod).

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

use super::view::{ContainerShape, ContainerView, PodShape};
use crate::api::quantity::Quantity;

/// Whether the pod's condition of this type is True.
pub fn condition_is_true(pod: &Pod, kind: &str) -> bool {
    pod.status
        .as_ref()
        .and_then(|s| s.conditions.as_ref())
        .is_some_and(|c| c.iter().any(|c| c.type_ == kind && c.status == "True"))
}

fn waiting_reason(s: &ContainerStatus) -> Option<&str> {
    s.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

/// Whether a container runs, and how it ended if it did.
fn running_or_terminated(s: &ContainerStatus) -> (bool, Option<&ContainerStateTerminated>) {
    let state = s.state.as_ref();
    (state.is_some_and(|s| s.running.is_some()), state.and_then(|s| s.terminated.as_ref()))
}

/// What kubectl prints under STATUS.
pub fn status_text(pod: &Pod) -> String {
    let unknown = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&unknown);
    let mut reason =
        status.reason.clone().filter(|r| !r.is_empty()).or_else(|| status.phase.clone()).unwrap_or_default();
    if status.phase.as_deref() == Some("Pending")
        && status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "PodScheduled" && c.reason.as_deref() == Some("SchedulingGated"))
    {
        reason = "SchedulingGated".into();
    }
    let mut initializing = false;
    let inits = status.init_container_statuses.as_deref().unwrap_or_default();
    for (i, c) in inits.iter().enumerate() {
        let (running, terminated) = running_or_terminated(c);
        if terminated.is_some_and(|t| t.exit_code == 0) || (running && c.started == Some(true)) {
            continue;
        }
        reason = if let Some(t) = terminated {
            match t.reason.as_deref() {
                Some(r) if !r.is_empty() => format!("Init:{r}"),
                _ => match t.signal {
                    Some(s) if s != 0 => format!("Init:Signal:{s}"),
                    _ => format!("Init:ExitCode:{}", t.exit_code),
                },
            }
        } else {
            match waiting_reason(c) {
                Some(r) if !r.is_empty() && r != "PodInitializing" => format!("Init:{r}"),
                _ => format!(
                    "Init:{i}/{}",
                    pod.spec.as_ref().and_then(|s| s.init_containers.as_ref()).map_or(0, Vec::len)
                ),
            }
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut has_running = false;
        for c in status.container_statuses.iter().flatten().rev() {
            let (running, terminated) = running_or_terminated(c);
            if let Some(r) = waiting_reason(c).filter(|r| !r.is_empty()) {
                reason = r.to_owned();
            } else if let Some(t) = terminated {
                reason = match t.reason.as_deref() {
                    Some(r) if !r.is_empty() => r.to_owned(),
                    _ => match t.signal {
                        Some(s) if s != 0 => format!("Signal:{s}"),
                        _ => format!("ExitCode:{}", t.exit_code),
                    },
                };
            } else if c.ready && running {
                has_running = true;
            }
        }
        if reason == "Completed" && has_running {
            reason = if condition_is_true(pod, "Ready") { "Running".into() } else { "NotReady".into() };
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason.as_deref() == Some("NodeLost") {
            reason = "Unknown".into();
        } else if !matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            reason = "Terminating".into();
        }
    }
    reason
}

/// The pod's shape in the tank; `lost`: whether its node is silent.
pub fn shape(pod: &Pod, lost: bool) -> PodShape {
    let bound = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty());
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or("Pending");
    match phase {
        "Succeeded" => return PodShape::Succeeded,
        "Failed" => return PodShape::Failed,
        _ => {}
    }
    if lost && bound {
        return PodShape::Ghost;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return PodShape::Terminating;
    }
    if !bound {
        return PodShape::Pending;
    }
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
    let inits = pod.status.as_ref().and_then(|s| s.init_container_statuses.as_deref()).unwrap_or_default();
    let any = |f: &dyn Fn(&str) -> bool| inits.iter().chain(statuses).filter_map(waiting_reason).any(f);
    if any(&|r| {
        r.ends_with("BackOff") || r.starts_with("Err") || r == "InvalidImageName" || r == "CreateContainerError"
    }) {
        return PodShape::BackOff;
    }
    if statuses.iter().any(|c| c.state.as_ref().is_some_and(|s| s.terminated.is_some())) {
        return PodShape::BackOff;
    }
    if phase == "Running" {
        return if condition_is_true(pod, "Ready") { PodShape::Running } else { PodShape::NotReady };
    }
    PodShape::Creating
}

/// The pod's containers.
pub fn containers(pod: &Pod) -> Vec<ContainerView> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
    spec.containers
        .iter()
        .map(|c| {
            let status = statuses.iter().find(|s| s.name == c.name);
            let state = status.and_then(|s| s.state.as_ref());
            let (shape, reason) = match state {
                Some(s) if s.running.is_some() => (ContainerShape::Running, String::new()),
                Some(s) if s.terminated.is_some() => (
                    ContainerShape::Terminated,
                    s.terminated.as_ref().and_then(|t| t.reason.clone()).unwrap_or_default(),
                ),
                Some(s) => {
                    (ContainerShape::Waiting, s.waiting.as_ref().and_then(|w| w.reason.clone()).unwrap_or_default())
                }
                None => (ContainerShape::Waiting, String::new()),
            };
            ContainerView {
                name: c.name.clone(),
                image: c.image.clone().unwrap_or_default(),
                shape,
                reason,
                ready: status.is_some_and(|s| s.ready),
                restarts: status.map_or(0, |s| s.restart_count.max(0) as u32),
                ports: c.ports.iter().flatten().map(|p| p.container_port as u16).collect(),
            }
        })
        .collect()
}

/// A resource list's CPU in millicores and memory in bytes.
pub fn amounts(
    list: &std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
) -> (u64, u64) {
    let of = |name: &str| list.get(name).and_then(|q| Quantity::parse(&q.0).ok());
    let cpu = of("cpu").map_or(0, |q| q.milli_value());
    let memory = of("memory").map_or(0, |q| q.value());
    (u64::try_from(cpu).unwrap_or(0), u64::try_from(memory).unwrap_or(0))
}

/// What the pod's containers request: CPU in millicores, memory in bytes.
pub fn requests(pod: &Pod) -> (u64, u64) {
    let Some(spec) = &pod.spec else { return (0, 0) };
    let of = |c: &k8s_openapi::api::core::v1::Container| {
        c.resources.as_ref().and_then(|r| r.requests.as_ref()).map_or((0, 0), amounts)
    };
    let sum = spec.containers.iter().map(of).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let init =
        spec.init_containers.iter().flatten().map(of).fold((0, 0), |a: (u64, u64), b| (a.0.max(b.0), a.1.max(b.1)));
    (sum.0.max(init.0), sum.1.max(init.1))
}
