//! Facts about the types of all built-in kinds that Rust's types don't carry: Go's field order and type names, what is
//! omitted when empty, list types and keys, patch strategies, defaults.
//! Data: `schema/v1_36.txt`, which `cargo xtask codegen` writes from k8s.io/api and k8s.io/apimachinery.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

mod bytes;
mod descriptions;
mod encode;
mod load;

pub use bytes::BytesSink;
pub use descriptions::Descriptions;
pub use encode::{complete, go_json, go_string};

/// A type, by its place in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(u32);

/// A type, and what Go calls it.
#[derive(Debug)]
pub struct Type {
    /// As Go prints it: `v1.ObjectMeta`, `[]v1.Container`, `int32`.
    pub go: String,
    /// As it is declared, with its package: `core/v1.PodSpec`; empty for what has no name.
    pub name: &'static str,
    /// What it is made of.
    pub shape: Shape,
    /// How a list of this type merges, where the type itself says so.
    list: Option<ListType>,
    /// Whether a map or struct of this type is atomic, where the type itself says so.
    atomic: bool,
    /// The values of an enum, sorted.
    pub values: Vec<&'static str>,
}

/// What a type is made of.
#[derive(Debug)]
pub enum Shape {
    Struct(Struct),
    Map(TypeId),
    List(TypeId),
    String,
    Bool,
    Int32,
    Int64,
    Float64,
    Bytes,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    /// Any JSON: a raw extension, a field set, a CRD's schema fragment.
    Any,
}

/// A struct.
#[derive(Debug)]
pub struct Struct {
    /// Its bare name: `ObjectMeta`.
    pub name: &'static str,
    /// Its fields in Go's order, those of inlined structs in place.
    pub fields: Vec<Field>,
    /// Indexes into `fields`, by name.
    by_name: Vec<u16>,
}

/// How a list merges in server-side apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// As one value.
    Atomic,
    /// Its scalars are a set.
    Set,
    /// Its items are told apart by these keys.
    Map(Vec<Cow<'static, str>>),
}

/// How a field merges in a strategic merge patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON.
    pub json: &'static str,
    /// Its name in Go.
    pub go: String,
    /// The struct that declares it: another one if it is inlined.
    pub declared_in: &'static str,
    /// The inlined structs on the way to it, by their bare names.
    pub via: Box<[&'static str]>,
    /// Its type, behind the pointer if it is one.
    pub ty: TypeId,
    pub pointer: bool,
    pub omit_empty: bool,
    pub omit_zero: bool,
    pub required: bool,
    list: Option<ListType>,
    atomic: bool,
    pub patch: PatchStrategy,
    pub patch_merge_key: Option<&'static str>,
    /// The default that the API documents.
    pub default: Option<serde_json::Value>,
}

/// All types.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
    names: BTreeMap<&'static str, TypeId>,
    kinds: BTreeMap<(&'static str, &'static str), Option<TypeId>>,
    packages: BTreeMap<(&'static str, &'static str), &'static str>,
}

/// What every group's version has besides its own kinds. Models apimachinery `pkg/apis/meta/v1/register.go`.
const OPTIONS: &[&str] =
    &["WatchEvent", "ListOptions", "GetOptions", "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions"];
/// What belongs to no group, and the list of anything.
const UNVERSIONED: &[&str] = &["Status", "APIVersions", "APIGroupList", "APIGroup", "APIResourceList", "List"];

/// The schema of Kubernetes v1.36.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| load::load(include_str!("schema/v1_36.txt")))
}

impl Struct {
    /// The field of this JSON name, exactly.
    pub fn field(&self, json: &str) -> Option<&Field> {
        self.field_index(json).and_then(|i| self.fields.get(i))
    }

    /// Its place in `fields`.
    pub fn field_index(&self, json: &str) -> Option<usize> {
        let name = |i: &u16| self.fields.get(usize::from(*i)).map_or("", |f| f.json);
        let at = self.by_name.binary_search_by(|i| name(i).cmp(json)).ok()?;
        self.by_name.get(at).map(|i| usize::from(*i))
    }
}

impl Type {
    /// How a list of this type merges, where the type itself says so.
    pub fn list_type(&self) -> Option<&ListType> {
        self.list.as_ref()
    }

    /// Whether a map or struct of this type is one value in server-side apply.
    pub fn is_atomic(&self) -> bool {
        self.atomic
    }
}

impl Field {
    /// The default that the API documents. What is always written has one without saying so: Go's zero.
    pub fn default_or_zero(&self) -> Option<&serde_json::Value> {
        static TEXT: serde_json::Value = serde_json::Value::String(String::new());
        static NUMBER: OnceLock<serde_json::Value> = OnceLock::new();
        if self.default.is_some() || self.pointer || self.omit_empty || self.omit_zero {
            return self.default.as_ref();
        }
        match schema().get(self.ty).shape {
            Shape::String => Some(&TEXT),
            Shape::Int32 | Shape::Int64 => Some(NUMBER.get_or_init(|| 0.into())),
            _ => None,
        }
    }

    /// How its list merges in server-side apply; atomic if nothing is said.
    pub fn list_type<'a>(&'a self, schema: &'a Schema) -> &'a ListType {
        self.list.as_ref().or(schema.get(self.ty).list.as_ref()).unwrap_or(&ListType::Atomic)
    }

    /// How its list merges, where that is said.
    pub fn declared_list_type<'a>(&'a self, schema: &'a Schema) -> Option<&'a ListType> {
        self.list.as_ref().or(schema.get(self.ty).list.as_ref())
    }

    /// Whether its map or struct is one value in server-side apply.
    pub fn is_atomic(&self, schema: &Schema) -> bool {
        self.atomic || schema.get(self.ty).atomic
    }
}

impl Schema {
    /// The type.
    pub fn get(&self, id: TypeId) -> &Type {
        // An id is only ever made by the loader, for a type that is there.
        &self.types[id.0 as usize]
    }

    /// The type's struct, if it is one.
    pub fn structure(&self, id: TypeId) -> Option<&Struct> {
        match &self.get(id).shape {
            Shape::Struct(s) => Some(s),
            _ => None,
        }
    }

    /// The type of a served kind.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<TypeId> {
        self.kinds.get(&(api_version, kind)).copied().flatten()
    }

    /// Whether upstream's scheme knows the kind, served or not.
    pub fn is_registered(&self, api_version: &str, kind: &str) -> bool {
        let of_every_version = OPTIONS.contains(&kind) && self.kinds.keys().any(|(v, _)| *v == api_version);
        self.kinds.contains_key(&(api_version, kind))
            || of_every_version
            || (api_version == "v1" && UNVERSIONED.contains(&kind))
    }

    /// The Go package of a kind's group: `core`, `apps`.
    pub fn internal_package(&self, api_version: &str, kind: &str) -> Option<&'static str> {
        self.packages.get(&(api_version, kind)).copied()
    }

    /// A type by its name, such as `core/v1.PodSpec`.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// All served kinds: apiVersion, kind and type.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str, TypeId)> + '_ {
        self.kinds.iter().filter_map(|((v, k), id)| Some((*v, *k, (*id)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod_field<'a>(s: &'a Schema, ty: &str, name: &str) -> &'a Field {
        s.structure(s.named(ty).unwrap()).unwrap().field(name).unwrap()
    }

    #[test]
    fn facts() {
        let s = schema();
        let pod = s.kind("v1", "Pod").unwrap();
        assert_eq!(s.get(pod).go, "v1.Pod");
        let spec = pod_field(s, "core/v1.Pod", "spec");
        assert_eq!(s.get(spec.ty).go, "v1.PodSpec");
        let volumes = pod_field(s, "core/v1.PodSpec", "volumes");
        assert_eq!(s.get(volumes.ty).go, "[]v1.Volume");
        assert!(volumes.patch.merge && volumes.patch.retain_keys && volumes.patch_merge_key == Some("name"));
        assert_eq!(pod_field(s, "core/v1.PodSpec", "tolerations").list_type(s), &ListType::Atomic);
        let ports = pod_field(s, "core/v1.ServiceSpec", "ports");
        assert_eq!(ports.patch_merge_key, Some("port"));
        assert_eq!(ports.list_type(s), &ListType::Map(vec!["port".into(), "protocol".into()]));
        assert!(pod_field(s, "apps/v1.ReplicaSetSpec", "selector").is_atomic(s));
        assert!(pod_field(s, "core/v1.Volume", "hostPath").pointer, "fields of inlined structs are there");
        assert_eq!(s.get(pod_field(s, "core/v1.ResourceRequirements", "limits").ty).go, "v1.ResourceList");
        assert!(s.is_registered("apps/v1beta1", "Deployment") && s.kind("apps/v1beta1", "Deployment").is_none());
        assert_eq!(s.internal_package("rbac.authorization.k8s.io/v1", "Role"), Some("rbac"));
    }

    #[test]
    fn agrees_with_the_rust_types() {
        // Every field that the schema has survives a round trip through the typed object.
        use k8s_openapi::api::{apps::v1::Deployment, core::v1 as core};
        fn round<T: serde::Serialize + serde::de::DeserializeOwned + Default>(version: &str, kind: &str) {
            let s = schema();
            let ty = s.kind(version, kind).unwrap();
            let mut v = serde_json::json!({"metadata": {}});
            complete(&mut v, ty);
            let typed: T = serde_json::from_value(v).unwrap();
            assert!(serde_json::to_value(&typed).is_ok());
        }
        round::<core::Pod>("v1", "Pod");
        round::<core::Node>("v1", "Node");
        round::<core::Service>("v1", "Service");
        round::<Deployment>("apps/v1", "Deployment");
    }
}
