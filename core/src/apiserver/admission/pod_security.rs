//! The pod security standards that a namespace's labels ask for. Models `staging/src/k8s.io/pod-security-admission`.

use k8s_openapi::api::core::v1::{Container, Namespace, Pod, PodSpec, SecurityContext, Volume};

use super::{Attributes, Verb, forbidden};
use crate::api::field::quote;
use crate::api::object::{Obj, typed};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }
}

/// A level and the version of the standards.
fn wanted(ns: &Namespace, mode: &str) -> (Level, String) {
    let labels = ns.metadata.labels.as_ref();
    let label = |name: String| labels.and_then(|l| l.get(&name)).map(String::as_str);
    let level = match label(format!("pod-security.kubernetes.io/{mode}")) {
        Some("baseline") => Level::Baseline,
        Some("restricted") => Level::Restricted,
        _ => Level::Privileged,
    };
    let version = label(format!("pod-security.kubernetes.io/{mode}-version")).unwrap_or("latest");
    (level, version.to_owned())
}

/// The pod's spec inside an object that makes pods.
fn template(obj: &Obj) -> Option<&PodSpec> {
    use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
    use k8s_openapi::api::batch::v1::{CronJob, Job};
    use k8s_openapi::api::core::v1::{PodTemplate, ReplicationController};
    let o = &**obj;
    if let Some(x) = typed::<Deployment>(o) {
        return x.spec.as_ref()?.template.spec.as_ref();
    }
    if let Some(x) = typed::<ReplicaSet>(o) {
        return x.spec.as_ref()?.template.as_ref()?.spec.as_ref();
    }
    if let Some(x) = typed::<DaemonSet>(o) {
        return x.spec.as_ref()?.template.spec.as_ref();
    }
    if let Some(x) = typed::<StatefulSet>(o) {
        return x.spec.as_ref()?.template.spec.as_ref();
    }
    if let Some(x) = typed::<Job>(o) {
        return x.spec.as_ref()?.template.spec.as_ref();
    }
    if let Some(x) = typed::<CronJob>(o) {
        return x.spec.job_template.spec.as_ref()?.template.spec.as_ref();
    }
    if let Some(x) = typed::<ReplicationController>(o) {
        return x.spec.as_ref()?.template.as_ref()?.spec.as_ref();
    }
    typed::<PodTemplate>(o)?.template.as_ref()?.spec.as_ref()
}

pub(super) fn validate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let pod = typed::<Pod>(&**obj);
    // Templates are only warned about, and warnings are only for those who read them.
    if pod.is_none() && (!server.warnings.wanted() || template(obj).is_none()) {
        return Ok(());
    }
    let Some(ns) = server.one_of::<Namespace>("", a.namespace) else { return Ok(()) };
    if !ns.metadata.labels.iter().flatten().any(|(k, _)| k.starts_with("pod-security.kubernetes.io/")) {
        return Ok(());
    }
    let spec = match pod {
        Some(p) => p.spec.as_ref(),
        None => template(obj),
    };
    let Some(spec) = spec else { return Ok(()) };
    if let (Verb::Update, Some(old)) = (a.verb, old.and_then(|o| typed::<Pod>(&**o)))
        && old.spec.as_ref() == Some(spec)
    {
        return Ok(());
    }
    let annotations = pod.and_then(|p| p.metadata.annotations.as_ref());
    let (level, version) = wanted(&ns, "enforce");
    let failures = check(level, spec, annotations);
    if pod.is_some() && !failures.is_empty() {
        let why =
            format!("violates PodSecurity {}: {}", quote(&format!("{}:{version}", level.name())), failures.join(", "));
        return Err(forbidden(info, &**obj, &why));
    }
    let (level, version) = wanted(&ns, "warn");
    let failures = check(level, spec, annotations);
    if !failures.is_empty() {
        server.warnings.add(|| {
            let standard = quote(&format!("{}:{version}", level.name()));
            format!("would violate PodSecurity {standard}: {}", failures.join(", "))
        });
    }
    Ok(())
}

/// One or several: `container "a"`, `containers "a", "b"`.
fn plural(what: &str, names: &[&str]) -> String {
    let s = if names.len() == 1 { "" } else { "s" };
    format!("{what}{s} {}", names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", "))
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = (&str, Option<&SecurityContext>, &Container)> {
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.map(|c| (c.name.as_str(), c.security_context.as_ref(), c))
}

/// The failures of a pod against a level, in the order of upstream's checks.
fn check(
    level: Level,
    spec: &PodSpec,
    annotations: Option<&std::collections::BTreeMap<String, String>>,
) -> Vec<String> {
    let mut out = Vec::new();
    if level == Level::Privileged {
        return out;
    }
    let restricted = level == Level::Restricted;
    let windows = spec.os.as_ref().is_some_and(|o| o.name == "windows");
    let bad = |f: &dyn Fn(&SecurityContext) -> bool| -> Vec<&str> {
        containers(spec).filter(|(_, s, _)| s.is_some_and(f)).map(|(n, _, _)| n).collect()
    };
    if restricted && !windows {
        let names: Vec<&str> = containers(spec)
            .filter(|(_, s, _)| s.and_then(|s| s.allow_privilege_escalation) != Some(false))
            .map(|(n, _, _)| n)
            .collect();
        if !names.is_empty() {
            out.push(format!(
                "allowPrivilegeEscalation != false ({} must set securityContext.allowPrivilegeEscalation=false)",
                plural("container", &names)
            ));
        }
    }
    if let Some((k, v)) = annotations.into_iter().flatten().find(|(k, v)| {
        k.starts_with("container.apparmor.security.beta.kubernetes.io/")
            && !v.is_empty()
            && *v != "runtime/default"
            && !v.starts_with("localhost/")
    }) {
        out.push(format!("forbidden AppArmor profile ({k}={})", quote(v)));
    }
    capabilities(spec, restricted && !windows, &mut out);
    let host: Vec<&str> = [
        (spec.host_network == Some(true), "hostNetwork=true"),
        (spec.host_pid == Some(true), "hostPID=true"),
        (spec.host_ipc == Some(true), "hostIPC=true"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    if !host.is_empty() {
        out.push(format!("host namespaces ({})", host.join(", ")));
    }
    let volumes: Vec<&str> =
        spec.volumes.iter().flatten().filter(|v| v.host_path.is_some()).map(|v| v.name.as_str()).collect();
    if !volumes.is_empty() && !restricted {
        out.push(format!("hostPath volumes ({})", plural("volume", &volumes)));
    }
    let ports: Vec<(&str, i32)> = containers(spec)
        .flat_map(|(n, _, c)| c.ports.iter().flatten().map(move |p| (n, p.host_port.unwrap_or(0))))
        .filter(|(_, p)| *p != 0)
        .collect();
    if !ports.is_empty() {
        let mut names: Vec<&str> = ports.iter().map(|(n, _)| *n).collect();
        names.dedup();
        let mut numbers: Vec<String> = ports.iter().map(|(_, p)| p.to_string()).collect();
        numbers.sort();
        numbers.dedup();
        let s = if numbers.len() == 1 { "" } else { "s" };
        let verb = if names.len() == 1 { "uses" } else { "use" };
        out.push(format!("hostPort ({} {verb} hostPort{s} {})", plural("container", &names), numbers.join(", ")));
    }
    let privileged = bad(&|s| s.privileged == Some(true));
    if !privileged.is_empty() {
        out.push(format!(
            "privileged ({} must not set securityContext.privileged=true)",
            plural("container", &privileged)
        ));
    }
    let mount: Vec<&str> = bad(&|s| s.proc_mount.as_deref().is_some_and(|p| p != "Default"));
    if !mount.is_empty() && spec.host_users != Some(false) {
        out.push(format!("procMount ({} must not set securityContext.procMount)", plural("container", &mount)));
    }
    if restricted {
        restricted_volumes(spec, &mut out);
        run_as(spec, windows, &mut out);
    }
    seccomp(spec, restricted && !windows, &mut out);
    let sysctls: Vec<&str> = spec
        .security_context
        .iter()
        .flat_map(|s| s.sysctls.iter().flatten())
        .map(|s| s.name.as_str())
        .filter(|n| !SAFE_SYSCTLS.contains(n))
        .collect();
    if !sysctls.is_empty() {
        out.push(format!("forbidden sysctls ({})", sysctls.join(", ")));
    }
    out
}

const SAFE_SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];

const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn capabilities(spec: &PodSpec, restricted: bool, out: &mut Vec<String>) {
    let mut adding: Vec<&str> = Vec::new();
    let mut added: Vec<&str> = Vec::new();
    let mut keeping: Vec<&str> = Vec::new();
    for (name, s, _) in containers(spec) {
        let caps = s.and_then(|s| s.capabilities.as_ref());
        let allowed = |c: &str| if restricted { c == "NET_BIND_SERVICE" } else { BASELINE_CAPABILITIES.contains(&c) };
        let wrong: Vec<&str> =
            caps.iter().flat_map(|c| c.add.iter().flatten()).map(String::as_str).filter(|c| !allowed(c)).collect();
        if !wrong.is_empty() {
            adding.push(name);
            added.extend(wrong);
        }
        if !caps.is_some_and(|c| c.drop.iter().flatten().any(|d| d == "ALL")) {
            keeping.push(name);
        }
    }
    added.sort_unstable();
    added.dedup();
    let quoted = || added.iter().map(|a| quote(a)).collect::<Vec<_>>().join(", ");
    if restricted {
        let mut why = Vec::new();
        if !keeping.is_empty() {
            let must = plural("container", &keeping);
            why.push(format!("{must} must set securityContext.capabilities.drop=[\"ALL\"]"));
        }
        if !adding.is_empty() {
            let must = plural("container", &adding);
            why.push(format!("{must} must not include {} in securityContext.capabilities.add", quoted()));
        }
        if !why.is_empty() {
            out.push(format!("unrestricted capabilities ({})", why.join("; ")));
        }
    } else if !adding.is_empty() {
        out.push(format!(
            "non-default capabilities ({} must not include {} in securityContext.capabilities.add)",
            plural("container", &adding),
            quoted()
        ));
    }
}

/// What kind of volume the restricted level refuses; `None` for those that it takes.
fn volume_type(v: &Volume) -> Option<&'static str> {
    let fine = v.config_map.is_some()
        || v.csi.is_some()
        || v.downward_api.is_some()
        || v.empty_dir.is_some()
        || v.ephemeral.is_some()
        || v.persistent_volume_claim.is_some()
        || v.projected.is_some()
        || v.secret.is_some()
        || v.image.is_some();
    if fine {
        return None;
    }
    let kinds = [
        (v.host_path.is_some(), "hostPath"),
        (v.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (v.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (v.git_repo.is_some(), "gitRepo"),
        (v.nfs.is_some(), "nfs"),
        (v.iscsi.is_some(), "iscsi"),
        (v.glusterfs.is_some(), "glusterfs"),
        (v.rbd.is_some(), "rbd"),
        (v.flex_volume.is_some(), "flexVolume"),
        (v.cinder.is_some(), "cinder"),
        (v.cephfs.is_some(), "cephfs"),
        (v.flocker.is_some(), "flocker"),
        (v.fc.is_some(), "fc"),
        (v.azure_file.is_some(), "azureFile"),
        (v.vsphere_volume.is_some(), "vsphereVolume"),
        (v.quobyte.is_some(), "quobyte"),
        (v.azure_disk.is_some(), "azureDisk"),
        (v.portworx_volume.is_some(), "portworxVolume"),
        (v.scale_io.is_some(), "scaleIO"),
        (v.storageos.is_some(), "storageos"),
    ];
    Some(kinds.into_iter().find(|(on, _)| *on).map_or("unknown", |(_, name)| name))
}

fn restricted_volumes(spec: &PodSpec, out: &mut Vec<String>) {
    let bad: Vec<(&str, &str)> =
        spec.volumes.iter().flatten().filter_map(|v| volume_type(v).map(|t| (v.name.as_str(), t))).collect();
    if bad.is_empty() {
        return;
    }
    let names: Vec<&str> = bad.iter().map(|(n, _)| *n).collect();
    let mut types: Vec<String> = bad.iter().map(|(_, t)| quote(t)).collect();
    types.sort();
    types.dedup();
    let s = if types.len() == 1 { "" } else { "s" };
    let verb = if names.len() == 1 { "uses" } else { "use" };
    out.push(format!(
        "restricted volume types ({} {verb} restricted volume type{s} {})",
        plural("volume", &names),
        types.join(", ")
    ));
}

fn run_as(spec: &PodSpec, windows: bool, out: &mut Vec<String>) {
    let _ = windows;
    let pod = spec.security_context.as_ref().and_then(|s| s.run_as_non_root);
    let says = |s: Option<&SecurityContext>| s.and_then(|s| s.run_as_non_root);
    let explicit: Vec<&str> = containers(spec).filter(|(_, s, _)| says(*s) == Some(false)).map(|(n, _, _)| n).collect();
    let implicit: Vec<&str> =
        containers(spec).filter(|(_, s, _)| says(*s).is_none() && pod != Some(true)).map(|(n, _, _)| n).collect();
    let user_namespace = spec.host_users == Some(false);
    if !user_namespace {
        let mut why = Vec::new();
        if pod == Some(false) {
            why.push("pod".to_owned());
        }
        if !explicit.is_empty() {
            why.push(plural("container", &explicit));
        }
        if !why.is_empty() {
            out.push(format!(
                "runAsNonRoot != true ({} must not set securityContext.runAsNonRoot=false)",
                why.join(" and ")
            ));
        } else if !implicit.is_empty() {
            out.push(format!(
                "runAsNonRoot != true (pod or {} must set securityContext.runAsNonRoot=true)",
                plural("container", &implicit)
            ));
        }
        let root: Vec<&str> =
            containers(spec).filter(|(_, s, _)| s.and_then(|s| s.run_as_user) == Some(0)).map(|(n, _, _)| n).collect();
        let mut why = Vec::new();
        if spec.security_context.as_ref().and_then(|s| s.run_as_user) == Some(0) {
            why.push("pod".to_owned());
        }
        if !root.is_empty() {
            why.push(plural("container", &root));
        }
        if !why.is_empty() {
            out.push(format!("runAsUser=0 ({} must not set runAsUser=0)", why.join(" and ")));
        }
    }
}

fn seccomp(spec: &PodSpec, restricted: bool, out: &mut Vec<String>) {
    let pod = spec.security_context.as_ref().and_then(|s| s.seccomp_profile.as_ref()).map(|p| p.type_.as_str());
    let own = |s: Option<&SecurityContext>| -> Option<String> {
        s.and_then(|s| s.seccomp_profile.as_ref()).map(|p| p.type_.clone())
    };
    let valid = |t: &str| matches!(t, "RuntimeDefault" | "Localhost");
    let mut why = Vec::new();
    if let Some(t) = pod.filter(|t| !valid(t)) {
        why.push(format!("pod must not set securityContext.seccompProfile.type to {}", quote(t)));
    }
    let explicit: Vec<(&str, String)> =
        containers(spec).filter_map(|(n, s, _)| own(s).filter(|t| !valid(t)).map(|t| (n, t))).collect();
    if !explicit.is_empty() {
        let names: Vec<&str> = explicit.iter().map(|(n, _)| *n).collect();
        let mut types: Vec<String> = explicit.iter().map(|(_, t)| quote(t)).collect();
        types.sort();
        types.dedup();
        why.push(format!(
            "{} must not set securityContext.seccompProfile.type to {}",
            plural("container", &names),
            types.join(", ")
        ));
    }
    if !why.is_empty() {
        out.push(format!("seccompProfile ({})", why.join("; ")));
        return;
    }
    if !restricted || pod.is_some() {
        return;
    }
    let missing: Vec<&str> = containers(spec).filter(|(_, s, _)| own(*s).is_none()).map(|(n, _, _)| n).collect();
    if !missing.is_empty() {
        out.push(format!(
            "seccompProfile (pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            plural("container", &missing)
        ));
    }
}
