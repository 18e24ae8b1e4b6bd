//! Names: what a resolver in a pod asks (search list, ndots, servers), and the server that answers for the cluster.
//! Models resolv.conf(5) and CoreDNS's `kubernetes` plugin.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::serve::{Page, Site};
use super::{NetnsId, Network, Protocol, Rewrite};
use crate::client::{Informer, ListWatch};
use crate::cluster::ComponentContext;
use crate::sim::{MachineId, ProcessId, ProcessState};

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

/// What becomes of one question.
enum Asked {
    /// Somebody answers, this far away.
    Answer(Answer, Duration),
    /// Nobody listens there, which is told this fast.
    Refused(Duration),
    /// Nothing comes back.
    Silent,
}

impl Network {
    /// Asks the servers of a namespace for a name, as its resolver does.
    pub(super) async fn look_up(&self, from: NetnsId, resolv: &Resolv, name: &str) -> Vec<IpAddr> {
        for candidate in resolv.candidates(name) {
            match self.ask_servers(from, resolv, &candidate).await {
                Some(addresses) if !addresses.is_empty() => return addresses,
                // NXDOMAIN: the next name; nobody there: no use in going on.
                Some(_) => {}
                None => return Vec::new(),
            }
        }
        Vec::new()
    }

    /// Asks one server after the other for one name; `None` when nobody answers.
    async fn ask_servers(&self, from: NetnsId, resolv: &Resolv, name: &str) -> Option<Vec<IpAddr>> {
        let sim = self.0.sim.clone();
        for _ in 0..ATTEMPTS {
            for server in &resolv.servers {
                match self.dns_server(from, *server) {
                    Asked::Answer(answer, latency) => {
                        sim.sleep(latency).await;
                        let addresses = answer(name);
                        sim.sleep(latency).await;
                        return Some(addresses);
                    }
                    Asked::Refused(latency) => sim.sleep(latency * 2).await,
                    Asked::Silent => sim.sleep(TIMEOUT).await,
                }
            }
        }
        None
    }

    /// Whoever answers behind a server's address.
    fn dns_server(&self, from: NetnsId, server: IpAddr) -> Asked {
        let (machine, ip, filter) = {
            let s = self.0.state.borrow();
            let Some(n) = s.namespaces.get(&from) else { return Asked::Silent };
            (n.machine, n.ip, s.filters.get(&n.machine).cloned())
        };
        let here = self.0.sim.links().latency(machine, machine);
        let target = match filter.map_or(Rewrite::None, |f| f(Protocol::Udp, (server, PORT), ip)) {
            Rewrite::None => server,
            Rewrite::To(ip, _) => ip,
            Rewrite::Reject => return Asked::Refused(here),
            Rewrite::Drop => return Asked::Silent,
        };
        let s = self.0.state.borrow();
        let Some((id, there)) = s.reached(machine, target) else { return Asked::Silent };
        let links = self.0.sim.links();
        if !links.connected(machine, there.machine) {
            return Asked::Silent;
        }
        let latency = links.latency(machine, there.machine);
        match s.dns.get(&id).map(|(process, answer)| (self.0.sim.process_state(*process), answer)) {
            Some((ProcessState::Running, answer)) => Asked::Answer(answer.clone(), latency),
            Some((ProcessState::Stopped, _)) => Asked::Silent,
            Some((ProcessState::Dead, _)) | None => Asked::Refused(latency),
        }
    }
}

/// Ports of the plugins health, ready and prometheus.
const HEALTH_PORT: u16 = 8080;
const READY_PORT: u16 = 8181;
const METRICS_PORT: u16 = 9153;
/// The plugin health's `lameduck`: how long a CoreDNS that was asked to end still answers.
pub const LAMEDUCK: Duration = Duration::from_secs(5);

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
    serve_plugins(&network, netns, process, &services, &slices);
    cx.sim.spawn(cx.process, async move {
        services.wait_synced().await;
        slices.wait_synced().await;
        let answer: Answer = Rc::new(move |name| resolve(&services, &slices, &domain, name, CHAIN_MAX));
        network.serve_dns(netns, process, answer);
    });
}

/// What answers over HTTP: the probes' paths, and that there are metrics.
fn serve_plugins(
    network: &Network,
    netns: NetnsId,
    process: ProcessId,
    services: &Informer<Service>,
    slices: &Informer<EndpointSlice>,
) {
    let missing = || (404, "404 page not found\n".to_owned());
    let health: Page = Rc::new(move |path| if path == "/health" { (200, "OK".to_owned()) } else { missing() });
    let (services, slices) = (services.clone(), slices.clone());
    let ready: Page = Rc::new(move |path| match path {
        "/ready" if services.has_synced() && slices.has_synced() => (200, "OK".to_owned()),
        "/ready" => (503, "kubernetes".to_owned()),
        _ => missing(),
    });
    let metrics: Page = Rc::new(move |path| {
        match path {
        "/metrics" => (200, "# HELP coredns_build_info A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.\n# TYPE coredns_build_info gauge\n".to_owned()),
        _ => missing(),
    }
    });
    for (port, page) in [(HEALTH_PORT, health), (READY_PORT, ready), (METRICS_PORT, metrics)] {
        // A port that is taken is somebody else's in the same pod; the server goes on without it.
        let _ = network.serve_http(netns, Site::plain(port), process, page);
    }
}

/// How many external names in a row are followed.
const CHAIN_MAX: u32 = 8;

fn resolve(
    services: &Informer<Service>,
    slices: &Informer<EndpointSlice>,
    domain: &str,
    name: &str,
    chain: u32,
) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.').to_lowercase();
    let Some(rest) = name.strip_suffix(domain).and_then(|r| r.strip_suffix('.')) else { return Vec::new() };
    let labels: Vec<&str> = rest.split('.').collect();
    match labels.as_slice() {
        [service, namespace, "svc"] => {
            let key = format!("{namespace}/{service}");
            let Some(s) = services.get(&key) else { return Vec::new() };
            let external = s.spec.as_ref().filter(|s| s.type_.as_deref() == Some("ExternalName"));
            if let Some(to) = external.and_then(|s| s.external_name.as_deref()) {
                return if chain == 0 { Vec::new() } else { resolve(services, slices, domain, to, chain - 1) };
            }
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
    fn serve_dns(&self, netns: NetnsId, process: ProcessId, answer: Answer) {
        self.0.state.borrow_mut().dns.insert(netns, (process, answer));
    }

    /// What the resolver of a namespace reads.
    pub fn set_resolv(&self, netns: NetnsId, resolv: Rc<Resolv>) {
        self.0.state.borrow_mut().resolv.insert(netns, resolv);
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
