//! How many pods each metric of an autoscaler asks for. Models computeReplicasForMetric and its relatives of
//! `pkg/controller/podautoscaler/horizontal.go`.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricStatus, HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
    ResourceMetricStatus,
};

use super::calculator::{self, Outcome, TOLERANCE, Target, Tolerances};
use super::conditions::{Condition, SCALING_ACTIVE};
use super::controller::{Controller, Scale};
use super::metrics;
use crate::api::quantity::{Format, Quantity};
use crate::client::EventType;
use crate::controllers::util::namespace;
use crate::controllers::util::selector::print_selector;

/// What a metric asks for.
pub struct Proposal {
    pub replicas: i32,
    /// The metric in words.
    pub metric: String,
    pub status: MetricStatus,
}

/// Why a metric asks for nothing: the condition that says so, and the error.
pub struct Unable {
    pub condition: Condition,
    pub error: String,
}

fn tolerances(hpa: &HorizontalPodAutoscaler) -> Tolerances {
    let behavior = hpa.spec.behavior.as_ref();
    let of = |rules: Option<&k8s_openapi::api::autoscaling::v2::HPAScalingRules>| {
        rules.and_then(|r| r.tolerance.as_ref()).map_or(TOLERANCE, |q| Quantity::of(q).as_f64())
    };
    Tolerances {
        down: of(behavior.and_then(|b| b.scale_down.as_ref())),
        up: of(behavior.and_then(|b| b.scale_up.as_ref())),
    }
}

fn value_status(o: Outcome) -> MetricValueStatus {
    MetricValueStatus {
        average_utilization: o.utilization,
        average_value: Some(Quantity::from_milli(o.raw, Format::DecimalSi).to_api()),
        value: None,
    }
}

impl Controller {
    /// What one metric asks for.
    pub(super) async fn propose(
        &self,
        hpa: &HorizontalPodAutoscaler,
        metric: &MetricSpec,
        scale: &Scale,
    ) -> Result<Proposal, Unable> {
        match metric.type_.as_str() {
            "Resource" => {
                let source = metric.resource.clone().unwrap_or_default();
                let outcome = self.of_resource(hpa, &source.name, "", &source.target, scale).await;
                let what = format!("failed to get {} resource metric value", source.name);
                let (o, described) = outcome.map_err(|e| self.unable(hpa, "FailedGetResourceMetric", e, &what))?;
                let status = ResourceMetricStatus { name: source.name, current: value_status(o) };
                let status = MetricStatus { type_: "Resource".into(), resource: Some(status), ..Default::default() };
                Ok(Proposal { replicas: o.replicas, metric: described, status })
            }
            "ContainerResource" => {
                let source = metric.container_resource.clone().unwrap_or_default();
                let outcome = self.of_resource(hpa, &source.name, &source.container, &source.target, scale).await;
                let what = format!("failed to get {} container metric value", source.name);
                let (o, described) =
                    outcome.map_err(|e| self.unable(hpa, "FailedGetContainerResourceMetric", e, &what))?;
                let status = ContainerResourceMetricStatus {
                    name: source.name,
                    container: source.container,
                    current: value_status(o),
                };
                let status = MetricStatus {
                    type_: "ContainerResource".into(),
                    container_resource: Some(status),
                    ..Default::default()
                };
                Ok(Proposal { replicas: o.replicas, metric: described, status })
            }
            _ => Err(self.of_others(hpa, metric)),
        }
    }

    fn unable(&self, hpa: &HorizontalPodAutoscaler, reason: &'static str, error: String, what: &str) -> Unable {
        self.recorder.event(hpa, EventType::Warning, reason, &error);
        let message = format!("the HPA was unable to compute the replica count: {error}");
        Unable { condition: Condition::new(SCALING_ACTIVE, false, reason, message), error: format!("{what}: {error}") }
    }

    async fn of_resource(
        &self,
        hpa: &HorizontalPodAutoscaler,
        resource: &str,
        container: &str,
        target: &MetricTarget,
        scale: &Scale,
    ) -> Result<(Outcome, String), String> {
        let (target, what) = match (&target.average_value, target.average_utilization) {
            (Some(q), _) => (Target::Average(Quantity::of(q).milli_value()), "usage"),
            (None, Some(u)) => (Target::Utilization(u), "utilization"),
            (None, None) => {
                return Err("invalid resource metric source: neither an average utilization target nor an average value (usage) target was set".into());
            }
        };
        let ns = namespace(&hpa.metadata);
        let calculate = async {
            let samples = metrics::of_pods(&self.client, resource, ns, &scale.selector, container).await;
            let samples = samples.map_err(|e| format!("unable to get metrics for resource {resource}: {e}"))?;
            let mut all = self.pods.list_namespace(ns);
            all.retain(|p| scale.selector.matches_meta(&p.metadata));
            let now = self.client.sim().timestamp();
            calculator::replicas(scale.replicas, &all, &samples, (resource, container), target, tolerances(hpa), now)
        };
        let outcome = calculate.await.map_err(|e: String| format!("failed to get {resource} {what}: {e}"))?;
        let of = if container.is_empty() { "resource" } else { "container resource" };
        let described = match target {
            Target::Average(_) => format!("{resource} {of}"),
            Target::Utilization(_) => format!("{resource} {of} utilization (percentage of request)"),
        };
        Ok((outcome, described))
    }

    /// Metrics of APIs that nobody serves here.
    fn of_others(&self, hpa: &HorizontalPodAutoscaler, metric: &MetricSpec) -> Unable {
        let ns = namespace(&hpa.metadata);
        let custom =
            "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
        match metric.type_.as_str() {
            "Pods" => {
                let n = metric.pods.as_ref().map_or("", |p| p.metric.name.as_str());
                let error = format!("unable to get metric {n}: {custom}");
                self.unable(hpa, "FailedGetPodsMetric", error, "failed to get pods metric value")
            }
            "Object" => {
                let source = metric.object.clone().unwrap_or_default();
                let o = &source.described_object;
                let error =
                    format!("unable to get metric {}: {} on {ns} {}/{custom}", source.metric.name, o.kind, o.name);
                self.unable(hpa, "FailedGetObjectMetric", error, "failed to get object metric value")
            }
            "External" => {
                let source = metric.external.clone().unwrap_or_default();
                let n = &source.metric.name;
                let error = format!(
                    "unable to get external metric {ns}/{n}/{}: unable to fetch metrics from external metrics API: the server could not find the requested resource (get {n}.external.metrics.k8s.io)",
                    print_selector(source.metric.selector.as_ref())
                );
                self.unable(hpa, "FailedGetExternalMetric", error, &format!("failed to get {n} external metric value"))
            }
            other => {
                // It can't be stored: the api-server knows five types.
                let error = format!("unknown metric source type {other:?}");
                let message = format!("the HPA was unable to compute the replica count: {error}");
                Unable { condition: Condition::new(SCALING_ACTIVE, false, "InvalidMetricSourceType", message), error }
            }
        }
    }
}
