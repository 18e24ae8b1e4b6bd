//! HorizontalPodAutoscalers where nobody serves metrics: what they can still do, and how they say what they can't.

use serde_json::{Value, json};

use crate::harness::Plane;

const AUTOSCALERS: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn start(replicas: i32, spec: Value) -> Plane {
    let plane = Plane::start(&["worker-1"]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}});
    plane.must("POST", DEPLOYMENTS, &deployment);
    let mut hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "hpa"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 5}});
    for (k, v) in spec.as_object().expect("a spec") {
        hpa["spec"][k] = v.clone();
    }
    plane.must("POST", AUTOSCALERS, &hpa);
    plane
}

fn conditions(plane: &Plane) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let status = plane.get(&format!("{AUTOSCALERS}/hpa"))["status"].clone();
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|c| format!("{}={} {}: {}", text(&c["type"]), text(&c["status"]), text(&c["reason"]), text(&c["message"])))
        .collect()
}

#[test]
fn a_target_that_is_not_there() {
    let plane = start(2, json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nope"}}));
    plane.run(14.0);
    assert_eq!(conditions(&plane), [""; 0]);
    plane.run(3.0);
    let why = "the HPA controller was unable to get the target's current scale: deployments.apps \"nope\" not found";
    assert_eq!(conditions(&plane), [format!("AbleToScale=False FailedGetScale: {why}")]);
    assert_eq!(plane.events_of("HorizontalPodAutoscaler"), ["FailedGetScale hpa: deployments.apps \"nope\" not found"]);
}

#[test]
fn without_metrics_it_says_so() {
    let plane = start(3, json!({}));
    plane.run(17.0);
    let api = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
    let why = format!("failed to get cpu utilization: unable to get metrics for resource cpu: {api}");
    assert_eq!(
        conditions(&plane),
        [
            "AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale"
                .to_owned(),
            format!(
                "ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: {why}"
            ),
        ]
    );
    assert_eq!(
        plane.events_of("HorizontalPodAutoscaler"),
        [
            format!("FailedGetResourceMetric hpa: {why}"),
            format!(
                "FailedComputeMetricsReplicas hpa: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {why}"
            ),
        ]
    );
    let status = plane.get(&format!("{AUTOSCALERS}/hpa"))["status"].clone();
    assert_eq!([&status["currentReplicas"], &status["desiredReplicas"]], [3, 0]);
    // It is asked again every 15 s, and no oftener.
    plane.run(60.0);
    let events = plane.list("/api/v1/events");
    let counts: Vec<&Value> =
        events.iter().filter(|e| e["reason"] == "FailedGetResourceMetric").map(|e| &e["count"]).collect();
    assert_eq!(counts, [5]);
}

#[test]
fn sizes_out_of_bounds_are_mended_without_metrics() {
    for (replicas, want, why) in [
        (1, 2, "Current number of replicas below Spec.MinReplicas"),
        (7, 5, "Current number of replicas above Spec.MaxReplicas"),
    ] {
        let plane = start(replicas, json!({}));
        plane.run(17.0);
        assert_eq!(plane.get(&format!("{DEPLOYMENTS}/web"))["spec"]["replicas"], want);
        assert_eq!(
            plane.events_of("HorizontalPodAutoscaler"),
            [format!("SuccessfulRescale hpa: New size: {want}; reason: {why}")]
        );
        let rescaled = format!(
            "AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to {want}"
        );
        assert_eq!(conditions(&plane), [rescaled]);
    }
}

#[test]
fn a_target_of_no_pods_is_left_alone() {
    let plane = start(0, json!({}));
    plane.run(17.0);
    let disabled =
        "ScalingActive=False ScalingDisabled: scaling is disabled since the replica count of the target is zero";
    assert_eq!(conditions(&plane)[1], disabled);
    assert_eq!(plane.get(&format!("{DEPLOYMENTS}/web"))["spec"]["replicas"], 0);
}
