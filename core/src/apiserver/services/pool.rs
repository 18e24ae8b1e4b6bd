//! What is free: the addresses of `--service-cluster-ip-range` and the ports of `--service-node-port-range`.
//! Models `pkg/registry/core/service/{ipallocator,portallocator}`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::ServiceSpec;
use serde_json::json;

use super::list;
use crate::api::field::{Error, Path};
use crate::api::status::Status;
use crate::api::validation::parse_ip_sloppy;
use crate::sim::Sim;

/// `--service-cluster-ip-range`, and its first address.
const RANGE: &str = "10.96.0.0/12";
const RANGE_BASE: u32 = 0x0a60_0000;
const RANGE_SIZE: u32 = 1 << 20;
/// The first addresses are left to those who ask for one by number.
const IP_BAND: u32 = 256;
/// `--service-node-port-range`, and how many of the first ports are left to those who ask for one by number.
const NODE_PORTS: std::ops::RangeInclusive<i32> = 30_000..=32_767;
const PORT_BAND: i32 = 86;
/// How often chance is tried before all are gone through.
const TRIES: usize = 64;
/// The port that a dry run says it gave, where none is known to be asked for: nobody looks for a free one.
const DRY_RUN_PORT: i32 = 32_768;

/// What is taken, and what a write takes.
pub(super) struct Pool<'a> {
    sim: &'a Sim,
    dry_run: bool,
    ips: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<i32>,
    /// The ports that a dry run took.
    pretended: BTreeSet<i32>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(sim: &'a Sim, dry_run: bool) -> Self {
        Pool { sim, dry_run, ips: BTreeSet::new(), ports: BTreeSet::new(), pretended: BTreeSet::new() }
    }

    /// Notes what a Service holds.
    pub(super) fn taken_by(&mut self, spec: &ServiceSpec) {
        self.ips.extend(list(&spec.cluster_ips).iter().filter_map(|ip| ip.parse::<Ipv4Addr>().ok()));
        self.ports.extend(list(&spec.ports).iter().filter_map(|p| p.node_port).filter(|p| *p > 0));
        self.ports.extend(spec.health_check_node_port.filter(|p| *p > 0));
    }

    /// The address `asked` for, or any if that is empty. `all` are the Service's addresses, for the error.
    pub(super) fn ip(&mut self, asked: &str, all: &[String], name: &str) -> Result<String, Status> {
        if asked.is_empty() {
            return self.next_ip();
        }
        if let Err(why) = self.take_ip(asked) {
            let detail = format!("failed to allocate IP {asked}: {why}");
            let error = Error::invalid(&Path::new("spec.clusterIPs"), &json!(all), detail);
            return Err(Status::invalid("", "Service", name, &vec![error]));
        }
        Ok(asked.to_owned())
    }

    fn take_ip(&mut self, asked: &str) -> Result<(), String> {
        let ip = match parse_ip_sloppy(asked).map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => ip,
            _ => return Err("the provided network does not match the current range".to_owned()),
        };
        match u32::from(ip).checked_sub(RANGE_BASE).filter(|offset| *offset < RANGE_SIZE) {
            None => Err("the provided network does not match the current range".to_owned()),
            // The network's own address and the one for broadcasts are nobody's.
            Some(offset) if offset == 0 || offset == RANGE_SIZE - 1 => {
                Err(format!("the provided IP ({ip}) is not in the valid range. The range of valid IPs is {RANGE}"))
            }
            Some(_) if self.dry_run => Ok(()),
            Some(_) if !self.ips.insert(ip) => Err("provided IP is already allocated".to_owned()),
            Some(_) => Ok(()),
        }
    }

    fn next_ip(&mut self) -> Result<String, Status> {
        if self.dry_run {
            return Ok(Ipv4Addr::from(RANGE_BASE).to_string());
        }
        let at = |offset: u32| Ipv4Addr::from(RANGE_BASE + offset);
        let random = (0..TRIES).map(|_| IP_BAND + self.sim.random_below(u64::from(RANGE_SIZE - IP_BAND - 1)) as u32);
        let all = random.chain(IP_BAND..RANGE_SIZE - 1).chain(1..IP_BAND);
        let Some(ip) = all.map(at).find(|ip| !self.ips.contains(ip)) else {
            return Err(Status::internal("failed to allocate a serviceIP: range is full"));
        };
        self.ips.insert(ip);
        Ok(ip.to_string())
    }

    /// Takes a node port; what is wrong with it otherwise.
    pub(super) fn port(&mut self, port: i32) -> Result<(), &'static str> {
        if self.dry_run {
            let taken = self.ports.contains(&port) || !self.pretended.insert(port);
            return if taken { Err("provided port is already allocated") } else { Ok(()) };
        }
        if !NODE_PORTS.contains(&port) {
            return Err("provided port is not in the valid range. The range of valid ports is 30000-32767");
        }
        if self.ports.insert(port) { Ok(()) } else { Err("provided port is already allocated") }
    }

    /// Any node port.
    pub(super) fn next_port(&mut self) -> Option<i32> {
        if self.dry_run {
            let port = self.pretended.last().map_or(DRY_RUN_PORT, |last| last.saturating_add(1));
            self.pretended.insert(port);
            return Some(port);
        }
        let upper = *NODE_PORTS.start() + PORT_BAND;
        let span = (*NODE_PORTS.end() - upper + 1) as u64;
        let random = (0..TRIES).map(|_| upper + self.sim.random_below(span) as i32);
        let mut all = random.chain(upper..=*NODE_PORTS.end()).chain(*NODE_PORTS.start()..upper);
        let port = all.find(|p| !self.ports.contains(p))?;
        self.ports.insert(port);
        Some(port)
    }
}
