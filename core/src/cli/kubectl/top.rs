//! kubectl top. Models `pkg/cmd/top`. There is no metrics-server in the cluster, unless somebody installs one.

use super::{Cx, Failure, Outcome};

pub(super) async fn run(cx: &Cx<'_>, _what: &str) -> Outcome {
    let groups = cx.ask("GET", "/apis", "", None).await?;
    let served = groups["groups"].as_array().into_iter().flatten().any(|g| g["name"] == "metrics.k8s.io");
    if !served {
        return Err(Failure::error("Metrics API not available"));
    }
    Err(Failure::error("metrics not available yet"))
}
