//! Who set which fields of which object, for clients that come through the HTTP door and for server-side apply.
//! Kept beside the objects, by uid, and computed when somebody looks. Models apimachinery's field manager.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde_json::Value;

use super::{ApiServer, Caller};
use crate::api::managed_fields::{Backlog, ManagedFields, Managers, Scope, Write};
use crate::api::object::{Obj, Object};

/// How many deleted objects' managers are kept for the watches that tell of the deletion.
const GONE_MAX: usize = 256;

/// The managed fields of all objects that have any.
#[derive(Default)]
pub(super) struct Owners {
    fields: BTreeMap<String, ManagedFields>,
    /// The same of the objects that went last.
    gone: VecDeque<(String, ManagedFields)>,
    backlog: Backlog,
}

fn uid(o: &dyn Object) -> &str {
    o.meta().uid.as_deref().unwrap_or_default()
}

impl Owners {
    /// Puts an object that is gone aside.
    pub(super) fn forget(&mut self, o: &dyn Object) {
        if self.fields.is_empty() {
            return;
        }
        if let Some(entry) = self.fields.remove_entry(uid(o)) {
            if self.gone.len() == GONE_MAX {
                self.gone.pop_front();
            }
            self.gone.push_back(entry);
        }
    }

    fn of(&self, o: &dyn Object) -> Option<Rc<Managers>> {
        let uid = uid(o);
        let gone = || self.gone.iter().rev().find(|(u, _)| u == uid).map(|(_, fields)| fields);
        self.fields.get(uid).or_else(gone).map(ManagedFields::managers)
    }

    /// Puts the managed fields of an object into its JSON.
    pub(super) fn show(&self, o: &dyn Object, value: &mut Value) {
        if let Some(managers) = self.of(o) {
            show(&managers, value);
        }
    }

    fn note(&mut self, write: Write) {
        let fields = self.fields.entry(uid(&*write.new).to_owned()).or_default();
        fields.record(write, &mut self.backlog);
    }
}

/// Puts managed fields into an object's JSON.
pub(super) fn show(managers: &Managers, value: &mut Value) {
    if let Some(entries) = managers.to_value()
        && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("managedFields".into(), entries);
    }
}

impl ApiServer {
    /// Notes a write through a door; `live` is what was there before.
    pub(super) fn note_write(&mut self, live: Option<Obj>, new: &Obj, manager: &Rc<str>, scope: &Rc<Scope>) {
        if uid(&**new).is_empty() || live.as_ref().is_some_and(|l| l.equals(&**new)) {
            return;
        }
        let now = self.sim.timestamp();
        let write = Write { live, new: new.clone(), manager: manager.clone(), scope: scope.clone(), now };
        self.owners.borrow_mut().note(write);
    }

    /// Notes what a component of the cluster wrote, if the object's fields have owners that somebody may ask for: what
    /// components make among themselves costs nothing here.
    pub(crate) fn note_component_write(&mut self, caller: &Caller, live: Option<Obj>, new: &Obj, subresource: &str) {
        if self.owners.borrow().fields.contains_key(uid(&**new)) {
            let scope = Rc::new(Scope::new(new.api_version(), new.kind(), subresource));
            self.note_write(live, new, &caller.manager, &scope);
        }
    }

    /// The managers of an object's fields.
    pub(super) fn managers_of(&self, o: &dyn Object) -> Rc<Managers> {
        self.owners.borrow().of(o).unwrap_or_default()
    }

    /// Sets the managers of an object's fields, as server-side apply computed them.
    pub(super) fn set_managers(&mut self, o: &dyn Object, managers: Managers) {
        self.owners.borrow_mut().fields.entry(uid(o).to_owned()).or_default().set(managers);
    }

    /// The managers that a write would leave, which a dry run shows.
    pub(super) fn rehearsed(&self, live: Option<Obj>, new: &Obj, manager: &Rc<str>, scope: &Rc<Scope>) -> Rc<Managers> {
        let fields = ManagedFields::new((*self.managers_of(&**new)).clone());
        let now = self.sim.timestamp();
        let write = Write { live, new: new.clone(), manager: manager.clone(), scope: scope.clone(), now };
        fields.record(write, &mut Backlog::default());
        fields.managers()
    }
}
