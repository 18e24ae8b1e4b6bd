//! What kubeadm does by itself once the api-server answers. Models kubeadm's `phases/markcontrolplane`.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::client::Client;
use crate::sim::Sim;

/// The label and the taint of control-plane nodes.
const ROLE: &str = "node-role.kubernetes.io/control-plane";

/// Labels and taints the control-plane node as soon as it is there.
pub(super) async fn mark_control_plane(sim: &Sim, client: &Client, node: &str) {
    loop {
        let marked = client
            .patch::<Node>("", node, "", |n| {
                let labels = n.metadata.labels.get_or_insert_default();
                labels.insert(ROLE.into(), String::new());
                labels.insert("node.kubernetes.io/exclude-from-external-load-balancers".into(), String::new());
                let taints = n.spec.get_or_insert_default().taints.get_or_insert_default();
                if !taints.iter().any(|t| t.key == ROLE) {
                    taints.push(Taint { key: ROLE.into(), effect: "NoSchedule".into(), ..Taint::default() });
                }
            })
            .await;
        if marked.is_ok() {
            return;
        }
        // Models kubeadm's WaitForKubernetes polling.
        sim.sleep(Duration::from_millis(500)).await;
    }
}
