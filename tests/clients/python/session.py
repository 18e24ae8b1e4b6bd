"""A session of Python's client; what it prints is its transcript."""

import json

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()
NAMESPACE = "default"


def tell(what, value=""):
    print(what, value, flush=True)


def refused(what, call):
    try:
        call()
    except ApiException as error:
        tell(f"{what}: {error.status} {error.reason}:", json.loads(error.body)["message"])
    else:
        tell(what, "was not refused")


tell("version", client.VersionApi().get_code().git_version)
tell("nodes", [node.metadata.name for node in core.list_node().items])
for node in core.list_node().items:
    ready = [c for c in node.status.conditions if c.type == "Ready"][0]
    tell(f"  {node.metadata.name}", (ready.status, ready.reason, ready.message))

labels = {"app": "py"}
template = client.V1PodTemplateSpec(
    metadata=client.V1ObjectMeta(labels=labels),
    spec=client.V1PodSpec(containers=[client.V1Container(name="nginx", image="nginx")]),
)
replica_set = client.V1ReplicaSet(
    metadata=client.V1ObjectMeta(name="py"),
    spec=client.V1ReplicaSetSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template),
)
created = apps.create_namespaced_replica_set(NAMESPACE, replica_set)
tell("created", (created.kind, created.metadata.name, created.spec.replicas, created.metadata.generation))
refused("created twice", lambda: apps.create_namespaced_replica_set(NAMESPACE, replica_set))

running = set()
for event in watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, label_selector="app=py", timeout_seconds=60):
    pod = event["object"]
    if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []):
        running.add(pod.metadata.name)
    if len(running) == 2:
        break
tell("ready pods", len(running))

pod = sorted(running)[0]
tell("exec", stream(core.connect_get_namespaced_pod_exec, pod, NAMESPACE, command=["sh", "-c", "echo out; echo err >&2"],
                    stderr=True, stdin=False, stdout=True, tty=False).split())
tell("log", "start worker process" in core.read_namespaced_pod_log(pod, NAMESPACE))

scale = apps.read_namespaced_replica_set_scale("py", NAMESPACE)
tell("scale", (scale.spec.replicas, scale.status.selector))
patched = apps.patch_namespaced_replica_set_scale("py", NAMESPACE, {"spec": {"replicas": 1}})
tell("scaled", patched.spec.replicas)
refused("scaled below nothing", lambda: apps.patch_namespaced_replica_set_scale("py", NAMESPACE, {"spec": {"replicas": -1}}))

stale = apps.read_namespaced_replica_set("py", NAMESPACE)
apps.patch_namespaced_replica_set("py", NAMESPACE, {"metadata": {"annotations": {"a": "b"}}})
refused("a stale update", lambda: apps.replace_namespaced_replica_set("py", NAMESPACE, stale))
refused("no such pod", lambda: core.read_namespaced_pod("nothing", NAMESPACE))
refused("a bad name", lambda: core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="Bad"))))

for name in "abcde":
    core.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"page": "1"})))
pages, token = [], None
while token != "":
    page = core.list_namespaced_config_map(NAMESPACE, label_selector="page=1", limit=2, _continue=token or "")
    pages.append([item.metadata.name for item in page.items])
    token = page.metadata._continue or ""
tell("pages", pages)
core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="page=1")
tell("left", len(core.list_namespaced_config_map(NAMESPACE, label_selector="page=1").items))

before = apps.list_namespaced_replica_set(NAMESPACE).metadata.resource_version
apps.delete_namespaced_replica_set("py", NAMESPACE, propagation_policy="Foreground")
sets = watch.Watch().stream(apps.list_namespaced_replica_set, NAMESPACE, resource_version=before, timeout_seconds=60)
for event in sets:
    if event["type"] == "DELETED":
        tell("deleted", event["object"].metadata.name)
        break
tell("pods left", len(core.list_namespaced_pod(NAMESPACE, label_selector="app=py").items))
