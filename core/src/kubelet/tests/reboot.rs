//! Machines that lose their power and come back.

use super::*;

#[test]
fn a_power_cut_restarts_containers() {
    let mut c = with_web(1);
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOff });
    c.run_for(Duration::from_secs(5));
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOn });
    watch(
        &mut c,
        "web",
        Duration::from_secs(40),
        expect![[r#"
        0.0 Running [nginx:Running ready=true restarts=0] 
        8.0 Running [nginx:Unknown(255) ready=false restarts=0] !PodReadyToStartContainers !Ready !ContainersReady
        9.0 Running [nginx:Running ready=true restarts=1] 
    "#]],
    );
    events(
        &c,
        "worker-1",
        expect![[r#"
            Normal RegisteredNode x1 Node worker-1 event: Registered Node worker-1 in Controller
            Normal Starting x1 Starting kubelet.
            Normal NodeHasSufficientMemory x1 Node worker-1 status is now: NodeHasSufficientMemory
            Normal NodeHasNoDiskPressure x1 Node worker-1 status is now: NodeHasNoDiskPressure
            Normal NodeHasSufficientPID x1 Node worker-1 status is now: NodeHasSufficientPID
            Normal NodeAllocatableEnforced x1 Updated Node Allocatable limit across pods
            Normal NodeReady x1 Node worker-1 status is now: NodeReady
            Normal Starting x1 
            Normal Starting x1 Starting kubelet.
            Normal NodeAllocatableEnforced x1 Updated Node Allocatable limit across pods
            Warning Rebooted x1 Node worker-1 has been rebooted, boot id: 9b26ff23-3c81-4a43-8aa5-3cd4de440b57
            Normal Starting x1 
        "#]],
    );
}

#[test]
fn what_died_is_kept_until_the_api_server_tells_its_pods() {
    let mut c = cluster(1);
    let component =
        |name: &str, action| Input::Component { machine: "control-plane".into(), component: name.into(), action };
    let proxy = |c: &Cluster| {
        let on = |p: &Pod| p.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some("control-plane");
        let named = |p: &Pod| p.metadata.name.as_deref().is_some_and(|n| n.starts_with("kube-proxy"));
        all::<Pod>(c, "/registry/pods/").into_iter().find(|p| on(p) && named(p)).expect("a proxy")
    };
    c.run_for(Duration::from_secs(10));
    c.submit(Input::Machine { machine: "control-plane".into(), action: MachineAction::PowerOff });
    c.submit(component("etcd", ComponentAction::Stop));
    c.submit(Input::Machine { machine: "control-plane".into(), action: MachineAction::PowerOn });
    c.run_for(Duration::from_secs(20));
    // What a static pod leaves is collected within a minute, before this kubelet hears of other pods.
    c.submit(component("kube-scheduler", ComponentAction::Stop));
    c.run_for(Duration::from_secs(120));
    c.submit(component("etcd", ComponentAction::Start));
    c.run_for(Duration::from_secs(90));
    let proxy = proxy(&c);
    let status = proxy.status.as_ref().and_then(|s| s.container_statuses.as_ref()?.first()).expect("a container");
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).expect("an end");
    assert_eq!((status.restart_count, last.reason.as_deref(), last.exit_code), (1, Some("Unknown"), 255));
    assert!(last.container_id.is_some());
}
