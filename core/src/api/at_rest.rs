//! Objects that are kept and hardly ever looked at, packed: a tenth of what they take to be looked at. What says more than is
//! usual stays as it is.

pub(crate) mod event;
pub(crate) mod pod_status;
