//! Validation of ServiceAccounts.
//! Models `pkg/apis/core/validation/validation.go` (ValidateServiceAccount and ValidateServiceAccountUpdate).

use k8s_openapi::api::core::v1::ServiceAccount;

use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

/// Checks a new ServiceAccount.
pub fn validate_create(account: &ServiceAccount) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&account.metadata, true, name_is_dns_subdomain, &mut errs);
    errs
}

/// Checks a changed ServiceAccount.
pub fn validate_update(new: &ServiceAccount, old: &ServiceAccount) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    errs.extend(validate_create(new));
    errs
}
