//! One informer a kind for all parts of a process. Models client-go's `informers` (SharedInformerFactory).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Client, Informer, ListWatch, ObjectInformer};
use crate::api::object::Kind;
use crate::registry::ResourceId;

/// The informers of a process, each started when it is first asked for. Clones share them.
#[derive(Clone)]
pub struct SharedInformers {
    client: Client,
    informers: Rc<RefCell<BTreeMap<ResourceId, ObjectInformer>>>,
}

impl SharedInformers {
    /// No informers yet; they will list and watch with `client`.
    pub fn new(client: &Client) -> Self {
        SharedInformers { client: client.clone(), informers: Rc::default() }
    }

    /// The informer of a kind.
    pub fn of<K: Kind>(&self) -> Informer<K> {
        match self.client.registry().id_of::<K>() {
            Some(id) => Informer::view(self.object(id, &self.client)),
            None => Informer::start(&self.client, ListWatch::default()),
        }
    }

    /// The informer of a kind, untyped; when it is not there yet it lists and watches with `client`.
    pub fn object(&self, id: ResourceId, client: &Client) -> ObjectInformer {
        let mut informers = self.informers.borrow_mut();
        informers.entry(id).or_insert_with(|| ObjectInformer::start(client, Some(id), ListWatch::default())).clone()
    }
}
