//! The ReplicaSet controller, and the ReplicationController controller that is the same over another kind.
//! Models `pkg/controller/replicaset` and `pkg/controller/replication`.

mod controller;
mod status;
mod workload;

use k8s_openapi::api::apps::v1::ReplicaSet;

pub use controller::ReplicaSetController;
pub use workload::{Replicated, ReplicatedStatus};

use super::ControllerContext;

/// `--concurrent-replicaset-syncs`.
const WORKERS: usize = 5;

/// Starts the ReplicaSet controller.
pub fn start(ctx: &ControllerContext) {
    ReplicaSetController::<ReplicaSet>::start(ctx, "replicaset-controller", "replicaset-controller", WORKERS);
}
