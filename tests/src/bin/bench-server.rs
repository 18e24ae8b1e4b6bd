//! The bench of the server: a process of its own, driven over loopback by this one. Run by `cargo xtask bench --only server`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use podarium_server::pace::Speed;
use podarium_tests::bench::{WORKLOAD, tell};
use podarium_tests::client::{Client, Failure};
use podarium_tests::load::resident_mb;
use podarium_tests::server::{TOKEN, start};
use serde::Deserialize;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: podarium_server::allocator::Allocator = podarium_server::allocator::Allocator;

const PLACE: &str = "server";
const REPLICAS: usize = 3_000;
const NODES: u32 = 100;
const CONNECTIONS: usize = 16;
const SPAN: Duration = Duration::from_secs(3);

/// The best of so many runs counts: what is measured is the program, not what else the machine does.
const RUNS: usize = 3;

fn main() -> ExitCode {
    podarium_server::allocator::set_up();
    let serve = std::env::args().nth(1).as_deref() == Some("serve");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(async { if serve { be_server().await } else { measure().await } }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the parent closes our standard input.
async fn be_server() -> Result<(), Failure> {
    let running = start(|o| {
        o.nodes = NODES;
        o.speed = Speed::Max;
    })
    .await?;
    println!("{}", running.server.address);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

/// A server in a process of its own.
struct Server {
    child: Child,
    _stdin: ChildStdin,
    host: String,
}

impl Server {
    fn start() -> Result<Server, Failure> {
        let mut child =
            Command::new(std::env::current_exe()?).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(Failure("no pipes".to_owned())) };
        let mut host = String::new();
        BufReader::new(stdout).read_line(&mut host)?;
        Ok(Server { child, _stdin: stdin, host: host.trim().to_owned() })
    }

    async fn client(&self) -> Result<Client, Failure> {
        Client::connect(&self.host, TOKEN).await
    }

    fn resident_mb(&self) -> Result<f64, Failure> {
        resident_mb(&self.child.id().to_string()).ok_or_else(|| Failure("no /proc".to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already if it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure() -> Result<(), Failure> {
    let (mut fastest, mut smallest) = (Duration::MAX, f64::MAX);
    for _ in 0..RUNS {
        let server = Server::start()?;
        fastest = fastest.min(scale(&server).await?);
        smallest = smallest.min(server.resident_mb()?);
    }
    tell("server_3000_ms", fastest.as_secs_f64() * 1e3, "ms", PLACE);
    tell("server_rss_mb", smallest, "MB", PLACE);
    let server = Server::start()?;
    let pod = pod("target", 0);
    let namespace = "/api/v1/namespaces/default/pods";
    server.client().await?.post(namespace, &pod).await?;
    let (mut gets, mut creates) = (0.0f64, 0.0f64);
    for run in 0..RUNS {
        let get = move |_| (format!("{namespace}/target-0"), Vec::new());
        gets = gets.max(hammer(&server, Method::GET, StatusCode::OK, get).await?);
        let create = move |n| {
            let body = self::pod(&format!("run-{run}"), n).to_string().into_bytes();
            (namespace.to_owned(), body)
        };
        creates = creates.max(hammer(&server, Method::POST, StatusCode::CREATED, create).await?);
    }
    tell("server_get_per_s", gets, "/s", PLACE);
    tell("server_create_per_s", creates, "/s", PLACE);
    Ok(())
}

/// A pod that no scheduler takes: what is measured is the create.
fn pod(name: &str, n: u64) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{name}-{n}"), "labels": {"app": "bench"}},
        "spec": {"schedulerName": "none", "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10"}]},
    })
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    object: Pod<'a>,
}

#[derive(Deserialize)]
struct Pod<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    status: PodStatus<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    name: &'a str,
}

#[derive(Default, Deserialize)]
struct PodStatus<'a> {
    #[serde(default)]
    phase: &'a str,
}

/// From the create of a ReplicaSet until a watching client has seen all its pods run.
async fn scale(server: &Server) -> Result<Duration, Failure> {
    let mut watch = server.client().await?.lines("/api/v1/namespaces/default/pods?watch=true").await?;
    let mut client = server.client().await?;
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": WORKLOAD},
        "spec": {
            "replicas": REPLICAS, "selector": {"matchLabels": {"app": WORKLOAD}},
            "template": {
                "metadata": {"labels": {"app": WORKLOAD}},
                "spec": {"containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10"}]},
            },
        },
    });
    let began = Instant::now();
    client.post("/apis/apps/v1/namespaces/default/replicasets", &set).await?;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < REPLICAS {
        let line = watch.next().await?.ok_or_else(|| Failure("the watch has ended".to_owned()))?;
        let Event { object } = serde_json::from_slice(&line)?;
        if object.status.phase == "Running" {
            seen.insert(object.metadata.name.to_owned());
        }
    }
    Ok(began.elapsed())
}

/// Requests a second over all connections at once.
async fn hammer(
    server: &Server,
    method: Method,
    expected: StatusCode,
    request: impl Fn(u64) -> (String, Vec<u8>) + Clone + Send + 'static,
) -> Result<f64, Failure> {
    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = server.client().await?;
        let (next, stop, request, method) = (next.clone(), stop.clone(), request.clone(), method.clone());
        workers.push(tokio::spawn(async move {
            let mut done = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let (path, body) = request(next.fetch_add(1, Ordering::Relaxed));
                let (code, body) = client.bytes(method.clone(), &path, body).await?;
                if code != expected {
                    return Err(Failure(format!("{code}: {}", String::from_utf8_lossy(&body))));
                }
                done += 1;
            }
            Ok(done)
        }));
    }
    let began = Instant::now();
    tokio::time::sleep(SPAN).await;
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for worker in workers {
        done += worker.await??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}
