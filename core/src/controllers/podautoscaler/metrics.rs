//! What pods use, as the resource metrics API says, if the cluster serves it.
//! Models `pkg/controller/podautoscaler/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::api::labels::Selector;
use crate::api::quantity::Quantity;
use crate::apiserver::ListOptions;
use crate::client::Client;

/// One pod's sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodMetric {
    /// In thousandths.
    pub value: i64,
    pub timestamp: jiff::Timestamp,
    pub window: Duration,
}

/// Samples by the pods' names.
pub type PodMetrics = BTreeMap<String, PodMetric>;

/// The window that is assumed when a sample doesn't say.
const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// A pod's usage: of one container, or the sum over all; nothing when any of them has no sample.
fn usage(item: &Value, resource: &str, container: &str) -> Option<i64> {
    let mut sum = 0;
    let mut seen = false;
    for c in item["containers"].as_array().into_iter().flatten() {
        if !container.is_empty() && c["name"] != container {
            continue;
        }
        let amount = c["usage"][resource].as_str().and_then(|s| Quantity::parse(s).ok())?;
        sum += amount.milli_value();
        seen = true;
    }
    seen.then_some(sum)
}

/// Asks the metrics API for the samples of a namespace's pods; the error is upstream's text.
pub async fn of_pods(
    client: &Client,
    resource: &str,
    namespace: &str,
    selector: &Selector,
    container: &str,
) -> Result<PodMetrics, String> {
    let failed = |e: String| format!("unable to fetch metrics from resource metrics API: {e}");
    let Some(id) = client.registry().find("metrics.k8s.io", "v1beta1", "pods") else {
        return Err(failed("the server could not find the requested resource (get pods.metrics.k8s.io)".into()));
    };
    let list = client.list_objects(id, Some(namespace), &ListOptions::default()).await;
    let list = list.map_err(|e| failed(e.to_string()))?;
    let now = client.sim().timestamp();
    let mut found = PodMetrics::new();
    for o in list.items.iter().filter(|o| selector.matches_meta(o.meta())) {
        let item = o.to_value();
        if let Some(value) = usage(&item, resource, container) {
            let timestamp = item["timestamp"].as_str().and_then(|t| t.parse().ok()).unwrap_or(now);
            let window = item["window"].as_str().and_then(|w| w.strip_suffix('s')).and_then(|w| w.parse().ok());
            let window = window.map_or(DEFAULT_WINDOW, Duration::from_secs_f64);
            found.insert(o.meta().name.clone().unwrap_or_default(), PodMetric { value, timestamp, window });
        }
    }
    if found.is_empty() {
        return Err("no metrics returned from resource metrics API".into());
    }
    Ok(found)
}
