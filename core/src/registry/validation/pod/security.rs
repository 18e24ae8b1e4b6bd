//! Security contexts of pods and containers, and the annotations that once stood for them.
//! Models `pkg/apis/core/validation/validation.go` (ValidateSecurityContext, validatePodSpecSecurityContext and kin).

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
    WindowsSecurityContextOptions,
};

use super::{visit_containers, volumes};
use crate::registry::validation::go_struct;
use crate::registry::validation::prelude::*;

const APPARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";

pub(super) fn container(sc: &SecurityContext, host_users: bool, path: &Path, errs: &mut ErrorList) {
    if let Some(id) = sc.run_as_user {
        names::user_id(id, &path.child("runAsUser"), errs);
    }
    if let Some(id) = sc.run_as_group {
        names::group_id(id, &path.child("runAsGroup"), errs);
    }
    if let Some(mount) = &sc.proc_mount {
        let at = path.child("procMount");
        one_of(mount, &["Default", "Unmasked"], &at, errs);
        if host_users && mount == "Unmasked" {
            errs.push(Error::invalid_str(&at, mount, "`hostUsers` must be false to use `Unmasked`"));
        }
    }
    if let Some(profile) = &sc.seccomp_profile {
        seccomp_profile(profile, &path.child("seccompProfile"), errs);
    }
    if sc.allow_privilege_escalation == Some(false) {
        if on(sc.privileged) {
            errs.push(Error::invalid_shown(
                path,
                go_struct::security_context(sc).compact(),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
        }
        let added = sc.capabilities.as_ref().map(|c| list(&c.add)).unwrap_or_default();
        for _ in added.iter().filter(|c| *c == "CAP_SYS_ADMIN") {
            errs.push(Error::invalid_shown(
                path,
                go_struct::security_context(sc).compact(),
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            ));
        }
    }
    if let Some(options) = &sc.windows_options {
        windows_options(options, &path.child("windowsOptions"), errs);
    }
    if let Some(profile) = &sc.app_armor_profile {
        app_armor_profile(profile, &path.child("appArmorProfile"), errs);
    }
}

/// `path` is the security context's.
pub(super) fn pod(sc: &PodSecurityContext, spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    if let Some(id) = sc.fs_group {
        names::group_id(id, &path.child("fsGroup"), errs);
    }
    if let Some(id) = sc.run_as_user {
        names::user_id(id, &path.child("runAsUser"), errs);
    }
    if let Some(id) = sc.run_as_group {
        names::group_id(id, &path.child("runAsGroup"), errs);
    }
    let groups = path.child("supplementalGroups");
    for (i, id) in list(&sc.supplemental_groups).iter().enumerate() {
        names::group_id(*id, &groups.index(i), errs);
    }
    if on(spec.share_process_namespace) && on(spec.host_pid) {
        errs.push(Error::invalid(
            &path.child("shareProcessNamespace"),
            &json!(true),
            "ShareProcessNamespace and HostPID cannot both be enabled",
        ));
    }
    sysctls(sc, spec, &path.child("sysctls"), errs);
    if let Some(policy) = &sc.fs_group_change_policy {
        one_of(policy, &["Always", "OnRootMismatch"], &path.child("fsGroupChangePolicy"), errs);
    }
    if let Some(profile) = &sc.seccomp_profile {
        seccomp_profile(profile, &path.child("seccompProfile"), errs);
    }
    if let Some(options) = &sc.windows_options {
        windows_options(options, &path.child("windowsOptions"), errs);
    }
    if let Some(profile) = &sc.app_armor_profile {
        app_armor_profile(profile, &path.child("appArmorProfile"), errs);
    }
    if let Some(policy) = &sc.supplemental_groups_policy {
        one_of(policy, &["Merge", "Strict"], &path.child("supplementalGroupsPolicy"), errs);
    }
    if let Some(policy) = &sc.se_linux_change_policy {
        // MountOption waits for the gate SELinuxMount.
        one_of(policy, &["Recursive"], &path.child("seLinuxChangePolicy"), errs);
    }
}

/// `segment([./]segment)*` where a segment is lower-case alphanumerics with `-` and `_` inside.
fn is_sysctl_name(name: &str) -> bool {
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= 253
        && name.split(['.', '/']).all(|segment| {
            let bytes = segment.as_bytes();
            bytes.first().is_some_and(edge)
                && bytes.last().is_some_and(edge)
                && bytes.iter().all(|b| edge(b) || matches!(b, b'-' | b'_'))
        })
}

fn sysctls(sc: &PodSecurityContext, spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    let sysctls = list(&sc.sysctls);
    for (i, s) in sysctls.iter().enumerate() {
        let at = path.index(i);
        let name_path = at.child("name");
        if s.name.is_empty() {
            errs.push(Error::required(&name_path, ""));
        } else if !is_sysctl_name(&s.name) {
            errs.push(Error::invalid_str(
                &name_path,
                &s.name,
                "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ));
        } else if sysctls.iter().take(i).any(|o| o.name == s.name) {
            errs.push(Error::duplicate(&name_path, &json!(s.name)));
        }
        let dotted = if s.name.find('/') < s.name.find('.') || !s.name.contains('.') {
            s.name.replace('/', ".")
        } else {
            s.name.clone()
        };
        let ipc =
            dotted == "kernel.sem" || ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|p| dotted.starts_with(p));
        if on(spec.host_network) && dotted.starts_with("net.") {
            errs.push(Error::invalid_str(&name_path, &s.name, "may not be specified when 'hostNetwork' is true"));
        } else if on(spec.host_ipc) && ipc {
            errs.push(Error::invalid_str(&name_path, &s.name, "may not be specified when 'hostIPC' is true"));
        }
    }
}

fn seccomp_profile(profile: &SeccompProfile, path: &Path, errs: &mut ErrorList) {
    match profile.type_.as_str() {
        "" => errs.push(Error::required(&path.child("type"), "type is required when seccompProfile is set")),
        kind => one_of(kind, &["Localhost", "RuntimeDefault", "Unconfined"], &path.child("type"), errs),
    }
    let at = path.child("localhostProfile");
    match (profile.type_ == "Localhost", &profile.localhost_profile) {
        (true, None) => errs.push(Error::required(&at, "must be set when seccomp type is Localhost")),
        (true, Some(target)) => volumes::local_descending_path(target, &at, errs),
        (false, Some(_)) => errs.push(Error::invalid_shown(
            &at,
            go_struct::seccomp_profile(profile).compact(),
            "can only be set when seccomp type is Localhost",
        )),
        (false, None) => {}
    }
}

/// Whether a profile is a sound one.
pub(crate) fn is_app_armor_profile(profile: &AppArmorProfile) -> bool {
    let mut errs = ErrorList::new();
    app_armor_profile(profile, &Path::root(), &mut errs);
    errs.is_empty()
}

fn app_armor_profile(profile: &AppArmorProfile, path: &Path, errs: &mut ErrorList) {
    const LOCALHOST: &str = "must be set when AppArmor type is Localhost";
    let at = path.child("localhostProfile");
    match profile.type_.as_str() {
        "Localhost" => match &profile.localhost_profile {
            None => errs.push(Error::required(&at, LOCALHOST)),
            Some(target) => {
                if target.trim() != target {
                    errs.push(Error::invalid_str(&at, target, "must not be padded with whitespace"));
                } else if target.is_empty() {
                    errs.push(Error::required(&at, LOCALHOST));
                }
                if target.len() > 4095 {
                    errs.push(Error::too_long(&at, 4095));
                }
            }
        },
        "RuntimeDefault" | "Unconfined" => {
            if let Some(target) = &profile.localhost_profile {
                errs.push(Error::invalid_str(&at, target, "can only be set when AppArmor type is Localhost"));
            }
        }
        "" => errs.push(Error::required(&path.child("type"), "type is required when appArmorProfile is set")),
        other => {
            errs.push(Error::not_supported(&path.child("type"), other, &["Localhost", "RuntimeDefault", "Unconfined"]))
        }
    }
}

fn windows_options(options: &WindowsSecurityContextOptions, path: &Path, errs: &mut ErrorList) {
    if let Some(name) = &options.gmsa_credential_spec_name {
        names::dns_subdomain(name, &path.child("gmsaCredentialSpecName"), errs);
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let at = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errs.push(Error::invalid_str(&at, spec, "gmsaCredentialSpec cannot be an empty string"));
        } else if spec.len() > 64 * 1024 {
            errs.push(Error::invalid_str(&at, spec, "gmsaCredentialSpec size must be under 64 KiB"));
        }
    }
    if let Some(user) = &options.run_as_user_name {
        let at = path.child("runAsUserName");
        for message in windows_user_messages(user) {
            errs.push(Error::invalid_str(&at, user, message));
        }
    }
}

fn windows_user_messages(full: &str) -> Vec<&'static str> {
    if full.is_empty() {
        return vec!["runAsUserName cannot be an empty string"];
    }
    if full.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters"];
    }
    let parts: Vec<&str> = full.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut messages = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            messages.push("runAsUserName's Domain length must be under 256 characters");
        }
        if !is_netbios_domain(domain) && !is_windows_dns_domain(domain) {
            messages.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        messages.push("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        messages.push("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        messages.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        messages.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    messages
}

fn is_netbios_domain(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_windows_dns_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    })
}

/// Upstream's `validateWindowsHostProcessPod`.
pub(super) fn windows_host_process(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    let of_pod = spec
        .security_context
        .as_ref()
        .and_then(|sc| sc.windows_options.as_ref())
        .and_then(|options| options.host_process);
    let of = |c: &Container| {
        c.security_context.as_ref().and_then(|sc| sc.windows_options.as_ref()).and_then(|o| o.host_process)
    };
    let plain = spec.ephemeral_containers.is_none()
        && !spec.containers.iter().chain(list(&spec.init_containers)).any(|c| of(c).is_some());
    if of_pod.is_none() && plain {
        return;
    }
    let (mut all, mut host) = (0, 0);
    visit_containers(spec, path, |c, at| {
        all += 1;
        let of_container = of(c);
        if let (Some(pod), Some(container)) = (of_pod, of_container)
            && pod != container
        {
            errs.push(Error::invalid(
                &at.child("securityContext.windowsOptions.hostProcess"),
                &json!(container),
                format!("pod hostProcess value must be identical if both are specified, was {pod}"),
            ));
        }
        if of_container.or(of_pod) == Some(true) {
            host += 1;
        }
    });
    if host == 0 {
        return;
    }
    if host != all {
        errs.push(Error::invalid_str(
            path,
            "",
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        ));
    }
    if !on(spec.host_network) {
        errs.push(Error::invalid(
            &path.child("hostNetwork"),
            &json!(false),
            "hostNetwork must be true if pod contains any hostProcess containers",
        ));
    }
}

/// What a Linux pod may not set.
pub(super) fn linux(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    const WINDOWS: &str = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|sc| sc.windows_options.is_some()) {
        errs.push(Error::forbidden(&path.child("securityContext.windowsOptions"), WINDOWS));
    }
    visit_containers(spec, path, |c, at| {
        if c.security_context.as_ref().is_some_and(|sc| sc.windows_options.is_some()) {
            errs.push(Error::forbidden(&at.child("securityContext.windowsOptions"), WINDOWS));
        }
    });
}

/// What a Windows pod may not set.
pub(super) fn windows(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    const REFUSED: &str = "cannot be set for a windows pod";
    let default = PodSecurityContext::default();
    let sc = spec.security_context.as_ref().unwrap_or(&default);
    let set = [
        ("securityContext.appArmorProfile", sc.app_armor_profile.is_some()),
        ("securityContext.seLinuxOptions", sc.se_linux_options.is_some()),
        ("hostUsers", spec.host_users.is_some()),
        ("hostPID", on(spec.host_pid)),
        ("hostIPC", on(spec.host_ipc)),
        ("securityContext.seccompProfile", sc.seccomp_profile.is_some()),
        ("securityContext.fsGroup", sc.fs_group.is_some()),
        ("securityContext.fsGroupChangePolicy", sc.fs_group_change_policy.is_some()),
        ("securityContext.sysctls", !list(&sc.sysctls).is_empty()),
        ("shareProcessNamespace", spec.share_process_namespace.is_some()),
        ("securityContext.runAsUser", sc.run_as_user.is_some()),
        ("securityContext.runAsGroup", sc.run_as_group.is_some()),
        ("securityContext.supplementalGroups", sc.supplemental_groups.is_some()),
        ("securityContext.supplementalGroupsPolicy", sc.supplemental_groups_policy.is_some()),
        ("securityContext.seLinuxChangePolicy", sc.se_linux_change_policy.is_some()),
    ];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        errs.push(Error::forbidden(&path.child(name), REFUSED));
    }
    visit_containers(spec, path, |c, at| {
        let Some(sc) = &c.security_context else { return };
        let at = at.child("securityContext");
        let set = [
            ("appArmorProfile", sc.app_armor_profile.is_some()),
            ("seLinuxOptions", sc.se_linux_options.is_some()),
            ("seccompProfile", sc.seccomp_profile.is_some()),
            ("capabilities", sc.capabilities.is_some()),
            ("readOnlyRootFilesystem", sc.read_only_root_filesystem.is_some()),
            ("privileged", sc.privileged.is_some()),
            ("allowPrivilegeEscalation", sc.allow_privilege_escalation.is_some()),
            ("procMount", sc.proc_mount.is_some()),
            ("runAsUser", sc.run_as_user.is_some()),
            ("runAsGroup", sc.run_as_group.is_some()),
        ];
        for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
            errs.push(Error::forbidden(&at.child(name), REFUSED));
        }
    });
}

/// The old seccomp and AppArmor annotations, by themselves. `path` is the annotations'.
pub(super) fn annotations(meta: &ObjectMeta, spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    if let Some(profile) = entry(&meta.annotations, SECCOMP_POD) {
        seccomp_annotation(profile, &path.child(SECCOMP_POD), errs);
    }
    for (key, profile) in entries(&meta.annotations) {
        if key.starts_with(SECCOMP_PREFIX) {
            seccomp_annotation(profile, &path.child(key), errs);
        }
    }
    for (key, profile) in entries(&meta.annotations) {
        let Some(container) = key.strip_prefix(APPARMOR_PREFIX) else { continue };
        let mut found = false;
        visit_containers(spec, path, |c, _| found |= c.name == container);
        if !found {
            errs.push(Error::invalid_str(&path.key(key), container, "container not found"));
        }
        let known = matches!(profile.as_str(), "" | "runtime/default" | "unconfined");
        if !known && !profile.starts_with("localhost/") {
            errs.push(Error::invalid_str(
                &path.key(key),
                profile,
                format!("invalid AppArmor profile name: {}", crate::api::field::quote(profile)),
            ));
        }
    }
}

fn seccomp_annotation(profile: &str, path: &Path, errs: &mut ErrorList) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(target) => volumes::local_descending_path(target, path, errs),
            None => errs.push(Error::invalid_str(path, profile, "must be a valid seccomp profile")),
        },
    }
}

/// The old annotations against the fields that replaced them. `path` is the spec's.
pub(super) fn annotations_match_fields(meta: &ObjectMeta, spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    if meta.annotations.as_ref().is_none_or(|a| a.is_empty()) {
        return;
    }
    let pod = spec.security_context.as_ref();
    if let Some(profile) = pod.and_then(|sc| sc.seccomp_profile.as_ref())
        && let Some(annotation) = entry(&meta.annotations, SECCOMP_POD)
    {
        let at = path.child("securityContext.seccompProfile");
        profile_matches(&profile.type_, &profile.localhost_profile, annotation, "seccomp", &at, errs);
    }
    visit_containers(spec, path, |c, at| {
        if let Some(profile) = c.security_context.as_ref().and_then(|sc| sc.seccomp_profile.as_ref())
            && let Some(annotation) = entry(&meta.annotations, &format!("{SECCOMP_PREFIX}{}", c.name))
        {
            let at = at.child("securityContext.seccompProfile");
            profile_matches(&profile.type_, &profile.localhost_profile, annotation, "seccomp", &at, errs);
        }
    });
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = pod.and_then(|sc| sc.app_armor_profile.as_ref());
    visit_containers(spec, path, |c, at| {
        let of_container = c.security_context.as_ref().and_then(|sc| sc.app_armor_profile.as_ref());
        if let Some(profile) = of_container.or(of_pod)
            && let Some(annotation) = entry(&meta.annotations, &format!("{APPARMOR_PREFIX}{}", c.name))
        {
            let at = at.child("securityContext.appArmorProfile");
            profile_matches(&profile.type_, &profile.localhost_profile, annotation, "apparmor", &at, errs);
        }
    });
}

fn profile_matches(
    kind: &str,
    localhost: &Option<String>,
    annotation: &str,
    what: &str,
    path: &Path,
    errs: &mut ErrorList,
) {
    let type_matches = match kind {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default" || (what == "seccomp" && annotation == "docker/default"),
        "Localhost" => annotation.starts_with("localhost/"),
        _ => true,
    };
    if !type_matches {
        errs.push(Error::forbidden(&path.child("type"), format!("{what} type in annotation and field must match")));
    } else if kind == "Localhost" && annotation.strip_prefix("localhost/") != localhost.as_deref() {
        errs.push(Error::forbidden(
            &path.child("localhostProfile"),
            format!("{what} profile in annotation and field must match"),
        ));
    }
}

/// Whether an annotation of AppArmor's.
pub(super) fn is_app_armor_annotation(key: &str) -> bool {
    key.starts_with(APPARMOR_PREFIX)
}
