//! A pod's status, packed: some earlier ones are kept of every pod.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    ContainerUser, HostIP, LinuxContainerUser, PodCondition, PodIP, PodStatus, ResourceRequirements, VolumeMountStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

type Text<'a> = Option<&'a str>;
type Amounts<'a> = Option<Vec<(&'a str, &'a str)>>;

/// Nanoseconds since 1970.
type At = Option<i128>;

/// What a status usually says.
#[derive(Deserialize, Serialize)]
struct Status<'a> {
    /// Phase, reason, message, host's address, pod's address, QoS class and nominated node.
    #[serde(borrow)]
    words: [Text<'a>; 7],
    observed_generation: Option<i64>,
    start_time: At,
    host_ips: Option<Vec<&'a str>>,
    pod_ips: Option<Vec<&'a str>>,
    conditions: Option<Vec<Condition<'a>>>,
    init_containers: Option<Vec<Container<'a>>>,
    containers: Option<Vec<Container<'a>>>,
}

#[derive(Deserialize, Serialize)]
struct Condition<'a> {
    /// Its type and its status.
    #[serde(borrow)]
    name: [&'a str; 2],
    /// Reason and message.
    why: [Text<'a>; 2],
    /// Of the last probe and of the last transition.
    times: [At; 2],
    observed_generation: Option<i64>,
}

#[derive(Deserialize, Serialize)]
struct Container<'a> {
    /// Name, image and the image's id.
    #[serde(borrow)]
    names: [&'a str; 3],
    /// Its id and its stop signal.
    words: [Text<'a>; 2],
    ready: bool,
    started: Option<bool>,
    restart_count: i32,
    /// Now and before.
    states: [Option<State<'a>>; 2],
    /// What it requests and its limits.
    resources: Option<[Amounts<'a>; 2]>,
    allocated: Amounts<'a>,
    user: Option<Option<User>>,
    mounts: Option<Vec<Mount<'a>>>,
}

#[derive(Deserialize, Serialize)]
struct State<'a> {
    running: Option<At>,
    /// Reason and message.
    #[serde(borrow)]
    waiting: Option<[Text<'a>; 2]>,
    terminated: Option<Terminated<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Terminated<'a> {
    /// The container's id, reason and message.
    #[serde(borrow)]
    words: [Text<'a>; 3],
    exit_code: i32,
    signal: Option<i32>,
    /// Of its start and of its end.
    times: [At; 2],
}

/// Uid, gid and supplemental groups.
type User = (i64, i64, Option<Vec<i64>>);

#[derive(Deserialize, Serialize)]
struct Mount<'a> {
    /// Its name and where it is.
    #[serde(borrow)]
    names: [&'a str; 2],
    read_only: Option<bool>,
    recursive_read_only: Text<'a>,
}

/// Packs a status; `None` if it says more than statuses usually do.
pub(crate) fn pack(status: &PodStatus) -> Option<Box<[u8]>> {
    super::packed(&Status::of(status)?)
}

/// The status again.
pub(crate) fn unpack(packed: &[u8]) -> Option<PodStatus> {
    postcard::from_bytes(packed).ok().map(|status: Status<'_>| status.into())
}

fn at(time: &Option<Time>) -> At {
    time.as_ref().map(|t| t.0.as_nanosecond())
}

fn time(at: At) -> Option<Time> {
    at.and_then(|ns| Timestamp::from_nanosecond(ns).ok()).map(Time)
}

fn text(words: Text<'_>) -> Option<String> {
    words.map(str::to_owned)
}

/// A list if there is one, each item made into another thing; `None` where one can't be.
fn each<'a, T, U>(list: &'a Option<Vec<T>>, of: impl Fn(&'a T) -> Option<U>) -> Option<Option<Vec<U>>> {
    match list {
        Some(list) => list.iter().map(of).collect::<Option<Vec<U>>>().map(Some),
        None => Some(None),
    }
}

fn all<T, U>(list: Option<Vec<T>>, of: impl Fn(T) -> U) -> Option<Vec<U>> {
    list.map(|list| list.into_iter().map(of).collect())
}

fn amounts(map: &Option<BTreeMap<String, Quantity>>) -> Amounts<'_> {
    map.as_ref().map(|map| map.iter().map(|(name, q)| (name.as_str(), q.0.as_str())).collect())
}

fn quantities(amounts: Amounts<'_>) -> Option<BTreeMap<String, Quantity>> {
    amounts.map(|list| list.into_iter().map(|(name, q)| (name.to_owned(), Quantity(q.to_owned()))).collect())
}

impl<'a> Status<'a> {
    fn of(status: &'a PodStatus) -> Option<Self> {
        let PodStatus {
            allocated_resources: None,
            conditions,
            container_statuses,
            ephemeral_container_statuses: None,
            extended_resource_claim_status: None,
            host_ip,
            host_ips,
            init_container_statuses,
            message,
            node_allocatable_resource_claim_statuses: None,
            nominated_node_name,
            observed_generation,
            phase,
            pod_ip,
            pod_ips,
            qos_class,
            reason,
            resize: None,
            resource_claim_statuses: None,
            resources: None,
            start_time,
        } = status
        else {
            return None;
        };
        Some(Status {
            words: [phase, reason, message, host_ip, pod_ip, qos_class, nominated_node_name].map(Option::as_deref),
            observed_generation: *observed_generation,
            start_time: at(start_time),
            host_ips: each(host_ips, |ip| Some(ip.ip.as_str()))?,
            pod_ips: each(pod_ips, |ip| Some(ip.ip.as_str()))?,
            conditions: each(conditions, |c| Some(Condition::of(c)))?,
            init_containers: each(init_container_statuses, Container::of)?,
            containers: each(container_statuses, Container::of)?,
        })
    }
}

impl From<Status<'_>> for PodStatus {
    fn from(status: Status<'_>) -> Self {
        let [phase, reason, message, host_ip, pod_ip, qos_class, nominated_node_name] = status.words.map(text);
        PodStatus {
            phase,
            reason,
            message,
            host_ip,
            pod_ip,
            qos_class,
            nominated_node_name,
            observed_generation: status.observed_generation,
            start_time: time(status.start_time),
            host_ips: all(status.host_ips, |ip| HostIP { ip: ip.to_owned() }),
            pod_ips: all(status.pod_ips, |ip| PodIP { ip: ip.to_owned() }),
            conditions: all(status.conditions, PodCondition::from),
            init_container_statuses: all(status.init_containers, ContainerStatus::from),
            container_statuses: all(status.containers, ContainerStatus::from),
            ..PodStatus::default()
        }
    }
}

impl<'a> Condition<'a> {
    fn of(c: &'a PodCondition) -> Self {
        Condition {
            name: [&c.type_, &c.status],
            why: [c.reason.as_deref(), c.message.as_deref()],
            times: [at(&c.last_probe_time), at(&c.last_transition_time)],
            observed_generation: c.observed_generation,
        }
    }
}

impl From<Condition<'_>> for PodCondition {
    fn from(c: Condition<'_>) -> Self {
        let ([type_, status], [reason, message]) = (c.name.map(str::to_owned), c.why.map(text));
        let [last_probe_time, last_transition_time] = c.times.map(time);
        let observed_generation = c.observed_generation;
        PodCondition { type_, status, reason, message, last_probe_time, last_transition_time, observed_generation }
    }
}

impl<'a> Container<'a> {
    fn of(status: &'a ContainerStatus) -> Option<Self> {
        let ContainerStatus {
            allocated_resources,
            allocated_resources_status: None,
            container_id,
            image,
            image_id,
            last_state,
            name,
            ready,
            resources,
            restart_count,
            started,
            state,
            stop_signal,
            user,
            volume_mounts,
        } = status
        else {
            return None;
        };
        if resources.as_ref().is_some_and(|r| r.claims.is_some()) {
            return None;
        }
        Some(Container {
            names: [name, image, image_id],
            words: [container_id.as_deref(), stop_signal.as_deref()],
            ready: *ready,
            started: *started,
            restart_count: *restart_count,
            states: [state, last_state].map(|state| state.as_ref().map(State::of)),
            resources: resources.as_ref().map(|r| [amounts(&r.requests), amounts(&r.limits)]),
            allocated: amounts(allocated_resources),
            user: user.as_ref().map(|u| u.linux.as_ref().map(|u| (u.uid, u.gid, u.supplemental_groups.clone()))),
            mounts: each(volume_mounts, Mount::of)?,
        })
    }
}

impl From<Container<'_>> for ContainerStatus {
    fn from(c: Container<'_>) -> Self {
        let ([name, image, image_id], [container_id, stop_signal]) = (c.names.map(str::to_owned), c.words.map(text));
        let [state, last_state] = c.states.map(|state| state.map(ContainerState::from));
        let linux = |(uid, gid, supplemental_groups)| LinuxContainerUser { uid, gid, supplemental_groups };
        let resources = c.resources.map(|of| of.map(quantities));
        ContainerStatus {
            name,
            image,
            image_id,
            container_id,
            stop_signal,
            state,
            last_state,
            ready: c.ready,
            started: c.started,
            restart_count: c.restart_count,
            resources: resources.map(|[requests, limits]| ResourceRequirements { requests, limits, claims: None }),
            allocated_resources: quantities(c.allocated),
            allocated_resources_status: None,
            user: c.user.map(|user| ContainerUser { linux: user.map(linux) }),
            volume_mounts: all(c.mounts, VolumeMountStatus::from),
        }
    }
}

impl<'a> State<'a> {
    fn of(state: &'a ContainerState) -> Self {
        State {
            running: state.running.as_ref().map(|s| at(&s.started_at)),
            waiting: state.waiting.as_ref().map(|s| [s.reason.as_deref(), s.message.as_deref()]),
            terminated: state.terminated.as_ref().map(|s| Terminated {
                words: [s.container_id.as_deref(), s.reason.as_deref(), s.message.as_deref()],
                exit_code: s.exit_code,
                signal: s.signal,
                times: [at(&s.started_at), at(&s.finished_at)],
            }),
        }
    }
}

impl From<State<'_>> for ContainerState {
    fn from(state: State<'_>) -> Self {
        let waiting = |words: [Text<'_>; 2]| {
            let [reason, message] = words.map(text);
            ContainerStateWaiting { reason, message }
        };
        let terminated = |s: Terminated<'_>| {
            let ([container_id, reason, message], [started_at, finished_at]) = (s.words.map(text), s.times.map(time));
            let (exit_code, signal) = (s.exit_code, s.signal);
            ContainerStateTerminated { container_id, reason, message, started_at, finished_at, exit_code, signal }
        };
        ContainerState {
            running: state.running.map(|at| ContainerStateRunning { started_at: time(at) }),
            waiting: state.waiting.map(waiting),
            terminated: state.terminated.map(terminated),
        }
    }
}

impl<'a> Mount<'a> {
    fn of(mount: &'a VolumeMountStatus) -> Option<Self> {
        let VolumeMountStatus { mount_path, name, read_only, recursive_read_only, volume_status: None } = mount else {
            return None;
        };
        let recursive_read_only = recursive_read_only.as_deref();
        Some(Mount { names: [name, mount_path], read_only: *read_only, recursive_read_only })
    }
}

impl From<Mount<'_>> for VolumeMountStatus {
    fn from(mount: Mount<'_>) -> Self {
        let [name, mount_path] = mount.names.map(str::to_owned);
        VolumeMountStatus {
            name,
            mount_path,
            read_only: mount.read_only,
            recursive_read_only: text(mount.recursive_read_only),
            volume_status: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(change: impl FnOnce(&mut serde_json::Value)) -> PodStatus {
        let container = json!({
            "name": "main", "image": "nginx", "imageID": "nginx@sha256:1", "containerID": "containerd://1",
            "ready": true, "started": true, "restartCount": 2, "stopSignal": "SIGQUIT",
            "state": {"running": {"startedAt": "2026-11-28T08:00:00Z"}},
            "lastState": {"terminated": {
                "exitCode": 137, "signal": 9, "reason": "OOMKilled", "message": "m", "containerID": "containerd://0",
                "startedAt": "2026-11-28T07:00:00Z", "finishedAt": "2026-11-28T07:30:00Z",
            }},
            "resources": {"requests": {"cpu": "100m"}, "limits": {}}, "allocatedResources": {"cpu": "100m"},
            "user": {"linux": {"uid": 1, "gid": 2, "supplementalGroups": [2]}},
            "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "Disabled"}],
        });
        let mut value = json!({
            "phase": "Running", "reason": "r", "message": "m", "hostIP": "172.30.0.3", "podIP": "10.244.1.2",
            "qosClass": "Burstable", "nominatedNodeName": "n", "observedGeneration": 3,
            "startTime": "2026-11-28T06:00:00Z", "hostIPs": [{"ip": "172.30.0.3"}], "podIPs": [{"ip": "10.244.1.2"}],
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-28T08:00:01Z", "observedGeneration": 3},
                {"type": "X", "status": "False", "reason": "r", "message": "m", "lastProbeTime": "2026-11-28T08:00:02Z"},
            ],
            "initContainerStatuses": [{
                "name": "first", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "PodInitializing"}}, "lastState": {},
            }],
            "containerStatuses": [container],
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_packed_comes_back() {
        let check = |whole: PodStatus| {
            let packed = pack(&whole).unwrap();
            assert_eq!(unpack(&packed), Some(whole));
        };
        check(PodStatus::default());
        check(status(|_| {}));
        check(status(|s| s["conditions"] = json!([])));
        check(status(|s| s["containerStatuses"][0]["user"] = json!({})));
        check(status(|s| s["containerStatuses"][0]["state"] = json!({"running": {}})));
    }

    #[test]
    fn what_is_unusual_is_not_packed() {
        let check = |change: fn(&mut serde_json::Value)| assert_eq!(pack(&status(change)), None);
        check(|s| s["resize"] = json!("Proposed"));
        check(|s| s["ephemeralContainerStatuses"] = s["containerStatuses"].clone());
        check(|s| s["containerStatuses"][0]["resources"]["claims"] = json!([{"name": "c"}]));
        check(|s| s["containerStatuses"][0]["volumeMounts"][0]["volumeStatus"] = json!({"image": {"imageRef": "i"}}));
    }
}
