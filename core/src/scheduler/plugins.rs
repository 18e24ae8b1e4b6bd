//! The in-tree plugins and the default profile that wires them.
//! Models kube-scheduler `apis/config/v1/default_plugins.go` and `framework/plugins/registry.go`.

pub mod default_binder;
pub mod default_preemption;
pub mod dynamic_resources;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources;
pub mod node_unschedulable;
pub mod pod_topology_spread;
pub mod priority_sort;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;

use std::rc::Rc;

use self::default_preemption::DefaultPreemption;
use self::node_resources::{balanced_allocation::BalancedAllocation, fit::Fit};
use super::framework::Framework;

/// `default-scheduler`'s profile: every plugin at each point that it implements, with upstream's order and weights.
pub fn default_profile() -> (Framework, Rc<DefaultPreemption>) {
    let gates = Rc::new(scheduling_gates::SchedulingGates);
    let sort = Rc::new(priority_sort::PrioritySort);
    let unschedulable = Rc::new(node_unschedulable::NodeUnschedulable);
    let name = Rc::new(node_name::NodeName);
    let taints = Rc::new(taint_toleration::TaintToleration);
    let affinity = Rc::new(node_affinity::NodeAffinity);
    let ports = Rc::new(node_ports::NodePorts);
    let fit = Rc::new(Fit);
    let volumes = Rc::new(volume_binding::VolumeBinding::default());
    let spread = Rc::new(pod_topology_spread::PodTopologySpread);
    let inter_pod = Rc::new(inter_pod_affinity::InterPodAffinity);
    let dynamic = Rc::new(dynamic_resources::DynamicResources);
    let preemption = Rc::new(DefaultPreemption::default());
    let balanced = Rc::new(BalancedAllocation);
    let images = Rc::new(image_locality::ImageLocality);
    let binder = Rc::new(default_binder::DefaultBinder);
    let framework = Framework {
        pre_enqueue: vec![gates.clone(), preemption.clone()],
        queue_sort: sort.clone(),
        pre_filter: vec![
            affinity.clone(),
            ports.clone(),
            fit.clone(),
            volumes.clone(),
            spread.clone(),
            inter_pod.clone(),
        ],
        filter: vec![
            unschedulable.clone(),
            name.clone(),
            taints.clone(),
            affinity.clone(),
            ports.clone(),
            fit.clone(),
            volumes.clone(),
            spread.clone(),
            inter_pod.clone(),
        ],
        post_filter: vec![dynamic.clone(), preemption.clone()],
        score: vec![
            (taints.clone(), 3),
            (affinity.clone(), 2),
            (fit.clone(), 1),
            (spread.clone(), 2),
            (inter_pod.clone(), 2),
            (balanced.clone(), 1),
            (images.clone(), 1),
        ],
        reserve: vec![volumes.clone()],
        permit: Vec::new(),
        pre_bind: vec![volumes.clone()],
        bind: vec![binder.clone()],
        plugins: vec![
            gates,
            sort,
            unschedulable,
            name,
            taints,
            affinity,
            ports,
            fit,
            volumes,
            spread,
            inter_pod,
            dynamic,
            preemption.clone(),
            balanced,
            images,
            binder,
        ],
    };
    (framework, preemption)
}
