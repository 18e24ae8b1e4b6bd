//! Who owns which field, as clients see it.

use serde_json::Value;

use super::script::run;
use super::server::Server;

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"d"}},"template":{"metadata":{"labels":{"app":"d"}},"spec":{"containers":[{"name":"a","image":"a:1"}]}}}}"#;
const SCALE: &str = "/apis/apps/v1/namespaces/default/deployments/d/scale";

#[test]
fn the_scale_is_applied() {
    let s = Server::new();
    let main = "/apis/apps/v1/namespaces/default/deployments/d";
    let scale = |n: u32| {
        format!(
            r#"{{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{{"name":"d"}},"spec":{{"replicas":{n}}}}}"#
        )
    };
    let (five, four) = (scale(5), scale(4));
    run(
        &s,
        &[
            (&format!("PATCH {main}?fieldManager=m apply"), DEPLOYMENT, "201"),
            (
                &format!("PATCH {SCALE}?fieldManager=s apply"),
                &five,
                "409 Apply failed with 1 conflict: conflict with \"m\": .spec.replicas",
            ),
            (
                &format!("PATCH {SCALE}?fieldManager=s&force=true apply"),
                &five,
                "200 /kind=Scale; /spec/replicas=5; /metadata/managedFields=-",
            ),
            (
                &format!("GET {main}"),
                "",
                // Upstream gives the new entry no time, so it comes first.
                "200 /spec/replicas=5; /metadata/managedFields/0/manager=s; /metadata/managedFields/0/subresource=scale; \
                 /metadata/managedFields/0/apiVersion=apps/v1; /metadata/managedFields/0/operation=Apply; \
                 /metadata/managedFields/0/fieldsV1={\"f:spec\":{\"f:replicas\":{}}}; \
                 /metadata/managedFields/1/manager=m; /metadata/managedFields/1/fieldsV1/f:spec/f:replicas=-",
            ),
            (&format!("PATCH {SCALE}?fieldManager=u"), r#"{"spec":{"replicas":4}}"#, "200 /spec/replicas=4"),
            (
                &format!("GET {main}"),
                "",
                "200 /metadata/managedFields/1/manager=u; /metadata/managedFields/1/operation=Update; \
                 /metadata/managedFields/2=-",
            ),
            (
                &format!("PATCH {main}?fieldManager=m apply"),
                DEPLOYMENT,
                "409 Apply failed with 1 conflict: conflict with \"u\" with subresource \"scale\" using apps/v1: \
                 .spec.replicas",
            ),
            (&format!("PATCH {SCALE}?fieldManager=m apply"), &four, "200 /spec/replicas=4"),
            (
                &format!("PATCH {SCALE}"),
                r#"{"metadata":{"name":"x"}}"#,
                "400 the name of the object (x) does not match the name on the URL (d)",
            ),
        ],
    );
    let uid = s.get(main).body["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    run(
        &s,
        &[(
            &format!("PATCH {SCALE}"),
            r#"{"metadata":{"uid":"x"}}"#,
            &format!(
                "409 Operation cannot be fulfilled on deployments/scale.apps \"d\": Precondition failed: UID in \
                     precondition: x, UID in object meta: {}",
                uid
            ),
        )],
    );
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn every_answer_shows_the_owners() {
    let s = Server::new();
    let owner = "/metadata/managedFields/0/manager=m";
    run(
        &s,
        &[
            (
                &format!("POST {MAPS}?fieldManager=m"),
                r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#,
                &format!("201 {owner}"),
            ),
            (&format!("GET {MAPS}/a"), "", &format!("200 {owner}")),
            (&format!("GET {MAPS}/a accept=partial"), "", &format!("200 {owner}")),
            (&format!("GET {MAPS}"), "", &format!("200 /items/0{owner}")),
            (&format!("GET {MAPS} accept=partials"), "", &format!("200 /items/0{owner}")),
            (&format!("GET {MAPS} accept=table"), "", &format!("200 /rows/0/object{owner}")),
            (&format!("GET {MAPS}?includeObject=Object accept=table"), "", &format!("200 /rows/0/object{owner}")),
        ],
    );
    let watched = |query: &str| {
        let events = s.events(&format!("{MAPS}?watch=1{query}"));
        events.iter().map(|e| e["object"]["metadata"]["managedFields"][0]["manager"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(watched(""), ["m"]);
    let version = s.get(MAPS).body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    run(&s, &[(&format!("DELETE {MAPS}/a"), "", "200")]);
    assert_eq!(watched(&format!("&resourceVersion={version}")), ["m"], "also of what is gone");
}

/// Who owns fields of each version of `a`, `revision: managers`, as a list has it and as watches of all versions do.
fn owners_of_versions(s: &Server, from: &str, versions: &[String]) -> [Vec<String>; 2] {
    let shown = |o: &Value| -> String {
        let m = &o["metadata"];
        let entries = m["managedFields"].as_array().into_iter().flatten();
        let managers: Vec<&str> = entries.map(|e| e["manager"].as_str().unwrap_or_default()).collect();
        format!("{}: {}", m["resourceVersion"].as_str().unwrap_or_default(), managers.join(" "))
    };
    let listed = versions.iter().map(|version| {
        let list = s.get(&format!("{MAPS}?resourceVersionMatch=Exact&resourceVersion={version}"));
        shown(&list.body["items"][0])
    });
    let watched = s.events(&format!("{MAPS}?watch=1&resourceVersion={from}"));
    [listed.collect(), watched.iter().map(|e| shown(&e["object"])).collect()]
}

#[test]
fn a_version_has_the_owners_that_it_had() {
    let s = Server::new();
    let version = |body: &Value| body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let from = version(&s.get(MAPS).body);
    let map = |name: &str, key: &str| serde_json::json!({"metadata": {"name": name}, "data": {key: "v"}});
    let made = s.ask("POST", &format!("{MAPS}?fieldManager=m"), &map("a", "k"));
    let mut versions = vec![version(&made.body)];
    for manager in ["n", "o"] {
        let patched = s.ask("PATCH", &format!("{MAPS}/a?fieldManager={manager}"), &map("a", manager));
        versions.push(version(&patched.body));
    }
    let expected: Vec<String> = versions.iter().zip(["m", "m n", "m n o"]).map(|(v, m)| format!("{v}: {m}")).collect();
    assert_eq!(owners_of_versions(&s, &from, &versions), [expected.clone(), expected.clone()]);
    // Also by a server that was not there when they were written. It watches nothing back from before it began.
    let another = s.another();
    assert_eq!(owners_of_versions(&another, &from, &versions)[0], expected);
    // However much went since, too.
    run(&s, &[(&format!("DELETE {MAPS}/a"), "", "200")]);
    for i in 0..300 {
        let name = format!("b{i}");
        s.ask("POST", &format!("{MAPS}?fieldManager=m"), &map(&name, "k"));
        run(&s, &[(&format!("DELETE {MAPS}/{name}"), "", "200")]);
    }
    let [listed, watched] = owners_of_versions(&s, &from, &versions);
    assert_eq!((&listed, watched.get(..3)), (&expected, Some(&expected[..])));
    assert!(watched[3].ends_with(": m n o"), "{}", watched[3]);
}

#[test]
fn with_its_last_finalizer_an_object_goes_as_it_was() {
    let s = Server::new();
    let finalizers = |all: &[&str]| serde_json::json!({"metadata": {"name": "a", "finalizers": all}}).to_string();
    let (held, free) = (finalizers(&["x.io/y"]), finalizers(&[]));
    let owner = "/metadata/managedFields/0/manager=m";
    run(
        &s,
        &[
            (&format!("POST {MAPS}?fieldManager=m"), &held, &format!("201 {owner}")),
            (&format!("DELETE {MAPS}/a"), "", "200"),
            (&format!("PATCH {MAPS}/a?fieldManager=n"), &free, "200 /metadata/managedFields=-"),
        ],
    );
}

#[test]
fn clients_may_set_the_owners() {
    let s = Server::new();
    let entry = |manager: &str| {
        format!(
            r#"[{{"manager":"{manager}","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{"f:k":{{}}}}}}}}]"#
        )
    };
    let set = |manager: &str| format!(r#"{{"metadata":{{"name":"a","managedFields":{}}}}}"#, entry(manager));
    let made = s.ask("POST", MAPS, &serde_json::json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
    let version = made.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let (x, bad) = (set("x"), r#"{"metadata":{"managedFields":[{"operation":"Foo"}]}}"#);
    run(
        &s,
        &[
            // What can't be read is as if it were not there, and changes nothing.
            (&format!("PATCH {MAPS}/a"), bad, &format!("200 /metadata/resourceVersion=\"{version}\"")),
            (&format!("PATCH {MAPS}/a"), &x, "200 /metadata/managedFields/0/manager=x; /metadata/managedFields/1=-"),
            (&format!("PATCH {MAPS}/a"), r#"{"metadata":{"managedFields":[{}]}}"#, "200 /metadata/managedFields=-"),
            // Once cleared, nothing is tracked until something is applied.
            (&format!("PATCH {MAPS}/a"), r#"{"data":{"l":"v"}}"#, "200 /metadata/managedFields=-"),
            (
                &format!("PATCH {MAPS}/a?fieldManager=y apply"),
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"m":"v"}}"#,
                "200 /metadata/managedFields/0/manager=y; /metadata/managedFields/1/manager=before-first-apply",
            ),
            (&format!("PUT {MAPS}/a"), r#"{"metadata":{"name":"a","managedFields":[]},"data":{"m":"v"}}"#, "200"),
            (&format!("GET {MAPS}/a"), "", "200 /metadata/managedFields=-"),
        ],
    );
    let now = s.get(&format!("{MAPS}/a")).body;
    assert_ne!(now["metadata"]["resourceVersion"], version.as_str(), "a change of owners is a change");
}

#[test]
fn what_is_applied_must_be_the_object_of_the_path() {
    let s = Server::new();
    let map = |meta: &str| format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{{meta}}}}}"#);
    let apply = |name: &str| format!("PATCH {MAPS}/{name}?fieldManager=m apply");
    run(
        &s,
        &[
            (
                &apply("a"),
                &map(""),
                "400 the name of the object (a based on URL) was undeterminable: name must be provided",
            ),
            (
                &apply("a"),
                &map(r#""name":"a","uid":"1""#),
                "409 Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid \
                 1, and no existing object was found",
            ),
            (&apply("a"), &map(r#""name":"a","resourceVersion":"1""#), "201 /metadata/name=a"),
            (
                &apply("a"),
                &map(r#""name":"a","uid":"1""#),
                "422 ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"1\": field is immutable",
            ),
        ],
    );
}
