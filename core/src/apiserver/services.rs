//! Cluster IPs and node ports: given out when a Service is written. Models `pkg/registry/core/service/storage/alloc.go`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use serde_json::json;

use super::ApiServer;
use crate::api::field::{Error, ErrorList, Path};
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::status::Status;

/// `--service-cluster-ip-range`: 10.96.0.0/12.
const RANGE_BASE: u32 = 0x0a60_0000;
const RANGE_SIZE: u32 = 1 << 20;
/// The first addresses are left to those who ask for one by number. Models the allocator's static band.
const STATIC_BAND: u32 = 256;
/// `--service-node-port-range`.
const NODE_PORTS: std::ops::Range<i32> = 30000..32768;

fn kind(spec: &ServiceSpec) -> &str {
    spec.type_.as_deref().unwrap_or("ClusterIP")
}

fn has_node_ports(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

/// What a write leaves out of what was given out before stays as it was. Models `patchAllocatedValues`.
pub(super) fn keep_allocated(new: &mut Obj, old: &Obj) {
    let (Some(was), true) = (typed::<Service>(&**old), typed::<Service>(&**new).is_some()) else { return };
    let Some(was) = &was.spec else { return };
    let Some(spec) = typed_mut::<Service>(make_mut(new)).and_then(|s| s.spec.as_mut()) else { return };
    let needs_ip = |s: &ServiceSpec| kind(s) != "ExternalName";
    if needs_ip(was) && needs_ip(spec) {
        if spec.cluster_ip.as_deref().unwrap_or_default().is_empty() {
            spec.cluster_ip.clone_from(&was.cluster_ip);
        }
        if spec.cluster_ips.as_ref().is_none_or(Vec::is_empty) && spec.cluster_ip == was.cluster_ip {
            spec.cluster_ips.clone_from(&was.cluster_ips);
        }
        if spec.ip_families.as_ref().is_none_or(Vec::is_empty) {
            spec.ip_families.clone_from(&was.ip_families);
        }
        if spec.ip_family_policy.is_none() {
            spec.ip_family_policy.clone_from(&was.ip_family_policy);
        }
    }
    if has_node_ports(was) && has_node_ports(spec) {
        for port in spec.ports.iter_mut().flatten().filter(|p| p.node_port.unwrap_or(0) == 0) {
            let same = was.ports.iter().flatten().find(|o| o.port == port.port && o.protocol == port.protocol);
            port.node_port = same.and_then(|o| o.node_port);
        }
    }
    if spec.health_check_node_port.unwrap_or(0) == 0 && spec.external_traffic_policy == was.external_traffic_policy {
        spec.health_check_node_port = was.health_check_node_port;
    }
}

impl ApiServer {
    /// Gives a Service the addresses and ports that it needs; others pass.
    pub(super) fn allocate(&self, obj: &mut Obj, old: Option<&Obj>) -> Result<(), Status> {
        let Some(service) = typed::<Service>(&**obj) else { return Ok(()) };
        let name = service.metadata.name.clone().unwrap_or_default();
        let mine = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let (mut ips, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for s in self.all_of::<Service>(None) {
            if (&s.metadata.namespace, &s.metadata.name) == (&mine.0, &mine.1) {
                continue;
            }
            let Some(spec) = &s.spec else { continue };
            ips.extend(spec.cluster_ip.clone());
            ports.extend(spec.ports.iter().flatten().filter_map(|p| p.node_port).filter(|p| *p > 0));
            ports.extend(spec.health_check_node_port.filter(|p| *p > 0));
        }
        let had = old.and_then(|o| typed::<Service>(&**o)).and_then(|s| s.spec.as_ref());
        let had_ip = had.and_then(|s| s.cluster_ip.clone()).unwrap_or_default();
        let Some(spec) = typed_mut::<Service>(make_mut(obj)).and_then(|s| s.spec.as_mut()) else { return Ok(()) };
        let mut errors = ErrorList::new();
        if kind(spec) != "ExternalName" {
            self.allocate_ip(spec, &had_ip, &ips, &mut errors);
        }
        if has_node_ports(spec) {
            self.allocate_ports(spec, had, &mut ports, &mut errors);
        }
        if kind(spec) == "LoadBalancer"
            && spec.external_traffic_policy.as_deref() == Some("Local")
            && spec.health_check_node_port.unwrap_or(0) == 0
        {
            spec.health_check_node_port = self.free_port(&ports);
        }
        if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Service", &name, &errors)) }
    }

    fn allocate_ip(&self, spec: &mut ServiceSpec, had: &str, taken: &BTreeSet<String>, errors: &mut ErrorList) {
        let asked = spec.cluster_ip.clone().unwrap_or_default();
        if asked.is_empty() {
            let free = (0..64).map(|_| {
                let offset = STATIC_BAND + self.sim.random_below(u64::from(RANGE_SIZE - STATIC_BAND - 1)) as u32;
                Ipv4Addr::from(RANGE_BASE + offset).to_string()
            });
            spec.cluster_ip = free.into_iter().find(|ip| !taken.contains(ip));
        } else if asked != "None" && asked != had {
            let base = Path::new("spec");
            let path = base.child("clusterIPs");
            let inside = asked
                .parse::<Ipv4Addr>()
                .is_ok_and(|ip| u32::from(ip).checked_sub(RANGE_BASE).is_some_and(|o| o > 0 && o < RANGE_SIZE));
            let why = if !inside {
                Some("the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/12".to_owned())
            } else if taken.contains(&asked) {
                Some("provided IP is already allocated".to_owned())
            } else {
                None
            };
            if let Some(why) = why {
                let detail = format!("failed to allocate IP {asked}: {why}");
                errors.push(Error::invalid(&path, &json!([asked]), detail));
            }
        }
        if spec.cluster_ips.as_ref().is_none_or(Vec::is_empty) {
            spec.cluster_ips = spec.cluster_ip.clone().map(|ip| vec![ip]);
        }
        if spec.ip_families.as_ref().is_none_or(Vec::is_empty) {
            spec.ip_families = Some(vec!["IPv4".into()]);
        }
        if spec.ip_family_policy.is_none() {
            spec.ip_family_policy = Some("SingleStack".into());
        }
    }

    fn free_port(&self, taken: &BTreeSet<i32>) -> Option<i32> {
        let span = (NODE_PORTS.end - NODE_PORTS.start) as u64;
        let random = (0..32).map(|_| NODE_PORTS.start + self.sim.random_below(span) as i32);
        random.into_iter().find(|p| !taken.contains(p)).or_else(|| NODE_PORTS.clone().find(|p| !taken.contains(p)))
    }

    fn allocate_ports(
        &self,
        spec: &mut ServiceSpec,
        had: Option<&ServiceSpec>,
        taken: &mut BTreeSet<i32>,
        errors: &mut ErrorList,
    ) {
        let mine: BTreeSet<i32> =
            had.iter().flat_map(|s| s.ports.iter().flatten()).filter_map(|p| p.node_port).collect();
        let mut given: Vec<(i32, String)> = Vec::new();
        for (i, port) in spec.ports.iter_mut().flatten().enumerate() {
            let base = Path::new("spec");
            let list = base.child("ports");
            let item = list.index(i);
            let path = item.child("nodePort");
            let protocol = port.protocol.clone().unwrap_or_default();
            match port.node_port.filter(|p| *p > 0) {
                Some(asked) => {
                    if !NODE_PORTS.contains(&asked) {
                        let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                        errors.push(Error::invalid(&path, &json!(asked), why));
                    } else if taken.contains(&asked) && !mine.contains(&asked) {
                        errors.push(Error::invalid(&path, &json!(asked), "provided port is already allocated"));
                    }
                    given.push((asked, protocol));
                }
                None => {
                    let mut all = taken.clone();
                    all.extend(given.iter().map(|(p, _)| *p));
                    port.node_port = self.free_port(&all);
                    given.extend(port.node_port.map(|p| (p, protocol)));
                }
            }
        }
        taken.extend(given.into_iter().map(|(p, _)| p));
    }
}
