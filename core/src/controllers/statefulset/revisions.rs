//! The revisions of a StatefulSet's template: which one pods have, which one they are to have.
//! Models getStatefulSetRevisions and truncateHistory of `pkg/controller/statefulset/stateful_set_control.go`.

use std::collections::BTreeSet;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::Pod;

use super::controller::StatefulSetController;
use super::identity::pod_revision;
use crate::api::labels::Selector;
use crate::apiserver::DeleteOptions;
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{history, name, namespace, uid};

type Revision = Rc<ControllerRevision>;

/// What a sync works towards.
pub struct Revisions {
    /// What pods have that no update has reached.
    pub current: Revision,
    /// What they are to have.
    pub update: Revision,
    /// How many names were taken.
    pub collisions: i32,
}

impl StatefulSetController {
    /// The revisions of a set, eldest first, after the orphans among them were adopted.
    pub(super) async fn adopt_revisions(
        &self,
        set: &StatefulSet,
        selector: &Selector,
    ) -> Result<Vec<Revision>, SyncError> {
        let found = history::of_owner(&self.revisions, namespace(&set.metadata), uid(&set.metadata));
        let claim = RefManager { client: &self.control.client, owner: set, selector };
        let mut all = claim.claim(found, |_| true).await?;
        history::sort(&mut all);
        Ok(all)
    }

    /// The current and the new revision; the latter is made, or numbered anew, if need be.
    pub(super) async fn stateful_set_revisions(
        &self,
        set: &StatefulSet,
        all: &[Revision],
    ) -> Result<Revisions, SyncError> {
        let status = set.status.clone().unwrap_or_default();
        let mut collisions = status.collision_count.unwrap_or(0);
        let template = set.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
        let data = history::template_patch(&template);
        let next = history::max_revision(all) + 1;
        let equal = all.iter().rfind(|r| history::data(r) == Some(&data));
        let newest = all.last().filter(|r| history::data(r) == Some(&data));
        let update = match (newest, equal) {
            (Some(newest), _) => newest.clone(),
            // An earlier template again: its revision becomes the newest.
            (None, Some(earlier)) => {
                let (ns, n) = (namespace(&set.metadata), name(&earlier.metadata));
                self.control.client.patch::<ControllerRevision>(ns, n, "", |r| r.revision = next).await?
            }
            (None, None) => {
                let revision = history::new_revision(set, &template, data, next, collisions);
                history::create(&self.control.client, set, revision, &mut collisions).await?
            }
        };
        let current = all.iter().find(|r| status.current_revision.as_deref() == Some(name(&r.metadata)));
        Ok(Revisions { current: current.unwrap_or(&update).clone(), update, collisions })
    }

    /// Deletes the eldest revisions beyond the limit that neither a pod nor the set has.
    pub(super) async fn truncate_history(
        &self,
        set: &StatefulSet,
        pods: &[Rc<Pod>],
        all: &[Revision],
        live: Option<&Revisions>,
    ) -> SyncResult {
        let limit = set.spec.as_ref().and_then(|s| s.revision_history_limit).unwrap_or(10);
        let Ok(limit) = usize::try_from(limit) else { return Ok(()) };
        let mut alive: BTreeSet<&str> = pods.iter().map(|p| pod_revision(p)).collect();
        if let Some(r) = live {
            alive.extend([name(&r.current.metadata), name(&r.update.metadata)]);
        }
        let dead: Vec<&Revision> = all.iter().filter(|r| !alive.contains(name(&r.metadata))).collect();
        for r in dead.iter().take(dead.len().saturating_sub(limit)) {
            let (ns, n) = (namespace(&r.metadata), name(&r.metadata));
            self.control.client.delete::<ControllerRevision>(ns, n, &DeleteOptions::default()).await?;
        }
        Ok(())
    }
}
