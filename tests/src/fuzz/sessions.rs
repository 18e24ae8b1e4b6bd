//! Sessions, as they come from the browser's storage and from links that somebody shared.

use std::rc::Rc;
use std::time::Duration;

use podarium_core::cluster::Cluster;
use podarium_core::runtime::images::{Registries, Registry};
use podarium_core::session::{
    ClusterConfig, ComponentAction, Input, MachineAction, ServiceAction, Session, TimedInput,
};
use podarium_core::sim::SimTime;

use super::{Target, mutate};
use crate::dice::Dice;
use crate::wasm;

/// Stored and shared sessions.
pub struct Sessions;

/// How many events of a session are replayed: enough for its inputs to do what they do.
const EVENTS_MAX: u64 = 6_000;

fn good() -> Session {
    let mut s = Session::new(ClusterConfig { workers: 1, ..ClusterConfig::default() });
    let inputs = [
        Input::Command { id: 1, line: "kubectl get pods -A -o wide".into(), files: vec![] },
        Input::Command {
            id: 2,
            line: "kubectl apply -f a.yaml".into(),
            files: vec![("a.yaml".into(), include_str!("../../../static/manifests/deployment.yaml").into())],
        },
        Input::Command { id: 3, line: "kubectl scale deployment/web --replicas=3".into(), files: vec![] },
        Input::Interrupt { id: 2 },
        Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOff },
        Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOn },
        Input::Machine { machine: "worker-1".into(), action: MachineAction::Remove },
        Input::Service { machine: "worker-1".into(), service: "kubelet".into(), action: ServiceAction::Kill },
        Input::Component { machine: "control-plane".into(), component: "etcd".into(), action: ComponentAction::Kill },
        Input::KillContainer { namespace: "default".into(), pod: "p".into(), container: "c".into() },
        Input::AddNodes { count: 1 },
        Input::Visit { id: 4, namespace: "default".into(), pod: "p".into(), port: 80, path: "/".into() },
        Input::Request {
            id: 5,
            method: "GET".into(),
            path: "/api/v1/pods?limit=1".into(),
            headers: vec![],
            body: String::new(),
        },
    ];
    for (n, input) in inputs.into_iter().enumerate() {
        let at = SimTime::ZERO + Duration::from_millis(900 * n as u64);
        s.inputs.push(TimedInput { at, step: 350 * n as u64, input });
    }
    s.until = SimTime::from_secs(20);
    s
}

fn input(case: u64) -> String {
    let mut dice = Dice::new(case);
    let text = good().to_json();
    if dice.once_in(3) {
        return String::from_utf8_lossy(&mutate::body(&mut dice, &text)).into_owned();
    }
    // Most must be sessions still, or nothing is replayed: only what is inside the inputs and the config changes.
    let mut v: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    for _ in 0..dice.between(1, 3) {
        let at = dice.below(14);
        let part = if at == 13 { &mut v["config"] } else { &mut v["inputs"][at]["input"] };
        mutate::document(&mut dice, part);
    }
    v.to_string()
}

impl Target for Sessions {
    const NAME: &'static str = "sessions";
    const CASES: u64 = 400;
    const BATCH: u64 = 1;
    const BYTES_MAX: usize = 512 << 20;

    fn new() -> Self {
        Sessions
    }

    fn run(&mut self, case: u64) -> Result<(), String> {
        let Ok(mut session) = Session::from_json(&input(case)) else { return Ok(()) };
        if Session::from_json(&session.to_json()).as_ref() != Ok(&session) {
            return Err("is another session once stored and read".into());
        }
        // Thousands of machines are allowed; here they only take time.
        session.config.workers = session.config.workers.min(3);
        for i in &mut session.inputs {
            if let Input::AddNodes { count } = &mut i.input {
                *count = (*count).min(3);
            }
        }
        let images = Rc::new(Registries::new(Registry::standard(), wasm::modules()));
        let mut cluster = Cluster::begin_replay(&session, Box::new(wasm::engine()), images);
        cluster.replay_some(&session, EVENTS_MAX);
        Ok(())
    }

    fn describe(&self, case: u64) -> String {
        input(case)
    }
}
