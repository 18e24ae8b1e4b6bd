//! A server under load: many watchers, many writers, and what every watcher must have seen at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::client::Failure;
use crate::server::Running;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// How long a watcher may take to see the last writes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Writes of all writers.
    pub writes: u64,
    /// Events that all watchers saw.
    pub events: u64,
}

/// An event as far as a watcher looks at it.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: ConfigMap,
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(rename = "resourceVersion", default)]
    resource_version: String,
}

/// The last number that each writer has written, once it has ended.
type Ends = BTreeMap<String, u64>;

/// Lets writers write and watchers watch, for so long. Every watcher must see every write of every writer, in order and once.
pub async fn run(running: &Running, watchers: usize, writers: usize, span: Duration) -> Result<Load, Failure> {
    let (told, ends) = watch::channel(None::<Ends>);
    let mut watching = Vec::new();
    for i in 0..watchers {
        let lines = running.client().await?.lines(&format!("{PATH}?watch=true&labelSelector=load")).await?;
        let mut watcher = Watcher { lines, ends: ends.clone(), seen: BTreeMap::new(), revision: 0, events: 0 };
        watching.push(tokio::spawn(async move {
            watcher.watch().await.map_err(|e| Failure(format!("watcher {i}: {}", e.0)))?;
            Ok::<u64, Failure>(watcher.events)
        }));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writing = Vec::new();
    for i in 0..writers {
        let (client, stop) = (running.client().await?, stop.clone());
        writing.push(tokio::spawn(write(client, format!("writer-{i}"), stop)));
    }
    tokio::time::sleep(span).await;
    stop.store(true, Ordering::Relaxed);
    let (mut load, mut all) = (Load::default(), Ends::new());
    for (i, writer) in writing.into_iter().enumerate() {
        let last = writer.await??;
        load.writes += last;
        all.insert(format!("writer-{i}"), last);
    }
    told.send(Some(all))?;
    for watcher in watching {
        let events = tokio::time::timeout(PATIENCE, watcher)
            .await
            .map_err(|_| Failure("a watcher never saw the last writes".to_owned()))???;
        load.events += events;
    }
    Ok(load)
}

/// Waits until etcd has compacted all that was written so far, as it does every five minutes.
pub async fn compacted(running: &Running) -> Result<(), Failure> {
    let mut client = running.client().await?;
    let now = client.get(PATH).await?["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let path = format!("{PATH}?resourceVersion={now}&resourceVersionMatch=Exact");
    let gone = async {
        // Time goes on between two answers.
        while client.bytes(Method::GET, &path, Bytes::new()).await?.0 != StatusCode::GONE {}
        Ok(())
    };
    let told = || Failure(format!("revision {now} is never compacted"));
    tokio::time::timeout(PATIENCE, gone).await.map_err(|_| told())?
}

/// Creates, updates and deletes one object over and over, with a number that grows by one each time: the last.
async fn write(mut client: crate::client::Client, name: String, stop: Arc<AtomicBool>) -> Result<u64, Failure> {
    let object = |n: u64| json!({"metadata": {"name": name, "labels": {"load": "yes"}}, "data": {"n": n.to_string()}});
    let item = format!("{PATH}/{name}");
    let mut n = 0;
    // A number is written by a create or an update; every tenth is followed by a delete, which says the same number again.
    while !stop.load(Ordering::Relaxed) || n % 10 != 0 {
        n += 1;
        if n % 10 == 1 {
            client.post(PATH, &object(n)).await?;
        } else {
            client.ask(Method::PUT, &item, &object(n)).await?;
        }
        if n % 10 == 0 {
            client.ask(Method::DELETE, &item, &serde_json::Value::Null).await?;
        }
    }
    Ok(n)
}

struct Watcher {
    lines: crate::client::Lines,
    ends: watch::Receiver<Option<Ends>>,
    /// The last number and kind of event seen of each writer.
    seen: BTreeMap<String, (u64, String)>,
    revision: u64,
    events: u64,
}

impl Watcher {
    async fn watch(&mut self) -> Result<(), Failure> {
        while !self.is_done() {
            tokio::select! {
                line = self.lines.next() => {
                    let line = line?.ok_or_else(|| Failure("was cut off".to_owned()))?;
                    let event: Event = serde_json::from_slice(&line)?;
                    self.take(event)?;
                }
                changed = self.ends.changed() => changed?,
            }
        }
        Ok(())
    }

    /// Whether every writer's last deletion was seen.
    fn is_done(&self) -> bool {
        self.ends.borrow().as_ref().is_some_and(|ends| {
            ends.iter().all(|(name, last)| self.seen.get(name).is_some_and(|(n, kind)| n == last && kind == "DELETED"))
        })
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        self.events += 1;
        let Event { kind, object } = event;
        let revision: u64 = object.metadata.resource_version.parse()?;
        if revision <= self.revision {
            return Err(Failure(format!("revision {revision} came after {}", self.revision)));
        }
        self.revision = revision;
        let n: u64 = object.data.get("n").map_or(Ok(0), |n| n.parse())?;
        let name = object.metadata.name;
        let (before, last_kind) = self.seen.get(&name).cloned().unwrap_or((0, "DELETED".to_owned()));
        let expected = match kind.as_str() {
            "ADDED" => last_kind == "DELETED" && n == before + 1,
            "MODIFIED" => last_kind != "DELETED" && n == before + 1,
            "DELETED" => last_kind != "DELETED" && n == before,
            _ => false,
        };
        if !expected {
            return Err(Failure(format!("{name}: {kind} {n} came after {last_kind} {before}")));
        }
        self.seen.insert(name, (n, kind));
        Ok(())
    }
}

/// What of this process is in memory, in MiB.
pub fn resident_mb(process: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kb / 1024.0)
}
