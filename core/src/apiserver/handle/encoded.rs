//! Objects as they were last written, so that a change is encoded once however many watch it.
//! Models apiserver's `pkg/storage/cacher/caching_object.go`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::Value;

use super::encode;
use crate::api::managed_fields::Managers;
use crate::api::object::{Obj, Object};
use crate::api::schema::{BytesSink, schema};
use crate::apiserver::owners::{self, Owners};
use crate::registry::Served;

/// How many are kept: watchers of one change are woken one after another.
const KEPT: usize = 32;

struct Entry {
    object: Obj,
    api_version: Rc<str>,
    bytes: Rc<[u8]>,
}

/// The newest objects that were written as JSON, and who owns their fields.
pub(in crate::apiserver) struct Encoded {
    kept: RefCell<VecDeque<Entry>>,
    owners: Rc<RefCell<Owners>>,
}

impl Encoded {
    pub(in crate::apiserver) fn new(owners: Rc<RefCell<Owners>>) -> Self {
        Encoded { kept: RefCell::default(), owners }
    }

    /// An object as its kind's version that the client asked for has it, with the managers of its fields.
    pub(super) fn value(&self, o: &dyn Object, served: &Served) -> Value {
        let mut value = encode::object(o, served);
        self.owners.borrow().show(o, &mut value);
        value
    }

    /// The same written as JSON, as an item of a list or on its own.
    pub(super) fn bytes(&self, o: &dyn Object, served: &Served, is_item: bool) -> Vec<u8> {
        self.managed_bytes(o, &self.owners.borrow().of(o).unwrap_or_default(), served, is_item)
    }

    /// An object with these managers of its fields, written as JSON.
    pub(super) fn managed_bytes(&self, o: &dyn Object, managers: &Managers, served: &Served, is_item: bool) -> Vec<u8> {
        let managed = managers.to_value();
        if served.is_stored() {
            let mut sink = BytesSink::new(schema().kind(&served.api_version, served.info.kind), managed.as_ref());
            if o.tell(&mut sink)
                && let Some(bytes) = sink.finish(is_item)
            {
                return bytes;
            }
        }
        let mut value = encode::object(o, served);
        owners::show(managers, &mut value);
        if is_item && let Some(o) = value.as_object_mut() {
            o.remove("kind");
            o.remove("apiVersion");
        }
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// An object as JSON.
    pub(super) fn json(&self, object: &Obj, served: &Served) -> Rc<[u8]> {
        let mut kept = self.kept.borrow_mut();
        let same = |e: &&Entry| Rc::ptr_eq(&e.object, object) && e.api_version == served.api_version;
        if let Some(e) = kept.iter().rev().find(same) {
            return e.bytes.clone();
        }
        let bytes: Rc<[u8]> = self.bytes(&**object, served, false).into();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let api_version = served.api_version.clone();
        kept.push_back(Entry { object: object.clone(), api_version, bytes: bytes.clone() });
        bytes
    }
}
