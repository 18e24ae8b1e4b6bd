//! The status of a ReplicaSet, computed and written. Models `pkg/controller/replicaset/replica_set_utils.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::ReplicaSetCondition;
use k8s_openapi::api::core::v1::Pod;

use super::workload::{Replicated, ReplicatedStatus};
use crate::client::{Client, ClientError};
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{name, namespace, pods, time};

/// A failed status update is tried again so often, from the newest object.
const STATUS_UPDATE_RETRIES: usize = 1;

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// The status that these pods make. Models calculateStatus.
pub fn calculate<K: Replicated>(
    rs: &K,
    active: &[Rc<Pod>],
    terminating: usize,
    manage_error: Option<&SyncError>,
    now: jiff::Timestamp,
) -> ReplicatedStatus {
    let mut status = rs.status();
    let wanted = rs.template().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref());
    let min_ready = rs.min_ready_seconds();
    let (mut fully_labeled, mut ready, mut available) = (0, 0, 0);
    for pod in active {
        let labels = pod.metadata.labels.as_ref();
        let full = wanted.is_none_or(|w| w.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)));
        fully_labeled += i32::from(full);
        if pods::is_ready(pod) {
            ready += 1;
            available += i32::from(pods::is_available(pod, min_ready, now));
        }
    }
    let some = |n: i32| (n != 0).then_some(n);
    status.replicas = active.len() as i32;
    status.fully_labeled_replicas = some(fully_labeled);
    status.ready_replicas = some(ready);
    status.available_replicas = some(available);
    status.terminating_replicas = K::REPORTS_TERMINATING.then_some(terminating as i32);

    let conditions = status.conditions.get_or_insert_default();
    let failing = conditions.iter().any(|c| c.type_ == REPLICA_FAILURE);
    match manage_error {
        Some(e) if !failing => {
            let reason = match active.len() as i64 - i64::from(rs.replicas()) {
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
