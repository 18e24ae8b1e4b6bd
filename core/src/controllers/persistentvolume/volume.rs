//! A sync of one volume. Models syncVolume of `pkg/controller/volume/persistentvolume/pv_controller.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use super::binder::{Binder, claim_key};
use super::matching::{BOUND_BY_CONTROLLER, PROVISIONED_BY, annotated, modes_match, volume_name};
use crate::client::{ClientError, EventType, split_key};
use crate::controllers::util::worker::SyncResult;
use crate::controllers::util::{name, uid};

impl Binder {
    pub(super) async fn sync_volume(&self, key: &Rc<str>) -> SyncResult {
        let Some(volume) = self.volumes.get(key) else { return Ok(()) };
        let Some(r) = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) else {
            self.set_volume_phase(&volume, "Available", "").await?;
            return Ok(());
        };
        let id = r.uid.as_deref().unwrap_or_default();
        if id.is_empty() {
            // Kept for a claim that is yet to be bound.
            self.set_volume_phase(&volume, "Available", "").await?;
            return Ok(());
        }
        let key = claim_key(r);
        let mut claim = self.claims.get(&key);
        if claim.as_ref().is_none_or(|c| uid(&c.metadata) != id) && !self.has_ended(&volume) {
            // The informer may be behind: before a volume is given up the api-server is asked.
            let (ns, n) = split_key(&key);
            claim = match self.client.get::<PersistentVolumeClaim>(ns, n).await {
                Ok(c) => Some(c),
                Err(e) if e.is_not_found() => None,
                Err(e) => return Err(e.into()),
            };
        }
        match claim.filter(|c| uid(&c.metadata) == id) {
            None => self.release(&volume).await,
            Some(claim) if volume_name(&claim).is_empty() => {
                if !modes_match(&volume, &claim) {
                    let n = name(&volume.metadata);
                    let message = format!(
                        "Cannot bind PersistentVolume to requested PersistentVolumeClaim {:?} due to incompatible volumeMode.",
                        name(&claim.metadata)
                    );
                    self.recorder.event(&*volume, EventType::Warning, "VolumeMismatch", &message);
                    let message = format!(
                        "Cannot bind PersistentVolume {n:?} to requested PersistentVolumeClaim {:?} due to incompatible volumeMode",
                        name(&claim.metadata)
                    );
                    self.recorder.event(&*claim, EventType::Warning, "VolumeMismatch", &message);
                    return Ok(());
                }
                // The claim's own sync finishes the binding.
                self.claim_queue.add(key);
                Ok(())
            }
            Some(claim) if volume_name(&claim) == name(&volume.metadata) => {
                self.set_volume_phase(&volume, "Bound", "").await?;
                Ok(())
            }
            // The claim has another volume.
            Some(_) => {
                let deletes = volume.spec.as_ref().and_then(|s| s.persistent_volume_reclaim_policy.as_deref());
                if annotated(&volume.metadata, PROVISIONED_BY) && deletes == Some("Delete") {
                    return self.release(&volume).await;
                }
                Ok(self.unbind(&volume).await?)
            }
        }
    }

    fn has_ended(&self, volume: &PersistentVolume) -> bool {
        matches!(volume.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Released" | "Failed"))
    }

    /// The claim is gone.
    async fn release(&self, volume: &PersistentVolume) -> SyncResult {
        let volume = match self.has_ended(volume) {
            true => Rc::new(volume.clone()),
            false => self.set_volume_phase(volume, "Released", "").await?,
        };
        Ok(self.reclaim(&volume).await?)
    }

    /// Lets go of a claim: of all of it if the binder chose it, else of its uid.
    async fn unbind(&self, volume: &PersistentVolume) -> Result<(), ClientError> {
        let mut changed = volume.clone();
        let spec = changed.spec.get_or_insert_default();
        if annotated(&volume.metadata, BOUND_BY_CONTROLLER) {
            spec.claim_ref = None;
            if let Some(a) = &mut changed.metadata.annotations {
                a.remove(BOUND_BY_CONTROLLER);
            }
        } else if let Some(r) = &mut spec.claim_ref {
            r.uid = None;
        }
        let changed = self.client.update(changed).await?;
        self.set_volume_phase(&changed, "Available", "").await.map(|_| ())
    }
}
