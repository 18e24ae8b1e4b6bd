//! The kubelet as systemd starts it: its configuration, from its machine's.

use std::rc::Rc;

use super::{ComponentContext, Kubelets, Machine, manifests};
use crate::kubelet::{Kubelet, KubeletConfig};
use crate::runtime::Containerd;

/// Starts a machine's kubelet.
pub(super) fn start(cx: &ComponentContext, machine: &Rc<Machine>, containerd: &Rc<Containerd>, kubelets: &Kubelets) {
    let files = Rc::downgrade(machine);
    let config = KubeletConfig {
        node_name: machine.name.clone(),
        node_ip: machine.ip.parse().unwrap_or(std::net::IpAddr::from([127, 0, 0, 1])),
        cpus: machine.shape.cpus,
        memory_bytes: machine.shape.memory_bytes,
        max_pods: machine.shape.max_pods,
        boot_id: machine.boot_id.borrow().as_str().into(),
        // systemd's machine id: stays with the disk.
        machine_id: format!("{:032x}", (u128::from(cx.sim.seed()) << 64) | u128::from(machine.id.0)).into(),
        files: Rc::new(move |below: &str| {
            let Some(machine) = files.upgrade() else { return Vec::new() };
            let below = below.trim_end_matches('/');
            let files = machine.files.borrow();
            let inside = files.range::<str, _>((std::ops::Bound::Included(below), std::ops::Bound::Unbounded));
            inside
                .take_while(|(path, _)| path.starts_with(below))
                .filter(|(path, _)| path.len() == below.len() || path.as_bytes().get(below.len()) == Some(&b'/'))
                .map(|(path, text)| (path.clone(), text.clone()))
                .collect()
        }),
        static_pod_path: manifests::MANIFEST_DIR.trim_end_matches('/').into(),
        ..KubeletConfig::default()
    };
    let kubelet = Kubelet::start(cx.clone(), config, containerd.clone());
    kubelets.add(machine.id, cx.process, &kubelet);
    let (sim, changed) = (cx.sim.clone(), machine.files_changed.clone());
    sim.spawn(cx.process, async move {
        loop {
            changed.notified().await;
            kubelet.manifests_changed();
        }
    });
}
