//! What `kubeadm init` does once the api-server answers: it keeps its configuration, marks the control-plane node, lets
//! machines join, and installs the add-ons. Models the phases `uploadconfig`, `markcontrolplane`, `bootstraptoken` and
//! `addons` of `cmd/kubeadm/app/phases`.

use std::time::Duration;

use base64::Engine as _;
use k8s_openapi::api::core::v1::{Node, Taint};
use serde_json::Value;
use sha2::Digest as _;

use super::manifests;
use crate::client::Client;
use crate::sim::Sim;

/// The label and the taint of control-plane nodes.
const ROLE: &str = "node-role.kubernetes.io/control-plane";
/// Says that kubeadm wrote a component's configuration and nobody changed it since.
const HASH: &str = "kubeadm.kubernetes.io/component-config.hash";
/// Models KubernetesAPICallRetryInterval.
const RETRY: Duration = Duration::from_millis(500);

const CONFIGURATION: &str = include_str!("kubeadm/configuration.yaml");
const BOOTSTRAP: &str = include_str!("kubeadm/bootstrap.yaml");
const ADDONS: &str = include_str!("kubeadm/addons.yaml");

/// What differs between clusters.
pub(super) struct Init {
    /// The control-plane machine's name.
    pub node: String,
    /// Its address.
    pub address: String,
    /// The pods' addresses.
    pub pod_network: &'static str,
}

/// Runs the phases, however long it takes until each of its calls succeeds.
pub(super) async fn init(sim: &Sim, client: &Client, init: &Init) {
    create_all(sim, client, init, CONFIGURATION).await;
    mark_control_plane(sim, client, &init.node).await;
    create_all(sim, client, init, BOOTSTRAP).await;
    create_all(sim, client, init, ADDONS).await;
}

/// Labels and taints the control-plane node as soon as it is there.
async fn mark_control_plane(sim: &Sim, client: &Client, node: &str) {
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
        sim.sleep(RETRY).await;
    }
}

/// Creates the objects of a text one after another; one that is there already stays as it is.
async fn create_all(sim: &Sim, client: &Client, init: &Init, text: &str) {
    for object in objects(text, init) {
        let registry = client.registry();
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let Some(id) = registry.find_kind(group, object["kind"].as_str().unwrap_or_default()) else { continue };
        let Ok(object) = registry.strategy(id).decode(object) else { continue };
        while let Err(e) = client.create_object(id, object.clone()).await {
            if e.is_already_exists() {
                break;
            }
            sim.sleep(RETRY).await;
        }
    }
}

/// The objects of a text, filled in.
fn objects(text: &str, init: &Init) -> Vec<Value> {
    let authority = base64::engine::general_purpose::STANDARD.encode(crate::controllers::ROOT_CA);
    let text = text
        .replace("$VERSION", manifests::VERSION)
        .replace("$COREDNS", manifests::COREDNS_TAG)
        .replace("$POD_NETWORK", init.pod_network)
        .replace("$ADDRESS", &init.address)
        .replace("$CA", &authority);
    let documents = text.split("\n---\n").filter_map(|d| crate::api::decode::parse_yaml(d.as_bytes()).ok());
    documents.map(signed).collect()
}

/// Writes the hash of a component's configuration into its ConfigMap. Models `componentconfigs.SignConfigMap`.
fn signed(mut object: Value) -> Value {
    let mut hash = sha2::Sha256::new();
    for text in object["data"].as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str()) {
        hash.update(text.as_bytes());
    }
    if let Some(slot) = object.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(HASH)) {
        let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        *slot = format!("sha256:{hex}").into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn every_object_is_of_a_kind_that_is_there() {
        let init = Init { node: "m".into(), address: "172.30.0.2".into(), pod_network: "10.244.0.0/16" };
        let registry = Registry::standard();
        let mut kinds = Vec::new();
        for text in [CONFIGURATION, BOOTSTRAP, ADDONS] {
            let found = objects(text, &init);
            assert_eq!(found.len(), text.split("\n---\n").count());
            for o in found {
                let group = o["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(g, _)| g).to_owned();
                let kind = o["kind"].as_str().unwrap().to_owned();
                let id = registry.find_kind(&group, &kind).unwrap_or_else(|| panic!("{group}/{kind}"));
                assert!(!o.to_string().contains('$') || kind == "DaemonSet", "{o}");
                registry.strategy(id).decode(o).unwrap();
                kinds.push(kind);
            }
        }
        let count = |k: &str| kinds.iter().filter(|kind| *kind == k).count();
        assert_eq!((count("DaemonSet"), count("Deployment"), count("Service"), count("ConfigMap")), (1, 1, 1, 5));
    }

    #[test]
    fn component_configurations_are_signed() {
        let map = |data: &str| {
            signed(serde_json::json!({"metadata": {"annotations": {HASH: ""}}, "data": {"b": data, "a": "x"}}))
        };
        // sha256sum of "xy".
        let want = "sha256:769a4e6d0003189c7e96c5d9b7e810a0d11c3a12832527ec94b0f86d277f51ca";
        let got = map("y");
        assert_eq!(got["metadata"]["annotations"][HASH], want);
        assert_ne!(got["metadata"], map("z")["metadata"]);
    }
}
