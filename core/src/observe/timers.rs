//! What is being waited for, told from objects: the arcs that close.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};

use super::observer::PullFacts;
use super::view::{TimerKind, TimerView};
use crate::sim::Sim;

/// How long a node may be silent: kube-controller-manager's `--node-monitor-grace-period`.
pub const NODE_MONITOR_GRACE: Duration = Duration::from_secs(50);

/// The wait of a terminating pod for its grace to end.
pub fn termination(sim: &Sim, pod: &Pod) -> Option<TimerView> {
    let until = sim.time_of(pod.metadata.deletion_timestamp.as_ref()?.0).as_nanos();
    let grace = u64::try_from(pod.metadata.deletion_grace_period_seconds?).ok()?.saturating_mul(1_000_000_000);
    Some(TimerView {
        kind: TimerKind::TerminationGrace,
        machine: None,
        pod: pod.metadata.uid.clone().unwrap_or_default(),
        from_ns: until.saturating_sub(grace),
        until_ns: until,
        then: "its kubelet kills what still runs".into(),
    })
}

/// The wait of a pod on a tainted node for its toleration to end. Who evicts counts from when it sees the taint, but not from before
/// `counts_since`.
pub fn eviction(sim: &Sim, pod: &Pod, node: &Node, counts_since: u64) -> Option<TimerView> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let taints = node.spec.as_ref()?.taints.as_ref()?;
    let tolerations = pod.spec.as_ref()?.tolerations.as_deref().unwrap_or_default();
    let mut soonest: Option<(u64, u64, String)> = None;
    for t in taints.iter().filter(|t| t.effect == "NoExecute") {
        let from = t.time_added.as_ref().map_or(sim.now(), |a| sim.time_of(a.0)).as_nanos().max(counts_since);
        let matching = tolerations.iter().filter(|l| {
            let effect = l.effect.as_deref().unwrap_or_default();
            let key = l.key.as_deref().unwrap_or_default();
            (effect.is_empty() || effect == "NoExecute")
                && (key.is_empty() || key == t.key)
                && (l.operator.as_deref() == Some("Exists")
                    || l.value.as_deref().unwrap_or_default() == t.value.as_deref().unwrap_or_default())
        });
        // Tolerated for the shortest time that any matching toleration gives; for ever if none says.
        let mut seconds: Option<i64> = None;
        let mut any = false;
        for l in matching {
            any = true;
            if let Some(s) = l.toleration_seconds {
                seconds = Some(seconds.map_or(s, |have| have.min(s)));
            }
        }
        let Some(seconds) = (if any { seconds } else { Some(0) }) else { continue };
        let until = from.saturating_add(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000));
        if soonest.as_ref().is_none_or(|(_, u, _)| until < *u) {
            soonest = Some((from, until, t.key.clone()));
        }
    }
    let (from_ns, until_ns, key) = soonest?;
    Some(TimerView {
        kind: TimerKind::Eviction,
        machine: None,
        pod: pod.metadata.uid.clone().unwrap_or_default(),
        from_ns,
        until_ns,
        then: format!("taint eviction deletes it: it tolerates {key} no longer"),
    })
}

/// The wait of a container for its restart: the kubelet's back-off counts from when it ended.
pub fn back_off(sim: &Sim, pod: &Pod) -> Option<TimerView> {
    for c in pod.status.as_ref()?.container_statuses.iter().flatten() {
        let Some(w) = c.state.as_ref().and_then(|s| s.waiting.as_ref()) else { continue };
        if w.reason.as_deref() != Some("CrashLoopBackOff") {
            continue;
        }
        let ended = c.last_state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?;
        let message = w.message.as_deref().unwrap_or_default();
        let text = message.strip_prefix("back-off ")?.split(' ').next()?;
        let seconds = duration_seconds(text)?;
        let from_ns = sim.time_of(ended.0).as_nanos();
        return Some(TimerView {
            kind: TimerKind::BackOff,
            machine: None,
            pod: pod.metadata.uid.clone().unwrap_or_default(),
            from_ns,
            until_ns: from_ns.saturating_add(seconds.saturating_mul(1_000_000_000)),
            then: format!("its kubelet starts {} again", c.name),
        });
    }
    None
}

/// Whether one of the pod's images is the one with this name in full.
pub fn uses(pod: &Pod, full: &str) -> bool {
    let short = full.strip_prefix("docker.io/").unwrap_or(full);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let named = |image: &str| {
        [full, short].into_iter().any(|name| name == image || name.strip_suffix(":latest").is_some_and(|n| n == image))
    };
    let Some(spec) = &pod.spec else { return false };
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    containers.filter_map(|c| c.image.as_deref()).any(named)
}

/// The wait of a pod for its image.
pub fn pull(pod: &Pod, pull: &PullFacts) -> TimerView {
    TimerView {
        kind: TimerKind::ImagePull,
        machine: None,
        pod: pod.metadata.uid.clone().unwrap_or_default(),
        from_ns: pull.from.as_nanos(),
        until_ns: pull.until.as_nanos(),
        then: format!("the image {} is unpacked, and its container is made", pull.image),
    }
}

/// Go's duration text in whole seconds: `10s`, `2m40s`.
fn duration_seconds(text: &str) -> Option<u64> {
    let (mut total, mut n) = (0u64, 0u64);
    for c in text.chars() {
        match c {
            '0'..='9' => n = n.checked_mul(10)?.checked_add(u64::from(c as u8 - b'0'))?,
            'h' => (total, n) = (total.checked_add(n.checked_mul(3600)?)?, 0),
            'm' => (total, n) = (total.checked_add(n.checked_mul(60)?)?, 0),
            's' => (total, n) = (total.checked_add(n)?, 0),
            _ => return None,
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Container, PodSpec};

    #[test]
    fn a_pull_is_the_pods_whose_image_it_is() {
        let runs = |image: &str, full: &str| {
            let container = Container { image: Some(image.into()), ..Container::default() };
            let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
            uses(&Pod { spec: Some(spec), ..Pod::default() }, full)
        };
        assert!(runs("nginx", "docker.io/library/nginx:latest"));
        assert!(runs("nginx:1.27", "docker.io/library/nginx:1.27"));
        assert!(runs("me/app", "docker.io/me/app:latest"));
        assert!(runs("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"));
        assert!(!runs("nginx", "docker.io/library/nginx:1.27"));
        assert!(!runs("redis", "docker.io/library/nginx:latest"));
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration_seconds("10s"), Some(10));
        assert_eq!(duration_seconds("2m40s"), Some(160));
        assert_eq!(duration_seconds("soon"), None);
    }
}
