//! Kubernetes objects as upstream's internal structs, for the errors that print them whole.
//! Field names and order are those of `pkg/apis/core/types.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, AppArmorProfile, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource,
    EphemeralContainer, ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, LocalObjectReference, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector, PodAffinityTerm, PodDNSConfig, PodResourceClaim,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceFieldSelector, ResourceRequirements, SeccompProfile,
    SecurityContext, TCPSocketAction, Toleration, TopologySpreadConstraint, VolumeMount, WeightedPodAffinityTerm,
    WindowsSecurityContextOptions,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::go::{Go, each, fields};
use super::go_pod_volume::volume;
use super::pod::containers::as_container;
use super::prelude::*;
use crate::api::quantity::Quantity;

pub(super) fn texts(items: &Option<Vec<String>>) -> Go {
    each(items, |s| s.into())
}

/// A list that is never optional in the API: absent when empty.
pub(super) fn required<T>(items: &[T], to_go: impl Fn(&T) -> Go) -> Go {
    if items.is_empty() { Go::Null } else { Go::List(items.iter().map(to_go).collect()) }
}

pub(super) fn string_map(map: &Option<BTreeMap<String, String>>) -> Go {
    map.as_ref().map_or(Go::Null, |m| Go::Fields(m.iter().map(|(k, v)| (k.clone(), v.into())).collect()))
}

pub(super) fn quantity(q: &QuantityText) -> Go {
    Quantity::parse(&q.0).map_or_else(|_| Go::from(&q.0), |q| q.to_string().into())
}

/// A resource list.
pub(crate) fn quantities(map: &Option<BTreeMap<String, QuantityText>>) -> Go {
    map.as_ref().map_or(Go::Null, |m| Go::Fields(m.iter().map(|(k, v)| (k.clone(), quantity(v))).collect()))
}

pub(super) fn optional<T>(value: &Option<T>, to_go: impl Fn(&T) -> Go) -> Go {
    value.as_ref().map_or(Go::Null, to_go)
}

fn int_or_string(value: &IntOrString) -> Go {
    match value {
        IntOrString::Int(i) => (*i).into(),
        IntOrString::String(s) => s.into(),
    }
}

/// A label selector, which has JSON names and leaves out what is empty.
pub(crate) fn label_selector(s: &LabelSelector) -> Go {
    let mut of_selector = Vec::new();
    if s.match_labels.as_ref().is_some_and(|m| !m.is_empty()) {
        of_selector.push(("matchLabels".to_owned(), string_map(&s.match_labels)));
    }
    let expressions = list(&s.match_expressions);
    if !expressions.is_empty() {
        let each = expressions.iter().map(|r| {
            let mut of_requirement =
                vec![("key".to_owned(), Go::from(&r.key)), ("operator".to_owned(), Go::from(&r.operator))];
            if !list(&r.values).is_empty() {
                of_requirement.push(("values".to_owned(), texts(&r.values)));
            }
            Go::Fields(of_requirement)
        });
        of_selector.push(("matchExpressions".to_owned(), Go::List(each.collect())));
    }
    Go::Fields(of_selector)
}

pub(crate) fn seccomp_profile(p: &SeccompProfile) -> Go {
    fields! { "Type": &p.type_, "LocalhostProfile": p.localhost_profile.as_ref() }
}

fn app_armor_profile(p: &AppArmorProfile) -> Go {
    fields! { "Type": &p.type_, "LocalhostProfile": p.localhost_profile.as_ref() }
}

fn windows_options(o: &WindowsSecurityContextOptions) -> Go {
    fields! {
        "GMSACredentialSpecName": o.gmsa_credential_spec_name.as_ref(),
        "GMSACredentialSpec": o.gmsa_credential_spec.as_ref(),
        "RunAsUserName": o.run_as_user_name.as_ref(),
        "HostProcess": o.host_process,
    }
}

fn se_linux_options(o: &k8s_openapi::api::core::v1::SELinuxOptions) -> Go {
    fields! { "User": text(&o.user), "Role": text(&o.role), "Type": text(&o.type_), "Level": text(&o.level) }
}

pub(crate) fn security_context(sc: &SecurityContext) -> Go {
    fields! {
        "Capabilities": optional(&sc.capabilities, |c| fields! { "Add": texts(&c.add), "Drop": texts(&c.drop) }),
        "Privileged": sc.privileged,
        "SELinuxOptions": optional(&sc.se_linux_options, se_linux_options),
        "WindowsOptions": optional(&sc.windows_options, windows_options),
        "RunAsUser": sc.run_as_user,
        "RunAsGroup": sc.run_as_group,
        "RunAsNonRoot": sc.run_as_non_root,
        "ReadOnlyRootFilesystem": sc.read_only_root_filesystem,
        "AllowPrivilegeEscalation": sc.allow_privilege_escalation,
        "ProcMount": sc.proc_mount.as_ref(),
        "SeccompProfile": optional(&sc.seccomp_profile, seccomp_profile),
        "AppArmorProfile": optional(&sc.app_armor_profile, app_armor_profile),
    }
}

fn pod_security_context(sc: &PodSecurityContext, spec: &PodSpec) -> Go {
    fields! {
        "HostNetwork": on(spec.host_network),
        "HostPID": on(spec.host_pid),
        "HostIPC": on(spec.host_ipc),
        "ShareProcessNamespace": spec.share_process_namespace,
        "HostUsers": spec.host_users,
        "SELinuxOptions": optional(&sc.se_linux_options, se_linux_options),
        "WindowsOptions": optional(&sc.windows_options, windows_options),
        "RunAsUser": sc.run_as_user,
        "RunAsGroup": sc.run_as_group,
        "RunAsNonRoot": sc.run_as_non_root,
        "SupplementalGroups": each(&sc.supplemental_groups, |g| (*g).into()),
        "SupplementalGroupsPolicy": sc.supplemental_groups_policy.as_ref(),
        "FSGroup": sc.fs_group,
        "FSGroupChangePolicy": sc.fs_group_change_policy.as_ref(),
        "Sysctls": each(&sc.sysctls, |s| fields! { "Name": &s.name, "Value": &s.value }),
        "SeccompProfile": optional(&sc.seccomp_profile, seccomp_profile),
        "AppArmorProfile": optional(&sc.app_armor_profile, app_armor_profile),
        "SELinuxChangePolicy": sc.se_linux_change_policy.as_ref(),
    }
}

/// A pod template: its metadata inlined under JSON names, then the spec.
pub(crate) fn pod_template(template: &PodTemplateSpec) -> Go {
    let mut all = template.metadata.as_ref().map(inlined_meta).unwrap_or_default();
    let none = PodSpec::default();
    all.push(("Spec".to_owned(), pod_spec(template.spec.as_ref().unwrap_or(&none))));
    Go::Fields(all)
}

/// The fields of embedded metadata that templates have, empty ones left out.
pub(super) fn inlined_meta(meta: &ObjectMeta) -> Vec<(String, Go)> {
    let mut all = Vec::new();
    for (name, value) in [
        ("name", &meta.name),
        ("generateName", &meta.generate_name),
        ("namespace", &meta.namespace),
        ("uid", &meta.uid),
    ] {
        if !text(value).is_empty() {
            all.push((name.to_owned(), Go::from(text(value))));
        }
    }
    for (name, map) in [("labels", &meta.labels), ("annotations", &meta.annotations)] {
        if map.as_ref().is_some_and(|m| !m.is_empty()) {
            all.push((name.to_owned(), string_map(map)));
        }
    }
    if !list(&meta.finalizers).is_empty() {
        all.push(("finalizers".to_owned(), texts(&meta.finalizers)));
    }
    all
}

/// A pod's spec.
pub(crate) fn pod_spec(spec: &PodSpec) -> Go {
    fields! {
        "Volumes": each(&spec.volumes, volume),
        "InitContainers": each(&spec.init_containers, container),
        "Containers": required(&spec.containers, container),
        "EphemeralContainers": each(&spec.ephemeral_containers, ephemeral_container),
        "RestartPolicy": text(&spec.restart_policy),
        "TerminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "ActiveDeadlineSeconds": spec.active_deadline_seconds,
        "DNSPolicy": text(&spec.dns_policy),
        "NodeSelector": string_map(&spec.node_selector),
        "ServiceAccountName": text(&spec.service_account_name),
        "AutomountServiceAccountToken": spec.automount_service_account_token,
        "NodeName": text(&spec.node_name),
        "SecurityContext": optional(&spec.security_context, |sc| pod_security_context(sc, spec)),
        "ImagePullSecrets": each(&spec.image_pull_secrets, reference),
        "Hostname": text(&spec.hostname),
        "Subdomain": text(&spec.subdomain),
        "SetHostnameAsFQDN": spec.set_hostname_as_fqdn,
        "Affinity": optional(&spec.affinity, affinity),
        "SchedulerName": text(&spec.scheduler_name),
        "Tolerations": each(&spec.tolerations, toleration),
        "HostAliases": each(&spec.host_aliases, |a| fields! { "IP": &a.ip, "Hostnames": texts(&a.hostnames) }),
        "PriorityClassName": text(&spec.priority_class_name),
        "Priority": spec.priority,
        "PreemptionPolicy": spec.preemption_policy.as_ref(),
        "DNSConfig": optional(&spec.dns_config, dns_config),
        "ReadinessGates": each(&spec.readiness_gates, |g| fields! { "ConditionType": &g.condition_type }),
        "RuntimeClassName": spec.runtime_class_name.as_ref(),
        "Overhead": quantities(&spec.overhead),
        "EnableServiceLinks": spec.enable_service_links,
        "TopologySpreadConstraints": each(&spec.topology_spread_constraints, spread_constraint),
        "OS": optional(&spec.os, |os| fields! { "Name": &os.name }),
        "SchedulingGates": each(&spec.scheduling_gates, |g| fields! { "Name": &g.name }),
        "ResourceClaims": each(&spec.resource_claims, pod_resource_claim),
        "Resources": optional(&spec.resources, resources),
        "HostnameOverride": spec.hostname_override.as_ref(),
        "SchedulingGroup": optional(&spec.scheduling_group, |g| fields! { "PodGroupName": g.pod_group_name.as_ref() }),
    }
}

pub(super) fn reference(r: &LocalObjectReference) -> Go {
    fields! { "Name": &r.name }
}

pub(crate) fn pod_resource_claim(c: &PodResourceClaim) -> Go {
    fields! {
        "Name": &c.name,
        "ResourceClaimName": c.resource_claim_name.as_ref(),
        "ResourceClaimTemplateName": c.resource_claim_template_name.as_ref(),
    }
}

fn resources(r: &ResourceRequirements) -> Go {
    fields! {
        "Limits": quantities(&r.limits),
        "Requests": quantities(&r.requests),
        "Claims": each(&r.claims, |c| fields! { "Name": &c.name, "Request": text(&c.request) }),
    }
}

fn container(c: &Container) -> Go {
    let none = ResourceRequirements::default();
    fields! {
        "Name": &c.name,
        "Image": text(&c.image),
        "Command": texts(&c.command),
        "Args": texts(&c.args),
        "WorkingDir": text(&c.working_dir),
        "Ports": each(&c.ports, container_port),
        "EnvFrom": each(&c.env_from, env_from),
        "Env": each(&c.env, env_var),
        "Resources": resources(c.resources.as_ref().unwrap_or(&none)),
        "ResizePolicy": each(&c.resize_policy, |p| fields! {
            "ResourceName": &p.resource_name, "RestartPolicy": &p.restart_policy
        }),
        "RestartPolicy": c.restart_policy.as_ref(),
        "RestartPolicyRules": each(&c.restart_policy_rules, |r| fields! {
            "Action": &r.action,
            "ExitCodes": optional(&r.exit_codes, |c| fields! {
                "Operator": &c.operator, "Values": each(&c.values, |v| (*v).into())
            }),
        }),
        "VolumeMounts": each(&c.volume_mounts, volume_mount),
        "VolumeDevices": each(&c.volume_devices, |d| fields! { "Name": &d.name, "DevicePath": &d.device_path }),
        "LivenessProbe": optional(&c.liveness_probe, probe),
        "ReadinessProbe": optional(&c.readiness_probe, probe),
        "StartupProbe": optional(&c.startup_probe, probe),
        "Lifecycle": optional(&c.lifecycle, lifecycle),
        "TerminationMessagePath": text(&c.termination_message_path),
        "TerminationMessagePolicy": text(&c.termination_message_policy),
        "ImagePullPolicy": text(&c.image_pull_policy),
        "SecurityContext": optional(&c.security_context, security_context),
        "Stdin": on(c.stdin),
        "StdinOnce": on(c.stdin_once),
        "TTY": on(c.tty),
    }
}

/// An ephemeral container: its common part inlined, then its target.
pub(crate) fn ephemeral_container(e: &EphemeralContainer) -> Go {
    let mut of_container = container(&as_container(e));
    if let Go::Fields(all) = &mut of_container {
        all.push(("TargetContainerName".to_owned(), text(&e.target_container_name).into()));
    }
    of_container
}

fn container_port(p: &ContainerPort) -> Go {
    fields! {
        "Name": text(&p.name),
        "HostPort": p.host_port.unwrap_or(0),
        "ContainerPort": p.container_port,
        "Protocol": text(&p.protocol),
        "HostIP": text(&p.host_ip),
    }
}

fn env_from(e: &EnvFromSource) -> Go {
    let config_map = |r: &ConfigMapEnvSource| fields! { "Name": &r.name, "Optional": r.optional };
    fields! {
        "Prefix": text(&e.prefix),
        "ConfigMapRef": optional(&e.config_map_ref, config_map),
        "SecretRef": optional(&e.secret_ref, |r| fields! { "Name": &r.name, "Optional": r.optional }),
    }
}

fn env_var(e: &EnvVar) -> Go {
    fields! {
        "Name": &e.name,
        "Value": text(&e.value),
        "ValueFrom": optional(&e.value_from, env_var_source),
    }
}

pub(super) fn object_field(f: &ObjectFieldSelector) -> Go {
    fields! { "APIVersion": text(&f.api_version), "FieldPath": &f.field_path }
}

pub(super) fn resource_field(f: &ResourceFieldSelector) -> Go {
    fields! {
        "ContainerName": text(&f.container_name),
        "Resource": &f.resource,
        "Divisor": f.divisor.as_ref().map_or_else(|| Go::from("0"), quantity),
    }
}

fn env_var_source(s: &EnvVarSource) -> Go {
    fields! {
        "FieldRef": optional(&s.field_ref, object_field),
        "ResourceFieldRef": optional(&s.resource_field_ref, resource_field),
        "ConfigMapKeyRef": optional(&s.config_map_key_ref, |r| fields! {
            "Name": &r.name, "Key": &r.key, "Optional": r.optional
        }),
        "SecretKeyRef": optional(&s.secret_key_ref, |r| fields! {
            "Name": &r.name, "Key": &r.key, "Optional": r.optional
        }),
        "FileKeyRef": optional(&s.file_key_ref, |r| fields! {
            "VolumeName": &r.volume_name, "Path": &r.path, "Key": &r.key, "Optional": r.optional
        }),
    }
}

fn volume_mount(m: &VolumeMount) -> Go {
    fields! {
        "Name": &m.name,
        "ReadOnly": on(m.read_only),
        "RecursiveReadOnly": m.recursive_read_only.as_ref(),
        "MountPath": &m.mount_path,
        "SubPath": text(&m.sub_path),
        "MountPropagation": m.mount_propagation.as_ref(),
        "SubPathExpr": text(&m.sub_path_expr),
    }
}

fn exec(e: &ExecAction) -> Go {
    fields! { "Command": texts(&e.command) }
}

fn http_get(h: &HTTPGetAction) -> Go {
    fields! {
        "Path": text(&h.path),
        "Port": int_or_string(&h.port),
        "Host": text(&h.host),
        "Scheme": text(&h.scheme),
        "HTTPHeaders": each(&h.http_headers, |h| fields! { "Name": &h.name, "Value": &h.value }),
    }
}

fn tcp_socket(t: &TCPSocketAction) -> Go {
    fields! { "Port": int_or_string(&t.port), "Host": text(&t.host) }
}

fn probe(p: &Probe) -> Go {
    fields! {
        "Exec": optional(&p.exec, exec),
        "HTTPGet": optional(&p.http_get, http_get),
        "TCPSocket": optional(&p.tcp_socket, tcp_socket),
        "GRPC": optional(&p.grpc, |g| fields! { "Port": g.port, "Service": g.service.as_ref() }),
        "InitialDelaySeconds": p.initial_delay_seconds.unwrap_or(0),
        "TimeoutSeconds": p.timeout_seconds.unwrap_or(0),
        "PeriodSeconds": p.period_seconds.unwrap_or(0),
        "SuccessThreshold": p.success_threshold.unwrap_or(0),
        "FailureThreshold": p.failure_threshold.unwrap_or(0),
        "TerminationGracePeriodSeconds": p.termination_grace_period_seconds,
    }
}

fn lifecycle(l: &Lifecycle) -> Go {
    let handler = |h: &LifecycleHandler| {
        fields! {
            "Exec": optional(&h.exec, exec),
            "HTTPGet": optional(&h.http_get, http_get),
            "TCPSocket": optional(&h.tcp_socket, tcp_socket),
            "Sleep": optional(&h.sleep, |s| fields! { "Seconds": s.seconds }),
        }
    };
    fields! {
        "PostStart": optional(&l.post_start, handler),
        "PreStop": optional(&l.pre_stop, handler),
        "StopSignal": l.stop_signal.as_ref(),
    }
}

pub(crate) fn toleration(t: &Toleration) -> Go {
    fields! {
        "Key": text(&t.key),
        "Operator": text(&t.operator),
        "Value": text(&t.value),
        "Effect": text(&t.effect),
        "TolerationSeconds": t.toleration_seconds,
    }
}

fn dns_config(d: &PodDNSConfig) -> Go {
    fields! {
        "Nameservers": texts(&d.nameservers),
        "Searches": texts(&d.searches),
        "Options": each(&d.options, |o| fields! { "Name": text(&o.name), "Value": o.value.as_ref() }),
    }
}

fn spread_constraint(c: &TopologySpreadConstraint) -> Go {
    fields! {
        "MaxSkew": c.max_skew,
        "TopologyKey": &c.topology_key,
        "WhenUnsatisfiable": &c.when_unsatisfiable,
        "LabelSelector": optional(&c.label_selector, label_selector),
        "MinDomains": c.min_domains,
        "NodeAffinityPolicy": c.node_affinity_policy.as_ref(),
        "NodeTaintsPolicy": c.node_taints_policy.as_ref(),
        "MatchLabelKeys": texts(&c.match_label_keys),
    }
}

fn node_requirement(r: &NodeSelectorRequirement) -> Go {
    fields! { "Key": &r.key, "Operator": &r.operator, "Values": texts(&r.values) }
}

pub(crate) fn node_selector_term(t: &NodeSelectorTerm) -> Go {
    fields! {
        "MatchExpressions": each(&t.match_expressions, node_requirement),
        "MatchFields": each(&t.match_fields, node_requirement),
    }
}

pub(crate) fn node_selector(s: &NodeSelector) -> Go {
    fields! { "NodeSelectorTerms": required(&s.node_selector_terms, node_selector_term) }
}

fn affinity(a: &Affinity) -> Go {
    fields! {
        "NodeAffinity": optional(&a.node_affinity, |n| fields! {
            "RequiredDuringSchedulingIgnoredDuringExecution":
                optional(&n.required_during_scheduling_ignored_during_execution, node_selector),
            "PreferredDuringSchedulingIgnoredDuringExecution":
                each(&n.preferred_during_scheduling_ignored_during_execution, |t| fields! {
                    "Weight": t.weight, "Preference": node_selector_term(&t.preference)
                }),
        }),
        "PodAffinity": optional(&a.pod_affinity, |p| fields! {
            "RequiredDuringSchedulingIgnoredDuringExecution":
                each(&p.required_during_scheduling_ignored_during_execution, pod_affinity_term),
            "PreferredDuringSchedulingIgnoredDuringExecution":
                each(&p.preferred_during_scheduling_ignored_during_execution, weighted_term),
        }),
        "PodAntiAffinity": optional(&a.pod_anti_affinity, |p| fields! {
            "RequiredDuringSchedulingIgnoredDuringExecution":
                each(&p.required_during_scheduling_ignored_during_execution, pod_affinity_term),
            "PreferredDuringSchedulingIgnoredDuringExecution":
                each(&p.preferred_during_scheduling_ignored_during_execution, weighted_term),
        }),
    }
}

fn pod_affinity_term(t: &PodAffinityTerm) -> Go {
    fields! {
        "LabelSelector": optional(&t.label_selector, label_selector),
        "Namespaces": texts(&t.namespaces),
        "TopologyKey": &t.topology_key,
        "NamespaceSelector": optional(&t.namespace_selector, label_selector),
        "MatchLabelKeys": texts(&t.match_label_keys),
        "MismatchLabelKeys": texts(&t.mismatch_label_keys),
    }
}

fn weighted_term(t: &WeightedPodAffinityTerm) -> Go {
    fields! { "Weight": t.weight, "PodAffinityTerm": pod_affinity_term(&t.pod_affinity_term) }
}
