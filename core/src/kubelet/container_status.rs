//! Container statuses, from what containerd says and what the status said before.
//! Models `convertToAPIContainerStatuses` of `pkg/kubelet/kubelet_pods.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    ContainerUser, LinuxContainerUser, Pod, ResourceRequirements, VolumeMountStatus,
};

use super::pod::{self, ContainerView, RuntimeStatus, WaitReason};
use super::to_time;
use crate::runtime::containerd::ContainerState as Running;

/// A waiting state.
fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..ContainerState::default() }
}

fn state(c: &ContainerView) -> ContainerState {
    match c.state {
        Running::Created => ContainerState { waiting: Some(ContainerStateWaiting::default()), ..Default::default() },
        Running::Running => ContainerState {
            running: Some(ContainerStateRunning { started_at: c.started_at.map(to_time) }),
            ..ContainerState::default()
        },
        Running::Exited => ContainerState {
            terminated: Some(ContainerStateTerminated {
                container_id: Some(c.id.reference()),
                exit_code: c.exit_code,
                reason: (!c.reason.is_empty()).then(|| c.reason.to_string()),
                message: (!c.message.is_empty()).then(|| c.message.to_string()),
                started_at: Some(to_time(c.started_at.unwrap_or(jiff::Timestamp::UNIX_EPOCH))),
                finished_at: c.finished_at.map(to_time),
                signal: None,
            }),
            ..ContainerState::default()
        },
    }
}

fn mounts(c: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts = c.volume_mounts.as_ref().filter(|m| !m.is_empty())?;
    let status = mounts.iter().map(|m| VolumeMountStatus {
        mount_path: m.mount_path.clone(),
        name: m.name.clone(),
        read_only: m.read_only.filter(|r| *r),
        recursive_read_only: m.read_only.filter(|r| *r).map(|_| "Disabled".to_owned()),
        ..VolumeMountStatus::default()
    });
    Some(status.collect())
}

/// What a running container has of resources: what the pod asks for, which containerd grants whole.
fn resources(
    c: &Container,
) -> (Option<ResourceRequirements>, Option<BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>) {
    match &c.resources {
        Some(r) if r.requests.is_some() || r.limits.is_some() => {
            let granted = ResourceRequirements { requests: r.requests.clone(), limits: r.limits.clone(), claims: None };
            (Some(granted), r.requests.clone())
        }
        _ => (Some(ResourceRequirements::default()), None),
    }
}

fn convert(c: &ContainerView, declared: &Container) -> ContainerStatus {
    let image = &c.image.image;
    let (resources, allocated_resources) = if c.state == Running::Running { resources(declared) } else { (None, None) };
    ContainerStatus {
        name: c.name.to_string(),
        restart_count: i32::try_from(c.attempt).unwrap_or(i32::MAX),
        image: image.name.to_string(),
        image_id: image.reference(),
        container_id: Some(c.id.reference()),
        state: Some(state(c)),
        last_state: Some(ContainerState::default()),
        resources,
        allocated_resources,
        volume_mounts: mounts(declared),
        user: Some(ContainerUser {
            linux: Some(LinuxContainerUser { uid: c.uid, gid: c.uid, supplemental_groups: Some(vec![c.uid]) }),
        }),
        ..ContainerStatus::default()
    }
}

/// The statuses of a pod's containers, or of its init containers.
pub(super) fn statuses(
    p: &Pod,
    rs: &RuntimeStatus,
    previous: &[ContainerStatus],
    wait_reasons: &BTreeMap<Rc<str>, WaitReason>,
    init: bool,
) -> Vec<ContainerStatus> {
    let containers: &[Container] = if init { pod::init_containers(p) } else { &pod::spec(p).containers };
    let first = if pod::init_containers(p).is_empty() { "ContainerCreating" } else { "PodInitializing" };
    let mut all: Vec<ContainerStatus> = containers
        .iter()
        .map(|c| {
            let mut newest = rs.containers.iter().filter(|v| *v.name == *c.name);
            let mut status = match newest.next() {
                Some(v) => {
                    let mut status = convert(v, c);
                    if let Some(before) = newest.next() {
                        status.last_state = Some(state(before));
                    }
                    status
                }
                None => {
                    let old = previous.iter().find(|s| s.name == c.name);
                    never_seen(c, old, first, init)
                }
            };
            wait(p, c, rs, wait_reasons, init, &mut status);
            status
        })
        .collect();
    if !init {
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all
}

/// A container that containerd doesn't have: not made yet, or removed.
fn never_seen(c: &Container, old: Option<&ContainerStatus>, first: &str, init: bool) -> ContainerStatus {
    let mut status = ContainerStatus {
        name: c.name.clone(),
        image: c.image.clone().unwrap_or_default(),
        state: Some(waiting(first, None)),
        last_state: Some(ContainerState::default()),
        volume_mounts: mounts(c),
        ..ContainerStatus::default()
    };
    let Some(old) = old else { return status };
    let had = old.state.as_ref();
    if had.is_some_and(|s| s.terminated.is_some()) {
        // Removed after its end: what was said of it stays true.
        return old.clone();
    }
    status.last_state = old.last_state.clone().or_else(|| Some(ContainerState::default()));
    status.restart_count = old.restart_count;
    if had.is_some_and(|s| s.running.is_some()) && !init {
        let lost = ContainerStateTerminated {
            reason: Some("ContainerStatusUnknown".into()),
            message: Some(
                "The container could not be located when the pod was deleted.  The container used to be Running".into(),
            ),
            exit_code: 137,
            ..ContainerStateTerminated::default()
        };
        status.last_state = Some(ContainerState { terminated: Some(lost), ..ContainerState::default() });
        status.restart_count += 1;
    }
    status
}

/// A container that will be started again says why it waits.
fn wait(
    p: &Pod,
    c: &Container,
    rs: &RuntimeStatus,
    wait_reasons: &BTreeMap<Rc<str>, WaitReason>,
    init: bool,
    status: &mut ContainerStatus,
) {
    let Some(why) = wait_reasons.get(c.name.as_str()) else { return };
    let done = init && !pod::is_sidecar(c) && rs.find(&c.name).is_some_and(|v| v.exited() && v.exit_code == 0);
    if done || !pod::should_restart(p, c, rs) {
        return;
    }
    if let Some(s) = status.state.take()
        && s.terminated.is_some()
    {
        status.last_state = Some(s);
    }
    status.state = Some(waiting(&why.reason, (!why.message.is_empty()).then(|| why.message.clone())));
}
