//! Pods get the priority of their class. Models `plugin/pkg/admission/priority`.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::{Attributes, Verb, forbidden};
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

pub(super) fn admit(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &mut Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let Some(spec) = typed::<Pod>(&**obj).and_then(|p| p.spec.as_ref()) else { return Ok(()) };
    if a.verb == Verb::Update {
        let Some(had) = old.and_then(|o| typed::<Pod>(&**o)).and_then(|p| p.spec.as_ref()) else { return Ok(()) };
        if (spec.priority.is_none() && had.priority.is_some())
            || (spec.preemption_policy.is_none() && had.preemption_policy.is_some())
        {
            let (priority, policy) = (had.priority, had.preemption_policy.clone());
            if let Some(spec) = typed_mut::<Pod>(make_mut(obj)).and_then(|p| p.spec.as_mut()) {
                spec.priority = spec.priority.or(priority);
                spec.preemption_policy = spec.preemption_policy.take().or(policy);
            }
        }
        return Ok(());
    }
    let asked = spec.priority_class_name.as_deref().unwrap_or_default();
    let (class, priority, policy) = if asked.is_empty() {
        default_class(server)
    } else if let Some(c) = server.one_of::<PriorityClass>("", asked) {
        (asked.to_owned(), c.value.unwrap_or(0), c.preemption_policy.clone())
    } else {
        return Err(forbidden(info, &**obj, &format!("no PriorityClass with name {asked} was found")));
    };
    if let Some(p) = spec.priority.filter(|p| *p != priority) {
        let why = format!(
            "the integer value of priority ({p}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        );
        return Err(forbidden(info, &**obj, &why));
    }
    let policy = policy.unwrap_or_else(|| "PreemptLowerPriority".into());
    if let Some(p) = spec.preemption_policy.as_ref().filter(|p| **p != policy) {
        let why = format!(
            "the string value of PreemptionPolicy ({p}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        );
        return Err(forbidden(info, &**obj, &why));
    }
    if let Some(spec) = typed_mut::<Pod>(make_mut(obj)).and_then(|p| p.spec.as_mut()) {
        if !class.is_empty() {
            spec.priority_class_name = Some(class);
        }
        spec.priority = Some(priority);
        spec.preemption_policy = Some(policy);
    }
    Ok(())
}

/// What pods without a class get: the global default of the least value, if there is one.
fn default_class(server: &ApiServer) -> (String, i32, Option<String>) {
    let classes = server.all_of::<PriorityClass>(None);
    let default = classes.iter().filter(|c| c.global_default == Some(true)).min_by_key(|c| c.value.unwrap_or(0));
    match default {
        Some(c) => (c.metadata.name.clone().unwrap_or_default(), c.value.unwrap_or(0), c.preemption_policy.clone()),
        None => (String::new(), 0, None),
    }
}

/// Only one class can be the global default.
pub(super) fn validate_class(server: &ApiServer, info: &ResourceInfo, obj: &Obj) -> Result<(), Status> {
    let Some(class) = typed::<PriorityClass>(&**obj).filter(|c| c.global_default == Some(true)) else { return Ok(()) };
    let classes = server.all_of::<PriorityClass>(None);
    let other = classes.iter().find(|c| c.global_default == Some(true) && c.metadata.name != class.metadata.name);
    match other.and_then(|c| c.metadata.name.as_deref()) {
        Some(name) => {
            let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
            Err(forbidden(info, &**obj, &why))
        }
        None => Ok(()),
    }
}
