//! The namespace controller: empties namespaces that are going, kind by kind, and then lets them go.
//! Models `pkg/controller/namespace`.

mod deleter;

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;

use super::ControllerContext;
use super::util::name;
use crate::client::{InformerEvent, RateLimits, WorkQueue};
use deleter::{DeleteError, Deleter};

/// `--concurrent-namespace-syncs`.
const WORKERS: usize = 10;
/// How long after its deletion a namespace is emptied: other api-servers may still take objects until they hear of it.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    // It makes many requests: upstream gives it twenty times the usual rate and a hundred times the burst.
    let client = ctx.client_scaled("namespace-controller", 20, 100);
    let namespaces = ctx.informer::<Namespace>();
    let limits = RateLimits { max: Duration::from_secs(60), qps: 0.0, ..RateLimits::default() };
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), limits);
    let q = queue.clone();
    namespaces.on_event(move |e| match e {
        InformerEvent::Added(ns) | InformerEvent::Updated { new: ns, .. } => {
            if ns.metadata.deletion_timestamp.is_some() {
                q.add_after(name(&ns.metadata).into(), GRACE_PERIOD);
            }
        }
        InformerEvent::Deleted(_) => {}
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        namespaces.wait_synced().await;
        for _ in 0..WORKERS {
            let (queue, namespaces, deleter) = (queue.clone(), namespaces.clone(), Deleter::new(&client));
            ctx.spawn(async move {
                loop {
                    let key = queue.get().await;
                    if namespaces.get(&key).is_some() {
                        match deleter.delete(&key).await {
                            Ok(()) => queue.forget(&key),
                            // Content is still going: looked at again when half of that time is over.
                            Err(DeleteError::Remaining(seconds)) => {
                                let after = Duration::from_secs(u64::try_from(seconds / 2 + 1).unwrap_or(1));
                                queue.add_after(key.clone(), after);
                            }
                            Err(DeleteError::Failed) => queue.add_rate_limited(key.clone()),
                        }
                    } else {
                        queue.forget(&key);
                    }
                    queue.done(&key);
                }
            });
        }
    });
}
