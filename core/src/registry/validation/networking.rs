//! Validation of the networking group.
//! Models `pkg/apis/networking/validation/validation.go`.

mod ingress;
mod ingress_class;
mod network_policy;

pub use ingress::{
    validate_create as validate_ingress_create, validate_status_update as validate_ingress_status_update,
    validate_update as validate_ingress_update, warnings as ingress_warnings,
};
pub use ingress_class::{
    validate_create as validate_ingress_class_create, validate_update as validate_ingress_class_update,
};
pub use network_policy::{
    validate_create as validate_network_policy_create, validate_update as validate_network_policy_update,
    warnings as network_policy_warnings,
};
