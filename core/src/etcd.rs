//! etcd: a revisioned key-value store with transactions, watches from a past revision, leases and compaction.
//!
//! Models etcd v3's `server/storage/mvcc` and `server/lease`. Only the api-server calls it. Values are the objects themselves:
//! they are encoded when somebody outside (etcdctl) reads them.

mod faded;
mod lease;
mod order;
mod store;

pub use lease::{LeaseId, Leases};
pub use store::{
    Compare, CompareTarget, Error, Etcd, Event, EventType, KeyValue, Op, RangeRequest, RangeResponse, TxnResponse,
    Value,
};
