//! Rows of settings and of who may do what.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, Subject};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::Printer;
use crate::api::object::typed;
use crate::registry::ResourceInfo;

fn binding(p: &Printer<'_>, role: String, subjects: Option<&Vec<Subject>>) -> Vec<Value> {
    let of = |kind: &str| -> Value {
        let all = subjects.into_iter().flatten().filter(|s| s.kind == kind);
        let names = all.map(|s| match (kind, s.namespace.as_deref()) {
            ("ServiceAccount", ns) => format!("{}/{}", ns.unwrap_or_default(), s.name),
            _ => s.name.clone(),
        });
        names.collect::<Vec<_>>().join(", ").into()
    };
    vec![p.name(), role.into(), p.age(), of("User"), of("Group"), of("ServiceAccount")]
}

pub(super) fn cells(p: &Printer<'_>, _: &ResourceInfo) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<ConfigMap>(o) {
        let n = x.data.as_ref().map_or(0, BTreeMap::len) + x.binary_data.as_ref().map_or(0, BTreeMap::len);
        return Some(vec![p.name(), n.into(), p.age()]);
    }
    if let Some(x) = typed::<Secret>(o) {
        let n = x.data.as_ref().map_or(0, BTreeMap::len);
        return Some(vec![p.name(), x.type_.clone().unwrap_or_default().into(), n.into(), p.age()]);
    }
    if typed::<ServiceAccount>(o).is_some() {
        return Some(vec![p.name(), p.age()]);
    }
    if let Some(x) = typed::<RoleBinding>(o) {
        return Some(binding(p, format!("{}/{}", x.role_ref.kind, x.role_ref.name), x.subjects.as_ref()));
    }
    if let Some(x) = typed::<ClusterRoleBinding>(o) {
        return Some(binding(p, format!("{}/{}", x.role_ref.kind, x.role_ref.name), x.subjects.as_ref()));
    }
    let x = typed::<ResourceQuota>(o)?;
    let s = x.status.clone().unwrap_or_default();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let zero = Quantity("0".into());
    let used = s.used.unwrap_or_default();
    for (name, hard) in s.hard.iter().flatten() {
        let line = format!("{name}: {}/{}", used.get(name).unwrap_or(&zero).0, hard.0);
        if name.starts_with("limits.") {
            limits.push(line);
        } else {
            requests.push(line);
        }
    }
    Some(vec![p.name(), requests.join(", ").into(), limits.join(", ").into(), p.age()])
}
