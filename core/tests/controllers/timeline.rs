//! The recorded timelines of a real control plane, acted again. What a machine's speed decides is left out: which of several
//! counts in between are seen, and milliseconds. Compared is, for each action until the next: the events' texts and how often
//! each came, every condition's changes in order, what nodes went through and when, how everything stood in the end, and when
//! each thing came true: every event, every pod's steps from its coming to its going, every size that a ReplicaSet was given.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use podarium_core::apiserver::Request;
use podarium_core::client::{InformerEvent, ListWatch, ObjectInformer};
use serde_json::{Value, json};

use crate::harness::Plane;

const NS: &str = "timeline";
/// Of a pod that is the recording's own, such as `web-<p4>`: the real name.
type Names = BTreeMap<String, String>;

/// One change of an object.
struct Change {
    t: f64,
    kind: String,
    name: String,
    deleted: bool,
    object: Value,
}

fn merge(into: &mut Value, patch: &Value) {
    let (Some(patch), true) = (patch.as_object(), into.is_object()) else {
        *into = patch.clone();
        return;
    };
    for (k, v) in patch {
        if v.is_null() {
            into.as_object_mut().expect("an object").remove(k);
        } else {
            let slot = into.as_object_mut().expect("an object").entry(k.clone()).or_insert(Value::Null);
            if slot.is_null() && v.is_object() {
                *slot = json!({});
            }
            merge(slot, v);
        }
    }
}

fn text<'a>(v: &'a Value, path: &str) -> &'a str {
    v.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The recording's changes, each with the whole object.
fn recorded(golden: &Value) -> Vec<Change> {
    let mut state: BTreeMap<(String, String), Value> = BTreeMap::new();
    let mut out = Vec::new();
    for e in golden["events"].as_array().expect("events") {
        let (kind, name) = (text(e, "/kind").to_owned(), text(e, "/name").to_owned());
        let object = if kind == "Event" {
            e.clone()
        } else {
            let slot = state.entry((kind.clone(), name.clone())).or_insert(json!({}));
            match e.get("object") {
                Some(o) => *slot = o.clone(),
                None => merge(slot, &e["changed"]),
            }
            slot.clone()
        };
        let t = e["t"].as_f64().expect("a time");
        out.push(Change { t, kind, name, deleted: text(e, "/type") == "DELETED", object });
    }
    out
}

/// Pods' and slices' generated names without what was generated.
fn plain(name: &str) -> String {
    let generated = |s: &str| s.len() == 5 && s.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    match name.rsplit_once('-') {
        Some((base, suffix)) if generated(suffix) || suffix.starts_with('<') => format!("{base}-<p>"),
        _ => name.to_owned(),
    }
}

fn plain_text(message: &str) -> String {
    let word = |w: &str| {
        if w.starts_with("worker-") {
            return "<node>".to_owned();
        }
        w.split('/').map(|part| if part == NS { "<ns>".to_owned() } else { plain(part) }).collect::<Vec<_>>().join("/")
    };
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn conditions(o: &Value) -> Vec<String> {
    let all = o.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().map(|c| format!("{}={}({})", text(c, "/type"), text(c, "/status"), text(c, "/reason"))).collect()
}

/// What the changes between two actions come to.
fn digest(changes: &[Change], state: &mut BTreeMap<(String, String), Value>, start: f64) -> Vec<String> {
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut pods_added = 0;
    let mut pods_deleted = 0;
    let (mut node_since, mut tainted, mut evicted) = (None, 0.0, None);
    for c in changes {
        let key = (c.kind.clone(), c.name.clone());
        match c.kind.as_str() {
            "Event" => {
                let o = &c.object;
                let line = format!(
                    "{} {} on {} ({}): {}",
                    text(o, "/eventType"),
                    text(o, "/reason"),
                    plain_text(text(o, "/about")),
                    text(o, "/source"),
                    plain_text(text(o, "/message"))
                );
                *events.entry(line).or_default() += 1;
                continue;
            }
            "Pod" => {
                if conditions(&c.object).iter().any(|l| l == "DisruptionTarget=True(DeletionByTaintManager)")
                    && tainted > 0.0
                {
                    evicted.get_or_insert(c.t - tainted);
                }
                pods_added += usize::from(!state.contains_key(&key));
                pods_deleted += usize::from(c.deleted);
            }
            "Deployment" => {
                for line in conditions(&c.object) {
                    let all = seen.entry(key.clone()).or_default();
                    let kind = line.split('=').next().unwrap_or_default().to_owned();
                    if all.iter().rev().find(|l| l.starts_with(&kind)) != Some(&line) {
                        all.push(line);
                    }
                }
            }
            "Node" => {
                let taints = c.object.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
                let taints: Vec<String> =
                    taints.iter().map(|t| format!("{}:{}", text(t, "/key"), text(t, "/effect"))).collect();
                let line = format!("{:?} {taints:?}", conditions(&c.object));
                let all = seen.entry(key.clone()).or_default();
                if all.last().is_none_or(|l| !l.ends_with(&line)) {
                    let first = *node_since.get_or_insert(c.t);
                    // The controller looks every 5 s: what it does at its next look is soon.
                    let when = if all.is_empty() {
                        format!(
                            "{} s after the action",
                            if (50.0..=55.5).contains(&(c.t - start)) { "50 to 55" } else { "a few" }
                        )
                    } else {
                        (if c.t - first <= 5.5 { "soon after" } else { "later" }).to_owned()
                    };
                    tainted = c.t;
                    all.push(format!("{when} {line}"));
                }
            }
            _ => {}
        }
        if c.deleted {
            state.remove(&key);
        } else {
            state.insert(key, c.object.clone());
        }
    }
    let mut out: Vec<String> = events.into_iter().map(|(e, n)| format!("{n} x {e}")).collect();
    out.push(format!("pods: {pods_added} came, {pods_deleted} went"));
    if let Some(after) = evicted {
        out.push(format!("eviction began {after:.0} s after the last taint"));
    }
    for ((kind, name), lines) in seen {
        let line = lines.join("; ");
        out.push(format!("{kind} {name} went through {line}"));
    }
    let mut pods: BTreeMap<String, usize> = BTreeMap::new();
    for ((kind, name), o) in state.iter() {
        match kind.as_str() {
            "Pod" => {
                let mut c: Vec<String> =
                    conditions(o).into_iter().filter(|c| c.starts_with("Ready") || c.starts_with("Disr")).collect();
                c.sort();
                let labels = o.pointer("/metadata/labels").cloned().unwrap_or_default();
                let going = o.pointer("/metadata/deletionTimestamp").is_some();
                let owned = o.pointer("/metadata/ownerReferences").is_some();
                let phase = text(o, "/status/phase");
                let line = format!("{phase} {c:?} going={going} owned={owned} {labels}");
                *pods.entry(line).or_default() += 1;
            }
            "ReplicaSet" | "Deployment" => {
                let mut status = o["status"].clone();
                let mut c = conditions(o);
                c.sort();
                status["conditions"] = json!(c);
                let mut annotations = o.pointer("/metadata/annotations").cloned().unwrap_or_default();
                if let Some(a) = annotations.as_object_mut() {
                    a.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                // Left out when zero.
                if let Some(s) = status.as_object_mut() {
                    s.retain(|k, v| !v.is_null() && (v != &json!(0) || k == "replicas" || k == "terminatingReplicas"));
                    if kind == "Deployment" && s.get("replicas") == Some(&json!(0)) {
                        s.remove("replicas");
                    }
                }
                let (wanted, generation) = (&o["spec"]["replicas"], &o["metadata"]["generation"]);
                out.push(format!("{kind} {name}: of {wanted}, generation {generation}, {status} {annotations}"));
            }
            "EndpointSlice" => {
                let all = o["endpoints"].as_array().cloned().unwrap_or_default();
                let mut each: Vec<String> = all.iter().map(|e| e["conditions"].to_string()).collect();
                each.sort();
                out.push(format!("slice: {} {each:?}", o["ports"]));
            }
            _ => {}
        }
    }
    out.extend(pods.into_iter().map(|(p, n)| format!("{n} pods {p}")));
    out
}

/// What an object says that can be waited for: each fact once.
fn facts(kind: &str, o: &Value) -> Vec<String> {
    match kind {
        "Pod" => {
            let mut all = vec!["there".to_owned()];
            if !text(o, "/spec/nodeName").is_empty() {
                all.push("bound".into());
            }
            if o.pointer("/metadata/deletionTimestamp").is_some() {
                all.push("going".into());
            }
            let told = |c: &String| c.starts_with("Ready=") || c.starts_with("DisruptionTarget=");
            all.extend(conditions(o).into_iter().filter(told));
            let phase = text(o, "/status/phase");
            all.extend((phase != "Pending" && !phase.is_empty()).then(|| phase.to_owned()));
            all
        }
        "ReplicaSet" => vec![format!("wants {}", o["spec"]["replicas"])],
        "Deployment" | "Node" => conditions(o),
        _ => Vec::new(),
    }
}

/// When things came true between two actions, in seconds since the first: of pods by their controller, of others by name.
fn milestones(
    changes: &[Change],
    before: &BTreeMap<(String, String), Value>,
    start: f64,
) -> BTreeMap<String, Vec<f64>> {
    let mut known: BTreeMap<(String, String), Vec<String>> =
        before.iter().map(|(k, o)| (k.clone(), facts(&k.0, o))).collect();
    let mut out: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for c in changes {
        let at = c.t - start;
        if c.kind == "Event" {
            let o = &c.object;
            let line = format!("{} on {}", text(o, "/reason"), plain_text(text(o, "/about")));
            out.entry(line).or_default().push(at);
            continue;
        }
        let key = (c.kind.clone(), c.name.clone());
        let who = format!("{} {}", c.kind, if c.kind == "Pod" { plain(&c.name) } else { c.name.clone() });
        if c.deleted {
            known.remove(&key);
            out.entry(format!("{who} gone")).or_default().push(at);
            continue;
        }
        let now = facts(&c.kind, &c.object);
        let had = known.insert(key, now.clone()).unwrap_or_default();
        for fact in now.into_iter().filter(|f| !had.contains(f)) {
            out.entry(format!("{who} {fact}")).or_default().push(at);
        }
    }
    out
}

/// Where the times of two runs differ by more than a machine's speed explains. `slack` is what else may lie between them.
fn late(wanted: &BTreeMap<String, Vec<f64>>, got: &BTreeMap<String, Vec<f64>>, slack: f64) -> Vec<String> {
    let mut out = Vec::new();
    for (what, times) in wanted {
        let none = Vec::new();
        let ours = got.get(what).unwrap_or(&none);
        if times.len() != ours.len() {
            out.push(format!("{what}: {} times, wanted {}", ours.len(), times.len()));
            continue;
        }
        for (a, b) in times.iter().zip(ours) {
            if (a - b).abs() > slack + 0.02 * a {
                out.push(format!("{what}: after {b:.2} s, wanted {a:.2} s"));
            }
        }
    }
    out.extend(got.keys().filter(|k| !wanted.contains_key(*k)).map(|k| format!("{k}: not wanted")));
    out
}

/// Watches what the recording watched.
fn watch(plane: &Plane, changes: &Rc<RefCell<Vec<Change>>>) {
    let kinds = [
        ("", "Pod"),
        ("", "Node"),
        ("", "Event"),
        ("apps", "ReplicaSet"),
        ("apps", "Deployment"),
        ("discovery.k8s.io", "EndpointSlice"),
    ];
    for (group, kind) in kinds {
        let namespace = (kind != "Node" && kind != "Event").then(|| NS.to_owned());
        let id = plane.registry.find_kind(group, kind);
        let informer = ObjectInformer::start(&plane.admin, id, ListWatch { namespace, ..Default::default() });
        plane.run(0.1);
        let (changes, sim) = (changes.clone(), plane.sim.clone());
        let first = std::cell::Cell::new(true);
        let ready = informer.has_synced();
        assert!(ready, "{kind}");
        let before = Rc::new(std::cell::Cell::new(true));
        let skip = before.clone();
        informer.on_event(move |e| {
            if skip.get() {
                return;
            }
            let (o, deleted) = match e {
                InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } => (o, false),
                InformerEvent::Deleted(o) => (o, true),
            };
            let mut v = o.to_value();
            let name = if kind == "Event" || kind == "EndpointSlice" { kind.to_owned() } else { text(&v, "/metadata/name").to_owned() };
            if kind == "Event" {
                let about = format!("{}/{}", text(&v, "/involvedObject/kind"), text(&v, "/involvedObject/name"));
                if about.starts_with("Lease/") {
                    return;
                }
                v = json!({"about": about, "eventType": v["type"], "reason": v["reason"], "message": v["message"], "source": v["source"]["component"]});
            }
            first.set(false);
            changes.borrow_mut().push(Change { t: sim.now().as_secs_f64(), kind: kind.to_owned(), name, deleted, object: v });
        });
        before.set(false);
    }
}

fn ask(plane: &Plane, method: &str, path: &str, content_type: &str, body: &Value) -> u16 {
    let headers =
        [("Authorization", "Bearer admin-token"), ("Content-Type", content_type), ("Accept", "application/json")];
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
        ..Default::default()
    };
    plane.server.borrow_mut().handle(&request).code
}

/// Pods' real names for the recording's, by the order in which they came.
fn real_name(path: &str, names: &Names) -> String {
    names.iter().fold(path.replace("<ns>", NS), |p, (golden, real)| p.replace(golden, real))
}

fn replay(golden: &str) {
    let golden: Value = serde_json::from_str(golden).expect("a recording");
    let plane = Plane::start(&["worker-1", "worker-2", "worker-3"]);
    let ns = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}});
    assert_eq!(ask(&plane, "POST", "/api/v1/namespaces", "application/json", &ns), 201);
    plane.run(3.0);
    let changes: Rc<RefCell<Vec<Change>>> = Rc::default();
    watch(&plane, &changes);
    let old = recorded(&golden);
    let actions = golden["actions"].as_array().expect("actions").clone();
    let end = golden["end"].as_f64().expect("an end");
    // Leases are renewed on whole tens of seconds here; heartbeats stop as long after one as they did then.
    let origin = plane.sim.now().as_secs_f64();
    let (mut golden_state, mut state) = (BTreeMap::new(), BTreeMap::new());
    let mut names = Names::new();
    // Actions in quick succession are looked at together.
    let mut began: Option<f64> = None;
    let mut shift = 0.0;
    for (i, action) in actions.iter().enumerate() {
        let at = action["t"].as_f64().expect("a time");
        let next = actions.get(i + 1).map_or(end, |a| a["t"].as_f64().expect("a time"));
        let t = *began.get_or_insert(at);
        let what = text(action, "/what");
        let path = real_name(text(action, "/path"), &names);
        if what.contains("heartbeats") || what.contains("comes back") {
            // Leases are renewed every ten seconds from the first on: the silence begins just after one, as it did then.
            let before = plane.sim.now().as_secs_f64();
            plane.run(10.0 - (before - 1.1) % 10.0);
            shift += plane.sim.now().as_secs_f64() - before;
            if what.contains("stop") {
                // The recording stops a node right after a renewal: how long the silence lasts counts from there.
                let now = MicroTime(plane.sim.timestamp());
                plane.act(async move |c| {
                    let renew = |l: &mut Lease| l.spec.get_or_insert_default().renew_time = Some(now.clone());
                    c.patch("kube-node-lease", "worker-3", "", renew).await.expect("renewed");
                });
            }
            plane.silence("worker-3", what.contains("stop"));
        } else {
            let code = ask(&plane, text(action, "/method"), &path, text(action, "/contentType"), &action["body"]);
            assert_eq!(json!(code), action["code"], "{what}");
        }
        let start = plane.sim.now().as_secs_f64();
        if next - at < 0.1 {
            continue;
        }
        began = None;
        let last = i + 1 == actions.len();
        let until = origin + shift + next + if last { 15.0 } else { 0.0 };
        plane.run((until - plane.sim.now().as_secs_f64()).max(0.0));
        let then: Vec<Change> = {
            let all: Vec<&Change> = old.iter().filter(|c| c.t >= t && (c.t < next || last)).collect();
            all.into_iter()
                .map(|c| Change {
                    t: c.t,
                    kind: c.kind.clone(),
                    name: if c.kind == "EndpointSlice" { c.kind.clone() } else { c.name.clone() },
                    deleted: c.deleted,
                    object: c.object.clone(),
                })
                .collect()
        };
        let now = changes.take();
        // A pod of the recording is played by one that came in the same place among its controller's.
        let newcomers = |of: &[Change], known: &BTreeMap<(String, String), Value>| {
            let mut names: Vec<String> = Vec::new();
            for c in of.iter().filter(|c| c.kind == "Pod" && !known.contains_key(&(c.kind.clone(), c.name.clone()))) {
                if !names.contains(&c.name) {
                    names.push(c.name.clone());
                }
            }
            names
        };
        let mut real = newcomers(&now, &state);
        for g in newcomers(&then, &golden_state) {
            if let Some(at) = real.iter().position(|r| plain(r) == plain(&g)) {
                names.insert(g, real.remove(at));
            }
        }
        // The node controller looks every 5 s, and the two began to look at different times; a node that comes back says so
        // when its next heartbeat is due.
        let slack = match what {
            w if w.contains("comes back") => 10.1,
            w if w.contains("heartbeats") => 5.6,
            _ => 0.6,
        };
        let times = late(&milestones(&then, &golden_state, t), &milestones(&now, &state, start), slack);
        let wanted = digest(&then, &mut golden_state, at);
        let got = digest(&now, &mut state, start);
        let differ: Vec<String> = wanted
            .iter()
            .filter(|l| !got.contains(l))
            .map(|l| format!("- {l}"))
            .chain(got.iter().filter(|l| !wanted.contains(l)).map(|l| format!("+ {l}")))
            .chain(times)
            .collect();
        println!("{t} {what}: {}", if differ.is_empty() { "same" } else { "differs" });
        differ.iter().for_each(|d| println!("    {d}"));
        FAILED.with(|f| f.borrow_mut().extend(differ.into_iter().map(|d| format!("{what}: {d}"))));
    }
    let failed = FAILED.take();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

thread_local! {
    static FAILED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn replicaset_lifecycle() {
    replay(include_str!("../../../tests/golden/timelines/replicaset-lifecycle.json"));
}

#[test]
fn node_death() {
    replay(include_str!("../../../tests/golden/timelines/node-death.json"));
}

#[test]
fn deployment_rollout() {
    replay(include_str!("../../../tests/golden/timelines/deployment-rollout.json"));
}
