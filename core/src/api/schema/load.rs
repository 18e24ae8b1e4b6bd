//! Reads the schema's data file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Field, ListType, PatchStrategy, Schema, Shape, Struct, Type, TypeId};

struct Loader {
    types: Vec<Type>,
    names: BTreeMap<&'static str, TypeId>,
    /// Declarations by name: the line's words after the name, and the field lines.
    declarations: BTreeMap<&'static str, (&'static str, Vec<&'static str>)>,
}

/// The name that Go prints: `core/v1.Pod` is `v1.Pod`.
fn go_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Markers that may stand on a type or a field.
fn merging(words: &[&'static str]) -> (Option<ListType>, bool) {
    let mut list = None;
    let mut atomic = false;
    for w in words {
        if let Some(keys) = w.strip_prefix("lm=") {
            list = Some(ListType::Map(keys.split(',').map(Cow::Borrowed).collect()));
        } else {
            match *w {
                "ls" => list = Some(ListType::Set),
                "la" => list = Some(ListType::Atomic),
                "a" => atomic = true,
                _ => {}
            }
        }
    }
    (list, atomic)
}

fn capitalised(s: &str) -> String {
    let mut c = s.chars();
    c.next().map_or(String::new(), |f| f.to_uppercase().chain(c).collect())
}

impl Loader {
    fn push(&mut self, go: String, shape: Shape) -> TypeId {
        let id = TypeId(self.types.len() as u32);
        self.types.push(Type { go, name: "", shape, list: None, atomic: false, values: Vec::new() });
        id
    }

    fn scalar(&mut self, name: &'static str) -> Shape {
        match name {
            "string" => Shape::String,
            "bool" => Shape::Bool,
            "int32" => Shape::Int32,
            "float64" => Shape::Float64,
            "interface{}" | "any" => Shape::Any,
            // `int` is 64 bits wide where the api-server runs.
            _ => Shape::Int64,
        }
    }

    /// The type of a Go type expression.
    fn resolve(&mut self, expression: &'static str) -> TypeId {
        let expression = expression.trim_start_matches('*');
        if let Some(id) = self.names.get(expression) {
            return *id;
        }
        if expression == "[]byte" {
            let id = self.push("[]uint8".to_owned(), Shape::Bytes);
            self.names.insert(expression, id);
            return id;
        }
        if let Some(element) = expression.strip_prefix("[]") {
            let element_id = self.resolve(element);
            let go = format!("[]{}", self.print(element, element_id));
            let id = self.push(go, Shape::List(element_id));
            self.names.insert(expression, id);
            return id;
        }
        if let Some((key, value)) = expression.strip_prefix("map[").and_then(|r| r.split_once(']')) {
            let value_id = self.resolve(value);
            let go = format!("map[{}]{}", go_name(key), self.print(value, value_id));
            let id = self.push(go, Shape::Map(value_id));
            self.names.insert(expression, id);
            return id;
        }
        let Some((rest, lines)) = self.declarations.get(expression).cloned() else {
            let shape = self.scalar(expression);
            let go = if matches!(shape, Shape::Any) { "interface {}" } else { expression };
            let id = self.push(go.to_owned(), shape);
            self.names.insert(expression, id);
            return id;
        };
        // The name is known before its parts are, since types refer to themselves.
        let id = self.push(go_name(expression).to_owned(), Shape::Any);
        self.names.insert(expression, id);
        let words: Vec<&'static str> = rest.split_whitespace().collect();
        let (list, atomic) = merging(&words);
        let mut inherited = None;
        let shape = match words.first().copied() {
            Some("struct") => {
                let mut fields = Vec::new();
                self.fields(expression, &[], &lines, &mut fields);
                let mut by_name: Vec<u16> = (0..fields.len() as u16).collect();
                by_name.sort_by_key(|i| fields.get(usize::from(*i)).map_or("", |f| f.json));
                let name = expression.rsplit('.').next().unwrap_or(expression);
                Shape::Struct(Struct { name, fields, by_name })
            }
            Some("!time") => Shape::Time,
            Some("!microtime") => Shape::MicroTime,
            Some("!duration") => Shape::Duration,
            Some("!quantity") => Shape::Quantity,
            Some("!intorstring") => Shape::IntOrString,
            Some(other) if !other.starts_with('!') => {
                let of = self.resolve(other);
                inherited = Some(of);
                match self.types.get(of.0 as usize).map(|t| &t.shape) {
                    Some(Shape::Map(v)) => Shape::Map(*v),
                    Some(Shape::List(v)) => Shape::List(*v),
                    Some(Shape::String) => Shape::String,
                    Some(Shape::Bool) => Shape::Bool,
                    Some(Shape::Int32) => Shape::Int32,
                    Some(Shape::Int64) => Shape::Int64,
                    Some(Shape::Float64) => Shape::Float64,
                    _ => Shape::Any,
                }
            }
            _ => Shape::Any,
        };
        // An alias of a struct is that struct.
        if let (Shape::Any, Some(of)) = (&shape, inherited) {
            self.names.insert(expression, of);
            return of;
        }
        if let Some(t) = self.types.get_mut(id.0 as usize) {
            t.shape = shape;
            t.name = expression;
            t.values = words.iter().find_map(|w| w.strip_prefix("e=")).map_or(Vec::new(), |v| v.split(',').collect());
            t.list = list;
            t.atomic = atomic;
        }
        id
    }

    /// An element's name within a composite's: pointers show there.
    fn print(&self, expression: &str, id: TypeId) -> String {
        let go = self.types.get(id.0 as usize).map_or("", |t| t.go.as_str());
        if expression.starts_with('*') { format!("*{go}") } else { go.to_owned() }
    }

    /// The fields that the lines declare; `via` are the inlined structs on the way to them.
    fn fields(&mut self, owner: &'static str, via: &[&'static str], lines: &[&'static str], out: &mut Vec<Field>) {
        for line in lines {
            if let Some(inlined) = line.strip_prefix('+') {
                let inlined = inlined.trim_start_matches('*');
                if let Some((_, lines)) = self.declarations.get(inlined).cloned() {
                    let via = [via, &[inlined.rsplit('.').next().unwrap_or(inlined)]].concat();
                    self.fields(inlined, &via, &lines, out);
                }
                continue;
            }
            let (line, default) = match line.split_once(" d=") {
                Some((line, d)) => (line, serde_json::from_str(d).ok()),
                None => (*line, None),
            };
            let words: Vec<&'static str> = line.split_whitespace().collect();
            let (Some(json), Some(ty)) = (words.first().copied(), words.get(1).copied()) else { continue };
            let flags = words.get(2..).unwrap_or_default();
            let (list, atomic) = merging(flags);
            let value = |prefix: &str| flags.iter().find_map(|w| w.strip_prefix(prefix));
            let strategies = value("ps=").unwrap_or("");
            let has = |name: &str| strategies.split(',').any(|s| s == name);
            out.push(Field {
                json,
                go: value("g=").map_or_else(|| capitalised(json), str::to_owned),
                declared_in: owner,
                via: via.into(),
                ty: self.resolve(ty),
                pointer: ty.starts_with('*'),
                omit_empty: flags.contains(&"o"),
                omit_zero: flags.contains(&"z"),
                required: flags.contains(&"r"),
                list,
                atomic,
                patch: PatchStrategy { merge: has("merge"), replace: has("replace"), retain_keys: has("retainKeys") },
                patch_merge_key: value("pk="),
                default,
            });
        }
    }
}

/// The schema that the data file describes.
pub(super) fn load(text: &'static str) -> Schema {
    let mut l = Loader { types: Vec::new(), names: BTreeMap::new(), declarations: BTreeMap::new() };
    let mut kind_lines = Vec::new();
    let mut current: Option<&'static str> = None;
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match words.next() {
            Some("#") => {}
            Some("K") => kind_lines.push(line),
            Some("S") => {
                let name = words.next().unwrap_or("");
                let flags = words.next().unwrap_or("");
                let rest = if flags == "a" { "struct a" } else { "struct" };
                l.declarations.insert(name, (rest, Vec::new()));
                current = Some(name);
            }
            Some("N") => {
                let name = words.next().unwrap_or("");
                l.declarations.insert(name, (words.next().unwrap_or(""), Vec::new()));
                current = None;
            }
            _ => {
                if let Some((_, lines)) = current.and_then(|c| l.declarations.get_mut(c)) {
                    lines.push(line);
                }
            }
        }
    }
    l.declarations.insert(
        "handlers.jsonPatchOp",
        ("struct", vec!["op string", "path string", "from string", "value interface{}"]),
    );
    let mut kinds = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for line in kind_lines {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        let [_, version, kind, name] = words.as_slice() else { continue };
        let id = (*name != "-").then(|| l.resolve(name));
        kinds.insert((*version, *kind), id);
        if let Some((package, _)) = name.split_once('/') {
            packages.insert((*version, *kind), package);
        }
    }
    let named: Vec<&'static str> = l.declarations.keys().copied().collect();
    for name in named {
        l.resolve(name);
    }
    // What patches are read into.
    l.resolve("[]handlers.jsonPatchOp");
    l.resolve("map[string]interface{}");
    Schema { types: l.types, names: l.names, kinds, packages }
}
