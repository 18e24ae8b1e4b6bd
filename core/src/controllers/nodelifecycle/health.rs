//! When each node was last heard of, by the controller's own clock. Models tryUpdateNodeHealth of `node_lifecycle_controller.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition;

/// `--node-monitor-grace-period`.
const MONITOR_GRACE_PERIOD: Duration = Duration::from_secs(50);
/// `--node-startup-grace-period`.
const STARTUP_GRACE_PERIOD: Duration = Duration::from_secs(60);

/// What is known of one node's health.
#[derive(Clone)]
pub struct NodeHealth {
    /// When it last gave a sign of life.
    pub probe: jiff::Timestamp,
    /// When its readiness last changed, as seen from here.
    pub ready_transition: jiff::Timestamp,
    /// Its Ready condition when last looked at.
    pub ready: Option<NodeCondition>,
    /// Its lease when last looked at.
    pub lease: Option<Rc<Lease>>,
}

/// What one look at a node found.
pub struct Observation {
    /// Ready as the node says; Unknown if it never said.
    pub observed: NodeCondition,
    /// Ready as it is to be from now on.
    pub current: Option<NodeCondition>,
    /// The node with its conditions turned Unknown, if it has been silent for too long and doesn't say so yet.
    pub silent: Option<Node>,
    /// The health to remember.
    pub health: NodeHealth,
}

/// Looks at a node. `saved` is what was remembered of it.
pub fn observe(node: &Node, saved: Option<NodeHealth>, lease: Option<Rc<Lease>>, now: jiff::Timestamp) -> Observation {
    let current = condition(node, "Ready").cloned();
    let created = node.metadata.creation_timestamp.clone();
    let (observed, grace) = match &current {
        Some(c) => (c.clone(), MONITOR_GRACE_PERIOD),
        None => {
            let never = NodeCondition {
                type_: "Ready".into(),
                status: "Unknown".into(),
                last_heartbeat_time: created.clone(),
                last_transition_time: created.clone(),
                ..NodeCondition::default()
            };
            (never, STARTUP_GRACE_PERIOD)
        }
    };
    let fresh = || NodeHealth { probe: now, ready_transition: now, ready: current.clone(), lease: None };
    let had = saved.is_some();
    let saved_lease = saved.as_ref().and_then(|h| h.lease.clone());
    let mut health = match saved {
        None if current.is_none() => {
            let since = created.clone().map_or(now, |t| t.0);
            NodeHealth { probe: since, ready_transition: since, ready: None, lease: None }
        }
        None => fresh(),
        Some(h) => match (&h.ready, &current) {
            (None, None) => h,
            (None, Some(_)) | (Some(_), None) => fresh(),
            (Some(before), Some(is)) if before.last_heartbeat_time != is.last_heartbeat_time => NodeHealth {
                ready_transition: if before.last_transition_time == is.last_transition_time {
                    h.ready_transition
                } else {
                    now
                },
                ..fresh()
            },
            _ => h,
        },
    };
    if had && health.lease.is_none() {
        // The lease seen before still counts as seen, whatever else began anew.
        health.lease = saved_lease.clone();
    }
    health.see_lease(lease, now);

    let mut silent = None;
    let mut becomes = current.clone();
    if is_past(health.probe, grace, now) {
        let mut changed = node.clone();
        mark_unknown(&mut changed, created, now);
        becomes = condition(&changed, "Ready").cloned();
        if becomes.as_ref() != Some(&observed) {
            silent = Some(changed);
        }
    }
    Observation { observed, current: becomes, silent, health }
}

/// Brings the health of a node up to date that says what it said at the last look, `ready`, so that only its lease can have changed.
/// False if there is more to it than that, or it has been silent for too long.
pub fn stays_well(
    ready: &NodeCondition,
    health: &mut NodeHealth,
    lease: Option<Rc<Lease>>,
    now: jiff::Timestamp,
) -> bool {
    if health.ready.as_ref().is_none_or(|before| before.last_heartbeat_time != ready.last_heartbeat_time) {
        return false;
    }
    health.see_lease(lease, now);
    !is_past(health.probe, MONITOR_GRACE_PERIOD, now)
}

impl NodeHealth {
    /// A lease that was renewed since it was seen last is a sign of life.
    fn see_lease(&mut self, lease: Option<Rc<Lease>>, now: jiff::Timestamp) {
        let Some(lease) = lease else { return };
        if self.lease.as_ref().is_none_or(|seen| renewed(seen) < renewed(&lease)) {
            self.lease = Some(lease);
            self.probe = now;
        }
    }
}

fn is_past(since: jiff::Timestamp, grace: Duration, now: jiff::Timestamp) -> bool {
    now.duration_since(since) > jiff::SignedDuration::try_from(grace).unwrap_or_default()
}

fn renewed(l: &Lease) -> Option<jiff::Timestamp> {
    l.spec.as_ref()?.renew_time.as_ref().map(|t| t.0)
}

/// Turns the conditions that the kubelet keeps Unknown. NetworkUnavailable isn't the kubelet's.
fn mark_unknown(node: &mut Node, created: Option<Time>, now: jiff::Timestamp) {
    let now = crate::controllers::util::time::cut(now);
    let conditions = node.status.get_or_insert_default().conditions.get_or_insert_default();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        match conditions.iter_mut().find(|c| c.type_ == kind) {
            None => conditions.push(NodeCondition {
                type_: kind.into(),
                status: "Unknown".into(),
                reason: Some("NodeStatusNeverUpdated".into()),
                message: Some("Kubelet never posted node status.".into()),
                last_heartbeat_time: created.clone(),
                last_transition_time: Some(now.clone()),
            }),
            Some(c) if c.status != "Unknown" => {
                c.status = "Unknown".into();
                c.reason = Some("NodeStatusUnknown".into());
                c.message = Some("Kubelet stopped posting node status.".into());
                c.last_transition_time = Some(now.clone());
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::api::core::v1::NodeStatus;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    fn ready(heartbeat: i64) -> NodeCondition {
        NodeCondition {
            type_: "Ready".into(),
            status: "True".into(),
            last_heartbeat_time: Some(Time(at(heartbeat))),
            ..NodeCondition::default()
        }
    }

    fn lease(renewed: i64) -> Rc<Lease> {
        let spec = LeaseSpec { renew_time: Some(MicroTime(at(renewed))), ..LeaseSpec::default() };
        Rc::new(Lease { spec: Some(spec), ..Lease::default() })
    }

    #[test]
    fn the_short_look_finds_what_the_long_one_finds() {
        // Of the last look: its time, the heartbeat, and the lease's; of this one: the heartbeat, the lease's, and the time.
        for (before, heartbeat, renewed, now, well) in [
            ((100, 90, Some(95)), 90, Some(105), 150, true),
            ((100, 90, Some(95)), 90, Some(95), 150, true),
            ((100, 90, Some(95)), 90, Some(95), 151, false),
            ((100, 90, Some(95)), 90, None, 150, true),
            ((100, 90, None), 90, Some(95), 300, true),
            ((100, 90, Some(95)), 120, Some(105), 150, false),
            ((100, 90, Some(95)), 90, Some(94), 160, false),
        ] {
            let (probe, heard, seen) = before;
            let saved = NodeHealth {
                probe: at(probe),
                ready_transition: at(1),
                ready: Some(ready(heard)),
                lease: seen.map(lease),
            };
            let status = NodeStatus { conditions: Some(vec![ready(heartbeat)]), ..NodeStatus::default() };
            let node = Node { status: Some(status), ..Node::default() };
            let lease = renewed.map(lease);
            let long = observe(&node, Some(saved.clone()), lease.clone(), at(now));
            let mut health = saved;
            let case = format!("{before:?} {heartbeat} {renewed:?} {now}");
            assert_eq!(stays_well(&ready(heartbeat), &mut health, lease, at(now)), well, "{case}");
            if well {
                let told = |h: &NodeHealth| (h.probe, h.ready_transition, h.lease.as_deref().and_then(super::renewed));
                assert_eq!(told(&health), told(&long.health), "{case}");
                assert!(long.silent.is_none() && long.current.as_ref() == Some(&long.observed), "{case}");
            }
        }
    }
}
