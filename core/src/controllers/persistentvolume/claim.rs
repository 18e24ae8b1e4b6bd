//! A sync of one claim. Models syncUnboundClaim and syncBoundClaim of `pkg/controller/volume/persistentvolume/pv_controller.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;

use super::binder::{Binder, CLAIM_INDEX};
use super::matching::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE, annotate, annotated, claim_class, find, is_bound_to, satisfies,
    volume_name,
};
use crate::client::{ClientError, EventType, object_key, split_key};
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{name, pods, uid};

/// Says who is to make a claim's volume: the old name and the new one.
const PROVISIONER: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];

const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

impl Binder {
    pub(super) async fn sync_claim(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(claim) = self.claims.get_named(ns, n) else { return Ok(()) };
        if annotated(&claim.metadata, BIND_COMPLETED) {
            self.sync_bound_claim(&claim).await
        } else if volume_name(&claim).is_empty() {
            self.sync_unbound_claim(&claim).await
        } else {
            self.sync_claim_with_choice(&claim).await
        }
    }

    /// A claim of any volume that will do.
    async fn sync_unbound_claim(&self, claim: &PersistentVolumeClaim) -> SyncResult {
        let class = self.classes.get(claim_class(claim));
        let waits = |c: &Rc<StorageClass>| c.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
        let delayed = class.as_ref().is_some_and(waits);
        if let Some(volume) = find(&self.volumes.list(), claim, delayed) {
            return Ok(self.bind(&volume, claim).await?);
        }
        if self.assign_default_class(claim).await? {
            return Ok(());
        }
        if delayed && !annotated(&claim.metadata, SELECTED_NODE) {
            self.tell_of_waiting(claim);
        } else if !claim_class(claim).is_empty() {
            return Ok(self.provision(claim, class).await?);
        } else {
            let message = "no persistent volumes available for this claim and no storage class is set";
            self.recorder.event(claim, EventType::Normal, "FailedBinding", message);
        }
        Ok(self.set_claim_phase(claim, "Pending", None).await?)
    }

    fn tell_of_waiting(&self, claim: &PersistentVolumeClaim) {
        let users = self.pods.by_index(CLAIM_INDEX, &object_key(&claim.metadata));
        let waiting: Vec<&str> =
            users.iter().filter(|p| pods::node_name(p).is_empty()).map(|p| name(&p.metadata)).collect();
        let (reason, message) = match waiting.as_slice() {
            [] => ("WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned()),
            [one] => ("WaitForPodScheduled", format!("waiting for pod {one} to be scheduled")),
            several => ("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", several.join(","))),
        };
        self.recorder.event(claim, EventType::Normal, reason, &message);
    }

    /// Gives a claim that names no class the default one, if there is one by now.
    async fn assign_default_class(&self, claim: &PersistentVolumeClaim) -> Result<bool, ClientError> {
        let named = claim.spec.as_ref().is_some_and(|s| s.storage_class_name.is_some());
        if named || annotated(&claim.metadata, "volume.beta.kubernetes.io/storage-class") {
            return Ok(false);
        }
        let is_default = |c: &Rc<StorageClass>| {
            let annotations = c.metadata.annotations.as_ref();
            annotations.is_some_and(|a| DEFAULT_CLASS.iter().any(|d| a.get(*d).is_some_and(|v| v == "true")))
        };
        let made = |c: &StorageClass| c.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let classes = self.classes.list();
        let newest = classes
            .iter()
            .filter(|c| is_default(c))
            .max_by(|a, b| made(a).cmp(&made(b)).then_with(|| name(&b.metadata).cmp(name(&a.metadata))));
        let Some(class) = newest else { return Ok(false) };
        let mut changed = claim.clone();
        changed.spec.get_or_insert_default().storage_class_name = class.metadata.name.clone();
        self.client.update(changed).await.map(|_| true)
    }

    /// Asks the class's provisioner for a volume: whoever it is, it is not in this process.
    async fn provision(
        &self,
        claim: &PersistentVolumeClaim,
        class: Option<Rc<StorageClass>>,
    ) -> Result<(), ClientError> {
        let failed = |why: &str| self.recorder.event(claim, EventType::Warning, "ProvisioningFailed", why);
        let Some(class) = class else {
            failed(&format!("storageclass.storage.k8s.io {:?} not found", claim_class(claim)));
            return Ok(());
        };
        let provisioner = class.provisioner.as_str();
        if provisioner.starts_with("kubernetes.io/") {
            failed(&format!("no volume plugin matched name: {provisioner}"));
            return Ok(());
        }
        let mut changed = claim.clone();
        PROVISIONER.iter().for_each(|k| annotate(&mut changed.metadata, k, provisioner));
        if changed != *claim {
            self.client.update(changed).await?;
        }
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        self.recorder.event(claim, EventType::Normal, "ExternalProvisioning", &message);
        Ok(())
    }

    /// A claim of one volume.
    async fn sync_claim_with_choice(&self, claim: &PersistentVolumeClaim) -> SyncResult {
        let Some(volume) = self.volumes.get(volume_name(claim)) else {
            return Ok(self.set_claim_phase(claim, "Pending", None).await?);
        };
        if volume.spec.as_ref().is_none_or(|s| s.claim_ref.is_none()) {
            if let Err(why) = satisfies(&volume, claim) {
                let message = format!("Cannot bind to requested volume {:?}: {why}", name(&volume.metadata));
                self.recorder.event(claim, EventType::Warning, "VolumeMismatch", &message);
                return Ok(self.set_claim_phase(claim, "Pending", None).await?);
            }
            return Ok(self.bind(&volume, claim).await?);
        }
        if is_bound_to(&volume, claim) {
            return Ok(self.bind(&volume, claim).await?);
        }
        if !annotated(&claim.metadata, BOUND_BY_CONTROLLER) {
            return Ok(self.set_claim_phase(claim, "Pending", None).await?);
        }
        Err(SyncError::message(format!(
            "invalid binding of claim {:?} to volume {:?}: volume already claimed by another claim",
            object_key(&claim.metadata),
            volume_name(claim)
        )))
    }

    async fn sync_bound_claim(&self, claim: &PersistentVolumeClaim) -> SyncResult {
        let lost = async |reason: &str, message: &str| {
            Ok(self.set_claim_phase_with_event(claim, "Lost", reason, message).await?)
        };
        if volume_name(claim).is_empty() {
            return lost(
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
            )
            .await;
        }
        let Some(volume) = self.volumes.get(volume_name(claim)) else {
            return lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!").await;
        };
        let holder = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
        if holder.is_none_or(|r| r.uid.as_deref() == Some(uid(&claim.metadata))) {
            return Ok(self.bind(&volume, claim).await?);
        }
        lost("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly").await
    }
}
