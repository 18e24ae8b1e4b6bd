//! The kubelet in a whole cluster, over an engine whose guests are Rust: what pods go through, as the api-server tells it.

mod anew;
pub mod fake;
mod reboot;

use std::rc::Rc;
use std::time::Duration;

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::{Event, Node, Pod};

use self::fake::{FakeEngine, modules};
use crate::api::object::{Kind, typed};
use crate::cluster::{Cluster, Output};
use crate::etcd::Value;
use crate::network::HttpRequest;
use crate::runtime::images::{Registries, Registry};
use crate::session::{ClusterConfig, ComponentAction, Input, MachineAction, ServiceAction};
use crate::sim::{MachineId, SimTime};

/// A cluster whose nodes are Ready.
pub(crate) fn cluster(workers: u32) -> Cluster {
    let config = ClusterConfig { workers, ..ClusterConfig::default() };
    let images = Registries::new(Registry::standard(), modules());
    let mut c = Cluster::new(config, Box::new(FakeEngine::default()), Rc::new(images));
    let all = workers as usize + 1;
    let ready = c.run_while(SimTime::from_secs(120), |c| ready_nodes(c) == all);
    assert!(ready, "{}", nodes(&c));
    c
}

/// The same, in which a pod `web` has run for a while.
fn with_web(workers: u32) -> Cluster {
    let mut c = cluster(workers);
    let spec = serde_json::json!({ "containers": [{ "name": "nginx", "image": "nginx:1.27" }] });
    apply(&mut c, pod_json("web", spec));
    c.run_for(Duration::from_secs(15));
    c
}

fn all<K: Kind>(c: &Cluster, prefix: &str) -> Vec<K> {
    let mut found = Vec::new();
    c.etcd().borrow().for_each_prefix(prefix, |_, value, _| {
        if let Value::Object(o) = value {
            found.extend(typed::<K>(&**o).cloned());
        }
    });
    found
}

fn ready_nodes(c: &Cluster) -> usize {
    let ready = |n: &Node| {
        let conditions = n.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    all::<Node>(c, "/registry/minions/").iter().filter(|n| ready(n)).count()
}

fn nodes(c: &Cluster) -> String {
    let line = |n: &Node| {
        let conditions = n.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let text: Vec<String> = conditions
            .iter()
            .map(|c| {
                format!(
                    "{}={} {}: {}",
                    c.type_,
                    c.status,
                    c.reason.clone().unwrap_or_default(),
                    c.message.clone().unwrap_or_default()
                )
            })
            .collect();
        format!("{} {}", n.metadata.name.clone().unwrap_or_default(), text.join("; "))
    };
    all::<Node>(c, "/registry/minions/").iter().map(line).collect::<Vec<_>>().join("\n")
}

fn pod(c: &Cluster, name: &str) -> Option<Pod> {
    all::<Pod>(c, "/registry/pods/").into_iter().find(|p| p.metadata.name.as_deref() == Some(name))
}

/// A pod's line as `kubectl get pods` shows it, and its containers' states.
fn shown(p: &Pod) -> String {
    let s = p.status.clone().unwrap_or_default();
    let states: Vec<String> = s
        .init_container_statuses
        .iter()
        .flatten()
        .chain(s.container_statuses.iter().flatten())
        .map(|c| {
            let state = c.state.clone().unwrap_or_default();
            let text = if state.running.is_some() {
                "Running".to_owned()
            } else if let Some(t) = state.terminated {
                format!("{}({})", t.reason.unwrap_or_default(), t.exit_code)
            } else {
                state.waiting.and_then(|w| w.reason).unwrap_or_default()
            };
            format!("{}:{text} ready={} restarts={}", c.name, c.ready, c.restart_count)
        })
        .collect();
    let conditions: Vec<String> =
        s.conditions.iter().flatten().filter(|c| c.status != "True").map(|c| format!("!{}", c.type_)).collect();
    format!("{} [{}] {}", s.phase.unwrap_or_default(), states.join(", "), conditions.join(" "))
}

fn apply(c: &mut Cluster, json: serde_json::Value) {
    let kind = json["kind"].as_str().unwrap_or_default();
    let path = match kind {
        "ConfigMap" => "/api/v1/namespaces/default/configmaps",
        "ReplicaSet" => "/apis/apps/v1/namespaces/default/replicasets",
        "Service" => "/api/v1/namespaces/default/services",
        "EndpointSlice" => "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        _ => "/api/v1/namespaces/default/pods",
    };
    request(c, "POST", path, Some(json));
}

fn request(c: &mut Cluster, method: &str, path: &str, body: Option<serde_json::Value>) {
    c.submit(Input::Request {
        id: 1,
        method: method.into(),
        path: path.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.map(|b| b.to_string()).unwrap_or_default(),
    });
}

/// A pod on worker-1.
fn pod_json(name: &str, spec: serde_json::Value) -> serde_json::Value {
    let mut spec = spec;
    spec["nodeName"] = "worker-1".into();
    spec["terminationGracePeriodSeconds"] = spec.get("terminationGracePeriodSeconds").cloned().unwrap_or(30.into());
    serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    })
}

/// Every state that a pod goes through for `d`, with the time since its start to a tenth of a second.
fn watch(c: &mut Cluster, name: &str, d: Duration, want: Expect) {
    let begin = c.now();
    let mut lines: Vec<String> = Vec::new();
    let mut last = String::new();
    let end = begin + d;
    loop {
        let line = pod(c, name).map_or("gone".to_owned(), |p| shown(&p));
        if line != last {
            lines.push(format!("{:.1} {line}", c.now().since(begin).as_secs_f64()));
            last = line;
        }
        if !c.step(end) {
            break;
        }
    }
    want.assert_eq(&(lines.join("\n") + "\n"));
}

fn events(c: &Cluster, name: &str, want: Expect) {
    let mut found: Vec<Event> = all(c, "/registry/events/");
    found.retain(|e| e.involved_object.name.as_deref() == Some(name));
    found.sort_by_key(|e| e.metadata.resource_version.as_ref().and_then(|r| r.parse::<u64>().ok()));
    let lines: Vec<String> = found
        .iter()
        .map(|e| {
            format!(
                "{} {} x{} {}\n",
                e.type_.clone().unwrap_or_default(),
                e.reason.clone().unwrap_or_default(),
                e.count.unwrap_or(0),
                e.message.clone().unwrap_or_default()
            )
        })
        .collect();
    want.assert_eq(&lines.concat());
}

/// The mirrors of static pods.
fn mirrors(c: &Cluster) -> Vec<Pod> {
    let mut found = all::<Pod>(c, "/registry/pods/kube-system/");
    found.retain(super::pod_manager::is_mirror);
    found
}

#[test]
fn mirrors_wait_for_their_node_and_come_back() {
    let mirrors = |c: &Cluster| mirrors(c).len();
    for seed in 1..20 {
        let config = ClusterConfig { seed, workers: 3, ..ClusterConfig::default() };
        let images = Rc::new(Registries::new(Registry::standard(), modules()));
        let mut c = Cluster::new(config, Box::new(FakeEngine::default()), images);
        c.run_until(SimTime::from_secs(120));
        assert_eq!(mirrors(&c), 4, "seed {seed}");
        // Mirrors go with the Node that they name, and the kubelet makes others for the next.
        request(&mut c, "DELETE", "/api/v1/nodes/control-plane", None);
        c.run_for(Duration::from_secs(600));
        assert_eq!(mirrors(&c), 0, "seed {seed}");
        c.submit(Input::Service {
            machine: "control-plane".into(),
            service: "kubelet".into(),
            action: ServiceAction::Restart,
        });
        c.run_for(Duration::from_secs(120));
        assert_eq!(mirrors(&c), 4, "seed {seed}");
    }
}

#[test]
fn cluster_boots_and_static_pods_are_mirrored() {
    let c = cluster(2);
    let mut lines: Vec<String> = mirrors(&c)
        .iter()
        .map(|p| {
            let owner = p.metadata.owner_references.as_ref().and_then(|o| o.first()).map(|o| o.kind.clone());
            format!("{} {:?}", p.metadata.name.clone().unwrap_or_default(), owner)
        })
        .collect();
    lines.sort();
    expect![[r#"
        etcd-control-plane Some("Node")
        kube-apiserver-control-plane Some("Node")
        kube-controller-manager-control-plane Some("Node")
        kube-scheduler-control-plane Some("Node")"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn nginx_comes_and_goes() {
    let mut c = cluster(1);
    let spec = serde_json::json!({ "containers": [{ "name": "nginx", "image": "nginx:1.27" }] });
    apply(&mut c, pod_json("web", spec));
    watch(
        &mut c,
        "web",
        Duration::from_secs(20),
        expect![[r#"
            0.0 gone
            0.0 Pending [] 
            0.0 Pending [nginx:ContainerCreating ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
            3.5 Running [nginx:Running ready=true restarts=0] 
        "#]],
    );
    request(&mut c, "DELETE", "/api/v1/namespaces/default/pods/web", None);
    watch(
        &mut c,
        "web",
        Duration::from_secs(20),
        expect![[r#"
        0.0 Running [nginx:Running ready=true restarts=0] 
        0.1 Succeeded [nginx:Completed(0) ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
        0.2 gone
    "#]],
    );
    events(
        &c,
        "web",
        expect![[r#"
            Normal Pulling x1 Pulling image "nginx:1.27"
            Normal Pulled x1 Successfully pulled image "nginx:1.27" in 3.061s (3.061s including waiting). Image size: 72404038 bytes.
            Normal Created x1 Container created
            Normal Started x1 Container started
            Normal Killing x1 Stopping container nginx
        "#]],
    );
}

#[test]
fn crash_loop_backs_off() {
    let mut c = cluster(1);
    let spec = serde_json::json!({ "containers": [{ "name": "c", "image": "busybox:1.36", "command": ["false"] }] });
    apply(&mut c, pod_json("crash", spec));
    watch(
        &mut c,
        "crash",
        Duration::from_secs(90),
        expect![[r#"
            0.0 gone
            0.0 Pending [] 
            0.0 Pending [c:ContainerCreating ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
            0.9 Running [c:Error(1) ready=false restarts=0] !Ready !ContainersReady
            1.8 Running [c:CrashLoopBackOff ready=false restarts=1] !Ready !ContainersReady
            11.8 Running [c:CrashLoopBackOff ready=false restarts=2] !Ready !ContainersReady
            31.8 Running [c:CrashLoopBackOff ready=false restarts=3] !Ready !ContainersReady
            71.8 Running [c:CrashLoopBackOff ready=false restarts=4] !Ready !ContainersReady
        "#]],
    );
    events(
        &c,
        "crash",
        expect![[r#"
            Normal Pulling x1 Pulling image "busybox:1.36"
            Normal Pulled x1 Successfully pulled image "busybox:1.36" in 504ms (504ms including waiting). Image size: 2219949 bytes.
            Normal Pulled x4 Container image "busybox:1.36" already present on machine and can be accessed by the pod
            Normal Created x5 Container created
            Normal Started x5 Container started
            Warning BackOff x4 Back-off restarting failed container c in pod crash_default(aa1dd587-4647-487c-b18a-3de988563b7f)
        "#]],
    );
}

#[test]
fn unknown_image_backs_off() {
    let mut c = cluster(1);
    let spec = serde_json::json!({ "containers": [{ "name": "c", "image": "nginx:nope" }] });
    apply(&mut c, pod_json("pull", spec));
    watch(
        &mut c,
        "pull",
        Duration::from_secs(60),
        expect![[r#"
            0.0 gone
            0.0 Pending [] 
            0.0 Pending [c:ContainerCreating ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
            0.8 Pending [c:ErrImagePull ready=false restarts=0] !Ready !ContainersReady
            13.0 Pending [c:ImagePullBackOff ready=false restarts=0] !Ready !ContainersReady
            26.4 Pending [c:ErrImagePull ready=false restarts=0] !Ready !ContainersReady
            38.0 Pending [c:ImagePullBackOff ready=false restarts=0] !Ready !ContainersReady
            53.2 Pending [c:ErrImagePull ready=false restarts=0] !Ready !ContainersReady
        "#]],
    );
    events(
        &c,
        "pull",
        expect![[r#"
        Normal Pulling x3 Pulling image "nginx:nope"
        Warning Failed x3 Failed to pull image "nginx:nope": rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nginx:nope": failed to resolve reference "docker.io/library/nginx:nope": docker.io/library/nginx:nope: not found
        Warning Failed x3 Error: ErrImagePull
        Normal BackOff x3 Back-off pulling image "nginx:nope"
        Warning Failed x3 Error: ImagePullBackOff
    "#]],
    );
}

#[test]
fn init_containers_run_one_after_another_and_a_job_pod_completes() {
    let mut c = cluster(1);
    let spec = serde_json::json!({
        "restartPolicy": "Never",
        "initContainers": [{ "name": "first", "image": "busybox:1.36", "command": ["true"] }],
        "containers": [{ "name": "main", "image": "busybox:1.36", "command": ["sleep", "3"] }],
    });
    apply(&mut c, pod_json("job", spec));
    watch(
        &mut c,
        "job",
        Duration::from_secs(30),
        expect![[r#"
            0.0 gone
            0.0 Pending [] 
            0.0 Pending [first:PodInitializing ready=false restarts=0, main:PodInitializing ready=false restarts=0] !PodReadyToStartContainers !Initialized !Ready !ContainersReady
            0.9 Pending [first:Completed(0) ready=true restarts=0, main:PodInitializing ready=false restarts=0] !Ready !ContainersReady
            1.8 Running [first:Completed(0) ready=true restarts=0, main:Running ready=true restarts=0] 
            4.8 Running [first:Completed(0) ready=true restarts=0, main:Completed(0) ready=false restarts=0] !Ready !ContainersReady
            4.8 Succeeded [first:Completed(0) ready=true restarts=0, main:Completed(0) ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
        "#]],
    );
}

#[test]
fn probes_decide_readiness_and_restart() {
    let mut c = cluster(1);
    let spec = serde_json::json!({ "containers": [{
        "name": "nginx", "image": "nginx:1.27",
        "readinessProbe": { "httpGet": { "path": "/", "port": 80 }, "periodSeconds": 5 },
        "livenessProbe": { "httpGet": { "path": "/", "port": 81 }, "periodSeconds": 5, "failureThreshold": 2 },
    }] });
    apply(&mut c, pod_json("probed", spec));
    watch(
        &mut c,
        "probed",
        Duration::from_secs(25),
        expect![[r#"
            0.0 gone
            0.0 Pending [] 
            0.0 Pending [nginx:ContainerCreating ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
            3.5 Running [nginx:Running ready=false restarts=0] !Ready !ContainersReady
            3.5 Running [nginx:Running ready=true restarts=0] 
            10.8 Running [nginx:Running ready=false restarts=1] !Ready !ContainersReady
            10.8 Running [nginx:Running ready=true restarts=1] 
            20.8 Running [nginx:Running ready=false restarts=2] !Ready !ContainersReady
            20.8 Running [nginx:Running ready=true restarts=2] 
        "#]],
    );
    events(
        &c,
        "probed",
        expect![[r#"
            Normal Pulling x1 Pulling image "nginx:1.27"
            Normal Pulled x1 Successfully pulled image "nginx:1.27" in 3.061s (3.061s including waiting). Image size: 72404038 bytes.
            Warning Unhealthy x4 Liveness probe failed: Get "http://10.244.1.2:81/": dial tcp 10.244.1.2:81: connect: connection refused
            Normal Killing x2 Container nginx failed liveness probe, will be restarted
            Normal Pulled x2 Container image "nginx:1.27" already present on machine and can be accessed by the pod
            Normal Created x3 Container created
            Normal Started x3 Container started
        "#]],
    );
}

#[test]
fn a_node_takes_what_fits_and_what_is_over_makes_room() {
    let mut c = cluster(1);
    let ask = |name: &str, cpu: &str, command: &[&str]| {
        let container = serde_json::json!({
            "name": "a", "image": "busybox:1.36", "command": command,
            "resources": { "requests": { "cpu": cpu } },
        });
        pod_json(name, serde_json::json!({ "restartPolicy": "Never", "containers": [container] }))
    };
    // Each comes once the one before it is settled.
    for (name, cpu, command, state) in [
        ("done", "3", ["true", ""], "Succeeded [a:Completed(0) ready=false restarts=0]"),
        ("first", "2", ["sleep", "3600"], "Running"),
        ("second", "1500m", ["sleep", "3600"], "Running"),
        ("third", "1", ["sleep", "3600"], "Failed"),
        ("small", "100m", ["sleep", "3600"], "Running"),
    ] {
        let command: Vec<&str> = command.into_iter().filter(|word| !word.is_empty()).collect();
        apply(&mut c, ask(name, cpu, &command));
        c.run_for(Duration::from_secs(30));
        let now = pod(&c, name).expect("the pod");
        assert!(shown(&now).starts_with(state), "{name}: {}", shown(&now));
    }
    // A pod of CoreDNS is there too, which asks for 100m.
    let status = pod(&c, "third").and_then(|p| p.status).unwrap_or_default();
    assert_eq!(status.reason.as_deref(), Some("OutOfcpu"));
    assert_eq!(
        status.message.as_deref(),
        Some("Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 3600, capacity: 4000")
    );
    // One that is turned away takes nothing from the next, which comes in the same moment.
    apply(&mut c, ask("large", "1", &["sleep", "3600"]));
    apply(&mut c, ask("beside", "100m", &["sleep", "3600"]));
    c.run_for(Duration::from_secs(30));
    for (name, state) in [("large", "Failed"), ("beside", "Running")] {
        let now = pod(&c, name).expect("the pod");
        assert!(shown(&now).starts_with(state), "{name}: {}", shown(&now));
    }
    // What was deleted asks for nothing any more.
    request(&mut c, "DELETE", "/api/v1/namespaces/default/pods/first", None);
    c.run_for(Duration::from_secs(60));
    apply(&mut c, ask("fourth", "2", &["sleep", "3600"]));
    c.run_for(Duration::from_secs(30));
    let fourth = pod(&c, "fourth").expect("the pod");
    assert!(shown(&fourth).starts_with("Running"), "{}", shown(&fourth));
}

#[test]
fn config_that_is_missing_is_waited_for() {
    let mut c = cluster(1);
    let spec = serde_json::json!({
        "volumes": [{ "name": "cfg", "configMap": { "name": "settings" } }],
        "containers": [{ "name": "nginx", "image": "nginx:1.27",
            "env": [{ "name": "COLOUR", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "colour" } } }],
            "volumeMounts": [{ "name": "cfg", "mountPath": "/etc/cfg" }] }],
    });
    apply(&mut c, pod_json("cfg", spec));
    c.run_for(Duration::from_secs(3));
    let map = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "colour": "red" } });
    apply(&mut c, map);
    watch(
        &mut c,
        "cfg",
        Duration::from_secs(20),
        expect![[r#"
            0.0 Pending [nginx:ContainerCreating ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
            4.4 Running [nginx:Running ready=true restarts=0] 
        "#]],
    );
    events(
        &c,
        "cfg",
        expect![[r#"
            Warning FailedMount x3 MountVolume.SetUp failed for volume "cfg" : configmap "settings" not found
            Normal Pulling x1 Pulling image "nginx:1.27"
            Normal Pulled x1 Successfully pulled image "nginx:1.27" in 2.91s (3.186s including waiting). Image size: 72404038 bytes.
            Normal Created x1 Container created
            Normal Started x1 Container started
        "#]],
    );
}

#[test]
fn a_restarted_kubelet_finds_its_containers() {
    let mut c = with_web(1);
    let before = pod(&c, "web").and_then(|p| p.status).unwrap_or_default();
    c.submit(Input::Service { machine: "worker-1".into(), service: "kubelet".into(), action: ServiceAction::Kill });
    watch(
        &mut c,
        "web",
        Duration::from_secs(40),
        expect![[r#"
        0.0 Running [nginx:Running ready=true restarts=0] 
    "#]],
    );
    let after = pod(&c, "web").and_then(|p| p.status).unwrap_or_default();
    assert_eq!(before.container_statuses, after.container_statuses);
    assert_eq!(before.pod_ip, after.pod_ip);
}

#[test]
fn a_pod_is_ready_again_after_a_partition() {
    let mut c = with_web(2);
    let ready = |c: &Cluster| {
        let conditions = pod(c, "web").and_then(|p| p.status?.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    assert!(ready(&c));
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::Unplug });
    c.run_for(Duration::from_secs(90));
    assert!(!ready(&c), "the node controller calls pods of a silent node not ready");
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::Plug });
    // Its kubelet never stopped, and has sent this status long ago: it sees that the api-server shows another.
    c.run_for(Duration::from_secs(40));
    assert!(ready(&c));
}

/// The status of `GET /` at an address, asked from a machine; 0 for none.
fn get(c: &mut Cluster, from: u32, ip: &str, port: u16) -> u16 {
    let (network, answer) = (c.network().clone(), Rc::new(std::cell::Cell::new(0)));
    let (ip, told, process) = (ip.parse().unwrap(), answer.clone(), c.sim().start_process("test", MachineId(from)));
    c.sim().spawn(process, async move {
        let request = HttpRequest { path: "/".into(), ..HttpRequest::default() };
        let r = network.http(MachineId(from), (ip, port), &request, Duration::from_secs(5)).await;
        told.set(r.map_or(0, |r| r.status));
    });
    c.run_for(Duration::from_secs(6));
    answer.get()
}

#[test]
fn kube_proxy_carries_cluster_ips_and_node_ports() {
    let mut c = cluster(2);
    let spec = serde_json::json!({ "containers": [{ "name": "nginx", "image": "nginx:1.27" }] });
    apply(&mut c, pod_json("web", spec));
    c.run_for(Duration::from_secs(20));
    let ip = pod(&c, "web").and_then(|p| p.status).and_then(|s| s.pod_ip).unwrap_or_default();
    assert_eq!(get(&mut c, 1, "10.96.0.77", 80), 0, "no service yet");
    apply(
        &mut c,
        serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
            "spec": { "type": "NodePort", "clusterIP": "10.96.0.77", "ports": [{ "port": 80, "targetPort": 80, "nodePort": 30080 }] },
        }),
    );
    apply(
        &mut c,
        serde_json::json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4", "ports": [{ "port": 80, "protocol": "TCP", "name": "" }],
            "endpoints": [{ "addresses": [ip], "conditions": { "ready": true } }],
        }),
    );
    c.run_for(Duration::from_secs(3));
    for machine in [1, 2] {
        assert_eq!(get(&mut c, machine, "10.96.0.77", 80), 200, "by the cluster IP from machine {machine}");
    }
    assert_eq!(get(&mut c, 2, "172.30.0.3", 30080), 200, "by worker-1's node port");
    let proxy = all::<Pod>(&c, "/registry/pods/kube-system/kube-proxy-").into_iter().find(|p| on(p) == "worker-1");
    let pod = proxy.and_then(|p| p.metadata.name).unwrap();
    c.submit(Input::KillContainer { namespace: "kube-system".into(), pod, container: "kube-proxy".into() });
    assert_eq!(get(&mut c, 1, "10.96.0.77", 80), 200, "the rules outlive the process");
}

fn on(p: &Pod) -> &str {
    p.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default()
}

/// What a command prints to standard output.
fn printed(c: &mut Cluster, line: &str) -> String {
    c.take_outputs();
    c.submit(Input::Command { id: 7, line: line.into(), files: Vec::new() });
    c.run_for(Duration::from_secs(5));
    let texts = c.take_outputs().into_iter().filter_map(|o| match o {
        Output::Text { id: 7, stderr: false, text } => Some(text),
        _ => None,
    });
    texts.collect()
}

#[test]
fn component_statuses_tell_which_part_is_down() {
    let mut c = cluster(1);
    let (machine, component) = ("control-plane".to_owned(), "kube-scheduler".to_owned());
    c.submit(Input::Component { machine, component, action: ComponentAction::Stop });
    c.run_for(Duration::from_secs(40));
    expect![[r#"
        NAME                 STATUS      MESSAGE                                                                                        ERROR
        controller-manager   Healthy     ok                                                                                             
        scheduler            Unhealthy   Get "https://127.0.0.1:10259/healthz": dial tcp 127.0.0.1:10259: connect: connection refused   
        etcd-0               Healthy     ok                                                                                             
    "#]]
    .assert_eq(&printed(&mut c, "kubectl get componentstatuses"));
}
