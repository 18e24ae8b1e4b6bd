//! Shared informers: a local copy of a kind, kept by list and watch, with indexes and handlers.
//! Models client-go's `tools/cache` (reflector, shared informer, indexer).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::rest::{Client, ClientError};
use super::{object_key, split_key};
use crate::api::object::{Kind, Obj, revision, typed_rc};
use crate::api::status::Status;
use crate::apiserver::{ListOptions, WatchEventType, WatchStream};
use crate::registry::ResourceId;
use crate::sim::{Notify, TraceSeq};

/// What of a kind to hold.
#[derive(Clone, Debug, Default)]
pub struct ListWatch {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only what has these labels.
    pub label_selector: String,
    /// Only what has these fields.
    pub field_selector: String,
}

/// A change as handlers see it.
#[derive(Debug)]
pub enum InformerEvent<'a, K> {
    /// New, or there at the first list.
    Added(&'a Rc<K>),
    /// Changed.
    Updated {
        /// Before.
        old: &'a Rc<K>,
        /// After.
        new: &'a Rc<K>,
    },
    /// Gone: the last state known.
    Deleted(&'a Rc<K>),
}

type IndexFn<K> = Box<dyn Fn(&K) -> Vec<Rc<str>>>;
type Handler<K> = Rc<dyn Fn(&InformerEvent<'_, K>)>;

struct Index<K> {
    of: IndexFn<K>,
    keys: BTreeMap<Rc<str>, BTreeSet<Rc<str>>>,
}

struct Store<K> {
    items: BTreeMap<Rc<str>, Rc<K>>,
    indexes: BTreeMap<&'static str, Index<K>>,
}

impl<K: Kind> Store<K> {
    fn put(&mut self, key: Rc<str>, new: Rc<K>) -> Option<Rc<K>> {
        let old = self.items.insert(key.clone(), new.clone());
        for index in self.indexes.values_mut() {
            let now = (index.of)(&new);
            let before = old.as_ref().map(|o| (index.of)(o)).unwrap_or_default();
            if now == before {
                continue;
            }
            unindex(index, &before, &key);
            for v in now {
                index.keys.entry(v).or_default().insert(key.clone());
            }
        }
        old
    }

    fn remove(&mut self, key: &str) -> Option<Rc<K>> {
        let old = self.items.remove(key)?;
        for index in self.indexes.values_mut() {
            let before = (index.of)(&old);
            unindex(index, &before, key);
        }
        Some(old)
    }
}

fn unindex<K>(index: &mut Index<K>, values: &[Rc<str>], key: &str) {
    for v in values {
        if let Some(keys) = index.keys.get_mut(v) {
            keys.remove(key);
            if keys.is_empty() {
                index.keys.remove(v);
            }
        }
    }
}

struct Inner<K> {
    store: RefCell<Store<K>>,
    handlers: RefCell<Vec<Handler<K>>>,
    synced: Cell<bool>,
    sync: Notify,
    revision: Cell<u64>,
}

/// A local copy of a kind. Clones share it.
pub struct Informer<K>(Rc<Inner<K>>);

impl<K> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Informer(self.0.clone())
    }
}

impl<K: Kind> Informer<K> {
    /// An informer that begins to list and watch when the client's process next runs. Handlers and indexes may be added
    /// before or after.
    pub fn start(client: &Client, lw: ListWatch) -> Self {
        let inner = Rc::new(Inner {
            store: RefCell::new(Store { items: BTreeMap::new(), indexes: BTreeMap::new() }),
            handlers: RefCell::default(),
            synced: Cell::new(false),
            sync: Notify::new(client.sim()),
            revision: Cell::new(0),
        });
        let informer = Informer(inner);
        if let Some(id) = client.registry().id_of::<K>() {
            let (i, c) = (informer.clone(), client.clone());
            client.sim().spawn(client.process(), async move { i.run(&c, id, &lw).await });
        }
        informer
    }

    /// Calls `handler` with every change from now on, and at once with what is there.
    pub fn on_event(&self, handler: impl Fn(&InformerEvent<'_, K>) + 'static) {
        let there: Vec<Rc<K>> = self.0.store.borrow().items.values().cloned().collect();
        for o in &there {
            handler(&InformerEvent::Added(o));
        }
        self.0.handlers.borrow_mut().push(Rc::new(handler));
    }

    /// Adds an index: `of` gives the values under which an object is found.
    pub fn add_index(&self, name: &'static str, of: impl Fn(&K) -> Vec<Rc<str>> + 'static) {
        let mut store = self.0.store.borrow_mut();
        let mut keys: BTreeMap<Rc<str>, BTreeSet<Rc<str>>> = BTreeMap::new();
        for (key, o) in &store.items {
            for v in of(o) {
                keys.entry(v).or_default().insert(key.clone());
            }
        }
        store.indexes.insert(name, Index { of: Box::new(of), keys });
    }

    /// The object with this `namespace/name` key.
    pub fn get(&self, key: &str) -> Option<Rc<K>> {
        self.0.store.borrow().items.get(key).cloned()
    }

    /// The object of this namespace and name.
    pub fn get_named(&self, namespace: &str, name: &str) -> Option<Rc<K>> {
        if namespace.is_empty() { self.get(name) } else { self.get(&format!("{namespace}/{name}")) }
    }

    /// Every object, in key order.
    pub fn list(&self) -> Vec<Rc<K>> {
        self.0.store.borrow().items.values().cloned().collect()
    }

    /// The objects of one namespace, in key order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Rc<K>> {
        let start = format!("{namespace}/");
        let store = self.0.store.borrow();
        store
            .items
            .range::<str, _>((std::ops::Bound::Included(start.as_str()), std::ops::Bound::Unbounded))
            .take_while(|(k, _)| split_key(k).0 == namespace)
            .map(|(_, o)| o.clone())
            .collect()
    }

    /// The objects that an index finds under `value`, in key order.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Rc<K>> {
        let store = self.0.store.borrow();
        let Some(keys) = store.indexes.get(name).and_then(|i| i.keys.get(value)) else { return Vec::new() };
        keys.iter().filter_map(|k| store.items.get(k).cloned()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.store.borrow().items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first list is in.
    pub fn has_synced(&self) -> bool {
        self.0.synced.get()
    }

    /// Waits until the first list is in.
    pub async fn wait_synced(&self) {
        while !self.has_synced() {
            self.0.sync.notified().await;
            // Whoever else waits must hear of it too.
            if self.has_synced() {
                self.0.sync.notify();
            }
        }
    }

    /// The newest revision seen.
    pub fn revision(&self) -> u64 {
        self.0.revision.get()
    }

    fn tell(&self, event: &InformerEvent<'_, K>) {
        // Handlers may look at the informer and add handlers; no borrow is held while they run.
        let handlers: Vec<Handler<K>> = self.0.handlers.borrow().clone();
        for h in &handlers {
            h(event);
        }
    }

    fn put(&self, new: &Rc<K>) {
        let old = self.0.store.borrow_mut().put(object_key(new.meta()), new.clone());
        match &old {
            Some(old) => self.tell(&InformerEvent::Updated { old, new }),
            None => self.tell(&InformerEvent::Added(new)),
        }
    }

    fn remove(&self, key: &str, last: Option<&Rc<K>>) {
        let old = self.0.store.borrow_mut().remove(key);
        if let Some(old) = &old {
            self.tell(&InformerEvent::Deleted(last.unwrap_or(old)));
        }
    }

    fn replace(&self, items: &[Obj]) {
        let mut gone: BTreeSet<Rc<str>> = self.0.store.borrow().items.keys().cloned().collect();
        for o in items.iter().filter_map(typed_rc::<K>) {
            let key = object_key(o.meta());
            gone.remove(&key);
            let same = self.get(&key).is_some_and(|h| h.meta().resource_version == o.meta().resource_version);
            if !same {
                self.put(&o);
            }
        }
        for key in gone {
            self.remove(&key, None);
        }
    }

    async fn run(&self, client: &Client, id: ResourceId, lw: &ListWatch) {
        let sim = client.sim().clone();
        let mut backoff = Duration::from_millis(800);
        loop {
            if self.list_and_watch(client, id, lw).await {
                backoff = Duration::from_millis(800);
            }
            // Models the reflector's back-off: 800 ms doubling to 30 s, with jitter.
            sim.sleep(sim.jitter(backoff, 1.0)).await;
            backoff = (backoff * 2).min(Duration::from_secs(30));
        }
    }

    /// Lists, then watches until the revision is too old or the server can't be reached. Whether the list succeeded.
    async fn list_and_watch(&self, client: &Client, id: ResourceId, lw: &ListWatch) -> bool {
        let o = ListOptions {
            label_selector: lw.label_selector.clone(),
            field_selector: lw.field_selector.clone(),
            ..ListOptions::default()
        };
        let Ok(list) = client.list_objects(id, lw.namespace.as_deref(), &o).await else { return false };
        self.replace(&list.items);
        self.0.revision.set(list.resource_version);
        if !self.0.synced.replace(true) {
            self.0.sync.notify();
        }
        loop {
            let o =
                ListOptions { resource_version: self.0.revision.get().to_string(), allow_bookmarks: true, ..o.clone() };
            match client.watch(id, lw.namespace.as_deref(), &o).await {
                Ok(stream) => {
                    if let Err(expired) = self.follow(client, stream).await
                        && expired
                    {
                        return true;
                    }
                    client.sim().sleep(Duration::from_millis(1)).await;
                }
                Err(ClientError::Status(s)) if s.code == 410 => return true,
                // The server is away: the list that follows the back-off finds it again.
                Err(_) => return true,
            }
        }
    }

    /// Applies a watch's events until it ends: an error says whether the revision is too old.
    async fn follow(&self, client: &Client, mut stream: WatchStream) -> Result<(), bool> {
        while let Some(event) = stream.next().await {
            let event = event.map_err(|s: Status| s.code == 410)?;
            self.0.revision.set(event.revision.max(self.0.revision.get()));
            let Some(o) = event.object.as_ref().and_then(typed_rc::<K>) else { continue };
            client.sim().set_cause(event.cause as TraceSeq);
            match event.kind {
                WatchEventType::Added | WatchEventType::Modified => {
                    let r = revision(o.meta());
                    let key = object_key(o.meta());
                    if self.get(&key).is_none_or(|h| revision(h.meta()) < r) {
                        self.put(&o);
                    }
                }
                WatchEventType::Deleted => self.remove(&object_key(o.meta()), Some(&o)),
                WatchEventType::Bookmark => {}
            }
        }
        Ok(())
    }
}
