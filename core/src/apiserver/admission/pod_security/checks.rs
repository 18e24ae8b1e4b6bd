//! What pods may not do at a level of the pod security standards.
//! Models `staging/src/k8s.io/pod-security-admission/policy`, its checks of the latest version.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::{
    Container, PodSpec, SELinuxOptions, SecurityContext, Volume, WindowsSecurityContextOptions,
};

use super::Level;
use crate::api::field::quote;
use crate::registry::validation::as_container;

/// One or several: `container "a"`, `containers "a", "b"`.
fn plural(what: &str, names: &[&str]) -> String {
    let s = if names.len() == 1 { "" } else { "s" };
    format!("{what}{s} {}", names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", "))
}

/// A pod's containers of all kinds, and the rest of its spec.
struct Subject<'a> {
    spec: &'a PodSpec,
    all: Vec<Cow<'a, Container>>,
}

impl<'a> Subject<'a> {
    fn new(spec: &'a PodSpec) -> Self {
        let own = spec.init_containers.iter().flatten().chain(&spec.containers).map(Cow::Borrowed);
        let ephemeral = spec.ephemeral_containers.iter().flatten().map(|e| Cow::Owned(as_container(e)));
        Subject { spec, all: own.chain(ephemeral).collect() }
    }

    fn containers(&self) -> impl Iterator<Item = (&str, Option<&SecurityContext>, &Container)> {
        self.all.iter().map(|c| (c.name.as_str(), c.security_context.as_ref(), &**c))
    }

    /// The containers whose security context is like this.
    fn named(&self, f: impl Fn(&SecurityContext) -> bool) -> Vec<&str> {
        self.containers().filter(|(_, s, _)| s.is_some_and(&f)).map(|(n, _, _)| n).collect()
    }

    /// The pod, and its containers, where something is so: `pod and container "a"`; nothing if it is so nowhere.
    fn setters(&self, pod: bool, containers: &[&str]) -> String {
        let pod = pod.then(|| "pod".to_owned());
        let containers = (!containers.is_empty()).then(|| plural("container", containers));
        pod.into_iter().chain(containers).collect::<Vec<_>>().join(" and ")
    }
}

/// What a check has against a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    detail: String,
}

impl Failure {
    fn new(reason: &str, detail: String) -> Self {
        Failure { reason: reason.to_owned(), detail }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.detail)
    }
}

/// Distinct words, sorted and quoted.
fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> (usize, String) {
    let all: BTreeSet<&str> = words.collect();
    (all.len(), all.iter().map(|w| quote(w)).collect::<Vec<_>>().join(", "))
}

/// The failures of a pod against a level, in the order of upstream's checks: those of the baseline come first.
pub(super) fn check(level: Level, spec: &PodSpec, annotations: Option<&BTreeMap<String, String>>) -> Vec<Failure> {
    let mut out = Vec::new();
    if level == Level::Privileged {
        return out;
    }
    let restricted = level == Level::Restricted;
    let windows = spec.os.as_ref().is_some_and(|o| o.name == "windows");
    let s = &Subject::new(spec);
    app_armor(s, annotations, &mut out);
    if !restricted {
        capabilities(s, false, &mut out);
    }
    host_namespaces(s, &mut out);
    if !restricted {
        let volumes: Vec<&str> =
            spec.volumes.iter().flatten().filter(|v| v.host_path.is_some()).map(|v| v.name.as_str()).collect();
        if !volumes.is_empty() {
            out.push(Failure::new("hostPath volumes", plural("volume", &volumes)));
        }
    }
    host_ports(s, &mut out);
    hosts_of_probes(s, &mut out);
    let privileged = s.named(|s| s.privileged == Some(true));
    if !privileged.is_empty() {
        let who = plural("container", &privileged);
        out.push(Failure::new("privileged", format!("{who} must not set securityContext.privileged=true")));
    }
    if !restricted {
        if spec.host_users != Some(false) {
            proc_mount(s, &mut out);
        }
        se_linux(s, &mut out);
        seccomp(s, false, &mut out);
    } else {
        se_linux(s, &mut out);
    }
    sysctls(s, &mut out);
    host_process(s, &mut out);
    if restricted {
        if !windows {
            privilege_escalation(s, &mut out);
            capabilities(s, true, &mut out);
        }
        proc_mount(s, &mut out);
        restricted_volumes(spec, &mut out);
        run_as(s, &mut out);
        seccomp(s, !windows, &mut out);
    }
    out
}

fn privilege_escalation(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let escalates = |c: Option<&SecurityContext>| c.and_then(|c| c.allow_privilege_escalation) != Some(false);
    let names: Vec<&str> = s.containers().filter(|(_, c, _)| escalates(*c)).map(|(n, _, _)| n).collect();
    if !names.is_empty() {
        let who = plural("container", &names);
        let detail = format!("{who} must set securityContext.allowPrivilegeEscalation=false");
        out.push(Failure::new("allowPrivilegeEscalation != false", detail));
    }
}

fn app_armor(s: &Subject<'_>, annotations: Option<&BTreeMap<String, String>>, out: &mut Vec<Failure>) {
    let forbidden = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref());
    let of_pod = of_pod.map(|p| p.type_.as_str()).filter(|t| forbidden(t));
    let of = |c: &SecurityContext| c.app_armor_profile.as_ref().is_some_and(|p| forbidden(&p.type_));
    let names = s.named(of);
    let mut values: BTreeSet<String> = of_pod.map(str::to_owned).into_iter().collect();
    let profiles = s.containers().filter_map(|(_, c, _)| c?.app_armor_profile.as_ref());
    values.extend(profiles.map(|p| p.type_.clone()).filter(|t| forbidden(t)));
    let mut values: Vec<String> = values.into_iter().collect();
    let notes: Vec<String> = annotations
        .into_iter()
        .flatten()
        .filter(|(k, v)| {
            k.starts_with("container.apparmor.security.beta.kubernetes.io/")
                && !v.is_empty()
                && *v != "runtime/default"
                && !v.starts_with("localhost/")
        })
        .map(|(k, v)| format!("{k}={}", quote(v)))
        .collect();
    let mut setters = s.setters(of_pod.is_some(), &names);
    if !notes.is_empty() {
        let word = if notes.len() == 1 { "annotation" } else { "annotations" };
        setters = if setters.is_empty() { word.to_owned() } else { format!("{setters} and {word}") };
        values.extend(notes);
    }
    if !setters.is_empty() {
        let reason = if values.len() == 1 { "forbidden AppArmor profile" } else { "forbidden AppArmor profiles" };
        let shown: Vec<String> = values.iter().map(|v| quote(v)).collect();
        out.push(Failure::new(reason, format!("{setters} must not set AppArmor profile type to {}", shown.join(", "))));
    }
}

fn host_namespaces(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let host: Vec<&str> = [
        (s.spec.host_network, "hostNetwork=true"),
        (s.spec.host_pid, "hostPID=true"),
        (s.spec.host_ipc, "hostIPC=true"),
    ]
    .into_iter()
    .filter_map(|(on, name)| (on == Some(true)).then_some(name))
    .collect();
    if !host.is_empty() {
        out.push(Failure::new("host namespaces", host.join(", ")));
    }
}

fn host_ports(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let ports: Vec<(&str, i32)> = s
        .containers()
        .flat_map(|(n, _, c)| c.ports.iter().flatten().map(move |p| (n, p.host_port.unwrap_or(0))))
        .filter(|(_, p)| *p != 0)
        .collect();
    if ports.is_empty() {
        return;
    }
    let mut names: Vec<&str> = ports.iter().map(|(n, _)| *n).collect();
    names.dedup();
    let numbers: BTreeSet<String> = ports.iter().map(|(_, p)| p.to_string()).collect();
    let plural_s = if numbers.len() == 1 { "" } else { "s" };
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let numbers = numbers.into_iter().collect::<Vec<_>>().join(", ");
    out.push(Failure::new("hostPort", format!("{} {verb} hostPort{plural_s} {numbers}", plural("container", &names))));
}

/// Probes and hooks that go to another host.
fn hosts_of_probes(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for (name, _, c) in s.containers() {
        let probes = [&c.liveness_probe, &c.readiness_probe, &c.startup_probe].into_iter().flatten();
        let hooks = c.lifecycle.iter().flat_map(|l| [&l.post_start, &l.pre_stop]).flatten();
        let asked = probes
            .flat_map(|p| {
                [p.http_get.as_ref().and_then(|g| g.host.as_ref()), p.tcp_socket.as_ref().and_then(|t| t.host.as_ref())]
            })
            .chain(hooks.flat_map(|h| {
                [h.http_get.as_ref().and_then(|g| g.host.as_ref()), h.tcp_socket.as_ref().and_then(|t| t.host.as_ref())]
            }));
        for host in asked.flatten().filter(|h| !h.is_empty()) {
            names.insert(name);
            hosts.insert(host.as_str());
        }
    }
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let (count, shown) = distinct(hosts.into_iter());
    let what = if count == 1 { "probe or lifecycle host" } else { "probe or lifecycle hosts" };
    out.push(Failure::new("probe or lifecycle host", format!("{} {verb} {what} {shown}", plural("container", &names))));
}

fn proc_mount(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let unmasked = |c: &SecurityContext| c.proc_mount.as_deref().filter(|p| *p != "Default").map(str::to_owned);
    let names = s.named(|c| unmasked(c).is_some());
    if !names.is_empty() {
        let kinds: Vec<String> = s.containers().filter_map(|(_, c, _)| c.and_then(unmasked)).collect();
        let (_, shown) = distinct(kinds.iter().map(String::as_str));
        let detail = format!("{} must not set securityContext.procMount to {shown}", plural("container", &names));
        out.push(Failure::new("procMount", detail));
    }
}

fn se_linux(s: &Subject<'_>, out: &mut Vec<Failure>) {
    const TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let set = |t: &Option<String>| t.as_deref().is_some_and(|t| !t.is_empty());
    let kind = |o: &SELinuxOptions| o.type_.clone().unwrap_or_default();
    let bad = |o: &&SELinuxOptions| !TYPES.contains(&kind(o).as_str()) || set(&o.user) || set(&o.role);
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.se_linux_options.as_ref()).filter(bad);
    let names = s.named(|c| c.se_linux_options.as_ref().filter(bad).is_some());
    let setters = s.setters(of_pod.is_some(), &names);
    if setters.is_empty() {
        return;
    }
    let own = s.containers().filter_map(|(_, c, _)| c?.se_linux_options.as_ref()).filter(bad);
    let all: Vec<&SELinuxOptions> = of_pod.into_iter().chain(own).collect();
    let kinds: Vec<String> = all.iter().map(|o| kind(o)).filter(|t| !TYPES.contains(&t.as_str())).collect();
    let (count, shown) = distinct(kinds.iter().map(String::as_str));
    let mut why = Vec::new();
    if count > 0 {
        why.push(format!("{} {shown}", if count == 1 { "type" } else { "types" }));
    }
    if all.iter().any(|o| set(&o.user)) {
        why.push("user may not be set".to_owned());
    }
    if all.iter().any(|o| set(&o.role)) {
        why.push("role may not be set".to_owned());
    }
    let detail = format!("{setters} set forbidden securityContext.seLinuxOptions: {}", why.join("; "));
    out.push(Failure::new("seLinuxOptions", detail));
}

fn sysctls(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let own = s.spec.security_context.iter().flat_map(|s| s.sysctls.iter().flatten());
    let forbidden: Vec<&str> = own.map(|s| s.name.as_str()).filter(|n| !SAFE_SYSCTLS.contains(n)).collect();
    if !forbidden.is_empty() {
        out.push(Failure::new("forbidden sysctls", forbidden.join(", ")));
    }
}

fn host_process(s: &Subject<'_>, out: &mut Vec<Failure>) {
    let on = |o: &Option<WindowsSecurityContextOptions>| o.as_ref().and_then(|o| o.host_process) == Some(true);
    let of_pod = s.spec.security_context.as_ref().is_some_and(|c| on(&c.windows_options));
    let setters = s.setters(of_pod, &s.named(|c| on(&c.windows_options)));
    if !setters.is_empty() {
        let detail = format!("{setters} must not set securityContext.windowsOptions.hostProcess=true");
        out.push(Failure::new("hostProcess", detail));
    }
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

fn capabilities(s: &Subject<'_>, restricted: bool, out: &mut Vec<Failure>) {
    let mut adding: Vec<&str> = Vec::new();
    let mut added: Vec<&str> = Vec::new();
    let mut keeping: Vec<&str> = Vec::new();
    for (name, c, _) in s.containers() {
        let caps = c.and_then(|c| c.capabilities.as_ref());
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
            out.push(Failure::new("unrestricted capabilities", why.join("; ")));
        }
    } else if !adding.is_empty() {
        let who = plural("container", &adding);
        let detail = format!("{who} must not include {} in securityContext.capabilities.add", quoted());
        out.push(Failure::new("non-default capabilities", detail));
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

fn restricted_volumes(spec: &PodSpec, out: &mut Vec<Failure>) {
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
    let detail = format!("{} {verb} restricted volume type{s} {}", plural("volume", &names), types.join(", "));
    out.push(Failure::new("restricted volume types", detail));
}

fn run_as(s: &Subject<'_>, out: &mut Vec<Failure>) {
    // A pod in a user namespace is no root outside.
    if s.spec.host_users == Some(false) {
        return;
    }
    let pod = s.spec.security_context.as_ref();
    let non_root = pod.and_then(|c| c.run_as_non_root);
    let says = |c: Option<&SecurityContext>| c.and_then(|c| c.run_as_non_root);
    let setters = s.setters(non_root == Some(false), &s.named(|c| c.run_as_non_root == Some(false)));
    let silent: Vec<&str> =
        s.containers().filter(|(_, c, _)| says(*c).is_none() && non_root != Some(true)).map(|(n, _, _)| n).collect();
    let reason = "runAsNonRoot != true";
    if !setters.is_empty() {
        out.push(Failure::new(reason, format!("{setters} must not set securityContext.runAsNonRoot=false")));
    } else if !silent.is_empty() {
        let who = plural("container", &silent);
        out.push(Failure::new(reason, format!("pod or {who} must set securityContext.runAsNonRoot=true")));
    }
    let root = pod.and_then(|c| c.run_as_user) == Some(0);
    let setters = s.setters(root, &s.named(|c| c.run_as_user == Some(0)));
    if !setters.is_empty() {
        out.push(Failure::new("runAsUser=0", format!("{setters} must not set runAsUser=0")));
    }
}

fn seccomp(s: &Subject<'_>, restricted: bool, out: &mut Vec<Failure>) {
    let pod = s.spec.security_context.as_ref().and_then(|s| s.seccomp_profile.as_ref()).map(|p| p.type_.as_str());
    let own = |s: Option<&SecurityContext>| -> Option<String> {
        s.and_then(|s| s.seccomp_profile.as_ref()).map(|p| p.type_.clone())
    };
    let valid = |t: &str| matches!(t, "RuntimeDefault" | "Localhost");
    let mut why = Vec::new();
    if let Some(t) = pod.filter(|t| !valid(t)) {
        why.push(format!("pod must not set securityContext.seccompProfile.type to {}", quote(t)));
    }
    let explicit: Vec<(&str, String)> =
        s.containers().filter_map(|(n, c, _)| own(c).filter(|t| !valid(t)).map(|t| (n, t))).collect();
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
        out.push(Failure::new("seccompProfile", why.join("; ")));
        return;
    }
    if !restricted || pod.is_some() {
        return;
    }
    let missing: Vec<&str> = s.containers().filter(|(_, c, _)| own(*c).is_none()).map(|(n, _, _)| n).collect();
    if !missing.is_empty() {
        let who = plural("container", &missing);
        let must = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
        out.push(Failure::new("seccompProfile", format!("pod or {who} {must}")));
    }
}
