//! Finding and making ReplicaSets, scaling them, and the status. Models `pkg/controller/deployment/sync.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::controller::DeploymentController;
use super::util::*;
use crate::apiserver::DeleteOptions;
use crate::client::EventType;
use crate::controllers::util::hash::compute_hash;
use crate::controllers::util::pod_control::is_namespace_terminating;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{controller_of, name, namespace, new_controller_ref, time, uid};

/// The ReplicaSet of the present template, and all others.
pub(super) type NewAndOld = (Option<Rc<ReplicaSet>>, Sets);

/// All of them, the new one last.
pub(super) fn all_of(new: Option<&Rc<ReplicaSet>>, old: &[Rc<ReplicaSet>]) -> Sets {
    old.iter().cloned().chain(new.cloned()).collect()
}

impl DeploymentController {
    pub(super) async fn sync_status_only(&self, d: &mut Deployment, sets: &Sets) -> SyncResult {
        let (new, old) = self.all_replica_sets_and_sync_revision(d, sets, false).await?;
        self.sync_deployment_status(&all_of(new.as_ref(), &old), new.as_ref(), d).await
    }

    /// Brings the sizes in line: after scaling, and while paused.
    pub(super) async fn sync(&self, d: &mut Deployment, sets: &Sets) -> SyncResult {
        let (new, old) = self.all_replica_sets_and_sync_revision(d, sets, false).await?;
        self.scale(d, new.as_ref(), &old).await?;
        if d.spec.as_ref().and_then(|s| s.paused) == Some(true) {
            self.cleanup(&old, d).await?;
        }
        self.sync_deployment_status(&all_of(new.as_ref(), &old), new.as_ref(), d).await
    }

    /// Says in the Progressing condition that the Deployment is paused or resumed, so that its deadline doesn't run meanwhile.
    pub(super) async fn check_paused_conditions(&self, d: &mut Deployment) -> SyncResult {
        if !has_progress_deadline(d) {
            return Ok(());
        }
        let status = d.status.get_or_insert_default();
        let reason = condition(status, PROGRESSING).and_then(|c| c.reason.as_deref());
        if reason == Some(TIMED_OUT) {
            return Ok(());
        }
        let paused = d.spec.as_ref().and_then(|s| s.paused) == Some(true);
        let said = reason == Some("DeploymentPaused");
        let (reason, message) = match (paused, said) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        let now = time::now(self.client.sim());
        set_condition(status, new_condition(PROGRESSING, "Unknown", reason, message.into(), &now));
        self.client.update_status(d.clone()).await?;
        Ok(())
    }

    pub(super) async fn all_replica_sets_and_sync_revision(
        &self,
        d: &mut Deployment,
        sets: &Sets,
        create: bool,
    ) -> Result<NewAndOld, SyncError> {
        let old = find_old(d, sets);
        let new = self.new_replica_set(d, sets, &old, create).await?;
        Ok((new, old))
    }

    /// The ReplicaSet of the present template, with the newest revision; made if it isn't there and `create`.
    async fn new_replica_set(
        &self,
        d: &mut Deployment,
        sets: &Sets,
        old: &Sets,
        create: bool,
    ) -> Result<Option<Rc<ReplicaSet>>, SyncError> {
        let new_revision = old.iter().map(|rs| revision(rs)).max().unwrap_or(0) + 1;
        let min_ready = d.spec.as_ref().and_then(|s| s.min_ready_seconds);
        let now = time::now(self.client.sim());
        if let Some(existing) = find_new(d, sets) {
            let mut rs = (*existing).clone();
            let annotated = set_new_annotations(d, &mut rs, new_revision, true);
            let other_min_ready =
                rs.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0) != min_ready.unwrap_or(0);
            if annotated || other_min_ready {
                rs.spec.get_or_insert_default().min_ready_seconds = min_ready;
                return Ok(Some(self.client.update(rs).await?));
            }
            let own = rs.metadata.annotations.as_ref().and_then(|a| a.get(REVISION)).cloned().unwrap_or_default();
            let mut changed = set_revision(d, &own);
            let with_deadline = has_progress_deadline(d);
            let status = d.status.get_or_insert_default();
            if with_deadline && condition(status, PROGRESSING).is_none() {
                let message = format!("Found new replica set \"{}\"", name(&rs.metadata));
                set_condition(status, new_condition(PROGRESSING, "True", "FoundNewReplicaSet", message, &now));
                changed = true;
            }
            if changed {
                self.client.update_status(d.clone()).await?;
            }
            return Ok(Some(existing));
        }
        if !create {
            return Ok(None);
        }
        self.create_replica_set(d, old, new_revision).await.map(Some)
    }

    async fn create_replica_set(
        &self,
        d: &mut Deployment,
        old: &Sets,
        new_revision: i64,
    ) -> Result<Rc<ReplicaSet>, SyncError> {
        let now = time::now(self.client.sim());
        let mut template = template(d);
        let hash = compute_hash(&template, d.status.as_ref().and_then(|s| s.collision_count));
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(TEMPLATE_HASH.into(), hash.clone());
        let labels = labels.clone();
        let spec = d.spec.clone().unwrap_or_default();
        let mut selector = spec.selector;
        selector.match_labels.get_or_insert_default().insert(TEMPLATE_HASH.into(), hash.clone());
        let mut rs = ReplicaSet {
            metadata: ObjectMeta {
                // So long a name can't come about: names of Deployments leave room for the hash or are refused by the api-server.
                name: Some(format!("{}-{hash}", name(&d.metadata))),
                namespace: d.metadata.namespace.clone(),
                labels: Some(labels),
                owner_references: Some(vec![new_controller_ref(d)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(0),
                min_ready_seconds: spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            ..ReplicaSet::default()
        };
        let count = new_rs_new_replicas(d, old, &rs);
        rs.spec.get_or_insert_default().replicas = Some(count);
        set_new_annotations(d, &mut rs, new_revision, false);
        let rs_name = name(&rs.metadata).to_owned();
        let mut existed = false;
        let created = match self.client.create(rs.clone()).await {
            Ok(created) => created,
            Err(e) if e.is_already_exists() => {
                existed = true;
                // One that isn't known here yet is looked at again once it is: it says nothing of a collision.
                let Some(have) = self.sets.get_named(namespace(&d.metadata), &rs_name) else { return Err(e.into()) };
                let template = have.spec.as_ref().and_then(|s| s.template.as_ref());
                let ours = controller_of(&have.metadata).is_some_and(|r| r.uid == uid(&d.metadata))
                    && template.is_some_and(|t| equal_ignore_hash(t, &self::template(d)));
                if !ours {
                    // Another template has the same hash: another count makes another hash.
                    let status = d.status.get_or_insert_default();
                    status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
                    // The collision is what is told of; a failure to count it is not.
                    let _ = self.client.update_status(d.clone()).await;
                    return Err(e.into());
                }
                have
            }
            Err(e) if is_namespace_terminating(&e) => return Err(e.into()),
            Err(e) => {
                let message = format!("Failed to create new replica set \"{rs_name}\": {e}");
                if has_progress_deadline(d) {
                    let c = new_condition(PROGRESSING, "False", "ReplicaSetCreateError", message.clone(), &now);
                    set_condition(d.status.get_or_insert_default(), c);
                    // The failure to create is what is told of; a failure to say so is not.
                    let _ = self.client.update_status(d.clone()).await;
                }
                self.recorder.event(d, EventType::Warning, "ReplicaSetCreateError", &message);
                return Err(e.into());
            }
        };
        if !existed && count > 0 {
            let message = format!("Scaled up replica set {rs_name} from 0 to {count}");
            self.recorder.event(d, EventType::Normal, "ScalingReplicaSet", &message);
        }
        let mut changed = set_revision(d, &new_revision.to_string());
        if !existed && has_progress_deadline(d) {
            let message = format!("Created new replica set \"{rs_name}\"");
            let c = new_condition(PROGRESSING, "True", "NewReplicaSetCreated", message, &now);
            set_condition(d.status.get_or_insert_default(), c);
            changed = true;
        }
        if changed {
            self.client.update_status(d.clone()).await?;
        }
        Ok(created)
    }

    /// Spreads a new size over the ReplicaSets.
    async fn scale(&self, d: &Deployment, new: Option<&Rc<ReplicaSet>>, old: &Sets) -> SyncResult {
        if let Some(one) = find_active_or_latest(new, old) {
            if rs_replicas(&one) != replicas(d) {
                self.scale_and_record(&one, replicas(d), d).await?;
            }
            return Ok(());
        }
        if is_saturated(d, new) {
            for rs in active(old) {
                self.scale_and_record(&rs, 0, d).await?;
            }
            return Ok(());
        }
        if is_recreate(d) {
            return Ok(());
        }
        let mut all = active(&all_of(new, old));
        let allowed = if replicas(d) > 0 { replicas(d) + max_surge(d) } else { 0 };
        let to_add = allowed - sum_replicas(&all);
        // The largest first; among equals the newest when growing, the eldest when shrinking.
        by_creation(&mut all);
        if to_add > 0 {
            all.reverse();
        }
        all.sort_by_key(|rs| std::cmp::Reverse(rs_replicas(rs)));
        let mut added = 0;
        let mut sizes = Vec::with_capacity(all.len());
        for rs in &all {
            let part = proportion(rs, d, to_add, added);
            added += part;
            sizes.push(rs_replicas(rs) + part);
        }
        if let (Some(first), true) = (sizes.first_mut(), to_add != 0) {
            *first = (*first + to_add - added).max(0);
        }
        for (rs, size) in all.iter().zip(sizes) {
            self.scale_replica_set(rs, size, d).await?;
        }
        Ok(())
    }

    /// Scales a ReplicaSet unless it has that size; the ReplicaSet as it is then, and whether it was scaled.
    pub(super) async fn scale_and_record(
        &self,
        rs: &Rc<ReplicaSet>,
        size: i32,
        d: &Deployment,
    ) -> Result<(bool, Rc<ReplicaSet>), SyncError> {
        if rs_replicas(rs) == size {
            return Ok((false, rs.clone()));
        }
        self.scale_replica_set(rs, size, d).await
    }

    async fn scale_replica_set(
        &self,
        rs: &Rc<ReplicaSet>,
        size: i32,
        d: &Deployment,
    ) -> Result<(bool, Rc<ReplicaSet>), SyncError> {
        let before = rs_replicas(rs);
        let (desired, max) = (replicas(d), replicas(d) + max_surge(d));
        if before == size && !replicas_annotations_differ(rs, desired, max) {
            return Ok((false, rs.clone()));
        }
        let mut changed = (**rs).clone();
        changed.spec.get_or_insert_default().replicas = Some(size);
        set_replicas_annotations(&mut changed, desired, max);
        let updated = self.client.update(changed).await?;
        if before == size {
            return Ok((false, updated));
        }
        let way = if before < size { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {before} to {size}", name(&rs.metadata));
        self.recorder.event(d, EventType::Normal, "ScalingReplicaSet", &message);
        Ok((true, updated))
    }

    /// Deletes the eldest ReplicaSets beyond the history's limit.
    pub(super) async fn cleanup(&self, old: &Sets, d: &Deployment) -> SyncResult {
        let limit = d.spec.as_ref().and_then(|s| s.revision_history_limit);
        let Some(limit) = limit.filter(|l| *l != i32::MAX) else { return Ok(()) };
        let mut alive: Sets = old.iter().filter(|rs| rs.metadata.deletion_timestamp.is_none()).cloned().collect();
        let surplus = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        by_creation(&mut alive);
        alive.sort_by_key(|rs| revision(rs));
        for rs in alive.iter().take(surplus) {
            let status = rs.status.clone().unwrap_or_default();
            let unseen = rs.metadata.generation.unwrap_or(0) > status.observed_generation.unwrap_or(0);
            if status.replicas != 0 || rs_replicas(rs) != 0 || unseen {
                continue;
            }
            let (ns, n) = (namespace(&rs.metadata), name(&rs.metadata));
            match self.client.delete::<ReplicaSet>(ns, n, &DeleteOptions::default()).await {
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn sync_deployment_status(&self, all: &Sets, new: Option<&Rc<ReplicaSet>>, d: &mut Deployment) -> SyncResult {
        let status = self.calculate_status(all, new, d);
        if d.status.as_ref() == Some(&status) {
            return Ok(());
        }
        d.status = Some(status);
        self.client.update_status(d.clone()).await?;
        Ok(())
    }

    pub(super) fn calculate_status(
        &self,
        all: &[Rc<ReplicaSet>],
        new: Option<&Rc<ReplicaSet>>,
        d: &Deployment,
    ) -> DeploymentStatus {
        let statuses = || all.iter().filter_map(|rs| rs.status.as_ref());
        let available: i32 = all.iter().map(|rs| rs_available(rs)).sum();
        let some = |n: i32| (n != 0).then_some(n);
        let old = d.status.clone().unwrap_or_default();
        let mut status = DeploymentStatus {
            observed_generation: d.metadata.generation,
            replicas: some(statuses().map(|s| s.replicas).sum()),
            updated_replicas: some(new.and_then(|rs| rs.status.as_ref()).map_or(0, |s| s.replicas)),
            ready_replicas: some(statuses().filter_map(|s| s.ready_replicas).sum()),
            available_replicas: some(available),
            unavailable_replicas: some((sum_replicas(all) - available).max(0)),
            terminating_replicas: terminating(all),
            collision_count: old.collision_count,
            conditions: old.conditions,
        };
        let now = time::now(self.client.sim());
        let c = if available >= replicas(d) - max_unavailable(d) {
            let message = "Deployment has minimum availability.";
            new_condition(AVAILABLE, "True", "MinimumReplicasAvailable", message.into(), &now)
        } else {
            let message = "Deployment does not have minimum availability.";
            new_condition(AVAILABLE, "False", "MinimumReplicasUnavailable", message.into(), &now)
        };
        set_condition(&mut status, c);
        status
    }

    /// Whether the size wanted changed since the ReplicaSets were last looked after.
    pub(super) async fn is_scaling_event(&self, d: &mut Deployment, sets: &Sets) -> Result<bool, SyncError> {
        let (new, old) = self.all_replica_sets_and_sync_revision(d, sets, false).await?;
        let wanted = i64::from(replicas(d));
        Ok(active(&all_of(new.as_ref(), &old)).iter().any(|rs| desired_annotation(rs).is_some_and(|n| n != wanted)))
    }
}

/// How many pods are going; `None` when some ReplicaSet doesn't say.
fn terminating(all: &[Rc<ReplicaSet>]) -> Option<i32> {
    let mut sum = 0;
    for rs in all {
        let status = rs.status.as_ref();
        match status.and_then(|s| s.terminating_replicas) {
            Some(n) => sum += n,
            // Its controller hasn't seen it yet.
            None if status.and_then(|s| s.observed_generation).unwrap_or(0) == 0 => {}
            None => return None,
        }
    }
    Some(sum)
}
