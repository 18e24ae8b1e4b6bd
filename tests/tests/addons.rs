//! What kubeadm installs, in a cluster over wasmtime: the control plane's static pods and the add-ons; what they look like, what they carry, and what
//! breaks without them.

use std::time::Duration;

use podarium_core::cluster::Cluster;
use podarium_core::session::{ClusterConfig, ComponentAction, Input};
use podarium_tests::tank;
use podarium_tests::timeline::is_like;

/// A client, three servers behind each kind of service, and servers with names of their own.
const FILES: [(&str, &str); 1] = [("net.yaml", NET)];
const NET: &str = "
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  nodeName: worker-1
  containers: [{name: main, image: busybox, command: [sleep, infinity]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.28.0'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.77, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: 'nginx:1.28.0'}]}
";

fn seconds(c: &mut Cluster, n: u64) {
    c.run_for(Duration::from_secs(n));
}

/// A cluster of two workers with all of it up.
fn served() -> Cluster {
    let mut c = tank::booted(ClusterConfig { workers: 2, ..ClusterConfig::default() });
    tank::ok(&mut c, "kubectl apply -f net.yaml", &FILES);
    seconds(&mut c, 40);
    c
}

/// What wget in the client says of an address: its last line.
fn wget(c: &mut Cluster, from: &str, to: &str) -> String {
    let (out, err, _) = tank::command(c, &format!("kubectl exec {from} -- wget -T 5 -qO- {to}"), &[]);
    let all = format!("{out}{err}");
    let wanted = all.lines().find(|l| l.contains("Welcome") || l.starts_with("wget:"));
    wanted.unwrap_or(&all).trim().to_owned()
}

/// Asks and checks, `(address, what is said)`.
fn ask(c: &mut Cluster, from: &str, asked: &[(&str, &str)]) {
    for (to, said) in asked {
        let got = wget(c, from, to);
        assert!(is_like(&got, said), "{to} from {from} at {}: {got}", c.now());
    }
}

const SERVED: &str = "*Welcome to nginx*";
const NO_NAME: &str = "wget: bad address '*'";

/// Lines of a table as words, without its head.
fn rows(c: &mut Cluster, line: &str) -> Vec<String> {
    let text = tank::ok(c, line, &[]);
    let words = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().skip(1).map(words).collect()
}

#[test]
fn they_come_up() {
    let mut c = tank::booted(ClusterConfig::default());
    seconds(&mut c, 90);
    let like = |got: Vec<String>, want: &[&str]| {
        assert_eq!(got.len(), want.len(), "{got:?}");
        for (g, w) in got.iter().zip(want) {
            assert!(is_like(g, w), "{got:?}");
        }
    };
    like(
        rows(&mut c, "kubectl get pods -n kube-system"),
        &[
            "coredns-*-* 1/1 Running 0 *s",
            "coredns-*-* 1/1 Running 0 *s",
            "etcd-control-plane 1/1 Running 0 *s",
            "kube-apiserver-control-plane 1/1 Running 0 *s",
            "kube-controller-manager-control-plane 1/1 Running 0 *s",
            "kube-proxy-* 1/1 Running 0 *s",
            "kube-proxy-* 1/1 Running 0 *s",
            "kube-proxy-* 1/1 Running 0 *s",
            "kube-proxy-* 1/1 Running 0 *s",
            "kube-scheduler-control-plane 1/1 Running 0 *s",
        ],
    );
    like(rows(&mut c, "kubectl get daemonsets,deployments -n kube-system -o name"), &["deployment.apps/coredns"]);
    like(rows(&mut c, "kubectl get daemonset -n kube-system"), &["kube-proxy 4 4 4 4 4 kubernetes.io/os=linux *s"]);
    like(rows(&mut c, "kubectl get deployment -n kube-system"), &["coredns 2/2 2 2 *s"]);
    like(
        rows(&mut c, "kubectl get service -n kube-system"),
        &["kube-dns ClusterIP 10.96.0.10 <none> 53/UDP,53/TCP,9153/TCP *s"],
    );
    let maps = rows(&mut c, "kubectl get configmaps -A");
    for name in [
        "kube-public cluster-info 1",
        "kube-system coredns 1",
        "kube-system kube-proxy 2",
        "kube-system kubeadm-config 1",
        "kube-system kubelet-config 1",
    ] {
        assert!(maps.iter().any(|m| m.starts_with(name)), "{name}: {maps:?}");
    }
    let can = "kubectl auth can-i list endpointslices.discovery.k8s.io --as system:serviceaccount:kube-system";
    for who in ["kube-proxy", "coredns"] {
        assert_eq!(tank::ok(&mut c, &format!("{can}:{who}"), &[]), "yes\n", "{who}");
    }
    // The CoreDNS pods' probes are answered by them.
    let events = tank::ok(&mut c, "kubectl get events -n kube-system", &[]);
    assert!(!events.contains("Liveness probe failed"), "{events}");
    // A node that joins gets its kube-proxy.
    c.submit(Input::AddNodes { count: 1 });
    seconds(&mut c, 40);
    like(rows(&mut c, "kubectl get daemonset -n kube-system"), &["kube-proxy 5 5 5 5 5 kubernetes.io/os=linux *s"]);
}

#[test]
fn services_are_reached_by_address_port_and_name() {
    let mut c = served();
    ask(
        &mut c,
        "box",
        &[
            ("http://10.96.0.77", SERVED),
            ("http://172.30.0.3:30080", SERVED),
            ("http://172.30.0.2:30080", SERVED),
            ("http://web", SERVED),
            ("http://web.default", SERVED),
            ("http://web.default.svc.cluster.local", SERVED),
            ("http://alias", SERVED),
            ("http://db", SERVED),
            ("http://db-1.db", SERVED),
            ("http://db-1.db.default.svc.cluster.local", SERVED),
            ("http://db-7.db", NO_NAME),
            ("http://nowhere", NO_NAME),
            ("http://web.kube-system", NO_NAME),
        ],
    );
    let said = tank::ok(&mut c, "kubectl exec box -- nslookup web", &[]);
    assert!(said.starts_with("Server:\t\t10.96.0.10\n") && said.contains("Address: 10.96.0.77\n"), "{said}");
    let said = tank::ok(&mut c, "kubectl exec box -- nslookup db", &[]);
    assert_eq!(said.matches("Address: 10.244.").count(), 2, "{said}");
    // Without pods behind it a service refuses.
    tank::ok(&mut c, "kubectl scale deployment web --replicas=0", &[]);
    seconds(&mut c, 5);
    ask(&mut c, "box", &[("http://web", "wget: can't connect to remote host*: Connection refused")]);
}

#[test]
fn rules_outlive_kube_proxy_and_go_stale() {
    let mut c = served();
    // Without it nothing new is learnt, and what was learnt stays.
    tank::ok(&mut c, "kubectl delete daemonset kube-proxy -n kube-system", &[]);
    seconds(&mut c, 10);
    assert_eq!(rows(&mut c, "kubectl get pods -n kube-system -l k8s-app=kube-proxy"), Vec::<String>::new());
    tank::ok(&mut c, "kubectl expose deployment web --name=late --port=80", &[]);
    seconds(&mut c, 5);
    let late = tank::ok(&mut c, "kubectl get service late -o jsonpath={.spec.clusterIP}", &[]);
    let unknown = "wget: *";
    ask(&mut c, "box", &[("http://web", SERVED), (&format!("http://{late}"), unknown)]);
    // New pods have other addresses; the rules lead to where the old ones were.
    tank::ok(&mut c, "kubectl delete pods -l app=web", &[]);
    seconds(&mut c, 20);
    assert_eq!(rows(&mut c, "kubectl get pods -l app=web").len(), 3);
    ask(&mut c, "box", &[("http://10.96.0.77", unknown)]);
}

#[test]
fn a_killed_kube_proxy_catches_up() {
    let mut c = served();
    let name = tank::ok(
        &mut c,
        "kubectl get pods -n kube-system -l k8s-app=kube-proxy --field-selector spec.nodeName=worker-1 -o jsonpath={.items[0].metadata.name}",
        &[],
    );
    let container = "kube-proxy".to_owned();
    c.submit(Input::KillContainer { namespace: "kube-system".into(), pod: name, container });
    tank::ok(&mut c, "kubectl expose deployment web --name=late --port=80", &[]);
    let late = tank::ok(&mut c, "kubectl get service late -o jsonpath={.spec.clusterIP}", &[]);
    seconds(&mut c, 20);
    ask(&mut c, "box", &[("http://web", SERVED), (&format!("http://{late}"), SERVED), ("http://late", SERVED)]);
}

#[test]
fn a_node_without_kube_proxy_knows_no_services() {
    let mut c = served();
    let patch = r#"kubectl patch daemonset kube-proxy -n kube-system -p '{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"worker-1"}}}}}'"#;
    tank::ok(&mut c, patch, &[]);
    seconds(&mut c, 30);
    c.submit(Input::AddNodes { count: 1 });
    seconds(&mut c, 40);
    let far =
        NET.split("---").next().unwrap_or_default().replace("name: box", "name: far").replace("worker-1", "worker-3");
    tank::ok(&mut c, "kubectl apply -f far.yaml", &[("far.yaml", &far)]);
    seconds(&mut c, 15);
    let pod = tank::ok(&mut c, "kubectl get pods -l app=web -o jsonpath={.items[0].status.podIP}", &[]);
    ask(
        &mut c,
        "far",
        &[
            ("http://10.96.0.77", "wget: *"),
            // Nobody answers at the name server's address either.
            ("http://web", "wget: *"),
            (&format!("http://{pod}"), SERVED),
            // worker-1 has rules for its own node ports.
            ("http://172.30.0.3:30080", SERVED),
        ],
    );
    ask(&mut c, "box", &[("http://web", SERVED)]);
}

#[test]
fn names_need_coredns_and_addresses_do_not() {
    let mut c = served();
    tank::ok(&mut c, "kubectl scale deployment coredns -n kube-system --replicas=0", &[]);
    seconds(&mut c, 10);
    ask(&mut c, "box", &[("http://web", NO_NAME), ("http://10.96.0.77", SERVED), ("http://172.30.0.2:30080", SERVED)]);
    tank::ok(&mut c, "kubectl scale deployment coredns -n kube-system --replicas=2", &[]);
    seconds(&mut c, 30);
    ask(&mut c, "box", &[("http://web", SERVED), ("http://db-0.db", SERVED)]);
}

#[test]
fn draining_a_node_minds_its_daemons_and_moves_coredns() {
    let mut c = tank::booted(ClusterConfig { workers: 2, ..ClusterConfig::default() });
    seconds(&mut c, 30);
    let (_, said, code) = tank::command(&mut c, "kubectl drain worker-1", &[]);
    let refused = "*cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): kube-system/kube-proxy-*";
    assert!(code == 1 && is_like(said.trim_end(), refused), "{said}");
    for node in ["worker-1", "worker-2"] {
        let said = tank::ok(&mut c, &format!("kubectl drain {node} --ignore-daemonsets"), &[]);
        assert!(said.ends_with(&format!("node/{node} drained\n")), "{said}");
    }
    seconds(&mut c, 30);
    // It tolerates the control plane's taint.
    let nodes = "kubectl get pods -n kube-system -l k8s-app=kube-dns -o jsonpath={.items[*].spec.nodeName}";
    assert_eq!(tank::ok(&mut c, nodes, &[]), "control-plane control-plane");
    assert_eq!(rows(&mut c, "kubectl get deployment coredns -n kube-system").len(), 1);
}

/// The lines of a listing, like `wanted`, one for each.
fn listed(c: &mut Cluster, line: &str, wanted: &[&str]) {
    let text = tank::ok(c, line, &[]);
    for wanted in wanted {
        assert!(
            text.lines().any(|l| is_like(&l.split_whitespace().collect::<Vec<_>>().join(" "), wanted)),
            "{wanted}: {text}"
        );
    }
}

#[test]
fn static_pods_are_ready_when_their_probes_say_so() {
    let mut c = tank::booted(ClusterConfig { workers: 1, ..ClusterConfig::default() });
    seconds(&mut c, 120);
    listed(
        &mut c,
        "kubectl get pods -n kube-system",
        &["etcd-", "kube-apiserver-", "kube-controller-manager-", "kube-scheduler-"]
            .map(|name| format!("{name}control-plane 1/1 Running 0 *"))
            .each_ref()
            .map(String::as_str),
    );
    let https = "delay=10s timeout=15s period=10s #success=1";
    let apiserver = format!("Liveness: http-get https://172.30.0.2:probe-port/livez {https} #failure=8");
    listed(
        &mut c,
        "kubectl describe pod kube-apiserver-control-plane -n kube-system",
        &[
            &apiserver,
            "Readiness: http-get https://172.30.0.2:probe-port/readyz delay=0s timeout=15s period=1s #success=1 #failure=3",
            "Startup: http-get https://172.30.0.2:probe-port/livez delay=10s timeout=15s period=10s #success=1 #failure=24",
        ],
    );
    listed(
        &mut c,
        "kubectl describe pod etcd-control-plane -n kube-system",
        &[
            "Liveness: http-get http://127.0.0.1:probe-port/livez delay=10s timeout=15s period=10s #success=1 #failure=8",
        ],
    );
}

#[test]
fn an_api_server_without_etcd_is_restarted() {
    let mut c = tank::booted(ClusterConfig { workers: 1, ..ClusterConfig::default() });
    seconds(&mut c, 60);
    let etcd = |action| Input::Component { machine: "control-plane".into(), component: "etcd".into(), action };
    c.submit(etcd(ComponentAction::Stop));
    // Eight looks at its liveness fail, ten seconds apart; the pod has 30 s to end, and needs none.
    seconds(&mut c, 60);
    c.submit(etcd(ComponentAction::Start));
    seconds(&mut c, 60);
    listed(&mut c, "kubectl get pods -n kube-system", &["kube-apiserver-control-plane 1/1 Running 0 *"]);
    c.submit(etcd(ComponentAction::Stop));
    seconds(&mut c, 100);
    c.submit(etcd(ComponentAction::Start));
    seconds(&mut c, 90);
    listed(&mut c, "kubectl get pods -n kube-system", &["kube-apiserver-control-plane 1/1 Running 1 (*s ago) *"]);
}

#[test]
fn who_speaks_no_tls_fails_an_https_probe() {
    const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  containers:
  - name: main
    image: nginx:1.28.0
    readinessProbe: {periodSeconds: 1, httpGet: {port: 80, scheme: HTTPS}}
";
    let mut c = tank::booted(ClusterConfig { workers: 1, ..ClusterConfig::default() });
    tank::ok(&mut c, "kubectl apply -f pod.yaml", &[("pod.yaml", POD)]);
    seconds(&mut c, 20);
    listed(&mut c, "kubectl get pods", &["plain 0/1 Running 0 *"]);
    listed(
        &mut c,
        "kubectl get events",
        &[
            "* Warning Unhealthy pod/plain Readiness probe failed: Get \"https://10.244.*:80/\": http: server gave HTTP response to HTTPS client",
        ],
    );
}
