//! Worlds to test views with.

use podarium_core::observe::{
    ContainerShape, ContainerView, Frame, NodeHealth, NodeView, PartState, PartView, PodShape, PodView,
};

use super::model::Model;

/// A Ready node.
pub fn node(id: u32, name: &str) -> NodeView {
    NodeView {
        id,
        name: name.into(),
        control_plane: id == 1,
        health: NodeHealth::Ready,
        why: "KubeletReady: kubelet is posting ready status".into(),
        powered: true,
        plugged: true,
        kubelet: true,
        containerd: true,
        unschedulable: false,
        taints: Vec::new(),
        cpu_milli: 4_000,
        cpu_requested_milli: 500,
        memory_bytes: 8 << 30,
        memory_requested_bytes: 1 << 30,
        pods_max: 110,
    }
}

/// A running pod.
pub fn pod(uid: &str, name: &str, node: Option<u32>) -> PodView {
    PodView {
        uid: uid.into(),
        namespace: "default".into(),
        name: name.into(),
        node,
        workload: 1,
        shape: if node.is_some() { PodShape::Running } else { PodShape::Pending },
        status: if node.is_some() { "Running".into() } else { "Pending".into() },
        ip: "10.244.1.2".into(),
        created_ns: 0,
        containers: vec![ContainerView {
            name: "nginx".into(),
            image: "nginx".into(),
            shape: ContainerShape::Running,
            reason: String::new(),
            ready: true,
            restarts: 0,
            ports: vec![80],
        }],
        system: false,
    }
}

/// A control plane, so many workers, and so many pods spread over them.
pub fn world(nodes: usize, pods: usize) -> Model {
    let mut m = Model::default();
    let part = |name: &str| PartView {
        name: name.into(),
        machine: 1,
        state: PartState::Running,
        last: String::new(),
        starts: 1,
    };
    let parts = ["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"].map(part).to_vec();
    let mut all = vec![node(1, "control-plane")];
    all.extend((0..nodes).map(|i| node(i as u32 + 2, &format!("worker-{}", i + 1))));
    let pods = (0..pods).map(|i| pod(&format!("uid-{i}"), &format!("web-{i}"), Some((i % nodes.max(1)) as u32 + 2)));
    m.apply(Frame { parts, nodes: all, pods: pods.collect(), ..Frame::default() });
    m
}
