//! Who set which fields of which object, for clients that come through the HTTP door and for server-side apply.
//! Kept beside the objects in etcd, by uid and revision, and computed when somebody looks. Models apimachinery's field manager.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde_json::Value;

use super::{ApiServer, Caller};
use crate::api::managed_fields::{Backlog, ManagedFields, Managers, Scope, Write};
use crate::api::object::{Obj, Object, revision};

/// The managed fields of all objects that have any.
#[derive(Default)]
pub(super) struct Owners {
    fields: BTreeMap<String, ManagedFields>,
    /// Which of them are gone since which revision: watches may still tell of the deletion.
    gone: VecDeque<(u64, String)>,
    /// The revision of the last deletion.
    last_gone: u64,
    backlog: Backlog,
}

fn uid(o: &dyn Object) -> &str {
    o.meta().uid.as_deref().unwrap_or_default()
}

impl Owners {
    /// An object went at a revision. Each api-server says so.
    pub(super) fn forget(&mut self, o: &dyn Object, at: u64) {
        self.last_gone = self.last_gone.max(at);
        if let Some(fields) = self.fields.get(uid(o))
            && fields.end()
        {
            self.gone.push_back((at, uid(o).to_owned()));
        }
    }

    /// Nobody can ask for versions that were superseded by then any more.
    pub(super) fn forget_until(&mut self, compacted: u64) {
        while let Some((_, uid)) = self.gone.pop_front_if(|(at, _)| *at <= compacted) {
            self.fields.remove(&uid);
        }
        self.fields.values().for_each(|fields| fields.forget_until(compacted));
    }

    /// The managers of the fields of this version of an object.
    pub(super) fn of(&self, o: &dyn Object) -> Option<Rc<Managers>> {
        self.fields.get(uid(o)).map(|fields| fields.managers_at(revision(o.meta())))
    }

    /// Puts the managed fields of an object into its JSON.
    pub(super) fn show(&self, o: &dyn Object, value: &mut Value) {
        if let Some(managers) = self.of(o) {
            show(&managers, value);
        }
    }

    /// Whether an object went with the write that left it like this, its last finalizer's: it goes as it was before.
    fn went(&self, o: &dyn Object) -> bool {
        revision(o.meta()) == self.last_gone
    }

    fn note(&mut self, write: Write) {
        if self.went(&*write.new) {
            return;
        }
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
        self.etcd.owners.borrow_mut().note(write);
    }

    /// Notes what a component of the cluster wrote, if the object's fields have owners that somebody may ask for: what
    /// components make among themselves costs nothing here.
    pub(crate) fn note_component_write(&mut self, caller: &Caller, live: Option<Obj>, new: &Obj, subresource: &str) {
        if self.etcd.owners.borrow().fields.contains_key(uid(&**new)) {
            let scope = Rc::new(Scope::new(new.api_version(), new.kind(), subresource));
            self.note_write(live, new, &caller.manager, &scope);
        }
    }

    /// Whether an object went with the write that left it like this.
    pub(super) fn went(&self, o: &dyn Object) -> bool {
        self.etcd.owners.borrow().went(o)
    }

    /// The managers of an object's fields.
    pub(super) fn managers_of(&self, o: &dyn Object) -> Rc<Managers> {
        self.etcd.owners.borrow().of(o).unwrap_or_default()
    }

    /// Sets the managers of an object's fields, as server-side apply computed them.
    pub(super) fn set_managers(&mut self, o: &dyn Object, managers: Managers) {
        self.etcd.owners.borrow_mut().fields.entry(uid(o).to_owned()).or_default().set(revision(o.meta()), managers);
    }

    /// The managers that a write would leave, which a dry run shows.
    pub(super) fn rehearsed(&self, live: Option<Obj>, new: &Obj, manager: &Rc<str>, scope: &Rc<Scope>) -> Rc<Managers> {
        let fields = ManagedFields::new(self.managers_of(&**new));
        let now = self.sim.timestamp();
        let write = Write { live, new: new.clone(), manager: manager.clone(), scope: scope.clone(), now };
        fields.record(write, &mut Backlog::default());
        fields.managers()
    }
}
