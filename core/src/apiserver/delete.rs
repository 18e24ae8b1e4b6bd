//! Delete: at once, gracefully, or when the last finalizer goes.
//! Models apiserver's `pkg/registry/generic/registry/store.go` (Delete) and `pkg/registry/rest/delete.go` (BeforeDelete).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::options::{Caller, DeleteOptions, Preconditions, Propagation};
use super::{ApiServer, admission};
use crate::api::object::{Obj, make_mut};
use crate::api::status::Status;
use crate::registry::{DeleteOutcome, GcPolicy, ResourceId};

/// What a delete did.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Obj),
    /// The object is marked and waits for a finalizer or for its kubelet.
    Waiting(Obj),
}

impl Deleted {
    /// The object's state after the delete.
    pub fn object(&self) -> &Obj {
        match self {
            Deleted::Gone(o) | Deleted::Waiting(o) => o,
        }
    }
}

/// How `BeforeDelete` decided.
enum Begin {
    /// The kind knows no grace: the object goes now unless finalizers hold it.
    Now,
    /// It was marked (or its grace shortened) and waits so many seconds.
    Graceful(i64),
    /// It waits already, and nothing is to be changed.
    Pending,
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

impl ApiServer {
    /// Deletes an object, at once or gracefully.
    pub fn delete(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: &str,
        name: &str,
        o: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        match self.try_delete(caller, id, namespace, name, o) {
            Ok((deleted, revision)) => {
                if revision > 0 {
                    self.published(caller, "delete", id, deleted.object(), "", revision);
                } else {
                    self.trace_request(caller, "delete", id, (namespace, name, ""), Ok(0));
                }
                Ok(deleted)
            }
            Err(status) => {
                self.trace_request(caller, "delete", id, (namespace, name, ""), Err(status.code));
                Err(status)
            }
        }
    }

    fn try_delete(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: &str,
        name: &str,
        o: &DeleteOptions,
    ) -> Result<(Deleted, u64), Status> {
        self.check_etcd()?;
        let info = *self.registry.info(id);
        if let Some(why) = self.strategy(id).undeletable(name) {
            return Err(Status::forbidden(info.group, info.resource, name, why));
        }
        let Some((old, mut at)) = self.load(id, namespace, name) else { return Err(self.not_found(id, name)) };
        let attributes = admission::Attributes {
            caller,
            id,
            namespace,
            subresource: "",
            verb: admission::Verb::Delete,
            dry_run: o.dry_run,
        };
        admission::validate(self, &attributes, &old, Some(&old))?;
        check_preconditions((info.group, info.kind, name), old.meta(), &o.preconditions)?;
        let now = self.sim.timestamp();
        let mut new = old.clone();
        let waits_already = old.meta().deletion_timestamp.is_some();
        if self.strategy(id).marks_itself() {
            if waits_already && !self.strategy(id).may_go(&*old) {
                return Ok((Deleted::Waiting(old), 0));
            }
            if !waits_already {
                let finalizers = deletion_finalizers(o, self.strategy(id).gc_policy(), &old);
                let object = make_mut(&mut new);
                object.meta_mut().deletion_timestamp = Some(Time(now));
                if let Some(f) = finalizers {
                    object.meta_mut().finalizers = (!f.is_empty()).then_some(f);
                }
                self.registry.strategy(id).mark_deleting(object);
                if o.dry_run {
                    return Ok((Deleted::Waiting(new), 0));
                }
                let revision = self.commit(id, &mut new, at)?;
                return Ok((Deleted::Waiting(new), revision));
            }
        }
        let begin = if self.strategy(id).graceful() { self.begin_graceful(id, &mut new, &old, o) } else { Begin::Now };
        if matches!(begin, Begin::Pending) {
            return Ok((Deleted::Waiting(old), 0));
        }
        if let Some(f) = deletion_finalizers(o, self.strategy(id).gc_policy(), &old) {
            make_mut(&mut new).meta_mut().finalizers = (!f.is_empty()).then_some(f);
        }
        let held = new.meta().finalizers.as_ref().is_some_and(|f| !f.is_empty());
        let grace = match begin {
            Begin::Graceful(seconds) => seconds,
            _ if held => {
                mark(&mut new, now);
                0
            }
            _ => 0,
        };
        if o.dry_run {
            let left = if held || grace > 0 { Deleted::Waiting(new) } else { Deleted::Gone(new) };
            return Ok((left, 0));
        }
        let graceful = matches!(begin, Begin::Graceful(_));
        if held || graceful {
            // A graceful delete is written even when the object goes at once afterwards, so that watchers see both steps.
            if new.equals(&*old) {
                return Ok((Deleted::Waiting(old), 0));
            }
            let revision = self.commit(id, &mut new, at)?;
            if held || grace > 0 {
                return Ok((Deleted::Waiting(new), revision));
            }
            at = revision;
        }
        let revision = self.remove(id, &new, at)?;
        make_mut(&mut new).meta_mut().resource_version = Some(revision.to_string());
        Ok((Deleted::Gone(new), revision))
    }

    /// Models the graceful half of `BeforeDelete`.
    fn begin_graceful(&self, id: ResourceId, new: &mut Obj, old: &Obj, o: &DeleteOptions) -> Begin {
        let asked = o.grace_period_seconds.map(|g| if g < 0 { 1 } else { g });
        if let Some(until) = &old.meta().deletion_timestamp {
            let Some(have) = old.meta().deletion_grace_period_seconds else { return Begin::Now };
            // Only a shorter grace can be given afterwards.
            let Some(wanted) = asked.filter(|w| *w < have) else { return Begin::Pending };
            let shorter = jiff::SignedDuration::from_secs(wanted.saturating_sub(have));
            let meta = make_mut(new).meta_mut();
            meta.deletion_timestamp = Some(Time(until.0.checked_add(shorter).unwrap_or(until.0)));
            meta.deletion_grace_period_seconds = Some(wanted);
            return Begin::Graceful(wanted);
        }
        let DeleteOutcome::Graceful(grace) = self.strategy(id).check_delete(&**old, asked) else { return Begin::Now };
        let now = self.sim.timestamp();
        let until = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(now);
        let meta = make_mut(new).meta_mut();
        meta.deletion_timestamp = Some(Time(until));
        meta.deletion_grace_period_seconds = Some(grace);
        meta.generation = meta.generation.map(|g| if g > 0 { g + 1 } else { g });
        Begin::Graceful(grace)
    }
}

/// Marks an object of a kind without grace whose finalizers hold it. Models `markAsDeleting`.
fn mark(o: &mut Obj, now: jiff::Timestamp) {
    let meta = make_mut(o).meta_mut();
    if meta.deletion_grace_period_seconds.is_none() {
        meta.generation = meta.generation.map(|g| if g > 0 { g + 1 } else { g });
    }
    if meta.deletion_timestamp.as_ref().is_none_or(|t| t.0 > now) {
        meta.deletion_timestamp = Some(Time(now));
    }
    meta.deletion_grace_period_seconds = Some(0);
}

/// Whether an object is the one that is meant. The early check of BeforeDelete: `about` names the group, the kind instead of the resource, and
/// the object.
pub(super) fn check_preconditions(
    about: (&str, &str, &str),
    have: &ObjectMeta,
    asked: &Preconditions,
) -> Result<(), Status> {
    for (what, asked, have, hint) in [
        ("UID", &asked.uid, &have.uid, "deleted and then recreated"),
        ("ResourceVersion", &asked.resource_version, &have.resource_version, "modified"),
    ] {
        let Some(asked) = asked.as_ref().filter(|asked| Some(*asked) != have.as_ref()) else { continue };
        let have = have.as_deref().unwrap_or_default();
        let why = format!(
            "the {what} in the precondition ({asked}) does not match the {what} in record ({have}). The object might have been {hint}"
        );
        return Err(Status::conflict(about.0, about.1, about.2, &why));
    }
    Ok(())
}

/// The finalizers that a delete leaves on the object, by what shall happen to dependents; `None` for no change.
/// Models `deletionFinalizersForGarbageCollection`.
fn deletion_finalizers(o: &DeleteOptions, policy: GcPolicy, old: &Obj) -> Option<Vec<String>> {
    let have = old.meta().finalizers.as_deref().unwrap_or_default();
    let has = |f: &str| have.iter().any(|h| h == f);
    let (orphan, foreground) = match (policy, o.propagation) {
        (GcPolicy::Unsupported, _) => (false, false),
        (_, Some(Propagation::Orphan)) => (true, false),
        (_, Some(Propagation::Foreground)) => (false, true),
        (_, Some(Propagation::Background)) => (false, false),
        (_, None) => {
            (has(ORPHAN) || (policy == GcPolicy::OrphanDependents && !has(FOREGROUND)), has(FOREGROUND) && !has(ORPHAN))
        }
    };
    if orphan == has(ORPHAN) && foreground == has(FOREGROUND) {
        return None;
    }
    let mut out: Vec<String> = have.iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).cloned().collect();
    if orphan {
        out.push(ORPHAN.into());
    }
    if foreground {
        out.push(FOREGROUND.into());
    }
    Some(out)
}
