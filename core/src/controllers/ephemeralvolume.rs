//! Generic ephemeral volumes: a claim that comes and goes with its pod. Models `pkg/controller/volume/ephemeral`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ControllerContext;
use super::util::worker::{SyncError, SyncResult, run_workers};
use super::util::{name, namespace, new_controller_ref, uid};
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};

/// `--concurrent-ephemeralvolume-syncs`.
const WORKERS: usize = 5;

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    pods: Informer<Pod>,
    claims: Informer<PersistentVolumeClaim>,
    queue: WorkQueue<Rc<str>>,
}

fn has_ephemeral(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()).any(|v| v.ephemeral.is_some())
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("ephemeral-volume-controller");
    let c = Controller {
        recorder: ctx.recorder(&client, "ephemeral_volume"),
        pods: ctx.informer(),
        claims: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        client,
    };
    let queue = c.queue.clone();
    // A pod's volumes don't change: its coming is enough.
    c.pods.on_event(move |e| {
        if let InformerEvent::Added(p) = e
            && p.metadata.deletion_timestamp.is_none()
            && has_ephemeral(p)
        {
            queue.add(object_key(&p.metadata));
        }
    });
    // A claim that is gone is made again for its pod.
    let watcher = c.clone();
    c.claims.on_event(move |e| {
        if let InformerEvent::Deleted(claim) = e
            && let Some(r) = super::util::controller_of(&claim.metadata).filter(|r| super::util::ref_is::<Pod>(r))
        {
            watcher.queue.add(format!("{}/{}", namespace(&claim.metadata), r.name).into());
        }
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.pods.wait_synced().await;
        c.claims.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

impl Controller {
    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(pod) = self.pods.get_named(ns, n).filter(|p| p.metadata.deletion_timestamp.is_none()) else {
            return Ok(());
        };
        for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
            let Some(ephemeral) = &volume.ephemeral else { continue };
            let claim_name = format!("{}-{}", name(&pod.metadata), volume.name);
            if let Some(have) = self.claims.get_named(ns, &claim_name) {
                let ours = super::util::controller_of(&have.metadata).is_some_and(|r| r.uid == uid(&pod.metadata));
                if !ours {
                    let why = format!("PVC {ns}/{claim_name} was not created for pod {ns}/{n} (pod is not owner)");
                    self.recorder.event(
                        &*pod,
                        EventType::Warning,
                        "FailedBinding",
                        &format!("ephemeral volume {}: {why}", volume.name),
                    );
                    return Err(SyncError::message(why));
                }
                continue;
            }
            let Some(template) = &ephemeral.volume_claim_template else { continue };
            let meta = template.metadata.clone().unwrap_or_default();
            let claim = PersistentVolumeClaim {
                metadata: ObjectMeta {
                    name: Some(claim_name),
                    namespace: pod.metadata.namespace.clone(),
                    labels: meta.labels,
                    annotations: meta.annotations,
                    owner_references: Some(vec![new_controller_ref(&*pod)]),
                    ..ObjectMeta::default()
                },
                spec: Some(template.spec.clone()),
                ..PersistentVolumeClaim::default()
            };
            self.client.create(claim).await?;
        }
        Ok(())
    }
}
