//! A kind in one version as paths name it: mostly the stored version itself, in two cases one that is converted.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::api::managed_fields::Scope;
use crate::api::object::Object;
use crate::api::status::Status;

use super::custom::CustomKind;
use super::{CustomVersion, Registry, ResourceId, ResourceInfo};

/// A kind in the version that a client speaks.
#[derive(Clone, Debug)]
pub struct Served {
    /// The kind.
    pub id: ResourceId,
    /// Its names, with the group and version that the client speaks.
    pub info: ResourceInfo,
    /// `group/version`.
    pub api_version: Rc<str>,
    alias: Option<Alias>,
    /// Its version, if it is a custom kind.
    pub custom: Option<Rc<CustomVersion>>,
}

/// Versions that are stored as another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alias {
    /// events.k8s.io/v1, stored as v1.
    Events,
    /// autoscaling/v1, stored as autoscaling/v2.
    AutoscalingV1,
}

const ALIASES: [(Alias, ResourceInfo, &str, &str); 2] = [
    (
        Alias::Events,
        ResourceInfo::namespaced("events.k8s.io", "v1", "events", "event", "Event").short(&["ev"]),
        "",
        "v1",
    ),
    (
        Alias::AutoscalingV1,
        ResourceInfo::namespaced(
            "autoscaling",
            "v1",
            "horizontalpodautoscalers",
            "horizontalpodautoscaler",
            "HorizontalPodAutoscaler",
        )
        .short(&["hpa"])
        .categories(&["all"])
        .subresources(&["status"]),
        "autoscaling",
        "v2",
    ),
];

impl Registry {
    /// Looks a kind up as a path names it, in any version that is served.
    pub fn served(&self, group: &str, version: &str, resource: &str) -> Option<Served> {
        if let Some(id) = self.find(group, version, resource) {
            let info = *self.info(id);
            return Some(Served { id, info, api_version: info.api_version().into(), alias: None, custom: None });
        }
        let alias =
            ALIASES.into_iter().find(|(_, i, _, _)| i.group == group && i.version == version && i.resource == resource);
        let Some((alias, info, stored_group, stored_version)) = alias else {
            let named = |k: &CustomKind| k.names().group == group && k.names().resource == resource;
            let (id, kind) = self.live_customs().find(|(_, k)| named(k))?;
            let version = kind.versions().into_iter().find(|v| v.name() == version)?;
            return Some(Served::custom(id, kind, version));
        };
        let id = self.find(stored_group, stored_version, resource)?;
        Some(Served { id, info, api_version: info.api_version().into(), alias: Some(alias), custom: None })
    }

    /// Every kind in every version that is served.
    pub fn all_served(&self) -> Vec<Served> {
        let stored = self.ids().map(|id| *self.info(id));
        let aliases = ALIASES.into_iter().map(|(_, i, _, _)| i);
        let customs = self
            .live_customs()
            .flat_map(|(id, k)| k.versions().into_iter().map(move |v| Served::custom(id, k, v)).collect::<Vec<_>>());
        let built_in = stored.chain(aliases).filter(|i| self.is_built_in(i));
        built_in.filter_map(|i| self.served(i.group, i.version, i.resource)).chain(customs).collect()
    }

    fn is_built_in(&self, info: &ResourceInfo) -> bool {
        !self.live_customs().any(|(_, k)| (k.names().group, k.names().resource) == (info.group, info.resource))
    }

    /// The groups of custom kinds by name, and the versions of each, the preferred one first.
    pub fn custom_groups(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let mut all: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
        for (_, k) in self.live_customs() {
            let versions = all.entry(k.names().group).or_default();
            versions.extend(k.versions().iter().map(|v| v.name()));
            versions.sort_by(|a, b| version_rank(b).cmp(&version_rank(a)).then(a.cmp(b)));
            versions.dedup();
        }
        all
    }

    /// Whether any kind is of this group.
    pub fn has_group(&self, group: &str) -> bool {
        matches!(group, "authentication.k8s.io" | "authorization.k8s.io" | "events.k8s.io")
            || self.ids().any(|id| self.info(id).group == group)
    }
}

/// How versions are preferred: stable ones first, then beta and alpha, higher numbers before lower; others last.
/// Models apimachinery `pkg/version/helpers.go`.
fn version_rank(version: &str) -> (u8, u32, u32) {
    let number = |s: &str| s.parse::<u32>().ok();
    let parse = || {
        let rest = version.strip_prefix('v')?;
        if let Some(major) = number(rest) {
            return Some((3, major, 0));
        }
        let (rank, (major, minor)) = match rest.split_once("beta") {
            Some(parts) => (2, parts),
            None => (1, rest.split_once("alpha")?),
        };
        Some((rank, number(major)?, number(minor).or(minor.is_empty().then_some(0))?))
    };
    parse().unwrap_or_default()
}

impl Served {
    /// Who sets which field through one of its doors.
    pub fn scope(&self, subresource: &str) -> Scope {
        match &self.custom {
            Some(version) => version.scope(&self.api_version, self.info.kind, subresource),
            None => Scope::new(&self.api_version, self.info.kind, subresource),
        }
    }

    fn custom(id: ResourceId, kind: &CustomKind, version: Rc<CustomVersion>) -> Self {
        let info = ResourceInfo { version: version.name(), ..*kind.names() };
        Served { id, info, api_version: info.api_version().into(), alias: None, custom: Some(version) }
    }

    /// What this version asks of an object beyond what the stored one does.
    pub fn check(&self, new: &dyn Object, old: Option<&dyn Object>, namespace: &str) -> Result<(), Status> {
        let errors = match self.alias {
            Some(Alias::Events) => super::event::strict_errors(new, old, namespace),
            _ => return Ok(()),
        };
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid("", self.info.kind, new.meta().name.as_deref().unwrap_or_default(), &errors))
    }

    /// Whether this version is the stored one, as it stands.
    pub fn is_stored(&self) -> bool {
        self.alias.is_none() && self.custom.is_none()
    }

    /// Turns JSON of the stored version into this one.
    pub fn from_stored(&self, value: &mut Value) {
        if let Some(version) = &self.custom {
            return version.show(value, self.info.group);
        }
        let Some(o) = value.as_object_mut() else { return };
        match self.alias {
            None => return,
            Some(Alias::Events) => rename(o, EVENT_FIELDS.iter().copied()),
            Some(Alias::AutoscalingV1) => autoscaling_to_v1(o),
        }
        o.insert("apiVersion".into(), (&*self.api_version).into());
    }

    /// Turns JSON of this version into the stored one.
    pub fn to_stored(&self, value: &mut Value) {
        if let Some(version) = &self.custom {
            return version.store(value);
        }
        let Some(o) = value.as_object_mut() else { return };
        match self.alias {
            None => {}
            Some(Alias::Events) => {
                rename(o, EVENT_FIELDS.iter().map(|(stored, new)| (*new, *stored)));
                o.insert("apiVersion".into(), "v1".into());
            }
            Some(Alias::AutoscalingV1) => {
                autoscaling_from_v1(o);
                o.insert("apiVersion".into(), "autoscaling/v2".into());
            }
        }
    }
}

/// The names of v1's event fields in events.k8s.io/v1.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The field of v1's Events that a field selector of events.k8s.io/v1 names. Models `AddFieldLabelConversionsForEvent`.
pub fn event_field(label: &str) -> Option<String> {
    const REGARDING: [&str; 7] = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
    match label {
        "reason" | "type" | "metadata.name" | "metadata.namespace" => Some(label.to_owned()),
        "reportingController" => Some("reportingComponent".to_owned()),
        _ => {
            let part = label.strip_prefix("regarding.").filter(|part| REGARDING.contains(part))?;
            Some(format!("involvedObject.{part}"))
        }
    }
}

fn rename(o: &mut Map<String, Value>, names: impl Iterator<Item = (&'static str, &'static str)>) {
    for (from, to) in names {
        if let Some(v) = o.remove(from) {
            o.insert(to.into(), v);
        }
    }
}

/// What v1 can't say is kept in annotations of these names.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The average utilization of a metric that is the pods' CPU.
fn cpu_percentage(metric: &Value, side: &str) -> Option<Value> {
    let is_cpu = metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
    let found = &metric["resource"][side]["averageUtilization"];
    (is_cpu && found.is_number()).then(|| found.clone())
}

/// Splits off the CPU metric: its percentage, and the others.
fn split_cpu(metrics: Option<Value>, side: &str) -> (Option<Value>, Vec<Value>) {
    let mut all = match metrics {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    };
    let at = all.iter().position(|m| cpu_percentage(m, side).is_some());
    let percentage = at.and_then(|i| cpu_percentage(&all.remove(i), side));
    (percentage, all)
}

fn autoscaling_to_v1(o: &mut Map<String, Value>) {
    let mut notes: Vec<(&str, Value)> = Vec::new();
    if let Some(spec) = o.get_mut("spec").and_then(Value::as_object_mut) {
        let (cpu, rest) = split_cpu(spec.remove("metrics"), "target");
        if let Some(percentage) = cpu {
            spec.insert("targetCPUUtilizationPercentage".into(), percentage);
        }
        if !rest.is_empty() {
            notes.push((METRICS, Value::Array(rest)));
        }
        if let Some(behavior) = spec.remove("behavior") {
            notes.push((BEHAVIOR, behavior));
        }
    }
    if let Some(status) = o.get_mut("status").and_then(Value::as_object_mut) {
        let (cpu, rest) = split_cpu(status.remove("currentMetrics"), "current");
        if let Some(percentage) = cpu {
            status.insert("currentCPUUtilizationPercentage".into(), percentage);
        }
        if !rest.is_empty() {
            notes.push((CURRENT_METRICS, Value::Array(rest)));
        }
        match status.remove("conditions") {
            Some(Value::Array(c)) if !c.is_empty() => notes.push((CONDITIONS, Value::Array(c))),
            _ => {}
        }
        status.entry("currentReplicas").or_insert_with(|| 0.into());
    }
    if notes.is_empty() {
        return;
    }
    let Some(metadata) = o.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Some(annotations) = annotations.as_object_mut() {
        for (name, v) in notes {
            annotations.insert(name.into(), v.to_string().into());
        }
    }
}

fn autoscaling_from_v1(o: &mut Map<String, Value>) {
    let mut take = |name: &str| -> Option<Value> {
        let annotations = o.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()?;
        let text = annotations.remove(name)?;
        serde_json::from_str(text.as_str()?).ok()
    };
    let (metrics, behavior) = (take(METRICS), take(BEHAVIOR));
    let (current, conditions) = (take(CURRENT_METRICS), take(CONDITIONS));
    let cpu = |side: &str, percentage: Value| {
        let mut m = serde_json::json!({"type": "Resource", "resource": {"name": "cpu"}});
        let mut amount = serde_json::json!({"averageUtilization": percentage});
        if side == "target" {
            amount["type"] = "Utilization".into();
        }
        m["resource"][side] = amount;
        m
    };
    let join = |kept: Option<Value>, first: Option<Value>| {
        let mut all: Vec<Value> = first.into_iter().collect();
        if let Some(Value::Array(kept)) = kept {
            all.extend(kept);
        }
        all
    };
    if let Some(spec) = o.get_mut("spec").and_then(Value::as_object_mut) {
        let own = spec.remove("targetCPUUtilizationPercentage").map(|p| cpu("target", p));
        let all = join(metrics, own);
        if !all.is_empty() {
            spec.insert("metrics".into(), all.into());
        }
        if let Some(behavior) = behavior {
            spec.insert("behavior".into(), behavior);
        }
    }
    if let Some(status) = o.get_mut("status").and_then(Value::as_object_mut) {
        let own = status.remove("currentCPUUtilizationPercentage").map(|p| cpu("current", p));
        let all = join(current, own);
        if !all.is_empty() {
            status.insert("currentMetrics".into(), all.into());
        }
        if let Some(conditions) = conditions {
            status.insert("conditions".into(), conditions);
        }
    }
}
