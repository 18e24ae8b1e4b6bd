//! What wakes the controller. Models `pkg/controller/endpointslice/endpointslice_controller.go`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::reconciler::{CONTROLLER, MANAGED_BY, Reconciler, SERVICE_NAME};
use super::tracker::SliceTracker;
use crate::client::{EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::endpoint::{matching_services, pod_changed, service_selector};
use crate::controllers::util::trigger_times::TriggerTracker;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{name, namespace};

/// `--concurrent-service-endpoint-syncs`.
const WORKERS: usize = 5;
const MAX_RETRIES: u32 = 15;
const SERVICE_INDEX: &str = "service";

#[derive(Clone)]
struct Controller {
    reconciler: Reconciler,
    recorder: EventRecorder,
    services: Informer<Service>,
    pods: Informer<Pod>,
    slices: Informer<EndpointSlice>,
    queue: WorkQueue<Rc<str>>,
    tracker: Rc<RefCell<SliceTracker>>,
    triggers: Rc<RefCell<TriggerTracker>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("endpointslice-controller");
    // Its first retry comes after a whole second.
    let limits = RateLimits { base: Duration::from_secs(1), ..RateLimits::default() };
    let tracker: Rc<RefCell<SliceTracker>> = Rc::default();
    let nodes = ctx.informer::<Node>();
    let c = Controller {
        recorder: ctx.recorder(&client, "endpoint-slice-controller"),
        services: ctx.informer(),
        pods: ctx.informer(),
        slices: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), limits),
        triggers: Rc::default(),
        reconciler: Reconciler { client, nodes: nodes.clone(), tracker: tracker.clone() },
        tracker,
    };
    c.slices.add_index(SERVICE_INDEX, |s| service_key(s).into_iter().collect());
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.pods.wait_synced().await;
        c.services.wait_synced().await;
        c.slices.wait_synced().await;
        nodes.wait_synced().await;
        for _ in 0..WORKERS {
            let c = c.clone();
            ctx.spawn(async move {
                loop {
                    let key = c.queue.get().await;
                    match c.sync_service(&key).await {
                        Err(_) if c.queue.num_requeues(&key) < MAX_RETRIES => c.queue.add_rate_limited(key.clone()),
                        _ => c.queue.forget(&key),
                    }
                    c.queue.done(&key);
                }
            });
        }
    });
}

/// The Service that a slice of this controller belongs to.
fn service_key(s: &EndpointSlice) -> Option<Rc<str>> {
    let labels = s.metadata.labels.as_ref()?;
    if labels.get(MANAGED_BY).map(String::as_str) != Some(CONTROLLER) {
        return None;
    }
    Some(format!("{}/{}", namespace(&s.metadata), labels.get(SERVICE_NAME)?).into())
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.services.on_event(move |e| match e {
            InformerEvent::Added(s) | InformerEvent::Updated { new: s, .. } | InformerEvent::Deleted(s) => {
                c.queue.add(object_key(&s.metadata));
            }
        });
        let c = self.clone();
        self.pods.on_event(move |e| match e {
            InformerEvent::Added(p) | InformerEvent::Deleted(p) => c.enqueue_services_of(p),
            InformerEvent::Updated { old, new } => c.pod_updated(old, new),
        });
        let c = self.clone();
        self.slices.on_event(move |e| match e {
            InformerEvent::Added(s) => c.slice_seen(s),
            InformerEvent::Updated { old, new } => {
                if service_key(old) != service_key(new) {
                    c.slice_gone(old);
                }
                c.slice_seen(new);
            }
            InformerEvent::Deleted(s) => c.slice_gone(s),
        });
    }

    fn enqueue_services_of(&self, pod: &Pod) {
        for s in matching_services(&self.services, pod) {
            self.queue.add(object_key(&s.metadata));
        }
    }

    fn pod_updated(&self, old: &Pod, new: &Pod) {
        let (pod, labels) = pod_changed(old, new);
        if !pod && !labels {
            return;
        }
        let keys = |p: &Pod| -> BTreeSet<Rc<str>> {
            matching_services(&self.services, p).iter().map(|s| object_key(&s.metadata)).collect()
        };
        let now = keys(new);
        if !labels {
            now.into_iter().for_each(|k| self.queue.add(k));
            return;
        }
        let before = keys(old);
        let concerned: Vec<_> = if pod {
            before.union(&now).cloned().collect()
        } else {
            before.symmetric_difference(&now).cloned().collect()
        };
        concerned.into_iter().for_each(|k| self.queue.add(k));
    }

    fn slice_seen(&self, s: &EndpointSlice) {
        let Some(key) = service_key(s) else { return };
        if self.tracker.borrow().should_sync(&key, s) {
            self.queue.add(key);
        }
    }

    fn slice_gone(&self, s: &EndpointSlice) {
        let Some(key) = service_key(s) else { return };
        if !self.tracker.borrow_mut().deletion_seen(&key, s) {
            self.queue.add(key);
        }
    }

    async fn sync_service(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(service) = self.services.get_named(ns, n) else {
            self.triggers.borrow_mut().delete_service(key);
            self.tracker.borrow_mut().delete_service(key);
            return Ok(());
        };
        let Some(selector) = service_selector(&service) else { return Ok(()) };
        let matching: Vec<Rc<Pod>> =
            self.pods.list_namespace(ns).into_iter().filter(|p| selector.matches_meta(&p.metadata)).collect();
        let mut slices = self.slices.by_index(SERVICE_INDEX, key);
        slices.retain(|s| s.metadata.deletion_timestamp.is_none());
        if self.tracker.borrow().is_stale(key, &slices) {
            return Err(SyncError::message("EndpointSlice informer cache is out of date"));
        }
        let trigger = self.triggers.borrow_mut().compute(key, &service, &matching);
        let outcome = self.reconciler.reconcile(&service, &matching, slices, trigger).await;
        if let Err(e) = &outcome {
            let message = format!(
                "Error updating Endpoint Slices for Service {}/{}: {e}",
                namespace(&service.metadata),
                name(&service.metadata)
            );
            self.recorder.event(&*service, EventType::Warning, "FailedToUpdateEndpointSlices", &message);
        }
        outcome
    }
}
