//! ControllerRevisions: the templates that a controller's object had. Models `pkg/controller/history/controller_history.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::{name, namespace, uid};
use crate::client::Informer;

/// The index of revisions by who controls them, and of those that nobody does by namespace.
const INDEX: &str = "revisionController";

fn orphans_key(namespace: &str) -> Rc<str> {
    format!("orphan/{namespace}").into()
}

/// Adds the index that [`of_owner`] needs.
pub fn add_index(revisions: &Informer<ControllerRevision>) {
    revisions.add_index(INDEX, |r| match super::controller_of(&r.metadata) {
        Some(owner) => vec![owner.uid.as_str().into()],
        None => vec![orphans_key(namespace(&r.metadata))],
    });
}

/// The revisions that `owner` controls, and the orphans of its namespace.
pub fn of_owner(revisions: &Informer<ControllerRevision>, ns: &str, owner: &str) -> Vec<Rc<ControllerRevision>> {
    let mut found = revisions.by_index(INDEX, owner);
    found.extend(revisions.by_index(INDEX, &orphans_key(ns)));
    found
}

/// What a revision keeps of its object: the template, as a patch that replaces it.
pub fn template_patch(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    if let Some(t) = template.as_object_mut() {
        t.insert("$patch".into(), "replace".into());
    }
    json!({"spec": {"template": template}})
}

/// A revision's data.
pub fn data(r: &ControllerRevision) -> Option<&Value> {
    r.data.as_ref().map(|d: &RawExtension| &d.0)
}

/// The highest number among revisions.
pub fn max_revision(all: &[Rc<ControllerRevision>]) -> i64 {
    all.iter().map(|r| r.revision).max().unwrap_or(0)
}

/// Sorts by number, then age, then name.
pub fn sort(all: &mut [Rc<ControllerRevision>]) {
    let age = |r: &ControllerRevision| r.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second());
    all.sort_by(|a, b| {
        a.revision
            .cmp(&b.revision)
            .then_with(|| age(a).cmp(&age(b)))
            .then_with(|| name(&a.metadata).cmp(name(&b.metadata)))
    });
}

/// The template that a revision kept.
pub fn template(r: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut t = data(r)?.pointer("/spec/template")?.clone();
    t.as_object_mut()?.remove("$patch");
    serde_json::from_value(t).ok()
}

/// Whether two revisions are of one object.
pub fn same_object(a: &ControllerRevision, b: &ControllerRevision) -> bool {
    uid(&a.metadata) == uid(&b.metadata)
}
