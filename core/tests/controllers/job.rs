//! Jobs: failures and what they mean, indexes, suspension.

use serde_json::{Value, json};

use crate::harness::Plane;

const JOB: &str = "/apis/batch/v1/namespaces/default/jobs/j";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn start(spec: Value) -> Plane {
    let plane = Plane::start(&["worker-1"]);
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}});
    for (k, v) in spec.as_object().expect("a spec") {
        job["spec"][k] = v.clone();
    }
    plane.must("POST", "/apis/batch/v1/namespaces/default/jobs", &job);
    plane.run(3.0);
    plane
}

/// Pods that run, with their indexes.
fn running(plane: &Plane) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let live = |p: &&Value| p["status"]["phase"] == "Running" && p["metadata"]["deletionTimestamp"].is_null();
    let index = |p: &Value| text(&p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]);
    plane.list(PODS).iter().filter(live).map(|p| (text(&p["metadata"]["name"]), index(p))).collect()
}

/// Ends a running pod, of the index if one is given, with an exit code.
fn end(plane: &Plane, index: &str, code: i32) {
    let all = running(plane);
    let (name, _) = all.iter().find(|(_, i)| i == index).unwrap_or_else(|| panic!("no pod of {index:?} in {all:?}"));
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    let now = plane.sim.timestamp();
    let terminated = json!({"exitCode": code, "finishedAt": jiff::Timestamp::from_second(now.as_second()).expect("a second").to_string()});
    let container = json!({"name": "c", "image": "busybox", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": terminated}});
    let status = json!({"status": {"phase": phase, "containerStatuses": [container]}});
    plane.must("PATCH", &format!("{PODS}/{name}/status"), &status);
}

fn conditions(plane: &Plane) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all = plane.get(JOB)["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.iter().map(|c| format!("{}={} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"]))).collect()
}

fn status(plane: &Plane, field: &str) -> Value {
    plane.get(JOB)["status"][field].clone()
}

#[test]
fn failures_are_tried_again_with_patience() {
    let plane = start(json!({"backoffLimit": 2}));
    let mut waits = Vec::new();
    for _ in 0..2 {
        end(&plane, "", 1);
        waits.push(plane.run_while(0.5, 100.0, || running(&plane).is_empty()));
    }
    assert!((10.0..13.0).contains(&waits[0]) && (20.0..23.0).contains(&waits[1]), "{waits:?}");
    end(&plane, "", 1);
    plane.run(3.0);
    assert_eq!(conditions(&plane), ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
    assert_eq!(status(&plane, "failed"), 3);
    assert!(
        plane
            .events_of("Job")
            .contains(&"BackoffLimitExceeded j: Job has reached the specified backoff limit".to_owned())
    );
}

#[test]
fn rules_say_what_a_failure_means() {
    let rules = json!([
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
    ]);
    let plane = start(json!({"backoffLimit": 0, "podFailurePolicy": {"rules": rules}}));
    end(&plane, "", 7);
    plane.run(15.0);
    assert_eq!(status(&plane, "failed"), Value::Null);
    let name = running(&plane)[0].0.clone();
    end(&plane, "", 42);
    plane.run(3.0);
    assert_eq!(conditions(&plane), ["FailureTarget=True PodFailurePolicy", "Failed=True PodFailurePolicy"]);
    let why = format!(
        "PodFailurePolicy j: Container c for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
    );
    assert!(plane.events_of("Job").contains(&why));
}

#[test]
fn indexes_fail_one_by_one() {
    let plane =
        start(json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}));
    end(&plane, "1", 1);
    plane.run(2.0);
    assert_eq!(running(&plane).len(), 1);
    plane.run(11.0);
    let again = running(&plane).into_iter().find(|(_, i)| i == "1").expect("index 1 again").0;
    let pod = plane.get(&format!("{PODS}/{again}"));
    assert_eq!(pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"], "1");
    end(&plane, "1", 1);
    plane.run(30.0);
    assert_eq!([status(&plane, "failedIndexes"), status(&plane, "failed")], [json!("1"), json!(2)]);
    assert_eq!(running(&plane).len(), 1);
    end(&plane, "0", 0);
    plane.run(3.0);
    assert_eq!(conditions(&plane), ["FailureTarget=True FailedIndexes", "Failed=True FailedIndexes"]);
    assert_eq!(status(&plane, "completedIndexes"), "0");
}

#[test]
fn the_leader_may_be_enough() {
    let policy = json!({"rules": [{"succeededIndexes": "0"}]});
    let plane =
        start(json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3, "successPolicy": policy}));
    end(&plane, "0", 0);
    plane.run(5.0);
    assert_eq!(conditions(&plane), ["SuccessCriteriaMet=True SuccessPolicy", "Complete=True SuccessPolicy"]);
    assert_eq!(running(&plane).len(), 0);
    assert_eq!([status(&plane, "succeeded"), status(&plane, "failed")], [json!(1), Value::Null]);
}

#[test]
fn suspended_pods_go_and_have_not_failed() {
    let plane = start(json!({"completions": 4, "parallelism": 2}));
    assert_eq!(running(&plane).len(), 2);
    plane.must("PATCH", JOB, &json!({"spec": {"suspend": true}}));
    plane.run(5.0);
    assert_eq!(plane.list(PODS).len(), 0);
    assert_eq!([status(&plane, "failed"), status(&plane, "active")], [Value::Null, Value::Null]);
    assert_eq!(conditions(&plane), ["Suspended=True JobSuspended"]);
    plane.must("PATCH", JOB, &json!({"spec": {"suspend": false}}));
    plane.run(5.0);
    assert_eq!(running(&plane).len(), 2);
    assert_eq!(conditions(&plane), ["Suspended=False JobResumed"]);
    let events = plane.events_of("Job");
    for e in ["Suspended j: Job suspended", "Resumed j: Job resumed"] {
        assert!(events.contains(&e.to_owned()), "{events:?}");
    }
}
