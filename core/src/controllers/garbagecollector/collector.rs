//! The workers that delete and orphan. Models `garbagecollector.go`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::graph::{FOREGROUND, Graph, Identity, ORPHAN, Uid, Work};
use crate::api::object::{Obj, make_mut};
use crate::api::status::Status;
use crate::apiserver::{DeleteOptions, Preconditions, Propagation};
use crate::client::{Client, ClientError, InformerEvent, RateLimits, WorkQueue};
use crate::controllers::ControllerContext;
use crate::controllers::util::pod_control::in_parallel;
use crate::controllers::util::worker::{SyncError, SyncResult, run_workers};
use crate::controllers::util::{name, namespace, uid};
use crate::registry::ResourceId;
use crate::sim::Notify;

/// `--concurrent-gc-syncs`.
const WORKERS: usize = 20;
/// How long kinds that are new may wait until they are watched.
const RESYNC: Duration = Duration::from_secs(30);
/// A write of finalizers that conflicts is tried again so often.
const CONFLICT_RETRIES: usize = 5;

#[derive(Clone)]
struct Collector {
    client: Client,
    graph: Rc<RefCell<Graph>>,
    to_delete: WorkQueue<Rc<str>>,
    to_orphan: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    // Each deletion takes two requests: upstream doubles the rate for it.
    let client = ctx.client_scaled("generic-garbage-collector", 2, 1);
    let queue = || WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = Collector { graph: Rc::default(), to_delete: queue(), to_orphan: queue(), client };
    let metadata = ctx.client("metadata-informers");
    let registry = c.client.registry().clone();
    let seen = Rc::new(RefCell::new(std::collections::BTreeSet::new()));
    let monitor = {
        let (ctx, c, registry, metadata) = (ctx.clone(), c.clone(), registry.clone(), metadata.clone());
        // Begins to watch the kinds that nobody watches here yet.
        move || {
            let mut informers = Vec::new();
            for id in registry.ids() {
                let info = registry.info(id);
                // Events own nothing and nobody owns them.
                if info.resource == "events" || !seen.borrow_mut().insert((info.group, info.resource)) {
                    continue;
                }
                let informer = ctx.informers().object(id, &metadata);
                let c = c.clone();
                informer.on_event(move |e| c.changed(id, e));
                informers.push(informer);
            }
            informers
        }
    };
    let informers = monitor();
    if let Some(id) = registry.find_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let defined = Notify::new(ctx.sim());
        let (told, sim) = (defined.clone(), ctx.sim().clone());
        ctx.informers().object(id, &metadata).on_event(move |_| told.notify());
        ctx.spawn(async move {
            loop {
                defined.notified().await;
                sim.sleep(RESYNC).await;
                drop(monitor());
            }
        });
    }
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        for i in &informers {
            i.wait_synced().await;
        }
        let deleter = c.clone();
        run_workers(&ctx, &c.to_delete, WORKERS, move |key| {
            let c = deleter.clone();
            async move { c.attempt_to_delete(&key).await }
        });
        let orphaner = c.clone();
        run_workers(&ctx, &c.to_orphan, WORKERS, move |key| {
            let c = orphaner.clone();
            async move { c.attempt_to_orphan(&key).await }
        });
    });
}

impl Collector {
    fn changed(&self, kind: ResourceId, e: &InformerEvent<'_, dyn crate::api::object::Object>) {
        let mut work = Work::default();
        let identity = |m: &ObjectMeta| Identity {
            kind: Some(kind),
            namespace: namespace(m).into(),
            name: name(m).into(),
            uid: uid(m).into(),
        };
        match e {
            InformerEvent::Added(o) => {
                let m = o.meta();
                self.graph.borrow_mut().observed(identity(m), None, m, &mut work);
            }
            InformerEvent::Updated { old, new } => {
                let (old, new) = (old.meta(), new.meta());
                if old.uid != new.uid {
                    self.graph.borrow_mut().deleted(uid(old), &mut work);
                    self.graph.borrow_mut().observed(identity(new), None, new, &mut work);
                } else if old.owner_references != new.owner_references
                    || old.finalizers != new.finalizers
                    || old.deletion_timestamp != new.deletion_timestamp
                {
                    self.graph.borrow_mut().observed(identity(new), Some(old), new, &mut work);
                }
            }
            InformerEvent::Deleted(o) => self.graph.borrow_mut().deleted(uid(o.meta()), &mut work),
        }
        self.enqueue(work);
    }

    fn enqueue(&self, work: Work) {
        work.to_delete.into_iter().for_each(|u| self.to_delete.add(u));
        work.to_orphan.into_iter().for_each(|u| self.to_orphan.add(u));
    }

    /// The object is gone, though no event said so.
    fn forget(&self, u: &str) {
        let mut work = Work::default();
        self.graph.borrow_mut().deleted(u, &mut work);
        self.enqueue(work);
    }

    async fn attempt_to_delete(&self, u: &Uid) -> SyncResult {
        let (identity, deleting_dependents, named_as, idle) = {
            let graph = self.graph.borrow();
            let Some(n) = graph.get(u) else { return Ok(()) };
            let idle = n.owners.is_empty() && !n.deleting_dependents;
            (
                n.identity.clone(),
                n.deleting_dependents,
                n.named_as.clone(),
                idle || (n.being_deleted && !n.deleting_dependents),
            )
        };
        if let Some(r) = named_as {
            // Nobody saw it: is it there at all? If it is, its informer will show it.
            if self.owner(&r, &identity.namespace).await?.is_none() {
                self.forget(u);
            }
            return Ok(());
        }
        let Some(kind) = identity.kind.filter(|_| !idle) else { return Ok(()) };
        let latest = match self.client.get_object(kind, &identity.namespace, &identity.name).await {
            Err(e) if e.is_not_found() => {
                self.forget(u);
                return Ok(());
            }
            other => other?,
        };
        if uid(latest.meta()) != &**u {
            self.forget(u);
            return Ok(());
        }
        if deleting_dependents {
            return self.process_deleting_dependents(u, &identity, kind).await;
        }
        let owners = latest.meta().owner_references.clone().unwrap_or_default();
        if owners.is_empty() {
            return Ok(());
        }
        let (mut solid, mut unwanted, mut waiting) = (0, Vec::new(), 0);
        for owner in &owners {
            match self.owner(owner, &identity.namespace).await? {
                None => unwanted.push(owner.uid.clone()),
                Some(m) if m.deletion_timestamp.is_some() && has(&m, FOREGROUND) => {
                    waiting += 1;
                    unwanted.push(owner.uid.clone());
                }
                Some(_) => solid += 1,
            }
        }
        if solid > 0 {
            if unwanted.is_empty() {
                return Ok(());
            }
            return self.drop_owners(kind, &identity, &unwanted).await;
        }
        let dependents: Vec<Uid> =
            self.graph.borrow().get(u).map(|n| n.dependents.iter().cloned().collect()).unwrap_or_default();
        if waiting > 0 && !dependents.is_empty() {
            // Owners in a circle would wait for each other for ever.
            let circular = dependents.iter().any(|d| self.graph.borrow().get(d).is_some_and(|n| n.deleting_dependents));
            if circular {
                self.unblock_owners(kind, &identity).await?;
            }
            return self.delete(kind, &identity, latest.meta(), Propagation::Foreground).await;
        }
        let how = if has(latest.meta(), ORPHAN) {
            Propagation::Orphan
        } else if has(latest.meta(), FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        self.delete(kind, &identity, latest.meta(), how).await
    }

    /// The owner that a reference means; `None` if it is gone.
    async fn owner(&self, r: &OwnerReference, dependent_namespace: &str) -> Result<Option<ObjectMeta>, SyncError> {
        if self.graph.borrow().is_absent(&r.uid) {
            return Ok(None);
        }
        let group = crate::controllers::util::ref_group(r);
        let Some(kind) = self.client.registry().find_kind(group, &r.kind) else {
            return Err(SyncError::message(format!("no matches for kind {:?} in version {:?}", r.kind, r.api_version)));
        };
        let ns = if self.client.registry().info(kind).namespaced { dependent_namespace } else { "" };
        match self.client.get_object(kind, ns, &r.name).await {
            Ok(o) if uid(o.meta()) == r.uid => Ok(Some(o.meta().clone())),
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => {
                self.graph.borrow_mut().owner_is_absent(r.uid.as_str().into());
                Ok(None)
            }
        }
    }

    async fn process_deleting_dependents(&self, u: &Uid, identity: &Identity, kind: ResourceId) -> SyncResult {
        let blocking = self.graph.borrow().blocking_dependents(u);
        if blocking.is_empty() {
            return self.remove_finalizer(kind, identity, FOREGROUND).await;
        }
        for d in blocking {
            let idle = self.graph.borrow().get(&d).is_some_and(|n| !n.deleting_dependents);
            if idle {
                self.to_delete.add(d);
            }
        }
        Ok(())
    }

    async fn delete(&self, kind: ResourceId, i: &Identity, latest: &ObjectMeta, how: Propagation) -> SyncResult {
        let o = DeleteOptions {
            preconditions: Preconditions {
                uid: Some(i.uid.to_string()),
                // The owners were looked at in this version: another may have others.
                resource_version: latest.resource_version.clone(),
            },
            propagation: Some(how),
            ..DeleteOptions::default()
        };
        match self.client.delete_object(kind, &i.namespace, &i.name, &o).await {
            Err(e) if e.is_not_found() => {
                self.forget(&i.uid);
                Ok(())
            }
            other => Ok(other?),
        }
    }

    async fn patch_owners(
        &self,
        kind: ResourceId,
        i: &Identity,
        change: impl Fn(&mut Vec<OwnerReference>),
    ) -> Result<(), ClientError> {
        let info = self.client.registry().info(kind);
        let (group, resource) = (info.group, info.resource);
        self.client
            .patch_object(kind, &i.namespace, &i.name, "", |o: &mut Obj| {
                let have = uid(o.meta()).to_owned();
                if have != *i.uid {
                    let wanted = &i.uid;
                    let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {have}");
                    return Err(Status::conflict(group, resource, &i.name, &why));
                }
                let m = make_mut(o).meta_mut();
                let mut refs = m.owner_references.take().unwrap_or_default();
                change(&mut refs);
                m.owner_references = (!refs.is_empty()).then_some(refs);
                Ok(())
            })
            .await
            .map(|_| ())
    }

    async fn drop_owners(&self, kind: ResourceId, i: &Identity, unwanted: &[String]) -> SyncResult {
        Ok(self.patch_owners(kind, i, |refs| refs.retain(|r| !unwanted.contains(&r.uid))).await?)
    }

    async fn unblock_owners(&self, kind: ResourceId, i: &Identity) -> SyncResult {
        let unblock = |refs: &mut Vec<OwnerReference>| {
            refs.iter_mut().filter(|r| r.block_owner_deletion == Some(true)).for_each(|r| {
                r.block_owner_deletion = Some(false);
            });
        };
        Ok(self.patch_owners(kind, i, unblock).await?)
    }

    /// Takes an object off its dependents' owners, then lets it go.
    async fn attempt_to_orphan(&self, u: &Uid) -> SyncResult {
        let Some((identity, dependents)) =
            self.graph.borrow().get(u).map(|n| (n.identity.clone(), n.dependents.iter().cloned().collect::<Vec<_>>()))
        else {
            return Ok(());
        };
        let dependents: Vec<Identity> =
            dependents.iter().filter_map(|d| self.graph.borrow().get(d).map(|n| n.identity.clone())).collect();
        let errors = in_parallel(&self.client, dependents.len(), |at| {
            let (c, dependent, owner) = (self.clone(), dependents[at].clone(), u.to_string());
            async move {
                let Some(kind) = dependent.kind else { return Ok(()) };
                match c.drop_owners(kind, &dependent, &[owner]).await {
                    Err(e) if e.is_not_found() => Ok(()),
                    other => other,
                }
            }
        })
        .await;
        if let Some(e) = errors.into_iter().next() {
            return Err(e);
        }
        match identity.kind {
            Some(kind) => self.remove_finalizer(kind, &identity, ORPHAN).await,
            None => Ok(()),
        }
    }

    async fn remove_finalizer(&self, kind: ResourceId, i: &Identity, finalizer: &str) -> SyncResult {
        let mut attempt = 1;
        loop {
            let changed = self
                .client
                .patch_object(kind, &i.namespace, &i.name, "", |o: &mut Obj| {
                    if uid(o.meta()) == &*i.uid && has(o.meta(), finalizer) {
                        let m = make_mut(o).meta_mut();
                        let mut left = m.finalizers.take().unwrap_or_default();
                        left.retain(|f| f != finalizer);
                        m.finalizers = (!left.is_empty()).then_some(left);
                    }
                    Ok(())
                })
                .await;
            match changed {
                Err(e) if e.is_conflict() && attempt < CONFLICT_RETRIES => attempt += 1,
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => return Ok(()),
            }
        }
    }
}

fn has(m: &ObjectMeta, finalizer: &str) -> bool {
    m.finalizers.as_ref().is_some_and(|f| f.iter().any(|f| f == finalizer))
}
