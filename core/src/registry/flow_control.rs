//! The objects that flow control begins with, and which of them may not be otherwise.
//! Models apiserver's `pkg/apis/flowcontrol/bootstrap/default.go`.

use serde_json::{Map, Value, json};

use crate::api::dynamic::DynamicObject;

/// The group of flow control.
pub const GROUP: &str = "flowcontrol.apiserver.k8s.io";

const API: &str = "flowcontrol.apiserver.k8s.io/v1";

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}});
    json!({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec})
}

/// The PriorityLevelConfigurations.
pub fn levels() -> Vec<Value> {
    let level = |name: &str, spec: Value| object("PriorityLevelConfiguration", name, spec);
    let limited = |shares: i32, lendable: i32, queues: (i32, i32, i32)| {
        let (number, hand, length) = queues;
        json!({"type": "Limited", "limited": {
            "nominalConcurrencyShares": shares, "lendablePercent": lendable,
            "limitResponse": {"type": "Queue", "queuing": {
                "queues": number, "handSize": hand, "queueLengthLimit": length}}}})
    };
    vec![
        level("exempt", json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})),
        level(
            "catch-all",
            json!({"type": "Limited", "limited": {
                "nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}}}),
        ),
        level("system", limited(30, 33, (64, 6, 50))),
        level("node-high", limited(40, 25, (64, 6, 50))),
        level("leader-election", limited(10, 0, (16, 4, 50))),
        level("workload-high", limited(40, 50, (128, 6, 50))),
        level("workload-low", limited(100, 90, (128, 6, 50))),
        level("global-default", limited(20, 50, (128, 6, 50))),
    ]
}

fn flow(name: &str, level: &str, precedence: i32, by: Option<&str>, subjects: Value, rules: &Value) -> Value {
    let mut rules = rules.clone();
    rules[0]["subjects"] = subjects;
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules,
    });
    if let Some(by) = by {
        spec["distinguisherMethod"] = json!({"type": by});
    }
    object("FlowSchema", name, spec)
}

fn groups(names: &[&str]) -> Value {
    names.iter().map(|n| json!({"kind": "Group", "group": {"name": n}})).collect()
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "user": {"name": name}})
}

fn accounts(names: &[&str]) -> Value {
    let each = |n: &&str| json!({"kind": "ServiceAccount", "serviceAccount": {"name": n, "namespace": "kube-system"}});
    names.iter().map(each).collect()
}

fn everything() -> Value {
    json!([{
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }])
}

const BOTH: [&str; 2] = ["system:unauthenticated", "system:authenticated"];

/// The FlowSchemas of the control plane's own parts.
fn system_flows() -> Vec<Value> {
    let (user_s, namespace_s) = (Some("ByUser"), Some("ByNamespace"));
    let leases = json!([{"resourceRules": [{
        "verbs": ["get", "create", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}]}]);
    let nodes = json!([{"resourceRules": [
        {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": true, "namespaces": ["*"]},
        {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}]}]);
    let endpoints = json!([{"resourceRules": [
        {"verbs": ["get", "create", "update"], "apiGroups": [""], "resources": ["endpoints"], "namespaces": ["*"]},
        {"verbs": ["get", "create", "update"], "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "namespaces": ["*"]}]}]);
    let probes =
        json!([{"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz"]}]}]);
    let (manager, scheduler) = (user("system:kube-controller-manager"), user("system:kube-scheduler"));
    let election = json!([manager, scheduler, accounts(&["*"])[0]]);
    let controllers =
        accounts(&["endpoint-controller", "endpointslice-controller", "endpointslicemirroring-controller"]);
    let (high, all) = ("workload-high", everything());
    vec![
        flow("probes", "exempt", 2, None, groups(&BOTH), &probes),
        flow("system-leader-election", "leader-election", 100, user_s, election, &leases),
        flow("endpoint-controller", high, 150, user_s, controllers, &endpoints),
        flow("workload-leader-election", "leader-election", 200, user_s, accounts(&["*"]), &leases),
        flow("system-node-high", "node-high", 400, user_s, groups(&["system:nodes"]), &nodes),
        flow("system-nodes", "system", 500, user_s, groups(&["system:nodes"]), &all),
        flow("kube-controller-manager", high, 800, namespace_s, json!([manager]), &all),
        flow("kube-scheduler", high, 800, namespace_s, json!([scheduler]), &all),
        flow("kube-system-service-accounts", high, 900, namespace_s, accounts(&["*"]), &all),
    ]
}

/// The FlowSchemas.
pub fn flows() -> Vec<Value> {
    let (by, all) = (Some("ByUser"), everything());
    let mut flows = vec![flow("exempt", "exempt", 1, None, groups(&["system:masters"]), &all)];
    flows.extend(system_flows());
    flows.extend([
        flow("service-accounts", "workload-low", 9000, by, groups(&["system:serviceaccounts"]), &all),
        flow("global-default", "global-default", 9900, by, groups(&BOTH), &all),
        flow("catch-all", "catch-all", 10_000, by, groups(&BOTH), &all),
    ]);
    flows
}

/// The spec that one of these must have, whoever writes it: of FlowSchemas or else of levels.
pub(super) fn fixed_spec(name: &str, of_flows: bool) -> Option<Value> {
    if !matches!(name, "exempt" | "catch-all") {
        return None;
    }
    let all = if of_flows { flows() } else { levels() };
    all.into_iter().find(|o| o["metadata"]["name"] == name).map(|mut o| o["spec"].take())
}

fn fields_of<'a>(o: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut at = o;
    for key in path {
        at = at.get_mut(*key)?.as_object_mut()?;
    }
    Some(at)
}

/// Numbers that are missing, and those that are 0 where Go can't tell that from missing.
fn numbers(o: &mut Map<String, Value>, path: &[&str], zero_is_missing: bool, defaults: &[(&str, i32)]) {
    let Some(fields) = fields_of(o, path) else { return };
    for (field, default) in defaults {
        let have = fields.get(*field).unwrap_or(&Value::Null);
        if have.is_null() || (zero_is_missing && *have == 0) {
            fields.insert((*field).to_owned(), (*default).into());
        }
    }
}

/// Defaults of FlowSchemas. Models `pkg/apis/flowcontrol/v1/defaults.go`.
pub(super) fn flow_defaults(o: &mut DynamicObject) {
    o.fields.entry("spec").and_modify(|spec| {
        if spec.is_null() {
            *spec = json!({});
        }
    });
    o.fields.entry("spec").or_insert_with(|| json!({}));
    numbers(&mut o.fields, &["spec"], true, &[("matchingPrecedence", 1000)]);
}

/// Defaults of PriorityLevelConfigurations.
pub(super) fn level_defaults(o: &mut DynamicObject) {
    let exempt = [("nominalConcurrencyShares", 0), ("lendablePercent", 0)];
    numbers(&mut o.fields, &["spec", "exempt"], false, &exempt);
    let limited = [("nominalConcurrencyShares", 30), ("lendablePercent", 0)];
    numbers(&mut o.fields, &["spec", "limited"], false, &limited);
    let queuing = [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)];
    numbers(&mut o.fields, &["spec", "limited", "limitResponse", "queuing"], true, &queuing);
}
