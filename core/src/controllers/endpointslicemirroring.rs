//! The EndpointSlice mirroring controller: Endpoints that somebody writes by hand get slices, which is what proxies read.
//! Models `pkg/controller/endpointslicemirroring`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort as OldPort, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ControllerContext;
use super::util::worker::{SyncResult, run_workers};
use super::util::{name, namespace, new_controller_ref};
use crate::apiserver::DeleteOptions;
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};

/// `--mirroring-concurrent-service-endpoint-syncs`.
const WORKERS: usize = 5;
/// `--mirroring-max-endpoints-per-subset`.
const MAX_PER_SUBSET: usize = 1000;

const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that are the Endpoints' own.
const NOT_MIRRORED: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];
const SERVICE_INDEX: &str = "mirrored-service";

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    endpoints: Informer<Endpoints>,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    queue: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("endpointslicemirroring-controller");
    let c = Controller {
        recorder: ctx.recorder(&client, "endpoint-slice-mirroring-controller"),
        endpoints: ctx.informer(),
        services: ctx.informer(),
        slices: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        client,
    };
    c.slices.add_index(SERVICE_INDEX, |s| service_key(s).into_iter().collect());
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.endpoints.wait_synced().await;
        c.services.wait_synced().await;
        c.slices.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

/// The Service that a slice of this controller is of.
fn service_key(s: &EndpointSlice) -> Option<Rc<str>> {
    let labels = s.metadata.labels.as_ref()?;
    let ours = labels.get(MANAGED_BY).is_some_and(|m| m == CONTROLLER);
    ours.then(|| Some(format!("{}/{}", namespace(&s.metadata), labels.get(SERVICE_NAME)?).into()))?
}

/// Whether Endpoints are to be mirrored as far as they themselves say. Models shouldMirror.
fn wants_mirror(e: &Endpoints) -> bool {
    let has = |map: &Option<BTreeMap<String, String>>, k: &str| map.as_ref().and_then(|m| m.get(k)).cloned();
    has(&e.metadata.labels, SKIP).as_deref() != Some("true") && has(&e.metadata.annotations, LEADER).is_none()
}

fn selects(s: &Service) -> bool {
    s.spec.as_ref().and_then(|s| s.selector.as_ref()).is_some_and(|l| !l.is_empty())
}

/// The ports of a subset as slices have them.
fn ports(old: &[OldPort]) -> Vec<EndpointPort> {
    old.iter()
        .map(|p| EndpointPort {
            name: Some(p.name.clone().unwrap_or_default()),
            port: Some(p.port),
            protocol: Some(p.protocol.clone().unwrap_or_else(|| "TCP".into())),
            app_protocol: p.app_protocol.clone(),
        })
        .collect()
}

fn endpoint(a: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![a.ip.clone()],
        conditions: Some(EndpointConditions { ready: Some(ready), ..EndpointConditions::default() }),
        hostname: a.hostname.clone().filter(|h| !h.is_empty()),
        node_name: a.node_name.clone(),
        target_ref: a.target_ref.clone(),
        ..Endpoint::default()
    }
}

/// The slices that Endpoints come to, without names: one for each set of ports and family of addresses.
fn desired(e: &Endpoints) -> Vec<EndpointSlice> {
    let mut labels = e.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.into(), name(&e.metadata).to_owned());
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    let mut annotations = e.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|k, _| !NOT_MIRRORED.contains(&k.as_str()));
    let mut slices: Vec<EndpointSlice> = Vec::new();
    for subset in e.subsets.iter().flatten() {
        let ready = subset.addresses.iter().flatten().map(|a| endpoint(a, true));
        let unready = subset.not_ready_addresses.iter().flatten().map(|a| endpoint(a, false));
        let ports = ports(subset.ports.as_deref().unwrap_or_default());
        for e2 in ready.chain(unready).take(MAX_PER_SUBSET) {
            let ipv6 = e2.addresses.first().is_some_and(|a| a.contains(':'));
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            let same = |s: &&mut EndpointSlice| s.address_type == family && s.ports.as_deref() == Some(&ports);
            match slices.iter_mut().find(same) {
                Some(s) => s.endpoints.get_or_insert_default().push(e2),
                None => slices.push(EndpointSlice {
                    metadata: ObjectMeta {
                        generate_name: Some(format!("{}-", name(&e.metadata))),
                        namespace: e.metadata.namespace.clone(),
                        labels: Some(labels.clone()),
                        annotations: (!annotations.is_empty()).then(|| annotations.clone()),
                        owner_references: Some(vec![new_controller_ref(e)]),
                        ..ObjectMeta::default()
                    },
                    address_type: family.to_owned(),
                    endpoints: Some(vec![e2]),
                    ports: Some(ports.clone()),
                }),
            }
        }
    }
    slices
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.endpoints.on_event(move |e| match e {
            InformerEvent::Added(o) if wants_mirror(o) => c.queue.add(object_key(&o.metadata)),
            InformerEvent::Updated { old, new } if wants_mirror(old) || wants_mirror(new) => {
                c.queue.add(object_key(&new.metadata));
            }
            InformerEvent::Deleted(o) if wants_mirror(o) => c.queue.add(object_key(&o.metadata)),
            _ => {}
        });
        let c = self.clone();
        self.services.on_event(move |e| match e {
            InformerEvent::Added(s) | InformerEvent::Deleted(s) => c.queue.add(object_key(&s.metadata)),
            InformerEvent::Updated { old, new } => {
                if selects(old) != selects(new) {
                    c.queue.add(object_key(&new.metadata));
                }
            }
        });
        let c = self.clone();
        self.slices.on_event(move |e| {
            if let InformerEvent::Updated { new: s, .. } | InformerEvent::Deleted(s) = e
                && let Some(key) = service_key(s)
            {
                c.queue.add(key);
            }
        });
    }

    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let mut have = self.slices.by_index(SERVICE_INDEX, key);
        let mirrored = self.services.get_named(ns, n).is_some_and(|s| !selects(&s));
        let endpoints = self.endpoints.get_named(ns, n).filter(|e| mirrored && wants_mirror(e));
        let outcome = match &endpoints {
            None => Ok(()),
            Some(e) => self.reconcile(e, &mut have).await,
        };
        if let (Err(e), Some(about)) = (&outcome, &endpoints) {
            let message = format!("Error mirroring EndpointSlices for Endpoints {key}: {e}");
            self.recorder.event(&**about, EventType::Warning, "FailedToUpdateEndpointSlices", &message);
        }
        outcome?;
        // What is left over is of no use any more.
        for s in have {
            let gone = self.client.delete::<EndpointSlice>(ns, name(&s.metadata), &DeleteOptions::default()).await;
            if let Err(e) = gone
                && !e.is_not_found()
            {
                return Err(e.into());
            }
        }
        Ok(())
    }

    /// Creates and changes slices; those that serve are taken out of `have`.
    async fn reconcile(&self, e: &Endpoints, have: &mut Vec<Rc<EndpointSlice>>) -> SyncResult {
        for want in desired(e) {
            let same = |s: &Rc<EndpointSlice>| s.address_type == want.address_type && s.ports == want.ports;
            let Some(at) = have.iter().position(same) else {
                self.client.create(want).await?;
                continue;
            };
            let found = have.remove(at);
            let mut changed = (*found).clone();
            changed.endpoints = want.endpoints;
            changed.metadata.labels = want.metadata.labels;
            changed.metadata.annotations = want.metadata.annotations;
            if changed != *found {
                self.client.update(changed).await?;
            }
        }
        Ok(())
    }
}
