//! Containers of every sort: regular, init and ephemeral.
//! Models `pkg/apis/core/validation/validation.go` (validateContainers and its kin).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerResizePolicy, ContainerRestartRule, EphemeralContainer, PodOS, PodSpec, Volume,
};

use super::{Options, env, mounts, probes, resources, security};
use crate::registry::validation::prelude::*;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

/// What the validators of one pod's containers share.
pub(super) struct Context<'a> {
    pub opts: &'a Options,
    pub volumes: BTreeMap<&'a str, &'a Volume>,
    pub claim_names: BTreeSet<&'a str>,
    pub restart_policy: &'a str,
    pub grace_period_seconds: Option<i64>,
    pub os: Option<&'a PodOS>,
    pub host_users: bool,
}

pub(super) fn regular(containers: &[Container], ctx: &Context, path: &Path, errs: &mut ErrorList) {
    if containers.is_empty() {
        errs.push(Error::required(path, ""));
        return;
    }
    for (i, c) in containers.iter().enumerate() {
        let at = path.index(i);
        common(c, ctx, &at, errs);
        if containers.iter().take(i).any(|other| other.name == c.name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(c.name)));
        }
        lifecycle_and_probes(c, ctx, &at, errs);
        restart_policy_and_rules(c.restart_policy.as_deref(), list(&c.restart_policy_rules), &at, errs);
    }
    host_port_conflicts(containers, path, errs);
}

pub(super) fn init(containers: &[Container], regular: &[Container], ctx: &Context, path: &Path, errs: &mut ErrorList) {
    for (i, c) in containers.iter().enumerate() {
        let at = path.index(i);
        common(c, ctx, &at, errs);
        let rules = list(&c.restart_policy_rules);
        match c.restart_policy.as_deref() {
            None if rules.is_empty() => {}
            None => errs.push(Error::required(
                &at.child("restartPolicy"),
                "must specify restartPolicy when restart rules are used",
            )),
            policy => restart_policy_and_rules(policy, rules, &at, errs),
        }
        let taken = regular.iter().chain(containers.iter().take(i)).any(|o| o.name == c.name);
        let among_regular = regular.iter().any(|o| o.name == c.name);
        if taken && (among_regular || !c.name.is_empty()) {
            errs.push(Error::duplicate(&at.child("name"), &json!(c.name)));
        }
        host_port_conflicts(std::slice::from_ref(c), path, errs);

        let sidecar = c.restart_policy.as_deref() == Some("Always");
        if sidecar {
            lifecycle_and_probes(c, ctx, &at, errs);
        } else {
            let set = [
                ("lifecycle", c.lifecycle.is_some()),
                ("livenessProbe", c.liveness_probe.is_some()),
                ("readinessProbe", c.readiness_probe.is_some()),
                ("startupProbe", c.startup_probe.is_some()),
            ];
            for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
                errs.push(Error::forbidden(
                    &at.child(name),
                    "may not be set for init containers without restartPolicy=Always",
                ));
            }
            let policies = at.child("resizePolicy");
            for (j, p) in list(&c.resize_policy).iter().enumerate() {
                if p.restart_policy == "RestartContainer" && !ctx.opts.allow_init_restart_on_resize {
                    errs.push(Error::invalid_str(
                        &policies.index(j).child("restartPolicy"),
                        &p.restart_policy,
                        "must not be set to 'RestartContainer' for non-sidecar initContainers",
                    ));
                }
            }
        }
    }
}

fn lifecycle_and_probes(c: &Container, ctx: &Context, at: &Path, errs: &mut ErrorList) {
    if let Some(lifecycle) = &c.lifecycle {
        probes::lifecycle(lifecycle, ctx.grace_period_seconds, ctx.os, &at.child("lifecycle"), errs);
    }
    if let Some(p) = &c.liveness_probe {
        let path = at.child("livenessProbe");
        probes::probe(p, &path, errs);
        probes::success_threshold_is_one(p, &path, errs);
    }
    if let Some(p) = &c.readiness_probe {
        let path = at.child("readinessProbe");
        probes::probe(p, &path, errs);
        if let Some(seconds) = p.termination_grace_period_seconds {
            errs.push(Error::invalid(
                &path.child("terminationGracePeriodSeconds"),
                &json!(seconds),
                "must not be set for readinessProbes",
            ));
        }
    }
    if let Some(p) = &c.startup_probe {
        let path = at.child("startupProbe");
        probes::probe(p, &path, errs);
        probes::success_threshold_is_one(p, &path, errs);
    }
}

/// An ephemeral container as a plain one: the same fields but for its target.
pub(crate) fn as_container(e: &EphemeralContainer) -> Container {
    Container {
        args: e.args.clone(),
        command: e.command.clone(),
        env: e.env.clone(),
        env_from: e.env_from.clone(),
        image: e.image.clone(),
        image_pull_policy: e.image_pull_policy.clone(),
        lifecycle: e.lifecycle.clone(),
        liveness_probe: e.liveness_probe.clone(),
        name: e.name.clone(),
        ports: e.ports.clone(),
        readiness_probe: e.readiness_probe.clone(),
        resize_policy: e.resize_policy.clone(),
        resources: e.resources.clone(),
        restart_policy: e.restart_policy.clone(),
        restart_policy_rules: e.restart_policy_rules.clone(),
        security_context: e.security_context.clone(),
        startup_probe: e.startup_probe.clone(),
        stdin: e.stdin,
        stdin_once: e.stdin_once,
        termination_message_path: e.termination_message_path.clone(),
        termination_message_policy: e.termination_message_policy.clone(),
        tty: e.tty,
        volume_devices: e.volume_devices.clone(),
        volume_mounts: e.volume_mounts.clone(),
        working_dir: e.working_dir.clone(),
    }
}

pub(super) fn ephemeral(spec: &PodSpec, ctx: &Context, path: &Path, errs: &mut ErrorList) {
    let others: BTreeSet<&str> =
        spec.containers.iter().chain(list(&spec.init_containers)).map(|c| c.name.as_str()).collect();
    let mut all = others.clone();
    for (i, e) in list(&spec.ephemeral_containers).iter().enumerate() {
        let at = path.index(i);
        let c = as_container(e);
        common(&c, ctx, &at, errs);
        only_for_pod(&c, &at, errs);
        if !all.insert(&e.name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(e.name)));
        }
        if let Some(target) = e.target_container_name.as_deref().filter(|t| !t.is_empty() && !others.contains(t)) {
            errs.push(Error::not_found(&at.child("targetContainerName"), &json!(target)));
        }
        let resources_set =
            e.resources.as_ref().is_some_and(|r| r.limits.is_some() || r.requests.is_some() || r.claims.is_some());
        let set = [
            ("ports", e.ports.is_some()),
            ("resources", resources_set),
            ("resizePolicy", e.resize_policy.is_some()),
            ("restartPolicy", e.restart_policy.is_some()),
            ("restartPolicyRules", e.restart_policy_rules.is_some()),
            ("livenessProbe", e.liveness_probe.is_some()),
            ("readinessProbe", e.readiness_probe.is_some()),
            ("startupProbe", e.startup_probe.is_some()),
            ("lifecycle", e.lifecycle.is_some()),
        ];
        for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
            errs.push(Error::forbidden(&at.child(name), "cannot be set for an Ephemeral Container"));
        }
        let mounts = at.child("volumeMounts");
        for (j, m) in list(&e.volume_mounts).iter().enumerate() {
            for (name, value) in [("subPath", &m.sub_path), ("subPathExpr", &m.sub_path_expr)] {
                if !text(value).is_empty() {
                    errs.push(Error::forbidden(
                        &mounts.index(j).child(name),
                        "cannot be set for an Ephemeral Container",
                    ));
                }
            }
        }
    }
}

fn common(c: &Container, ctx: &Context, at: &Path, errs: &mut ErrorList) {
    let name_path = at.child("name");
    if c.name.is_empty() {
        errs.push(Error::required(&name_path, ""));
    } else {
        names::dns_label(&c.name, &name_path, errs);
    }
    if text(&c.image).is_empty() {
        errs.push(Error::required(&at.child("image"), ""));
    }
    match text(&c.termination_message_policy) {
        "" => errs.push(Error::required(&at.child("terminationMessagePolicy"), "")),
        policy => one_of(policy, &["File", "FallbackToLogsOnError"], &at.child("terminationMessagePolicy"), errs),
    }
    ports(list(&c.ports), &at.child("ports"), errs);
    env::vars(list(&c.env), &at.child("env"), errs);
    env::from(list(&c.env_from), &at.child("envFrom"), errs);
    mounts::mounts(c, &ctx.volumes, &at.child("volumeMounts"), errs);
    mounts::devices(c, &ctx.volumes, &at.child("volumeDevices"), errs);
    pull_policy(text(&c.image_pull_policy), &at.child("imagePullPolicy"), errs);
    if let Some(r) = &c.resources {
        resources::requirements(r, resources::container_name, ctx, &at.child("resources"), errs);
    }
    resize_policy(list(&c.resize_policy), ctx.restart_policy, &at.child("resizePolicy"), errs);
    if let Some(sc) = &c.security_context {
        security::container(sc, ctx.host_users, &at.child("securityContext"), errs);
    }
}

/// What is asked of a pod's containers but not of a template's.
pub(super) fn only_for_pod(c: &Container, at: &Path, errs: &mut ErrorList) {
    image_untrimmed(text(&c.image), at, errs);
}

pub(super) fn image_untrimmed(image: &str, at: &Path, errs: &mut ErrorList) {
    if image.trim().len() != image.len() {
        errs.push(Error::invalid_str(&at.child("image"), image, "must not have leading or trailing whitespace"));
    }
}

pub(super) fn pull_policy(policy: &str, path: &Path, errs: &mut ErrorList) {
    if policy.is_empty() {
        errs.push(Error::required(path, ""));
    } else {
        one_of(policy, &PULL_POLICIES, path, errs);
    }
}

fn ports(ports: &[ContainerPort], path: &Path, errs: &mut ErrorList) {
    let mut seen: Vec<&str> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let at = path.index(i);
        let name = text(&port.name);
        if !name.is_empty() {
            let messages = names::port_name_messages(name);
            if !messages.is_empty() {
                invalid_each(messages, name, &at.child("name"), errs);
            } else if seen.contains(&name) {
                errs.push(Error::duplicate(&at.child("name"), &json!(name)));
            } else {
                seen.push(name);
            }
        }
        if port.container_port == 0 {
            errs.push(Error::required(&at.child("containerPort"), ""));
        } else {
            names::port_number(port.container_port, &at.child("containerPort"), errs);
        }
        if let Some(host_port) = port.host_port.filter(|p| *p != 0) {
            names::port_number(host_port, &at.child("hostPort"), errs);
        }
        match text(&port.protocol) {
            "" => errs.push(Error::required(&at.child("protocol"), "")),
            protocol => one_of(protocol, &PROTOCOLS, &at.child("protocol"), errs),
        }
    }
}

fn host_port_conflicts(containers: &[Container], path: &Path, errs: &mut ErrorList) {
    let mut seen: BTreeSet<(&str, &str, i32)> = BTreeSet::new();
    for (i, c) in containers.iter().enumerate() {
        for (j, port) in list(&c.ports).iter().enumerate() {
            let Some(host_port) = port.host_port.filter(|p| *p != 0) else { continue };
            let (protocol, ip) = (text(&port.protocol), text(&port.host_ip));
            if !seen.insert((protocol, ip, host_port)) {
                let at = path.index(i);
                let ports = at.child("ports");
                errs.push(Error::duplicate(
                    &ports.index(j).child("hostPort"),
                    &json!(format!("{protocol}/{ip}/{host_port}")),
                ));
            }
        }
    }
}

fn resize_policy(policies: &[ContainerResizePolicy], pod_restart: &str, path: &Path, errs: &mut ErrorList) {
    for (i, p) in policies.iter().enumerate() {
        if policies.iter().take(i).any(|o| o.resource_name == p.resource_name) {
            errs.push(Error::duplicate(&path.index(i), &json!(p.resource_name)));
        }
        match p.resource_name.as_str() {
            "" => errs.push(Error::required(path, "")),
            name => one_of(name, &["cpu", "memory"], path, errs),
        }
        match p.restart_policy.as_str() {
            "" => errs.push(Error::required(path, "")),
            policy => one_of(policy, &["NotRequired", "RestartContainer"], path, errs),
        }
        if pod_restart == "Never" && p.restart_policy != "NotRequired" {
            errs.push(Error::invalid_str(
                path,
                &p.restart_policy,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            ));
        }
    }
}

fn restart_policy_and_rules(policy: Option<&str>, rules: &[ContainerRestartRule], at: &Path, errs: &mut ErrorList) {
    let policy_path = at.child("restartPolicy");
    match policy {
        None if rules.is_empty() => return,
        None => errs.push(Error::required(&policy_path, "must specify restartPolicy when restart rules are used")),
        Some(policy) => one_of(policy, &["Always", "Never", "OnFailure"], &policy_path, errs),
    }
    let rules_path = at.child("restartPolicyRules");
    if rules.len() > 20 {
        errs.push(Error::too_many(&rules_path, rules.len(), 20));
    }
    for (i, rule) in rules.iter().enumerate() {
        let rule_path = rules_path.index(i);
        one_of(&rule.action, &["Restart", "RestartAllContainers"], &rule_path.child("action"), errs);
        let codes_path = rule_path.child("exitCodes");
        match &rule.exit_codes {
            Some(codes) => {
                one_of(&codes.operator, &["In", "NotIn"], &codes_path.child("operator"), errs);
                let count = list(&codes.values).len();
                if count > 255 {
                    errs.push(Error::too_many(&codes_path.child("values"), count, 255));
                }
            }
            None => errs.push(Error::required(&codes_path, "must be specified")),
        }
    }
}
