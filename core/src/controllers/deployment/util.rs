//! What a Deployment and its ReplicaSets say of each other. Models `pkg/controller/deployment/util/deployment_util.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::controllers::util::name;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets don't get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
const REVISION_HISTORY_CHARS_MAX: usize = 2000;
pub const TEMPLATE_HASH: &str = "pod-template-hash";

pub const AVAILABLE: &str = "Available";
pub const PROGRESSING: &str = "Progressing";
pub const REPLICA_FAILURE: &str = "ReplicaFailure";
pub const NEW_RS_AVAILABLE: &str = "NewReplicaSetAvailable";
pub const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// ReplicaSets.
pub type Sets = Vec<Rc<ReplicaSet>>;

/// How many pods a Deployment wants.
pub fn replicas(d: &Deployment) -> i32 {
    d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

/// How many pods a ReplicaSet is told to keep.
pub fn rs_replicas(rs: &ReplicaSet) -> i32 {
    rs.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

/// How many of a ReplicaSet's pods are available.
pub fn rs_available(rs: &ReplicaSet) -> i32 {
    rs.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0)
}

/// The sum over ReplicaSets of what they are told to keep.
pub fn sum_replicas<'a>(sets: impl IntoIterator<Item = &'a Rc<ReplicaSet>>) -> i32 {
    sets.into_iter().map(|rs| rs_replicas(rs)).sum()
}

/// Those that are told to keep any.
pub fn active(sets: &[Rc<ReplicaSet>]) -> Sets {
    sets.iter().filter(|rs| rs_replicas(rs) > 0).cloned().collect()
}

/// Sorts by age, eldest first, then by name.
pub fn by_creation(sets: &mut Sets) {
    let age = |rs: &ReplicaSet| rs.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second());
    sets.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| name(&a.metadata).cmp(name(&b.metadata))));
}

fn is_rolling(d: &Deployment) -> bool {
    let strategy = d.spec.as_ref().and_then(|s| s.strategy.as_ref()).and_then(|s| s.type_.as_deref());
    strategy.is_none_or(|t| t == "RollingUpdate")
}

/// Whether a Deployment stops its old pods before it starts new ones.
pub fn is_recreate(d: &Deployment) -> bool {
    !is_rolling(d)
}

/// A number, or a percentage of `total`.
fn scaled(v: Option<&IntOrString>, total: i32, up: bool) -> i32 {
    match v {
        None => 0,
        Some(IntOrString::Int(n)) => *n,
        Some(IntOrString::String(s)) => {
            let percent: i64 = s.strip_suffix('%').and_then(|n| n.parse().ok()).unwrap_or(0);
            let hundredfold = percent * i64::from(total);
            ((hundredfold + if up { 99 } else { 0 }) / 100) as i32
        }
    }
}

/// How many pods there may be beyond those wanted, and how many of those may be missing.
fn fenceposts(d: &Deployment) -> (i32, i32) {
    let rolling = d.spec.as_ref().and_then(|s| s.strategy.as_ref()).and_then(|s| s.rolling_update.as_ref());
    let surge = scaled(rolling.and_then(|r| r.max_surge.as_ref()), replicas(d), true);
    let unavailable = scaled(rolling.and_then(|r| r.max_unavailable.as_ref()), replicas(d), false);
    // Neither would never let a rollout begin.
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
}

/// How many pods there may be beyond those wanted.
pub fn max_surge(d: &Deployment) -> i32 {
    if is_rolling(d) { fenceposts(d).0 } else { 0 }
}

/// How many of the pods wanted may be missing.
pub fn max_unavailable(d: &Deployment) -> i32 {
    if is_rolling(d) && replicas(d) > 0 { fenceposts(d).1.min(replicas(d)) } else { 0 }
}

/// Whether a Deployment's rollouts can time out.
pub fn has_progress_deadline(d: &Deployment) -> bool {
    d.spec.as_ref().and_then(|s| s.progress_deadline_seconds).is_some_and(|s| s != i32::MAX)
}

/// Whether two templates are the same but for the hash in their labels.
pub fn equal_ignore_hash(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let labels = |t: &PodTemplateSpec| {
        let mut labels = t.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default();
        labels.remove(TEMPLATE_HASH);
        labels
    };
    let rest = |t: &PodTemplateSpec| {
        let mut m = t.metadata.clone().unwrap_or_default();
        m.labels = None;
        m
    };
    a.spec == b.spec && labels(a) == labels(b) && rest(a) == rest(b)
}

/// A Deployment's template.
pub fn template(d: &Deployment) -> PodTemplateSpec {
    d.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default()
}

fn rs_template(rs: &ReplicaSet) -> Option<&PodTemplateSpec> {
    rs.spec.as_ref()?.template.as_ref()
}

/// The ReplicaSet of the present template, eldest first if there are several.
pub fn find_new(d: &Deployment, sets: &[Rc<ReplicaSet>]) -> Option<Rc<ReplicaSet>> {
    let mut sets = sets.to_vec();
    by_creation(&mut sets);
    let template = template(d);
    sets.into_iter().find(|rs| rs_template(rs).is_some_and(|t| equal_ignore_hash(t, &template)))
}

/// All others.
pub fn find_old(d: &Deployment, sets: &[Rc<ReplicaSet>]) -> Sets {
    let new = find_new(d, sets).and_then(|rs| rs.metadata.uid.clone());
    sets.iter().filter(|rs| new.is_none() || rs.metadata.uid != new).cloned().collect()
}

/// A number in an annotation.
fn number(annotations: Option<&BTreeMap<String, String>>, key: &str) -> Option<i64> {
    annotations?.get(key)?.parse().ok()
}

/// A ReplicaSet's revision; 0 for none.
pub fn revision(rs: &ReplicaSet) -> i64 {
    number(rs.metadata.annotations.as_ref(), REVISION).unwrap_or(0)
}

/// How many pods the Deployment wanted when it last looked after a ReplicaSet.
pub fn desired_annotation(rs: &ReplicaSet) -> Option<i64> {
    number(rs.metadata.annotations.as_ref(), DESIRED_REPLICAS)
}

/// How many pods there could be when the Deployment last looked after a ReplicaSet.
pub fn max_annotation(rs: &ReplicaSet) -> Option<i64> {
    number(rs.metadata.annotations.as_ref(), MAX_REPLICAS)
}

fn annotate(rs: &mut ReplicaSet, key: &str, value: String) -> bool {
    let annotations = rs.metadata.annotations.get_or_insert_default();
    if annotations.get(key) == Some(&value) {
        return false;
    }
    annotations.insert(key.to_owned(), value);
    true
}

/// Whether [`set_replicas_annotations`] would change anything.
pub fn replicas_annotations_differ(rs: &ReplicaSet, desired: i32, max: i32) -> bool {
    desired_annotation(rs) != Some(desired.into()) || max_annotation(rs) != Some(max.into())
}

/// Says on a ReplicaSet how many pods are wanted, and how many there may be.
pub fn set_replicas_annotations(rs: &mut ReplicaSet, desired: i32, max: i32) -> bool {
    let a = annotate(rs, DESIRED_REPLICAS, desired.to_string());
    let b = annotate(rs, MAX_REPLICAS, max.to_string());
    a || b
}

/// Gives the ReplicaSet of the present template the Deployment's annotations and the newest revision; whether it changed.
pub fn set_new_annotations(d: &Deployment, rs: &mut ReplicaSet, new_revision: i64, exists: bool) -> bool {
    let mut changed = false;
    for (k, v) in d.metadata.annotations.iter().flatten() {
        if !NOT_COPIED.contains(&k.as_str()) {
            changed |= annotate(rs, k, v.clone());
        }
    }
    let old = rs.metadata.annotations.as_ref().and_then(|a| a.get(REVISION)).cloned();
    let old_number = old.as_deref().and_then(|o| o.parse::<i64>().ok()).unwrap_or(0);
    if old_number < new_revision {
        changed |= annotate(rs, REVISION, new_revision.to_string());
        if let Some(old) = old {
            let history = rs.metadata.annotations.as_ref().and_then(|a| a.get(REVISION_HISTORY)).cloned();
            let mut all: Vec<String> =
                history.unwrap_or_default().split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
            all.push(old);
            while all.len() > 1 && all.join(",").len() > REVISION_HISTORY_CHARS_MAX {
                all.remove(0);
            }
            annotate(rs, REVISION_HISTORY, all.join(","));
        }
    }
    if !exists {
        changed |= set_replicas_annotations(rs, replicas(d), replicas(d) + max_surge(d));
    }
    changed
}

/// How many pods the ReplicaSet of the present template may have now.
pub fn new_rs_new_replicas(d: &Deployment, all: &[Rc<ReplicaSet>], new: &ReplicaSet) -> i32 {
    if is_recreate(d) {
        return replicas(d);
    }
    let room = replicas(d) + max_surge_unfenced(d) - sum_replicas(all);
    if room <= 0 {
        return rs_replicas(new);
    }
    rs_replicas(new) + room.min(replicas(d) - rs_replicas(new))
}

fn max_surge_unfenced(d: &Deployment) -> i32 {
    let rolling = d.spec.as_ref().and_then(|s| s.strategy.as_ref()).and_then(|s| s.rolling_update.as_ref());
    scaled(rolling.and_then(|r| r.max_surge.as_ref()), replicas(d), true)
}

/// Whether the ReplicaSet of the present template has all pods wanted, and all are available.
pub fn is_saturated(d: &Deployment, new: Option<&Rc<ReplicaSet>>) -> bool {
    let Some(rs) = new else { return false };
    rs_replicas(rs) == replicas(d)
        && desired_annotation(rs) == Some(replicas(d).into())
        && rs_available(rs) == replicas(d)
}

/// The one ReplicaSet with pods, or the newest when none has any; `None` when several have.
pub fn find_active_or_latest(new: Option<&Rc<ReplicaSet>>, old: &[Rc<ReplicaSet>]) -> Option<Rc<ReplicaSet>> {
    let mut old = old.to_vec();
    by_creation(&mut old);
    old.reverse();
    let all: Sets = old.iter().cloned().chain(new.cloned()).collect();
    let mut actives = active(&all);
    match actives.len() {
        0 => new.cloned().or_else(|| old.first().cloned()),
        1 => actives.pop(),
        _ => None,
    }
}

/// A part of `to_add` for one ReplicaSet, by its share of the pods.
pub fn proportion(rs: &ReplicaSet, d: &Deployment, to_add: i32, added: i32) -> i32 {
    if rs_replicas(rs) == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = fraction(rs, d);
    let allowed = to_add - added;
    if to_add > 0 { fraction.min(allowed) } else { fraction.max(allowed) }
}

fn fraction(rs: &ReplicaSet, d: &Deployment) -> i32 {
    if replicas(d) == 0 {
        return -rs_replicas(rs);
    }
    let before = match max_annotation(rs) {
        Some(n) if n != 0 => n,
        _ => d.status.as_ref().and_then(|s| s.replicas).unwrap_or(0).into(),
    };
    if before <= 0 {
        return 0;
    }
    // Rounded half up, as upstream rounds its quotient.
    let scaled = i64::from(rs_replicas(rs)) * i64::from(replicas(d) + max_surge(d));
    let rounded = (2 * scaled + before).div_euclid(2 * before);
    i32::try_from(rounded - i64::from(rs_replicas(rs))).unwrap_or(0)
}

/// One of a status's conditions.
pub fn condition<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// A condition as of now.
pub fn new_condition(kind: &str, status: &str, reason: &str, message: String, now: &Time) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_update_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    }
}

/// Sets a condition unless it has that status and reason already; it goes to the end.
pub fn set_condition(status: &mut DeploymentStatus, mut new: DeploymentCondition) {
    if let Some(old) = condition(status, &new.type_) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time.clone();
        }
    }
    remove_condition(status, &new.type_.clone());
    status.conditions.get_or_insert_default().push(new);
}

/// Takes a condition off.
pub fn remove_condition(status: &mut DeploymentStatus, kind: &str) {
    if let Some(c) = &mut status.conditions {
        c.retain(|c| c.type_ != kind);
        if c.is_empty() {
            status.conditions = None;
        }
    }
}

/// Sets the Deployment's own revision; whether it changed.
pub fn set_revision(d: &mut Deployment, revision: &str) -> bool {
    let annotations = d.metadata.annotations.get_or_insert_default();
    annotations.insert(REVISION.into(), revision.to_owned()).as_deref() != Some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_values() {
        let p = |s: &str| IntOrString::String(s.into());
        for (v, total, up, want) in [
            (p("25%"), 4, true, 1),
            (p("25%"), 4, false, 1),
            (p("25%"), 3, true, 1),
            (p("25%"), 3, false, 0),
            (p("100%"), 7, false, 7),
            (IntOrString::Int(2), 9, true, 2),
        ] {
            assert_eq!(scaled(Some(&v), total, up), want, "{v:?} of {total}");
        }
    }
}
