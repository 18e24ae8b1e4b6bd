//! What wakes the binder, and how the two sides are bound. Models `pkg/controller/volume/persistentvolume/pv_controller_base.go`
//! and bind of `pv_controller.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod,
};
use k8s_openapi::api::storage::v1::StorageClass;

use super::matching::{BIND_COMPLETED, BOUND_BY_CONTROLLER, annotate, is_bound_to, volume_name};
use crate::client::{
    Client, ClientError, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key,
    reference,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::worker::run_workers;
use crate::controllers::util::{name, namespace};

/// `--pvclaimbinder-sync-period`: what waits is looked at again so often.
const SYNC_PERIOD: Duration = Duration::from_secs(15);

/// Pods by the claims that they use.
pub const CLAIM_INDEX: &str = "pod-pvc-index";

/// The binder. Clones share everything.
#[derive(Clone)]
pub(super) struct Binder {
    pub client: Client,
    pub recorder: EventRecorder,
    pub volumes: Informer<PersistentVolume>,
    pub claims: Informer<PersistentVolumeClaim>,
    pub classes: Informer<StorageClass>,
    pub pods: Informer<Pod>,
    pub claim_queue: WorkQueue<Rc<str>>,
    pub volume_queue: WorkQueue<Rc<str>>,
}

/// The keys of the claims that a pod uses, its own generic ephemeral ones with them.
pub fn claims_of(pod: &Pod) -> Vec<Rc<str>> {
    let (ns, pod_name) = (namespace(&pod.metadata), name(&pod.metadata));
    let of = |v: &k8s_openapi::api::core::v1::Volume| match (&v.persistent_volume_claim, &v.ephemeral) {
        (Some(c), _) => Some(format!("{ns}/{}", c.claim_name).into()),
        (None, Some(_)) => Some(format!("{ns}/{pod_name}-{}", v.name).into()),
        _ => None,
    };
    pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()).filter_map(of).collect()
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("persistent-volume-binder");
    let queue = || WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let b = Binder {
        recorder: ctx.recorder(&client, "persistentvolume-controller"),
        volumes: ctx.informer(),
        claims: ctx.informer(),
        classes: ctx.informer(),
        pods: ctx.informer(),
        claim_queue: queue(),
        volume_queue: queue(),
        client,
    };
    b.pods.add_index(CLAIM_INDEX, claims_of);
    b.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        b.volumes.wait_synced().await;
        b.claims.wait_synced().await;
        b.classes.wait_synced().await;
        b.pods.wait_synced().await;
        let worker = b.clone();
        run_workers(&ctx, &b.volume_queue, 1, move |key| {
            let b = worker.clone();
            async move { b.sync_volume(&key).await }
        });
        let worker = b.clone();
        run_workers(&ctx, &b.claim_queue, 1, move |key| {
            let b = worker.clone();
            async move { b.sync_claim(&key).await }
        });
        loop {
            ctx.sim().sleep(SYNC_PERIOD).await;
            b.claims.list().iter().for_each(|c| b.claim_queue.add(object_key(&c.metadata)));
            b.volumes.list().iter().for_each(|v| b.volume_queue.add(object_key(&v.metadata)));
        }
    });
}

impl Binder {
    fn watch(&self) {
        let b = self.clone();
        self.volumes.on_event(move |e| match e {
            InformerEvent::Added(v) | InformerEvent::Updated { new: v, .. } => {
                b.volume_queue.add(object_key(&v.metadata))
            }
            // The claim lost its volume.
            InformerEvent::Deleted(v) => {
                if let Some(r) = v.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) {
                    b.claim_queue.add(claim_key(r));
                }
            }
        });
        let b = self.clone();
        self.claims.on_event(move |e| match e {
            InformerEvent::Added(c) | InformerEvent::Updated { new: c, .. } => {
                b.claim_queue.add(object_key(&c.metadata))
            }
            // The volume is released.
            InformerEvent::Deleted(c) => {
                if !volume_name(c).is_empty() {
                    b.volume_queue.add(volume_name(c).into());
                }
            }
        });
    }

    /// Binds a volume and a claim: what is done already is left alone.
    pub(super) async fn bind(
        &self,
        volume: &PersistentVolume,
        claim: &PersistentVolumeClaim,
    ) -> Result<(), ClientError> {
        let volume = self.bind_volume_to_claim(volume, claim).await?;
        let volume = self.set_volume_phase(&volume, "Bound", "").await?;
        let claim = self.bind_claim_to_volume(claim, &volume).await?;
        self.set_claim_phase(&claim, "Bound", Some(&volume)).await
    }

    async fn bind_volume_to_claim(
        &self,
        volume: &PersistentVolume,
        claim: &PersistentVolumeClaim,
    ) -> Result<Rc<PersistentVolume>, ClientError> {
        let before = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
        let has_uid = before.and_then(|r| r.uid.as_deref()).is_some_and(|u| !u.is_empty());
        if has_uid && is_bound_to(volume, claim) {
            return Ok(Rc::new(volume.clone()));
        }
        let mut changed = volume.clone();
        if !is_bound_to(volume, claim) {
            annotate(&mut changed.metadata, BOUND_BY_CONTROLLER, "yes");
        }
        changed.spec.get_or_insert_default().claim_ref = Some(reference(claim));
        self.client.update(changed).await
    }

    async fn bind_claim_to_volume(
        &self,
        claim: &PersistentVolumeClaim,
        volume: &PersistentVolume,
    ) -> Result<Rc<PersistentVolumeClaim>, ClientError> {
        let mut changed = claim.clone();
        if volume_name(claim) != name(&volume.metadata) {
            changed.spec.get_or_insert_default().volume_name = volume.metadata.name.clone();
            annotate(&mut changed.metadata, BOUND_BY_CONTROLLER, "yes");
        }
        annotate(&mut changed.metadata, BIND_COMPLETED, "yes");
        if changed == *claim {
            return Ok(Rc::new(changed));
        }
        self.client.update(changed).await
    }

    /// Writes a volume's phase, if it is another.
    pub(super) async fn set_volume_phase(
        &self,
        volume: &PersistentVolume,
        phase: &str,
        message: &str,
    ) -> Result<Rc<PersistentVolume>, ClientError> {
        if volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some(phase) {
            return Ok(Rc::new(volume.clone()));
        }
        let mut changed = volume.clone();
        let status = changed.status.get_or_insert_default();
        status.phase = Some(phase.to_owned());
        status.message = (!message.is_empty()).then(|| message.to_owned());
        self.client.update_status(changed).await
    }

    /// Writes a claim's phase and what it has of its volume, if that is news.
    pub(super) async fn set_claim_phase(
        &self,
        claim: &PersistentVolumeClaim,
        phase: &str,
        volume: Option<&PersistentVolume>,
    ) -> Result<(), ClientError> {
        let old = claim.status.clone().unwrap_or_default();
        let mut new = PersistentVolumeClaimStatus { phase: Some(phase.to_owned()), ..old.clone() };
        match volume.and_then(|v| v.spec.as_ref()) {
            None => {
                new.access_modes = None;
                new.capacity = None;
            }
            Some(spec) => {
                new.access_modes = spec.access_modes.clone();
                let storage = spec.capacity.as_ref().and_then(|c| c.get("storage")).cloned();
                // Once it is bound a claim's capacity only changes by growing.
                if new.capacity.is_none() || old.phase.as_deref() != Some("Bound") {
                    new.capacity = storage.map(|s| [("storage".to_owned(), s)].into());
                }
            }
        }
        if new == old {
            return Ok(());
        }
        let mut changed = claim.clone();
        changed.status = Some(new);
        self.client.update_status(changed).await.map(|_| ())
    }

    /// The same, with an event if the phase is another.
    pub(super) async fn set_claim_phase_with_event(
        &self,
        claim: &PersistentVolumeClaim,
        phase: &str,
        reason: &str,
        message: &str,
    ) -> Result<(), ClientError> {
        let before = claim.status.as_ref().and_then(|s| s.phase.as_deref());
        let changes = before != Some(phase);
        self.set_claim_phase(claim, phase, None).await?;
        if changes {
            self.recorder.event(claim, EventType::Warning, reason, message);
        }
        Ok(())
    }
}

/// The key of the claim that a volume is kept for.
pub(super) fn claim_key(r: &ObjectReference) -> Rc<str> {
    format!("{}/{}", r.namespace.as_deref().unwrap_or_default(), r.name.as_deref().unwrap_or_default()).into()
}
