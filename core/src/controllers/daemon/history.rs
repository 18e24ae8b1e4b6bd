//! The revisions of a DaemonSet's template. Models constructHistory and cleanupHistory of `pkg/controller/daemon/update.go`.

use std::collections::BTreeSet;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;

use super::controller::DaemonSetsController;
use crate::apiserver::DeleteOptions;
use crate::controllers::util::hash::compute_hash;
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{history, name, namespace, new_controller_ref, pods, uid};

pub(super) const HASH_LABEL: &str = "controller-revision-hash";

/// Revisions, eldest first.
pub(super) type Revisions = Vec<Rc<ControllerRevision>>;

pub(super) fn hash_of(r: &ControllerRevision) -> &str {
    r.metadata.labels.as_ref().and_then(|l| l.get(HASH_LABEL)).map_or("", String::as_str)
}

impl DaemonSetsController {
    /// The revision of the present template, made if need be, and all others.
    pub(super) async fn construct_history(
        &self,
        ds: &mut DaemonSet,
    ) -> Result<(Rc<ControllerRevision>, Revisions), SyncError> {
        let selector = super::controller::selector(ds).map_err(SyncError::message)?;
        let found = history::of_owner(&self.revisions, namespace(&ds.metadata), uid(&ds.metadata));
        let claim = RefManager { client: &self.client, owner: &*ds, selector: &selector };
        let all = claim.claim(found, |_| true).await?;
        let template = ds.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
        let data = history::template_patch(&template);
        let (mut current, old): (Revisions, Revisions) = all.into_iter().partition(|r| history::data(r) == Some(&data));
        history::sort(&mut current);
        let number = history::max_revision(&old) + 1;
        if let Some(newest) = current.pop() {
            // Several of one template: the newest stays, pods of the others are counted as its own from now on.
            if newest.revision < number {
                let updated = self
                    .client
                    .patch::<ControllerRevision>(namespace(&ds.metadata), name(&newest.metadata), "", |r| {
                        r.revision = number
                    })
                    .await?;
                return Ok((updated, old));
            }
            return Ok((newest, old));
        }
        let hash = compute_hash(&template, ds.status.as_ref().and_then(|s| s.collision_count));
        let mut labels = template.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default();
        labels.insert(HASH_LABEL.into(), hash.clone());
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", name(&ds.metadata))),
                namespace: ds.metadata.namespace.clone(),
                labels: Some(labels),
                annotations: ds.metadata.annotations.clone(),
                owner_references: Some(vec![new_controller_ref(ds)]),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(data.clone())),
            revision: number,
        };
        match self.client.create(revision).await {
            Ok(made) => Ok((made, old)),
            Err(e) if e.is_already_exists() => {
                let n = format!("{}-{hash}", name(&ds.metadata));
                let have = self.client.get::<ControllerRevision>(namespace(&ds.metadata), &n).await?;
                if history::data(&have) == Some(&data) {
                    return Ok((have, old));
                }
                let status = ds.status.get_or_insert_default();
                status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
                self.client.update_status(ds.clone()).await?;
                Err(e.into())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Deletes the eldest revisions beyond the limit that no pod is of.
    pub(super) async fn cleanup_history(&self, ds: &DaemonSet, mut old: Revisions) -> SyncResult {
        let limit = ds.spec.as_ref().and_then(|s| s.revision_history_limit).unwrap_or(10);
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        if surplus == 0 {
            return Ok(());
        }
        let live: BTreeSet<String> = pods::by_controller(&self.pods, namespace(&ds.metadata), uid(&ds.metadata), false)
            .iter()
            .filter_map(|p| p.metadata.labels.as_ref()?.get(HASH_LABEL).cloned())
            .collect();
        history::sort(&mut old);
        let dead = old.iter().filter(|r| !live.contains(hash_of(r))).take(surplus);
        for r in dead {
            let (ns, n) = (namespace(&r.metadata), name(&r.metadata));
            self.client.delete::<ControllerRevision>(ns, n, &DeleteOptions::default()).await?;
        }
        Ok(())
    }
}
