//! Claims get the default class, are protected while they are used, and grow only where their class allows it.
//! Models `plugin/pkg/admission/storage`.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;

use super::{Attributes, Verb, default_class, forbidden};
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::quantity::Quantity;
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

const DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// A claim that names no class gets the default one: the newest, if several say that they are.
pub(super) fn default_class(server: &ApiServer, obj: &mut Obj) {
    let Some(claim) = typed::<PersistentVolumeClaim>(&**obj) else { return };
    let annotated = claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(BETA_CLASS));
    if annotated || claim.spec.as_ref().is_some_and(|s| s.storage_class_name.is_some()) {
        return;
    }
    let classes = server.all_of::<StorageClass>(None);
    let Some(name) = default_class::newest(classes.iter().map(|c| &c.metadata), &DEFAULT) else { return };
    if let Some(claim) = typed_mut::<PersistentVolumeClaim>(make_mut(obj)) {
        claim.spec.get_or_insert_default().storage_class_name = Some(name);
    }
}

/// Adds the finalizer that keeps an object while something uses it.
pub(super) fn protect(obj: &mut Obj, finalizer: &str) {
    let finalizers = make_mut(obj).meta_mut().finalizers.get_or_insert_default();
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
}

/// A bound claim grows only if its class lets volumes grow.
pub(super) fn validate_resize(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    if a.verb != Verb::Update || !a.subresource.is_empty() {
        return Ok(());
    }
    let claim = |o: &Obj| typed::<PersistentVolumeClaim>(&**o).cloned();
    let (Some(new), Some(old)) = (claim(obj), old.and_then(claim)) else { return Ok(()) };
    let size = |c: &PersistentVolumeClaim| {
        let requests = c.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
        requests.and_then(|r| r.get("storage")).map(Quantity::of)
    };
    if size(&new) <= size(&old) {
        return Ok(());
    }
    if old.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
        return Err(forbidden(info, &**obj, "Only bound persistent volume claims can be expanded"));
    }
    let class = new.spec.as_ref().and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default();
    let grows = server.one_of::<StorageClass>("", class).is_some_and(|c| c.allow_volume_expansion == Some(true));
    if grows {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    Err(forbidden(info, &**obj, why))
}
