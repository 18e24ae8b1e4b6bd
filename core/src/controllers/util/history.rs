//! ControllerRevisions: the templates that a controller's object had. Models `pkg/controller/history/controller_history.go`.

use std::rc::Rc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::hash::{Fnv32, safe_encode};
use super::worker::SyncError;
use super::{name, namespace, new_controller_ref, uid};
use crate::api::object::Kind;
use crate::api::tell::to_value;
use crate::client::{Client, Informer};

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
    let mut template = to_value(template);
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

/// The label that tells revisions apart.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// JSON as Go's encoder writes it: compact, and safe inside HTML.
fn go_json(v: &Value) -> String {
    let mut out = String::new();
    for c in v.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A revision's hash: FNV-1 over its data and the number of collisions, in letters that make no words.
/// Models HashControllerRevision.
fn hash(data: &Value, collisions: i32) -> String {
    let text = format!("{}{collisions}", go_json(data));
    safe_encode(&Fnv32::fnv1(text.as_bytes()).to_string())
}

/// Models ControllerRevisionName.
fn revision_name(prefix: &str, hash: &str) -> String {
    format!("{}-{hash}", prefix.get(..223).unwrap_or(prefix))
}

/// A revision of `parent` with these data. Models NewControllerRevision.
pub fn new_revision<K: Kind>(
    parent: &K,
    template: &PodTemplateSpec,
    data: Value,
    revision: i64,
    collisions: i32,
) -> ControllerRevision {
    let hash = hash(&data, collisions);
    let m = parent.metadata();
    let mut labels = template.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default();
    labels.insert(HASH_LABEL.into(), hash.clone());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(revision_name(name(m), &hash)),
            namespace: m.namespace.clone(),
            labels: Some(labels),
            annotations: m.annotations.clone(),
            owner_references: Some(vec![new_controller_ref(parent)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data)),
        revision,
    }
}

/// Stores a revision under the first name that no other revision has. Models CreateControllerRevision.
pub async fn create<K: Kind>(
    client: &Client,
    parent: &K,
    mut revision: ControllerRevision,
    collisions: &mut i32,
) -> Result<Rc<ControllerRevision>, SyncError> {
    let wanted = data(&revision).cloned().unwrap_or_default();
    loop {
        let n = revision_name(name(parent.metadata()), &hash(&wanted, *collisions));
        revision.metadata.name = Some(n.clone());
        match client.create(revision.clone()).await {
            Err(e) if e.is_already_exists() => {
                let have = client.get::<ControllerRevision>(namespace(parent.metadata()), &n).await?;
                if data(&have) == Some(&wanted) {
                    return Ok(have);
                }
                *collisions += 1;
            }
            other => return Ok(other?),
        }
    }
}
