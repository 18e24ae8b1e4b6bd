//! Deletes what a namespace holds. Models `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition, Pod};

use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::status::qualified;
use crate::apiserver::{DeleteOptions, ListOptions, Propagation};
use crate::client::{Client, ClientError};
use crate::controllers::util::{name, pods, time};
use crate::registry::ResourceId;

const KUBERNETES: &str = "kubernetes";
/// How long finalizers of content may take before the namespace is looked at again.
const FINALIZER_ESTIMATE_SECONDS: i64 = 15;

/// Why a namespace isn't gone yet.
pub(super) enum DeleteError {
    /// Content is still going; so many seconds may do.
    Remaining(i64),
    /// Something failed: the namespace's conditions say what.
    Failed,
}

impl From<ClientError> for DeleteError {
    fn from(_: ClientError) -> Self {
        DeleteError::Failed
    }
}

/// What was found in the namespace after deleting.
#[derive(Default)]
struct Findings {
    estimate: i64,
    remaining: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
    errors: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Deleter {
    client: Client,
}

impl Deleter {
    pub(super) fn new(client: &Client) -> Self {
        Deleter { client: client.clone() }
    }

    pub(super) async fn delete(&self, ns: &str) -> Result<(), DeleteError> {
        let namespace = match self.client.get::<Namespace>("", ns).await {
            Err(e) if e.is_not_found() => return Ok(()),
            other => other?,
        };
        if namespace.metadata.deletion_timestamp.is_none() {
            return Ok(());
        }
        if namespace.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Terminating") {
            self.client
                .patch::<Namespace>("", ns, "status", |n| {
                    n.status.get_or_insert_default().phase = Some("Terminating".into());
                })
                .await?;
        }
        if finalizers(&namespace).is_empty() {
            return Ok(());
        }
        let findings = self.delete_all_content(&namespace).await;
        self.tell(ns, &findings).await?;
        if !findings.errors.is_empty() {
            return Err(DeleteError::Failed);
        }
        if findings.estimate > 0 {
            return Err(DeleteError::Remaining(findings.estimate));
        }
        self.finalize(ns).await
    }

    /// Takes the controller's finalizer off.
    async fn finalize(&self, ns: &str) -> Result<(), DeleteError> {
        let Some(id) = self.client.registry().id_of::<Namespace>() else { return Ok(()) };
        let done = self
            .client
            .patch_object(id, "", ns, "finalize", |o: &mut Obj| {
                if let Some(n) = typed_mut::<Namespace>(make_mut(o)) {
                    let spec = n.spec.get_or_insert_default();
                    let mut left = spec.finalizers.take().unwrap_or_default();
                    left.retain(|f| f != KUBERNETES);
                    spec.finalizers = (!left.is_empty()).then_some(left);
                }
                Ok(())
            })
            .await;
        match done {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }

    async fn delete_all_content(&self, namespace: &Namespace) -> Findings {
        let mut found = Findings::default();
        let registry = self.client.registry().clone();
        let pods = registry.id_of::<Pod>();
        // Pods first: what they use stays until they are gone.
        if let Some(id) = pods {
            self.delete_content_of(id, namespace, &mut found).await;
            if !found.remaining.is_empty() || !found.errors.is_empty() {
                return found;
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for id in registry.ids().filter(|id| registry.info(*id).namespaced && Some(*id) != pods) {
            let info = registry.info(id);
            if seen.insert((info.group, info.resource)) {
                self.delete_content_of(id, namespace, &mut found).await;
            }
        }
        found
    }

    async fn delete_content_of(&self, id: ResourceId, namespace: &Namespace, found: &mut Findings) {
        let ns = name(&namespace.metadata);
        let info = self.client.registry().info(id);
        let what = qualified(info.group, info.resource);
        let gvr = format!("{}, Resource={}", group_version(info.group, info.version), info.resource);
        let (listed, resource) = (ListOptions::default(), what.clone());
        let before = match self.client.list_objects(id, Some(ns), &listed).await {
            Ok(list) => list.items,
            Err(e) => return found.errors.push(e.to_string()),
        };
        if before.is_empty() {
            return;
        }
        let grace = estimate_graceful(&before, namespace, self.client.sim().timestamp());
        let o = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        if let Err(e) = self.client.delete_collection(id, ns, &listed, &o).await {
            return found.errors.push(format!("unable to delete {resource}: {e}"));
        }
        let left = match self.client.list_objects(id, Some(ns), &listed).await {
            Ok(list) => list.items,
            Err(e) => return found.errors.push(e.to_string()),
        };
        if left.is_empty() {
            return;
        }
        found.remaining.insert(format!("{}.{}", info.resource, info.group), left.len());
        let mut held = 0;
        for f in left.iter().flat_map(|o| o.meta().finalizers.iter().flatten()) {
            *found.finalizers.entry(f.clone()).or_default() += 1;
            held += 1;
        }
        if grace > 0 {
            found.estimate = found.estimate.max(grace);
        } else if held > 0 {
            found.estimate = found.estimate.max(FINALIZER_ESTIMATE_SECONDS);
        } else {
            found.errors.push(format!("unexpected items still remain in namespace: {ns} for gvr: {gvr}"));
        }
    }

    /// Says in the namespace's conditions how far it got.
    async fn tell(&self, ns: &str, found: &Findings) -> Result<(), ClientError> {
        let list = |m: &BTreeMap<String, usize>, of: &dyn Fn(&str, usize) -> String| {
            m.iter().map(|(k, n)| of(k, *n)).collect::<Vec<_>>().join(", ")
        };
        let mut conditions = vec![
            condition(
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered".into(),
            ),
            condition(
                "NamespaceDeletionGroupVersionParsingFailure",
                false,
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed".into(),
            ),
        ];
        conditions.push(if found.errors.is_empty() {
            let message = "All content successfully deleted, may be waiting on finalization";
            condition("NamespaceDeletionContentFailure", false, "ContentDeleted", message.into())
        } else {
            let message = format!(
                "Failed to delete all resource types, {} remaining: {}",
                found.errors.len(),
                found.errors.join(", ")
            );
            condition("NamespaceDeletionContentFailure", true, "ContentDeletionFailed", message)
        });
        conditions.push(if found.remaining.is_empty() {
            let message = "All content successfully removed";
            condition("NamespaceContentRemaining", false, "ContentRemoved", message.into())
        } else {
            let each = list(&found.remaining, &|k, n| format!("{k} has {n} resource instances"));
            let message = format!("Some resources are remaining: {each}");
            condition("NamespaceContentRemaining", true, "SomeResourcesRemain", message)
        });
        conditions.push(if found.finalizers.is_empty() {
            let message = "All content-preserving finalizers finished";
            condition("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", message.into())
        } else {
            let each = list(&found.finalizers, &|k, n| format!("{k} in {n} resource instances"));
            let message = format!("Some content in the namespace has finalizers remaining: {each}");
            condition("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message)
        });
        let now = time::now(self.client.sim());
        let patched = self
            .client
            .patch::<Namespace>("", ns, "status", |n| {
                let have = n.status.get_or_insert_default().conditions.get_or_insert_default();
                for new in &conditions {
                    let mut new = NamespaceCondition { last_transition_time: Some(now.clone()), ..new.clone() };
                    match have.iter_mut().find(|c| c.type_ == new.type_) {
                        Some(old) => {
                            if old.status == new.status {
                                new.last_transition_time = old.last_transition_time.clone();
                            }
                            *old = new;
                        }
                        None => have.push(new),
                    }
                }
            })
            .await;
        match patched {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }
}

fn finalizers(ns: &Namespace) -> &[String] {
    ns.spec.as_ref().and_then(|s| s.finalizers.as_deref()).unwrap_or_default()
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/{version}") } else { format!("{group}/{version}") }
}

fn condition(kind: &str, status: bool, reason: &str, message: String) -> NamespaceCondition {
    NamespaceCondition {
        type_: kind.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_transition_time: None,
    }
}

/// How long the pods among these may yet take to end, in seconds.
fn estimate_graceful(objects: &[Obj], ns: &Namespace, now: jiff::Timestamp) -> i64 {
    let graces = objects.iter().filter_map(|o| typed::<Pod>(&**o)).filter(|p| !pods::is_terminal(p));
    let grace = graces.filter_map(|p| p.spec.as_ref()?.termination_grace_period_seconds).max().unwrap_or(0);
    let since = ns.metadata.deletion_timestamp.as_ref().map_or(0, |t| now.duration_since(t.0).as_secs());
    if since >= grace { 0 } else { grace - since }
}
