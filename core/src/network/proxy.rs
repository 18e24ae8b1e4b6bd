//! kube-proxy: one a node, turns Services and EndpointSlices into the machine's packet filter.
//! Models `pkg/proxy` (the service and endpoints change trackers, and what the nftables mode's rules do).
//!
//! The rules stay when the process dies, as a kernel's do: then they go stale.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{Network, Protocol, Rewrite};
use crate::client::{Client, EventRecorder, EventType, Informer, InformerEvent, ListWatch, object_key};
use crate::cluster::ComponentContext;
use crate::sim::{MachineId, Notify, Sim, SimTime};

/// minSyncPeriod: changes within it are put into the rules together.
const MIN_SYNC_PERIOD: Duration = Duration::from_secs(1);
/// The label that names an EndpointSlice's service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// One address and port that is sent elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    endpoints: Vec<(IpAddr, u16)>,
    /// Without endpoints here there are some elsewhere: a local-only policy drops.
    elsewhere: bool,
    /// How long a client stays with its endpoint.
    affinity: Option<Duration>,
}

/// What a packet is sent to before a rule changes it.
type Target = (Protocol, IpAddr, u16);

#[derive(Default)]
struct Rules {
    by_target: BTreeMap<Target, Rule>,
    /// Which targets a service made.
    by_service: BTreeMap<Rc<str>, Vec<Target>>,
    /// Where a client went last, and when.
    affinity: BTreeMap<(Target, IpAddr), ((IpAddr, u16), SimTime)>,
}

struct Proxy {
    sim: Sim,
    node: Rc<str>,
    node_ip: Option<IpAddr>,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    rules: Rc<RefCell<Rules>>,
    dirty: RefCell<BTreeSet<Rc<str>>>,
    changed: Notify,
}

fn service_of(slice: &EndpointSlice) -> Option<Rc<str>> {
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(format!("{}/{name}", slice.metadata.namespace.as_deref().unwrap_or_default()).into())
}

/// Starts a node's kube-proxy. `node_ip` is where node ports are served.
pub fn start(cx: &ComponentContext, network: &Network, machine: MachineId, node_ip: Option<IpAddr>) {
    // Its user is the one that kubeadm's kubeconfig for it names.
    let account = "system:serviceaccount:kube-system:kube-proxy";
    let client =
        cx.client(account, &["system:serviceaccounts", "system:serviceaccounts:kube-system"], "kube-proxy", 5.0, 10);
    let lists: Client = client.with_own_limit(0.0, 0);
    tell_start(&client, &cx.node);
    let label_selector = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless".to_owned();
    let watch = |label_selector: String| ListWatch { label_selector, ..ListWatch::default() };
    let proxy = Rc::new(Proxy {
        sim: cx.sim.clone(),
        node: cx.node.clone(),
        node_ip,
        services: Informer::start(&lists, watch(String::new())),
        slices: Informer::start(&lists, watch(label_selector)),
        rules: Rc::default(),
        dirty: RefCell::default(),
        changed: Notify::new(&cx.sim),
    });
    proxy.slices.add_index("service", |s: &EndpointSlice| service_of(s).into_iter().collect());
    let p = Rc::downgrade(&proxy);
    proxy.services.on_event(move |e| {
        let (InformerEvent::Added(s) | InformerEvent::Updated { new: s, .. } | InformerEvent::Deleted(s)) = e;
        if let Some(p) = p.upgrade() {
            p.touch(object_key(&s.metadata));
        }
    });
    let p = Rc::downgrade(&proxy);
    proxy.slices.on_event(move |e| {
        let (InformerEvent::Added(s) | InformerEvent::Updated { new: s, .. } | InformerEvent::Deleted(s)) = e;
        if let (Some(p), Some(service)) = (p.upgrade(), service_of(s)) {
            p.touch(service);
        }
    });
    let network = network.clone();
    cx.sim.spawn(cx.process, async move {
        proxy.services.wait_synced().await;
        proxy.slices.wait_synced().await;
        proxy.sync();
        let (sim, rules) = (proxy.sim.clone(), proxy.rules.clone());
        let filter = move |protocol, (ip, port): (IpAddr, u16), from| {
            pick(&sim, &mut rules.borrow_mut(), (protocol, ip, port), from)
        };
        network.set_filter(machine, Some(Rc::new(filter)));
        loop {
            proxy.sim.sleep(MIN_SYNC_PERIOD).await;
            proxy.changed.notified().await;
            proxy.sync();
        }
    });
}

/// The event that a kube-proxy begins with.
fn tell_start(client: &Client, node: &str) {
    let about = ObjectReference {
        kind: Some("Node".into()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    };
    EventRecorder::start(client, "kube-proxy", node).event_about(about, EventType::Normal, "Starting", "");
}

/// Where a packet to `target` goes.
fn pick(sim: &Sim, rules: &mut Rules, target: Target, from: IpAddr) -> Rewrite {
    let Some(rule) = rules.by_target.get(&target) else { return Rewrite::None };
    if rule.endpoints.is_empty() {
        return if rule.elsewhere { Rewrite::Drop } else { Rewrite::Reject };
    }
    let (now, client) = (sim.now(), (target, from));
    if let Some(stay) = rule.affinity
        && let Some((endpoint, at)) = rules.affinity.get_mut(&client)
        && now.since(*at) < stay
        && rule.endpoints.contains(endpoint)
    {
        *at = now;
        return Rewrite::To(endpoint.0, endpoint.1);
    }
    let n = sim.random_below(rule.endpoints.len() as u64) as usize;
    let Some(&endpoint) = rule.endpoints.get(n) else { return Rewrite::Reject };
    if rule.affinity.is_some() {
        rules.affinity.insert(client, (endpoint, now));
    }
    Rewrite::To(endpoint.0, endpoint.1)
}

impl Proxy {
    fn touch(&self, service: Rc<str>) {
        self.dirty.borrow_mut().insert(service);
        self.changed.notify();
    }

    /// Makes the rules of every service that changed anew.
    fn sync(&self) {
        let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
        for key in dirty {
            let fresh = self.services.get(&key).map(|s| self.rules_of(&key, &s)).unwrap_or_default();
            let mut rules = self.rules.borrow_mut();
            for target in rules.by_service.remove(&key).unwrap_or_default() {
                rules.by_target.remove(&target);
            }
            if !fresh.is_empty() {
                rules.by_service.insert(key, fresh.iter().map(|(t, _)| *t).collect());
                rules.by_target.extend(fresh);
            }
        }
    }

    fn rules_of(&self, key: &str, s: &Service) -> Vec<(Target, Rule)> {
        let Some(spec) = &s.spec else { return Vec::new() };
        let Some(ip) = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()) else { return Vec::new() };
        let slices = self.slices.by_index("service", key);
        let mut made = Vec::new();
        for port in spec.ports.iter().flatten() {
            let protocol = match port.protocol.as_deref() {
                Some("UDP") => Protocol::Udp,
                Some("SCTP") => continue,
                _ => Protocol::Tcp,
            };
            let Ok(number) = u16::try_from(port.port) else { continue };
            let inside = self.rule(spec, port, &slices, spec.internal_traffic_policy.as_deref() == Some("Local"));
            let external = spec.external_traffic_policy.as_deref() == Some("Local");
            let outside = self.rule(spec, port, &slices, external);
            made.push(((protocol, ip, number), inside));
            let more = spec.external_ips.iter().flatten().filter_map(|i| i.parse::<IpAddr>().ok());
            let ingress = s.status.iter().flat_map(|s| s.load_balancer.iter()).flat_map(|l| l.ingress.iter().flatten());
            let balancers = ingress.filter_map(|i| i.ip.as_deref()?.parse::<IpAddr>().ok());
            made.extend(more.chain(balancers).map(|ip| ((protocol, ip, number), outside.clone())));
            if let (Some(node), Some(Ok(n))) = (self.node_ip, port.node_port.filter(|n| *n > 0).map(u16::try_from)) {
                made.push(((protocol, node, n), outside));
            }
        }
        made
    }

    /// The endpoints of one port: those that are ready, or if none is, those that still serve while they end.
    fn rule(&self, spec: &ServiceSpec, port: &ServicePort, slices: &[Rc<EndpointSlice>], local: bool) -> Rule {
        let (mut ready, mut ending) = (BTreeSet::new(), BTreeSet::new());
        let mut elsewhere = false;
        for slice in slices {
            let named = |p: &&k8s_openapi::api::discovery::v1::EndpointPort| {
                p.name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
            };
            let found = slice.ports.iter().flatten().find(named).and_then(|p| p.port);
            let Some(number) = found.and_then(|n| u16::try_from(n).ok()) else { continue };
            for e in slice.endpoints.iter().flatten() {
                let c = e.conditions.clone().unwrap_or_default();
                let addresses = e.addresses.iter().filter_map(|a| a.parse::<IpAddr>().ok()).map(|a| (a, number));
                let here = e.node_name.as_deref() == Some(&*self.node);
                let is_ready = c.ready != Some(false);
                let serves = c.serving != Some(false) && c.terminating == Some(true);
                if local && !here {
                    elsewhere |= is_ready || serves;
                } else if is_ready {
                    ready.extend(addresses);
                } else if serves {
                    ending.extend(addresses);
                }
            }
        }
        let endpoints = if ready.is_empty() { ending } else { ready };
        let sticky = spec.session_affinity.as_deref() == Some("ClientIP");
        let seconds = spec
            .session_affinity_config
            .as_ref()
            .and_then(|c| c.client_ip.as_ref())
            .and_then(|c| c.timeout_seconds)
            .unwrap_or(10_800);
        Rule {
            endpoints: endpoints.into_iter().collect(),
            elsewhere,
            affinity: sticky.then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        }
    }
}
