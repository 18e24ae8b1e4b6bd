//! What wakes the controller, and a sync. Models `pkg/controller/podautoscaler/horizontal.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, MetricStatus};
use k8s_openapi::api::core::v1::Pod;

use super::conditions::{self, ABLE_TO_SCALE, Condition, SCALING_ACTIVE};
use super::normalize::{Memory, Wish};
use crate::api::labels::Selector;
use crate::api::object::make_mut;
use crate::api::status::Status;
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::{name, namespace, time};
use crate::registry::ResourceId;

/// `--concurrent-horizontal-pod-autoscaler-syncs`.
const WORKERS: usize = 5;
/// `--horizontal-pod-autoscaler-sync-period`: each autoscaler is looked at so often, and first after as long.
const SYNC_PERIOD: Duration = Duration::from_secs(15);

/// The controller. Clones share everything.
#[derive(Clone)]
pub(super) struct Controller {
    pub client: Client,
    pub recorder: EventRecorder,
    autoscalers: Informer<HorizontalPodAutoscaler>,
    pub pods: Informer<Pod>,
    queue: WorkQueue<Rc<str>>,
    /// Keys that wait for their next turn: each waits once.
    waiting: Rc<RefCell<BTreeSet<Rc<str>>>>,
    memory: Rc<RefCell<BTreeMap<Rc<str>, Memory>>>,
}

/// A target as its scale subresource shows it.
pub(super) struct Scale {
    id: ResourceId,
    pub replicas: i32,
    pub selector: Selector,
    selector_text: String,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("horizontal-pod-autoscaler");
    let c = Controller {
        recorder: ctx.recorder(&client, "horizontal-pod-autoscaler"),
        autoscalers: ctx.informer(),
        pods: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        waiting: Rc::default(),
        memory: Rc::default(),
        client,
    };
    let watcher = c.clone();
    c.autoscalers.on_event(move |e| match e {
        InformerEvent::Added(h) | InformerEvent::Updated { new: h, .. } => watcher.enqueue(object_key(&h.metadata)),
        InformerEvent::Deleted(h) => {
            watcher.memory.borrow_mut().remove(&object_key(&h.metadata));
        }
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.autoscalers.wait_synced().await;
        c.pods.wait_synced().await;
        for _ in 0..WORKERS {
            let c = c.clone();
            ctx.spawn(async move {
                loop {
                    let key = c.queue.get().await;
                    if c.sync(&key).await {
                        c.enqueue(key.clone());
                    }
                    c.queue.done(&key);
                }
            });
        }
    });
}

impl Controller {
    fn enqueue(&self, key: Rc<str>) {
        if !self.waiting.borrow_mut().insert(key.clone()) {
            return;
        }
        let c = self.clone();
        self.client.sim().spawn(self.client.process(), async move {
            c.client.sim().sleep(SYNC_PERIOD).await;
            c.waiting.borrow_mut().remove(&key);
            c.queue.add(key);
        });
    }

    /// Looks at an autoscaler; whether it is still there.
    async fn sync(&self, key: &Rc<str>) -> bool {
        let (ns, n) = split_key(key);
        let Some(hpa) = self.autoscalers.get_named(ns, n) else { return false };
        let mut status = hpa.status.clone().unwrap_or_default();
        self.reconcile(key, &hpa, &mut status).await;
        if hpa.status.as_ref() != Some(&status) {
            let mut changed = (*hpa).clone();
            changed.status = Some(status);
            if let Err(e) = self.client.update_status(changed).await {
                self.recorder.event(&*hpa, EventType::Warning, "FailedUpdateStatus", &e.to_string());
            }
        }
        true
    }

    async fn reconcile(
        &self,
        key: &Rc<str>,
        hpa: &HorizontalPodAutoscaler,
        status: &mut HorizontalPodAutoscalerStatus,
    ) {
        let now = time::now(self.client.sim());
        let scale = match self.target(hpa).await {
            Ok(scale) => scale,
            Err(e) => {
                self.recorder.event(hpa, EventType::Warning, "FailedGetScale", &e);
                let message = format!("the HPA controller was unable to get the target's current scale: {e}");
                conditions::set(status, Condition::new(ABLE_TO_SCALE, false, "FailedGetScale", message), &now);
                return;
            }
        };
        let got = "the HPA controller was able to get the target's current scale";
        conditions::set(status, Condition::new(ABLE_TO_SCALE, true, "SucceededGetScale", got), &now);
        let (current, sim_now) = (scale.replicas, self.client.sim().now());
        self.memory.borrow_mut().entry(key.clone()).or_default().begin(current, sim_now);
        let (min, max) = (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas);
        let mut statuses = Vec::new();
        let (desired, reason) = if current == 0 && min != 0 {
            let why = "scaling is disabled since the replica count of the target is zero";
            conditions::set(status, Condition::new(SCALING_ACTIVE, false, "ScalingDisabled", why), &now);
            (0, String::new())
        } else if current > max {
            (max, "Current number of replicas above Spec.MaxReplicas".to_owned())
        } else if current < min {
            (min, "Current number of replicas below Spec.MinReplicas".to_owned())
        } else {
            let computed = self.compute(hpa, &scale, status, &mut statuses).await;
            match computed {
                Ok((wished, metric)) => {
                    let reason = match wished.cmp(&current) {
                        std::cmp::Ordering::Greater => format!("{metric} above target"),
                        std::cmp::Ordering::Less => "All metrics below target".to_owned(),
                        std::cmp::Ordering::Equal => String::new(),
                    };
                    let wish = Wish { current, desired: wished, min, max };
                    let mut memory = self.memory.borrow_mut();
                    let of = memory.entry(key.clone()).or_default();
                    let (n, both) = of.normalize(wish, hpa.spec.behavior.as_ref(), sim_now);
                    both.into_iter().for_each(|c| conditions::set(status, c, &now));
                    (n, reason)
                }
                Err(e) => {
                    status.current_replicas = Some(current).filter(|n| *n != 0);
                    status.current_metrics = Some(statuses);
                    self.recorder.event(hpa, EventType::Warning, "FailedComputeMetricsReplicas", &e);
                    return;
                }
            }
        };
        let mut rescaled = false;
        if desired != current {
            if !self.rescale(hpa, &scale, desired, &reason, status).await {
                status.current_replicas = Some(current).filter(|n| *n != 0);
                return;
            }
            rescaled = true;
            self.memory.borrow_mut().entry(key.clone()).or_default().scaled(current, desired, sim_now);
        }
        status.current_replicas = Some(current).filter(|n| *n != 0);
        status.desired_replicas = desired;
        status.current_metrics = (!statuses.is_empty()).then_some(statuses);
        if rescaled {
            status.last_scale_time = Some(time::now(self.client.sim()));
        }
    }

    /// The target's scale; the error in upstream's words.
    async fn target(&self, hpa: &HorizontalPodAutoscaler) -> Result<Scale, String> {
        let r = &hpa.spec.scale_target_ref;
        let group = r.api_version.as_deref().and_then(|v| v.split_once('/')).map_or("", |(g, _)| g);
        let registry = self.client.registry().clone();
        let Some(id) = registry.find_kind(group, &r.kind) else {
            return Err(format!("no matches for kind {:?} in group {group:?}", r.kind));
        };
        if !registry.info(id).subresources.contains(&"scale") {
            return Err("the server could not find the requested resource".into());
        }
        let o = self.client.get_object(id, namespace(&hpa.metadata), &r.name).await.map_err(|e| e.to_string())?;
        let Some(scale) = registry.strategy(id).scale(&*o) else {
            return Err("the server could not find the requested resource".into());
        };
        let selector = Selector::parse(&scale.selector).unwrap_or_else(|_| Selector::nothing());
        Ok(Scale { id, replicas: scale.replicas, selector, selector_text: scale.selector })
    }

    /// What all metrics together ask for: the most that any does, if enough of them are known. Models computeReplicasForMetrics.
    async fn compute(
        &self,
        hpa: &HorizontalPodAutoscaler,
        scale: &Scale,
        status: &mut HorizontalPodAutoscalerStatus,
        statuses: &mut Vec<MetricStatus>,
    ) -> Result<(i32, String), String> {
        let now = time::now(self.client.sim());
        if let Err((reason, message, error)) = self.check_selector(hpa, scale) {
            self.recorder.event(
                hpa,
                EventType::Warning,
                if reason == "InvalidSelector" { "SelectorRequired" } else { reason },
                &error,
            );
            conditions::set(status, Condition::new(SCALING_ACTIVE, false, reason, message), &now);
            return Err(error);
        }
        let metrics = hpa.spec.metrics.as_deref().unwrap_or_default();
        let mut best: Option<(i32, String)> = None;
        let (mut invalid, mut first) = (0, None);
        for metric in metrics {
            match self.propose(hpa, metric, scale).await {
                Ok(p) => {
                    if best.as_ref().is_none_or(|(n, _)| p.replicas > *n) {
                        best = Some((p.replicas, p.metric));
                    }
                    statuses.push(p.status);
                }
                Err(unable) => {
                    invalid += 1;
                    first.get_or_insert(unable);
                    statuses.push(MetricStatus::default());
                }
            }
        }
        let wished = best.as_ref().map_or(0, |(n, _)| *n);
        match (best, first) {
            // Some say nothing: what they would ask for may be more.
            (None, Some(u)) => {
                conditions::set(status, u.condition, &now);
                Err(format!(
                    "invalid metrics ({invalid} invalid out of {}), first error is: {}",
                    metrics.len(),
                    u.error
                ))
            }
            (Some(_), Some(u)) if wished < scale.replicas => {
                conditions::set(status, u.condition, &now);
                Err(format!(
                    "invalid metrics ({invalid} invalid out of {}), first error is: {}",
                    metrics.len(),
                    u.error
                ))
            }
            (Some((n, metric)), _) => {
                let found = format!("the HPA was able to successfully calculate a replica count from {metric}");
                conditions::set(status, Condition::new(SCALING_ACTIVE, true, "ValidMetricFound", found), &now);
                Ok((n, metric))
            }
            (None, None) => Ok((scale.replicas, String::new())),
        }
    }

    /// Whether the target has a selector, and its pods no other autoscaler. The reason, the condition's message and the error.
    fn check_selector(
        &self,
        hpa: &HorizontalPodAutoscaler,
        scale: &Scale,
    ) -> Result<(), (&'static str, String, String)> {
        if scale.selector_text.is_empty() {
            let message = "the HPA target's scale is missing a selector".to_owned();
            return Err(("InvalidSelector", message, "selector is required".into()));
        }
        let ns = namespace(&hpa.metadata);
        let same = |other: &Rc<HorizontalPodAutoscaler>| other.spec.scale_target_ref == hpa.spec.scale_target_ref;
        let mut rivals: Vec<String> = self
            .autoscalers
            .list_namespace(ns)
            .iter()
            .filter(|o| same(o))
            .map(|o| format!("{ns}/{}", name(&o.metadata)))
            .collect();
        if rivals.len() > 1 {
            rivals.sort();
            let error = format!(
                "pods by selector {} are controlled by multiple HPAs: [{}]",
                scale.selector_text,
                rivals.join(" ")
            );
            return Err(("AmbiguousSelector", error.clone(), error));
        }
        Ok(())
    }

    /// Sets the target's number of pods; whether that went well.
    async fn rescale(
        &self,
        hpa: &HorizontalPodAutoscaler,
        scale: &Scale,
        desired: i32,
        reason: &str,
        status: &mut HorizontalPodAutoscalerStatus,
    ) -> bool {
        let now = time::now(self.client.sim());
        let registry = self.client.registry().clone();
        let (id, target) = (scale.id, &hpa.spec.scale_target_ref);
        let outcome = self
            .client
            .patch_object(id, namespace(&hpa.metadata), &target.name, "scale", |o| {
                registry.strategy(id).set_scale(make_mut(o), desired);
                Ok::<(), Status>(())
            })
            .await;
        if let Err(e) = outcome {
            let message = format!("New size: {desired}; reason: {reason}; error: {e}");
            self.recorder.event(hpa, EventType::Warning, "FailedRescale", &message);
            let message = format!("the HPA controller was unable to update the target scale: {e}");
            conditions::set(status, Condition::new(ABLE_TO_SCALE, false, "FailedUpdateScale", message), &now);
            return false;
        }
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        conditions::set(status, Condition::new(ABLE_TO_SCALE, true, "SucceededRescale", message), &now);
        let message = format!("New size: {desired}; reason: {reason}");
        self.recorder.event(hpa, EventType::Normal, "SuccessfulRescale", &message);
        true
    }
}
