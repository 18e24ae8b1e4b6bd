//! A pod's phase and the conditions that the kubelet owns. Models `pkg/kubelet/status/generate.go` and `getPhase`.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

use super::pod;

/// The kubelet's own conditions, in its order.
pub(super) const OWN: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

fn condition(p: &Pod, type_: &str, status: bool) -> PodCondition {
    PodCondition {
        type_: type_.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        observed_generation: p.metadata.generation,
        ..PodCondition::default()
    }
}

fn because(mut c: PodCondition, reason: &str, message: Option<String>) -> PodCondition {
    c.reason = Some(reason.to_owned());
    c.message = message;
    c
}

fn ready_condition(p: &Pod, type_: &str, s: &PodStatus) -> PodCondition {
    let unready = |reason: &str| because(condition(p, type_, false), reason, None);
    match s.phase.as_deref() {
        Some("Succeeded") => return unready("PodCompleted"),
        Some("Failed") => return unready("PodFailed"),
        _ => {}
    }
    let find = |list: &Option<Vec<ContainerStatus>>, name: &str| {
        list.as_ref().and_then(|l| l.iter().find(|c| c.name == name)).map(|c| (c.ready, c.started))
    };
    let (mut unknown, mut unready_names) = (Vec::new(), Vec::new());
    for c in pod::init_containers(p).iter().filter(|c| pod::is_sidecar(c)) {
        match find(&s.init_container_statuses, &c.name) {
            None => unknown.push(c.name.as_str()),
            Some((ready, _)) if !ready => unready_names.push(c.name.as_str()),
            Some(_) => {}
        }
    }
    for c in &pod::spec(p).containers {
        match find(&s.container_statuses, &c.name) {
            None => unknown.push(c.name.as_str()),
            Some((ready, _)) if !ready => unready_names.push(c.name.as_str()),
            Some(_) => {}
        }
    }
    if unknown.is_empty() && unready_names.is_empty() {
        return condition(p, type_, true);
    }
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: [{}]", unknown.join(" ")));
    }
    if !unready_names.is_empty() {
        parts.push(format!("containers with unready status: [{}]", unready_names.join(" ")));
    }
    because(condition(p, type_, false), "ContainersNotReady", Some(parts.join(", ")))
}

fn with_gates(p: &Pod, containers: &PodCondition, s: &PodStatus) -> PodCondition {
    let mut ready = PodCondition { type_: "Ready".into(), ..containers.clone() };
    if ready.status != "True" {
        return ready;
    }
    let mut missing = Vec::new();
    for gate in pod::spec(p).readiness_gates.iter().flatten() {
        let found = s.conditions.iter().flatten().find(|c| c.type_ == gate.condition_type);
        match found {
            None => missing.push(format!(
                "corresponding condition of pod readiness gate \"{}\" does not exist.",
                gate.condition_type
            )),
            Some(c) if c.status != "True" => missing.push(format!(
                "the status of pod readiness gate \"{}\" is not \"True\", but {}",
                gate.condition_type, c.status
            )),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        ready = because(condition(p, "Ready", false), "ReadinessGatesNotReady", Some(missing.join(", ")));
    }
    ready
}

fn initialized(p: &Pod, s: &PodStatus) -> PodCondition {
    let yes = condition(p, "Initialized", true);
    let inits = pod::init_containers(p);
    if inits.is_empty() {
        return if s.phase.as_deref() == Some("Succeeded") { because(yes, "PodCompleted", None) } else { yes };
    }
    let find = |name: &str| s.init_container_statuses.iter().flatten().find(|c| c.name == name);
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for c in inits {
        match find(&c.name) {
            None => unknown.push(c.name.as_str()),
            Some(status) if pod::is_sidecar(c) => {
                if status.started != Some(true) {
                    incomplete.push(c.name.as_str());
                }
            }
            Some(status) if !status.ready => incomplete.push(c.name.as_str()),
            Some(_) => {}
        }
    }
    // Once the containers run, a sidecar that starts again doesn't uninitialize the pod.
    let begun = s.container_statuses.iter().flatten().any(|c| {
        let ran = |s: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            s.as_ref().is_some_and(|s| s.running.is_some() || s.terminated.is_some())
        };
        c.started == Some(true) || ran(&c.state) || ran(&c.last_state)
    });
    if s.phase.as_deref() == Some("Succeeded") && unknown.is_empty() {
        return because(yes, "PodCompleted", None);
    }
    if begun || (unknown.is_empty() && incomplete.is_empty()) {
        return yes;
    }
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: [{}]", unknown.join(" ")));
    }
    if !incomplete.is_empty() {
        parts.push(format!("containers with incomplete status: [{}]", incomplete.join(" ")));
    }
    because(condition(p, "Initialized", false), "ContainersNotInitialized", Some(parts.join(", ")))
}

/// The kubelet's conditions of a pod whose status is otherwise complete.
pub(super) fn conditions(p: &Pod, s: &PodStatus, has_sandbox: bool) -> Vec<PodCondition> {
    let containers = ready_condition(p, "ContainersReady", s);
    let ready = with_gates(p, &containers, s);
    vec![
        condition(p, "PodReadyToStartContainers", has_sandbox),
        initialized(p, s),
        ready,
        containers,
        condition(p, "PodScheduled", true),
    ]
}

/// The phase of a pod with these container statuses.
pub(super) fn phase(p: &Pod, s: &PodStatus, terminal: bool) -> &'static str {
    let find = |list: &[ContainerStatus], name: &str| list.iter().position(|c| c.name == name);
    let inits = s.init_container_statuses.as_deref().unwrap_or_default();
    let mut pending_inits = 0;
    for c in pod::init_containers(p) {
        let Some(status) = find(inits, &c.name).and_then(|i| inits.get(i)) else {
            pending_inits += 1;
            continue;
        };
        let state = status.state.as_ref();
        let terminated = state.and_then(|s| s.terminated.as_ref());
        if pod::is_sidecar(c) {
            if status.started != Some(true) && terminated.is_none() {
                pending_inits += 1;
            }
            continue;
        }
        let before = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
        let done = match (terminated, state.and_then(|s| s.waiting.as_ref())) {
            (Some(t), _) => t.exit_code == 0,
            (None, Some(_)) => before.is_some_and(|t| t.exit_code == 0),
            _ => false,
        };
        if !done {
            pending_inits += 1;
        }
    }
    let list = s.container_statuses.as_deref().unwrap_or_default();
    let (mut unknown, mut running, mut waiting, mut stopped, mut succeeded) = (0, 0, 0, 0, 0);
    for c in &pod::spec(p).containers {
        let Some(status) = find(list, &c.name).and_then(|i| list.get(i)) else {
            unknown += 1;
            continue;
        };
        let state = status.state.clone().unwrap_or_default();
        if state.running.is_some() {
            running += 1;
        } else if let Some(t) = &state.terminated {
            stopped += 1;
            succeeded += usize::from(t.exit_code == 0);
        } else if state.waiting.is_some() {
            if status.last_state.as_ref().is_some_and(|l| l.terminated.is_some()) {
                stopped += 1;
            } else {
                waiting += 1;
            }
        } else {
            unknown += 1;
        }
    }
    let failed_init = inits.iter().any(|c| {
        let t = c.state.as_ref().and_then(|s| s.terminated.as_ref());
        t.is_some_and(|t| t.exit_code != 0)
    });
    if pending_inits > 0 && running == 0 && stopped == 0 {
        let never = pod::spec(p).restart_policy.as_deref() == Some("Never");
        return if failed_init && (never || terminal) { "Failed" } else { "Pending" };
    }
    if waiting > 0 {
        "Pending"
    } else if running > 0 && unknown == 0 {
        "Running"
    } else if running == 0 && stopped > 0 && unknown == 0 {
        match pod::spec(p).restart_policy.as_deref() {
            _ if terminal => {
                if stopped == succeeded {
                    "Succeeded"
                } else {
                    "Failed"
                }
            }
            Some("Always") | None => "Running",
            _ if stopped == succeeded => "Succeeded",
            Some("Never") => "Failed",
            _ => "Running",
        }
    } else {
        "Pending"
    }
}
