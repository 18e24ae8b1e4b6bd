//! Creates and deletes pods for a controller, and tells of it by events. Models `RealPodControl` of `pkg/controller/controller_utils.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::worker::SyncError;
use super::{name, namespace};
use crate::api::object::Object;
use crate::apiserver::DeleteOptions;
use crate::client::{Client, ClientError, EventRecorder, EventType};
use crate::sim::WaitGroup;

/// The first batch of a slow start.
pub const SLOW_START_INITIAL_BATCH_SIZE: usize = 1;

/// A controller's hand on pods.
#[derive(Clone)]
pub struct PodControl {
    /// The controller's client.
    pub client: Client,
    /// Its recorder.
    pub recorder: EventRecorder,
}

/// Whether a request failed since its namespace is going: nothing can be made there any more.
pub fn is_namespace_terminating(e: &ClientError) -> bool {
    e.status()
        .and_then(|s| s.details.as_ref())
        .is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
}

/// A pod made of a template. Models GetPodFromTemplate.
pub fn pod_from_template(template: &PodTemplateSpec, parent: &ObjectMeta, owner: Option<OwnerReference>) -> Pod {
    let m = template.metadata.clone().unwrap_or_default();
    // A name that would make an invalid prefix with its dash goes without.
    let prefix = format!("{}-", name(parent));
    Pod {
        metadata: ObjectMeta {
            namespace: parent.namespace.clone(),
            labels: m.labels,
            annotations: m.annotations,
            finalizers: m.finalizers,
            generate_name: Some(prefix),
            owner_references: owner.map(|o| vec![o]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        ..Pod::default()
    }
}

impl PodControl {
    /// Creates a pod for `owner`. The pod is large, and many wait for their turn to be created.
    pub async fn create_pod(&self, pod: Rc<Pod>, owner: &dyn Object) -> Result<Rc<Pod>, SyncError> {
        if pod.metadata.labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty) {
            return Err(SyncError::message("unable to create pods, no labels"));
        }
        match self.client.create_held(&mut Some(pod)).await {
            Ok(made) => {
                let message = format!("Created pod: {}", name(&made.metadata));
                self.recorder.event(owner, EventType::Normal, "SuccessfulCreate", &message);
                Ok(made)
            }
            Err(e) => {
                // Events can't be made in a namespace that is going either.
                if !is_namespace_terminating(&e) {
                    let message = format!("Error creating: {e}");
                    self.recorder.event(owner, EventType::Warning, "FailedCreate", &message);
                }
                Err(e.into())
            }
        }
    }

    /// Deletes a pod of `owner`.
    pub async fn delete_pod(&self, pod: &Pod, owner: &dyn Object) -> Result<(), ClientError> {
        let (ns, n) = (namespace(&pod.metadata), name(&pod.metadata));
        match self.client.delete::<Pod>(ns, n, &DeleteOptions::default()).await {
            Ok(()) => {
                self.recorder.event(owner, EventType::Normal, "SuccessfulDelete", &format!("Deleted pod: {n}"));
                Ok(())
            }
            Err(e) => {
                if !e.is_not_found() {
                    self.recorder.event(owner, EventType::Warning, "FailedDelete", &format!("Error deleting: {e}"));
                }
                Err(e)
            }
        }
    }
}

/// Runs `n` calls at once and collects what they failed with.
pub async fn in_parallel<F, Fut>(client: &Client, n: usize, f: F) -> Vec<SyncError>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<(), SyncError>> + 'static,
{
    let sim = client.sim();
    let wg = WaitGroup::new(sim);
    let errors: Rc<std::cell::RefCell<Vec<SyncError>>> = Rc::default();
    wg.add(n);
    for i in 0..n {
        let (wg, errors, call) = (wg.clone(), errors.clone(), f(i));
        sim.spawn(client.process(), async move {
            if let Err(e) = call.await {
                errors.borrow_mut().push(e);
            }
            wg.done();
        });
    }
    wg.wait().await;
    errors.take()
}

/// Calls `f` `count` times in batches of 1, 2, 4, .., each batch at once; a batch with a failure is the last.
/// How many succeeded, and the first failure. `f` is told the running number of the call.
pub async fn slow_start_batch<F, Fut>(client: &Client, count: usize, f: F) -> (usize, Result<(), SyncError>)
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<(), SyncError>> + 'static,
{
    let (mut remaining, mut successes, mut started) = (count, 0, 0);
    let mut batch = remaining.min(SLOW_START_INITIAL_BATCH_SIZE);
    while batch > 0 {
        let mut errors = in_parallel(client, batch, |i| f(started + i)).await;
        started += batch;
        successes += batch - errors.len();
        if !errors.is_empty() {
            return (successes, Err(errors.swap_remove(0)));
        }
        remaining -= batch;
        batch = (2 * batch).min(remaining);
    }
    (successes, Ok(()))
}
