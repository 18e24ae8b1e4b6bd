//! Claims stay while a pod uses them, volumes while a claim does. Models `pkg/controller/volume/pvcprotection` and `pvprotection`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};

use super::binder::{CLAIM_INDEX, claims_of};
use crate::api::object::Kind;
use crate::client::{Client, ClientError, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::pods;
use crate::controllers::util::worker::{SyncResult, run_workers};

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

/// Starts both controllers.
pub fn start(ctx: &ControllerContext) {
    start_claims(ctx);
    start_volumes(ctx);
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
