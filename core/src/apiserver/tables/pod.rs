//! The row of a pod: what its many states are called.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec, PodStatus};
use serde_json::{Value, json};

use super::{Printer, Row, or};
use crate::api::object::typed;

fn restartable(spec: &PodSpec, name: &str) -> bool {
    let init = spec.init_containers.iter().flatten().find(|c| c.name == name);
    init.is_some_and(|c| c.restart_policy.as_deref() == Some("Always"))
}

fn has(status: &PodStatus, kind: &str) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == kind && c.status == "True")
}

fn last_end(c: &ContainerStatus) -> Option<jiff::Timestamp> {
    c.last_state.as_ref()?.terminated.as_ref()?.finished_at.as_ref().map(|t| t.0)
}

/// What a pod's STATUS, READY and RESTARTS columns say.
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i32,
    last: Option<jiff::Timestamp>,
}

fn ended(reason: Option<&str>, signal: Option<i32>, code: i32, prefix: &str) -> String {
    match (reason.unwrap_or_default(), signal.unwrap_or(0)) {
        ("", 0) => format!("{prefix}ExitCode:{code}"),
        ("", signal) => format!("{prefix}Signal:{signal}"),
        (reason, _) => format!("{prefix}{reason}"),
    }
}

/// What the containers add, of which the first has the last word.
fn containers(s: &mut Summary, status: &PodStatus) {
    let (mut running, mut failure) = (false, None);
    for c in status.container_statuses.iter().flatten().rev() {
        s.restarts += c.restart_count;
        s.last = s.last.max(last_end(c));
        let state = c.state.clone().unwrap_or_default();
        let waiting = state.waiting.as_ref().and_then(|w| w.reason.as_deref()).unwrap_or_default();
        if !waiting.is_empty() {
            s.reason = waiting.to_owned();
        } else if let Some(t) = &state.terminated {
            s.reason = ended(t.reason.as_deref(), t.signal, t.exit_code, "");
            if t.exit_code != 0 {
                failure = Some(s.reason.clone());
            }
        } else if c.ready && state.running.is_some() {
            running = true;
            s.ready += 1;
        }
    }
    if s.reason == "Completed" {
        // What still runs says more than what is done, and what failed more than what didn't.
        if running && has(status, "Ready") {
            s.reason = "Running".into();
        } else if let Some(failure) = failure {
            s.reason = failure;
        } else if running {
            s.reason = "NotReady".into();
        }
    }
}

fn summary(pod: &Pod) -> Summary {
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    let phase = status.phase.as_deref().unwrap_or_default();
    let mut s = Summary {
        reason: or(status.reason.as_deref().unwrap_or_default(), phase).to_owned(),
        ready: 0,
        total: spec.containers.len(),
        restarts: 0,
        last: None,
    };
    let gated = |c: &k8s_openapi::api::core::v1::PodCondition| {
        c.type_ == "PodScheduled" && c.reason.as_deref() == Some("SchedulingGated")
    };
    if status.conditions.iter().flatten().any(gated) {
        s.reason = "SchedulingGated".into();
    }
    s.total += spec.init_containers.iter().flatten().filter(|c| restartable(&spec, &c.name)).count();
    let (mut side_restarts, mut side_last) = (0, None);
    let mut initializing = false;
    for (i, c) in status.init_container_statuses.iter().flatten().enumerate() {
        s.restarts += c.restart_count;
        s.last = s.last.max(last_end(c));
        let side = restartable(&spec, &c.name);
        if side {
            side_restarts += c.restart_count;
            side_last = side_last.max(last_end(c));
        }
        let state = c.state.clone().unwrap_or_default();
        let waiting = state.waiting.as_ref().and_then(|w| w.reason.as_deref()).unwrap_or_default();
        if state.terminated.as_ref().is_some_and(|t| t.exit_code == 0) {
            continue;
        }
        if side && c.started == Some(true) {
            s.ready += usize::from(c.ready);
            continue;
        }
        s.reason = if let Some(t) = &state.terminated {
            ended(t.reason.as_deref(), t.signal, t.exit_code, "Init:")
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{i}/{}", spec.init_containers.as_ref().map_or(0, Vec::len))
        };
        initializing = true;
        break;
    }
    if !initializing || has(&status, "Initialized") {
        (s.restarts, s.last) = (side_restarts, side_last);
        containers(&mut s, &status);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason.as_deref() == Some("NodeLost") {
            s.reason = "Unknown".into();
        } else if !matches!(phase, "Failed" | "Succeeded") {
            s.reason = "Terminating".into();
        }
    }
    s
}

pub(super) fn row(p: &Printer<'_>) -> Option<Row> {
    let pod: &Pod = typed(p.object)?;
    let s = summary(pod);
    let status = pod.status.as_ref();
    let restarts = match s.last {
        Some(t) if s.restarts != 0 => format!("{} ({} ago)", s.restarts, p.since(Some(t))),
        _ => s.restarts.to_string(),
    };
    let ip = status.and_then(|s| s.pod_ips.as_ref()).and_then(|i| i.first()).map(|i| i.ip.clone());
    let ip = ip.or_else(|| status.and_then(|s| s.pod_ip.clone())).unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
    let nominated = status.and_then(|s| s.nominated_node_name.as_deref()).unwrap_or_default();
    let gates = pod.spec.as_ref().and_then(|s| s.readiness_gates.as_deref()).unwrap_or_default();
    let open = gates.iter().filter(|g| status.is_some_and(|s| has(s, &g.condition_type))).count();
    let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("{open}/{}", gates.len()) };
    let condition = |reason: &str, message: &str| -> Vec<Value> {
        vec![json!({"type": "Completed", "status": "True", "reason": reason, "message": message})]
    };
    let conditions = match status.and_then(|s| s.phase.as_deref()) {
        Some("Succeeded") => condition("Succeeded", "The pod has completed successfully."),
        Some("Failed") => condition("Failed", "The pod failed."),
        _ => Vec::new(),
    };
    let cells = vec![
        p.name(),
        format!("{}/{}", s.ready, s.total).into(),
        s.reason.into(),
        restarts.into(),
        p.age(),
        or(&ip, "<none>").into(),
        or(node, "<none>").into(),
        or(nominated, "<none>").into(),
        gates.into(),
    ];
    Some(Row { cells, conditions })
}
