//! CustomResourceDefinitions at work: their names are accepted, they are established and served, and before one goes its
//! objects do. Models apiextensions `pkg/controller/{status,establish,finalizer}`.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::ApiServer;
use super::cacher::Cacher;
use super::options::{Caller, DeleteOptions, Propagation, UpdateOptions, User};
use crate::api::decode::show_seconds;
use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::api::object::{Obj, make_mut};
use crate::etcd::Value as Stored;
use crate::registry::ResourceId;
use crate::registry::validation::dynamic::extensions::{CLEANUP, set_condition};
use crate::registry::validation::json::{list_of, str_of, texts_of};

/// The group of the definitions.
pub(super) const GROUP: &str = "apiextensions.k8s.io";

/// The group of APIServices, and the label of those that come and go with what they are for.
const AGGREGATION: &str = "apiregistration.k8s.io";
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// How soon its controllers see what became of a definition.
const SOON: Duration = Duration::from_millis(5);
/// How long the objects of a definition that goes are waited for before they are looked at again.
const AGAIN: Duration = Duration::from_secs(1);

fn has_condition(o: &DynamicObject, name: &str) -> bool {
    list_of(o.at(&["status"]), "conditions").iter().any(|c| c["type"] == name && c["status"] == "True")
}

impl ApiServer {
    fn definitions_id(&self) -> Option<ResourceId> {
        self.registry.find_kind(GROUP, "CustomResourceDefinition")
    }

    fn definitions(&self) -> Vec<Obj> {
        let Some(id) = self.definitions_id() else { return Vec::new() };
        let mut all = Vec::new();
        self.etcd.store.borrow().for_each_prefix(&self.registry.info(id).prefix(), |_, value, _| {
            if let Stored::Object(o) = value {
                all.push(o.clone());
            }
        });
        all
    }

    /// Serves the kinds whose definitions are established, and sees to those that want something done.
    pub(super) fn learn_definitions(&mut self) {
        let all = self.definitions();
        let established =
            all.iter().filter_map(|o| DynamicObject::of(&**o)).filter(|d| has_condition(d, "Established"));
        self.registry.set_definitions(established);
        let revision = self.etcd.store.borrow().revision();
        while self.cachers.len() < self.registry.numbers() {
            let id = ResourceId(u16::try_from(self.cachers.len()).unwrap_or(u16::MAX));
            let mut cacher = Cacher::new(self.registry.strategy(id));
            cacher.forget(revision);
            self.cachers.push(cacher);
        }
        self.see_to_api_services();
        for d in all.iter().filter_map(|o| DynamicObject::of(&**o)) {
            let accepted = d.at(&["spec", "names"]) == d.at(&["status", "acceptedNames"]);
            if d.metadata.deletion_timestamp.is_some() || !accepted || !has_condition(d, "Established") {
                self.see_to(d.metadata.name.clone().unwrap_or_default(), SOON);
            }
        }
    }

    /// Looks at a definition a little later.
    fn see_to(&self, name: String, after: Duration) {
        let (sim, me) = (self.sim.clone(), self.me.clone());
        self.sim.spawn(self.process, async move {
            sim.sleep(after).await;
            if let Some(server) = me.upgrade() {
                server.borrow_mut().settle_definition(&name);
            }
        });
    }

    /// Registers the groups and versions of custom kinds, and takes those away that are gone, a little later.
    /// Models kube-aggregator's `crdregistration` and `autoregister` controllers.
    fn see_to_api_services(&self) {
        if self.api_services() == (Vec::new(), Vec::new()) {
            return;
        }
        let (sim, me) = (self.sim.clone(), self.me.clone());
        self.sim.spawn(self.process, async move {
            sim.sleep(SOON).await;
            let Some(server) = me.upgrade() else { return };
            let mut server = server.borrow_mut();
            let (missing, gone) = server.api_services();
            for service in missing {
                // If etcd can't be reached, the next change of a definition tries again.
                let _ = server.ensure_dynamic(service);
            }
            let (caller, id) = (server.extensions_caller(), server.registry.find_kind(AGGREGATION, "APIService"));
            for (name, id) in gone.into_iter().zip(id.into_iter().cycle()) {
                let _ = server.delete(&caller, id, "", &name, &DeleteOptions::default());
            }
        });
    }

    /// The APIServices of custom kinds that are missing, and the names of those whose kinds are gone.
    fn api_services(&self) -> (Vec<serde_json::Value>, Vec<String>) {
        let Some(id) = self.registry.find_kind(AGGREGATION, "APIService") else { return Default::default() };
        let mut wanted = std::collections::BTreeMap::new();
        for (group, versions) in self.registry.custom_groups() {
            for version in versions {
                let name = format!("{version}.{group}");
                let service = json!({
                    "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                    "metadata": {"name": name, "labels": {AUTOMANAGED: "true"}},
                    "spec": {"group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 100},
                });
                wanted.insert(name, service);
            }
        }
        let mut gone = Vec::new();
        self.etcd.store.borrow().for_each_prefix(&self.registry.info(id).prefix(), |_, value, _| {
            let Stored::Object(o) = value else { return };
            let name = o.meta().name.as_deref().unwrap_or_default();
            let own = o.meta().labels.as_ref().is_some_and(|l| l.get(AUTOMANAGED).is_some_and(|v| v == "true"));
            if wanted.remove(name).is_none() && own {
                gone.push(name.to_owned());
            }
        });
        (wanted.into_values().collect(), gone)
    }

    fn extensions_caller(&self) -> Caller {
        let user = User { name: "system:apiserver".into(), groups: vec!["system:masters".into()], ..User::default() };
        Caller { process: self.process, user: Rc::new(user), manager: "kube-apiserver".into() }
    }

    fn settle_definition(&mut self, name: &str) {
        let Some(id) = self.definitions_id() else { return };
        let Some((old, _)) = self.load(id, "", name) else { return };
        let Some(d) = DynamicObject::of(&*old) else { return };
        if d.metadata.deletion_timestamp.is_some() {
            return self.empty_definition(id, d);
        }
        let now = show_seconds(self.sim.timestamp());
        let mut new = d.clone();
        let established = has_condition(d, "Established");
        if has_condition(d, "NamesAccepted")
            && !established
            && d.at(&["spec", "names"]) == d.at(&["status", "acceptedNames"])
        {
            let message = "the initial names have been accepted";
            set_condition(&mut new, "Established", "True", "InitialNamesAccepted", message, &now);
        } else {
            self.accept_names(d, &mut new, &now);
        }
        if new == *d {
            return;
        }
        let caller = self.extensions_caller();
        let updater = Box::new(|_: &Obj| Ok(Rc::new(new.clone()) as Obj));
        // If somebody else wrote in between, that write is looked at in its turn.
        let _ = self.update(&caller, "update", id, ("", name), "status", updater, &UpdateOptions::default());
    }

    /// Which names of a definition are free. Models `calculateNamesAndConditions`.
    fn accept_names(&self, d: &DynamicObject, new: &mut DynamicObject, now: &str) {
        let (mut resources, mut kinds): (BTreeSet<String>, BTreeSet<String>) = Default::default();
        for o in self.definitions() {
            let Some(other) = DynamicObject::of(&*o) else { continue };
            if other.at(&["spec", "group"]) != d.at(&["spec", "group"]) || other.metadata.name == d.metadata.name {
                continue;
            }
            let names = other.at(&["status", "acceptedNames"]);
            resources.extend(["plural", "singular"].map(|f| str_of(names, f).to_owned()));
            resources.extend(texts_of(names, "shortNames").into_iter().map(str::to_owned));
            kinds.extend(["kind", "listKind"].map(|f| str_of(names, f).to_owned()));
        }
        let asked = d.at(&["spec", "names"]);
        let mut accepted = d.at(&["status", "acceptedNames"]).clone();
        if !accepted.is_object() {
            accepted = json!({});
        }
        let mut conflict: Option<(&str, String)> = None;
        let in_use = |name: &str| format!("{} is already in use", quote(name));
        let fields = [
            ("plural", &resources, "PluralConflict"),
            ("singular", &resources, "SingularConflict"),
            ("kind", &kinds, "KindConflict"),
            ("listKind", &kinds, "ListKindConflict"),
        ];
        for (field, used, reason) in fields {
            let name = str_of(asked, field);
            if used.contains(name) && name != str_of(&accepted, field) {
                conflict = Some((reason, in_use(name)));
            } else {
                accepted[field] = name.into();
            }
            if field == "singular" {
                let taken: Vec<String> =
                    texts_of(asked, "shortNames").into_iter().filter(|n| resources.contains(*n)).map(in_use).collect();
                match taken.as_slice() {
                    [] => accepted["shortNames"] = asked["shortNames"].clone(),
                    [one] => conflict = Some(("ShortNamesConflict", one.clone())),
                    many => conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
                }
            }
        }
        accepted["categories"] = asked["categories"].clone();
        if let Some(all) = accepted.as_object_mut() {
            all.retain(|_, v| !v.is_null());
        }
        if let Some(status) = new.fields.entry("status").or_insert_with(|| json!({})).as_object_mut() {
            status.insert("acceptedNames".into(), accepted);
        }
        let established = has_condition(d, "Established");
        let (names, (status, reason, message)) = match conflict {
            Some((reason, message)) => {
                (("False", reason, message), ("False", "NotAccepted", "not all names are accepted"))
            }
            None => (
                ("True", "NoConflicts", "no conflicts found".to_owned()),
                ("False", "Installing", "the initial names have been accepted"),
            ),
        };
        set_condition(new, "NamesAccepted", names.0, names.1, &names.2, now);
        if !established {
            set_condition(new, "Established", status, reason, message, now);
        }
    }

    /// Deletes the objects of a definition that goes, and lets it go when none is left.
    fn empty_definition(&mut self, id: ResourceId, d: &DynamicObject) {
        let name = d.metadata.name.clone().unwrap_or_default();
        if !d.metadata.finalizers.iter().flatten().any(|f| f == CLEANUP) {
            return;
        }
        let caller = self.extensions_caller();
        let spec = d.at(&["spec"]);
        let kind = self.registry.find_kind(str_of(spec, "group"), str_of(&spec["names"], "kind"));
        let objects = |server: &Self| {
            let mut all: Vec<ObjectMeta> = Vec::new();
            if let Some(kind) = kind {
                server.etcd.store.borrow().for_each_prefix(&server.registry.info(kind).prefix(), |_, value, _| {
                    if let Stored::Object(o) = value {
                        all.push(o.meta().clone());
                    }
                });
            }
            all
        };
        if let Some(kind) = kind {
            let o = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
            for meta in objects(self).iter().filter(|m| m.deletion_timestamp.is_none()) {
                let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref());
                // Whoever went in the meantime needs no deleting.
                let _ = self.delete(&caller, kind, namespace, name.unwrap_or_default(), &o);
            }
        }
        if !objects(self).is_empty() {
            return self.see_to(name, AGAIN);
        }
        let updater = Box::new(|old: &Obj| {
            let mut new = old.clone();
            let meta = make_mut(&mut new).meta_mut();
            if let Some(all) = &mut meta.finalizers {
                all.retain(|f| f != CLEANUP);
            }
            meta.finalizers = meta.finalizers.take().filter(|all| !all.is_empty());
            Ok(new)
        });
        let _ = self.update(&caller, "update", id, ("", &name), "", updater, &UpdateOptions::default());
    }
}
