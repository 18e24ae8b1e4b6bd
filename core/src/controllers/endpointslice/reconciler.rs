//! Brings the slices of a Service in line with its pods, with as few writes as will do.
//! Models `staging/src/k8s.io/endpointslice/reconciler.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rustc_hash::FxBuildHasher;

use super::tracker::SliceTracker;
use crate::apiserver::DeleteOptions;
use crate::client::{Client, Informer, object_key};
use crate::controllers::util::endpoint as desired;
use crate::controllers::util::pod_control::is_namespace_terminating;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{name, namespace, new_controller_ref, pods};

/// `--max-endpoints-per-slice`.
const ENDPOINTS_MAX: usize = 100;
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub const CONTROLLER: &str = "endpointslice-controller.k8s.io";
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
const HEADLESS: &str = "service.kubernetes.io/headless";
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Endpoints wanted, by what makes them the same one: addresses, host name and target.
type Wanted = IndexMap<String, Endpoint, FxBuildHasher>;

/// What is to be written.
#[derive(Default)]
struct Changes {
    create: Vec<EndpointSlice>,
    update: Vec<EndpointSlice>,
    delete: Vec<Rc<EndpointSlice>>,
}

#[derive(Clone)]
pub struct Reconciler {
    pub client: Client,
    pub nodes: Informer<Node>,
    pub tracker: Rc<RefCell<SliceTracker>>,
}

fn identity(e: &Endpoint) -> String {
    let target = e.target_ref.as_ref();
    let (ns, n, uid) =
        target.map_or((None, None, None), |t| (t.namespace.as_deref(), t.name.as_deref(), t.uid.as_deref()));
    format!("{:?}/{:?}/{ns:?}/{n:?}/{uid:?}", e.addresses, e.hostname)
}

fn ports_key(ports: &[EndpointPort]) -> String {
    let mut each: Vec<String> = ports.iter().map(|p| format!("{p:?}")).collect();
    each.sort();
    each.join(",")
}

fn endpoints(s: &EndpointSlice) -> &[Endpoint] {
    s.endpoints.as_deref().unwrap_or_default()
}

fn is_ipv6(s: &EndpointSlice) -> bool {
    s.address_type == "IPv6"
}

impl Reconciler {
    /// Writes what must be written.
    pub async fn reconcile(
        &self,
        service: &Service,
        matching: &[Rc<Pod>],
        existing: Vec<Rc<EndpointSlice>>,
        trigger: Option<jiff::Timestamp>,
    ) -> SyncResult {
        let families = desired::families(service);
        let mut errors = Vec::new();
        for ipv6 in &families {
            let of_family = existing.iter().filter(|s| is_ipv6(s) == *ipv6).cloned().collect();
            if let Err(e) = self.reconcile_family(service, matching, of_family, trigger, *ipv6).await {
                errors.push(e);
            }
        }
        for s in existing.iter().filter(|s| !families.contains(&is_ipv6(s))) {
            self.delete(service, s).await?;
        }
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    async fn reconcile_family(
        &self,
        service: &Service,
        matching: &[Rc<Pod>],
        existing: Vec<Rc<EndpointSlice>>,
        trigger: Option<jiff::Timestamp>,
        ipv6: bool,
    ) -> SyncResult {
        let mut missing_node = None;
        let mut wanted: BTreeMap<String, (Vec<EndpointPort>, Wanted)> = BTreeMap::new();
        let publish = service.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
        for pod in matching.iter().filter(|p| desired::serves(p)) {
            let node = self.nodes.get(pods::node_name(pod));
            if node.is_none() && !publish {
                let (ns, n) = (namespace(&service.metadata), name(&service.metadata));
                let (p, at) = (name(&pod.metadata), pods::node_name(pod));
                missing_node = Some(format!("skipping Pod {p} for Service {ns}/{n}: Node {at} Not Found"));
                continue;
            }
            let Some(endpoint) = desired::endpoint(pod, node.as_deref(), service, ipv6) else { continue };
            let ports = desired::ports(service, pod);
            let set = wanted.entry(ports_key(&ports)).or_insert_with(|| (ports, Wanted::default()));
            set.1.insert(identity(&endpoint), endpoint);
        }
        let mut by_ports: BTreeMap<String, Vec<Rc<EndpointSlice>>> = BTreeMap::new();
        for s in &existing {
            by_ports.entry(ports_key(s.ports.as_deref().unwrap_or_default())).or_default().push(s.clone());
        }
        let mut changes = Changes::default();
        for (key, (ports, set)) in wanted {
            let have = by_ports.remove(&key).unwrap_or_default();
            reconcile_ports(service, have, set, &ports, ipv6, &mut changes);
        }
        changes.delete.extend(by_ports.into_values().flatten());
        // A Service without endpoints has an empty slice, so that whoever reads it knows that it was looked at.
        if existing.len() == changes.delete.len() && changes.create.is_empty() {
            let placeholder = new_slice(service, &[], ipv6);
            match changes.delete.as_slice() {
                [one] if is_placeholder(one, &placeholder) => changes.delete.clear(),
                _ => changes.create.push(placeholder),
            }
        }
        self.finalize(service, changes, trigger).await?;
        missing_node.map_or(Ok(()), |m| Err(SyncError::Message(m)))
    }

    async fn finalize(&self, service: &Service, mut changes: Changes, trigger: Option<jiff::Timestamp>) -> SyncResult {
        // A slice that would go is written over rather than deleted and another created.
        while !changes.delete.is_empty() && !changes.create.is_empty() {
            if let (Some(old), Some(mut new)) = (changes.delete.pop(), changes.create.pop()) {
                new.metadata.name = old.metadata.name.clone();
                changes.update.push(new);
            }
        }
        let key = object_key(&service.metadata);
        if service.metadata.deletion_timestamp.is_none() {
            for mut slice in changes.create {
                set_trigger_time(&mut slice, trigger);
                match self.client.create(slice).await {
                    Ok(made) => self.tracker.borrow_mut().update(&key, &made),
                    Err(e) if is_namespace_terminating(&e) => return Ok(()),
                    Err(e) => {
                        let (ns, n) = (namespace(&service.metadata), name(&service.metadata));
                        let why = format!("failed to create EndpointSlice for Service {ns}/{n}: {e}");
                        return Err(SyncError::Message(why));
                    }
                }
            }
        }
        for mut slice in changes.update {
            set_trigger_time(&mut slice, trigger);
            let slice_name = name(&slice.metadata).to_owned();
            match self.client.update(slice).await {
                Ok(made) => self.tracker.borrow_mut().update(&key, &made),
                Err(e) => {
                    let (ns, n) = (namespace(&service.metadata), name(&service.metadata));
                    let why = format!("failed to update {slice_name} EndpointSlice for Service {ns}/{n}: {e}");
                    return Err(SyncError::Message(why));
                }
            }
        }
        for slice in changes.delete {
            self.delete(service, &slice).await?;
        }
        Ok(())
    }

    async fn delete(&self, service: &Service, slice: &EndpointSlice) -> SyncResult {
        let (ns, n) = (namespace(&slice.metadata), name(&slice.metadata));
        match self.client.delete::<EndpointSlice>(ns, n, &DeleteOptions::default()).await {
            Err(e) if !e.is_not_found() => return Err(e.into()),
            _ => {}
        }
        self.tracker.borrow_mut().expect_deletion(&object_key(&service.metadata), slice);
        Ok(())
    }
}

/// Fits the endpoints wanted into slices of the same ports: kept ones first, then changed ones, then others, then new ones.
fn reconcile_ports(
    service: &Service,
    existing: Vec<Rc<EndpointSlice>>,
    mut wanted: Wanted,
    ports: &[EndpointPort],
    ipv6: bool,
    changes: &mut Changes,
) {
    let labels = slice_labels(service);
    let mut to_update: Vec<EndpointSlice> = Vec::new();
    let mut unchanged: Vec<Rc<EndpointSlice>> = Vec::new();
    for slice in existing {
        let mut kept = Vec::new();
        let mut changed = false;
        for e in endpoints(&slice) {
            let Some(want) = wanted.shift_remove(&identity(e)) else { continue };
            changed |= want != *e;
            kept.push(want);
        }
        let lost = kept.len() != endpoints(&slice).len();
        if lost && kept.is_empty() {
            changes.delete.push(slice);
        } else if lost || changed || slice.metadata.labels.as_ref() != Some(&labels) {
            let mut new = (*slice).clone();
            new.endpoints = Some(kept);
            new.metadata.labels = Some(labels.clone());
            to_update.push(new);
        } else {
            unchanged.push(slice);
        }
    }
    let mut rest = wanted.into_values().collect::<std::collections::VecDeque<_>>();
    let mut left = rest.len();
    let mut pop = |into: &mut Vec<Endpoint>| {
        while into.len() < ENDPOINTS_MAX
            && let Some(e) = rest.pop_front()
        {
            into.push(e);
        }
        rest.len()
    };
    // The fullest of those that are written anyway are filled up first.
    to_update.sort_by_key(|s| std::cmp::Reverse(endpoints(s).len()));
    for slice in &mut to_update {
        left = pop(slice.endpoints.get_or_insert_default());
    }
    while left > 0 {
        // The fullest slice that has room for all that is left, else a new one.
        let room = |s: &Rc<EndpointSlice>| endpoints(s).len() + left <= ENDPOINTS_MAX;
        let best = (left < ENDPOINTS_MAX)
            .then(|| {
                (0..unchanged.len()).filter(|i| room(&unchanged[*i])).max_by_key(|i| endpoints(&unchanged[*i]).len())
            })
            .flatten();
        match best {
            Some(i) => {
                let mut slice = (*unchanged.remove(i)).clone();
                left = pop(slice.endpoints.get_or_insert_default());
                to_update.push(slice);
            }
            None => {
                let mut slice = new_slice(service, ports, ipv6);
                left = pop(slice.endpoints.get_or_insert_default());
                changes.create.push(slice);
            }
        }
    }
    changes.update.extend(to_update);
}

fn slice_labels(service: &Service) -> BTreeMap<String, String> {
    let reserved: BTreeSet<&str> = [MANAGED_BY, SERVICE_NAME, HEADLESS].into();
    let mut labels: BTreeMap<String, String> = service.metadata.labels.clone().unwrap_or_default();
    labels.retain(|k, _| !reserved.contains(k.as_str()));
    let ip = service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default();
    if ip.is_empty() || ip == "None" {
        labels.insert(HEADLESS.into(), String::new());
    }
    labels.insert(SERVICE_NAME.into(), name(&service.metadata).to_owned());
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    labels
}

fn new_slice(service: &Service, ports: &[EndpointPort], ipv6: bool) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(&service.metadata))),
            namespace: service.metadata.namespace.clone(),
            labels: Some(slice_labels(service)),
            owner_references: Some(vec![new_controller_ref(service)]),
            ..ObjectMeta::default()
        },
        address_type: if ipv6 { "IPv6" } else { "IPv4" }.into(),
        endpoints: None,
        ports: (!ports.is_empty()).then(|| ports.to_vec()),
    }
}

fn is_placeholder(s: &EndpointSlice, placeholder: &EndpointSlice) -> bool {
    endpoints(s).is_empty()
        && s.ports.as_deref().unwrap_or_default().is_empty()
        && s.address_type == placeholder.address_type
        && s.metadata.labels == placeholder.metadata.labels
}

fn set_trigger_time(slice: &mut EndpointSlice, trigger: Option<jiff::Timestamp>) {
    match trigger {
        Some(t) => {
            slice.metadata.annotations.get_or_insert_default().insert(TRIGGER_TIME.into(), t.to_string());
        }
        None => {
            if let Some(a) = &mut slice.metadata.annotations {
                a.remove(TRIGGER_TIME);
            }
        }
    }
}
