//! Rules that no recorded answer covers, as upstream's validators have them: objects, and all that is wrong with them.

use serde_json::{Value, json};

use crate::api::object::{Obj, make_mut};
use crate::apiserver::User;
use crate::registry::{Registry, StrategyContext};
use crate::sim::Sim;

struct Judge {
    registry: std::rc::Rc<Registry>,
    sim: Sim,
}

/// An object of a kind: its spec or other fields, named `x` unless it says otherwise.
fn complete(api_version: &str, kind: &str, mut fields: Value, namespaced: bool) -> Value {
    fields["apiVersion"] = api_version.into();
    fields["kind"] = kind.into();
    if fields["metadata"]["name"].is_null() {
        fields["metadata"]["name"] = "x".into();
    }
    if namespaced {
        fields["metadata"]["namespace"] = "ns".into();
    }
    fields["metadata"]["uid"] = "u".into();
    fields["metadata"]["resourceVersion"] = "1".into();
    fields
}

impl Judge {
    fn new() -> Self {
        let epoch = "2026-01-01T00:00:00Z".parse().expect("a time");
        Judge { registry: Registry::standard(), sim: Sim::new(1, epoch) }
    }

    fn object(&self, api_version: &str, kind: &str, fields: &Value) -> (crate::registry::ResourceId, Obj) {
        let group = api_version.split_once('/').map_or("", |(g, _)| g);
        let id = self.registry.find_kind(group, kind).expect("a kind");
        let strategy = self.registry.strategy(id);
        let value = complete(api_version, kind, fields.clone(), strategy.info().namespaced);
        let mut o = strategy.decode(value).expect("an object");
        strategy.default(make_mut(&mut o));
        (id, o)
    }

    fn create(&self, api_version: &str, kind: &str, fields: &Value) -> Vec<String> {
        let (id, mut o) = self.object(api_version, kind, fields);
        let strategy = self.registry.strategy(id);
        let cx = StrategyContext { sim: &self.sim, subresource: "", user: &User::default(), warn: &drop };
        strategy.prepare_for_create(&cx, make_mut(&mut o));
        strategy.validate(&*o).iter().map(ToString::to_string).collect()
    }

    fn update(&self, api_version: &str, kind: &str, sub: &str, new: &Value, old: &Value) -> Vec<String> {
        let (id, old) = self.object(api_version, kind, old);
        let (_, mut new) = self.object(api_version, kind, new);
        let strategy = self.registry.strategy(id);
        let cx = StrategyContext { sim: &self.sim, subresource: sub, user: &User::default(), warn: &drop };
        strategy.prepare_for_update(&cx, make_mut(&mut new), &*old);
        strategy.validate_update(&cx, &*new, &*old).iter().map(ToString::to_string).collect()
    }
}

fn check_creates(api_version: &str, cases: &[(&str, Value, &[&str])]) {
    let judge = Judge::new();
    for (kind, fields, want) in cases {
        assert_eq!(judge.create(api_version, kind, fields), *want, "{kind} {fields}");
    }
}

/// Kind, subresource, the new object, the old one.
type Change<'a> = (&'a str, &'a str, Value, Value, &'a [&'a str]);

fn check_updates(api_version: &str, cases: &[Change<'_>]) {
    let judge = Judge::new();
    for (kind, sub, new, old, want) in cases {
        assert_eq!(judge.update(api_version, kind, sub, new, old), *want, "{kind} {new}");
    }
}

fn template(restart_policy: &str) -> Value {
    json!({"spec": {"restartPolicy": restart_policy, "containers": [{"name": "c", "image": "busybox"}]}})
}

#[test]
fn jobs() {
    let job = |mut spec: Value| {
        spec["template"] = template("Never");
        json!({"spec": spec})
    };
    check_creates(
        "batch/v1",
        &[
            ("Job", job(json!({})), &[]),
            (
                "Job",
                job(json!({"backoffLimitPerIndex": -1, "managedBy": "x", "successPolicy": {"rules": []}})),
                &[
                    "spec.backoffLimitPerIndex: Invalid value: -1: must be greater than or equal to 0",
                    "spec.managedBy: Invalid value: \"x\": must be a domain-prefixed path (such as \"acme.io/foo\")",
                    "spec.backoffLimitPerIndex: Invalid value: -1: requires indexed completion mode",
                    "spec.successPolicy: Invalid value: {\"Rules\":[]}: requires indexed completion mode",
                ],
            ),
            (
                "Job",
                job(json!({"completionMode": "Indexed", "completions": 200000, "parallelism": 100001,
                    "backoffLimitPerIndex": 1})),
                &[
                    "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed",
                    "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                    "spec.parallelism: Invalid value: 100001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index",
                ],
            ),
            (
                "Job",
                job(json!({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [
                    {}, {"succeededIndexes": "0,5"}, {"succeededIndexes": "0-1", "succeededCount": 4}]}})),
                &[
                    "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified",
                    "spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"0,5\": error parsing succeededIndexes: too large index: \"5\"",
                    "spec.successPolicy.rules[2].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)",
                    "spec.successPolicy.rules[2].succeededCount: Invalid value: 4: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)",
                ],
            ),
            (
                "Job",
                job(json!({"podFailurePolicy": {"rules": [
                    {"action": "", "onExitCodes": {"operator": "In", "containerName": "d", "values": [3, 0, 3]}},
                    {"action": "FailIndex", "onPodConditions": [{"type": "a b", "status": "Maybe"}]},
                    {"action": "Ignore"}]}, "podReplacementPolicy": "TerminatingOrFailed"})),
                &[
                    "spec.podFailurePolicy.rules[0].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
                    "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"d\": must be one of the container or initContainer names in the pod template",
                    "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                    "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
                    "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
                    "spec.podFailurePolicy.rules[1].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
                    "spec.podFailurePolicy.rules[1].onPodConditions[0].type: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                    "spec.podFailurePolicy.rules[1].onPodConditions[0].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\"",
                    "spec.podFailurePolicy.rules[2]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
                    "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"",
                ],
            ),
        ],
    );
}

#[test]
fn job_updates() {
    let selected = json!({"metadata": {"labels": {"a": "b"}}, "spec": template("Never")["spec"]});
    let job = |changes: Value, status: Value| {
        let mut spec = json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}, "template": selected,
            "completions": 1, "parallelism": 1});
        for (k, v) in changes.as_object().into_iter().flatten() {
            spec[k] = v.clone();
        }
        json!({"spec": spec, "status": status})
    };
    let conditions = |types: &[&str]| -> Value {
        types.iter().map(|t| json!({"type": t, "status": "True"})).collect::<Vec<_>>().into()
    };
    let none = || json!({});
    let mut node = selected.clone();
    node["spec"]["nodeSelector"] = json!({"x": "y"});
    check_updates(
        "batch/v1",
        &[
            (
                "Job",
                "",
                job(json!({"completions": 2, "completionMode": "NonIndexed"}), none()),
                job(none(), none()),
                &["spec.completions: Invalid value: 2: field is immutable"],
            ),
            (
                "Job",
                "",
                job(json!({"completionMode": "Indexed", "completions": 2}), none()),
                job(json!({"completionMode": "Indexed"}), none()),
                &["spec.completions: Invalid value: 2: can only be modified in tandem with spec.parallelism"],
            ),
            // A suspended Job that never began may be placed elsewhere.
            (
                "Job",
                "",
                job(json!({"suspend": true, "template": node}), none()),
                job(json!({"suspend": true}), none()),
                &[],
            ),
            (
                "Job",
                "status",
                job(none(), json!({"failed": 1, "conditions": conditions(&["Complete"]), "active": 1})),
                job(none(), json!({"failed": 2, "conditions": conditions(&["Failed", "FailureTarget"])})),
                &[
                    "status.completionTime: Required value: completionTime is required for Complete jobs",
                    "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
                    "status.active: Invalid value: 1: active>0 is invalid for finished job",
                    "status.conditions: Invalid value: cannot disable the terminal Failed=True condition",
                    "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition",
                    "status.failed: Invalid value: 1: cannot decrease the failed counter",
                ],
            ),
        ],
    );
}

#[test]
fn cron_jobs() {
    let cron_job = |mut spec: Value, job: Value| {
        let mut job = job;
        job["template"] = template("OnFailure");
        spec["jobTemplate"] = json!({"spec": job});
        json!({"spec": spec})
    };
    check_creates(
        "batch/v1",
        &[
            ("CronJob", cron_job(json!({"schedule": "@hourly", "timeZone": "Etc/UTC"}), json!({})), &[]),
            ("CronJob", cron_job(json!({}), json!({})), &["spec.schedule: Required value"]),
            (
                "CronJob",
                cron_job(
                    json!({"schedule": "TZ=UTC 0 0 * * *", "timeZone": "local", "concurrencyPolicy": "Never"}),
                    json!({"selector": {"matchLabels": {"a": "b"}}, "manualSelector": true}),
                ),
                &[
                    "spec.schedule: Invalid value: \"TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
                    "spec.timeZone: Invalid value: \"local\": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
                    "spec.timeZone: Invalid value: \"local\": unknown time zone local",
                    "spec.concurrencyPolicy: Unsupported value: \"Never\": supported values: \"Allow\", \"Forbid\", \"Replace\"",
                    "spec.jobTemplate.spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: `selector` will be auto-generated",
                    "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"nil\", \"false\"",
                ],
            ),
            (
                "CronJob",
                cron_job(json!({"schedule": "0 25 * * *", "timeZone": "-bad"}), json!({})),
                &[
                    "spec.schedule: Invalid value: \"0 25 * * *\": end of range (25) above maximum (23): 25",
                    "spec.timeZone: Invalid value: \"-bad\": unknown time zone -bad",
                ],
            ),
        ],
    );
}

#[test]
fn ingresses() {
    let ingress = |backend: Value, path: &str, path_type: &str| json!({"spec": {"rules": [{"http": {"paths": [{"path": path, "pathType": path_type, "backend": backend}]}}]}});
    let service = json!({"service": {"name": "s", "port": {"number": 80}}});
    check_creates(
        "networking.k8s.io/v1",
        &[
            ("Ingress", ingress(service.clone(), "/a", "Exact"), &[]),
            (
                "Ingress",
                json!({"spec": {}}),
                &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
            ),
            (
                "Ingress",
                ingress(service.clone(), "a//b/.", "Prefix"),
                &[
                    "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/.\": must be an absolute path",
                    "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/.\": must not contain '//'",
                    "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/.\": cannot end with '/.'",
                ],
            ),
            (
                "Ingress",
                ingress(json!({"service": {"name": "", "port": {"name": "x", "number": 1}}}), "/", "Other"),
                &[
                    "spec.rules[0].http.paths[0].pathType: Unsupported value: \"Other\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\"",
                    "spec.rules[0].http.paths[0].backend.service.name: Required value",
                    "spec.rules[0].http.paths[0].backend: Invalid value: \"\": cannot set both port name & port number",
                ],
            ),
            (
                "Ingress",
                json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}, "spec": {
                    "ingressClassName": "b", "defaultBackend": {"resource": {"kind": "", "name": "a/b"}},
                    "rules": [{"host": "1.2.3.4"}], "tls": [{"hosts": ["*.a", "A"], "secretName": "B"}]}}),
                &[
                    "spec.defaultBackend.resource.kind: Required value",
                    "spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'",
                    "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address",
                    "spec.tls[0].hosts[1]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                    "spec.tls[0].secretName: Invalid value: \"B\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                    "annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are specified",
                ],
            ),
        ],
    );
}

#[test]
fn other_networking() {
    check_creates(
        "networking.k8s.io/v1",
        &[
            (
                "IngressClass",
                json!({"spec": {"controller": "x", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}}}),
                &[
                    "spec.controller: Invalid value: \"x\": must be a domain-prefixed path (such as \"acme.io/foo\")",
                    "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
                ],
            ),
            (
                "NetworkPolicy",
                json!({"spec": {"ingress": [{"ports": [{"port": 80, "endPort": 70}, {"port": "http", "endPort": 90}, {"endPort": 1}],
                    "from": [{}]}], "policyTypes": ["Ingress", "Egress", "Other"]}}),
                &[
                    "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
                    "spec.ingress[0].ports[1].endPort: Invalid value: 90: may not be specified when `port` is non-numeric",
                    "spec.ingress[0].ports[2].endPort: Invalid value: 1: may not be specified when `port` is not specified",
                    "spec.ingress[0].from[0]: Required value: must specify a peer",
                    "spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Other\"]: may not specify more than two policyTypes",
                ],
            ),
            (
                "IPAddress",
                json!({"metadata": {"name": "10.0.0.01"}, "spec": {"parentRef": {"name": "x"}}}),
                &[
                    "metadata.name: Invalid value: \"10.0.0.01\": must not have leading 0s",
                    "spec.parentRef.resource: Required value",
                ],
            ),
            (
                "ServiceCIDR",
                json!({"spec": {"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}}),
                &[
                    "spec.cidrs: Invalid value: [\"10.0.0.0/8\",\"11.0.0.0/8\"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
                ],
            ),
        ],
    );
    let cidrs = |all: Value| json!({"spec": {"cidrs": all}});
    check_updates(
        "networking.k8s.io/v1",
        &[
            ("ServiceCIDR", "", cidrs(json!(["10.0.0.0/8", "fd00::/64"])), cidrs(json!(["10.0.0.0/8"])), &[]),
            (
                "ServiceCIDR",
                "",
                cidrs(json!(["11.0.0.0/8"])),
                cidrs(json!(["10.0.0.0/8"])),
                &["spec.cidrs[0]: Invalid value: \"11.0.0.0/8\": field is immutable"],
            ),
            (
                "IngressClass",
                "",
                json!({"spec": {"controller": "a.b/c"}}),
                json!({"spec": {"controller": "a.b/d"}}),
                &["spec.controller: Invalid value: \"a.b/c\": field is immutable"],
            ),
        ],
    );
}

#[test]
fn budgets_autoscalers_and_classes() {
    check_creates(
        "policy/v1",
        &[(
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": "150%", "maxUnavailable": -1, "unhealthyPodEvictionPolicy": "Maybe"}}),
            &[
                "spec: Invalid value: {\"MinAvailable\":\"150%\",\"Selector\":null,\"MaxUnavailable\":-1,\"UnhealthyPodEvictionPolicy\":\"Maybe\"}: minAvailable and maxUnavailable cannot be both set",
                "spec.minAvailable: Invalid value: \"150%\": must not be greater than 100%",
                "spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0",
                "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Maybe\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"",
            ],
        )],
    );
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    check_creates(
        "autoscaling/v2",
        &[
            (
                "HorizontalPodAutoscaler",
                json!({"spec": {"maxReplicas": 0, "minReplicas": 2, "scaleTargetRef": {"kind": "", "name": "", "apiVersion": "v1"},
                    "metrics": [{"type": "Pods", "resource": {"name": "", "target": {"type": "x", "averageValue": "0"}}}]}}),
                &[
                    "spec.maxReplicas: Required value: must be set and greater than 0",
                    "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
                    "spec.scaleTargetRef.kind: Required value",
                    "spec.scaleTargetRef.name: Required value",
                    "spec.scaleTargetRef.apiVersion: Invalid value: \"v1\": apiVersion must specify API group",
                    "spec.metrics[0].resource.name: Required value: must specify a resource name",
                    "spec.metrics[0].resource.target.type: Invalid value: \"x\": must be either Utilization, Value, or AverageValue",
                    "spec.metrics[0].resource.target.averageValue: Invalid value: \"0\": must be positive",
                    "spec.metrics[0].pods: Required value: must populate information for the given metric source",
                ],
            ),
            (
                "HorizontalPodAutoscaler",
                json!({"spec": {"maxReplicas": 3, "scaleTargetRef": target, "behavior": {"scaleUp": {
                    "stabilizationWindowSeconds": 3601, "selectPolicy": "Most", "policies": [
                        {"type": "Nodes", "value": 0, "periodSeconds": 1801}]}}}}),
                &[
                    "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
                    "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Most\": supported values: \"Disabled\", \"Max\", \"Min\"",
                    "spec.behavior.scaleUp.policies[0].type: Unsupported value: \"Nodes\": supported values: \"Percent\", \"Pods\"",
                    "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                    "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                ],
            ),
        ],
    );
    check_creates(
        "scheduling.k8s.io/v1",
        &[
            (
                "PriorityClass",
                json!({"metadata": {"name": "system-x"}, "value": 1}),
                &[
                    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
                ],
            ),
            (
                "PriorityClass",
                json!({"value": 1000000001}),
                &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            ),
        ],
    );
    check_updates(
        "scheduling.k8s.io/v1",
        &[(
            "PriorityClass",
            "",
            json!({"value": 2, "preemptionPolicy": "Never"}),
            json!({"value": 1}),
            &[
                "value: Forbidden: may not be changed in an update.",
                "preemptionPolicy: Invalid value: \"Never\": field is immutable",
            ],
        )],
    );
}

#[test]
fn roles_and_leases() {
    let role = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    check_creates(
        "rbac.authorization.k8s.io/v1",
        &[
            (
                "ClusterRole",
                json!({"rules": [{"verbs": []}, {"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}],
                    "aggregationRule": {"clusterRoleSelectors": []}}),
                &[
                    "rules[0].verbs: Required value: verbs must contain at least one value",
                    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                    "rules[0].resources: Required value: resource rules must supply at least one resource",
                    "rules[1].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs",
                    "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
                ],
            ),
            (
                "ClusterRoleBinding",
                json!({"roleRef": role("a/b"), "subjects": [{"kind": "ServiceAccount", "name": "s", "apiGroup": "x"}, {"kind": "User", "name": ""}]}),
                &[
                    "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
                    "subjects[0].apiGroup: Unsupported value: \"x\": supported values: \"\"",
                    "subjects[0].namespace: Required value",
                    "subjects[1].name: Required value",
                ],
            ),
        ],
    );
    check_updates(
        "rbac.authorization.k8s.io/v1",
        &[(
            "RoleBinding",
            "",
            json!({"roleRef": role("b")}),
            json!({"roleRef": role("a")}),
            &[
                "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"b\"}: cannot change roleRef",
            ],
        )],
    );
    check_updates(
        "coordination.k8s.io/v1",
        &[(
            "Lease",
            "",
            json!({"spec": {"strategy": "other", "preferredHolder": "p"}}),
            json!({"spec": {"strategy": "OldestEmulationVersion"}}),
            &["spec.strategy.strategy: Unsupported value: \"other\": supported values: \"OldestEmulationVersion\""],
        )],
    );
}

#[test]
fn storage_and_nodes() {
    check_creates(
        "storage.k8s.io/v1",
        &[
            (
                "StorageClass",
                json!({"provisioner": "", "reclaimPolicy": "Recycle", "volumeBindingMode": "Later", "parameters": {"": "x"}}),
                &[
                    "provisioner: Required value",
                    "parameters: Invalid value: \"\": field can not be empty.",
                    "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"",
                    "volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", \"WaitForFirstConsumer\"",
                ],
            ),
            ("CSIDriver", json!({"spec": {}}), &[]),
            (
                "CSIDriver",
                json!({"spec": {"fsGroupPolicy": "Some", "volumeLifecycleModes": ["Never"], "tokenRequests": [
                    {"audience": "a", "expirationSeconds": 5}, {"audience": "a"}], "nodeAllocatableUpdatePeriodSeconds": 9}}),
                &[
                    "spec.fsGroupPolicy: Unsupported value: \"Some\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\"",
                    "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
                    "spec.tokenRequests[1].audience: Duplicate value: \"a\"",
                    "spec.volumeLifecycleModes: Unsupported value: \"Never\": supported values: \"Persistent\", \"Ephemeral\"",
                    "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds",
                ],
            ),
            (
                "CSINode",
                json!({"spec": {"drivers": [{"name": "a", "nodeID": "n"}, {"name": "a", "nodeID": "", "topologyKeys": ["k", "k"]}]}}),
                &[
                    "spec.drivers[1].nodeID: Required value",
                    "spec.drivers[1].name: Duplicate value: \"a\"",
                    "spec.drivers[1]: Duplicate value: \"k\"",
                ],
            ),
            (
                "VolumeAttachment",
                json!({"spec": {"attacher": "", "nodeName": "n", "source": {}}}),
                &[
                    "spec.attacher: Required value",
                    "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
                ],
            ),
            (
                "VolumeAttributesClass",
                json!({"driverName": ""}),
                &["driverName: Required value", "parameters: Required value: must contain at least one key/value pair"],
            ),
        ],
    );
    check_updates(
        "storage.k8s.io/v1",
        &[
            (
                "StorageClass",
                "",
                json!({"provisioner": "b", "parameters": {"k": "v"}}),
                json!({"provisioner": "a", "parameters": {}}),
                &[
                    "parameters: Invalid value: {\"k\":\"v\"}: field is immutable",
                    "provisioner: Invalid value: \"b\": field is immutable",
                ],
            ),
            (
                "VolumeAttributesClass",
                "",
                json!({"driverName": "b", "parameters": {"k": "v"}}),
                json!({"driverName": "a", "parameters": {"k": "w"}}),
                &[
                    "driverName: Forbidden: updates to driverName are forbidden.",
                    "parameters: Forbidden: updates to parameters are forbidden.",
                ],
            ),
        ],
    );
    check_creates(
        "node.k8s.io/v1",
        &[
            ("RuntimeClass", json!({"handler": ""}), &["handler: Required value"]),
            (
                "RuntimeClass",
                json!({"handler": "h", "overhead": {"podFixed": {"cpu": "-1"}}, "scheduling": {"tolerations": [
                    {"key": "k", "operator": "Exists"}, {"key": "k", "operator": "Exists"}]}}),
                &[
                    "overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
                    "scheduling.tolerations[1]: Duplicate value: {\"Key\":\"k\",\"Operator\":\"Exists\",\"Value\":\"\",\"Effect\":\"\",\"TolerationSeconds\":null}",
                ],
            ),
        ],
    );
}

#[test]
fn flow_control() {
    check_creates(
        "flowcontrol.apiserver.k8s.io/v1",
        &[
            (
                "FlowSchema",
                json!({"spec": {"matchingPrecedence": 1, "priorityLevelConfiguration": {}, "rules": [{"subjects": [
                    {"kind": "User", "group": {"name": "g"}}, {"kind": "Robot"}]}]}}),
                &[
                    "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
                    "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
                    "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
                    "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
                    "spec.rules[0].subjects[1].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\"",
                    "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
                ],
            ),
            (
                "PriorityLevelConfiguration",
                json!({"spec": {"type": "Limited", "limited": {"lendablePercent": 101, "limitResponse": {"type": "Queue",
                    "queuing": {"queues": 1024, "handSize": 7, "queueLengthLimit": -1}}}}}),
                &[
                    "spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive",
                    "spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of deckSize 1024 and handSize 7 should not be greater than 60",
                    "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
                ],
            ),
        ],
    );
}

#[test]
fn extension_points() {
    check_creates(
        "admissionregistration.k8s.io/v1",
        &[
            (
                "ValidatingWebhookConfiguration",
                json!({"webhooks": [{"name": "x", "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "timeoutSeconds": 31,
                    "rules": [{"operations": ["*", "CREATE"], "apiGroups": [], "apiVersions": ["v1"], "resources": ["*", "pods"]}]}]}),
                &[
                    "webhooks[0].name: Invalid value: \"x\": should be a domain with at least three segments separated by dots",
                    "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations",
                    "webhooks[0].rules[0].apiGroups: Required value",
                    "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources",
                    "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                    "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                    "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
                ],
            ),
            (
                "ValidatingAdmissionPolicyBinding",
                json!({"spec": {"paramRef": {}, "validationActions": ["Deny", "Warn", "Deny"]}}),
                &[
                    "spec.policyName: Required value",
                    "spec.paramRef: Required value: one of name or selector must be specified",
                    "spec.paramRef.parameterNotFoundAction: Required value",
                    "spec.validationActions[2]: Duplicate value: \"Deny\"",
                    "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Deny\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
                ],
            ),
            (
                "ValidatingAdmissionPolicy",
                json!({"spec": {"variables": [{"name": "in", "expression": "1"}]}}),
                &[
                    "spec.matchConstraints: Required value",
                    "spec.variables[0].name: Invalid value: \"in\": must be a valid CEL identifier",
                    "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
                    "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
                ],
            ),
        ],
    );
    check_creates(
        "apiregistration.k8s.io/v1",
        &[(
            "APIService",
            json!({"spec": {"group": "a.b", "version": "v1", "groupPriorityMinimum": 0, "versionPriority": 1001, "insecureSkipTLSVerify": true}}),
            &[
                "metadata.name: Invalid value: \"x\": must be `spec.version+\".\"+spec.group`: \"v1.a.b\"",
                "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ],
        )],
    );
    check_creates(
        "apiextensions.k8s.io/v1",
        &[(
            "CustomResourceDefinition",
            json!({"spec": {"group": "a", "scope": "World", "names": {"plural": "Ps", "kind": "P"}, "versions": [
                {"name": "v1", "served": true, "storage": true}]}}),
            &[
                "metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group",
                "spec.group: Invalid value: \"a\": should be a domain with at least one dot",
                "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
                "spec.versions[0].schema.openAPIV3Schema: Required value",
                "spec.names.plural: Invalid value: \"Ps\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            ],
        )],
    );
    check_creates(
        "certificates.k8s.io/v1",
        &[(
            "CertificateSigningRequest",
            json!({"spec": {"request": "eA==", "signerName": "x", "usages": ["client auth", "client auth", "dancing"], "expirationSeconds": 5}}),
            &[
                "spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST",
                "spec.usages[2]: Unsupported value: \"dancing\": supported values: \"any\", \"cert sign\", \"client auth\", \"code signing\", \"content commitment\", \"crl sign\", \"data encipherment\", \"decipher only\", \"digital signature\", \"email protection\", \"encipher only\", \"ipsec end system\", \"ipsec tunnel\", \"ipsec user\", \"key agreement\", \"key encipherment\", \"microsoft sgc\", \"netscape sgc\", \"ocsp signing\", \"s/mime\", \"server auth\", \"signing\", \"timestamping\"",
                "spec.usages[1]: Duplicate value: \"client auth\"",
                "spec.signerName: Invalid value: \"x\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
                "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)",
            ],
        )],
    );
}
