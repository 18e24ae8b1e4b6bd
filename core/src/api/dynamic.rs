//! Objects of kinds that no part of the cluster works on by type: metadata, and the rest as JSON.

use std::any::Any;
use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::object::Object;
use super::tell::{Sink, tell, to_value};

/// An object of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicObject {
    /// `group/version`, or `version` for the core group.
    pub api_version: Rc<str>,
    /// The kind.
    pub kind: Rc<str>,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// All other fields.
    pub fields: Map<String, Value>,
}

impl DynamicObject {
    /// Takes an object apart; the error is serde's.
    pub fn from_value(api_version: Rc<str>, kind: Rc<str>, value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else { return Err("expected an object".into()) };
        fields.remove("apiVersion");
        fields.remove("kind");
        let metadata = match fields.remove("metadata") {
            None | Some(Value::Null) => ObjectMeta::default(),
            Some(m) => serde_json::from_value(m).map_err(|e| e.to_string())?,
        };
        Ok(DynamicObject { api_version, kind, metadata, fields })
    }

    /// An object of which nobody knows the type, if it is one of these.
    pub fn of(o: &dyn Object) -> Option<&Self> {
        (o as &dyn Any).downcast_ref()
    }

    /// The same, to be changed.
    pub fn of_mut(o: &mut dyn Object) -> Option<&mut Self> {
        (o as &mut dyn Any).downcast_mut()
    }

    /// The value at a path of fields, `Null` where there is none.
    pub fn at(&self, path: &[&str]) -> &Value {
        let mut found = path.first().and_then(|p| self.fields.get(*p)).unwrap_or(&Value::Null);
        for p in path.iter().skip(1) {
            found = &found[*p];
        }
        found
    }
}

impl Object for DynamicObject {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
    fn api_version(&self) -> &str {
        &self.api_version
    }
    fn kind(&self) -> &str {
        &self.kind
    }
    fn clone_object(&self) -> Rc<dyn Object> {
        Rc::new(self.clone())
    }
    fn tell(&self, sink: &mut dyn Sink) -> bool {
        tell(&self.to_value(), sink)
    }
    fn to_value(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("apiVersion".into(), (&*self.api_version).into());
        fields.insert("kind".into(), (&*self.kind).into());
        fields.insert("metadata".into(), to_value(&self.metadata));
        Value::Object(fields)
    }
    fn equals(&self, other: &dyn Object) -> bool {
        DynamicObject::of(other).is_some_and(|o| o == self)
    }
}
