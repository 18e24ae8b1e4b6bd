//! What may change of a pod.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePodUpdate, ValidatePodEphemeralContainersUpdate).

use k8s_openapi::api::core::v1::{
    Container, NodeAffinity, NodeSelectorTerm, Pod, PodSchedulingGate, PodSpec, Toleration,
};

use super::{MIRROR, Options, annotations, containers, metadata_and_spec, scheduling, security};
use crate::registry::validation::prelude::*;
use crate::registry::validation::{go_diff, go_struct};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks a changed pod.
pub fn validate_update(new: &Pod, old: &Pod) -> ErrorList {
    let mut errs = ErrorList::new();
    let opts = Options::for_pod_update(old);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    metadata_and_spec(new, &opts, &mut errs);
    annotation_updates(new, old, &opts, &mut errs);
    let default = PodSpec::default();
    let (new, old) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    spec_update(new, old, &mut errs);
    errs
}

fn spec_update(new: &PodSpec, old: &PodSpec, errs: &mut ErrorList) {
    let path = Path::new("spec");
    if !images(&new.containers, &old.containers, &path.child("containers"), errs)
        || !images(list(&new.init_containers), list(&old.init_containers), &path.child("initContainers"), errs)
        || !active_deadline(new, old, &path.child("activeDeadlineSeconds"), errs)
    {
        return;
    }
    tolerations(list(&new.tolerations), list(&old.tolerations), &path.child("tolerations"), errs);
    gates(list(&new.scheduling_gates), list(&old.scheduling_gates), &path.child("schedulingGates"), errs);
    if new == old {
        return;
    }
    let munged = munge(new, old, &path, errs);
    let (of_old, of_new) = (go_struct::pod_spec(old), go_struct::pod_spec(&munged));
    if !of_old.same(&of_new) {
        errs.push(Error::forbidden(
            &path,
            format!("pod updates may not change fields other than {UPDATABLE}\n{}", go_diff::diff(&of_old, &of_new)),
        ));
    }
}

/// Returns whether to go on.
fn images(new: &[Container], old: &[Container], path: &Path, errs: &mut ErrorList) -> bool {
    if new.len() != old.len() {
        errs.push(Error::forbidden(path, "pod updates may not add or remove containers"));
        return false;
    }
    for (i, c) in new.iter().enumerate() {
        let at = path.index(i);
        if text(&c.image).is_empty() {
            errs.push(Error::required(&at.child("image"), ""));
        }
        containers::image_untrimmed(text(&c.image), &at, errs);
    }
    true
}

/// Returns whether to go on.
fn active_deadline(new: &PodSpec, old: &PodSpec, path: &Path, errs: &mut ErrorList) -> bool {
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errs.push(Error::invalid(path, &json!(new), "must be between 0 and 2147483647, inclusive"));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errs.push(Error::invalid(path, &json!(new), "must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            errs.push(Error::invalid_shown(path, "null", "must not update from a positive integer to nil value"));
            true
        }
        _ => true,
    }
}

fn tolerations(new: &[Toleration], old: &[Toleration], path: &Path, errs: &mut ErrorList) {
    let same = |a: &Toleration, b: &Toleration| {
        text(&a.key) == text(&b.key)
            && text(&a.operator) == text(&b.operator)
            && text(&a.value) == text(&b.value)
            && text(&a.effect) == text(&b.effect)
    };
    if old.iter().any(|old| !new.iter().any(|new| same(new, old))) {
        errs.push(Error::forbidden(path, "existing toleration can not be modified except its tolerationSeconds"));
        return;
    }
    scheduling::tolerations(new, path, errs);
}

fn gates(new: &[PodSchedulingGate], old: &[PodSchedulingGate], path: &Path, errs: &mut ErrorList) {
    for (i, gate) in new.iter().enumerate() {
        let last = !new.iter().skip(i + 1).any(|g| g.name == gate.name);
        if last && !old.iter().any(|o| o.name == gate.name) {
            errs.push(Error::forbidden(
                &path.index(i).child("name"),
                format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name),
            ));
        }
    }
}

/// The new spec with all that may change put back as it was, having checked those changes.
fn munge(new: &PodSpec, old: &PodSpec, path: &Path, errs: &mut ErrorList) -> PodSpec {
    let mut munged = new.clone();
    for (c, old) in munged.containers.iter_mut().zip(&old.containers) {
        c.image.clone_from(&old.image);
    }
    for (c, old) in munged.init_containers.iter_mut().flatten().zip(list(&old.init_containers)) {
        c.image.clone_from(&old.image);
    }
    munged.active_deadline_seconds = old.active_deadline_seconds;
    munged.scheduling_gates.clone_from(&old.scheduling_gates);
    munged.tolerations.clone_from(&old.tolerations);
    if old.termination_grace_period_seconds.is_some_and(|s| s < 0) && munged.termination_grace_period_seconds == Some(1)
    {
        munged.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    if list(&old.scheduling_gates).is_empty() {
        return munged;
    }
    // What a gated pod may still choose: more node labels, and more of its node affinity.
    let lost = entries(&old.node_selector).any(|(k, v)| entry(&munged.node_selector, k) != Some(v));
    if lost {
        errs.push(Error::invalid(
            &path.child("nodeSelector"),
            &json!(munged.node_selector),
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ));
    }
    munged.node_selector.clone_from(&old.node_selector);

    let old_affinity = old.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let new_affinity = munged.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    if old_affinity != new_affinity {
        node_affinity(new_affinity, old_affinity, &path.child("affinity.nodeAffinity"), errs);
        let old_affinity = old_affinity.cloned();
        match &mut munged.affinity {
            None => {
                if old_affinity.is_some() {
                    munged.affinity = Some(k8s_openapi::api::core::v1::Affinity {
                        node_affinity: old_affinity,
                        ..Default::default()
                    });
                }
            }
            Some(a) if old.affinity.is_none() && a.pod_affinity.is_none() && a.pod_anti_affinity.is_none() => {
                munged.affinity = None;
            }
            Some(a) => a.node_affinity = old_affinity,
        }
    }
    munged
}

fn node_affinity(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>, path: &Path, errs: &mut ErrorList) {
    let terms = |a: Option<&NodeAffinity>| -> Vec<NodeSelectorTerm> {
        a.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref())
            .map(|s| s.node_selector_terms.clone())
            .unwrap_or_default()
    };
    let (new, old) = (terms(new), terms(old));
    let at = path.child("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    if !old.is_empty() && old.len() != new.len() {
        let shown: Vec<String> = new.iter().map(|t| go_struct::node_selector_term(t).compact()).collect();
        let shown = if new.is_empty() { "null".to_owned() } else { format!("[{}]", shown.join(",")) };
        errs.push(Error::invalid_shown(
            &at,
            shown,
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        ));
        return;
    }
    for (i, (new, old)) in new.iter().zip(&old).enumerate() {
        let (was, is) = (list(&old.match_expressions), list(&new.match_expressions));
        let (was_fields, is_fields) = (list(&old.match_fields), list(&new.match_fields));
        let added_to_nothing = was.is_empty() && was_fields.is_empty() && !(is.is_empty() && is_fields.is_empty());
        if added_to_nothing || !is.starts_with(was) || !is_fields.starts_with(was_fields) {
            errs.push(Error::invalid_shown(
                &at.index(i),
                go_struct::node_selector_term(new).compact(),
                "only additions are allowed (no mutations or deletions)",
            ));
        }
    }
}

/// Upstream's `ValidatePodSpecificAnnotationUpdates`.
pub(super) fn annotation_updates(new: &Pod, old: &Pod, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("metadata.annotations");
    let (new_meta, old_meta) = (&new.metadata, &old.metadata);
    if new_meta.annotations.is_none() && old_meta.annotations.is_none() {
        return;
    }
    for (key, value) in entries(&old_meta.annotations) {
        if entry(&new_meta.annotations, key) == Some(value) {
            continue;
        }
        if security::is_app_armor_annotation(key) {
            errs.push(Error::forbidden(&path.key(key), "may not remove or update AppArmor annotations"));
        }
        if key == MIRROR {
            errs.push(Error::forbidden(&path.key(key), "may not remove or update mirror pod annotation"));
        }
    }
    for (key, _) in entries(&new_meta.annotations) {
        if entry(&old_meta.annotations, key).is_some() {
            continue;
        }
        if security::is_app_armor_annotation(key) {
            errs.push(Error::forbidden(&path.key(key), "may not add AppArmor annotations"));
        }
        if key == MIRROR {
            errs.push(Error::forbidden(&path.key(key), "may not add mirror pod annotation"));
        }
    }
    let default = PodSpec::default();
    annotations(new_meta, new.spec.as_ref().unwrap_or(&default), &path, opts, errs);
}

/// Checks a change of a pod's ephemeral containers, by the subresource.
pub fn validate_ephemeral_containers_update(new: &Pod, old: &Pod) -> ErrorList {
    let mut errs = ErrorList::new();
    let opts = Options::for_pod_update(old);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    metadata_and_spec(new, &opts, &mut errs);
    annotation_updates(new, old, &opts, &mut errs);
    if entry(&old.metadata.annotations, MIRROR).is_some() {
        return vec![Error::forbidden(&Path::new(""), "static pods do not support ephemeral containers")];
    }
    let path = Path::new("spec.ephemeralContainers");
    let of = |pod: &Pod| pod.spec.as_ref().map(|s| list(&s.ephemeral_containers).to_vec()).unwrap_or_default();
    let (new, old) = (of(new), of(old));
    for old in &old {
        let name = crate::api::field::quote(&old.name);
        match new.iter().rev().find(|c| c.name == old.name) {
            None => {
                errs.push(Error::forbidden(&path, format!("existing ephemeral containers {name} may not be removed\n")))
            }
            Some(new) => {
                let (was, is) = (go_struct::ephemeral_container(old), go_struct::ephemeral_container(new));
                if !was.same(&is) {
                    let diff = go_diff::diff(&was, &is);
                    errs.push(Error::forbidden(
                        &path,
                        format!("existing ephemeral containers {name} may not be changed\n{diff}"),
                    ));
                }
            }
        }
    }
    errs
}
