//! ClusterRole aggregation: roles that are made of others. Models `pkg/controller/clusterroleaggregation`.

use std::rc::Rc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

use super::ControllerContext;
use super::util::name;
use super::util::worker::{SyncResult, run_workers};
use crate::api::labels::Selector;
use crate::client::{Client, Informer, RateLimits, WorkQueue};

const WORKERS: usize = 5;

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("clusterrole-aggregation-controller");
    let roles: Informer<ClusterRole> = ctx.informer();
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    roles.add_index(AGGREGATED, |r| if r.aggregation_rule.is_some() { vec![AGGREGATED.into()] } else { Vec::new() });
    let (all, q) = (roles.clone(), queue.clone());
    // Whichever role changed, it may be part of any of these.
    roles.on_event(move |_| {
        for role in all.by_index(AGGREGATED, AGGREGATED) {
            q.add(name(&role.metadata).into());
        }
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        roles.wait_synced().await;
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let (client, roles) = (client.clone(), roles.clone());
            async move { sync(&client, &roles, &key).await }
        });
    });
}

/// The index of roles that are made of others.
const AGGREGATED: &str = "aggregated";

fn union(roles: &Informer<ClusterRole>, role: &ClusterRole) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    let selectors = role.aggregation_rule.iter().flat_map(|a| a.cluster_role_selectors.iter().flatten());
    for selector in selectors.filter_map(|s| Selector::from_label_selector(Some(s)).ok()) {
        for part in roles.list() {
            if name(&part.metadata) == name(&role.metadata) || !selector.matches_meta(&part.metadata) {
                continue;
            }
            for rule in part.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}

async fn sync(client: &Client, roles: &Informer<ClusterRole>, key: &str) -> SyncResult {
    let Some(role) = roles.get(key).filter(|r| r.aggregation_rule.is_some()) else { return Ok(()) };
    let rules = union(roles, &role);
    if role.rules.clone().unwrap_or_default() == rules {
        return Ok(());
    }
    client.patch::<ClusterRole>("", key, "", |r| r.rules = Some(rules.clone())).await?;
    Ok(())
}
