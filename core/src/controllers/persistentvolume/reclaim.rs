//! What becomes of a volume whose claim is gone. Models reclaimVolume of `pkg/controller/volume/persistentvolume/pv_controller.go`
//! and the deleter of `pkg/volume/hostpath`.

use k8s_openapi::api::core::v1::PersistentVolume;

use super::binder::Binder;
use super::matching::PROVISIONED_BY;
use crate::apiserver::{DeleteOptions, Preconditions};
use crate::client::{ClientError, EventType};
use crate::controllers::util::name;

/// How a volume is deleted.
enum Deleter {
    /// By whoever made it, outside this process.
    External,
    /// Here: nothing is left to do but the object.
    HostPath,
    /// It can't be.
    None(String),
}

fn deleter(volume: &PersistentVolume) -> Deleter {
    let maker = volume.metadata.annotations.as_ref().and_then(|a| a.get(PROVISIONED_BY));
    if maker.is_some_and(|m| !m.starts_with("kubernetes.io/")) {
        return Deleter::External;
    }
    match volume.spec.as_ref().and_then(|s| s.host_path.as_ref()) {
        Some(h) if h.path.strip_prefix("/tmp/").is_some_and(|rest| !rest.is_empty()) => Deleter::HostPath,
        Some(h) => Deleter::None(format!("host_path deleter only supports /tmp/.+ but received provided {}", h.path)),
        None => Deleter::None(format!(
            "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
            name(&volume.metadata)
        )),
    }
}

impl Binder {
    /// Does what the reclaim policy says.
    pub(super) async fn reclaim(&self, volume: &PersistentVolume) -> Result<(), ClientError> {
        let policy = volume.spec.as_ref().and_then(|s| s.persistent_volume_reclaim_policy.as_deref());
        if policy != Some("Delete") || volume.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        match deleter(volume) {
            Deleter::External => Ok(()),
            Deleter::HostPath => {
                let preconditions = Preconditions { uid: volume.metadata.uid.clone(), ..Preconditions::default() };
                let o = DeleteOptions { preconditions, ..DeleteOptions::default() };
                match self.client.delete::<PersistentVolume>("", name(&volume.metadata), &o).await {
                    Err(e) if !e.is_not_found() => Err(e),
                    _ => Ok(()),
                }
            }
            Deleter::None(why) => {
                let failed = volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Failed");
                self.set_volume_phase(volume, "Failed", &why).await?;
                if !failed {
                    self.recorder.event(volume, EventType::Warning, "VolumeFailedDelete", &why);
                }
                Ok(())
            }
        }
    }
}
