//! How many pods a resource's usage asks for. Models `pkg/controller/podautoscaler/replica_calculator.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::Pod;

use super::metrics::PodMetrics;
use crate::api::quantity::Quantity;
use crate::controllers::util::{name, pods, time};

/// Changes smaller than this share aren't worth it.
pub const TOLERANCE: f64 = 0.1;
/// `--horizontal-pod-autoscaler-cpu-initialization-period`, in seconds.
const INITIALIZATION: i64 = 300;
/// `--horizontal-pod-autoscaler-initial-readiness-delay`, in seconds.
const READINESS_DELAY: i64 = 30;

/// What is wanted of the metric.
#[derive(Clone, Copy)]
pub enum Target {
    /// Percent of the request.
    Utilization(i32),
    /// Thousandths a pod.
    Average(i64),
}

/// How far usage may be off before anything is done: down and up.
#[derive(Clone, Copy)]
pub struct Tolerances {
    pub down: f64,
    pub up: f64,
}

impl Tolerances {
    fn hold(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

/// A number of pods, the utilization in percent if that was the target, and the average usage in thousandths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub replicas: i32,
    pub utilization: Option<i32>,
    pub raw: i64,
}

/// What pods are, for the calculation.
#[derive(Default)]
struct Groups {
    ready: usize,
    unready: Vec<String>,
    missing: Vec<String>,
    ignored: Vec<String>,
}

fn is_unready(pod: &Pod, sample: super::metrics::PodMetric, now: jiff::Timestamp) -> bool {
    let started = pod.status.as_ref().and_then(|s| s.start_time.as_ref());
    let (Some(ready), Some(started)) = (pods::ready_condition(pod), started) else { return true };
    let Some(since) = &ready.last_transition_time else { return true };
    let not_ready = ready.status == "False";
    if time::plus_seconds(started, INITIALIZATION) > now {
        let window = i64::try_from(sample.window.as_secs()).unwrap_or(i64::MAX);
        not_ready || sample.timestamp < time::plus_seconds(since, window)
    } else {
        not_ready && time::plus_seconds(started, READINESS_DELAY) > since.0
    }
}

/// Models groupPods.
fn group(all: &[Rc<Pod>], metrics: &PodMetrics, resource: &str, now: jiff::Timestamp) -> Groups {
    let mut groups = Groups::default();
    for pod in all {
        let n = name(&pod.metadata).to_owned();
        if pod.metadata.deletion_timestamp.is_some() || pods::phase(pod) == "Failed" {
            groups.ignored.push(n);
        } else if pods::phase(pod) == "Pending" {
            groups.unready.push(n);
        } else {
            match metrics.get(&n) {
                None => groups.missing.push(n),
                Some(sample) if resource == "cpu" && is_unready(pod, *sample, now) => groups.unready.push(n),
                Some(_) => groups.ready += 1,
            }
        }
    }
    groups
}

/// What each pod asks for, in thousandths. Models calculatePodRequests.
fn requests(all: &[Rc<Pod>], resource: &str, container: &str) -> Result<BTreeMap<String, i64>, String> {
    let mut found = BTreeMap::new();
    for pod in all {
        let Some(spec) = &pod.spec else { continue };
        let whole = spec.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get(resource));
        if let (Some(q), true) = (whole, container.is_empty()) {
            found.insert(name(&pod.metadata).to_owned(), Quantity::of(q).milli_value());
            continue;
        }
        let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let mut sum = 0;
        for c in spec.containers.iter().chain(sidecars).filter(|c| container.is_empty() || c.name == container) {
            let asked = c.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get(resource));
            let Some(q) = asked else {
                let n = name(&pod.metadata);
                return Err(format!("missing request for {resource} in container {} of Pod {n}", c.name));
            };
            sum += Quantity::of(q).milli_value();
        }
        found.insert(name(&pod.metadata).to_owned(), sum);
    }
    Ok(found)
}

/// How usage relates to the target, the utilization and the average usage.
fn ratio(
    values: &BTreeMap<String, i64>,
    requests: &BTreeMap<String, i64>,
    target: Target,
) -> Result<(f64, Option<i32>, i64), String> {
    let total: i64 = match target {
        Target::Average(_) => values.values().sum(),
        Target::Utilization(_) => values.iter().filter(|(n, _)| requests.contains_key(*n)).map(|(_, v)| v).sum(),
    };
    match target {
        Target::Average(wanted) => {
            let average = total / i64::try_from(values.len()).unwrap_or(1).max(1);
            Ok((average as f64 / wanted as f64, None, average))
        }
        Target::Utilization(wanted) => {
            let known: Vec<i64> = values.keys().filter_map(|n| requests.get(n).copied()).collect();
            let asked: i64 = known.iter().sum();
            if asked == 0 {
                return Err("no metrics returned matched known pods".into());
            }
            let utilization = i32::try_from(total * 100 / asked).unwrap_or(i32::MAX);
            let average = total / i64::try_from(known.len()).unwrap_or(1).max(1);
            Ok((f64::from(utilization) / f64::from(wanted), Some(utilization), average))
        }
    }
}

fn ceil(n: f64) -> i32 {
    n.ceil() as i32
}

/// Models GetResourceReplicas and GetRawResourceReplicas.
pub fn replicas(
    current: i32,
    all: &[Rc<Pod>],
    metrics: &PodMetrics,
    (resource, container): (&str, &str),
    target: Target,
    tolerances: Tolerances,
    now: jiff::Timestamp,
) -> Result<Outcome, String> {
    if all.is_empty() {
        return Err("no pods returned by selector while calculating replica count".into());
    }
    let groups = group(all, metrics, resource, now);
    let mut values: BTreeMap<String, i64> = metrics.iter().map(|(n, m)| (n.clone(), m.value)).collect();
    values.retain(|n, _| !groups.ignored.contains(n) && !groups.unready.contains(n));
    if values.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".into());
    }
    let requests = match target {
        Target::Utilization(_) => requests(all, resource, container)?,
        Target::Average(_) => BTreeMap::new(),
    };
    let (first, utilization, raw) = ratio(&values, &requests, target)?;
    let outcome = |replicas: i32| Outcome { replicas, utilization, raw };
    let with_unready = !groups.unready.is_empty() && first > 1.0;
    if !with_unready && groups.missing.is_empty() {
        return Ok(outcome(if tolerances.hold(first) { current } else { ceil(first * groups.ready as f64) }));
    }
    for n in &groups.missing {
        // Going down, those that say nothing count as busy; going up, as idle.
        let assumed = match target {
            _ if first > 1.0 => 0,
            Target::Average(wanted) => wanted,
            Target::Utilization(wanted) => requests.get(n).copied().unwrap_or(0) * i64::from(wanted.max(100)) / 100,
        };
        if first != 1.0 {
            values.insert(n.clone(), assumed);
        }
    }
    if with_unready {
        values.extend(groups.unready.iter().map(|n| (n.clone(), 0)));
    }
    let (again, _, _) = ratio(&values, &requests, target)?;
    if tolerances.hold(again) || (first < 1.0 && again > 1.0) || (first > 1.0 && again < 1.0) {
        return Ok(outcome(current));
    }
    let new = ceil(again * values.len() as f64);
    let backwards = again < 1.0 && new > current || again > 1.0 && new < current;
    Ok(outcome(if backwards { current } else { new }))
}

#[cfg(test)]
mod tests {
    use super::super::metrics::PodMetric;
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn now() -> jiff::Timestamp {
        "2026-01-01T01:00:00Z".parse().expect("a time")
    }

    /// Pods that ask for a whole CPU; what they use, or nothing, and whether they are ready.
    fn proposal(pods: &[(Option<i64>, bool)], target: Target) -> Result<Outcome, String> {
        let mut metrics = PodMetrics::new();
        let mut all = Vec::new();
        for (i, (value, ready)) in pods.iter().enumerate() {
            let n = format!("p{i}");
            if let Some(value) = *value {
                metrics.insert(n.clone(), PodMetric { value, timestamp: now(), window: Duration::from_secs(15) });
            }
            let (since, status) =
                if *ready { ("2026-01-01T00:00:10Z", "True") } else { ("2026-01-01T00:00:00Z", "False") };
            let pod: Pod = serde_json::from_value(json!({"metadata": {"name": n},
                "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
                "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z",
                    "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": since}]}}))
            .expect("a pod");
            all.push(Rc::new(pod));
        }
        let tolerances = Tolerances { down: TOLERANCE, up: TOLERANCE };
        replicas(pods.len() as i32, &all, &metrics, ("cpu", ""), target, tolerances, now())
    }

    #[test]
    fn usage_asks_for_pods() {
        let half = Target::Utilization(50);
        for (why, pods, target, want) in [
            ("just right", vec![(Some(500), true); 2], half, 2),
            ("within the tolerance", vec![(Some(545), true); 2], half, 2),
            ("too busy", vec![(Some(900), true); 2], half, 4),
            ("idle", vec![(Some(100), true); 4], half, 1),
            ("unready pods count as idle on the way up", vec![(Some(900), true), (Some(900), false)], half, 2),
            ("missing pods count as busy on the way down", vec![(Some(100), true), (None, true)], half, 2),
            ("missing pods count as idle on the way up", vec![(Some(1500), true), (None, true)], half, 3),
            ("by the amount", vec![(Some(900), true); 2], Target::Average(300), 6),
        ] {
            assert_eq!(proposal(&pods, target).map(|o| o.replicas), Ok(want), "{why}");
        }
        let none = proposal(&[(None, true)], half);
        assert_eq!(none, Err("did not receive metrics for targeted pods (pods might be unready)".to_owned()));
    }
}
