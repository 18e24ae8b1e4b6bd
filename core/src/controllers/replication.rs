//! The ReplicationController controller: the ReplicaSet controller over the older kind. Models `pkg/controller/replication`.

use k8s_openapi::api::core::v1::ReplicationController;

use super::ControllerContext;
use super::replicaset::ReplicaSetController;

/// `--concurrent-rc-syncs`.
const WORKERS: usize = 5;

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    ReplicaSetController::<ReplicationController>::start(
        ctx,
        "replication-controller",
        "replication-controller",
        WORKERS,
    );
}
