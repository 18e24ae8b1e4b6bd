//! create namespace, quota, poddisruptionbudget, priorityclass, serviceaccount and token.

use serde_json::{Map, Value, json};

use super::super::show::text;
use super::super::{Cx, Failure, Outcome, options, print};
use super::Made;

pub(super) fn namespace(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}, "status": {}});
    Ok(Made::plain(object))
}

pub(super) fn service_account(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    Ok(Made::new(object, "failed to create serviceaccount:"))
}

pub(super) fn quota(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let mut spec = json!({});
    let hard = cx.args.text("hard");
    if !hard.is_empty() {
        let mut map = Map::new();
        for part in hard.split(',') {
            let (k, v) = part.split_once('=').filter(|(_, v)| !v.contains('=')).ok_or_else(|| {
                Failure::error(format!("Invalid argument syntax {part}, expected <resource>=<value>"))
            })?;
            let v = crate::api::quantity::Quantity::canonicalize(v).map_err(|e| Failure::error(e.to_string()))?;
            map.insert(k.to_owned(), v.into());
        }
        spec["hard"] = map.into();
    }
    let scopes = cx.args.text("scopes");
    if !scopes.is_empty() {
        let list: Vec<&str> = scopes.split(',').collect();
        if list.contains(&"") {
            return Err(Failure::error("invalid resource quota scope \"\""));
        }
        spec["scopes"] = json!(list);
    }
    let object =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec, "status": {}});
    Ok(Made::new(object, "failed to create quota:"))
}

pub(super) fn disruption_budget(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (min, max) = (cx.args.text("min-available"), cx.args.text("max-unavailable"));
    if cx.args.text("selector").is_empty() {
        return Err(Failure::error("a selector must be specified"));
    }
    if min.is_empty() && max.is_empty() {
        return Err(Failure::error("one of min-available or max-unavailable must be specified"));
    }
    if !min.is_empty() && !max.is_empty() {
        return Err(Failure::error("min-available and max-unavailable cannot be both specified"));
    }
    let amount = |s: &str| {
        let digits = s.strip_suffix('%').unwrap_or(s);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    for (flag, v) in [("min-available", min), ("max-unavailable", max)] {
        if !v.is_empty() && !amount(v) {
            return Err(Failure::error(format!("invalid format specified for {flag}")));
        }
    }
    let mut spec = json!({"selector": {"matchLabels": options::labels(cx.args.text("selector"))?}});
    for (field, v) in [("minAvailable", min), ("maxUnavailable", max)] {
        if !v.is_empty() {
            spec[field] = v.parse::<i64>().map_or_else(|_| Value::from(v), Value::from);
        }
    }
    let object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec,
        "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}});
    Ok(Made::new(object, "failed to create poddisruptionbudgets:"))
}

pub(super) fn priority_class(cx: &Cx<'_>) -> Result<Made, Failure> {
    options::required(cx, &["value"])?;
    let name = options::name(cx)?;
    let policy = cx.args.get("preemption-policy").unwrap_or("PreemptLowerPriority");
    let mut object = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
        "value": cx.args.number("value"), "preemptionPolicy": policy});
    if !cx.args.text("description").is_empty() {
        object["description"] = cx.args.text("description").into();
    }
    if cx.args.on("global-default") {
        object["globalDefault"] = true.into();
    }
    Ok(Made::new(object, "failed to create priorityclass:"))
}

/// kubectl create token: printed, not kept.
pub(super) async fn token(cx: &Cx<'_>) -> Outcome {
    let name = options::name(cx)?;
    let duration = cx.args.duration("duration");
    if cx.args.text("duration").starts_with('-') {
        return Err(Failure::error("--duration must be greater than or equal to 0"));
    }
    if duration.subsec_nanos() != 0 {
        return Err(Failure::error("--duration cannot be expressed in units less than seconds"));
    }
    if cx.args.all("audience").iter().any(String::is_empty) {
        return Err(Failure::error("--audience must not be an empty string"));
    }
    let mut spec = json!({});
    if !cx.args.all("audience").is_empty() {
        spec["audiences"] = json!(cx.args.all("audience"));
    }
    if !duration.is_zero() {
        spec["expirationSeconds"] = duration.as_secs().into();
    }
    let (kind, bound, uid) = ("bound-object-kind", "bound-object-name", "bound-object-uid");
    match cx.args.text(kind) {
        "" => {
            for flag in [bound, uid] {
                if !cx.args.text(flag).is_empty() {
                    return Err(Failure::error(format!("--{flag} can only be set if --{kind} is provided")));
                }
            }
        }
        k @ ("Pod" | "Secret" | "Node") => {
            if cx.args.text(bound).is_empty() {
                return Err(Failure::error(format!("--{bound} is required if --{kind} is provided")));
            }
            spec["boundObjectRef"] = json!({"kind": k, "apiVersion": "v1", "name": cx.args.text(bound)});
            if !cx.args.text(uid).is_empty() {
                spec["boundObjectRef"]["uid"] = cx.args.text(uid).into();
            }
        }
        _ => return Err(Failure::error(format!("supported --{kind} values are Node, Pod, Secret"))),
    }
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{name}/token", cx.namespace);
    let answer = cx
        .ask("POST", &path, "", Some(&request))
        .await
        .map_err(|f| Failure::error(format!("failed to create token: {}", f.message())))?;
    if let Some(format) = print::parse(cx, cx.args.text("output"))? {
        return print::print(cx, &[], &format, &answer);
    }
    let token = text(&answer["status"]["token"]);
    if token.is_empty() {
        return Err(Failure::error("failed to create token: no token in server response"));
    }
    cx.out(token + "\n");
    Ok(())
}
