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
use super::{split_key, write_key};
use crate::api::object::{Kind, Obj, Object, revision, typed, typed_rc};
use crate::api::status::Status;
use crate::apiserver::{ListOptions, WatchEventType, WatchStream};
use crate::late_order::LateOrder;
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

/// Tells the values under which an object is found.
type IndexFn = Box<dyn Fn(&Obj, &mut dyn FnMut(&str))>;
type Handler = Rc<dyn Fn(&InformerEvent<'_, dyn Object>)>;
type Follower = Rc<dyn Fn(Option<&Obj>, Option<&Obj>)>;

/// Objects' places by value, and by key in the order of keys.
type Found = BTreeMap<Rc<str>, LateOrder<usize>>;

struct Index {
    of: IndexFn,
    found: Found,
    /// Under which values the object of each place was put.
    values: Vec<Vec<Rc<str>>>,
}

impl Index {
    fn new(of: IndexFn) -> Self {
        Index { of, found: Found::new(), values: Vec::new() }
    }

    /// The object at a place is new, or is another one now.
    fn put(&mut self, key: &Rc<str>, place: usize, object: &Obj) {
        if self.values.len() <= place {
            self.values.resize_with(place + 1, Vec::new);
        }
        let have = self.values.get(place).map(Vec::as_slice).unwrap_or_default();
        let (mut count, mut same) = (0, true);
        (self.of)(object, &mut |value| {
            same &= have.get(count).is_some_and(|v| **v == *value);
            count += 1;
        });
        if same && count == have.len() {
            return;
        }
        self.remove(key, place);
        let mut values = Vec::with_capacity(count);
        (self.of)(object, &mut |value| {
            let value: Rc<str> = match self.found.get_key_value(value) {
                Some((value, _)) => value.clone(),
                None => value.into(),
            };
            self.found.entry(value.clone()).or_default().insert(key.clone(), place);
            values.push(value);
        });
        if let Some(have) = self.values.get_mut(place) {
            *have = values;
        }
    }

    /// The object at a place is gone.
    fn remove(&mut self, key: &str, place: usize) {
        for value in self.values.get_mut(place).map(std::mem::take).unwrap_or_default() {
            if let Some(found) = self.found.get_mut(&value) {
                found.remove(key);
                if found.is_empty() {
                    self.found.remove(&value);
                }
            }
        }
    }
}

#[derive(Default)]
struct Store {
    /// Where each object is. Found by hash: of keys that begin alike, comparing is slow.
    places: IndexMap<Rc<str>, usize, FxBuildHasher>,
    objects: Vec<Option<Obj>>,
    free: Vec<usize>,
    /// The same places in the order of their keys.
    order: LateOrder<usize>,
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
    fn all<T>(&self, of: impl Fn(&Obj) -> Option<T>) -> Vec<T> {
        self.order.sorted().values().filter_map(|place| of(self.at(*place)?)).collect()
    }

    /// The objects that an index finds under `value`.
    fn shelf(&self, index: &str, value: &str) -> Option<&LateOrder<usize>> {
        self.indexes.get(index)?.found.get(value)
    }

    /// The objects that an index finds under `value`, in key order.
    fn found<T>(&self, index: &str, value: &str, of: impl Fn(&Obj) -> Option<T>) -> Vec<T> {
        let Some(shelf) = self.shelf(index, value) else { return Vec::new() };
        shelf.sorted().values().filter_map(|place| of(self.at(*place)?)).collect()
    }

    fn put(&mut self, key: Rc<str>, new: Obj) -> Option<Obj> {
        let Some(&place) = self.places.get(&key) else {
            self.add(key, new);
            return None;
        };
        let old = self.objects.get_mut(place).and_then(|o| o.replace(new.clone()))?;
        for index in self.indexes.values_mut() {
            index.put(&key, place, &new);
        }
        Some(old)
    }

    fn add(&mut self, key: Rc<str>, new: Obj) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.objects.push(None);
            self.objects.len() - 1
        });
        for index in self.indexes.values_mut() {
            index.put(&key, place, &new);
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
            index.remove(key, place);
        }
        Some(old)
    }
}

struct Inner {
    store: RefCell<Store>,
    followers: RefCell<Vec<Follower>>,
    handlers: RefCell<Vec<Handler>>,
    synced: Cell<bool>,
    sync: Notify,
    revision: Cell<u64>,
    /// Where keys are written before they are looked up.
    key: RefCell<String>,
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

    /// Calls `follower` with what the copy held of an object and holds now, before handlers hear of it: with each change from
    /// now on, and at once with what is there.
    pub fn on_change(&self, follower: impl Fn(Option<&K>, Option<&K>) + 'static) {
        fn of<K: Kind>(o: Option<&Obj>) -> Option<&K> {
            o.and_then(|o| typed(&**o))
        }
        self.objects.on_change(move |old, new| follower(of(old), of(new)));
    }

    /// Adds an index: `of` gives the values under which an object is found.
    pub fn add_index(&self, name: &'static str, of: impl Fn(&K) -> Vec<Rc<str>> + 'static) {
        self.tell_index(name, move |o, tell| of(o).iter().for_each(|value| tell(value)));
    }

    /// The same for kinds that change often: `of` tells the values.
    pub fn tell_index(&self, name: &'static str, of: impl Fn(&K, &mut dyn FnMut(&str)) + 'static) {
        self.objects.add_index(name, move |o, tell| typed::<K>(&**o).into_iter().for_each(|o| of(o, tell)));
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
        self.objects.0.store.borrow().all(typed_rc)
    }

    /// The objects of one namespace, in key order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Rc<K>> {
        self.objects.list_namespace(namespace).iter().filter_map(typed_rc).collect()
    }

    /// The objects that an index finds under `value`, in key order.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Rc<K>> {
        self.objects.0.store.borrow().found(name, value, typed_rc)
    }

    /// The values under which an index finds anything.
    pub fn index_values(&self, name: &str) -> Vec<Rc<str>> {
        let store = self.objects.0.store.borrow();
        store.indexes.get(name).map(|i| i.found.keys().cloned().collect()).unwrap_or_default()
    }

    /// How many objects an index finds under `value`.
    pub fn count_by_index(&self, name: &str, value: &str) -> usize {
        let store = self.objects.0.store.borrow();
        store.shelf(name, value).map_or(0, LateOrder::len)
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
        let followers = std::mem::take(&mut *self.0.0.followers.borrow_mut());
        let store = std::mem::take(&mut *self.0.0.store.borrow_mut());
        // Dropped outside the borrows: what they hold may look at the informer once more.
        drop((handlers, followers, store));
    }
}

impl ObjectInformer {
    /// An informer of the kind `id`; one of a kind that the cluster doesn't have stays empty and counts as synced.
    pub fn start(client: &Client, id: Option<ResourceId>, lw: ListWatch) -> Self {
        let informer = ObjectInformer(Rc::new(Inner {
            store: RefCell::default(),
            followers: RefCell::default(),
            handlers: RefCell::default(),
            synced: Cell::new(id.is_none()),
            sync: Notify::new(client.sim()),
            revision: Cell::new(0),
            key: RefCell::default(),
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

    /// Calls `follower` with what the copy held of an object and holds now, before handlers hear of it: with each change from
    /// now on, and at once with what is there.
    pub fn on_change(&self, follower: impl Fn(Option<&Obj>, Option<&Obj>) + 'static) {
        for o in &self.list() {
            follower(None, Some(o));
        }
        self.0.followers.borrow_mut().push(Rc::new(follower));
    }

    /// Adds an index unless there is one of that name: `of` tells the values under which an object is found.
    pub fn add_index(&self, name: &'static str, of: impl Fn(&Obj, &mut dyn FnMut(&str)) + 'static) {
        let mut store = self.0.store.borrow_mut();
        if store.indexes.contains_key(name) {
            return;
        }
        let mut index = Index::new(Box::new(of));
        for (key, place) in store.order.sorted().iter() {
            if let Some(object) = store.at(*place) {
                index.put(key, *place, object);
            }
        }
        store.indexes.insert(name, index);
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
        self.0.store.borrow().all(|o| Some(o.clone()))
    }

    /// The objects of one namespace, in key order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Obj> {
        let start = format!("{namespace}/");
        let store = self.0.store.borrow();
        let order = store.order.sorted();
        order
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

    /// An object's key: the one that it is kept under, if it is.
    fn key(&self, object: &Obj) -> Rc<str> {
        let mut key = self.0.key.borrow_mut();
        write_key(object.meta(), &mut key);
        let store = self.0.store.borrow();
        store.places.get_key_value(key.as_str()).map_or_else(|| key.as_str().into(), |(kept, _)| kept.clone())
    }

    fn put(&self, key: Rc<str>, new: &Obj) {
        let old = self.0.store.borrow_mut().put(key, new.clone());
        self.0.followers.borrow().iter().for_each(|f| f(old.as_ref(), Some(new)));
        match &old {
            Some(old) => self.tell(&InformerEvent::Updated { old, new }),
            None => self.tell(&InformerEvent::Added(new)),
        }
    }

    fn remove(&self, key: &str, last: Option<&Obj>) {
        let old = self.0.store.borrow_mut().remove(key);
        if let Some(old) = &old {
            self.0.followers.borrow().iter().for_each(|f| f(Some(old), None));
            self.tell(&InformerEvent::Deleted(last.unwrap_or(old)));
        }
    }

    fn replace(&self, items: &[Obj]) {
        let mut gone: BTreeSet<Rc<str>> = self.0.store.borrow().order.sorted().keys().cloned().collect();
        for o in items {
            let key = self.key(o);
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
                    let key = self.key(&o);
                    if self.0.store.borrow().get(&key).is_none_or(|h| revision(h.meta()) < r) {
                        self.put(key, &o);
                    }
                }
                WatchEventType::Deleted => self.remove(&self.key(&o), Some(&o)),
                WatchEventType::Bookmark => {}
            }
        }
        Ok(())
    }
}
