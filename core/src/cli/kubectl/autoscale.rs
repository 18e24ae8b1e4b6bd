//! kubectl autoscale. Models `pkg/cmd/autoscale`.

use serde_json::{Value, json};

use super::builder;
use super::create::post;
use super::options;
use super::resources;
use super::{Cx, Failure, Outcome};
use crate::api::quantity::Quantity;

/// `80%` is a share of what is requested, `500m` an amount. Models parseResourceInput.
fn target(v: &str, resource: &str) -> Result<Value, Failure> {
    if let Some(p) = v.strip_suffix('%') {
        let n: i64 = p.parse().ok().filter(|n| *n >= 0).ok_or_else(|| {
            Failure::error(format!(
                "failed to convert {resource} percentage value: strconv.ParseInt: parsing \"{p}\": invalid syntax"
            ))
        })?;
        return Ok(json!({"type": "Utilization", "averageUtilization": n}));
    }
    let amount =
        Quantity::canonicalize(v).map_err(|e| Failure::error(format!("failed to parse {resource} quantity: {e}")))?;
    Ok(json!({"type": "AverageValue", "averageValue": amount}))
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    options::required(cx, &["max"])?;
    let (min, max) = (cx.args.number("min"), cx.args.number("max"));
    if max < 1 {
        return Err(Failure::error(format!("--max=MAXPODS is required and must be at least 1, max: {max}")));
    }
    if max < min {
        return Err(Failure::error(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {min}"
        )));
    }
    let (percent, cpu, memory) = (cx.args.number("cpu-percent"), cx.args.text("cpu"), cx.args.text("memory"));
    if percent > 0 && !cpu.is_empty() {
        return Err(Failure::error("--cpu-percent and --cpu are mutually exclusive"));
    }
    if cx.args.get("cpu-percent").is_some() {
        cx.shell.err("Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for utilization or '500m' for milliCPU).\n");
    }
    let mut metrics: Vec<Value> = Vec::new();
    let cpu = if percent > 0 { format!("{percent}%") } else { cpu.to_owned() };
    for (resource, v) in [("cpu", cpu.as_str()), ("memory", memory)] {
        if !v.is_empty() {
            let target = target(v, resource)?;
            metrics.push(json!({"type": "Resource", "resource": {"name": resource, "target": target}}));
        }
    }
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    Failure::many(wrong)?;
    if found.is_empty() {
        return Err(Failure::error("no objects passed to autoscale"));
    }
    for f in &found {
        let kind = f.resource.kind.as_str();
        if !matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController") {
            let (g, v, p) = (&f.resource.group, &f.resource.version, &f.resource.plural);
            return Err(Failure::error(format!(
                "cannot autoscale a {kind}: could not find scale subresource for {g}/{v}, Resource={p} in discovery information"
            )));
        }
        let name = Some(cx.args.text("name")).filter(|n| !n.is_empty()).map_or_else(|| f.name.clone(), str::to_owned);
        let target = json!({"apiVersion": f.resource.api_version(), "kind": kind, "name": f.name});
        let mut spec = json!({"maxReplicas": max, "scaleTargetRef": target});
        if min > 0 {
            spec["minReplicas"] = min.into();
        }
        if !metrics.is_empty() {
            spec["metrics"] = json!(metrics);
        }
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec});
        let verb = if options::dry_run(cx)?.client { "created" } else { "autoscaled" };
        post(cx, hpa, verb, None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_shares_or_amounts() {
        assert_eq!(target("80%", "cpu").expect("a share"), json!({"type": "Utilization", "averageUtilization": 80}));
        assert_eq!(target("0.5", "cpu").expect("an amount"), json!({"type": "AverageValue", "averageValue": "500m"}));
        assert!(target("x%", "cpu").is_err());
    }
}
