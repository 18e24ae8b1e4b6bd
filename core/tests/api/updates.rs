//! What an update may say of what isn't its own to say: versions, namespaces, links; and how its refusals read.

use super::script::run;
use super::server::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn what_a_client_says_of_the_metadata() {
    let s = Server::new();
    let map = r#"{"metadata":{"name":"a","selfLink":"/x"}}"#;
    let changed = r#"{"metadata":{"name":"a","selfLink":"/x"},"data":{"a":"b"}}"#;
    let other = r#"{"metadata":{"name":"a","uid":"x"}}"#;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    run(
        &s,
        &[
            (&format!("POST {MAPS}"), map, "201 /metadata/selfLink=-"),
            // A link is never stored, so a dry run alone shows it.
            (&format!("PUT {MAPS}/a?dryRun=All"), changed, "200 /metadata/selfLink=/x"),
            (&format!("PUT {MAPS}/a"), changed, "200 /metadata/selfLink=-"),
            // Of a kind without namespaces an update loses its namespace; of the others it must be the path's.
            ("POST /api/v1/nodes", r#"{"metadata":{"name":"n"}}"#, "201"),
            ("PUT /api/v1/nodes/n", r#"{"metadata":{"name":"n","namespace":"x"}}"#, "200 /metadata/namespace=-"),
            ("PATCH /api/v1/nodes/n", r#"{"metadata":{"namespace":"x"}}"#, "200 /metadata/namespace=-"),
            (
                &format!("PATCH {MAPS}/a"),
                r#"{"metadata":{"namespace":"x"}}"#,
                "400 the namespace of the provided object does not match the namespace sent on the request",
            ),
            // A patch may take the version away where an update needs none.
            (&format!("PATCH {MAPS}/a"), r#"{"metadata":{"resourceVersion":null},"data":null}"#, "200 /data=-"),
            (&format!("POST {leases}"), r#"{"metadata":{"name":"l"}}"#, "201"),
            (
                &format!("PATCH {leases}/l"),
                r#"{"metadata":{"resourceVersion":null}}"#,
                "422 leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be \
                 specified for an update",
            ),
        ],
    );
    for (dry, key) in [("", "/registry/configmaps"), ("?dryRun=All", "/configmaps")] {
        let answer = s.send("PUT", &format!("{MAPS}/a{dry}"), &[], other.as_bytes());
        let want = format!(
            "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, Key: {key}/default/a,"
        );
        assert!(answer.code == 409 && answer.message().starts_with(&want), "{}", answer.text);
    }
}

#[test]
fn absent_is_not_empty() {
    let s = Server::new();
    let backend = r#""backend":{"service":{"name":"s","port":{"number":80}}}"#;
    let paths = format!(r#"[{{"path":"/","pathType":"",{backend}}},{{"path":"/",{backend}}}]"#);
    let ingress = format!(r#"{{"metadata":{{"name":"i"}},"spec":{{"rules":[{{"http":{{"paths":{paths}}}}}]}}}}"#);
    let rules = r#"[{"action":"Ignore","onExitCodes":{"operator":"In"}},{"action":"Ignore","onExitCodes":{"operator":"In","values":[]}}]"#;
    let job = format!(
        r#"{{"metadata":{{"name":"j"}},"spec":{{"podFailurePolicy":{{"rules":{rules}}},"template":{{"spec":{{"restartPolicy":"Never","containers":[{{"name":"c","image":"i"}}]}}}}}}}}"#
    );
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    run(
        &s,
        &[
            (
                "POST /apis/networking.k8s.io/v1/namespaces/default/ingresses",
                &ingress,
                "422 Ingress.networking.k8s.io \"i\" is invalid: [spec.rules[0].http.paths[0].pathType: Unsupported value: \
                 \"\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\", \
                 spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified]",
            ),
            (
                "POST /apis/batch/v1/namespaces/default/jobs",
                &job,
                "422 Job.batch \"j\" is invalid: [spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: null: at \
                 least one value is required, spec.podFailurePolicy.rules[1].onExitCodes.values: Invalid value: []: at least \
                 one value is required]",
            ),
            (&format!("POST {budgets}"), r#"{"metadata":{"name":"b"}}"#, "201"),
            (
                &format!("PATCH {budgets}/b/status"),
                r#"{"status":{"conditions":[{"type":"A","status":"True","reason":"R"}]}}"#,
                "422 PodDisruptionBudget.policy \"b\" is invalid: status.conditions[0].lastTransitionTime: Required value",
            ),
        ],
    );
}

#[test]
fn objects_of_other_kinds() {
    let s = Server::new();
    let of = |kind: &str, items: &str| format!(r#"{{"apiVersion":"v1","kind":"{kind}","items":{items}}}"#);
    let definition = |schema: &str| {
        format!(
            r#"{{"metadata":{{"name":"foos.a.b"}},"spec":{{"group":"a.b","scope":"Namespaced","names":{{"plural":"foos","kind":"Foo"}},"versions":[{{"name":"v1","served":true,"storage":true,"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#
        )
    };
    let definitions = "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let cannot = "400 CustomResourceDefinition in version \"v1\" cannot be handled as a CustomResourceDefinition:";
    run(
        &s,
        &[
            (
                &format!("POST {MAPS}"),
                &of("ConfigMapList", "[]"),
                "400 ConfigMapList in version \"v1\" cannot be handled as a ConfigMap: converting (v1.ConfigMapList) to \
                 (core.ConfigMap): unknown conversion",
            ),
            (
                &format!("POST {MAPS}"),
                &of("List", "[]"),
                "400 List in version \"v1\" cannot be handled as a ConfigMap: converting (v1.List) to (core.ConfigMap): \
                 unknown conversion",
            ),
            (
                &format!("POST {MAPS}"),
                &of("DeleteOptions", "[]"),
                "400 DeleteOptions in version \"v1\" cannot be handled as a ConfigMap: converting (v1.DeleteOptions) to \
                 (core.ConfigMap): unknown conversion",
            ),
            (
                definitions,
                &definition(r#"{"type":"object","additionalProperties":"x"}"#),
                &format!("{cannot} boolean or JSON schema expected"),
            ),
            (
                definitions,
                &definition(
                    r#"{"type":"object","additionalProperties":{"type":"object","properties":{"a":{"minLength":"x"}}}}"#,
                ),
                &format!(
                    "{cannot} json: cannot unmarshal string into Go struct field JSONSchemaProps.properties.minLength of type \
                     int64"
                ),
            ),
        ],
    );
}

#[test]
fn what_the_watch_cache_does_not_hold() {
    let s = Server::new();
    let bad = "400 invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": \
               invalid syntax";
    run(
        &s,
        &[
            ("GET /api/v1/namespaces/default/events/a?resourceVersion=x", "", bad),
            ("GET /api/v1/namespaces/default/events?resourceVersion=x", "", bad),
            ("GET /api/v1/events/a?resourceVersion=x", "", "404"),
        ],
    );
    let future = s.get("/api/v1/namespaces/default/events/a?resourceVersion=999999");
    assert_eq!((future.code, future.header("Retry-After").as_str()), (504, ""));
}

#[test]
fn a_scale_and_a_class_of_attributes() {
    let s = Server::new();
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let set = r#"{"metadata":{"name":"r"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    let classes = "/apis/storage.k8s.io/v1/volumeattributesclasses";
    let class = r#"{"metadata":{"name":"v"},"driverName":"a.b","parameters":{"a":"b"}}"#;
    run(
        &s,
        &[
            (&format!("POST {sets}"), set, "201"),
            (
                &format!("GET {sets}/r/scale accept=table"),
                "",
                "200 /columnDefinitions/1/name=Desired; /rows/0/cells=[\"r\",2,0,\"0s\"]; \
                 /rows/0/object/kind=PartialObjectMetadata",
            ),
            (&format!("GET {sets}/r/scale accept=partial"), "", "200 /kind=PartialObjectMetadata; /spec=-"),
            (
                &format!("POST {classes}"),
                class,
                "201 /metadata/finalizers=[\"kubernetes.io/vac-protection\"]; /metadata/generation=-",
            ),
            (
                &format!("PATCH {classes}/v"),
                r#"{"driverName":"c"}"#,
                "422 VolumeAttributesClass.storage.k8s.io \"v\" is invalid: driverName: Forbidden: updates to driverName are \
                 forbidden.",
            ),
            (&format!("GET {classes}/v accept=table"), "", "200 /rows/0/cells=[\"v\",\"a.b\",\"0s\"]"),
        ],
    );
}

#[test]
fn a_selector_never_changes() {
    let s = Server::new();
    let pods = r#"{"metadata":{"labels":{"a":"b","c":"d"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let object = format!(
        r#"{{"metadata":{{"name":"x"}},"spec":{{"selector":{{"matchLabels":{{"a":"b"}}}},"template":{pods}}}}}"#
    );
    let changed = r#"{"spec":{"selector":{"matchLabels":{"a":null,"c":"d"}}}}"#;
    for (kind, plural) in [("Deployment", "deployments"), ("ReplicaSet", "replicasets"), ("DaemonSet", "daemonsets")] {
        let path = format!("/apis/apps/v1/namespaces/default/{plural}");
        let refused = |shown: &str| {
            format!("422 {kind}.apps \"x\" is invalid: spec.selector: Invalid value: {shown}: field is immutable")
        };
        let shown = r#"{"matchLabels":{"c":"d"}}"#;
        run(&s, &[(&format!("POST {path}"), &object, "201"), (&format!("PATCH {path}/x"), changed, &refused(shown))]);
        let gone = s.send(
            "PATCH",
            &format!("{path}/x"),
            &[("Content-Type", "application/merge-patch+json")],
            br#"{"spec":{"selector":null}}"#,
        );
        let null = "Invalid value: null: field is immutable";
        assert!(gone.code == 422 && gone.message().contains(null), "{}", gone.text);
    }
}

#[test]
fn changed_objects_are_checked_as_new_ones_are_and_said_to_be_wrong_once() {
    let s = Server::new();
    let core = "/api/v1/namespaces/default";
    let net = "/apis/networking.k8s.io/v1/ipaddresses";
    let classes = "/apis/node.k8s.io/v1/runtimeclasses";
    let capacities = "/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities";
    let controller = |image: &str| {
        let template = format!(
            r#"{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}}}"#
        );
        format!(r#"{{"metadata":{{"name":"r"}},"spec":{{"selector":{{"a":"b"}},"template":{template}}}}}"#)
    };
    let claim = |mode: &str| {
        format!(
            r#"{{"metadata":{{"name":"c"}},"spec":{{"accessModes":["{mode}"],"resources":{{"requests":{{"storage":"1Gi"}}}}}}}}"#
        )
    };
    run(
        &s,
        &[
            (&format!("POST {core}/replicationcontrollers"), &controller("i"), "201"),
            (
                &format!("PUT {core}/replicationcontrollers/r"),
                &controller(""),
                "422 /details/causes/0/field=spec.template.spec.containers[0].image; /details/causes/1=-",
            ),
            (&format!("POST {core}/persistentvolumeclaims"), &claim("ReadWriteOnce"), "201"),
            (
                &format!("PUT {core}/persistentvolumeclaims/c"),
                &claim("Any"),
                "422 /details/causes/0/field=spec.accessModes; /details/causes/1/field=spec; /details/causes/2=-",
            ),
            (&format!("POST {classes}"), r#"{"metadata":{"name":"r"},"handler":"h"}"#, "201"),
            (
                &format!("PATCH {classes}/r"),
                r#"{"scheduling":{"tolerations":[{"operator":"Any"}]}}"#,
                "422 /details/causes/0/field=scheduling.tolerations[0].operator; /details/causes/1/field=scheduling.tolerations[0].operator; /details/causes/2=-",
            ),
            // Nothing is told from an empty text.
            (
                &format!("POST {net}"),
                r#"{"metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"group":"","resource":"Services","name":"s"}}}"#,
                "201",
            ),
            (&format!("PATCH {net}/10.0.0.1"), r#"{"spec":{"parentRef":{"group":null}}}"#, "200"),
            (&format!("GET {net}/10.0.0.1 accept=table"), "", r#"200 /rows/0/cells=["10.0.0.1","services/s","0s"]"#),
            (
                &format!("POST {capacities}"),
                r#"{"metadata":{"name":"c"},"storageClassName":"s","nodeTopology":{"matchLabels":{"a":"b"}}}"#,
                "201",
            ),
            (
                &format!("PATCH {capacities}/c"),
                r#"{"nodeTopology":{"matchLabels":{"a":null}}}"#,
                "422 CSIStorageCapacity.storage.k8s.io \"c\" is invalid: nodeTopology: Invalid value: {}: field is immutable",
            ),
        ],
    );
}

#[test]
fn statuses_keep_what_is_not_theirs_to_take_away() {
    let s = Server::new();
    s.ask("POST", "/api/v1/namespaces/default/serviceaccounts", &serde_json::json!({"metadata": {"name": "default"}}));
    let volume = r#"{"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/x"}}}"#;
    let set = r#"{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    let pods = "/api/v1/namespaces/default/pods";
    let gated = r#"{"metadata":{"name":"p"},"spec":{"schedulingGates":[{"name":"g"}],"containers":[{"name":"c","image":"i"}]}}"#;
    run(
        &s,
        &[
            ("POST /api/v1/persistentvolumes", volume, "201"),
            (
                "PATCH /api/v1/persistentvolumes/v/status",
                r#"{"status":{"reason":"r","lastPhaseTransitionTime":null}}"#,
                "200 /status/lastPhaseTransitionTime=2026-01-01T00:00:00Z",
            ),
            (&format!("POST {sets}"), set, "201"),
            (
                &format!("PATCH {sets}/d/status"),
                r#"{"metadata":{"annotations":null},"status":{"numberReady":0}}"#,
                "200 /metadata/annotations/deprecated.daemonset.template.generation=\"1\"",
            ),
            (&format!("POST {pods}"), gated, "201 /status/conditions/0/lastTransitionTime=2026-01-01T00:00:00Z"),
            // One address counts more than the list of them.
            (
                &format!("PATCH {pods}/p/status"),
                r#"{"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.2"},{"ip":"fd00::1"}]}}"#,
                r#"200 /status/podIPs=[{"ip":"10.0.0.1"}]"#,
            ),
            (
                &format!("PATCH {pods}/p/status"),
                r#"{"status":{"podIP":null,"podIPs":[{"ip":"10.0.0.2"},{"ip":"fd00::1"}]}}"#,
                r#"200 /status/podIP=10.0.0.2; /status/podIPs/1/ip=fd00::1"#,
            ),
        ],
    );
}

#[test]
fn flow_control() {
    let s = Server::new();
    let api = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let flow = r#"{"metadata":{"name":"f"},"spec":{"priorityLevelConfiguration":{"name":"l"},"matchingPrecedence":0}}"#;
    let level = r#"{"metadata":{"name":"l"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":0}}}}}"#;
    let queuing = "/spec/limited/limitResponse/queuing";
    let catch_all = r#"{"Type":"Limited","Limited":{"NominalConcurrencyShares":6,"LimitResponse":{"Type":"Reject","Queuing":null},"LendablePercent":0,"BorrowingLimitPercent":null},"Exempt":null}"#;
    run(
        &s,
        &[
            (&format!("POST {api}/flowschemas"), flow, "201 /spec/matchingPrecedence=1000"),
            (
                &format!("POST {api}/prioritylevelconfigurations?dryRun=All"),
                level,
                &format!(
                    "201 /spec/limited/nominalConcurrencyShares=30; /spec/limited/lendablePercent=0; {queuing}/queues=64; {queuing}/handSize=8; {queuing}/queueLengthLimit=50"
                ),
            ),
            // What is exempt may be changed of the exempt level, and nothing else of what must be.
            (
                &format!("PATCH {api}/prioritylevelconfigurations/exempt"),
                r#"{"spec":{"exempt":{"lendablePercent":5}}}"#,
                "200",
            ),
            (
                &format!("PATCH {api}/prioritylevelconfigurations/catch-all"),
                r#"{"spec":{"limited":{"nominalConcurrencyShares":6}}}"#,
                &format!(
                    "422 PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io \"catch-all\" is invalid: spec: Invalid value: {catch_all}: spec of 'catch-all' must equal the fixed value"
                ),
            ),
            (
                &format!("PATCH {api}/flowschemas/catch-all"),
                r#"{"spec":{"rules":[]}}"#,
                "422 /details/causes/0/field=spec",
            ),
            (&format!("PATCH {api}/flowschemas/catch-all"), r#"{"metadata":{"labels":{"a":"b"}}}"#, "200"),
        ],
    );
    let soon = |millis: u64| s.sim.run_until(s.sim.now() + std::time::Duration::from_millis(millis));
    let dangles = |name: &str, status: &str, reason: &str, rest: &str| {
        let said = s.get(&format!("{api}/flowschemas/{name}")).body["status"]["conditions"][0].clone();
        assert_eq!((said["status"].as_str(), said["reason"].as_str()), (Some(status), Some(reason)), "{name}");
        assert!(said["message"].as_str().is_some_and(|m| m.ends_with(rest)), "{said}");
    };
    // An api-server looks when it has been there for two seconds, and then after each change.
    soon(2_100);
    dangles("exempt", "False", "Found", "named \"exempt\" and it exists");
    dangles("f", "True", "NotFound", "named \"l\" but there is no such object");
    run(&s, &[(&format!("POST {api}/prioritylevelconfigurations"), level, "201")]);
    soon(100);
    dangles("f", "False", "Found", "named \"l\" and it exists");
    // What must be there comes back with the next minute.
    run(&s, &[(&format!("DELETE {api}/flowschemas/catch-all"), "", "200")]);
    soon(100);
    assert_eq!(s.get(&format!("{api}/flowschemas/catch-all")).code, 404);
    soon(60_000);
    assert_eq!(s.get(&format!("{api}/flowschemas/catch-all")).code, 200);
}

#[test]
fn nodes_annotated_as_of_old() {
    let s = Server::new();
    let key = "scheduler.alpha.kubernetes.io";
    let node = |annotation: &str, text: &str| {
        let text = serde_json::Value::from(text);
        format!(r#"{{"metadata":{{"name":"n","annotations":{{"{key}/{annotation}":{text}}}}}}}"#)
    };
    let at = "422 Node \"n\" is invalid: metadata.annotations";
    let avoid = format!("{at}.AvoidPods: Invalid value: \"{key}/preferAvoidPods\"");
    let nodes = "POST /api/v1/nodes?dryRun=All";
    run(
        &s,
        &[
            (
                nodes,
                &node("preferAvoidPods", "x"),
                &format!("{avoid}: invalid character 'x' looking for beginning of value"),
            ),
            (
                nodes,
                &node("preferAvoidPods", "5"),
                &format!("{avoid}: json: cannot unmarshal number into Go value of type v1.AvoidPods"),
            ),
            (nodes, &node("preferAvoidPods", "{}"), "201"),
            (
                nodes,
                &node("preferAvoidPods", r#"{"preferAvoidPods":[{}]}"#),
                &format!("{at}.{key}/preferAvoidPods[0].PodSignature: Required value"),
            ),
            (
                nodes,
                &node("taints", r#"[{"key":"k","effect":"No"}]"#),
                &format!(
                    "{at}.{key}/taints[0].effect: Unsupported value: \"No\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""
                ),
            ),
            (
                nodes,
                &node("taints", "5"),
                &format!(
                    "{at}: Invalid value: \"{key}/taints\": json: cannot unmarshal number into Go value of type []core.Taint"
                ),
            ),
        ],
    );
}

#[test]
fn certificates_and_signers() {
    use base64::Engine as _;
    let s = Server::new();
    let in_base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let api = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let request = |signer: &str| {
        let asked = in_base64(&super::server::certificate_request("o"));
        format!(
            r#"{{"metadata":{{"name":"c"}},"spec":{{"request":"{asked}","signerName":"{signer}","usages":["client auth"]}}}}"#
        )
    };
    let issued = |text: &str| format!(r#"{{"status":{{"certificate":"{}"}}}}"#, in_base64(text));
    let block = |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----\n");
    let wrong = |why: &str| {
        format!(
            "422 CertificateSigningRequest.certificates.k8s.io \"c\" is invalid: status.certificate: Invalid value: \"<certificate data>\": {why}"
        )
    };
    let signer = |message: &str| format!("422 /details/causes/0/message={message}; /details/causes/1=-");
    let (create, status) = (format!("POST {api}"), format!("PATCH {api}/c/status"));
    let (label, domain) = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
    run(
        &s,
        &[
            (
                &create,
                &request("Example.com/x"),
                &signer(&format!("Invalid value: \"Example.com\": validating label \"Example\": {label}")),
            ),
            (
                &create,
                &request("example.com/a.X_y"),
                &signer(&format!("Invalid value: \"a.X_y\": validating label \"X_y\": {domain}")),
            ),
            (&create, &request("example.com/x"), "201"),
            (&status, &issued("x"), &wrong("must contain at least one CERTIFICATE PEM block")),
            (
                &status,
                &issued(&block("FOO", "MAA=\n")),
                &wrong("only CERTIFICATE PEM blocks are allowed, found \"FOO\""),
            ),
            (&status, &issued(&block("CERTIFICATE", "A: b\n\nMAA=\n")), &wrong("no PEM block headers are permitted")),
            (&status, &issued(&block("CERTIFICATE", "AAAA\n")), &wrong("x509: malformed certificate")),
            (
                &status,
                &issued(&block("CERTIFICATE", "")),
                &wrong("found CERTIFICATE PEM block containing 0 certificates"),
            ),
        ],
    );
}
