//! Every watch replays to the list: mirrors that are fed through the front door by list and watch alone, some of which look
//! away for so long that the server has forgotten where they were (410) and they list again.

use std::collections::BTreeMap;
use std::time::Duration;

use podarium_core::apiserver::User;
use podarium_core::apiserver::handle::{Body, Request, WatchBody};
use podarium_core::cluster::Cluster;
use podarium_core::sim::{MachineId, ProcessId, SimTime};
use serde_json::Value;

use super::{Invariant, World};

/// Lists and watches, `(path, only metadata)`.
const WATCHED: [(&str, bool); 5] = [
    ("/api/v1/pods", false),
    ("/api/v1/nodes", false),
    ("/apis/apps/v1/replicasets", true),
    ("/apis/coordination.k8s.io/v1/leases", true),
    ("/apis/discovery.k8s.io/v1/endpointslices", false),
];

/// Between comparisons of a mirror with the list.
const COMPARE: Duration = Duration::from_secs(60);

pub(super) struct Watches {
    process: ProcessId,
    mirrors: Vec<Mirror>,
    next_compare: SimTime,
}

struct Mirror {
    path: &'static str,
    metadata_only: bool,
    /// How long it looks away after each minute of watching.
    absence: Duration,
    away_until: SimTime,
    watch_until: SimTime,
    objects: BTreeMap<String, Value>,
    /// Up to which revision; `None` before the first list.
    revision: Option<u64>,
    body: Option<Box<WatchBody>>,
    /// How often it listed again since the server had forgotten.
    relisted: u32,
}

enum Answer {
    Down,
    Full(u16, Value),
    Watch(Box<WatchBody>),
}

impl Watches {
    pub(super) fn new(cluster: &Cluster, seed: u64) -> Self {
        let mirror = |(path, metadata_only), absence| Mirror {
            path,
            metadata_only,
            absence,
            away_until: SimTime::ZERO,
            watch_until: SimTime::MAX,
            objects: BTreeMap::new(),
            revision: None,
            body: None,
            relisted: 0,
        };
        let mut mirrors: Vec<Mirror> = WATCHED.map(|w| mirror(w, Duration::ZERO)).into();
        // The lazy ones; how lazy is the seed's.
        mirrors.push(mirror(WATCHED[0], Duration::from_secs(5 + seed % 400)));
        mirrors.push(mirror(WATCHED[1], Duration::from_secs(5 + seed % 90)));
        let process = cluster.sim().start_process("observer", MachineId::OUTSIDE);
        Watches { process, mirrors, next_compare: SimTime::ZERO + COMPARE }
    }
}

impl Mirror {
    fn ask(&self, cluster: &Cluster, process: ProcessId, query: &str) -> Answer {
        let Some(e) = cluster.endpoints().first().filter(|e| cluster.sim().process_runs(e.process)) else {
            return Answer::Down;
        };
        let accept = if self.metadata_only {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        } else {
            "application/json"
        };
        let request = Request {
            method: "GET".into(),
            path: self.path.into(),
            query: query.into(),
            headers: vec![("Accept".into(), accept.into())],
            process,
            certificate: Some(User {
                name: "kubernetes-admin".into(),
                groups: vec!["system:masters".into(), "system:authenticated".into()],
                ..User::default()
            }),
            ..Request::default()
        };
        let response = e.server.borrow_mut().handle(&request);
        match response.body {
            Body::Watch(w) => Answer::Watch(w),
            Body::Full(bytes) => Answer::Full(response.code, serde_json::from_slice(&bytes).unwrap_or(Value::Null)),
            Body::Kubelet(_) => Answer::Down,
        }
    }

    /// Lists: what is there, and at which revision. `None` while nobody answers.
    fn list(&self, cluster: &Cluster, process: ProcessId, query: &str) -> Option<Result<(u64, Objects), u16>> {
        let Answer::Full(code, mut list) = self.ask(cluster, process, query) else { return None };
        if code >= 500 {
            return None;
        }
        if code != 200 {
            return Some(Err(code));
        }
        let revision = list["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse().ok()).unwrap_or(0);
        let Value::Array(items) = list["items"].take() else { return Some(Ok((revision, BTreeMap::new()))) };
        Some(Ok((revision, items.into_iter().map(|mut o| (key(&o), bare(&mut o))).collect())))
    }

    fn turn(&mut self, cluster: &Cluster, process: ProcessId) -> Result<(), String> {
        let now = cluster.now();
        if now < self.away_until {
            return Ok(());
        }
        if self.body.is_none() {
            let Some(revision) = self.revision else {
                match self.list(cluster, process, "") {
                    Some(Ok((revision, objects))) => {
                        self.objects = objects;
                        self.revision = Some(revision);
                    }
                    Some(Err(code)) => return Err(format!("GET {}: {code}", self.path)),
                    None => {}
                }
                return Ok(());
            };
            let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={revision}");
            match self.ask(cluster, process, &query) {
                Answer::Watch(w) => self.body = Some(w),
                Answer::Full(410, _) => self.forgotten(),
                Answer::Full(code, body) if code < 500 => {
                    return Err(format!("GET {}?{query}: {code} {body}", self.path));
                }
                Answer::Full(..) | Answer::Down => {}
            }
            if !self.absence.is_zero() {
                self.watch_until = now + COMPARE;
            }
        }
        self.read()?;
        if now >= self.watch_until {
            self.body = None;
            self.away_until = now + self.absence;
            self.watch_until = SimTime::MAX;
        }
        Ok(())
    }

    fn forgotten(&mut self) {
        self.revision = None;
        self.body = None;
        self.relisted += 1;
    }

    /// Reads what has come.
    fn read(&mut self) -> Result<(), String> {
        while let Some(bytes) = self.body.as_mut().and_then(|b| b.try_next()) {
            let mut event: Value = serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", self.path))?;
            let mut object = event["object"].take();
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            if kind == "ERROR" {
                if object["code"] != 410 {
                    return Err(format!("{}: the watch ends with {object}", self.path));
                }
                self.forgotten();
                return Ok(());
            }
            let at: u64 =
                object["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse().ok()).unwrap_or_default();
            let last = self.revision.unwrap_or(0);
            let key = key(&object);
            if at < last || (at == last && kind != "BOOKMARK") {
                return Err(format!("{}: {kind} {key} at {at} after {last}", self.path));
            }
            self.revision = Some(at);
            let there = self.objects.contains_key(&key);
            match (kind.as_str(), there) {
                ("ADDED", false) | ("MODIFIED", true) => {
                    self.objects.insert(key, bare(&mut object));
                }
                ("DELETED", true) => {
                    self.objects.remove(&key);
                }
                ("BOOKMARK", _) => {}
                _ => {
                    return Err(format!(
                        "{}: {kind} {key} at {at} after {last}, which is there: {there}; away for {} s now and then, listed again {} times",
                        self.path,
                        self.absence.as_secs(),
                        self.relisted
                    ));
                }
            }
        }
        if self.body.as_ref().is_some_and(|b| b.is_closed()) {
            self.body = None;
        }
        Ok(())
    }

    /// Compares with the list at the very revision that the watch has come to.
    fn compare(&self, cluster: &Cluster, process: ProcessId) -> Result<(), String> {
        let Some(revision) = self.revision else { return Ok(()) };
        let query = format!("resourceVersion={revision}&resourceVersionMatch=Exact");
        let listed = match self.list(cluster, process, &query) {
            Some(Ok((_, listed))) => listed,
            // Compacted away.
            Some(Err(410)) | None => return Ok(()),
            Some(Err(code)) => return Err(format!("GET {}?{query}: {code}", self.path)),
        };
        if listed == self.objects {
            return Ok(());
        }
        let differs = listed.keys().chain(self.objects.keys()).find(|k| listed.get(*k) != self.objects.get(*k));
        let key = differs.cloned().unwrap_or_default();
        Err(format!(
            "{} at {revision}: {key} is listed as {:?} but the watch said {:?}",
            self.path,
            listed.get(&key).map(Value::to_string),
            self.objects.get(&key).map(Value::to_string),
        ))
    }
}

type Objects = BTreeMap<String, Value>;

fn key(o: &Value) -> String {
    let m = &o["metadata"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&m["namespace"]), text(&m["name"]))
}

/// An object without what items of lists leave out.
fn bare(o: &mut Value) -> Value {
    if let Some(fields) = o.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    o.take()
}

impl Invariant for Watches {
    fn glance(&mut self, cluster: &Cluster, _: &World) -> Result<(), String> {
        for m in &mut self.mirrors {
            m.turn(cluster, self.process)?;
        }
        if cluster.now() >= self.next_compare {
            self.next_compare = cluster.now() + COMPARE;
            for m in &self.mirrors {
                m.compare(cluster, self.process)?;
            }
        }
        Ok(())
    }
}
