//! The pod security standards that a namespace's labels ask for. Models `staging/src/k8s.io/pod-security-admission`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};

use super::{Attributes, Verb, forbidden};
use crate::api::field::{Error, ErrorList, Path, quote};
use crate::api::object::{Obj, typed};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

mod checks;

use checks::check;

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
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standard {
    level: Level,
    version: String,
}

impl Standard {
    fn privileged() -> Self {
        Standard { level: Level::Privileged, version: "latest".to_owned() }
    }

    fn quoted(&self) -> String {
        quote(&format!("{}:{}", self.level.name(), self.version))
    }
}

/// What a namespace's labels ask for.
struct Policy {
    enforce: Standard,
    warn: Standard,
    errors: ErrorList,
}

fn is_version(text: &str) -> bool {
    let minor = text.strip_prefix("v1.").unwrap_or_default();
    let digits = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
    text == "latest" || digits && (minor == "0" || !minor.starts_with('0'))
}

/// One mode's standard; what is wrong with its labels, where the level falls to `fallback`.
fn standard(labels: &BTreeMap<String, String>, mode: &str, fallback: Level, errors: &mut ErrorList) -> Standard {
    let mut all = Standard::privileged();
    let path = Path::new("metadata.labels");
    let key = format!("pod-security.kubernetes.io/{mode}");
    if let Some(level) = labels.get(&key) {
        all.level = match level.as_str() {
            "privileged" => Level::Privileged,
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            other => {
                let why = "must be one of privileged, baseline, restricted";
                errors.push(Error::invalid_str(&path.key(&key), other, why));
                fallback
            }
        };
    }
    let key = format!("{key}-version");
    match labels.get(&key) {
        Some(version) if is_version(version) => all.version.clone_from(version),
        Some(version) => errors.push(Error::invalid_str(&path.key(&key), version, "must be \"latest\" or \"v1.x\"")),
        None => {}
    }
    all
}

/// Upstream's `PolicyToEvaluate`: warnings are as strict as what is enforced, unless something else is said.
fn policy(ns: &Namespace) -> Policy {
    let nothing = BTreeMap::new();
    let labels = ns.metadata.labels.as_ref().unwrap_or(&nothing);
    let mut errors = ErrorList::new();
    let enforce = standard(labels, "enforce", Level::Restricted, &mut errors);
    let sound = errors.is_empty();
    standard(labels, "audit", Level::Privileged, &mut errors);
    let mut warn = standard(labels, "warn", Level::Privileged, &mut errors);
    let says = |key: &str| labels.contains_key(&format!("pod-security.kubernetes.io/{key}"));
    if !says("warn") && says("enforce") && sound && enforce.level > warn.level {
        warn.level = enforce.level;
        if !says("warn-version") {
            warn.version.clone_from(&enforce.version);
        }
    }
    Policy { enforce, warn, errors }
}

/// Labels that ask for something must be sound, and pods that are there already and would not be let in any more are told
/// of. Models `ValidateNamespace`.
pub(super) fn validate_namespace(
    server: &ApiServer,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let Some(ns) = typed::<Namespace>(&**obj) else { return Ok(()) };
    let name = ns.metadata.name.as_deref().unwrap_or_default();
    let (new, old) = (policy(ns), old.and_then(|o| typed::<Namespace>(&**o)).map(policy));
    if !new.errors.is_empty() && old.as_ref().is_none_or(|old| old.errors != new.errors) {
        return Err(Status::invalid(info.group, info.kind, name, &new.errors));
    }
    let Some(old) = old else { return Ok(()) };
    let relaxed = new.enforce.version == old.enforce.version && new.enforce.level <= old.enforce.level;
    if new.enforce.level == Level::Privileged || relaxed || !server.warnings.wanted() {
        return Ok(());
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in server.all_of::<Pod>(Some(name)) {
        let Some(spec) = &pod.spec else { continue };
        let failures = check(new.enforce.level, spec, pod.metadata.annotations.as_ref());
        if !failures.is_empty() {
            let reasons: Vec<&str> = failures.iter().map(|f| f.reason.as_str()).collect();
            found.entry(reasons.join(", ")).or_default().push(pod.metadata.name.clone().unwrap_or_default());
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    server.warnings.add(|| {
        let standard = new.enforce.quoted();
        format!("existing pods in namespace {} violate the new PodSecurity enforce level {standard}", quote(name))
    });
    let mut lines: Vec<String> = found
        .iter()
        .map(|(why, pods)| {
            let first = pods.iter().min().map_or("", String::as_str);
            match pods.len() - 1 {
                0 => format!("{first}: {why}"),
                1 => format!("{first} (and 1 other pod): {why}"),
                n => format!("{first} (and {n} other pods): {why}"),
            }
        })
        .collect();
    lines.sort();
    server.warnings.extend(|| lines);
    Ok(())
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
    let Policy { enforce, warn, .. } = policy(&ns);
    let shown = |level: Level| {
        let failures: Vec<String> = check(level, spec, annotations).iter().map(ToString::to_string).collect();
        (!failures.is_empty()).then(|| failures.join(", "))
    };
    if pod.is_some()
        && let Some(failures) = shown(enforce.level)
    {
        return Err(forbidden(info, &**obj, &format!("violates PodSecurity {}: {failures}", enforce.quoted())));
    }
    if let Some(failures) = shown(warn.level) {
        server.warnings.add(|| format!("would violate PodSecurity {}: {failures}", warn.quoted()));
    }
    Ok(())
}
