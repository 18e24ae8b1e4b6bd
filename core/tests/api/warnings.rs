//! What is warned of where objects and their statuses are written, and which words say so.

use serde_json::json;

use super::script::run;
use super::server::Server;

const CORE: &str = "/api/v1/namespaces/default";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ARMOR: &str = "container.apparmor.security.beta.kubernetes.io";

fn server() -> Server {
    let s = Server::new();
    s.ask("POST", &format!("{CORE}/serviceaccounts"), &json!({"metadata": {"name": "default"}}));
    s
}

/// A container with this profile of its own.
fn armored(name: &str, profile: &str) -> String {
    format!(r#"{{"name":"{name}","image":"i","securityContext":{{"appArmorProfile":{{"type":"{profile}"}}}}}}"#)
}

#[test]
fn annotations_of_app_armor_become_fields() {
    let s = server();
    let pod = |name: &str, annotations: &str, more: &str| {
        let both = armored("b", "Unconfined");
        format!(
            r#"{{"metadata":{{"name":"{name}","annotations":{{{annotations}}}}},"spec":{{"containers":[{{"name":"a","image":"i"}},{both}]{more}}}}}"#
        )
    };
    let said = format!("warning=metadata.annotations[{ARMOR}/a]: deprecated since v1.30; use the");
    let at = "/spec/containers/0/securityContext/appArmorProfile";
    let local = format!(r#""{ARMOR}/a":"localhost/x""#);
    let fits = r#","securityContext":{"appArmorProfile":{"type":"Localhost","localhostProfile":"x"}}"#;
    let template = |annotation: &str, more: &str| {
        format!(
            r#"{{"metadata":{{"name":"t"}},"template":{{"metadata":{{"annotations":{{{annotation}}}}},"spec":{{"containers":[{{"name":"a","image":"i"}}]{more}}}}}}}"#
        )
    };
    let templates = format!("POST {CORE}/podtemplates?dryRun=All");
    run(
        &s,
        &[
            (
                &format!("POST {CORE}/pods"),
                &pod("p", &local, ""),
                &format!(r#"201 {said}; {at}={{"type":"Localhost","localhostProfile":"x"}}"#),
            ),
            // What the pod says for all its containers needs no field of theirs.
            (&format!("POST {CORE}/pods"), &pod("q", &local, fits), &format!("201 {at}=-")),
            (
                &format!("POST {CORE}/pods"),
                &pod("r", &format!(r#""{ARMOR}/b":"unconfined""#), ""),
                "201 /spec/containers/1/securityContext/appArmorProfile/type=Unconfined",
            ),
            (
                &format!("POST {CORE}/pods"),
                &pod("s", &format!(r#""{ARMOR}/a":"""#), ""),
                &format!("201 {said}; {at}=-"),
            ),
            // A template keeps its annotations.
            (
                &templates,
                &template(&local, ""),
                &format!(
                    "201 warning=template.metadata.annotations[{ARMOR}/a]: deprecated since v1.30; /template/spec/containers/0/securityContext=-"
                ),
            ),
        ],
    );
    for path in ["q", "r"] {
        let name = format!("{path}2");
        let (annotations, more) =
            if path == "q" { (local.clone(), fits) } else { (format!(r#""{ARMOR}/b":"unconfined""#), "") };
        let made = s.send("POST", &format!("{CORE}/pods"), &[], pod(&name, &annotations, more).as_bytes());
        assert_eq!((made.code, made.header("Warning")), (201, String::new()), "{}", made.text);
    }
    let made = s.send("POST", &format!("{CORE}/podtemplates"), &[], template(&local, fits).as_bytes());
    assert_eq!((made.code, made.header("Warning")), (201, String::new()), "{}", made.text);
}

#[test]
fn changes_and_statuses() {
    let s = server();
    let slice = |name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}"}},"addressType":"FQDN","endpoints":[{{"addresses":["a.b"]}}]}}"#)
    };
    let secret = r#"{"metadata":{"name":"t"},"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":""}}"#;
    let controller = |image: &str, grace: i32| {
        let spec =
            format!(r#"{{"terminationGracePeriodSeconds":{grace},"containers":[{{"name":"c","image":"{image}"}}]}}"#);
        format!(
            r#"{{"metadata":{{"name":"r"}},"spec":{{"selector":{{"a":"b"}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{spec}}}}}}}"#
        )
    };
    let negative = "warning=spec.template.spec.terminationGracePeriodSeconds: must be >= 0";
    run(
        &s,
        &[
            (
                &format!("POST {SLICES}"),
                &slice("s"),
                "201 warning=299 - \"spec.addressType: FQDN endpoints are deprecated\"",
            ),
            (
                &format!("POST {CORE}/secrets"),
                secret,
                "201 warning=tls: failed to find any PEM data in certificate input",
            ),
            (
                &format!("PATCH {CORE}/secrets/t"),
                r#"{"metadata":{"labels":{"a":"b"}}}"#,
                "200 warning=tls: failed to find any PEM data in certificate input",
            ),
            (&format!("POST {CORE}/replicationcontrollers"), &controller("i", -1), &format!("201 {negative}")),
            // Of a change it is the old template that is looked at.
            (&format!("PUT {CORE}/replicationcontrollers/r"), &controller("i", 1), &format!("200 {negative}")),
        ],
    );
    let quiet = |method: &str, path: &str, body: &str| {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let answer = s.send(method, path, &[("Content-Type", media)], body.as_bytes());
        assert_eq!((answer.code, answer.header("Warning")), (200, String::new()), "{path}: {}", answer.text);
    };
    quiet("PATCH", &format!("{SLICES}/s"), r#"{"metadata":{"labels":{"a":"b"}}}"#);
    quiet("PUT", &format!("{CORE}/replicationcontrollers/r"), &controller("i", -1));
}

#[test]
fn events_are_selected_by_the_names_of_their_version() {
    let s = server();
    let event = r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"reportingComponent":"rc","reason":"R","type":"Normal"}"#;
    let new = "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector";
    run(
        &s,
        &[
            (&format!("POST {CORE}/events"), event, "201"),
            (&format!("GET {new}=regarding.name%3Dp,reportingController%3Drc"), "", "200 /items/0/metadata/name=e"),
            (&format!("GET {new}=regarding.name%3Dq"), "", "200 /items/0=-"),
            (&format!("GET {new}=involvedObject.name%3Dp"), "", "400 field label not supported: involvedObject.name"),
            (&format!("GET {CORE}/events?fieldSelector=involvedObject.name%3Dp"), "", "200 /items/0/metadata/name=e"),
            (&format!("GET {CORE}/pods?fieldSelector=status.podIPs%3D"), "", "200 /items/0=-"),
        ],
    );
}
