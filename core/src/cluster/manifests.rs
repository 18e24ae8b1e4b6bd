//! The static pods of the control plane, as kubeadm writes them.
//! Models kubeadm's `phases/controlplane/manifests.go` and `phases/etcd/local.go`.

/// The Kubernetes version of every part.
pub const VERSION: &str = "v1.36.2";
/// The etcd image's tag that kubeadm v1.36 uses.
pub const ETCD_TAG: &str = "3.6.6-0";
/// The CoreDNS image's tag that kubeadm v1.36 uses.
pub const COREDNS_TAG: &str = "v1.14.2";

/// Where the kubelet looks for static pods.
pub const MANIFEST_DIR: &str = "/etc/kubernetes/manifests/";

/// Where a kube-apiserver serves.
pub(super) const APISERVER_PORT: u16 = 6443;
/// Where a kube-controller-manager serves its health.
pub(super) const CONTROLLER_MANAGER_PORT: u16 = 10_257;
/// Where a kube-scheduler serves its health.
pub(super) const SCHEDULER_PORT: u16 = 10_259;
/// Where etcd serves its metrics and its health.
pub(super) const ETCD_METRICS_PORT: u16 = 2381;

/// What a kubelet asks a part.
struct Probes {
    host: String,
    port: u16,
    scheme: &'static str,
    liveness: &'static str,
    readiness: Option<&'static str>,
    startup: &'static str,
}

/// One probe, where it comes in the container's fields. Models kubeadm's `util/staticpod/utils.go`.
fn probe(y: &mut String, field: &str, p: &Probes, path: &str, failures: u32, times: &str) {
    let Probes { host, scheme, .. } = p;
    y.push_str(&format!(
        "    {field}:\n      failureThreshold: {failures}\n      httpGet:\n        host: {host}\n        path: {path}\n        port: probe-port\n        scheme: {scheme}\n{times}      timeoutSeconds: 15\n"
    ));
}

/// A probe's times where it waits for the part to come up.
const PATIENT: &str = "      initialDelaySeconds: 10\n      periodSeconds: 10\n";
/// The times of one that looks each second.
const OFTEN: &str = "      periodSeconds: 1\n";

struct Part {
    name: &'static str,
    image: String,
    cpu: &'static str,
    memory: Option<&'static str>,
    args: Vec<String>,
    annotations: Vec<(&'static str, String)>,
    probes: Probes,
}

fn manifest(p: &Part) -> String {
    let mut y = String::from("apiVersion: v1\nkind: Pod\nmetadata:\n");
    if !p.annotations.is_empty() {
        y.push_str("  annotations:\n");
        for (k, v) in &p.annotations {
            y.push_str(&format!("    {k}: {v}\n"));
        }
    }
    y.push_str(&format!(
        "  labels:\n    component: {0}\n    tier: control-plane\n  name: {0}\n  namespace: kube-system\nspec:\n  containers:\n  - command:\n    - {0}\n",
        p.name
    ));
    for a in &p.args {
        y.push_str(&format!("    - {a}\n"));
    }
    y.push_str(&format!("    image: {}\n    imagePullPolicy: IfNotPresent\n", p.image));
    probe(&mut y, "livenessProbe", &p.probes, p.probes.liveness, 8, PATIENT);
    y.push_str(&format!(
        "    name: {}\n    ports:\n    - containerPort: {}\n      name: probe-port\n      protocol: TCP\n",
        p.name, p.probes.port
    ));
    if let Some(path) = p.probes.readiness {
        probe(&mut y, "readinessProbe", &p.probes, path, 3, OFTEN);
    }
    y.push_str(&format!("    resources:\n      requests:\n        cpu: {}\n", p.cpu));
    if let Some(m) = p.memory {
        y.push_str(&format!("        memory: {m}\n"));
    }
    probe(&mut y, "startupProbe", &p.probes, p.probes.startup, 24, PATIENT);
    y.push_str("  hostNetwork: true\n  priority: 2000001000\n  priorityClassName: system-node-critical\n  securityContext:\n    seccompProfile:\n      type: RuntimeDefault\nstatus: {}\n");
    y
}

/// The images that kubeadm pulls for a control-plane node, beside the sandbox's.
pub fn images() -> Vec<String> {
    let parts = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
    let mut images: Vec<String> = parts.iter().map(|p| format!("registry.k8s.io/{p}:{VERSION}")).collect();
    images.push(format!("registry.k8s.io/coredns/coredns:{COREDNS_TAG}"));
    images.push(format!("registry.k8s.io/etcd:{ETCD_TAG}"));
    images
}

/// The pods' addresses, for a cluster that begins with so many machines: flannel's default, whose 256 ranges are one a node,
/// or a hundred times as many beside the services' addresses.
pub fn pod_network(machines: u32) -> &'static str {
    if machines <= 250 { "10.244.0.0/16" } else { "10.128.0.0/9" }
}

/// The manifests of a control-plane node at `ip`: path and text.
pub fn control_plane(node: &str, ip: &str, pod_network: &str) -> Vec<(String, String)> {
    let image = |name: &str| format!("registry.k8s.io/{name}:{VERSION}");
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let mut etcd = vec![
        format!("--advertise-client-urls=https://{ip}:2379"),
        format!("--initial-advertise-peer-urls=https://{ip}:2380"),
        format!("--initial-cluster={node}=https://{ip}:2380"),
        format!("--listen-client-urls=https://127.0.0.1:2379,https://{ip}:2379"),
        format!("--listen-peer-urls=https://{ip}:2380"),
        format!("--name={node}"),
    ];
    etcd.extend(own(&[
        "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
        "--client-cert-auth=true",
        "--data-dir=/var/lib/etcd",
        "--key-file=/etc/kubernetes/pki/etcd/server.key",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
        "--peer-client-cert-auth=true",
        "--peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
        "--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        "--snapshot-count=10000",
        "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        "--watch-progress-notify-interval=5s",
    ]));
    etcd.sort();
    let mut apiserver = vec![format!("--advertise-address={ip}")];
    apiserver.extend(own(&[
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth=true",
        "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
        "--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
        "--etcd-servers=https://127.0.0.1:2379",
        "--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt",
        "--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--secure-port=6443",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "--service-account-signing-key-file=/etc/kubernetes/pki/sa.key",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
    ]));
    let mut manager = own(&[
        "--allocate-node-cidrs=true",
        "--authentication-kubeconfig=/etc/kubernetes/controller-manager.conf",
        "--authorization-kubeconfig=/etc/kubernetes/controller-manager.conf",
        "--bind-address=127.0.0.1",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--cluster-name=kubernetes",
        "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt",
        "--cluster-signing-key-file=/etc/kubernetes/pki/ca.key",
        "--controllers=*,bootstrapsigner,tokencleaner",
        "--kubeconfig=/etc/kubernetes/controller-manager.conf",
        "--leader-elect=true",
        "--root-ca-file=/etc/kubernetes/pki/ca.crt",
        "--service-account-private-key-file=/etc/kubernetes/pki/sa.key",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--use-service-account-credentials=true",
    ]);
    manager.push(format!("--cluster-cidr={pod_network}"));
    manager.sort();
    let scheduler = own(&[
        "--authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
        "--authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
        "--bind-address=127.0.0.1",
        "--kubeconfig=/etc/kubernetes/scheduler.conf",
        "--leader-elect=true",
    ]);
    let local = |port, scheme, liveness, readiness, startup| Probes {
        host: "127.0.0.1".to_owned(),
        port,
        scheme,
        liveness,
        readiness,
        startup,
    };
    let parts = [
        Part {
            name: "etcd",
            image: format!("registry.k8s.io/etcd:{ETCD_TAG}"),
            cpu: "100m",
            memory: Some("100Mi"),
            args: etcd,
            annotations: vec![("kubeadm.kubernetes.io/etcd.advertise-client-urls", format!("https://{ip}:2379"))],
            probes: local(ETCD_METRICS_PORT, "HTTP", "/livez", Some("/readyz"), "/readyz"),
        },
        Part {
            name: "kube-apiserver",
            image: image("kube-apiserver"),
            cpu: "250m",
            memory: None,
            args: apiserver,
            annotations: vec![(
                "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint",
                format!("{ip}:{APISERVER_PORT}"),
            )],
            probes: Probes {
                host: ip.to_owned(),
                ..local(APISERVER_PORT, "HTTPS", "/livez", Some("/readyz"), "/livez")
            },
        },
        Part {
            name: "kube-controller-manager",
            image: image("kube-controller-manager"),
            cpu: "200m",
            memory: None,
            args: manager,
            annotations: Vec::new(),
            probes: local(CONTROLLER_MANAGER_PORT, "HTTPS", "/healthz", None, "/healthz"),
        },
        Part {
            name: "kube-scheduler",
            image: image("kube-scheduler"),
            cpu: "100m",
            memory: None,
            args: scheduler,
            annotations: Vec::new(),
            probes: local(SCHEDULER_PORT, "HTTPS", "/livez", Some("/readyz"), "/livez"),
        },
    ];
    parts.iter().map(|p| (format!("{MANIFEST_DIR}{}.yaml", p.name), manifest(p))).collect()
}
