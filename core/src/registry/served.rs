//! A kind in one version as paths name it: mostly the stored version itself, in two cases one that is converted.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::api::object::Object;
use crate::api::status::Status;

use super::{Registry, ResourceId, ResourceInfo};

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
            return Some(Served { id, info, api_version: info.api_version().into(), alias: None });
        }
        let (alias, info, stored_group, stored_version) = ALIASES
            .into_iter()
            .find(|(_, i, _, _)| i.group == group && i.version == version && i.resource == resource)?;
        let id = self.find(stored_group, stored_version, resource)?;
        Some(Served { id, info, api_version: info.api_version().into(), alias: Some(alias) })
    }

    /// Every kind in every version that is served.
    pub fn all_served(&self) -> Vec<Served> {
        let stored = self.ids().map(|id| *self.info(id));
        let aliases = ALIASES.into_iter().map(|(_, i, _, _)| i);
        stored.chain(aliases).filter_map(|i| self.served(i.group, i.version, i.resource)).collect()
    }

    /// Whether any kind is of this group.
    pub fn has_group(&self, group: &str) -> bool {
        matches!(group, "authentication.k8s.io" | "authorization.k8s.io" | "events.k8s.io")
            || self.ids().any(|id| self.info(id).group == group)
    }
}

impl Served {
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

    /// Turns JSON of the stored version into this one.
    pub fn from_stored(&self, value: &mut Value) {
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
