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

/// Name, shares, what of them may be lent in percent, and queues: how many, how many a flow is dealt, and how long.
type Level = (&'static str, i32, i32, Option<(i32, i32, i32)>);

/// The limited levels.
const LIMITED: &[Level] = &[
    ("catch-all", 5, 0, None),
    ("system", 30, 33, Some((64, 6, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
    ("global-default", 20, 50, Some((128, 6, 50))),
];

/// The PriorityLevelConfigurations.
pub fn levels() -> Vec<Value> {
    let shared = |shares: i32, lendable: i32| json!({"nominalConcurrencyShares": shares, "lendablePercent": lendable});
    let level = |name: &str, spec: Value| object("PriorityLevelConfiguration", name, spec);
    let limited = |(name, shares, lendable, queues): &Level| {
        let mut of = shared(*shares, *lendable);
        of["limitResponse"] = match queues {
            Some((queues, hand, length)) => {
                json!({"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length}})
            }
            None => json!({"type": "Reject"}),
        };
        level(name, json!({"type": "Limited", "limited": of}))
    };
    let mut all = vec![level("exempt", json!({"type": "Exempt", "exempt": shared(0, 0)}))];
    all.extend(LIMITED.iter().map(limited));
    all
}

/// Whose requests.
#[derive(Clone, Copy)]
enum Subject {
    Group(&'static str),
    User(&'static str),
    /// Of kube-system.
    Account(&'static str),
}

/// Which requests.
#[derive(Clone, Copy)]
enum Rule {
    /// Verbs on resources of groups in any namespace, and whether also of those without one.
    Resources(&'static [&'static str], &'static [&'static str], &'static [&'static str], bool),
    /// Verbs on paths.
    Paths(&'static [&'static str], &'static [&'static str]),
}

/// Name, level, precedence, what tells flows apart, subjects and rules.
type Flow = (&'static str, &'static str, i32, Option<&'static str>, &'static [Subject], &'static [Rule]);

const ANY: &[&str] = &["*"];
const EVERYTHING: &[Rule] = &[Rule::Resources(ANY, ANY, ANY, true), Rule::Paths(ANY, ANY)];
const WRITERS: &[&str] = &["get", "create", "update"];
const LEASES: &[Rule] = &[Rule::Resources(WRITERS, &["coordination.k8s.io"], &["leases"], false)];
const ENDPOINTS: &[Rule] = &[
    Rule::Resources(WRITERS, &[""], &["endpoints"], false),
    Rule::Resources(WRITERS, &["discovery.k8s.io"], &["endpointslices"], false),
];
const NODES: &[Rule] = &[
    Rule::Resources(ANY, &[""], &["nodes", "nodes/status"], true),
    Rule::Resources(ANY, &["coordination.k8s.io"], &["leases"], false),
];
const PROBES: &[Rule] = &[Rule::Paths(&["get"], &["/healthz", "/livez", "/readyz"])];

const EVERYBODY: &[Subject] = &[Subject::Group("system:unauthenticated"), Subject::Group("system:authenticated")];
const MASTERS: &[Subject] = &[Subject::Group("system:masters")];
const KUBELETS: &[Subject] = &[Subject::Group("system:nodes")];
const MANAGER: Subject = Subject::User("system:kube-controller-manager");
const SCHEDULER: Subject = Subject::User("system:kube-scheduler");
const ACCOUNTS: Subject = Subject::Account("*");
const ENDPOINT_CONTROLLERS: &[Subject] = &[
    Subject::Account("endpoint-controller"),
    Subject::Account("endpointslice-controller"),
    Subject::Account("endpointslicemirroring-controller"),
];

const USER: Option<&str> = Some("ByUser");
const NAMESPACE: Option<&str> = Some("ByNamespace");

const FLOWS: &[Flow] = &[
    ("exempt", "exempt", 1, None, MASTERS, EVERYTHING),
    ("probes", "exempt", 2, None, EVERYBODY, PROBES),
    ("system-leader-election", "leader-election", 100, USER, &[MANAGER, SCHEDULER, ACCOUNTS], LEASES),
    ("endpoint-controller", "workload-high", 150, USER, ENDPOINT_CONTROLLERS, ENDPOINTS),
    ("workload-leader-election", "leader-election", 200, USER, &[ACCOUNTS], LEASES),
    ("system-node-high", "node-high", 400, USER, KUBELETS, NODES),
    ("system-nodes", "system", 500, USER, KUBELETS, EVERYTHING),
    ("kube-controller-manager", "workload-high", 800, NAMESPACE, &[MANAGER], EVERYTHING),
    ("kube-scheduler", "workload-high", 800, NAMESPACE, &[SCHEDULER], EVERYTHING),
    ("kube-system-service-accounts", "workload-high", 900, NAMESPACE, &[ACCOUNTS], EVERYTHING),
    ("service-accounts", "workload-low", 9000, USER, &[Subject::Group("system:serviceaccounts")], EVERYTHING),
    ("global-default", "global-default", 9900, USER, EVERYBODY, EVERYTHING),
    ("catch-all", "catch-all", 10_000, USER, EVERYBODY, EVERYTHING),
];

impl Subject {
    fn to_json(self) -> Value {
        let (kind, key, of) = match self {
            Subject::Group(name) => ("Group", "group", json!({"name": name})),
            Subject::User(name) => ("User", "user", json!({"name": name})),
            Subject::Account(name) => {
                ("ServiceAccount", "serviceAccount", json!({"name": name, "namespace": "kube-system"}))
            }
        };
        json!({"kind": kind, key: of})
    }
}

fn rules_of(subjects: &[Subject], rules: &[Rule]) -> Value {
    let mut out = json!({"subjects": subjects.iter().map(|s| s.to_json()).collect::<Value>()});
    for rule in rules {
        let (key, of) = match rule {
            Rule::Resources(verbs, groups, resources, everywhere) => {
                let mut of = json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "namespaces": ANY});
                if *everywhere {
                    of["clusterScope"] = true.into();
                }
                ("resourceRules", of)
            }
            Rule::Paths(verbs, paths) => ("nonResourceRules", json!({"verbs": verbs, "nonResourceURLs": paths})),
        };
        match &mut out[key] {
            Value::Array(all) => all.push(of),
            none => *none = Value::Array(vec![of]),
        }
    }
    Value::Array(vec![out])
}

fn flow((name, level, precedence, by, subjects, rules): &Flow) -> Value {
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence,
        "rules": rules_of(subjects, rules),
    });
    if let Some(by) = by {
        spec["distinguisherMethod"] = json!({"type": by});
    }
    object("FlowSchema", name, spec)
}

/// The FlowSchemas.
pub fn flows() -> Vec<Value> {
    FLOWS.iter().map(flow).collect()
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
