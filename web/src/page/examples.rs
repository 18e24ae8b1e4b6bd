//! Manifests to begin with: the seeds' two, byte for byte, and a Deployment.

/// An example: its name on the chip, and its text.
pub const EXAMPLES: [(&str, &str); 3] = [
    ("ReplicationController", include_str!("../../../static/manifests/replicationcontroller.yaml")),
    ("ReplicaSet", include_str!("../../../static/manifests/replicaset.yaml")),
    ("Deployment", include_str!("../../../static/manifests/deployment.yaml")),
];
