//! Ports of a pod's containers that get in each other's way. Models `pkg/api/pod/warnings.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};

use crate::api::field::{Path, quote};
use crate::registry::validation::pod::visit_containers;

fn host_ip(p: &ContainerPort) -> &str {
    p.host_ip.as_deref().unwrap_or_default()
}

fn host_port(p: &ContainerPort) -> i32 {
    p.host_port.unwrap_or(0)
}

/// How two definitions of one port and protocol get along.
fn conflict(a: &ContainerPort, b: &ContainerPort) -> Option<&'static str> {
    if host_ip(a) == host_ip(b) && host_port(a) == host_port(b) {
        Some("duplicate port definition with")
    } else if host_port(a) == 0 || host_port(b) == 0 {
        Some("overlapping port definition with")
    } else if host_port(a) == host_port(b) && host_ip(a).is_empty() != host_ip(b).is_empty() {
        Some("dangerously ambiguous port definition with")
    } else {
        None
    }
}

/// Go's `%+v` of a port.
fn shown(p: &ContainerPort) -> String {
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        p.name.as_deref().unwrap_or_default(),
        host_port(p),
        p.container_port,
        p.protocol.as_deref().unwrap_or_default(),
        host_ip(p),
    )
}

/// Looks at the ports of all containers. `path` is the spec's.
pub(super) fn of(spec: &PodSpec, path: &Path, all: &mut Vec<String>) {
    let mut by_port: BTreeMap<(i32, String), Vec<(String, ContainerPort)>> = BTreeMap::new();
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    let mut about_names = Vec::new();
    visit_containers(spec, path, |c: &Container, at: &Path| {
        let at = at.child("ports");
        for (i, p) in c.ports.iter().flatten().enumerate() {
            let here = at.index(i).to_string();
            if !host_ip(p).is_empty() && host_port(p) == 0 {
                all.push(format!("{here}: hostIP set without hostPort: {}", shown(p)));
            }
            let others = by_port.entry((p.container_port, p.protocol.clone().unwrap_or_default())).or_default();
            for (there, other) in others.iter() {
                all.extend(conflict(p, other).map(|how| format!("{here}: {how} {there}")));
            }
            others.push((here.clone(), p.clone()));
            let Some(name) = p.name.as_ref().filter(|n| !n.is_empty()) else { continue };
            match by_name.get(name) {
                Some(there) => about_names.push(format!(
                    "{here}: duplicate port name {} with {there}, services and probes that select ports by name will use {there}",
                    quote(name)
                )),
                None => {
                    by_name.insert(name.clone(), here);
                }
            }
        }
    });
    all.append(&mut about_names);
}
