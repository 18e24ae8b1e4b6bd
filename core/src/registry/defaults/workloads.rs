//! Defaults of the apps group.
//! Models `pkg/apis/apps/v1/defaults.go`.

use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, ReplicaSet, RollingUpdateDaemonSet, RollingUpdateDeployment, StatefulSet,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{pod::template_spec, pointer, text};

/// A ReplicaSet.
pub fn replica_set(set: &mut ReplicaSet) {
    set.status.get_or_insert_default();
    let spec = set.spec.get_or_insert_default();
    pointer(&mut spec.replicas, 1);
    template_spec(spec.template.get_or_insert_default());
}

/// A Deployment.
pub fn deployment(deployment: &mut Deployment) {
    deployment.status.get_or_insert_default();
    let spec = deployment.spec.get_or_insert_default();
    pointer(&mut spec.replicas, 1);
    let strategy = spec.strategy.get_or_insert_default();
    text(&mut strategy.type_, "RollingUpdate");
    if strategy.type_.as_deref() == Some("RollingUpdate") {
        let rolling = strategy.rolling_update.get_or_insert_with(RollingUpdateDeployment::default);
        pointer(&mut rolling.max_unavailable, IntOrString::String("25%".to_owned()));
        pointer(&mut rolling.max_surge, IntOrString::String("25%".to_owned()));
    }
    pointer(&mut spec.revision_history_limit, 10);
    pointer(&mut spec.progress_deadline_seconds, 600);
    template_spec(&mut spec.template);
}

/// A DaemonSet.
pub fn daemon_set(set: &mut DaemonSet) {
    set.status.get_or_insert_default();
    let spec = set.spec.get_or_insert_default();
    let strategy = spec.update_strategy.get_or_insert_default();
    text(&mut strategy.type_, "RollingUpdate");
    if strategy.type_.as_deref() == Some("RollingUpdate") {
        let rolling = strategy.rolling_update.get_or_insert_with(RollingUpdateDaemonSet::default);
        pointer(&mut rolling.max_unavailable, IntOrString::Int(1));
        pointer(&mut rolling.max_surge, IntOrString::Int(0));
    }
    pointer(&mut spec.revision_history_limit, 10);
    template_spec(&mut spec.template);
}

/// A StatefulSet.
pub fn stateful_set(set: &mut StatefulSet) {
    set.status.get_or_insert_default();
    let spec = set.spec.get_or_insert_default();
    text(&mut spec.pod_management_policy, "OrderedReady");
    let strategy = spec.update_strategy.get_or_insert_default();
    if strategy.type_.as_deref().unwrap_or("").is_empty() {
        strategy.type_ = Some("RollingUpdate".to_owned());
        let rolling = strategy.rolling_update.get_or_insert_default();
        pointer(&mut rolling.partition, 0);
    }
    if strategy.type_.as_deref() == Some("RollingUpdate")
        && let Some(rolling) = &mut strategy.rolling_update
    {
        pointer(&mut rolling.partition, 0);
    }
    let policy = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    text(&mut policy.when_deleted, "Retain");
    text(&mut policy.when_scaled, "Retain");
    pointer(&mut spec.replicas, 1);
    pointer(&mut spec.revision_history_limit, 10);
    template_spec(&mut spec.template);
    for claim in spec.volume_claim_templates.iter_mut().flatten() {
        super::core::persistent_volume_claim(claim);
    }
}
