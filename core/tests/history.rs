//! What the api-server keeps of the past, and for whom: old versions are read as they were, and who reads too slowly is cut off.

use std::rc::Rc;
use std::time::Duration;

use podarium_core::apiserver::{Body, Caller, ListOptions, User};
use podarium_core::etcd::{RangeRequest, Value as Stored};
use serde_json::{Value, json};

#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test program uses another part of it")]
mod server;

use server::Server;

impl Server {
    /// What was written, as it is then.
    fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body).body;
        assert_ne!(answer["kind"], "Status", "{method} {path}: {answer}");
        answer
    }

    fn caller(&self) -> Caller {
        let user = User { name: "admin".into(), groups: vec!["system:masters".into()], ..User::default() };
        Caller { process: self.process, user: Rc::new(user), manager: "test".into() }
    }
}

const NAMESPACE: &str = "/api/v1/namespaces/default";

/// More writes than etcd waits for before it keeps versions small.
const MANY: usize = 300;

fn revision(o: &Value) -> u64 {
    o["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse().ok()).expect("a resourceVersion")
}

/// A pod, a Lease and events, as each write left them.
fn live(s: &Server) -> Vec<Value> {
    let account = json!({"metadata": {"name": "default"}});
    s.ask("POST", "/api/v1/namespaces", &json!({"metadata": {"name": "default"}}));
    s.ask("POST", &format!("{NAMESPACE}/serviceaccounts"), &account);
    let container = json!({"name": "main", "image": "nginx"});
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [container]}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let mut versions = vec![
        s.write("POST", &format!("{NAMESPACE}/pods"), &pod),
        s.write("POST", leases, &json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "x"}})),
    ];
    for i in 0..MANY {
        let (method, path, body) = match i % 4 {
            0 => ("PATCH", format!("{NAMESPACE}/pods/a/status"), json!({"status": {"message": format!("{i}")}})),
            1 => ("PATCH", format!("{NAMESPACE}/pods/a"), json!({"metadata": {"labels": {"n": format!("{i}")}}})),
            2 => {
                let time = format!("2026-01-01T00:{:02}:{:02}.000000Z", i / 60, i % 60);
                ("PATCH", format!("{leases}/l"), json!({"spec": {"renewTime": time}}))
            }
            _ => {
                let about = json!({"kind": "Pod", "namespace": "default", "name": "a"});
                let event =
                    json!({"metadata": {"name": format!("a.{i}")}, "involvedObject": about, "reason": "Tested"});
                ("POST", format!("{NAMESPACE}/events"), event)
            }
        };
        versions.push(s.write(method, &path, &body));
    }
    versions
}

#[test]
fn old_versions_are_read_as_they_were() {
    let s = Server::new();
    let versions = live(&s);
    let since = revision(&versions[0]) - 1;
    for resource in ["pods", "events"] {
        let of = |v: &&Value| v["kind"] == if resource == "pods" { "Pod" } else { "Event" };
        let expected: Vec<&Value> = versions.iter().filter(of).collect();
        let path = format!("{NAMESPACE}/{resource}?watch=true&resourceVersion={since}");
        let Body::Watch(mut watch) = s.answer("GET", &path, &[], b"").body else { panic!("no watch") };
        s.sim.run_until(s.sim.now() + Duration::from_secs(1));
        for version in expected {
            let event: Value = serde_json::from_slice(&watch.try_next().expect("an event")).expect("JSON");
            assert_eq!(event["object"], *version);
        }
    }
    let store = s.etcd.store.borrow();
    for version in versions.iter().filter(|v| v["kind"] != "Event") {
        let key = if version["kind"] == "Pod" { "/registry/pods/default/a" } else { "/registry/leases/default/l" };
        let request = RangeRequest { key, revision: revision(version), ..RangeRequest::default() };
        let found = store.range(&request).expect("that revision is there");
        let Some(Stored::Object(o)) = found.kvs.first().map(|kv| kv.value()) else { panic!("{key} is not there") };
        for part in ["labels", "resourceVersion", "uid"] {
            assert_eq!(o.to_value()["metadata"][part], version["metadata"][part], "{part} of {key}");
        }
        assert_eq!(o.to_value()["status"]["message"], version["status"]["message"]);
        assert_eq!(o.to_value()["spec"]["renewTime"], version["spec"]["renewTime"]);
    }
}

#[test]
fn who_reads_too_slowly_is_cut_off_and_nobody_else() {
    const BACKLOG: usize = 50;
    let s = Server::new();
    s.ask("POST", "/api/v1/namespaces", &json!({"metadata": {"name": "default"}}));
    let id =
        s.server.borrow().registry().ids().find(|id| s.server.borrow().registry().info(*id).resource == "configmaps");
    let id = id.expect("there are ConfigMaps");
    let watch = || {
        let options = ListOptions::default();
        s.server.borrow_mut().watch(&s.caller(), id, Some("default"), &options).expect("a watch")
    };
    let (mut slow, mut quick) = (watch(), watch());
    s.sim.run_until(s.sim.now() + Duration::from_secs(1));
    while slow.try_next().is_some() {}
    while quick.try_next().is_some() {}
    slow.limit_backlog(BACKLOG);
    quick.limit_backlog(BACKLOG);
    for i in 0..BACKLOG * 3 {
        let written =
            s.write("POST", &format!("{NAMESPACE}/configmaps"), &json!({"metadata": {"name": format!("c{i}")}}));
        s.sim.run_until(s.sim.now() + Duration::from_secs(1));
        let event = quick.try_next().expect("an event").expect("no error");
        assert_eq!(event.revision, revision(&written), "who reads sees each write at once");
        assert!(quick.try_next().is_none());
    }
    let status = slow.try_next().expect("a last word").expect_err("what was left unread is gone");
    assert_eq!((status.code, status.message.as_str()), (410, "too old resource version: watcher is too slow"));
    assert!(slow.try_next().is_none() && slow.is_closed());
    assert!(!quick.is_closed());
}
