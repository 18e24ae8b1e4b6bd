//! Mirror pods: what the api-server shows of static pods. Models `pkg/kubelet/pod/{pod_manager,mirror_client}.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::Kubelet;
use super::pod;
use super::sources::mirror_hash;
use crate::apiserver::{DeleteOptions, Preconditions};
use crate::client::object_key;

pub(super) const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";
pub(super) const CONFIG_HASH: &str = "kubernetes.io/config.hash";
pub(super) const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
pub(super) const CONFIG_SOURCE: &str = "kubernetes.io/config.source";

/// How long an upstream worker leaves a pod alone after a sync, and by how much more at random (`pod_workers.go`).
const RESYNC_INTERVAL: Duration = Duration::from_secs(60);
const RESYNC_JITTER: f64 = 0.5;

/// Whether a pod of the api-server mirrors a static one.
pub(super) fn is_mirror(p: &Pod) -> bool {
    mirror_hash(p).is_some()
}

impl Kubelet {
    /// A mirror pod came or changed.
    pub(super) fn mirror_changed(&self, p: &Rc<Pod>) {
        let key = object_key(&p.metadata);
        let before = self.0.mirrors.borrow_mut().insert(key.clone(), p.clone());
        let deleting = p.metadata.deletion_timestamp.is_some();
        let known = before
            .is_some_and(|b| b.metadata.uid == p.metadata.uid && b.metadata.deletion_timestamp.is_some() == deleting);
        if known {
            return;
        }
        match self.static_pod_named(&key) {
            Some(uid) => {
                self.kick(&uid);
                self.status_written(&uid);
            }
            // Nobody here knows it: a manifest that is gone.
            None => self.delete_mirror(p),
        }
    }

    /// A mirror pod is gone; its static pod makes another.
    pub(super) fn mirror_removed(&self, p: &Rc<Pod>) {
        let key = object_key(&p.metadata);
        {
            let mut mirrors = self.0.mirrors.borrow_mut();
            if mirrors.get(&key).is_some_and(|m| m.metadata.uid == p.metadata.uid) {
                mirrors.remove(&key);
            }
        }
        if let Some(uid) = self.static_pod_named(&key) {
            self.kick(&uid);
        }
    }

    fn static_pod_named(&self, key: &str) -> Option<Rc<str>> {
        let pods = self.0.pods.borrow();
        pods.iter()
            .find(|(_, e)| e.is_static && !e.deleted && *object_key(&e.pod.metadata) == *key)
            .map(|(u, _)| u.clone())
    }

    /// The mirror pod of a static pod.
    pub(super) fn mirror_of(&self, p: &Pod) -> Option<Rc<Pod>> {
        self.0.mirrors.borrow().get(&*object_key(&p.metadata)).cloned()
    }

    /// Makes sure that a static pod's mirror is there and mirrors this very pod.
    pub(super) async fn ensure_mirror(&self, uid: &Rc<str>, p: &Rc<Pod>) {
        if let Some(m) = self.mirror_of(p) {
            if mirror_hash(&m).is_some_and(|h| **h == **uid) && m.metadata.deletion_timestamp.is_none() {
                return;
            }
            self.delete_mirror(&m);
            return;
        }
        let Some(owner) = self.node_owner() else { return };
        let mut mirror = Pod::clone(p);
        let m = &mut mirror.metadata;
        m.uid = None;
        m.annotations.get_or_insert_default().insert(CONFIG_MIRROR.into(), uid.to_string());
        m.owner_references = Some(vec![owner]);
        mirror.status = None;
        if self.0.client.create(mirror).await.is_err() && self.mirror_of(p).is_none() {
            // Upstream's worker looks at the pod again once this time is over, and tries anew then.
            self.kick_at(uid, self.now() + self.0.sim.jitter(RESYNC_INTERVAL, RESYNC_JITTER));
        }
    }

    pub(super) fn delete_mirror(&self, p: &Rc<Pod>) {
        let (kubelet, p) = (self.clone(), p.clone());
        self.spawn(async move {
            let o = DeleteOptions {
                grace_period_seconds: Some(0),
                preconditions: Preconditions { uid: p.metadata.uid.clone(), resource_version: None },
                ..DeleteOptions::default()
            };
            // A mirror that can't be deleted now is found again when the kubelet next lists.
            let _ = kubelet.0.client.delete::<Pod>(pod::namespace(&p), pod::name(&p), &o).await;
        });
    }

    /// Mirrors of static pods whose manifest is gone go once the pod has ended.
    pub(super) fn forget_mirrors_without_pod(&self, _manifests: &[(String, Rc<str>)]) {
        let orphans: Vec<Rc<Pod>> = {
            let mirrors = self.0.mirrors.borrow();
            let pods = self.0.pods.borrow();
            let live = |key: &str| pods.values().any(|e| e.is_static && *object_key(&e.pod.metadata) == *key);
            mirrors.iter().filter(|(k, _)| !live(k)).map(|(_, m)| m.clone()).collect()
        };
        for m in orphans {
            self.delete_mirror(&m);
        }
    }
}
