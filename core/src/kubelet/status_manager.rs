//! Brings pod statuses to the api-server: each change once, one after another. Models `pkg/kubelet/status/status_manager.go`.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};

use super::Kubelet;
use super::conditions::OWN;
use super::pod::{self, WorkState};
use crate::api::object::{Obj, revision, typed, typed_rc};
use crate::api::status::Status;
use crate::apiserver::{DeleteOptions, Preconditions};
use crate::client::ClientError;
use crate::sim::TraceSeq;

/// How long a status that couldn't be written waits.
const RETRY: Duration = Duration::from_secs(10);
/// How often what the api-server shows is compared with what was sent.
const SYNC_PERIOD: Duration = Duration::from_secs(10);

/// A status as the kubelet noted it.
#[derive(Clone)]
pub(super) enum Noted {
    /// Nowhere else.
    Own(Rc<PodStatus>),
    /// It is the status of this version of the pod, word for word.
    Shown(Rc<Pod>),
}

impl Noted {
    /// The same status as that of a version of the pod, if it is.
    fn show(&mut self, p: &Rc<Pod>) {
        let same = matches!(self, Noted::Shown(shown) if Rc::ptr_eq(shown, p));
        if same {
            return;
        }
        if p.status.as_ref().is_some_and(|status| *status == **self) {
            *self = Noted::Shown(p.clone());
        } else if let Noted::Shown(old) = self {
            // An old version is not kept alive for it.
            *self = Noted::from(old.status.clone().unwrap_or_default());
        }
    }
}

impl Deref for Noted {
    type Target = PodStatus;
    fn deref(&self) -> &PodStatus {
        static EMPTY: OnceLock<PodStatus> = OnceLock::new();
        match self {
            Noted::Own(status) => status,
            Noted::Shown(pod) => pod.status.as_ref().unwrap_or_else(|| EMPTY.get_or_init(PodStatus::default)),
        }
    }
}

impl From<PodStatus> for Noted {
    fn from(status: PodStatus) -> Self {
        Noted::Own(Rc::new(status))
    }
}

impl Default for Noted {
    fn default() -> Self {
        PodStatus::default().into()
    }
}

struct Cached {
    status: Noted,
    version: u64,
    sent: u64,
    queued: bool,
    /// Whether somebody else's word is looked at again when the period is over.
    doubted: bool,
    /// Which object it was sent to: a mirror pod that was made anew wants it again.
    sent_to: Option<Rc<str>>,
    /// The revision that sending it made, or 0: of that one nobody else has had a word.
    written: u64,
    cause: TraceSeq,
}

/// All pods' statuses.
#[derive(Default)]
pub(super) struct Statuses {
    pods: BTreeMap<Rc<str>, Cached>,
    queue: VecDeque<Rc<str>>,
}

impl Statuses {
    /// A pod's newest status.
    pub fn get(&self, uid: &str) -> Option<Noted> {
        self.pods.get(uid).map(|c| c.status.clone())
    }

    /// Forgets a pod.
    pub fn forget(&mut self, uid: &str) {
        self.pods.remove(uid);
    }

    fn enqueue(&mut self, uid: &Rc<str>) {
        if let Some(c) = self.pods.get_mut(uid)
            && !std::mem::replace(&mut c.queued, true)
        {
            self.queue.push_back(uid.clone());
        }
    }
}

impl Kubelet {
    /// Notes a pod's status; sends it if it says something new.
    pub(super) fn set_status(&self, uid: &Rc<str>, p: &Pod, mut s: PodStatus) {
        let now = self.time();
        let cause = self.0.sim.cause();
        {
            let mut all = self.0.statuses.borrow_mut();
            let old = all.get(uid).or_else(|| p.status.clone().map(Noted::from)).unwrap_or_default();
            for c in s.conditions.iter_mut().flatten().filter(|c| OWN.contains(&c.type_.as_str())) {
                let before = old.conditions.iter().flatten().find(|o| o.type_ == c.type_ && o.status == c.status);
                c.last_transition_time = match before {
                    Some(o) => o.last_transition_time.clone(),
                    None => Some(now.clone()),
                };
            }
            s.start_time = old.start_time.clone().or(Some(now));
            let version = match all.pods.get(uid) {
                Some(c) if *c.status == s => return,
                Some(c) => c.version + 1,
                None => 1,
            };
            let before = all.pods.remove(uid);
            let (sent, sent_to, queued, doubted, written) =
                before.map_or((0, None, false, false, 0), |c| (c.sent, c.sent_to, c.queued, c.doubted, c.written));
            let status = s.into();
            all.pods.insert(uid.clone(), Cached { status, version, sent, queued, doubted, sent_to, written, cause });
            all.enqueue(uid);
        }
        self.0.status_changed.notify();
    }

    /// The api-server showed a pod anew: is what it shows what was sent last?
    pub(super) fn status_written(&self, uid: &Rc<str>) {
        let Some((p, is_static)) = self.with_entry(uid, |e| (e.pod.clone(), e.is_static)) else { return };
        let target = if is_static { self.mirror_of(&p) } else { Some(p) };
        let mut all = self.0.statuses.borrow_mut();
        if let (Some(c), Some(target)) = (all.pods.get_mut(uid), &target)
            && c.sent == c.version
        {
            c.status.show(target);
        }
        let again = all.pods.get(uid).is_some_and(|c| {
            let current = target.as_ref().and_then(|t| t.metadata.uid.as_deref());
            c.sent < c.version || (current.is_some() && c.sent_to.as_deref() != current)
        });
        if again {
            all.enqueue(uid);
            drop(all);
            self.0.status_changed.notify();
            return;
        }
        drop(all);
        if self.needs_reconcile(uid) {
            self.reconcile_later(uid);
        }
    }

    /// Whether the api-server shows another status than the one that was sent: the node controller called the pod not ready
    /// while nothing was heard of its node. Models needsReconcile.
    fn needs_reconcile(&self, uid: &Rc<str>) -> bool {
        let Some((p, is_static, state)) = self.with_entry(uid, |e| (e.pod.clone(), e.is_static, e.state)) else {
            return false;
        };
        let Some(target) = (if is_static { self.mirror_of(&p) } else { Some(p) }) else { return false };
        let over = state == WorkState::Finished || state == WorkState::Terminated;
        let all = self.0.statuses.borrow();
        let Some(c) = all.pods.get(uid).filter(|c| c.sent == c.version && !c.queued) else { return false };
        if c.written != 0 && c.written == revision(&target.metadata) {
            return false;
        }
        target.status.as_ref().is_some_and(|stored| merge(Some(stored), &c.status, over) != *stored)
    }

    /// Upstream compares all pods each period; here the one that was seen to differ is looked at when the period is over.
    fn reconcile_later(&self, uid: &Rc<str>) {
        let doubted = self.0.statuses.borrow_mut().pods.get_mut(uid).map(|c| std::mem::replace(&mut c.doubted, true));
        if doubted != Some(false) {
            return;
        }
        let (kubelet, uid) = (self.clone(), uid.clone());
        self.spawn(async move {
            kubelet.0.sim.sleep(SYNC_PERIOD).await;
            if let Some(c) = kubelet.0.statuses.borrow_mut().pods.get_mut(&uid) {
                c.doubted = false;
            }
            if kubelet.needs_reconcile(&uid) {
                kubelet.enqueue_status(&uid);
            }
        });
    }

    /// A pod is over for the kubelet: its object can go.
    pub(super) fn enqueue_status(&self, uid: &Rc<str>) {
        self.0.statuses.borrow_mut().enqueue(uid);
        self.0.status_changed.notify();
    }

    pub(super) fn run_status_manager(&self) {
        let kubelet = self.clone();
        self.spawn(async move {
            loop {
                let next = {
                    let mut all = kubelet.0.statuses.borrow_mut();
                    let next = all.queue.pop_front();
                    next.map(|uid| {
                        let cause = all.pods.get_mut(&uid).map_or(0, |c| {
                            c.queued = false;
                            c.cause
                        });
                        (uid, cause)
                    })
                };
                let Some((uid, cause)) = next else {
                    kubelet.0.status_changed.notified().await;
                    continue;
                };
                kubelet.0.sim.set_cause(cause);
                if !kubelet.write_status(&uid).await {
                    kubelet.retry_status(uid);
                }
            }
        });
    }

    fn retry_status(&self, uid: Rc<str>) {
        let kubelet = self.clone();
        self.spawn(async move {
            kubelet.0.sim.sleep(RETRY).await;
            kubelet.enqueue_status(&uid);
        });
    }

    /// Writes one pod's status; false if it has to be tried again.
    async fn write_status(&self, uid: &Rc<str>) -> bool {
        let Some((p, is_static, state)) = self.with_entry(uid, |e| (e.pod.clone(), e.is_static, e.state)) else {
            return true;
        };
        let Some((status, version)) = self.0.statuses.borrow().pods.get(uid).map(|c| (c.status.clone(), c.version))
        else {
            return true;
        };
        // A static pod without a mirror has nobody to tell yet.
        let Some(target) = (if is_static { self.mirror_of(&p) } else { Some(p.clone()) }) else { return true };
        let (ns, name) = (pod::namespace(&target), pod::name(&target));
        let stored = match self.0.client.get::<Pod>(ns, name).await {
            Ok(o) => o,
            Err(e) if e.is_not_found() => return true,
            Err(_) => return false,
        };
        if stored.metadata.uid != target.metadata.uid {
            return true;
        }
        let over = state == WorkState::Finished || state == WorkState::Terminated;
        let merged = merge(stored.status.as_ref(), &status, over);
        let mut revision_made = 0;
        let mut shown = Some(stored.clone());
        if stored.status.as_ref() != Some(&merged) {
            match self.patch_status(&target, merged).await {
                Ok(new) => {
                    shown = typed_rc(&new);
                    // An end that was held back is still to be told.
                    if over || !is_terminal(&status) {
                        revision_made = revision(new.meta());
                    }
                }
                Err(e) if e.is_not_found() => return true,
                Err(ClientError::Status(s)) if s.code == 422 => return true,
                Err(_) => return false,
            }
        }
        if let Some(c) = self.0.statuses.borrow_mut().pods.get_mut(uid) {
            c.sent = c.sent.max(version);
            c.written = revision_made;
            c.sent_to = target.metadata.uid.as_deref().map(|to| if *to == **uid { uid.clone() } else { to.into() });
            if let Some(shown) = shown.filter(|_| c.sent == c.version) {
                c.status.show(&shown);
            }
        }
        let finished = self.with_entry(uid, |e| e.state == WorkState::Finished) == Some(true);
        let deleting = stored.metadata.deletion_timestamp.is_some();
        if finished && deleting && !is_static {
            let o = DeleteOptions {
                grace_period_seconds: Some(0),
                preconditions: Preconditions { uid: target.metadata.uid.clone(), resource_version: None },
                ..DeleteOptions::default()
            };
            match self.0.client.delete::<Pod>(ns, name, &o).await {
                Ok(()) => {}
                Err(ClientError::Status(_)) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

impl Kubelet {
    /// Writes a status, if the object is still the one that it is about. Of the old object all but its status is copied, and the
    /// new status is given away: whoever wrote in between is told of as a conflict.
    async fn patch_status(&self, target: &Pod, status: PodStatus) -> Result<Obj, ClientError> {
        let Some(id) = self.0.client.registry().id_of::<Pod>() else {
            return Err(Status::internal("there are no pods").into());
        };
        let mut status = Some(status);
        let change = |o: &mut Obj| {
            if let Some(old) = typed::<Pod>(&**o).filter(|old| old.metadata.uid == target.metadata.uid) {
                let status = status.take().ok_or_else(|| Status::modified("", "pods", pod::name(target)))?;
                let (metadata, spec) = (old.metadata.clone(), old.spec.clone());
                *o = Rc::new(Pod { metadata, spec, status: Some(status) });
            }
            Ok(())
        };
        self.0.client.patch_object(id, pod::namespace(target), pod::name(target), "status", change).await
    }
}

/// Whether a status says that a pod has ended.
fn is_terminal(s: &PodStatus) -> bool {
    matches!(s.phase.as_deref(), Some("Failed" | "Succeeded"))
}

/// The kubelet's status with what is others' of the stored one. Models mergePodStatus.
fn merge(stored: Option<&PodStatus>, new: &PodStatus, over: bool) -> PodStatus {
    let mut merged = new.clone();
    let Some(old) = stored else { return merged };
    let mut conditions = merged.conditions.take().unwrap_or_default();
    conditions.retain(|c| OWN.contains(&c.type_.as_str()));
    let others = old.conditions.iter().flatten().filter(|c| !OWN.contains(&c.type_.as_str()));
    conditions.extend(others.cloned());
    // What the api-server has keeps its time where it says the same.
    for c in &mut conditions {
        if let Some(o) = old.conditions.iter().flatten().find(|o| o.type_ == c.type_ && o.status == c.status)
            && o.last_transition_time.is_some()
        {
            c.last_transition_time = o.last_transition_time.clone();
        }
    }
    merged.conditions = Some(conditions);
    // An end is told once no container can run any more.
    if is_terminal(&merged) && !is_terminal(old) && !over {
        merged.phase = old.phase.clone();
        merged.reason = old.reason.clone();
        merged.message = old.message.clone();
    }
    merged.nominated_node_name = old.nominated_node_name.clone();
    merged.resource_claim_statuses = old.resource_claim_statuses.clone();
    merged.resize = old.resize.clone();
    merged.ephemeral_container_statuses =
        merged.ephemeral_container_statuses.or_else(|| old.ephemeral_container_statuses.clone());
    if merged.start_time.is_none() || old.start_time.is_some() {
        merged.start_time = old.start_time.clone();
    }
    // The address is kept until another is known: a pod that ends is still found under it.
    if merged.pod_ip.is_none() && (over || is_terminal(new)) {
        merged.pod_ip = old.pod_ip.clone();
        merged.pod_ips = old.pod_ips.clone();
    }
    merged
}
