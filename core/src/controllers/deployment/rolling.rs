//! Rolling updates. Models `pkg/controller/deployment/rolling.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

use super::controller::DeploymentController;
use super::sync::all_of;
use super::util::*;
use crate::controllers::util::worker::{SyncError, SyncResult};

impl DeploymentController {
    pub(super) async fn rollout_rolling(&self, d: &mut Deployment, sets: &Sets) -> SyncResult {
        let (new, old) = self.all_replica_sets_and_sync_revision(d, sets, true).await?;
        let all = all_of(new.as_ref(), &old);
        let Some(new) = new else { return Ok(()) };
        if self.reconcile_new_replica_set(&all, &new, d).await? {
            return self.sync_rollout_status(&all, Some(&new), d).await;
        }
        if self.reconcile_old_replica_sets(&all, active(&old), &new, d).await? {
            return self.sync_rollout_status(&all, Some(&new), d).await;
        }
        if super::progress::complete(d, &d.status.clone().unwrap_or_default()) {
            self.cleanup(&old, d).await?;
        }
        self.sync_rollout_status(&all, Some(&new), d).await
    }

    async fn reconcile_new_replica_set(
        &self,
        all: &Sets,
        new: &Rc<ReplicaSet>,
        d: &Deployment,
    ) -> Result<bool, SyncError> {
        let size = match rs_replicas(new).cmp(&replicas(d)) {
            std::cmp::Ordering::Equal => return Ok(false),
            std::cmp::Ordering::Greater => replicas(d),
            std::cmp::Ordering::Less => new_rs_new_replicas(d, all, new),
        };
        Ok(self.scale_and_record(new, size, d).await?.0)
    }

    async fn reconcile_old_replica_sets(
        &self,
        all: &Sets,
        mut old: Sets,
        new: &Rc<ReplicaSet>,
        d: &Deployment,
    ) -> Result<bool, SyncError> {
        if sum_replicas(&old) == 0 {
            return Ok(false);
        }
        let min_available = replicas(d) - max_unavailable(d);
        // Pods of the new ReplicaSet that aren't available yet don't count: scaling down shall not make it worse.
        let new_unavailable = rs_replicas(new) - rs_available(new);
        let max_scaled_down = sum_replicas(all) - min_available - new_unavailable;
        if max_scaled_down <= 0 {
            return Ok(false);
        }
        let cleaned = self.cleanup_unhealthy_replicas(&mut old, d, max_scaled_down).await?;
        let scaled = self.scale_down_old(&mut old, new, d, min_available).await?;
        Ok(cleaned + scaled > 0)
    }

    /// Takes pods that aren't available first: they don't lessen availability.
    async fn cleanup_unhealthy_replicas(&self, old: &mut Sets, d: &Deployment, max: i32) -> Result<i32, SyncError> {
        by_creation(old);
        let mut total = 0;
        for rs in old.iter_mut() {
            if total >= max {
                break;
            }
            let unhealthy = rs_replicas(rs) - rs_available(rs);
            if rs_replicas(rs) == 0 || unhealthy <= 0 {
                continue;
            }
            let count = unhealthy.min(max - total);
            let size = rs_replicas(rs) - count;
            *rs = self.scale_and_record(rs, size, d).await?.1;
            total += count;
        }
        Ok(total)
    }

    async fn scale_down_old(
        &self,
        old: &mut Sets,
        new: &Rc<ReplicaSet>,
        d: &Deployment,
        min_available: i32,
    ) -> Result<i32, SyncError> {
        let available: i32 = all_of(Some(new), old).iter().map(|rs| rs_available(rs)).sum();
        if available <= min_available {
            return Ok(0);
        }
        by_creation(old);
        let (mut total, max) = (0, available - min_available);
        for rs in old.iter() {
            if total >= max {
                break;
            }
            if rs_replicas(rs) == 0 {
                continue;
            }
            let count = rs_replicas(rs).min(max - total);
            self.scale_and_record(rs, rs_replicas(rs) - count, d).await?;
            total += count;
        }
        Ok(total)
    }
}
