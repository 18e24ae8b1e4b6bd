//! What the api-server makes sure of when it starts: its post-start hooks.
//! Models `pkg/controlplane/{instance.go,controller}`, `pkg/registry/{rbac,scheduling}/rest`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Namespace, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use super::auth::bootstrap_policy;
use super::{ApiServer, Caller, CreateOptions, User};
use crate::api::object::{Kind, Obj};
use crate::api::status::Status;

/// The address that the `kubernetes` service has: the first of the service range.
const KUBERNETES_CLUSTER_IP: &str = "10.96.0.1";
/// Where the api-server listens.
const SECURE_PORT: i32 = 6443;

const SYSTEM_NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

fn named(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        ..ObjectMeta::default()
    }
}

impl ApiServer {
    /// The api-server's own identity.
    pub(super) fn loopback(&self) -> Caller {
        let user = User {
            name: "system:apiserver".into(),
            groups: vec!["system:authenticated".into(), "system:masters".into()],
            ..User::default()
        };
        Caller { process: self.process, user: Rc::new(user), manager: "kube-apiserver".into() }
    }

    /// Creates an object unless it is there.
    fn ensure<K: Kind>(&mut self, o: K) -> Result<(), Status> {
        let Some(id) = self.registry.id_of::<K>() else { return Ok(()) };
        self.ensure_object(id, Rc::new(o))
    }

    fn ensure_object(&mut self, id: crate::registry::ResourceId, o: Obj) -> Result<(), Status> {
        let namespace = o.meta().namespace.clone().unwrap_or_default();
        if self.load(id, &namespace, o.meta().name.as_deref().unwrap_or_default()).is_some() {
            return Ok(());
        }
        let caller = self.loopback();
        match self.create(&caller, id, &namespace, o, &CreateOptions::default()) {
            Err(s) if !s.is_already_exists() => Err(s),
            _ => Ok(()),
        }
    }

    /// Runs the post-start hooks; an error means that they have to be tried again.
    pub(super) fn bootstrap(&mut self) -> Result<(), Status> {
        self.check_etcd()?;
        for name in SYSTEM_NAMESPACES {
            self.ensure(Namespace { metadata: named(name, ""), ..Namespace::default() })?;
        }
        for (name, value, description) in [
            (
                "system-cluster-critical",
                2_000_000_000,
                "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
            ),
            (
                "system-node-critical",
                2_000_001_000,
                "Used for system critical pods that must not be moved from their current node.",
            ),
        ] {
            self.ensure(PriorityClass {
                metadata: named(name, ""),
                value: Some(value),
                description: Some(description.into()),
                ..PriorityClass::default()
            })?;
        }
        let policy = bootstrap_policy();
        for o in policy.cluster_roles {
            self.ensure(o)?;
        }
        for o in policy.cluster_role_bindings {
            self.ensure(o)?;
        }
        for o in policy.roles {
            self.ensure(o)?;
        }
        for o in policy.role_bindings {
            self.ensure(o)?;
        }
        self.ensure_service_cidr()?;
        self.ensure_kubernetes_service()?;
        self.ensure_flow_control()?;
        self.ensure_api_services()
    }

    /// An object of a dynamic kind.
    pub(super) fn ensure_dynamic(&mut self, value: serde_json::Value) -> Result<(), Status> {
        let api_version = value["apiVersion"].as_str().unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(g, _)| g);
        let kind = value["kind"].as_str().unwrap_or_default();
        let Some(id) = self.registry.find_kind(group, kind) else { return Ok(()) };
        let o = self.registry.strategy(id).decode(value).map_err(Status::internal)?;
        self.ensure_object(id, o)
    }

    fn ensure_service_cidr(&mut self) -> Result<(), Status> {
        self.ensure_dynamic(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": ["10.96.0.0/12"]},
        }))
    }

    fn ensure_kubernetes_service(&mut self) -> Result<(), Status> {
        let labels =
            |extra: &[(&str, &str)]| Some(extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let provider = [("component", "apiserver"), ("provider", "kubernetes")];
        let mut metadata = named("kubernetes", "default");
        metadata.labels = labels(&provider);
        self.ensure(Service {
            metadata,
            spec: Some(ServiceSpec {
                cluster_ip: Some(KUBERNETES_CLUSTER_IP.into()),
                cluster_ips: Some(vec![KUBERNETES_CLUSTER_IP.into()]),
                ip_families: Some(vec!["IPv4".into()]),
                ip_family_policy: Some("SingleStack".into()),
                internal_traffic_policy: Some("Cluster".into()),
                session_affinity: Some("None".into()),
                type_: Some("ClusterIP".into()),
                ports: Some(vec![ServicePort {
                    name: Some("https".into()),
                    port: 443,
                    protocol: Some("TCP".into()),
                    target_port: Some(IntOrString::Int(SECURE_PORT)),
                    ..ServicePort::default()
                }]),
                ..ServiceSpec::default()
            }),
            status: None,
        })?;
        let mut metadata = named("kubernetes", "default");
        metadata.labels = labels(&[("kubernetes.io/service-name", "kubernetes")]);
        let address = self.advertised_address();
        self.ensure(EndpointSlice {
            metadata,
            address_type: "IPv4".into(),
            endpoints: vec![Endpoint {
                addresses: vec![address],
                conditions: Some(EndpointConditions { ready: Some(true), ..EndpointConditions::default() }),
                ..Endpoint::default()
            }]
            .into(),
            ports: Some(vec![EndpointPort {
                name: Some("https".into()),
                port: Some(SECURE_PORT),
                protocol: Some("TCP".into()),
                ..EndpointPort::default()
            }]),
        })
    }

    /// The address of the machine that it runs on, as machines are numbered.
    fn advertised_address(&self) -> String {
        "192.168.0.10".into()
    }

    fn ensure_flow_control(&mut self) -> Result<(), Status> {
        // Models apiserver's `pkg/apis/flowcontrol/bootstrap/default.go`.
        let api = "flowcontrol.apiserver.k8s.io/v1";
        let auto = json!({"apf.kubernetes.io/autoupdate-spec": "true"});
        let level = |name: &str, spec: serde_json::Value| json!({"apiVersion": api, "kind": "PriorityLevelConfiguration", "metadata": {"name": name, "annotations": auto}, "spec": spec});
        let limited = |shares: i32, lendable: i32, queues: (i32, i32, i32)| {
            let (number, hand, length) = queues;
            json!({"type": "Limited", "limited": {
                "nominalConcurrencyShares": shares, "lendablePercent": lendable,
                "limitResponse": {"type": "Queue", "queuing": {
                    "queues": number, "handSize": hand, "queueLengthLimit": length}}}})
        };
        let levels = [
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
        ];
        for l in levels {
            self.ensure_dynamic(l)?;
        }
        let everything = json!([{
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }]);
        let flow = |name: &str,
                    level: &str,
                    precedence: i32,
                    by: Option<&str>,
                    subjects: serde_json::Value,
                    rules: &serde_json::Value| {
            let mut rules = rules.clone();
            rules[0]["subjects"] = subjects;
            let mut spec = json!({
                "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules,
            });
            if let Some(by) = by {
                spec["distinguisherMethod"] = json!({"type": by});
            }
            json!({"apiVersion": api, "kind": "FlowSchema", "metadata": {"name": name, "annotations": auto}, "spec": spec})
        };
        let group = |name: &str| json!([{"kind": "Group", "group": {"name": name}}]);
        let user = |name: &str| json!({"kind": "User", "user": {"name": name}});
        let accounts = |names: &[&str]| -> serde_json::Value {
            let each =
                |n: &&str| json!({"kind": "ServiceAccount", "serviceAccount": {"name": n, "namespace": "kube-system"}});
            names.iter().map(each).collect()
        };
        let leases = json!([{"resourceRules": [{
            "verbs": ["get", "create", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}]}]);
        let nodes = json!([{"resourceRules": [
            {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": true, "namespaces": ["*"]},
            {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}]}]);
        let probes =
            json!([{"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz"]}]}]);
        let election =
            json!([user("system:kube-controller-manager"), user("system:kube-scheduler"), accounts(&["*"])[0]]);
        let both = json!([group("system:unauthenticated")[0], group("system:authenticated")[0]]);
        let flows = [
            flow("exempt", "exempt", 1, None, group("system:masters"), &everything),
            flow("probes", "exempt", 2, None, both.clone(), &probes),
            flow("system-leader-election", "leader-election", 100, Some("ByUser"), election, &leases),
            flow(
                "endpoint-controller",
                "workload-high",
                150,
                Some("ByUser"),
                accounts(&["endpoint-controller", "endpointslice-controller", "endpointslicemirroring-controller"]),
                &json!([{"resourceRules": [
                    {"verbs": ["get", "create", "update"], "apiGroups": [""], "resources": ["endpoints"], "namespaces": ["*"]},
                    {"verbs": ["get", "create", "update"], "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "namespaces": ["*"]}]}]),
            ),
            flow("workload-leader-election", "leader-election", 200, Some("ByUser"), accounts(&["*"]), &leases),
            flow("system-node-high", "node-high", 400, Some("ByUser"), group("system:nodes"), &nodes),
            flow("system-nodes", "system", 500, Some("ByUser"), group("system:nodes"), &everything),
            flow(
                "kube-controller-manager",
                "workload-high",
                800,
                Some("ByNamespace"),
                json!([user("system:kube-controller-manager")]),
                &everything,
            ),
            flow(
                "kube-scheduler",
                "workload-high",
                800,
                Some("ByNamespace"),
                json!([user("system:kube-scheduler")]),
                &everything,
            ),
            flow(
                "kube-system-service-accounts",
                "workload-high",
                900,
                Some("ByNamespace"),
                accounts(&["*"]),
                &everything,
            ),
            flow(
                "service-accounts",
                "workload-low",
                9000,
                Some("ByUser"),
                group("system:serviceaccounts"),
                &everything,
            ),
            flow("global-default", "global-default", 9900, Some("ByUser"), both.clone(), &everything),
            flow("catch-all", "catch-all", 10000, Some("ByUser"), both, &everything),
        ];
        for f in flows {
            self.ensure_dynamic(f)?;
        }
        Ok(())
    }
}
