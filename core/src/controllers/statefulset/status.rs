//! The status of a StatefulSet, counted and written.
//! Models updateStatus and updateStatefulSetStatus of `pkg/controller/statefulset/stateful_set_control.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::controller::StatefulSetController;
use super::identity::{
    is_created, is_running_and_ready, is_terminating, min_ready_seconds, pod_revision, replicas, strategy,
};
use super::revisions::Revisions;
use crate::client::ClientError;
use crate::controllers::util::{name, namespace, pods};

/// After conflicts the status is tried again so often.
const STATUS_UPDATE_RETRIES: usize = 4;

/// Counts, in the order of the API.
#[derive(Clone, Default)]
pub struct Counts {
    replicas: i32,
    ready: i32,
    available: i32,
    /// Pods of the current revision.
    pub current: i32,
    updated: i32,
}

/// Counts pods as a sync sees them.
pub fn count<'a>(
    set: &StatefulSet,
    all: impl Iterator<Item = &'a Rc<Pod>>,
    revisions: &Revisions,
    now: jiff::Timestamp,
) -> Counts {
    let mut c = Counts::default();
    for pod in all {
        c.replicas += i32::from(is_created(pod));
        if is_running_and_ready(pod) {
            c.ready += 1;
            c.available += i32::from(pods::is_available(pod, min_ready_seconds(set), now));
        }
        if is_created(pod) && !is_terminating(pod) {
            let revision = pod_revision(pod);
            c.current += i32::from(revision == name(&revisions.current.metadata));
            c.updated += i32::from(revision == name(&revisions.update.metadata));
        }
    }
    c
}

/// The status that counts make.
pub fn status(set: &StatefulSet, c: &Counts, revisions: &Revisions) -> StatefulSetStatus {
    let some = |n: i32| (n != 0).then_some(n);
    let wanted = replicas(set);
    let (mut current, mut current_revision) = (c.current, name(&revisions.current.metadata));
    let update_revision = name(&revisions.update.metadata);
    let all = |n: i32| i64::from(n) == wanted;
    if strategy(set) == "RollingUpdate" && all(c.updated) && all(c.ready) && all(c.replicas) {
        // The update is through.
        current = c.updated;
        current_revision = update_revision;
    }
    StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: c.replicas,
        ready_replicas: some(c.ready),
        available_replicas: Some(c.available),
        current_replicas: some(current),
        updated_replicas: some(c.updated),
        current_revision: Some(current_revision.to_owned()),
        update_revision: Some(update_revision.to_owned()),
        collision_count: Some(revisions.collisions),
        conditions: None,
    }
}

/// Whether a status says something that the stored one doesn't. Models inconsistentStatus.
fn is_news(old: &StatefulSetStatus, new: &StatefulSetStatus) -> bool {
    let plain = |s: &StatefulSetStatus| {
        let n = |v: Option<i32>| v.unwrap_or(0);
        (
            [s.replicas, n(s.ready_replicas), n(s.available_replicas), n(s.current_replicas), n(s.updated_replicas)],
            s.current_revision.clone().unwrap_or_default(),
            s.update_revision.clone().unwrap_or_default(),
        )
    };
    new.observed_generation.unwrap_or(0) > old.observed_generation.unwrap_or(0) || plain(old) != plain(new)
}

impl StatefulSetController {
    pub(super) async fn write_status(&self, set: &StatefulSet, new: StatefulSetStatus) -> Result<(), ClientError> {
        if !is_news(&set.status.clone().unwrap_or_default(), &new) {
            return Ok(());
        }
        let mut at = set.clone();
        let mut attempt = 0;
        loop {
            at.status = Some(new.clone());
            match self.control.client.update_status(at).await {
                Ok(_) => return Ok(()),
                Err(e) if attempt >= STATUS_UPDATE_RETRIES || !e.is_conflict() => return Err(e),
                Err(_) => attempt += 1,
            }
            let (ns, n) = (namespace(&set.metadata), name(&set.metadata));
            at = (*self.control.client.get::<StatefulSet>(ns, n).await?).clone();
        }
    }
}
