//! Updates that stop all old pods first. Models `pkg/controller/deployment/recreate.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;

use super::controller::DeploymentController;
use super::sync::all_of;
use super::util::*;
use crate::controllers::util::pods;
use crate::controllers::util::uid;
use crate::controllers::util::worker::SyncResult;

impl DeploymentController {
    pub(super) async fn rollout_recreate(&self, d: &mut Deployment, sets: &Sets) -> SyncResult {
        let pod_map = self.pod_map(sets);
        let (mut new, mut old) = self.all_replica_sets_and_sync_revision(d, sets, false).await?;
        let mut all = all_of(new.as_ref(), &old);
        let mut scaled_down = false;
        for rs in active(&old) {
            scaled_down |= self.scale_and_record(&rs, 0, d).await?.0;
        }
        if scaled_down || old_pods_running(new.as_ref(), &old, &pod_map) {
            return self.sync_rollout_status(&all, new.as_ref(), d).await;
        }
        if new.is_none() {
            (new, old) = self.all_replica_sets_and_sync_revision(d, sets, true).await?;
            all = all_of(new.as_ref(), &old);
        }
        if let Some(rs) = &new {
            self.scale_and_record(rs, replicas(d), d).await?;
        }
        if super::progress::complete(d, &d.status.clone().unwrap_or_default()) {
            self.cleanup(&old, d).await?;
        }
        self.sync_rollout_status(&all, new.as_ref(), d).await
    }
}

fn old_pods_running(
    new: Option<&Rc<ReplicaSet>>,
    old: &[Rc<ReplicaSet>],
    pod_map: &BTreeMap<String, Vec<Rc<Pod>>>,
) -> bool {
    if old.iter().filter_map(|rs| rs.status.as_ref()).any(|s| s.replicas > 0) {
        return true;
    }
    let new = new.map(|rs| uid(&rs.metadata));
    pod_map.iter().filter(|(owner, _)| Some(owner.as_str()) != new).flat_map(|(_, p)| p).any(|p| !pods::is_terminal(p))
}
