//! Names: what a resolver in a pod asks (search list, ndots, servers), and the server that answers for the cluster.
//! Models resolv.conf(5) and CoreDNS's `kubernetes` plugin.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{NetnsId, Network, Rewrite};
use crate::client::{Informer, ListWatch};
use crate::cluster::ComponentContext;
use crate::sim::MachineId;

/// How long a server that doesn't answer is waited for, and how often it is asked.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;
const PORT: u16 = 53;

/// A namespace's resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolv {
    /// Whom to ask, in order.
    pub servers: Vec<IpAddr>,
    /// Domains to try names in.
    pub search: Vec<String>,
    /// Names with as many dots are tried as they stand first.
    pub ndots: usize,
}

impl Resolv {
    /// Reads the text of a resolv.conf.
    pub fn parse(text: &str) -> Self {
        let mut r = Resolv { ndots: 1, ..Resolv::default() };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => r.servers.extend(words.filter_map(|w| w.parse::<IpAddr>().ok())),
                Some("search") => r.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let n = words.filter_map(|w| w.strip_prefix("ndots:")).filter_map(|n| n.parse().ok()).next_back();
                    r.ndots = n.unwrap_or(r.ndots);
                }
                _ => {}
            }
        }
        r
    }

    /// The names to ask for, in order.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut all: Vec<String> = self.search.iter().map(|s| format!("{name}.{}", s.trim_end_matches('.'))).collect();
        if name.matches('.').count() >= self.ndots {
            all.insert(0, name.to_owned());
        } else {
            all.push(name.to_owned());
        }
        all
    }
}

/// A server's answer to a name: its addresses, none for NXDOMAIN.
pub type Answer = Rc<dyn Fn(&str) -> Vec<IpAddr>>;

impl Network {
    /// Asks the servers of a namespace for a name, as its resolver does.
    pub(super) async fn look_up(&self, from: NetnsId, resolv: &Resolv, name: &str) -> Vec<IpAddr> {
        let sim = self.0.sim.clone();
        for candidate in resolv.candidates(name) {
            let mut answered = None;
            'asking: for _ in 0..ATTEMPTS {
                for server in &resolv.servers {
                    match self.dns_server(from, *server) {
                        Some((answer, latency)) => {
                            sim.sleep(latency).await;
                            answered = Some(answer(&candidate));
                            sim.sleep(latency).await;
                            break 'asking;
                        }
                        None => sim.sleep(TIMEOUT).await,
                    }
                }
            }
            match answered {
                Some(addresses) if !addresses.is_empty() => return addresses,
                // NXDOMAIN: the next name; nobody there: no use in going on.
                Some(_) => {}
                None => return Vec::new(),
            }
        }
        Vec::new()
    }

    /// Whoever answers behind a server's address, and how far away.
    fn dns_server(&self, from: NetnsId, server: IpAddr) -> Option<(Answer, Duration)> {
        let (machine, ip, filter) = {
            let s = self.0.state.borrow();
            let n = s.namespaces.get(&from)?;
            (n.machine, n.ip, s.filters.get(&n.machine).cloned())
        };
        let target = match filter.map_or(Rewrite::None, |f| f(server, PORT, ip)) {
            Rewrite::None => server,
            Rewrite::To(ip, _) => ip,
            Rewrite::Reject | Rewrite::Drop => return None,
        };
        let s = self.0.state.borrow();
        let id = s.by_ip.get(&target)?;
        let there = s.namespaces.get(id)?.machine;
        let (process, answer) = s.dns.get(id)?.clone();
        let links = self.0.sim.links();
        (self.0.sim.process_runs(process) && links.connected(machine, there))
            .then(|| (answer, links.latency(machine, there)))
    }
}

/// Starts CoreDNS in a pod's namespace: it answers for `domain`.
pub fn start(cx: &ComponentContext, network: &Network, netns: NetnsId, domain: &str) {
    let account = "system:serviceaccount:kube-system:coredns";
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
    let client = cx.client(account, &groups, "coredns", 0.0, 0);
    let services: Informer<Service> = Informer::start(&client, ListWatch::default());
    let slices: Informer<EndpointSlice> = Informer::start(&client, ListWatch::default());
    slices.add_index("service", |s: &EndpointSlice| {
        let name = s.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
        let ns = s.metadata.namespace.as_deref().unwrap_or_default();
        name.map(|n| Rc::from(format!("{ns}/{n}"))).into_iter().collect()
    });
    let (network, process, domain) = (network.clone(), cx.process, domain.to_owned());
    cx.sim.spawn(cx.process, async move {
        services.wait_synced().await;
        slices.wait_synced().await;
        let answer: Answer = Rc::new(move |name| resolve(&services, &slices, &domain, name));
        network.serve_dns(netns, process, answer);
    });
}

fn resolve(services: &Informer<Service>, slices: &Informer<EndpointSlice>, domain: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.').to_lowercase();
    let Some(rest) = name.strip_suffix(domain).and_then(|r| r.strip_suffix('.')) else { return Vec::new() };
    let labels: Vec<&str> = rest.split('.').collect();
    match labels.as_slice() {
        [service, namespace, "svc"] => {
            let key = format!("{namespace}/{service}");
            let Some(s) = services.get(&key) else { return Vec::new() };
            let ip = s.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default();
            if ip == "None" { endpoints(slices, &s, &key, None) } else { ip.parse().into_iter().collect() }
        }
        [host, service, namespace, "svc"] => {
            let key = format!("{namespace}/{service}");
            let Some(s) = services.get(&key) else { return Vec::new() };
            endpoints(slices, &s, &key, Some(host))
        }
        // CoreDNS's `pods insecure`: the address is in the name.
        [ip, _namespace, "pod"] => ip.replace('-', ".").parse().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn endpoints(slices: &Informer<EndpointSlice>, s: &Service, key: &str, host: Option<&str>) -> Vec<IpAddr> {
    let all = s.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
    let mut found = BTreeSet::new();
    for slice in slices.by_index("service", key) {
        for e in slice.endpoints.iter().flatten() {
            let ready = e.conditions.as_ref().and_then(|c| c.ready) != Some(false);
            let dashed = |a: &String| host.is_some_and(|h| a.replace('.', "-") == h);
            let named = host.is_none_or(|h| e.hostname.as_deref() == Some(h) || e.addresses.iter().any(dashed));
            if (ready || all) && named {
                found.extend(e.addresses.iter().filter_map(|a| a.parse::<IpAddr>().ok()));
            }
        }
    }
    found.into_iter().collect()
}

impl Network {
    /// A process answers names asked at a namespace's address.
    fn serve_dns(&self, netns: NetnsId, process: crate::sim::ProcessId, answer: Answer) {
        self.0.state.borrow_mut().dns.insert(netns, (process, answer));
    }

    /// What the resolver of a namespace reads.
    pub fn set_resolv(&self, netns: NetnsId, resolv: Resolv) {
        self.0.state.borrow_mut().resolv.insert(netns, Rc::new(resolv));
    }

    /// Takes a machine's packet filter away: its power is off.
    pub fn forget_machine(&self, machine: MachineId) {
        self.set_filter(machine, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tried_in_the_search_domains() {
        let r = Resolv::parse(
            "search a.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
        );
        assert_eq!(r.servers, ["10.96.0.10".parse::<IpAddr>().unwrap()]);
        assert_eq!(
            r.candidates("web"),
            ["web.a.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local", "web"]
        );
        assert_eq!(r.candidates("web.b.svc.cluster.local."), ["web.b.svc.cluster.local"]);
        let plain = Resolv::parse("search x\n");
        assert_eq!(plain.candidates("a.b"), ["a.b", "a.b.x"]);
    }
}
