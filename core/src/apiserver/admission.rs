//! Admission: what is changed or refused on the way in, after authorization and before storage.
//! Models upstream's `plugin/pkg/admission` and `pkg/kubeapiserver/options/plugins.go` for the order.

use super::{ApiServer, Caller};
use crate::api::object::Obj;
use crate::api::status::Status;
use crate::registry::ResourceId;

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Create.
    Create,
    /// Update or patch.
    Update,
    /// Delete.
    Delete,
}

/// What admission knows of a request.
pub struct Attributes<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The kind.
    pub id: ResourceId,
    /// The namespace, empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The subresource, or empty.
    pub subresource: &'a str,
    /// The verb.
    pub verb: Verb,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// Runs the plugins that may change the object, in upstream's order.
pub fn admit(_server: &ApiServer, _a: &Attributes<'_>, _obj: &mut Obj, _old: Option<&Obj>) -> Result<(), Status> {
    Ok(())
}

/// Runs the plugins that only refuse.
pub fn validate(_server: &ApiServer, _a: &Attributes<'_>, _obj: &Obj, _old: Option<&Obj>) -> Result<(), Status> {
    Ok(())
}
