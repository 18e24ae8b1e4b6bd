//! Pods of workloads, and containers of pods: which are meant. Models `pkg/polymorphichelpers/helpers.go`,
//! `pkg/util/podutils`, `pkg/cmd/util/podcmd`.

use std::cmp::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::builder::with_kinds;
use super::resources::Resource;
use super::show::{items, selector_query, text, time};
use super::{Cx, Failure, encode};

/// The annotation that names the container that commands mean.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// How the best pod is chosen.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    /// For logs: what has most to tell.
    Logging,
    /// For exec and attach: what runs best.
    Active,
}

/// All containers of a pod: init containers first, as their logs came.
pub(super) fn containers(pod: &Value) -> Vec<String> {
    ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|l| items(&pod["spec"][*l]))
        .map(|c| text(&c["name"]))
        .collect()
}

/// The container that is meant: the one named, the annotated one, or the first. Models FindOrDefaultContainerByName.
pub(super) fn container(cx: &Cx<'_>, pod: &Value, wanted: &str, quiet: bool) -> Result<String, Failure> {
    let spec = &pod["spec"];
    let names = |list: &str| items(&spec[list]).iter().map(|c| text(&c["name"])).collect::<Vec<_>>();
    let (main, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    let pod_name = text(&pod["metadata"]["name"]);
    let has = |n: &String| main.contains(n) || init.contains(n) || ephemeral.contains(n);
    if !wanted.is_empty() {
        let wanted = wanted.to_owned();
        return if has(&wanted) {
            Ok(wanted)
        } else {
            Err(Failure::error(format!("container {wanted} is not valid for pod {pod_name}")))
        };
    }
    let annotated = text(&pod["metadata"]["annotations"][DEFAULT_CONTAINER]);
    if !annotated.is_empty() {
        if has(&annotated) {
            return Ok(annotated);
        }
        cx.shell.err(format!("Default container name \"{annotated}\" not found in pod {pod_name}\n"));
    }
    let Some(first) = main.first() else {
        return Err(Failure::error(format!("pod {pod_name} has no containers")));
    };
    let all: Vec<String> = main
        .iter()
        .cloned()
        .chain(ephemeral.iter().map(|c| format!("{c} (ephem)")))
        .chain(init.iter().map(|c| format!("{c} (init)")))
        .collect();
    if all.len() > 1 && !quiet {
        cx.shell.err(format!("Defaulted container \"{first}\" out of: {}\n", all.join(", ")));
    }
    Ok(first.clone())
}

/// The selector of a workload's pods. Models SelectorsForObject.
fn selector(r: &Resource, object: &Value) -> Result<String, Failure> {
    let spec = &object["spec"]["selector"];
    match r.kind.as_str() {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => Ok(selector_query(spec)),
        "ReplicationController" => Ok(selector_query(&serde_json::json!({"matchLabels": spec}))),
        "Service" => {
            if spec.as_object().is_none_or(serde_json::Map::is_empty) {
                let name = text(&object["metadata"]["name"]);
                return Err(Failure::error(format!("invalid service '{name}': Service is defined without a selector")));
            }
            Ok(selector_query(&serde_json::json!({"matchLabels": spec})))
        }
        kind => Err(Failure::error(format!("selector for *v1.{kind} not implemented"))),
    }
}

/// A workload's pods.
pub(super) async fn of(cx: &Cx<'_>, r: &Resource, object: &Value) -> Result<Vec<Value>, Failure> {
    let q = selector(r, object)?;
    let ns = text(&object["metadata"]["namespace"]);
    let list =
        cx.ask("GET", &format!("/api/v1/namespaces/{ns}/pods"), &format!("labelSelector={}", encode(&q)), None).await?;
    Ok(with_kinds(&list))
}

fn condition<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    items(&pod["status"]["conditions"]).iter().find(|c| c["type"] == name)
}

/// Ranks two pods; the lesser is chosen for logs, the greater for work. Models podutils.ByLogging and ActivePods.
fn compare(a: &Value, b: &Value, rank: Rank) -> Ordering {
    let assigned = |p: &Value| p["spec"]["nodeName"].as_str().is_some_and(|n| !n.is_empty());
    let phase = |p: &Value| match p["status"]["phase"].as_str() {
        Some("Running") => 0,
        Some("Unknown") => 1,
        _ => 2,
    };
    let ready = |p: &Value| condition(p, "Ready").is_some_and(|c| c["status"] == "True");
    let ready_since = |p: &Value| condition(p, "Ready").and_then(|c| time(&c["lastTransitionTime"]));
    let restarts = |p: &Value| {
        items(&p["status"]["containerStatuses"]).iter().filter_map(|c| c["restartCount"].as_i64()).max().unwrap_or(0)
    };
    let created = |p: &Value| time(&p["metadata"]["creationTimestamp"]);
    let by_restarts = match rank {
        Rank::Logging => restarts(b).cmp(&restarts(a)),
        Rank::Active => restarts(a).cmp(&restarts(b)),
    };
    assigned(b)
        .cmp(&assigned(a))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| ready(b).cmp(&ready(a)))
        .then_with(|| if ready(a) && ready(b) { ready_since(a).cmp(&ready_since(b)) } else { Ordering::Equal })
        .then(by_restarts)
        .then_with(|| created(a).cmp(&created(b)))
}

/// The best pod of a workload, and how many there are; waits for one. Models GetFirstPod.
pub(super) async fn first(
    cx: &Cx<'_>,
    r: &Resource,
    object: &Value,
    timeout: Duration,
    rank: Rank,
) -> Result<(Value, usize), Failure> {
    let sim = &cx.shell.door.sim;
    let until = sim.now() + timeout;
    loop {
        let mut found = of(cx, r, object).await?;
        found.sort_by(|a, b| compare(a, b, rank));
        let count = found.len();
        if let Some(p) = found.into_iter().next() {
            return Ok((p, count));
        }
        if sim.now() >= until {
            return Err(Failure::error("timed out waiting for the condition"));
        }
        sim.sleep(Duration::from_millis(200).min(until.since(sim.now()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_are_ranked() {
        let pod = |node: &str, phase: &str, ready: &str| json!({"spec": {"nodeName": node}, "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
        let (good, waiting, lost) =
            (pod("n", "Running", "True"), pod("n", "Running", "False"), pod("", "Pending", "False"));
        for (a, b) in [(&good, &waiting), (&waiting, &lost), (&good, &lost)] {
            assert_eq!(compare(a, b, Rank::Logging), Ordering::Less);
        }
        let p = json!({"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}]}});
        assert_eq!(containers(&p), ["i", "c"]);
    }
}
