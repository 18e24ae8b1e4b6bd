//! The Endpoints controller: which pods answer for a Service, in one object, as clients of old ask for it.
//! Models `pkg/controller/endpoint/endpoints_controller.go`.

mod subsets;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ControllerContext;
use super::util::endpoint::{matching_services, pod_changed, service_selector};
use super::util::trigger_times::TriggerTracker;
use super::util::worker::SyncResult;
use super::util::{name, namespace};
use crate::apiserver::DeleteOptions;
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};

/// `--concurrent-endpoint-syncs`.
const WORKERS: usize = 5;
const MAX_RETRIES: u32 = 15;
/// As many addresses as one object may have.
const CAPACITY: usize = 1000;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// What a sync costs the real controller beside its requests; events that come meanwhile are taken together by the next one.
const SYNC_COST: Duration = Duration::from_micros(200);
const SYNC_COST_PER_POD: Duration = Duration::from_micros(2);

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    services: Informer<Service>,
    pods: Informer<Pod>,
    endpoints: Informer<Endpoints>,
    queue: WorkQueue<Rc<str>>,
    triggers: Rc<RefCell<TriggerTracker>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("endpoint-controller");
    let c = Controller {
        recorder: ctx.recorder(&client, CONTROLLER),
        services: ctx.informer(),
        pods: ctx.informer(),
        endpoints: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        triggers: Rc::default(),
        client,
    };
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.pods.wait_synced().await;
        c.services.wait_synced().await;
        c.endpoints.wait_synced().await;
        c.delete_leftovers();
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

/// Labels as the Service has them, beside the controller's own two.
fn plain_labels(m: &ObjectMeta) -> BTreeMap<String, String> {
    let mut labels = m.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.remove(MANAGED_BY);
    labels
}

fn is_headless(service: &Service) -> bool {
    let ip = service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default();
    ip == "None" || ip.is_empty()
}

/// Leaves as many addresses as there is room for, ready ones first; whether any were left out.
fn truncate(subsets: &mut Vec<EndpointSubset>) -> bool {
    let count = |a: &Option<Vec<_>>| a.as_ref().map_or(0, Vec::len);
    let total: usize = subsets.iter().map(|s| count(&s.addresses) + count(&s.not_ready_addresses)).sum();
    if total <= CAPACITY {
        return false;
    }
    let ready: usize = subsets.iter().map(|s| count(&s.addresses)).sum();
    let (mut ready_room, mut other_room) = (CAPACITY, CAPACITY.saturating_sub(ready));
    for s in subsets.iter_mut() {
        for (list, room) in [(&mut s.addresses, &mut ready_room), (&mut s.not_ready_addresses, &mut other_room)] {
            if let Some(a) = list {
                a.truncate(*room);
                *room -= a.len();
            }
            if list.as_ref().is_some_and(Vec::is_empty) {
                *list = None;
            }
        }
    }
    subsets.retain(|s| s.addresses.is_some() || s.not_ready_addresses.is_some());
    true
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
            InformerEvent::Added(p) | InformerEvent::Deleted(p) => {
                c.keys_of(p).into_iter().for_each(|k| c.queue.add(k));
            }
            InformerEvent::Updated { old, new } => {
                let (pod, labels) = pod_changed(old, new);
                if !pod && !labels {
                    return;
                }
                let mut keys = c.keys_of(new);
                if labels {
                    keys.extend(c.keys_of(old));
                }
                keys.into_iter().for_each(|k| c.queue.add(k));
            }
        });
        let c = self.clone();
        self.endpoints.on_event(move |e| {
            if let InformerEvent::Deleted(o) = e {
                c.queue.add(object_key(&o.metadata));
            }
        });
    }

    fn keys_of(&self, pod: &Pod) -> BTreeSet<Rc<str>> {
        matching_services(&self.services, pod).iter().map(|s| object_key(&s.metadata)).collect()
    }

    /// Looks at Endpoints whose Services went while nobody watched.
    fn delete_leftovers(&self) {
        for o in self.endpoints.list() {
            let elected = o
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|a| a.contains_key("control-plane.alpha.kubernetes.io/leader"));
            if !elected {
                self.queue.add(object_key(&o.metadata));
            }
        }
    }

    async fn sync_service(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(service) = self.services.get_named(ns, n) else {
            self.triggers.borrow_mut().delete_service(key);
            return match self.client.delete::<Endpoints>(ns, n, &DeleteOptions::default()).await {
                Err(e) if !e.is_not_found() => Err(e.into()),
                _ => Ok(()),
            };
        };
        let Some(selector) = service_selector(&service) else { return Ok(()) };
        let mut matching = self.pods.list_namespace(ns);
        matching.retain(|p| selector.matches_meta(&p.metadata));
        let cost = SYNC_COST + SYNC_COST_PER_POD * u32::try_from(matching.len()).unwrap_or(u32::MAX);
        self.client.sim().sleep(cost).await;
        let trigger = self.triggers.borrow_mut().compute(key, &service, &matching);
        let mut subsets = crate::registry::repack_subsets(&subsets::of(&service, &matching));
        let truncated = truncate(&mut subsets);
        let current = self.endpoints.get_named(ns, n);
        if let Some(have) = &current {
            let annotated = |k: &str| have.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(k));
            let same = have.subsets.clone().unwrap_or_default() == subsets
                && plain_labels(&have.metadata) == service.metadata.labels.clone().unwrap_or_default()
                && annotated(OVER_CAPACITY) == truncated
                && have.metadata.labels.as_ref().is_some_and(|l| l.contains_key(MANAGED_BY));
            if same {
                return Ok(());
            }
        }
        let new = desired(&service, current.as_deref(), subsets, truncated, trigger);
        let (created, outcome) = match current {
            None => (true, self.client.create(new).await),
            Some(_) => (false, self.client.update(new).await),
        };
        let Err(e) = outcome else { return Ok(()) };
        let (reason, what) = if created {
            ("FailedToCreateEndpoint", "Failed to create endpoint for service")
        } else {
            ("FailedToUpdateEndpoint", "Failed to update endpoint")
        };
        let message = format!("{what} {}/{}: {e}", namespace(&service.metadata), name(&service.metadata));
        self.recorder.event(&*service, EventType::Warning, reason, &message);
        Err(e.into())
    }
}

fn desired(
    service: &Service,
    current: Option<&Endpoints>,
    subsets: Vec<EndpointSubset>,
    truncated: bool,
    trigger: Option<jiff::Timestamp>,
) -> Endpoints {
    let mut new = current.cloned().unwrap_or_else(|| Endpoints {
        metadata: ObjectMeta {
            name: service.metadata.name.clone(),
            namespace: service.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        subsets: None,
    });
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    if is_headless(service) {
        labels.insert(HEADLESS.into(), String::new());
    }
    new.metadata.labels = Some(labels);
    let mut annotations = new.metadata.annotations.take().unwrap_or_default();
    match trigger {
        Some(t) => annotations.insert(TRIGGER_TIME.into(), t.to_string()),
        None => annotations.remove(TRIGGER_TIME),
    };
    if truncated {
        annotations.insert(OVER_CAPACITY.into(), "truncated".into());
    } else {
        annotations.remove(OVER_CAPACITY);
    }
    new.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    new.subsets = (!subsets.is_empty()).then_some(subsets);
    new
}
