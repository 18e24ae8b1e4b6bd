//! Once all is calm nothing is left over: no ghosts in the api-server, no orphans, no containers of pods that are gone.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};
use podarium_core::cluster::Cluster;

use super::world::{By, node_name, phase};
use super::{Invariant, World};

pub(super) struct Leftovers;

/// By which uid a kubelet knows a pod: of a mirror pod, the static pod's.
fn kubelet_uid(p: &Pod) -> String {
    let mirrored = p.metadata.annotations.as_ref().and_then(|a| a.get("kubernetes.io/config.mirror"));
    mirrored.or(p.metadata.uid.as_ref()).cloned().unwrap_or_default()
}

impl Invariant for Leftovers {
    fn unsettled(&mut self, cluster: &Cluster, world: &World) -> Vec<String> {
        let mut left = Vec::new();
        for (key, o) in world.objects() {
            let m = o.meta();
            if m.deletion_timestamp.is_some() {
                left.push(format!("{key} is still being deleted; finalizers {:?}", m.finalizers));
            }
            let owners = m.owner_references.as_deref().unwrap_or_default();
            if !owners.is_empty() && owners.iter().all(|r| world.by_uid(&r.uid).is_none()) {
                left.push(format!("{key} is left behind by its owner {}", owners[0].name));
            }
        }
        let nodes: BTreeSet<&str> = world.all::<Node>().filter_map(|n| n.metadata.name.as_deref()).collect();
        let stray = world.all::<Pod>().filter(|p| !node_name(p).is_empty() && !nodes.contains(node_name(p)));
        left.extend(stray.map(|p| format!("pod {:?} is on {}, which is gone", p.metadata.name, node_name(p))));
        for name in cluster.machine_names() {
            on_machine(cluster, world, &name, &mut left);
        }
        left
    }
}

fn on_machine(cluster: &Cluster, world: &World, name: &str, left: &mut Vec<String>) {
    let Some(containerd) = cluster.containerd(name) else { return };
    let pods: BTreeSet<String> = world.pods_by(By::Node, name).map(kubelet_uid).collect();
    let mut running = 0;
    let listed = containerd.list_containers(|c, _| {
        running += i64::from(c.is_running());
        if !pods.contains(&*c.pod) {
            left.push(format!("{name} still has container {} of {}, whose pod is gone", c.spec.name, c.pod));
        }
    });
    if let Err(e) = listed {
        left.push(format!("{name}: {e}"));
        return;
    }
    for s in containerd.list_pod_sandbox().into_iter().flatten() {
        if !pods.contains(&*s.spec.uid) {
            left.push(format!("{name} still has a sandbox of {}, whose pod is gone", s.about));
        }
    }
    let told: i64 = world
        .pods_by(By::Node, name)
        .filter(|p| phase(p) == "Running")
        .filter_map(|p| p.status.as_ref()?.container_statuses.as_ref())
        .flatten()
        .filter(|s| s.state.as_ref().is_some_and(|s| s.running.is_some()))
        .count() as i64;
    if told != running {
        left.push(format!("{name} runs {running} containers, but its pods' statuses tell of {told}"));
    }
}
