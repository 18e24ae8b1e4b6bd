//! Claiming: a controller takes matching objects that nobody controls, and lets go of its own that no longer match.
//! Models `pkg/controller/controller_ref_manager.go`.

use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::worker::SyncError;
use super::{controller_of, name, namespace, new_controller_ref, uid};
use crate::api::labels::Selector;
use crate::api::object::Kind;
use crate::api::status::Status;
use crate::client::{Client, ClientError};

/// Claims objects of kind `T` for an owner of kind `O`.
pub struct RefManager<'a, O> {
    /// The controller's client.
    pub client: &'a Client,
    /// The owner as the informer knows it.
    pub owner: &'a O,
    /// What the owner wants.
    pub selector: &'a Selector,
}

impl<O: Kind> RefManager<'_, O> {
    /// Those of `objects` that are the owner's, after adopting and releasing. `filter` says what more an orphan must be to be
    /// adopted. Fails when an adoption or release failed; the rest was done all the same.
    pub async fn claim<T: Kind>(
        &self,
        objects: Vec<Rc<T>>,
        filter: impl Fn(&T) -> bool,
    ) -> Result<Vec<Rc<T>>, SyncError> {
        let mut claimed = Vec::with_capacity(objects.len());
        let mut errors = Vec::new();
        // Asked once, before the first adoption.
        let mut can_adopt: Option<Result<(), SyncError>> = None;
        let owner = self.owner.metadata();
        for object in objects {
            let m = object.metadata();
            if let Some(r) = controller_of(m) {
                if r.uid != uid(owner) {
                    continue;
                }
                if self.selector.matches_meta(m) && filter(&object) {
                    claimed.push(object);
                } else if owner.deletion_timestamp.is_none()
                    && let Err(e) = self.release(&*object).await
                {
                    errors.push(e);
                }
                continue;
            }
            let wanted = self.selector.matches_meta(m) && filter(&object) && namespace(m) == namespace(owner);
            if owner.deletion_timestamp.is_some() || !wanted || m.deletion_timestamp.is_some() {
                continue;
            }
            if can_adopt.is_none() {
                can_adopt = Some(self.can_adopt().await);
            }
            if let Some(Err(e)) = &can_adopt {
                errors.push(SyncError::message(format!(
                    "can't adopt {} {}/{} ({}): {e}",
                    T::KIND,
                    namespace(m),
                    name(m),
                    uid(m)
                )));
                continue;
            }
            match self.adopt(&*object).await {
                Ok(()) => claimed.push(object),
                // Gone meanwhile: nothing to adopt.
                Err(e) if e.is_not_found() => {}
                Err(e) => errors.push(e.into()),
            }
        }
        match errors.into_iter().next() {
            Some(e) => Err(e),
            None => Ok(claimed),
        }
    }

    /// Looks, past the informer, whether the owner is still there and not going. Models RecheckDeletionTimestamp.
    async fn can_adopt(&self) -> Result<(), SyncError> {
        let m = self.owner.metadata();
        let fresh = self.client.get::<O>(namespace(m), name(m)).await?;
        let f = fresh.metadata();
        if f.uid != m.uid {
            return Err(SyncError::message(format!(
                "original {} {}/{} is gone: got uid {}, wanted {}",
                O::KIND,
                namespace(m),
                name(m),
                uid(f),
                uid(m)
            )));
        }
        match &f.deletion_timestamp {
            Some(t) => {
                Err(SyncError::message(format!("{}/{} has just been deleted at {}", namespace(f), name(f), t.0)))
            }
            None => Ok(()),
        }
    }

    async fn adopt<T: Kind>(&self, object: &T) -> Result<(), ClientError> {
        let r = new_controller_ref(self.owner);
        patch_owners(self.client, object, move |refs| {
            refs.retain(|have| have.uid != r.uid);
            refs.push(r.clone());
        })
        .await
    }

    async fn release<T: Kind>(&self, object: &T) -> Result<(), SyncError> {
        let owner = uid(self.owner.metadata()).to_owned();
        match patch_owners(self.client, object, move |refs| refs.retain(|r| r.uid != owner)).await {
            Ok(()) => Ok(()),
            // Gone, or another object of the name, or the reference was taken off already.
            Err(e) if e.is_not_found() || e.status().is_some_and(|s| s.reason == "Invalid" || s.is_conflict()) => {
                Ok(())
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// Patches an object's owner references, if it still is the same object.
pub async fn patch_owners<T: Kind>(
    client: &Client,
    object: &T,
    mut change: impl FnMut(&mut Vec<OwnerReference>),
) -> Result<(), ClientError> {
    let m = object.metadata();
    let Some(id) = client.registry().id_of::<T>() else { return Ok(()) };
    let wanted = uid(m).to_owned();
    let info = client.registry().info(id);
    let (group, resource) = (info.group, info.resource);
    client
        .patch_object(id, namespace(m), name(m), "", |o| {
            if uid(o.meta()) != wanted {
                let n = name(o.meta());
                let why = format!(
                    "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
                    uid(o.meta())
                );
                return Err(Status::conflict(group, resource, n, &why));
            }
            let meta = crate::api::object::make_mut(o).meta_mut();
            let mut refs = meta.owner_references.take().unwrap_or_default();
            change(&mut refs);
            meta.owner_references = (!refs.is_empty()).then_some(refs);
            Ok(())
        })
        .await
        .map(|_| ())
}
