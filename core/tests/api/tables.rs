//! What the rows of Tables say of objects in odd states: made, given a status, and shown.

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

/// A collection, an object, its status, and the cells of its row.
type Case<'a> = (&'a str, Value, Value, Value);

const TABLE: (&str, &str) = ("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
const CORE: &str = "/api/v1/namespaces/default";

fn check(cases: &[Case<'_>]) {
    let s = Server::new();
    s.ask("POST", &format!("{CORE}/serviceaccounts"), &json!({"metadata": {"name": "default"}}));
    for (collection, object, status, cells) in cases {
        let made = s.ask("POST", collection, object);
        assert_eq!(made.code, 201, "{object}: {}", made.text);
        let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
        if !status.is_null() {
            let told = s.ask("PATCH", &format!("{path}/status"), &json!({"status": status}));
            assert_eq!(told.code, 200, "{status}: {}", told.text);
        }
        let shown = s.send("GET", &path, &[TABLE], b"");
        assert_eq!(shown.body["rows"][0]["cells"], *cells, "{object} {status}");
    }
}

/// A pod with two containers, an init container and a sidecar.
fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "nodeName": "n",
        "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
        "initContainers": [{"name": "i", "image": "i"}, {"name": "s", "image": "i", "restartPolicy": "Always"}],
    }})
}

fn container(name: &str, state: Value) -> Value {
    let mut status = json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0});
    for (key, value) in state.as_object().into_iter().flatten() {
        status[key] = value.clone();
    }
    status
}

fn ended(name: &str, code: i32, reason: &str) -> Value {
    container(name, json!({"state": {"terminated": {"exitCode": code, "reason": reason}}}))
}

#[test]
fn pods() {
    let row = |name: &str, ready: &str, status: &str, restarts: &str| {
        json!([name, ready, status, restarts, "0s", "<none>", "n", "<none>", "<none>"])
    };
    let pods = &format!("{CORE}/pods");
    let running = |name: &str| container(name, json!({"ready": true, "state": {"running": {}}}));
    let done = ended("i", 0, "Completed");
    let side = container("s", json!({"ready": true, "started": true, "restartCount": 1, "state": {"running": {}}}));
    let all = |containers: Value, more: Value| {
        let mut status =
            json!({"phase": "Running", "initContainerStatuses": [done, side], "containerStatuses": containers});
        for (key, value) in more.as_object().into_iter().flatten() {
            status[key] = value.clone();
        }
        status
    };
    let is_ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    check(&[
        (pods, pod("new"), Value::Null, row("new", "0/3", "Pending", "0")),
        (
            pods,
            pod("initializing"),
            json!({"phase": "Pending", "initContainerStatuses": [container("i", json!({"state": {"running": {}}}))]}),
            row("initializing", "0/3", "Init:0/2", "0"),
        ),
        (
            pods,
            pod("stuck"),
            json!({"phase": "Pending", "initContainerStatuses": [container("i", json!({
                "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2025-12-31T23:59:00Z"}},
            }))]}),
            row("stuck", "0/3", "Init:CrashLoopBackOff", "3 (60s ago)"),
        ),
        (
            pods,
            pod("signal"),
            json!({"phase": "Pending", "initContainerStatuses": [
                container("i", json!({"state": {"terminated": {"exitCode": 137, "signal": 9}}})),
            ]}),
            row("signal", "0/3", "Init:Signal:9", "0"),
        ),
        (
            pods,
            pod("runs"),
            all(json!([running("a"), running("b")]), is_ready.clone()),
            row("runs", "3/3", "Running", "1"),
        ),
        (
            pods,
            pod("half"),
            all(json!([ended("a", 0, "Completed"), running("b")]), is_ready),
            row("half", "2/3", "Running", "1"),
        ),
        (
            pods,
            pod("unready"),
            all(json!([ended("a", 0, "Completed"), running("b")]), Value::Null),
            row("unready", "2/3", "NotReady", "1"),
        ),
        (
            pods,
            pod("failed"),
            all(json!([ended("a", 0, "Completed"), ended("b", 3, "Error")]), Value::Null),
            row("failed", "1/3", "Error", "1"),
        ),
        (
            pods,
            pod("worse"),
            all(json!([ended("a", 0, "Completed"), ended("b", 3, "OOMKilled")]), json!({"phase": "Failed"})),
            row("worse", "1/3", "OOMKilled", "1"),
        ),
        (pods, pod("evicted"), json!({"phase": "Failed", "reason": "Evicted"}), row("evicted", "0/3", "Evicted", "0")),
    ]);
}

#[test]
fn what_pods_are_reached_by() {
    let services = &format!("{CORE}/services");
    let endpoints = &format!("{CORE}/endpoints");
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let service = |name: &str, more: Value| {
        let mut o = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "clusterIP": "None"}});
        for (key, value) in more.as_object().into_iter().flatten() {
            o["spec"][key] = value.clone();
        }
        o
    };
    let balancer = json!({
        "type": "LoadBalancer", "clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30007}],
        "externalIPs": ["9.9.9.9"],
    });
    let rule = |host: &str| json!({"host": host});
    let backend = json!({"service": {"name": "s", "port": {"number": 1}}});
    let all = json!({"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}});
    let ingress = |name: &str, rules: Value| json!({"metadata": {"name": name}, "spec": {"rules": rules, "defaultBackend": backend}});
    check(&[
        (
            services,
            service("head", Value::Null),
            Value::Null,
            json!(["head", "ClusterIP", "None", "<none>", "80/TCP", "0s", "<none>"]),
        ),
        (
            services,
            service("lb", balancer),
            json!({"loadBalancer": {"ingress": [{"ip": "5.5.5.5"}, {"hostname": "b.c"}, {"ip": "1.1.1.1"}, {"ip": "5.5.5.5"}]}}),
            json!(["lb", "LoadBalancer", "10.96.7.7", "1.1.1.1,5.5.5.5,b.c,9.9.9.9", "80:30007/TCP", "0s", "<none>"]),
        ),
        (
            endpoints,
            json!({"metadata": {"name": "six"}, "subsets": [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}]}),
            Value::Null,
            json!(["six", "[fd00::1]:80", "0s"]),
        ),
        (
            endpoints,
            json!({"metadata": {"name": "unready"}, "subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1"}]}]}),
            Value::Null,
            json!(["unready", "", "0s"]),
        ),
        (endpoints, json!({"metadata": {"name": "none"}}), Value::Null, json!(["none", "<none>", "0s"])),
        (
            slices,
            json!({"metadata": {"name": "few"}, "addressType": "IPv4", "endpoints": [], "ports": []}),
            Value::Null,
            json!(["few", "IPv4", "<unset>", "<unset>", "0s"]),
        ),
        (
            slices,
            json!({
                "metadata": {"name": "many"}, "addressType": "IPv4", "ports": [{"name": "x"}, {"name": "y", "port": 3}],
                "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.3"]}, {"addresses": ["10.0.0.4"]}],
            }),
            Value::Null,
            json!(["many", "IPv4", "x,3", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...", "0s"]),
        ),
        (ingresses, ingress("all", json!([all])), Value::Null, json!(["all", "<none>", "*", "", "80", "0s"])),
        (
            ingresses,
            ingress("three", json!([rule("a.b"), all, rule("b.b"), rule("c.b")])),
            json!({"loadBalancer": {"ingress": [{"ip": "5.5.5.5"}, {"hostname": "b.c"}, {"ip": "1.1.1.1"}]}}),
            json!(["three", "<none>", "a.b,b.b,c.b", "1.1.1.1,5.5.5.5,b.c", "80", "0s"]),
        ),
        (
            ingresses,
            ingress("more", json!([rule("a.b"), rule("b.b"), rule("c.b"), all])),
            Value::Null,
            json!(["more", "<none>", "a.b,b.b,c.b + 1 more...", "", "80", "0s"]),
        ),
        (
            "/apis/networking.k8s.io/v1/ingressclasses",
            json!({
                "metadata": {"name": "c", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
                "spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "apiGroup": "g.k"}},
            }),
            Value::Null,
            json!(["c (default)", "a.b/c", "K.g.k/n", "0s"]),
        ),
    ]);
}

fn scaler(metrics: Value) -> Value {
    let target = json!({"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"});
    json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": target, "metrics": metrics}})
}

#[test]
fn what_is_measured_and_what_holds_data() {
    let metric = json!({"name": "m"});
    let of = |kind: &str, target: Value| match kind {
        "containerResource" => {
            json!({"type": "ContainerResource", kind: {"name": "cpu", "container": "c", "target": target}})
        }
        "resource" => json!({"type": "Resource", kind: {"name": "memory", "target": target}}),
        _ => json!({"type": "Pods", kind: {"metric": metric, "target": target}}),
    };
    let half = || json!({"type": "Utilization", "averageUtilization": 50});
    let ten = || json!({"type": "AverageValue", "averageValue": "10"});
    let node = json!({
        "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
        "kubeletVersion": "v1", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
    });
    check(&[
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            scaler(json!([of("containerResource", half()), of("resource", ten()), of("pods", ten())])),
            json!({"desiredReplicas": 1, "currentMetrics": [
                {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "current": {"averageUtilization": 7}}},
                {"type": "Resource", "resource": {"name": "memory", "current": {}}},
            ]}),
            json!(["h", "Deployment/d", "cpu: 7%/50%, memory: <nil>/10 + 1 more...", "1", 3, 0, "0s"]),
        ),
        (
            &format!("{CORE}/persistentvolumeclaims"),
            json!({"metadata": {"name": "c"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "volumeName": "v", "resources": {"requests": {"storage": "1Gi"}},
            }}),
            Value::Null,
            json!(["c", "Pending", "v", "0", "", "", "<unset>", "0s", "Filesystem"]),
        ),
        (
            "/api/v1/nodes",
            json!({
                "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/b": "", "kubernetes.io/role": "a"}},
                "status": {"nodeInfo": node},
            }),
            Value::Null,
            json!([
                "n",
                "Unknown",
                "a,b",
                "0s",
                "v1",
                "<none>",
                "<none>",
                "<unknown>",
                "<unknown> (amd64)",
                "<unknown>"
            ]),
        ),
        (
            &format!("{CORE}/events"),
            json!({
                "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
                "reportingComponent": "rc", "reportingInstance": "ri", "source": {"component": "c"}, "message": " m ",
                "reason": "R", "type": "Normal",
            }),
            Value::Null,
            json!(["<unknown>", "Normal", "R", "pod/p", "", "c, ri", "m", "<unknown>", 1, "e"]),
        ),
        (
            "/apis/storage.k8s.io/v1/csidrivers",
            json!({"metadata": {"name": "d"}, "spec": {"tokenRequests": [{"audience": ""}]}}),
            Value::Null,
            json!(["d", true, false, false, "", false, "Persistent", "0s"]),
        ),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": {
                "parameterNotFoundAction": "Deny",
                "selector": {"matchLabels": {"b": "c", "a": "x"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v", "w"]}]},
            }}}),
            Value::Null,
            json!([
                "b",
                "p",
                "&LabelSelector{MatchLabels:map[string]string{a: x,b: c,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[v w],},},}",
                "0s"
            ]),
        ),
    ]);
}

#[test]
fn flow_schemas_come_in_the_order_in_which_they_are_asked() {
    let s = Server::new();
    let shown = s.send("GET", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", &[TABLE], b"");
    let rows = shown.body["rows"].as_array().cloned().unwrap_or_default();
    let precedences: Vec<i64> = rows.iter().filter_map(|r| r["cells"][2].as_i64()).collect();
    assert!(precedences.len() > 10 && precedences.is_sorted(), "{precedences:?}");
    run(
        &s,
        &[(
            "GET /apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt accept=table",
            "",
            r#"200 /rows/0/cells=["exempt","Exempt","<none>","<none>","<none>","<none>","0s"]"#,
        )],
    );
}
