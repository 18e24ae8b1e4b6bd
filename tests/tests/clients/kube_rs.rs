//! A session of kube-rs.

use std::fmt::Write as _;

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::api::{
    Api, AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, PropagationPolicy,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use podarium_tests::served::Served;
use serde_json::json;

/// Runs the session: its transcript.
pub fn session(server: &Served) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(told(server)).unwrap_or_else(|error| panic!("{error}"))
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn told(server: &Served) -> Result<String> {
    let kubeconfig = Kubeconfig::read_from(&server.kubeconfig)?;
    let client = Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?;
    let mut out = String::new();
    writeln!(out, "version {}", client.apiserver_version().await?.git_version)?;
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let names: Vec<_> = nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
    writeln!(out, "nodes {names:?}")?;
    workload(&client, &mut out).await?;
    config_maps(&client, &mut out).await?;
    Ok(out)
}

async fn workload(client: &Client, out: &mut String) -> Result<()> {
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let labels = json!({"app": "rs"});
    let set: ReplicaSet = serde_json::from_value(json!({
        "metadata": {"name": "rs"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    }))?;
    let created = sets.create(&PostParams::default(), &set).await?;
    writeln!(out, "created {:?}", created.spec.and_then(|spec| spec.replicas))?;
    let twice = sets.create(&PostParams::default(), &set).await;
    writeln!(out, "created twice: {}", twice.err().map(|e| e.to_string()).unwrap_or_default())?;

    let params = WatchParams::default().labels("app=rs").timeout(60);
    let mut events = pods.watch(&params, "0").await?.boxed();
    let mut ready = std::collections::BTreeSet::new();
    while let Some(event) = events.try_next().await? {
        let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event else { continue };
        let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
        if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
            ready.extend(pod.metadata.name);
        }
        if ready.len() == 2 {
            break;
        }
    }
    writeln!(out, "ready pods {}", ready.len())?;

    let pod = ready.first().ok_or("a pod")?;
    let mut attached = pods.exec(pod, ["nginx", "-v"], &AttachParams::default()).await?;
    let mut printed = String::new();
    for mut stream in [attached.stdout().map(Either::Out), attached.stderr().map(Either::Err)].into_iter().flatten() {
        stream.read_to(&mut printed).await?;
    }
    let status = attached.take_status().ok_or("a status")?.await;
    writeln!(out, "exec {:?} {:?}", printed.trim(), status.and_then(|status| status.status))?;
    let log = pods.logs(pod, &LogParams { tail_lines: Some(1), ..LogParams::default() }).await?;
    writeln!(out, "log of one line {}", log.lines().count())?;

    let patch = Patch::Merge(json!({"spec": {"replicas": 1}}));
    let patched = sets.patch("rs", &PatchParams::default(), &patch).await?;
    writeln!(out, "patched {:?}", patched.spec.and_then(|spec| spec.replicas))?;
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    let uid = created.metadata.uid.unwrap_or_default();
    sets.delete("rs", &params).await?;
    await_condition(sets, "rs", conditions::is_deleted(&uid)).await?;
    let left = pods.list(&ListParams::default().labels("app=rs")).await?.items.len();
    writeln!(out, "deleted in the foreground; pods left {left}")?;
    Ok(())
}

enum Either<O, E> {
    Out(O),
    Err(E),
}

impl<O: tokio::io::AsyncRead + Unpin, E: tokio::io::AsyncRead + Unpin> Either<O, E> {
    async fn read_to(&mut self, into: &mut String) -> std::io::Result<usize> {
        use tokio::io::AsyncReadExt as _;
        match self {
            Either::Out(stream) => stream.read_to_string(into).await,
            Either::Err(stream) => stream.read_to_string(into).await,
        }
    }
}

async fn config_maps(client: &Client, out: &mut String) -> Result<()> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let apply = |data: serde_json::Value| {
        Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned"}, "data": data}))
    };
    let applied = maps.patch("owned", &PatchParams::apply("first"), &apply(json!({"a": "1"}))).await?;
    writeln!(out, "applied {:?}", applied.data)?;
    let conflict = maps.patch("owned", &PatchParams::apply("second"), &apply(json!({"a": "2"}))).await;
    writeln!(out, "conflict: {}", conflict.err().map(|e| e.to_string()).unwrap_or_default())?;
    let forced = maps.patch("owned", &PatchParams::apply("second").force(), &apply(json!({"a": "2"}))).await?;
    let managers = forced.metadata.managed_fields.unwrap_or_default().into_iter().filter_map(|entry| entry.manager);
    writeln!(out, "forced {:?} {:?}", forced.data, managers.collect::<Vec<_>>())?;
    let missing = maps.get("nothing").await;
    writeln!(out, "missing: {}", missing.err().map(|e| e.to_string()).unwrap_or_default())?;
    let metadata = maps.list_metadata(&ListParams::default().fields("metadata.name=owned")).await?;
    writeln!(out, "metadata alone {}", metadata.items.len())?;
    Ok(())
}
