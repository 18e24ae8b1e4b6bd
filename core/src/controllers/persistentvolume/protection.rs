//! Claims stay while a pod uses them, volumes while a claim does, attributes' classes while either names them.
//! Models `pkg/controller/volume/pvcprotection`, `pvprotection` and `vacprotection`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::VolumeAttributesClass;

use super::binder::{CLAIM_INDEX, claims_of};
use crate::api::object::Kind;
use crate::client::{Client, ClientError, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::pods;
use crate::controllers::util::worker::{SyncResult, run_workers};

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";
const CLASS_FINALIZER: &str = "kubernetes.io/vac-protection";
/// Claims and volumes by the classes of attributes that they name.
const CLASS_INDEX: &str = "volumeAttributesClassName";

/// Starts the three controllers.
pub fn start(ctx: &ControllerContext) {
    start_claims(ctx);
    start_volumes(ctx);
    start_classes(ctx);
}

fn has<K: Kind>(o: &K, finalizer: &str) -> bool {
    o.metadata().finalizers.iter().flatten().any(|f| f == finalizer)
}

/// Adds or removes a finalizer.
async fn set<K: Kind>(client: &Client, o: &Rc<K>, finalizer: &str, wanted: bool) -> Result<(), ClientError> {
    let mut changed = (**o).clone();
    let m = changed.metadata_mut();
    let mut all = m.finalizers.take().unwrap_or_default();
    all.retain(|f| f != finalizer);
    if wanted {
        all.push(finalizer.to_owned());
    }
    m.finalizers = (!all.is_empty()).then_some(all);
    match client.update(changed).await {
        Err(e) if !e.is_not_found() => Err(e),
        _ => Ok(()),
    }
}

#[derive(Clone)]
struct Claims {
    client: Client,
    claims: Informer<PersistentVolumeClaim>,
    pods: Informer<Pod>,
    queue: WorkQueue<Rc<str>>,
}

fn start_claims(ctx: &ControllerContext) {
    let client = ctx.client("pvc-protection-controller");
    let queue = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = Claims { claims: ctx.informer(), pods: ctx.informer(), queue, client };
    c.pods.add_index(CLAIM_INDEX, claims_of);
    let queue = c.queue.clone();
    c.claims.on_event(move |e| {
        if let InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } = e {
            let unprotected = o.metadata.deletion_timestamp.is_none() && !has(&***o, CLAIM_FINALIZER);
            let going = o.metadata.deletion_timestamp.is_some() && has(&***o, CLAIM_FINALIZER);
            if unprotected || going {
                queue.add(object_key(&o.metadata));
            }
        }
    });
    let queue = c.queue.clone();
    c.pods.on_event(move |e| match e {
        InformerEvent::Added(p) | InformerEvent::Updated { new: p, .. } => {
            if pods::is_terminal(p) || pods::node_name(p).is_empty() {
                claims_of(p).into_iter().for_each(|k| queue.add(k));
            }
        }
        InformerEvent::Deleted(p) => claims_of(p).into_iter().for_each(|k| queue.add(k)),
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.claims.wait_synced().await;
        c.pods.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, 5, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

impl Claims {
    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(claim) = self.claims.get_named(ns, n) else { return Ok(()) };
        let protected = has(&*claim, CLAIM_FINALIZER);
        if claim.metadata.deletion_timestamp.is_none() {
            if !protected {
                set(&self.client, &claim, CLAIM_FINALIZER, true).await?;
            }
            return Ok(());
        }
        // A pod without a node won't be started any more with a claim that is going.
        let used = |p: &Rc<Pod>| !pods::node_name(p).is_empty();
        if protected && !self.pods.by_index(CLAIM_INDEX, key).iter().any(used) {
            set(&self.client, &claim, CLAIM_FINALIZER, false).await?;
        }
        Ok(())
    }
}

fn start_volumes(ctx: &ControllerContext) {
    let client = ctx.client("pv-protection-controller");
    let queue = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let volumes: Informer<PersistentVolume> = ctx.informer();
    let q = queue.clone();
    volumes.on_event(move |e| {
        if let InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } = e {
            q.add(object_key(&o.metadata));
        }
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        volumes.wait_synced().await;
        run_workers(&ctx, &queue, 1, move |key| {
            let (client, volumes) = (client.clone(), volumes.clone());
            async move {
                let Some(volume) = volumes.get(&key) else { return Ok(()) };
                let (protected, going) =
                    (has(&*volume, VOLUME_FINALIZER), volume.metadata.deletion_timestamp.is_some());
                let bound = volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound");
                if !going && !protected {
                    set(&client, &volume, VOLUME_FINALIZER, true).await?;
                } else if going && protected && !bound {
                    set(&client, &volume, VOLUME_FINALIZER, false).await?;
                }
                Ok(())
            }
        });
    });
}

#[derive(Clone)]
struct Classes {
    client: Client,
    classes: Informer<VolumeAttributesClass>,
    volumes: Informer<PersistentVolume>,
    claims: Informer<PersistentVolumeClaim>,
}

fn classes_of_volume(volume: &PersistentVolume) -> Vec<Rc<str>> {
    let name = volume.spec.as_ref().and_then(|s| s.volume_attributes_class_name.as_deref());
    name.into_iter().filter(|n| !n.is_empty()).map(Into::into).collect()
}

/// The class that a claim wants, the one that it has and the one that it is about to have.
fn classes_of_claim(claim: &PersistentVolumeClaim) -> Vec<Rc<str>> {
    let wanted = claim.spec.as_ref().and_then(|s| s.volume_attributes_class_name.as_deref());
    let status = claim.status.as_ref();
    let current = status.and_then(|s| s.current_volume_attributes_class_name.as_deref());
    let target = status.and_then(|s| s.modify_volume_status.as_ref());
    let target = target.and_then(|m| m.target_volume_attributes_class_name.as_deref());
    let mut all: Vec<Rc<str>> = Vec::new();
    for name in [wanted, current, target].into_iter().flatten().filter(|n| !n.is_empty()) {
        if !all.iter().any(|have| **have == *name) {
            all.push(name.into());
        }
    }
    all
}

/// Asks again for the classes that an object no longer names.
fn watch_users<K: Kind>(users: &Informer<K>, queue: &WorkQueue<Rc<str>>, of: fn(&K) -> Vec<Rc<str>>) {
    let queue = queue.clone();
    users.on_event(move |e| match e {
        InformerEvent::Updated { old, new } => {
            let still = of(new);
            of(old).into_iter().filter(|c| !still.contains(c)).for_each(|c| queue.add(c));
        }
        InformerEvent::Deleted(o) => of(o).into_iter().for_each(|c| queue.add(c)),
        InformerEvent::Added(_) => {}
    });
}

fn start_classes(ctx: &ControllerContext) {
    let client = ctx.client("volumeattributesclass-protection-controller");
    let queue = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = Classes { classes: ctx.informer(), volumes: ctx.informer(), claims: ctx.informer(), client };
    c.volumes.add_index(CLASS_INDEX, classes_of_volume);
    c.claims.add_index(CLASS_INDEX, classes_of_claim);
    let q = queue.clone();
    c.classes.on_event(move |e| {
        if let InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } = e
            && o.metadata.deletion_timestamp.is_some() == has(&***o, CLASS_FINALIZER)
        {
            q.add(object_key(&o.metadata));
        }
    });
    watch_users(&c.volumes, &queue, classes_of_volume);
    watch_users(&c.claims, &queue, classes_of_claim);
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.volumes.wait_synced().await;
        c.claims.wait_synced().await;
        c.classes.wait_synced().await;
        run_workers(&ctx, &queue, 1, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

impl Classes {
    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let Some(class) = self.classes.get(key) else { return Ok(()) };
        let (protected, going) = (has(&*class, CLASS_FINALIZER), class.metadata.deletion_timestamp.is_some());
        let used = || {
            !self.volumes.by_index(CLASS_INDEX, key).is_empty() || !self.claims.by_index(CLASS_INDEX, key).is_empty()
        };
        if !going && !protected {
            set(&self.client, &class, CLASS_FINALIZER, true).await?;
        } else if going && protected && !used() {
            set(&self.client, &class, CLASS_FINALIZER, false).await?;
        }
        Ok(())
    }
}
