//! What may be done to a cluster at random.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use podarium_core::cluster::COMPONENTS;
use podarium_core::session::{ComponentAction, Input, MachineAction, ServiceAction};

use super::{Scenario, manifests};

/// More machines than this there are never.
const MACHINES_MAX: usize = 7;

type Act = fn(&mut Scenario);

/// What may be done, and how often.
const ACTS: [(usize, Act); 15] = [
    (14, Scenario::apply),
    (8, Scenario::scale),
    (4, Scenario::delete_workload),
    (6, Scenario::delete_pod),
    (10, Scenario::act_on_machine),
    (8, Scenario::act_on_service),
    (8, Scenario::act_on_component),
    (6, Scenario::kill_container),
    (2, Scenario::add_node),
    (3, Scenario::cordon),
    (3, Scenario::drain),
    (3, Scenario::delete_node),
    (1, Scenario::remove_machine),
    (2, Scenario::namespace),
    (2, Scenario::restart_rollout),
];

impl Scenario {
    pub(super) fn act(&mut self) {
        if let Some(act) = self.dice.weighted(&ACTS) {
            act(self);
        }
    }

    fn apply(&mut self) {
        let (kind, name, text) = manifests::any(&mut self.dice);
        self.kubectl("apply -f -".to_owned(), Some(text));
        self.applied.push((kind, name));
    }

    fn some_workload(&mut self) -> Option<(&'static str, String)> {
        self.dice.pick(&self.applied).cloned()
    }

    fn scale(&mut self) {
        let Some((kind, name)) = self.some_workload().filter(|(kind, _)| manifests::SCALED.contains(kind)) else {
            return self.apply();
        };
        let replicas = self.dice.below(7);
        self.kubectl(format!("scale {kind}/{name} --replicas={replicas}"), None);
    }

    fn delete_workload(&mut self) {
        let Some((kind, name)) = self.some_workload() else { return self.apply() };
        let how = ["", " --wait=false", " --cascade=foreground"][self.dice.below(3)];
        self.kubectl(format!("delete {kind} {name}{how}"), None);
    }

    fn restart_rollout(&mut self) {
        let Some((kind, name)) = self.some_workload().filter(|(kind, _)| matches!(*kind, "deployment" | "daemonset"))
        else {
            return self.apply();
        };
        self.kubectl(format!("rollout restart {kind}/{name}"), None);
    }

    fn some_pod(&mut self) -> Option<(String, String)> {
        let pods =
            self.checkers.world().all::<Pod>().filter(|p| p.metadata.namespace.as_deref() != Some("kube-system"));
        let names: Vec<(String, String)> = pods
            .map(|p| (p.metadata.namespace.clone().unwrap_or_default(), p.metadata.name.clone().unwrap_or_default()))
            .collect();
        self.dice.pick(&names).cloned()
    }

    fn delete_pod(&mut self) {
        let Some((namespace, name)) = self.some_pod() else { return self.apply() };
        let how = ["", " --wait=false", " --grace-period=1", " --grace-period=0 --force"][self.dice.below(4)];
        self.kubectl(format!("delete pod {name} -n {namespace}{how}"), None);
    }

    fn kill_container(&mut self) {
        let Some((namespace, pod)) = self.some_pod() else { return self.apply() };
        self.submit(Input::KillContainer { namespace, pod, container: "main".into() });
    }

    fn some_machine(&mut self) -> String {
        let names = self.cluster.machine_names();
        self.dice.pick(&names).map(|n| n.to_string()).unwrap_or_default()
    }

    fn some_worker(&mut self) -> Option<String> {
        let mut names = self.cluster.machine_names();
        names.retain(|n| &**n != "control-plane");
        self.dice.pick(&names).map(|n| n.to_string())
    }

    fn act_on_machine(&mut self) {
        let machine = self.some_machine();
        let actions = [MachineAction::PowerOff, MachineAction::PowerOn, MachineAction::Unplug, MachineAction::Plug];
        let action = actions[self.dice.below(actions.len())];
        self.submit(Input::Machine { machine, action });
    }

    fn act_on_service(&mut self) {
        let machine = self.some_machine();
        let service = ["kubelet", "containerd"][self.dice.below(2)].to_owned();
        let actions = [ServiceAction::Stop, ServiceAction::Start, ServiceAction::Restart, ServiceAction::Kill];
        let action = actions[self.dice.below(actions.len())];
        self.submit(Input::Service { machine, service, action });
    }

    fn act_on_component(&mut self) {
        let component = COMPONENTS[self.dice.below(COMPONENTS.len())].to_owned();
        let actions = [ComponentAction::Stop, ComponentAction::Start, ComponentAction::Kill, ComponentAction::Kill];
        let action = actions[self.dice.below(actions.len())];
        self.submit(Input::Component { machine: "control-plane".into(), component, action });
    }

    fn add_node(&mut self) {
        if self.cluster.machine_names().len() < MACHINES_MAX {
            self.submit(Input::AddNodes { count: 1 });
        }
    }

    fn cordon(&mut self) {
        let node = self.some_machine();
        let verb = ["cordon", "uncordon"][self.dice.below(2)];
        self.kubectl(format!("{verb} {node}"), None);
    }

    fn drain(&mut self) {
        let Some(node) = self.some_worker() else { return };
        self.kubectl(format!("drain {node} --ignore-daemonsets --force --delete-emptydir-data"), None);
    }

    fn delete_node(&mut self) {
        let Some(node) = self.some_worker() else { return };
        self.kubectl(format!("delete node {node}"), None);
    }

    fn remove_machine(&mut self) {
        if let Some(machine) = self.some_worker().filter(|_| self.cluster.machine_names().len() > 2) {
            self.submit(Input::Machine { machine, action: MachineAction::Remove });
        }
    }

    /// Creates a namespace with something in it, or deletes one.
    fn namespace(&mut self) {
        let there = self.checkers.world().all::<Namespace>().any(|n| n.metadata.name.as_deref() == Some("team"));
        if there && self.dice.once_in(2) {
            return self.kubectl("delete namespace team --wait=false".to_owned(), None);
        }
        let (_, _, text) = manifests::any(&mut self.dice);
        self.kubectl("create namespace team".to_owned(), None);
        if !text.contains("name: bad-") {
            self.kubectl("apply -n team -f -".to_owned(), Some(text));
        }
    }
}
