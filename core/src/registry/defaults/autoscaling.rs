//! Defaults of the autoscaling and policy groups.
//! Models `pkg/apis/autoscaling/v2/defaults.go`.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::pointer;

/// A HorizontalPodAutoscaler: of one replica at least, by cpu at 80 % unless it says otherwise.
pub fn horizontal_pod_autoscaler(hpa: &mut HorizontalPodAutoscaler) {
    hpa.status.get_or_insert_default();
    let spec = &mut hpa.spec;
    pointer(&mut spec.min_replicas, 1);
    if spec.metrics.as_ref().is_none_or(|m| m.is_empty()) {
        let target =
            MetricTarget { type_: "Utilization".to_owned(), average_utilization: Some(80), ..MetricTarget::default() };
        spec.metrics = Some(vec![MetricSpec {
            type_: "Resource".to_owned(),
            resource: Some(ResourceMetricSource { name: "cpu".to_owned(), target }),
            ..MetricSpec::default()
        }]);
    }
    let Some(behavior) = &mut spec.behavior else { return };
    let up = [policy("Pods", 4, 15), policy("Percent", 100, 15)];
    rules(behavior.scale_up.get_or_insert_default(), Some(0), &up);
    rules(behavior.scale_down.get_or_insert_default(), None, &[policy("Percent", 100, 15)]);
}

fn policy(type_: &str, value: i32, period_seconds: i32) -> HPAScalingPolicy {
    HPAScalingPolicy { type_: type_.to_owned(), value, period_seconds }
}

fn rules(rules: &mut HPAScalingRules, window: Option<i32>, policies: &[HPAScalingPolicy]) {
    if rules.stabilization_window_seconds.is_none() {
        rules.stabilization_window_seconds = window;
    }
    pointer(&mut rules.select_policy, "Max".to_owned());
    // An empty list stays one, for validation to refuse.
    if rules.policies.is_none() {
        rules.policies = Some(policies.to_vec());
    }
}

/// A PodDisruptionBudget.
pub fn pod_disruption_budget(budget: &mut PodDisruptionBudget) {
    budget.spec.get_or_insert_default();
    budget.status.get_or_insert_default();
}
