//! What a pod's containers ask for together.
//! Models component-helpers `resource/helpers.go` (AggregateContainerRequests, AggregateContainerLimits).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

use super::resources::parse;
use crate::api::quantity::Quantity;
use crate::registry::validation::prelude::*;

type Sums = BTreeMap<String, Quantity>;

/// Aggregate requests of all containers, by resource.
pub(crate) fn requests(spec: &PodSpec) -> Sums {
    aggregate(spec, |r| list_of(&r.requests))
}

/// Aggregate limits of all containers, by resource.
pub(crate) fn limits(spec: &PodSpec) -> Sums {
    aggregate(spec, |r| list_of(&r.limits))
}

fn list_of(list: &Option<BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>) -> Sums {
    entries(list).map(|(k, v)| (k.to_owned(), parse(v))).collect()
}

fn add(to: &mut Sums, more: &Sums) {
    for (name, value) in more {
        let sum = to.get(name).map_or(*value, |old| old.add(*value));
        to.insert(name.clone(), sum);
    }
}

fn max(to: &mut Sums, other: &Sums) {
    for (name, value) in other {
        if to.get(name).is_none_or(|old| value > old) {
            to.insert(name.clone(), *value);
        }
    }
}

/// Regular containers run together, and with the sidecars; each other init container runs beside the sidecars
/// that started before it.
fn aggregate(spec: &PodSpec, of: impl Fn(&ResourceRequirements) -> Sums) -> Sums {
    let of_container = |c: &Container| c.resources.as_ref().map(&of).unwrap_or_default();
    let mut total = Sums::new();
    for c in &spec.containers {
        add(&mut total, &of_container(c));
    }
    let mut sidecars = Sums::new();
    let mut peak = Sums::new();
    for c in list(&spec.init_containers) {
        let mut now = of_container(c);
        if c.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &now);
            add(&mut sidecars, &now);
            now = sidecars.clone();
        } else {
            add(&mut now, &sidecars);
        }
        max(&mut peak, &now);
    }
    max(&mut total, &peak);
    total
}
