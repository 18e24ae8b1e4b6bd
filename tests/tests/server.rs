//! The server as clients meet it over a socket: what works, and that nothing sent to it harms the cluster.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use podarium_server::pace::Speed;
use podarium_tests::client::{Client, Failure};
use podarium_tests::server::{Running, TOKEN, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Result<T = ()> = std::result::Result<T, Failure>;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn within<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| Failure(format!("waited in vain for {what}")))?
}

fn pod(name: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "busybox:1.36", "command": command}], "terminationGracePeriodSeconds": 0},
    })
}

/// Waits by a watch until a pod is in a phase.
async fn wait_for_phase(running: &Running, name: &str, phase: &str) -> Result {
    let path = format!("/api/v1/namespaces/default/pods?watch=true&fieldSelector=metadata.name%3D{name}");
    let mut watch = running.client().await?.lines(&path).await?;
    within(&format!("{name} to be {phase}"), async {
        loop {
            let event: Value = watch.json().await?;
            if event["object"]["status"]["phase"] == phase {
                return Ok(());
            }
        }
    })
    .await
}

/// The cluster still answers and works.
async fn check_unharmed(running: &Running) -> Result {
    let mut client = running.client().await?;
    let (code, body) = within("readyz", client.bytes(Method::GET, "/readyz", Bytes::new())).await?;
    assert_eq!((code, &body[..]), (StatusCode::OK, &b"ok"[..]));
    let nodes = client.get("/api/v1/nodes").await?;
    assert_eq!(nodes["items"].as_array().map(Vec::len), Some(4));
    Ok(())
}

/// Sends bytes as they are, and reads until the server closes.
async fn raw(running: &Running, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(running.server.address).await?;
    // A server that has answered need not read the rest.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = within("an answer", async { Ok(stream.read_to_end(&mut answer).await) }).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() -> Result {
    let running = start(|_| {}).await?;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(2 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(10_000));
    let requests: &[(&str, &[u8], &str)] = &[
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 "),
        ("no version", b"GET /\r\n\r\n", "HTTP/1.1 400 "),
        ("a version to come", b"GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400 "),
        ("a header without a colon", b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", "HTTP/1.1 400 "),
        ("a length that is none", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400 "),
        ("a header too long", long.as_bytes(), "HTTP/1.1 431 "),
        ("headers too many", many.as_bytes(), "HTTP/1.1 431 "),
        ("a broken escape", b"GET /api%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "),
        ("a method of its own", b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 403 "),
        (
            "a broken chunk",
            b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
            "HTTP/1.1 400 ",
        ),
    ];
    for (what, bytes, expected) in requests {
        let answer = raw(&running, bytes).await?;
        assert!(answer.starts_with(expected), "{what}: {answer}");
    }
    check_unharmed(&running).await
}

/// Bodies that must be refused: what is wrong, the content type, the body, the code, and a part of the message.
fn bad_bodies() -> Vec<(&'static str, &'static str, Vec<u8>, u16, &'static str)> {
    let (json, yaml) = ("application/json", "application/yaml");
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let before = format!("*a{}", i - 1);
            text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", ")));
        }
        text
    };
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    vec![
        ("a body over 3 MiB", json, vec![b' '; (3 << 20) + 1], 413, "limit is 3145728"),
        ("a body of 40 MiB", json, vec![b' '; 40 << 20], 413, "limit is 3145728"),
        ("JSON that nests deep", json, nested("[", "]", 1 << 20).into_bytes(), 400, ""),
        ("objects that nest deep", json, nested("{\"a\":", "}", 200_000).into_bytes(), 400, ""),
        ("YAML that nests deep", yaml, nested("[", "]", 100_000).into_bytes(), 400, ""),
        ("a YAML bomb", yaml, bomb.into_bytes(), 400, ""),
        ("bad UTF-8 in JSON", json, b"{\"kind\": \"\xff\xfe\"}".to_vec(), 400, ""),
        ("bad UTF-8 in YAML", yaml, b"kind: \"\xff\xfe\"".to_vec(), 400, ""),
        ("an unfinished object", json, b"{\"kind\":".to_vec(), 400, ""),
        ("another format", "text/xml", b"<kind/>".to_vec(), 415, ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused() -> Result {
    let running = start(|_| {}).await?;
    for (what, kind, body, code, message) in bad_bodies() {
        let mut stream = TcpStream::connect(running.server.address).await?;
        let head = format!(
            "POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        let mut answer = Vec::new();
        within(what, async { Ok(stream.read_to_end(&mut answer).await?) }).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{what}: {answer}");
        assert!(answer.contains("\"kind\":\"Status\"") && answer.contains(message), "{what}: {answer}");
    }
    check_unharmed(&running).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_hold_nobody_up() -> Result {
    let running = start(|_| {}).await?;
    let mut slow = Vec::new();
    for i in 0..100 {
        let mut stream = TcpStream::connect(running.server.address).await?;
        let begun = match i % 3 {
            0 => "GET /api/v1/po".to_owned(),
            1 => "GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nX-Slow:".to_owned(),
            _ => format!(
                "POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n\r\n{{"
            ),
        };
        stream.write_all(begun.as_bytes()).await?;
        slow.push(stream);
    }
    check_unharmed(&running).await?;
    drop(slow);
    check_unharmed(&running).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_who() -> Result {
    let running = start(|_| {}).await?;
    let host = running.server.address.to_string();
    let whoami = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    for (token, name) in [(TOKEN, "admin"), ("viewer-token", "alice")] {
        let review = Client::connect(&host, token).await?.post(path, &whoami).await?;
        assert_eq!(review["status"]["userInfo"]["username"], name);
    }
    let (code, _) = Client::connect(&host, "nobody's").await?.bytes(Method::GET, "/api/v1/pods", Bytes::new()).await?;
    assert_eq!(code, StatusCode::UNAUTHORIZED);
    let answer = raw(&running, b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("system:anonymous"), "{answer}");
    // The kubeconfig's address carries its token.
    let base = running.server.url.strip_prefix(&format!("http://{host}")).unwrap_or_default();
    let request = format!("GET {base}/api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = raw(&running, request.as_bytes()).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed() -> Result {
    let running = start(|o| o.speed = Speed::Times(20.0)).await?;
    let mut client = running.client().await?;
    let script = "for i in 1 2 3 4 5; do echo line $i; sleep 2; done";
    let mut talker = pod("talker", &["sh", "-c", script]);
    // The log that is read in the end is to be the one that was followed.
    talker["spec"]["restartPolicy"] = "Never".into();
    client.post("/api/v1/namespaces/default/pods", &talker).await?;
    wait_for_phase(&running, "talker", "Running").await?;
    let path = "/api/v1/namespaces/default/pods/talker/log";
    let mut log = running.client().await?.lines(&format!("{path}?follow=true")).await?;
    let mut lines = Vec::new();
    within("the log's end", async {
        while let Some(line) = log.next().await? {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(())
    })
    .await?;
    assert_eq!(lines, ["line 1\n", "line 2\n", "line 3\n", "line 4\n", "line 5\n"]);
    let checks: &[(&str, u16, &str)] = &[
        ("tailLines=2", 200, "line 4\nline 5\n"),
        ("limitBytes=8", 200, "line 1\nl"),
        ("tailLines=0", 200, ""),
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("container=other", 400, "container other is not valid for pod talker"),
        ("previous=true", 400, "previous terminated container \\\"main\\\" in pod \\\"talker\\\" not found"),
    ];
    for (query, code, expected) in checks {
        let (got, body) = client.bytes(Method::GET, &format!("{path}?{query}"), Bytes::new()).await?;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(got.as_u16(), *code, "{query}: {body}");
        assert!(if *code == 200 { body == *expected } else { body.contains(expected) }, "{query}: {body}");
    }
    let (_, body) = client.bytes(Method::GET, &format!("{path}?timestamps=true&tailLines=1"), Bytes::new()).await?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let (time, text) = body.split_once(' ').unwrap_or_default();
    assert!(time.parse::<jiff_time::Time>().is_ok() && time.len() == 30 && text == "line 5\n", "{body}");
    Ok(())
}

/// A time as logs have it, told apart from other text without a library for times.
mod jiff_time {
    pub struct Time;

    impl std::str::FromStr for Time {
        type Err = ();

        fn from_str(s: &str) -> Result<Self, ()> {
            let shape: String = s.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            if shape == "0000-00-00T00:00:00.000000000Z" { Ok(Time) } else { Err(()) }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_and_services_are_proxied() -> Result {
    let running = start(|o| o.speed = Speed::Max).await?;
    let mut client = running.client().await?;
    let web = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "nginx", "image": "nginx:1.27", "ports": [{"name": "http", "containerPort": 80}]}]},
    });
    client.post("/api/v1/namespaces/default/pods", &web).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
    });
    client.post("/api/v1/namespaces/default/services", &service).await?;
    wait_for_phase(&running, "web", "Running").await?;
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?watch=true&labelSelector=kubernetes.io/service-name%3Dweb";
    let mut slices = running.client().await?.lines(path).await?;
    within("endpoints", async {
        while slices.json::<Value>().await?["object"]["endpoints"][0]["conditions"]["ready"] != true {}
        Ok(())
    })
    .await?;
    let checks: &[(&str, u16, &str)] = &[
        ("pods/web/proxy/", 200, "Welcome to nginx!"),
        ("pods/web:80/proxy/", 200, "Welcome to nginx!"),
        ("pods/web/proxy/nowhere", 404, "404"),
        ("services/web/proxy/", 200, "Welcome to nginx!"),
        ("services/web:http/proxy/", 200, "Welcome to nginx!"),
        ("services/web:8080/proxy/", 200, "Welcome to nginx!"),
        ("services/web:81/proxy/", 503, "no service port 81 found for service"),
        ("services/none/proxy/", 404, "services \\\"none\\\" not found"),
        ("pods/web:81/proxy/", 503, "connect: connection refused"),
    ];
    for (path, code, expected) in checks {
        let path = format!("/api/v1/namespaces/default/{path}");
        let (got, body) = client.bytes(Method::GET, &path, Bytes::new()).await?;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(got.as_u16(), *code, "{path}: {body}");
        assert!(body.contains(expected), "{path}: {body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed_for_those_who_ask() -> Result {
    let running = start(|_| {}).await?;
    let request = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        )
    };
    let large = raw(&running, request("/openapi/v3/api/v1").as_bytes()).await?;
    let head = large.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let small = raw(&running, request("/version").as_bytes()).await?;
    assert!(!small.to_ascii_lowercase().contains("content-encoding"), "{small}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_client_asks_first() -> Result {
    let running = start(|_| {}).await?;
    let mut client = running.client().await?;
    let checks: &[(&str, &str)] = &[
        ("/version", "\"gitVersion\": \"v1.36.2\""),
        ("/api", "\"versions\":[\"v1\"]"),
        ("/apis", "\"name\":\"apps\""),
        ("/healthz", "ok"),
        ("/livez?verbose", "[+]etcd ok"),
        ("/readyz?verbose", "readyz check passed"),
        ("/metrics", "apiserver_request_total{code=\"200\""),
        ("/metrics", "apiserver_storage_objects{resource=\"nodes\"} 4"),
        ("/openapi/v2", "\"swagger\":\"2.0\""),
        ("/openapi/v3", "\"apis/apps/v1\""),
        ("/openapi/v3/apis/apps/v1", "Deployment enables declarative updates for Pods and ReplicaSets."),
    ];
    for (path, expected) in checks {
        let (code, body) = client.bytes(Method::GET, path, Bytes::new()).await?;
        let body = String::from_utf8_lossy(&body);
        assert!(code == StatusCode::OK && body.contains(expected), "{path}: {code} {body:.300}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_its_time_is_up() -> Result {
    let running = start(|_| {}).await?;
    let mut watch = running.client().await?.lines("/api/v1/nodes?watch=true&timeoutSeconds=1").await?;
    let mut seen = 0;
    within("the watch's end", async {
        while watch.next().await?.is_some() {
            seen += 1;
        }
        Ok(())
    })
    .await?;
    assert!(seen >= 4, "{seen} events");
    Ok(())
}
