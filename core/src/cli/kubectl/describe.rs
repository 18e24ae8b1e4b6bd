//! kubectl describe. Models `pkg/cmd/describe` and `pkg/describe/describe.go`.

mod autoscaler;
mod config;
mod containers;
mod events;
mod generic;
mod network;
mod node;
mod pod;
mod service;
mod storage;
mod volumes;
mod workload;
mod writer;

use jiff::Timestamp;
use serde_json::Value;

use super::builder::{self, with_kinds};
use super::resources::{self, Resource};
use super::show::{selector_query, text};
use super::{Cx, Failure, Outcome, encode};
pub(super) use containers::pod_template;
pub(super) use writer::Writer;

/// What was fetched beside the object.
#[derive(Default)]
struct Beside {
    events: Option<Vec<Value>>,
    pods: Vec<Value>,
    replica_sets: Vec<Value>,
    endpoint_slices: Vec<Value>,
    /// The Services that an Ingress names, or why one was not found.
    services: Vec<(String, Result<Value, String>)>,
    lease: Option<Value>,
    quotas: Vec<Value>,
    limit_ranges: Vec<Value>,
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    if cx.args.words.is_empty() && !builder::has_files(cx) {
        return Err(Failure::error(
            "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.\n",
        ));
    }
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    // One object is shown with its events, several without, unless the flag says otherwise.
    let explicit = cx.args.get("show-events").map(|v| v == "true");
    let events = explicit.unwrap_or(wrong.is_empty() && found.len() == 1);
    if let ([one], true, [kind, prefix]) = (wrong.as_slice(), found.is_empty(), cx.args.words.as_slice())
        && one.is_not_found()
    {
        return matching(cx, &all, kind, prefix, one, explicit.unwrap_or(false)).await;
    }
    let now = cx.shell.door.sim.timestamp();
    let mut printed = 0;
    for f in &found {
        match fetch_beside(cx, f.resource, &f.object, events).await {
            Ok(beside) => {
                if printed > 0 {
                    cx.out("\n\n");
                }
                cx.out(describe(f.resource, &f.object, &beside, now));
                printed += 1;
            }
            Err(e) => wrong.push(e),
        }
    }
    if found.is_empty() && wrong.is_empty() {
        cx.shell.err(builder::nothing(cx, true));
    }
    Failure::many(wrong)
}

/// Describes what has names that begin so. Models DescribeMatchingResources.
async fn matching(
    cx: &Cx<'_>,
    all: &[Resource],
    kind: &str,
    prefix: &str,
    original: &Failure,
    events: bool,
) -> Outcome {
    let now = cx.shell.door.sim.timestamp();
    let mut any = false;
    for (r, _) in builder::targets(all, &[kind.to_owned()])? {
        let list = cx.ask("GET", &r.path(Some(&cx.namespace)), "", None).await?;
        for o in with_kinds(&list).iter().filter(|o| text(&o["metadata"]["name"]).starts_with(prefix)) {
            let beside = fetch_beside(cx, r, o, events).await?;
            cx.out(format!("{}\n", describe(r, o, &beside, now)));
            any = true;
        }
    }
    if any { Ok(()) } else { Err(original.clone()) }
}

async fn list(cx: &Cx<'_>, path: &str, query: &str) -> Vec<Value> {
    cx.ask("GET", path, query, None).await.map(|l| with_kinds(&l)).unwrap_or_default()
}

async fn fetch_beside(cx: &Cx<'_>, r: &Resource, o: &Value, with_events: bool) -> Result<Beside, Failure> {
    let mut beside = Beside::default();
    let (ns, name, uid) =
        (text(&o["metadata"]["namespace"]), text(&o["metadata"]["name"]), text(&o["metadata"]["uid"]));
    match (r.group.as_str(), r.kind.as_str()) {
        ("", "Node") => {
            let fields = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
            beside.pods = list(cx, "/api/v1/pods", &format!("fieldSelector={}", encode(&fields))).await;
            let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
            beside.lease = cx.ask("GET", &path, "", None).await.ok();
        }
        ("" | "apps", "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet") => {
            let s = match r.kind.as_str() {
                "ReplicationController" => selector_query(&serde_json::json!({"matchLabels": o["spec"]["selector"]})),
                _ => selector_query(&o["spec"]["selector"]),
            };
            beside.pods =
                list(cx, &format!("/api/v1/namespaces/{ns}/pods"), &format!("labelSelector={}", encode(&s))).await;
        }
        ("apps", "Deployment") => {
            let s = selector_query(&o["spec"]["selector"]);
            let path = format!("/apis/apps/v1/namespaces/{ns}/replicasets");
            beside.replica_sets = list(cx, &path, &format!("labelSelector={}", encode(&s))).await;
        }
        ("", "Service") => {
            let query = format!("labelSelector={}", encode(&format!("kubernetes.io/service-name={name}")));
            let path = format!("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices");
            beside.endpoint_slices = list(cx, &path, &query).await;
        }
        ("networking.k8s.io", "Ingress") => {
            let path = format!("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices");
            beside.endpoint_slices = list(cx, &path, "").await;
            for s in network::services(o) {
                let found = cx.ask("GET", &format!("/api/v1/namespaces/{ns}/services/{s}"), "", None).await;
                beside.services.push((s, found.map_err(|e| e.message())));
            }
        }
        ("", "PersistentVolumeClaim") => beside.pods = list(cx, &format!("/api/v1/namespaces/{ns}/pods"), "").await,
        ("", "Namespace") => {
            beside.quotas = list(cx, &format!("/api/v1/namespaces/{name}/resourcequotas"), "").await;
            beside.limit_ranges = list(cx, &format!("/api/v1/namespaces/{name}/limitranges"), "").await;
        }
        _ => {}
    }
    let silent = matches!(
        r.kind.as_str(),
        "Secret"
            | "ResourceQuota"
            | "LimitRange"
            | "Namespace"
            | "Role"
            | "ClusterRole"
            | "RoleBinding"
            | "ClusterRoleBinding"
            | "NetworkPolicy"
    );
    if with_events && !silent {
        // Nodes and other cluster-wide objects have their events in the default namespace.
        let base = if ns.is_empty() { "/api/v1/events".to_owned() } else { format!("/api/v1/namespaces/{ns}/events") };
        let mut fields = vec![format!("involvedObject.name={name}")];
        if !ns.is_empty() {
            fields.push(format!("involvedObject.namespace={ns}"));
        }
        if r.kind != "Pod" {
            fields.push(format!("involvedObject.kind={}", r.kind));
        }
        let mirror = o["metadata"]["annotations"]["kubernetes.io/config.mirror"].as_str().map(str::to_owned);
        let mut uids = vec![mirror.filter(|_| r.kind == "Pod").unwrap_or(uid)];
        if r.kind == "Node" {
            // Controllers use the node's uid, kubelets its name.
            uids.push(name);
        }
        let mut events = Vec::new();
        for uid in uids {
            let query = format!("fieldSelector={}", encode(&format!("{},involvedObject.uid={uid}", fields.join(","))));
            events.extend(list(cx, &base, &query).await);
        }
        beside.events = Some(events);
    }
    Ok(beside)
}

/// An object in words.
fn describe(r: &Resource, o: &Value, beside: &Beside, now: Timestamp) -> String {
    let mut w = Writer::new();
    match (r.group.as_str(), r.kind.as_str()) {
        ("", "Pod") => pod::describe(&mut w, o, now),
        ("", "Node") => node::describe(&mut w, o, beside, now),
        ("", "ReplicationController") => workload::replication_controller(&mut w, o, &beside.pods),
        ("apps", "ReplicaSet") => workload::replica_set(&mut w, o, &beside.pods),
        ("apps", "Deployment") => workload::deployment(&mut w, o, &beside.replica_sets),
        ("apps", "DaemonSet") => workload::daemon_set(&mut w, o, &beside.pods),
        ("apps", "StatefulSet") => workload::stateful_set(&mut w, o, &beside.pods),
        ("batch", "Job") => workload::job(&mut w, o),
        ("batch", "CronJob") => workload::cron_job(&mut w, o),
        ("", "Service") => service::service(&mut w, o, &beside.endpoint_slices),
        ("", "Endpoints") => service::endpoints(&mut w, o),
        ("discovery.k8s.io", "EndpointSlice") => service::endpoint_slice(&mut w, o),
        ("networking.k8s.io", "Ingress") => network::ingress(&mut w, o, beside),
        ("networking.k8s.io", "IngressClass") => network::ingress_class(&mut w, o),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(&mut w, o),
        ("networking.k8s.io", "ServiceCIDR") => network::service_cidr(&mut w, o),
        ("networking.k8s.io", "IPAddress") => network::ip_address(&mut w, o),
        ("", "ConfigMap") => config::config_map(&mut w, o),
        ("", "Secret") => config::secret(&mut w, o),
        ("", "ServiceAccount") => config::service_account(&mut w, o),
        ("", "Namespace") => config::namespace(&mut w, o, beside),
        ("", "ResourceQuota") => config::quota(&mut w, o),
        ("", "LimitRange") => config::limit_range(&mut w, o),
        ("", "PersistentVolumeClaim") => volumes::claim(&mut w, o, &beside.pods, now),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => config::role(&mut w, o),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => config::binding(&mut w, o),
        ("policy", "PodDisruptionBudget") => config::disruption_budget(&mut w, o),
        ("scheduling.k8s.io", "PriorityClass") => config::priority_class(&mut w, o),
        ("", "PersistentVolume") => storage::persistent_volume(&mut w, o, now),
        ("storage.k8s.io", "CSINode") => storage::csi_node(&mut w, o),
        ("storage.k8s.io", "VolumeAttributesClass") => storage::attributes_class(&mut w, o),
        ("storage.k8s.io", "StorageClass") => config::storage_class(&mut w, o),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::describe(&mut w, o),
        _ => generic::describe(&mut w, o),
    }
    if let Some(events) = &beside.events {
        events::table(&mut w, events, now);
    }
    w.finish()
}
