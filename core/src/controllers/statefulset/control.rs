//! One pass over a StatefulSet's pods: in order of their ordinals, or all at once.
//! Models updateStatefulSet of `pkg/controller/statefulset/stateful_set_control.go`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::controller::StatefulSetController;
use super::identity::{
    allows_burst, identity_matches, in_range, is_created, is_running_and_ready, is_terminating, is_unavailable,
    min_ready_seconds, new_versioned_pod, ordinal, partition, pod_revision, replicas, start_ordinal, storage_matches,
    strategy,
};
use super::pod_control::StatefulPodControl;
use super::revisions::Revisions;
use super::status;
use crate::controllers::util::pod_control::slow_start_batch;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{history, name, pods, uid};

/// What a step on one pod says: stop here, or go on to the next.
type Step = Result<bool, SyncError>;

/// A pass in the making.
struct Pass {
    control: StatefulPodControl,
    set: Rc<StatefulSet>,
    /// The set with the new template.
    update_set: StatefulSet,
    /// A pod for each ordinal wanted, there or still to be made.
    replicas: Vec<Rc<Pod>>,
    /// Pods of other ordinals, highest first.
    condemned: Vec<Rc<Pod>>,
    first_unavailable: Option<Rc<Pod>>,
    monotonic: bool,
}

/// The set as it was at a revision. Models ApplyRevision.
fn at_revision(set: &StatefulSet, revision: &k8s_openapi::api::apps::v1::ControllerRevision) -> StatefulSet {
    let mut set = set.clone();
    if let (Some(spec), Some(template)) = (&mut set.spec, history::template(revision)) {
        spec.template = template;
    }
    set
}

impl StatefulSetController {
    /// Makes the pods what the set asks for, as far as one pass goes; the status from then on, and what failed.
    pub(super) async fn update_stateful_set(
        &self,
        set: &Rc<StatefulSet>,
        revisions: &Revisions,
        all: &[Rc<Pod>],
    ) -> (StatefulSetStatus, SyncResult) {
        let now = self.control.client.sim().timestamp();
        let mut counts = status::count(set, all.iter(), revisions, now);
        let pass = self.partition_pods(set, revisions, all, now);
        if set.metadata.deletion_timestamp.is_some() {
            return (status::status(set, &counts, revisions), Ok(()));
        }
        let pass = Rc::new(pass);
        let outcome = pass.scale().await;
        counts = status::count(set, pass.replicas.iter().chain(&pass.condemned), revisions, now);
        let outcome = match outcome {
            Ok(false) if strategy(set) != "OnDelete" => {
                let update = name(&revisions.update.metadata);
                pass.roll(update, now, &mut counts.current).await
            }
            other => other.map(|_| ()),
        };
        (status::status(set, &counts, revisions), outcome)
    }

    fn partition_pods(&self, set: &Rc<StatefulSet>, r: &Revisions, all: &[Rc<Pod>], now: jiff::Timestamp) -> Pass {
        let (current_set, update_set) = (at_revision(set, &r.current), at_revision(set, &r.update));
        let mut there: BTreeMap<i64, Rc<Pod>> = BTreeMap::new();
        let mut condemned = Vec::new();
        for pod in all {
            match ordinal(pod) {
                Some(o) if in_range(o, set) => {
                    there.insert(o, pod.clone());
                }
                Some(o) => condemned.push((o, pod.clone())),
                None => {}
            }
        }
        condemned.sort_by_key(|(o, _)| Reverse(*o));
        let condemned: Vec<Rc<Pod>> = condemned.into_iter().map(|(_, p)| p).collect();
        let (current, update) = (name(&r.current.metadata), name(&r.update.metadata));
        let start = start_ordinal(set);
        let replicas: Vec<Rc<Pod>> = (start..start + replicas(set))
            .map(|o| {
                let made = || Rc::new(new_versioned_pod((&current_set, current), (&update_set, update), o));
                there.remove(&o).unwrap_or_else(made)
            })
            .collect();
        let min_ready = min_ready_seconds(set);
        let first_unavailable =
            replicas.iter().chain(condemned.iter().rev()).find(|p| is_unavailable(p, min_ready, now)).cloned();
        Pass {
            control: self.control.clone(),
            monotonic: !allows_burst(set),
            set: set.clone(),
            update_set,
            replicas,
            condemned,
            first_unavailable,
        }
    }
}

impl Pass {
    /// Runs a step for each of `n` pods: one after another until one says stop, or in growing batches. Models runForAll.
    async fn for_all<F, Fut>(self: &Rc<Self>, n: usize, step: F) -> Step
    where
        F: Fn(Rc<Self>, usize) -> Fut,
        Fut: Future<Output = Step> + 'static,
    {
        if self.monotonic {
            for i in 0..n {
                if step(self.clone(), i).await? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let (_, outcome) = slow_start_batch(&self.control.client, n, |i| {
            let step = step(self.clone(), i);
            async move { step.await.map(|_| ()) }
        })
        .await;
        outcome.map(|()| false)
    }

    /// Puts the number of pods right; whether the pass ends here.
    async fn scale(self: &Rc<Self>) -> Step {
        if self.for_all(self.replicas.len(), |p, i| async move { p.process_replica(i).await }).await? {
            return Ok(true);
        }
        let fix = |p: Rc<Self>, i: usize| async move {
            let Some(pod) = p.condemned.get(i) else { return Ok(false) };
            if !p.control.claims_match(&p.update_set, pod) {
                p.control.update_claim_owners(&p.update_set, pod).await?;
            }
            Ok(false)
        };
        if self.for_all(self.condemned.len(), fix).await? {
            return Ok(true);
        }
        self.for_all(self.condemned.len(), |p, i| async move { p.process_condemned(i).await }).await
    }

    async fn process_replica(&self, i: usize) -> Step {
        let Some(pod) = self.replicas.get(i) else { return Ok(false) };
        if pods::is_terminal(pod) {
            // However it ended, it is made anew once it is gone.
            if !is_terminating(pod) {
                self.control.delete(&self.set, pod).await?;
            }
            return Ok(true);
        }
        if !is_created(pod) {
            if self.control.claim_is_stale(&self.set, pod) {
                return Ok(true);
            }
            self.control.create(&self.set, pod).await?;
            if self.monotonic {
                return Ok(true);
            }
        }
        if pods::phase(pod) == "Pending" {
            self.control.create_missing_claims(&self.set, pod).await?;
        }
        let now = self.control.client.sim().timestamp();
        let available = pods::is_available(pod, min_ready_seconds(&self.set), now);
        if self.monotonic && (is_terminating(pod) || !is_running_and_ready(pod) || !available) {
            return Ok(true);
        }
        let fine = identity_matches(&self.set, pod)
            && storage_matches(&self.set, pod)
            && self.control.claims_match(&self.update_set, pod);
        if !fine {
            self.control.update(&self.update_set, pod).await?;
        }
        Ok(false)
    }

    async fn process_condemned(&self, i: usize) -> Step {
        let Some(pod) = self.condemned.get(i) else { return Ok(false) };
        if is_terminating(pod) {
            return Ok(self.monotonic);
        }
        let now = self.control.client.sim().timestamp();
        let well = is_running_and_ready(pod) && pods::is_available(pod, min_ready_seconds(&self.set), now);
        let first = self.first_unavailable.as_ref().is_some_and(|f| uid(&f.metadata) == uid(&pod.metadata));
        if self.monotonic && !well && !first {
            return Ok(true);
        }
        self.control.delete(&self.set, pod).await?;
        Ok(true)
    }

    /// Deletes the pod of the highest ordinal that is of an earlier revision, once those above it are well.
    /// Models the end of updateStatefulSet, as it is while the gate MaxUnavailableStatefulSet is off.
    async fn roll(&self, update: &str, now: jiff::Timestamp, current: &mut i32) -> SyncResult {
        let min_ready = min_ready_seconds(&self.set);
        let from = usize::try_from(partition(&self.set).unwrap_or(0)).unwrap_or(0);
        for pod in self.replicas.iter().skip(from).rev() {
            if pod_revision(pod) != update && !is_terminating(pod) {
                match self.control.delete(&self.set, pod).await {
                    Err(e) if !e.is_not_found() => return Err(e),
                    _ => *current -= 1,
                }
                return Ok(());
            }
            if is_unavailable(pod, min_ready, now) {
                return Ok(());
            }
        }
        Ok(())
    }
}
