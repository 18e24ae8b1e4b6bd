//! The types of custom kinds, as server-side apply sees the schemas of their definitions.
//! Models kube-openapi `pkg/schemaconv/{openapi,smd}.go`, and what apiextensions' `pkg/controller/openapi/builder` adds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::typed::ScalarKind;
use crate::api::schema::{ListType, TypeId, schema};

/// A type of a custom kind.
#[derive(Debug)]
pub struct CustomType {
    pub(super) shape: CustomShape,
    /// How a list of it merges.
    pub(super) list: ListType,
    /// Whether a map of it is one value.
    pub(super) atomic: bool,
    /// What its field is when nobody says.
    pub(super) default: Option<Value>,
}

/// What it is made of.
#[derive(Debug)]
pub(super) enum CustomShape {
    Map {
        fields: BTreeMap<String, CustomType>,
        /// What other keys have, if there may be any.
        rest: Option<Box<CustomType>>,
    },
    List(Box<CustomType>),
    Scalar(ScalarKind),
    /// A type of Kubernetes' own.
    Known(TypeId),
    /// As the value looks.
    Any,
}

fn plain(shape: CustomShape) -> CustomType {
    CustomType { shape, list: ListType::Atomic, atomic: false, default: None }
}

impl CustomType {
    /// The type of a kind's objects by the schema of one version. Nothing if there is none: then types are deduced.
    pub fn of_kind(schema: &Value) -> Option<CustomType> {
        schema.is_object().then(|| {
            let mut root = of_schema(schema, false);
            add_meta(&mut root);
            root
        })
    }
}

/// What every object has, whatever its schema says.
fn add_meta(ty: &mut CustomType) {
    let CustomShape::Map { fields, .. } = &mut ty.shape else { return };
    for name in ["apiVersion", "kind"] {
        fields.insert(name.into(), plain(CustomShape::Scalar(ScalarKind::String)));
    }
    let meta = schema().named("meta/v1.ObjectMeta").map_or(CustomShape::Any, CustomShape::Known);
    fields.insert("metadata".into(), plain(meta));
}

fn of_schema(s: &Value, open: bool) -> CustomType {
    // What is below a schema that keeps unknown fields keeps them as well.
    let open = open || s["x-kubernetes-preserve-unknown-fields"] == true;
    let shape = match s["type"].as_str().unwrap_or_default() {
        "object" => of_object(s, open),
        "array" => CustomShape::List(Box::new(of_schema(&s["items"], open))),
        "integer" | "number" => CustomShape::Scalar(ScalarKind::Numeric),
        "boolean" => CustomShape::Scalar(ScalarKind::Boolean),
        "string" if matches!(s["format"].as_str(), None | Some("" | "byte")) => CustomShape::Scalar(ScalarKind::String),
        "string" => CustomShape::Scalar(ScalarKind::Untyped),
        _ => CustomShape::Any,
    };
    let keys = || {
        let all = s["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(|k| Cow::Owned(k.to_owned())).collect()
    };
    let list = match s["x-kubernetes-list-type"].as_str() {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(keys()),
        _ => ListType::Atomic,
    };
    let default = Some(&s["default"]).filter(|d| !d.is_null()).cloned();
    let mut ty = CustomType { shape, list, atomic: s["x-kubernetes-map-type"] == "atomic", default };
    if s["x-kubernetes-embedded-resource"] == true {
        add_meta(&mut ty);
    }
    ty
}

fn of_object(s: &Value, open: bool) -> CustomShape {
    let fields: BTreeMap<String, CustomType> = s["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, of)| (name.clone(), of_schema(of, open)))
        .collect();
    let rest = match &s["additionalProperties"] {
        Value::Null if open || fields.is_empty() => Some(plain(CustomShape::Any)),
        Value::Bool(true) => Some(plain(CustomShape::Any)),
        of @ Value::Object(_) => Some(of_schema(of, open)),
        _ => None,
    };
    CustomShape::Map { fields, rest: rest.map(Box::new) }
}
