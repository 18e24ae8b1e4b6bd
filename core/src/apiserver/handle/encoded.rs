//! Objects as they were last written, so that a change is encoded once however many watch it.
//! Models apiserver's `pkg/storage/cacher/caching_object.go`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::encode;
use crate::api::object::Obj;
use crate::registry::Served;

/// How many are kept: watchers of one change are woken one after another.
const KEPT: usize = 32;

struct Entry {
    object: Obj,
    api_version: Rc<str>,
    bytes: Rc<[u8]>,
}

/// The newest objects that were written as JSON.
#[derive(Default)]
pub(in crate::apiserver) struct Encoded(RefCell<VecDeque<Entry>>);

impl Encoded {
    /// An object as JSON.
    pub(super) fn json(&self, object: &Obj, served: &Served) -> Rc<[u8]> {
        let mut kept = self.0.borrow_mut();
        let same = |e: &&Entry| Rc::ptr_eq(&e.object, object) && e.api_version == served.api_version;
        if let Some(e) = kept.iter().rev().find(same) {
            return e.bytes.clone();
        }
        let bytes: Rc<[u8]> = serde_json::to_vec(&encode::object(&**object, served)).unwrap_or_default().into();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let api_version = served.api_version.clone();
        kept.push_back(Entry { object: object.clone(), api_version, bytes: bytes.clone() });
        bytes
    }
}
