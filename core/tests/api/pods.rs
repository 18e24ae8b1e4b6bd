//! What is refused, dropped or added where pods and their templates are written.

use serde_json::json;

use super::script::run;
use super::server::Server;

const PODS: &str = "POST /api/v1/namespaces/default/pods?dryRun=All";
const SETS: &str = "POST /apis/apps/v1/namespaces/default/statefulsets?dryRun=All";

fn server() -> Server {
    let s = Server::new();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    s.ask("POST", "/api/v1/namespaces/default/serviceaccounts", &account);
    s
}

fn pod(more: &str) -> String {
    let spec = format!(r#"{{"containers":[{{"name":"c","image":"i"}}]{more}}}"#);
    format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{spec}}}"#)
}

fn workload(kind: &str, template: &str, more: &str) -> String {
    format!(
        r#"{{"apiVersion":"apps/v1","kind":"{kind}","metadata":{{"name":"w"}},"spec":{{"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{template}}}{more}}}}}"#
    )
}

#[test]
fn go_names_embedded_structs() {
    let s = server();
    let wrong =
        |what: &str| format!("400 Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal {what}");
    let steps = [
        (
            r#","volumes":[{"name":"v","nfs":"x"}]"#,
            "string into Go struct field Volume.spec.volumes.VolumeSource.nfs of type v1.NFSVolumeSource",
        ),
        (
            r#","ephemeralContainers":[{"name":5}]"#,
            "number into Go struct field EphemeralContainer.spec.ephemeralContainers.EphemeralContainerCommon.name of type \
             string",
        ),
        (r#","hostname":5"#, "number into Go struct field PodSpec.spec.hostname of type string"),
    ];
    for (more, what) in steps {
        run(&s, &[(PODS, &pod(more), &wrong(what))]);
    }
}

#[test]
fn fields_of_features_that_are_off_are_dropped() {
    let s = server();
    let lifecycle = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"schedulingGroup":{"podGroupName":"g"},"containers":[{"name":"c","image":"i","lifecycle":{"stopSignal":"SIGUSR1"}}]}}"#;
    let projected = r#","volumes":[{"name":"v","projected":{"sources":[{"clusterTrustBundle":{"path":"/x"}}]}}]"#;
    let policy = r#","securityContext":{"seLinuxChangePolicy":"MountOption"}"#;
    let one = r#"{"containers":[{"name":"c","image":"i"}]}"#;
    let rolling = r#","serviceName":"s","updateStrategy":{"rollingUpdate":{"maxUnavailable":3}}"#;
    run(
        &s,
        &[
            (PODS, lifecycle, "201 /spec/containers/0/lifecycle=-; /spec/schedulingGroup=-"),
            (
                PODS,
                &pod(projected),
                "201 /spec/volumes/0/projected/sources=[{}]; warning=(Projected) has no sources provided",
            ),
            (
                PODS,
                &pod(policy),
                "422 Pod \"p\" is invalid: spec.securityContext.seLinuxChangePolicy: Unsupported value: \"MountOption\": \
                 supported values: \"Recursive\"",
            ),
            (SETS, &workload("StatefulSet", one, rolling), "201 /spec/updateStrategy/rollingUpdate={\"partition\":0}"),
        ],
    );
}

#[test]
fn stateful_sets_are_checked_with_their_claims() {
    let s = server();
    let claims = r#","serviceName":"s","volumeClaimTemplates":[{"metadata":{"name":"d"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]"#;
    let mounts = |name: &str| {
        format!(
            r#"{{"hostname":"Bad","containers":[{{"name":"c","image":"i","volumeMounts":[{{"name":"{name}","mountPath":"/d"}}]}}]}}"#
        )
    };
    let none = r#","serviceName":"a.b","volumeClaimTemplates":[{"metadata":{"name":"d"},"spec":{}}]"#;
    run(
        &s,
        &[
            (SETS, &workload("StatefulSet", &mounts("d"), claims), "201"),
            (
                SETS,
                &workload("StatefulSet", &mounts("e"), claims),
                "422 StatefulSet.apps \"w\" is invalid: spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"e\"",
            ),
            (
                SETS,
                &workload("StatefulSet", r#"{"containers":[{"name":"c"}]}"#, ""),
                "422 StatefulSet.apps \"w\" is invalid: spec.template.spec.containers[0].image: Required value",
            ),
            (
                SETS,
                &workload("StatefulSet", &mounts("d"), none),
                "422 StatefulSet.apps \"w\" is invalid: [spec.volumeClaimTemplates[0].spec.accessModes: Required value: at \
                 least 1 access mode is required, spec.volumeClaimTemplates[0].spec.resources[storage]: Required value, \
                 spec.serviceName: Invalid value: \"a.b\": must not contain dots]",
            ),
        ],
    );
}

#[test]
fn a_daemon_set_counts_changes_of_its_template() {
    let s = server();
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    let one = r#"{"containers":[{"name":"c","image":"i"}]}"#;
    let generation = "/metadata/annotations/deprecated.daemonset.template.generation";
    run(
        &s,
        &[
            (&format!("POST {sets}"), &workload("DaemonSet", one, ""), &format!("201 {generation}=\"1\"")),
            (
                &format!("PATCH {sets}/w"),
                r#"{"spec":{"minReadySeconds":5}}"#,
                &format!("200 {generation}=\"1\"; /metadata/generation=2"),
            ),
            (
                &format!("PATCH {sets}/w"),
                r#"{"spec":{"template":{"spec":{"imagePullSecrets":[]}}}}"#,
                &format!("200 {generation}=\"1\"; /metadata/generation=2"),
            ),
            (
                &format!("PATCH {sets}/w"),
                r#"{"spec":{"template":{"spec":{"hostNetwork":true}}},"metadata":{"annotations":null}}"#,
                &format!("200 {generation}=\"2\"; /metadata/generation=3"),
            ),
            (&format!("GET {sets} accept=table"), "", "200 /rows/0/object/metadata/annotations=-"),
        ],
    );
}

#[test]
fn runtime_classes_say_what_their_pods_need() {
    let s = server();
    let class = r#"{"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","metadata":{"name":"r"},"handler":"h","overhead":{"podFixed":{"cpu":"1"}},"scheduling":{"nodeSelector":{"a":"b"},"tolerations":[{"key":"k","operator":"Exists"}]}}"#;
    run(
        &s,
        &[
            ("POST /apis/node.k8s.io/v1/runtimeclasses", class, "201"),
            (
                PODS,
                &pod(r#","runtimeClassName":"r","tolerations":[{"key":"k","value":"v"}]"#),
                "201 /spec/overhead={\"cpu\":\"1\"}; /spec/nodeSelector={\"a\":\"b\"}; \
                 /spec/tolerations/0={\"key\":\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\",\
                 \"effect\":\"NoExecute\",\"tolerationSeconds\":300}; /spec/tolerations/2={\"key\":\"k\",\"operator\":\"Exists\"}",
            ),
            (
                PODS,
                &pod(r#","runtimeClassName":"x""#),
                "403 pods \"p\" is forbidden: pod rejected: RuntimeClass \"x\" not found",
            ),
            (
                PODS,
                &pod(r#","overhead":{"cpu":"1"}"#),
                "403 pods \"p\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            ),
            (
                PODS,
                &pod(r#","runtimeClassName":"r","overhead":{"cpu":"2"}"#),
                "403 pods \"p\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            ),
            (
                PODS,
                &pod(r#","runtimeClassName":"r","nodeSelector":{"a":"c"}"#),
                "403 pods \"p\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; \
                 pod.spec.nodeSelector[a] = c",
            ),
        ],
    );
}

#[test]
fn what_admission_adds_belongs_to_nobody() {
    let s = server();
    s.ask("POST", "/api/v1/namespaces/default/pods", &serde_json::from_str(&pod("")).unwrap_or_default());
    let stored = s.get("/api/v1/namespaces/default/pods/p").body;
    assert!(stored["spec"]["volumes"][0]["projected"].is_object() && stored["spec"]["tolerations"].is_array());
    let owned = &stored["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"];
    assert!(owned["f:restartPolicy"].is_object(), "{owned}");
    assert!(owned.get("f:volumes").is_none() && owned.get("f:tolerations").is_none(), "{owned}");
}

#[test]
fn pod_security_of_a_namespace() {
    let s = server();
    let namespace = "PATCH /api/v1/namespaces/default";
    let label =
        |enforce: &str| format!(r#"{{"metadata":{{"labels":{{"pod-security.kubernetes.io/enforce":"{enforce}"}}}}}}"#);
    let one = r#"{"containers":[{"name":"c","image":"i"}],"hostNetwork":true}"#;
    let told = "must set securityContext.allowPrivilegeEscalation=false";
    run(
        &s,
        &[
            ("POST /api/v1/namespaces/default/pods", &pod(""), "201"),
            (
                namespace,
                &label("bad"),
                "422 Namespace \"default\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \
                 \"bad\": must be one of privileged, baseline, restricted",
            ),
            (
                namespace,
                r#"{"metadata":{"labels":{"pod-security.kubernetes.io/warn-version":"v2"}}}"#,
                "422 Namespace \"default\" is invalid: metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid \
                 value: \"v2\": must be \"latest\" or \"v1.x\"",
            ),
            (namespace, &label("baseline"), "200"),
            (
                namespace,
                &label("restricted"),
                "200 warning=existing pods in namespace \\\"default\\\" violate the new PodSecurity enforce level \
                 \\\"restricted:latest\\\"; warning=p: allowPrivilegeEscalation != false, unrestricted capabilities, \
                 runAsNonRoot != true, seccompProfile",
            ),
            // Whoever says nothing of warnings is warned of what will be refused.
            (
                "POST /apis/apps/v1/namespaces/default/deployments?dryRun=All",
                &workload("Deployment", one, ""),
                &format!(
                    "201 warning=would violate PodSecurity \\\"restricted:latest\\\": host namespaces (hostNetwork=true), \
                     allowPrivilegeEscalation != false (container \\\"c\\\" {told})"
                ),
            ),
            (namespace, &label("baseline"), "200"),
            (
                PODS,
                &pod(r#","securityContext":{"seLinuxOptions":{"user":"u","type":"t"}}"#),
                "403 pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": seLinuxOptions (pod set forbidden \
                 securityContext.seLinuxOptions: type \"t\"; user may not be set)",
            ),
        ],
    );
}
