//! Answers in upstream's very words to requests that don't fit, and what else they carry.

use super::script::run;
use super::server::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[test]
fn writes() {
    let s = Server::new();
    let map = r#"{"metadata":{"name":"a"}}"#;
    run(
        &s,
        &[
            (
                &format!("POST {MAPS}"),
                r#"{"metadata":{"name":"a","resourceVersion":"5"}}"#,
                "500 resourceVersion should not be set on objects to be created",
            ),
            (
                &format!("POST {MAPS}?dryRun=All"),
                r#"{"metadata":{"name":"a","deletionTimestamp":"2020-01-01T00:00:00Z","deletionGracePeriodSeconds":5}}"#,
                "201 /metadata/deletionTimestamp=-; /metadata/managedFields=-",
            ),
            (&format!("POST {MAPS}"), map, "201"),
            (&format!("PATCH {MAPS}/a"), r#"{"odd":1,"data":{"a b":""}}"#, "422 warning=unknown field \\\"odd\\\""),
            (&format!("PATCH {MAPS}/a smp"), r#"{"kind":"Odd","apiVersion":"v7"}"#, "200 /kind=ConfigMap"),
            (
                &format!("DELETE {MAPS}/a"),
                r#"{"kind":"Pod","apiVersion":"v1"}"#,
                "400 no kind \"Pod\" is registered for version \"v1\" in scheme \
                 \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
            ),
            (
                &format!("DELETE {MAPS}/a"),
                r#"{"gracePeriodSeconds":"x"}"#,
                "400 json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
            ),
            (
                &format!("PATCH {MAPS}/a smp"),
                r#"{"immutable":"yes"}"#,
                "422  \"\" is invalid: patch: Invalid value: \"map[immutable:yes]\": unrecognized type: bool",
            ),
        ],
    );
}

#[test]
fn deleted_jobs() {
    let s = Server::new();
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let job = r#"{"metadata":{"name":"j"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#;
    let told = "200 warning=child pods are preserved by default when jobs are deleted; warning=set propagationPolicy=Background";
    run(&s, &[(&format!("POST {jobs}"), job, "201"), (&format!("DELETE {jobs}/j?dryRun=All"), "", told)]);
    let quiet = s.send("DELETE", &format!("{jobs}/j?propagationPolicy=Background"), &[], b"");
    assert_eq!((quiet.code, quiet.header("Warning").as_str()), (200, ""));
}

#[test]
fn reads() {
    let s = Server::new();
    run(
        &s,
        &[
            ("GET /api/v1/pods/a", "", "404 the server could not find the requested resource"),
            (&format!("GET {MAPS}?fieldSelector=metadata.name%3Dnone accept=partials"), "", "200 /items=null"),
            (
                &format!("GET {MAPS}?watch=1&resourceVersion=abc"),
                "",
                "500 resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
            (&format!("GET {MAPS}/a%25b"), "", "400 Name parameter invalid: \"a%b\": may not contain '%'"),
            (&format!("DELETE {MAPS}/a%25b"), "", "400 Name parameter invalid: \"a%b\": may not contain '%'"),
            (
                "DELETE /apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
                "",
                "403 priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority \
                 class and cannot be deleted",
            ),
            (&format!("GET {PODS}/p/status/x"), "", "404 the server could not find the requested resource"),
            ("GET /api/v1/componentstatuses/none", "", "404 componentstatus \"none\" not found"),
        ],
    );
    let text = s.get("/readyz?verbose&exclude=ping&exclude=odd").text;
    assert!(text.starts_with("[+]ping excluded: ok\n[+]log ok\n[+]etcd ok\n"), "{text}");
    assert!(text.contains("warn: some health checks cannot be excluded: no matches for \"odd\"\n"), "{text}");
    let order = ["start-apiserver-admission-initializer", "crd-informer-synced", "autoregister-completion", "shutdown"];
    let places: Vec<Option<usize>> = order.iter().map(|c| text.find(c)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
}

#[test]
fn reviews() {
    let s = Server::new();
    let body = |kind: &str, more: &str| {
        format!(
            r#"{{"apiVersion":"authorization.k8s.io/v1","kind":"{kind}","metadata":{{"namespace":"default"}},"spec":{more}}}"#
        )
    };
    let pods = r#"{"user":"u","resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}}"#;
    run(
        &s,
        &[
            (
                "POST /apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
                &body("LocalSubjectAccessReview", pods),
                "201 /metadata/namespace=default; /status/allowed=false",
            ),
            (
                "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                &body("SelfSubjectRulesReview", r#"{"namespace":"default"}"#)
                    .replace(r#""namespace":"default"},"spec""#, r#""labels":{"a":"b"}},"spec""#),
                "201 /metadata={}; /spec={}",
            ),
        ],
    );
}

#[test]
fn subresources_of_pods() {
    let s = Server::new();
    let account = r#"{"metadata":{"name":"default"}}"#;
    let pod = r#"{"metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let budget = |name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"selector":{{"matchLabels":{{"a":"b"}}}}}}}}"#)
    };
    let budgets = "POST /apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let evict =
        |more: &str| format!(r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"p"}}{more}}}"#);
    run(
        &s,
        &[
            ("POST /api/v1/namespaces/default/serviceaccounts", account, "201"),
            (&format!("POST {PODS}"), pod, "201"),
            (&format!("GET {PODS}/p/portforward?ports=80"), "", "400 pod p does not have a host assigned"),
            (
                &format!("GET {PODS}/p/portforward?ports=x"),
                "",
                "400 cannot convert to []int32: strconv.ParseUint: parsing \"x\": invalid syntax",
            ),
            (
                &format!("POST {PODS}/p/binding"),
                r#"{"metadata":{"name":"q"},"target":{"name":"n"}}"#,
                "400 name in URL does not match name in Binding object",
            ),
            ("POST /api/v1/namespaces/default/bindings", r#"{"target":{"name":"n"}}"#, "400 Name parameter required."),
            (
                &format!("POST {PODS}/p/eviction"),
                &evict(r#","deleteOptions":{"dryRun":["x"]}"#),
                "422 DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"x\"]: supported values: \"All\"",
            ),
            (&format!("PATCH {PODS}/p/binding"), "", "405"),
            (&format!("POST {PODS}/p/binding"), r#"{"metadata":{"name":"p"},"target":{"name":"n"}}"#, "201"),
            (&format!("PATCH {PODS}/p/status"), r#"{"status":{"phase":"Running"}}"#, "200"),
            (budgets, &budget("one"), "201"),
            (budgets, &budget("two"), "201"),
            (
                &format!("POST {PODS}/p/eviction"),
                &evict(""),
                "201 /status=Failure; /code=500; /message=This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ),
            (
                &format!("POST {PODS}/p/eviction"),
                &evict(r#","deleteOptions":{"ignoreStoreReadErrorWithClusterBreakingPotential":true}"#),
                "422 Eviction.policy \"p\" is invalid: deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: can not be set for pod eviction, try after removing the option",
            ),
            (
                &format!("POST {PODS}/p/eviction?dryRun=All"),
                &evict(r#","deleteOptions":{"dryRun":["All","All"]}"#),
                "500 Non-matching dry-run options in request and content: [All] and [All All]",
            ),
            (&format!("PATCH {PODS}/p/status"), r#"{"status":{"phase":"Failed"}}"#, "200"),
            (
                &format!("POST {PODS}/p/eviction"),
                &evict(r#","deleteOptions":{"preconditions":{"uid":"x"}}"#),
                "409 /status=Failure; /details={\"name\":\"p\",\"kind\":\"Pod\"}",
            ),
            (&format!("GET {PODS}/p"), "", "200 /status/conditions/0/type=PodScheduled; /status/conditions/1=-"),
            (&format!("POST {PODS}/p/eviction"), &evict(""), "201 /status=Success"),
        ],
    );
}

#[test]
fn an_applied_item_without_its_key_has_the_zero_of_it() {
    let s = Server::new();
    let template = r#"{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"t"},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"image":"i"}]}}}"#;
    run(
        &s,
        &[(
            "PATCH /api/v1/namespaces/default/podtemplates/t?fieldManager=m apply",
            template,
            "422 PodTemplate \"t\" is invalid: template.spec.containers[0].name: Required value",
        )],
    );
}

#[test]
fn ingresses_get_the_default_class() {
    let s = Server::new();
    let class = |name: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}","annotations":{{"ingressclass.kubernetes.io/is-default-class":"true"}}}},"spec":{{"controller":"a.b/c"}}}}"#
        )
    };
    let ingress = |more: &str| {
        format!(
            r#"{{"metadata":{{"name":"i"}},"spec":{{"defaultBackend":{{"service":{{"name":"s","port":{{"number":80}}}}}}{more}}}}}"#
        )
    };
    let ingresses = "POST /apis/networking.k8s.io/v1/namespaces/default/ingresses?dryRun=All";
    run(
        &s,
        &[
            (ingresses, &ingress(""), "201 /spec/ingressClassName=-"),
            ("POST /apis/networking.k8s.io/v1/ingressclasses", &class("nginx"), "201"),
            (ingresses, &ingress(""), "201 /spec/ingressClassName=nginx"),
            (ingresses, &ingress(r#","ingressClassName":"other""#), "201 /spec/ingressClassName=other"),
        ],
    );
}

#[test]
fn whoever_acts_as_somebody_may_do_that_and_this() {
    let s = Server::new();
    s.server.borrow_mut().add_tokens("viewer,alice,u4,\"dev\"\n");
    let list = |who: &str| {
        let headers = [("Authorization", "Bearer viewer"), ("Impersonate-User", who)];
        s.send("GET", "/api/v1/namespaces/default/pods", &headers, b"").message().to_owned()
    };
    let on = |mode: &str| {
        format!(
            "pods is forbidden: User \"alice\" cannot impersonate-on:{mode}:list resource \"pods\" in API group \"\" in the \
             namespace \"default\""
        )
    };
    assert_eq!(list("bob"), on("user-info"));
    assert_eq!(list("system:node:n"), on("arbitrary-node"));
    assert_eq!(list("system:serviceaccount:default:a"), on("serviceaccount"));
    let grant = |name: &str, rule: &str| {
        let role = format!(r#"{{"metadata":{{"name":"{name}"}},"rules":[{rule}]}}"#);
        let binding = format!(
            r#"{{"metadata":{{"name":"{name}"}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{name}"}},"subjects":[{{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}}]}}"#
        );
        run(
            &s,
            &[
                ("POST /apis/rbac.authorization.k8s.io/v1/clusterroles", &role, "201"),
                ("POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding, "201"),
            ],
        );
    };
    grant("on", r#"{"apiGroups":[""],"resources":["pods"],"verbs":["impersonate-on:user-info:list"]}"#);
    assert_eq!(
        list("bob"),
        "users.authentication.k8s.io \"bob\" is forbidden: User \"alice\" cannot impersonate:user-info resource \"users\" in \
         API group \"authentication.k8s.io\" at the cluster scope"
    );
    let may_not = |who: &str| {
        format!(
            "pods is forbidden: User \"{who}\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        )
    };
    grant("as", r#"{"apiGroups":["authentication.k8s.io"],"resources":["users"],"verbs":["impersonate:user-info"]}"#);
    assert_eq!(list("bob"), may_not("bob"));
    // The old permission is for all that the other may do.
    grant("old", r#"{"apiGroups":[""],"resources":["serviceaccounts"],"verbs":["impersonate"]}"#);
    assert_eq!(list("system:serviceaccount:default:a"), may_not("system:serviceaccount:default:a"));
}

#[test]
fn a_kind_without_columns_of_its_own_has_two() {
    let s = Server::new();
    let capacity = r#"{"metadata":{"name":"c"},"storageClassName":"s","capacity":"1Gi"}"#;
    let all = "/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities";
    let shown = "200 /columnDefinitions/1/name=Created At; /columnDefinitions/2=-; /rows/0/cells=[\"c\",\"2026-01-01T00:00:00Z\"]";
    run(&s, &[(&format!("POST {all}"), capacity, "201"), (&format!("GET {all} accept=table"), "", shown)]);
}
