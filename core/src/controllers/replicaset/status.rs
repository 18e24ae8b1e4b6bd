//! The status of a ReplicaSet, computed and written. Models `pkg/controller/replicaset/replica_set_utils.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::ReplicaSetCondition;
use k8s_openapi::api::core::v1::Pod;

use super::workload::{Replicated, ReplicatedStatus};
use crate::api::labels::Selector;
use crate::client::{Client, ClientError};
use crate::controllers::util::tally::{Standing, Tally};
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{name, namespace, pods, time, uid};

/// A failed status update is tried again so often, from the newest object.
const STATUS_UPDATE_RETRIES: usize = 1;

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// How many pods of one owner stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active ones.
    pub active: usize,
    /// Those of the active that have all labels of the template.
    pub fully_labeled: usize,
    /// Those of the active that are ready.
    pub ready: usize,
    /// Those of the active that have been ready for long enough.
    pub available: usize,
    /// Those that are going.
    pub terminating: usize,
}

/// Whether a pod has all labels of the template.
fn is_fully_labeled<K: Replicated>(rs: &K, labels: Option<&BTreeMap<String, String>>) -> bool {
    let wanted = rs.template().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref());
    wanted.is_none_or(|w| w.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)))
}

impl Counts {
    /// Of these pods.
    pub fn of<K: Replicated>(rs: &K, active: &[Rc<Pod>], terminating: usize, now: jiff::Timestamp) -> Self {
        let mut counts = Counts { active: active.len(), terminating, ..Counts::default() };
        for pod in active {
            counts.fully_labeled += usize::from(is_fully_labeled(rs, pod.metadata.labels.as_ref()));
            counts.ready += usize::from(pods::is_ready(pod));
            counts.available += usize::from(pods::is_available(pod, rs.min_ready_seconds(), now));
        }
        counts
    }

    /// Of the owner's pods by their tally, if that is all that there is to know: no pod is to be adopted or let go, and
    /// who is ready is available.
    pub fn by_tally<K: Replicated>(rs: &K, selector: &Selector, tally: &Tally) -> Option<Self> {
        let m = rs.metadata();
        let active = |standing| matches!(standing, Standing::Active { .. });
        let adopts = |labels: Option<&_>, standing| active(standing) && selector.matches_option(labels);
        if rs.min_ready_seconds() != 0 || tally.any_orphan(namespace(m), adopts) {
            return None;
        }
        let mut counts = Some(Counts::default());
        tally.controlled(uid(m), |labels, standing, n| {
            let Some(c) = &mut counts else { return };
            match (standing, selector.matches_option(labels)) {
                (Standing::Active { ready }, true) => {
                    c.active += n;
                    c.fully_labeled += if is_fully_labeled(rs, labels) { n } else { 0 };
                    c.ready += if ready { n } else { 0 };
                    c.available = c.ready;
                }
                (Standing::Active { .. }, false) => counts = None,
                (Standing::Terminating, true) => c.terminating += n,
                (Standing::Terminating, false) => {}
            }
        });
        counts
    }
}

/// The status that these pods make. Models calculateStatus.
pub fn calculate<K: Replicated>(
    rs: &K,
    counts: Counts,
    manage_error: Option<&SyncError>,
    now: jiff::Timestamp,
) -> ReplicatedStatus {
    let mut status = rs.status();
    let some = |n: usize| (n != 0).then_some(n as i32);
    status.replicas = counts.active as i32;
    status.fully_labeled_replicas = some(counts.fully_labeled);
    status.ready_replicas = some(counts.ready);
    status.available_replicas = some(counts.available);
    status.terminating_replicas = K::REPORTS_TERMINATING.then_some(counts.terminating as i32);

    let conditions = status.conditions.get_or_insert_default();
    let failing = conditions.iter().any(|c| c.type_ == REPLICA_FAILURE);
    match manage_error {
        Some(e) if !failing => {
            let reason = match counts.active as i64 - i64::from(rs.replicas()) {
                ..0 => "FailedCreate",
                0 => "",
                _ => "FailedDelete",
            };
            conditions.push(ReplicaSetCondition {
                type_: REPLICA_FAILURE.into(),
                status: "True".into(),
                reason: Some(reason.into()),
                message: Some(e.to_string()),
                last_transition_time: Some(time::cut(now)),
            });
        }
        None if failing => conditions.retain(|c| c.type_ != REPLICA_FAILURE),
        _ => {}
    }
    if conditions.is_empty() {
        status.conditions = None;
    }
    status
}

/// Writes the status if it differs; the object as it is then. Models updateReplicaSetStatus.
pub async fn update<K: Replicated>(
    client: &Client,
    rs: &Rc<K>,
    mut new: ReplicatedStatus,
) -> Result<Rc<K>, ClientError> {
    let old = rs.status();
    let generation = rs.metadata().generation;
    new.observed_generation = old.observed_generation;
    if old == new && generation.unwrap_or(0) == old.observed_generation.unwrap_or(0) {
        return Ok(rs.clone());
    }
    new.observed_generation = generation;
    let mut at = rs.clone();
    let mut attempt = 0;
    loop {
        let mut changed = (*at).clone();
        changed.set_status(new.clone());
        match client.update_status(changed).await {
            Ok(updated) => return Ok(updated),
            Err(e) if attempt >= STATUS_UPDATE_RETRIES => return Err(e),
            Err(_) => {}
        }
        attempt += 1;
        at = client.get::<K>(namespace(rs.metadata()), name(rs.metadata())).await?;
    }
}
