//! Warnings about pods and pod templates. Models `pkg/api/pod/warnings.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, Container, Pod, PodAffinityTerm, PodSpec, PodTemplateSpec, Volume, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{node, odd_name, overlaps, ports, volume};
use crate::api::field::{Path, quote};
use crate::api::validation::ip_warnings;
use crate::registry::pod::app_armor;
use crate::registry::validation::pod::visit_containers;

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP_GONE: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Annotations that mean nothing any more.
const DEAD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// What is odd about a new pod.
pub(in crate::registry) fn of(pod: &Pod) -> Vec<String> {
    let mut all: Vec<String> = odd_name(&pod.metadata, "the Pod's hostname").into_iter().collect();
    if let Some(spec) = &pod.spec {
        spec_and_meta(spec, &pod.metadata, &Path::root(), &mut all);
    }
    all
}

/// What is odd about a template at `path`.
pub(in crate::registry) fn of_template(template: &PodTemplateSpec, path: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let meta = template.metadata.clone().unwrap_or_default();
    if let Some(spec) = &template.spec {
        spec_and_meta(spec, &meta, path, &mut all);
    }
    all
}

/// What is odd about a kind whose pods bear its name: of a new one its name too, of an old one only what changed.
pub(in crate::registry) fn of_workload(
    meta: &ObjectMeta,
    old: Option<&ObjectMeta>,
    template: Option<&PodTemplateSpec>,
) -> Vec<String> {
    let mut all = Vec::new();
    match old {
        None => all.extend(odd_name(meta, "Pod names and hostnames")),
        Some(old) if old.generation == meta.generation => return all,
        Some(_) => {}
    }
    all.extend(template.map(|t| of_template(t, &Path::new("spec.template"))).unwrap_or_default());
    all
}

/// What is odd about the addresses in a pod's status.
pub(in crate::registry) fn of_status(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else { return Vec::new() };
    let mut all = Vec::new();
    let path = Path::new("status.podIPs");
    for (i, ip) in status.pod_ips.iter().flatten().enumerate() {
        all.extend(ip_warnings(&path.index(i).child("ip"), &ip.ip));
    }
    let path = Path::new("status.hostIPs");
    for (i, ip) in status.host_ips.iter().flatten().enumerate() {
        all.extend(ip_warnings(&path.index(i).child("ip"), &ip.ip));
    }
    all
}

fn spec_and_meta(spec: &PodSpec, meta: &ObjectMeta, root: &Path, all: &mut Vec<String>) {
    let is_template = !root.is_root();
    let path = root.child("spec");
    let annotations = root.child("metadata");
    let annotations = annotations.child("annotations");
    node_labels(spec, &path, all);
    spread(spec, &path, all);
    let has = |key: &str| meta.annotations.as_ref().is_some_and(|a| a.contains_key(key));
    for (key, message) in DEAD_ANNOTATIONS.iter().filter(|(key, _)| has(key)) {
        all.push(format!("{}: {message}", annotations.key(key)));
    }
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let volumes_path = path.child("volumes");
    for (i, v) in volumes.iter().enumerate() {
        plugins(v, &volumes_path.index(i), all);
    }
    overlaps::of(volumes, all);
    repeated(spec, &path, all);
    for name in ["memory", "ephemeral-storage"] {
        volume::fraction(&spec.overhead, name, &path.child("overhead"), all);
    }
    let context = spec.security_context.as_ref();
    if context.is_none_or(|c| c.seccomp_profile.is_none()) && has(SECCOMP_POD) {
        all.push(format!("{}: {SECCOMP_GONE}", annotations.key(SECCOMP_POD)));
    }
    // Of a pod itself it was said when its annotations became fields.
    let armor = context.and_then(|c| c.app_armor_profile.as_ref());
    visit_containers(spec, &path, |c, at| {
        let own = c.security_context.as_ref();
        let key = format!("{SECCOMP_CONTAINER}{}", c.name);
        if own.is_none_or(|c| c.seccomp_profile.is_none()) && has(&key) {
            all.push(format!("{}: {SECCOMP_GONE}", annotations.key(&key)));
        }
        let key = format!("{}{}", app_armor::PREFIX, c.name);
        let annotation = meta.annotations.as_ref().and_then(|a| a.get(&key)).filter(|_| is_template);
        if let Some(annotation) = annotation.filter(|_| own.is_none_or(|c| c.app_armor_profile.is_none()))
            && (armor.is_none() || armor != app_armor::field_for(annotation).as_ref())
        {
            all.push(app_armor::complaint(&annotations, &key));
        }
        container(c, at, all);
    });
    ports::of(spec, &path, all);
    if spec.termination_grace_period_seconds.is_some_and(|s| s < 0) {
        let at = path.child("terminationGracePeriodSeconds");
        all.push(format!("{at}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    if let Some(affinity) = &spec.affinity {
        pod_affinity(affinity, &path.child("affinity"), all);
    }
    addresses(spec, &path, all);
}

fn node_labels(spec: &PodSpec, path: &Path, all: &mut Vec<String>) {
    let at = path.child("nodeSelector");
    for key in spec.node_selector.iter().flat_map(|m| m.keys()) {
        all.extend(node::deprecated_label(key).map(|message| format!("{}: {message}", at.key(key))));
    }
    let Some(affinity) = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref()) else { return };
    let path = path.child("affinity");
    let path = path.child("nodeAffinity");
    let at = path.child(REQUIRED);
    let at = at.child("nodeSelectorTerms");
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref();
    for (i, term) in required.iter().flat_map(|r| &r.node_selector_terms).enumerate() {
        node::selector_term(term, false, &at.index(i), all);
    }
    let at = path.child(PREFERRED);
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten();
    for (i, term) in preferred.enumerate() {
        node::selector_term(&term.preference, true, &at.index(i).child("preference"), all);
    }
}

fn spread(spec: &PodSpec, path: &Path, all: &mut Vec<String>) {
    let path = path.child("topologySpreadConstraints");
    for (i, c) in spec.topology_spread_constraints.iter().flatten().enumerate() {
        let at = path.index(i);
        let key = &c.topology_key;
        let deprecated = node::deprecated_label(key);
        all.extend(deprecated.map(|message| format!("{}: {key} is {message}", at.child("topologyKey"))));
        if c.label_selector.is_none() {
            all.push(format!("{}: {NO_SELECTOR}", at.child("labelSelector")));
        }
    }
}

/// Kinds of volumes that are gone or go.
fn plugins(v: &Volume, path: &Path, all: &mut Vec<String>) {
    let mut gone = |used: bool, field: &str, message: &str| {
        if used {
            all.push(format!("{}: {message}", path.child(field)));
        }
    };
    gone(v.photon_persistent_disk.is_some(), "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+");
    gone(v.git_repo.is_some(), "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+");
    gone(v.scale_io.is_some(), "scaleIO", "deprecated in v1.16, non-functional in v1.22+");
    gone(v.flocker.is_some(), "flocker", "deprecated in v1.22, non-functional in v1.25+");
    gone(v.storageos.is_some(), "storageOS", "deprecated in v1.22, non-functional in v1.25+");
    gone(v.quobyte.is_some(), "quobyte", "deprecated in v1.22, non-functional in v1.25+");
    gone(v.glusterfs.is_some(), "glusterfs", "deprecated in v1.25, non-functional in v1.26+");
    if let Some(template) = v.ephemeral.as_ref().and_then(|e| e.volume_claim_template.as_ref()) {
        volume::claim_spec(&template.spec, &path.child("ephemeral.volumeClaimTemplate.spec"), all);
    }
    let mut gone = |used: bool, field: &str, message: &str| {
        if used {
            all.push(format!("{}: {message}", path.child(field)));
        }
    };
    gone(v.cephfs.is_some(), "cephfs", "deprecated in v1.28, non-functional in v1.31+");
    gone(v.rbd.is_some(), "rbd", "deprecated in v1.28, non-functional in v1.31+");
}

/// Entries of lists that are there twice, or name nothing.
fn repeated(spec: &PodSpec, path: &Path, all: &mut Vec<String>) {
    let at = path.child("hostAliases");
    let mut seen = BTreeSet::new();
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        if !seen.insert(&alias.ip) {
            all.push(format!("{}: duplicate ip {}", at.index(i).child("ip"), quote(&alias.ip)));
        }
    }
    let at = path.child("imagePullSecrets");
    let mut seen = BTreeSet::new();
    let secrets = || spec.image_pull_secrets.iter().flatten().enumerate();
    for (i, secret) in secrets() {
        if !seen.insert(&secret.name) {
            all.push(format!("{}: duplicate name {}", at.index(i).child("name"), quote(&secret.name)));
        }
    }
    for (i, _) in secrets().filter(|(_, s)| s.name.is_empty()) {
        all.push(format!("{}: invalid empty name \"\"", at.index(i).child("name")));
    }
}

fn container(c: &Container, path: &Path, all: &mut Vec<String>) {
    if let Some(r) = &c.resources {
        let at = path.child("resources");
        for name in ["memory", "ephemeral-storage"] {
            volume::fraction(&r.limits, name, &at.child("limits"), all);
            volume::fraction(&r.requests, name, &at.child("requests"), all);
        }
    }
    let at = path.child("env");
    let mut seen = BTreeSet::new();
    for (i, var) in c.env.iter().flatten().enumerate() {
        if seen.insert(&var.name) {
            continue;
        }
        // A value that builds on the former one is fine, unless it is nothing else.
        let reference = format!("$({})", var.name);
        let value = var.value.as_deref().unwrap_or_default();
        if var.value_from.is_some() || value == reference || !value.contains(&reference) {
            all.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                at.index(i),
                quote(&var.name)
            ));
        }
    }
}

fn pod_affinity(affinity: &Affinity, path: &Path, all: &mut Vec<String>) {
    let mut look = |field: &str, required: &[PodAffinityTerm], preferred: &[WeightedPodAffinityTerm]| {
        let path = path.child(field);
        let at = path.child(REQUIRED);
        for (i, _) in required.iter().enumerate().filter(|(_, t)| t.label_selector.is_none()) {
            all.push(format!("{}: {NO_SELECTOR}", at.index(i).child("labelSelector")));
        }
        let at = path.child(PREFERRED);
        for (i, _) in preferred.iter().enumerate().filter(|(_, t)| t.pod_affinity_term.label_selector.is_none()) {
            all.push(format!("{}: {NO_SELECTOR}", at.index(i).child("podAffinityTerm.labelSelector")));
        }
    };
    if let Some(a) = &affinity.pod_affinity {
        look(
            "podAffinity",
            a.required_during_scheduling_ignored_during_execution.as_deref().unwrap_or_default(),
            a.preferred_during_scheduling_ignored_during_execution.as_deref().unwrap_or_default(),
        );
    }
    if let Some(a) = &affinity.pod_anti_affinity {
        look(
            "podAntiAffinity",
            a.required_during_scheduling_ignored_during_execution.as_deref().unwrap_or_default(),
            a.preferred_during_scheduling_ignored_during_execution.as_deref().unwrap_or_default(),
        );
    }
}

fn addresses(spec: &PodSpec, path: &Path, all: &mut Vec<String>) {
    let at = path.child("dnsConfig");
    let at = at.child("nameservers");
    let servers = spec.dns_config.as_ref().and_then(|c| c.nameservers.as_ref());
    for (i, server) in servers.into_iter().flatten().enumerate() {
        all.extend(ip_warnings(&at.index(i), server));
    }
    let at = path.child("hostAliases");
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        all.extend(ip_warnings(&at.index(i).child("ip"), &alias.ip));
    }
}
