//! The types that expressions are checked with before anybody evaluates them.
//! Models cel-go `checker/checker.go` and `common/stdlib`, and the libraries of apiserver `pkg/cel/library`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Whatever it is, it shows when it is evaluated.
    Dyn,
    Null,
    /// A scalar, or one of the types that libraries bring along, by its name.
    Named(&'static str),
    List(Rc<Type>),
    Map(Rc<Type>, Rc<Type>),
    Optional(Rc<Type>),
    TypeOf,
    /// An object of known fields.
    Object(Rc<ObjectType>),
    /// A function's type parameter.
    Param(char),
}

/// An object's name and fields.
#[derive(Debug, PartialEq)]
pub struct ObjectType {
    pub name: String,
    pub fields: BTreeMap<String, Type>,
}

pub const BOOL: Type = Type::Named("bool");
pub const INT: Type = Type::Named("int");
pub const DOUBLE: Type = Type::Named("double");
pub const STRING: Type = Type::Named("string");
pub const BYTES: Type = Type::Named("bytes");
pub const TIMESTAMP: Type = Type::Named("timestamp");
pub const DURATION: Type = Type::Named("duration");

/// The names of types as expressions write them.
pub(super) const NAMES: [&str; 18] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "kubernetes.Quantity",
    "kubernetes.URL",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "net.IP",
    "net.CIDR",
];

impl Type {
    pub fn list(of: Type) -> Self {
        Type::List(Rc::new(of))
    }
    pub fn map(key: Type, value: Type) -> Self {
        Type::Map(Rc::new(key), Rc::new(value))
    }
    pub fn object(name: &str, fields: impl IntoIterator<Item = (String, Type)>) -> Self {
        Type::Object(Rc::new(ObjectType { name: name.to_owned(), fields: fields.into_iter().collect() }))
    }

    /// As errors name it.
    pub fn shown(&self) -> String {
        match self {
            Type::Dyn | Type::Param(_) => "dyn".to_owned(),
            Type::Null => "null".to_owned(),
            Type::Named(n) => (*n).to_owned(),
            Type::List(t) => format!("list({})", t.shown()),
            Type::Map(k, v) => format!("map({}, {})", k.shown(), v.shown()),
            Type::Optional(t) => format!("optional_type({})", t.shown()),
            Type::TypeOf => "type".to_owned(),
            Type::Object(o) => o.name.clone(),
        }
    }
}

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub member: bool,
    pub params: Vec<Type>,
    pub result: Type,
}

/// All functions: `name: parameters = result | ...`, a receiver before an at sign, `A` and `B` for any type.
const FUNCTIONS: &str = include_str!("functions.txt");

/// The ways to call a function; nothing if there is no such one.
pub(super) fn overloads(name: &str) -> Option<&'static [Overload]> {
    thread_local! {
        static ALL: OnceLock<BTreeMap<&'static str, &'static [Overload]>> = const { OnceLock::new() };
    }
    ALL.with(|all| all.get_or_init(parse).get(name).copied())
}

fn parse() -> BTreeMap<&'static str, &'static [Overload]> {
    let mut all = BTreeMap::new();
    for line in FUNCTIONS.lines() {
        let Some((name, ways)) = line.split_once(": ") else { continue };
        let ways: Vec<Overload> = ways.split(" | ").filter_map(overload).collect();
        all.insert(name, &*Vec::leak(ways));
    }
    all
}

fn overload(text: &'static str) -> Option<Overload> {
    let (params, result) = text.split_once('=')?;
    let (receiver, params) = match params.split_once('@') {
        Some((receiver, rest)) => (Some(receiver), rest),
        None => (None, params),
    };
    let rest = params.split(' ').filter(|p| !p.trim().is_empty());
    let params: Vec<Type> = receiver.into_iter().chain(rest).map(|p| read(p.trim())).collect();
    Some(Overload { member: receiver.is_some(), params, result: read(result.trim()) })
}

fn read(text: &'static str) -> Type {
    let inner = |prefix: &str| text.strip_prefix(prefix).and_then(|r| r.strip_suffix('>'));
    if let Some(of) = inner("list<") {
        return Type::list(read(of));
    }
    if let Some(of) = inner("opt<") {
        return Type::Optional(Rc::new(read(of)));
    }
    if let Some((k, v)) = inner("map<").and_then(|r| r.split_once(',')) {
        return Type::map(read(k), read(v));
    }
    match text {
        "dyn" => Type::Dyn,
        "type" => Type::TypeOf,
        "A" | "B" => Type::Param(text.chars().next().unwrap_or('A')),
        named => Type::Named(named),
    }
}

/// What type parameters stand for.
pub(super) type Bound = BTreeMap<char, Type>;

/// Whether a value of a type may stand where another type is wanted.
pub(super) fn fits(wanted: &Type, given: &Type, bound: &mut Bound) -> bool {
    match (wanted, given) {
        (Type::Param(p), given) => match bound.get(p).cloned() {
            Some(Type::Dyn) => true,
            Some(Type::Param(_)) => {
                bound.insert(*p, given.clone());
                true
            }
            Some(have) => {
                if *given == Type::Dyn {
                    bound.insert(*p, Type::Dyn);
                    return true;
                }
                if fits(&have, given, bound) {
                    return true;
                }
                // An empty list's items may become anything.
                let widens = fits(given, &have, bound);
                if widens {
                    bound.insert(*p, given.clone());
                }
                widens
            }
            None => {
                bound.insert(*p, given.clone());
                true
            }
        },
        (Type::Dyn, _) | (_, Type::Dyn | Type::Param(_)) => true,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => fits(a, b, bound),
        (Type::Map(k, v), Type::Map(l, w)) => fits(k, l, bound) && fits(v, w, bound),
        (Type::Object(_) | Type::Optional(_) | Type::Named("timestamp" | "duration"), Type::Null) => true,
        (Type::Named(a), Type::Named(b)) => a == b || is_abstract(a, b),
        (a, b) => a == b,
    }
}

fn is_abstract(wanted: &str, _given: &str) -> bool {
    wanted == "any"
}

/// A result's type with what its parameters stand for.
pub(super) fn resolve(t: &Type, bound: &Bound) -> Type {
    match t {
        Type::Param(p) => match bound.get(p) {
            Some(Type::Param(_)) | None => Type::Dyn,
            Some(known) => known.clone(),
        },
        Type::List(of) => Type::list(resolve(of, bound)),
        Type::Optional(of) => Type::Optional(Rc::new(resolve(of, bound))),
        Type::Map(k, v) => Type::map(resolve(k, bound), resolve(v, bound)),
        other => other.clone(),
    }
}
