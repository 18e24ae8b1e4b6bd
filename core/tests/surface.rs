//! The API as clients find it: what each path answers to each method, media type and option, whatever the kind.

#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test program uses another part of it")]
mod server;

use serde_json::{Value, json};
use server::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().filter_map(|o| o["metadata"]["name"].as_str()).collect()
}

fn maps(names: &[&str]) -> Server {
    let s = Server::new();
    for name in names {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"n": name}}});
        let made = s.ask("POST", MAPS, &body);
        assert_eq!(made.code, 201, "{}", made.text);
    }
    s
}

#[test]
fn lists_come_in_pages() {
    let s = maps(&["a", "b", "c", "d", "e"]);
    let list = |query: &str| s.get(&format!("{MAPS}?{query}"));
    let whole = list("");
    assert_eq!(names(&whole.body), ["a", "b", "c", "d", "e"]);
    let first = list("limit=2");
    assert_eq!(names(&first.body), ["a", "b"]);
    assert_eq!(first.body["metadata"]["remainingItemCount"], 3);
    let version = first.body["metadata"]["resourceVersion"].clone();
    let token = first.body["metadata"]["continue"].as_str().unwrap_or_default();
    // What is written between two pages is in neither.
    assert_eq!(s.ask("DELETE", &format!("{MAPS}/d"), &Value::Null).code, 200);
    let second = list(&format!("limit=2&continue={token}"));
    assert_eq!(names(&second.body), ["c", "d"]);
    assert_eq!(second.body["metadata"]["resourceVersion"], version);
    assert_eq!(second.body["metadata"]["remainingItemCount"], 1);
    let last = second.body["metadata"]["continue"].as_str().unwrap_or_default();
    let third = list(&format!("limit=2&continue={last}"));
    assert_eq!(names(&third.body), ["e"]);
    assert!(
        third.body["metadata"].get("continue").is_none() && third.body["metadata"].get("remainingItemCount").is_none()
    );
    // Whoever takes any version gets everything; a selector says nothing of what remains; one object has no pages.
    assert_eq!(names(&list("limit=2&resourceVersion=0").body), ["a", "b", "c", "e"]);
    let selected = list("limit=1&labelSelector=n%20in%20(b,c)");
    assert_eq!(names(&selected.body), ["b"]);
    assert!(selected.body["metadata"]["continue"].is_string());
    assert!(selected.body["metadata"].get("remainingItemCount").is_none());
    assert_eq!(names(&list("fieldSelector=metadata.name%3Dc&limit=1&continue=rubbish").body), ["c"]);
    // A version that is gone, and how to go on with a list of it.
    let version = version.as_str().unwrap_or_default();
    assert_eq!(names(&list(&format!("resourceVersion={version}&resourceVersionMatch=Exact")).body).len(), 5);
    assert_eq!(names(&list(&format!("resourceVersion={version}&limit=9")).body).len(), 5);
    assert_eq!(
        names(&list(&format!("resourceVersion={version}&resourceVersionMatch=NotOlderThan&limit=9")).body).len(),
        4
    );
    assert_eq!(names(&list(&format!("resourceVersion={version}")).body).len(), 4);
    let now = s.etcd.store.borrow().revision();
    s.etcd.store.borrow_mut().compact(now).expect("a revision to compact at");
    let gone = list(&format!("resourceVersion={version}&resourceVersionMatch=Exact"));
    assert_eq!((gone.code, gone.message()), (410, "The resourceVersion for the provided list is too old."));
    let gone = list(&format!("limit=2&continue={token}"));
    assert_eq!((gone.code, gone.body["reason"].as_str()), (410, Some("Expired")));
    assert!(gone.message().ends_with("between the time the first chunk was returned and now may show up in the list."));
    let other = gone.body["metadata"]["continue"].as_str().unwrap_or_default();
    let rest = list(&format!("limit=2&continue={other}"));
    assert_eq!(names(&rest.body), ["c", "e"]);
    assert_eq!(rest.body["metadata"]["resourceVersion"], now.to_string());
}

fn token(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn questions_that_are_refused() {
    let s = maps(&["a"]);
    let of = |query: &str| format!("{MAPS}?{query}");
    let invalid = "invalid continue token: continue key is not valid: ";
    let cases: Vec<(String, u16, String)> = [
        (of("limit=x"), 400, r#"strconv.ParseInt: parsing "x": invalid syntax"#.to_owned()),
        (of("timeoutSeconds=x"), 400, r#"strconv.ParseInt: parsing "x": invalid syntax"#.to_owned()),
        (of("timeout=abc"), 400, r#"invalid timeout specified in the request URL - time: invalid duration "abc""#.to_owned()),
        (of("timeout=5"), 400, r#"invalid timeout specified in the request URL - time: missing unit in duration "5""#.to_owned()),
        (of("continue=zzz"), 400, format!("{invalid}illegal base64 data at input byte 2")),
        (of(&format!("continue={}", token("{}"))), 400, format!("{invalid}server does not recognize this encoded version ")),
        (
            of(&format!("continue={}", token(r#"{"v":"meta.k8s.io/v1","start":"a"}"#))),
            400,
            format!("{invalid}incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        ),
        (
            of(&format!("continue={}", token(r#"{"v":"meta.k8s.io/v1","rv":5}"#))),
            400,
            format!("{invalid}encoded start key empty (version meta.k8s.io/v1)"),
        ),
        (of(&format!("continue={}", token(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"../x"}"#))), 400, format!("{invalid}../x")),
        (
            of(&format!("resourceVersion=5&continue={}", token(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"x"}"#))),
            400,
            "specifying resource version is not allowed when using continue".to_owned(),
        ),
        (
            of("resourceVersion=x"),
            400,
            r#"invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax"#.to_owned(),
        ),
        (
            format!("{MAPS}/a?resourceVersion=x"),
            500,
            r#"resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax"#.to_owned(),
        ),
        (
            of("resourceVersionMatch=Exact&resourceVersion=0"),
            422,
            r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0""#.to_owned(),
        ),
        (
            of("sendInitialEvents=true"),
            422,
            r#"ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#.to_owned(),
        ),
        (
            of("watch=1&resourceVersionMatch=NotOlderThan"),
            422,
            r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"#.to_owned(),
        ),
        (of("labelSelector=a%20in%20b"), 400, "unable to parse requirement: found 'b' expected: '('".to_owned()),
        (of("fieldSelector=abc"), 400, "invalid selector: 'abc'; can't understand 'abc'".to_owned()),
        (of("fieldSelector=data%3Dx"), 400, r#""data" is not a known field selector: only "metadata.name", "metadata.namespace""#.to_owned()),
        ("/api/v1/nodes?fieldSelector=metadata.namespace%3Dx".to_owned(), 400, "field label not supported: metadata.namespace".to_owned()),
        ("/api/v1/namespaces?fieldSelector=name%3Dx".to_owned(), 400, "field label not supported: name".to_owned()),
        ("/apis/batch/v1/jobs?fieldSelector=spec.x%3Dx".to_owned(), 400, r#"field label "spec.x" not supported for Job"#.to_owned()),
        (
            "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=x%3Dx".to_owned(),
            400,
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x".to_owned(),
        ),
    ]
    .into();
    for (path, code, message) in cases {
        let answer = s.get(&path);
        assert_eq!((answer.code, answer.message()), (code, message.as_str()), "{path}");
    }
    // Versions that are yet to come.
    for path in [of("resourceVersion=999999"), format!("{MAPS}/a?resourceVersion=999999")] {
        let answer = s.get(&path);
        assert_eq!(
            (answer.code, answer.body["details"]["causes"][0]["reason"].as_str()),
            (504, Some("ResourceVersionTooLarge"))
        );
        assert_eq!(answer.header("Retry-After"), "1");
    }
}

#[test]
fn methods_and_paths() {
    let s = maps(&["a"]);
    for (method, path, code) in [
        ("HEAD", MAPS, 405),
        ("OPTIONS", MAPS, 405),
        ("PUT", MAPS, 405),
        ("PATCH", MAPS, 405),
        ("FOO", MAPS, 405),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("POST", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", "/version", 405),
        ("GET", "/version", 200),
        ("POST", "/api", 405),
        ("POST", "/api/v1/namespaces/default/pods/x/log", 405),
        ("GET", "/api/v1/namespaces/default/pods/x/binding", 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("GET", "/api/v1/namespaces/default/serviceaccounts/x/token", 405),
        ("POST", "/api/v1/namespaces/default/status", 405),
        ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404),
        ("GET", "/api/v1/namespaces/default/nothings", 404),
        ("GET", "/api/v1/namespaces/nowhere/configmaps", 200),
        ("GET", "/api/v1/namespaces/nowhere/configmaps/a", 404),
        ("GET", "/apis/apps/v9/deployments", 404),
        ("GET", "/api/v2/pods", 404),
        ("GET", "/apis/nope/v1/x", 404),
        ("GET", "/livez/ping", 200),
        ("GET", "/livez/nope", 404),
    ] {
        let answer = s.ask(method, path, &json!({}));
        assert_eq!(answer.code, code, "{method} {path}: {}", answer.text);
        if method == "HEAD" {
            assert_eq!(answer.text, "");
        } else if code == 405 {
            assert_eq!(
                answer.message(),
                "the server does not allow this method on the requested resource",
                "{method} {path}"
            );
        }
    }
}

#[test]
fn what_the_issuer_of_tokens_says_of_itself() {
    let s = maps(&[]);
    let about = s.ask("GET", "/.well-known/openid-configuration", &json!({}));
    assert_eq!(about.code, 200);
    assert!(about.text.contains("/openid/v1/jwks"), "{}", about.text);
    let keys = s.ask("GET", "/openid/v1/jwks", &json!({}));
    assert_eq!(keys.code, 200);
    let key = &keys.body["keys"][0];
    assert_eq!([&key["kty"], &key["alg"], &key["use"], &key["kid"]], ["RSA", "RS256", "sig", "podarium"]);
}

#[test]
fn what_answers_are_written_as() {
    let s = maps(&["a"]);
    let one = format!("{MAPS}/a");
    let get = |path: &str, name: &str, value: &str| s.send("GET", path, &[(name, value)], b"");
    let yaml = get(&one, "Accept", "application/yaml").text;
    assert!(
        yaml.starts_with("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n"),
        "{yaml}"
    );
    for (path, agent, lines) in
        [("", "golden/1", 1), ("?pretty=true", "golden/1", 20), ("?pretty=0", "curl/8", 1), ("", "curl/8", 20)]
    {
        let text = get(&format!("{one}{path}"), "User-Agent", agent).text;
        assert_eq!(text.lines().count() > 1, lines > 1, "{path} {agent}: {text}");
    }
    let partial = |of: &str| format!("application/json;as={of};v=v1;g=meta.k8s.io");
    for (path, accept, code, message) in [
        (
            MAPS,
            "text/html".to_owned(),
            406,
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        ),
        (
            MAPS,
            partial("Foo"),
            406,
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        ),
        (
            MAPS,
            partial("PartialObjectMetadata"),
            406,
            "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
        ),
        (
            &one,
            partial("PartialObjectMetadataList"),
            406,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)",
        ),
        (MAPS, format!("{},application/json", partial("Foo")), 200, ""),
    ] {
        let answer = get(path, "Accept", &accept);
        assert_eq!((answer.code, answer.message()), (code, message), "{accept}");
    }
    let watched = |selector: &str| {
        let answer = s.get(&format!("/api/v1/watch/namespaces/default/configmaps/a?fieldSelector={selector}"));
        (answer.code, answer.message().to_owned())
    };
    assert_eq!(watched("metadata.name%3Da").0, 200);
    let other = (400, "fieldSelector metadata.name doesn't match requested name".to_owned());
    assert_eq!(watched("metadata.name%3Db"), other);
    let version = get("/version", "Accept", "application/json").text;
    assert!(version.starts_with("{\n  \"major\": \"1\",\n  \"minor\": \"36\",\n"), "{version}");
    let only = "406: Not Acceptable\n\nAvailable representations: application/json";
    assert_eq!(get("/version", "Accept", "text/html").message(), only);
    assert!(get("/", "Accept", "text/html").text.starts_with("{\n  \"paths\": [\n    \"/.well-known/"));
    // The complaint itself may be in YAML, of which no stream is made.
    let stream = get(&format!("{MAPS}?watch=1"), "Accept", "application/yaml");
    let only = "only the following media types are accepted: application/json;stream=watch";
    assert!(stream.code == 406 && stream.text.contains(only), "{}", stream.text);
}

/// Every kind that discovery lists can be listed as objects, as metadata and as a Table, and knows what it can't select by.
#[test]
fn every_kind_can_be_listed() {
    let s = Server::new();
    let groups = s.get("/apis").body;
    let versions =
        groups["groups"].as_array().into_iter().flatten().flat_map(|g| g["versions"].as_array().into_iter().flatten());
    let mut roots: Vec<String> =
        versions.filter_map(|v| v["groupVersion"].as_str()).map(|v| format!("/apis/{v}")).collect();
    roots.push("/api/v1".to_owned());
    let mut kinds = 0;
    for root in roots {
        let resources = s.get(&root).body;
        for r in resources["resources"].as_array().into_iter().flatten() {
            let verbs: Vec<&str> = r["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let name = r["name"].as_str().unwrap_or_default();
            if !verbs.contains(&"list") || name == "componentstatuses" {
                continue;
            }
            kinds += 1;
            let path = format!("{root}/{name}");
            let kind = r["kind"].as_str().unwrap_or_default();
            let plain = s.get(&format!("{path}?limit=500&resourceVersion=0"));
            assert_eq!(
                (plain.code, plain.body["kind"].as_str()),
                (200, Some(format!("{kind}List").as_str())),
                "{path}"
            );
            assert!(plain.body["items"].is_array() && plain.body["metadata"]["resourceVersion"].is_string(), "{path}");
            let accept = |of: &str| format!("application/json;as={of};v=v1;g=meta.k8s.io");
            let table = s.send("GET", &path, &[("Accept", &accept("Table"))], b"");
            assert_eq!((table.code, table.body["kind"].as_str()), (200, Some("Table")), "{path}");
            let columns = table.body["columnDefinitions"].as_array().map_or(0, Vec::len);
            assert!(columns >= 2, "{path} has {columns} columns");
            for row in table.body["rows"].as_array().into_iter().flatten() {
                assert_eq!(row["cells"].as_array().map_or(0, Vec::len), columns, "{path}");
            }
            let metadata = s.send("GET", &path, &[("Accept", &accept("PartialObjectMetadataList"))], b"");
            assert_eq!(
                (metadata.code, metadata.body["kind"].as_str()),
                (200, Some("PartialObjectMetadataList")),
                "{path}"
            );
            // An empty list of these is null.
            let length = |body: &Value| body["items"].as_array().map_or(0, Vec::len);
            assert_eq!(length(&metadata.body), length(&plain.body), "{path}");
            assert_eq!(s.get(&format!("{path}?fieldSelector=no.such%3Dx")).code, 400, "{path}");
            assert_eq!(s.get(&format!("{path}?labelSelector=!")).code, 400, "{path}");
            assert_eq!(
                s.get(&format!("{path}?fieldSelector=metadata.name%3Dnobody")).body["items"],
                json!([]),
                "{path}"
            );
            if verbs.contains(&"watch") {
                assert_eq!(s.get(&format!("{path}?watch=1")).text, "<stream>", "{path}");
            }
        }
    }
    assert!(kinds >= 60, "{kinds} kinds");
}

#[test]
fn rehearsals_leave_nothing() {
    let s = maps(&["a", "b"]);
    let before = s.get(MAPS).text;
    let one = format!("{MAPS}/a?dryRun=All");
    let map =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}});
    let apply = |path: &str, name: &str| {
        let media = [("Content-Type", "application/apply-patch+yaml")];
        s.send("PATCH", &format!("{path}&fieldManager=m"), &media, map(name).to_string().as_bytes())
    };
    for (code, answer) in [
        (201, s.ask("POST", &format!("{MAPS}?dryRun=All"), &map("c"))),
        (409, s.ask("POST", &format!("{MAPS}?dryRun=All"), &map("a"))),
        (200, s.ask("PUT", &one, &map("a"))),
        (404, s.ask("PUT", &format!("{MAPS}/c?dryRun=All"), &map("c"))),
        (200, s.ask("PATCH", &one, &json!({"data": {"k": "v"}}))),
        (200, apply(&one, "a")),
        (201, apply(&format!("{MAPS}/c?dryRun=All"), "c")),
        (200, s.ask("DELETE", &one, &Value::Null)),
        (200, s.ask("DELETE", &format!("{MAPS}/a"), &json!({"dryRun": ["All"]}))),
        (200, s.ask("DELETE", &format!("{MAPS}?dryRun=All"), &Value::Null)),
        (422, s.ask("POST", &format!("{MAPS}?dryRun=Some"), &map("c"))),
        (422, s.ask("DELETE", &format!("{MAPS}/a"), &json!({"dryRun": ["Some"]}))),
    ] {
        assert_eq!(answer.code, code, "{}", answer.text);
        assert_eq!(s.get(MAPS).text, before);
    }
}

#[test]
fn patches_that_are_refused() {
    let s = maps(&["a"]);
    let (json_patch, merge, strategic, apply) = (
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    );
    let refused = "the server rejected our request due to an error in our request";
    for (media, query, body, code, message) in [
        ("application/json", "", "{}", 415, "415: Unsupported Media Type"),
        (
            json_patch,
            "",
            "{}",
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (json_patch, "", r#"[{"op":"test","path":"/data/x","value":"1"}]"#, 422, refused),
        (json_patch, "", r#"[{"op":"remove","path":"/nope"}]"#, 422, refused),
        (
            merge,
            "",
            "[]",
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (merge, "", "{", 400, "error decoding patch: unexpected end of JSON input"),
        (
            merge,
            "",
            r#"{"metadata":{"name":"b"}}"#,
            400,
            "the name of the object (b) does not match the name on the URL (a)",
        ),
        (
            merge,
            "?force=true",
            "{}",
            422,
            r#"PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch"#,
        ),
        (strategic, "", "x", 400, "invalid character 'x' looking for beginning of value"),
        (
            apply,
            "",
            "{}",
            422,
            r#"PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#,
        ),
        (
            apply,
            "?fieldManager=x",
            "kind: ConfigMap\napiVersion: v1\nmetadata:\n  managedFields: [{}]\n",
            400,
            "metadata.managedFields must be nil",
        ),
    ] {
        let answer = s.send("PATCH", &format!("{MAPS}/a{query}"), &[("Content-Type", media)], body.as_bytes());
        assert_eq!((answer.code, answer.message()), (code, message), "{media} {body}");
    }
}

#[test]
fn watches_begin_with_what_there_is() {
    let s = maps(&["a", "b"]);
    let events = |query: &str| s.events(&format!("{MAPS}?watch=1&labelSelector=n&{query}"));
    let kinds = |events: &[Value]| -> Vec<String> {
        let named = |e: &Value| {
            format!(
                "{} {}",
                e["type"].as_str().unwrap_or_default(),
                e["object"]["metadata"]["name"].as_str().unwrap_or("-")
            )
        };
        events.iter().map(named).collect()
    };
    let now = s.etcd.store.borrow().revision();
    assert_eq!(kinds(&events("")), ["ADDED a", "ADDED b"]);
    assert_eq!(kinds(&events("resourceVersion=0")), ["ADDED a", "ADDED b"]);
    assert!(kinds(&events(&format!("resourceVersion={now}"))).is_empty());
    let all = events("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    assert_eq!(kinds(&all), ["ADDED a", "ADDED b", "BOOKMARK -"]);
    assert_eq!(all[2]["object"]["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(all[2]["object"]["metadata"]["resourceVersion"], now.to_string());
    assert!(kinds(&events("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")).is_empty());
    assert_eq!(kinds(&events("resourceVersion=1")), ["ERROR -"]);
}

#[test]
fn the_object_that_is_meant() {
    let s = maps(&["a"]);
    let lease = |name: &str, field: &str, value: &str| {
        let body = json!({"metadata": {"name": name, field: value}});
        s.ask("PUT", &format!("/apis/coordination.k8s.io/v1/namespaces/default/leases/{name}"), &body)
    };
    assert_eq!(lease("l", "resourceVersion", "5").code, 201);
    let other = lease("m", "uid", "u");
    assert_eq!(
        (other.code, other.message()),
        (
            409,
            "Operation cannot be fulfilled on leases.coordination.k8s.io \"m\": StorageError: invalid object, Code: 4, \
             Key: /registry/leases/default/m, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: u, UID in object meta: "
        )
    );
    let other = s.ask("PUT", &format!("{MAPS}/a"), &json!({"metadata": {"name": "a", "uid": "u"}}));
    assert!(other.message().contains("Key: /registry/configmaps/default/a, "), "{}", other.text);
    let nobody = s.send("GET", MAPS, &[("Impersonate-Group", "g"), ("Impersonate-Extra-Scopes", "s")], b"");
    assert_eq!(
        (nobody.code, nobody.message()),
        (
            400,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, \
             Extra:map[string][]string{\"scopes\":[]string{\"s\"}}} without impersonating a user name"
        )
    );
}
