//! What is asked of requests and of the objects in them, whatever the kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::script::run;
use super::server::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn an_owner_named_twice_is_one() {
    let s = Server::new();
    let owner = r#"{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}"#;
    let twice = format!(r#"{{"metadata":{{"name":"a","ownerReferences":[{owner},{owner}]}}}}"#);
    let one = "/metadata/ownerReferences/0/uid=u; /metadata/ownerReferences/1=-";
    let before = format!("warning=ownerReferences contains duplicate entries; API server dedups; {one}");
    let after = format!("200 warning=contains duplicate entries after mutating admission happens; {one}");
    run(
        &s,
        &[
            (&format!("POST {MAPS}"), &twice, &format!("201 {before}")),
            (&format!("PUT {MAPS}/a"), &twice, &format!("200 {before}")),
            (&format!("PATCH {MAPS}/a"), &twice, &after),
            (
                &format!("PATCH {MAPS}/a"),
                r#"{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"q","uid":"u"}]}}"#,
                "200 /metadata/ownerReferences/0/name=q",
            ),
        ],
    );
}

#[test]
fn versions_and_uids_that_are_none() {
    let s = Server::new();
    run(
        &s,
        &[
            (&format!("POST {MAPS}"), r#"{"metadata":{"name":"a","resourceVersion":"abc"}}"#, "201"),
            (
                &format!("PUT {MAPS}/a"),
                r#"{"metadata":{"name":"a","resourceVersion":"abc"}}"#,
                "500 strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
            (
                &format!("PATCH {MAPS}/a"),
                r#"{"metadata":{"uid":"x"}}"#,
                "422 ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable",
            ),
            (&format!("PATCH {MAPS}/a"), "null", "400 Invalid JSON Patch"),
        ],
    );
}

#[test]
fn token_requests() {
    let s = Server::new();
    let token = "POST /api/v1/namespaces/default/serviceaccounts/builder/token";
    let refused = "422 TokenRequest.authentication.k8s.io \"builder\" is invalid:";
    run(
        &s,
        &[
            ("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"builder"}}"#, "201"),
            ("POST /api/v1/namespaces/default/secrets", r#"{"metadata":{"name":"s"},"data":{}}"#, "201"),
            (token, r#"{"metadata":{"labels":{"a":"b"}}}"#, "201 /metadata/labels/a=b; /metadata/name=builder"),
            (
                token,
                r#"{"metadata":{"name":"x"}}"#,
                &format!(
                    "{refused} metadata.name: Invalid value: \"x\": must match the service account name if specified"
                ),
            ),
            (
                token,
                r#"{"metadata":{"namespace":"x"}}"#,
                "400 the namespace of the provided object does not match the namespace sent on the request",
            ),
            (
                token,
                r#"{"spec":{"boundObjectRef":{"kind":"ConfigMap","apiVersion":"v1","name":"c"}}}"#,
                "400 cannot bind token to object of type /v1, Kind=ConfigMap",
            ),
            (
                token,
                r#"{"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"apps/v1","name":"c"}}}"#,
                "400 cannot bind token to object of type apps/v1, Kind=Pod",
            ),
            (
                token,
                r#"{"spec":{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"s","uid":"x"}}}"#,
                "409 Operation cannot be fulfilled on Secret \"s\": the UID in the bound object reference (x) does not \
                 match the UID in record. The object might have been deleted and then recreated",
            ),
        ],
    );
}

#[test]
fn a_log_has_one_stream() {
    let s = Server::new();
    run(
        &s,
        &[(
            "GET /api/v1/namespaces/default/pods/p/log?stream=Stdout",
            "",
            "422 PodLogOptions \"p\" is invalid: stream: Forbidden: may not be specified",
        )],
    );
}

#[test]
fn access_reviews() {
    let s = Server::new();
    let review = |kind: &str| format!("POST /apis/authorization.k8s.io/v1/{kind}");
    let local = "POST /apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews";
    let refused = "422 .authorization.k8s.io \"\" is invalid:";
    let ask = r#""user":"u","resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}"#;
    run(
        &s,
        &[
            (
                &review("subjectaccessreviews"),
                &format!(r#"{{"metadata":{{"name":"x"}},"spec":{{{ask}}}}}"#),
                &format!(
                    "{refused} metadata: Invalid value: {{\"name\":\"x\",\"managedFields\":[{{\"manager\":\"unknown\",\"operation\":\"Update\",\"apiVersion\":\"authorization.k8s.io/v1\",\"time\":\"2026-01-01T00:00:00Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{{\"f:spec\":{{\"f:resourceAttributes\":{{\".\":{{}},\"f:namespace\":{{}},\"f:resource\":{{}},\"f:verb\":{{}}}},\"f:user\":{{}}}}}}}}]}}: must be empty"
                ),
            ),
            (
                &review("selfsubjectaccessreviews"),
                r#"{"spec":{"resourceAttributes":{"verb":"list","labelSelector":{}}}}"#,
                &format!(
                    "{refused} spec.resourceAttributes.labelSelector.requirements: Required value: when \
                     spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required"
                ),
            ),
            (local, &format!(r#"{{"spec":{{{ask}}}}}"#), "201 /metadata/namespace=default; /status/allowed=false"),
            (
                local,
                &format!(r#"{{"metadata":{{"namespace":"x"}},"spec":{{{ask}}}}}"#),
                "400 the namespace of the provided object does not match the namespace sent on the request",
            ),
            (
                local,
                r#"{"spec":{"user":"u","nonResourceAttributes":{"verb":"get","path":"/"}}}"#,
                &format!(
                    "{refused} spec.nonResourceAttributes: Invalid value: {{\"Path\":\"/\",\"Verb\":\"get\"}}: disallowed \
                     on this kind of request"
                ),
            ),
        ],
    );
}

#[test]
fn tokens_are_for_somebody() {
    let s = Server::new();
    run(&s, &[("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"builder"}}"#, "201")]);
    let made = s.ask(
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/builder/token",
        &json!({"spec": {"audiences": ["vault"]}}),
    );
    let token = made.body["status"]["token"].as_str().unwrap_or_default();
    let review = "POST /apis/authentication.k8s.io/v1/tokenreviews";
    let ask = |token: &str, audience: &str| format!(r#"{{"spec":{{"token":"{token}","audiences":[{audience}]}}}}"#);
    run(
        &s,
        &[
            (review, &ask(token, "\"vault\""), "201 /status/authenticated=true; /status/audiences=[\"vault\"]"),
            (
                review,
                &ask(token, ""),
                "201 /status/authenticated=-; /status/error=token audiences [\"vault\"] is invalid for the target audiences \
                 [\"https://kubernetes.default.svc\"]",
            ),
            (
                review,
                &ask("admin-token", "\"vault\""),
                "201 /status/authenticated=-; /status/error=invalid bearer token",
            ),
            (review, &ask("admin-token", ""), "201 /status/authenticated=true; /status/user/username=admin"),
        ],
    );
}

#[test]
fn more_is_said_of_a_user() {
    let s = Server::new();
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let headers = [("Impersonate-User", "eve"), ("Impersonate-Extra-A%2fB", "x"), ("Impersonate-Extra-A%2fB", "y")];
    let me = s.send("POST", review, &headers, b"{}");
    assert_eq!(me.body["status"]["userInfo"]["extra"], json!({"a/b": ["x", "y"]}), "{}", me.text);
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let pods = "/api/v1/namespaces/default/pods";
    run(
        &s,
        &[
            (&format!("POST {accounts}"), r#"{"metadata":{"name":"default"}}"#, "201"),
            ("POST /api/v1/nodes", r#"{"metadata":{"name":"n"}}"#, "201"),
            (
                &format!("POST {pods}"),
                r#"{"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}}"#,
                "201",
            ),
            (
                "POST /api/v1/namespaces/none/serviceaccounts/default/token",
                r#"{"spec":{}}"#,
                "404 namespaces \"none\" not found",
            ),
        ],
    );
    let bound = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}});
    let made = s.ask("POST", &format!("{accounts}/default/token"), &bound);
    let token = format!("Bearer {}", made.body["status"]["token"].as_str().unwrap_or_default());
    let me = s.send("POST", review, &[("Authorization", &token)], b"{}");
    let said =
        |what: &str| me.body["status"]["userInfo"]["extra"][format!("authentication.kubernetes.io/{what}")][0].clone();
    let (pod, node) = (s.get(&format!("{pods}/p")), s.get("/api/v1/nodes/n"));
    assert_eq!((said("pod-name"), said("node-name")), ("p".into(), "n".into()), "{}", me.text);
    assert_eq!(said("pod-uid"), pod.body["metadata"]["uid"]);
    assert_eq!(said("node-uid"), node.body["metadata"]["uid"]);
    assert!(said("credential-id").as_str().is_some_and(|id| id.starts_with("JTI=")), "{}", me.text);
}

/// A request for a certificate, of which only the organization matters here.
fn certificate_request(name: &str, signer: &str, organization: &str) -> String {
    let pem = super::server::certificate_request(organization);
    json!({
        "metadata": {"name": name},
        "spec": {"signerName": signer, "request": STANDARD.encode(pem), "usages": ["client auth"]},
    })
    .to_string()
}

#[test]
fn certificates_are_approved_by_who_may() {
    let s = Server::new();
    s.server.borrow_mut().add_tokens("approver-token,bob,bob,approvers\n");
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let client = "kubernetes.io/kube-apiserver-client";
    let rules = json!({
        "metadata": {"name": "approver"},
        "rules": [
            {"apiGroups": ["certificates.k8s.io"], "resources": ["*"], "verbs": ["get", "update", "patch"]},
            {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["example.com/*"], "verbs": ["approve"]},
        ],
    });
    let binding = json!({
        "metadata": {"name": "approver"}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}],
        "roleRef": {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "approver"},
    });
    run(
        &s,
        &[
            ("POST /apis/rbac.authorization.k8s.io/v1/clusterroles", &rules.to_string(), "201"),
            ("POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding.to_string(), "201"),
            (
                &format!("POST {requests}"),
                &certificate_request("m", client, "system:masters"),
                "403 certificatesigningrequests.certificates.k8s.io \"m\" is forbidden: use of \
                 kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
            ),
            (&format!("POST {requests}"), &certificate_request("a", client, "dev"), "201"),
            (&format!("POST {requests}"), &certificate_request("b", "example.com/own", "dev"), "201"),
        ],
    );
    let approve = |name: &str| {
        let body = r#"{"status":{"conditions":[{"type":"Approved","status":"True","reason":"r","message":"m"}]}}"#;
        let headers = [("Authorization", "Bearer approver-token"), ("Content-Type", "application/merge-patch+json")];
        let answer = s.send("PATCH", &format!("{requests}/{name}/approval"), &headers, body.as_bytes());
        (answer.code, answer.message().to_owned())
    };
    let why = "certificatesigningrequests.certificates.k8s.io \"a\" is forbidden: user not permitted to approve requests with \
               signerName \"kubernetes.io/kube-apiserver-client\"";
    assert_eq!(approve("a"), (403, why.to_owned()));
    assert_eq!(approve("b"), (200, String::new()));
}
