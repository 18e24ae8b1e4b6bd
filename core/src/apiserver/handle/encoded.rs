//! Objects as they were last written, so that a change is encoded once however many watch it.
//! Models apiserver's `pkg/storage/cacher/caching_object.go`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::Value;

use super::encode;
use crate::api::object::{Obj, Object};
use crate::apiserver::owners::Owners;
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

    /// An object as JSON.
    pub(super) fn json(&self, object: &Obj, served: &Served) -> Rc<[u8]> {
        let mut kept = self.kept.borrow_mut();
        let same = |e: &&Entry| Rc::ptr_eq(&e.object, object) && e.api_version == served.api_version;
        if let Some(e) = kept.iter().rev().find(same) {
            return e.bytes.clone();
        }
        let bytes: Rc<[u8]> = serde_json::to_vec(&self.value(&**object, served)).unwrap_or_default().into();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let api_version = served.api_version.clone();
        kept.push_back(Entry { object: object.clone(), api_version, bytes: bytes.clone() });
        bytes
    }
}
