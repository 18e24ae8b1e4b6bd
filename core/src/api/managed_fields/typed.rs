//! Objects walked by their types: which fields they have, what changed between two of them.
//! Models sigs.k8s.io/structured-merge-diff `typed/{compare,tofieldset,helpers}.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::custom::{CustomShape, CustomType};
use super::set::{Element, Scalar, Set};
use crate::api::schema::{ListType, Schema, Shape, Struct, TypeId, schema};

/// A type in its place: a field may say more about merging than its type does.
#[derive(Clone, Copy)]
pub(super) struct Ref<'a> {
    ty: Node<'a>,
    list: Option<&'a ListType>,
    atomic: bool,
}

/// Where a type is described.
#[derive(Clone, Copy)]
enum Node<'a> {
    /// Nowhere: it is deduced from values.
    Deduced,
    Known(TypeId),
    Custom(&'a CustomType),
}

/// What kind of scalar is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Numeric,
    String,
    Boolean,
    Untyped,
}

/// What a value is to the walkers.
pub(super) enum Atom<'a> {
    Scalar(ScalarKind),
    List { of: Ref<'a>, list: &'a ListType },
    Map(MapAtom<'a>),
}

/// A struct or a map.
#[derive(Clone, Copy)]
pub(super) struct MapAtom<'a> {
    fields: Fields<'a>,
    of: Option<Ref<'a>>,
    pub(super) atomic: bool,
}

/// The keys of a map that have types of their own.
#[derive(Clone, Copy)]
enum Fields<'a> {
    None,
    Known(&'static Struct),
    Custom(&'a BTreeMap<String, CustomType>),
}

impl<'a> MapAtom<'a> {
    /// The type of the value under a key; nothing if there is no such field.
    pub(super) fn field(&self, key: &str) -> Option<Ref<'a>> {
        let s: &'static Schema = schema();
        let own = match self.fields {
            Fields::None => None,
            Fields::Known(structure) => structure.field(key).map(|f| Ref {
                ty: Node::Known(f.ty),
                list: Some(f.list_type(s)),
                atomic: f.is_atomic(s),
            }),
            Fields::Custom(fields) => fields.get(key).map(Ref::custom),
        };
        own.or(self.of)
    }

    /// Whether the key is a field of a struct.
    pub(super) fn is_field(&self, key: &str) -> bool {
        match self.fields {
            Fields::None => false,
            Fields::Known(s) => s.field(key).is_some(),
            Fields::Custom(fields) => fields.contains_key(key),
        }
    }
}

static ATOMIC: ListType = ListType::Atomic;

impl<'a> Ref<'a> {
    /// A type of Kubernetes' own, or one that nobody describes.
    pub(super) fn root(ty: Option<TypeId>) -> Self {
        Ref { ty: ty.map_or(Node::Deduced, Node::Known), list: None, atomic: false }
    }

    /// A type of a custom kind.
    pub(super) fn custom(ty: &'a CustomType) -> Self {
        match ty.shape {
            CustomShape::Known(id) => Ref::element(id),
            CustomShape::Any => Ref::untyped(),
            _ => Ref { ty: Node::Custom(ty), list: Some(&ty.list), atomic: ty.atomic },
        }
    }

    fn untyped() -> Self {
        Ref::root(None)
    }

    fn element(ty: TypeId) -> Self {
        let t = schema().get(ty);
        Ref { ty: Node::Known(ty), list: t.list_type(), atomic: t.is_atomic() }
    }

    /// What the type is; of untyped data what the value looks like.
    pub(super) fn atom(self, value: Option<&Value>) -> Atom<'a> {
        let atomic = self.atomic;
        let map = |fields, of| Atom::Map(MapAtom { fields, of, atomic });
        let any = || match value {
            Some(Value::Array(_)) => Atom::List { of: Ref::untyped(), list: &ATOMIC },
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) => Atom::Scalar(ScalarKind::Untyped),
            _ => Atom::Map(MapAtom { fields: Fields::None, of: Some(Ref::untyped()), atomic: false }),
        };
        let list = self.list.unwrap_or(&ATOMIC);
        let ty = match self.ty {
            Node::Deduced => return any(),
            Node::Custom(ty) => {
                return match &ty.shape {
                    CustomShape::Map { fields, rest } => map(Fields::Custom(fields), rest.as_deref().map(Ref::custom)),
                    CustomShape::List(of) => Atom::List { of: Ref::custom(of), list },
                    CustomShape::Scalar(kind) => Atom::Scalar(*kind),
                    CustomShape::Known(_) | CustomShape::Any => any(),
                };
            }
            Node::Known(ty) => ty,
        };
        match &schema().get(ty).shape {
            Shape::Struct(s) => map(Fields::Known(s), None),
            Shape::Map(of) => map(Fields::None, Some(Ref::element(*of))),
            Shape::List(of) => Atom::List { of: Ref::element(*of), list },
            Shape::Int32 | Shape::Int64 | Shape::Float64 => Atom::Scalar(ScalarKind::Numeric),
            Shape::Bool => Atom::Scalar(ScalarKind::Boolean),
            Shape::Quantity | Shape::IntOrString => Atom::Scalar(ScalarKind::Untyped),
            Shape::String | Shape::Bytes | Shape::Time | Shape::MicroTime | Shape::Duration => {
                Atom::Scalar(ScalarKind::String)
            }
            Shape::Any => any(),
        }
    }

    fn default_of(self, key: &str) -> Option<&'a Value> {
        match self.ty {
            Node::Deduced => None,
            Node::Known(ty) => schema().structure(ty)?.field(key)?.default_or_zero(),
            Node::Custom(ty) => match &ty.shape {
                CustomShape::Map { fields, .. } => fields.get(key)?.default.as_ref(),
                _ => None,
            },
        }
    }
}

/// The path element of a list's item, or what is wrong with it.
pub(super) fn item_element(list: &ListType, of: Ref<'_>, item: &Value) -> Result<Element, String> {
    match list {
        ListType::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListType::Set => Scalar::of(item).map(Element::Value).ok_or_else(|| {
            match item {
                Value::Object(_) => "associative list without keys has an element that's a map type",
                Value::Array(_) => "not supported: associative list with lists as elements",
                _ => "associative list without keys has an element that's an explicit null",
            }
            .to_owned()
        }),
        ListType::Map(keys) => {
            let o = match item {
                Value::Object(o) => o,
                Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
                _ => return Err("associative list with keys may not have non-map elements".to_owned()),
            };
            let mut found: Vec<(Rc<str>, Scalar)> = Vec::with_capacity(keys.len());
            for key in keys {
                let value = o.get(&**key).or_else(|| of.default_of(key));
                if let Some(s) = value.and_then(Scalar::of) {
                    found.push(((&**key).into(), s));
                }
            }
            if found.is_empty() {
                let quoted: Vec<String> = keys.iter().map(|k| crate::api::field::quote(k)).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                     values for any key fields)",
                    quoted.join(" ")
                ));
            }
            found.sort();
            Ok(Element::Key(found.into()))
        }
    }
}

pub(super) fn as_list(v: Option<&Value>) -> Option<&Vec<Value>> {
    v.and_then(Value::as_array)
}

pub(super) fn as_map(v: Option<&Value>) -> Option<&Map<String, Value>> {
    v.and_then(Value::as_object)
}

/// The fields of an object that its writer has an opinion about.
pub(super) fn field_set(value: &Value, ty: Ref<'_>) -> Set {
    let mut set = Set::default();
    to_set(value, ty, &mut Vec::new(), &mut set);
    set
}

fn to_set(value: &Value, ty: Ref<'_>, path: &mut Vec<Element>, set: &mut Set) {
    match ty.atom(Some(value)) {
        Atom::Scalar(_) => set.insert(path),
        Atom::List { of, list } => {
            if *list == ListType::Atomic {
                set.insert(path);
                return;
            }
            let items = as_list(Some(value)).map_or(&[][..], Vec::as_slice);
            let elements: Vec<Option<Element>> = items.iter().map(|v| item_element(list, of, v).ok()).collect();
            for (i, (item, e)) in items.iter().zip(&elements).enumerate() {
                let Some(e) = e else { continue };
                let duplicated = elements.iter().enumerate().any(|(j, o)| j != i && o.as_ref() == Some(e));
                path.push(e.clone());
                if !duplicated {
                    to_set(item, of, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Atom::Map(m) => {
            if m.atomic {
                set.insert(path);
                return;
            }
            for (key, v) in as_map(Some(value)).into_iter().flatten() {
                path.push(Element::Field(key.as_str().into()));
                if let Some(ty) = m.field(key) {
                    to_set(v, ty, path, set);
                }
                let empty = v.is_null() || v.as_object().is_some_and(Map::is_empty);
                if empty || !m.is_field(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

/// What changed between two objects.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

impl Comparison {
    /// Leaves fields out, with all below them.
    pub(super) fn exclude(&mut self, fields: &Set) {
        if fields.is_empty() {
            return;
        }
        for s in [&mut self.removed, &mut self.modified, &mut self.added] {
            *s = s.recursive_difference(fields);
        }
    }
}

/// What changed from `old` to `new`.
pub(super) fn compare(old: &Value, new: &Value, ty: Ref<'_>) -> Comparison {
    let mut c = Comparison::default();
    walk(Some(old), Some(new), ty, &mut Vec::new(), &mut c);
    c
}

fn same_atom(a: &Atom<'_>, b: &Atom<'_>) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn leaf(l: Option<&Value>, r: Option<&Value>, path: &[Element], c: &mut Comparison) {
    match (l, r) {
        (None, _) => c.added.insert(path),
        (_, None) => c.removed.insert(path),
        (Some(l), Some(r)) if l != r => c.modified.insert(path),
        _ => {}
    }
}

fn walk(l: Option<&Value>, r: Option<&Value>, ty: Ref<'_>, path: &mut Vec<Element>, c: &mut Comparison) {
    // What is the same on both sides changes nothing, however deep it is.
    if l == r {
        return;
    }
    let (la, ra) = (ty.atom(l), ty.atom(r));
    let is_leaf = match (l, r) {
        (_, None) => handle(la, l, r, path, c),
        (None, _) => handle(ra, l, r, path, c),
        _ if same_atom(&la, &ra) => handle(ra, l, r, path, c),
        _ => {
            handle(la, l, r, path, c);
            handle(ra, l, r, path, c)
        }
    };
    if !is_leaf {
        match (l, r) {
            (None, _) => c.added.insert(path),
            (_, None) => c.removed.insert(path),
            _ => {}
        }
    }
}

/// Compares as this atom; whether it is one value as a whole.
fn handle(atom: Atom<'_>, l: Option<&Value>, r: Option<&Value>, path: &mut Vec<Element>, c: &mut Comparison) -> bool {
    match atom {
        Atom::Scalar(_) => {
            leaf(l, r, path, c);
            true
        }
        Atom::List { of, list } => {
            let (ll, rl) = (as_list(l), as_list(r));
            let empty = ll.is_none_or(Vec::is_empty) && rl.is_none_or(Vec::is_empty);
            if *list == ListType::Atomic || empty {
                leaf(l, r, path, c);
                return true;
            }
            let mut all: Vec<Element> = Vec::new();
            let mut sides: [BTreeMap<Element, Vec<&Value>>; 2] = Default::default();
            for (side, items) in sides.iter_mut().zip([ll, rl]) {
                for item in items.into_iter().flatten() {
                    let Ok(e) = item_element(list, of, item) else { continue };
                    all.push(e.clone());
                    side.entry(e).or_default().push(item);
                }
            }
            all.sort();
            all.dedup();
            let [left, right] = sides;
            for e in all {
                let lv = left.get(&e).cloned().unwrap_or_default();
                let rv = right.get(&e).cloned().unwrap_or_default();
                path.push(e);
                match (lv.as_slice(), rv.as_slice()) {
                    ([] | [_], [] | [_]) => walk(lv.first().copied(), rv.first().copied(), of, path, c),
                    ([_, _, ..], [_, _, ..]) => {
                        if lv != rv {
                            c.modified.insert(path);
                        }
                    }
                    ([_, _, ..], rest) => {
                        if let Some(one) = rest.first() {
                            walk(None, Some(one), of, path, c);
                        }
                        c.removed.insert(path);
                    }
                    (rest, _) => {
                        if let Some(one) = rest.first() {
                            walk(Some(one), None, of, path, c);
                        }
                        c.added.insert(path);
                    }
                }
                path.pop();
            }
            false
        }
        Atom::Map(m) => {
            let (lm, rm) = (as_map(l), as_map(r));
            let empty = lm.is_none_or(Map::is_empty) && rm.is_none_or(Map::is_empty);
            if m.atomic || empty {
                leaf(l, r, path, c);
                return true;
            }
            let nothing = Map::new();
            let (lm, rm) = (lm.unwrap_or(&nothing), rm.unwrap_or(&nothing));
            let keys = lm.keys().chain(rm.keys().filter(|k| !lm.contains_key(*k)));
            for key in keys {
                let (lv, rv) = (lm.get(key), rm.get(key));
                if lv == rv {
                    continue;
                }
                let Some(ty) = m.field(key) else { continue };
                path.push(Element::Field(key.as_str().into()));
                walk(lv, rv, ty, path, c);
                path.pop();
            }
            false
        }
    }
}

/// `EnsureNamedFieldsAreMembers`: a struct's fields that have something below are members too.
pub(super) fn with_named_fields(set: &Set, ty: Ref<'_>) -> Set {
    let atom = ty.atom(None);
    let mut more = Vec::new();
    let mut children = BTreeMap::new();
    for (e, s) in set.children() {
        let below = match (e, &atom) {
            (Element::Field(name), Atom::Map(m)) => {
                if m.is_field(name) {
                    more.push(e.clone());
                }
                m.field(name)
            }
            (Element::Key(_), Atom::List { of, .. }) => Some(*of),
            _ => None,
        };
        children.insert(e.clone(), with_named_fields(s, below.unwrap_or(Ref::untyped())));
    }
    set.rebuilt(more, children)
}
