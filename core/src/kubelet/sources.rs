//! Where pods come from: the api-server, and the manifests on the machine. Models `pkg/kubelet/config`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sha2::{Digest, Sha256};

use super::Kubelet;
use super::pod::{self, Entry, WorkState};
use super::pod_manager::{CONFIG_HASH, CONFIG_MIRROR, CONFIG_SEEN, CONFIG_SOURCE, is_mirror};
use crate::client::{Client, Informer, InformerEvent, ListWatch};

/// fileCheckFrequency.
const FILE_CHECK: Duration = Duration::from_secs(20);

impl Kubelet {
    pub(super) fn run_sources(&self, lists: &Client) {
        let kubelet = self.clone();
        self.spawn(async move {
            // Static pods need nobody. Changes are noticed at once (inotify, told by whoever changes files) or here.
            loop {
                kubelet.manifests_changed();
                kubelet.0.sim.sleep(FILE_CHECK).await;
            }
        });
        // Mirrors name the node as their owner, so they wait for it. Models `fastStaticPodsRegistration` of `kubelet.go`.
        let kubelet = self.clone();
        self.0.node.on_event(move |event| match event {
            InformerEvent::Added(node) => {
                kubelet.own_node_changed(Some(node));
                kubelet.kick_static_pods();
            }
            InformerEvent::Updated { new, .. } => kubelet.own_node_changed(Some(new)),
            InformerEvent::Deleted(_) => kubelet.own_node_changed(None),
        });
        let (kubelet, lists) = (self.clone(), lists.clone());
        self.spawn(async move {
            // Pods of the api-server are taken once the node is known there.
            kubelet.0.node.wait_synced().await;
            let field_selector = format!("spec.nodeName={}", kubelet.0.config.node_name);
            let pods = Informer::<Pod>::start(&lists, ListWatch { field_selector, ..ListWatch::default() });
            let k = kubelet.clone();
            pods.on_event(move |event| match event {
                InformerEvent::Added(p) => k.api_pod_changed(p),
                InformerEvent::Updated { old, new } => {
                    // Made anew under its name while this kubelet heard nothing: to it a pod is its uid, not its name.
                    if old.metadata.uid != new.metadata.uid {
                        k.api_pod_removed(old);
                    }
                    k.api_pod_changed(new);
                }
                InformerEvent::Deleted(p) => k.api_pod_removed(p),
            });
            pods.wait_synced().await;
            kubelet.0.sources_ready.set(true);
            kubelet.clean_up_orphans().await;
        });
    }

    fn kick_static_pods(&self) {
        let statics: Vec<Rc<str>> =
            self.0.pods.borrow().iter().filter(|(_, e)| e.is_static).map(|(uid, _)| uid.clone()).collect();
        for uid in &statics {
            self.kick(uid);
        }
    }

    fn api_pod_changed(&self, p: &Rc<Pod>) {
        if is_mirror(p) {
            return self.mirror_changed(p);
        }
        let uid: Rc<str> = pod::uid(p).into();
        let deleting = p.metadata.deletion_timestamp.is_some();
        let known = self.with_entry(&uid, |e| {
            let same = e.pod.spec == p.spec
                && e.pod.metadata.deletion_grace_period_seconds == p.metadata.deletion_grace_period_seconds
                && e.pod.metadata.deletion_timestamp == p.metadata.deletion_timestamp
                && e.pod.metadata.labels == p.metadata.labels
                && e.pod.metadata.annotations == p.metadata.annotations;
            if !same {
                self.0.load.borrow_mut().update(&uid, p);
            }
            e.pod = p.clone();
            same
        });
        match known {
            // A change of the status alone is this kubelet's own, mostly; readiness gates are not.
            Some(true) => {
                if pod::spec(p).readiness_gates.as_ref().is_some_and(|g| !g.is_empty()) {
                    self.kick(&uid);
                }
                self.status_written(&uid);
            }
            Some(false) if deleting => {
                self.terminate(&uid, p.metadata.deletion_grace_period_seconds);
                // One that had ended already only waits for its object to go.
                self.enqueue_status(&uid);
            }
            Some(false) => self.kick(&uid),
            None => self.add_pod(&uid, p, false),
        }
    }

    /// Takes a pod in.
    pub(super) fn add_pod(&self, uid: &Rc<str>, p: &Rc<Pod>, is_static: bool) {
        let mut entry = Entry::new(p.clone(), is_static, self.0.sim.cause());
        let phase = p.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        let over = matches!(phase, "Failed" | "Succeeded");
        if p.metadata.deletion_timestamp.is_some() || over {
            entry.state = WorkState::Terminating;
            entry.grace = p.metadata.deletion_grace_period_seconds;
        }
        let admitted = if over || p.metadata.deletion_timestamp.is_some() { Ok(()) } else { self.admit(uid, p) };
        self.0.pods.borrow_mut().insert(uid.clone(), Box::new(entry));
        if let Err(rejection) = admitted {
            return self.reject(uid, p, &rejection);
        }
        // One that was over before this kubelet saw it is active only if something of it runs all the same.
        if !over || self.runtime_status(uid).is_ok_and(|rs| rs.containers.iter().any(pod::ContainerView::running)) {
            self.0.load.borrow_mut().set(uid, p);
        }
        self.kick(uid);
    }

    fn api_pod_removed(&self, p: &Rc<Pod>) {
        if is_mirror(p) {
            return self.mirror_removed(p);
        }
        let uid: Rc<str> = pod::uid(p).into();
        let state = self.with_entry(&uid, |e| {
            e.deleted = true;
            e.state
        });
        match state {
            Some(WorkState::Finished) => self.forget(&uid),
            // Gone without waiting for this kubelet: its containers end with the grace that it had, or its own.
            Some(WorkState::Sync) => {
                let grace = p.metadata.deletion_grace_period_seconds.or(pod::spec(p).termination_grace_period_seconds);
                self.terminate(&uid, grace);
            }
            Some(_) => self.kick(&uid),
            None => {}
        }
    }

    /// The directory of the static pods' manifests changed, or may have.
    pub fn manifests_changed(&self) {
        let now: BTreeMap<String, Rc<str>> = (self.0.config.files)(&self.0.config.static_pod_path)
            .into_iter()
            .filter(|(path, _)| !path.rsplit('/').next().unwrap_or_default().starts_with('.'))
            .map(|(path, text)| (path, text.into()))
            .collect();
        if *self.0.manifests.borrow() == now {
            return;
        }
        *self.0.manifests.borrow_mut() = now;
        self.retry_static_pods();
    }

    /// Brings the static pods in line with their manifests. A changed pod starts once the one before it has ended.
    pub(super) fn retry_static_pods(&self) {
        let manifests: Vec<(String, Rc<str>)> =
            self.0.manifests.borrow().iter().map(|(p, t)| (p.clone(), t.clone())).collect();
        let mut wanted: BTreeSet<Rc<str>> = BTreeSet::new();
        let mut fresh: Vec<(Rc<str>, Rc<Pod>)> = Vec::new();
        for (path, text) in &manifests {
            let Some(p) = self.decode_manifest(path, text) else { continue };
            let uid: Rc<str> = pod::uid(&p).into();
            wanted.insert(uid.clone());
            if !self.0.pods.borrow().contains_key(&uid) {
                fresh.push((uid, Rc::new(p)));
            }
        }
        let (gone, going): (Vec<Rc<str>>, BTreeSet<String>) = {
            let mut pods = self.0.pods.borrow_mut();
            let statics = || pods.iter().filter(|(_, e)| e.is_static);
            let gone: Vec<Rc<str>> = statics().filter(|(u, _)| !wanted.contains(*u)).map(|(u, _)| u.clone()).collect();
            let going = statics()
                .filter(|(u, e)| !wanted.contains(*u) && e.state != WorkState::Finished)
                .map(|(_, e)| format!("{}/{}", pod::namespace(&e.pod), pod::name(&e.pod)))
                .collect();
            for uid in &gone {
                if let Some(e) = pods.get_mut(uid) {
                    e.deleted = true;
                }
            }
            (gone, going)
        };
        for uid in gone {
            match self.with_entry(&uid, |e| e.state) {
                Some(WorkState::Sync) => self.terminate(&uid, None),
                Some(WorkState::Finished) => {
                    self.drop_entry(&uid);
                }
                _ => {}
            }
        }
        for (uid, p) in fresh {
            if !going.contains(&format!("{}/{}", pod::namespace(&p), pod::name(&p))) {
                self.add_pod(&uid, &p, true);
            }
        }
        self.forget_mirrors_without_pod(&manifests);
    }

    /// A manifest as a pod of this node. Models `applyDefaults` of `config/common.go`.
    fn decode_manifest(&self, path: &str, text: &str) -> Option<Pod> {
        let value: serde_json::Value = serde_yaml::from_str(text).ok()?;
        let mut p: Pod = serde_json::from_value(value).ok()?;
        if let Some(id) = self.0.cx.registry.id_of::<Pod>() {
            self.0.cx.registry.strategy(id).default(&mut p);
        }
        let node = &self.0.config.node_name;
        // The kubelet's hash covers the decoded pod; the text, the path and the node tell apart the same things.
        let hash = Sha256::digest(format!("{path}\0{node}\0{text}").as_bytes());
        let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let m = &mut p.metadata;
        m.name = Some(format!("{}-{node}", m.name.as_deref().unwrap_or_default()));
        m.namespace.get_or_insert_with(|| "default".into());
        m.uid.get_or_insert_with(|| hash.clone());
        let notes = m.annotations.get_or_insert_default();
        notes.insert(CONFIG_HASH.into(), m.uid.clone().unwrap_or(hash));
        notes.insert(CONFIG_SOURCE.into(), "file".into());
        notes.insert(CONFIG_SEEN.into(), self.0.sim.timestamp().to_string());
        let spec = p.spec.get_or_insert_default();
        spec.node_name = Some(node.to_string());
        let everything =
            Toleration { operator: Some("Exists".into()), effect: Some("NoExecute".into()), ..Toleration::default() };
        spec.tolerations.get_or_insert_default().push(everything);
        if p.status.is_none() {
            p.status =
                Some(k8s_openapi::api::core::v1::PodStatus { phase: Some("Pending".into()), ..Default::default() });
        }
        Some(p)
    }

    /// The owner that mirror pods name: this node.
    pub(super) fn node_owner(&self) -> Option<OwnerReference> {
        let node = self.0.node.get(&self.0.config.node_name)?;
        Some(OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: self.0.config.node_name.to_string(),
            uid: node.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            ..OwnerReference::default()
        })
    }
}

/// What marks a mirror pod.
pub(super) fn mirror_hash(p: &Pod) -> Option<&String> {
    p.metadata.annotations.as_ref().and_then(|a| a.get(CONFIG_MIRROR))
}
