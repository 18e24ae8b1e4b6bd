//! kubectl expose. Models `pkg/cmd/expose`.

use serde_json::{Map, Value, json};

use super::builder;
use super::create::post;
use super::options;
use super::resources;
use super::run::overridden;
use super::show::{items, text};
use super::{Cx, Failure, Outcome};
use crate::api::field::quote;

/// The labels by which the pods of an object are found. Models MapBasedSelectorForObject.
fn selector(kind: &str, object: &Value) -> Result<Value, String> {
    let spec = &object["spec"];
    let some = |v: &Value| v.as_object().is_some_and(|m| !m.is_empty());
    match kind {
        "ReplicationController" => Ok(spec["selector"].clone()),
        "Pod" if some(&object["metadata"]["labels"]) => Ok(object["metadata"]["labels"].clone()),
        "Pod" => Err("the pod has no labels and cannot be exposed".into()),
        "Service" if some(&spec["selector"]) => Ok(spec["selector"].clone()),
        "Service" => Err("the service has no pod selector set".into()),
        _ => {
            let e = items(&spec["selector"]["matchExpressions"]);
            if !e.is_empty() {
                let shown: Vec<String> = e
                    .iter()
                    .map(|e| {
                        let values: Vec<String> = items(&e["values"]).iter().map(text).collect();
                        format!(
                            "{{Key:{} Operator:{} Values:[{}]}}",
                            text(&e["key"]),
                            text(&e["operator"]),
                            values.join(" ")
                        )
                    })
                    .collect();
                return Err(format!(
                    "couldn't convert expressions - \"[{}]\" to map-based selector format",
                    shown.join(" ")
                ));
            }
            Ok(spec["selector"]["matchLabels"].clone())
        }
    }
}

/// The ports that an object has: number and protocol.
fn ports_of(kind: &str, object: &Value) -> Vec<(i64, String)> {
    let protocol = |p: &Value| Some(text(&p["protocol"])).filter(|p| !p.is_empty()).unwrap_or_else(|| "TCP".into());
    if kind == "Service" {
        return items(&object["spec"]["ports"])
            .iter()
            .filter_map(|p| Some((p["port"].as_i64()?, protocol(p))))
            .collect();
    }
    let spec = if kind == "Pod" { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    items(&spec["containers"])
        .iter()
        .flat_map(|c| items(&c["ports"]))
        .filter_map(|p| Some((p["containerPort"].as_i64()?, protocol(p))))
        .collect()
}

/// The service's ports. Models createService.
fn ports(cx: &Cx<'_>, known: &[(i64, String)]) -> Result<Vec<Value>, Failure> {
    let given: Vec<String> = match cx.args.text("port") {
        "" => {
            let mut numbers: Vec<String> = known.iter().map(|(n, _)| n.to_string()).collect();
            numbers.dedup();
            numbers
        }
        p => p.split(',').map(str::to_owned).collect(),
    };
    if given.is_empty() && cx.args.text("cluster-ip") != "None" {
        return Err(Failure::error("couldn't find port via --port flag or introspection"));
    }
    let many = given.len() > 1;
    let mut out = Vec::new();
    for (i, p) in given.iter().enumerate() {
        let n: i64 =
            p.parse().map_err(|_| Failure::error(format!("strconv.Atoi: parsing {}: invalid syntax", quote(p))))?;
        let mut protocols: Vec<String> = match cx.args.text("protocol") {
            "" => known.iter().filter(|(k, _)| *k == n).map(|(_, p)| p.clone()).collect(),
            p => vec![p.to_owned()],
        };
        if protocols.is_empty() {
            protocols.push("TCP".into());
        }
        let several = protocols.len() > 1;
        for protocol in protocols {
            let mut v = json!({"port": n, "protocol": protocol});
            if several {
                v["name"] = format!("port-{}-{}", i + 1, protocol.to_lowercase()).into();
            } else if many {
                v["name"] = format!("port-{}", i + 1).into();
            }
            v["targetPort"] = match cx.args.text("target-port") {
                "" => n.into(),
                t => t.parse::<i64>().map_or_else(|_| Value::from(t), Value::from),
            };
            out.push(v);
        }
    }
    Ok(out)
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    Failure::many(wrong)?;
    for f in &found {
        let kind = f.resource.kind.as_str();
        if !matches!(kind, "ReplicationController" | "Service" | "Pod" | "Deployment" | "ReplicaSet") {
            let dot = if f.resource.group.is_empty() { "" } else { "." };
            return Err(Failure::error(format!("cannot expose a {kind}{dot}{}", f.resource.group)));
        }
        let chosen = match cx.args.text("selector") {
            "" => selector(kind, &f.object).map_err(|e| {
                Failure::error(format!("couldn't retrieve selectors via --selector flag or introspection: {e}"))
            })?,
            s => options::labels(s)?,
        };
        if chosen.as_object().is_none_or(Map::is_empty) {
            return Err(Failure::error("selector must be specified"));
        }
        let ports = ports(cx, &ports_of(kind, &f.object))?;
        let labels = match cx.args.text("labels") {
            "" => f.object["metadata"]["labels"].clone(),
            l => options::labels(l)?,
        };
        let name = cx.args.get("name").map_or_else(|| f.name.clone(), str::to_owned);
        let mut s = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": chosen}, "status": {"loadBalancer": {}}});
        if !ports.is_empty() {
            s["spec"]["ports"] = ports.into();
        }
        if labels.as_object().is_some_and(|l| !l.is_empty()) {
            s["metadata"]["labels"] = labels;
        }
        let affinity = cx.args.text("session-affinity");
        if !matches!(affinity, "" | "None" | "ClientIP") {
            return Err(Failure::error(format!("unknown session affinity: {affinity}")));
        }
        let flags = [("type", "type"), ("cluster-ip", "clusterIP"), ("session-affinity", "sessionAffinity")];
        for (flag, field) in flags {
            if !cx.args.text(flag).is_empty() {
                s["spec"][field] = cx.args.text(flag).into();
            }
        }
        if !cx.args.text("external-ip").is_empty() {
            s["spec"]["externalIPs"] = json!([cx.args.text("external-ip")]);
        }
        if cx.args.text("type") == "LoadBalancer" && !cx.args.text("load-balancer-ip").is_empty() {
            s["spec"]["loadBalancerIP"] = cx.args.text("load-balancer-ip").into();
        }
        post(cx, overridden(cx, s)?, "exposed", None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_ports_and_selectors() {
        let d = json!({"spec": {"selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}]}}}});
        assert_eq!(ports_of("Deployment", &d), [(80, "TCP".to_owned()), (53, "UDP".to_owned())]);
        assert_eq!(selector("Deployment", &d), Ok(json!({"app": "web"})));
        assert_eq!(selector("Pod", &json!({})), Err("the pod has no labels and cannot be exposed".to_owned()));
        let e = json!({"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}}});
        assert!(selector("ReplicaSet", &e).expect_err("no map").contains("[{Key:a Operator:In Values:[b]}]"));
    }
}
