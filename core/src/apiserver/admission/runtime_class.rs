//! Pods get the overhead of their RuntimeClass, and go where it can run. Models `plugin/pkg/admission/runtimeclass`.

use k8s_openapi::api::core::v1::{Pod, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;

use super::forbidden;
use crate::api::field::quote;
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

/// Changes a new pod, or refuses it.
pub(super) fn admit(server: &ApiServer, info: &ResourceInfo, obj: &mut Obj) -> Result<(), Status> {
    let Some(spec) = typed::<Pod>(&**obj).and_then(|p| p.spec.as_ref()) else { return Ok(()) };
    let refuse = |why: String| Err(forbidden(info, &**obj, &why));
    let class = match &spec.runtime_class_name {
        None => None,
        Some(name) => match server.one_of::<RuntimeClass>("", name) {
            None => return refuse(format!("pod rejected: RuntimeClass {} not found", quote(name))),
            found => found,
        },
    };
    let own = spec.overhead.as_ref().filter(|o| !o.is_empty());
    let overhead = class.as_ref().and_then(|c| c.overhead.as_ref());
    let fixed = overhead.and_then(|o| o.pod_fixed.as_ref()).filter(|f| !f.is_empty());
    match (own, overhead) {
        (Some(_), None) => {
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            return refuse(why.to_owned());
        }
        (Some(own), Some(_)) if Some(own) != fixed => {
            return refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead".to_owned());
        }
        _ => {}
    }
    let scheduling = class.as_ref().and_then(|c| c.scheduling.clone()).unwrap_or_default();
    let wanted = scheduling.node_selector.unwrap_or_default();
    for (key, value) in &wanted {
        if let Some(have) = spec.node_selector.as_ref().and_then(|s| s.get(key)).filter(|have| *have != value) {
            return refuse(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {have}"
            ));
        }
    }
    let more = scheduling.tolerations.unwrap_or_default();
    if fixed.is_none() && wanted.is_empty() && more.is_empty() {
        return Ok(());
    }
    let fixed = fixed.cloned();
    let Some(spec) = typed_mut::<Pod>(make_mut(obj)).and_then(|p| p.spec.as_mut()) else { return Ok(()) };
    if fixed.is_some() {
        spec.overhead = fixed;
    }
    if !wanted.is_empty() {
        spec.node_selector.get_or_insert_default().extend(wanted);
    }
    if !more.is_empty() {
        spec.tolerations = Some(merge(spec.tolerations.take().unwrap_or_default(), more));
    }
    Ok(())
}

/// Both, but for those that others make needless. Models `MergeTolerations`.
fn merge(first: Vec<Toleration>, second: Vec<Toleration>) -> Vec<Toleration> {
    let all: Vec<Toleration> = first.into_iter().chain(second).collect();
    let mut merged: Vec<Toleration> = Vec::new();
    for (i, t) in all.iter().enumerate() {
        let covered = merged.iter().any(|m| covers(m, t));
        let later = all.iter().skip(i + 1).any(|other| other != t && covers(other, t));
        if !covered && !later {
            merged.push(t.clone());
        }
    }
    merged
}

fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let exists = wide.operator.as_deref() == Some("Exists");
    if wide == narrow {
        return true;
    }
    if text(&wide.key) != text(&narrow.key) && !(text(&wide.key).is_empty() && exists) {
        return false;
    }
    if text(&wide.effect) != text(&narrow.effect) && !text(&wide.effect).is_empty() {
        return false;
    }
    let shorter = |limit: i64| narrow.toleration_seconds.is_none_or(|s| s > limit);
    if wide.effect.as_deref() == Some("NoExecute") && wide.toleration_seconds.is_some_and(shorter) {
        return false;
    }
    exists || narrow.operator.as_deref() != Some("Exists") && text(&wide.value) == text(&narrow.value)
}
