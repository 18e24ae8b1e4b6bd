//! Who may ask for devices as an administrator, and who may say what of the devices of a claim.
//! Models `pkg/registry/resource/utils.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Namespace;
use serde_json::Value;

use super::auth::Attributes;
use super::{ApiServer, Caller};
use crate::api::dynamic::DynamicObject;
use crate::api::field::{Error, ErrorList, Path};
use crate::api::object::Object;
use crate::registry::ResourceInfo;

const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";
const GROUP: &str = "resource.k8s.io";

fn items(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn is_claim(info: &ResourceInfo, o: &dyn Object) -> Option<(&'static str, DynamicObject)> {
    let resource = (info.group == GROUP).then_some(info.resource)?;
    let ours = matches!(resource, "resourceclaims" | "resourceclaimtemplates");
    ours.then(|| DynamicObject::of(o).cloned()).flatten().map(|o| (resource, o))
}

/// The first of these that is for an administrator.
fn admin(of: &[Value], inner: Option<&str>) -> Option<usize> {
    of.iter().position(|r| inner.map_or(r, |i| &r[i])["adminAccess"] == true)
}

/// The drivers whose entries are other than they were.
fn changed_drivers(new: &[Value], old: &[Value]) -> BTreeSet<String> {
    let key = |d: &Value| ["driver", "pool", "device", "shareID"].map(|f| d[f].as_str().unwrap_or_default().to_owned());
    let kept = |d: &Value, among: &[Value]| among.iter().any(|o| key(o) == key(d) && o == d);
    let changed = new.iter().filter(|d| !kept(d, old));
    let gone = old.iter().filter(|d| !new.iter().any(|n| key(n) == key(d)));
    changed.chain(gone).map(|d| d["driver"].as_str().unwrap_or_default().to_owned()).collect()
}

impl ApiServer {
    /// What a new claim or template may not ask for.
    pub(super) fn new_claim_errors(&self, info: &ResourceInfo, o: &dyn Object) -> ErrorList {
        let Some((resource, o)) = is_claim(info, o) else { return ErrorList::new() };
        let devices: &[&str] =
            if resource == "resourceclaims" { &["spec", "devices"] } else { &["spec", "spec", "devices"] };
        let found = admin(items(&o.at(devices)["requests"]), Some("exactly"));
        // A template's requests are named as a claim's would be.
        let path = Path::new("spec.devices.requests");
        found.map_or_else(ErrorList::new, |i| self.admin_errors(&o, &path.index(i)))
    }

    fn admin_errors(&self, o: &DynamicObject, path: &Path) -> ErrorList {
        let name = o.metadata.namespace.as_deref().unwrap_or_default();
        let namespace = self.one_of::<Namespace>("", name);
        let labels = namespace.as_ref().and_then(|n| n.metadata.labels.as_ref());
        if labels.and_then(|l| l.get(ADMIN_LABEL)).is_some_and(|v| v == "true") {
            return ErrorList::new();
        }
        let why =
            format!("admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace");
        vec![Error::forbidden(&path.child("adminAccess"), why)]
    }

    /// What a caller may not say in a claim's status.
    pub(super) fn claim_status_errors(
        &self,
        (caller, verb): (&Caller, &str),
        info: &ResourceInfo,
        subresource: &str,
        new: &dyn Object,
        old: &dyn Object,
    ) -> ErrorList {
        if subresource != "status" {
            return ErrorList::new();
        }
        let (Some((_, new)), Some((_, old))) = (is_claim(info, new), is_claim(info, old)) else {
            return ErrorList::new();
        };
        let results = |o: &DynamicObject| admin(items(&o.at(&["status", "allocation", "devices"])["results"]), None);
        let mut errors = match (results(&old), results(&new)) {
            (None, Some(i)) => self.admin_errors(&new, &Path::new("status.allocation.devices.results").index(i)),
            _ => ErrorList::new(),
        };
        let (is, was) = (new.at(&["status"]), old.at(&["status"]));
        let group = Attributes { group: GROUP, resource: "resourceclaims", is_resource: true, ..Attributes::default() };
        if is["allocation"] != was["allocation"] || is["reservedFor"] != was["reservedFor"] {
            let asked = Attributes { verb, subresource: "binding", ..group };
            if let Err(status) = self.check_authorized(&caller.user, &asked) {
                let why = format!(
                    "changing status.allocation or status.reservedFor requires resource=\"resourceclaims/binding\", \
                     verb=\"{verb}\" permission: {}",
                    status.message
                );
                errors.push(Error::forbidden(&Path::new("status.allocation"), why));
            }
        }
        if is["allocation"].is_null() {
            return errors;
        }
        let any = format!("arbitrary-node:{verb}");
        let namespace = new.metadata.namespace.as_deref().unwrap_or_default();
        for driver in changed_drivers(items(&is["devices"]), items(&was["devices"])) {
            let asked = Attributes { verb: &any, subresource: "driver", namespace, name: &driver, ..group };
            if let Err(status) = self.check_authorized(&caller.user, &asked) {
                let why = format!(
                    "changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[{any}]\" permission: {}",
                    status.message
                );
                errors.push(Error::forbidden(&Path::new("status.devices"), why));
            }
        }
        errors
    }
}
