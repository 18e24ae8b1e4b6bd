//! What a kubelet is told by its flags, its configuration file and its machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use k8s_openapi::api::core::v1::Taint;

/// The version that this kubelet is.
pub const VERSION: &str = "v1.36.2";

/// A kubelet's configuration.
#[derive(Clone)]
pub struct KubeletConfig {
    /// The node's name: the machine's host name.
    pub node_name: Rc<str>,
    /// The machine's address.
    pub node_ip: IpAddr,
    /// Labels beside those that every node has (`--node-labels`, and what kubeadm adds).
    pub labels: BTreeMap<String, String>,
    /// `registerWithTaints`.
    pub taints: Vec<Taint>,
    /// CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Disk for containers.
    pub ephemeral_storage_bytes: u64,
    /// maxPods.
    pub max_pods: u32,
    /// Changes with every boot of the machine.
    pub boot_id: Rc<str>,
    /// Stays as long as the machine.
    pub machine_id: Rc<str>,
    /// `uname -r`.
    pub kernel_version: Rc<str>,
    /// `/etc/os-release`.
    pub os_image: Rc<str>,
    /// containerd's version, such as `2.2.0`.
    pub containerd_version: Rc<str>,
    /// `clusterDNS`.
    pub cluster_dns: Vec<IpAddr>,
    /// `clusterDomain`.
    pub cluster_domain: Rc<str>,
    /// Reads the files below a path of the machine: the static pods' manifests, and hostPath volumes.
    pub files: Rc<dyn Fn(&str) -> Vec<(String, String)>>,
    /// `staticPodPath`.
    pub static_pod_path: Rc<str>,
}

impl Default for KubeletConfig {
    fn default() -> Self {
        KubeletConfig {
            node_name: "node".into(),
            node_ip: IpAddr::from([127, 0, 0, 1]),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            cpus: 4,
            memory_bytes: 8046 << 20,
            ephemeral_storage_bytes: 61_255_492 << 10,
            max_pods: 110,
            boot_id: "".into(),
            machine_id: "".into(),
            kernel_version: "6.12.48+deb13-amd64".into(),
            os_image: "Debian GNU/Linux 13 (trixie)".into(),
            containerd_version: "2.2.0".into(),
            cluster_dns: vec![IpAddr::from([10, 96, 0, 10])],
            cluster_domain: "cluster.local".into(),
            files: Rc::new(|_| Vec::new()),
            static_pod_path: "/etc/kubernetes/manifests".into(),
        }
    }
}
