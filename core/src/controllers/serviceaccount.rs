//! The ServiceAccount controller: every namespace has a `default` account. Models
//! `pkg/controller/serviceaccount/serviceaccounts_controller.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ControllerContext;
use super::util::pod_control::is_namespace_terminating;
use super::util::worker::run_workers;
use super::util::{name, namespace};
use crate::client::{InformerEvent, RateLimits, WorkQueue};

const DEFAULT: &str = "default";

/// Whether a namespace takes new objects.
pub(super) fn is_active(ns: &Namespace) -> bool {
    ns.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Active")
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("service-account-controller");
    let (namespaces, accounts) = (ctx.informer::<Namespace>(), ctx.informer::<ServiceAccount>());
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        accounts.wait_synced().await;
        namespaces.wait_synced().await;
        let q = queue.clone();
        accounts.on_event(move |e| {
            if let InformerEvent::Deleted(sa) = e
                && name(&sa.metadata) == DEFAULT
            {
                q.add(namespace(&sa.metadata).into());
            }
        });
        let q = queue.clone();
        namespaces.on_event(move |e| match e {
            InformerEvent::Added(ns) | InformerEvent::Updated { new: ns, .. } => q.add(name(&ns.metadata).into()),
            InformerEvent::Deleted(_) => {}
        });
        run_workers(&ctx, &queue, 1, move |key| {
            let (client, namespaces, accounts) = (client.clone(), namespaces.clone(), accounts.clone());
            async move {
                let wanted = namespaces.get(&key).is_some_and(|ns| is_active(&ns));
                if !wanted || accounts.get_named(&key, DEFAULT).is_some() {
                    return Ok(());
                }
                let metadata = ObjectMeta {
                    name: Some(DEFAULT.into()),
                    namespace: Some(key.to_string()),
                    ..ObjectMeta::default()
                };
                match client.create(ServiceAccount { metadata, ..ServiceAccount::default() }).await {
                    Err(e) if !e.is_already_exists() && !is_namespace_terminating(&e) => Err(e.into()),
                    _ => Ok(()),
                }
            }
        });
    });
}
