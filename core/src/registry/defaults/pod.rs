//! Defaults of pods and of the pod templates in other kinds.
//! Models `pkg/apis/core/v1/defaults.go` (SetDefaults_Pod, SetDefaults_PodSpec and what they hold).

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, DownwardAPIVolumeFile, EnvVar, HTTPGetAction, Lifecycle, Pod, PodSpec, PodTemplate,
    PodTemplateSpec, Probe, ResourceRequirements, Volume, VolumeProjection,
};

use super::{image, number, pointer, quantity, resource_list, text};
use crate::registry::validation::{pod_limits, pod_requests};

/// A pod.
pub fn set_defaults(pod: &mut Pod) {
    pod.status.get_or_insert_default();
    let spec = pod.spec.get_or_insert_default();
    requests_from_limits(&mut spec.containers);
    for containers in spec.init_containers.iter_mut() {
        requests_from_limits(containers);
    }
    pod_level_resources(spec);
    pointer(&mut spec.enable_service_links, true);
    if spec.host_network == Some(true) {
        let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
        for port in containers.flat_map(|c| c.ports.iter_mut().flatten()) {
            number(&mut port.host_port, port.container_port);
        }
    }
    spec_defaults(spec);
    // A pod's negative grace is read as the least; a template keeps it.
    spec.termination_grace_period_seconds = spec.termination_grace_period_seconds.map(|s| if s < 0 { 1 } else { s });
}

/// A PodTemplate.
pub fn set_template_defaults(template: &mut PodTemplate) {
    template_spec(template.template.get_or_insert_default());
}

/// The template within another kind.
pub(super) fn template_spec(template: &mut PodTemplateSpec) {
    template.metadata.get_or_insert_default();
    spec_defaults(template.spec.get_or_insert_default());
}

fn requests_from_limits(containers: &mut [Container]) {
    for r in containers.iter_mut().filter_map(|c| c.resources.as_mut()) {
        let Some(limits) = &r.limits else { continue };
        let requests = r.requests.get_or_insert_default();
        for (name, limit) in limits {
            if !requests.contains_key(name) {
                requests.insert(name.clone(), limit.clone());
            }
        }
    }
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// What a whole pod asks for follows from its containers where it is left open.
fn pod_level_resources(spec: &mut PodSpec) {
    let Some(mut r) = spec.resources.take() else { return };
    let is_set = |list: &Option<std::collections::BTreeMap<_, _>>| list.as_ref().is_some_and(|l| !l.is_empty());
    let requests_given = is_set(&r.requests);
    let limits_given = is_set(&r.limits);
    if requests_given || limits_given {
        for (name, sum) in pod_limits(spec).into_iter().filter(|(name, _)| name.starts_with("hugepages-")) {
            let requested = r.requests.as_ref().is_some_and(|l| l.contains_key(&name));
            if !requested {
                r.limits.get_or_insert_default().entry(name).or_insert_with(|| sum.to_api());
            }
        }
    }
    if is_set(&r.limits) {
        let requests = r.requests.get_or_insert_default();
        for (name, sum) in pod_requests(spec).into_iter().filter(|(n, _)| matches!(n.as_str(), "cpu" | "memory")) {
            requests.entry(name).or_insert_with(|| sum.to_api());
        }
        for (name, limit) in r.limits.iter().flatten().filter(|(name, _)| is_pod_level(name)) {
            requests.entry(name.clone()).or_insert_with(|| limit.clone());
        }
    }
    spec.resources = Some(r);
}

fn spec_defaults(spec: &mut PodSpec) {
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.restart_policy, "Always");
    spec.security_context.get_or_insert_default();
    pointer(&mut spec.termination_grace_period_seconds, 30);
    text(&mut spec.scheduler_name, "default-scheduler");
    // The field of old stands in for its successor.
    let account = spec.service_account_name.as_deref().unwrap_or("");
    if account.is_empty() && spec.service_account.as_deref().is_some_and(|a| !a.is_empty()) {
        spec.service_account_name.clone_from(&spec.service_account);
    } else if !account.is_empty() {
        spec.service_account.clone_from(&spec.service_account_name);
    }
    spec.volumes.iter_mut().flatten().for_each(volume);
    spec.init_containers.iter_mut().flatten().for_each(container);
    spec.containers.iter_mut().for_each(container);
    for e in spec.ephemeral_containers.iter_mut().flatten() {
        pull_policy(&mut e.image_pull_policy, e.image.as_deref());
        text(&mut e.termination_message_path, "/dev/termination-log");
        text(&mut e.termination_message_policy, "File");
        resources(e.resources.get_or_insert_default());
        e.ports.iter_mut().flatten().for_each(port);
        e.env.iter_mut().flatten().for_each(env);
        [&mut e.liveness_probe, &mut e.readiness_probe, &mut e.startup_probe].into_iter().flatten().for_each(probe);
        e.lifecycle.iter_mut().for_each(lifecycle);
    }
    resource_list(&mut spec.overhead);
    spec.resources.iter_mut().for_each(resources);
}

fn pull_policy(policy: &mut Option<String>, image: Option<&str>) {
    if policy.as_deref().unwrap_or("").is_empty() {
        let latest = image::is_latest(image.unwrap_or(""));
        *policy = Some(if latest { "Always" } else { "IfNotPresent" }.to_owned());
    }
}

fn container(c: &mut Container) {
    pull_policy(&mut c.image_pull_policy, c.image.as_deref());
    text(&mut c.termination_message_path, "/dev/termination-log");
    text(&mut c.termination_message_policy, "File");
    resources(c.resources.get_or_insert_default());
    c.ports.iter_mut().flatten().for_each(port);
    c.env.iter_mut().flatten().for_each(env);
    [&mut c.liveness_probe, &mut c.readiness_probe, &mut c.startup_probe].into_iter().flatten().for_each(probe);
    c.lifecycle.iter_mut().for_each(lifecycle);
}

fn resources(r: &mut ResourceRequirements) {
    resource_list(&mut r.limits);
    resource_list(&mut r.requests);
}

fn port(port: &mut ContainerPort) {
    text(&mut port.protocol, "TCP");
}

fn env(var: &mut EnvVar) {
    let Some(source) = &mut var.value_from else { return };
    if let Some(field) = &mut source.field_ref {
        text(&mut field.api_version, "v1");
    }
    if let Some(resource) = &mut source.resource_field_ref {
        quantity(resource.divisor.get_or_insert_with(zero));
    }
    if let Some(file) = &mut source.file_key_ref {
        pointer(&mut file.optional, false);
    }
}

fn zero() -> k8s_openapi::apimachinery::pkg::api::resource::Quantity {
    k8s_openapi::apimachinery::pkg::api::resource::Quantity("0".to_owned())
}

fn probe(p: &mut Probe) {
    number(&mut p.timeout_seconds, 1);
    number(&mut p.period_seconds, 10);
    number(&mut p.success_threshold, 1);
    number(&mut p.failure_threshold, 3);
    p.http_get.iter_mut().for_each(http_get);
    if let Some(grpc) = &mut p.grpc {
        pointer(&mut grpc.service, String::new());
    }
}

fn http_get(h: &mut HTTPGetAction) {
    text(&mut h.path, "/");
    text(&mut h.scheme, "HTTP");
}

fn lifecycle(l: &mut Lifecycle) {
    for h in [&mut l.post_start, &mut l.pre_stop].into_iter().flatten() {
        h.http_get.iter_mut().for_each(http_get);
    }
}

fn downward_file(f: &mut DownwardAPIVolumeFile) {
    if let Some(field) = &mut f.field_ref {
        text(&mut field.api_version, "v1");
    }
    if let Some(resource) = &mut f.resource_field_ref {
        quantity(resource.divisor.get_or_insert_with(zero));
    }
}

fn projection(p: &mut VolumeProjection) {
    if let Some(downward) = &mut p.downward_api {
        downward.items.iter_mut().flatten().for_each(downward_file);
    }
    if let Some(token) = &mut p.service_account_token {
        pointer(&mut token.expiration_seconds, 3600);
    }
}

const MODE: i32 = 0o644;

fn volume(v: &mut Volume) {
    if v.name.is_empty() || has_no_source(v) {
        let bare = Volume { name: v.name.clone(), ..Volume::default() };
        if *v == bare {
            v.empty_dir = Some(Default::default());
        }
    }
    if let Some(s) = &mut v.empty_dir {
        s.size_limit.iter_mut().for_each(quantity);
    }
    if let Some(s) = &mut v.host_path {
        pointer(&mut s.type_, String::new());
    }
    if let Some(s) = &mut v.secret {
        pointer(&mut s.default_mode, MODE);
    }
    if let Some(s) = &mut v.config_map {
        pointer(&mut s.default_mode, MODE);
    }
    if let Some(s) = &mut v.downward_api {
        pointer(&mut s.default_mode, MODE);
        s.items.iter_mut().flatten().for_each(downward_file);
    }
    if let Some(s) = &mut v.projected {
        pointer(&mut s.default_mode, MODE);
        s.sources.iter_mut().flatten().for_each(projection);
    }
    if let Some(s) = &mut v.iscsi {
        text(&mut s.iscsi_interface, "default");
    }
    if let Some(s) = &mut v.rbd {
        text(&mut s.pool, "rbd");
        text(&mut s.user, "admin");
        text(&mut s.keyring, "/etc/ceph/keyring");
    }
    if let Some(s) = &mut v.azure_disk {
        pointer(&mut s.caching_mode, "ReadWrite".to_owned());
        pointer(&mut s.fs_type, "ext4".to_owned());
        pointer(&mut s.read_only, false);
        pointer(&mut s.kind, "Shared".to_owned());
    }
    if let Some(s) = &mut v.scale_io {
        text(&mut s.storage_mode, "ThinProvisioned");
        text(&mut s.fs_type, "xfs");
    }
    if let Some(template) = v.ephemeral.as_mut().and_then(|s| s.volume_claim_template.as_mut()) {
        super::core::claim_spec(&mut template.spec);
    }
    if let Some(s) = &mut v.image {
        pull_policy(&mut s.pull_policy, s.reference.as_deref());
    }
}

/// Whether none of the common sources is set; the caller makes sure of the rest.
fn has_no_source(v: &Volume) -> bool {
    v.projected.is_none() && v.config_map.is_none() && v.secret.is_none() && v.empty_dir.is_none()
}
