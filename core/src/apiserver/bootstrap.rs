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
}
