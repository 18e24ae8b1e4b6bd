//! How many pods those who control a budget's pods want. Models getExpectedScale and the finders of
//! `pkg/controller/disruption/disruption.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::api::object::Kind;
use crate::api::status::qualified;
use crate::client::{Client, Informer};
use crate::controllers::ControllerContext;
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{controller_of, name, namespace, ref_group, ref_is, uid};

/// Knows who controls pods, and how many of them it wants.
#[derive(Clone)]
pub struct Finders {
    client: Client,
    controllers: Informer<ReplicationController>,
    deployments: Informer<Deployment>,
    replica_sets: Informer<ReplicaSet>,
    stateful_sets: Informer<StatefulSet>,
}

/// The uid of a controller, and how many pods it wants.
type Scale = (String, i64);

fn owned<K: Kind>(informer: &Informer<K>, ns: &str, r: &OwnerReference) -> Option<Rc<K>> {
    informer.get_named(ns, &r.name).filter(|o| uid(o.metadata()) == r.uid)
}

impl Finders {
    pub fn new(ctx: &ControllerContext, client: &Client) -> Self {
        Finders {
            client: client.clone(),
            controllers: ctx.informer(),
            deployments: ctx.informer(),
            replica_sets: ctx.informer(),
            stateful_sets: ctx.informer(),
        }
    }

    pub async fn wait_synced(&self) {
        self.controllers.wait_synced().await;
        self.deployments.wait_synced().await;
        self.replica_sets.wait_synced().await;
        self.stateful_sets.wait_synced().await;
    }

    /// The sum of what the pods' controllers want, and the names of the pods that have none.
    pub async fn expected_scale(&self, pods: &[Rc<Pod>]) -> Result<(i64, Vec<String>), SyncError> {
        let mut scales: BTreeMap<String, i64> = BTreeMap::new();
        let mut known = std::collections::BTreeSet::new();
        let mut unmanaged = Vec::new();
        for pod in pods {
            let Some(r) = controller_of(&pod.metadata) else {
                unmanaged.push(name(&pod.metadata).to_owned());
                continue;
            };
            if !known.insert(r.uid.clone()) {
                continue;
            }
            match self.find(namespace(&pod.metadata), r).await? {
                Some((uid, n)) => {
                    scales.insert(uid, n);
                }
                None => {
                    return Err(SyncError::message(format!("found no controllers for pod {:?}", name(&pod.metadata))));
                }
            }
        }
        Ok((scales.values().sum(), unmanaged))
    }

    async fn find(&self, ns: &str, r: &OwnerReference) -> Result<Option<Scale>, SyncError> {
        let wants = |n: Option<i32>| i64::from(n.unwrap_or(1));
        if ref_is::<ReplicationController>(r) {
            let found = owned(&self.controllers, ns, r);
            return Ok(found.map(|o| (r.uid.clone(), wants(o.spec.as_ref().and_then(|s| s.replicas)))));
        }
        if ref_is::<ReplicaSet>(r) {
            let Some(rs) = owned(&self.replica_sets, ns, r) else { return Ok(None) };
            // Of a Deployment all ReplicaSets count as one.
            if let Some(above) = controller_of(&rs.metadata).filter(|a| ref_is::<Deployment>(a)) {
                let found = owned(&self.deployments, ns, above);
                return Ok(found.map(|o| (above.uid.clone(), wants(o.spec.as_ref().and_then(|s| s.replicas)))));
            }
            return Ok(Some((r.uid.clone(), wants(rs.spec.as_ref().and_then(|s| s.replicas)))));
        }
        if ref_is::<StatefulSet>(r) {
            let found = owned(&self.stateful_sets, ns, r);
            return Ok(found.map(|o| (r.uid.clone(), wants(o.spec.as_ref().and_then(|s| s.replicas)))));
        }
        self.find_scalable(ns, r).await
    }

    /// A controller of any other kind, by its scale subresource.
    async fn find_scalable(&self, ns: &str, r: &OwnerReference) -> Result<Option<Scale>, SyncError> {
        let registry = self.client.registry().clone();
        let Some(id) = registry.find_kind(ref_group(r), &r.kind) else { return Ok(None) };
        let info = registry.info(id);
        if !info.subresources.contains(&"scale") {
            let what = qualified(info.group, info.resource);
            return Err(SyncError::message(format!("{what} does not implement the scale subresource")));
        }
        match self.client.get_object(id, ns, &r.name).await {
            Ok(o) if uid(o.meta()) == r.uid => {
                Ok(registry.strategy(id).scale(&*o).map(|s| (r.uid.clone(), i64::from(s.replicas))))
            }
            Ok(_) => Ok(None),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
