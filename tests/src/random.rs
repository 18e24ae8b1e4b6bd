//! Random scenarios: a cluster of random shape, random inputs at random times, then everything mended and a time to settle,
//! all of it under the invariant checkers. A seed is a scenario.

mod acts;
mod manifests;

use std::time::Duration;

use podarium_core::cluster::{COMPONENTS, Cluster};
use podarium_core::session::{ClusterConfig, ComponentAction, Input, MachineAction, ServiceAction};
use podarium_core::sim::SimTime;

use crate::dice::Dice;
use crate::invariants::Checkers;
use crate::tank;

/// How long it may take until all is calm again, in virtual time: back-offs of 5 minutes, one after the other.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Between looks at whether all is calm.
const LOOK: Duration = Duration::from_secs(5);

/// What is calm must stay so for this long.
const CALM: Duration = Duration::from_secs(40);

/// How a scenario failed.
pub struct Failure {
    /// What does not hold.
    pub why: String,
    /// When.
    pub at: SimTime,
    /// What was done before, in order.
    pub acts: Vec<String>,
}

/// A scenario on its way.
pub struct Scenario {
    dice: Dice,
    cluster: Cluster,
    checkers: Checkers,
    /// What was applied, `(kind, name)`.
    applied: Vec<(&'static str, String)>,
    commands: u64,
    acts: Vec<String>,
}

/// Runs the scenario of a seed to its end: how much virtual time it took.
pub fn run(seed: u64) -> Result<SimTime, Failure> {
    let mut s = Scenario::new(seed);
    match s.run() {
        Ok(()) => Ok(s.cluster.now()),
        Err(why) => Err(Failure { why, at: s.cluster.now(), acts: std::mem::take(&mut s.acts) }),
    }
}

fn shape(seed: u64, dice: &mut Dice) -> ClusterConfig {
    let cpus = [1, 2, 4];
    let memory = [1_024, 2_048, 8_046];
    let pods = [8, 20, 110];
    ClusterConfig {
        seed,
        workers: dice.between(1, 4) as u32,
        node_cpus: cpus[dice.below(3)],
        node_memory_mib: memory[dice.below(3)],
        max_pods: pods[dice.below(3)],
        ..ClusterConfig::default()
    }
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let config = shape(seed, &mut dice);
        let acts = vec![format!("{config:?}")];
        let cluster = tank::cluster(config);
        let checkers = Checkers::new(&cluster, seed);
        Scenario { dice, cluster, checkers, applied: Vec::new(), commands: 0, acts }
    }

    fn run(&mut self) -> Result<(), String> {
        // Mostly a cluster that has booted; now and then faults begin while it boots.
        let begin = if self.dice.once_in(5) { self.dice.between(0, 20) } else { 20 };
        self.run_until(SimTime::from_secs(begin as u64))?;
        for _ in 0..self.dice.between(5, 25) {
            self.act();
            self.checkers.look(&self.cluster)?;
            let wait = self.wait();
            self.run_until(self.cluster.now() + wait)?;
        }
        self.mend()?;
        self.settle()
    }

    fn wait(&mut self) -> Duration {
        let span_ms = [1, 50, 2_000, 15_000, 60_000, 330_000];
        let span = *self
            .dice
            .weighted(&[
                (2, span_ms[0]),
                (3, span_ms[1]),
                (6, span_ms[2]),
                (6, span_ms[3]),
                (3, span_ms[4]),
                (1, span_ms[5]),
            ])
            .unwrap_or(&0);
        Duration::from_micros(self.dice.below(span * 1_000) as u64)
    }

    fn run_until(&mut self, t: SimTime) -> Result<(), String> {
        while self.cluster.step(t) {
            self.checkers.look(&self.cluster)?;
        }
        self.cluster.advance_to(t);
        self.cluster.take_outputs();
        Ok(())
    }

    /// Gives an input, and remembers it in words.
    fn submit(&mut self, input: Input) {
        let words = match &input {
            Input::Command { line, files, .. } => {
                let files: String = files.iter().map(|(_, text)| format!("\n{text}")).collect();
                format!("{line}{}", files.replace('\n', "\n    | "))
            }
            other => format!("{other:?}"),
        };
        self.acts.push(format!("{} {words}", self.cluster.now()));
        self.cluster.submit(input);
    }

    fn kubectl(&mut self, line: String, stdin: Option<String>) {
        self.commands += 1;
        let files = stdin.into_iter().map(|text| ("-".to_owned(), text)).collect();
        self.submit(Input::Command { id: self.commands, line: format!("kubectl {line}"), files });
    }

    /// Mends everything that acts may have broken.
    fn mend(&mut self) -> Result<(), String> {
        for machine in self.cluster.machine_names() {
            for action in [MachineAction::PowerOn, MachineAction::Plug] {
                self.submit(Input::Machine { machine: machine.to_string(), action });
            }
            for service in ["containerd", "kubelet"] {
                let (machine, service) = (machine.to_string(), service.to_owned());
                self.submit(Input::Service { machine, service, action: ServiceAction::Start });
            }
        }
        for component in COMPONENTS {
            let (machine, component) = ("control-plane".to_owned(), component.to_owned());
            self.submit(Input::Component { machine, component, action: ComponentAction::Start });
        }
        for id in 1..=self.commands {
            self.cluster.submit(Input::Interrupt { id });
        }
        let limit = self.cluster.now() + PATIENCE;
        // What was told to stop a moment ago may still be stopping.
        self.run_until(self.cluster.now() + LOOK)?;
        while self.cluster.now() < limit && !self.answers() {
            self.run_until(self.cluster.now() + LOOK)?;
        }
        let machines = self.cluster.machine_names();
        let nodes: Vec<String> = self.nodes();
        for node in &nodes {
            let verb = if machines.iter().any(|m| **m == **node) { "uncordon" } else { "delete node" };
            self.kubectl(format!("{verb} {node}"), None);
        }
        let applied = std::mem::take(&mut self.applied);
        for (kind, name) in applied.iter().filter(|(_, name)| manifests::is_bad(name)) {
            self.kubectl(format!("delete {kind} {name} --ignore-not-found"), None);
        }
        Ok(())
    }

    /// Whether the api-server and its etcd answer.
    fn answers(&self) -> bool {
        let sim = self.cluster.sim();
        let runs =
            |name: &str| self.cluster.component_process("control-plane", name).is_some_and(|p| sim.process_runs(p));
        runs("etcd") && runs("kube-apiserver")
    }

    fn nodes(&self) -> Vec<String> {
        let nodes = self.checkers.world().all::<k8s_openapi::api::core::v1::Node>();
        nodes.filter_map(|n| n.metadata.name.clone()).collect()
    }

    /// A kubelet registers its node when it starts: one whose node was deleted has to be started again.
    fn register_nodes(&mut self) {
        let nodes = self.nodes();
        for machine in self.cluster.machine_names() {
            if !nodes.iter().any(|n| **n == *machine) {
                let (machine, service) = (machine.to_string(), "kubelet".to_owned());
                self.submit(Input::Service { machine, service, action: ServiceAction::Restart });
            }
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        let limit = self.cluster.now() + PATIENCE;
        let mut calm_since = None;
        let mut next_register = self.cluster.now() + Duration::from_secs(30);
        loop {
            self.run_until(self.cluster.now() + LOOK)?;
            let now = self.cluster.now();
            if now >= next_register {
                self.register_nodes();
                next_register = now + Duration::from_secs(120);
            }
            let left = self.checkers.unsettled(&self.cluster);
            if left.is_empty() {
                let since = *calm_since.get_or_insert(now);
                if now.since(since) >= CALM {
                    return Ok(());
                }
            } else {
                if let Some(since) = calm_since.take() {
                    self.acts.push(format!("{now} no longer calm, as it was since {since}: {}", left.join("; ")));
                }
                if now >= limit {
                    return Err(format!("not settled:\n  {}", left.join("\n  ")));
                }
            }
        }
    }
}
