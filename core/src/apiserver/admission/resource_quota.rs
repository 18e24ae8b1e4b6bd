//! A namespace's budget at the door. Models apiserver's `pkg/admission/plugin/resourcequota`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::ResourceQuota;

use super::{Attributes, Verb, forbidden};
use crate::api::object::{Obj, make_mut, typed_mut};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;
use crate::registry::quota::{self, Usage};

/// Whether a request of this kind is counted at all. Models the evaluators' Handles.
fn handles(a: &Attributes<'_>, info: &ResourceInfo) -> bool {
    let updates = info.group.is_empty() && matches!(info.resource, "services" | "persistentvolumeclaims");
    match a.verb {
        Verb::Create => true,
        Verb::Update => updates,
        Verb::Delete => false,
    }
}

fn print(usage: &Usage, names: &[&String]) -> String {
    let one = |n: &&String| usage.get(*n).map(|q| format!("{n}={}", q.to_api().0));
    names.iter().filter_map(one).collect::<Vec<_>>().join(",")
}

/// What the request adds to what is used; nothing that stays the same.
fn delta(server: &ApiServer, a: &Attributes<'_>, info: &ResourceInfo, obj: &Obj, old: Option<&Obj>) -> Usage {
    let now = server.sim.timestamp();
    let mut delta = quota::usage(info, obj, now);
    if let (Verb::Update, Some(old)) = (a.verb, old) {
        for (name, had) in quota::usage(info, old, now) {
            let have = delta.get(&name).copied().unwrap_or_else(quota::zero);
            delta.insert(name, have.sub(had));
        }
    }
    delta.retain(|_, q| !q.is_zero());
    delta
}

pub(super) fn validate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    if matches!(info.resource, "events" | "namespaces") || !handles(a, info) {
        return Ok(());
    }
    let quotas = server.all_of::<ResourceQuota>(Some(a.namespace));
    if quotas.is_empty() {
        return Ok(());
    }
    let mut concerned: Vec<Rc<ResourceQuota>> = Vec::new();
    for quota in quotas {
        let hard = quota.status.as_ref().and_then(|s| s.hard.as_ref());
        let bounded: Vec<&String> =
            hard.into_iter().flat_map(|h| h.keys()).filter(|k| quota::matches_resource(info, k)).collect();
        if bounded.is_empty() || quota.spec.as_ref().is_some_and(|s| !quota::in_scope(s, obj)) {
            continue;
        }
        let name = quota.metadata.name.as_deref().unwrap_or_default();
        if let Err(why) = quota::constraints(obj, &bounded) {
            return Err(forbidden(info, &**obj, &format!("failed quota: {name}: {why}")));
        }
        let used = quota.status.as_ref().and_then(|s| s.used.as_ref());
        let unknown: Vec<&str> =
            bounded.iter().filter(|k| used.is_none_or(|u| !u.contains_key(**k))).map(|k| k.as_str()).collect();
        if !unknown.is_empty() {
            let why = format!("status unknown for quota: {name}, resources: {}", unknown.join(","));
            return Err(forbidden(info, &**obj, &why));
        }
        concerned.push(quota);
    }
    let delta = delta(server, a, info, obj, old);
    let negative: Vec<&str> = delta.iter().filter(|(_, q)| q.sign() < 0).map(|(k, _)| k.as_str()).collect();
    if a.verb == Verb::Create && !negative.is_empty() {
        let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
        return Err(forbidden(info, &**obj, &why));
    }
    let mut changed: Vec<(Rc<ResourceQuota>, Usage)> = Vec::new();
    for quota in concerned {
        if let Some(used) = spend(info, &quota, obj, &delta)? {
            changed.push((quota, used));
        }
    }
    if !a.dry_run {
        for (quota, used) in changed {
            charge(server, &quota, &used);
        }
    }
    Ok(())
}

/// What of a quota is used after the request, if that changes anything; an error if it is too much.
fn spend(info: &ResourceInfo, quota: &ResourceQuota, obj: &Obj, delta: &Usage) -> Result<Option<Usage>, Status> {
    let status = quota.status.as_ref();
    let hard = quota::amounts(status.and_then(|s| s.hard.as_ref()));
    let used = quota::amounts(status.and_then(|s| s.used.as_ref()));
    let requested: Usage = delta.iter().filter(|(k, _)| hard.contains_key(*k)).map(|(k, q)| (k.clone(), *q)).collect();
    if requested.is_empty() {
        return Ok(None);
    }
    let mut new = used.clone();
    quota::add(&mut new, &requested);
    let over: Vec<&String> =
        requested.keys().filter(|k| new.get(*k).zip(hard.get(*k)).is_some_and(|(n, h)| n > h)).collect();
    if over.is_empty() {
        return Ok(Some(new));
    }
    let why = format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        quota.metadata.name.as_deref().unwrap_or_default(),
        print(&requested, &over),
        print(&used, &over),
        print(&hard, &over)
    );
    Err(forbidden(info, &**obj, &why))
}

/// Writes down what is used from now on. The object itself may still fail to be stored: the quota controller counts again.
fn charge(server: &ApiServer, quota: &ResourceQuota, used: &Usage) {
    let Some(id) = server.registry.id_of::<ResourceQuota>() else { return };
    let (namespace, name) = (quota.metadata.namespace.clone(), quota.metadata.name.clone());
    let Some((stored, at)) = server.load(id, &namespace.unwrap_or_default(), &name.unwrap_or_default()) else { return };
    let mut new = stored.clone();
    if let Some(q) = typed_mut::<ResourceQuota>(make_mut(&mut new)) {
        q.status.get_or_insert_default().used = Some(quota::to_api(used));
    }
    if !new.equals(&*stored) {
        // A conflict can't be: nothing runs between load and commit.
        let _ = server.commit(id, &mut new, at);
    }
}
