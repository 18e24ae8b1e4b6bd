//! What may change of a pod's resources while it runs.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePodResize) and `pkg/apis/core/helper/qos`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::{MIRROR, Options, metadata_and_spec, resources};
use crate::registry::validation::go_struct;
use crate::registry::validation::prelude::*;

type ResourceList = Option<BTreeMap<String, Text>>;

/// Checks a change by the resize subresource.
pub fn validate_resize(new: &Pod, old: &Pod) -> ErrorList {
    let mut errs = ErrorList::new();
    let opts = Options::for_pod_update(old);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    metadata_and_spec(new, &opts, &mut errs);
    let root = Path::new("");
    if entry(&old.metadata.annotations, MIRROR).is_some() {
        return vec![Error::forbidden(&root, "static pods cannot be resized")];
    }
    let default = PodSpec::default();
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    if old_spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return vec![Error::forbidden(&root, "windows pods cannot be resized")];
    }
    let path = Path::new("spec");
    let class = old.status.as_ref().and_then(|s| s.qos_class.clone()).filter(|c| !c.is_empty());
    if class.unwrap_or_else(|| qos_class(old_spec).to_owned()) != qos_class(new_spec) {
        let shown = new.status.as_ref().map_or("", |s| text(&s.qos_class));
        errs.push(Error::invalid_str(&path, shown, "Pod QOS Class may not change as a result of resizing"));
    }
    let running = old.status.as_ref().and_then(|s| {
        list(&s.container_statuses).iter().find(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()))
    });
    if running.is_some_and(|c| c.resources.is_none()) {
        errs.push(Error::forbidden(&path, "Pod running on node without support for resize"));
    }
    let mut copy = new_spec.clone();
    if sets_resources(old_spec) || sets_resources(new_spec) {
        pod_level(new_spec, old_spec, &mut copy, &path, &mut errs);
    }
    let allocatable = old.status.as_ref().map(|s| list(&s.node_allocatable_resource_claim_statuses));
    if allocatable.is_some_and(|s| !s.is_empty()) {
        errs.push(Error::forbidden(&path, "pods with node allocatable resource claims cannot be resized"));
    }
    let before = errs.len();
    let same_order = |field: &str, new: &[Container], old: &[Container], errs: &mut ErrorList| {
        let at = path.child(field);
        if new.len() != old.len() {
            errs.push(Error::forbidden(&at, format!("{field} may not be added or removed on resize")));
        } else {
            for (i, _) in new.iter().zip(old).enumerate().filter(|(_, (n, o))| n.name != o.name) {
                errs.push(Error::forbidden(
                    &at.index(i).child("name"),
                    format!("{field} may not be renamed or reordered on resize"),
                ));
            }
        }
    };
    same_order("containers", &new_spec.containers, &old_spec.containers, &mut errs);
    let (new_init, old_init) = (list(&new_spec.init_containers), list(&old_spec.init_containers));
    same_order("initContainers", new_init, old_init, &mut errs);
    if errs.len() > before {
        return errs;
    }
    let init_path = path.child("initContainers");
    for (i, (new, old)) in new_init.iter().zip(old_init).enumerate() {
        removed(&new.resources, &old.resources, &init_path.index(i).child("resources"), &mut errs);
    }
    let containers_path = path.child("containers");
    for (i, (new, old)) in new_spec.containers.iter().zip(&old_spec.containers).enumerate() {
        removed(&new.resources, &old.resources, &containers_path.index(i).child("resources"), &mut errs);
    }
    for (c, old) in copy.containers.iter_mut().zip(&old_spec.containers) {
        mask(&mut c.resources, &old.resources);
        if !same_container(c, old) {
            errs.push(Error::forbidden(&path, "only cpu and memory resources are mutable"));
        }
    }
    for (i, (c, old)) in copy.init_containers.iter_mut().flatten().zip(old_init).enumerate() {
        let changed = !same_container(c, old);
        mask(&mut c.resources, &old.resources);
        if !same_container(c, old) {
            errs.push(Error::forbidden(
                &init_path.index(i),
                "only cpu and memory resources for init or sidecar containers are mutable",
            ));
        }
        let restarts = list(&c.resize_policy).iter().filter(|p| p.restart_policy == "RestartContainer");
        for _ in restarts.filter(|_| changed && !sidecar(c)) {
            errs.push(Error::forbidden(
                &init_path.index(i),
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            ));
        }
    }
    if errs.is_empty() && !go_struct::pod_spec(&copy).same(&go_struct::pod_spec(old_spec)) {
        errs.push(Error::forbidden(&path, "only cpu and memory resources are mutable"));
    }
    errs
}

fn sidecar(c: &Container) -> bool {
    c.restart_policy.as_deref() == Some("Always")
}

fn same_container(a: &Container, b: &Container) -> bool {
    let of = |c: &Container| go_struct::pod_spec(&PodSpec { containers: vec![c.clone()], ..PodSpec::default() });
    a == b || of(a).same(&of(b))
}

fn sets_resources(spec: &PodSpec) -> bool {
    spec.resources.as_ref().is_some_and(|r| entries(&r.limits).chain(entries(&r.requests)).next().is_some())
}

fn lost(new: &ResourceList, old: &ResourceList) -> bool {
    entries(old).any(|(name, _)| entry(new, name).is_none())
}

fn removed(new: &Option<ResourceRequirements>, old: &Option<ResourceRequirements>, path: &Path, errs: &mut ErrorList) {
    let none = ResourceRequirements::default();
    let (new, old) = (new.as_ref().unwrap_or(&none), old.as_ref().unwrap_or(&none));
    if lost(&new.requests, &old.requests) {
        errs.push(Error::forbidden(&path.child("requests"), "resource requests cannot be removed"));
    }
    if lost(&new.limits, &old.limits) {
        errs.push(Error::forbidden(&path.child("limits"), "resource limits cannot be removed"));
    }
}

fn pod_level(new: &PodSpec, old: &PodSpec, copy: &mut PodSpec, path: &Path, errs: &mut ErrorList) {
    let at = path.child("resources");
    match (&new.resources, &old.resources) {
        (None, Some(_)) => {
            errs.push(Error::forbidden(&at, "pod-level resources cannot be removed"));
            return;
        }
        (Some(new), Some(old)) => {
            if lost(&new.requests, &old.requests) {
                errs.push(Error::forbidden(&at.child("requests"), "pod-level resource requests cannot be removed"));
            }
            if lost(&new.limits, &old.limits) {
                errs.push(Error::forbidden(&at.child("limits"), "pod-level resource limits cannot be removed"));
            }
        }
        _ => {}
    }
    mask(&mut copy.resources, &old.resources);
    let of =
        |r: &Option<ResourceRequirements>| go_struct::pod_spec(&PodSpec { resources: r.clone(), ..PodSpec::default() });
    if !of(&copy.resources).same(&of(&old.resources)) {
        errs.push(Error::forbidden(path, "only cpu and memory resources are mutable at pod-level"));
    }
}

/// Puts cpu and memory back as they were.
fn mask(new: &mut Option<ResourceRequirements>, old: &Option<ResourceRequirements>) {
    let none = ResourceRequirements::default();
    let of_old = old.as_ref().unwrap_or(&none);
    let put_back = |new: &mut ResourceList, old: &ResourceList| {
        let mut all = new.take().unwrap_or_default();
        for name in ["cpu", "memory"] {
            all.remove(name);
            if let Some(value) = entry(old, name) {
                all.insert(name.to_owned(), value.clone());
            }
        }
        *new = (!all.is_empty()).then_some(all);
    };
    let mut masked = new.take().unwrap_or_default();
    put_back(&mut masked.limits, &of_old.limits);
    put_back(&mut masked.requests, &of_old.requests);
    let empty = masked.limits.is_none() && masked.requests.is_none() && masked.claims.is_none();
    *new = (old.is_some() || !empty).then_some(masked);
}

/// Upstream's `ComputePodQOS`.
pub(crate) fn qos_class(spec: &PodSpec) -> &'static str {
    let of_containers = spec.containers.iter().chain(list(&spec.init_containers)).map(|c| c.resources.as_ref());
    let all: Vec<Option<&ResourceRequirements>> = match &spec.resources {
        Some(r) => vec![Some(r)],
        None => of_containers.collect(),
    };
    let is_compute = |name: &str| matches!(name, "cpu" | "memory");
    let mut requests: BTreeMap<&str, crate::api::quantity::Quantity> = BTreeMap::new();
    let mut limits = requests.clone();
    let mut guaranteed = true;
    for r in &all {
        let mut limited = 0;
        if let Some(r) = r {
            for (name, q) in entries(&r.requests).filter(|(name, _)| is_compute(name)) {
                let q = resources::parse(q);
                if q.sign() > 0 {
                    let sum = requests.get(name).map_or(q, |old| old.add(q));
                    requests.insert(name, sum);
                }
            }
            for (name, q) in entries(&r.limits).filter(|(name, _)| is_compute(name)) {
                let q = resources::parse(q);
                if q.sign() > 0 {
                    limited += 1;
                    let sum = limits.get(name).map_or(q, |old| old.add(q));
                    limits.insert(name, sum);
                }
            }
        }
        guaranteed &= limited == 2;
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    guaranteed &=
        requests.len() == limits.len() && requests.iter().all(|(name, q)| limits.get(name).is_some_and(|l| l == q));
    if guaranteed { "Guaranteed" } else { "Burstable" }
}
