//! Validation of the kinds that are kept as JSON, a file a group.

pub(crate) mod admission;
pub(crate) mod aggregation;
pub(crate) mod approval;
mod budget;
pub(crate) mod certificates;
mod completeness;
mod csr;
pub(crate) mod expressions;
pub(crate) mod extensions;
pub(crate) mod flow_control;
mod merging;
pub(crate) mod mutating;
pub(crate) mod networking;
mod resource;
pub(crate) mod resource_claim;
pub(crate) mod resource_slice;
pub(crate) mod storage;
mod structural;
pub(crate) mod webhook;
