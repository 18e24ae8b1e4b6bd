//! The status of ValidatingAdmissionPolicies: whether their expressions fit the types that they match.
//! Models `pkg/controller/validatingadmissionpolicystatus`.

mod type_checker;

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::ControllerContext;
use super::util::name;
use super::util::worker::{SyncResult, run_workers};
use crate::api::dynamic::DynamicObject;
use crate::client::{Client, InformerEvent, ObjectInformer, RateLimits, WorkQueue};
use crate::registry::ResourceId;

const NAME: &str = "validatingadmissionpolicy-status-controller";
const GROUP: &str = "admissionregistration.k8s.io";
const KIND: &str = "ValidatingAdmissionPolicy";
const WORKERS: usize = 5;
/// It begins when a cluster has booted: before that nobody has made a policy, and the first screen does without its code.
const BEGINS_AFTER: Duration = Duration::from_secs(30);

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let own = ctx.clone();
    ctx.spawn(async move {
        own.sim().sleep(BEGINS_AFTER).await;
        begin(&own);
    });
}

fn begin(ctx: &ControllerContext) {
    let client = ctx.client(NAME);
    let Some(id) = client.registry().find_kind(GROUP, KIND) else { return };
    let policies = ctx.informers().object(id, &client);
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let q = queue.clone();
    policies.on_event(move |e| match e {
        InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } => q.add(name(o.meta()).into()),
        InformerEvent::Deleted(_) => {}
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        policies.wait_synced().await;
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let (client, policies) = (client.clone(), policies.clone());
            async move { sync(&client, id, &policies, &key).await }
        });
    });
}

async fn sync(client: &Client, id: ResourceId, policies: &ObjectInformer, key: &str) -> SyncResult {
    let Some(body) = policies.get(key).as_deref().and_then(DynamicObject::of).and_then(|p| status_of(client, p)) else {
        return Ok(());
    };
    client.apply_status(id, key, NAME, &body).await?;
    Ok(())
}

/// What is to be applied to a policy; nothing if its status tells of it as it is now.
fn status_of(client: &Client, policy: &DynamicObject) -> Option<serde_json::Value> {
    let generation = policy.metadata.generation.unwrap_or(0);
    if generation <= policy.at(&["status", "observedGeneration"]).as_i64().unwrap_or(0) {
        return None;
    }
    let nanosecond = client.sim().timestamp().subsec_nanosecond();
    let warnings = type_checker::check(client.registry(), policy.at(&["spec"]), nanosecond);
    let warnings = warnings.into_iter().map(|w| json!({"fieldRef": w.field, "warning": w.text}));
    let mut checking = json!({});
    let all: Vec<_> = warnings.collect();
    if !all.is_empty() {
        checking["expressionWarnings"] = all.into();
    }
    Some(json!({
        "apiVersion": &*policy.api_version, "kind": KIND, "metadata": {"name": name(&policy.metadata)},
        "status": {"observedGeneration": generation, "typeChecking": checking},
    }))
}
