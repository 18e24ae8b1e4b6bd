//! How long a ReplicaSet takes in simulated time: what the client's limits, slow start and the event poster make of it.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use podarium_core::client::{Informer, ListWatch};
use serde_json::json;

use crate::harness::Plane;

fn replica_set(name: &str, replicas: i32) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}}
    }))
    .expect("a ReplicaSet")
}

fn seconds(replicas: i32) -> f64 {
    let names: Vec<String> = (0..100).map(|i| format!("worker-{i}")).collect();
    let plane = Plane::start(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let pods: Informer<Pod> = Informer::start(&plane.admin, ListWatch::default());
    let ready = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = ready.clone();
    pods.on_event(move |e| {
        if let podarium_core::client::InformerEvent::Updated { old, new } = e {
            let running = |p: &Pod| p.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Running"));
            counter.set(counter.get() + i32::from(running(new) && !running(old)));
        }
    });
    #[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "wall time is what is measured")]
    let wall = std::time::Instant::now();
    plane.act(async move |c| c.create(replica_set("web", replicas)).await.expect("created"));
    let took = plane.run_while(0.1, 3000.0, || ready.get() < replicas);
    println!(
        "{replicas}: {took:.1} s simulated, {:.3} s wall, polls {}",
        wall.elapsed().as_secs_f64(),
        plane.sim.polls()
    );
    took
}

/// Recorded of a real control plane whose fake nodes start pods at once; these take a second longer.
#[test]
fn replica_sets_take_as_long_as_real_ones() {
    for (replicas, real) in [(100, 3.8), (500, 24.0), (1000, 49.4), (3000, 151.8)] {
        let took = seconds(replicas) - 1.0;
        assert!((took - real).abs() <= 0.05 * real, "{replicas} replicas took {took} s, not {real}");
    }
}
