//! CronJobs: when they start Jobs, what they say, what they keep.

use serde_json::{Value, json};

use crate::harness::Plane;

const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// A minute's CronJob, created at 00:00:21.
fn start(spec: Value) -> Plane {
    let plane = Plane::start(&["worker-1"]);
    let mut cj = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": {
        "schedule": "* * * * *", "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}}}});
    for (k, v) in spec.as_object().expect("a spec") {
        cj["spec"][k] = v.clone();
    }
    plane.must("POST", CRON_JOBS, &cj);
    plane
}

fn jobs(plane: &Plane) -> Vec<String> {
    plane.list(JOBS).iter().map(|j| j["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

/// All pods end well.
fn finish(plane: &Plane) {
    for p in plane.list(PODS) {
        let name = p["metadata"]["name"].as_str().expect("a name");
        if p["status"]["phase"] == "Running" {
            plane.must("PATCH", &format!("{PODS}/{name}/status"), &json!({"status": {"phase": "Succeeded"}}));
        }
    }
}

fn status(plane: &Plane) -> Value {
    plane.get(&format!("{CRON_JOBS}/tick"))["status"].clone()
}

#[test]
fn a_job_a_minute_and_three_are_kept() {
    let plane = start(json!({}));
    plane.run(36.0);
    assert_eq!(jobs(&plane), [""; 0]);
    plane.run(5.0);
    assert_eq!(jobs(&plane), ["tick-29921761"]);
    let s = status(&plane);
    assert_eq!(s["lastScheduleTime"], "2026-11-22T00:01:00Z");
    assert_eq!([&s["active"][0]["kind"], &s["active"][0]["name"]], ["Job", "tick-29921761"]);
    let job = plane.get(&format!("{JOBS}/tick-29921761"));
    let at = &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(at, "2026-11-22T00:01:00Z");
    assert_eq!(job["metadata"]["labels"]["a"], "b");
    for _ in 0..5 {
        plane.run(5.0);
        finish(&plane);
        plane.run(55.0);
    }
    plane.run(10.0);
    assert_eq!(jobs(&plane), ["tick-29921763", "tick-29921764", "tick-29921765", "tick-29921766"]);
    assert_eq!(
        plane.events_of("CronJob")[..4],
        [
            "SuccessfulCreate tick: Created job tick-29921761",
            "SawCompletedJob tick: Saw completed job: tick-29921761, condition: Complete",
            "SuccessfulCreate tick: Created job tick-29921762",
            "SawCompletedJob tick: Saw completed job: tick-29921762, condition: Complete",
        ]
    );
    assert!(plane.events_of("CronJob").contains(&"SuccessfulDelete tick: Deleted job tick-29921761".to_owned()));
    assert!(status(&plane)["lastSuccessfulTime"].is_string());
}

#[test]
fn what_runs_still_is_let_be_or_replaced_or_joined() {
    for (policy, want, event) in [
        ("Allow", &["tick-29921761", "tick-29921762"][..], "SuccessfulCreate tick: Created job tick-29921762"),
        (
            "Forbid",
            &["tick-29921761"],
            "JobAlreadyActive tick: Not starting job because prior execution is running and concurrency policy is Forbid",
        ),
        ("Replace", &["tick-29921762"], "SuccessfulDelete tick: Deleted job tick-29921761"),
    ] {
        let plane = start(json!({"concurrencyPolicy": policy}));
        plane.run(105.0);
        assert_eq!(jobs(&plane), want, "{policy}");
        assert!(plane.events_of("CronJob").contains(&event.to_owned()), "{policy}");
    }
}

#[test]
fn suspended_it_rests_and_missed_times_are_missed() {
    let plane = start(json!({"suspend": true, "startingDeadlineSeconds": 20}));
    plane.run(150.0);
    assert_eq!(jobs(&plane), [""; 0]);
    // 00:02:51: the last time is 51 s ago, which is too late.
    plane.must("PATCH", &format!("{CRON_JOBS}/tick"), &json!({"spec": {"suspend": false}}));
    plane.run(2.0);
    assert_eq!(jobs(&plane), [""; 0]);
    plane.run(10.0);
    assert_eq!(jobs(&plane), ["tick-29921763"]);
}

#[test]
fn other_times_and_zones() {
    let plane = start(json!({"schedule": "0 9 * * *", "timeZone": "Asia/Tokyo"}));
    // 09:00 in Tokyo is midnight in UTC.
    plane.run(23.0 * 3600.0 + 3500.0);
    assert_eq!(jobs(&plane), [""; 0]);
    plane.run(90.0);
    assert_eq!(jobs(&plane), ["tick-29923200"]);
    let job = plane.get(&format!("{JOBS}/tick-29923200"));
    let at = &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(at, "2026-11-23T09:00:00+09:00");
    plane.must("PATCH", &format!("{CRON_JOBS}/tick"), &json!({"spec": {"schedule": "* * * * *"}}));
    plane.run(61.0);
    assert_eq!(jobs(&plane).len(), 2);
}
