//! Writes through the front door, and what the answers say: objects that change their type, what is kept, what is refused,
//! what is warned of.

use serde_json::{Value, json};

#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test program uses another part of it")]
mod server;

use server::{Answer, Server};

impl Answer {
    /// What it warns of, without code and agent.
    fn warnings(&self) -> Vec<&str> {
        let all = self.headers.iter().filter(|(n, _)| n == "Warning");
        all.map(|(_, v)| v.trim_start_matches("299 - ")).collect()
    }
}

impl Server {
    fn service(&self, name: &str, spec: &Value) -> Answer {
        let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        self.ask("POST", SERVICES, &body)
    }

    fn change(&self, name: &str, spec: &Value) -> Answer {
        self.ask("PATCH", &format!("{SERVICES}/{name}"), &json!({"spec": spec}))
    }
}

const SERVICES: &str = "/api/v1/namespaces/default/services";

/// The message of a refusal without its beginning.
fn complaint(answer: &Answer) -> String {
    let message = answer.body["message"].as_str().unwrap_or_default();
    message.split_once(" is invalid: ").map_or(message, |(_, rest)| rest).to_owned()
}

#[test]
fn a_service_changes_its_type() {
    let s = Server::new();
    let made = s.service("s", &json!({"type": "NodePort", "ports": [{"port": 80}]}));
    assert_eq!(made.code, 201, "{}", made.body);
    let (ip, port) = (made.body["spec"]["clusterIP"].clone(), made.body["spec"]["ports"][0]["nodePort"].clone());
    assert!(ip.is_string() && port.is_i64());
    // To each type in turn: what it needs is there and nothing else.
    let fields = [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "allocateLoadBalancerNodePorts",
        "internalTrafficPolicy",
    ];
    for (change, want, node_port) in [
        (
            json!({"type": "ClusterIP"}),
            vec!["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"],
            false,
        ),
        (json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}), fields.to_vec(), true),
        (
            json!({"type": "NodePort"}),
            vec![
                "clusterIP",
                "clusterIPs",
                "ipFamilies",
                "ipFamilyPolicy",
                "externalTrafficPolicy",
                "internalTrafficPolicy",
            ],
            true,
        ),
        (json!({"type": "ExternalName", "externalName": "example.com"}), vec![], false),
        (
            json!({"type": "ClusterIP", "externalName": null}),
            vec!["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"],
            false,
        ),
    ] {
        let is = s.change("s", &change);
        assert_eq!(is.code, 200, "{change}: {}", is.body);
        let spec = &is.body["spec"];
        let have: Vec<&str> = fields.iter().copied().filter(|f| spec.get(*f).is_some()).collect();
        assert_eq!(have, want, "{change}: {spec}");
        assert_eq!(spec["ports"][0].get("nodePort").is_some(), node_port, "{change}");
    }
}

#[test]
fn what_a_service_may_not_do() {
    let s = Server::new();
    let first = s.service(
        "a",
        &json!({"type": "NodePort", "clusterIP": "10.96.0.77", "ports": [{"port": 80, "nodePort": 30077}]}),
    );
    assert_eq!(first.code, 201, "{}", first.body);
    for (spec, want) in [
        (
            json!({"clusterIP": "10.96.0.77", "ports": [{"port": 80}]}),
            "spec.clusterIPs: Invalid value: [\"10.96.0.77\"]: failed to allocate IP 10.96.0.77: provided IP is already allocated",
        ),
        (
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30077}]}),
            "spec.ports[0].nodePort: Invalid value: 30077: provided port is already allocated",
        ),
        (
            // Giving out comes before the other checks.
            json!({"clusterIP": "1.1.1.1", "ports": [{"port": 0}]}),
            "spec.clusterIPs: Invalid value: [\"1.1.1.1\"]: failed to allocate IP 1.1.1.1: the provided network does not match the current range",
        ),
        (
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30077, "ports": [{"port": 80}]}),
            "Internal error occurred: failed to allocate requested HealthCheck NodePort 30077: provided port is already allocated",
        ),
    ] {
        assert_eq!(complaint(&s.service("b", &spec)), want);
    }
    // A dry run holds nothing, and minds only the range of addresses.
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.77", "ports": [{"port": 80, "nodePort": 80}]});
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dry"}, "spec": spec});
    assert_eq!(s.ask("POST", &format!("{SERVICES}?dryRun=All"), &body).code, 201);
    for (change, want) in [
        (
            json!({"clusterIP": "10.96.0.78"}),
            "spec.clusterIPs[0]: Invalid value: [\"10.96.0.78\"]: may not change once set",
        ),
        (
            json!({"ports": [{"port": 80, "nodePort": 29999}]}),
            "spec.ports[0].nodePort: Invalid value: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            json!({"type": "ExternalName", "clusterIP": "10.96.0.78"}),
            "[spec.clusterIPs: Forbidden: may not be set for ExternalName services, spec.externalName: Required value]",
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
    ] {
        assert_eq!(complaint(&s.change("a", &change)), want, "{change}");
    }
}

#[test]
fn warnings() {
    let s = Server::new();
    // Admission asks for the namespace's default account.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    s.ask("POST", "/api/v1/namespaces/default/serviceaccounts", &account);
    let pod =
        |spec: Value| ("pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a.b"}, "spec": spec}));
    let containers = json!([{"name": "c", "image": "i"}]);
    let dotted = "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]";
    for ((resource, body), want) in [
        (
            (
                "services",
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "w"}, "spec": {"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"], "externalName": "x", "trafficDistribution": "PreferClose"}}),
            ),
            vec![
                "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
                "spec.externalName is ignored when spec.type is not \"ExternalName\"",
                "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
            ],
        ),
        (
            pod(json!({"containers": containers, "nodeSelector": {"beta.kubernetes.io/os": "linux"},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
                "hostAliases": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}], "imagePullSecrets": [{"name": "a"}, {"name": "a"}]})),
            vec![
                dotted,
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
                "spec.hostAliases[1].ip: duplicate ip \"1.2.3.4\"",
                "spec.imagePullSecrets[1].name: duplicate name \"a\"",
            ],
        ),
        (
            pod(json!({"containers": [
                {"name": "c", "image": "i", "resources": {"limits": {"memory": "100m"}}, "ports": [{"containerPort": 80, "name": "web"}],
                    "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "$(A)"}]},
                {"name": "d", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "name": "web", "hostIP": "1.2.3.4"}]},
            ], "volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "a", "path": "x/"}, {"key": "b", "path": "x/y"}]}},
                {"name": "p", "projected": {"sources": [{}, {"secret": {"name": "s", "items": [{"key": "a", "path": "t"}]}}, {"downwardAPI": {"items": [{"path": "t/u", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}]})),
            vec![
                dotted,
                "volume \"v\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\"",
                "volume \"p\" (Projected) has no sources provided",
                "volume \"p\" (Projected): overlapping paths: \"t/u\" (DownwardAPI) with \"t\" (Secret \"s\")",
                "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].resources.requests[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
                "spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]",
                "spec.containers[1].ports[1]: hostIP set without hostPort: {Name:web HostPort:0 ContainerPort:81 Protocol:TCP HostIP:1.2.3.4}",
                "spec.containers[1].ports[1]: duplicate port name \"web\" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]",
            ],
        ),
        (
            (
                "replicationcontrollers",
                json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "r.c"},
                "spec": {"replicas": 0, "template": {"metadata": {"labels": {"a": "b"}, "annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}},
                    "spec": {"terminationGracePeriodSeconds": -1, "containers": containers}}}}),
            ),
            vec![
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
                "spec.template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \"priorityClassName\" field instead",
                "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
            ],
        ),
        (
            (
                "persistentvolumeclaims",
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "annotations": {"volume.beta.kubernetes.io/storage-class": "x"}},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}}}),
            ),
            vec![
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead",
                "spec.resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be an integer",
            ],
        ),
        (
            (
                "serviceaccounts",
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}),
            ),
            vec![
                "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets",
            ],
        ),
        (
            (
                "endpoints",
                json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "2001:DB8::1"}]}]}),
            ),
            vec![
                "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
                "subsets[0].addresses[0].ip: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")",
            ],
        ),
    ] {
        let answer = s.ask("POST", &format!("/api/v1/namespaces/default/{resource}?dryRun=All"), &body);
        let want: Vec<String> = want.into_iter().map(|w| Value::from(w).to_string()).collect();
        assert_eq!(answer.warnings(), want, "{body}\n{}", answer.body);
    }
}

#[test]
fn what_is_settled_when_an_object_is_made() {
    let s = Server::new();
    let post = |path: &str, body: Value| {
        let answer = s.ask("POST", path, &body);
        assert!(answer.code == 201, "{body}: {}", answer.body);
        answer.body
    };
    let core = "/api/v1/namespaces/default";
    let account = post(
        &format!("{core}/serviceaccounts"),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}, "secrets": [{"name": "s", "kind": "Secret", "uid": "u"}]}),
    );
    assert_eq!(account["secrets"], json!([{"name": "s"}]));
    let slice = post(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.2.3"], "deprecatedTopology": {"kubernetes.io/hostname": "n"}}]}),
    );
    assert_eq!(slice["endpoints"][0], json!({"addresses": ["10.1.2.3"], "conditions": {}}), "no topology as labels");
    let range =
        post(&format!("{core}/limitranges"), json!({"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": []}}));
    assert_eq!(range["metadata"]["name"].as_str().map(str::len), Some(36), "a uuid for a name");
    let node = post(
        "/api/v1/nodes",
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDRs": ["10.1.0.0/24"]}}),
    );
    assert_eq!(node["spec"]["podCIDR"], "10.1.0.0/24");
    let claim = |name: &str, source: Value| {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        for (key, value) in source.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let body =
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec});
        let made = post(&format!("{core}/persistentvolumeclaims"), body);
        (made["spec"]["dataSource"].clone(), made["spec"]["dataSourceRef"].clone())
    };
    let of_claim = json!({"apiGroup": null, "kind": "PersistentVolumeClaim", "name": "x"});
    let of_any = json!({"apiGroup": "example.com", "kind": "Thing", "name": "x"});
    assert_eq!(claim("a", json!({"dataSource": of_claim})), (of_claim.clone(), of_claim));
    assert_eq!(claim("b", json!({"dataSource": of_any})), (Value::Null, Value::Null), "no volume is made of that");
    assert_eq!(claim("c", json!({"dataSourceRef": of_any})), (of_any.clone(), of_any));
    let selector = json!({"matchLabels": {"app": "a"}});
    let pod = post(
        &format!("{core}/pods"),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "a", "hash": "1"}}, "spec": {
            "terminationGracePeriodSeconds": -5, "containers": [{"name": "c", "image": "i"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector, "matchLabelKeys": ["hash", "none"]}],
        }}),
    );
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 1);
    assert_eq!(
        pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"],
        json!([{"key": "hash", "operator": "In", "values": ["1"]}])
    );
}

#[test]
fn events_of_the_newer_group_are_looked_at_closely() {
    let s = Server::new();
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "regarding": {"namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/c", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal"});
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let mut odd = event.clone();
    odd["type"] = "Odd".into();
    odd["deprecatedCount"] = 3.into();
    assert_eq!(
        complaint(&s.ask("POST", path, &odd)),
        "[type: Invalid value: \"\": has invalid value: Odd, count: Invalid value: \"\": needs to be unset]"
    );
    assert_eq!(s.ask("POST", path, &event).code, 201);
    let change = s.ask("PATCH", &format!("{path}/e"), &json!({"reason": "s"}));
    // Upstream looks at the reason twice, and says so once.
    assert_eq!(complaint(&change), "reason: Invalid value: \"s\": field is immutable");
    // By the older group anything goes.
    assert_eq!(s.ask("PATCH", "/api/v1/namespaces/default/events/e", &json!({"reason": "s"})).code, 200);
}

#[test]
fn a_changed_replication_controller_is_looked_at_once() {
    let s = Server::new();
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let body = json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "r"}, "spec": {"template": template}});
    let path = "/api/v1/namespaces/default/replicationcontrollers";
    assert_eq!(s.ask("POST", path, &body).code, 201);
    let change = s.ask("PATCH", &format!("{path}/r"), &json!({"spec": {"replicas": -1}}));
    assert_eq!(complaint(&change), "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    assert_eq!(change.body["details"]["causes"].as_array().map(Vec::len), Some(1), "one cause");
}

#[test]
fn jobs_warn_of_their_templates() {
    let s = Server::new();
    let template = json!({"spec": {"restartPolicy": "Never", "nodeSelector": {"beta.kubernetes.io/arch": "x"}, "containers": [{"name": "c", "image": "i"}]}});
    for (resource, body, at) in [
        ("jobs", json!({"kind": "Job", "spec": {"template": template}}), "spec.template"),
        (
            "cronjobs",
            json!({"kind": "CronJob", "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
            "spec.jobTemplate.spec.template",
        ),
    ] {
        let mut body = body;
        body["apiVersion"] = "batch/v1".into();
        body["metadata"] = json!({"name": "j"});
        let answer = s.ask("POST", &format!("/apis/batch/v1/namespaces/default/{resource}"), &body);
        let want = format!(
            "{at}.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use \"kubernetes.io/arch\" instead"
        );
        assert_eq!(answer.warnings(), [Value::from(want).to_string()], "{}", answer.body);
    }
}

#[test]
fn statuses_are_defaulted_and_checked() {
    let s = Server::new();
    assert_eq!(s.service("lb", &json!({"type": "LoadBalancer", "ports": [{"port": 80}]})).code, 201);
    assert_eq!(s.service("plain", &json!({"ports": [{"port": 80}]})).code, 201);
    let status = |name: &str, ingress: Value| {
        let body = json!({"status": {"loadBalancer": {"ingress": [ingress]}}});
        s.ask("PATCH", &format!("{SERVICES}/{name}/status"), &body)
    };
    let done = status("lb", json!({"ip": "1.2.3.4"}));
    assert_eq!(done.body["status"]["loadBalancer"]["ingress"], json!([{"ip": "1.2.3.4", "ipMode": "VIP"}]));
    assert_eq!(
        complaint(&status("lb", json!({"hostname": "1.2.3.4"}))),
        "status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"
    );
    assert_eq!(
        complaint(&status("plain", json!({"ip": "1.2.3.4"}))),
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    );
}

#[test]
fn a_namespace_with_a_made_up_name_is_labelled_by_it() {
    let s = Server::new();
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "n-"}});
    let made = s.ask("POST", "/api/v1/namespaces", &body).body;
    assert!(made["metadata"]["name"].as_str().is_some_and(|n| n.len() == 7));
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], made["metadata"]["name"]);
}
