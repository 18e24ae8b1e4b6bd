//! Shared informers: a local copy of a kind, kept by list and watch, with indexes and handlers.
//! Models client-go's `tools/cache` (reflector, shared informer, indexer).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::rest::{Client, ClientError};
use super::{object_key, split_key};
use crate::api::object::{Kind, Obj, Object, revision, typed, typed_rc};
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
pub enum InformerEvent<'a, K: ?Sized> {
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

type IndexFn = Box<dyn Fn(&Obj) -> Vec<Rc<str>>>;
type Handler = Rc<dyn Fn(&InformerEvent<'_, dyn Object>)>;

struct Index {
    of: IndexFn,
    /// Objects' places by value and key.
    found: BTreeMap<Rc<str>, BTreeMap<Rc<str>, usize>>,
}

#[derive(Default)]
struct Store {
    /// Where each object is. Found by hash: of keys that begin alike, comparing is slow.
    places: IndexMap<Rc<str>, usize, FxBuildHasher>,
    objects: Vec<Option<Obj>>,
    free: Vec<usize>,
    /// The same places in the order of their keys.
    order: BTreeMap<Rc<str>, usize>,
    indexes: BTreeMap<&'static str, Index>,
}

impl Store {
    fn get(&self, key: &str) -> Option<&Obj> {
        self.at(*self.places.get(key)?)
    }

    fn at(&self, place: usize) -> Option<&Obj> {
        self.objects.get(place)?.as_ref()
    }

    /// Every object, in key order.
    fn all(&self) -> impl Iterator<Item = (&Rc<str>, &Obj)> {
        self.order.iter().filter_map(|(key, place)| Some((key, self.at(*place)?)))
    }

    /// The objects that an index finds under `value`, in key order.
    fn found(&self, index: &str, value: &str) -> impl Iterator<Item = &Obj> {
        let found = self.indexes.get(index).and_then(|index| index.found.get(value));
        found.into_iter().flat_map(BTreeMap::values).filter_map(|place| self.at(*place))
    }

    fn put(&mut self, key: Rc<str>, new: Obj) -> Option<Obj> {
        let Some(&place) = self.places.get(&key) else {
            self.add(key, new);
            return None;
        };
        let old = self.objects.get_mut(place).and_then(|o| o.replace(new.clone()))?;
        for index in self.indexes.values_mut() {
            let (before, now) = ((index.of)(&old), (index.of)(&new));
            if now != before {
                unindex(index, &before, &key);
                for v in now {
                    index.found.entry(v).or_default().insert(key.clone(), place);
                }
            }
        }
        Some(old)
    }

    fn add(&mut self, key: Rc<str>, new: Obj) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.objects.push(None);
            self.objects.len() - 1
        });
        for index in self.indexes.values_mut() {
            for v in (index.of)(&new) {
                index.found.entry(v).or_default().insert(key.clone(), place);
            }
        }
        if let Some(object) = self.objects.get_mut(place) {
            *object = Some(new);
        }
        self.order.insert(key.clone(), place);
        self.places.insert(key, place);
    }

    fn remove(&mut self, key: &str) -> Option<Obj> {
        let place = self.places.swap_remove(key)?;
        self.order.remove(key);
        self.free.push(place);
        let old = self.objects.get_mut(place).and_then(Option::take)?;
        for index in self.indexes.values_mut() {
            let before = (index.of)(&old);
            unindex(index, &before, key);
        }
        Some(old)
    }
}

fn unindex(index: &mut Index, values: &[Rc<str>], key: &str) {
    for v in values {
        if let Some(found) = index.found.get_mut(v) {
            found.remove(key);
            if found.is_empty() {
                index.found.remove(v);
            }
        }
    }
}

struct Inner {
    store: RefCell<Store>,
    handlers: RefCell<Vec<Handler>>,
    synced: Cell<bool>,
    sync: Notify,
    revision: Cell<u64>,
}

/// A local copy of a kind, untyped. Clones share it.
#[derive(Clone)]
pub struct ObjectInformer(Rc<Inner>);

/// A local copy of a kind. Clones share it, and so do its untyped view and all other typed ones.
pub struct Informer<K: ?Sized> {
    objects: ObjectInformer,
    kind: PhantomData<K>,
}

impl<K> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Informer { objects: self.objects.clone(), kind: PhantomData }
    }
}

impl<K: Kind> Informer<K> {
    /// An informer that begins to list and watch when the client's process next runs. Handlers and indexes may be added
    /// before or after.
    pub fn start(client: &Client, lw: ListWatch) -> Self {
        Self::view(ObjectInformer::start(client, client.registry().id_of::<K>(), lw))
    }

    /// A typed view of an untyped informer of this kind.
    pub fn view(objects: ObjectInformer) -> Self {
        Informer { objects, kind: PhantomData }
    }

    /// The untyped view.
    pub fn objects(&self) -> &ObjectInformer {
        &self.objects
    }

    /// Calls `handler` with every change from now on, and at once with what is there.
    pub fn on_event(&self, handler: impl Fn(&InformerEvent<'_, K>) + 'static) {
        self.objects.on_event(move |e| {
            let event = match e {
                InformerEvent::Added(o) => typed_rc::<K>(o).map(|o| handler(&InformerEvent::Added(&o))),
                InformerEvent::Updated { old, new } => typed_rc::<K>(old)
                    .zip(typed_rc::<K>(new))
                    .map(|(old, new)| handler(&InformerEvent::Updated { old: &old, new: &new })),
                InformerEvent::Deleted(o) => typed_rc::<K>(o).map(|o| handler(&InformerEvent::Deleted(&o))),
            };
            debug_assert!(event.is_some(), "an informer holds objects of its own kind");
        });
    }

    /// Adds an index: `of` gives the values under which an object is found.
    pub fn add_index(&self, name: &'static str, of: impl Fn(&K) -> Vec<Rc<str>> + 'static) {
        self.objects.add_index(name, move |o| typed::<K>(&**o).map(&of).unwrap_or_default());
    }

    /// The object with this `namespace/name` key.
    pub fn get(&self, key: &str) -> Option<Rc<K>> {
        self.objects.get(key).as_ref().and_then(typed_rc)
    }

    /// The object of this namespace and name.
    pub fn get_named(&self, namespace: &str, name: &str) -> Option<Rc<K>> {
        self.objects.get_named(namespace, name).as_ref().and_then(typed_rc)
    }

    /// Every object, in key order.
    pub fn list(&self) -> Vec<Rc<K>> {
        self.objects.0.store.borrow().all().filter_map(|(_, o)| typed_rc(o)).collect()
    }

    /// The objects of one namespace, in key order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Rc<K>> {
        self.objects.list_namespace(namespace).iter().filter_map(typed_rc).collect()
    }

    /// The objects that an index finds under `value`, in key order.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Rc<K>> {
        self.objects.0.store.borrow().found(name, value).filter_map(typed_rc).collect()
    }

    /// The values under which an index finds anything.
    pub fn index_values(&self, name: &str) -> Vec<Rc<str>> {
        let store = self.objects.0.store.borrow();
        store.indexes.get(name).map(|i| i.found.keys().cloned().collect()).unwrap_or_default()
    }

    /// How many objects an index finds under `value`.
    pub fn count_by_index(&self, name: &str, value: &str) -> usize {
        let store = self.objects.0.store.borrow();
        store.indexes.get(name).and_then(|i| i.found.get(value)).map_or(0, BTreeMap::len)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.0.store.borrow().places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first list is in.
    pub fn has_synced(&self) -> bool {
        self.objects.has_synced()
    }

    /// Waits until the first list is in.
    pub async fn wait_synced(&self) {
        self.objects.wait_synced().await;
    }

    /// The newest revision seen.
    pub fn revision(&self) -> u64 {
        self.objects.0.revision.get()
    }
}

/// Empties an informer when its process has gone: handlers hold who reads it, and these hold the informer.
struct End(ObjectInformer);

impl Drop for End {
    fn drop(&mut self) {
        let handlers = std::mem::take(&mut *self.0.0.handlers.borrow_mut());
        let store = std::mem::take(&mut *self.0.0.store.borrow_mut());
        // Dropped outside the borrows: what they hold may look at the informer once more.
        drop((handlers, store));
    }
}

impl ObjectInformer {
    /// An informer of the kind `id`; one of a kind that the cluster doesn't have stays empty and counts as synced.
    pub fn start(client: &Client, id: Option<ResourceId>, lw: ListWatch) -> Self {
        let informer = ObjectInformer(Rc::new(Inner {
            store: RefCell::default(),
            handlers: RefCell::default(),
            synced: Cell::new(id.is_none()),
            sync: Notify::new(client.sim()),
            revision: Cell::new(0),
        }));
        if let Some(id) = id {
            let (i, c) = (informer.clone(), client.clone());
            client.sim().spawn(client.process(), async move {
                let end = End(i);
                end.0.run(&c, id, &lw).await
            });
        }
        informer
    }

    /// Calls `handler` with every change from now on, and at once with what is there.
    pub fn on_event(&self, handler: impl Fn(&InformerEvent<'_, dyn Object>) + 'static) {
        let there = self.list();
        for o in &there {
            handler(&InformerEvent::Added(o));
        }
        self.0.handlers.borrow_mut().push(Rc::new(handler));
    }

    /// Adds an index unless there is one of that name: `of` gives the values under which an object is found.
    pub fn add_index(&self, name: &'static str, of: impl Fn(&Obj) -> Vec<Rc<str>> + 'static) {
        let mut store = self.0.store.borrow_mut();
        if store.indexes.contains_key(name) {
            return;
        }
        let mut found: BTreeMap<Rc<str>, BTreeMap<Rc<str>, usize>> = BTreeMap::new();
        for (key, place) in &store.order {
            for v in store.at(*place).map(&of).unwrap_or_default() {
                found.entry(v).or_default().insert(key.clone(), *place);
            }
        }
        store.indexes.insert(name, Index { of: Box::new(of), found });
    }

    /// The object with this `namespace/name` key.
    pub fn get(&self, key: &str) -> Option<Obj> {
        self.0.store.borrow().get(key).cloned()
    }

    /// The object of this namespace and name.
    pub fn get_named(&self, namespace: &str, name: &str) -> Option<Obj> {
        if namespace.is_empty() { self.get(name) } else { self.get(&[namespace, "/", name].concat()) }
    }

    /// Every object, in key order.
    pub fn list(&self) -> Vec<Obj> {
        self.0.store.borrow().all().map(|(_, o)| o.clone()).collect()
    }

    /// The objects of one namespace, in key order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Obj> {
        let start = format!("{namespace}/");
        let store = self.0.store.borrow();
        store
            .order
            .range::<str, _>((std::ops::Bound::Included(start.as_str()), std::ops::Bound::Unbounded))
            .take_while(|(k, _)| split_key(k).0 == namespace)
            .filter_map(|(_, place)| store.at(*place).cloned())
            .collect()
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

    fn tell(&self, event: &InformerEvent<'_, dyn Object>) {
        // Handlers may look at the informer and add handlers; no borrow is held while they run.
        let mut at = 0;
        loop {
            let Some(h) = self.0.handlers.borrow().get(at).cloned() else { break };
            h(event);
            at += 1;
        }
    }

    fn put(&self, key: Rc<str>, new: &Obj) {
        let old = self.0.store.borrow_mut().put(key, new.clone());
        match &old {
            Some(old) => self.tell(&InformerEvent::Updated { old, new }),
            None => self.tell(&InformerEvent::Added(new)),
        }
    }

    fn remove(&self, key: &str, last: Option<&Obj>) {
        let old = self.0.store.borrow_mut().remove(key);
        if let Some(old) = &old {
            self.tell(&InformerEvent::Deleted(last.unwrap_or(old)));
        }
    }

    fn replace(&self, items: &[Obj]) {
        let mut gone: BTreeSet<Rc<str>> = self.0.store.borrow().order.keys().cloned().collect();
        for o in items {
            let key = object_key(o.meta());
            gone.remove(&key);
            let same = self.get(&key).is_some_and(|h| h.meta().resource_version == o.meta().resource_version);
            if !same {
                self.put(key, o);
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

    /// Lists by a watch that begins with what there is (upstream's WatchList), then watches until the revision is too old or the server can't be reached. Whether the list succeeded.
    async fn list_and_watch(&self, client: &Client, id: ResourceId, lw: &ListWatch) -> bool {
        let o = ListOptions {
            label_selector: lw.label_selector.clone(),
            field_selector: lw.field_selector.clone(),
            ..ListOptions::default()
        };
        let initial = ListOptions { send_initial_events: Some(true), allow_bookmarks: true, ..o.clone() };
        let Ok(mut stream) = client.watch(id, lw.namespace.as_deref(), &initial).await else { return false };
        let mut items = Vec::new();
        loop {
            let Some(Ok(event)) = stream.next().await else { return false };
            if event.kind == WatchEventType::Bookmark && event.initial_events_end {
                self.0.revision.set(event.revision);
                break;
            }
            items.extend(event.object);
        }
        self.replace(&items);
        if !self.0.synced.replace(true) {
            self.0.sync.notify();
        }
        let mut first = Some(stream);
        loop {
            let o =
                ListOptions { resource_version: self.0.revision.get().to_string(), allow_bookmarks: true, ..o.clone() };
            let next = match first.take() {
                Some(stream) => Ok(stream),
                None => client.watch(id, lw.namespace.as_deref(), &o).await,
            };
            match next {
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
            let Some(o) = event.object else { continue };
            client.sim().set_cause(event.cause as TraceSeq);
            match event.kind {
                WatchEventType::Added | WatchEventType::Modified => {
                    let r = revision(o.meta());
                    let key = object_key(o.meta());
                    if self.0.store.borrow().get(&key).is_none_or(|h| revision(h.meta()) < r) {
                        self.put(key, &o);
                    }
                }
                WatchEventType::Deleted => self.remove(&object_key(o.meta()), Some(&o)),
                WatchEventType::Bookmark => {}
            }
        }
        Ok(())
    }
}
