//! Pods that are deleted, or made anew under their names, while their kubelet hears nothing of it.

use std::collections::BTreeSet;

use super::*;

/// The uids of the pods of worker-1: those that the api-server has, and those that containerd has sandboxes of.
fn known_and_running(c: &Cluster) -> (BTreeSet<String>, BTreeSet<String>) {
    let pods = all::<Pod>(c, "/registry/pods/");
    let bound = pods.iter().filter(|p| on(p) == "worker-1").filter_map(|p| p.metadata.uid.clone());
    let sandboxes = c.containerd("worker-1").and_then(|d| d.list_pod_sandbox().ok()).unwrap_or_default();
    (bound.collect(), sandboxes.iter().map(|s| s.spec.uid.to_string()).collect())
}

#[test]
fn nothing_stays_of_a_pod_that_was_replaced_while_its_node_was_cut_off() {
    for anew in [true, false] {
        let mut c = cluster(1);
        let spec = serde_json::json!({ "containers": [{ "name": "nginx", "image": "nginx:1.27" }] });
        apply(&mut c, pod_json("web", spec.clone()));
        c.run_for(Duration::from_secs(15));
        let worker = |c: &mut Cluster, action| c.submit(Input::Machine { machine: "worker-1".into(), action });
        worker(&mut c, MachineAction::Unplug);
        c.run_for(Duration::from_secs(20));
        request(&mut c, "DELETE", "/api/v1/namespaces/default/pods/web?gracePeriodSeconds=0", None);
        c.run_for(Duration::from_secs(1));
        if anew {
            apply(&mut c, pod_json("web", spec));
        }
        c.run_for(Duration::from_secs(5));
        worker(&mut c, MachineAction::Plug);
        // A container's grace of 30 s, and the minute within which what it left is collected.
        c.run_for(Duration::from_secs(150));
        let (known, running) = known_and_running(&c);
        assert_eq!(known, running, "made anew: {anew}");
        assert_eq!(pod(&c, "web").is_some(), anew);
    }
}
