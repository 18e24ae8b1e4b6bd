//! Objects of any kind, shared: what etcd keeps, the api-server serves and informers hold.

use std::any::Any;
use std::fmt::Debug;
use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::tell::{Sink, ValueSink, tell};

/// An API object of some kind. Implemented for every k8s-openapi kind that has ObjectMeta, and for `DynamicObject`.
pub trait Object: Any + Debug {
    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;
    /// Its metadata, to change.
    fn meta_mut(&mut self) -> &mut ObjectMeta;
    /// `group/version`, or `version` for the core group.
    fn api_version(&self) -> &str;
    /// The kind.
    fn kind(&self) -> &str;
    /// A deep copy.
    fn clone_object(&self) -> Rc<dyn Object>;
    /// Tells what it says as JSON, with apiVersion and kind; false if it can't.
    fn tell(&self, sink: &mut dyn Sink) -> bool;
    /// As JSON, with apiVersion and kind.
    fn to_value(&self) -> Value {
        let mut sink = ValueSink::default();
        if self.tell(&mut sink) { sink.into_value() } else { Value::Null }
    }
    /// Whether both are of one kind and equal in every field.
    fn equals(&self, other: &dyn Object) -> bool;
}

/// A shared object.
pub type Obj = Rc<dyn Object>;

/// A kind that has a Rust type: every k8s-openapi top-level type with ObjectMeta.
pub trait Kind:
    Object
    + k8s_openapi::Resource
    + k8s_openapi::Metadata<Ty = ObjectMeta>
    + Clone
    + Default
    + PartialEq
    + serde::Serialize
    + serde::de::DeserializeOwned
{
}

impl<T> Kind for T where
    T: Object
        + k8s_openapi::Resource
        + k8s_openapi::Metadata<Ty = ObjectMeta>
        + Clone
        + Default
        + PartialEq
        + serde::Serialize
        + serde::de::DeserializeOwned
{
}

impl<T> Object for T
where
    T: k8s_openapi::Resource
        + k8s_openapi::Metadata<Ty = ObjectMeta>
        + Clone
        + Debug
        + PartialEq
        + serde::Serialize
        + 'static,
{
    fn meta(&self) -> &ObjectMeta {
        self.metadata()
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.metadata_mut()
    }
    fn api_version(&self) -> &str {
        T::API_VERSION
    }
    fn kind(&self) -> &str {
        T::KIND
    }
    fn clone_object(&self) -> Rc<dyn Object> {
        Rc::new(self.clone())
    }
    fn tell(&self, sink: &mut dyn Sink) -> bool {
        tell(self, sink)
    }
    fn equals(&self, other: &dyn Object) -> bool {
        (other as &dyn Any).downcast_ref::<T>().is_some_and(|o| o == self)
    }
}

/// The object as its Rust type, if it is of that kind.
pub fn typed<K: Kind>(o: &dyn Object) -> Option<&K> {
    (o as &dyn Any).downcast_ref::<K>()
}

/// The object as its Rust type, to change.
pub fn typed_mut<K: Kind>(o: &mut dyn Object) -> Option<&mut K> {
    (o as &mut dyn Any).downcast_mut::<K>()
}

/// The shared object as a share of its Rust type.
pub fn typed_rc<K: Kind>(o: &Obj) -> Option<Rc<K>> {
    let any: Rc<dyn Any> = o.clone();
    any.downcast::<K>().ok()
}

/// The object to change: copied first if others share it.
pub fn make_mut(o: &mut Obj) -> &mut dyn Object {
    if Rc::get_mut(o).is_none() {
        *o = o.clone_object();
    }
    Rc::get_mut(o).expect("a fresh copy has one owner")
}

/// A resourceVersion as the number that it is inside; 0 for none.
pub fn revision(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|r| r.parse().ok()).unwrap_or(0)
}
