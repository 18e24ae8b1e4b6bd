//! Who set which fields of which object, for clients that come through the HTTP door and for server-side apply.
//! Kept beside the objects, by uid, and computed when somebody looks. Models apimachinery's field manager.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::ApiServer;
use crate::api::managed_fields::{Backlog, ManagedFields, Managers, Scope, Write};
use crate::api::object::{Obj, Object};

/// The managed fields of all objects that have any.
#[derive(Default)]
pub(super) struct Owners {
    fields: BTreeMap<String, ManagedFields>,
    backlog: Backlog,
}

fn uid(o: &dyn Object) -> &str {
    o.meta().uid.as_deref().unwrap_or_default()
}

impl Owners {
    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, o: &dyn Object) {
        if !self.fields.is_empty() {
            self.fields.remove(uid(o));
        }
    }
}

impl ApiServer {
    /// Notes a write through a door; `live` is what was there before.
    pub(super) fn note_write(&mut self, live: Option<Obj>, new: &Obj, manager: &Rc<str>, scope: &Rc<Scope>) {
        if uid(&**new).is_empty() || live.as_ref().is_some_and(|l| l.equals(&**new)) {
            return;
        }
        let write =
            Write { live, new: new.clone(), manager: manager.clone(), scope: scope.clone(), now: self.sim.timestamp() };
        let fields = self.owners.fields.entry(uid(&**new).to_owned()).or_default();
        fields.record(write, &mut self.owners.backlog);
    }

    /// The managers of an object's fields.
    pub(super) fn managers_of(&self, o: &dyn Object) -> Rc<Managers> {
        self.owners.fields.get(uid(o)).map(ManagedFields::managers).unwrap_or_default()
    }

    /// Sets the managers of an object's fields, as server-side apply computed them.
    pub(super) fn set_managers(&mut self, o: &dyn Object, managers: Managers) {
        self.owners.fields.entry(uid(o).to_owned()).or_default().set(managers);
    }

    /// The managers that a write would leave, which a dry run shows.
    pub(super) fn rehearsed(&self, live: Option<Obj>, new: &Obj, manager: &Rc<str>, scope: &Rc<Scope>) -> Rc<Managers> {
        let fields = ManagedFields::new((*self.managers_of(&**new)).clone());
        let write =
            Write { live, new: new.clone(), manager: manager.clone(), scope: scope.clone(), now: self.sim.timestamp() };
        fields.record(write, &mut Backlog::default());
        fields.managers()
    }

    /// Puts the managed fields into an object's JSON.
    pub(super) fn show_managers(&self, managers: &Managers, value: &mut Value) {
        if let Some(entries) = managers.to_value()
            && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("managedFields".into(), entries);
        }
    }
}
