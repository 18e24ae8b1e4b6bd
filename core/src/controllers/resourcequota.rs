//! The ResourceQuota controller: what a namespace uses of its budgets, counted again whenever something goes.
//! Models `pkg/controller/resourcequota`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, ResourceQuotaStatus, Service};

use super::ControllerContext;
use super::util::namespace;
use super::util::worker::{SyncResult, run_workers};
use crate::api::object::{Obj, Object, typed};
use crate::client::{Client, Informer, InformerEvent, ObjectInformer, RateLimits, WorkQueue, object_key, split_key};
use crate::registry::ResourceInfo;
use crate::registry::quota::{self, Usage};
use crate::sim::Notify;

/// `--concurrent-resource-quota-syncs`.
const WORKERS: usize = 5;
/// `--resource-quota-sync-period`: everything is counted anew so often.
const RESYNC_PERIOD: Duration = Duration::from_secs(5 * 60);
/// How long kinds that are new may wait until they can be counted.
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);

/// A kind that quotas may count.
struct Monitor {
    info: ResourceInfo,
    objects: ObjectInformer,
}

#[derive(Clone)]
struct Controller {
    client: Client,
    quotas: Informer<ResourceQuota>,
    monitors: Rc<RefCell<Vec<Rc<Monitor>>>>,
    queue: WorkQueue<Rc<str>>,
    /// Quotas of which not even the first count is known: they don't wait behind the others.
    missing_usage: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("resourcequota-controller");
    let metadata = ctx.client("metadata-informers");
    let queue = || WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c =
        Controller { quotas: ctx.informer(), monitors: Rc::default(), queue: queue(), missing_usage: queue(), client };
    c.watch();
    c.discover(ctx, &metadata);
    c.follow_definitions(ctx, &metadata);
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.quotas.wait_synced().await;
        for m in c.monitors() {
            m.objects.wait_synced().await;
        }
        for queue in [&c.queue, &c.missing_usage] {
            let worker = c.clone();
            run_workers(&ctx, queue, WORKERS, move |key| {
                let c = worker.clone();
                async move { c.sync(&key).await }
            });
        }
        loop {
            ctx.sim().sleep(RESYNC_PERIOD).await;
            c.quotas.list().iter().for_each(|q| c.queue.add(object_key(&q.metadata)));
        }
    });
}

/// Whether an update may give something back. Models the update filter of `DefaultUpdateFilter`.
fn frees(old: &Obj, new: &Obj, now: jiff::Timestamp) -> bool {
    if let (Some(old), Some(new)) = (typed::<Pod>(&**old), typed::<Pod>(&**new)) {
        return quota::pod_counts(old, now) && !quota::pod_counts(new, now)
            || old.spec.as_ref().map(|s| &s.containers) != new.spec.as_ref().map(|s| &s.containers);
    }
    if let (Some(old), Some(new)) = (typed::<Service>(&**old), typed::<Service>(&**new)) {
        let counted = |s: &Service| {
            let ports = s.spec.as_ref().and_then(|s| s.ports.as_ref()).map_or(0, Vec::len);
            (s.spec.as_ref().and_then(|s| s.type_.clone()), ports)
        };
        return counted(old) != counted(new);
    }
    if let (Some(old), Some(new)) = (typed::<PersistentVolumeClaim>(&**old), typed::<PersistentVolumeClaim>(&**new)) {
        let asked = |c: &PersistentVolumeClaim| c.spec.as_ref().and_then(|s| s.resources.clone());
        return asked(old) != asked(new);
    }
    false
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.quotas.on_event(move |e| match e {
            InformerEvent::Added(q) | InformerEvent::Deleted(q) => c.add_quota(q),
            InformerEvent::Updated { old, new } => {
                if old.spec.as_ref().and_then(|s| s.hard.as_ref()) != new.spec.as_ref().and_then(|s| s.hard.as_ref()) {
                    c.add_quota(new);
                }
            }
        });
    }

    fn monitors(&self) -> Vec<Rc<Monitor>> {
        self.monitors.borrow().clone()
    }

    /// Begins to watch the kinds that can be counted and that nobody watches here yet.
    fn discover(&self, ctx: &ControllerContext, metadata: &Client) {
        let registry = self.client.registry();
        let mut seen: BTreeSet<_> = self.monitors().iter().map(|m| (m.info.group, m.info.resource)).collect();
        for id in registry.ids() {
            let info = *registry.info(id);
            if !info.namespaced || info.resource == "events" || !seen.insert((info.group, info.resource)) {
                continue;
            }
            let monitor = Rc::new(Monitor { info, objects: ctx.informers().object(id, metadata) });
            self.monitors.borrow_mut().push(monitor.clone());
            let c = self.clone();
            monitor.objects.on_event(move |e| {
                let freed = match e {
                    InformerEvent::Added(_) => None,
                    InformerEvent::Updated { old, new } => frees(old, new, c.client.sim().timestamp()).then_some(*new),
                    InformerEvent::Deleted(o) => Some(*o),
                };
                if let Some(o) = freed {
                    c.replenish(&info, &**o);
                }
            });
        }
    }

    /// Looks for new kinds after a CustomResourceDefinition changed.
    fn follow_definitions(&self, ctx: &ControllerContext, metadata: &Client) {
        let Some(id) = self.client.registry().find_kind("apiextensions.k8s.io", "CustomResourceDefinition") else {
            return;
        };
        let defined = Notify::new(ctx.sim());
        let told = defined.clone();
        ctx.informers().object(id, metadata).on_event(move |_| told.notify());
        let (c, ctx, metadata) = (self.clone(), ctx.clone(), metadata.clone());
        ctx.clone().spawn(async move {
            loop {
                defined.notified().await;
                ctx.sim().sleep(DISCOVERY_PERIOD).await;
                c.discover(&ctx, &metadata);
            }
        });
    }

    /// Counts the quotas of a namespace again that an object of a kind counted for.
    fn replenish(&self, info: &ResourceInfo, o: &dyn Object) {
        for quota in self.quotas.list_namespace(namespace(o.meta())) {
            let hard = quota.status.as_ref().and_then(|s| s.hard.as_ref());
            if hard.is_some_and(|h| h.keys().any(|k| quota::matches_resource(info, k))) {
                self.queue.add(object_key(&quota.metadata));
            }
        }
    }

    fn add_quota(&self, quota: &ResourceQuota) {
        let key = object_key(&quota.metadata);
        let status = quota.status.clone().unwrap_or_default();
        let (hard, used) = (status.hard.unwrap_or_default(), status.used.unwrap_or_default());
        let wanted = quota.spec.as_ref().and_then(|s| s.hard.clone()).unwrap_or_default();
        let monitors = self.monitors();
        let countable = |k: &String| monitors.iter().any(|m| quota::matches_resource(&m.info, k));
        if wanted != hard || hard.keys().any(|k| !used.contains_key(k) && countable(k)) {
            self.missing_usage.add(key);
        } else {
            self.queue.add(key);
        }
    }

    /// What the objects of a namespace use of a quota's resources; those that no kind counts for are left out.
    fn calculate(&self, quota: &ResourceQuota, hard: &Usage) -> Usage {
        let spec = quota.spec.clone().unwrap_or_default();
        let now = self.client.sim().timestamp();
        let mut sum = Usage::new();
        for m in self.monitors() {
            let matched: Vec<&String> = hard.keys().filter(|k| quota::matches_resource(&m.info, k)).collect();
            if matched.is_empty() {
                continue;
            }
            for k in &matched {
                sum.entry((*k).clone()).or_insert_with(quota::zero);
            }
            for o in m.objects.list_namespace(namespace(&quota.metadata)) {
                if quota::in_scope(&spec, &o) {
                    let mut usage = quota::usage(&m.info, &o, now);
                    usage.retain(|k, _| hard.contains_key(k));
                    quota::add(&mut sum, &usage);
                }
            }
        }
        sum
    }

    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(quota) = self.quotas.get_named(ns, n) else { return Ok(()) };
        let wanted = quota.spec.as_ref().and_then(|s| s.hard.clone());
        let status = quota.status.clone().unwrap_or_default();
        let hard = quota::amounts(wanted.as_ref());
        let before = quota::amounts(status.used.as_ref());
        let mut used = before.clone();
        used.extend(self.calculate(&quota, &hard));
        used.retain(|k, _| hard.contains_key(k));
        let dirty = wanted.clone().unwrap_or_default() != status.hard.clone().unwrap_or_default()
            || status.hard.is_none()
            || status.used.is_none()
            || used != before;
        if !dirty {
            return Ok(());
        }
        let mut changed = (*quota).clone();
        let used: BTreeMap<_, _> = quota::to_api(&used);
        changed.status = Some(ResourceQuotaStatus { hard: Some(wanted.unwrap_or_default()), used: Some(used) });
        self.client.update_status(changed).await?;
        Ok(())
    }
}
