//! Validation of pods and of the pod templates in other kinds.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePodCreate, ValidatePodSpec, ValidatePodTemplateSpec).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Binding, Container, HostAlias, Pod, PodDNSConfig, PodResourceClaim, PodSpec, PodTemplate, PodTemplateSpec,
    Toleration,
};

use super::go_struct;
use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

mod aggregate;
pub(super) mod containers;
mod env;
mod mounts;
pub(super) mod probes;
mod projected;
mod resize;
pub(super) mod resources;
pub(super) mod scheduling;
mod security;
mod status;
mod update;
pub(super) mod volumes;

pub use resize::validate_resize;
pub use status::validate_status_update;
pub use update::{validate_ephemeral_containers_update, validate_update};

pub(crate) use aggregate::{limits as aggregate_limits, requests as aggregate_requests};
pub(super) use annotations as validate_annotations;
pub(super) use projected::signer_name;
pub(crate) use security::is_app_armor_profile;

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What is forgiven in an object that was so before. Upstream's `PodValidationOptions`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The spec is a pod's own, not a template's.
    pub(super) resource_is_pod: bool,
    /// A deletion cost that is no number.
    allow_invalid_deletion_cost: bool,
    /// Huge pages that are no whole number of pages.
    allow_indivisible_huge_pages: bool,
    /// An init container that would restart on a resize.
    allow_init_restart_on_resize: bool,
}

impl Options {
    /// For a new pod.
    pub fn for_pod() -> Self {
        Options { resource_is_pod: true, ..Options::default() }
    }

    /// For a pod that was there before.
    pub fn for_pod_update(old: &Pod) -> Self {
        let of_old = old.spec.as_ref().map(|spec| Self::for_old(&old.metadata, spec)).unwrap_or_default();
        Options { resource_is_pod: true, ..of_old }
    }

    /// For a new template.
    pub fn for_template() -> Self {
        Options::default()
    }

    /// For a template that was there before.
    pub fn for_template_update(old: Option<&PodTemplateSpec>) -> Self {
        let none = ObjectMeta::default();
        match old {
            Some(PodTemplateSpec { metadata, spec: Some(spec) }) => {
                Self::for_old(metadata.as_ref().unwrap_or(&none), spec)
            }
            _ => Self::default(),
        }
    }

    fn for_old(meta: &ObjectMeta, spec: &PodSpec) -> Self {
        let mut indivisible = false;
        let mut restarts = false;
        for c in spec.containers.iter().chain(list(&spec.init_containers)) {
            let Some(r) = &c.resources else { continue };
            for (name, value) in entries(&r.limits).chain(entries(&r.requests)) {
                let value = resources::parse(value);
                indivisible |= resources::is_huge_page(name) && !resources::huge_pages_divisible(name, &value);
            }
        }
        for c in list(&spec.init_containers) {
            restarts |= c.restart_policy.as_deref() != Some("Always")
                && list(&c.resize_policy).iter().any(|p| p.restart_policy == "RestartContainer");
        }
        Options {
            resource_is_pod: false,
            allow_invalid_deletion_cost: !deletion_cost_is_valid(meta),
            allow_indivisible_huge_pages: indivisible,
            allow_init_restart_on_resize: restarts,
        }
    }
}

/// Checks a new pod.
pub fn validate_create(pod: &Pod) -> ErrorList {
    let mut errs = ErrorList::new();
    metadata_and_spec(pod, &Options::for_pod(), &mut errs);
    let Some(spec) = &pod.spec else { return errs };
    let path = Path::new("spec");
    if !list(&spec.ephemeral_containers).is_empty() {
        errs.push(Error::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
    }
    if !text(&spec.node_name).is_empty() && !list(&spec.scheduling_gates).is_empty() {
        errs.push(Error::forbidden(
            &path.child("nodeName"),
            "cannot be set until all schedulingGates have been cleared",
        ));
    }
    security::annotations_match_fields(&pod.metadata, spec, &path, &mut errs);
    errs
}

/// Upstream's `validatePodMetadataAndSpec`.
fn metadata_and_spec(pod: &Pod, opts: &Options, errs: &mut ErrorList) {
    names::object_meta(&pod.metadata, true, name_is_dns_subdomain, errs);
    let default = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&default);
    annotations(&pod.metadata, spec, &Path::new("metadata.annotations"), opts, errs);
    let path = Path::new("spec");
    validate_spec(spec, Some(&pod.metadata), &path, opts, errs);

    if text(&spec.service_account_name).is_empty() {
        let volumes_path = path.child("volumes");
        for (i, v) in list(&spec.volumes).iter().enumerate() {
            let sources = v.projected.as_ref().map(|p| list(&p.sources)).unwrap_or_default();
            for (j, _) in sources.iter().enumerate().filter(|(_, s)| s.service_account_token.is_some()) {
                let at = volumes_path.index(i);
                let at = at.child("projected.sources");
                errs.push(Error::forbidden(
                    &at.index(j).child("serviceAccountToken"),
                    "must not be specified when serviceAccountName is not set",
                ));
            }
        }
    }
    let containers_path = path.child("containers");
    for (i, c) in spec.containers.iter().enumerate() {
        containers::only_for_pod(c, &containers_path.index(i), errs);
    }
    let init_path = path.child("initContainers");
    for (i, c) in list(&spec.init_containers).iter().enumerate() {
        containers::only_for_pod(c, &init_path.index(i), errs);
    }
}

fn deletion_cost_is_valid(meta: &ObjectMeta) -> bool {
    let Some(cost) = entry(&meta.annotations, DELETION_COST) else { return true };
    // Leading zeros and plus signs are refused by upstream, so that there is one way to write a number.
    let sloppy = cost.starts_with('+') || (cost.starts_with('0') && cost.len() > 1) || cost.starts_with("-0");
    !sloppy && cost.parse::<i32>().is_ok()
}

/// Upstream's `ValidatePodSpecificAnnotations`. `path` is the annotations'.
pub(super) fn annotations(meta: &ObjectMeta, spec: &PodSpec, path: &Path, opts: &Options, errs: &mut ErrorList) {
    if meta.annotations.as_ref().is_none_or(|a| a.is_empty()) {
        return;
    }
    if let Some(mirror) = entry(&meta.annotations, MIRROR)
        && text(&spec.node_name).is_empty()
    {
        errs.push(Error::invalid_str(
            &path.key(MIRROR),
            mirror,
            "must set spec.nodeName if mirror pod annotation is set",
        ));
    }
    const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
    if let Some(tolerations) = entry(&meta.annotations, TOLERATIONS).filter(|t| !t.is_empty()) {
        match serde_json::from_str::<Vec<Toleration>>(tolerations) {
            Ok(tolerations) => scheduling::tolerations(&tolerations, &path.child(TOLERATIONS), errs),
            Err(e) => errs.push(Error::invalid_str(path, TOLERATIONS, e.to_string())),
        }
    }
    if !opts.allow_invalid_deletion_cost && !deletion_cost_is_valid(meta) {
        let cost = entry(&meta.annotations, DELETION_COST).map_or("", String::as_str);
        errs.push(Error::invalid_str(&path.key(DELETION_COST), cost, "must be a 32bit integer"));
    }
    security::annotations(meta, spec, path, errs);
}

/// Calls `visit` with each container and its path: init containers first, then regular and ephemeral ones.
pub(crate) fn visit_containers(spec: &PodSpec, path: &Path, mut visit: impl FnMut(&Container, &Path)) {
    let at = path.child("initContainers");
    for (i, c) in list(&spec.init_containers).iter().enumerate() {
        visit(c, &at.index(i));
    }
    let at = path.child("containers");
    for (i, c) in spec.containers.iter().enumerate() {
        visit(c, &at.index(i));
    }
    let at = path.child("ephemeralContainers");
    for (i, e) in list(&spec.ephemeral_containers).iter().enumerate() {
        visit(&containers::as_container(e), &at.index(i));
    }
}

/// Upstream's `ValidatePodSpec`. `meta` is given for a pod's own spec alone.
pub(crate) fn validate_spec(
    spec: &PodSpec,
    meta: Option<&ObjectMeta>,
    path: &Path,
    opts: &Options,
    errs: &mut ErrorList,
) {
    if spec.termination_grace_period_seconds.is_none() {
        errs.push(Error::required(&path.child("terminationGracePeriodSeconds"), ""));
    }
    let ctx = containers::Context {
        opts,
        volumes: volumes::validate(list(&spec.volumes), meta, &path.child("volumes"), errs),
        claim_names: list(&spec.resource_claims).iter().map(|c| c.name.as_str()).filter(|n| !n.is_empty()).collect(),
        restart_policy: text(&spec.restart_policy),
        grace_period_seconds: spec.termination_grace_period_seconds,
        os: spec.os.as_ref(),
        host_users: spec.host_users.unwrap_or(true),
    };
    resource_claims(list(&spec.resource_claims), meta, &path.child("resourceClaims"), errs);
    containers::regular(&spec.containers, &ctx, &path.child("containers"), errs);
    let init = list(&spec.init_containers);
    containers::init(init, &spec.containers, &ctx, &path.child("initContainers"), errs);
    containers::ephemeral(spec, &ctx, &path.child("ephemeralContainers"), errs);
    resources::pod_level(spec, &ctx, &path.child("resources"), errs);
    host_network(spec, path, opts, errs);
    enumerated(&spec.restart_policy, &["Always", "OnFailure", "Never"], &path.child("restartPolicy"), errs);
    enumerated(
        &spec.dns_policy,
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        &path.child("dnsPolicy"),
        errs,
    );
    names::labels(&spec.node_selector, &path.child("nodeSelector"), errs);
    if let Some(sc) = &spec.security_context {
        security::pod(sc, spec, &path.child("securityContext"), errs);
    }
    if let Some(affinity) = &spec.affinity {
        scheduling::affinity(affinity, &path.child("affinity"), errs);
    }
    dns_config(spec.dns_config.as_ref(), text(&spec.dns_policy), &path.child("dnsConfig"), errs);
    let gates_path = path.child("readinessGates");
    for (i, gate) in list(&spec.readiness_gates).iter().enumerate() {
        names::qualified_name(&gate.condition_type, &gates_path.index(i).child("conditionType"), errs);
    }
    scheduling::gates(list(&spec.scheduling_gates), &path.child("schedulingGates"), errs);
    let constraints = list(&spec.topology_spread_constraints);
    scheduling::spread_constraints(constraints, &path.child("topologySpreadConstraints"), errs);
    security::windows_host_process(spec, path, errs);
    host_users(spec, path, errs);
    hostname_override(spec, path, errs);
    let by_name = |name: &str, field: &str, errs: &mut ErrorList| {
        if !name.is_empty() {
            names::dns_subdomain(name, &path.child(field), errs);
        }
    };
    by_name(text(&spec.service_account_name), "serviceAccountName", errs);
    by_name(text(&spec.node_name), "nodeName", errs);
    if let Some(seconds) = spec.active_deadline_seconds
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        errs.push(Error::invalid(
            &path.child("activeDeadlineSeconds"),
            &json!(seconds),
            "must be between 1 and 2147483647, inclusive",
        ));
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !text(name).is_empty() {
            names::dns_label(text(name), &path.child(field), errs);
        }
    }
    scheduling::tolerations(list(&spec.tolerations), &path.child("tolerations"), errs);
    host_aliases(list(&spec.host_aliases), &path.child("hostAliases"), errs);
    by_name(text(&spec.priority_class_name), "priorityClassName", errs);
    if let Some(class) = &spec.runtime_class_name {
        names::dns_subdomain(class, &path.child("runtimeClassName"), errs);
    }
    if spec.preemption_policy.is_some() {
        let at = path.child("preemptionPolicy");
        enumerated(&spec.preemption_policy, &["PreemptLowerPriority", "Never"], &at, errs);
    }
    if let Some(overhead) = &spec.overhead {
        let as_limits =
            k8s_openapi::api::core::v1::ResourceRequirements { limits: Some(overhead.clone()), ..Default::default() };
        resources::requirements(&as_limits, resources::container_name, &ctx, &path.child("overhead"), errs);
    }
    if let Some(os) = &spec.os {
        match os.name.as_str() {
            "" => errs.push(Error::required(&path.child("os.name"), "")),
            "linux" => security::linux(spec, path, errs),
            "windows" => security::windows(spec, path, errs),
            other => errs.push(Error::not_supported(&path.child("os"), other, &["linux", "windows"])),
        }
    }
    file_key_volumes(spec, path, errs);
}

/// Required, and one of the supported values.
fn enumerated(value: &Option<String>, supported: &[&str], path: &Path, errs: &mut ErrorList) {
    match text(value) {
        "" => errs.push(Error::required(path, "")),
        value => one_of(value, supported, path, errs),
    }
}

fn resource_claims(claims: &[PodResourceClaim], meta: Option<&ObjectMeta>, path: &Path, errs: &mut ErrorList) {
    let mirrored = meta.is_some_and(|m| entry(&m.annotations, MIRROR).is_some());
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        if mirrored {
            errs.push(Error::forbidden(&Path::new(""), "static pods do not support resource claims"));
            continue;
        }
        let at = path.index(i);
        if claim.name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        } else if !seen.insert(&claim.name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(claim.name)));
        } else {
            names::dns_label(&claim.name, &at.child("name"), errs);
        }
        let shown = || go_struct::pod_resource_claim(claim).compact();
        match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => errs.push(Error::invalid_shown(
                &at,
                shown(),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            )),
            (None, None) => errs.push(Error::invalid_shown(
                &at,
                shown(),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            )),
            _ => {}
        }
        if let Some(name) = &claim.resource_claim_name {
            names::dns_subdomain(name, &at.child("resourceClaimName"), errs);
        }
        if let Some(name) = &claim.resource_claim_template_name {
            names::dns_subdomain(name, &at.child("resourceClaimTemplateName"), errs);
        }
    }
}

/// In the host's network a container's port is the host's.
fn host_network(spec: &PodSpec, path: &Path, opts: &Options, errs: &mut ErrorList) {
    if !on(spec.host_network) {
        return;
    }
    let containers_path = path.child("containers");
    for (i, c) in spec.containers.iter().enumerate() {
        for (j, port) in list(&c.ports).iter().enumerate() {
            let host_port = port.host_port.unwrap_or(0);
            if (opts.resource_is_pod || host_port != 0) && host_port != port.container_port {
                let at = containers_path.index(i);
                let at = at.child("ports");
                errs.push(Error::invalid(
                    &at.index(j).child("hostPort"),
                    &json!(host_port),
                    "must match `containerPort` when `hostNetwork` is true",
                ));
            }
        }
    }
}

fn dns_config(config: Option<&PodDNSConfig>, policy: &str, path: &Path, errs: &mut ErrorList) {
    if policy == "None" {
        match config {
            None => {
                errs.push(Error::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
                return;
            }
            Some(config) if list(&config.nameservers).is_empty() => {
                errs.push(Error::required(
                    &path.child("nameservers"),
                    "must provide at least one DNS nameserver when `dnsPolicy` is None",
                ));
                return;
            }
            Some(_) => {}
        }
    }
    let Some(config) = config else { return };
    let (servers, searches) = (list(&config.nameservers), list(&config.searches));
    let servers_path = path.child("nameservers");
    if servers.len() > 3 {
        errs.push(Error::invalid(&servers_path, &json!(servers), "must not have more than 3 nameservers"));
    }
    for (i, server) in servers.iter().enumerate() {
        names::legacy_ip(server, &[], &servers_path.index(i), errs);
    }
    let searches_path = path.child("searches");
    if searches.len() > 32 {
        errs.push(Error::invalid(&searches_path, &json!(searches), "must not have more than 32 search paths"));
    }
    if searches.join(" ").len() > 2048 {
        errs.push(Error::invalid(
            &searches_path,
            &json!(searches),
            "must not have more than 2048 characters (including spaces) in the search list",
        ));
    }
    for (i, search) in searches.iter().enumerate().filter(|(_, s)| *s != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        names::dns_subdomain_with_underscore(search, &searches_path.index(i), errs);
    }
    let options_path = path.child("options");
    for (i, _) in list(&config.options).iter().enumerate().filter(|(_, o)| text(&o.name).is_empty()) {
        errs.push(Error::required(&options_path.index(i), "must not be empty"));
    }
}

/// With its own users a pod can't share the host's namespaces.
fn host_users(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    const WHEN: &str = "when `hostUsers` is false";
    if spec.host_users != Some(false) {
        return;
    }
    let set = [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)];
    for (field, _) in set.iter().filter(|(_, is_set)| on(*is_set)) {
        errs.push(Error::forbidden(&path.child(field), WHEN));
    }
    visit_containers(spec, path, |c, at| {
        if !list(&c.volume_devices).is_empty() {
            errs.push(Error::forbidden(&at.child("volumeDevices"), WHEN));
        }
    });
}

fn hostname_override(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    let Some(name) = &spec.hostname_override else { return };
    let at = path.child("hostnameOverride");
    if on(spec.set_hostname_as_fqdn) {
        errs.push(Error::forbidden(&at, "may not be specified when setHostnameAsFQDN is true"));
    }
    if on(spec.host_network) {
        errs.push(Error::forbidden(&at, "may not be specified when hostNetwork is true"));
    }
    if name.len() > 64 {
        errs.push(Error::too_long(&at, 64));
    }
    names::dns_subdomain(name, &at, errs);
}

fn host_aliases(aliases: &[HostAlias], path: &Path, errs: &mut ErrorList) {
    for (i, alias) in aliases.iter().enumerate() {
        let at = path.index(i);
        names::legacy_ip(&alias.ip, &[], &at.child("ip"), errs);
        let names_path = at.child("hostnames");
        for (j, name) in list(&alias.hostnames).iter().enumerate() {
            names::dns_subdomain(name, &names_path.index(j), errs);
        }
    }
}

/// The volumes from which variables are read are emptyDirs.
fn file_key_volumes(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    let uses_files =
        |c: &Container| list(&c.env).iter().any(|e| e.value_from.as_ref().is_some_and(|s| s.file_key_ref.is_some()));
    let ephemeral = list(&spec.ephemeral_containers).iter().any(|e| !list(&e.env).is_empty());
    if !ephemeral && !spec.containers.iter().chain(list(&spec.init_containers)).any(uses_files) {
        return;
    }
    visit_containers(spec, path, |c, at| {
        let env_path = at.child("env");
        for (i, var) in list(&c.env).iter().enumerate() {
            let Some(key) = var.value_from.as_ref().and_then(|s| s.file_key_ref.as_ref()) else { continue };
            let at = env_path.index(i);
            let at = at.child("valueFrom.fileKeyRef.volumeName");
            match list(&spec.volumes).iter().rev().find(|v| v.name == key.volume_name) {
                None => errs.push(Error::not_found(&at, &json!(key.volume_name))),
                Some(v) if v.empty_dir.is_none() => {
                    errs.push(Error::invalid_str(&at, &key.volume_name, "referenced volume must be of type emptyDir"))
                }
                Some(_) => {}
            }
        }
    });
}

/// Upstream's `ValidatePodTemplateSpec`.
pub(crate) fn validate_template_spec(template: &PodTemplateSpec, path: &Path, opts: &Options, errs: &mut ErrorList) {
    let (no_meta, no_spec) = (ObjectMeta::default(), PodSpec::default());
    let meta = template.metadata.as_ref().unwrap_or(&no_meta);
    let spec = template.spec.as_ref().unwrap_or(&no_spec);
    names::labels(&meta.labels, &path.child("labels"), errs);
    names::annotations(&meta.annotations, &path.child("annotations"), errs);
    annotations(meta, spec, &path.child("annotations"), opts, errs);
    let spec_path = path.child("spec");
    validate_spec(spec, None, &spec_path, opts, errs);
    security::annotations_match_fields(meta, spec, &spec_path, errs);
    if !list(&spec.ephemeral_containers).is_empty() {
        errs.push(Error::forbidden(
            &spec_path.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        ));
    }
}

/// Checks a new PodTemplate.
pub fn validate_template_create(template: &PodTemplate) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&template.metadata, true, name_is_dns_subdomain, &mut errs);
    let default = PodTemplateSpec::default();
    let spec = template.template.as_ref().unwrap_or(&default);
    validate_template_spec(spec, &Path::new("template"), &Options::for_template(), &mut errs);
    errs
}

/// Checks a changed PodTemplate.
pub fn validate_template_update(new: &PodTemplate, old: &PodTemplate) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let default = PodTemplateSpec::default();
    let spec = new.template.as_ref().unwrap_or(&default);
    let opts = Options::for_template_update(old.template.as_ref());
    validate_template_spec(spec, &Path::new("template"), &opts, &mut errs);
    errs
}

/// Checks a binding of a pod to a node.
pub fn validate_binding(binding: &Binding) -> ErrorList {
    let mut errs = ErrorList::new();
    let kind = text(&binding.target.kind);
    if !kind.is_empty() {
        one_of(kind, &["Node", "<empty>"], &Path::new("target.kind"), &mut errs);
    }
    if text(&binding.target.name).is_empty() {
        errs.push(Error::required(&Path::new("target.name"), ""));
    }
    errs
}
