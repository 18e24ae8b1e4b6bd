//! Gives volumes to claims, or has them made, and waits for it. Models kube-scheduler `plugins/volumebinding/binder.go`
//! (BindPodVolumes).

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim};

use super::SchedulerProcess;
use crate::scheduler::framework::plugin::PreBindAction;
use crate::scheduler::plugins::volume_binding::{ANN_BIND_COMPLETED, ANN_BOUND_BY_CONTROLLER, ANN_SELECTED_NODE};
use crate::scheduler::schedule_one::Assignment;

/// How long claims may take to be bound.
const BIND_TIMEOUT: Duration = Duration::from_secs(600);
/// How often upstream looks.
const POLL: Duration = Duration::from_secs(1);

fn annotate(meta: &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, key: &str, value: &str) {
    meta.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}

impl SchedulerProcess {
    /// Does what must be done before the binding; an error says why it can't be.
    pub(super) async fn prepare(&self, assignment: &Assignment) -> Result<(), String> {
        let mut awaited: Vec<(Rc<str>, Rc<str>)> = Vec::new();
        for action in &assignment.pre_bind {
            match action {
                PreBindAction::BindVolume { volume, namespace, claim, claim_uid } => {
                    let claim_ref = ObjectReference {
                        api_version: Some("v1".into()),
                        kind: Some("PersistentVolumeClaim".into()),
                        namespace: Some(namespace.clone()),
                        name: Some(claim.clone()),
                        uid: Some(claim_uid.clone()),
                        ..ObjectReference::default()
                    };
                    let give = |pv: &mut PersistentVolume| {
                        pv.spec.get_or_insert_default().claim_ref = Some(claim_ref.clone());
                        annotate(&mut pv.metadata, ANN_BOUND_BY_CONTROLLER, "yes");
                    };
                    self.0.client.patch("", volume, "", give).await.map_err(|e| e.to_string())?;
                    awaited.push((namespace.as_str().into(), claim.as_str().into()));
                }
                PreBindAction::Provision { namespace, claim, node } => {
                    let select = |pvc: &mut PersistentVolumeClaim| annotate(&mut pvc.metadata, ANN_SELECTED_NODE, node);
                    self.0.client.patch(namespace, claim, "", select).await.map_err(|e| e.to_string())?;
                    awaited.push((namespace.as_str().into(), claim.as_str().into()));
                }
            }
        }
        let sim = self.0.client.sim();
        let deadline = sim.now() + BIND_TIMEOUT;
        while !awaited.is_empty() {
            if sim.now() >= deadline {
                return Err("binding volumes: context deadline exceeded".to_owned());
            }
            sim.sleep(POLL).await;
            let scheduler = self.0.scheduler.borrow();
            let mut gone = None;
            awaited.retain(|(namespace, name)| match scheduler.listers.claim(namespace, name) {
                None => {
                    gone = Some(name.clone());
                    true
                }
                Some(pvc) => !pvc.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ANN_BIND_COMPLETED)),
            });
            if let Some(name) = gone {
                return Err(format!("binding volumes: persistentvolumeclaim {name:?} not found"));
            }
        }
        Ok(())
    }
}
